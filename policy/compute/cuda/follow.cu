/* follow.cu - what follows a product whose result is no operation's yet: heads with their bias, turned; the residual stream and its norm.
 * The product comes as float, and nothing is rounded but what is stored. */
#include "policy/compute/cuda/kernel.h"

enum { NORM_THREADS_MAX = 512, BLOCK = 128 };

/* -- heads ------------------------------------------------------------------------------------------------------------------------ */

struct heads {
	struct compute_view y, out, angles;
	const uint8_t *bias;
	uint32_t turned, heads, half;
	bool whole;
};

DEVICE struct eight take_biased(const struct heads a, uint32_t row, uint32_t column, uint32_t i, bool narrow)
{
	struct eight y = take_eight(row_of(a.y, row, false) + 4 * (uint64_t)column, i, a.half, false, a.whole);

	if (a.bias) {
		struct eight b = take_eight(a.bias + (uint64_t)column * (narrow ? 2 : 4), i, a.half, narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			y.v[k] += b.v[k];
	}
	return y;
}

/* A thread finishes eight pairs of one head of one row. */
DEVICE void finish_pairs(const struct heads a, bool narrow)
{
	uint32_t per_head = (a.half + EIGHT - 1) / EIGHT;
	uint64_t at = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
	uint32_t i = (uint32_t)(at % per_head) * EIGHT, head = (uint32_t)(at / per_head % a.heads);
	uint32_t row = (uint32_t)(at / per_head / a.heads), column = head * 2 * a.half, value = narrow ? 2 : 4;

	if (row >= a.y.rows)
		return;
	struct eight low = take_biased(a, row, column, i, narrow), high = take_biased(a, row, column + a.half, i, narrow);
	uint8_t *out = row_of(a.out, row, narrow) + (uint64_t)column * value;

	if (head < a.turned) {
		const uint8_t *angles = row_of(a.angles, row, false);
		struct eight cosine = take_eight(angles, i, a.half, false, a.whole);
		struct eight sine = take_eight(angles + 4 * (uint64_t)a.half, i, a.half, false, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++) {
			float turned = low.v[k] * cosine.v[k] - high.v[k] * sine.v[k];

			high.v[k] = high.v[k] * cosine.v[k] + low.v[k] * sine.v[k];
			low.v[k] = turned;
		}
	}
	put_eight(out, i, a.half, narrow, a.whole, low);
	put_eight(out + (uint64_t)a.half * value, i, a.half, narrow, a.whole, high);
}

KERNEL(heads_narrow, heads)
{
	finish_pairs(a, true);
}

KERNEL(heads_float, heads)
{
	finish_pairs(a, false);
}

int kernel_heads(void *stream, const struct kernel_heads *h)
{
	uint32_t half = h->angles.columns / 2, heads = h->turned + h->straight;
	struct heads a = { h->y, h->out, h->angles, (const uint8_t *)h->bias, h->turned, heads, half, is_whole(h->y) && is_whole(h->out)
			&& is_whole(h->angles) && half % EIGHT == 0 && (uintptr_t)h->bias % 16 == 0 };
	uint32_t blocks = (uint32_t)(((uint64_t)h->y.rows * heads * ((half + EIGHT - 1) / EIGHT) + BLOCK - 1) / BLOCK);

	if (is_narrow(h->out))
		return LAUNCH(heads_narrow, blocks, BLOCK, 0, stream, a);
	return LAUNCH(heads_float, blocks, BLOCK, 0, stream, a);
}

/* -- the residual stream and its norm --------------------------------------------------------------------------------------------- */

struct add_norm {
	struct compute_view y, residual, out;
	const uint8_t *bias, *weight, *norm_bias;
	float eps;
	bool whole;
};

/* The part of a vector that may be absent. */
DEVICE struct eight take_or_zeros(const uint8_t *vector, uint32_t i, uint32_t n, bool narrow, bool whole)
{
	struct eight none = { { 0.0f } };

	return vector ? take_eight(vector, i, n, narrow, whole) : none;
}

/* residual + y + bias of eight columns of the block's row: rounded to the residual stream, as it is returned. */
DEVICE struct eight add_eight(const struct add_norm a, uint32_t i, bool narrow, bool whole)
{
	uint8_t *residual = row_of(a.residual, blockIdx.x, narrow);
	uint32_t n = a.y.columns;
	struct eight e = take_eight(row_of(a.y, blockIdx.x, false), i, n, false, whole), old = take_eight(residual, i, n, narrow, whole);
	struct eight bias = take_or_zeros(a.bias, i, n, narrow, whole);

	for (uint32_t k = 0; k < EIGHT; k++)
		e.v[k] = e.v[k] + bias.v[k] + old.v[k];
	put_eight(residual, i, n, narrow, whole, e);
	return e;
}

/* e as the row's norm has it. w, b: the norm's weight and bias of these columns. */
DEVICE struct eight normed(struct eight e, float mean, float scale, struct eight w, struct eight b)
{
	for (uint32_t k = 0; k < EIGHT; k++)
		e.v[k] = (e.v[k] - mean) * scale * w.v[k] + b.v[k];
	return e;
}

DEVICE float scale_of(const struct add_norm a, float squares, float *partial)
{
	return 1.0f / sqrtf(sum_block(squares, partial) / (float)a.y.columns + a.eps);
}

/* A row of which each thread has eight columns, or none: they stay where they are, and all that is read has been asked for before the
 * block waits for its sums. */
DEVICE void add_norm_kept(const struct add_norm a, bool narrow, float *partial)
{
	uint32_t n = a.y.columns, i = threadIdx.x * EIGHT;
	struct eight e = { { 0.0f } }, w = e, b = e;
	float sum = 0.0f, squares = 0.0f, mean = 0.0f;

	if (i < n) {
		w = take_eight(a.weight, i, n, narrow, true);
		b = take_or_zeros(a.norm_bias, i, n, narrow, true);
		e = add_eight(a, i, narrow, true);
	}
	if (a.norm_bias) {
		for (uint32_t k = 0; k < EIGHT; k++)
			sum += e.v[k];
		mean = sum_block(sum, partial) / (float)n;
	}
	for (uint32_t k = 0; k < EIGHT; k++)
		squares += i < n ? (e.v[k] - mean) * (e.v[k] - mean) : 0.0f;
	float scale = scale_of(a, squares, partial);

	if (i < n)
		put_eight(row_of(a.out, blockIdx.x, narrow), i, n, narrow, true, normed(e, mean, scale, w, b));
}

/* The same of any row, by way of y: this thread's columns as they are added to; returns their sum. */
DEVICE float add_row(const struct add_norm a, bool narrow, float *squares)
{
	uint32_t n = a.y.columns;
	float sum = 0.0f;

	for (uint32_t i = threadIdx.x * EIGHT; i < n; i += blockDim.x * EIGHT) {
		struct eight e = add_eight(a, i, narrow, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++) {
			sum += e.v[k];
			*squares += e.v[k] * e.v[k];
		}
		put_eight(row_of(a.y, blockIdx.x, false), i, n, false, a.whole, e);
	}
	return sum;
}

/* Squares of differences from the mean, of this thread's columns. */
DEVICE float spread_row(const struct add_norm a, float mean)
{
	const uint8_t *y = row_of(a.y, blockIdx.x, false);
	uint32_t n = a.y.columns;
	float squares = 0.0f;

	for (uint32_t i = threadIdx.x * EIGHT; i < n; i += blockDim.x * EIGHT) {
		struct eight e = take_eight(y, i, n, false, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++)
			squares += i + k < n ? (e.v[k] - mean) * (e.v[k] - mean) : 0.0f;
	}
	return squares;
}

/* Each thread reads again only what it has written itself. */
DEVICE void add_norm_long(const struct add_norm a, bool narrow, float *partial)
{
	const uint8_t *y = row_of(a.y, blockIdx.x, false);
	uint32_t n = a.y.columns;
	float squares = 0.0f, mean = 0.0f, sum = add_row(a, narrow, &squares);

	if (a.norm_bias) {
		mean = sum_block(sum, partial) / (float)n;
		squares = spread_row(a, mean);
	}
	float scale = scale_of(a, squares, partial);

	for (uint32_t i = threadIdx.x * EIGHT; i < n; i += blockDim.x * EIGHT) {
		struct eight e = take_eight(y, i, n, false, a.whole), w = take_eight(a.weight, i, n, narrow, a.whole);
		struct eight b = take_or_zeros(a.norm_bias, i, n, narrow, a.whole);

		put_eight(row_of(a.out, blockIdx.x, narrow), i, n, narrow, a.whole, normed(e, mean, scale, w, b));
	}
}

DEVICE void add_norm_row(const struct add_norm a, bool narrow, float *partial)
{
	if (a.whole && a.y.columns <= blockDim.x * EIGHT)
		add_norm_kept(a, narrow, partial);
	else
		add_norm_long(a, narrow, partial);
}

KERNEL(add_norm_narrow, add_norm)
{
	SHARED(float, partial);

	add_norm_row(a, true, partial);
}

KERNEL(add_norm_float, add_norm)
{
	SHARED(float, partial);

	add_norm_row(a, false, partial);
}

int kernel_add_norm(void *stream, const struct kernel_add_norm *k)
{
	struct add_norm a = { k->y, k->residual, k->out, (const uint8_t *)k->bias, (const uint8_t *)k->weight, (const uint8_t *)k->norm_bias, k->eps,
		is_whole(k->y) && is_whole(k->residual) && is_whole(k->out)
				&& ((uintptr_t)k->bias | (uintptr_t)k->weight | (uintptr_t)k->norm_bias) % 16 == 0 };
	uint32_t threads = threads_for(k->y.columns, NORM_THREADS_MAX), shared = WARP * sizeof(float);

	if (is_narrow(k->out))
		return LAUNCH(add_norm_narrow, k->y.rows, threads, shared, stream, a);
	return LAUNCH(add_norm_float, k->y.rows, threads, shared, stream, a);
}
