/* test_gpu.c - `dreamvla-bench gpu` whole, on backends cpu and cuda-host with a model that is small: what it counts against counts by hand and what the
 * backend says it did; what it prints; how it refuses.
 *
 * In real time: it measures times. None of them is judged, but that they are there and that a floor is made of them. */
#include "daemon/bench/bench_gpu.h"
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <math.h>

static struct errbuf e;
static struct gpu_result result;

/* -- counts, by hand ---------------------------------------------------------------------------------------------------------------- */

static const struct bench_variant one_step = { "discrete", "discrete", BENCH_TOKENS, 2, 1, false, false };

/* Shape tiny, two pictures of 4 x 4 patches of 3 * 2 * 14 * 14 = 1176 values: 32 patches of width 16, merged to 8 tokens of 32; prefix
 * 40 + 8, actions 6, suffix 2: 56 positions. Keys and values are 16 wide, the MLPs 64 and 48. */
static void the_tiny_shape_is_counted_as_by_hand(void **state)
{
	const struct bench_shape *s = bench_shape_find("tiny", &e);
	struct bench_work work[BENCH_WORK_MAX];

	(void)state;
	assert_non_null(s);
	assert_int_equal(bench_shape_patches(s, 2), 32);
	assert_int_equal(bench_shape_prefix(s, 2), 48);
	assert_int_equal(bench_shape_prefix(s, 1), 42);
	assert_int_equal(bench_shape_work(s, &one_step, work), 3);
	/* Patches, one block (q|k|v, proj, fc1, fc2, attention within each of two pictures of 16), merger 64 -> 64 -> 32, projector. */
	double vision = 2. * 32 * 1176 * 16 + 2. * 32 * 48 * 16 + 2. * 32 * 16 * 16 + 2 * (2. * 32 * 64 * 16) + 2 * 2 * (2. * 16 * 16 * 16)
			+ 2. * 8 * 64 * 64 + 2. * 8 * 32 * 64 + 2 * (2. * 8 * 32 * 32);
	/* Two layers: q, k, v, scores and what they weigh; o, gate, up and down, of the second layer only where actions and suffix are told. */
	double decoder = 2 * (2. * 56 * 32 * (32 + 16 + 16) + 2 * (2. * 56 * 56 * 32)) + (56 + 8) * (2. * 32 * 32 + 3 * (2. * 48 * 32));

	assert_true(work[0].operations == vision && work[0].times == 1);
	assert_true(work[1].operations == decoder && work[1].times == 1);
	assert_true(work[2].operations == 2. * 6 * 640 * 32 && work[2].times == 1);
	/* Weights, then biases and norms. */
	assert_true(work[0].bytes == 2. * (16 * 1176 + 48 * 16 + 16 * 16 + 2 * 64 * 16 + 64 * 64 + 32 * 64 + 2 * 32 * 32
			+ 48 + 16 + 64 + 16 + 4 * 16 + 2 * 16 + 64 + 32 + 2 * 32));
	assert_true(work[1].bytes == 2. * (2 * (32 * 32 * 2 + 2 * 16 * 32 + 3 * 48 * 32 + 32 + 16 + 16 + 2 * 32) + 32));
	assert_true(work[2].bytes == 2. * 640 * 32);
	assert_int_equal(bench_shape_values(s), (uint64_t)(work[0].bytes + work[1].bytes + 2 * work[2].bytes) / 2);
}

/* Shape 7b: what daemon/bench/NOTES-gpu.md worked out on its own, to the digits that it gives; 0.07 TFLOP fewer in the decoder, whose last
 * layer runs 58 of 226 rows: 168 * 2 * (3584^2 + 3 * 18944 * 3584). */
static void the_7b_shape_is_counted_as_in_the_notes(void **state)
{
	const struct bench_shape *s = bench_shape_find("7b", &e);
	struct bench_work work[BENCH_WORK_MAX];
	double operations = 0, bytes = 0;

	(void)state;
	for (uint32_t i = 0; i < bench_shape_work(s, &one_step, work); i++) {
		operations += work[i].operations;
		bytes += work[i].bytes;
	}
	assert_int_equal(bench_shape_prefix(s, 2) + 56 + BENCH_SUFFIX, 226);
	assert_true(fabs(work[0].operations / 1e12 - 0.69) < 0.006 && fabs(work[0].bytes / 1e9 - 1.40) < 0.006);
	assert_true(fabs(work[1].operations / 1e12 - 2.897) < 0.006 && fabs(work[1].bytes / 1e9 - 13.05) < 0.006);
	assert_true(fabs(work[2].operations / 1e12 - 0.06) < 0.006 && fabs(work[2].bytes / 1e9 - 1.09) < 0.006);
	assert_true(fabs(operations / 1e12 - 3.645) < 0.006 && fabs(bytes / 1e9 - 15.54) < 0.006);
}

