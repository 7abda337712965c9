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

/* On blocks are 100, 160, 100, 160 by turns. */
static void noise_while_on_resolves_nothing_either(void **state)
{
	const double us[8] = { 100, 100, 160, 100, 100, 100, 160, 100 };
	struct cost c = cost_of(us, on, 8, 0.10);

	(void)state;
	assert_true(c.rise > 0.29 && fabs(c.resolution - 0.6) < 1e-9);
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
	const double few[3] = { 100, 100, 100 };

	c = cost_of(few, on, 3, 0.10); /* one is off: nothing to compare it with */
	assert_int_equal(cost_judge(&c), COST_UNRESOLVED);
	c = cost_of(us, on, 0, 0.10);
	assert_int_equal(cost_judge(&c), COST_UNRESOLVED);
}

/* Of 100 us 10 % are 10,000 ns. */
static void writing_is_judged_by_its_interval(void **state)
{
	struct paired_cost c = { .more_ns = 5000, .low_ns = 1000, .high_ns = 9999 };

	(void)state;
	assert_int_equal(cost_judge_writing(&c, 100, 0.10), COST_MET);
	c.high_ns = 10000;
	assert_int_equal(cost_judge_writing(&c, 100, 0.10), COST_UNRESOLVED);
	c.low_ns = 10000;
	assert_int_equal(cost_judge_writing(&c, 100, 0.10), COST_MISSED);
	c.low_ns = c.high_ns = NAN;
	assert_int_equal(cost_judge_writing(&c, 100, 0.10), COST_UNRESOLVED);
}

static void a_median_has_an_interval(void **state)
{
	double value[100], low, high;

	(void)state;
	for (int i = 0; i < 100; i++)
		value[i] = (i * 37) % 100; /* 0..99 in disorder */
	assert_true(fabs(paired_median(value, 100, &low, &high) - 49.5) < 1e-9);
	assert_true(fabs(low - 40) < 1.5 && fabs(high - 60) < 1.5); /* binomial(100, 1/2): 40 to 60 */
	assert_true(isnan(paired_median(value, 0, &low, &high)) && isnan(low));
}

struct work {
	uint32_t rounds;
	volatile uint64_t sum;
};

static void rest(void *context)
{
	(void)context;
}

static void work(void *context)
{
	struct work *w = context;

	for (uint32_t i = 0; i < w->rounds; i++)
		w->sum += i;
}

/* Twice the rounds are twice the instructions, where they can be counted, and more time. */
static void what_is_more_is_seen(void **state)
{
	struct work once = { .rounds = 1000 }, twice = { .rounds = 2000 };
	const struct paired_steps steps = { .prepare = rest, .step = work, .context = { &once, &twice }, .n = 400 };
	struct paired_cost c;
	struct errbuf e;

	(void)state;
	assert_int_equal(paired_measure(&c, &steps, &e), 0);
	assert_true(c.more_ns > 0 && c.low_ns > 0 && c.high_ns >= c.low_ns);
	if (!c.method)
		print_message("not counted: %s\n", c.why_not.text);
	else
		assert_true(fabs((double)c.more / (double)c.instructions[0] - 1.0) < 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rise_is_seen), cmocka_unit_test(noise_resolves_nothing),
		cmocka_unit_test(noise_that_flatters_meets_nothing), cmocka_unit_test(noise_while_on_resolves_nothing_either), cmocka_unit_test(a_straight_drift_is_no_rise),
		cmocka_unit_test(nothing_measured_is_nothing_met),
		cmocka_unit_test(writing_is_judged_by_its_interval), cmocka_unit_test(a_median_has_an_interval),
		cmocka_unit_test(what_is_more_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
