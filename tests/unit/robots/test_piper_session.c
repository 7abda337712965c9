/* test_piper_session.c - what the PiPER driver's session listens for and asks before an arm may be driven: silence, part of the
 * feedback, firmware, model, limits. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"
#include "robots/piper/words.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

/* ---- refused, before anything else ---- */

static void nothing_is_said_without_a_bus(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	run(1000);
	assert_int_equal(said.frames, 0);
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	assert_trouble("connecting");
}

static void why_the_bus_is_not_open(void **unused)
{
	static const struct {
		int code;
		const char *trouble;
	} rows[] = { { -ENODEV, "no_interface" }, { -ENETDOWN, "interface_down" }, { -EAFNOSUPPORT, "no_can" }, { -EMEDIUMTYPE, "bit_rate" },
		{ -ECONNREFUSED, "no_server" }, { -EACCES, "server_refuses" }, { -ETIMEDOUT, "server_silent" }, { -EINVAL, "address_void" },
		{ -EPROTO, "server_silent" }, { -ENOENT, "name_unknown" }, { -EHOSTUNREACH, "unreachable" }, { -ENETUNREACH, "unreachable" },
		{ -ECONNRESET, "connection_lost" }, { 0, "connecting" } };

	(void)unused;
	set_up("S-V1.8-9");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		piper_session_closed(&session, rows[i].code, now_ns);
		piper_session_report(&session, now_ns, &state);
		assert_int_equal(state.mode, ARM_DISCONNECTED);
		assert_trouble(rows[i].trouble);
		run(10);
		assert_trouble(rows[i].trouble);
	}
	assert_int_equal(said.frames, 0);
}

static void nothing_is_said_to_a_silent_arm(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	bus.arm_mute = true;
	open_bus();
	run(3000);
	assert_int_equal(said.frames, 0);
	assert_int_equal(session.phase, PIPER_LISTENS);
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	assert_trouble("silent");
	bus.arm_mute = false;
	run(300);
	assert_int_equal(session.phase, PIPER_OFF);
}

static void error_frames_say_why_it_is_silent(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	bus.arm_mute = true;
	open_bus();
	run(1000);
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .error = BUS_ERROR_NO_ACK });
	run(10);
	assert_trouble("bus_full");
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .error = BUS_ERROR_OFF });
	run(10);
	assert_trouble("bus_off");
	run(2000);
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .error = BUS_ERROR_RESTARTED });
	run(10);
	assert_trouble("silent");
}

/* Any one of the groups that is missing keeps it from being driven. */
static void part_of_the_feedback_is_not_enough(void **unused)
{
	static const uint32_t needed[] = { 0x2A1, 0x2A5, 0x2A6, 0x2A7 }, motors[] = { 0x251, 0x256, 0x263 };

	(void)unused;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
		set_up("S-V1.8-9");
		bus.lose_id = needed[i];
		bus.lose = UINT32_MAX;
		open_bus();
		run(2000);
		assert_int_equal(session.phase, PIPER_LISTENS);
		assert_int_equal(said.frames, 0);
		assert_int_equal(state.mode, ARM_DISCONNECTED);
	}
	for (size_t i = 0; i < sizeof motors / sizeof *motors; i++) {
		set_up("S-V1.8-9");
		bus.lose_id = motors[i];
		bus.lose = UINT32_MAX;
		open_bus();
		run(2000);
		assert_int_equal(session.phase, PIPER_ERRORS);
		assert_trouble("communication_error");
		ask(PIPER_ASK_ENABLE);
		run(500);
		assert_int_equal(arm.enabled, 0);
		assert_int_equal(session.counters.void_asks, 1);
	}
}

static void no_firmware_no_motion(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	bus.lose_id = 0x4AF;
	bus.lose = UINT32_MAX;
	open_bus();
	run(3000);
	assert_int_equal(session.phase, PIPER_REFUSES);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_trouble("firmware_silent");
	assert_in_range(said.count[0x4AF], 20, 40);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(arm.enabled, 0);
	bus.lose = 0;
	run(1000);
	assert_int_equal(session.phase, PIPER_OFF);
	assert_trouble("motors_off");
}

