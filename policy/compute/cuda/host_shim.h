/* host_shim.h - enough of CUDA C for our kernels to run on the host, for tests; kernel.h includes it where no nvcc compiles.
 *
 * The threads of a block are fibers of the calling thread: each runs until it waits for others (__syncthreads, a warp's exchange) or
 * ends. Blocks run one after another. In each launch a block's threads take turns in ascending or descending order, and its warps in step
 * or each as far as it gets alone, as dice have it that fall alike every time: what only one order gets right shows. Shared memory is NaN in every float and short when a block begins.
 *
 * Broken kernels end the program with a sentence: threads that wait at different barriers, or for threads that have ended; exchanges of
 * half a warp; writes beyond the shared memory that the launch gave. What this cannot show: races within a warp between exchanges,
 * memory order between blocks, alignment of vector accesses (UBSan shows it), and how fast anything is.
 *
 * One launch at a time in a process. Thread: any, one at a time. Allocates: stacks, when a launch has more threads than those before. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_HOST_SHIM_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_HOST_SHIM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WARP = 32 };

struct shim_index {
	uint32_t x;
};

/* Of the thread that runs. */
extern struct shim_index shim_thread, shim_block, shim_block_size, shim_grid;

#define threadIdx shim_thread
#define blockIdx shim_block
#define blockDim shim_block_size
#define gridDim shim_grid

struct uint2 {
	uint32_t x, y;
} __attribute__((aligned(8)));
struct uint4 {
	uint32_t x, y, z, w;
} __attribute__((aligned(16)));
struct float4 {
	float x, y, z, w;
} __attribute__((aligned(16)));

#define DEVICE static inline

/* One for each kernel, listed before main begins. */
struct shim_kernel {
	const char *name;
	void (*thread)(const void *args);
	uint64_t launches;
	struct shim_kernel *next;
};

void shim_list(struct shim_kernel *k);

/* A kernel has one argument, a struct, which it sees as `a`. */
#define KERNEL(name, type) \
	static void name(const struct type a); \
	static void name##_thread(const void *a) \
	{ \
		name(*(const struct type *)a); \
	} \
	static struct shim_kernel name##_kernel = { #name, name##_thread, 0, 0 }; \
	__attribute__((constructor)) static void name##_list(void) \
	{ \
		shim_list(&name##_kernel); \
	} \
	static void name(const struct type a)

#define LAUNCH(name, blocks, threads, shared_bytes, stream, args) \
	((void)(stream), shim_launch(&name##_kernel, &(args), sizeof(args), (blocks), (threads), (shared_bytes)))

/* Runs every thread of every block; 0: what is wrong with a kernel ends the program. While a recorder is set, nothing runs: it gets the launch,
 * and its answer is the result. */
int shim_launch(struct shim_kernel *k, const void *args, size_t args_bytes, uint32_t blocks, uint32_t threads, uint32_t shared_bytes);
struct shim_launch {
	struct shim_kernel *kernel;
	const void *args;
	size_t args_bytes;
	uint32_t blocks, threads, shared_bytes;
};
void shim_record(int (*recorder)(void *context, const struct shim_launch *l), void *context);

/* The block's shared memory, as many bytes as the launch gave. */
#define SHARED(type, name) type *const name = (type *)shim_shared()
void *shim_shared(void);

#define __syncthreads() shim_barrier(__FILE__, __LINE__)
#define __syncwarp() shim_warp_barrier(__FILE__, __LINE__)
void shim_barrier(const char *file, int line);
void shim_warp_barrier(const char *file, int line);

/* Each lane of a warp gives `bytes` bytes (64 at most) and gets what lane `from` gave. */
void shim_exchange(const char *file, int line, const void *mine, void *theirs, uint32_t bytes, uint32_t from);

/* What every lane of the warp gave: the address of lane i's bytes, valid until this lane's next exchange but one. */
const void *shim_given(uint32_t lane);
void shim_give(const char *file, int line, const void *mine, uint32_t bytes);

static inline float shim_shuffle_xor(const char *file, int line, float x, uint32_t mask)
{
	float y;

	shim_exchange(file, line, &x, &y, sizeof x, (shim_thread.x % WARP) ^ mask);
	return y;
}

static inline uint32_t shim_shuffle_xor_bits(const char *file, int line, uint32_t x, uint32_t mask)
{
	uint32_t y;

	shim_exchange(file, line, &x, &y, sizeof x, (shim_thread.x % WARP) ^ mask);
	return y;
}

#define shuffle_xor(x, mask) shim_shuffle_xor(__FILE__, __LINE__, (x), (mask))
#define shuffle_xor_bits(x, mask) shim_shuffle_xor_bits(__FILE__, __LINE__, (x), (mask))

static inline uint32_t atomicAdd(uint32_t *at, uint32_t by)
{
	uint32_t before = *at;

	*at = before + by;
	return before;
}

static inline float __uint_as_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

static inline uint32_t __float_as_uint(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits;
}

/* Nearest bfloat16, ties to even; as cvt.rn.bf16.f32: NaN becomes 0x7fff. */
static inline uint32_t shim_round_bf16(float x)
{
	uint32_t bits = __float_as_uint(x);

	return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

static inline uint32_t round_two(float low, float high)
{
	return shim_round_bf16(low) | shim_round_bf16(high) << 16;
}

/* The two instructions of a warp's matrix unit that kernels here use, lane by lane as PTX ISA 8.x, "Warp-level matrix instructions", lays
 * out their fragments: ldmatrix.x4 (.trans) of 8 x 8 matrices of 16 bits, and mma.m16n8k16.row.col with bfloat16 operands. */
#define load_matrices(row, out) shim_load_matrices(__FILE__, __LINE__, (row), false, (out))
#define load_matrices_turned(row, out) shim_load_matrices(__FILE__, __LINE__, (row), true, (out))
#define multiply_add(c, a, b0, b1) shim_multiply_add(__FILE__, __LINE__, (c), (a), (b0), (b1))
void shim_load_matrices(const char *file, int line, const void *row, bool turned, uint32_t out[4]);
void shim_multiply_add(const char *file, int line, float c[4], const uint32_t a[4], uint32_t b0, uint32_t b1);

#endif
