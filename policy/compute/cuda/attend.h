/* attend.h - what the two attention kernels share: their argument, and which part of it a block does. Included by them alone. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_ATTEND_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_ATTEND_H

#include "policy/compute/cuda/kernel.h"

struct attend {
	struct compute_view q, k, v, out;
	uint32_t heads, kv_heads, size;
	float scale;
	const uint32_t *skip;       /* on the device; NULL: none */
	uint32_t n_segments, first[SEGMENTS_MAX + 1];
};

/* Queries from row `query` on of one head; keys and values are rows first ... end of their head, those that count. */
struct part {
	uint32_t head, kv_head, query, first, end;
};

/* Blocks count tiles of `tile` queries, then heads, then segments. */
DEVICE struct part part_of_block(const struct attend a, uint32_t tile)
{
	uint32_t block = blockIdx.x, s = 0;
	struct part p;

	for (; s + 1 < a.n_segments; s++) {
		uint32_t blocks = (a.first[s + 1] - a.first[s] + tile - 1) / tile * a.heads;

		if (block < blocks)
			break;
		block -= blocks;
	}
	uint32_t tiles = (a.first[s + 1] - a.first[s] + tile - 1) / tile;

	p.head = block / tiles;
	p.kv_head = p.head * a.kv_heads / a.heads;
	p.first = a.first[s] + (a.skip ? *a.skip : 0);
	p.end = a.first[s + 1];
	p.query = a.first[s] + block % tiles * tile;
	return p;
}

static inline struct attend attend_from(const struct compute_attention *c, const uint32_t *first, uint32_t n_segments)
{
	struct attend a = { c->q, c->k, c->v, c->out, c->heads, c->kv_heads, c->head_size, 1.0f / sqrtf((float)c->head_size),
		(const uint32_t *)(const void *)c->skip.at, n_segments, { 0 } };

	for (uint32_t s = 0; s <= n_segments; s++)
		a.first[s] = first[s];
	return a;
}

static inline uint32_t attend_blocks(const struct attend *a, uint32_t tile)
{
	uint32_t blocks = 0;

	for (uint32_t s = 0; s < a->n_segments; s++)
		blocks += (a->first[s + 1] - a->first[s] + tile - 1) / tile * a->heads;
	return blocks;
}

#endif
