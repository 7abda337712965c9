/* test_piper_gripper.c - the simulated PiPER's gripper: ranges, force, what it holds, its zero. */
#include "robots/sim/piper/arm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_bench.h"

#define UNCONFIGURED "47d 64 00 01 00 00 00 00 00"

static void gripper(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	say("159 00 00 c3 50 03 e8 00 00"); /* disabled */
	run(500);
	assert_int_equal(heard_i32(0x2A8, 0), 0);
	assert_int_equal(heard.last[0x2A8][6], 0x80);
	say("159 00 00 c3 50 03 e8 01 00"); /* 50 mm; without CAN control too, as the maker's example has it */
	run(250);
	assert_in_range(heard_i32(0x2A8, 0), 24000, 26000); /* 100 mm/s */
	run(500);
	assert_int_equal(heard_i32(0x2A8, 0), 50000);
	assert_int_equal(heard.last[0x2A8][6], 0xC0);
	say("159 00 01 86 a0 03 e8 01 00"); /* 100 mm with a range of 70 */
	run(1000);
	assert_int_equal(heard_i32(0x2A8, 0), 70000);
	say("47d 64 64 01 00 00 00 00 00");
	say("159 00 01 86 a0 03 e8 01 00");
	run(1000);
	assert_int_equal(heard_i32(0x2A8, 0), 100000);
	say("159 ff ff ff f6 03 e8 01 00"); /* -0.01 mm */
	run(1500);
	assert_int_equal(heard_i32(0x2A8, 0), 0);
}

static void gripper_without_a_range(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	say("159 00 00 c3 50 03 e8 01 00");
	run(1000);
	say(UNCONFIGURED);
	run(10);
	for (int i = 0; i < 8; i++)
		assert_int_equal(heard.last[0x2A8][i], 0);
	say("47d 64 46 01 00 00 00 00 00");
	run(10);
	assert_int_equal(heard_i32(0x2A8, 0), 50000);
	say(UNCONFIGURED);
	piper_arm_power_cycle(&arm);
	say("47d 64 46 01 00 00 00 00 00");
	run(10);
	assert_int_equal(heard.last[0x2A8][6], 0x80); /* it knows its zero */
}

static void gripper_holds_something(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	say("159 00 00 c3 50 03 e8 01 00");
	run(1000);
	piper_arm_hold_fingers(&arm, true, 0.04);
	say("159 00 00 00 00 03 e8 01 00");
	run(1000);
	assert_int_equal(heard_i32(0x2A8, 0), 40000);
	assert_int_equal(heard_i16(0x2A8, 4), -1000);
	piper_arm_hold_fingers(&arm, false, 0.0);
	run(1000);
	assert_int_equal(heard_i32(0x2A8, 0), 0);
	assert_int_equal(heard_i16(0x2A8, 4), 0);
}

static void gripper_zero(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	say("159 00 00 13 88 03 e8 01 00"); /* 5 mm */
	run(500);
	say("159 00 00 00 00 03 e8 01 ae"); /* not while enabled */
	run(500);
	assert_int_equal(heard.count[0x476], 0);
	say("159 00 00 13 88 03 e8 01 00");
	run(500);
	say("159 00 00 00 00 03 e8 00 ae");
	run(10);
	assert_int_equal(heard_i32(0x2A8, 0), 0);
	assert_int_equal(heard.last[0x476][0], 0x75);
	assert_int_equal(heard.last[0x476][1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gripper),
		cmocka_unit_test(gripper_without_a_range),
		cmocka_unit_test(gripper_holds_something),
		cmocka_unit_test(gripper_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
