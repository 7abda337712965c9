/* test_piper_session_hold.c - enabling a PiPER and streaming targets to it: frames byte for byte, retries and time limits, taking over an
 * arm that is held, commands that must not be sent. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

static void assert_said(uint32_t id, const char *bytes)
{
	char *at = NULL;
	uint8_t want[8];

	assert_true(said.count[id] > 0);
	for (int i = 0; i < 8; i++, bytes = at)
		want[i] = (uint8_t)strtoul(bytes, &at, 16);
	assert_memory_equal(said.last[id], want, 8);
}

/* ---- what must not be sent ---- */

static void void_commands_never_become_frames(void **unused)
{
	static const double values[] = { NAN, INFINITY, -INFINITY, 1e300, 3.0, -3.0, 2.7 };

	(void)unused;
	raise_arm("S-V1.8-9");
	control.drives = false;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		for (int j = 0; j < 6; j++) {
			struct robot_command c = control.command;

			c.q_rad[j] = j == 1 && values[i] > 0 && isfinite(values[i]) ? values[i] + 1 : values[i]; /* joint 2 goes to 3.14 */
			for (int n = 0; n < 4; n++) {
				piper_session_command(&session, &c, now_ns);
				run(5);
			}
			assert_trouble("target_refused");
			piper_session_command(&session, &control.command, now_ns);
			run(20);
			assert_trouble("");
		}
	assert_true(session.counters.void_commands == 4 * 6 * sizeof values / sizeof *values);
	assert_true(distance_rad(raised) < 0.005); /* and held all the while */
	assert_int_equal(session.counters.leaps, 0);
	for (int j = 0; j < 6; j++)
		assert_true(fabs(said.target_rad[j] - raised[j]) < 1e-3);
}

/* From one command to the next no arm goes 0.3 rad: control begins anew where it is held, and is told by another generation. */
static void leaps_are_left_out(void **unused)
{
	uint64_t generation;

	(void)unused;
	raise_arm("S-V1.8-9");
	generation = state.generation;
	control.command.q_rad[0] += 0.35;
	run(10);
	assert_in_range(session.counters.leaps, 1, 2);
	assert_int_equal(state.generation, generation + 1);
	run(500);
	assert_int_equal(state.generation, generation + 1);
	assert_true(distance_rad(raised) < 0.005);
	assert_true(said.step_max_rad < 0.001);
	go((const double[6]){ 0.5, 1.0, -1.2, 0.3, 0.5, -0.7 }, 1000); /* and goes on */
	assert_true(fabs(state.q_rad[0] - 0.5) < 0.01);
}

/* The first command after the arm became ready may be one from before: it counts near the place where the arm is held only. */
static void first_command_must_begin_where_it_is_held(void **unused)
{
	struct robot_command old = { .hold = true };
	uint64_t generation;

	(void)unused;
	hold_arm("S-V1.8-9");
	control.drives = false;
	generation = state.generation;
	piper_session_command(&session, &(struct robot_command){ .hold = false }, now_ns);
	memcpy(old.q_rad, state.q_d_rad, sizeof old.q_rad);
	old.q_rad[1] += 0.03;
	for (int i = 0; i < 20; i++) {
		piper_session_command(&session, &old, now_ns);
		run(5);
	}
	assert_true(fabs(state.q_d_rad[1] - (old.q_rad[1] - 0.03)) < 1e-9);
	assert_int_equal(session.counters.leaps, 20);
	assert_int_equal(state.generation, generation + 1); /* of 20 within a tenth of a second: control needs time to begin anew */
	old.q_rad[1] -= 0.015;
	piper_session_command(&session, &old, now_ns);
	run(20);
	assert_true(fabs(state.q_d_rad[1] - old.q_rad[1]) < 1e-9);
}

/* A thread that stood still hands over a command 0.15 rad further on: what is sent goes no faster than an arm may. */
static void late_commands_are_caught_up_with(void **unused)
{
	(void)unused;
	for (int high = 0; high < 2; high++) {
		hold_arm("S-V1.8-9");
		setup.follow = high ? PIPER_FOLLOW_CHOICE_HIGH : PIPER_FOLLOW_CHOICE_PLANNED;
		setup.rate_hz = 200;
		go(raised, 2500);
		forget_said();
		control.drives = false;
		run(80);
		control.command.q_rad[0] += 0.15;
		piper_session_command(&session, &control.command, now_ns);
		run(200);
		assert_true(session.counters.clamped > 0);
		assert_true(said.step_max_rad <= 1.25 * 2.0 * 0.010 + 2e-5); /* 10 ms: so long a command is waited for that does not come */
		assert_true(fabs(state.q_d_rad[0] - raised[0] - 0.15) < 1e-6);
	}
}

