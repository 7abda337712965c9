/* test_compute.c - every operation of the cpu backend against its definition in double, over odd shapes, types and both precisions. */
#include "tests/unit/policy/compute_fixture.h"

static double wanted[VALUES_MAX];

/* -- helpers -------------------------------------------------------------------------------------------------------------------- */

/* What the tests hold to be rounding to the precision: nearest of eight significant bits, ties to even, by arithmetic. */
static double rounded(double x)
{
	int exponent;

	if (precision == POLICY_FP32 || !isfinite(x) || !(fabs(x) > 0.0))
		return x;
	double fraction = frexp(x, &exponent);

	return ldexp(rint(ldexp(fraction, 8)), exponent - 8);
}

static void fill_random(struct compute_view v, float *value)
{
	for (uint32_t i = 0; i < v.rows * v.columns; i++)
		value[i] = random_value();
	ops->upload(instance, value, v);
}

/* Holds v against `wanted`. In bfloat16 a sum on the edge between two numbers may fall either way: then one step (2^-7). */
static void expect(struct compute_view v, double scale)
{
	uint32_t n = v.rows * v.columns, others = 0;

	ops->download(instance, v, found);
	for (uint32_t i = 0; i < n; i++) {
		double difference = fabs((double)found[i] - wanted[i]);
		double budget = precision == POLICY_FP32 ? 2e-6 * scale : 0.0079 * fabs(wanted[i]) + 2e-6 * scale;

		if (!(difference <= budget))
			fail_msg("value %u of %u: %.9g, want %.9g", i, n, (double)found[i], wanted[i]);
		others += difference > 2e-6 * scale;
	}
	assert_true(others <= n / 50 + 1);
}

/* -- linear --------------------------------------------------------------------------------------------------------------------- */

static double sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

static double after(enum compute_epilogue epilogue, double y, double before)
{
	switch (epilogue) {
	case COMPUTE_STORE:
		return rounded(y);
	case COMPUTE_STORE_FLOAT:
		return y;
	case COMPUTE_RELU:
		return rounded(y > 0.0 ? y : 0.0);
	case COMPUTE_RELU_ADD:
		return rounded(before + (y > 0.0 ? y : 0.0));
	case COMPUTE_GELU:
		return rounded(0.5 * y * (1.0 + erf(y / sqrt(2.0))));
	case COMPUTE_QUICK_GELU:
		return rounded(y * sigmoid(1.702 * y));
	case COMPUTE_SILU:
		return rounded(y * sigmoid(y));
	case COMPUTE_ADD:
		return rounded(y + before);
	case COMPUTE_MULTIPLY:
		return rounded(y * before);
	}
	return NAN;
}

static void check_linear(enum tensor_type type, enum compute_epilogue epilogue, bool bias, uint32_t m, uint32_t n, uint32_t k)
{
	static float w[INNER_MAX * OUTER_MAX], b[OUTER_MAX], before[VALUES_MAX];
	const uint32_t shape[][2] = { { m, k }, { m, n } };
	struct compute_view view[2];
	double scale = 4.0 * k;

	start(precision);
	take(view, shape, 2);
	fill_random(view[0], input);
	fill_random(view[1], before);
	struct compute_matrix weight = random_matrix(type, n, k, w), add = { 0 };

	if (bias)
		add = random_matrix(type, 1, n, b);
	for (uint32_t r = 0; r < m; r++) {
		for (uint32_t j = 0; j < n; j++) {
			double sum = bias ? (double)b[j] : 0.0;

			for (uint32_t i = 0; i < k; i++)
				sum += (double)input[r * k + i] * (double)w[j * k + i];
			wanted[r * n + j] = after(epilogue, sum, (double)before[r * n + j]);
		}
	}
	ops->linear(instance, view[0], weight, add, epilogue, view[1]);
	expect(view[1], epilogue == COMPUTE_MULTIPLY ? 2.0 * scale : scale);
	free((void *)(uintptr_t)weight.data);
	free((void *)(uintptr_t)add.data);
	stop();
}

static void linear_types_and_epilogues(void **state)
{
	(void)state;
	for (precision = POLICY_FP32; precision <= POLICY_BF16; precision++)
		for (enum tensor_type type = 0; type < TENSOR_TYPE_COUNT; type++)
			for (enum compute_epilogue epilogue = COMPUTE_STORE; epilogue <= COMPUTE_STORE_FLOAT; epilogue++)
				check_linear(type, epilogue, epilogue % 2 == 0, 7, 33, 19);
}

/* One row, one column, more rows than a tile of weights, and a last tile that is not full. */
static void linear_shapes(void **state)
{
	static const uint32_t shape[][3] = { { 1, 1, 1 }, { 1, 5, 700 }, { 3, 1100, 17 }, { 65, 130, 64 }, { 300, 2, 3 } };

	(void)state;
	for (precision = POLICY_FP32; precision <= POLICY_BF16; precision++)
		for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
			check_linear(TENSOR_BF16, COMPUTE_STORE, true, shape[i][0], shape[i][1], shape[i][2]);
}

