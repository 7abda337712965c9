/* test_statistics.c - normalisation against the golden answers, and statistics that must be refused. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <math.h>

#include "policy/statistics.h"

#define STATISTICS "dataset_statistics.json"
#define KEY "libero_spatial_no_noops"

static char folder[FIXTURE_PATH_BYTES];

static int set_up(void **state)
{
	(void)state;
	folder_make(folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void write_statistics(const char *text)
{
	file_write(folder, STATISTICS, text, strlen(text));
}

static void golden_state_is_normalised(void **state)
{
	char *text = file_read(GOLDEN "/cases", "two_cameras.discrete.json", NULL);
	json_t *root = json_loads(text, 0, NULL), *values = json_object_get(root, "state");
	double robot[8], normalised[8];
	size_t n_bytes;
	float *want = golden_tensor("two_cameras.discrete.safetensors", "state.normalised", &n_bytes);
	struct statistics s;
	struct errbuf e = { "" };

	(void)state;
	assert_int_equal(statistics_read(&s, CHECKPOINT, NULL, STATISTICS_AUTO, &e), 0);
	assert_string_equal(s.key, KEY);
	assert_int_equal(s.proprio.dim, 8);
	assert_int_equal(n_bytes, 8 * sizeof want[0]);
	for (size_t i = 0; i < 8; i++)
		robot[i] = json_real_value(json_array_get(values, i));
	assert_int_equal(statistics_normalise_state(&s.proprio, robot, normalised, &e), 0);
	for (int i = 0; i < 8; i++)
		assert_true(fabs(normalised[i] - (double)want[i]) < 1e-7); /* the file holds float32 of values within 1 */
	json_decref(root);
	free(text);
	free(want);
}

static void golden_actions_are_unnormalised(void **state)
{
	size_t n_bytes, n;
	float *normalised = golden_tensor("two_cameras.discrete.safetensors", "actions.normalised", &n_bytes);
	float *want = golden_tensor("two_cameras.discrete.safetensors", "actions", &n_bytes);
	double values[8 * 7], found[8 * 7];
	struct statistics s;
	struct errbuf e = { "" };

	(void)state;
	assert_int_equal(statistics_read(&s, CHECKPOINT, KEY, STATISTICS_AUTO, &e), 0);
	assert_int_equal(s.action.dim, 7);
	assert_true(s.action.masked[5]);
	assert_false(s.action.masked[6]);
	assert_true(s.action.has_mean && s.action.mean[1] == -0.08881880466593811);
	n = n_bytes / sizeof want[0];
	assert_int_equal(n, 8 * 7);
	for (size_t i = 0; i < n; i++)
		values[i] = (double)normalised[i];
	statistics_unnormalise_action(&s.action, values, 8, found);
	for (size_t i = 0; i < n; i++)
		assert_true(fabs(found[i] - (double)want[i]) < 2e-7); /* float32 of values within 2 */
	free(normalised);
	free(want);
}

/* min/max where there are no quantiles; a masked-out state dimension passes through and is clipped all the same; a
 * constant dimension divides by the training code's 1e-8. */
static void bounds_masks_and_constants(void **state)
{
	struct statistics s;
	struct errbuf e = { "" };
	double out[3];

	(void)state;
	write_statistics("{\"a\": {\"action\": {\"min\": [-2, 0], \"max\": [2, 0]},"
			 "\"proprio\": {\"min\": [0, 0, 5], \"max\": [10, 10, 5], \"mask\": [true, false, true]}}}");
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), 0);
	assert_true(s.action.masked[0] && s.action.masked[1]);
	assert_false(s.action.has_mean);
	assert_int_equal(statistics_normalise_state(&s.proprio, (double[]){ 7.5, 0.25, 5 }, out, &e), 0);
	assert_true(fabs(out[0] - 0.5) < 1e-8 && out[1] == 0.25 && out[2] == -1);
	assert_int_equal(statistics_normalise_state(&s.proprio, (double[]){ -1, 7, 6 }, out, &e), 0);
	assert_true(out[0] == -1 && out[1] == 1 && out[2] == 1);
	assert_int_equal(statistics_normalise_state(&s.proprio, (double[]){ 1e308, -1e308, -1e308 }, out, &e), 0);
	assert_true(out[0] == 1 && out[1] == -1 && out[2] == -1);
	statistics_unnormalise_action(&s.action, (double[]){ -1, 0.5 }, 1, out);
	assert_true(out[0] == -2 && fabs(out[1]) < 1e-8);
}

