/* test_path_clock.c - a path's clock never turns back, whatever it is asked for in the middle of what. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/stage/path_clock.h"

static const double end_s = 10.0, dt_s = 0.005;

static void step(struct axis *clock, const struct axis_limits *limits, double rate)
{
	double before_s = clock->q;

	path_clock_step(clock, limits, rate, dt_s);
	if (!(clock->v >= -1e-9 && clock->q >= before_s - 1e-9))
		fail_msg("rate %.3g, changing by %.3g/s", clock->v, clock->a);
}

/* Stopped for n periods as quickly as `stop` allows, then as `limits` allow. */
static void go_on(double stop, double limit, int n, double rate)
{
	struct axis clock = { 1.0, 1.0, 0.0 };
	const struct axis_limits stops = path_clock_limits(stop, end_s), limits = path_clock_limits(limit, end_s);

	for (int k = 0; k < n; k++)
		step(&clock, &stops, 0.0);
	for (int k = 0; k < 600; k++)
		step(&clock, &limits, rate);
	if (rate > 0.0)
		assert_true(clock.v > 0.9 * rate);
	else
		assert_true(path_clock_stands(&clock));
}

static void it_never_turns_back(void **state)
{
	static const double limit[] = { 0.5, 1.0, 2.0, 3.75, 5.0 };

	(void)state;
	for (int n = 0; n < 120; n++)
		for (int k = 0; k < 25; k++)
			for (int rate = 0; rate <= 2; rate++)
				go_on(limit[k % 5], limit[k / 5], n, 0.5 * rate);
}

static void a_stop_takes_the_time_that_it_is_given(void **state)
{
	struct axis clock = { 1.0, 1.0, 0.0 };
	const struct axis_limits limits = path_clock_stop_limits(&clock, 0.5, end_s);

	(void)state;
	for (int k = 0; k < 110; k++)
		step(&clock, &limits, 0.0);
	assert_true(path_clock_stands(&clock)); /* and one ramp */
	assert_true(clock.q > 1.2 && clock.q < 1.3);
}

static void what_hardly_moves_stays_a_number(void **state)
{
	static const double v[] = { 0.0, 1e-320, 1e-12, 1e-9, 1e-6, -1e-12 };

	(void)state;
	for (int k = 0; k < 12; k++) {
		struct axis clock = { 1.0, v[k / 2], -1e-6 };
		const struct axis_limits limits = path_clock_stop_limits(&clock, 0.2, end_s);

		for (int n = 0; n < 50; n++)
			path_clock_step(&clock, &limits, k % 2 ? 1.0 : 0.0, dt_s);
		assert_true(isfinite(clock.q) && isfinite(clock.v) && isfinite(clock.a));
		assert_true(clock.q > 1.0 - 1e-6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_never_turns_back),
		cmocka_unit_test(a_stop_takes_the_time_that_it_is_given),
		cmocka_unit_test(what_hardly_moves_stays_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
