/* test_cuda_load.c - weights of the cuda backend at start: what is announced, taken and sent, and that every failure on the way leaves
 * nothing behind. The device is card.h. */
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

#undef fail
int fail(struct errbuf *e, int code, const char *format, ...);

enum { ROWS = 3, INNER = 40, OUTER = 24, LARGE = STAGE_BYTES / 4 * 2 + 1000, WEIGHTS = 5 };

static const struct compute_backend *const table = &compute_backend_cuda_host;
static uint16_t gate[OUTER * INNER], up[OUTER * INNER], norm[OUTER];
static float large[LARGE];

/* A matrix of two parts; one that is rounded, and takes three stages; a vector; the same matrix under another name; one part of the first by
 * itself, which is another weight. */
static const struct compute_weight list[WEIGHTS] = {
	{ .part = { { gate, TENSOR_BF16, OUTER, INNER }, { up, TENSOR_BF16, OUTER, INNER } }, .n_parts = 2, .name = "gate, up" },
	{ .part = { { large, TENSOR_F32, LARGE / 8, 8 } }, .n_parts = 1, .name = "large" },
	{ .part = { { norm, TENSOR_BF16, 1, OUTER } }, .n_parts = 1, .name = "norm" },
	{ .part = { { large, TENSOR_F32, LARGE / 8, 8 } }, .n_parts = 1, .name = "large again" },
	{ .part = { { gate, TENSOR_BF16, OUTER, INNER } }, .n_parts = 1, .name = "gate" },
};
static const uint64_t BYTES = 2 * (2 * OUTER * INNER + LARGE + OUTER + OUTER * INNER), STAGED = (uint64_t)STAGES * STAGE_BYTES;
static const struct compute_options options = { .precision = POLICY_BF16, .max_rows = ROWS, .max_inner = INNER, .max_segment = ROWS,
	.max_outer = OUTER, .weights = list, .n_weights = WEIGHTS };

struct heard {
	uint32_t fetches, reports;
	double share;
	int answer;                 /* of fetch */
};

static int fetch(void *context, const void *from, uint64_t bytes, struct errbuf *e)
{
	struct heard *h = context;

	assert_non_null(from);
	assert_true(bytes > 0 && bytes <= STAGE_BYTES);
	h->fetches++;
	return h->answer && h->fetches == 3 ? fail(e, h->answer, "shard 7: cut short") : 0;
}

static void report(void *context, double share)
{
	struct heard *h = context;

	assert_true(share > h->share && share <= 1.0);
	h->share = share;
	h->reports++;
}

/* All of a start. Its result; the instance is there to be destroyed even where it failed. */
static int start(struct compute **c, struct heard *h, struct errbuf *e)
{
	int rc = table->create(c, &options, e);

	for (int pass = 0; pass < 2 && rc == 0; pass++) {
		(void)table->take(*c, ROWS, INNER);
		if (pass == 0)
			rc = table->reserve(*c, e);
	}
	if (rc < 0)
		return rc;
	table->freeze(*c);
	return table->load(*c, &(struct compute_loading){ fetch, report, h }, e);
}

static void every_weight_is_sent_once_to_memory_of_its_exact_size(void **state)
{
	struct compute_matrix w = { large, TENSOR_F32, LARGE / 8, 8 };
	struct heard h = { 0 };
	struct compute *c = NULL;
	struct errbuf e;

	(void)state;
	assert_int_equal(start(&c, &h, &e), 0);
	assert_int_equal(device.sends, 2 + 3 + 1 + 1);
	assert_int_equal(h.fetches, device.sends);
	assert_true(h.share == 1.0);
	uint64_t other = 2 * STAGED + c->memory_bytes + c->scratch_floats * sizeof(float), weights = device.taken_bytes - other;

	assert_true(weights >= BYTES && weights <= BYTES + 4 * DEVICE_ALIGN);
	const void *at = cuda_weights(c, w);

	assert_non_null(at);
	assert_ptr_equal(cuda_weights(c, w), at);
	assert_non_null(cuda_weights_joined(c, list[0].part, 2));
	assert_int_equal(device.sends, 7); /* none of them anew */
	assert_true(device.taken_bytes - other == weights);
	table->destroy(c);
	assert_int_equal(device.n_taken, 0);
}

