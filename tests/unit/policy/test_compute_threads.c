/* test_compute_threads.c - the cpu backend with several threads: every operation gives the same bits as with one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compute/compute.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

/* Just above what is shared out among threads (2^26 multiplications), with rows and columns that fill no tile. */
enum { ROWS = 131, INNER = 1045, OUTER = 515, HEADS = 16, HEAD_SIZE = 64, WIDTH = HEADS * HEAD_SIZE, LENGTH = 300, TABLE = HEAD_SIZE };
enum { VALUES_MAX = 2 * LENGTH * WIDTH };

static const uint32_t threads[] = { 1, 2, 3, 7 };

static const struct compute_backend *ops;
static struct compute *instance;
static float value[VALUES_MAX];
static uint64_t random_state;

/* Multiples of 1/64 up to 2: exact in every weight type. */
static float random_value(void)
{
	random_state ^= random_state >> 12; /* xorshift64*, so that a failure repeats */
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return ((float)(((random_state * UINT64_C(2685821657736338717)) >> 32) % 257) - 128.0f) / 64.0f;
}

static uint32_t bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits;
}

/* Random BF16 weights; the caller frees data. */
static struct compute_matrix random_matrix(uint32_t rows, uint32_t columns)
{
	uint16_t *data = calloc((size_t)rows * columns, sizeof *data);

	assert_non_null(data);
	for (size_t i = 0; i < (size_t)rows * columns; i++)
		data[i] = (uint16_t)(bits_of(random_value()) >> 16);
	return (struct compute_matrix){ data, TENSOR_BF16, rows, columns };
}

static void start(struct compute_options options)
{
	struct errbuf e;

	random_state = 88172645463325252u;
	ops = compute_backend_find("cpu", &e);
	assert_non_null(ops);
	assert_int_equal(ops->create(&instance, &options, &e), 0);
}

static void stop(void)
{
	struct errbuf e = { "" };

	assert_int_equal(ops->finish(instance, &e), 0);
	ops->destroy(instance);
	instance = NULL;
}

/* Views of these shapes, with random values. */
static void take(struct compute_view *view, const uint32_t (*shape)[2], uint32_t n)
{
	struct errbuf e;

	for (uint32_t i = 0; i < n; i++)
		view[i] = ops->take(instance, shape[i][0], shape[i][1]);
	assert_int_equal(ops->reserve(instance, &e), 0);
	for (uint32_t i = 0; i < n; i++)
		view[i] = ops->take(instance, shape[i][0], shape[i][1]);
	ops->freeze(instance);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(shape[i][0] * shape[i][1] <= VALUES_MAX);
		for (uint32_t k = 0; k < shape[i][0] * shape[i][1]; k++)
			value[k] = random_value();
		ops->upload(instance, value, view[i]);
	}
}

static void run_linear(struct compute_view x, struct compute_view out)
{
	struct compute_matrix w = random_matrix(OUTER, INNER), b = random_matrix(1, OUTER);

	assert_true((uint64_t)ROWS * INNER * OUTER >= UINT64_C(1) << 26);
	ops->linear(instance, x, w, b, COMPUTE_QUICK_GELU, out);
	free((void *)(uintptr_t)w.data);
	free((void *)(uintptr_t)b.data);
}

/* Both normalisations, rotation and attention of two segments, one after the other; enough values for each to be shared out. */
static void run_block(struct compute_view x, struct compute_view y, struct compute_view table)
{
	struct compute_matrix w = random_matrix(1, WIDTH), b = random_matrix(1, WIDTH);
	const uint32_t segment[] = { LENGTH, LENGTH - 37 };

	ops->layer_norm(instance, x, w, b, 1e-6, y);
	ops->rms_norm(instance, y, w, 1e-6, x);
	ops->rotary(instance, x, HEADS, table);
	ops->attention(instance, &(struct compute_attention){ .q = x, .k = x, .v = x, .out = y, .heads = HEADS, .kv_heads = HEADS,
			.head_size = HEAD_SIZE, .segment = segment, .n_segments = 2 });
	free((void *)(uintptr_t)w.data);
	free((void *)(uintptr_t)b.data);
}

/* A number that changes with any bit of what was computed. */
static uint64_t run_all(enum policy_precision precision, uint32_t n_threads)
{
	const uint32_t rows = 2 * LENGTH - 37;
	const uint32_t shape[][2] = { { ROWS, INNER }, { ROWS, OUTER }, { rows, WIDTH }, { rows, WIDTH }, { rows, TABLE } };
	struct compute_view view[5];
	uint64_t sum = 14695981039346656037u; /* FNV-1a */

	start((struct compute_options){ .precision = precision, .threads = n_threads, .max_rows = rows, .max_inner = INNER,
			.max_segment = LENGTH, .max_outer = OUTER });
	take(view, shape, 5);
	run_linear(view[0], view[1]);
	run_block(view[2], view[3], view[4]);
	for (uint32_t i = 1; i <= 3; i += 2) {
		ops->download(instance, view[i], value);
		for (uint32_t k = 0; k < view[i].rows * view[i].columns; k++) {
			assert_true(isfinite(value[k]));
			sum = (sum ^ bits_of(value[k])) * 1099511628211u;
		}
	}
	stop();
	return sum;
}

static void same_bits(void **state)
{
	(void)state;
	for (int p = POLICY_FP32; p <= POLICY_BF16; p++) {
		uint64_t alone = run_all((enum policy_precision)p, threads[0]);

		for (uint32_t i = 1; i < sizeof threads / sizeof *threads; i++)
			assert_true(run_all((enum policy_precision)p, threads[i]) == alone);
	}
	assert_true(run_all(POLICY_FP32, 1) != run_all(POLICY_BF16, 1));
}

/* Rows of weights that are longer than a tile: their products are added up piece by piece. With ones they count. */
static void long_rows(void **state)
{
	enum { LONG = 66001, FEW = 19, TALL = 7 };
	const uint32_t shape[][2] = { { TALL, LONG }, { TALL, FEW } };
	struct compute_view view[2];
	float ones = 1.0f;
	uint16_t *data = calloc((size_t)FEW * LONG, sizeof *data);

	(void)state;
	assert_non_null(data);
	start((struct compute_options){ .precision = POLICY_FP32, .threads = 2, .max_rows = TALL, .max_inner = LONG, .max_segment = 1,
			.max_outer = 1 });
	take(view, shape, 2);
	for (uint32_t i = 0; i < TALL * LONG; i++)
		value[i] = 1.0f;
	ops->upload(instance, value, view[0]);
	for (uint32_t i = 0; i < FEW; i++) /* row i has LONG - 3000 i ones */
		for (uint32_t k = 3000 * i; k < LONG; k++)
			data[(size_t)i * LONG + k] = (uint16_t)(bits_of(ones) >> 16);
	ops->linear(instance, view[0], (struct compute_matrix){ data, TENSOR_BF16, FEW, LONG }, (struct compute_matrix){ 0 }, COMPUTE_STORE,
			view[1]);
	ops->download(instance, view[1], value);
	for (uint32_t i = 0; i < TALL * FEW; i++)
		assert_int_equal((int)value[i], LONG - 3000 * (i % FEW));
	stop();
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bits),
		cmocka_unit_test(long_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