static void state_that_is_no_number_is_refused(void **state)
{
	static const double bad[] = { NAN, INFINITY, -INFINITY };
	struct statistics s;
	struct errbuf e;

	(void)state;
	assert_int_equal(statistics_read(&s, CHECKPOINT, NULL, STATISTICS_AUTO, &e), 0);
	for (int i = 0; i < 3; i++) {
		double robot[8] = { 0 }, out[8] = { 42 };

		robot[3] = bad[i];
		assert_int_equal(statistics_normalise_state(&s.proprio, robot, out, &e), -EINVAL);
		assert_names(&e, "state[3]|finite");
		assert_true(out[0] == 42);
	}
}

static void the_key_is_chosen_or_listed(void **state)
{
	static const char two[] = "{\"one\": {\"action\": {\"min\": [0], \"max\": [1]}},"
				  "\"two\": {\"action\": {\"min\": [0, 0], \"max\": [1, 1]}}}";
	struct statistics s;
	struct errbuf e;

	(void)state;
	write_statistics(two);
	assert_int_equal(statistics_read(&s, folder, "two", STATISTICS_AUTO, &e), 0);
	assert_int_equal(s.action.dim, 2);
	assert_int_equal(s.proprio.dim, 0);
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -EINVAL);
	assert_names(&e, STATISTICS "|several|one, two");
	assert_int_equal(statistics_read(&s, folder, "three", STATISTICS_AUTO, &e), -ENOENT);
	assert_names(&e, STATISTICS "|three|one, two");
}

/* What is behind a name: a suffix of training recipes, or one letter too many. */
static void a_wrong_key_is_answered_with_the_nearest(void **state)
{
	static const char table[] = "{\"libero_goal_no_noops\": {}, \"libero_spatial_no_noops\": {}, \"libero_spatial_no_noops_v2\": {},"
				    "\"bri\\u001bdge\": {}}";
	struct statistics s;
	struct errbuf e;

	(void)state;
	write_statistics(table);
	assert_int_equal(statistics_read(&s, folder, "libero_spatial", STATISTICS_AUTO, &e), -ENOENT);
	assert_names(&e, "\"libero_spatial\" (did you mean libero_spatial_no_noops?)|libero_spatial_no_noops_v2, bri?dge");
	assert_null(strchr(e.text, 0x1b)); /* a name in a file does not write to a terminal */
	assert_int_equal(statistics_read(&s, folder, "fractal", STATISTICS_AUTO, &e), -ENOENT);
	assert_null(strstr(e.text, "did you mean"));
}

/* Twenty-seven datasets, as a pretrained checkpoint has, are all named; of ten thousand as many as fit. */
static void many_keys_are_listed_as_far_as_they_fit(void **state)
{
	size_t room = 10000 * 32 + 8, at = 0;
	char *text = malloc(room);
	struct statistics s;
	struct errbuf e;

	(void)state;
	assert_non_null(text);
	for (int n = 27; n <= 10000; n += 9973) {
		at = (size_t)snprintf(text, room, "{");
		for (int i = 0; i < n; i++)
			at += (size_t)snprintf(text + at, room - at, "%s\"a_dataset_number_%04d\": {}", i ? "," : "", i);
		snprintf(text + at, room - at, "}");
		write_statistics(text);
		assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -EINVAL);
		assert_names(&e, "a_dataset_number_0000, a_dataset_number_0001|a_dataset_number_0026");
		assert_true((strstr(e.text, "... (10000 in all)") != NULL) == (n == 10000));
		assert_int_equal(statistics_read(&s, folder, "none", STATISTICS_AUTO, &e), -ENOENT);
		assert_names(&e, "none|a_dataset_number_0026");
	}
	free(text);
}

/* As a fine-tune of ALOHA writes its file: all of min, max, q01 and q99, of which its recipe uses min and max. Expected numbers:
 * the formulas of policy/README.md by hand. */