static void an_autoregressive_chunk_reads_all_weights_for_each_token(void **state)
{
	const struct bench_variant v = { "autoregressive", NULL, BENCH_AUTOREGRESSIVE, 2, 1, false, false };
	const struct bench_shape *s = bench_shape_find("tiny", &e);
	struct bench_work one[BENCH_WORK_MAX], work[BENCH_WORK_MAX];
	uint32_t n = bench_shape_work(s, &v, work);

	(void)state;
	(void)bench_shape_work(s, &one_step, one);
	assert_int_equal(n, 3 + 7); /* vision, prefix, its logits; eight tokens, the first of which the prefix gives */
	assert_true(work[1].operations == 2 * (2. * 48 * 32 * 64 + 2 * 2. * (48 * 49 / 2) * 32)
			+ (48 + 1) * (2. * 32 * 32 + 3 * (2. * 48 * 32)));
	assert_true(work[n - 1].operations == 2 * (2. * 32 * 96 + 3 * (2. * 48 * 32) + 2 * 2. * 55 * 32) + 2. * 640 * 32);
	assert_true(work[n - 1].bytes == one[1].bytes + one[2].bytes + 2. * 2 * 2 * 16 * 55);
}

/* Of two parts, one bound by arithmetic and one by memory, twice. */
static void a_floor_is_the_sum_of_what_takes_longer(void **state)
{
	const struct bench_work work[] = { { "a", 100, 1, 1 }, { "b", 10, 60, 2 } };

	(void)state;
	assert_true(bench_work_floor_s(work, 2, 10, 20) == 10 + 2 * 3);
}

/* -- the whole ---------------------------------------------------------------------------------------------------------------------- */

/* pads: sequences of a policy have a multiple of 32 rows, and what is done for those that are not its own counts as done. */
static bool has_done(const struct gpu_row *row, bool pads)
{
	return pads && strcmp(row->name, "autoregressive") ? row->announced > row->operations : row->announced == row->operations;
}

