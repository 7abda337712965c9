/* cuda.h - private to the cuda backend: the instance, its memory, and how failures stick.
 *
 * Activations and weights are bfloat16 on the device with POLICY_BF16 and float with POLICY_FP32. A weight is brought there by load, or else
 * when an operation first meets it, and stays; so what compute_matrix points to must stay as it is while the instance lives. */
#ifndef DREAMVLA_POLICY_COMPUTE_CUDA_CUDA_H
#define DREAMVLA_POLICY_COMPUTE_CUDA_CUDA_H

#include "policy/compute/compute.h"
#include "policy/compute/cuda/device.h"
#include "policy/compute/cuda/kernels.h"

/* STAGES: buffers through which values travel, so that one is filled while another is under way. STAGE_BYTES: the widest row of float
 * values, too; from 1 MB on a transfer is as quick as a larger one. BLOCKS_MAX: of memory for weights. RESIDENT_MAX: different weights; Dream-VLA-7B has 729 tensors; a power of two.
 * DEVICE_ALIGN: of every tensor. PIECES_MAX: of operations that are captured; one for every length of a sequence in steps of rows. */
enum { STAGES = DEVICE_MARKS, STAGE_BYTES = 2 << 20, BLOCKS_MAX = 64, RESIDENT_MAX = 4096, DEVICE_ALIGN = 256, PIECES_MAX = 256 };

struct stage {
	uint8_t *pinned, *device;   /* [STAGE_BYTES] */
};

/* Memory for weights, which fills up and is given back as a whole. */
struct block {
	uint8_t *at;
	uint64_t bytes, used;
};

struct resident {
	const void *stored, *last;  /* on the host, the first of those joined and the last; NULL: this place in the table is free */
	uint64_t n;
	enum tensor_type type;
	bool there;                 /* on the device: false: `load`, or who meets it first, brings it */
	uint64_t offset;            /* in the first block, of one that was expected */
	void *at;
};

/* Operations that were captured. */
struct piece {
	struct compute_key key;
	struct device_graph *graph; /* NULL: this place is free */
	uint64_t launches;          /* in it */
};

/* The load that runs. */
struct load {
	const struct compute_loading *with; /* NULL: none */
	const char *name;           /* of the weight that is under way */
	uint64_t done_bytes, reported_bytes, total_bytes; /* as stored */
	struct errbuf why;          /* of fetch */
};

struct compute {
	struct compute_options options;
	bool narrow;                /* POLICY_BF16 */
	struct device *device;
	int error;                  /* first failure, -errno, since the last finish */
	struct errbuf reason;       /* of it */
	bool lost;                  /* it was -ENODEV: stays */
	uint64_t launches;          /* kernels and products started */
	uint8_t *memory;            /* activations; NULL while they are measured */
	uint64_t memory_bytes, used;
	bool frozen;
	struct stage stage[STAGES];
	uint32_t turn;              /* the stage that comes next */
	float *scratch;             /* products that an epilogue of ours follows */
	uint64_t scratch_floats;
	struct block block[BLOCKS_MAX];
	uint32_t n_blocks;
	struct resident resident[RESIDENT_MAX];
	uint32_t n_resident;
	uint64_t expected_bytes;    /* of options.weights, on the device */
	struct load load;
	struct piece piece[PIECES_MAX];
	uint32_t n_pieces;
	bool captures;              /* what comes between begin and end */
	struct piece *open;         /* being captured; NULL: none */
};

/* Notes the first code that is not 0; `doing` names the operation. Returns whether all is well so far. */
bool cuda_went_well(struct compute *c, const char *doing, int code);

/* The stream, for one kernel more; it is counted. */
static inline void *cuda_next(struct compute *c)
{
	c->launches++;
	return device_stream(c->device);
}

/* The next stage, free to be filled; NULL: the device failed. cuda_sent when what uses it is in the stream. */
struct stage *cuda_stage(struct compute *c);
void cuda_sent(struct compute *c);

/* One product, by the device's library or by a kernel of ours; it is counted. 0, or a code of device.h. */
int cuda_product(struct compute *c, const struct device_product *p);

/* Tells of a product that is about to be made. */
static inline void cuda_announce(const struct compute *c, uint32_t m, uint32_t n, uint32_t k, uint32_t count)
{
	if (c->options.multiplies)
		c->options.multiplies(c->options.multiplies_context, m, n, k, count);
}

static inline uint32_t cuda_value_bytes(const struct compute *c)
{
	return c->narrow ? 2 : 4;
}

/* -- weights.c: weights on the device --------------------------------------------------------------------------------------------- */

/* The matrix in the instance's type, on the device; NULL when m has no data, or there is no room (which sticks). Allocates: for weights
 * beyond what reserve was told of. Blocks: the first time, on the disk. */
const void *cuda_weights(struct compute *c, struct compute_matrix m);

/* The same of several with the same columns, one below the other: one matrix on the device. Absent when the first is. */
const void *cuda_weights_joined(struct compute *c, const struct compute_matrix *m, uint32_t n_parts);

/* Notes options.weights, each once. -ENOMEM: too many. */
MUST_CHECK int cuda_weights_expect(struct compute *c, struct errbuf *e);

/* What they will take: the exact sum of those expected. */
uint64_t cuda_weights_bytes(const struct compute *c);

MUST_CHECK int cuda_weights_reserve(struct compute *c, struct errbuf *e);
void cuda_weights_release(struct compute *c);
int cuda_load(struct compute *c, const struct compute_loading *l, struct errbuf *e);

/* -- pieces.c: operations that are captured and started as one ------------------------------------------------------------------------ */

bool cuda_begin(struct compute *c, const struct compute_key *key);
void cuda_end(struct compute *c);
void cuda_capture(struct compute *c, bool on);
void cuda_settle(struct compute *c);
void cuda_pieces_release(struct compute *c);

/* -- operations.c ------------------------------------------------------------------------------------------------------------------ */

void cuda_embed(struct compute *c, struct compute_matrix table, const int32_t *ids, struct compute_view out);
void cuda_linear(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		enum compute_epilogue epilogue, struct compute_view out);
void cuda_layer_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b, double eps,
		struct compute_view out);
void cuda_rms_norm(struct compute *c, struct compute_view x, struct compute_matrix w, double eps, struct compute_view out);
void cuda_rotary(struct compute *c, struct compute_view x, uint32_t heads, struct compute_view table);
void cuda_linear_gated(struct compute *c, struct compute_view x, struct compute_matrix gate, struct compute_matrix up,
		struct compute_view out);
void cuda_project_heads(struct compute *c, struct compute_view x, const struct compute_projection *p, struct compute_view out);
void cuda_linear_add_norm(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
		struct compute_view residual, const struct compute_norm *norm, struct compute_view out);
void cuda_attention(struct compute *c, const struct compute_attention *a);
void cuda_attention_cached(struct compute *c, const struct compute_attention *a);
void cuda_argmax(struct compute *c, struct compute_view x, int32_t *token);
void cuda_choose(struct compute *c, struct compute_view x, uint32_t top_k, struct compute_choice *choice);

#endif
