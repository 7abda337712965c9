/* rows.cu - the two normalisations, a block to a row, and the rotary embedding.
 *
 * A row is read two or three times; after the first it comes from the cache next to the multiprocessor. */
#include "policy/compute/cuda/kernel.h"

enum { NORM_THREADS_MAX = 512, BLOCK = 128 };

struct norm {
	struct compute_view x, out;
	const uint8_t *weight, *bias;
	float eps;
	bool whole;
};

DEVICE void layer_norm_row(const struct norm a, bool narrow, float *partial)
{
	const uint8_t *x = row_of(a.x, blockIdx.x, narrow);
	uint8_t *out = row_of(a.out, blockIdx.x, narrow);
	uint32_t n = a.x.columns, first = threadIdx.x * EIGHT, step = blockDim.x * EIGHT;
	float sum = 0.0f, squares = 0.0f;

	for (uint32_t i = first; i < n; i += step) {
		struct eight e = take_eight(x, i, n, narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			sum += e.v[k];
	}
	float mean = sum_block(sum, partial) / (float)n;

	for (uint32_t i = first; i < n; i += step) {
		struct eight e = take_eight(x, i, n, narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			squares += i + k < n ? (e.v[k] - mean) * (e.v[k] - mean) : 0.0f;
	}
	float scale = 1.0f / sqrtf(sum_block(squares, partial) / (float)n + a.eps);

	for (uint32_t i = first; i < n; i += step) {
		struct eight e = take_eight(x, i, n, narrow, a.whole), w = take_eight(a.weight, i, n, narrow, a.whole);
		struct eight b = take_eight(a.bias, i, n, narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			e.v[k] = (e.v[k] - mean) * scale * w.v[k] + b.v[k];
		put_eight(out, i, n, narrow, a.whole, e);
	}
}

DEVICE void rms_norm_row(const struct norm a, bool narrow, float *partial)
{
	const uint8_t *x = row_of(a.x, blockIdx.x, narrow);
	uint8_t *out = row_of(a.out, blockIdx.x, narrow);
	uint32_t n = a.x.columns, first = threadIdx.x * EIGHT, step = blockDim.x * EIGHT;
	float squares = 0.0f;

	for (uint32_t i = first; i < n; i += step) {
		struct eight e = take_eight(x, i, n, narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			squares += e.v[k] * e.v[k];
	}
	float scale = 1.0f / sqrtf(sum_block(squares, partial) / (float)n + a.eps);

	for (uint32_t i = first; i < n; i += step) {
		struct eight e = take_eight(x, i, n, narrow, a.whole), w = take_eight(a.weight, i, n, narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			e.v[k] = e.v[k] * scale * w.v[k];
		put_eight(out, i, n, narrow, a.whole, e);
	}
}

KERNEL(layer_norm_narrow, norm)
{
	SHARED(float, partial);

	layer_norm_row(a, true, partial);
}

KERNEL(layer_norm_float, norm)
{
	SHARED(float, partial);

	layer_norm_row(a, false, partial);
}

KERNEL(rms_norm_narrow, norm)
{
	SHARED(float, partial);

	rms_norm_row(a, true, partial);
}

KERNEL(rms_norm_float, norm)
{
	SHARED(float, partial);

	rms_norm_row(a, false, partial);
}

static bool norm_is_whole(struct compute_view x, struct compute_view out, const void *weight, const void *bias)
{
	return is_whole(x) && is_whole(out) && (uintptr_t)weight % 16 == 0 && (uintptr_t)bias % 16 == 0;
}

int kernel_layer_norm(void *stream, struct compute_view x, const void *weight, const void *bias, float eps, struct compute_view out)
{
	struct norm a = { x, out, (const uint8_t *)weight, (const uint8_t *)bias, eps, norm_is_whole(x, out, weight, bias) };
	uint32_t threads = threads_for(x.columns, NORM_THREADS_MAX), shared = WARP * sizeof(float);

	if (is_narrow(x))
		return LAUNCH(layer_norm_narrow, x.rows, threads, shared, stream, a);
	return LAUNCH(layer_norm_float, x.rows, threads, shared, stream, a);
}

int kernel_rms_norm(void *stream, struct compute_view x, const void *weight, float eps, struct compute_view out)
{
	struct norm a = { x, out, (const uint8_t *)weight, NULL, eps, norm_is_whole(x, out, weight, NULL) };
	uint32_t threads = threads_for(x.columns, NORM_THREADS_MAX), shared = WARP * sizeof(float);

	if (is_narrow(x))
		return LAUNCH(rms_norm_narrow, x.rows, threads, shared, stream, a);
	return LAUNCH(rms_norm_float, x.rows, threads, shared, stream, a);
}

/* -- rotary positions ------------------------------------------------------------------------------------------------------------ */

struct turn {
	struct compute_view x, table;
	uint32_t heads, half;
	bool whole;
};

/* A thread turns eight pairs of one head of one row. */
DEVICE void turn_eight(const struct turn a, bool narrow)
{
	uint32_t per_head = (a.half + EIGHT - 1) / EIGHT;
	uint64_t at = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
	uint32_t i = (uint32_t)(at % per_head) * EIGHT, head = (uint32_t)(at / per_head % a.heads);
	uint32_t row = (uint32_t)(at / per_head / a.heads), value = narrow ? 2 : 4;

	if (row >= a.x.rows)
		return;
	uint8_t *low_at = row_of(a.x, row, narrow) + (uint64_t)head * 2 * a.half * value, *high_at = low_at + (uint64_t)a.half * value;
	const uint8_t *angles = row_of(a.table, row, false);
	struct eight low = take_eight(low_at, i, a.half, narrow, a.whole), high = take_eight(high_at, i, a.half, narrow, a.whole);
	struct eight cosine = take_eight(angles, i, a.half, false, a.whole);
	struct eight sine = take_eight(angles + 4 * (uint64_t)a.half, i, a.half, false, a.whole);

	for (uint32_t k = 0; k < EIGHT; k++) {
		float turned = low.v[k] * cosine.v[k] - high.v[k] * sine.v[k];

		high.v[k] = high.v[k] * cosine.v[k] + low.v[k] * sine.v[k];
		low.v[k] = turned;
	}
	put_eight(low_at, i, a.half, narrow, a.whole, low);
	put_eight(high_at, i, a.half, narrow, a.whole, high);
}

KERNEL(rotary_narrow, turn)
{
	turn_eight(a, true);
}

KERNEL(rotary_float, turn)
{
	turn_eight(a, false);
}

int kernel_rotary(void *stream, struct compute_view x, uint32_t heads, struct compute_view table)
{
	uint32_t half = table.columns / 2;
	struct turn a = { x, table, heads, half, is_whole(x) && is_whole(table) && half % EIGHT == 0 };
	uint32_t blocks = (uint32_t)(((uint64_t)x.rows * heads * ((half + EIGHT - 1) / EIGHT) + BLOCK - 1) / BLOCK);

	if (is_narrow(x))
		return LAUNCH(rotary_narrow, blocks, BLOCK, 0, stream, a);
	return LAUNCH(rotary_float, blocks, BLOCK, 0, stream, a);
}
