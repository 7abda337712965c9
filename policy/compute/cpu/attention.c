/* attention.c - softmax(q k^T / sqrt(head size)) v, a block of query rows of one head at a time. */
#include "policy/compute/cpu/cpu.h"

#include <math.h>

/* x [n], scores -> weights that add up to 1. The score is rounded before and after its scaling, as the original's two steps are. */
static void softmax_row(const struct compute *c, float *x, uint32_t n, float divisor)
{
	float largest = -INFINITY;
	double sum = 0.0;

	for (uint32_t i = 0; i < n; i++) {
		x[i] = cpu_round(c, cpu_round(c, x[i]) / divisor);
		largest = x[i] > largest ? x[i] : largest;
	}
	for (uint32_t i = 0; i < n; i++) {
		x[i] = expf(x[i] - largest);
		sum += (double)x[i];
	}
	float scale = (float)(1.0 / sum);

	for (uint32_t i = 0; i < n; i++)
		x[i] = cpu_round(c, x[i] * scale);
}

/* One head of one segment that starts at row `start`. */
static void attend(struct compute *c, const struct compute_attention *a, uint32_t head, uint32_t start, uint32_t length)
{
	uint32_t size = a->head_size, kv = head * a->kv_heads / a->heads;
	const float *k = cpu_row(a->k, start) + (size_t)kv * size, *v = cpu_row(a->v, start) + (size_t)kv * size;
	float divisor = (float)sqrt((double)size);

	for (uint32_t done = 0; done < length; done += ATTENTION_ROWS) {
		uint32_t rows = length - done < ATTENTION_ROWS ? length - done : ATTENTION_ROWS;
		const float *q = cpu_row(a->q, start + done) + (size_t)head * size;
		float *out = cpu_row(a->out, start + done) + (size_t)head * size;

		cpu_product(c, true, rows, length, size, q, a->q.stride, k, a->k.stride, c->score, length);
		for (uint32_t r = 0; r < rows; r++)
			softmax_row(c, c->score + (size_t)r * length, length, divisor);
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
