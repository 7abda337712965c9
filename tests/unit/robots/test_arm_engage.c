/* test_arm_engage.c - an arm whose motions have to be begun (robot_state.engaged), which says where it is held (q_d) and goes on by itself
 * while no command comes: nothing is played before it can be, and nothing jumps when it can. Virtual time. */
#include "tests/unit/robots/arm_bench.h"

static const double HELD_RAD = 0.003; /* q_d less q */

static void step(struct bench *b)
{
	b->robot.has_q_d = true;
	tick(b);
	for (uint32_t j = 0; j < DOF_MAX; j++)
		b->robot.q_d_rad[j] = b->robot.engaged && b->command.hold ? b->command.q_rad[j] : b->robot.q_d_rad[j];
}

static void make(struct bench *b)
{
	make_bench(b, robot_driver_find("franka"));
	b->robot.engaged = false;
	for (uint32_t j = 0; j < b->setup.model.dof; j++)
		b->robot.q_d_rad[j] = b->setup.model.home_rad[j] + HELD_RAD;
	b->command.hold = false; /* the arm follows nobody */
	for (int i = 0; i < 3; i++) {
		step(b);
		memcpy(b->robot.q_rad, b->setup.model.home_rad, sizeof b->robot.q_rad);
	}
}

static void expect_held(const struct bench *b)
{
	for (uint32_t j = 0; j < b->setup.model.dof; j++)
		assert_true(b->command.q_rad[j] == b->robot.q_d_rad[j] && b->command.dq_rad_s[j] == 0);
}

static void nothing_is_played_before(void **state)
{
	struct bench b;

	(void)state;
	make(&b);
	expect_held(&b);
	assert_false(b.command.engage);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	for (int i = 0; i < 200; i++) {
		send(&b, target_at(&b, 10, HELD_RAD, 0));
		for (int n = 0; n < 5; n++) {
			step(&b);
			assert_true(b.command.engage);
			expect_held(&b);
		}
	}
	assert_int_equal(report(&b).counters.accepted, 200);
	assert_int_equal(report(&b).counters.refused, 0);
	assert_true(report(&b).accepted_from == ME && report(&b).ack_seq == 0);
	refused(&b, target_at(&b, 10, HELD_RAD, 0.01), REFUSAL_NOT_ENGAGED);
	refused(&b, target_at(&b, 10, HELD_RAD, NAN), REFUSAL_NOT_ENGAGED);
	refused(&b, target_at(&b, 10, HELD_RAD + 0.03, 0), REFUSAL_START);
	step(&b);
	expect_held(&b);
}

static void it_begins_where_the_arm_is_held(void **state)
{
	struct bench b;

	(void)state;
	make(&b);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	step(&b);
	b.robot.engaged = true;
	b.jump_peak_rad = 0;
	step(&b);
	expect_held(&b);
	assert_int_equal(report(&b).counters.reconnects, 1);
	for (int i = 0; i < 100; i++) {
		send(&b, target_at(&b, 10, HELD_RAD, 0));
		for (int n = 0; n < 5; n++)
			step(&b);
	}
	assert_int_equal(report(&b).counters.refused, 0);
	assert_true(report(&b).ack_seq >= 98);
	assert_true(b.jump_peak_rad < 1e-9);
}

/* Drives joint 1 away from here at `speed`, from rest. */
static void drive(struct bench *b, int ms)
{
	for (int i = 0; i < ms; i++) {
		double t = (i + 10) * 1e-3, u = fmin(t / 0.3, 1);
		struct arm_target to = target_at(b, 10, HELD_RAD, 0);

		to.target.q_rad[0] += 0.3 * 0.2 * u * u * u * (1 - u / 2) + 0.2 * fmax(t - 0.3, 0);
		to.target.dq_rad_s[0] = 0.2 * u * u * (3 - 2 * u);
		if (i % 5 == 0)
			send(b, to);
		step(b);
	}
}

/* The arm's own motion ends under our hands: nothing goes on from where it would have led. */
static void motion_ends_under_way(void **state)
{
	struct bench b;

	(void)state;
	make(&b);
	b.robot.engaged = true;
	step(&b);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	drive(&b, 400);
	assert_int_equal(report(&b).mode, ARM_MOVING);
	b.robot.engaged = false;
	b.robot.q_d_rad[0] += 0.001; /* where it came to rest */
	step(&b);
	expect_held(&b);
	assert_true(stands(&b) && b.command.engage);
	assert_int_equal(report(&b).counters.underruns, 1);
	refused(&b, target_at(&b, 10, HELD_RAD, 0.2), REFUSAL_NOT_ENGAGED);
	b.robot.engaged = true;
	step(&b);
	expect_held(&b);
	refused(&b, target_at(&b, 10, HELD_RAD, 0), REFUSAL_START); /* 28 mrad away */
}

/* Whoever lets go, lets the arm come to rest before its motion ends. */
static void engaged_until_at_rest(void **state)
{
	struct bench b;
	int n = 0;

	(void)state;
	make(&b);
	b.robot.engaged = true;
	step(&b);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	drive(&b, 400);
	assert_int_equal(ask(&b, ARM_ASK_DETACH, ME, false, false).reply, ARM_REPLY_OK);
	for (step(&b); b.command.engage && n < 1000; n++)
		step(&b);
	assert_in_range(n, 5, 999);
	for (uint32_t j = 0; j < b.setup.model.dof; j++)
		assert_true(b.command.dq_rad_s[j] == 0);
	assert_true(b.command.hold && stands(&b));
}

