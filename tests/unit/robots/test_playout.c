/* test_playout.c - play-out and braking: smooth, within limits, whatever comes late or not at all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/arm/playout.h"
#include "robots/model/model.h"

#include <cmocka.h> /* last: it defines fail() */

static const int64_t MS = 1000000;

static const struct robot_model *model(void)
{
	return robot_model_find("panda");
}

/* A smooth motion from rest that uses up to half of the acceleration limits: q = home + 0.1 (1 - cos 3t)^2. */
static struct playout_sample sample_at(int64_t t_ns, uint64_t seq)
{
	struct playout_sample s = { .t_ns = t_ns, .seq = seq };
	double t = (double)t_ns * 1e-9, x = 1 - cos(3 * t);

	for (uint32_t j = 0; j < model()->dof; j++) {
		s.q_rad[j] = model()->home_rad[j] + 0.1 * x * x;
		s.dq_rad_s[j] = 0.6 * x * sin(3 * t);
	}
	return s;
}

struct acks {
	uint64_t last;
	int n;
};

static void note(void *context, const struct playout_sample *s)
{
	struct acks *a = context;

	assert_true(s->seq > a->last);
	a->last = s->seq;
	a->n++;
}

/* Position and velocity belong together and neither jumps: the change of velocity stays within the limits. */
static void check_smooth(const struct motion *before, const struct motion *now, double share)
{
	double dt = (double)(now->t_ns - before->t_ns) * 1e-9;

	for (uint32_t j = 0; j < model()->dof; j++) {
		double a_max = share * model()->ddq_max_rad_s2[j];

		assert_true(fabs(now->dq_rad_s[j] - before->dq_rad_s[j]) <= a_max * dt + 1e-9);
		double mean = (now->q_rad[j] - before->q_rad[j]) / dt;
		assert_true(fabs(mean - (now->dq_rad_s[j] + before->dq_rad_s[j]) / 2) <= a_max * dt);
	}
}

static struct playout begin(int64_t first_ns)
{
	const struct playout_sample first = sample_at(first_ns, 1);
	struct playout p;

	playout_begin(&p, model(), 0, model()->home_rad, &first);
	return p;
}

static void test_follows_the_samples(void **state)
{
	struct playout p = begin(5 * MS);
	struct motion before = p.now;
	struct acks acks = { 0 };

	(void)state;
	for (int64_t t = MS; t <= 2000 * MS; t += MS) {
		if (t % (5 * MS) == 0)
			assert_int_equal(playout_add(&p, &(struct playout_sample){ .t_ns = t - MS }), PLAYOUT_LATE);
		if ((t - MS) % (5 * MS) == 0) {
			struct playout_sample next = sample_at(t + 9 * MS, (uint64_t)(t / MS) + 1);

			assert_int_equal(playout_add(&p, &next), PLAYOUT_ADDED);
		}
		assert_int_equal(playout_step(&p, t, note, &acks), PLAYOUT_RUNS);
		struct playout_sample want = sample_at(t, 0);
		assert_true(t < 10 * MS || fabs(p.now.q_rad[0] - want.q_rad[0]) < 1e-6);
		assert_true(t < 10 * MS || fabs(p.now.dq_rad_s[0] - want.dq_rad_s[0]) < 1e-5);
		check_smooth(&before, &p.now, 1);
		before = p.now;
	}
	assert_int_equal(acks.n, 400);
}

static void test_late_and_missing_samples_bend_but_never_jump(void **state)
{
	uint32_t random = 12345;
	struct playout p = begin(5 * MS);
	struct motion before = p.now;
	struct acks acks = { 0 };
	int coasted = 0, ended = 0;
	int64_t start = 0; /* when the motion last began, from rest */

	(void)state;
	for (int64_t t = MS; t <= 20000 * MS; t += MS) {
		random = random * 1664525u + 1013904223u;
		/* A sample of the grid is sent with a lead of 1..8 ms; about every fifth is lost. */
		if ((t - MS) % (5 * MS) == 0 && (random >> 16) % 5) {
			int64_t due = t + (1 + (random >> 24) % 8) * MS;
			struct playout_sample next = sample_at(due - start, (uint64_t)due);

			next.t_ns = due;
			(void)playout_add(&p, &next);
		}
		enum playout_verdict verdict = playout_step(&p, t, note, &acks);
		if (verdict == PLAYOUT_EMPTY) {
			struct playout_sample first = sample_at(5 * MS, (uint64_t)(t + 5 * MS));

			start = t;
			first.t_ns += t;
			playout_begin(&p, model(), t, model()->home_rad, &first);
			before = p.now;
			ended++;
			continue;
		}
		coasted += verdict == PLAYOUT_COASTS;
		check_smooth(&before, &p.now, 1);
		before = p.now;
	}
	assert_true(coasted > 50);
	assert_true(ended > 5);
}

