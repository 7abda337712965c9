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
	assert_int_equal(statistics_read(&s, CHECKPOINT, NULL, &e), 0);
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
	assert_int_equal(statistics_read(&s, CHECKPOINT, KEY, &e), 0);
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
	assert_int_equal(statistics_read(&s, folder, NULL, &e), 0);
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
	assert_int_equal(statistics_read(&s, CHECKPOINT, NULL, &e), 0);
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
	assert_int_equal(statistics_read(&s, folder, "two", &e), 0);
	assert_int_equal(s.action.dim, 2);
	assert_int_equal(s.proprio.dim, 0);
	assert_int_equal(statistics_read(&s, folder, NULL, &e), -EINVAL);
	assert_names(&e, STATISTICS "|several|one, two");
	assert_int_equal(statistics_read(&s, folder, "three", &e), -ENOENT);
	assert_names(&e, STATISTICS "|three|one, two");
}

static void config_is_the_second_place(void **state)
{
	static const char config[] = "{\"norm_stats\": {\"a\": {\"action\": {\"q01\": [0], \"q99\": [1]}}}}";
	struct statistics s;
	struct errbuf e;

	(void)state;
	assert_int_equal(statistics_read(&s, folder, NULL, &e), -ENOENT);
	assert_names(&e, folder);
	file_write(folder, "config.json", "{}", 2);
	assert_int_equal(statistics_read(&s, folder, NULL, &e), -ENOENT);
	assert_names(&e, STATISTICS "|norm_stats");
	file_write(folder, "config.json", "{\"norm_stats\": {}}", 18);
	assert_int_equal(statistics_read(&s, folder, NULL, &e), -ENOENT);
	assert_names(&e, "config.json|no statistics");
	file_write(folder, "config.json", config, sizeof config - 1);
	assert_int_equal(statistics_read(&s, folder, NULL, &e), 0);
	assert_string_equal(s.key, "a");
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
		{ "{\"a\": {\"action\": {\"min\": [0], \"max\": [NaN]}}}", "line" },
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
		assert_int_equal(statistics_read(&s, folder, NULL, &e), -EINVAL);
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
		cmocka_unit_test_setup_teardown(config_is_the_second_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(spoilt_statistics_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
