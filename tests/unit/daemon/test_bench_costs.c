/* test_bench_costs.c - a rise is told from what the machine does by itself, or said not to be. */
#include "daemon/bench/bench_costs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const bool on[8] = { false, true, true, false, false, true, true, false };

static void a_rise_is_seen(void **state)
{
	const double us[8] = { 100, 120, 120, 100, 101, 121, 121, 101 };
	struct cost c = cost_of(us, on, 8, 0.10);

	(void)state;
	assert_true(fabs(c.off_us - 100.5) < 1e-9 && fabs(c.on_us - 120.5) < 1e-9);
	assert_true(c.rise > 0.19 && c.resolution < 0.011);
	assert_int_equal(cost_judge(&c), COST_MISSED);
	c.aim = 0.25;
	assert_int_equal(cost_judge(&c), COST_MET);
}

/* Off blocks are 100, 140, 100, 140 by turns: nothing that is finer than 40 % can be told. */
static void noise_resolves_nothing(void **state)
{
	const double us[8] = { 100, 120, 120, 140, 100, 120, 120, 140 };
	struct cost c = cost_of(us, on, 8, 0.10);

	(void)state;
	assert_true(fabs(c.rise) < 1e-9 && fabs(c.resolution - 0.4) < 1e-9);
	assert_int_equal(cost_judge(&c), COST_UNRESOLVED);
}

/* It looks far cheaper with everything on, which cannot be. */
static void noise_that_flatters_meets_nothing(void **state)
{
	const double us[8] = { 100, 70, 70, 135, 100, 70, 70, 135 };
	struct cost c = cost_of(us, on, 8, 0.10);

	(void)state;
	assert_true(c.rise + c.resolution < c.aim && c.resolution > c.aim);
	assert_int_equal(cost_judge(&c), COST_UNRESOLVED);
}

static void a_straight_drift_is_no_rise(void **state)
{
	const double us[8] = { 100, 110, 120, 130, 140, 150, 160, 170 };
	struct cost c = cost_of(us, on, 8, 0.10);

	(void)state;
	assert_true(fabs(c.rise) < 1e-9);
}

static void nothing_measured_is_nothing_met(void **state)
{
	const double us[8] = { NAN, 1, 1, NAN, NAN, 1, 1, NAN };
	struct cost c = cost_of(us, on, 8, 0.10);

	(void)state;
	assert_int_equal(cost_judge(&c), COST_UNRESOLVED);
	c = cost_of(us, on, 0, 0.10);
	assert_int_equal(cost_judge(&c), COST_UNRESOLVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rise_is_seen), cmocka_unit_test(noise_resolves_nothing),
		cmocka_unit_test(noise_that_flatters_meets_nothing), cmocka_unit_test(a_straight_drift_is_no_rise),
		cmocka_unit_test(nothing_measured_is_nothing_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
