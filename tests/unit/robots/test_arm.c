/* test_arm.c - who may drive, which targets are refused, when the arm brakes: messages.md sections 5 and 6, on virtual time.
 * The arm under control follows its commands exactly. */
#include "tests/unit/robots/arm_bench.h"

/* Drives home + 0.05 (1 - cos 2t) at 200 Hz for `ms`; *t_ms counts on. */
static void drive(struct bench *b, int *t_ms, int ms)
{
	for (int i = 0; i < ms; i++, ++*t_ms) {
		double t = (*t_ms + 10) * 1e-3;

		if (*t_ms % 5 == 0)
			send(b, target_at(b, 10, 0.05 * (1 - cos(2 * t)) * (1 - exp(-t * t * 20)),
					0.1 * sin(2 * t) * (1 - exp(-t * t * 20)) + 0.05 * (1 - cos(2 * t)) * 40 * t * exp(-t * t * 20)));
		tick(b);
	}
}

static void test_targets_are_played_and_acknowledged(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 1500);
	struct arm_report r = report(&b);
	assert_int_equal(r.counters.refused, 0);
	assert_int_equal(r.counters.accepted, 300);
	assert_int_equal(r.counters.limits_exceeded, 0);
	assert_int_equal(r.counters.underruns, 0);
	assert_int_equal(r.mode, ARM_MOVING);
	assert_true(r.accepted_from == ME && r.ack_seq >= 298 && r.ack_t_ns > b.now_ns - 6 * MS);
	assert_true(fabs(r.q_d_rad[0] - 0.05 * (1 - cos(3.0))) < 1e-4);
	assert_true(r.counters.tcp_path_m > 0.03);
	assert_true(r.counters.q_d_step_max_rad > 5e-5 && r.counters.q_d_step_max_rad < 2e-4);
}

static void test_foreign_targets_are_counted_only(void **state)
{
	struct bench b;
	(void)state;
	make_attached(&b);
	struct arm_target t = target_at(&b, 10, 0, 0);
	t.from = ME + 1;
	send(&b, t);
	assert_int_equal(report(&b).counters.foreign, 1);
	assert_int_equal(report(&b).counters.refused, 0);
	assert_true(stands(&b));
}

static void test_nobody_attached_nothing_moves(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_bench(&b, robot_driver_find("sim"));
	drive(&b, &t, 100);
	assert_int_equal(report(&b).counters.foreign, 20);
	assert_memory_equal(b.command.q_rad, b.setup.model.home_rad, sizeof b.command.q_rad);
}

static void test_first_target(void **state)
{
	struct bench b;
	(void)state;
	make_attached(&b);
	refused(&b, target_at(&b, 10, 0.021, 0), REFUSAL_START);
	refused(&b, target_at(&b, 10, 0, 0.05), REFUSAL_START);
	refused(&b, target_at(&b, 0, 0, 0), REFUSAL_DUE);
	assert_true(stands(&b));
	send(&b, target_at(&b, 10, 0.019, 0));
	assert_int_equal(report(&b).counters.accepted, 1);
	for (int i = 0; i < 200; i++) {
		ticks(&b, 5);
		send(&b, target_at(&b, 10, 0.019, 0));
	}
	assert_int_equal(report(&b).counters.limits_exceeded, 0);
	assert_true(report(&b).counters.acceleration_peak < 0.1);
	assert_true(fabs(report(&b).q_d_rad[2] - b.setup.model.home_rad[2] - 0.019) < 1e-9);
}

static void test_form(void **state)
{
	struct bench b;
	(void)state;
	make_attached(&b);
	struct arm_target t = target_at(&b, 10, 0, 0);
	t.target.has_gripper = true;
	t.target.gripper_m = 0.09;
	refused(&b, t, REFUSAL_GRIPPER);
	t = target_at(&b, 10, 0, 0);
	t.target.q_rad[3] = NAN;
	refused(&b, t, REFUSAL_LIMIT);
	send(&b, t); /* the same seq again */
	assert_int_equal(report(&b).counters.old, 1);
	t = target_at(&b, -21, 0, 0); /* more than valid_for too late */
	send(&b, t);
	assert_int_equal(report(&b).counters.late, 1);
	send(&b, target_at(&b, 501, 0, 0));
	assert_int_equal(report(&b).counters.late, 2);
	t = target_at(&b, 0, 0, 0);
	t.target.t_ns = INT64_MIN;
	send(&b, t);
	t.seq = ++b.seq;
	t.target.t_ns = INT64_MAX;
	send(&b, t);
	assert_int_equal(report(&b).counters.late, 4);
	assert_true(stands(&b));
}

