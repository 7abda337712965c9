/* tokens.cu - from logits to tokens: best column, and softmax confidence; a block to a row. */
#include "policy/compute/cuda/kernel.h"

enum { THREADS_MAX = 1024, DIGITS = 256 };

struct pick {
	struct compute_view x;
	uint32_t top_k;
	int32_t *token;
	struct compute_choice *choice;
	bool whole;
};

/* Shared memory of a block. */
struct board {
	float partial[WARP];
	float value[WARP];
	uint32_t column[WARP];
	uint32_t digits[DIGITS];
	uint32_t wanted, rank;
};

/* A column and what it holds; NONE: there is none. */
struct best {
	float value;
	uint32_t column;
};

#define NONE 0xffffffffu

/* The larger, the first of equals; whichever holds a NaN before anything else. */
DEVICE struct best better(struct best p, struct best q)
{
	if (p.column == NONE || q.column == NONE)
		return p.column == NONE ? q : p;
	if (isnan(p.value) || isnan(q.value))
		return isnan(p.value) ? p : q;
	if (p.value > q.value || q.value > p.value)
		return p.value > q.value ? p : q;
	return p.column < q.column ? p : q;
}

DEVICE struct best best_warp(struct best p)
{
	for (uint32_t mask = WARP / 2; mask; mask /= 2) {
		struct best q;

		q.value = shuffle_xor(p.value, mask);
		q.column = shuffle_xor_bits(p.column, mask);
		p = better(p, q);
	}
	return p;
}

DEVICE struct best best_block(struct best p, struct board *b)
{
	uint32_t lane = threadIdx.x % WARP;

	p = best_warp(p);
	__syncthreads();
	if (lane == 0) {
		b->value[threadIdx.x / WARP] = p.value;
		b->column[threadIdx.x / WARP] = p.column;
	}
	__syncthreads();
	p.value = lane < blockDim.x / WARP ? b->value[lane] : 0.0f;
	p.column = lane < blockDim.x / WARP ? b->column[lane] : NONE;
	return best_warp(p);
}

/* Best of the row, in every thread, but for column `but`. */
DEVICE struct best best_of_row(const struct pick a, const uint8_t *x, uint32_t but, struct board *b)
{
	uint32_t n = a.x.columns;
	struct best p;

	p.value = 0.0f;
	p.column = NONE;
	for (uint32_t i = threadIdx.x * EIGHT; i < n; i += blockDim.x * EIGHT) {
		struct eight e = take_eight(x, i, n, false, a.whole);

		for (uint32_t k = 0; k < EIGHT; k++) {
			struct best q;

			q.value = e.v[k];
			q.column = i + k < n && i + k != but ? i + k : NONE;
			p = better(p, q);
		}
	}
	return best_block(p, b);
}

KERNEL(argmax, pick)
{
	SHARED(struct board, b);
	struct best p = best_of_row(a, row_of(a.x, blockIdx.x, false), NONE, b);

	if (threadIdx.x == 0)
		a.token[blockIdx.x] = isnan(p.value) ? -1 : (int32_t)p.column;
}

/* Floats in ascending order as numbers in ascending order. (Of the two zeros one comes first; what is compared with the result are
 * floats again, to which they are equal.) */
DEVICE uint32_t order_of(float x)
{
	uint32_t bits = __float_as_uint(x);

	return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

DEVICE float float_of_order(uint32_t order)
{
	return __uint_as_float(order & 0x80000000u ? order & 0x7fffffffu : ~order);
}

/* How often each digit at `shift` occurs among the row's values whose higher digits are those of b->wanted. */
DEVICE void count_digits(const struct pick a, const uint8_t *x, uint32_t shift, struct board *b)
{
	uint32_t n = a.x.columns, higher = shift == 24 ? 0u : 0xffffffffu << (shift + 8);

	for (uint32_t i = threadIdx.x; i < DIGITS; i += blockDim.x)
		b->digits[i] = 0;
	__syncthreads();
	for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) {
		uint32_t order = order_of(value_at(x, i, false));

		if ((order & higher) == (b->wanted & higher))
			atomicAdd(&b->digits[order >> shift & (DIGITS - 1)], 1u);
	}
	__syncthreads();
}

/* The top_k-th largest of the row, digit by digit from the highest; -infinity: all are wanted. No NaN is among them. */
DEVICE float smallest_wanted(const struct pick a, const uint8_t *x, struct board *b)
{
	if (!a.top_k || a.top_k >= a.x.columns)
		return -INFINITY;
	__syncthreads();
	if (threadIdx.x == 0) {
		b->wanted = 0;
		b->rank = a.top_k;
	}
	__syncthreads();
	for (int shift = 24; shift >= 0; shift -= 8) {
		count_digits(a, x, (uint32_t)shift, b);
		if (threadIdx.x == 0) {
			uint32_t digit = DIGITS - 1;

			for (; b->digits[digit] < b->rank; digit--)
				b->rank -= b->digits[digit];
			b->wanted |= digit << shift;
		}
		__syncthreads();
	}
	return float_of_order(b->wanted);
}

KERNEL(choose, pick)
{
	SHARED(struct board, b);
	const uint8_t *x = row_of(a.x, blockIdx.x, false);
	struct compute_choice *choice = a.choice + blockIdx.x;
	struct best best = best_of_row(a, x, NONE, b);
	uint32_t n = a.x.columns;
	float sum = 0.0f, entropy = 0.0f;

	if (isnan(best.value)) {
		if (threadIdx.x == 0) {
			choice->token = -1;
			choice->probability = choice->second = choice->negative_entropy = 0.0f;
		}
		return;
	}
	struct best second = best_of_row(a, x, best.column, b);
	float smallest = smallest_wanted(a, x, b);

	for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) {
		float value = value_at(x, i, false);

		sum += value < smallest ? 0.0f : expf(value - best.value);
	}
	sum = sum_block(sum, b->partial);
	for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) {
		float value = value_at(x, i, false), p = value < smallest ? 0.0f : expf(value - best.value) / sum;

		entropy += p * logf(p + 1e-10f);
	}
	entropy = sum_block(entropy, b->partial);
	if (threadIdx.x == 0) {
		choice->token = (int32_t)best.column;
		choice->probability = 1.0f / sum;
		choice->second = second.column == NONE || second.value < smallest ? 0.0f : expf(second.value - best.value) / sum;
		choice->negative_entropy = entropy;
	}
}

int kernel_argmax(void *stream, struct compute_view x, int32_t *token)
{
	struct pick a = { x, 0, token, NULL, is_whole(x) };

	return LAUNCH(argmax, x.rows, threads_for(x.columns, THREADS_MAX), sizeof(struct board), stream, a);
}

int kernel_choose(void *stream, struct compute_view x, uint32_t top_k, struct compute_choice *choice)
{
	struct pick a = { x, top_k, NULL, choice, is_whole(x) };

	return LAUNCH(choose, x.rows, threads_for(x.columns, THREADS_MAX), sizeof(struct board), stream, a);
}
