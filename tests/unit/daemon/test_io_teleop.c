/* test_io_teleop.c - what a device may not say: nothing that is void, late, early, old, doubled or somebody else's reaches control, or
 * disturbs the device that drives; and a thousand names take no more room than eight.
 * In real time: sockets. */
#include "daemon/io.h"
#include "daemon/sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

static struct config config;
static struct control_setup setup;
static struct links links;
static struct stats stats;
static struct io *io;
static void *zmq, *publisher;

static int set_up_with(const char *const *devices, uint32_t n)
{
	struct errbuf e = { "" };

	memset(&links, 0, sizeof links);
	config_defaults(&config);
	strcpy(config.sockets_cameras, "inproc://cameras");
	strcpy(config.sockets_operators, "inproc://operators");
	strcpy(config.sockets_states, "inproc://states");
	strcpy(config.sockets_targets, "inproc://targets");
	strcpy(config.sockets_status, "inproc://status");
	strcpy(config.sockets_control, "inproc://control");
	strcpy(config.robot[0].control, "inproc://left");
	strcpy(config.robot[1].control, "inproc://right");
	config.teleop_devices.n = n;
	for (uint32_t i = 0; i < n; i++)
		strcpy(config.teleop_devices.name[i], devices[i]);
	setup = (struct control_setup){ .n_arms = 2, .teleop_timeout_ns = config.teleop_timeout_ms * NS_PER_MS };
	strcpy(setup.arm[0].name, "left");
	strcpy(setup.arm[1].name, "right");
	setup.arm[0].model.dof = setup.arm[1].model.dof = 6;
	zmq = zmq_ctx_new();
	publisher = zmq_socket(zmq, ZMQ_PUB);
	assert_int_equal(io_create(&io, &config, &setup, &links, &stats, zmq, &e), 0);
	io->now_ns = 1000 * NS_PER_S;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(NULL, 0);
}

static int set_up_listed(void **state)
{
	static const char *const devices[] = { "pad", "leader" };

	(void)state;
	return set_up_with(devices, 2);
}

static int tear_down(void **state)
{
	(void)state;
	zmq_close(publisher);
	io_destroy(io);
	zmq_ctx_term(zmq);
	return 0;
}

/* ---- what devices say ------------------------------------------------------------------------------------------------- */

static uint64_t seq;
static struct errbuf why;

static struct message_teleop good(bool deadman)
{
	return (struct message_teleop){ .head = { .from = 5, .seq = ++seq, .stamp_ns = io->now_ns }, .arm = "left", .deadman = deadman,
		.kind = TELEOP_TWIST, .n_values = 6, .value = { 0.1 }, .frame = FRAME_BASE };
}

static size_t encode(const struct message_teleop *m, uint8_t *bytes, size_t capacity)
{
	struct errbuf e = { "" };
	size_t n;

	assert_int_equal(message_teleop_encode(m, bytes, capacity, &n, &e), 0);
	return n;
}

static int say(const char *device, const struct message_teleop *m)
{
	uint8_t bytes[512];
	char topic[64];
	struct endpoint_message in = { .n_parts = 2, .part = { (const uint8_t *)topic, bytes } };

	snprintf(topic, sizeof topic, "teleop/%s", device);
	in.bytes[0] = strlen(topic);
	in.bytes[1] = encode(m, bytes, sizeof bytes);
	return io_teleop_take(io, device, &in, &why);
}

/* The pad has its dead-man pressed: one edge. */
static struct teleop_input pad_drives(void)
{
	struct message_teleop m = good(false);

	assert_int_equal(say("pad", &m), 0);
	io->now_ns += 10 * NS_PER_MS;
	m = good(true);
	assert_int_equal(say("pad", &m), 0);
	io->report.mode = MODE_TELEOP;
	io->report.device = 0;
	assert_true(io->inputs.teleop[0].edges == 1 && io->inputs.teleop[0].deadman);
	return io->inputs.teleop[0];
}

static void assert_untouched(const struct teleop_input *before)
{
	assert_memory_equal(&io->inputs.teleop[0], before, sizeof *before);
	for (int i = 1; i < TELEOP_DEVICES_MAX; i++)
		assert_int_equal(io->inputs.teleop[i].edges, 0);
}

/* ---- tests ---------------------------------------------------------------------------------------------------------------- */