static void test_coasts_10_ms_then_ends(void **state)
{
	struct playout p = begin(5 * MS);
	struct playout_sample next = sample_at(300 * MS, 2);
	struct acks acks = { 0 };

	(void)state;
	assert_int_equal(playout_add(&p, &next), PLAYOUT_ADDED);
	for (int64_t t = MS; t <= 300 * MS; t += MS)
		assert_int_equal(playout_step(&p, t, note, &acks), PLAYOUT_RUNS);
	for (int64_t t = 301 * MS; t <= 310 * MS; t += MS)
		assert_int_equal(playout_step(&p, t, note, &acks), PLAYOUT_COASTS);
	struct motion last = p.now;
	assert_int_equal(playout_step(&p, 311 * MS, note, &acks), PLAYOUT_EMPTY);
	assert_memory_equal(&p.now, &last, sizeof last);
	/* What acceleration there was has ended after at most 2 ms, having changed the velocity by at most a^2 / 2J. */
	assert_true(fabs(last.q_rad[0] - next.q_rad[0] - 0.010 * next.dq_rad_s[0]) < 1e-4);
	assert_true(fabs(last.dq_rad_s[0] - next.dq_rad_s[0]) < 0.015 && fabs(last.ddq_rad_s2[0]) < 1e-5);
}

static void test_does_not_coast_out_of_range(void **state)
{
	struct playout_sample s = sample_at(5 * MS, 1), near;
	struct playout p = begin(5 * MS);
	struct acks acks = { 0 };
	int coasted = 0;

	(void)state;
	near = s;
	near.t_ns = 10 * MS;
	near.seq = 2;
	near.q_rad[5] = model()->q_max_rad[5] - 0.055; /* braking from 1.4 rad/s takes 0.05 rad */
	near.dq_rad_s[5] = 1.4;
	p.from = (struct motion){ .t_ns = 0 };
	memcpy(p.from.q_rad, near.q_rad, sizeof near.q_rad);
	memcpy(p.from.dq_rad_s, near.dq_rad_s, sizeof near.dq_rad_s);
	p.from.q_rad[5] -= 0.014;
	p.sample[p.head] = near;
	for (int64_t t = MS; playout_step(&p, t, note, &acks) != PLAYOUT_EMPTY; t += MS)
		coasted += t > near.t_ns;
	assert_true(coasted > 0 && coasted < 8);
}

static void test_offset_of_the_first_target_is_faded(void **state)
{
	struct playout_sample hold = sample_at(5 * MS, 1);
	struct playout p;
	double q[DOF_MAX];
	struct acks acks = { 0 };

	(void)state;
	memset(hold.dq_rad_s, 0, sizeof hold.dq_rad_s);
	for (uint32_t j = 0; j < DOF_MAX; j++)
		q[j] = hold.q_rad[j] - 0.02;
	playout_begin(&p, model(), 0, q, &hold);
	struct motion before = p.now;
	for (int64_t t = MS; t <= 1100 * MS; t += MS) {
		hold.t_ns = t + 10 * MS;
		hold.seq++;
		(void)playout_add(&p, &hold);
		(void)playout_step(&p, t, note, &acks);
		check_smooth(&before, &p.now, 0.2);
		before = p.now;
	}
	assert_true(fabs(p.now.q_rad[3] - hold.q_rad[3]) < 1e-12);
}

