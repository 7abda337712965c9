/* product.cu - x W^T + bias, a warp for each value of out: for what the library has no algorithm for (sides of 1, odd strides of 16-bit values),
 * and for one row of x where it is slower, which cublas.c measures. W is read anew for each row of x, so several rows are for the odd layer
 * alone; with one row the time is that of reading W once. */
#include "policy/compute/cuda/device.h"
#include "policy/compute/cuda/kernel.h"

/* AHEAD: how many eights of W a lane asks for before it needs the first: some 20 KB have to be on their way for each multiprocessor, or
 * memory waits. */
enum { WARPS = 8, AHEAD = 4, STEP = WARP * EIGHT };

struct multiply {
	struct device_product p;
	bool whole;                 /* take_eight may take rows of x and W whole */
};

DEVICE const uint8_t *values_at(const void *first, uint64_t index, bool narrow)
{
	return (const uint8_t *)first + index * (narrow ? 2 : 4);
}

DEVICE float dot_eight(struct eight x, struct eight w)
{
	float sum = 0.0f;

	for (uint32_t i = 0; i < EIGHT; i++)
		sum += x.v[i] * w.v[i];
	return sum;
}

/* A lane's share. */
DEVICE float dot_of_lane(const uint8_t *x, const uint8_t *w, uint32_t k, bool narrow)
{
	uint32_t i = threadIdx.x % WARP * EIGHT;
	float sum = 0.0f;

	for (; i + (AHEAD - 1) * STEP < k; i += AHEAD * STEP) {
		struct eight taken[AHEAD];

		for (uint32_t n = 0; n < AHEAD; n++)
			taken[n] = take_eight(w, i + n * STEP, k, narrow, true);
		for (uint32_t n = 0; n < AHEAD; n++)
			sum += dot_eight(take_eight(x, i + n * STEP, k, narrow, true), taken[n]);
	}
	for (; i < k; i += STEP)
		sum += dot_eight(take_eight(x, i, k, narrow, true), take_eight(w, i, k, narrow, true));
	return sum;
}

DEVICE float dot_of_lane_one_by_one(const uint8_t *x, const uint8_t *w, uint32_t k, bool narrow)
{
	float sum = 0.0f;

	for (uint32_t i = threadIdx.x % WARP; i < k; i += WARP)
		sum += value_at(x, i, narrow) * value_at(w, i, narrow);
	return sum;
}

DEVICE void multiply_warp(const struct multiply a, bool narrow)
{
	const uint64_t number = (uint64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
	const uint32_t row = (uint32_t)(number / a.p.n), column = (uint32_t)(number % a.p.n);

	if (row >= a.p.m)
		return;
	const uint8_t *x = values_at(a.p.x, (uint64_t)row * a.p.x_stride, narrow), *w = values_at(a.p.w, (uint64_t)column * a.p.k, narrow);
	uint8_t *out = (uint8_t *)a.p.out + ((uint64_t)row * a.p.out_stride + column) * (a.p.narrow_out ? 2 : 4);
	float sum = sum_warp(a.whole ? dot_of_lane(x, w, a.p.k, narrow) : dot_of_lane_one_by_one(x, w, a.p.k, narrow));

	if (a.p.bias)
		sum += value_at(a.p.bias, column, narrow);
	if (a.p.add)
		sum += value_at(out, 0, a.p.narrow_out);
	if (threadIdx.x % WARP == 0)
		put_value(out, 0, a.p.narrow_out, sum);
}

KERNEL(product_narrow, multiply)
{
	multiply_warp(a, true);
}

KERNEL(product_float, multiply)
{
	multiply_warp(a, false);
}

int kernel_product(void *stream, const struct device_product *p)
{
	const uint32_t value = p->narrow ? 2 : 4, blocks = (uint32_t)(((uint64_t)p->m * p->n + WARPS - 1) / WARPS);
	struct multiply a = { *p, p->k % EIGHT == 0 && (uintptr_t)p->x % 16 == 0 && (uintptr_t)p->w % 16 == 0 && (uint64_t)p->x_stride * value % 16 == 0 };

	if (p->narrow)
		return LAUNCH(product_narrow, blocks, WARPS * WARP, 0, stream, a);
	return LAUNCH(product_float, blocks, WARPS * WARP, 0, stream, a);
}