/* The network reads columns of a wide row (q | k | v) and writes rows of a longer buffer. */
static void linear_strided(void **state)
{
	static float w[4 * 3];
	const uint32_t shape[][2] = { { 2, 9 }, { 5, 4 } };
	struct compute_view view[2];

	(void)state;
	precision = POLICY_FP32;
	start(precision);
	take(view, shape, 2);
	fill_random(view[0], input);
	struct compute_matrix weight = random_matrix(TENSOR_F32, 4, 3, w);
	struct compute_view out = compute_rows(view[1], 1, 2);

	ops->linear(instance, compute_columns(view[0], 6, 3), weight, (struct compute_matrix){ 0 }, COMPUTE_STORE, out);
	memset(wanted, 0, sizeof(double) * 20);
	for (uint32_t r = 0; r < 2; r++)
		for (uint32_t j = 0; j < 4; j++)
			for (uint32_t i = 0; i < 3; i++)
				wanted[(r + 1) * 4 + j] += (double)input[r * 9 + 6 + i] * (double)w[j * 3 + i];
	expect(view[1], 12.0);
	free((void *)(uintptr_t)weight.data);
	stop();
}

/* -- norms, rotary -------------------------------------------------------------------------------------------------------------- */

static void check_layer_norm(uint32_t rows, uint32_t n)
{
	static float w[INNER_MAX], b[INNER_MAX];
	const uint32_t shape[][2] = { { rows, n }, { rows, n } };
	struct compute_view view[2];

	start(precision);
	take(view, shape, 2);
	fill_random(view[0], input);
	struct compute_matrix weight = random_matrix(TENSOR_BF16, 1, n, w), bias = random_matrix(TENSOR_F32, 1, n, b);

	for (uint32_t r = 0; r < rows; r++) {
		const float *x = input + r * n;
		double mean = 0.0, variance = 0.0;

		for (uint32_t i = 0; i < n; i++)
			mean += (double)x[i] / n;
		for (uint32_t i = 0; i < n; i++)
			variance += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
		for (uint32_t i = 0; i < n; i++)
			wanted[r * n + i] = rounded(((double)x[i] - mean) / sqrt(variance + 1e-6) * (double)w[i] + (double)b[i]);
	}
	ops->layer_norm(instance, view[0], weight, bias, 1e-6, view[1]);
	expect(view[1], 4.0);
	free((void *)(uintptr_t)weight.data);
	free((void *)(uintptr_t)bias.data);
	stop();
}

static void check_rms_norm(uint32_t rows, uint32_t n)
{
	static float w[INNER_MAX];
	const uint32_t shape[][2] = { { rows, n }, { rows, n } };
	struct compute_view view[2];

	start(precision);
	take(view, shape, 2);
	fill_random(view[0], input);
	struct compute_matrix weight = random_matrix(TENSOR_F16, 1, n, w);

	for (uint32_t r = 0; r < rows; r++) {
		const float *x = input + r * n;
		double squares = 0.0;

		for (uint32_t i = 0; i < n; i++)
			squares += (double)x[i] * (double)x[i] / n;
		for (uint32_t i = 0; i < n; i++)
			wanted[r * n + i] = rounded((double)x[i] / sqrt(squares + 1e-5) * (double)w[i]);
	}
	ops->rms_norm(instance, view[0], weight, 1e-5, view[1]);
	expect(view[1], 4.0);
	free((void *)(uintptr_t)weight.data);
	stop();
}

static void norms(void **state)
{
	(void)state;
	for (precision = POLICY_FP32; precision <= POLICY_BF16; precision++) {
		check_layer_norm(5, 37);
		check_layer_norm(1, 700);
		check_rms_norm(5, 37);
		check_rms_norm(1, 700);
	}
}

/* Values of one row and of all rows 0 must not divide by zero. */
static void norms_of_nothing(void **state)
{
	static float w[8], b[8];
	const uint32_t shape[][2] = { { 1, 8 }, { 1, 8 } };
	struct compute_view view[2];

	(void)state;
	precision = POLICY_FP32;
	start(precision);
	take(view, shape, 2);
	struct compute_matrix weight = random_matrix(TENSOR_F32, 1, 8, w), bias = random_matrix(TENSOR_F32, 1, 8, b);

	ops->zero(instance, view[0]);
	ops->layer_norm(instance, view[0], weight, bias, 1e-6, view[1]);
	for (uint32_t i = 0; i < 8; i++)
		wanted[i] = (double)b[i];
	expect(view[1], 1.0);
	ops->rms_norm(instance, view[0], weight, 1e-6, view[1]);
	memset(wanted, 0, 8 * sizeof *wanted);
	expect(view[1], 1.0);
	free((void *)(uintptr_t)weight.data);
	free((void *)(uintptr_t)bias.data);
	stop();
}

