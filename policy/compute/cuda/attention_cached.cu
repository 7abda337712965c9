/* attention_cached.cu - causal attention of a few queries over many keys: a block to a query of one head.
 *
 * Its warps take every WARPS-th key, a lane every 32nd dimension; what is added up so far is scaled anew when a larger score comes. At the
 * end the warps' sums are brought to one scale. All in float, in both precisions, for any head size. */
#include "policy/compute/cuda/kernel.h"

enum { WARPS = 8, PER_LANE = HEAD_SIZE_MAX / WARP };

struct attend_cached {
	struct compute_view q, k, v, out;
	uint32_t heads, kv_heads, size;
	float scale;
};

/* A warp's sums, in shared memory. */
struct desk {
	float largest, weight;
	float value[HEAD_SIZE_MAX];
};

/* One key of the warp: its score, and all sums anew. q, value [PER_LANE]: the lane's dimensions. */
DEVICE void add_key(const struct attend_cached a, uint32_t first, uint32_t key, bool narrow, const float *q, float *value, float *largest,
		float *weight)
{
	const uint8_t *k = row_of(a.k, key, narrow), *v = row_of(a.v, key, narrow);
	uint32_t lane = threadIdx.x % WARP;
	float score = 0.0f;

	for (uint32_t j = 0; j < PER_LANE; j++)
		if (lane + j * WARP < a.size)
			score += q[j] * value_at(k, first + lane + j * WARP, narrow);
	score = sum_warp(score) * a.scale;
	float most = fmaxf(*largest, score), keep = expf(*largest - most), share = expf(score - most);

	*largest = most;
	*weight = *weight * keep + share;
	for (uint32_t j = 0; j < PER_LANE; j++)
		if (lane + j * WARP < a.size)
			value[j] = value[j] * keep + share * value_at(v, first + lane + j * WARP, narrow);
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

DEVICE void attend_cached(const struct attend_cached a, bool narrow, struct desk *desks)
{
	uint32_t head = blockIdx.x % a.heads, row = blockIdx.x / a.heads, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
	uint32_t first = head * a.kv_heads / a.heads * a.size, end = a.k.rows - a.q.rows + row + 1;
	float q[PER_LANE], value[PER_LANE], largest = -INFINITY, weight = 0.0f;

	for (uint32_t j = 0; j < PER_LANE; j++) {
		q[j] = lane + j * WARP < a.size ? value_at(row_of(a.q, row, narrow), head * a.size + lane + j * WARP, narrow) : 0.0f;
		value[j] = 0.0f;
	}
	for (uint32_t key = warp; key < end; key += WARPS)
		add_key(a, first, key, narrow, q, value, &largest, &weight);
	if (lane == 0) {
		desks[warp].largest = largest;
		desks[warp].weight = weight;
	}
	for (uint32_t j = 0; j < PER_LANE; j++)
		if (lane + j * WARP < a.size)
			desks[warp].value[lane + j * WARP] = value[j];
	__syncthreads();
	gather(a, row, head, narrow, desks);
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

int kernel_attention_cached(void *stream, const struct compute_attention *c)
{
	struct attend_cached a = { c->q, c->k, c->v, c->out, c->heads, c->kv_heads, c->head_size, 1.0f / sqrtf((float)c->head_size) };

	if (is_narrow(a.q))
		return LAUNCH(attention_cached_narrow, c->q.rows * c->heads, WARPS * WARP, WARPS * sizeof(struct desk), stream, a);
	return LAUNCH(attention_cached_float, c->q.rows * c->heads, WARPS * WARP, WARPS * sizeof(struct desk), stream, a);
}
