/* test_franka_motion.c - the driver's motion against the simulated robot, in every protocol, by joints and by poses: no reflex whatever is
 * lost on the way, and every ending of a motion. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/driver.h"

#include <cmocka.h> /* last: it defines fail() */

#include "tests/unit/robots/franka_bench.h"

static struct fbench b;

static void expect_at_wish(double tolerance)
{
	for (int j = 0; j < 7; j++)
		if (!(fabs(b.robot.generator.d.q_rad[j] - b.wish.q_rad[j]) <= tolerance))
			fail_msg("protocol %u %s: joint %d at %.9f, wished %.9f", b.version, b.setup.generator ? "pose" : "joint", j + 1,
					b.robot.generator.d.q_rad[j], b.wish.q_rad[j]);
}

static void expect_fine(void)
{
	if (!robot_fine(&b))
		fail_msg("protocol %u %s: reflex, errors %llx", b.version, b.setup.generator ? "pose" : "joint",
				(unsigned long long)b.robot.reflex_reason);
}

/* A second longer, standing; then nobody wants the motion any more. */
static void expect_clean_end(void)
{
	memset(b.wish.dq_rad_s, 0, sizeof b.wish.dq_rad_s);
	periods(&b, 1000);
	expect_fine();
	b.wish.engage = false;
	periods(&b, 50);
	if (b.motion.phase != FRANKA_RESTS)
		fail_msg("protocol %u %s: does not rest: %g rad/s, %g rad/s^2", b.version, b.setup.generator ? "pose" : "joint",
				b.motion.shape.sent.dq_rad_s[0], b.motion.shape.sent.ddq_rad_s2[0]);
	assert_int_equal(b.robot.mode, FCI_MODE_IDLE);
	assert_int_equal(b.seen.mode, ARM_READY);
	assert_int_equal(b.seen.trouble, 0);
	expect_fine();
}

static void follows_smooth_motion(uint32_t version, enum output_kind generator)
{
	make_fbench(&b, version, generator);
	engage(&b);
	for (int ms = 1; ms <= 4000; ms++) {
		smooth_wish(&b, at_home, 0.08, ms * 1e-3);
		period(&b);
		assert_true(b.sent);
		/* The robot uses the command in its next step. */
		if (ms > 1 && !b.robot.generator.errors)
			continue;
		expect_fine();
	}
	franka_robot_step(&b.robot);
	expect_fine();
	expect_at_wish(generator == OUTPUT_POSE ? 1e-6 : 1e-9);
	assert_true(b.robot.counters.missed == 0);
	b.now_ns += MS;
}

static void every_protocol(void **state)
{
	(void)state;
	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++) {
		follows_smooth_motion(version, OUTPUT_JOINT);
		expect_clean_end();
		follows_smooth_motion(version, OUTPUT_POSE);
		expect_clean_end();
	}
}

static void follow_smoothly(void)
{
	engage(&b);
	for (int ms = 1; ms <= 1000; ms++) {
		smooth_wish(&b, at_home, 0.08, ms * 1e-3);
		period(&b);
		expect_fine();
	}
	assert_int_equal(b.robot.controller, FCI_CONTROL_CARTESIAN_IMPEDANCE);
}

static void either_controller(void **state)
{
	(void)state;
	for (int generator = 0; generator < 2; generator++) {
		make_fbench(&b, 5, (enum output_kind)generator);
		b.setup.controller = FRANKA_CARTESIAN_IMPEDANCE;
		follow_smoothly();
	}
}

