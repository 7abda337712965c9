/* test_piper_arm.c - the simulated PiPER on the bus: rates, enabling, modes, joint targets in range and beyond, each with what must not
 * happen. The frames are those of the protocol sheet and the maker's SDK. */
#include "robots/sim/piper/arm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_bench.h"

static void rates(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	forget();
	run(10000);
	for (uint32_t id = 0x2A1; id <= 0x2A8; id++)
		assert_int_equal(heard.count[id], 2000);
	for (uint32_t id = 0x251; id <= 0x256; id++)
		assert_int_equal(heard.count[id], 2000);
	for (uint32_t id = 0x261; id <= 0x266; id++)
		assert_int_equal(heard.count[id], 400);
	uint32_t all = 0;
	for (uint32_t id = 0; id < 0x800; id++)
		all += heard.count[id];
	assert_int_equal(all, 30400); /* nothing besides: 3040 a second */
	assert_true(heard.most_in_ms <= 9); /* what 1 Mbit/s carries */
}

static void a_new_arm_lies_still_and_is_disabled(void **unused)
{
	const int32_t folded[6] = { 0 };

	(void)unused;
	begin("S-V1.8-9");
	run(2000);
	assert_at(folded, 500);
	assert_int_equal(enabled_bits(), 0);
	assert_int_equal(status_byte(0), 0);
	assert_int_equal(status_byte(1), 0);
	assert_int_equal(status_byte(4), 0);
	assert_int_equal(heard_i16(0x261, 0), 240);
}

/* The sheet's golden values of the maker's forward kinematics, for both calibrations. */
static void pose_feedback(const char *firmware, const int32_t want[3])
{
	const int32_t up[6] = { 0, 90000, -90000, 0, 0, 0 };

	ready(firmware, MOVE_J);
	say_six(0x155, up);
	run(3000);
	for (int i = 0; i < 3; i++)
		assert_in_range(labs((long)pose(i) - want[i]), 0, 20);
	assert_in_range(labs((long)pose(4) - 85000), 0, 2);
}

static void pose_feedback_by_firmware(void **unused)
{
	const int32_t new[3] = { 377118, 0, 457088 }, old[3] = { 367239, 0, 458263 };

	(void)unused;
	pose_feedback("S-V1.6-3", new);
	pose_feedback("S-V1.6-2", old);
}

static void enabling_one_by_one_and_all(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	for (int j = 1; j <= 6; j++) {
		char text[40];

		snprintf(text, sizeof text, "471 %02x 02 00 00 00 00 00 00", j);
		say(text);
		run(30);
		assert_int_equal(enabled_bits(), (1 << j) - 1);
	}
	assert_int_equal(heard.last[0x2A8][6] >> 6 & 1, 0); /* joints only */
	say("471 03 01 00 00 00 00 00 00");
	run(30);
	assert_int_equal(enabled_bits(), ALL_ENABLED & ~4);
	say("471 07 01 00 00 00 00 00 00");
	run(30);
	assert_int_equal(enabled_bits(), 0);
	say("471 ff 02 00 00 00 00 00 00");
	run(30);
	assert_int_equal(enabled_bits(), ALL_ENABLED);
	assert_int_equal(heard.last[0x2A8][6] >> 6 & 1, 1);
	say("471 07 01 00 00 00 00 00 00");
	run(30);
	assert_int_equal(heard.last[0x2A8][6] >> 6 & 1, 0);
}

static void enabling_nonsense(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	say("471 00 02 00 00 00 00 00 00");
	say("471 08 02 00 00 00 00 00 00");
	say("471 01 00 00 00 00 00 00 00");
	say("471 01 03 00 00 00 00 00 00");
	say("471 01 ff 00 00 00 00 00 00");
	say("470 01 02 00 00 00 00 00 00");
	run(30);
	assert_int_equal(enabled_bits(), 0);
	assert_int_equal(arm.counters.unknown, 6);
}

