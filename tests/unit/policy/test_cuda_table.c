/* test_cuda_table.c - the cuda backend's table on a device that counts and fails: what is sent how often, what is refused, what sticks. */
#define CUDA_HOST 1
#include "policy/compute/cuda/cuda.c"
#include "policy/compute/cuda/joined.c"
#include "policy/compute/cuda/operations.c"
#include "policy/compute/cuda/pieces.c"
#include "policy/compute/cuda/weights.c"

#include "tests/unit/policy/card.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* last: its macro fail() would hide ours */

/* -- tests ----------------------------------------------------------------------------------------------------------------------- */

enum { ROWS = 3, INNER = 40, OUTER = 24 };
static const struct compute_backend *const table = &compute_backend_cuda_host;
static const struct compute_options limits = { .precision = POLICY_BF16, .max_rows = ROWS, .max_inner = INNER, .max_segment = ROWS,
	.max_outer = OUTER };

struct bench {
	struct compute *c;
	struct compute_view x, out, logits;
};

static void open_bench(struct bench *b, struct compute_options options)
{
	struct errbuf e;

	assert_int_equal(table->create(&b->c, &options, &e), 0);
	for (int pass = 0; pass < 2; pass++) {
		b->x = table->take(b->c, ROWS, INNER);
		b->out = table->take(b->c, ROWS, OUTER);
		b->logits = table->take_float(b->c, ROWS, OUTER);
		if (pass == 0)
			assert_int_equal(table->reserve(b->c, &e), 0);
	}
	table->freeze(b->c);
}

static void close_bench(struct bench *b)
{
	table->destroy(b->c);
	assert_int_equal(device.n_taken, 0);
}

static void what_does_not_fit_is_refused_before_it_is_taken(void **state)
{
	struct compute_options options = limits;
	struct compute *c;
	struct errbuf e;

	(void)state;
	options.weight_values = UINT64_C(8300000000);
	assert_int_equal(table->create(&c, &options, &e), 0);
	(void)table->take(c, ROWS, INNER);
	device.free_bytes = UINT64_C(15200000000);
	uint64_t before = device.taken_bytes;

	assert_int_equal(table->reserve(c, &e), -ENOMEM);
	assert_true(device.taken_bytes == before);
	assert_non_null(strstr(e.text, "a card: weights 16.60 GB"));
	assert_non_null(strstr(e.text, "only 15.20 GB are free: 1.94 GB are missing"));
	assert_null(strstr(e.text, "use precision bf16"));
	table->destroy(c);
	options.precision = POLICY_FP32;
	assert_int_equal(table->create(&c, &options, &e), 0);
	device.free_bytes = UINT64_C(15200000000);
	assert_int_equal(table->reserve(c, &e), -ENOMEM);
	assert_non_null(strstr(e.text, "weights 33.20 GB"));
	assert_non_null(strstr(e.text, "use precision bf16"));
	table->destroy(c);
	assert_int_equal(device.n_taken, 0);
}

static void a_weight_is_sent_once(void **state)
{
	static const uint16_t stored[OUTER * INNER], bias[OUTER];
	const struct compute_matrix w = { stored, TENSOR_BF16, OUTER, INNER }, b = { bias, TENSOR_BF16, 1, OUTER };
	struct compute_matrix half = { stored + OUTER / 2 * INNER, TENSOR_BF16, OUTER / 2, INNER };
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	table->linear(bench.c, bench.x, w, b, COMPUTE_STORE, bench.out);
	assert_int_equal(device.sends, 2);
	assert_int_equal(device.sent_bytes, sizeof stored + sizeof bias);
	table->linear(bench.c, bench.x, w, b, COMPUTE_STORE, bench.out);
	assert_int_equal(device.sends, 2);
	assert_int_equal(device.products, 2);
	assert_int_equal(device.kernels, 0); /* stored as it is kept, nothing follows the product */
	table->linear(bench.c, bench.x, half, (struct compute_matrix){ 0 }, COMPUTE_STORE, compute_columns(bench.out, 0, OUTER / 2));
	assert_int_equal(device.sends, 3);
	close_bench(&bench);
}

static void what_joins_others_is_one_product_and_one_kernel(void **state)
{
	static const uint16_t gate[OUTER * INNER], up[OUTER * INNER], norm[OUTER];
	const struct compute_matrix g = { gate, TENSOR_BF16, OUTER, INNER }, u = { up, TENSOR_BF16, OUTER, INNER }, none = { 0 };
	const struct compute_norm n = { { norm, TENSOR_BF16, 1, OUTER }, none, 1e-6 };
	struct compute_projection p = { .w = { { gate, TENSOR_BF16, 8, INNER }, { up, TENSOR_BF16, 8, INNER }, { up + 8, TENSOR_BF16, 8, INNER } },
		.heads = 1, .kv_heads = 1 };
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	p.angles = compute_columns(bench.logits, 0, 8);
	for (uint32_t i = 1; i <= 2; i++) {
		table->linear_gated(bench.c, bench.x, g, u, bench.out);
		table->project_heads(bench.c, bench.x, &p, bench.out);
		table->linear_add_norm(bench.c, bench.x, g, none, bench.out, &n, bench.out);
		assert_int_equal(device.products, 3 * i);
		assert_int_equal(device.kernels, 3 * i);
		assert_int_equal(device.sends, 2 + 3 + 2); /* each part, once */
	}
	table->linear_gated(bench.c, bench.x, u, g, bench.out); /* joined the other way round they are another matrix */
	assert_int_equal(device.sends, 9);
	close_bench(&bench);
}

