/* attention.c - softmax(q k^T / sqrt(head size)) v, a block of query rows of one head at a time. */
#include "policy/compute/cpu/cpu.h"

#include <math.h>

enum { LANES = 8 }; /* independent partial results, which is what lets a reduction use vector instructions */

static float largest_of(const float *x, uint32_t n)
{
	float lane[LANES], largest = -INFINITY;
	uint32_t i = 0;

	for (uint32_t k = 0; k < LANES; k++)
		lane[k] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (uint32_t k = 0; k < LANES; k++)
			lane[k] = x[i + k] > lane[k] ? x[i + k] : lane[k];
	for (; i < n; i++)
		largest = x[i] > largest ? x[i] : largest;
	for (uint32_t k = 0; k < LANES; k++)
		largest = lane[k] > largest ? lane[k] : largest;
	return largest;
}

static double sum_of(const float *x, uint32_t n)
{
	float lane[LANES] = { 0.0f };
	double sum = 0.0;
	uint32_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (uint32_t k = 0; k < LANES; k++)
			lane[k] += x[i + k];
	for (; i < n; i++)
		sum += (double)x[i];
	for (uint32_t k = 0; k < LANES; k++)
		sum += (double)lane[k];
	return sum;
}

/* x [n], products of q and k -> weights that add up to 1; `scale` is that of the products, positive. */
static void softmax_row(float *x, uint32_t n, float scale)
{
	float largest = largest_of(x, n);

	for (uint32_t i = 0; i < n; i++)
		x[i] = cpu_exp((x[i] - largest) * scale);
	float share = (float)(1.0 / sum_of(x, n));

	for (uint32_t i = 0; i < n; i++)
		x[i] *= share;
}

/* One head of one segment that starts at row `start`. */
static void attend(struct compute *c, const struct compute_attention *a, uint32_t head, uint32_t start, uint32_t length)
{
	uint32_t size = a->head_size, kv = head * a->kv_heads / a->heads;
	const float *k = cpu_row(a->k, start) + (size_t)kv * size, *v = cpu_row(a->v, start) + (size_t)kv * size;
	float scale = (float)(1.0 / sqrt((double)size));

	for (uint32_t done = 0; done < length; done += ATTENTION_ROWS) {
		uint32_t rows = length - done < ATTENTION_ROWS ? length - done : ATTENTION_ROWS;
		const float *q = cpu_row(a->q, start + done) + (size_t)head * size;
		float *out = cpu_row(a->out, start + done) + (size_t)head * size;

		cpu_product(c, true, rows, length, size, q, a->q.stride, k, a->k.stride, c->score, length);
		for (uint32_t r = 0; r < rows; r++)
			softmax_row(c->score + (size_t)r * length, length, scale);
		cpu_product(c, false, rows, size, length, c->score, length, v, a->v.stride, out, a->out.stride);
		for (uint32_t r = 0; c->round && r < rows; r++)
			for (uint32_t i = 0; i < size; i++)
				out[(size_t)r * a->out.stride + i] = round_bf16(out[(size_t)r * a->out.stride + i]);
	}
}

void cpu_attention(struct compute *c, const struct compute_attention *a)
{
	uint32_t start = 0;

	for (uint32_t s = 0; s < a->n_segments; s++) {
		assert(a->segment[s] <= c->options.max_segment && "attention: a longer segment than announced");
		for (uint32_t h = 0; h < a->heads; h++)
			attend(c, a, h, start, a->segment[s]);
		start += a->segment[s];
	}
	assert(start == a->q.rows && "attention: segments do not cover the rows");
}