/* The arm went on by itself for so long: so does its path; beyond that it is a pause, and what is left of the path is faded in. */
static void short_pauses_are_none(void **state)
{
	struct bench b;
	double before, speed;

	(void)state;
	make(&b);
	b.robot.engaged = true;
	step(&b);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	drive(&b, 495);
	struct arm_target ahead = target_at(&b, 60, HELD_RAD, 0);

	ahead.target.q_rad[0] += 0.3 * 0.2 / 2 + 0.2 * (0.495 + 0.060 - 0.3);
	ahead.target.dq_rad_s[0] = 0.2;
	send(&b, ahead);
	before = b.command.q_rad[0];
	speed = b.command.dq_rad_s[0];
	b.now_ns += 18 * MS;
	step(&b);
	assert_true(fabs(speed - 0.2) < 1e-3);
	assert_true(fabs(b.command.q_rad[0] - before - 19e-3 * speed) < 1e-5);
	before = b.command.q_rad[0];
	b.now_ns += 25 * MS;
	step(&b);
	assert_true(fabs(b.command.q_rad[0] - before) < 1e-3); /* not 5.2e-3 */
}

static void recovery_and_homing_are_passed_on(void **state)
{
	struct bench b;

	(void)state;
	make(&b);
	assert_int_equal(ask(&b, ARM_ASK_RECOVER, 0, false, false).reply, ARM_REPLY_NO_ERROR);
	assert_false(arm_take_recover(&b.arm));
	b.robot.mode = ARM_REFLEX;
	step(&b);
	assert_int_equal(ask(&b, ARM_ASK_RECOVER, 0, false, false).reply, ARM_REPLY_OK);
	assert_true(arm_take_recover(&b.arm));
	assert_false(arm_take_recover(&b.arm));
	b.robot.mode = ARM_READY;
	step(&b);
	assert_int_equal(ask(&b, ARM_ASK_HOME_GRIPPER, 0, false, false).reply, ARM_REPLY_OK);
	assert_true(arm_take_home_gripper(&b.arm));
	assert_false(arm_take_home_gripper(&b.arm));
	b.robot.has_gripper = false;
	step(&b);
	assert_int_equal(ask(&b, ARM_ASK_HOME_GRIPPER, 0, false, false).reply, ARM_REPLY_NO_GRIPPER);
	make_bench(&b, robot_driver_find("sim"));
	b.robot.mode = ARM_REFLEX;
	tick(&b);
	assert_int_equal(ask(&b, ARM_ASK_RECOVER, 0, false, false).reply, ARM_REPLY_NO_RECOVERY);
}

static enum arm_reply home(struct bench *b)
{
	return ask(b, ARM_ASK_HOME_GRIPPER, 0, false, false).reply;
}

/* Whoever pressed a stop button, or guides the arm by hand, has their fingers near it. */
static void fingers_are_homed_only_where_the_arm_may_move(void **state)
{
	static const enum arm_mode never[] = { ARM_REFLEX, ARM_USER_STOPPED, ARM_GUIDING, ARM_DISCONNECTED };
	struct bench b;

	(void)state;
	make(&b);
	for (size_t k = 0; k < sizeof never / sizeof *never; k++) {
		b.robot.mode = never[k];
		step(&b);
		assert_int_equal(home(&b), ARM_REPLY_NOT_READY);
		assert_false(arm_take_home_gripper(&b.arm));
	}
	b.robot.mode = ARM_IDLE;
	step(&b);
	assert_int_equal(home(&b), ARM_REPLY_OK);
	assert_true(arm_take_home_gripper(&b.arm));
	make(&b);
	b.robot.engaged = true;
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	step(&b);
	drive(&b, 300);
	assert_int_equal(report(&b).mode, ARM_MOVING);
	assert_int_equal(home(&b), ARM_REPLY_MOVING);
	assert_false(arm_take_home_gripper(&b.arm));
}

static void a_stop_stops_fingers_that_home(void **state)
{
	static const enum arm_ask stops[] = { ARM_ASK_STOP, ARM_ASK_SHUTDOWN };
	struct bench b;

	(void)state;
	for (size_t k = 0; k < sizeof stops / sizeof *stops; k++) {
		make(&b);
		step(&b);
		assert_false(arm_take_stop_homing(&b.arm));
		assert_int_equal(home(&b), ARM_REPLY_OK);
		ask(&b, stops[k], 0, false, false);
		assert_true(arm_take_stop_homing(&b.arm));
		assert_false(arm_take_stop_homing(&b.arm));
		assert_false(arm_take_home_gripper(&b.arm)); /* and it does not begin either */
	}
	make(&b);
	b.robot.mode = ARM_USER_STOPPED; /* the arm's own button */
	step(&b);
	assert_true(arm_take_stop_homing(&b.arm));
	step(&b);
	assert_false(arm_take_stop_homing(&b.arm));
	b.robot.mode = ARM_READY;
	step(&b);
	assert_false(arm_take_stop_homing(&b.arm));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_played_before), cmocka_unit_test(it_begins_where_the_arm_is_held),
		cmocka_unit_test(motion_ends_under_way), cmocka_unit_test(engaged_until_at_rest), cmocka_unit_test(short_pauses_are_none),
		cmocka_unit_test(recovery_and_homing_are_passed_on),
		cmocka_unit_test(fingers_are_homed_only_where_the_arm_may_move),
		cmocka_unit_test(a_stop_stops_fingers_that_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