/* What arrived, for those that are kept as stored. */
static void parts_lie_one_below_the_other(void **state)
{
	struct heard h = { 0 };
	struct compute *c = NULL;
	struct errbuf e;

	(void)state;
	for (uint32_t i = 0; i < OUTER * INNER; i++) {
		gate[i] = (uint16_t)i;
		up[i] = (uint16_t)(0x4000 + i);
	}
	assert_int_equal(start(&c, &h, &e), 0);
	const uint8_t *at = cuda_weights_joined(c, list[0].part, 2);

	assert_memory_equal(at, gate, sizeof gate);
	assert_memory_equal(at + sizeof gate, up, sizeof up);
	assert_memory_equal(cuda_weights(c, list[4].part[0]), gate, sizeof gate);
	table->destroy(c);
}

/* One more than fits: refused before anything is taken; by one byte less it fits. */
static void memory_is_refused_to_the_byte(void **state)
{
	struct heard h = { 0 };
	struct compute *c = NULL;
	struct errbuf e;

	(void)state;
	assert_int_equal(start(&c, &h, &e), 0);
	uint64_t wanted = device.taken_bytes - 2 * STAGED + RESERVE_BYTES;

	table->destroy(c);
	for (uint64_t missing = 0; missing < 2; missing++) {
		assert_int_equal(table->create(&c, &options, &e), 0);
		(void)table->take(c, ROWS, INNER);
		device.free_bytes = wanted - missing;
		uint64_t before = device.taken_bytes;

		assert_int_equal(table->reserve(c, &e), missing ? -ENOMEM : 0);
		assert_true((device.taken_bytes == before) == (missing == 1));
		table->destroy(c);
	}
	assert_non_null(strstr(e.text, "are missing; end what else runs on the GPU"));
	assert_int_equal(device.n_taken, 0);
}

/* Each call of the device fails once, in every way. */
static void a_failure_anywhere_leaves_nothing_behind(void **state)
{
	static const int codes[] = { OUT_OF_MEMORY, BROKEN, LOST };
	struct errbuf e;

	(void)state;
	for (size_t k = 0; k < sizeof codes / sizeof *codes; k++) {
		uint32_t failed = 0;
		int rc = -1;

		for (uint32_t at = 1; rc != 0; at++) {
			struct heard h = { 0 };
			struct compute *c = NULL;

			device.fail_at = at;
			device.fail_code = codes[k];
			e.text[0] = '\0';
			rc = start(&c, &h, &e);
			if (rc < 0)
				assert_true(e.text[0] && h.share < 1.0 + 1e-9 && ++failed);
			if (c)
				table->destroy(c);
			assert_int_equal(device.n_taken, 0);
		}
		assert_true(failed >= 1 + 4 + 1 + 3 + 7 * 3 + 1); /* open, buffers, its size, memory, transfers, the end */
	}
	device.fail_at = 0;
}

static void the_weight_that_failed_is_named(void **state)
{
	struct heard h = { 0 };
	struct compute *c = NULL;
	struct errbuf e;

	(void)state;
	assert_int_equal(start(&c, &h, &e), 0);
	table->destroy(c);
	device.fail_at = 1 + 2 + 1 + 3 + 3 + 2; /* the second part of the first one is sent */
	device.fail_code = LOST;
	h = (struct heard){ 0 };
	assert_int_equal(start(&c, &h, &e), -ENODEV);
	assert_string_equal(e.text, "card: gate, up: code 3");
	device.fail_at = 0;
	assert_int_equal(table->finish(c, &e), -ENODEV); /* and stays lost */
	table->destroy(c);
}

static void what_cannot_be_read_is_said_and_not_touched(void **state)
{
	struct heard h = { .answer = -EIO };
	struct compute *c = NULL;
	struct errbuf e;

	(void)state;
	assert_int_equal(start(&c, &h, &e), -EIO);
	assert_string_equal(e.text, "shard 7: cut short");
	assert_int_equal(h.fetches, 3);
	assert_int_equal(device.sends, 2);
	table->destroy(c);
	assert_int_equal(device.n_taken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_weight_is_sent_once_to_memory_of_its_exact_size),
		cmocka_unit_test(parts_lie_one_below_the_other),
		cmocka_unit_test(memory_is_refused_to_the_byte),
		cmocka_unit_test(a_failure_anywhere_leaves_nothing_behind),
		cmocka_unit_test(the_weight_that_failed_is_named),
		cmocka_unit_test(what_cannot_be_read_is_said_and_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