static void a_joint_move(void **unused)
{
	const int32_t want[6] = { 11459, 11459, -11459, 17189, -11459, 28648 };

	(void)unused;
	ready("S-V1.8-9", "151 01 01 32 00 00 00 00 00");
	say("155 00 00 2c c3 00 00 2c c3");
	say("156 ff ff d3 3d 00 00 43 25");
	say("157 ff ff d3 3d 00 00 6f e8");
	run(190);
	assert_int_equal(status_byte(4), 0); /* told late: still "reached" */
	run(20);
	assert_int_equal(status_byte(0), 1);
	assert_int_equal(status_byte(2), 1);
	assert_int_equal(status_byte(4), 1);
	assert_true(joint(0) > 100);
	run(3000);
	assert_at(want, 0);
	assert_int_equal(status_byte(4), 0);
	assert_int_equal(heard_i32(0x256, 4), 500); /* 0.001 rad */
}

/* Half a second at 30 % and less: speed and acceleration by what 0x25x says. */
static void speed_limits(void **unused)
{
	const int32_t far[6] = { 100000, 0, 0, 0, 0, 0 };
	int fastest = 0, before = 0, hardest = 0;

	(void)unused;
	ready("S-V1.8-9", "151 01 01 1e 00 00 00 00 00");
	say_six(0x155, far);
	for (int i = 0; i < 800; i++) {
		run(5);
		int v = heard_i16(0x251, 0);

		fastest = v > fastest ? v : fastest;
		hardest = abs(v - before) > hardest ? abs(v - before) : hardest;
		before = v;
	}
	assert_in_range(fastest, 890, 905); /* 30 % of 3 rad/s */
	assert_in_range(hardest, 10, 30);   /* 5 rad/s^2 in 5 ms, through the servo */
	assert_at(far, 1);
}

static void speed_zero_stands(void **unused)
{
	ready("S-V1.8-9", "151 01 01 00 00 00 00 00 00");
	(void)unused;
	say_six(0x155, posture);
	run(1000);
	assert_in_range(labs((long)joint(1)), 0, 10);
}

/* `prepare` is what is missing. */
static void stays(void)
{
	int32_t before[6];

	run(10);
	for (int j = 0; j < 6; j++)
		before[j] = joint(j);
	uint64_t ignored = arm.counters.ignored;

	say_six(0x155, posture);
	run(500);
	assert_at(before, 20);
	assert_int_equal(arm.counters.ignored, ignored + 3);
}

static void targets_that_do_not_count(void **unused)
{
	(void)unused;
	begin("S-V1.8-9"); /* not enabled */
	say(MOVE_J);
	stays();
	begin("S-V1.8-9"); /* standby */
	enable();
	stays();
	ready("S-V1.8-9", MOVE_J); /* standby again */
	say(STANDBY);
	run(10);
	assert_int_equal(status_byte(0), 0);
	stays();
	say("151 00 01 64 00 00 00 00 00"); /* standby, though in the right mode */
	stays();
	ready("S-V1.8-9", MOVE_P); /* another mode's */
	stays();
	ready("S-V1.8-9", MOVE_L);
	stays();
	ready("S-V1.8-9", MOVE_J);
	say("150 01 00 00 00 00 00 00 00");
	run(10);
	assert_int_equal(status_byte(1), 1);
	uint64_t ignored = arm.counters.ignored;
	say_six(0x155, posture);
	assert_int_equal(arm.counters.ignored, ignored + 3);
}

static void a_disabled_joint_takes_no_part(void **unused)
{
	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	say("471 06 01 00 00 00 00 00 00");
	say_six(0x155, posture);
	run(3000);
	assert_in_range(labs((long)joint(4) - posture[4]), 0, 1);
	assert_true(labs((long)joint(5)) < 3000);
	say_six(0x155, posture);
	say("471 06 02 00 00 00 00 00 00"); /* enabled behind a target: that was not for it */
	run(3000);
	assert_true(labs((long)joint(5)) < 3000);
}

