/* attention_tensor.cu - attention of bfloat16 on the matrix units, for the head sizes of Dream-VLA (128, vision 80) and 64.
 *
 * A block of four warps takes 64 queries of one head, 16 to a warp, which stay in registers; keys and values come through shared memory
 * 64 at a time. Scores, weights and sums are float; weights meet v as sums of two bfloat16, which leaves 16 bits of them: one alone moves tokens.
 * Registers are laid out as kernel.h says of multiply_add: lane i has rows g and g + 8 of 16, g = i / 4, and pairs of columns from
 * 2 * (i % 4) on. */
#include "policy/compute/cuda/attend.h"

/* PAD: values that a row of shared memory is longer, so that eight rows lie in different banks. */
enum { QUERIES = 64, KEYS = 64, WARPS = 4, THREADS = WARPS * WARP, PAD = 8, SIZE_MAX_HERE = 128 };

#ifdef __CUDACC__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL
#endif

/* A warp's 16 queries. [..][4]: rows g, g, g + 8, g + 8. */
struct work {
	uint32_t q[SIZE_MAX_HERE / 16][4];
	float score[KEYS / 8][4];
	float out[SIZE_MAX_HERE / 8][4];
	float largest[2], sum[2];   /* rows g, g + 8; sum: over this lane's columns */
};

/* Rows start ... start + 63 of one head into shared memory; zeros from row `end` on. */
DEVICE void fetch_rows(struct compute_view from, uint32_t column, uint32_t start, uint32_t end, uint32_t size, uint16_t *to)
{
	uint32_t per_row = size / EIGHT;

	for (uint32_t at = threadIdx.x; at < KEYS * per_row; at += THREADS) {
		uint32_t row = at / per_row, i = at % per_row * EIGHT;
		uint4 u;

		u.x = u.y = u.z = u.w = 0;
		if (start + row < end)
			u = *(const uint4 *)(const void *)(row_of(from, start + row, true) + 2 * (uint64_t)(column + i));
		*(uint4 *)(void *)(to + row * (size + PAD) + i) = u;
	}
}

DEVICE uint32_t two_of(struct compute_view v, uint32_t row, uint32_t end, uint32_t column)
{
	return row < end ? *(const uint32_t *)(const void *)(row_of(v, row, true) + 2 * (uint64_t)column) : 0;
}

DEVICE void begin(const struct attend a, const struct part p, uint32_t size, struct work *w)
{
	uint32_t lane = threadIdx.x % WARP, row = p.query + threadIdx.x / WARP * 16 + lane / 4, column = p.head * size + lane % 4 * 2;

	UNROLL for (uint32_t i = 0; i < size / 16; i++) {
		w->q[i][0] = two_of(a.q, row, p.end, column + i * 16);
		w->q[i][1] = two_of(a.q, row + 8, p.end, column + i * 16);
		w->q[i][2] = two_of(a.q, row, p.end, column + i * 16 + 8);
		w->q[i][3] = two_of(a.q, row + 8, p.end, column + i * 16 + 8);
	}
	UNROLL for (uint32_t i = 0; i < size / 8; i++)
		w->out[i][0] = w->out[i][1] = w->out[i][2] = w->out[i][3] = 0.0f;
	w->largest[0] = w->largest[1] = -INFINITY;
	w->sum[0] = w->sum[1] = 0.0f;
}

/* q k^T: columns are keys, 16 of them for each load of four matrices. */
DEVICE void score(const uint16_t *k, uint32_t size, struct work *w)
{
	uint32_t lane = threadIdx.x % WARP, row = lane % 8 + lane / 16 * 8, column = lane / 8 % 2 * 8, b[4];

	UNROLL for (uint32_t n = 0; n < KEYS / 8; n++)
		w->score[n][0] = w->score[n][1] = w->score[n][2] = w->score[n][3] = 0.0f;
	UNROLL for (uint32_t i = 0; i < size / 16; i++) {
		UNROLL for (uint32_t n = 0; n < KEYS / 16; n++) {
			load_matrices(k + (n * 16 + row) * (size + PAD) + i * 16 + column, b);
			multiply_add(w->score[2 * n], w->q[i], b[0], b[1]);
			multiply_add(w->score[2 * n + 1], w->q[i], b[2], b[3]);
		}
	}
}

/* Scores of row g (half 0) or g + 8 -> weights relative to the largest score so far, of which there are `keys` in this tile. */
DEVICE void weigh(uint32_t half, uint32_t keys, float scale, uint32_t size, struct work *w)
{
	uint32_t column = threadIdx.x % 4 * 2;
	float largest = -INFINITY, sum = 0.0f;

	UNROLL for (uint32_t n = 0; n < KEYS / 8; n++) {
		UNROLL for (uint32_t j = 0; j < 2; j++) {
			float *s = &w->score[n][2 * half + j];

			*s = n * 8 + column + j < keys ? *s * scale : -INFINITY;
			largest = fmaxf(largest, *s);
		}
	}
	largest = fmaxf(largest, shuffle_xor(largest, 1));
	largest = fmaxf(largest, shuffle_xor(largest, 2));
	largest = fmaxf(largest, w->largest[half]);
	float keep = expf(w->largest[half] - largest);

	UNROLL for (uint32_t n = 0; n < KEYS / 8; n++) {
		UNROLL for (uint32_t j = 0; j < 2; j++) {
			float *s = &w->score[n][2 * half + j];

			*s = expf(*s - largest);
			sum += *s;
		}
	}
	UNROLL for (uint32_t i = 0; i < size / 8; i++) {
		w->out[i][2 * half] *= keep;
		w->out[i][2 * half + 1] *= keep;
	}
	w->largest[half] = largest;
	w->sum[half] = w->sum[half] * keep + sum;
}

