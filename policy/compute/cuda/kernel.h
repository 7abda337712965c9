/* kernel.h - what the kernels (.cu) here are written in: the part of CUDA C that is C11 too, so that the host's compiler can build them
 * for tests (host_shim.h). A kernel has one argument, a struct called `a`, and its shared memory comes with the launch.
 *
 * Values are bfloat16 (`narrow`) or float. A kernel's body takes that as a constant, and two kernels hand it in. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_KERNEL_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_KERNEL_H

#include "policy/compute/cuda/kernels.h"

#ifdef __CUDACC__

enum { WARP = 32 };

#define DEVICE static __device__ __forceinline__
#define KERNEL(name, type) static __global__ void name(const struct type a)
#define LAUNCH(name, blocks, threads, shared_bytes, stream, args) \
	(name<<<(blocks), (threads), (shared_bytes), (cudaStream_t)(stream)>>>(args), (int)cudaGetLastError())
#define SHARED(type, name) \
	extern __shared__ __align__(16) unsigned char shared_memory[]; \
	type *const name = (type *)shared_memory
#define shuffle_xor(x, mask) __shfl_xor_sync(0xffffffffu, (x), (mask))
#define shuffle_xor_bits(x, mask) __shfl_xor_sync(0xffffffffu, (x), (mask))

DEVICE uint32_t round_two(float low, float high)
{
	uint32_t both;

	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
	return both;
}

/* Four 8 x 8 matrices from shared memory: lane i names row i % 8 of matrix i / 8, 16 bytes. Lane i gets of each matrix the two values of
 * row i / 4 from column 2 * (i % 4) on; turned: of column i / 4 from row 2 * (i % 4) on. */
DEVICE void load_matrices(const void *row, uint32_t out[4])
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
			: "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}

DEVICE void load_matrices_turned(const void *row, uint32_t out[4])
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
			: "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}

/* c [16][8] += a [16][16] b [16][8]: lane i has, g = i / 4 and t = 2 * (i % 4): of c the columns t, t + 1 of row g, then of row g + 8; of a
 * the columns t, t + 1 of row g, of row g + 8, then both from column t + 8 on; of b rows t, t + 1 of column g, then from row t + 8 on. */
DEVICE void multiply_add(float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1)
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
			: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#else
#include "policy/compute/cuda/host_shim.h"
typedef struct uint2 uint2;
typedef struct uint4 uint4;
typedef struct float4 float4;
#endif

/* EIGHT: values that a thread takes at a time: 16 bytes of bfloat16. */
enum { EIGHT = 8 };

struct eight {
	float v[EIGHT];
};

DEVICE float low_half(uint32_t both)
{
	return __uint_as_float(both << 16);
}

DEVICE float high_half(uint32_t both)
{
	return __uint_as_float(both & 0xffff0000u);
}

DEVICE float value_at(const void *row, uint32_t i, bool narrow)
{
	return narrow ? low_half(((const uint16_t *)row)[i]) : ((const float *)row)[i];
}

DEVICE void put_value(void *row, uint32_t i, bool narrow, float x)
{
	if (narrow)
		((uint16_t *)row)[i] = (uint16_t)round_two(x, 0.0f);
	else
		((float *)row)[i] = x;
}

/* The row's values i ... i + 7; zeros from n on. whole: n and i are multiples of eight, and the row lies at a multiple of 16 bytes. */
DEVICE struct eight take_eight(const uint8_t *row, uint32_t i, uint32_t n, bool narrow, bool whole)
{
	struct eight e;

	if (whole && narrow) {
		uint4 u = *(const uint4 *)(const void *)(row + 2 * (size_t)i);

		e.v[0] = low_half(u.x), e.v[1] = high_half(u.x), e.v[2] = low_half(u.y), e.v[3] = high_half(u.y);
		e.v[4] = low_half(u.z), e.v[5] = high_half(u.z), e.v[6] = low_half(u.w), e.v[7] = high_half(u.w);
	} else if (whole) {
		float4 low = *(const float4 *)(const void *)(row + 4 * (size_t)i), high = *(const float4 *)(const void *)(row + 4 * (size_t)i + 16);

		e.v[0] = low.x, e.v[1] = low.y, e.v[2] = low.z, e.v[3] = low.w;
		e.v[4] = high.x, e.v[5] = high.y, e.v[6] = high.z, e.v[7] = high.w;
	} else {
		for (uint32_t k = 0; k < EIGHT; k++)
			e.v[k] = i + k < n ? value_at(row, i + k, narrow) : 0.0f;
	}
	return e;
}

/* The same the other way; nothing is written from n on. */
DEVICE void put_eight(uint8_t *row, uint32_t i, uint32_t n, bool narrow, bool whole, struct eight e)
{
	if (whole && narrow) {
		uint4 u;

		u.x = round_two(e.v[0], e.v[1]), u.y = round_two(e.v[2], e.v[3]);
		u.z = round_two(e.v[4], e.v[5]), u.w = round_two(e.v[6], e.v[7]);
		*(uint4 *)(void *)(row + 2 * (size_t)i) = u;
	} else if (whole) {
		float4 low, high;

		low.x = e.v[0], low.y = e.v[1], low.z = e.v[2], low.w = e.v[3];
		high.x = e.v[4], high.y = e.v[5], high.z = e.v[6], high.w = e.v[7];
		*(float4 *)(void *)(row + 4 * (size_t)i) = low;
		*(float4 *)(void *)(row + 4 * (size_t)i + 16) = high;
	} else {
		for (uint32_t k = 0; k < EIGHT; k++)
			if (i + k < n)
				put_value(row, i + k, narrow, e.v[k]);
	}
}

DEVICE uint8_t *row_of(struct compute_view v, uint32_t row, bool narrow)
{
	return v.at + (uint64_t)row * v.stride * (narrow ? 2 : 4);
}

DEVICE float sum_warp(float x)
{
	for (uint32_t mask = WARP / 2; mask; mask /= 2)
		x += shuffle_xor(x, mask);
	return x;
}

/* A NaN may be lost. */
DEVICE float largest_warp(float x)
{
	for (uint32_t mask = WARP / 2; mask; mask /= 2)
		x = fmaxf(x, shuffle_xor(x, mask));
	return x;
}

/* Sum over a block of whole warps, in every thread; partial [WARP], shared, may hold what a former call left. */
DEVICE float sum_block(float x, float *partial)
{
	uint32_t lane = threadIdx.x % WARP;

	x = sum_warp(x);
	if (blockDim.x == WARP)
		return x;
	__syncthreads();
	if (lane == 0)
		partial[threadIdx.x / WARP] = x;
	__syncthreads();
	return sum_warp(lane < blockDim.x / WARP ? partial[lane] : 0.0f);
}

/* Host. Threads that take eight of n values each: whole warps, `most` at most. */
static inline uint32_t threads_for(uint32_t n, uint32_t most)
{
	uint32_t threads = ((n + EIGHT - 1) / EIGHT + WARP - 1) / WARP * WARP;

	return threads < most ? threads : most;
}

/* Host. Whether take_eight may take the view's rows whole. */
static inline bool is_whole(struct compute_view v)
{
	return v.columns % EIGHT == 0 && (uintptr_t)v.at % 16 == 0 && (uint64_t)v.stride * v.value_bytes % 16 == 0;
}

static inline bool is_narrow(struct compute_view v)
{
	return v.value_bytes == 2;
}

#endif
