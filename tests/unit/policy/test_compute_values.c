/* test_compute_values.c - tokens out of logits, and how the cpu backend reads, rounds and moves numbers. */
#include "tests/unit/policy/compute_fixture.h"

/* -- tokens --------------------------------------------------------------------------------------------------------------------- */

static void argmax_takes_the_first_and_marks_nan(void **state)
{
	const uint32_t shape[][2] = { { 4, 5 } };
	const float rows[4][5] = { { 1, 3, 2, 3, 0 }, { -5, -4, -9, -4, -4 }, { 0, 9, NAN, 1, 1 }, { -INFINITY, 0, INFINITY, 0, 0 } };
	struct compute_view view[1];
	int32_t token[4];

	(void)state;
	start(POLICY_FP32);
	take(view, shape, 1);
	ops->upload(instance, &rows[0][0], view[0]);
	ops->argmax(instance, view[0], token);
	assert_int_equal(token[0], 1);
	assert_int_equal(token[1], 1);
	assert_int_equal(token[2], -1);
	assert_int_equal(token[3], 2);
	stop();
}

/* Softmax over the k largest logits of x [n] (0: all). */
static struct compute_choice choose_by_definition(const float *x, uint32_t n, uint32_t k)
{
	double p[OUTER_MAX], sum = 0.0, first = 0.0, second = 0.0, entropy = 0.0;
	int32_t best = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t larger = 0;

		for (uint32_t j = 0; j < n; j++)
			larger += x[j] > x[i];
		p[i] = k && larger >= k ? 0.0 : exp((double)x[i]);
		sum += p[i];
		best = x[i] > x[best] ? (int32_t)i : best;
	}
	for (uint32_t i = 0; i < n; i++) {
		p[i] /= sum;
		entropy += p[i] * log(p[i] + 1e-10);
		if ((int32_t)i != best && p[i] > second)
			second = p[i];
	}
	first = p[best];
	return (struct compute_choice){ best, (float)first, (float)second, (float)entropy };
}

static void choose_is_softmax(void **state)
{
	const uint32_t shape[][2] = { { 3, 501 } }, top_k[] = { 0, 1, 2, 50, 501, 900 };
	struct compute_view view[1];
	struct compute_choice choice[3];

	(void)state;
	start(POLICY_FP32);
	take(view, shape, 1);
	for (uint32_t i = 0; i < 3 * 501; i++)
		input[i] = (float)(next_random() % 1000003) / 50000.0f - 10.0f;
	ops->upload(instance, input, view[0]);
	for (size_t k = 0; k < sizeof top_k / sizeof *top_k; k++) {
		ops->choose(instance, view[0], top_k[k], choice);
		for (uint32_t r = 0; r < 3; r++) {
			struct compute_choice want = choose_by_definition(input + r * 501, 501, top_k[k]);

			assert_int_equal(choice[r].token, want.token);
			assert_true(fabsf(choice[r].probability - want.probability) <= 1e-6f);
			assert_true(fabsf(choice[r].second - want.second) <= 1e-6f);
			assert_true(fabsf(choice[r].negative_entropy - want.negative_entropy) <= 1e-5f);
		}
	}
	stop();
}

static void choose_marks_nan(void **state)
{
	const uint32_t shape[][2] = { { 1, 3 } };
	struct compute_view view[1];
	struct compute_choice choice;

	(void)state;
	start(POLICY_FP32);
	take(view, shape, 1);
	ops->upload(instance, (float[]){ 1, NAN, 2 }, view[0]);
	ops->choose(instance, view[0], 0, &choice);
	assert_int_equal(choice.token, -1);
	assert_false(choice.probability > 0.0f);
	stop();
}

/* -- numbers -------------------------------------------------------------------------------------------------------------------- */

