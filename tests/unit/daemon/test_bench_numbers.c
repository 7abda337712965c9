/* test_bench_numbers.c - a good run of the demo passes, and each single shortcoming makes it fail by name. */
#include "daemon/bench/bench_numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct demo_numbers good(void)
{
	return (struct demo_numbers){ .seconds = 20, .rate_wanted_hz = 200, .rate_hz = 199.9, .auto_share = 0.99, .frames = 1200,
		.chunks = 45, .targets = 4000, .n_arms = 1,
		.arm = { { .name = "arm", .obeyed = 3995, .path_m = 0.5, .interval = { .p50 = 5000 } } } };
}

/* What fails, as "name; name; "; the text is valid until the next call. */
static const char *failures(const struct demo_numbers *n)
{
	static char names[512];
	struct demo_verdict verdict[DEMO_CRITERIA];
	uint32_t failed = demo_judge(n, verdict), seen = 0;

	names[0] = 0;
	for (uint32_t i = 0; i < DEMO_CRITERIA; i++) {
		if (verdict[i].passed)
			continue;
		seen++;
		strncat(names, verdict[i].what, sizeof names - strlen(names) - 3);
		strcat(names, "; ");
	}
	assert_int_equal(seen, failed);
	return names;
}

static void test_good_run_passes(void **state)
{
	struct demo_numbers n = good();

	(void)state;
	assert_string_equal(failures(&n), "");
}

static void test_each_shortcoming_is_named(void **state)
{
	struct demo_numbers n;

	(void)state;
	n = good(), n.auto_share = 0.94;
	assert_string_equal(failures(&n), "share of time in AUTO; ");
	n = good(), n.chunks = 39;
	assert_string_equal(failures(&n), "chunks executed; ");
	n = good(), n.arm[0].path_m = 0.19;
	assert_string_equal(failures(&n), "distance moved by the TCP; ");
	n = good(), n.rate_hz = 197.9;
	assert_string_equal(failures(&n), "control rate missed by; ");
	n = good(), n.arm[0].obeyed = 3790;
	assert_string_equal(failures(&n), "targets that the arm obeyed; ");
	n = good(), n.arm[0].interval.max = 501e3;
	assert_string_equal(failures(&n), "longest pause between targets; ");
	n = good(), n.arm[0].limits_exceeded = 1;
	assert_string_equal(failures(&n), "limits exceeded at the arm; ");
}

static void test_every_arm_has_to_move(void **state)
{
	struct demo_numbers n = good();

	(void)state;
	n.n_arms = 2;
	n.arm[1] = n.arm[0];
	n.arm[1].path_m = 0.1;
	assert_string_equal(failures(&n), "distance moved by the TCP; ");
}

static void test_not_a_number_fails(void **state)
{
	struct demo_numbers n = good();

	(void)state;
	n.rate_hz = NAN;
	n.auto_share = NAN;
	assert_string_equal(failures(&n), "share of time in AUTO; control rate missed by; ");
}

static void test_short_run_needs_less(void **state)
{
	struct demo_numbers n = good();

	(void)state;
	n.seconds = 6;
	n.arm[0].obeyed = 1199;
	n.chunks = 12;
	n.arm[0].path_m = 0.061;
	assert_string_equal(failures(&n), "");
	n.chunks = 11;
	assert_string_equal(failures(&n), "chunks executed; ");
}

/* 100 ms are 1.67 % of 6 s and 0.5 % of 20 s; one way only: ticks that were too many are no pause. */
static void test_short_run_may_miss_the_rate_by_one_pause(void **state)
{
	struct demo_numbers n = good();

	(void)state;
	n.rate_hz = 200 * (1 - 0.0105);
	assert_string_equal(failures(&n), "control rate missed by; ");
	n.seconds = 6;
	n.arm[0].obeyed = 1199;
	n.rate_hz = 200 * (1 - 0.0166);
	assert_string_equal(failures(&n), "");
	n.rate_hz = 200 * (1 - 0.0168);
	assert_string_equal(failures(&n), "control rate missed by; ");
	n.rate_hz = 200 * (1 + 0.0105);
	assert_string_equal(failures(&n), "control rate missed by; ");
}

static void test_table_and_json_tell_the_same(void **state)
{
	struct demo_numbers n = good();
	struct demo_verdict verdict[DEMO_CRITERIA];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	n.chunks = 3;
	n.n_faults = 1;
	strcpy(n.fault[0], "STATE_LOST");
	assert_int_equal(demo_judge(&n, verdict), 1);
	demo_print(out, &n, verdict);
	fclose(out);
	assert_non_null(strstr(text, "FAIL  chunks executed: 3, want at least 40"));
	assert_non_null(strstr(text, "1: STATE_LOST"));
	free(text);
	json_t *j = demo_json(&n, verdict);

	assert_int_equal(json_integer_value(json_object_get(j, "chunks")), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "failed"), 0)), "chunks executed");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(j, "arms"), "arm"), "obeyed")), 3995);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_run_passes),
		cmocka_unit_test(test_each_shortcoming_is_named),
		cmocka_unit_test(test_every_arm_has_to_move),
		cmocka_unit_test(test_not_a_number_fails),
		cmocka_unit_test(test_short_run_needs_less),
		cmocka_unit_test(test_short_run_may_miss_the_rate_by_one_pause),
		cmocka_unit_test(test_table_and_json_tell_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