static void the_range_is_chosen(void **state)
{
	static const char both[] = "{\"aloha\": {\"action\": {\"min\": [-2], \"max\": [2], \"q01\": [-1], \"q99\": [1]},"
				   "\"proprio\": {\"min\": [-2], \"max\": [6], \"q01\": [0], \"q99\": [4]}}}";
	static const struct {
		enum statistics_kind kind;
		bool quantiles;
		double action, state; /* of the normalised action 0.5, of the state 3 */
	} want[] = { { STATISTICS_AUTO, true, 0.5, 0.5 }, { STATISTICS_QUANTILES, true, 0.5, 0.5 }, { STATISTICS_BOUNDS, false, 1.0, 0.25 } };
	struct statistics s;
	struct errbuf e = { "" };
	double out;

	(void)state;
	write_statistics(both);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(statistics_read(&s, folder, NULL, want[i].kind, &e), 0);
		assert_true(s.action.quantiles == want[i].quantiles && s.proprio.quantiles == want[i].quantiles);
		statistics_unnormalise_action(&s.action, (double[]){ 0.5 }, 1, &out);
		assert_true(fabs(out - want[i].action) < 1e-7);
		assert_int_equal(statistics_normalise_state(&s.proprio, (double[]){ 3 }, &out, &e), 0);
		assert_true(fabs(out - want[i].state) < 1e-7);
	}
}

static void the_range_asked_for_has_to_be_there(void **state)
{
	struct statistics s = { .key = "untouched" };
	struct errbuf e;

	(void)state;
	write_statistics("{\"a\": {\"action\": {\"min\": [0], \"max\": [1]}}}");
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_QUANTILES, &e), -EINVAL);
	assert_names(&e, STATISTICS "|a.action.q01|absent|asked for");
	write_statistics("{\"a\": {\"action\": {\"q01\": [0], \"q99\": [1]}}}");
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_BOUNDS, &e), -EINVAL);
	assert_names(&e, STATISTICS "|a.action.min|absent|asked for");
	assert_string_equal(s.key, "untouched");
}

/* An axis that never moved has q01 == q99: its action is that value whatever the policy says (within the training code's 1e-8),
 * and its state is at one end of the scale, as the original computes it. */
static void dimensions_without_width(void **state)
{
	struct statistics s;
	struct errbuf e = { "" };
	double out;

	(void)state;
	write_statistics("{\"a\": {\"action\": {\"q01\": [0.25], \"q99\": [0.25]}, \"proprio\": {\"q01\": [3], \"q99\": [3]}}}");
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), 0);
	for (double x = -1; x <= 1; x += 0.5) {
		statistics_unnormalise_action(&s.action, &x, 1, &out);
		assert_true(fabs(out - 0.25) <= 1e-8);
	}
	assert_int_equal(statistics_normalise_state(&s.proprio, (double[]){ 3 }, &out, &e), 0);
	assert_true(out == -1);
	assert_int_equal(statistics_normalise_state(&s.proprio, (double[]){ 3 + 1e-8 }, &out, &e), 0);
	assert_true(fabs(out - 1) < 1e-6);
}

/* A file of its own is the fine-tune's and stands for all of norm_stats, which is the pretraining's. */
static void the_file_of_its_own_wins(void **state)
{
	static const char config[] = "{\"norm_stats\": {\"b\": {\"action\": {\"q01\": [0], \"q99\": [1]}}}}";
	struct statistics s;
	struct errbuf e;

	(void)state;
	file_write(folder, "config.json", config, sizeof config - 1);
	write_statistics("{\"a\": {\"action\": {\"q01\": [5], \"q99\": [6]}}}");
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), 0);
	assert_true(strcmp(s.key, "a") == 0 && s.action.low[0] == 5);
	assert_int_equal(statistics_read(&s, folder, "b", STATISTICS_AUTO, &e), -ENOENT);
	assert_names(&e, STATISTICS "|\"b\"|the keys are: a");
	write_statistics("{\"a\":"); /* a damaged one is no absent one */
	assert_int_equal(statistics_read(&s, folder, "b", STATISTICS_AUTO, &e), -EINVAL);
	assert_names(&e, STATISTICS "|line 1");
}

/* 64 dimensions are read, 65 are not; a file of more than 64 MiB is not even parsed; neither is one nested a million deep. */
static void sizes_are_bounded(void **state)
{
	enum { HUGE_BYTES = (64 << 20) + 1, DEEP = 1000000 };
	char *text = malloc(DEEP), path[2 * FIXTURE_PATH_BYTES];
	struct statistics s;
	struct errbuf e;

	(void)state;
	assert_non_null(text);
	for (int dim = 64; dim <= 65; dim++) {
		int at = sprintf(text, "{\"a\": {\"action\": {\"q01\": [0");

		for (int i = 1; i < dim; i++)
			at += sprintf(text + at, ", 0");
		at += sprintf(text + at, "], \"q99\": [1");
		for (int i = 1; i < dim; i++)
			at += sprintf(text + at, ", 1");
		sprintf(text + at, "]}}}");
		write_statistics(text);
		assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), dim == 64 ? 0 : -EINVAL);
	}
	assert_names(&e, "a.action.q01|65 numbers|1..64");
	memset(text, '[', DEEP);
	text[0] = '{';
	file_write(folder, STATISTICS, text, DEEP);
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -EINVAL);
	snprintf(path, sizeof path, "%s/%s", folder, STATISTICS);
	assert_int_equal(truncate(path, HUGE_BYTES), 0);
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -EINVAL);
	assert_names(&e, STATISTICS "|67108865 bytes|67108864");
	free(text);
}

