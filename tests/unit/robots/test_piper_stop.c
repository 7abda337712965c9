/* test_piper_stop.c - the simulated PiPER without power, damped, resumed, in error, and left alone by its host. */
#include "robots/sim/piper/arm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_bench.h"

#define STOP "150 01 00 00 00 00 00 00 00"
#define RESUME "150 02 00 00 00 00 00 00 00"
#define DISABLE "471 07 01 00 00 00 00 00 00"

static void up(void)
{
	ready("S-V1.8-9", MOVE_J);
	go_up();
}

/* How far joints 2 and 3 are from the posture, 0.001 degrees. */
static long sunk(void)
{
	return labs((long)joint(1) - posture[1]) + labs((long)joint(2) - posture[2]);
}

static void assert_within_ranges(void)
{
	static const int32_t low[6] = { -150000, 0, -170000, -100000, -70000, -120000 }, high[6] = { 150000, 180000, 0, 100000, 70000, 120000 };

	for (int j = 0; j < 6; j++)
		assert_in_range(joint(j) - low[j], 0, high[j] - low[j]);
}

static void an_emergency_stop_lets_the_arm_sink_slowly(void **unused)
{
	(void)unused;
	up();
	say(STOP);
	run(1000);
	long first = sunk();

	assert_int_equal(status_byte(1), 1);
	assert_int_equal(enabled_bits(), ALL_ENABLED);
	assert_in_range(first, 500, 20000);
	run(1000);
	assert_true(sunk() > first);
	say("151 00 00 00 00 00 00 00 00");
	say_six(0x155, posture);
	say(DISABLE);
	run(1000);
	assert_true(sunk() > first);
	assert_int_equal(status_byte(1), 1);
	assert_int_equal(status_byte(0), 1); /* neither mode nor power: nothing but a resume is heard */
	assert_int_equal(enabled_bits(), ALL_ENABLED);
	assert_within_ranges();
}

/* In full motion: it does not go on to its target. */
static void an_emergency_stop_ends_a_motion(void **unused)
{
	const int32_t far[6] = { 120000, 60000, -70000, 0, 0, 0 };

	(void)unused;
	up();
	say_six(0x155, far);
	run(400);
	assert_true(heard_i16(0x251, 0) > 1000);
	say(STOP);
	run(100);
	assert_true(abs(heard_i16(0x251, 0)) < 200);
	run(2000);
	assert_true(joint(0) < 100000);
}

static void resume_drops_the_arm_and_asks_for_all_anew(void **unused)
{
	(void)unused;
	up();
	say(STOP);
	run(100);
	say(RESUME);
	run(20);
	assert_int_equal(status_byte(0), 0);
	assert_int_equal(status_byte(1), 0);
	run(600);
	assert_int_equal(enabled_bits(), ALL_ENABLED);
	say(RESUME); /* the power's end begins anew */
	run(700);
	assert_int_equal(enabled_bits(), ALL_ENABLED);
	run(300);
	assert_int_equal(enabled_bits(), 0);
	assert_true(sunk() > 3000);
	run(5000);
	assert_within_ranges();
	int32_t rest = joint(1);
	run(500);
	assert_in_range(labs((long)joint(1) - rest), 0, 50);
	say("471 07 02 00 00 00 00 00 00"); /* the first has no effect */
	run(100);
	assert_int_equal(enabled_bits(), 0);
	enable();
	say_six(0x155, posture);
	run(500);
	assert_in_range(labs((long)joint(1) - rest), 0, 50); /* still in standby */
	go_up();
}

/* Also without a stop before: it is what the SDK's ResetPiper sends. */
static void resume_drops_an_arm_that_was_well(void **unused)
{
	(void)unused;
	up();
	say(RESUME);
	run(1200);
	assert_int_equal(enabled_bits(), 0);
	assert_true(sunk() > 5000);
}

static void a_disabled_arm_falls_and_lies_still(void **unused)
{
	(void)unused;
	up();
	int32_t z = pose(2);

	say(DISABLE);
	run(300);
	long first = sunk();

	assert_true(first > 1000);
	run(6000);
	assert_true(pose(2) < z);
	assert_true(pose(2) > 0); /* the table */
	for (uint32_t j = 0; j < 6; j++)
		assert_in_range(abs(heard_i16(0x251 + j, 0)), 0, 5);
	assert_within_ranges();
}

