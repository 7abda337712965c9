/* test_axis.c - one coordinate: braking stops, limits ahead are seen in time, references are reached without overshoot. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/stage/axis.h"

static const double dt_s = 0.005;

static struct axis_limits plain(void)
{
	return (struct axis_limits){ .q_min = -1.0, .q_max = 1.0, .v_min = -1.0, .v_max = 1.0, .a_max = 4.0, .j_max = 100.0 };
}

static void braking_ends_standing(void **state)
{
	static const struct axis sample[] = { { 0, 0.8, 0 }, { 0, 0.8, 3 }, { 0, -0.3, 4 }, { 0, 0.01, -1 }, { 0, -0.7, -2 }, { 0, 0, 2 } };
	struct axis_limits l = plain();

	(void)state;
	for (int i = 0; i < 6; i++) {
		double t = axis_brake_time_s(&sample[i], &l);
		struct axis nearly = axis_brake(&sample[i], &l, t - 1e-9), end = axis_brake(&sample[i], &l, t + 1.0);

		assert_true(fabs(nearly.v) < 1e-6 && fabs(nearly.a) < 1e-5);
		assert_true(end.v == 0.0 && end.a == 0.0 && fabs(end.q - nearly.q) < 1e-8);
		/* Braking for a while and then again is braking: what makes the argument of axis.h hold. */
		struct axis half = axis_brake(&sample[i], &l, 0.4 * t), again = axis_brake(&half, &l, 1.0);

		assert_true(fabs(again.q - end.q) < 1e-9);
	}
}

static void what_cannot_stop_in_time_is_not_admissible(void **state)
{
	struct axis_limits l = plain();

	(void)state;
	assert_true(axis_admissible(&(struct axis){ 0.5, 1.0, 0.0 }, &l));
	assert_false(axis_admissible(&(struct axis){ 0.95, 1.0, 0.0 }, &l));
	assert_false(axis_admissible(&(struct axis){ 0.0, 0.99, 4.0 }, &l));   /* the velocity would still rise */
	assert_false(axis_admissible(&(struct axis){ 0.0, 0.0, 4.1 }, &l));
	assert_false(axis_admissible(&(struct axis){ NAN, 0.0, 0.0 }, &l));
	assert_false(axis_admissible(&(struct axis){ 0.0, NAN, 0.0 }, &l));
	assert_false(axis_admissible(&(struct axis){ 0.0, 0.0, NAN }, &l));
	l.decel = 2.0; /* v <= sqrt(4 (1 - q)) - 0.2 */
	l.offset = 0.2;
	assert_true(fabs(axis_v_high(&l, 0.91) - 0.4) < 1e-12 && axis_v_high(&l, 1.0) == 0.0);
	assert_false(axis_admissible(&(struct axis){ 0.91, 0.45, 0.0 }, &l));
}

static void a_wall_is_reached_and_not_passed(void **state)
{
	struct axis_limits l = plain();
	struct axis s = { 0 };

	(void)state;
	for (int i = 0; i < 2000; i++) {
		axis_step(&s, &l, 1e9, dt_s);
		assert_true(s.q <= 1.0 + 1e-8);
	}
	assert_true(s.q > 0.999 && fabs(s.v) < 1e-6);
	assert_true(axis_step(&s, &l, NAN, dt_s) == 0.0);
}

static void far_references_are_reached_without_overshoot(void **state)
{
	static const double from[] = { -0.9, -0.2, 0.3 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct axis_limits l = plain();
		struct axis s = { .q = from[i] }, goal = { .q = 0.5 };
		double beyond = -1.0;

		for (int k = 0; k < 1000; k++) {
			axis_step(&s, &l, axis_track(&s, &goal, &l, dt_s), dt_s);
			beyond = fmax(beyond, s.q - goal.q);
		}
		assert_true(fabs(s.q - goal.q) < 1e-6 && beyond < 0.005);
	}
}

/* ---- properties: from any admissible state ------------------------------------------------------------------------- */

static uint64_t seed = 88172645463325252u;

static double uniform(double low, double high)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return low + (high - low) * (double)(seed >> 11) / 9007199254740992.0;
}

/* Joints of a Panda, an FR3 and a PiPER, and some with very little jerk; the jerk that safety.c grants. */
static struct axis_limits random_limits(double dt)
{
	static const double v_a_j[][3] = { { 2.175, 7.5, 3750 }, { 2.61, 20, 10000 }, { 2.62, 10, 5000 }, { 2, 5, 50 }, { 1, 4, 100 },
		{ 2, 5, 12 }, { 0.5, 1.5, 30 } };
	const double *m = v_a_j[(size_t)uniform(0.0, 6.999)];
	double scale = uniform(0.1, 1.0), a = m[1] * scale;

	return (struct axis_limits){ .q_min = -2.8, .q_max = 2.8, .v_min = -m[0] * scale, .v_max = m[0] * scale, .a_max = a,
		.j_max = fmin(m[2] * scale, a / fmax(0.02, 3.0 * dt)) };
}

static struct axis random_state(const struct axis_limits *l)
{
	struct axis s;

	do
		s = (struct axis){ uniform(l->q_min, l->q_max), uniform(l->v_min, l->v_max), uniform(-l->a_max, l->a_max) };
	while (!axis_admissible(&s, l));
	return s;
}

