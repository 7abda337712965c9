/* test_stream.c - the measure that chose how targets are streamed to a PiPER: what each mode is known for shows in it. */
#include "daemon/bench/bench_stream.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define IN_10_MS 0.05 /* rad/s: the arm's acceleration, 5 rad/s^2, for so long */

static struct stream_result measure(const struct stream_case *c)
{
	struct stream_result r;
	struct stream_wish w;

	assert_int_equal(stream_measure(c, &r, &w), 0);
	assert_true(w.speed_rad_s > 0.45 && w.speed_rad_s < 0.6);
	assert_true(w.acceleration_rad_s2 > 1.0 && w.acceleration_rad_s2 < 5.0); /* the arm is able to */
	assert_true(w.sway_rad_s < 0.01);
	assert_int_equal(r.ignored, 0);
	assert_true(r.final_rad < 1e-4);
	assert_true(r.overshoot_rad < 1e-3);
	return r;
}

/* Each case is measured when it is first asked for. */
static struct stream_result measured(uint32_t rate_hz, bool high_follow, bool played_out)
{
	static struct { bool done; struct stream_result r; } known[3][2][2];
	const uint32_t row = rate_hz / 100; /* 50, 100, 200 */

	if (!known[row][high_follow][played_out].done)
		known[row][high_follow][played_out].r = measure(&(struct stream_case){ rate_hz, high_follow, played_out });
	known[row][high_follow][played_out].done = true;
	return known[row][high_follow][played_out].r;
}

/* The arm's own planning never gives more than its acceleration, whatever it is sent and whenever. */
static void test_planned_never_leaps(void **state)
{
	(void)state;
	for (int played_out = 0; played_out < 2; played_out++) {
		struct stream_result r = measured(50, false, played_out);

		assert_true(r.jolt_rad_s < 1.1 * IN_10_MS && r.pause_jolt_rad_s < 1.1 * IN_10_MS);
	}
}

/* It brakes for every target as if it were the last one: the further they are from each other the more. */
static void test_planned_sways_with_the_distance_of_targets(void **state)
{
	struct stream_result slow = measured(50, false, true), fast = measured(200, false, true), raw = measured(200, false, false);

	(void)state;
	assert_true(fast.sway_rad_s > 0.01);
	assert_true(slow.sway_rad_s > 1.3 * fast.sway_rad_s);
	assert_true(raw.sway_rad_s > 2.0 * slow.sway_rad_s);
	assert_true(raw.lag_ms > slow.lag_ms);
}

/* High-follow is behind by little more than its servo, and passes on what it is sent: every step between targets, and what a pause left
 * out. */
static void test_high_follow_passes_everything_on(void **state)
{
	struct stream_result smooth = measured(200, true, true), coarse = measured(50, true, true), raw = measured(200, true, false);
	struct stream_result planned = measured(200, false, true);

	(void)state;
	assert_true(smooth.lag_ms < 0.7 * planned.lag_ms);
	assert_true(smooth.apart_rad < planned.apart_rad);
	assert_true(smooth.jolt_rad_s < IN_10_MS);
	assert_true(coarse.jolt_rad_s > 2.0 * IN_10_MS);
	assert_true(smooth.pause_jolt_rad_s > 10.0 * IN_10_MS);
	assert_true(raw.jolt_rad_s > 20.0 * IN_10_MS);
}

static void test_it_comes_to_the_same_again(void **state)
{
	struct stream_result first = measured(200, true, true), second = measure(&(struct stream_case){ 200, true, true });

	(void)state;
	assert_memory_equal(&first, &second, sizeof first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_planned_never_leaps),
		cmocka_unit_test(test_planned_sways_with_the_distance_of_targets),
		cmocka_unit_test(test_high_follow_passes_everything_on),
		cmocka_unit_test(test_it_comes_to_the_same_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