/* Slower damped than without power. */
static void damping_is_slower_than_falling(void **unused)
{
	(void)unused;
	up();
	say(STOP);
	run(500);
	long damped = sunk();

	up();
	say(DISABLE);
	run(500);
	assert_true(sunk() > 4 * damped);
}

static void enabled_in_the_fall_it_holds_where_it_is(void **unused)
{
	(void)unused;
	up();
	say(DISABLE);
	run(300);
	say("471 07 02 00 00 00 00 00 00");
	run(100);
	int32_t there = joint(1);

	run(1000);
	assert_in_range(labs((long)joint(1) - there), 0, 10);
}

/* A host that dies: the arm goes to its last target and holds it. */
static void nobody_there(void **unused)
{
	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	say_six(0x155, posture);
	run(60000);
	assert_at(posture, 1);
	assert_int_equal(enabled_bits(), ALL_ENABLED);
}

static void joint_errors(void **unused)
{
	static const struct { uint8_t bits; int state; } rows[] = { { 1, 9 }, { 2, 9 }, { 4, 9 }, { 8, 9 }, { 16, 7 }, { 32, 9 }, { 128, 9 } };

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		up();
		piper_arm_fail_joint(&arm, 2, rows[i].bits | 64, false);
		run(30);
		assert_int_equal(status_byte(1), rows[i].state);
		assert_int_equal(heard.last[0x263][5], rows[i].bits | 64);
		assert_int_equal(heard.last[0x262][5], 64);
		say_six(0x155, (const int32_t[6]){ 0 });
		run(1000);
		assert_at(posture, 20); /* held, and nothing is obeyed */
		say("475 03 00 00 7f ff ae 00 00"); /* cleared */
		run(30);
		assert_int_equal(status_byte(1), 0);
		say_six(0x155, (const int32_t[6]){ 0 });
		run(1000);
		assert_true(joint(1) < 40000);
	}
}

static void an_error_stops_a_motion(void **unused)
{
	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	say_six(0x155, posture);
	run(300);
	piper_arm_fail_joint(&arm, 0, 32, false);
	run(1000);
	int32_t there = joint(1);

	assert_true(there < posture[1] - 5000);
	run(1000);
	assert_int_equal(joint(1), there);
}

static void a_joint_that_is_not_heard(void **unused)
{
	(void)unused;
	up();
	piper_arm_fail_joint(&arm, 4, 0, true);
	forget();
	run(1000);
	assert_int_equal(status_byte(1), 5);
	assert_int_equal(status_byte(7), 0x10);
	assert_int_equal(heard.count[0x255], 0);
	assert_int_equal(heard.count[0x265], 0);
	assert_int_equal(heard.count[0x256], 200);
	piper_arm_fail_joint(&arm, 4, 0, false);
	run(100);
	assert_int_equal(status_byte(1), 0);
	assert_int_equal(heard.count[0x255], 20);
}

static void pause_and_go_on(void **unused)
{
	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	say_six(0x155, posture);
	run(300);
	say("150 00 01 00 00 00 00 00 00");
	run(300);
	int32_t there = joint(1);

	run(500);
	assert_int_equal(joint(1), there);
	say("150 00 02 00 00 00 00 00 00");
	run(4000);
	assert_at(posture, 1);
	say_six(0x155, (const int32_t[6]){ 0 });
	run(300);
	say("150 00 06 00 00 00 00 00 00"); /* terminate */
	run(1000);
	there = joint(1);
	assert_true(there > 10000);
	run(500);
	assert_int_equal(joint(1), there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_emergency_stop_lets_the_arm_sink_slowly),
		cmocka_unit_test(an_emergency_stop_ends_a_motion),
		cmocka_unit_test(resume_drops_the_arm_and_asks_for_all_anew),
		cmocka_unit_test(resume_drops_an_arm_that_was_well),
		cmocka_unit_test(a_disabled_arm_falls_and_lies_still),
		cmocka_unit_test(damping_is_slower_than_falling),
		cmocka_unit_test(enabled_in_the_fall_it_holds_where_it_is),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(joint_errors),
		cmocka_unit_test(an_error_stops_a_motion),
		cmocka_unit_test(a_joint_that_is_not_heard),
		cmocka_unit_test(pause_and_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