/* Rows of 1 to 19 states or commands that are lost, with enough between them to be made up for. */
static void loses_rows(uint32_t version, enum output_kind generator, bool states)
{
	make_fbench(&b, version, generator);
	engage(&b);
	int left = 0, pause = 50;

	for (int ms = 1; ms <= 6000; ms++) {
		smooth_wish(&b, at_home, 0.08, ms * 1e-3);
		if (left == 0 && --pause == 0) {
			left = 1 + (int)(draw(&b) % 19);
			pause = 30 + (int)(draw(&b) % 100);
		}
		bool lost = left > 0;

		left -= lost;
		b.lose_state = lost && states;
		b.lose_command = lost && !states;
		period(&b);
		if (!robot_fine(&b))
			fail_msg("protocol %u %s %s at %d ms: errors %llx", version, generator ? "pose" : "joint", states ? "states" : "commands",
					ms, (unsigned long long)b.robot.reflex_reason);
	}
	assert_true(b.robot.counters.missed > 300);
	memset(b.wish.dq_rad_s, 0, sizeof b.wish.dq_rad_s);
	periods(&b, 1000);
	expect_fine();
	expect_at_wish(1e-6);
	expect_clean_end();
}

static void lost_rows(void **state)
{
	(void)state;
	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++)
		for (int what = 0; what < 4; what++)
			loses_rows(version, what & 1 ? OUTPUT_POSE : OUTPUT_JOINT, what & 2);
}

/* Wishes that leap, and none at all, with rows of lost commands or without: the robot never finds fault with what is made of them. */
static void leaps(uint32_t version, enum output_kind generator, bool misses, double size)
{
	int left = 0;

	make_fbench(&b, version, generator);
	engage(&b);
	for (int ms = 1; ms <= 3000; ms++) {
		if (ms % 150 == 1)
			for (int j = 0; j < 7; j++)
				b.wish.q_rad[j] = at_home[j] + size * ((int)(draw(&b) % 2001) - 1000) * 1e-3;
		b.wish.hold = ms / 300 % 3 != 2;
		left = left > 0 ? left - 1 : misses && draw(&b) % 40 == 0 ? (int)(draw(&b) % 20) : 0;
		b.lose_command = left > 0;
		period(&b);
		if (!robot_fine(&b))
			fail_msg("protocol %u %s, leaps of %g rad, at %d ms: errors %llx", version, generator ? "pose" : "joint", size, ms,
					(unsigned long long)b.robot.reflex_reason);
	}
}

static void wishes_that_leap(void **state)
{
	(void)state;
	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++)
		for (int what = 0; what < 4; what++) {
			leaps(version, what & 1 ? OUTPUT_POSE : OUTPUT_JOINT, what & 2, 0.05);
			leaps(version, what & 1 ? OUTPUT_POSE : OUTPUT_JOINT, what & 2, 0.5);
		}
}

/* Twenty in a row are too many: a reflex by name, no recovery by itself; then on request, and a new start from q_d. */
static void too_many_lost(void **state)
{
	(void)state;
	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version += 5) {
		make_fbench(&b, version, OUTPUT_JOINT);
		engage(&b);
		for (int ms = 1; ms <= 530; ms++) {
			smooth_wish(&b, at_home, 0.08, ms * 1e-3);
			b.lose_command = ms > 500 && ms <= 520;
			period(&b);
		}
		assert_int_equal(b.robot.counters.reflexes, 1);
		assert_int_equal(b.seen.mode, ARM_REFLEX);
		assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_REFLEX);
		assert_true(b.seen.errors & UINT64_C(1) << FCI_ERROR_communication_constraints_violation);
		assert_false(b.seen.engaged);
		b.wish = (struct robot_command){ 0 }; /* the arm lets go */
		periods(&b, 1000);
		assert_int_equal(b.seen.mode, ARM_REFLEX);
		assert_true(b.seen.errors & UINT64_C(1) << FCI_ERROR_communication_constraints_violation);
		assert_int_equal(b.moves, 1);
		franka_motion_recover(&b.motion);
		periods(&b, 20);
		assert_int_equal(b.seen.mode, ARM_READY);
		assert_int_equal(b.seen.errors, 0);
		engage(&b);
		for (int j = 0; j < 7; j++)
			assert_true(fabs(b.wish.q_rad[j] - b.robot.generator.d.q_rad[j]) < 1e-6);
		b.robot.counters.reflexes = 0;
		periods(&b, 100);
		expect_clean_end();
	}
}

