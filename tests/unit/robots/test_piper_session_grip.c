/* test_piper_session_grip.c - the PiPER's gripper through the driver's session: switched on by the operator only, told nothing from
 * before, its stroke, its errors, its silence. None of it keeps the arm from moving. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

static void grip(double opening_m, uint32_t ms)
{
	control.has_gripper = true;
	control.gripper_m = opening_m;
	run(ms);
}

static bool fingers_at(double opening_m)
{
	return fabs(arm.fingers.opening_m - opening_m) < 0.0005;
}

static void void_openings(void **unused)
{
	static const double values[] = { NAN, INFINITY, -INFINITY };

	(void)unused;
	raise_arm("S-V1.8-9");
	grip(0.03, 800);
	assert_true(fingers_at(0.03));
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		grip(values[i], 300);
		assert_true(fingers_at(0.03));
	}
	grip(1.0, 1000); /* brought into its stroke */
	assert_int_equal(said_i32(0x159, 0), 70000);
	assert_true(fingers_at(0.07));
	grip(-1.0, 1500);
	assert_int_equal(said_i32(0x159, 0), 0);
}

/* Nobody's wish from before the arm was enabled closes the fingers on somebody's hand. */
static void old_commands_wait(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	control.drives = true;
	memcpy(control.goal_rad, state.q_rad, sizeof control.goal_rad);
	control.has_gripper = true;
	control.gripper_m = 0.05;
	ask(PIPER_ASK_ENABLE);
	run(2000);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(fingers_at(0.0));
	assert_trouble("gripper_waits");
	grip(0.06, 1500);
	assert_true(fingers_at(0.06));
	assert_trouble("");
	grip(0.05, 500);
	assert_true(fingers_at(0.05));
}

static void nor_do_those_from_before_a_silence(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	grip(0.05, 1500);
	bus.arm_mute = true;
	run(500);
	arm.fingers.command_m = 0.02; /* somebody else moved it meanwhile */
	run(1000);
	bus.arm_mute = false;
	run(1000);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(fingers_at(0.02));
	assert_trouble("gripper_waits");
	grip(0.04, 1000);
	assert_true(fingers_at(0.04));
}

/* Where it is already, there is nothing to wait for. */
static void what_it_holds_it_goes_on_holding(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	grip(0.05, 1500);
	bus.arm_mute = true;
	run(500);
	bus.arm_mute = false;
	forget_said();
	run(1000);
	assert_trouble("");
	assert_true(fingers_at(0.05));
	assert_true(said.count[0x159] >= 5);
}

/* Disable and clear, then enable, both where it stands: as piper_sdk's demo does. */
static void switching_on_byte_for_byte(void **unused)
{
	static const uint8_t clear[8] = { 0, 0, 0x4e, 0x20, 0x03, 0xe8, 0x02, 0 }, on[8] = { 0, 0, 0x4e, 0x20, 0x03, 0xe8, 0x01, 0 };
	int64_t cleared_ns;

	(void)unused;
	connect_arm("S-V1.8-9");
	piper_arm_hold_fingers(&arm, true, 0.02);
	piper_arm_hold_fingers(&arm, false, 0);
	run(20);
	assert_int_equal(said.count[0x159], 0); /* not before the operator says so */
	ask(PIPER_ASK_ENABLE);
	while (said.count[0x159] == 0)
		run(1);
	assert_memory_equal(said.last[0x159], clear, 8);
	cleared_ns = now_ns;
	while (said.count[0x159] == 1)
		run(1);
	assert_memory_equal(said.last[0x159], on, 8);
	assert_true(now_ns - cleared_ns >= 100 * MS);
	run(500);
	assert_int_equal(said.count[0x159], 2);
	assert_true(arm.fingers.enabled);
	assert_true(fingers_at(0.02));
}

static void a_gripper_that_is_on_is_left_on(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	arm.fingers.enabled = true; /* it may hold something */
	run(20);
	ask(PIPER_ASK_ENABLE);
	run(1000);
	assert_int_equal(state.mode, ARM_READY);
	assert_int_equal(said.count[0x159], 0);
}

static void lost_words_are_said_again(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	bus.lose_said_id = 0x159;
	bus.lose_said = 3;
	ask(PIPER_ASK_ENABLE);
	for (int i = 0; i < 1500; i++) {
		run(1);
		assert_true(state.mode != ARM_READY || state.trouble != PIPER_TROUBLE_GRIPPER_OFF); /* that one is for the operator to mend */
	}
	assert_true(arm.fingers.enabled);
	assert_trouble("");
}

/* Taken over without having been enabled: a motor that is off stays off until the operator says so. */
static void a_gripper_that_is_off_stays_off(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	arm.fingers.enabled = false;
	run(50);
	assert_trouble("gripper_off");
	forget_said();
	grip(0.05, 1000);
	assert_int_equal(said.count[0x159], 0);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(said.count[0x157] > 90);
	ask(PIPER_ASK_ENABLE); /* of the gripper alone: the arm is on */
	run(1000);
	assert_int_equal(said.count[0x471], 0);
	assert_true(arm.fingers.enabled);
	grip(0.06, 1000);
	assert_true(fingers_at(0.06));
}

