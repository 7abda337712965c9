/* kernels.h - the cuda backend's own kernels, as functions that put one into a stream.
 *
 * All pointers but those said to be the host's are the device's. Values are bfloat16 where a view's value_bytes is 2, float where it is 4;
 * weights have the type of the values they meet. Shapes are those of compute.h and have been checked. All return 0, or the code of
 * the CUDA runtime (device_explain); results come later. Thread: the policy's. Allocates: no. Blocks: no. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_KERNELS_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_KERNELS_H

#include "policy/compute/compute.h"

#ifdef __cplusplus
extern "C" {
#endif

/* HEAD_SIZE_MAX: largest head of attention. SEGMENTS_MAX: most segments of one launch. */
enum { HEAD_SIZE_MAX = 256, SEGMENTS_MAX = 16 };

/* moves.cu */
int kernel_zero(void *stream, struct compute_view out);
int kernel_copy(void *stream, struct compute_view x, struct compute_view out);
/* x and out may differ in type: rounds or widens. */
int kernel_convert(void *stream, struct compute_view x, struct compute_view out);
/* bytes [out.rows][channels][plane] -> out, as in upload_levels; table: the levels' values, on the device too. */
int kernel_levels(void *stream, const void *bytes, const float *table, const struct compute_levels *l, struct compute_view out);
/* n weights as stored -> n values, rounded to bfloat16 or not. */
int kernel_weights(void *stream, const void *stored, enum tensor_type type, uint64_t n, void *out, bool narrow);
/* table [..][out.columns]; ids [out.rows] */
int kernel_embed(void *stream, const void *table, const int32_t *ids, struct compute_view out);

/* rows.cu; bias may be NULL in the first */
int kernel_layer_norm(void *stream, struct compute_view x, const void *weight, const void *bias, float eps, struct compute_view out);
int kernel_rms_norm(void *stream, struct compute_view x, const void *weight, float eps, struct compute_view out);
int kernel_rotary(void *stream, struct compute_view x, uint32_t heads, struct compute_view table);

/* epilogue.cu: y, float, and b -> out as the epilogue says. bias [y.columns] or NULL, of the type that `narrow` says. y may be out. */
int kernel_epilogue(void *stream, struct compute_view y, const void *bias, bool narrow, enum compute_epilogue epilogue,
		struct compute_view out);

/* The same for operations that join others; y, float, is the product. y [M][gate | up] -> out [M][N]. */
int kernel_gate(void *stream, struct compute_view y, struct compute_view out);
/* follow.cu: y [M][q | k | v] -> out; bias [y.columns] or NULL, of out's type. */
struct kernel_heads {
	struct compute_view y, out, angles;
	const void *bias;
	uint32_t turned, straight;  /* heads: of q and k, of v */
};
int kernel_heads(void *stream, const struct kernel_heads *h);
/* follow.cu: residual += y + bias, out = norm of that, before it is rounded. y is used up. bias may be NULL; norm_bias NULL: RMS norm. Weights
 * have out's type. */
struct kernel_add_norm {
	struct compute_view y, residual, out;
	const void *bias, *weight, *norm_bias;
	float eps;
};
int kernel_add_norm(void *stream, const struct kernel_add_norm *n);

/* attention.cu takes every head size up to HEAD_SIZE_MAX; attention_tensor.cu, on the matrix units, what kernel_tensor_attention_takes says.
 * first [n_segments + 1], the host's: where segments begin and the last one ends; n_segments <= SEGMENTS_MAX. */
int kernel_attention(void *stream, const struct compute_attention *a, const uint32_t *first, uint32_t n_segments);
int kernel_tensor_attention(void *stream, const struct compute_attention *a, const uint32_t *first, uint32_t n_segments);
bool kernel_tensor_attention_takes(const struct compute_attention *a);

/* attention_cached.cu; every head size up to HEAD_SIZE_MAX */
int kernel_attention_cached(void *stream, const struct compute_attention *a);

/* product.cu: device_product where the device has no algorithm, or no quicker one (one row). */
struct device_product;
int kernel_product(void *stream, const struct device_product *p);

/* tokens.cu; x float, token and choice [x.rows] */
int kernel_argmax(void *stream, struct compute_view x, int32_t *token);
int kernel_choose(void *stream, struct compute_view x, uint32_t top_k, struct compute_choice *choice);

#ifdef __cplusplus
}
#endif

#endif