/* Two weights as bfloat16, and what that leaves of them, rounded. */
DEVICE void split(const float *s, uint32_t *weight, uint32_t *rest)
{
	*weight = round_two(s[0], s[1]);
	*rest = round_two(s[0] - low_half(*weight), s[1] - high_half(*weight));
}

/* Weights times v: the scores' registers lie as those of a left operand. */
DEVICE void gather(const uint16_t *v, uint32_t size, struct work *w)
{
	uint32_t lane = threadIdx.x % WARP, row = lane % 8 + lane / 8 % 2 * 8, column = lane / 16 * 8;
	uint32_t weight[4], rest[4], b[4];

	UNROLL for (uint32_t n = 0; n < KEYS / 16; n++) {
		UNROLL for (uint32_t j = 0; j < 4; j++)
			split(&w->score[2 * n + j / 2][j % 2 * 2], &weight[j], &rest[j]);
		UNROLL for (uint32_t i = 0; i < size / 16; i++) {
			load_matrices_turned(v + (n * 16 + row) * (size + PAD) + i * 16 + column, b);
			multiply_add(w->out[2 * i], weight, b[0], b[1]);
			multiply_add(w->out[2 * i], rest, b[0], b[1]);
			multiply_add(w->out[2 * i + 1], weight, b[2], b[3]);
			multiply_add(w->out[2 * i + 1], rest, b[2], b[3]);
		}
	}
}

DEVICE void store(const struct attend a, const struct part p, uint32_t half, uint32_t size, struct work *w)
{
	uint32_t lane = threadIdx.x % WARP, row = p.query + threadIdx.x / WARP * 16 + lane / 4 + half * 8;
	uint32_t column = p.head * size + lane % 4 * 2;
	float sum = w->sum[half];

	sum += shuffle_xor(sum, 1);
	sum += shuffle_xor(sum, 2);
	float share = 1.0f / sum;

	UNROLL for (uint32_t i = 0; i < size / 8; i++)
		if (row < p.end)
			*(uint32_t *)(void *)(row_of(a.out, row, true) + 2 * (uint64_t)(column + i * 8)) =
					round_two(w->out[i][2 * half] * share, w->out[i][2 * half + 1] * share);
}

DEVICE void attend_tile(const struct attend a, uint32_t size, uint16_t *k)
{
	struct part p = part_of_block(a, QUERIES);
	uint16_t *v = k + KEYS * (size + PAD);
	struct work w;

	begin(a, p, size, &w);
	for (uint32_t start = p.first; start < p.end; start += KEYS) {
		uint32_t keys = p.end - start < KEYS ? p.end - start : KEYS;

		__syncthreads();
		fetch_rows(a.k, p.kv_head * size, start, p.end, size, k);
		fetch_rows(a.v, p.kv_head * size, start, p.end, size, v);
		__syncthreads();
		score(k, size, &w);
		weigh(0, keys, a.scale, size, &w);
		weigh(1, keys, a.scale, size, &w);
		gather(v, size, &w);
	}
	store(a, p, 0, size, &w);
	store(a, p, 1, size, &w);
}

KERNEL(attention_64, attend)
{
	SHARED(uint16_t, rows);

	attend_tile(a, 64, rows);
}

KERNEL(attention_80, attend)
{
	SHARED(uint16_t, rows);

	attend_tile(a, 80, rows);
}

KERNEL(attention_128, attend)
{
	SHARED(uint16_t, rows);

	attend_tile(a, 128, rows);
}

bool kernel_tensor_attention_takes(const struct compute_attention *a)
{
	const struct compute_view v[] = { a->q, a->k, a->v, a->out };

	for (uint32_t i = 0; i < 4; i++)
		if (!is_narrow(v[i]) || !is_whole(v[i]))
			return false;
	return a->head_size == 64 || a->head_size == 80 || a->head_size == 128;
}

int kernel_tensor_attention(void *stream, const struct compute_attention *c, const uint32_t *first, uint32_t n_segments)
{
	struct attend a = attend_from(c, first, n_segments);
	uint32_t blocks = attend_blocks(&a, QUERIES), shared = 2 * KEYS * (a.size + PAD) * (uint32_t)sizeof(uint16_t);

	if (a.size == 64)
		return LAUNCH(attention_64, blocks, THREADS, shared, stream, a);
	if (a.size == 80)
		return LAUNCH(attention_80, blocks, THREADS, shared, stream, a);
	return LAUNCH(attention_128, blocks, THREADS, shared, stream, a);
}