/* Whoever drives comes and goes at any moment; a motion is always begun and ended in order. */
static void engage_toggles(void **state)
{
	(void)state;
	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++)
		for (int what = 0; what < 40; what++) {
			make_fbench(&b, version, what & 1 ? OUTPUT_POSE : OUTPUT_JOINT);
			b.delay_ns = (int64_t)(draw(&b) % 6) * MS;
			b.rng += (uint32_t)what * 77777u;
			for (int i = 0; i < 60; i++) {
				bool wanted = draw(&b) % 2;

				for (int n = (int)(draw(&b) % 12); n >= 0; n--) {
					hold_at_q_d(&b, wanted);
					period(&b);
					assert_true(b.seen.mode == ARM_READY);
				}
			}
			hold_at_q_d(&b, false);
			periods(&b, 100);
			assert_int_equal(b.motion.phase, FRANKA_RESTS);
			assert_int_equal(b.robot.mode, FCI_MODE_IDLE);
			assert_int_equal(b.stops, 0);
			expect_fine();
			assert_true(b.moves >= 2);
		}
}

static void finish_is_at_rest(void **state)
{
	(void)state;
	make_fbench(&b, 10, OUTPUT_JOINT);
	engage(&b);
	for (int ms = 1; ms <= 700; ms++) {
		smooth_wish(&b, at_home, 0.08, ms * 1e-3);
		period(&b);
	}
	memset(b.wish.dq_rad_s, 0, sizeof b.wish.dq_rad_s);
	b.wish.engage = false; /* while the joints still close in */
	for (int i = 0; i < 2000 && !b.finished; i++)
		period(&b);
	assert_true(b.finished);
	expect_fine();
	for (int j = 0; j < 7; j++)
		assert_true(fabs(b.command.q_c[j] - b.wish.q_rad[j]) < 1e-8);
	uint64_t id = b.command.message_id;

	period(&b);
	assert_true(b.finished && b.command.message_id == id + 1);
	for (int j = 0; j < 7; j++) {
		assert_true(fabs(b.robot.generator.d.dq_rad_s[j]) < 1e-5);
		assert_true(fabs(b.robot.generator.d.ddq_rad_s2[j]) < 1e-2);
	}
	expect_clean_end();
}

/* Nothing that is refused is asked for in a storm. */
static void refused_move(void **state)
{
	(void)state;
	make_fbench(&b, 9, OUTPUT_JOINT);
	hold_at_q_d(&b, true);
	b.refuse = true;
	periods(&b, 20);
	assert_int_equal(b.moves, 1);
	assert_int_equal(b.seen.mode, ARM_IDLE);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_MOVE_REFUSED);
	periods(&b, 10000);
	assert_in_range(b.moves, 2, 5);
	b.refuse = false;
	b.wish.engage = false;
	periods(&b, 10000);
	assert_int_equal(b.seen.mode, ARM_READY);
	assert_int_equal(b.seen.trouble, 0);
	engage(&b);
}

static void modes_are_named(void **state)
{
	(void)state;
	make_fbench(&b, 8, OUTPUT_JOINT);
	engage(&b);
	franka_robot_user_stop(&b.robot, true);
	periods(&b, 10);
	assert_int_equal(b.seen.mode, ARM_USER_STOPPED);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_USER_STOPPED);
	assert_false(b.sent);
	b.wish = (struct robot_command){ 0 };
	franka_robot_user_stop(&b.robot, false);
	periods(&b, 10);
	assert_int_equal(b.seen.mode, ARM_READY);
	hold_at_q_d(&b, true);
	engage(&b);
	franka_robot_user_stop(&b.robot, true); /* tapped */
	periods(&b, 1);
	franka_robot_user_stop(&b.robot, false);
	periods(&b, 10);
	assert_int_equal(b.seen.mode, ARM_IDLE);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_USER_STOPPED);
	b.wish = (struct robot_command){ 0 };
	periods(&b, 3000);
	assert_int_equal(b.seen.mode, ARM_READY);
	franka_robot_guide(&b.robot, true);
	periods(&b, 10);
	assert_int_equal(b.seen.mode, ARM_GUIDING);
	franka_robot_guide(&b.robot, false);
	franka_robot_lock(&b.robot, true);
	periods(&b, 10);
	assert_int_equal(b.seen.mode, ARM_IDLE);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_LOCKED);
	franka_robot_lock(&b.robot, false);
	periods(&b, 10);
	assert_int_equal(b.seen.mode, ARM_READY);
	obey_move(&b); /* not ours */
	periods(&b, 3);
	assert_int_equal(b.seen.mode, ARM_IDLE);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_OTHER_MOTION);
}

