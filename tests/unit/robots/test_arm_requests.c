/* test_arm_requests.c - the arm's own door while its control thread stands still, and while the arm is not reached: what is answered with
 * an error is not done later, and a stop that reaches nobody is no success.
 * In real time: the door has its own clock; nothing is judged by how long it took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/arm/arm_io.h"
#include "robots/arm/arm_loop.h"
#include "robots/model/model.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

static const int64_t PATIENCE_NS = 60 * NS_PER_S;

static struct {
	void *zmq, *client;
	struct config config;
	struct arm_setup setup;
	struct arm_links links;
	struct arm_io io;
	struct arm_loop loop;
	struct reply reply;
	char asked[8];
	enum arm_mode mode;
} bench;

static void note(char what)
{
	size_t n = strlen(bench.asked);

	if (n + 1 < sizeof bench.asked)
		bench.asked[n] = what;
}

static void switch_off(void *driver)
{
	(void)driver;
	note('d');
}

static void emergency_stop(void *driver)
{
	(void)driver;
	note('s');
}

static void read_arm(void *driver, int64_t now_ns, struct robot_state *out)
{
	(void)driver;
	*out = (struct robot_state){ .mode = bench.mode, .generation = 1, .stamp_ns = now_ns };
}

static void write_arm(void *driver, const struct robot_command *c)
{
	(void)driver;
	(void)c;
}

static const struct robot_driver DRIVER = { .name = "power", .period_ns = NS_PER_MS, .disable = switch_off,
	.emergency_stop = emergency_stop, .read = read_arm, .write = write_arm };

static int begin(void **state)
{
	struct arm_io_options o = { .config = &bench.config, .robot = &bench.config.robot[0], .setup = &bench.setup, .driver = &DRIVER,
		.links = &bench.links };
	struct errbuf e;

	(void)state;
	memset(&bench, 0, sizeof bench);
	bench.setup = (struct arm_setup){ .name = "arm", .model = *robot_model_find("panda"), .tcp = { .q_xyzw = { 0, 0, 0, 1 } } };
	snprintf(bench.config.sockets_targets, sizeof bench.config.sockets_targets, "inproc://targets");
	snprintf(bench.config.sockets_states, sizeof bench.config.sockets_states, "inproc://states");
	snprintf(bench.config.robot[0].control, sizeof bench.config.robot[0].control, "inproc://control");
	queue_init(&bench.links.target_queue, ARM_TARGET_RING);
	queue_init(&bench.links.request_queue, ARM_REQUEST_RING);
	queue_init(&bench.links.answer_queue, ARM_REQUEST_RING);
	latest_init(&bench.links.report_box);
	bench.links.answer_fd = -1;
	o.zmq_context = bench.zmq = zmq_ctx_new();
	assert_int_equal(arm_io_init(&bench.io, &o, &e), 0);
	bench.io.driven = &bench;
	bench.loop = (struct arm_loop){ .driver = &DRIVER, .links = &bench.links };
	arm_init(&bench.loop.arm, &bench.setup, &DRIVER);
	bench.client = zmq_socket(bench.zmq, ZMQ_REQ);
	assert_int_equal(zmq_connect(bench.client, "inproc://control"), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	zmq_close(bench.client);
	arm_io_finish(&bench.io);
	zmq_ctx_term(bench.zmq);
	return 0;
}

static void control_goes_on(void)
{
	arm_loop_tick(&bench.loop, clock_monotonic_ns());
}

/* Its reply in bench.reply. */
static void ask(const char *command, bool control_runs)
{
	int64_t end_ns = clock_monotonic_ns() + PATIENCE_NS;
	struct map_builder b;
	uint8_t bytes[256];
	struct errbuf e;
	size_t n;
	int got;

	request_begin(&b, bytes, sizeof bytes, command);
	if (strcmp(command, "disable") == 0)
		map_add_bool(&b, "confirm", true);
	assert_int_equal(map_finish(&b, &n, &e), 0);
	assert_int_equal(zmq_send(bench.client, bytes, n, 0), n);
	while ((got = zmq_recv(bench.client, bytes, sizeof bytes, ZMQ_DONTWAIT)) < 0) {
		assert_true(clock_monotonic_ns() < end_ns);
		if (control_runs)
			control_goes_on();
		arm_io_step(&bench.io);
		clock_sleep_until(clock_monotonic_ns() + NS_PER_MS);
	}
	assert_int_equal(reply_decode(&bench.reply, bytes, (size_t)got, &e), 0);
}

static void what_nobody_answered_is_not_done_later(void **state)
{
	(void)state;
	bench.mode = ARM_READY;
	control_goes_on();
	ask("disable", false);
	assert_false(bench.reply.ok);
	assert_non_null(strstr(bench.reply.error, "does not answer"));
	assert_non_null(strstr(bench.reply.hint, "nothing was done"));
	control_goes_on();
	control_goes_on();
	assert_string_equal(bench.asked, "");
}

static void a_stop_that_reaches_nobody_is_no_success(void **state)
{
	(void)state;
	bench.mode = ARM_DISCONNECTED;
	ask("emergency_stop", true);
	assert_false(bench.reply.ok);
	assert_non_null(strstr(bench.reply.error, "not reached"));
	assert_non_null(strstr(bench.reply.hint, "its own switch"));
	assert_int_equal(bench.asked[0], 's'); /* kept by the driver in case that it comes back */
	bench.mode = ARM_READY;
	control_goes_on();
	ask("emergency_stop", true);
	assert_true(bench.reply.ok);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_nobody_answered_is_not_done_later, begin, end),
		cmocka_unit_test_setup_teardown(a_stop_that_reaches_nobody_is_no_success, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
