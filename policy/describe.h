/* describe.h - what a checkpoint directory holds, for a person who wants to use it.
 *
 * Every part is looked at for itself, so that what is broken is told with its error while the rest is still described. Of the weights
 * only the headers are read; head files are read whole. Decoders are tried as policy_create would, but for reading the weights into
 * memory: what is said to run does. */
#ifndef DREAMVLA_POLICY_DESCRIBE_H
#define DREAMVLA_POLICY_DESCRIBE_H

#include "policy/manifest.h"
#include "policy/mapping.h"
#include "policy/policy.h"
#include "policy/statistics.h"
#include "policy/tensor.h"

enum {
	DESCRIBE_NAME_BYTES = 256,
	DESCRIBE_RUNS_MAX = 2,      /* decoders that one set of head files can be for */
	DESCRIBE_PRECISIONS = 2,    /* POLICY_FP32, POLICY_BF16 */
	/* what buffers are counted for: nothing in a checkpoint tells them */
	DESCRIBE_PICTURES = 2, DESCRIBE_PICTURE_SIDE = 224, DESCRIBE_CHUNK = 8,
};

/* A safetensors file. `problem` here and below: what is wrong with it, or NULL. */
struct describe_shard {
	char name[DESCRIBE_NAME_BYTES];
	uint64_t n_bytes;
	uint32_t n_tensors;
	char *problem;
};

struct describe_weights {
	struct describe_shard *shard;
	uint32_t n_shards, n_tensors;
	uint64_t type_bytes[TENSOR_TYPE_COUNT]; /* of the readable files */
	char *problem;              /* of the whole: no files at all, a broken index */
};

/* An entry of the statistics. */
struct describe_dataset {
	char key[STATISTICS_KEY_BYTES];
	struct statistics statistics;   /* as the policy takes it */
	bool has_bounds;            /* min and max are there beside q01 and q99 */
	int64_t transitions, trajectories; /* -1: not said */
	char *problem;
};

enum describe_head_kind { DESCRIBE_ACTION_HEAD, DESCRIBE_NOISY_ACTION, DESCRIBE_PROPRIO, DESCRIBE_HEAD_KINDS };

struct describe_head_file {
	char name[DESCRIBE_NAME_BYTES]; /* "": there is none of this kind */
	uint64_t n_bytes;
	uint32_t n_tensors;
	enum tensor_type type;      /* of the first tensor */
	uint32_t hidden;            /* of the network that it was trained with; 0: unknown */
	uint32_t size;              /* action head: actions (rows of fc2); proprio projector: state values; 0: unknown */
	char *problem;
};

/* A decoder that these files are for. */
struct describe_run {
	const char *decoder;
	uint32_t steps;             /* of the published evaluation; diffusion has none: a divisor of its 50 training steps */
	bool runs;                  /* false without a problem: not tried, because the checkpoint itself is broken */
	uint64_t buffer_bytes[DESCRIBE_PRECISIONS];
	char *problem;              /* why it cannot run */
};

/* A directory in which --heads could point. */
struct describe_heads {
	char directory[PATH_BYTES];
	struct describe_head_file file[DESCRIBE_HEAD_KINDS];
	struct describe_run run[DESCRIBE_RUNS_MAX];
	uint32_t n_runs;
	const char *unnorm_key;     /* statistics of the same sizes; NULL: none */
	uint32_t n_keys;            /* how many such statistics there are */
	char *problem;              /* of the directory */
	char *doubt;                /* the files may be of several fine-tunes; NULL: nothing speaks for it */
};

struct description {
	char model[PATH_BYTES];
	struct manifest manifest;
	char *manifest_problem;
	struct describe_weights weights;
	uint32_t tokenizer_length;
	char *tokenizer_problem;
	char statistics_file[DESCRIBE_NAME_BYTES];
	struct describe_dataset *dataset;
	uint32_t n_datasets;
	char *statistics_problem;
	struct describe_heads *heads;
	uint32_t n_heads;
	bool bound;                 /* heads[0] was asked for: no other is to be configured */
};

/* Describes the checkpoint `model`; heads: a further directory of head files, or NULL. -ENOENT, -ENOTDIR: no such directory; -ENOMEM.
 * Everything else that is wrong is part of the description. Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int describe_create(struct description **out, const char *model, const char *heads, struct errbuf *e);

/* Accepts NULL and half-built ones. */
void describe_destroy(struct description *d);

/* How many parts are broken; 0: every decoder whose files are there runs. Thread: any. Allocates: no. */
uint32_t describe_problems(const struct description *d);

/* The share of these that is in the heads. Thread: any. Allocates: no. */
uint32_t describe_heads_problems(const struct description *d);

/* Bytes of all weights that could be read. Thread: any. Allocates: no. */
uint64_t describe_weight_bytes(const struct description *d);

#endif