static void late_early_and_old_ones_are_void(void **state)
{
	struct teleop_input before = pad_drives();
	struct message_teleop m;

	(void)state;
	io->now_ns += 10 * NS_PER_MS;
	m = good(false);
	m.head.stamp_ns = io->now_ns - setup.teleop_timeout_ns - 1;
	assert_true(say("pad", &m) < 0 && strstr(why.text, "stamp_ns"));
	m.head.stamp_ns = io->now_ns + 6 * NS_PER_MS;
	assert_true(say("pad", &m) < 0 && strstr(why.text, "stamp_ns"));
	m.head.stamp_ns = -1;
	assert_true(say("pad", &m) < 0 && strstr(why.text, "stamp_ns"));
	m.head.stamp_ns = INT64_MAX;
	assert_true(say("pad", &m) < 0 && strstr(why.text, "stamp_ns"));
	assert_untouched(&before);
}

static void doubled_and_overtaken_ones_are_dropped(void **state)
{
	struct teleop_input before = pad_drives();
	struct message_teleop m = good(false);

	(void)state;
	for (uint64_t back = 1; back < 4; back++) { /* its own last number, and those before */
		m.head.seq = seq - back;
		assert_int_equal(say("pad", &m), 0);
	}
	assert_int_equal(io->counters.duplicates, 3);
	assert_untouched(&before);
}

static void somebody_elses_are_not_believed_while_the_device_speaks(void **state)
{
	struct teleop_input before = pad_drives();
	struct message_teleop m = good(false);

	(void)state;
	m.head.from = 6;
	assert_int_equal(say("pad", &m), 0);
	assert_int_equal(io->counters.foreign, 1);
	assert_untouched(&before);
}

static void what_does_not_fit_the_arm_is_void(void **state)
{
	struct teleop_input before = pad_drives();
	struct message_teleop m = good(true);

	(void)state;
	m.kind = TELEOP_JOINT;
	m.n_values = 7; /* the arm has six */
	assert_true(say("pad", &m) < 0 && strstr(why.text, "values"));
	m.n_values = 5;
	assert_true(say("leader", &m) < 0 && strstr(why.text, "values"));
	m = good(true);
	strcpy(m.arm, "third");
	assert_true(say("pad", &m) < 0 && strstr(why.text, "arm"));
	m.arm[0] = '\0'; /* there are two */
	assert_true(say("pad", &m) < 0 && strstr(why.text, "arm"));
	assert_untouched(&before);
}

/* A dead-man that was down when the link came, or came back, is no edge. */
static void only_a_press_that_was_seen_is_an_edge(void **state)
{
	struct message_teleop m = good(true);
	const struct teleop_input *in = &io->inputs.teleop[0];

	(void)state;
	assert_int_equal(say("pad", &m), 0);
	assert_int_equal(in->edges, 0);
	m = good(false);
	assert_int_equal(say("pad", &m), 0);
	io->now_ns += setup.teleop_timeout_ns + 1; /* nobody heard the press */
	m = good(true);
	assert_int_equal(say("pad", &m), 0);
	assert_int_equal(in->edges, 0);
	m = good(false);
	assert_int_equal(say("pad", &m), 0);
	m = good(true);
	assert_int_equal(say("pad", &m), 0);
	assert_int_equal(in->edges, 1);
	io->now_ns += NS_PER_S; /* the device starts again, with its dead-man held */
	m = good(true);
	m.head.from = 6;
	assert_int_equal(say("pad", &m), 0);
	assert_int_equal(in->edges, 1);
}

/* Both are counted, however fast they follow each other. */
static void a_tap_is_an_edge_and_a_release(void **state)
{
	const struct teleop_input *in = &io->inputs.teleop[0];

	(void)state;
	for (int k = 0; k < 5; k++) {
		struct message_teleop m = good(k % 2 == 1);

		assert_int_equal(say("pad", &m), 0);
	}
	assert_true(in->edges == 2 && in->releases == 2 && !in->deadman && in->edge_ns == io->now_ns);
}

static void send(enum target_source source, int64_t edge_ns)
{
	int slot = queue_claim(&links.target_queue);

	assert_true(slot >= 0);
	links.target[slot] = (struct target_batch){ .n = 1, .target = { { .valid = true, .source = source, .edge_ns = edge_ns } } };
	queue_publish(&links.target_queue);
	io_target_send(io);
}

/* A target may come before the report of its tick: what io knows of the mode is of no matter. */
static void a_take_over_is_measured_with_its_first_target(void **state)
{
	const struct histogram *takeover = &stats.stage[STAGE_TAKEOVER];
	int64_t before_ns = clock_monotonic_ns();

	(void)state;
	queue_init(&links.target_queue, TARGET_RING);
	histogram_reset(&stats.stage[STAGE_TAKEOVER]);
	assert_int_not_equal(io->report.mode, MODE_TELEOP);
	for (int k = 0; k < 3; k++)
		send(TARGET_TELEOP, before_ns - 50 * NS_PER_MS);
	assert_int_equal(histogram_summary(takeover).n, 1);
	assert_true(histogram_summary(takeover).p50_ns >= 50 * NS_PER_MS);
	send(TARGET_HOLD, before_ns);
	assert_int_equal(histogram_summary(takeover).n, 1);
	send(TARGET_TELEOP, before_ns);
	assert_int_equal(histogram_summary(takeover).n, 2);
}