static void test_gripper_is_kept(void **state)
{
	struct bench b;
	(void)state;
	make_attached(&b);
	assert_false(b.command.has_gripper);
	struct arm_target t = target_at(&b, 5, 0, 0);
	t.target.has_gripper = true;
	t.target.gripper_m = 0.03;
	send(&b, t);
	ticks(&b, 4);
	assert_false(b.command.has_gripper); /* not before its time */
	tick(&b);
	assert_true(b.command.has_gripper && b.command.gripper_m == 0.03);
	(void)ask(&b, ARM_ASK_STOP, 0, false, false);
	(void)ask(&b, ARM_ASK_DETACH, ME, false, false);
	ticks(&b, 1000);
	assert_true(b.command.has_gripper && b.command.gripper_m == 0.03);
}

static void test_jump_is_refused_with_a_brake(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 800);
	struct arm_target jump = target_at(&b, 12, 0.5, 0);
	refused(&b, jump, REFUSAL_LIMIT);
	assert_true(report(&b).counters.limits_exceeded > 0);
	refused(&b, target_at(&b, 15, 0.08, 0.1), REFUSAL_BRAKING);
	comes_to_rest(&b);
	assert_true(report(&b).q_d_rad[0] < 0.15);
	refused(&b, target_at(&b, 10, 0.3, 0), REFUSAL_START); /* counts as a first one again */
}

/* A smooth start with up to 9 rad/s^2 of joint 1: it speeds up hard at 80 to 240 ms. */
static void speed_up(struct bench *b, int ms)
{
	for (int k = 0; k < ms; k++) {
		double t = (k / 5) * 5e-3, w = 10;

		if (k % 5 == 0) {
			struct arm_target x = target_at(b, 10, 0, 0);

			x.target.q_rad[0] += 9 * (t / w - sin(w * t) / (w * w));
			x.target.dq_rad_s[0] = 9 * (1 - cos(w * t)) / w;
			send(b, x);
		}
		tick(b);
	}
}

static void test_brakes_from_speeding_up_are_smooth(void **state)
{
	enum { STOP, DETACH, UNDERRUN, REFUSED, WAYS };

	(void)state;
	for (int way = 0; way < WAYS; way++)
		for (int ms = 60; ms < 260; ms += 3) {
			struct bench b;

			make_attached(&b);
			speed_up(&b, ms);
			assert_int_equal(report(&b).counters.limits_exceeded, 0);
			b.jerk_first_peak = 0;
			if (way == STOP || way == DETACH)
				(void)ask(&b, way == STOP ? ARM_ASK_STOP : ARM_ASK_DETACH, ME, false, false);
			else if (way == REFUSED)
				refused(&b, target_at(&b, 17, 2, 0), REFUSAL_LIMIT);
			ticks(&b, 25);
			comes_to_rest(&b);
			assert_true(b.jerk_first_peak <= 1 && b.jerk_peak <= 1 && b.jerk_peak > 0.5);
			assert_true(b.jump_peak_rad < 1e-6);
		}
}

static void test_gap_is_refused_with_a_brake(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 800);
	refused(&b, target_at(&b, 150, 0.08, 0), REFUSAL_DUE);
	comes_to_rest(&b);
}

/* Said in words, and counted once. */
static void lost(const struct bench *b, uint64_t count, uint64_t from, enum arm_loss_why why, const char *says)
{
	struct arm_loss l = report(b).loss;
	char text[128];

	assert_true(l.count == count && l.from == from && l.why == why);
	arm_loss_text(&l, text, sizeof text);
	assert_non_null(strstr(text, says));
}

static void test_targets_end(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 800);
	ticks(&b, 25);
	assert_int_equal(report(&b).counters.underruns, 1);
	comes_to_rest(&b);
	assert_true(report(&b).accepted_from == ME); /* 500 ms are not over */
	assert_true(report(&b).loss.count == 0);
	ticks(&b, 490);
	assert_true(report(&b).accepted_from == 0);
	lost(&b, 1, ME, LOSS_SILENCE, "500 ms");
	drive(&b, &t, 10);
	assert_int_equal(report(&b).counters.foreign, 2);
}