/* Every kind of binary16: zero, smallest and largest subnormal, normal, largest, infinite, not a number. */
static void half_precision_weights(void **state)
{
	static const uint16_t half[8] = { 0x0000, 0x8001, 0x03ff, 0x3c00, 0xc580, 0x7bff, 0xfc00, 0x7e01 };
	static const float value[7] = { 0.0f, -0x1p-24f, 0x1.ff8p-15f, 1.0f, -5.5f, 65504.0f, -INFINITY };
	const struct compute_matrix table = { half, TENSOR_F16, 1, 8 };
	const uint32_t shape[][2] = { { 1, 8 } };
	struct compute_view view[1];

	(void)state;
	start(POLICY_FP32);
	take(view, shape, 1);
	ops->embed(instance, table, (int32_t[]){ 0 }, view[0]);
	ops->download(instance, view[0], found);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(bits_of(found[i]), bits_of(value[i]));
	assert_true(isnan(found[7]));
	stop();
}

/* Ties go to the even neighbour, a carry reaches the exponent, overflow is infinite, NaN stays. */
static void rounding_to_bfloat16(void **state)
{
	static const uint32_t from[] = { 0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x3fffffff, 0x7f7fffff, 0xbf808000, 0x00000001 };
	static const uint32_t to[] = { 0x3f800000, 0x3f820000, 0x3f810000, 0x3f800000, 0x40000000, 0x7f800000, 0xbf800000, 0x00000000 };
	const uint32_t shape[][2] = { { 1, 9 } };
	struct compute_view view[1];

	(void)state;
	start(POLICY_BF16);
	take(view, shape, 1);
	for (uint32_t i = 0; i < 8; i++)
		input[i] = float_of(from[i]);
	input[8] = NAN;
	ops->upload(instance, input, view[0]);
	ops->download(instance, view[0], found);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(bits_of(found[i]), to[i]);
	assert_true(isnan(found[8]));
	stop();
}

/* The original converts its weights too: 1 + 2^-9 and 1 + 2^-10 are no bfloat16. */
static void weights_are_rounded_to_bfloat16_as_well(void **state)
{
	static const float single[2] = { 0x1.008p0f, -3.0f };
	static const uint16_t half[2] = { 0x3c01, 0xc200 };
	const struct compute_matrix table[2] = { { single, TENSOR_F32, 1, 2 }, { half, TENSOR_F16, 1, 2 } };
	const uint32_t shape[][2] = { { 1, 2 } };
	struct compute_view view[1];

	(void)state;
	start(POLICY_BF16);
	take(view, shape, 1);
	for (uint32_t i = 0; i < 2; i++) {
		ops->embed(instance, table[i], (int32_t[]){ 0 }, view[0]);
		ops->download(instance, view[0], found);
		assert_int_equal(bits_of(found[0]), bits_of(1.0f));
		assert_int_equal(bits_of(found[1]), bits_of(-3.0f));
	}
	stop();
}

static void embed_and_copy_pick_rows(void **state)
{
	static float table[6 * 3];
	const uint32_t shape[][2] = { { 4, 3 }, { 2, 3 } };
	struct compute_view view[2];

	(void)state;
	precision = POLICY_FP32;
	start(precision);
	take(view, shape, 2);
	struct compute_matrix weight = random_matrix(TENSOR_BF16, 6, 3, table);

	ops->embed(instance, weight, (int32_t[]){ 5, 0, 5, 2 }, view[0]);
	ops->copy(instance, compute_rows(view[0], 2, 2), view[1]);
	ops->download(instance, view[1], found);
	assert_memory_equal(found, table + 5 * 3, 3 * sizeof *found);
	assert_memory_equal(found + 3, table + 2 * 3, 3 * sizeof *found);
	free((void *)(uintptr_t)weight.data);
	stop();
}

static void unknown_backend_lists_those_there_are(void **state)
{
	struct errbuf e;

	(void)state;
	assert_null(compute_backend_find("tpu", &e));
	assert_non_null(strstr(e.text, "tpu"));
	assert_non_null(strstr(e.text, "cpu"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(argmax_takes_the_first_and_marks_nan),
		cmocka_unit_test(choose_is_softmax),
		cmocka_unit_test(choose_marks_nan),
		cmocka_unit_test(half_precision_weights),
		cmocka_unit_test(rounding_to_bfloat16),
		cmocka_unit_test(weights_are_rounded_to_bfloat16_as_well),
		cmocka_unit_test(embed_and_copy_pick_rows),
		cmocka_unit_test(unknown_backend_lists_those_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