static void unlisted_devices_have_no_slot(void **state)
{
	struct teleop_input before = pad_drives();

	(void)state;
	for (int k = 0; k < 1000; k++) {
		struct message_teleop m = good(k % 2 == 1);
		char name[NAME_BYTES];

		snprintf(name, sizeof name, "stranger%d", k);
		assert_true(say(name, &m) < 0 && strstr(why.text, "teleop.devices"));
		assert_false(io_teleop_knows(io, name));
	}
	assert_untouched(&before);
	assert_true(io_teleop_knows(io, "leader"));
}

static void a_thousand_devices_are_eight_and_disturb_nobody(void **state)
{
	struct teleop_input before = pad_drives();
	uint32_t taken = 0;

	(void)state;
	for (int k = 0; k < 1000; k++) {
		struct message_teleop m = good(false);
		char name[NAME_BYTES];

		snprintf(name, sizeof name, "pad%d", k);
		m.head.from = 1000 + (uint64_t)k;
		taken += say(name, &m) == 0;
	}
	assert_int_equal(taken, TELEOP_DEVICES_MAX - 1);
	assert_true(strstr(why.text, "devices are in use"));
	assert_untouched(&before);
	io->now_ns += 20 * NS_PER_S; /* even silent it keeps its slot while it drives, and hands no edge on to who comes after it */
	struct message_teleop m = good(false);

	m.head.from = 7;
	assert_int_equal(say("late", &m), 0);
	assert_string_equal(io->teleop[0].name, "pad");
	assert_untouched(&before);
}

/* Control knows the old number of edges: one that began anew would be a press that nobody made. */
static void who_gets_a_used_slot_hands_no_edge_on(void **state)
{
	struct teleop_input before = pad_drives();
	struct message_teleop m = good(false);

	(void)state;
	assert_int_equal(say("pad", &m), 0);
	io->report.mode = MODE_HOLD;
	io->now_ns += 6 * NS_PER_S;
	m = good(true);
	m.head.from = 7;
	assert_int_equal(say("late", &m), 0);
	assert_string_equal(io->teleop[0].name, "late");
	assert_int_equal(io->inputs.teleop[0].edges, before.edges);
	assert_int_equal(io->inputs.teleop[0].releases, before.releases + 1);
}

/* ---- over the socket: what is complained about, and how often ---------------------------------------------------------------- */

static void send_as(const char *device, const void *bytes, size_t n)
{
	char topic[64];

	snprintf(topic, sizeof topic, "teleop/%s", device);
	assert_true(zmq_send(publisher, topic, strlen(topic), ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(publisher, bytes, n, 0) >= 0);
}

static void a_thousand_names_do_not_fill_the_log(void **state)
{
	uint8_t bytes[512] = { 0 };
	uint32_t kinds = 0;

	(void)state;
	assert_int_equal(zmq_connect(publisher, "inproc://operators"), 0);
	for (uint64_t k = 0; io->counters.operators_void < 1000; k++) {
		struct message_teleop m = good(true);
		char name[NAME_BYTES];

		snprintf(name, sizeof name, "stranger%d", (int)k);
		m.head.stamp_ns = clock_monotonic_ns();
		send_as(name, bytes, k % 2 ? encode(&m, bytes, sizeof bytes) : 5);
		io_operator_receive(io);
	}
	for (uint32_t i = 0; i < IO_VOID_KINDS; i++)
		kinds += io->void_kind[i].topic_key[0] != '\0';
	assert_true(kinds <= 2); /* one for each kind of complaint, not for each name */
	assert_int_equal(io->inputs.teleop[0].edges, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(late_early_and_old_ones_are_void, set_up, tear_down),
		cmocka_unit_test_setup_teardown(doubled_and_overtaken_ones_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(somebody_elses_are_not_believed_while_the_device_speaks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_fit_the_arm_is_void, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_a_press_that_was_seen_is_an_edge, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_tap_is_an_edge_and_a_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_take_over_is_measured_with_its_first_target, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unlisted_devices_have_no_slot, set_up_listed, tear_down),
		cmocka_unit_test_setup_teardown(a_thousand_devices_are_eight_and_disturb_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_gets_a_used_slot_hands_no_edge_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_thousand_names_do_not_fill_the_log, set_up_listed, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