/* The simulated arm tells whatever version is written into it. */
static void firmware_that_is_not_driven(void **unused)
{
	static const struct {
		const char *version, *model, *trouble;
	} rows[] = {
		{ "S-V1.5-1", "piper_1.6-2", "firmware_old" }, { "S-V1.4-9", "piper_1.6-2", "firmware_old" }, { "S-V0.9-9", "piper", "firmware_old" },
		{ "S-V1.6-5", "piper", "firmware_bad" }, { "S-V1.6-2", "piper", "wrong_model_new" }, { "S-V1.5-2", "piper", "wrong_model_new" },
		{ "S-V1.6-3", "piper_1.6-2", "wrong_model_old" }, { "S-V1.8-9", "piper_1.6-2", "wrong_model_old" },
		{ "S-V1.6-3", "piper", "motors_off" }, { "S-V1.6-2", "piper_1.6-2", "motors_off" }, { "S-V1.6-4", "piper", "motors_off" },
		{ "S-V1.8-6", "piper", "motors_off" }, { "S-V2.0-0", "piper", "motors_off" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		set_up("S-V1.8-9");
		memcpy(arm.firmware, rows[i].version, 9);
		setup.model = *robot_model_find(rows[i].model);
		open_bus();
		run(1000);
		assert_trouble(rows[i].trouble);
		assert_int_equal(state.mode, ARM_IDLE);
		ask(PIPER_ASK_ENABLE);
		run(300);
		assert_int_equal(state.mode == ARM_READY, strcmp(rows[i].trouble, "motors_off") == 0);
		assert_int_equal(arm.enabled != 0, state.mode == ARM_READY);
	}
}

static void suspect_firmware_is_driven_and_told(void **unused)
{
	(void)unused;
	set_up("S-V1.8-6");
	open_bus();
	run(500);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(state.mode, ARM_READY);
	assert_trouble("firmware_suspect");
}

static void corrupted_limits_are_refused_until_they_are_restored(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	arm.limits_corrupted = true;
	open_bus();
	run(3000);
	assert_int_equal(session.phase, PIPER_REFUSES);
	assert_trouble("limits_bad");
	ask(PIPER_ASK_ENABLE);
	run(300);
	assert_int_equal(arm.enabled, 0);
	arm.limits_corrupted = false;
	run(8000);
	assert_trouble("motors_off");
}

/* One joint's, or one number, are enough. */
static void each_void_number_is_refused(void **unused)
{
	static const struct piper_limits bad[] = { { 3, -1, -1, 3000 }, { 3, -1700, 0, 3000 }, { 3, 0, -1700, 0 }, { 3, 0, -1700, 65535 },
		{ 3, 4000, -1700, 3000 }, { 3, 0, -4, 3000 }, { 3, 1800, 10, 3000 }, { 3, 0, INT16_MIN, 3000 } };

	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		set_up("S-V1.8-9");
		arm.flash.limits[2] = bad[i];
		open_bus();
		run(1000);
		assert_trouble("limits_bad");
	}
	set_up("S-V1.8-9");
	arm.flash.acceleration_raw[5] = 0;
	open_bus();
	run(1000);
	assert_trouble("limits_bad");
}

/* ---- asked and answered ---- */

static void everything_is_asked_once(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	assert_int_equal(said.count[0x472], 12);
	assert_int_equal(said.count[0x477], 1);
	assert_in_range(said.count[0x4AF], 1, 2);
	assert_int_equal(said.frames, said.count[0x472] + said.count[0x477] + said.count[0x4AF]);
	run(3000);
	assert_int_equal(said.count[0x472], 12);
	assert_true(session.feedback.has_version);
	assert_int_equal(session.feedback.version.patch, 9);
	for (int j = 0; j < 6; j++) {
		assert_true(fabs(session.speed_rad_s[j] - 3.0) < 1e-9);
		assert_true(fabs(session.acceleration_rad_s2[j] - 5.0) < 1e-9);
	}
}