static void standby_stops_a_motion(void **unused)
{
	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	say_six(0x155, posture);
	run(300);
	say(STANDBY);
	run(1000);
	int32_t there = joint(1);

	assert_true(there > 3000 && there < posture[1] - 3000);
	run(1000);
	assert_int_equal(joint(1), there);
}

static void beyond_limits(void **unused)
{
	const int32_t edge[6] = { 150000, 180000, -170000, -100000, 70000, -120000 };
	const int32_t too_far[6] = { 150001, 180000, -170000, -100000, 70000, -120001 };

	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	say_six(0x155, too_far);
	run(10);
	assert_int_equal(status_byte(1), 4);
	assert_int_equal(status_byte(6), 0x21);
	run(3000);
	assert_in_range(labs((long)joint(0)), 0, 10); /* the whole pair is ignored */
	assert_in_range(labs((long)joint(5)), 0, 10);
	say_six(0x155, edge);
	run(4000);
	assert_int_equal(status_byte(1), 0);
	assert_int_equal(status_byte(6), 0);
	assert_int_equal(joint(0), 150000);
	assert_int_equal(joint(5), -120000);
}

static void limits_that_were_set(void **unused)
{
	const int32_t want[6] = { 20000, 10000, -10000, 0, 0, 0 };

	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	say("474 01 00 64 ff 9c 7f ff 00"); /* +-10 degrees */
	say_six(0x155, want);
	run(2000);
	assert_int_equal(status_byte(1), 4);
	assert_int_equal(status_byte(6), 1);
	assert_in_range(labs((long)joint(1)), 0, 10);
	assert_int_equal(joint(2), -10000);
}

