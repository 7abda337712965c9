/* attention.cu - attention of any head size, in both precisions, a warp to a query.
 *
 * Keys come 128 at a time, four to a lane; what is added up so far is scaled anew when a larger score comes. All in float. */
#include "policy/compute/cuda/attend.h"

/* PER_LANE: dimensions of a lane at most, KEYS: keys at a time, of which each lane has KEYS_PER_LANE. */
enum { WARPS = 4, PER_LANE = HEAD_SIZE_MAX / WARP, KEYS_PER_LANE = 4, KEYS = KEYS_PER_LANE * WARP };

/* Shared memory of a warp. */
struct desk {
	float q[HEAD_SIZE_MAX];
	float weight[KEYS];
};

/* A lane's sums: of dimensions lane, lane + 32 ...; of weights, over its own keys. */
struct sums {
	float value[PER_LANE];
	float weight, largest;
};

DEVICE float score_of(const struct attend a, const struct part p, uint32_t key, bool narrow, const float *q)
{
	const uint8_t *k = row_of(a.k, key, narrow) + (uint64_t)p.kv_head * a.size * (narrow ? 2 : 4);
	float sum = 0.0f;

	for (uint32_t i = 0; i < a.size; i++)
		sum += q[i] * value_at(k, i, narrow);
	return sum * a.scale;
}

/* Weights of the keys start ... start + 127 relative to the largest score so far, as far as there are such keys; returns how much of what
 * was added up before remains. */
DEVICE float weigh_keys(const struct attend a, const struct part p, uint32_t start, bool narrow, struct desk *d, struct sums *s)
{
	uint32_t lane = threadIdx.x % WARP;
	float score[KEYS_PER_LANE], largest = -INFINITY;

	for (uint32_t j = 0; j < KEYS_PER_LANE; j++) {
		uint32_t key = start + lane + j * WARP;

		score[j] = key < p.end ? score_of(a, p, key, narrow, d->q) : -INFINITY;
		largest = fmaxf(largest, score[j]);
	}
	largest = fmaxf(s->largest, largest_warp(largest));
	float keep = expf(s->largest - largest);

	s->largest = largest;
	s->weight *= keep;
	__syncwarp();
	for (uint32_t j = 0; j < KEYS_PER_LANE; j++) {
		d->weight[lane + j * WARP] = expf(score[j] - largest);
		s->weight += d->weight[lane + j * WARP];
	}
	__syncwarp();
	return keep;
}

DEVICE void add_keys(const struct attend a, const struct part p, uint32_t start, bool narrow, struct desk *d, struct sums *s)
{
	uint32_t lane = threadIdx.x % WARP, keys = p.end - start < KEYS ? p.end - start : KEYS;
	float keep = weigh_keys(a, p, start, narrow, d, s);

	for (uint32_t j = 0; j < PER_LANE; j++) {
		uint32_t i = p.kv_head * a.size + lane + j * WARP;
		float sum = 0.0f;

		for (uint32_t t = 0; lane + j * WARP < a.size && t < keys; t++)
			sum += d->weight[t] * value_at(row_of(a.v, start + t, narrow), i, narrow);
		s->value[j] = s->value[j] * keep + sum;
	}
}

DEVICE void attend_query(const struct attend a, bool narrow, struct desk *desks)
{
	struct part p = part_of_block(a, WARPS);
	uint32_t lane = threadIdx.x % WARP, row = p.query + threadIdx.x / WARP;
	struct desk *d = desks + threadIdx.x / WARP;
	struct sums s;

	if (row >= p.end)
		return;
	for (uint32_t i = lane; i < a.size; i += WARP)
		d->q[i] = value_at(row_of(a.q, row, narrow), p.head * a.size + i, narrow);
	for (uint32_t j = 0; j < PER_LANE; j++)
		s.value[j] = 0.0f;
	s.weight = 0.0f;
	s.largest = -INFINITY;
	__syncwarp();
	for (uint32_t start = p.first; start < p.end; start += KEYS)
		add_keys(a, p, start, narrow, d, &s);
	float share = 1.0f / sum_warp(s.weight);

	for (uint32_t j = 0; j < PER_LANE; j++)
		if (lane + j * WARP < a.size)
			put_value(row_of(a.out, row, narrow), p.head * a.size + lane + j * WARP, narrow, s.value[j] * share);
}

KERNEL(attention_narrow, attend)
{
	SHARED(struct desk, desks);

	attend_query(a, true, desks);
}

KERNEL(attention_float, attend)
{
	SHARED(struct desk, desks);

	attend_query(a, false, desks);
}

int kernel_attention(void *stream, const struct compute_attention *c, const uint32_t *first, uint32_t n_segments)
{
	struct attend a = attend_from(c, first, n_segments);

	if (is_narrow(a.q))
		return LAUNCH(attention_narrow, attend_blocks(&a, WARPS), WARPS * WARP, WARPS * sizeof(struct desk), stream, a);
	return LAUNCH(attention_float, attend_blocks(&a, WARPS), WARPS * WARP, WARPS * sizeof(struct desk), stream, a);
}
