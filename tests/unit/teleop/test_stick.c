/* test_stick.c - an axis' counts become -1..1 without a step at the dead band; nonsense of a device becomes no motion. */
#include "robots/teleop/stick.h"
#include "tests/unit/teleop/input_bench.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct input_absinfo info(int low, int high, int value)
{
	return (struct input_absinfo){ .minimum = low, .maximum = high, .value = value };
}

static double at(struct stick *s, int value)
{
	stick_take(s, value);
	return stick_value(s);
}

static void test_ends_middle_and_sign(void **state)
{
	struct input_absinfo i = info(0, 255, 128);
	struct stick s;

	(void)state;
	assert_true(stick_begin(&s, &i, 0.1));
	assert_near(stick_value(&s), 0.0, 0.0);
	assert_near(at(&s, 255), 1.0, 1e-12);
	assert_near(at(&s, 0), -1.0, 1e-12);
	assert_near(at(&s, 127), 0.0, 0.0);
	assert_true(at(&s, 200) == -at(&s, 55));
}

/* Count by count over the whole way: never backwards, and no step larger than the steepest part of the curve allows. */
static void test_no_step_at_the_edge_of_the_dead_band(void **state)
{
	struct input_absinfo i = info(-32768, 32767, 0);
	struct stick s;
	double before = -1.0;

	(void)state;
	assert_true(stick_begin(&s, &i, 0.2));
	for (int value = -32768; value <= 32767; value++) {
		double now = at(&s, value);

		assert_true(now >= before);
		assert_true(now - before <= 2.0 / 0.8 / 32767.5 + 1e-9);
		before = now;
	}
	assert_near(before, 1.0, 1e-12);
	assert_near(at(&s, 6500), 0.0, 0.0);
	assert_true(at(&s, 6600) > 0.0 && stick_value(&s) < 0.002);
}

static void test_the_devices_own_flat_and_fuzz_widen_it(void **state)
{
	struct input_absinfo i = { .minimum = -100, .maximum = 100, .flat = 30, .fuzz = 5 };
	struct stick s;

	(void)state;
	assert_true(stick_begin(&s, &i, 0.1));
	assert_near(at(&s, 30), 0.0, 0.0);
	assert_true(at(&s, 31) > 0.0);
	i.flat = 0;
	i.fuzz = 20;
	assert_true(stick_begin(&s, &i, 0.1));
	assert_near(at(&s, 20), 0.0, 0.0);
}

/* flat and fuzz beyond half of the way, or below 0, are mistakes: the option's dead band holds. */
static void test_nonsense_of_flat_and_fuzz_is_passed_over(void **state)
{
	static const int nonsense[] = { 51, 100, INT_MAX, -1, INT_MIN };
	struct stick s;

	(void)state;
	for (unsigned int k = 0; k < sizeof nonsense / sizeof *nonsense; k++) {
		struct input_absinfo i = { .minimum = -100, .maximum = 100, .flat = nonsense[k], .fuzz = nonsense[k] };

		assert_true(stick_begin(&s, &i, 0.1));
		assert_near(at(&s, 10), 0.0, 0.0);
		assert_true(at(&s, 11) > 0.0);
		assert_near(at(&s, 100), 1.0, 1e-12);
	}
}

static void test_an_axis_without_a_range_moves_nothing(void **state)
{
	static const int ranges[][2] = { { 0, 0 }, { 5, 5 }, { 1, -1 }, { INT_MAX, INT_MIN } };
	struct stick s;

	(void)state;
	for (unsigned int k = 0; k < sizeof ranges / sizeof *ranges; k++) {
		struct input_absinfo i = info(ranges[k][0], ranges[k][1], 0);

		assert_false(stick_begin(&s, &i, 0.1));
		for (int value = -2; value <= 2; value++)
			assert_near(at(&s, value * 1000000), 0.0, 0.0);
		stick_rearm(&s);
		assert_false(stick_waits(&s));
	}
}

static void test_the_widest_range_and_values_beyond_it(void **state)
{
	struct input_absinfo i = info(INT_MIN, INT_MAX, 0);
	struct stick s;

	(void)state;
	assert_true(stick_begin(&s, &i, 0.1));
	assert_near(at(&s, INT_MAX), 1.0, 1e-9);
	assert_near(at(&s, INT_MIN), -1.0, 1e-9);
	i = info(0, 255, 128);
	assert_true(stick_begin(&s, &i, 0.1));
	assert_near(at(&s, 30000), 1.0, 0.0);
	assert_near(at(&s, INT_MIN), -1.0, 0.0);
}

static void test_a_dead_band_that_is_none_moves_nothing(void **state)
{
	static const double bands[] = { NAN, -0.1, 0.51, INFINITY, -INFINITY };
	struct input_absinfo i = info(0, 255, 128);
	struct stick s;

	(void)state;
	for (unsigned int k = 0; k < sizeof bands / sizeof *bands; k++) {
		assert_false(stick_begin(&s, &i, bands[k]));
		assert_near(at(&s, 255), 0.0, 0.0);
	}
}

static void test_it_counts_after_it_was_at_rest(void **state)
{
	struct input_absinfo i = info(0, 255, 255);
	struct stick s;

	(void)state;
	assert_true(stick_begin(&s, &i, 0.1));
	assert_true(stick_waits(&s));
	assert_near(stick_value(&s), 0.0, 0.0);
	assert_near(at(&s, 200), 0.0, 0.0);
	assert_near(at(&s, 128), 0.0, 0.0);
	assert_false(stick_waits(&s));
	assert_true(at(&s, 200) > 0.0);
	stick_rearm(&s);
	assert_true(stick_waits(&s));
	assert_near(at(&s, 255), 0.0, 0.0);
	at(&s, 128);
	stick_rearm(&s);
	assert_true(at(&s, 255) > 0.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_middle_and_sign),
		cmocka_unit_test(test_no_step_at_the_edge_of_the_dead_band),
		cmocka_unit_test(test_the_devices_own_flat_and_fuzz_widen_it),
		cmocka_unit_test(test_nonsense_of_flat_and_fuzz_is_passed_over),
		cmocka_unit_test(test_an_axis_without_a_range_moves_nothing),
		cmocka_unit_test(test_the_widest_range_and_values_beyond_it),
		cmocka_unit_test(test_a_dead_band_that_is_none_moves_nothing),
		cmocka_unit_test(test_it_counts_after_it_was_at_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
