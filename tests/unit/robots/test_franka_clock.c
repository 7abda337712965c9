/* test_franka_clock.c - the robot's milliseconds as our time: smooth under lateness, drift and stalls, and begun anew after a jump. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "robots/franka/clock.h"

#include <cmocka.h> /* last: it defines fail() */

static uint32_t rng;

static uint32_t draw(void)
{
	rng = rng * 1664525u + 1013904223u;
	return rng >> 8;
}

/* Late by 20..120 us, one in fifty by up to 9 ms. */
static int64_t lateness(void)
{
	int64_t late_ns = 20000 + draw() % 100000;

	return draw() % 50 ? late_ns : late_ns + draw() % 9000000;
}

struct spread {
	int64_t off_low_ns, off_high_ns; /* time less the robot's true one */
	int64_t step_low_ns, step_high_ns; /* between ids */
	int64_t bend_ns;           /* between steps */
};

/* `ms` states of a robot whose millisecond is 1 ms + drift; true time begins at 5 s. */
static struct spread run(struct franka_clock *c, uint64_t first_id, int ms, int64_t drift_ns, int settled_ms)
{
	struct spread s = { INT64_MAX, INT64_MIN, INT64_MAX, INT64_MIN, 0 };
	int64_t before_ns = 0, step_before_ns = 0;

	for (int i = 0; i < ms; i++) {
		int64_t true_ns = 5000000000 + i * (1000000 + drift_ns), arrival_ns = true_ns + lateness();
		int64_t time_ns = franka_clock_see(c, first_id + (uint64_t)i, arrival_ns), step_ns = time_ns - before_ns;

		if (i > settled_ms) {
			s.off_low_ns = time_ns - true_ns < s.off_low_ns ? time_ns - true_ns : s.off_low_ns;
			s.off_high_ns = time_ns - true_ns > s.off_high_ns ? time_ns - true_ns : s.off_high_ns;
		}
		if (i > FRANKA_CLOCK_WINDOW) {
			s.step_low_ns = step_ns < s.step_low_ns ? step_ns : s.step_low_ns;
			s.step_high_ns = step_ns > s.step_high_ns ? step_ns : s.step_high_ns;
		}
		if (i > FRANKA_CLOCK_WINDOW + 1 && llabs(step_ns - step_before_ns) > s.bend_ns)
			s.bend_ns = llabs(step_ns - step_before_ns);
		before_ns = time_ns;
		step_before_ns = step_ns;
	}
	return s;
}

static void smooth_whatever_the_lateness(void **state)
{
	(void)state;
	static const int64_t drifts_ns[] = { 0, 100, -100, 300, -300 };

	for (size_t i = 0; i < sizeof drifts_ns / sizeof *drifts_ns; i++) {
		struct franka_clock c = { 0 };

		rng = 3;
		struct spread s = run(&c, 123456, 60000, drifts_ns[i], 15000);

		if (s.off_low_ns < -100000 || s.off_high_ns > 150000)
			fail_msg("drift %lld ns/ms: off by %lld..%lld ns", (long long)drifts_ns[i], (long long)s.off_low_ns, (long long)s.off_high_ns);
		assert_true(s.step_low_ns >= 1000000 - FRANKA_CLOCK_RATE_MAX_NS && s.step_high_ns <= 1000000 + FRANKA_CLOCK_RATE_MAX_NS);
		assert_true(s.bend_ns <= FRANKA_CLOCK_SLEW_NS);
		assert_int_equal(c.jumps, 0);
	}
}