/* A queue of ten frames, as CAN interfaces have it by default, must hold what is said in one step and in one millisecond. */
static void no_burst_fills_a_short_queue(void **unused)
{
	uint32_t before = 0;

	(void)unused;
	set_up("S-V1.8-9");
	open_bus();
	for (int i = 0; i < 800; i++) {
		if (i == 500)
			ask(PIPER_ASK_ENABLE);
		run(1);
		assert_int_not_equal(session.phase, PIPER_ERRORS); /* motors that were not heard yet are no error */
		assert_in_range(said.frames - before, 0, 8);
		before = said.frames;
	}
	assert_int_equal(session.phase, PIPER_HOLDS);
}

/* Lost questions are asked again. */
static void lost_questions(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	bus.lose_said_id = 0x472;
	bus.lose_said = 20;
	open_bus();
	run(1000);
	assert_trouble("motors_off");
	assert_int_equal(said.count[0x472], 32);
	set_up("S-V1.8-9");
	bus.lose_said_id = 0x4AF;
	bus.lose_said = 3;
	open_bus();
	run(1000);
	assert_trouble("motors_off");
	set_up("S-V1.8-9");
	bus.lose_id = 0x4AF; /* part of the first answer */
	bus.lose = 8;
	open_bus();
	run(1000);
	assert_trouble("motors_off");
}

/* Without limits of the arm's own the model's are kept, and a person is told. */
static void no_limits_is_a_warning(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	bus.lose_id = 0x473;
	bus.lose = UINT32_MAX;
	open_bus();
	run(1000);
	assert_int_equal(session.phase, PIPER_ASKS);
	run(2000);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(state.mode, ARM_READY);
	assert_trouble("limits_silent");
	assert_true(fabs(session.q_max_rad[0] - setup.model.q_max_rad[0]) < 1e-12);
}

/* In the other unit that has been said of them: 0.01 rad/s, 0.001 rad/s2. */
static void units_are_found_out(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	for (int j = 0; j < 6; j++) {
		arm.flash.limits[j].speed_raw = 300;
		arm.flash.acceleration_raw[j] = 5000;
	}
	open_bus();
	run(500);
	assert_true(fabs(session.speed_rad_s[3] - 3.0) < 1e-9);
	assert_true(fabs(session.acceleration_rad_s2[3] - 5.0) < 1e-9);
}

static void tells(const char *what)
{
	char text[1024];

	piper_words_arm(&session, text, sizeof text);
	assert_true(strlen(text) < sizeof text - 1);
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in: %s", what, text);
}

/* The log has what the arm has told, in the arm's numbers and in units, and what of it is refused. */
static void what_it_told_has_units(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	arm.flash.limits[2].speed_raw = 300;
	arm.flash.limits[3] = (struct piper_limits){ 4, INT16_MAX, INT16_MIN, 65535 };
	arm.flash.acceleration_raw[4] = 0;
	bus.lose_id = 0x47C;
	bus.lose = 1; /* joint 1's, until it is asked for again */
	open_bus();
	run(50);
	tells("acceleration not told");
	run(950);
	tells("firmware S-V1.8-9; joint 1: -150.0..150.0 degrees, speed 3000 (3 rad/s), acceleration 500 (5 rad/s^2); joint 2: ");
	tells("joint 3: -170.0..0.0 degrees, speed 300 (3 rad/s), ");
	tells("joint 4: -3276.8..3276.7 degrees, speed 65535 (refused), acceleration ");
	tells("acceleration 0 (refused); joint 6: ");
}

