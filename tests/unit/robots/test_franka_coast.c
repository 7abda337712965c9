/* test_franka_coast.c - the way to rest keeps every limit whatever rows of commands are lost of it: from any state that is called safe, and
 * with a hostile choice of the rows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/franka/coast.h"

#include <cmocka.h> /* last: it defines fail() */

static const double dt_s = 1e-3;
static uint32_t rng = 1;

static double between(double low, double high)
{
	rng = rng * 1664525u + 1013904223u;
	return low + (high - low) * (rng >> 8) / 16777216.0;
}

/* Ranges from narrow to wide; a bound on speed as FR3 arms have it, milder and steeper than what brakes, or none. */
static struct axis_limits some_limits(void)
{
	double a = between(5, 20), ratio_s = between(0.001, 0.004), half = between(0.05, 2), v = between(0.3, 5);

	return (struct axis_limits){ .q_min = -half, .q_max = half, .v_min = -v, .v_max = v, .a_max = a, .j_max = a / ratio_s,
		.offset = between(0.1, 0.7), .decel = between(0, 1) < 0.3 ? 0 : between(2, 20) };
}

static void expect_within(const struct axis *s, const struct axis_limits *l)
{
	double high = axis_v_high(l, s->q), low = axis_v_low(l, s->q);

	if (!(s->q <= l->q_max + 1e-7 && s->q >= l->q_min - 1e-7 && s->v <= high + 1e-6 && s->v >= low - 1e-6))
		fail_msg("a_max %g j_max %g decel %g offset %g: at %.8g of +-%.8g, %.8g rad/s of %g..%g, %g rad/s^2", l->a_max, l->j_max, l->decel,
				l->offset, s->q, l->q_max, s->v, low, high, s->a);
}

/* Rows by chance, whole ones, none. */
static int row(int kind)
{
	return kind == 0 ? 0 : kind == 1 ? 19 : kind == 2 ? (int)between(0, 20) : between(0, 1) < 0.5 ? 0 : 19;
}

static void rest_from(struct axis s, const struct axis_limits *l, int kind)
{
	for (double t_s = 0; t_s < 2; t_s += dt_s) {
		for (int lost = row(kind); lost > 0; lost--, t_s += dt_s) {
			s = axis_move(&s, 0, dt_s);
			expect_within(&s, l);
		}
		double jerk = franka_coast_rest(&s, l);

		assert_true(fabs(jerk) <= l->j_max);
		s = axis_move(&s, jerk, dt_s);
		assert_true(fabs(s.a) <= l->a_max);
		assert_true(franka_coast_safe(&s, l));
		expect_within(&s, l);
	}
	assert_true(fabs(s.v) < 0.05 && fabs(s.a) < 1.5);
}

static void rests_whatever_is_lost(void **state)
{
	(void)state;
	int safe = 0;

	for (int i = 0; i < 4000; i++) {
		struct axis_limits l = some_limits();
		struct axis s = { between(l.q_min, l.q_max), between(l.v_min, l.v_max), between(-l.a_max, l.a_max) };

		if (!franka_coast_safe(&s, &l))
			continue;
		safe++;
		rest_from(s, &l, i % 4);
	}
	assert_true(safe > 300);
}

/* What is no number, and what nothing can be done about, is not safe. */
static void names_what_is_not(void **state)
{
	(void)state;
	struct axis_limits l = { .q_min = -1, .q_max = 1, .v_min = -2, .v_max = 2, .a_max = 10, .j_max = 5000 };
	static const struct axis unsafe[] = { { NAN, 0, 0 }, { 0, NAN, 0 }, { 0, 0, NAN }, { 0.9, 1.5, 0 }, { -0.9, -1.5, 0 }, { 0, 2.1, 0 },
		{ 0, 0, 11 }, { 0, 1.8, 10 }, { 0.999, 0, 5 }, { 1.1, 0, 0 } };

	for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
		assert_false(franka_coast_safe(&unsafe[i], &l));
	assert_true(franka_coast_safe(&(struct axis){ 0.5, 1.5, 0 }, &l));
	assert_true(franka_coast_safe(&(struct axis){ 1, 0, 0 }, &l));
	assert_true(franka_coast_safe(&(struct axis){ 1, -1.5, 10 }, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rests_whatever_is_lost), cmocka_unit_test(names_what_is_not) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