static void test_stop_is_latched(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 800);
	assert_int_equal(ask(&b, ARM_ASK_STOP, 0, false, false).reply, ARM_REPLY_OK);
	assert_true(report(&b).stopped);
	refused(&b, target_at(&b, 12, 0.08, 0.1), REFUSAL_STOPPED);
	comes_to_rest(&b);
	struct arm_answer a = ask(&b, ARM_ASK_ATTACH, ME, true, false);
	struct arm_reply_text text;
	assert_int_equal(a.reply, ARM_REPLY_STOPPED);
	arm_reply_text(&a, robot_driver_find("sim"), &text);
	assert_string_equal(text.error, "stopped");
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, true).reply, ARM_REPLY_OK);
	assert_false(report(&b).stopped);
	double here = report(&b).q_d_rad[0] - b.setup.model.home_rad[0];
	send(&b, target_at(&b, 10, here, 0));
	assert_int_equal(b.arm.phase, ARM_PLAYS);
}

static void test_who_may_attach(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 800);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, 5, false, false).reply, ARM_REPLY_TAKEN);
	assert_int_equal(ask(&b, ARM_ASK_DETACH, 5, false, false).reply, ARM_REPLY_NOT_ATTACHED);
	assert_int_equal(b.arm.phase, ARM_PLAYS);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK); /* again: changes nothing */
	assert_int_equal(b.arm.phase, ARM_PLAYS);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, 5, true, false).reply, ARM_REPLY_OK);
	assert_true(report(&b).accepted_from == 5);
	lost(&b, 1, ME, LOSS_TAKEN_OVER, "took over");
	assert_int_equal(b.arm.phase, ARM_BRAKES); /* stops the arm first */
	send(&b, target_at(&b, 10, 0.05, 0));
	assert_int_equal(report(&b).counters.foreign, 1);
	comes_to_rest(&b);
	assert_int_equal(ask(&b, ARM_ASK_DETACH, 5, false, false).reply, ARM_REPLY_OK);
	assert_true(report(&b).accepted_from == 0);
	lost(&b, 2, 5, LOSS_DETACHED, "detached");
}

static void test_lost_and_restarted_arm(void **state)
{
	struct bench b;
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 800);
	b.robot.mode = ARM_DISCONNECTED;
	tick(&b);
	assert_false(b.command.hold);
	assert_int_equal(report(&b).mode, ARM_DISCONNECTED);
	assert_false(report(&b).connected);
	assert_true(report(&b).accepted_from == 0);
	lost(&b, 1, ME, LOSS_DISCONNECTED, "lost the arm");
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_NOT_READY);
	b.robot.mode = ARM_READY;
	b.robot.generation = 2;
	b.robot.q_rad[0] = -0.7;
	tick(&b);
	assert_int_equal(report(&b).mode, ARM_READY);
	assert_true(b.command.hold && b.command.q_rad[0] == -0.7);
	assert_int_equal(report(&b).counters.reconnects, 2);
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
	/* A restart that is never seen as a gap: another generation is enough. */
	b.robot.generation = 3;
	tick(&b);
	assert_true(report(&b).accepted_from == 0);
	lost(&b, 2, ME, LOSS_RESTARTED, "restarted");
	(void)ask(&b, ARM_ASK_ATTACH, ME, false, false);
	b.robot.mode = ARM_REFLEX;
	tick(&b);
	lost(&b, 3, ME, LOSS_MODE, "it is reflex");
}

static void test_enable_disable_recover(void **state)
{
	struct bench b;
	static const struct robot_driver no_brakes = { .name = "no brakes" };
	int t = 0;

	(void)state;
	make_attached(&b);
	drive(&b, &t, 800);
	assert_int_equal(ask(&b, ARM_ASK_DISABLE, 0, false, false).reply, ARM_REPLY_MOVING);
	(void)ask(&b, ARM_ASK_STOP, 0, false, false);
	comes_to_rest(&b);
	b.arm.driver = &no_brakes;
	assert_int_equal(ask(&b, ARM_ASK_DISABLE, 0, false, false).reply, ARM_REPLY_CONFIRM);
	b.arm.driver = robot_driver_find("sim");
	assert_int_equal(ask(&b, ARM_ASK_DISABLE, 0, false, false).reply, ARM_REPLY_OK);
	tick(&b);
	assert_int_equal(report(&b).mode, ARM_IDLE);
	assert_true(!b.command.hold && report(&b).accepted_from == 0);
	lost(&b, 1, ME, LOSS_DISABLED, "disabled");
	assert_int_equal(ask(&b, ARM_ASK_ATTACH, ME, false, true).reply, ARM_REPLY_NOT_READY);
	assert_int_equal(ask(&b, ARM_ASK_ENABLE, 0, false, false).reply, ARM_REPLY_OK);
	tick(&b);
	assert_int_equal(report(&b).mode, ARM_READY);
	assert_int_equal(ask(&b, ARM_ASK_RECOVER, 0, false, false).reply, ARM_REPLY_NO_ERROR);
	assert_int_equal(ask(&b, ARM_ASK_HOME_GRIPPER, 0, false, false).reply, ARM_REPLY_NO_HOMING);
}