static void nothing_joined_starts_after_a_failure(void **state)
{
	static const uint16_t gate[OUTER * INNER], up[OUTER * INNER];
	struct errbuf e;
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	device.kernel_code = BROKEN;
	table->zero(bench.c, bench.x);
	table->linear_gated(bench.c, bench.x, (struct compute_matrix){ gate, TENSOR_BF16, OUTER, INNER },
			(struct compute_matrix){ up, TENSOR_BF16, OUTER, INNER }, bench.out);
	assert_int_equal(device.products, 0);
	assert_int_equal(device.kernels, 1);
	assert_int_equal(device.sends, 0);
	assert_int_equal(table->finish(bench.c, &e), -EIO);
	close_bench(&bench);
}

static void a_large_weight_goes_by_stages(void **state)
{
	enum { VALUES = STAGE_BYTES / 4 * 2 + 1000 };
	float *stored = calloc(VALUES, sizeof *stored);
	struct bench bench;

	(void)state;
	assert_non_null(stored);
	open_bench(&bench, limits);
	assert_non_null(cuda_weights(bench.c, (struct compute_matrix){ stored, TENSOR_F32, VALUES / 8, 8 }));
	assert_int_equal(device.sends, 3);
	assert_int_equal(device.kernels, 3); /* each part is rounded */
	assert_int_equal(device.sent_bytes, (uint64_t)VALUES * sizeof *stored);
	close_bench(&bench);
	free(stored);
}

static void the_first_failure_sticks_until_finish(void **state)
{
	struct errbuf e;
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	device.kernel_code = BROKEN;
	table->zero(bench.c, bench.x);
	device.kernel_code = OUT_OF_MEMORY;
	table->copy(bench.c, bench.x, bench.x);
	assert_int_equal(table->finish(bench.c, &e), -EIO);
	assert_string_equal(e.text, "card: zero: code 2");
	device.kernel_code = 0;
	assert_int_equal(table->finish(bench.c, &e), 0);
	close_bench(&bench);
}

static void a_failure_leaves_no_tokens(void **state)
{
	struct compute_choice choice[ROWS];
	int32_t token[ROWS];
	struct errbuf e;
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	table->argmax(bench.c, bench.logits, token);
	assert_int_equal(token[ROWS - 1], 5);
	device.kernel_code = BROKEN;
	table->argmax(bench.c, bench.logits, token);
	table->choose(bench.c, bench.logits, 0, choice);
	for (uint32_t i = 0; i < ROWS; i++) {
		assert_int_equal(token[i], -1);
		assert_int_equal(choice[i].token, -1);
	}
	device.kernel_code = 0; /* what failed earlier spoils what follows it, too */
	table->argmax(bench.c, bench.logits, token);
	assert_int_equal(token[0], -1);
	assert_int_equal(table->finish(bench.c, &e), -EIO);
	close_bench(&bench);
}

static void a_lost_device_stays_lost(void **state)
{
	struct errbuf e;
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	device.kernel_code = LOST;
	table->zero(bench.c, bench.x);
	device.kernel_code = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(table->finish(bench.c, &e), -ENODEV);
	close_bench(&bench);
}

static void no_memory_for_a_weight_stops_the_product(void **state)
{
	static const uint16_t stored[OUTER * INNER];
	struct errbuf e;
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	device.take_code = OUT_OF_MEMORY;
	table->linear(bench.c, bench.x, (struct compute_matrix){ stored, TENSOR_BF16, OUTER, INNER }, (struct compute_matrix){ 0 },
			COMPUTE_STORE, bench.out);
	assert_int_equal(device.products, 0);
	assert_int_equal(table->finish(bench.c, &e), -ENOMEM);
	assert_non_null(strstr(e.text, "memory for weights"));
	device.take_code = 0;
	close_bench(&bench);
}

static void a_head_too_large_is_refused(void **state)
{
	const uint32_t rows = ROWS;
	struct errbuf e;
	struct bench bench;

	(void)state;
	open_bench(&bench, limits);
	table->attention(bench.c, &(struct compute_attention){ .q = bench.x, .k = bench.x, .v = bench.x, .out = bench.x, .heads = 1,
			.kv_heads = 1, .head_size = HEAD_SIZE_MAX + 1, .segment = &rows, .n_segments = 1 });
	assert_int_equal(device.kernels, 0);
	assert_int_equal(table->finish(bench.c, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "heads of 257 values, at most 256"));
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_does_not_fit_is_refused_before_it_is_taken),
		cmocka_unit_test(a_weight_is_sent_once),
		cmocka_unit_test(what_joins_others_is_one_product_and_one_kernel),
		cmocka_unit_test(nothing_joined_starts_after_a_failure),
		cmocka_unit_test(a_large_weight_goes_by_stages),
		cmocka_unit_test(the_first_failure_sticks_until_finish),
		cmocka_unit_test(a_failure_leaves_no_tokens),
		cmocka_unit_test(a_lost_device_stays_lost),
		cmocka_unit_test(no_memory_for_a_weight_stops_the_product),
		cmocka_unit_test(a_head_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