static void modes(void **unused)
{
	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	static const struct { const char *say; int control, move; } rows[] = {
		{ "151 01 00 1e 00 00 00 00 00", 1, 0 }, { "151 01 02 1e 00 00 00 00 00", 1, 2 }, { "151 01 03 1e 00 00 00 00 00", 1, 3 },
		{ "151 01 ff 1e ff 00 00 00 00", 1, 3 },  /* unchanged */
		{ "151 01 05 32 00 00 00 00 00", 1, 3 },  /* CPV is not simulated */
		{ "151 01 07 32 00 00 00 00 00", 1, 3 }, { "151 01 01 65 00 00 00 00 00", 1, 3 }, { "151 01 01 32 01 00 00 00 00", 1, 3 },
		{ "151 03 01 32 00 00 00 00 00", 1, 3 },  /* Ethernet is not for users */
		{ "151 01 04 00 ad 00 00 00 00", 1, 3 },  /* MIT as before S-V1.8-8 */
		{ "151 01 06 00 ad 00 00 00 00", 1, 6 }, { "151 00 00 00 00 00 00 00 00", 0, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		say(rows[i].say);
		run(6);
		assert_int_equal(status_byte(0), rows[i].control);
		assert_int_equal(status_byte(2), rows[i].move);
	}
	assert_int_equal(arm.speed_percent, 0);
	say("151 01 01 32 00 02 00 00 00"); /* residence time */
	assert_int_equal(arm.mount, 1);
	say("151 01 01 32 00 00 02 00 00");
	assert_int_equal(arm.mount, 2);
	say("151 01 01 32 00 00 00 00 00");
	assert_int_equal(arm.mount, 2);
	assert_int_equal(arm.speed_percent, 50);
}

static void mit_by_firmware(void **unused)
{
	(void)unused;
	ready("S-V1.8-7", "151 01 04 00 ad 00 00 00 00");
	assert_int_equal(status_byte(2), 4);
	say("151 01 06 00 ad 00 00 00 00");
	run(10);
	assert_int_equal(status_byte(2), 4);
}

/* Only a resume leads out of MIT and high-follow on older firmware, and it costs the power. */
static void leaving_high_follow(void **unused)
{
	(void)unused;
	ready("S-V1.8-5", FAST_J);
	say(MOVE_J);
	assert_int_equal(arm.follow, 0);
	ready("S-V1.8-4", FAST_J);
	say(MOVE_J);
	assert_int_equal(arm.follow, 0xAD);
	say(FAST_J);
	say("150 02 00 00 00 00 00 00 00");
	say(MOVE_J);
	assert_int_equal(arm.follow, 0);
}

/* What no PiPER understands, and other programs' business. */
static void noise(void **unused)
{
	struct bus_frame f;

	(void)unused;
	ready("S-V1.8-9", MOVE_J);
	srand(8);
	for (int i = 0; i < 20000; i++) {
		f = (struct bus_frame){ .id = (uint32_t)rand() & 0x7FF, .length = (uint8_t)(rand() % 9) };
		for (int k = 0; k < f.length; k++)
			f.data[k] = (uint8_t)rand();
		piper_arm_take(&arm, &f);
		if (i % 10 == 0)
			run(1);
	}
	for (int j = 0; j < 6; j++)
		assert_true(isfinite(arm.plant.q_rad[j]));
	assert_true(arm.counters.unknown > 10000);
	say("155 00 00 2c c3 00 00 2c");             /* short */
	assert_true(arm.counters.never > 1000);      /* of so many ids nobody should send */
	f = (struct bus_frame){ .id = 0x471, .length = 8, .flags = BUS_FRAME_EXTENDED, .data = { 7, 1 } };
	uint64_t unknown = arm.counters.unknown;
	piper_arm_take(&arm, &f);
	assert_int_equal(arm.counters.unknown, unknown + 1);
}

static void silenced(void **unused)
{
	(void)unused;
	begin("S-V1.8-9");
	forget();
	say("422 01");
	run(100);
	for (uint32_t id = 0; id < 0x800; id++)
		assert_int_equal(heard.count[id], 0);
	assert_int_equal(arm.counters.never, 1);
	say("422 00");
	run(100);
	assert_int_equal(heard.count[0x2A1], 20);
}

static void firmware_names(void **unused)
{
	static const char *const bad[] = { "", "S-V1.8-", "S-V1.8-10", "S-V1.5-1", "V-S1.8-9", "S-V1.8.9", "S-V1.8-9 ", "S-V1.8-x", "S-V0.9-9" };
	static const struct { const char *text; uint32_t minor, patch; const char *model; } good[] = {
		{ "S-V1.5-2", 5, 2, "piper_1.6-2" }, { "S-V1.6-2", 6, 2, "piper_1.6-2" }, { "S-V1.6-3", 6, 3, "piper" }, { "S-V1.8-9", 8, 9, "piper" } };
	struct piper_version v;

	(void)unused;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(piper_arm_firmware(bad[i], &v));
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(piper_arm_firmware(good[i].text, &v));
		assert_true(v.major == 1 && v.minor == good[i].minor && v.patch == good[i].patch);
		assert_string_equal(piper_arm_model_name(&v), good[i].model);
	}
	assert_false(piper_arm_init(&arm, &(struct piper_arm_options){ .model = robot_model_find("piper"), .firmware = "S-V1.4-9" }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates),
		cmocka_unit_test(a_new_arm_lies_still_and_is_disabled),
		cmocka_unit_test(pose_feedback_by_firmware),
		cmocka_unit_test(enabling_one_by_one_and_all),
		cmocka_unit_test(enabling_nonsense),
		cmocka_unit_test(a_joint_move),
		cmocka_unit_test(speed_limits),
		cmocka_unit_test(speed_zero_stands),
		cmocka_unit_test(targets_that_do_not_count),
		cmocka_unit_test(a_disabled_joint_takes_no_part),
		cmocka_unit_test(standby_stops_a_motion),
		cmocka_unit_test(beyond_limits),
		cmocka_unit_test(limits_that_were_set),
		cmocka_unit_test(modes),
		cmocka_unit_test(mit_by_firmware),
		cmocka_unit_test(leaving_high_follow),
		cmocka_unit_test(noise),
		cmocka_unit_test(silenced),
		cmocka_unit_test(firmware_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