static void commands_count_only_while_it_holds(void **unused)
{
	struct robot_command c = { .hold = true };

	(void)unused;
	connect_arm("S-V1.8-9");
	for (int i = 0; i < 100; i++) {
		piper_session_command(&session, &c, now_ns);
		run(5);
	}
	assert_int_equal(said.count[0x151] + said.count[0x155] + said.count[0x159] + said.count[0x471], 0);
	assert_int_equal(session.counters.void_commands + session.counters.leaps, 0);
}

/* ---- enabling ---- */

static void enabling_byte_for_byte(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	for (int j = 0; j < 6; j++)
		arm.plant.q_rad[j] = raised[j];
	run(20);
	forget_said();
	ask(PIPER_ASK_ENABLE);
	run(1);
	assert_int_equal(said.count[0x471], 6);
	assert_said(0x471, "06 02 00 00 00 00 00 00");
	assert_int_equal(said.count[0x151] + said.count[0x155], 0);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_trouble("enabling");
	while (said.count[0x151] == 0)
		run(1);
	for (int i = 0; i < 7; i++) /* the target before the mode, for arms that keep an older one; and behind it */
		assert_int_equal(said.outbox[i], i == 3 ? 0x151 : 0x155 + i % 4);
	run(300);
	assert_int_equal(state.mode, ARM_READY);
	assert_said(0x151, "01 01 64 00 00 00 00 00");
	for (int j = 0; j < 6; j++) /* the measured joints, to half of a thousandth of a degree */
		assert_true(fabs(said.target_rad[j] - state.q_d_rad[j]) <= 0.0005 * DEG + 1e-12);
	assert_true(said.step_max_rad < 1e-9);
	assert_true(distance_rad(state.q_d_rad) < 0.02);
}

/* The arm sinks a little until its motors hold it, and then stands; it never moves by itself. */
static void enabling_moves_nothing(void **unused)
{
	double before[6];

	(void)unused;
	connect_arm("S-V1.8-9");
	memcpy(before, state.q_rad, sizeof before);
	ask(PIPER_ASK_ENABLE);
	for (int i = 0; i < 1000; i++) {
		run(1);
		assert_true(distance_rad(before) < 0.003);
	}
	assert_int_equal(state.mode, ARM_READY);
}

/* After a resume the first word to each motor has no effect (piper_sdk issue 66); others get lost. */
static void words_that_get_lost_are_said_again(void **unused)
{
	static const uint32_t ids[] = { 0x471, 0x151, 0x155, 0x157 };

	(void)unused;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		connect_arm("S-V1.8-9");
		arm.deaf = 0x3F;
		bus.lose_said_id = ids[i];
		bus.lose_said = 10;
		ask(PIPER_ASK_ENABLE);
		run(1500);
		assert_int_equal(state.mode, ARM_READY);
		assert_int_equal(arm.enabled, 0x3F);
		assert_true(state.engaged);
	}
}

/* Motors that were switched off and fell keep CAN control, and perhaps their last target: where they lie is said before they have power. */
static void enabled_again_where_it_lies(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_DISABLE);
	run(3000);
	assert_true(distance_rad(raised) > 0.3);
	assert_int_equal(arm.control, PIPER_CAN);
	forget_said();
	ask(PIPER_ASK_ENABLE);
	run(1);
	assert_int_equal(said.count[0x471], 6);
	for (int i = 0; i < 9; i++)
		assert_int_equal(said.outbox[i], i < 3 ? 0x155 + i : 0x471);
	for (int j = 0; j < 6; j++)
		assert_true(fabs(said.target_rad[j] - fmin(fmax(state.q_rad[j], session.q_min_rad[j]), session.q_max_rad[j])) < 1e-4);
	run(500);
	assert_int_equal(state.mode, ARM_READY);
}