static void config_is_the_second_place(void **state)
{
	static const char config[] = "{\"norm_stats\": {\"a\": {\"action\": {\"q01\": [0], \"q99\": [1]}}}}";
	struct statistics s;
	struct errbuf e;

	(void)state;
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -ENOENT);
	assert_names(&e, folder);
	file_write(folder, "config.json", "{}", 2);
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -ENOENT);
	assert_names(&e, STATISTICS "|norm_stats");
	file_write(folder, "config.json", "{\"norm_stats\": {}}", 18);
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -ENOENT);
	assert_names(&e, "config.json|no entries|no statistics");
	file_write(folder, "config.json", config, sizeof config - 1);
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), 0);
	assert_string_equal(s.key, "a");
	file_write(folder, STATISTICS, "{}", 2);
	assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -ENOENT);
	assert_names(&e, STATISTICS ": has no entries");
}

static void spoilt_statistics_are_refused(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "{\"a\": 1}", "action|absent" },
		{ "{\"a\": {\"proprio\": {}}}", "action|absent" },
		{ "{\"a\": {\"action\": {}}}", "a.action.min|0 numbers|1..64" },
		{ "{\"a\": {\"action\": {\"q01\": [0], \"min\": [0], \"max\": [1]}}}", "a.action.q99|absent" },
		{ "{\"a\": {\"action\": {\"q99\": [1], \"min\": [0], \"max\": [1]}}}", "a.action.q01|absent" },
		{ "{\"a\": {\"action\": {\"min\": [0, 0], \"max\": [1]}}}", "a.action.max|2 numbers" },
		{ "{\"a\": {\"action\": {\"min\": [0, \"x\"], \"max\": [1, 1]}}}", "a.action.min[1]|a string" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1e10]}}}", "a.action.max[0]|1e+10" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1e999]}}}", "line" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [NaN]}}}", "line 1|NaN" },
		{ "{\"a\": {\"action\": {\"min\": [-Infinity], \"max\": [0]}}}", "line 1|-" },
		{ "{\"a\": {\"action\": {\"q01\": [1], \"q99\": [0]}}}", "a.action: q01[0] = 1 is more than q99[0] = 0" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1], \"mask\": true}}}", "a.action.mask|a truth value" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1]},"
		  "\"proprio\": {\"min\": [0], \"max\": [1], \"mask\": []}}}", "a.proprio.mask|an array of 0|1 truth" },
		{ "{\"a\": {\"action\": {\"min\": [0, 2], \"max\": [1, 1]}}}", "a.action|min[1] = 2|max[1] = 1" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1], \"mask\": [true, true]}}}", "a.action.mask|1 truth" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1], \"mask\": [1]}}}", "a.action.mask[0]|an integer" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1], \"mean\": [1, 2]}}}", "a.action.mean|1 numbers" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1]}, \"proprio\": {\"min\": [0]}}}", "a.proprio.max" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1]}}, \"a\": 1}", "duplicate" },
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [1]}", "line" },
	};
	struct statistics s;
	struct errbuf e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		write_statistics(cases[i].text);
		assert_int_equal(statistics_read(&s, folder, NULL, STATISTICS_AUTO, &e), -EINVAL);
		assert_names(&e, cases[i].words);
		assert_names(&e, STATISTICS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_state_is_normalised),
		cmocka_unit_test(golden_actions_are_unnormalised),
		cmocka_unit_test_setup_teardown(bounds_masks_and_constants, set_up, tear_down),
		cmocka_unit_test(state_that_is_no_number_is_refused),
		cmocka_unit_test_setup_teardown(the_key_is_chosen_or_listed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_wrong_key_is_answered_with_the_nearest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_keys_are_listed_as_far_as_they_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_range_is_chosen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_range_asked_for_has_to_be_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(dimensions_without_width, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_file_of_its_own_wins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sizes_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(config_is_the_second_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(spoilt_statistics_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
