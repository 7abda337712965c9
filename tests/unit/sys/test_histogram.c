/* test_histogram.c - quantiles within one per cent, ends and emptiness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/histogram.h"

static struct histogram *h;

static int make(void **state)
{
	(void)state;
	h = calloc(1, sizeof *h);
	return h ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	free(h);
	return 0;
}

static void assert_within_percent(int64_t found, int64_t want)
{
	assert_true(found >= want - want / 100 - 1 && found <= want + want / 100 + 1);
}

static void empty_is_zero(void **state)
{
	struct percentiles p = histogram_summary(h);

	(void)state;
	assert_int_equal(p.n, 0);
	assert_int_equal(p.p50_ns, 0);
	assert_int_equal(p.p999_ns, 0);
	assert_int_equal(p.max_ns, 0);
}

static void one_value_is_every_quantile(void **state)
{
	static const int64_t values[] = { 1, 127, 128, 1000, 123456, 5 * NS_PER_MS, 3 * NS_PER_S, 100 * NS_PER_S };

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		histogram_reset(h);
		histogram_add(h, values[i]);
		assert_within_percent(histogram_quantile(h, 0.5), values[i]);
		assert_within_percent(histogram_quantile(h, 0.999), values[i]);
		assert_int_equal(histogram_summary(h).max_ns, values[i]);
	}
}

/* The claim of histogram.h, at every place where a bucket begins or ends and between: one quantile of two values, so that the maximum
 * does not help. Without the 1 ns of assert_within_percent. */
static void the_error_is_one_percent_at_most(void **state)
{
	double worst = 0;

	(void)state;
	for (int64_t value = NS_PER_US; value <= 100 * NS_PER_S; value += value / 700 + 1) {
		histogram_reset(h);
		histogram_add(h, value);
		histogram_add(h, 2 * value);
		double error = (double)(histogram_quantile(h, 0.5) - value) / (double)value;

		assert_true(error >= 0);
		worst = error > worst ? error : worst;
	}
	assert_true(worst <= 0.01);
	assert_true(worst > 0.003); /* the places looked at are fine enough to find a bucket's begin */
}

static void uniform_values_have_their_quantiles(void **state)
{
	struct percentiles p;

	(void)state;
	histogram_reset(h);
	for (int64_t i = 1; i <= 10000; i++)
		histogram_add(h, i * NS_PER_US);
	p = histogram_summary(h);
	assert_int_equal(p.n, 10000);
	assert_within_percent(p.p50_ns, 5000 * NS_PER_US);
	assert_within_percent(p.p99_ns, 9900 * NS_PER_US);
	assert_within_percent(p.p999_ns, 9990 * NS_PER_US);
	assert_int_equal(p.max_ns, 10000 * NS_PER_US);
}

static void negative_and_huge_values_stay_inside(void **state)
{
	(void)state;
	histogram_reset(h);
	histogram_add(h, -5);
	assert_int_equal(histogram_quantile(h, 0.5), 0);
	histogram_add(h, INT64_MAX);
	histogram_add(h, INT64_MAX);
	assert_true(histogram_quantile(h, 0.99) > 250 * NS_PER_S);
	assert_int_equal(histogram_summary(h).n, 3);
}

static void rows_double(void **state)
{
	uint64_t row[HISTOGRAM_ROWS], sum = 0;

	(void)state;
	histogram_reset(h);
	for (int i = 0; i < HISTOGRAM_ROWS; i++) {
		int64_t below_ns = INT64_C(1024) << i, from_ns = i == 0 ? 0 : below_ns / 2;

		for (int k = 0; k <= i; k++) { /* one more in each row; its first value and its last ones */
			histogram_add(h, k == 0 ? from_ns : below_ns - k);
			sum++;
		}
	}
	histogram_add(h, NS_PER_S);
	histogram_rows(h, row);
	for (int i = 0; i < HISTOGRAM_ROWS; i++)
		assert_int_equal(row[i], i + 1 + (i == HISTOGRAM_ROWS - 1));
	assert_int_equal(histogram_summary(h).n, sum + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_zero),
		cmocka_unit_test(one_value_is_every_quantile),
		cmocka_unit_test(the_error_is_one_percent_at_most),
		cmocka_unit_test(uniform_values_have_their_quantiles),
		cmocka_unit_test(negative_and_huge_values_stay_inside),
		cmocka_unit_test(rows_double),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
