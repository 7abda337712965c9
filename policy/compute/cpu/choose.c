/* choose.c - from logits to tokens: best column, and softmax confidence. */
#include "policy/compute/cpu/cpu.h"

#include <math.h>

/* -1: there is a NaN. */
static int32_t best_column(const float *x, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (isnan(x[i]))
			return -1;
		if (x[i] > x[best])
			best = i;
	}
	return (int32_t)best;
}

void cpu_argmax(struct compute *c, struct compute_view x, int32_t *token)
{
	(void)c;
	for (uint32_t r = 0; r < x.rows; r++)
		token[r] = best_column(cpu_row(x, r), x.columns);
}

/* Restores the heap whose smallest value is heap[0], after heap[0] changed. */
static void sift_down(float *heap, uint32_t n)
{
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && heap[child + 1] < heap[child])
			child++;
		if (!(heap[child] < heap[i]))
			return;
		float moved = heap[i];

		heap[i] = heap[child];
		heap[child] = moved;
		i = child;
	}
}

/* The k-th largest of x [n], with a heap of the k largest so far; heap [k]. -infinity when k is 0 (off) or beyond n. */
static float kth_largest(const float *x, uint32_t n, uint32_t k, float *heap)
{
	if (!k || k >= n)
		return -INFINITY;
	for (uint32_t i = 0; i < k; i++)
		heap[i] = -INFINITY;
	for (uint32_t i = 0; i < n; i++) {
		if (x[i] > heap[0]) {
			heap[0] = x[i];
			sift_down(heap, k);
		}
	}
	return heap[0];
}

static struct compute_choice choose_row(const float *x, uint32_t n, float threshold)
{
	int32_t best = best_column(x, n);
	float second = -INFINITY;
	double sum = 0.0, entropy = 0.0;

	if (best < 0)
		return (struct compute_choice){ .token = -1 };
	for (uint32_t i = 0; i < n; i++) {
		if (x[i] < threshold)
			continue;
		sum += (double)expf(x[i] - x[best]);
		second = i != (uint32_t)best && x[i] > second ? x[i] : second;
	}
	for (uint32_t i = 0; i < n; i++) {
		float p = x[i] < threshold ? 0.0f : (float)((double)expf(x[i] - x[best]) / sum);

		entropy += (double)(p * logf(p + 1e-10f));
	}
	return (struct compute_choice){ best, (float)(1.0 / sum), (float)(exp((double)second - (double)x[best]) / sum), (float)entropy };
}

void cpu_choose(struct compute *c, struct compute_view x, uint32_t top_k, struct compute_choice *choice)
{
	assert(x.columns <= c->options.max_outer && "choose: more columns than announced");
	for (uint32_t r = 0; r < x.rows; r++) {
		const float *row = cpu_row(x, r);

		choice[r] = choose_row(row, x.columns, kth_largest(row, x.columns, top_k, c->row));
	}
}