static void step_within(struct axis *s, const struct axis_limits *l, double jerk, double dt)
{
	const double rounding = 1e-7;
	struct axis before = *s;

	axis_step(s, l, jerk, dt);
	assert_true(s->q >= l->q_min - rounding && s->q <= l->q_max + rounding && fabs(s->v) <= l->v_max + rounding);
	assert_true(fabs(s->a) <= l->a_max + rounding && fabs(s->a - before.a) <= l->j_max * dt * (1.0 + 1e-9) + rounding);
}

/* Longer than the way can take: at the highest speed, with room for building it up and for braking. */
static double patience_s(const struct axis *s, const struct axis *goal, const struct axis_limits *l)
{
	double way = fabs(axis_brake(s, l, INFINITY).q - goal->q);

	return axis_brake_time_s(s, l) + way / l->v_max + 2.0 * sqrt(way / l->a_max) + 4.0 * l->a_max / l->j_max + 1.0;
}

/* Whatever it comes from, it comes to a standing reference, stays there, and passes it by no more than its own start forces it
 * to and a fifth of the way on which acceleration builds up. */
static void any_state_settles_on_a_standing_reference(void **state)
{
	static const double periods[] = { 0.001, 0.002, 0.005, 0.01, 0.02 };

	(void)state;
	for (int n = 0; n < 1500; n++) {
		double dt = periods[n % 5], beyond = 0.0;
		struct axis_limits l = random_limits(dt);
		struct axis s = random_state(&l), goal = { 0 };

		if (n % 4 == 0)
			s.v = s.a = 0.0;
		goal.q = n % 3 ? fmin(fmax(s.q + uniform(-0.05, 0.05), -2.75), 2.75) : uniform(-2.75, 2.75);
		double side = axis_brake(&s, &l, INFINITY).q <= goal.q ? 1.0 : -1.0; /* that it can stay on */
		bool passed = side * (s.q - goal.q) > 0.0;                            /* or is not on even now */
		double end_s = patience_s(&s, &goal, &l);

		for (double t = 0.0; t < end_s; t += dt) {
			step_within(&s, &l, axis_track(&s, &goal, &l, dt), dt);
			beyond = fmax(beyond, side * (s.q - goal.q));
		}
		assert_true(passed || beyond <= 0.2 * pow(l.a_max, 3.0) / (l.j_max * l.j_max) + 1e-6);
		for (double t = 0.0; t < 1.0; t += dt) { /* no cycle is left */
			step_within(&s, &l, axis_track(&s, &goal, &l, dt), dt);
			assert_true(fabs(s.q - goal.q) < 1e-6 && fabs(s.v) < 1e-5);
		}
	}
}

/* A reference that asks for ten times the jerk and acceleration there are: limits hold, and it is met again when it stands. */
static void a_reference_that_asks_too_much_is_met_again(void **state)
{
	(void)state;
	for (int n = 0; n < 200; n++) {
		double dt = n % 2 ? 0.001 : 0.005, fast = uniform(2.0, 40.0), wide = uniform(0.01, 1.0);
		struct axis_limits l = random_limits(dt);
		struct axis s = random_state(&l), goal = { 0 };

		for (double t = 0.0; t < 3.0; t += dt) {
			struct axis r = { wide * sin(fast * t), wide * fast * cos(fast * t), -wide * fast * fast * sin(fast * t) };

			step_within(&s, &l, axis_track(&s, &r, &l, dt), dt);
		}
		double end_s = patience_s(&s, &goal, &l);

		for (double t = 0.0; t < end_s; t += dt)
			step_within(&s, &l, axis_track(&s, &goal, &l, dt), dt);
		assert_true(fabs(s.q) < 1e-6 && fabs(s.v) < 1e-5);
	}
}

/* One that keeps to half of the limits is followed closely. */
static void a_reference_within_limits_is_followed(void **state)
{
	const double dt = 0.005;

	(void)state;
	for (int n = 0; n < 200; n++) {
		struct axis_limits l = random_limits(dt);
		double fast = uniform(0.5, 3.0), most = 0.0;
		double wide = 0.4 * fmin(fmin(l.v_max / fast, l.a_max / fast / fast), l.j_max / fast / fast / fast);
		struct axis s = { .v = wide * fast }, last = { 0 };

		for (double t = dt; t < 6.0; t += dt) {
			struct axis r = { wide * sin(fast * t), wide * fast * cos(fast * t), -wide * fast * fast * sin(fast * t) };

			step_within(&s, &l, axis_track(&s, &r, &l, dt), dt);
			most = fmax(most, fabs(s.q - r.q));
			last = r;
		}
		/* a triple pole at 60 rad/s leaves jerk / 60^3 of it behind */
		assert_true(most <= 1.5 * wide * pow(fast / 60.0, 3.0) + 1e-6 && fabs(s.v - last.v) < 0.02 * wide * fast + 1e-6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(braking_ends_standing),
		cmocka_unit_test(what_cannot_stop_in_time_is_not_admissible),
		cmocka_unit_test(a_wall_is_reached_and_not_passed),
		cmocka_unit_test(far_references_are_reached_without_overshoot),
		cmocka_unit_test(any_state_settles_on_a_standing_reference),
		cmocka_unit_test(a_reference_that_asks_too_much_is_met_again),
		cmocka_unit_test(a_reference_within_limits_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