/* States without numbers: a stop, with a name; never a command that is none. */
static void unsound_states(void **state)
{
	(void)state;
	make_fbench(&b, 10, OUTPUT_JOINT);
	engage(&b);
	for (int ms = 1; ms <= 700; ms++) {
		smooth_wish(&b, at_home, 0.08, ms * 1e-3);
		b.spoil = ms >= 500 && ms < 520;
		period(&b);
		assert_false(ms >= 500 && b.sent);
	}
	assert_int_equal(b.stops, 1);
	assert_int_equal(b.seen.mode, ARM_IDLE);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_BAD_STATES);
	expect_fine();
	assert_int_equal(b.robot.mode, FCI_MODE_IDLE);
	assert_int_equal(b.motion.phase, FRANKA_RESTS);
}

static void silence_and_end(void **state)
{
	(void)state;
	make_fbench(&b, 6, OUTPUT_JOINT);
	engage(&b);
	for (int i = 0; i < 310; i++) {
		b.lose_state = true;
		period(&b);
		assert_false(b.sent);
	}
	assert_int_equal(b.seen.mode, ARM_DISCONNECTED);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_NO_STATES);
	for (int i = 0; i < 1000; i++) {
		b.lose_state = true;
		period(&b);
	}
	assert_int_equal(b.reconnects, 1);
	hear(&b, FRANKA_EVENT_CLOSED, 1);
	periods(&b, 10);
	assert_int_equal(b.seen.mode, ARM_DISCONNECTED);
	franka_robot_leave(&b.robot);
	franka_robot_request(&b.robot, FCI_AUTOMATIC_ERROR_RECOVERY, NULL);
	franka_states_begin(&b.states, b.version, (struct in_addr){ 1 });
	hear(&b, FRANKA_EVENT_CONNECTED, 2);
	b.wish.engage = false;
	periods(&b, 200);
	assert_int_equal(b.seen.mode, ARM_READY);
	assert_int_equal(b.seen.generation, 2);
}

/* The flange's pose is not the one that the robot was to be set to. */
static void another_tool(void **state)
{
	(void)state;
	make_fbench(&b, 9, OUTPUT_POSE);
	b.motion.cartesian.tcp.p_m[2] += 0.002;
	hold_at_q_d(&b, true);
	for (int i = 0; i < 100; i++) {
		period(&b);
		assert_false(b.sent);
	}
	assert_int_equal(b.stops, 1);
	assert_int_equal(b.seen.mode, ARM_IDLE);
	assert_int_equal(b.seen.trouble, FRANKA_TROUBLE_POSE_DIFFERS);
	expect_fine();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_protocol), cmocka_unit_test(either_controller), cmocka_unit_test(lost_rows),
		cmocka_unit_test(wishes_that_leap), cmocka_unit_test(too_many_lost),
		cmocka_unit_test(engage_toggles), cmocka_unit_test(finish_is_at_rest), cmocka_unit_test(refused_move),
		cmocka_unit_test(modes_are_named), cmocka_unit_test(unsound_states), cmocka_unit_test(silence_and_end),
		cmocka_unit_test(another_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
