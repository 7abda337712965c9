/* test_bench_wake.c - an arm whose way home is ended before it is there is sent home again, and is not taken for one that is there.
 * In real time: sockets. */
#include "daemon/bench/bench_arm.h"
#include "daemon/bench/bench_session.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "daemon/sys/clock.h"
#include "robots/model/model.h"
#include "transport/message/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BYTES = 8192, STATUS_EVERY_MS = 50 };

/* dreamvlad and one arm, as far as a session asks them. */
static struct {
	struct session session;
	void *control, *arm, *status;   /* sockets */
	int needs;                      /* requests `home` until it comes home */
	atomic_int homes;
	atomic_bool ends;
	bool is_on;
	pthread_t thread;
} b;

static const char *const numbers[] = { "targets_accepted", "targets_refused", "limits_exceeded", "underruns", "interval_p50_us",
	"interval_p99_us", "interval_p999_us", "interval_max_us", "tcp_path_m", "velocity_peak", "acceleration_peak", "late_p50_us",
	"late_p99_us", "late_p999_us", "late_max_us" };

static struct message_state arm_state(bool home)
{
	const struct robot_model *model = robot_model_find("piper");
	struct message_state m = { .dof = model->dof, .state = { .has_q = true, .mode = b.is_on ? ARM_READY : ARM_IDLE, .ee.q_xyzw[3] = 1.0 } };

	for (uint32_t j = 0; home && j < model->dof; j++)
		m.state.q_rad[j] = model->home_rad[j];
	snprintf(m.words.trouble, sizeof m.words.trouble, "%s", b.is_on ? "" : "motors_off");
	return m;
}

/* The way home ends at once, wherever. */
static size_t write_arm_status(uint8_t *out)
{
	static const double rows[HISTOGRAM_ROWS];
	const struct message_state m = arm_state(atomic_load(&b.homes) >= b.needs);
	uint8_t topic[BYTES];
	struct map_builder map;
	struct errbuf e;
	size_t n;

	assert_int_equal(message_state_encode(&m, topic, sizeof topic, &n, &e), 0);
	reply_ok(&map, out, BYTES);
	map_add_topic(&map, topic, n);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		map_add_u64(&map, numbers[i], 0);
	map_add_reals(&map, "late_rows", rows, HISTOGRAM_ROWS);
	assert_int_equal(map_finish(&map, &n, &e), 0);
	return n;
}

static void answer(void *socket)
{
	uint8_t bytes[BYTES];
	struct map_builder map;
	struct request q;
	const char *cmd;
	struct errbuf e;
	int n = zmq_recv(socket, bytes, sizeof bytes, ZMQ_DONTWAIT);
	size_t n_out;

	if (n < 0)
		return;
	assert_int_equal(request_decode(&q, bytes, (size_t)n, &e), 0);
	assert_int_equal(request_text(&q, "cmd", &cmd, &e), 0);
	if (socket == b.arm && strcmp(cmd, "status") == 0) {
		n_out = write_arm_status(bytes);
	} else {
		atomic_fetch_add(&b.homes, strcmp(cmd, "home") == 0);
		b.is_on = b.is_on || strcmp(cmd, "enable") == 0;
		reply_ok(&map, bytes, sizeof bytes);
		assert_int_equal(map_finish(&map, &n_out, &e), 0);
	}
	zmq_send(socket, bytes, n_out, 0);
}

static void *serve(void *unused)
{
	static struct message_status m = { .mode = "HOLD", .driver = "hold" };
	uint8_t bytes[BYTES];
	struct errbuf e;
	size_t n;

	(void)unused;
	while (!atomic_load(&b.ends)) {
		zmq_pollitem_t item[] = { { .socket = b.control, .events = ZMQ_POLLIN }, { .socket = b.arm, .events = ZMQ_POLLIN } };

		zmq_poll(item, 2, STATUS_EVERY_MS);
		answer(b.control);
		answer(b.arm);
		assert_int_equal(message_status_encode(&m, bytes, sizeof bytes, &n, &e), 0);
		zmq_send(b.status, "status", 6, ZMQ_SNDMORE);
		zmq_send(b.status, bytes, n, 0);
	}
	return NULL;
}

static void *bind_at(int type, const char *name, char address[CONFIG_TEXT_BYTES])
{
	void *socket = zmq_socket(b.session.zmq, type);

	snprintf(address, CONFIG_TEXT_BYTES, "inproc://%s", name);
	assert_int_equal(zmq_bind(socket, address), 0);
	return socket;
}

static void begin(int needs)
{
	struct session *s = &b.session;
	struct errbuf e = { 0 };

	memset(&b, 0, sizeof b);
	b.needs = needs;
	config_defaults(&s->config);
	config_robot_defaults(&s->config.robot[0]);
	s->config.n_robots = 1;
	snprintf(s->config.robot[0].model, sizeof s->config.robot[0].model, "piper");
	s->robot = BENCH_ROBOT_PIPER;
	s->zmq = zmq_ctx_new();
	b.control = bind_at(ZMQ_REP, "control", s->config.sockets_control);
	b.arm = bind_at(ZMQ_REP, "arm", s->config.robot[0].control);
	b.status = bind_at(ZMQ_PUB, "status", s->config.sockets_status);
	struct endpoint_options o = { .type = ZMQ_SUB, .address = s->config.sockets_status, .high_water = 1000,
		.max_message_bytes = MESSAGE_BYTES_MAX, .subscribe = { "status" } };

	assert_int_equal(endpoint_open(&s->status_socket, s->zmq, &o, &e), 0);
	assert_int_equal(pthread_create(&b.thread, NULL, serve, NULL), 0);
}

static void end(void)
{
	atomic_store(&b.ends, true);
	pthread_join(b.thread, NULL);
	endpoint_close(b.session.status_socket);
	zmq_close(b.control);
	zmq_close(b.arm);
	zmq_close(b.status);
	zmq_ctx_term(b.session.zmq);
}

static void test_an_ended_way_home_is_begun_again(void **state)
{
	struct errbuf e = { 0 };

	(void)state;
	begin(2);
	assert_int_equal(session_wake_arms(&b.session, 60000, &e), 0);
	assert_int_equal(atomic_load(&b.homes), 2);
	end();
}

static void test_an_arm_that_never_comes_home(void **state)
{
	struct errbuf e = { 0 };

	(void)state;
	begin(1000);
	assert_int_equal(session_wake_arms(&b.session, 2500, &e), -ETIMEDOUT);
	end();
}

static void test_where_home_is(void **state)
{
	struct config_robot r;
	struct message_state m = arm_state(true);

	(void)state;
	config_robot_defaults(&r);
	snprintf(r.model, sizeof r.model, "piper");
	assert_true(arm_stands_at_home(&m, &r));
	m.state.q_rad[5] += 0.019;
	assert_true(arm_stands_at_home(&m, &r));
	m.state.q_rad[5] += 0.002;
	assert_false(arm_stands_at_home(&m, &r));
	r.home.n = 6; /* its own one */
	memcpy(r.home.value, m.state.q_rad, sizeof m.state.q_rad);
	assert_true(arm_stands_at_home(&m, &r));
	m.state.has_q = false;
	assert_false(arm_stands_at_home(&m, &r));
	m = arm_state(true);
	snprintf(r.model, sizeof r.model, "panda"); /* of 7 joints */
	r.home.n = 0;
	assert_false(arm_stands_at_home(&m, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_home_is),
		cmocka_unit_test(test_an_ended_way_home_is_begun_again),
		cmocka_unit_test(test_an_arm_that_never_comes_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