/* Too far at the last joint, or fine everywhere but for a sample that waits near the end of a range. */
static void test_a_bridge_that_leads_too_far_changes_nothing(void **state)
{
	(void)state;
	for (int way = 0; way < 2; way++) {
		struct playout p = begin(5 * MS), before;
		struct acks acks = { 0 };
		double q[DOF_MAX];

		assert_int_equal(playout_step(&p, 2 * MS, note, &acks), PLAYOUT_RUNS);
		memcpy(q, p.now.q_rad, sizeof q);
		q[0] += 0.01;
		if (way == 0)
			q[model()->dof - 1] += 0.021;
		before = p;
		assert_true(playout_bridge(&p, (const double *)before.now.q_rad));
		p = before;
		if (way == 1)
			p.sample[p.head].q_rad[0] = p.from.q_rad[0] = model()->q_max_rad[0] - 0.005;
		before = p;
		assert_false(playout_bridge(&p, q));
		assert_memory_equal(&p, &before, sizeof p);
	}
}

static void test_ring_is_bounded(void **state)
{
	struct playout p = begin(5 * MS);

	(void)state;
	for (int i = 1; i < PLAYOUT_SAMPLES; i++) {
		struct playout_sample s = sample_at((5 + i) * MS, (uint64_t)i + 1);

		assert_int_equal(playout_add(&p, &s), PLAYOUT_ADDED);
	}
	struct playout_sample s = sample_at(900 * MS, 900);
	assert_int_equal(playout_add(&p, &s), PLAYOUT_FULL);
}

static void test_beyond_limits(void **state)
{
	struct playout p = begin(5 * MS), before;
	struct playout_sample s = sample_at(10 * MS, 2);

	(void)state;
	before = p;
	s.q_rad[1] += 0.001; /* in 5 ms: 240 rad/s^2 */
	assert_int_equal(playout_add(&p, &s), PLAYOUT_BEYOND);
	s = sample_at(10 * MS, 2);
	s.dq_rad_s[6] = NAN;
	assert_int_equal(playout_add(&p, &s), PLAYOUT_BEYOND);
	assert_memory_equal(&p, &before, sizeof p);
}

/* On the way to a sample 95 ms away at joint 1: from `q` with v0 to q + step with v1. */
static enum playout_add add_far(double q, double v0, double step, double v1)
{
	struct playout p = begin(5 * MS);
	struct playout_sample s = sample_at(5 * MS, 2);

	memcpy(p.from.q_rad, s.q_rad, sizeof s.q_rad);
	memcpy(p.from.dq_rad_s, s.dq_rad_s, sizeof s.dq_rad_s);
	p.from.q_rad[0] = q;
	p.from.dq_rad_s[0] = v0;
	p.from.t_ns = p.now.t_ns = 5 * MS;
	p.n = 0;
	memset(p.offset_rad, 0, sizeof p.offset_rad);
	memset(p.offset_rad_s, 0, sizeof p.offset_rad_s);
	s.t_ns = 100 * MS;
	s.q_rad[0] = q + step;
	s.dq_rad_s[0] = v1;
	for (uint32_t j = 1; j < model()->dof; j++) {
		s.q_rad[j] = p.from.q_rad[j] + 0.095 * p.from.dq_rad_s[j];
		s.dq_rad_s[j] = p.from.dq_rad_s[j];
	}
	return playout_add(&p, &s);
}

/* Turns round by a constant -10.5 rad/s^2: 11.9 mrad further out in the middle; braking from its beginning only 8.8. */
static void test_the_middle_of_a_long_way_counts(void **state)
{
	const double v = 0.5, a = -10.5, h = 0.095, q_max = model()->q_max_rad[0];
	double step = v * h + a * h * h / 2;

	(void)state;
	assert_int_equal(add_far(q_max - 0.0090, v, step, v + a * h), PLAYOUT_BEYOND);
	assert_int_equal(add_far(q_max - 0.0120, v, step, v + a * h), PLAYOUT_ADDED);
	assert_int_equal(add_far(-q_max + 0.0090, -v, -step, -v - a * h), PLAYOUT_BEYOND);
	assert_int_equal(add_far(-q_max + 0.0120, -v, -step, -v - a * h), PLAYOUT_ADDED);
}

