/* test_piper_moves.c - the simulated PiPER's other motions: poses, lines, arcs, high-follow, MIT, dense targets. */
#include "robots/sim/piper/arm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_bench.h"

static void take_pose(int32_t out[6])
{
	for (int i = 0; i < 6; i++)
		out[i] = pose(i);
}

/* The numbers on the wire are whole, so that the arm can be half of one off in each; angles by what they mean near 0. */
static void assert_pose(const int32_t want[6], int32_t um, int32_t mdeg)
{
	for (int i = 0; i < 6; i++) {
		long apart = labs((long)pose(i) - want[i]) % 360000;

		assert_in_range(apart > 180000 ? 360000 - apart : apart, 0, i < 3 ? um : mdeg);
	}
}

static void up(const char *mode)
{
	ready("S-V1.8-9", MOVE_J);
	go_up();
	say(mode);
	run(10);
}

static void a_pose(void **unused)
{
	int32_t want[6];

	(void)unused;
	up(MOVE_P);
	take_pose(want);
	assert_int_equal(heard.count[0x2AA], 0);
	want[0] += 30000;
	want[1] -= 40000;
	want[5] += 5000;
	say_six(0x152, want);
	run(3000);
	assert_pose(want, 2, 2);
	assert_int_equal(status_byte(1), 0);
	assert_true(heard.count[0x2AA] > 0); /* S-V1.8-8 and newer tell their solution */
	for (int j = 0; j < 6; j++)
		assert_in_range(labs((long)heard_i32(0x2AA + (uint32_t)j / 2, j % 2 * 4) - joint(j)), 0, 1);
}

/* The pose of the folded arm, as the wire rounds it: at the ends of two joints, with a singular wrist. */
static void the_pose_of_the_folded_arm(void **unused)
{
	int32_t want[6];

	(void)unused;
	ready("S-V1.8-7", MOVE_J);
	take_pose(want);
	go_up();
	say(MOVE_P);
	say_six(0x152, want);
	run(5000);
	assert_int_equal(status_byte(1), 0);
	assert_pose(want, 300, 30);
	assert_int_equal(heard.count[0x2AA], 0); /* older firmware does not tell */
}

static void poses_out_of_reach(void **unused)
{
	const int32_t far[6] = { 900000, 0, 300000, 0, 90000, 0 }, extreme[6] = { INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MAX };
	int32_t before[6];

	(void)unused;
	up(MOVE_P);
	take_pose(before);
	say_six(0x152, far);
	run(1000);
	assert_int_equal(status_byte(1), 2);
	assert_pose(before, 2, 2);
	say_six(0x152, extreme);
	run(1000);
	assert_int_equal(status_byte(1), 2);
	assert_pose(before, 2, 2);
	say_six(0x152, before);
	run(10);
	assert_int_equal(status_byte(1), 0);
	assert_int_equal(arm.counters.targets, 3 + 1);
}

static void poses_that_do_not_count(void **unused)
{
	int32_t before[6], want[6];

	(void)unused;
	up(MOVE_J); /* another mode */
	take_pose(before);
	memcpy(want, before, sizeof want);
	want[0] += 30000;
	say_six(0x152, want);
	run(500);
	assert_pose(before, 2, 2);
	say(MOVE_P); /* a joint without power */
	say("471 04 01 00 00 00 00 00 00");
	say_six(0x152, want);
	run(500);
	assert_in_range(labs((long)joint(0) - posture[0]), 0, 20);
	up(MOVE_P);
	say_pair(0x152, want[0], want[1]); /* two frames of three */
	say_pair(0x153, want[2], want[3]);
	run(500);
	assert_pose(before, 2, 2);
	assert_int_equal(status_byte(1), 0);
}

static double off_line_m, longest_m;

/* Runs; how far the flange strays from the line through two positions. */
static void run_along(const int32_t from[6], const int32_t to[6], uint32_t ms)
{
	double d[3], n2 = 0.0;

	off_line_m = longest_m = 0.0;
	for (int i = 0; i < 3; i++) {
		d[i] = (to[i] - from[i]) * 1e-6;
		n2 += d[i] * d[i];
	}
	for (; ms > 0; ms -= 5) {
		double p[3], along = 0.0, off2 = 0.0;

		run(5);
		for (int i = 0; i < 3; i++) {
			p[i] = (pose(i) - from[i]) * 1e-6;
			along += p[i] * d[i] / n2;
		}
		for (int i = 0; i < 3; i++)
			off2 += (p[i] - along * d[i]) * (p[i] - along * d[i]);
		off_line_m = fmax(off_line_m, sqrt(off2));
		longest_m = fmax(longest_m, along);
	}
}