static void check_rows(const char *backend, bool is_device)
{
	const struct gpu_options o = { bench_shape_find("tiny", &e), backend, NULL, 0.01 };

	if (gpu_measure(&o, &result, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(result.n, 10);
	assert_true(result.operations_s > 0 && result.bytes_s > 0);
	for (uint32_t i = 0; i < result.n; i++) {
		const struct gpu_row *row = &result.row[i];

		if (!has_done(row, is_device))
			fail_msg("%s, %u pictures: %.0f operations counted, %.0f done", row->name, row->pictures, row->operations, row->announced);
		assert_true(row->median_s > 0 && row->p99_s >= row->median_s && row->rounds >= 5);
		assert_true(row->floor_s > 0 && row->memory_bytes > 2 * bench_shape_values(o.shape));
		assert_true((row->launches > 0) == is_device);
	}
}

static void every_row_is_measured_and_has_done_what_was_counted(void **state)
{
	(void)state;
	check_rows("cpu", false);
}

/* The cuda backend but for the GPU. By hand: what is joined is a product and a kernel, and so is a bias with an activation. Vision: upload,
 * patches, norm; a block of projection, attention, sum and norm, fc1, sum and norm; merger and projector. Layers: norm; projection,
 * attention, sum and norm, gated MLP, sum and norm, twice; logits. One step: the prompt, two pictures into it, the prefix into the
 * sequence, zeros in front of it, zeros and suffix behind it, the best tokens. Autoregressive: text and pictures; then for each token but the
 * first, which one it is, and its embedding. Of the 64 rows 56 are the sequence's own. */
static void the_cuda_backend_counts_its_launches(void **state)
{
	enum { vision = 3 + (2 + 1 + 2 + 2 + 2) + (2 + 1) + (2 + 1), layers = 1 + 2 * (2 + 1 + 2 + 2 + 2) + 1 };

	(void)state;
	check_rows("cuda-host", true);
	assert_int_equal(result.row[0].launches, vision + 1 + 2 + 1 + 1 + 2 + layers + 1);
	assert_true(result.row[0].announced - result.row[0].operations == 2 * (2. * (64 - 56) * 32 * (32 + 16 + 16) + 2 * (2. * (64 * 64 - 56 * 56) * 32))
			+ (64 - 56) * (2. * 32 * 32 + 3 * (2. * 48 * 32)));
	assert_int_equal(result.row[9].launches, vision + 2 + layers + 7 * (2 + layers));
}

static char *printed(bool json)
{
	const struct gpu_options o = { bench_shape_find("tiny", &e), "cpu", NULL, 0.01 };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	gpu_print(&o, &result, json, f);
	fclose(f);
	return text;
}

static void fake_rows(void)
{
	result = (struct gpu_result){ .operations_s = 7.9e14, .bytes_s = 4.3e12, .n = 3 };
	result.row[0] = (struct gpu_row){ .name = "discrete", .pictures = 2, .rounds = 100, .median_s = 6.5e-3, .p99_s = 7e-3, .floor_s = 5e-3,
		.launches = 730, .memory_bytes = 16000000000u };
	result.row[1] = (struct gpu_row){ .name = "autoregressive", .pictures = 2, .rounds = 5, .median_s = 195e-3, .p99_s = 200e-3,
		.floor_s = 150e-3 };
	result.row[2] = (struct gpu_row){ .name = "PyTorch, eager", .torch = true, .pictures = 2, .rounds = 9, .median_s = 39e-3, .p99_s = 40e-3 };
}

static void the_table_says_what_was_measured(void **state)
{
	(void)state;
	fake_rows();
	char *text = printed(false);

	assert_non_null(strstr(text, "790.0 TFLOP/s, 4.30 TB/s"));
	assert_non_null(strstr(text, "discrete                            2      6.500      7.000      5.000   1.30        1.00      730    16.00     100\n"));
	assert_non_null(strstr(text, "autoregressive                      2    195.000    200.000    150.000   1.30       30.00        -     0.00       5\n"));
	assert_non_null(strstr(text, "PyTorch, eager                      2     39.000     40.000          -      -        6.00        -     0.00       9\n"));
	free(text);
}

static void json_says_the_same(void **state)
{
	json_error_t problem;

	(void)state;
	fake_rows();
	char *text = printed(true);
	json_t *j = json_loads(text, 0, &problem), *rows = json_object_get(j, "rows"), *first = json_array_get(rows, 0);

	assert_int_equal(json_array_size(rows), 3);
	assert_true(json_real_value(json_object_get(first, "ratio")) == 6.5e-3 / 5e-3);
	assert_int_equal(json_integer_value(json_object_get(first, "kernels")), 730);
	assert_true(json_real_value(json_object_get(json_array_get(rows, 1), "times_discrete")) == 195e-3 / 6.5e-3);
	assert_null(json_object_get(json_array_get(rows, 2), "floor_s"));
	json_decref(j);
	free(text);
}

static void what_is_not_there_is_refused(void **state)
{
	const struct gpu_options none = { bench_shape_find("tiny", &e), "quantum", NULL, 0.01 };
	const struct gpu_options python = { none.shape, "cpu", "/nowhere/python", 0.01 };
	struct bench_checkpoint c = { 0 };

	(void)state;
	assert_int_equal(gpu_measure(&none, &result, &e), -EINVAL);
	assert_non_null(strstr(e.text, "quantum"));
	assert_null(bench_shape_find("7c", &e));
	assert_true(gpu_measure_torch(&python, &c, &result, &e) < 0);
	assert_non_null(strstr(e.text, "--torch /nowhere/python"));
}

static void a_script_that_fails_or_says_nonsense_is_an_error(void **state)
{
	const struct gpu_options fails = { bench_shape_find("tiny", &e), "cpu", "/bin/false", 0.01 };
	const struct gpu_options nonsense = { fails.shape, "cpu", "/bin/echo", 0.01 };
	struct bench_checkpoint c = { 0 };

	(void)state;
	assert_true(gpu_measure_torch(&fails, &c, &result, &e) < 0);
	assert_int_equal(gpu_measure_torch(&nonsense, &c, &result, &e), -EBADMSG);
}

/* The same network by others, where TORCH_PYTHON names a Python that has torch and transformers. */
static void pytorch_has_as_many_parameters_and_gives_rows(void **state)
{
	const char *python = getenv("TORCH_PYTHON");
	const struct gpu_options o = { bench_shape_find("tiny", &e), "cpu", python, 0.01 };
	struct bench_checkpoint c;

	(void)state;
	if (!python) {
		print_message("SKIP PyTorch: TORCH_PYTHON names no Python with torch and transformers\n");
		skip();
	}
	result.n = 0;
	assert_int_equal(bench_checkpoint_init(&c, o.shape, &e), 0);
	if (gpu_measure_torch(&o, &c, &result, &e) < 0)
		fail_msg("%s", e.text);
	bench_checkpoint_finish(&c);
	assert_int_equal(result.n, 4);
	for (uint32_t i = 0; i < result.n; i++)
		assert_true(result.row[i].torch && result.row[i].median_s > 0 && result.row[i].p99_s >= result.row[i].median_s);
	assert_string_equal(result.row[0].name, "PyTorch, eager");
	assert_string_equal(result.row[3].name, "PyTorch, compiled");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tiny_shape_is_counted_as_by_hand),
		cmocka_unit_test(the_7b_shape_is_counted_as_in_the_notes),
		cmocka_unit_test(an_autoregressive_chunk_reads_all_weights_for_each_token),
		cmocka_unit_test(a_floor_is_the_sum_of_what_takes_longer),
		cmocka_unit_test(every_row_is_measured_and_has_done_what_was_counted),
		cmocka_unit_test(the_cuda_backend_counts_its_launches),
		cmocka_unit_test(the_table_says_what_was_measured),
		cmocka_unit_test(json_says_the_same),
		cmocka_unit_test(what_is_not_there_is_refused),
		cmocka_unit_test(a_script_that_fails_or_says_nonsense_is_an_error),
		cmocka_unit_test(pytorch_has_as_many_parameters_and_gives_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
