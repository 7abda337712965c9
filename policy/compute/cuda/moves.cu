/* moves.cu - zero, copy, round and widen, bytes to values, weights as stored, rows of a table. */
#include "policy/compute/cuda/kernel.h"

enum { BLOCK = 256 };

/* Each thread takes eight values: of row `row` from column `i` on, when there is such a row. */
struct place {
	uint32_t row, i;
};

DEVICE struct place place_of(uint32_t columns)
{
	uint32_t per_row = (columns + EIGHT - 1) / EIGHT;
	uint64_t at = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
	struct place p;

	p.row = (uint32_t)(at / per_row);
	p.i = (uint32_t)(at % per_row) * EIGHT;
	return p;
}

static uint32_t blocks_for(uint32_t rows, uint32_t columns)
{
	return (uint32_t)(((uint64_t)rows * ((columns + EIGHT - 1) / EIGHT) + BLOCK - 1) / BLOCK);
}

struct move {
	struct compute_view x, out;
	bool x_narrow, out_narrow, whole;
};

KERNEL(zero, move)
{
	struct place p = place_of(a.out.columns);
	struct eight none;

	for (uint32_t k = 0; k < EIGHT; k++)
		none.v[k] = 0.0f;
	if (p.row < a.out.rows)
		put_eight(row_of(a.out, p.row, a.out_narrow), p.i, a.out.columns, a.out_narrow, a.whole, none);
}

/* Also the copy: a value that its type holds is rounded to itself. */
KERNEL(convert, move)
{
	struct place p = place_of(a.out.columns);

	if (p.row < a.out.rows)
		put_eight(row_of(a.out, p.row, a.out_narrow), p.i, a.out.columns, a.out_narrow, a.whole,
				take_eight(row_of(a.x, p.row, a.x_narrow), p.i, a.x.columns, a.x_narrow, a.whole));
}

int kernel_zero(void *stream, struct compute_view out)
{
	struct move a = { out, out, false, is_narrow(out), is_whole(out) };

	return LAUNCH(zero, blocks_for(out.rows, out.columns), BLOCK, 0, stream, a);
}

int kernel_convert(void *stream, struct compute_view x, struct compute_view out)
{
	struct move a = { x, out, is_narrow(x), is_narrow(out), is_whole(x) && is_whole(out) };

	return LAUNCH(convert, blocks_for(out.rows, out.columns), BLOCK, 0, stream, a);
}

int kernel_copy(void *stream, struct compute_view x, struct compute_view out)
{
	return kernel_convert(stream, x, out);
}

struct spread {
	const uint8_t *bytes;
	const float *table;
	struct compute_view out;
	uint32_t channels, plane, repeat;
	bool narrow, whole;
};

/* Neighbours read neighbouring bytes; the table, of 3 kB, stays in the nearest cache. */
KERNEL(levels, spread)
{
	struct place p = place_of(a.out.columns);
	struct eight e;

	if (p.row >= a.out.rows)
		return;
	const uint8_t *from = a.bytes + (uint64_t)p.row * a.channels * a.plane;

	for (uint32_t k = 0; k < EIGHT; k++) {
		uint32_t channel = (p.i + k) / (a.repeat * a.plane), at = (p.i + k) % a.plane;

		e.v[k] = channel < a.channels ? a.table[channel * COMPUTE_LEVELS + from[channel * a.plane + at]] : 0.0f;
	}
	put_eight(row_of(a.out, p.row, a.narrow), p.i, a.out.columns, a.narrow, a.whole, e);
}

int kernel_levels(void *stream, const void *bytes, const float *table, const struct compute_levels *l, struct compute_view out)
{
	struct spread a = { (const uint8_t *)bytes, table, out, l->channels, l->plane, l->repeat, is_narrow(out), is_whole(out) };

	return LAUNCH(levels, blocks_for(out.rows, out.columns), BLOCK, 0, stream, a);
}

struct store {
	const uint8_t *stored;
	enum tensor_type type;
	uint64_t n;
	uint8_t *out;
	bool narrow;
};

/* Binary16: moving exponent and fraction into place leaves the exponent 112 too small, which one product repairs, subnormal numbers
 * included; an exponent of all ones becomes one again. */
DEVICE float widen_half(uint16_t bits)
{
	uint32_t magnitude = bits & 0x7fffu;
	uint32_t moved = __float_as_uint(__uint_as_float(magnitude << 13) * 0x1p112f);

	return __uint_as_float(moved | (magnitude >= 0x7c00u ? 0x7f800000u : 0u) | (uint32_t)(bits & 0x8000u) << 16);
}

KERNEL(weights, store)
{
	uint64_t first = ((uint64_t)blockIdx.x * BLOCK + threadIdx.x) * EIGHT;

	for (uint64_t i = first; i < first + EIGHT && i < a.n; i++) {
		float x = a.type == TENSOR_F32 ? ((const float *)(const void *)a.stored)[i]
				: a.type == TENSOR_BF16 ? low_half(((const uint16_t *)(const void *)a.stored)[i])
				: widen_half(((const uint16_t *)(const void *)a.stored)[i]);

		if (a.narrow)
			((uint16_t *)(void *)a.out)[i] = (uint16_t)round_two(x, 0.0f);
		else
			((float *)(void *)a.out)[i] = x;
	}
}

int kernel_weights(void *stream, const void *stored, enum tensor_type type, uint64_t n, void *out, bool narrow)
{
	struct store a = { (const uint8_t *)stored, type, n, (uint8_t *)out, narrow };

	return LAUNCH(weights, (uint32_t)((n + BLOCK * EIGHT - 1) / (BLOCK * EIGHT)), BLOCK, 0, stream, a);
}

struct gather {
	const uint8_t *table;
	const int32_t *ids;
	struct compute_view out;
	bool narrow, whole;
};

KERNEL(embed, gather)
{
	struct place p = place_of(a.out.columns);

	if (p.row >= a.out.rows)
		return;
	const uint8_t *from = a.table + (uint64_t)a.ids[p.row] * a.out.columns * (a.narrow ? 2 : 4);

	put_eight(row_of(a.out, p.row, a.narrow), p.i, a.out.columns, a.narrow, a.whole,
			take_eight(from, p.i, a.out.columns, a.narrow, a.whole));
}

int kernel_embed(void *stream, const void *table, const int32_t *ids, struct compute_view out)
{
	struct gather a = { (const uint8_t *)table, ids, out, is_narrow(out), is_whole(out) && (uintptr_t)table % 16 == 0 };

	return LAUNCH(embed, blocks_for(out.rows, out.columns), BLOCK, 0, stream, a);
}
