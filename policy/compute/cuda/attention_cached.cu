/* attention_cached.cu - causal attention of a few queries over many keys: a block to a query of one head.
 *
 * Its warps take every WARPS-th key, KEYS of them at a time, so that they wait once for the memory and the exchanges of all these; a lane
 * takes FOUR neighbours of every PART dimensions. What is added up so far is scaled anew when a larger score comes. At the end the warps'
 * sums are brought to one scale. All in float, in both precisions, for any head size. */
#include "policy/compute/cuda/kernel.h"

enum { WARPS = 8, KEYS = 4, FOUR = 4, PART = WARP * FOUR, PARTS = HEAD_SIZE_MAX / PART };

struct attend_cached {
	struct compute_view q, k, v, out;
	uint32_t heads, kv_heads, size;
	float scale;
	bool whole;
};

/* What a kernel's body takes as constants. parts: of the head that lanes have dimensions in. */
struct kind {
	bool narrow, whole;
	uint32_t parts;
};

/* A lane's dimensions of a row, as they are stored: narrow ones two to a word. Zeros from the head's size on. Values come of them where
 * they are used, for that waits for the load. */
struct piece {
	uint32_t bits[PARTS][FOUR];
};

/* Of the keys so far; value: the lane's dimensions. */
struct sums {
	float largest, weight;
	float value[PARTS][FOUR];
};

/* A warp's sums, in shared memory. */
struct desk {
	float largest, weight;
	float value[HEAD_SIZE_MAX];
};

DEVICE float value_of(const uint32_t *bits, uint32_t i, bool narrow)
{
	if (!narrow)
		return __uint_as_float(bits[i]);
	return i % 2 ? high_half(bits[i / 2]) : low_half(bits[i / 2]);
}

/* The row's values i ... i + 3. whole: the row lies at a multiple of four values. */
DEVICE void take_four(const uint8_t *row, uint32_t i, uint32_t n, bool narrow, bool whole, uint32_t *bits)
{
	if (whole && narrow) {
		uint2 u = *(const uint2 *)(const void *)(row + 2 * (size_t)i);

		bits[0] = u.x, bits[1] = u.y;
	} else if (whole) {
		float4 f = *(const float4 *)(const void *)(row + 4 * (size_t)i);

		bits[0] = __float_as_uint(f.x), bits[1] = __float_as_uint(f.y), bits[2] = __float_as_uint(f.z), bits[3] = __float_as_uint(f.w);
	} else {
		for (uint32_t k = 0; k < FOUR && i + k < n; k++) {
			uint32_t value = __float_as_uint(value_at(row, i + k, narrow));

			if (narrow)
				bits[k / 2] |= k % 2 ? value : value >> 16;
			else
				bits[k] = value;
		}
	}
}

/* Nothing is read when the row is not there. */
DEVICE struct piece take_piece(const uint8_t *row, bool there, uint32_t size, struct kind kind)
{
	struct piece p;

	for (uint32_t part = 0; part < kind.parts; part++) {
		uint32_t i = part * PART + threadIdx.x % WARP * FOUR;

		for (uint32_t k = 0; k < FOUR; k++)
			p.bits[part][k] = 0;
		if (there && i < size)
			take_four(row, i, size, kind.narrow, kind.whole, p.bits[part]);
	}
	return p;
}

/* The lane's share of a score. */
DEVICE float multiply(const struct piece *p, const struct piece *q, struct kind kind)
{
	float sum = 0.0f;

	for (uint32_t part = 0; part < kind.parts; part++)
		for (uint32_t k = 0; k < FOUR; k++)
			sum += value_of(p->bits[part], k, kind.narrow) * value_of(q->bits[part], k, kind.narrow);
	return sum;
}

/* The sums of KEYS scores at a time: their exchanges wait side by side. */
DEVICE void sum_scores(float *score)
{
	for (uint32_t mask = WARP / 2; mask; mask /= 2)
		for (uint32_t j = 0; j < KEYS; j++)
			score[j] += shuffle_xor(score[j], mask);
}

/* Brings all sums to the scale of the largest score, and adds keys to them. */
DEVICE void add_values(struct sums *s, const float *score, const struct piece *v, struct kind kind)
{
	float share[KEYS], most = s->largest;

	for (uint32_t j = 0; j < KEYS; j++)
		most = fmaxf(most, score[j]);
	float keep = expf(s->largest - most);

	s->largest = most;
	s->weight *= keep;
	for (uint32_t j = 0; j < KEYS; j++) {
		share[j] = expf(score[j] - most);
		s->weight += share[j];
	}
	for (uint32_t part = 0; part < kind.parts; part++)
		for (uint32_t k = 0; k < FOUR; k++) {
			s->value[part][k] *= keep;
			for (uint32_t j = 0; j < KEYS; j++)
				s->value[part][k] += share[j] * value_of(v[j].bits[part], k, kind.narrow);
		}
}