static void errors_of_the_gripper(void **unused)
{
	static const char *const names[] = { "gripper_undervoltage", "gripper_motor_hot", "gripper_overcurrent", "gripper_driver_hot", "gripper_sensor",
		"gripper_driver" };

	(void)unused;
	for (uint32_t i = 0; i < 6; i++) {
		raise_arm("S-V1.8-9");
		grip(0.05, 1000);
		arm.fingers.errors = (uint8_t)(1u << i);
		run(20);
		assert_trouble("gripper_error");
		assert_true(reports(names[i]));
		assert_int_equal(state.mode, ARM_READY);
		forget_said();
		grip(0.02, 500);
		assert_int_equal(said.count[0x159], 0);
		assert_true(said.count[0x157] > 40);
		ask(PIPER_ASK_ENABLE);
		run(500);
		assert_int_equal(state.errors, 0);
		assert_true(fingers_at(0.05)); /* cleared, and not moved by what was wished meanwhile */
		grip(0.03, 800);
		assert_true(fingers_at(0.03));
	}
}

static void another_stroke_is_no_gripper_of_ours(void **unused)
{
	static const uint8_t ranges[] = { 0, 100 };

	(void)unused;
	for (size_t i = 0; i < sizeof ranges; i++) {
		set_up("S-V1.8-9");
		arm.flash.gripper_setup.range_mm = ranges[i];
		open_bus();
		run(500);
		control.drives = true;
		memcpy(control.goal_rad, state.q_rad, sizeof control.goal_rad);
		ask(PIPER_ASK_ENABLE);
		run(500);
		assert_int_equal(state.mode, ARM_READY);
		assert_trouble("gripper_range");
		assert_false(state.has_gripper);
		grip(0.05, 500);
		assert_int_equal(said.count[0x159], 0);
		arm.flash.gripper_setup.range_mm = 70; /* mended while it runs: asked again now and then */
		run(8000);
		assert_true(state.has_gripper);
	}
}

static void the_large_gripper(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	arm.flash.gripper_setup.range_mm = 100;
	setup.gripper_max_m = 0.1;
	setup.gripper_range_mm = 100;
	setup.gripper_effort_nm = 2.5;
	open_bus();
	run(500);
	control.drives = true;
	memcpy(control.goal_rad, state.q_rad, sizeof control.goal_rad);
	ask(PIPER_ASK_ENABLE);
	run(1000);
	grip(0.095, 1500);
	assert_true(fingers_at(0.095));
	assert_true(fabs(state.gripper_m - 0.095) < 0.0005);
	assert_int_equal(said_i32(0x159, 0), 95000);
	assert_int_equal(said.last[0x159][4] << 8 | said.last[0x159][5], 2500);
}

static void a_silent_gripper(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	grip(0.05, 1500);
	bus.lose_id = 0x2A8;
	bus.lose = UINT32_MAX;
	run(250);
	forget_said();
	grip(0.01, 500);
	assert_int_equal(said.count[0x159], 0);
	assert_trouble("gripper_silent");
	assert_int_equal(state.mode, ARM_READY);
	assert_false(state.has_gripper);
	bus.lose = 0;
	run(1000);
	assert_true(fingers_at(0.01));
}

static void without_a_gripper(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	setup.has_gripper = false;
	arm.fingers.errors = 4;
	bus.lose_said_id = 0x477;
	bus.lose_said = UINT32_MAX;
	open_bus();
	run(500);
	control.drives = true;
	memcpy(control.goal_rad, state.q_rad, sizeof control.goal_rad);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_trouble("");
	assert_int_equal(state.mode, ARM_READY);
	assert_int_equal(state.errors, 0);
	grip(0.05, 500);
	ask(PIPER_ASK_DISABLE);
	run(500);
	assert_int_equal(said.count[0x477] + said.count[0x159], 0);
	assert_false(state.has_gripper);
}

/* Fast changes are taken at most 50 times a second, the same one is said again ten times a second. */
static void not_more_often_than_needed(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	setup.rate_hz = 200;
	grip(0.01, 1000);
	forget_said();
	for (int i = 0; i < 100; i++)
		grip(0.01 + i * 0.0004, 10);
	assert_in_range(said.count[0x159], 45, 52);
	run(1000);
	forget_said();
	run(1000);
	assert_in_range(said.count[0x159], 9, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(void_openings),
		cmocka_unit_test(old_commands_wait),
		cmocka_unit_test(nor_do_those_from_before_a_silence),
		cmocka_unit_test(what_it_holds_it_goes_on_holding),
		cmocka_unit_test(switching_on_byte_for_byte),
		cmocka_unit_test(a_gripper_that_is_on_is_left_on),
		cmocka_unit_test(lost_words_are_said_again),
		cmocka_unit_test(a_gripper_that_is_off_stays_off),
		cmocka_unit_test(errors_of_the_gripper),
		cmocka_unit_test(another_stroke_is_no_gripper_of_ours),
		cmocka_unit_test(the_large_gripper),
		cmocka_unit_test(a_silent_gripper),
		cmocka_unit_test(without_a_gripper),
		cmocka_unit_test(not_more_often_than_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
