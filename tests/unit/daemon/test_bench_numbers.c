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
	struct demo_verdicts v;
	uint32_t seen = 0;

	demo_judge(n, &v);
	assert_int_equal(v.n, 7 + (n->has_fci ? 2 : 0) + (n->has_piper ? 3 : 0) + (n->has_sentences ? 2 : 0));
	names[0] = 0;
	for (uint32_t i = 0; i < v.n; i++) {
		if (v.verdict[i].passed)
			continue;
		seen++;
		strncat(names, v.verdict[i].what, sizeof names - strlen(names) - 3);
		strcat(names, "; ");
	}
	assert_int_equal(seen, v.failed);
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

/* A reflex of another kind is a motion that ended too. */
static void test_a_franka_must_not_be_ended(void **state)
{
	struct demo_numbers n = good();

	(void)state;
	n.fci.violations = n.fci.reflexes = 1;
	assert_string_equal(failures(&n), ""); /* of a robot that is none */
	n.has_fci = true;
	assert_string_equal(failures(&n), "communication constraints violated; motions ended by the robot; ");
	n.fci.violations = 0;
	assert_string_equal(failures(&n), "motions ended by the robot; ");
}

/* Each arm of a pair counts, the worst one where there is a share. */
static void test_a_piper_must_get_its_targets_and_nothing_else(void **state)
{
	struct demo_numbers n = good(), bad;

	(void)state;
	n.n_arms = 2;
	n.arm[0].piper_wanted_hz = 100;
	n.arm[0].piper.pairs = 3 * 100 * 20;
	n.arm[1] = n.arm[0];
	bad = n;
	bad.arm[1].piper = (struct piper_numbers){ .never = 1 };
	assert_string_equal(failures(&bad), ""); /* of a robot that is none */
	n.has_piper = true;
	assert_string_equal(failures(&n), "");
	bad = n, bad.arm[1].piper.pairs = 3 * 94 * 20;
	assert_string_equal(failures(&bad), "targets that the PiPER obeyed; ");
	bad = n, bad.arm[0].piper.pairs = 3 * 103 * 20; /* more than was to be sent is as wrong */
	assert_string_equal(failures(&bad), "targets that the PiPER obeyed; ");
	bad = n, bad.arm[0].piper.unknown = 1;
	assert_string_equal(failures(&bad), "frames that no PiPER may get; ");
	bad = n, bad.arm[1].piper.never = 1;
	assert_string_equal(failures(&bad), "frames that no PiPER may get; ");
	bad = n, bad.arm[1].piper.maintenance = 1;
	assert_string_equal(failures(&bad), "frames that no PiPER may get; ");
	bad = n, bad.arm[1].piper.ignored = 1;
	assert_string_equal(failures(&bad), "frames that the PiPER ignored; ");
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

static struct demo_numbers good_course(void)
{
	struct demo_numbers n = good();

	n.has_sentences = true;
	n.chunks = 26;
	n.chunks_due = 25;
	n.policy_s = 20;
	n.takeover_ms = 5.2;
	n.sentence[0] = (struct demo_sentence){ "1: pick up the red block", "yes", 5.2, 1, true };
	n.sentence[1] = (struct demo_sentence){ "2: pick up the blue block", "too late", 12, 2, false };
	n.sentence[2] = (struct demo_sentence){ "3: pick up the yellow block", "yes", 6, 2, true };
	return n;
}

static void test_of_three_sentences_one_may_fail(void **state)
{
	struct demo_numbers n = good_course();

	(void)state;
	assert_string_equal(failures(&n), "");
	n.sentence[0].done = false;
	assert_string_equal(failures(&n), "sentences carried out; ");
	n = good_course(), n.takeover_ms = 101;
	assert_string_equal(failures(&n), "time of a person's take-over; ");
	n = good_course(), n.takeover_ms = NAN;
	assert_string_equal(failures(&n), "time of a person's take-over; ");
	n = good_course(), n.chunks = 19;
	assert_string_equal(failures(&n), "chunks executed of those due; ");
}

static void test_sentences_are_told_one_by_one(void **state)
{
	struct demo_numbers n = good_course();
	struct demo_verdicts v;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	demo_judge(&n, &v);
	demo_print(out, &n, &v);
	fclose(out);
	assert_non_null(strstr(text, "1: pick up the red block           yes, 5.2 s\n"));
	assert_non_null(strstr(text, "2: pick up the blue block          too late, 12.0 s (second try, from home)\n"));
	free(text);
	json_t *j = demo_json(&n, &v), *sentences = json_object_get(json_object_get(j, "course"), "sentences");

	assert_int_equal(json_array_size(sentences), 3);
	assert_true(json_is_false(json_object_get(json_array_get(sentences, 1), "done")));
	json_decref(j);
}

static void test_table_and_json_tell_the_same(void **state)
{
	struct demo_numbers n = good();
	struct demo_verdicts v;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	n.chunks = 3;
	n.n_faults = 1;
	strcpy(n.fault[0], "STATE_LOST");
	n.has_fci = true;
	n.fci = (struct fci_numbers){ .commands = 995, .missed = 5, .longest_row = 3 };
	demo_judge(&n, &v);
	assert_int_equal(v.failed, 1);
	demo_print(out, &n, &v);
	fclose(out);
	assert_non_null(strstr(text, "FAIL  chunks executed: 3, want at least 40"));
	assert_non_null(strstr(text, "1: STATE_LOST"));
	assert_non_null(strstr(text, "995 of 1000 periods (99.500 %)"));
	assert_non_null(strstr(text, "5, longest row 3;"));
	free(text);
	json_t *j = demo_json(&n, &v);

	assert_int_equal(json_integer_value(json_object_get(j, "chunks")), 3);
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "failed"), 0)), "chunks executed");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(j, "arms"), "arm"), "obeyed")), 3995);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "fci"), "missed")), 5);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_run_passes),
		cmocka_unit_test(test_each_shortcoming_is_named),
		cmocka_unit_test(test_a_franka_must_not_be_ended),
		cmocka_unit_test(test_a_piper_must_get_its_targets_and_nothing_else),
		cmocka_unit_test(test_every_arm_has_to_move),
		cmocka_unit_test(test_not_a_number_fails),
		cmocka_unit_test(test_short_run_needs_less),
		cmocka_unit_test(test_short_run_may_miss_the_rate_by_one_pause),
		cmocka_unit_test(test_of_three_sentences_one_may_fail),
		cmocka_unit_test(test_sentences_are_told_one_by_one),
		cmocka_unit_test(test_table_and_json_tell_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