static void what_is_not_driven_says_what_is_wanted(void **unused)
{
	static const struct {
		enum piper_trouble trouble;
		const char *found, *wanted;
	} rows[] = { { PIPER_TROUBLE_FIRMWARE_BAD, "S-V1.6-5", "zero pose" }, { PIPER_TROUBLE_WRONG_MODEL_NEW, "robots[].model is piper,", "write piper_1.6-2," },
		{ PIPER_TROUBLE_WRONG_MODEL_OLD, "robots[].model is piper_1.6-2,", "write piper," } };

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_non_null(strstr(piper_trouble(rows[i].trouble)->remedy, rows[i].found));
		assert_non_null(strstr(piper_trouble(rows[i].trouble)->remedy, rows[i].wanted));
	}
}

static void ranges_are_the_narrower(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	arm.flash.limits[0] = (struct piper_limits){ 1, 900, -900, 3000 };
	open_bus();
	run(500);
	assert_true(fabs(session.q_max_rad[0] - 90 * DEG) < 1e-9);
	assert_true(fabs(session.q_min_rad[0] + 90 * DEG) < 1e-9);
	assert_true(fabs(session.q_max_rad[1] - setup.model.q_max_rad[1]) < 1e-12);
}

static void what_is_reported_while_off(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	assert_true(state.stamp_ns > now_ns - 6 * MS);
	assert_false(state.engaged);
	assert_false(state.has_q_d);
	assert_true(state.has_tau);
	assert_true(state.has_gripper);
	assert_true(state.errors == 0);
	assert_int_equal(state.generation, 1);
	for (int j = 0; j < 6; j++)
		assert_true(fabs(state.q_rad[j] - arm.plant.q_rad[j]) < 1e-4);
}

/* An arm on other ids, as 0x470 may have moved them. */
static void moved_ids(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	arm.flash.linkage = (struct piper_linkage){ .role = PIPER_LINKAGE_FOLLOWER, .feedback_offset = 0x20, .control_offset = 0x10 };
	piper_arm_power_cycle(&arm);
	open_bus();
	run(1000);
	assert_trouble("silent");
	setup.feedback_base = 0x2C0;
	setup.control_base = 0x160;
	piper_session_init(&session, &setup);
	open_bus();
	run(500);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(said.count[0x165] > 0);
	assert_int_equal(said.count[0x155], 0);
}

static void odd_status_is_named(void **unused)
{
	const struct bus_frame odd = { .id = 0x2A1, .length = 8, .data = { 1, 0x42, 1 } };

	(void)unused;
	connect_arm("S-V1.8-9");
	bus.lose_id = 0x2A1;
	bus.lose = UINT32_MAX;
	for (int i = 0; i < 100; i++) {
		piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .frame = odd });
		run(5);
	}
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	assert_trouble("odd_status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_without_a_bus),
		cmocka_unit_test(why_the_bus_is_not_open),
		cmocka_unit_test(nothing_is_said_to_a_silent_arm),
		cmocka_unit_test(error_frames_say_why_it_is_silent),
		cmocka_unit_test(part_of_the_feedback_is_not_enough),
		cmocka_unit_test(no_firmware_no_motion),
		cmocka_unit_test(firmware_that_is_not_driven),
		cmocka_unit_test(suspect_firmware_is_driven_and_told),
		cmocka_unit_test(corrupted_limits_are_refused_until_they_are_restored),
		cmocka_unit_test(each_void_number_is_refused),
		cmocka_unit_test(everything_is_asked_once),
		cmocka_unit_test(no_burst_fills_a_short_queue),
		cmocka_unit_test(lost_questions),
		cmocka_unit_test(no_limits_is_a_warning),
		cmocka_unit_test(units_are_found_out),
		cmocka_unit_test(what_it_told_has_units),
		cmocka_unit_test(what_is_not_driven_says_what_is_wanted),
		cmocka_unit_test(ranges_are_the_narrower),
		cmocka_unit_test(what_is_reported_while_off),
		cmocka_unit_test(moved_ids),
		cmocka_unit_test(odd_status_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