/* The first state of a connection may be late by much; ids that are skipped are time that has passed. */
static void late_first_and_skipped_ids(void **state)
{
	(void)state;
	struct franka_clock c = { 0 };
	int64_t first_ns = franka_clock_see(&c, 10, 5000000000 + 8000000);

	rng = 5;
	for (uint64_t id = 11; id < 12000; id++)
		first_ns = franka_clock_see(&c, id, 5000000000 + (int64_t)(id - 10) * 1000000 + lateness());
	assert_true(llabs(first_ns - (5000000000 + 11989 * INT64_C(1000000))) < 300000);
	int64_t after_ns = franka_clock_see(&c, 11999 + 75, 5000000000 + INT64_C(12064000000) + lateness());

	assert_true(llabs(after_ns - first_ns - 75000000) <= 75 * FRANKA_CLOCK_RATE_MAX_NS);
	after_ns = franka_clock_see(&c, 12074 + 4000, 5000000000 + INT64_C(16064000000) + lateness());
	assert_true(llabs(after_ns - first_ns - 4075000000) <= 4075 * FRANKA_CLOCK_RATE_MAX_NS);
	assert_int_equal(c.jumps, 0);
}

/* Of n states from *id on, one per ms, the first one now; how far time is from the last one's arrival. */
static int64_t run_on(struct franka_clock *c, uint64_t *id, int64_t *now_ns, int n)
{
	int64_t time_ns = 0;

	for (int i = 0; i < n; i++, *now_ns += 1000000)
		time_ns = franka_clock_see(c, (*id)++, *now_ns + lateness());
	return time_ns - (*now_ns - 1000000);
}

/* Ids that leap while no time passes: ahead of the arrivals the clock does not stay. */
static void leap_of_ids(void **state)
{
	(void)state;
	struct franka_clock c = { 0 };
	int64_t now_ns = 5000000000;
	uint64_t id = 1;

	rng = 21;
	assert_true(llabs(run_on(&c, &id, &now_ns, 1000)) < 1000000);
	assert_true(c.settled);
	id += 100;
	run_on(&c, &id, &now_ns, 1);
	assert_false(c.settled);
	assert_true(llabs(run_on(&c, &id, &now_ns, 1000)) < 1000000);
	assert_true(c.settled && c.jumps <= 2);
}

/* The state on which it begins anew after a stall is itself much too late. */
static void begun_on_a_late_state(void **state)
{
	(void)state;
	struct franka_clock c = { 0 };
	int64_t now_ns = 5000000000;
	uint64_t id = 1;

	rng = 22;
	run_on(&c, &id, &now_ns, 1000);
	now_ns += 60000000; /* a stall that skips no ids */
	run_on(&c, &id, &now_ns, FRANKA_CLOCK_WINDOW - 1 - (int)c.in_window);
	franka_clock_see(&c, id++, now_ns + 40000000);
	now_ns += 1000000;
	assert_true(llabs(run_on(&c, &id, &now_ns, 1000)) < 1000000);
	assert_true(c.settled && c.jumps <= 3);
}

/* The robot stood still without skipping ids, or began to count anew: counted, and a settled clock does not go back. */
static void jumps(void **state)
{
	(void)state;
	struct franka_clock c = { 0 };
	int64_t time_ns = 0, last_ns = 0;
	uint64_t id = 1000;

	rng = 9;
	for (int i = 0; i < 3000; i++, id++) {
		int64_t stall_ns = i < 1000 ? 0 : 60000000;

		time_ns = franka_clock_see(&c, id, 5000000000 + i * INT64_C(1000000) + stall_ns + lateness());
		assert_true(time_ns > last_ns);
		last_ns = time_ns;
	}
	assert_int_equal(c.jumps, 1);
	assert_true(llabs(time_ns - (5000000000 + INT64_C(2999000000) + 60000000)) < 1000000);
	time_ns = franka_clock_see(&c, 5, last_ns + 1000000); /* from anew */
	assert_int_equal(c.jumps, 2);
	assert_true(c.settled && time_ns > last_ns);
	time_ns = franka_clock_see(&c, 6, last_ns - 100000000); /* no state comes before its time */
	assert_int_equal(c.jumps, 3);
	assert_false(c.settled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smooth_whatever_the_lateness), cmocka_unit_test(late_first_and_skipped_ids), cmocka_unit_test(jumps),
		cmocka_unit_test(leap_of_ids), cmocka_unit_test(begun_on_a_late_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