static void a_line(void **unused)
{
	int32_t from[6], to[6];

	(void)unused;
	up(MOVE_L);
	take_pose(from);
	memcpy(to, from, sizeof to);
	to[0] += 80000;
	to[1] -= 60000;
	to[2] += 20000;
	say_six(0x152, to);
	run_along(from, to, 4000);
	assert_pose(to, 5, 5);
	assert_true(off_line_m < 0.3e-3);
	assert_true(longest_m < 1.001);
	/* The same by MOVE P is not straight. */
	say(MOVE_P);
	say_six(0x152, from);
	run_along(to, from, 4000);
	assert_pose(from, 5, 5);
	assert_true(off_line_m > 1e-3);
}

/* Every target begins from rest: ten a second on one line, and the arm all but stops ten times a second. */
static void a_line_in_many_commands_stutters(void **unused)
{
	int32_t from[6], to[6];
	int fastest = 0, slowest = INT32_MAX;

	(void)unused;
	up(MOVE_L);
	take_pose(from);
	memcpy(to, from, sizeof to);
	for (int i = 1; i <= 15; i++) {
		to[0] = from[0] + 5000 * i;
		say_six(0x152, to);
		for (int k = 0; k < 20; k++) {
			run(5);
			int v = abs(heard_i16(0x252, 0));

			fastest = i > 3 && v > fastest ? v : fastest;
			slowest = i > 3 && v < slowest ? v : slowest;
		}
	}
	assert_true(fastest > 50);
	assert_true(slowest < fastest / 4);
}

static void an_arc(void **unused)
{
	int32_t start[6], p[6];
	double centre[2], radius_m = 0.04, worst_m = 0.0, highest_m = 0.0;

	(void)unused;
	up(MOVE_C);
	take_pose(start);
	memcpy(p, start, sizeof p);
	centre[0] = start[0] * 1e-6;
	centre[1] = start[1] * 1e-6 + radius_m; /* a half circle in the plane z = const */
	say_six(0x152, p);
	say("158 01 00 00 00 00 00 00 00");
	run(1);
	p[0] += 40000;
	p[1] += 40000;
	say_six(0x152, p);
	say("158 02 00 00 00 00 00 00 00");
	run(1);
	p[0] -= 40000;
	p[1] += 40000;
	say_six(0x152, p);
	say("158 03 00 00 00 00 00 00 00");
	run(200);
	assert_in_range(labs((long)pose(0) - start[0]), 0, 5); /* not before the mode comes again */
	say(MOVE_C);
	for (int i = 0; i < 800; i++) {
		run(5);
		double x = pose(0) * 1e-6 - centre[0], y = pose(1) * 1e-6 - centre[1];

		worst_m = fmax(worst_m, fabs(hypot(x, y) - radius_m));
		highest_m = fmax(highest_m, x);
	}
	assert_pose(p, 5, 5);
	assert_true(worst_m < 0.3e-3);
	assert_true(highest_m > 0.0395);
}

static void an_arc_without_its_middle(void **unused)
{
	int32_t start[6], p[6];

	(void)unused;
	up(MOVE_C);
	take_pose(start);
	memcpy(p, start, sizeof p);
	p[0] += 40000;
	say_six(0x152, p);
	say("158 03 00 00 00 00 00 00 00");
	say("158 01 00 00 00 00 00 00 00");
	say("158 07 00 00 00 00 00 00 00");
	say(MOVE_C);
	run(500);
	assert_pose(start, 2, 2);
	assert_int_equal(status_byte(1), 0);
}

/* Fastest change of speed between two states of joint 1, rad/s^2, while targets come `every_ms` along an even motion. */
static double stream(const char *mode, uint32_t every_ms)
{
	int32_t want[6];
	double hardest = 0.0;
	int before = 0;

	up(mode);
	memcpy(want, posture, sizeof want);
	for (uint32_t t = 0; t < 3000; t++) {
		if (t % every_ms == 0) {
			want[0] = posture[0] + (int32_t)lround(20000.0 * sin(t * 1e-3 * 1.5)); /* 0.52 rad/s, 0.79 rad/s^2 */
			say(mode);
			say_six(0x155, want);
		}
		run(1);
		if (t % 5 != 4 || t < 500)
			continue;
		int v = heard_i16(0x251, 0);

		if (before != 0)
			hardest = fmax(hardest, abs(v - before) * 1e-3 / 5e-3);
		before = v;
	}
	return hardest;
}

