/* test_axis.c - one coordinate: braking stops, limits ahead are seen in time, references are reached without overshoot. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(braking_ends_standing),
		cmocka_unit_test(what_cannot_stop_in_time_is_not_admissible),
		cmocka_unit_test(a_wall_is_reached_and_not_passed),
		cmocka_unit_test(far_references_are_reached_without_overshoot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