static void a_motor_that_does_not_come_on(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	ask(PIPER_ASK_ENABLE);
	for (int i = 0; i < 9900; i++) {
		arm.deaf = 0x04;
		run(1);
		assert_int_equal(session.phase, PIPER_ENABLES);
	}
	assert_int_equal(said.count[0x151], 0);
	for (int i = 0; i < 300; i++) {
		arm.deaf = 0x04;
		run(1);
	}
	assert_int_equal(session.phase, PIPER_OFF);
	assert_trouble("not_enabled");
	forget_said();
	run(2000);
	assert_int_equal(said.count[0x471], 0); /* it is not tried for ever */
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(state.mode, ARM_READY);
}

static void an_arm_that_takes_no_control(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	bus.lose_said_id = 0x151;
	bus.lose_said = UINT32_MAX;
	ask(PIPER_ASK_ENABLE);
	run(10200);
	assert_int_equal(session.phase, PIPER_OFF);
	assert_trouble("not_enabled");
	assert_int_equal(arm.enabled, 0x3F);
	bus.lose_said = 0;
	run(1000);
	assert_int_equal(session.phase, PIPER_OFF);
	ask(PIPER_ASK_ENABLE);
	run(300);
	assert_int_equal(state.mode, ARM_READY);
}

/* Beyond its range the arm would ignore what holds it. */
static void not_enabled_outside_its_range(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	arm.flash.zero_rad[1] = 0.1; /* joint 2 is told as -0.1 */
	run(100);
	ask(PIPER_ASK_ENABLE);
	run(300);
	assert_int_equal(arm.enabled, 0);
	assert_trouble("outside_limits");
	arm.flash.zero_rad[1] = 0.03; /* near enough to be brought back */
	run(100);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(fabs(state.q_d_rad[1]) < 1e-9);
}

static void angles_that_no_arm_has(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	arm.flash.zero_rad[4] = 2.0;
	run(100);
	assert_int_equal(state.mode, ARM_REFLEX);
	assert_trouble("bad_feedback");
}

/* ---- taking over ---- */

/* The driver was restarted: the arm is held by what another process sent last, perhaps on its way there. */
static void a_held_arm_is_taken_over_where_it_is(void **unused)
{
	(void)unused;
	for (int moving = 0; moving < 2; moving++) {
		raise_arm("S-V1.8-9");
		if (moving)
			go((const double[6]){ 1.2, 1.0, -1.2, 0.3, 0.5, -0.7 }, 300);
		control.drives = false;
		memset(said.asked, 0, sizeof said.asked);
		piper_session_init(&session, &setup); /* says nothing of it to the arm */
		said.has_target = false;
		run(50);
		open_bus();
		run(500);
		assert_int_equal(state.mode, ARM_READY);
		assert_true(state.engaged && state.has_q_d);
		assert_int_equal(said.count[0x471] + said.count[0x150], 0);
		assert_true(distance_rad(state.q_d_rad) < 0.01);
		assert_int_equal(arm.enabled, 0x3F);
	}
}

/* It would ignore what holds it, and go to where it was told before as soon as it is back inside. */
static void an_arm_outside_its_range_is_not_taken_over(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	control.drives = false;
	memset(said.asked, 0, sizeof said.asked);
	piper_session_init(&session, &setup);
	arm.flash.zero_rad[4] = raised[4] - 1.3; /* joint 5 is told as 1.3 rad, its range ends at 1.22 */
	open_bus();
	run(1000);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_trouble("outside_limits");
	assert_int_equal(said.count[0x151] + said.count[0x155], 0);
}

static void an_arm_in_another_mode_is_taken_over_too(void **unused)
{
	const struct piper_message pose = { .kind = PIPER_MODE, .mode = { .control = PIPER_CAN, .move = PIPER_MOVE_P, .speed_percent = 50 } };
	struct bus_frame f;

	(void)unused;
	raise_arm("S-V1.8-9");
	control.drives = false;
	assert_true(piper_put(&arm.dialect, &pose, &f));
	piper_arm_take(&arm, &f);
	piper_session_init(&session, &setup);
	open_bus();
	run(500);
	assert_true(state.mode == ARM_READY && state.engaged);
	assert_int_equal(arm.move, PIPER_MOVE_J);
	assert_true(distance_rad(raised) < 0.005);
}

/* ---- streaming ---- */