/* The motion itself has less than 0.8 rad/s^2. */
static void dense_targets_jitter(void **unused)
{
	(void)unused;
	assert_true(stream(MOVE_J, 5) > 1.2);
	assert_true(stream(MOVE_J, 20) > 3.0);
	assert_true(stream(FAST_J, 5) < 1.0);
}

static void high_follow(void **unused)
{
	int32_t want[6];

	(void)unused;
	up(FAST_J);
	memcpy(want, posture, sizeof want);
	want[0] += 10000;
	say_six(0x155, want);
	run(100);
	assert_at(want, 100); /* 10 degrees in 0.1 s: neither speed nor acceleration of the plan */
	run(100);
	assert_at(want, 1);
	want[0] -= 100000;
	say_six(0x155, want);
	run(200);
	assert_in_range(-heard_i16(0x251, 0), 3100, 3142); /* what the motors can */
	assert_in_range(want[0] + 100000 - joint(0), 35000, 36010); /* 30 rpm are 36 degrees in 0.2 s */
}

/* kp (p - q) = gravity: it hangs where the spring holds it. A joint that was sent none stays where it is. */
static void mit(void **unused)
{
	(void)unused;
	up("151 01 06 00 ad 00 00 00 00");
	say("15a 85 1e 7f f0 51 94 77 ff"); /* J1 0.5 rad, kp 10, kd 0.8, V3 */
	run(3000);
	assert_in_range(labs((long)joint(0) - 28648), 0, 3500); /* friction of 0.5 Nm */
	assert_in_range(labs((long)joint(1) - posture[1]), 0, 20);
	say("15a 85 1e 7f f3 e8 c4 d7 ff"); /* kp 122, kd 2.69: nearer */
	run(3000);
	assert_in_range(labs((long)joint(0) - 28648), 0, 400);
	say("15b 8a 3c 7f f0 00 7f f7 ff"); /* J2 without spring or damping: it falls */
	run(500);
	assert_true(labs((long)joint(1) - posture[1]) > 3000);
}

static void mit_that_does_not_count(void **unused)
{
	(void)unused;
	up(MOVE_J);
	say("15a 85 1e 7f f3 e8 51 97 ff");
	assert_int_equal(arm.counters.ignored, 1);
	run(500);
	assert_at(posture, 2);
	ready("S-V1.8-7", MOVE_J);
	go_up();
	say("151 01 04 00 ad 00 00 00 00");
	say("15a 85 1e 7f f3 e8 51 97 ff"); /* its check is wrong for this firmware */
	run(500);
	assert_at(posture, 2);
}

/* The torque that joint 1 gives for 1 Nm, from how it accelerates; and the sign of a wish for +0.1 rad. */
static void mit_of_old_firmware(void **unused)
{
	double turned[3];
	static const char *const firmware[] = { "S-V1.7-2", "S-V1.8-2", "S-V1.8-3" };

	(void)unused;
	for (int i = 0; i < 3; i++) {
		ready(firmware[i], MOVE_J);
		go_up();
		say("151 01 04 00 ad 00 00 00 00");
		say("15a 7f ff 7f f0 00 7f f8 f8"); /* no spring, no damping, 0.97 Nm */
		run(200);
		turned[i] = joint(0) - posture[0];
	}
	assert_true(turned[0] < -1000 && turned[1] > 1000 && turned[2] > 100);
	assert_true(turned[1] > 4 * turned[2]);
	assert_in_range((long)fabs(turned[0] + turned[1]), 0, 500);
}

/* The same weight on joint 2, told in other units. */
static void currents_of_old_firmware(void **unused)
{
	int current[2];
	static const char *const firmware[] = { "S-V1.8-2", "S-V1.8-3" };

	(void)unused;
	for (int i = 0; i < 2; i++) {
		ready(firmware[i], MOVE_J);
		go_up();
		current[i] = heard_i16(0x252, 2);
	}
	assert_true(abs(current[1]) > 1000);
	assert_in_range(abs(4 * current[0] - current[1]), 0, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pose),
		cmocka_unit_test(the_pose_of_the_folded_arm),
		cmocka_unit_test(poses_out_of_reach),
		cmocka_unit_test(poses_that_do_not_count),
		cmocka_unit_test(a_line),
		cmocka_unit_test(a_line_in_many_commands_stutters),
		cmocka_unit_test(an_arc),
		cmocka_unit_test(an_arc_without_its_middle),
		cmocka_unit_test(dense_targets_jitter),
		cmocka_unit_test(high_follow),
		cmocka_unit_test(mit),
		cmocka_unit_test(mit_that_does_not_count),
		cmocka_unit_test(mit_of_old_firmware),
		cmocka_unit_test(currents_of_old_firmware),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
