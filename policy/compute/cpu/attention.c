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

/* Keys that are not looked at. */
static uint32_t skipped(const struct compute_attention *a)
{
	uint32_t skip = 0;

	if (a->skip.at)
		memcpy(&skip, a->skip.at, sizeof skip);
	assert(!skip || (a->n_segments == 1 && skip < a->segment[0]));
	return skip;
}

/* One head of one segment that starts at row `start`. */
static void attend(struct compute *c, const struct compute_attention *a, uint32_t head, uint32_t start, uint32_t length, float *score)
{
	uint32_t size = a->head_size, kv = head * a->kv_heads / a->heads, skip = skipped(a), keys = length - skip;
	const float *k = cpu_row(a->k, start + skip) + (size_t)kv * size, *v = cpu_row(a->v, start + skip) + (size_t)kv * size;
	float scale = (float)(1.0 / sqrt((double)size));

	for (uint32_t done = 0; done < length; done += ATTENTION_ROWS) {
		uint32_t rows = length - done < ATTENTION_ROWS ? length - done : ATTENTION_ROWS;
		const float *q = cpu_row(a->q, start + done) + (size_t)head * size;
		float *out = cpu_row(a->out, start + done) + (size_t)head * size;

		cpu_product(c, &(struct cpu_product){ .transposed = true, .m = rows, .n = keys, .k = size, .a = q, .lda = a->q.stride,
				.b = k, .ldb = a->k.stride, .out = score, .ldc = keys });
		for (uint32_t r = 0; r < rows; r++)
			softmax_row(score + (size_t)r * keys, keys, scale);
		cpu_product(c, &(struct cpu_product){ .m = rows, .n = size, .k = keys, .a = score, .lda = keys, .b = v,
				.ldb = a->v.stride, .out = out, .ldc = a->out.stride });
		for (uint32_t r = 0; c->round && r < rows; r++)
			for (uint32_t i = 0; i < size; i++)
				out[(size_t)r * a->out.stride + i] = round_bf16(out[(size_t)r * a->out.stride + i]);
	}
}

struct attention_job {
	struct compute *c;
	const struct compute_attention *a;
};

/* Items count the heads of the first segment, then those of the second... */
static void attend_item(void *context, uint32_t item, uint32_t lane)
{
	const struct attention_job *j = context;
	uint32_t segment = item / j->a->heads, start = 0;

	for (uint32_t s = 0; s < segment; s++)
		start += j->a->segment[s];
	attend(j->c, j->a, item % j->a->heads, start, j->a->segment[segment], j->c->lane[lane].score);
}

void cpu_attention(struct compute *c, const struct compute_attention *a)
{
	struct attention_job j = { c, a };
	uint64_t multiplications = 0;
	uint32_t rows = 0;

	for (uint32_t s = 0; s < a->n_segments; s++) {
		assert(a->segment[s] <= c->options.max_segment && "attention: a longer segment than announced");
		rows += a->segment[s];
		cpu_announce(c, a->segment[s], a->segment[s], a->head_size, a->heads);
		cpu_announce(c, a->segment[s], a->head_size, a->segment[s], a->heads);
		multiplications += (uint64_t)a->segment[s] * a->segment[s] * a->heads * a->head_size * 2;
	}
	assert(rows == a->q.rows && "attention: segments do not cover the rows");
	cpu_share(c, multiplications, a->n_segments * a->heads, attend_item, &j);
}

/* -- causal, with a cache -------------------------------------------------------------------------------------------------------- */

/* One head: every query by itself, for each sees a key more than the one before. */
static void attend_cached_item(void *context, uint32_t head, uint32_t lane)
{
	const struct attention_job *j = context;
	const struct compute_attention *a = j->a;
	uint32_t size = a->head_size, kv = head * a->kv_heads / a->heads, past = a->k.rows - a->q.rows;
	const float *k = cpu_row(a->k, 0) + (size_t)kv * size, *v = cpu_row(a->v, 0) + (size_t)kv * size;
	float scale = (float)(1.0 / sqrt((double)size)), *score = j->c->lane[lane].score;

	for (uint32_t r = 0; r < a->q.rows; r++) {
		const float *q = cpu_row(a->q, r) + (size_t)head * size;
		float *out = cpu_row(a->out, r) + (size_t)head * size;
		uint32_t length = past + r + 1;

		cpu_product(j->c, &(struct cpu_product){ .transposed = true, .m = 1, .n = length, .k = size, .a = q, .lda = a->q.stride, .b = k,
				.ldb = a->k.stride, .out = score, .ldc = length });
		softmax_row(score, length, scale);
		cpu_product(j->c, &(struct cpu_product){ .m = 1, .n = size, .k = length, .a = score, .lda = length, .b = v, .ldb = a->v.stride,
				.out = out, .ldc = a->out.stride });
		for (uint32_t i = 0; j->c->round && i < size; i++)
			out[i] = round_bf16(out[i]);
	}
}

void cpu_attention_cached(struct compute *c, const struct compute_attention *a)
{
	struct attention_job j = { c, a };
	uint64_t keys = 0;

	assert(a->q.rows <= a->k.rows && a->k.rows <= c->options.max_segment && "attention_cached: more queries than keys, or too many keys");
	for (uint32_t r = 0; r < a->q.rows; r++) {
		uint32_t length = a->k.rows - a->q.rows + r + 1;

		cpu_announce(c, 1, length, a->head_size, a->heads);
		cpu_announce(c, 1, a->head_size, length, a->heads);
		keys += length;
	}
	cpu_share(c, keys * a->heads * a->head_size * 2, a->heads, attend_cached_item, &j);
}