/* The warp's next keys, from `key` on. One from `end` on is not there; it scores -infinity, so its share is 0. */
DEVICE void add_keys(const struct attend_cached a, uint32_t first, uint32_t key, uint32_t end, const struct piece *q, struct kind kind,
		struct sums *s)
{
	const uint32_t bytes = kind.narrow ? 2 : 4;
	const uint8_t *k_at = row_of(a.k, key, kind.narrow) + first * bytes, *v_at = row_of(a.v, key, kind.narrow) + first * bytes;
	struct piece k[KEYS], v[KEYS];
	float score[KEYS];

	for (uint32_t j = 0; j < KEYS; j++)
		k[j] = take_piece(k_at + (uint64_t)j * WARPS * a.k.stride * bytes, key + j * WARPS < end, a.size, kind);
	for (uint32_t j = 0; j < KEYS; j++)
		v[j] = take_piece(v_at + (uint64_t)j * WARPS * a.v.stride * bytes, key + j * WARPS < end, a.size, kind);
	for (uint32_t j = 0; j < KEYS; j++)
		score[j] = multiply(&k[j], q, kind);
	sum_scores(score);
	for (uint32_t j = 0; j < KEYS; j++)
		score[j] = key + j * WARPS < end ? score[j] * a.scale : -INFINITY;
	add_values(s, score, v, kind);
}

/* What the warps have found, as one. */
DEVICE void gather(const struct attend_cached a, uint32_t row, uint32_t head, bool narrow, const struct desk *desks)
{
	float largest = -INFINITY, weight = 0.0f;

	for (uint32_t w = 0; w < WARPS; w++)
		largest = fmaxf(largest, desks[w].largest);
	for (uint32_t w = 0; w < WARPS; w++)
		weight += desks[w].weight * expf(desks[w].largest - largest);
	for (uint32_t i = threadIdx.x; i < a.size; i += WARPS * WARP) {
		float sum = 0.0f;

		for (uint32_t w = 0; w < WARPS; w++)
			sum += desks[w].value[i] * expf(desks[w].largest - largest);
		put_value(row_of(a.out, row, narrow), head * a.size + i, narrow, sum / weight);
	}
}

/* The lane's part of what the warp has found. */
DEVICE void put_sums(const struct sums *s, uint32_t size, struct kind kind, struct desk *desk)
{
	uint32_t lane = threadIdx.x % WARP;

	if (lane == 0) {
		desk->largest = s->largest;
		desk->weight = s->weight;
	}
	for (uint32_t part = 0; part < kind.parts; part++)
		for (uint32_t k = 0; k < FOUR; k++)
			if (part * PART + lane * FOUR + k < size)
				desk->value[part * PART + lane * FOUR + k] = s->value[part][k];
}

DEVICE void attend_as(const struct attend_cached a, struct kind kind, struct desk *desks)
{
	uint32_t head = blockIdx.x % a.heads, row = blockIdx.x / a.heads, warp = threadIdx.x / WARP;
	uint32_t first = head * a.kv_heads / a.heads * a.size, end = a.k.rows - a.q.rows + row + 1;
	struct piece q = take_piece(row_of(a.q, row, kind.narrow) + head * a.size * (kind.narrow ? 2 : 4), true, a.size, kind);
	struct sums s = { -INFINITY, 0.0f, { { 0.0f } } };

	for (uint32_t key = warp; key < end; key += WARPS * KEYS)
		add_keys(a, first, key, end, &q, kind, &s);
	put_sums(&s, a.size, kind, &desks[warp]);
	__syncthreads();
	gather(a, row, head, kind.narrow, desks);
}

/* The heads that networks have fill one part. */
DEVICE void attend_cached(const struct attend_cached a, bool narrow, struct desk *desks)
{
	struct kind one = { narrow, true, 1 }, whole = { narrow, true, PARTS }, any = { narrow, false, PARTS };

	if (a.whole && a.size <= PART)
		attend_as(a, one, desks);
	else if (a.whole)
		attend_as(a, whole, desks);
	else
		attend_as(a, any, desks);
}

KERNEL(attention_cached_narrow, attend_cached)
{
	SHARED(struct desk, desks);

	attend_cached(a, true, desks);
}

KERNEL(attention_cached_float, attend_cached)
{
	SHARED(struct desk, desks);

	attend_cached(a, false, desks);
}

/* Whether take_four may take the rows of every head whole. */
static bool is_fourfold(struct compute_view v, uint32_t size)
{
	return size % FOUR == 0 && v.stride % FOUR == 0 && (uintptr_t)v.at % ((uint64_t)FOUR * v.value_bytes) == 0;
}

int kernel_attention_cached(void *stream, const struct compute_attention *c)
{
	struct attend_cached a = { c->q, c->k, c->v, c->out, c->heads, c->kv_heads, c->head_size, 1.0f / sqrtf((float)c->head_size),
		is_fourfold(c->q, c->head_size) && is_fourfold(c->k, c->head_size) && is_fourfold(c->v, c->head_size) };

	if (is_narrow(a.q))
		return LAUNCH(attention_cached_narrow, c->q.rows * c->heads, WARPS * WARP, WARPS * sizeof(struct desk), stream, a);
	return LAUNCH(attention_cached_float, c->q.rows * c->heads, WARPS * WARP, WARPS * sizeof(struct desk), stream, a);
}