/* Whatever is sent and asked, what is commanded stays finite, within the model's limits and without a jump. */
static void annoy(struct bench *start)
{
	const double room_rad = 1e-6; /* as in playout.c */
	struct bench b = *start;
	uint32_t r = 1;
	int t = 0;

	arm_init(&b.arm, &b.setup, robot_driver_find("sim"));
	tick(&b);
	for (int i = 0; i < 20000; i++) {
		struct arm_target x = target_at(&b, (int)(random_u32(&r) % 40) - 5, strange(&r) * 0.1, strange(&r));

		if (random_u32(&r) % 4 == 0)
			drive(&b, &t, 40);
		if (random_u32(&r) % 8 == 0)
			x.target.t_ns = (int64_t)((uint64_t)random_u32(&r) << 40);
		x.target.q_rad[random_u32(&r) % DOF_MAX] += strange(&r);
		x.seq = b.seq += random_u32(&r) % 3;
		if (random_u32(&r) % 8 == 0)
			send(&b, x);
		if (random_u32(&r) % 30 == 0)
			(void)ask(&b, (enum arm_ask)(random_u32(&r) % ARM_ASK_SHUTDOWN), ME + random_u32(&r) % 2, random_u32(&r) % 2, true);
		(void)ask(&b, ARM_ASK_ENABLE, 0, false, false);
		if (!report(&b).accepted_from && stands(&b)) {
			(void)ask(&b, ARM_ASK_ATTACH, ME, false, true);
			t = 0;
		}
		tick(&b);
		for (uint32_t j = 0; j < b.setup.model.dof && b.command.hold; j++) {
			assert_true(isfinite(b.command.dq_rad_s[j]));
			assert_true(b.command.q_rad[j] <= fmax(b.setup.model.q_max_rad[j], start->robot.q_rad[j]) + room_rad);
			assert_true(b.command.q_rad[j] >= fmin(b.setup.model.q_min_rad[j], start->robot.q_rad[j]) - room_rad);
		}
	}
	assert_true(report(&b).counters.velocity_peak <= 1 + 1e-6);
	assert_true(report(&b).counters.acceleration_peak <= 1 + 1e-6);
	assert_true(report(&b).counters.accepted > 100);
	assert_true(b.jump_peak_rad <= 1e-5 && b.jerk_peak <= 1 && b.jerk_peak > 0.5);
}

static void test_nothing_sent_breaks_a_limit(void **state)
{
	struct bench b;

	(void)state;
	make_bench(&b, robot_driver_find("sim"));
	annoy(&b);
}

/* Parked beyond a joint's range, above the workspace. */
static void test_nothing_sent_breaks_a_limit_from_outside(void **state)
{
	struct bench b;

	(void)state;
	make_bench(&b, robot_driver_find("sim"));
	b.setup.box_max_m[2] = 0.5;
	b.setup.model.q_min_rad[3] = b.setup.model.home_rad[3] + 0.01;
	annoy(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets_are_played_and_acknowledged),
		cmocka_unit_test(test_foreign_targets_are_counted_only),
		cmocka_unit_test(test_nobody_attached_nothing_moves),
		cmocka_unit_test(test_first_target),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_gripper_is_kept),
		cmocka_unit_test(test_jump_is_refused_with_a_brake),
		cmocka_unit_test(test_gap_is_refused_with_a_brake),
		cmocka_unit_test(test_targets_end),
		cmocka_unit_test(test_stop_is_latched),
		cmocka_unit_test(test_who_may_attach),
		cmocka_unit_test(test_lost_and_restarted_arm),
		cmocka_unit_test(test_enable_disable_recover),
		cmocka_unit_test(test_brakes_from_speeding_up_are_smooth),
		cmocka_unit_test(test_nothing_sent_breaks_a_limit),
		cmocka_unit_test(test_nothing_sent_breaks_a_limit_from_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