/* 97 % at both ends and 99.5 % on the average are 100.75 % in the middle. */
static void test_velocity_in_the_middle_counts(void **state)
{
	double v = model()->dq_max_rad_s[0];

	(void)state;
	assert_int_equal(add_far(0, 0.97 * v, 0.095 * 0.995 * v, 0.97 * v), PLAYOUT_BEYOND);
	assert_int_equal(add_far(0, 0.97 * v, 0.095 * 0.989 * v, 0.97 * v), PLAYOUT_ADDED);
}

/* Position, velocity, acceleration and jerk of a braking motion, by differences at 1 kHz from the very first period on. */
static void check_brake(const struct motion *from)
{
	struct motion before = *from, now;
	struct brake b;
	int64_t t = from->t_ns;
	bool moves = true;

	brake_begin(&b, model(), from);
	while (moves) {
		moves = brake_step(&b, t += MS, &now);
		check_smooth(&before, &now, 1);
		for (uint32_t j = 0; j < model()->dof; j++) {
			assert_true(fabs(now.ddq_rad_s2[j] - before.ddq_rad_s2[j]) <= model()->dddq_max_rad_s3[j] * 1e-3 + 1e-9);
			assert_true(fabs(now.ddq_rad_s2[j]) <= model()->ddq_max_rad_s2[j] + 1e-9);
		}
		before = now;
		assert_true(t - from->t_ns < 1000 * MS);
	}
	for (uint32_t j = 0; j < model()->dof; j++)
		assert_true(now.dq_rad_s[j] == 0 && now.ddq_rad_s2[j] == 0);
}

static void test_brake_is_within_limits(void **state)
{
	struct motion from = { .t_ns = 100 * MS };

	(void)state;
	memcpy(from.q_rad, model()->home_rad, sizeof from.q_rad);
	for (int k = 0; k < 5; k++) {
		for (uint32_t j = 0; j < model()->dof; j++) {
			from.dq_rad_s[j] = (j % 2 ? -0.9 : 0.5) * model()->dq_max_rad_s[j];
			from.ddq_rad_s2[j] = 0.5 * (k - 2) * model()->ddq_max_rad_s2[j]; /* speeding up, slowing down */
		}
		check_brake(&from);
	}
}

static void test_a_joint_at_its_limit_does_not_stop_the_others(void **state)
{
	struct motion from = { .t_ns = 0 };
	struct brake b;

	(void)state;
	memcpy(from.q_rad, model()->home_rad, sizeof from.q_rad);
	from.q_rad[3] = model()->q_max_rad[3] + 0.01;
	from.dq_rad_s[3] = 1e-12;
	from.dq_rad_s[0] = 1.0;
	check_brake(&from);
	brake_begin(&b, model(), &from);
	assert_true(b.duration_s > 1.0 / model()->ddq_max_rad_s2[0]);
}

static void test_brake_of_a_standing_arm(void **state)
{
	struct motion from = { .t_ns = 0 }, now;
	struct brake b;

	(void)state;
	memcpy(from.q_rad, model()->home_rad, sizeof from.q_rad);
	brake_begin(&b, model(), &from);
	assert_false(brake_step(&b, 0, &now));
	assert_memory_equal(now.q_rad, from.q_rad, sizeof now.q_rad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follows_the_samples),
		cmocka_unit_test(test_late_and_missing_samples_bend_but_never_jump),
		cmocka_unit_test(test_coasts_10_ms_then_ends),
		cmocka_unit_test(test_does_not_coast_out_of_range),
		cmocka_unit_test(test_offset_of_the_first_target_is_faded),
		cmocka_unit_test(test_a_bridge_that_leads_too_far_changes_nothing),
		cmocka_unit_test(test_ring_is_bounded),
		cmocka_unit_test(test_beyond_limits),
		cmocka_unit_test(test_the_middle_of_a_long_way_counts),
		cmocka_unit_test(test_velocity_in_the_middle_counts),
		cmocka_unit_test(test_brake_is_within_limits),
		cmocka_unit_test(test_a_joint_at_its_limit_does_not_stop_the_others),
		cmocka_unit_test(test_brake_of_a_standing_arm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
