/* cpu.h - private to the cpu backend: the instance, its scratch memory, and how numbers are rounded and widened.
 *
 * Activations are float in both precisions; with POLICY_BF16 they only ever hold bfloat16 values. */
#ifndef DREAMVLA_POLICY_COMPUTE_CPU_CPU_H
#define DREAMVLA_POLICY_COMPUTE_CPU_CPU_H

#include <string.h>

#include "daemon/sys/arena.h"
#include "policy/compute/compute.h"
#include "policy/compute/cpu/crew.h"

/* A tile of weights is widened and multiplied at a time, so that it stays in a cache between the two: at most TILE_ROWS rows of it and
 * TILE_FLOATS values (2 MiB). PRODUCT_ROWS: rows of activations that meet a tile at a time, so that large pictures do not cost every
 * thread a product of their length; widening a tile anew for each costs next to nothing. ATTENTION_ROWS: rows of queries at a time. */
enum { TILE_ROWS = 512, TILE_FLOATS = 1 << 19, PRODUCT_ROWS = 2048, ATTENTION_ROWS = 128 };

/* Scratch memory of one worker. */
struct lane {
	float *weight;              /* [TILE_FLOATS] */
	float *product;             /* [at most PRODUCT_ROWS, and max_rows][TILE_ROWS] */
	float *bias;                /* [TILE_ROWS] */
	float *score;               /* [ATTENTION_ROWS][max_segment] */
};

struct compute {
	struct compute_options options;
	bool round;                 /* POLICY_BF16 */
	_Atomic int error;          /* first failure of the matrix library, -errno */
	struct crew crew;
	struct arena scratch;       /* the four below */
	struct lane lane[CREW_MAX];
	float *first, *second;      /* [max_inner] widened vectors */
	float *row;                 /* [max_outer] */
	struct arena memory;        /* activations */
};

static inline float bits_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

static inline uint32_t float_bits(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits;
}

/* Nearest bfloat16, ties to even; NaN stays NaN, too large becomes infinite. */
static inline float round_bf16(float x)
{
	uint32_t bits = float_bits(x);
	uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
	bool nan = (bits & 0x7fffffffu) > 0x7f800000u;

	return bits_float(nan ? 0x7fc00000u : rounded);
}

/* x in [-87, 88], or NaN. On its bits: of a comparison of floats gcc makes a value of its own for each end, computed beside every element
 * of a vector, and products with e^-87 are subnormal, which cost more than all the rest. */
static inline float clamp_exponent(float x)
{
	int32_t bits = (int32_t)float_bits(x), magnitude = bits & 0x7fffffff;
	int32_t most = bits < 0 ? 0x42ae0000 : 0x42b00000; /* of 87 and 88 */

	most = magnitude > 0x7f800000 ? magnitude : most;
	return bits_float(((uint32_t)bits & 0x80000000u) | (uint32_t)(magnitude < most ? magnitude : most));
}

/* e^x to about 2e-7, in a form that compilers turn into vector instructions (libm's expf is a call per value). Range reduction and
 * polynomial of Cephes' expf; x is clamped to [-87, 88], which keeps the result normal; NaN stays NaN. */
static inline float cpu_exp(float x)
{
	const float shift = 0x1.8p23f; /* adding it leaves the nearest integer in the low bits */

	x = clamp_exponent(x);
	float shifted = x * 1.44269504f + shift;
	float n = shifted - shift;
	float r = x - n * 0.693359375f - n * -2.12194440e-4f;
	float p = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r + 1.6666665459e-1f) * r
			+ 5.0000001201e-1f;

	return (p * r * r + r + 1.0f) * bits_float((float_bits(shifted) + 127u) << 23);
}

static inline float cpu_round(const struct compute *c, float x)
{
	return c->round ? round_bf16(x) : x;
}

static inline float *cpu_row(struct compute_view v, uint32_t row)
{
	return (float *)(void *)v.at + (size_t)row * v.stride;
}

/* n weights from element `first` of m, as float in the instance's precision: out [n]. */
void cpu_widen(const struct compute *c, struct compute_matrix m, size_t first, size_t n, float *out);

/* The same as cpu_widen, or the weights themselves where that changes nothing. */
const float *cpu_weights(const struct compute *c, struct compute_matrix m, size_t first, size_t n, float *scratch);

/* out [m][n] (+)= a [m][k] b [k][n] (or b [n][k] transposed), leading dimensions as given, on the calling thread alone. Failures
 * stick in c. */
struct cpu_product {
	bool transposed, add;
	uint32_t m, n, k, lda, ldb, ldc;
	const float *a, *b;
	float *out;
};
void cpu_product(struct compute *c, const struct cpu_product *p);

static inline void cpu_announce(const struct compute *c, uint32_t m, uint32_t n, uint32_t k, uint32_t count)
{
	if (c->options.multiplies)
		c->options.multiplies(c->options.multiplies_context, m, n, k, count);
}

/* work(context, 0 .. n_items - 1, lane), shared out when the whole is large: `multiplications`, or as many steps that cost about the
 * same. Which items there are may not depend on the number of threads. */
void cpu_share(struct compute *c, uint64_t multiplications, uint32_t n_items,
		void (*work)(void *context, uint32_t item, uint32_t lane), void *context);

void cpu_linear(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		enum compute_epilogue epilogue, struct compute_view out);
void cpu_layer_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b, double eps,
		struct compute_view out);
void cpu_rms_norm(struct compute *c, struct compute_view x, struct compute_matrix w, double eps, struct compute_view out);
void cpu_upload_angles(struct compute *c, const float *cosine, const float *sine, struct compute_view table);
void cpu_rotary(struct compute *c, struct compute_view x, uint32_t heads, struct compute_view table);
void cpu_attention(struct compute *c, const struct compute_attention *a);
void cpu_attention_cached(struct compute *c, const struct compute_attention *a);
void cpu_argmax(struct compute *c, struct compute_view x, int32_t *token);
void cpu_choose(struct compute *c, struct compute_view x, uint32_t top_k, struct compute_choice *choice);

#endif