static void rates_are_kept(void **unused)
{
	static const uint32_t rates[] = { 50, 100, 200 };

	(void)unused;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		hold_arm("S-V1.8-9");
		setup.rate_hz = rates[i];
		run(100);
		forget_said();
		run(2000);
		assert_in_range(said.count[0x157], 2 * rates[i] - 1, 2 * rates[i] + 1);
		assert_int_equal(said.count[0x151], said.count[0x157]);
		assert_int_equal(said.count[0x155], said.count[0x157]);
		assert_int_equal(said.count[0x159], 0); /* nobody has asked anything of the gripper */
		assert_int_equal(said.frames, 4 * said.count[0x157]);
	}
}

static void golden_targets(void **unused)
{
	static const int32_t mdeg[6] = { 11459, 11459, -11459, 17189, -11459, 28648 }; /* the SDK's JointCtrl, captured */
	double goal_rad[6];

	(void)unused;
	hold_arm("S-V1.8-9");
	for (int j = 0; j < 6; j++)
		goal_rad[j] = mdeg[j] * 1e-3 * DEG;
	go(goal_rad, 2000);
	assert_said(0x151, "01 01 64 00 00 00 00 00");
	assert_said(0x155, "00 00 2c c3 00 00 2c c3");
	assert_said(0x156, "ff ff d3 3d 00 00 43 25");
	assert_said(0x157, "ff ff d3 3d 00 00 6f e8");
	setup.speed_percent = 50;
	setup.follow = PIPER_FOLLOW_CHOICE_HIGH;
	run(100);
	assert_said(0x151, "01 01 32 ad 00 00 00 00");
}

static void it_follows(void **unused)
{
	(void)unused;
	hold_arm("S-V1.8-9");
	go(raised, 2500);
	assert_true(distance_rad(raised) < 0.002);
	for (int j = 0; j < 6; j++) {
		assert_true(fabs(state.q_d_rad[j] - raised[j]) < 1e-9);
		assert_true(fabs(state.q_rad[j] - arm.plant.q_rad[j]) < 1e-4);
		assert_true(fabs(state.dq_rad_s[j]) < 0.01);
		assert_true(fabs(state.tau_nm[j] - arm.plant.tau_nm[j]) < 0.05);
	}
	assert_true(said.step_max_rad <= 1.0 * 0.0105); /* 1 rad/s at 100 Hz, and control's own period */
	assert_int_equal(session.counters.leaps + session.counters.void_commands + session.counters.clamped, 0);
}

/* Up to S-V1.8-2 the arm tells a quarter of the current of joints 1 to 3. */
static void torque_of_old_firmware(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-2");
	for (int j = 0; j < 6; j++)
		assert_true(fabs(state.tau_nm[j] - arm.plant.tau_nm[j]) < 0.05);
	assert_true(fabs(state.tau_nm[1]) > 0.5);
}

/* A control thread that is gone is no reason to let the arm down. */
static void the_last_target_is_sent_again(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	control.drives = false;
	run(3000);
	assert_in_range(said.count[0x157], 298, 302);
	assert_true(said.step_max_rad < 1e-9);
	assert_true(distance_rad(raised) < 0.005);
	assert_int_equal(state.mode, ARM_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(void_commands_never_become_frames),
		cmocka_unit_test(leaps_are_left_out),
		cmocka_unit_test(first_command_must_begin_where_it_is_held),
		cmocka_unit_test(late_commands_are_caught_up_with),
		cmocka_unit_test(commands_count_only_while_it_holds),
		cmocka_unit_test(enabling_byte_for_byte),
		cmocka_unit_test(enabling_moves_nothing),
		cmocka_unit_test(words_that_get_lost_are_said_again),
		cmocka_unit_test(enabled_again_where_it_lies),
		cmocka_unit_test(a_motor_that_does_not_come_on),
		cmocka_unit_test(an_arm_that_takes_no_control),
		cmocka_unit_test(not_enabled_outside_its_range),
		cmocka_unit_test(angles_that_no_arm_has),
		cmocka_unit_test(a_held_arm_is_taken_over_where_it_is),
		cmocka_unit_test(an_arm_outside_its_range_is_not_taken_over),
		cmocka_unit_test(an_arm_in_another_mode_is_taken_over_too),
		cmocka_unit_test(rates_are_kept),
		cmocka_unit_test(golden_targets),
		cmocka_unit_test(it_follows),
		cmocka_unit_test(torque_of_old_firmware),
		cmocka_unit_test(the_last_target_is_sent_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
