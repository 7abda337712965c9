/* product.cu - x W^T + bias where the library has no algorithm (sides of 1, odd strides of 16-bit values): a warp for each value of out. For the
 * odd layer alone: W is read anew for each row of x. */
#include "policy/compute/cuda/device.h"
#include "policy/compute/cuda/kernel.h"

enum { WARPS = 8 };

struct multiply {
	struct device_product p;
};

DEVICE const uint8_t *values_at(const void *first, uint64_t index, bool narrow)
{
	return (const uint8_t *)first + index * (narrow ? 2 : 4);
}

DEVICE float dot_of_warp(const void *x, const void *w, uint32_t k, bool narrow)
{
	float sum = 0.0f;

	for (uint32_t i = threadIdx.x % WARP; i < k; i += WARP)
		sum += value_at(x, i, narrow) * value_at(w, i, narrow);
	for (uint32_t mask = WARP / 2; mask > 0; mask /= 2)
		sum += shuffle_xor(sum, mask);
	return sum;
}

KERNEL(product, multiply)
{
	const uint64_t number = (uint64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
	const uint32_t row = (uint32_t)(number / a.p.n), column = (uint32_t)(number % a.p.n);

	if (row >= a.p.m)
		return;
	const uint8_t *out = values_at(a.p.out, (uint64_t)row * a.p.out_stride + column, a.p.narrow_out);
	float sum = dot_of_warp(values_at(a.p.x, (uint64_t)row * a.p.x_stride, a.p.narrow), values_at(a.p.w, (uint64_t)column * a.p.k, a.p.narrow),
			a.p.k, a.p.narrow);

	if (a.p.bias)
		sum += value_at(a.p.bias, column, a.p.narrow);
	if (a.p.add)
		sum += value_at(out, 0, a.p.narrow_out);
	if (threadIdx.x % WARP == 0)
		put_value((uint8_t *)out, 0, a.p.narrow_out, sum);
}

int kernel_product(void *stream, const struct device_product *p)
{
	struct multiply a = { *p };

	return LAUNCH(product, (uint32_t)(((uint64_t)p->m * p->n + WARPS - 1) / WARPS), WARPS * WARP, 0, stream, a);
}