static void check_rotary(uint32_t rows, uint32_t heads, uint32_t half)
{
	static float cosine[VALUES_MAX / 8], sine[VALUES_MAX / 8];
	const uint32_t shape[][2] = { { rows, heads * 2 * half }, { rows, 2 * half } };
	struct compute_view view[2];

	start(precision);
	take(view, shape, 2);
	fill_random(view[0], input);
	for (uint32_t i = 0; i < rows * half; i++) {
		cosine[i] = cosf((float)i);
		sine[i] = sinf((float)i);
	}
	for (uint32_t r = 0; r < rows; r++) {
		for (uint32_t i = 0; i < heads * half; i++) {
			uint32_t j = i % half, at = r * heads * 2 * half + i / half * 2 * half + j;
			double c = (double)cosine[r * half + j], s = (double)sine[r * half + j];
			double low = (double)input[at], high = (double)input[at + half];

			wanted[at] = rounded(low * c - high * s);
			wanted[at + half] = rounded(high * c + low * s);
		}
	}
	ops->upload_angles(instance, cosine, sine, view[1]);
	ops->rotary(instance, view[0], heads, view[1]);
	expect(view[0], 4.0);
	stop();
}

static void rotary(void **state)
{
	(void)state;
	for (precision = POLICY_FP32; precision <= POLICY_BF16; precision++) {
		check_rotary(5, 3, 4);
		check_rotary(1, 1, 1);
		check_rotary(67, 2, 20);
	}
}

/* -- attention ------------------------------------------------------------------------------------------------------------------ */

/* One query row of one head: out [size]. x = q | k | v of every row, width columns each. */
static void attend_row(const float *q, const float *k, const float *v, uint32_t length, uint32_t stride, uint32_t size, double *out)
{
	static double weight[ROWS_MAX];
	double sum = 0.0;

	for (uint32_t t = 0; t < length; t++) {
		double score = 0.0;

		for (uint32_t i = 0; i < size; i++)
			score += (double)q[i] * (double)k[t * stride + i];
		weight[t] = exp(score / sqrt(size));
		sum += weight[t];
	}
	for (uint32_t i = 0; i < size; i++) {
		double value = 0.0;

		for (uint32_t t = 0; t < length; t++)
			value += weight[t] / sum * (double)v[t * stride + i];
		out[i] = rounded(value);
	}
}

static void check_attention(uint32_t heads, uint32_t kv_heads, uint32_t size, const uint32_t *segment, uint32_t n_segments)
{
	uint32_t rows = 0, width = (heads + 2 * kv_heads) * size, first = 0;
	struct compute_view view[2];

	for (uint32_t s = 0; s < n_segments; s++)
		rows += segment[s];
	const uint32_t shape[][2] = { { rows, width }, { rows, heads * size } };

	start(precision);
	take(view, shape, 2);
	fill_random(view[0], input);
	for (uint32_t s = 0; s < n_segments; first += segment[s++]) {
		for (uint32_t r = first; r < first + segment[s]; r++) {
			for (uint32_t h = 0; h < heads; h++) {
				const float *k = input + first * width + (heads + h * kv_heads / heads) * size;

				attend_row(input + r * width + h * size, k, k + kv_heads * size, segment[s], width, size,
						wanted + (r * heads + h) * size);
			}
		}
	}
	ops->attention(instance, &(struct compute_attention){ .q = compute_columns(view[0], 0, heads * size),
			.k = compute_columns(view[0], heads * size, kv_heads * size),
			.v = compute_columns(view[0], (heads + kv_heads) * size, kv_heads * size), .out = view[1], .heads = heads,
			.kv_heads = kv_heads, .head_size = size, .segment = segment, .n_segments = n_segments });
	/* Where weights cancel, bfloat16 steps of the weights show in the sum. */
	expect(view[1], precision == POLICY_FP32 ? 2.0 : 2000.0);
	stop();
}

static void attention(void **state)
{
	(void)state;
	for (precision = POLICY_FP32; precision <= POLICY_BF16; precision++) {
		check_attention(1, 1, 1, (uint32_t[]){ 1 }, 1);
		check_attention(4, 2, 5, (uint32_t[]){ 7, 3 }, 2);
		check_attention(3, 1, 8, (uint32_t[]){ 150, 1, 131 }, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linear_types_and_epilogues),
		cmocka_unit_test(linear_shapes),
		cmocka_unit_test(linear_strided),
		cmocka_unit_test(norms),
		cmocka_unit_test(norms_of_nothing),
		cmocka_unit_test(rotary),
		cmocka_unit_test(attention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
