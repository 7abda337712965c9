/* test_io.c - pieces of the io thread one by one, among peers in the same process.
 * In real time: sockets. */
#include "daemon/io.h"
#include "daemon/setup.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { SIDE = 1000, PIXELS_BYTES = 3 * SIDE * SIDE };

static struct config config;
static struct control_setup setup;
static struct links links;
static struct stats stats;
static struct io *io;
static void *zmq, *publisher;
static uint8_t pixels[PIXELS_BYTES];
static uint64_t seq;

static void set_addresses(void)
{
	strcpy(config.sockets_cameras, "inproc://cameras");
	strcpy(config.sockets_operators, "inproc://operators");
	strcpy(config.sockets_states, "inproc://states");
	strcpy(config.sockets_targets, "inproc://targets");
	strcpy(config.sockets_status, "inproc://status");
	strcpy(config.sockets_control, "inproc://control");
	strcpy(config.robot[0].control, "inproc://arm");
}

static int set_up(void **state)
{
	struct errbuf e = { "" };

	(void)state;
	memset(&links, 0, sizeof links);
	links_init(&links);
	config_defaults(&config);
	set_addresses();
	config.n_cameras = config.policy_cameras.n = config.n_robots = 1;
	strcpy(config.camera[0].name, "top");
	strcpy(config.policy_cameras.name[0], "top");
	strcpy(config.robot[0].name, "left"); /* nobody answers there */
	setup = (struct control_setup){ .n_cameras = 1, .camera_name = { "top" }, .n_arms = 1, .arm[0].name = "left" };
	zmq = zmq_ctx_new();
	publisher = zmq_socket(zmq, ZMQ_PUB);
	links.target_eventfd = eventfd_open(&e);
	if (links.target_eventfd < 0 || io_create(&io, &config, &setup, &links, &stats, zmq, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	zmq_close(publisher);
	io_destroy(io);
	zmq_ctx_term(zmq);
	close(links.target_eventfd);
	return 0;
}

static void send_frame(void)
{
	struct message_camera m = { { 7, ++seq, clock_monotonic_ns() }, ENCODING_RGB8, SIDE, SIDE };
	uint8_t bytes[256];
	struct errbuf e;
	size_t n;

	assert_int_equal(message_camera_encode(&m, bytes, sizeof bytes, &n, &e), 0);
	assert_true(zmq_send(publisher, "camera/top", 10, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(publisher, bytes, n, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(publisher, pixels, sizeof pixels, 0) >= 0);
}

static void send_instruction(void)
{
	struct message_instruction m = { { 7, ++seq, clock_monotonic_ns() }, "wave" };
	uint8_t bytes[256];
	struct errbuf e;
	size_t n;

	assert_int_equal(message_instruction_encode(&m, bytes, sizeof bytes, &n, &e), 0);
	assert_true(zmq_send(publisher, "instruction", 11, ZMQ_SNDMORE) >= 0);
	assert_true(zmq_send(publisher, bytes, n, 0) >= 0);
}

/* Connects and sends until the first one arrives: a subscription takes a moment. */
static void connect_to(const char *address, void (*send)(void), void (*receive)(struct io *io), const uint64_t *counter)
{
	assert_int_equal(zmq_connect(publisher, address), 0);
	while (*counter == 0) {
		io->now_ns = clock_monotonic_ns();
		send();
		receive(io);
	}
}

static void one_wake_up_takes_a_bounded_number_of_bytes(void **state)
{
	(void)state;
	connect_to("inproc://cameras", send_frame, io_camera_receive, &io->counters.frames);
	io->counters.frames = 0;
	for (int i = 0; i < 6; i++)
		send_frame();
	io_camera_receive(io);
	assert_int_equal(io->counters.frames, (IO_CAMERA_BYTES + PIXELS_BYTES - 1) / PIXELS_BYTES);
	io_camera_receive(io);
	assert_int_equal(io->counters.frames, 6);
}

/* Stamped after the wake-up had begun, long before it ends. */
static void a_message_is_dated_when_it_is_taken(void **state)
{
	(void)state;
	connect_to("inproc://cameras", send_frame, io_camera_receive, &io->counters.frames);
	io->now_ns = clock_monotonic_ns() - NS_PER_S;
	send_frame();
	io_camera_receive(io);
	assert_int_equal(io->counters.frames, 2);
	assert_int_equal(io->counters.frames_void, 0);
}

static void an_instruction_is_dated_when_it_is_taken(void **state)
{
	(void)state;
	connect_to("inproc://operators", send_instruction, io_operator_receive, &io->counters.instructions);
	io->now_ns = clock_monotonic_ns() - NS_PER_S;
	send_instruction();
	io_operator_receive(io);
	assert_int_equal(io->counters.operators_void, 0);
}

/* ---- what an arm said when a reason came up ---- */

static void arm_says(uint32_t n_errors, const char *error, const char *remedy)
{
	struct arm_words *w = &io->arm[0].words;

	*w = (struct arm_words){ .n_errors = n_errors };
	snprintf(w->error[0], sizeof w->error[0], "%s", error);
	snprintf(w->remedy, sizeof w->remedy, "%s", remedy);
	io_wake(io);
}

static void control_says(enum mode mode, enum reason reason, uint64_t faults)
{
	struct control_report *r = &links.report[links.report_box.writing];

	*r = (struct control_report){ .mode = mode, .reason = reason, .faults = faults };
	latest_publish(&links.report_box);
	io_wake(io);
}

static void expect_told(const char *reason, const char *cause)
{
	io_status_fill(io);
	assert_string_equal(io->status_message.reason, reason);
	assert_int_equal(io->status_message.n_causes, cause != NULL);
	if (cause)
		assert_string_equal(io->status_message.cause[0], cause);
}

/* As if what stands had stood for long. */
static void long_since(void)
{
	io->told.since_ns -= NS_PER_S;
	for (uint32_t i = 0; i < REASONS_MAX; i++)
		io->told_cause[i].since_ns -= NS_PER_S;
}

static void a_reason_keeps_the_words_of_its_beginning(void **state)
{
	static const char kept[] = "arm left: reports errors (user_stopped): release the user stop";

	(void)state;
	arm_says(1, "user_stopped", "release the user stop");
	control_says(MODE_FAULT, REASON_ARM_ERRORS, REASON_BIT(REASON_ARM_ERRORS));
	expect_told(kept, kept);
	arm_says(0, "", "");
	expect_told(kept, kept);
	control_says(MODE_FAULT, REASON_ARM_ERRORS, 0); /* it is over, but is why the mode is what it is */
	expect_told(kept, NULL);
	long_since();
	arm_says(1, "joint_reflex", "recover it");
	expect_told(kept, NULL);
	control_says(MODE_FAULT, REASON_ARM_ERRORS, REASON_BIT(REASON_ARM_ERRORS)); /* another one of the kind */
	expect_told(kept, "arm left: reports errors (joint_reflex): recover it");
	control_says(MODE_HOLD, REASON_OPERATOR_RESET, 0);
	control_says(MODE_FAULT, REASON_ARM_ERRORS, REASON_BIT(REASON_ARM_ERRORS));
	expect_told("arm left: reports errors (joint_reflex): recover it", "arm left: reports errors (joint_reflex): recover it");
}

/* What stood as a cause before it became the reason. */
static void a_reason_takes_the_words_of_its_cause(void **state)
{
	static const char kept[] = "arm left: reflex (joint_reflex): the arm stopped itself; clear the way, `dreamvlactl recover`, then reset";

	(void)state;
	arm_says(1, "joint_reflex", "");
	control_says(MODE_HOLD, REASON_OPERATOR_HOLD, REASON_BIT(REASON_ARM_REFLEX));
	expect_told("an operator asked for HOLD", kept);
	arm_says(0, "", "");
	control_says(MODE_FAULT, REASON_ARM_REFLEX, REASON_BIT(REASON_ARM_REFLEX));
	expect_told(kept, kept);
}

static void words_that_come_a_little_later_are_its_own_but_no_others(void **state)
{
	static const char bare[] = "arm left: its driver has lost the arm: see its log";
	static const char kept[] = "arm left: its driver has lost the arm: plug the cable in";

	(void)state;
	control_says(MODE_FAULT, REASON_ARM_DISCONNECTED, REASON_BIT(REASON_ARM_DISCONNECTED));
	expect_told(bare, bare);
	arm_says(1, "no_answer", "plug the cable in");
	expect_told(kept, kept);
	control_says(MODE_HOLD, REASON_OPERATOR_RESET, 0);
	arm_says(0, "", "");
	control_says(MODE_FAULT, REASON_ARM_DISCONNECTED, REASON_BIT(REASON_ARM_DISCONNECTED));
	long_since();
	arm_says(1, "no_answer", "plug the cable in");
	expect_told(bare, kept);
}

/* A PiPER in an emergency stop that was recovered, then enabled: its first remedy, followed a second time, would let it fall. */
static void what_still_stands_says_what_to_do_now(void **state)
{
	static const char begun[] = "arm left: reports errors (emergency_stop): hold it, then recover";

	(void)state;
	arm_says(1, "emergency_stop", "hold it, then recover");
	io->inputs.arm[0].mode = ARM_ESTOP;
	control_says(MODE_FAULT, REASON_ARM_ERRORS, REASON_BIT(REASON_ARM_ERRORS));
	long_since();
	arm_says(1, "motor_lost", "recover it, then enable");
	expect_told(begun, "arm left: reports errors (motor_lost): recover it, then enable");
	arm_says(0, "", "its motors are off: enable");
	io->inputs.arm[0].mode = ARM_IDLE;
	strcpy(io->arm[0].words.trouble, "motors_off");
	expect_told(begun, "arm left: reports errors: its motors are off: enable");
	io->inputs.arm[0].mode = ARM_READY; /* whatever is the matter with its gripper is no remedy of the fault's */
	expect_told(begun, begun);
}

/* What is no fault stands as long as its cause, and says what the arm says now. */
static void what_is_missing_says_what_the_arm_says_now(void **state)
{
	const struct arm_words *w;

	(void)state;
	arm_says(1, "version", "update it");
	control_says(MODE_READY, REASON_NONE, REASON_BIT(REASON_ARM_OFFLINE));
	long_since();
	arm_says(1, "no_answer", "plug the cable in");
	w = io_told_cause(io, REASON_ARM_OFFLINE, 0);
	assert_non_null(w);
	assert_string_equal(w->remedy, "plug the cable in");
}

static void arm_says_trouble(const char *trouble, bool keeps, const char *remedy)
{
	struct arm_words *w = &io->arm[0].words;

	*w = (struct arm_words){ .n_errors = keeps };
	snprintf(w->error[0], sizeof w->error[0], "%s", keeps ? trouble : "");
	snprintf(w->trouble, sizeof w->trouble, "%s", trouble);
	snprintf(w->remedy, sizeof w->remedy, "%s", remedy);
	io_wake(io);
}

/* Not the driver is slow where the arm is silent: its word is heard a little later, and stays when the arm is heard again. */
static void states_that_come_late_are_told_with_the_arm_s_own_word(void **state)
{
#define LATE "arm left: its newest state is 0 ms old (limit 0 ms) although states come: its driver has no newer ones, or they are held up on the way"
	static const char bare[] = LATE, unheard[] = LATE "; it says unheard: see to the bus", silent[] = LATE "; it says silent: its power";

	(void)state;
	control_says(MODE_FAULT, REASON_STATE_LATE, REASON_BIT(REASON_STATE_LATE));
	expect_told(bare, bare);
	arm_says_trouble("unheard", false, "see to the bus");
	expect_told(unheard, unheard);
	arm_says_trouble("silent", true, "its power");
	expect_told(silent, silent);
	arm_says_trouble("connecting", true, "wait");
	arm_says_trouble("gripper_off", false, "enable it");
	arm_says_trouble("", false, "");
	expect_told(silent, silent);
	control_says(MODE_HOLD, REASON_OPERATOR_RESET, 0);
	io->inputs.arm[0].mode = ARM_READY;
	arm_says_trouble("gripper_off", false, "enable it");
	control_says(MODE_FAULT, REASON_ARM_ERRORS, REASON_BIT(REASON_ARM_ERRORS)); /* which that is none of */
	expect_told("arm left: reports errors: see the arm's own status", "arm left: reports errors: see the arm's own status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_wake_up_takes_a_bounded_number_of_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_message_is_dated_when_it_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_instruction_is_dated_when_it_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reason_keeps_the_words_of_its_beginning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reason_takes_the_words_of_its_cause, set_up, tear_down),
		cmocka_unit_test_setup_teardown(words_that_come_a_little_later_are_its_own_but_no_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(states_that_come_late_are_told_with_the_arm_s_own_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_still_stands_says_what_to_do_now, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_missing_says_what_the_arm_says_now, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
