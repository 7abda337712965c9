/* linear.c - weights to float, matrix products by oneDNN, and what follows a product.
 *
 * oneDNN 2.6 has neither a bfloat16 product without AVX-512 nor one of float by bfloat16, so weights are widened a tile of output
 * rows at a time and multiplied by dnnl_sgemm, which takes any shape without preparing anything. */
#include "policy/compute/cpu/cpu.h"

#include <errno.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <omp.h>

/* Multiplications from which more threads pay: below (about 3 ms) they mostly wait for each other, on a busy machine for long. */
static const uint64_t PARALLEL_PRODUCT = UINT64_C(1) << 26;

static void widen_bf16(const uint16_t *from, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = bits_float((uint32_t)from[i] << 16);
}

/* Binary16: moving exponent and fraction into place leaves the exponent 112 too small, which one product repairs, subnormal
 * numbers included; an exponent of all ones becomes one again. */
static void widen_f16(const uint16_t *from, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t magnitude = from[i] & 0x7fffu;
		uint32_t bits = float_bits(bits_float(magnitude << 13) * 0x1p112f);
		uint32_t special = magnitude >= 0x7c00u ? 0x7f800000u : 0u;

		out[i] = bits_float(bits | special | (uint32_t)(from[i] & 0x8000u) << 16);
	}
}

void cpu_widen(const struct compute *c, struct compute_matrix m, size_t first, size_t n, float *out)
{
	if (m.type == TENSOR_F32)
		memcpy(out, (const float *)m.data + first, n * sizeof *out);
	else if (m.type == TENSOR_BF16)
		widen_bf16((const uint16_t *)m.data + first, n, out);
	else
		widen_f16((const uint16_t *)m.data + first, n, out);
	if (c->round && m.type != TENSOR_BF16)
		for (size_t i = 0; i < n; i++)
			out[i] = round_bf16(out[i]);
}

const float *cpu_weights(const struct compute *c, struct compute_matrix m, size_t first, size_t n, float *scratch)
{
	if (m.type == TENSOR_F32 && !c->round)
		return (const float *)m.data + first;
	cpu_widen(c, m, first, n, scratch);
	return scratch;
}

void cpu_product(struct compute *c, bool transposed, uint32_t m, uint32_t n, uint32_t k, const float *a, uint32_t lda,
		const float *b, uint32_t ldb, float *out, uint32_t ldc)
{
	/* The number of threads belongs to the calling thread, which is not the one that created the policy. */
	if (!c->threads)
		c->threads = c->options.threads ? (int)c->options.threads : omp_get_max_threads();
	omp_set_num_threads((uint64_t)m * n * k < PARALLEL_PRODUCT ? 1 : c->threads);
	dnnl_status_t status = dnnl_sgemm('N', transposed ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, 0.0f, out, ldc);

	if (status != dnnl_success && !c->error)
		c->error = status == dnnl_out_of_memory ? -ENOMEM : -EIO;
}

/* Bias and activation of one row of products, in place: y [n]; bias may be NULL. One plain loop per step, for the vectors. */
static void finish_row(enum compute_epilogue epilogue, const float *bias, uint32_t n, float *y)
{
	const float half_root = 0.70710678118654752f; /* sqrt(1/2) */

	for (uint32_t i = 0; bias && i < n; i++)
		y[i] += bias[i];
	if (epilogue == COMPUTE_GELU) {
		for (uint32_t i = 0; i < n; i++)
			y[i] = 0.5f * y[i] * (1.0f + erff(y[i] * half_root));
	} else if (epilogue == COMPUTE_SILU) {
		for (uint32_t i = 0; i < n; i++)
			y[i] = y[i] * (1.0f / (1.0f + cpu_exp(-y[i])));
	} else if (epilogue == COMPUTE_RELU || epilogue == COMPUTE_RELU_ADD) {
		for (uint32_t i = 0; i < n; i++)
			y[i] = y[i] < 0.0f ? 0.0f : y[i]; /* NaN stays NaN */
	} else if (epilogue == COMPUTE_QUICK_GELU) {
		for (uint32_t i = 0; i < n; i++)
			y[i] *= 1.0f / (1.0f + cpu_exp(-1.702f * y[i]));
	}
}

/* One finished row y [n] -> out [n]. */
static void store_row(bool round, enum compute_epilogue epilogue, const float *restrict y, uint32_t n, float *restrict out)
{
	if (epilogue == COMPUTE_ADD || epilogue == COMPUTE_RELU_ADD)
		for (uint32_t i = 0; i < n; i++)
			out[i] += y[i];
	else if (epilogue == COMPUTE_MULTIPLY)
		for (uint32_t i = 0; i < n; i++)
			out[i] *= y[i];
	else
		memcpy(out, y, n * sizeof *out);
	for (uint32_t i = 0; round && i < n; i++)
		out[i] = round_bf16(out[i]);
}

static uint32_t tile_rows(uint32_t inner)
{
	uint32_t rows = TILE_FLOATS / inner;

	if (rows > TILE_ROWS)
		return TILE_ROWS;
	return rows < TILE_ROWS_MIN ? TILE_ROWS_MIN : rows;
}

void cpu_linear(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		enum compute_epilogue epilogue, struct compute_view out)
{
	uint32_t step = tile_rows(w.columns);
	bool round = c->round && epilogue != COMPUTE_STORE_FLOAT;

	assert(x.columns == w.columns && out.rows == x.rows && out.columns == w.rows && "linear: shapes do not fit");
	assert(x.rows <= c->options.max_rows && x.columns <= c->options.max_inner && "linear: larger than announced");
	for (uint32_t first = 0; first < w.rows; first += step) {
		uint32_t n = w.rows - first < step ? w.rows - first : step;
		const float *weight = cpu_weights(c, w, (size_t)first * w.columns, (size_t)n * w.columns, c->weight);
		const float *bias = b.data ? cpu_weights(c, b, first, n, c->first) : NULL;

		cpu_product(c, true, x.rows, n, w.columns, cpu_row(x, 0), x.stride, weight, w.columns, c->product, n);
		for (uint32_t r = 0; r < x.rows; r++) {
			float *y = c->product + (size_t)r * n;

			finish_row(epilogue, bias, n, y);
			store_row(round, epilogue, y, n, cpu_row(out, r) + first);
		}
	}
}
