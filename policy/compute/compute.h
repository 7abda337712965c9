/* compute.h - the operations that Dream-VLA is written in, as one table per backend (backends.def).
 *
 * The network hands over views of activations, which lie in the backend's own memory and precision, and weights as the checkpoint
 * stores them. It must not know which backend runs it.
 *
 * Rounding: with POLICY_BF16 activations are bfloat16, and weights stored wider are rounded to it first. Within an operation
 * everything is float: sums of products, bias, activation function, the value that a residual is added to, the scores and weights of
 * attention, angles. Its result is rounded once, to nearest even, when it is stored. (The original rounds after every step within
 * as well; leaving that out brings its results nearer to the exact ones, by a third at the logits.) The operations that join others
 * (linear_gated, project_heads, linear_add_norm) may round what comes between as those others would, or not. A backend whose matrix units
 * need it may take the weights of attention as sums of two bfloat16 before they are multiplied with v. Logits, angles and everything else
 * from take_float are never rounded; with POLICY_FP32 nothing is.
 *
 * Where a backend shares out work among threads (cpu), results do not depend on how many there are, to the last bit.
 *
 * Errors are sticky: operations return nothing, the first failure is kept and `finish` returns it. All members are called by the
 * thread that uses the policy. Nothing but create, take, reserve and load allocates (the matrix library may, inside itself). */
#ifndef DREAMVLA_POLICY_COMPUTE_COMPUTE_H
#define DREAMVLA_POLICY_COMPUTE_COMPUTE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/policy.h"
#include "policy/weights.h"

struct compute; /* one instance of a backend, with its memory */

/* A weight as stored: [rows][columns], row-major. A vector has one row. data NULL: absent (an optional bias). What data points to stays
 * where and as it is while the instance lives, for a backend may keep a copy. */
struct compute_matrix {
	const void *data;
	enum tensor_type type;
	uint32_t rows, columns;
};

/* What an operation will take as one weight: a matrix, or several with the same columns, one below the other (project_heads,
 * linear_gated). name: for messages. */
enum { COMPUTE_PARTS_MAX = 3, COMPUTE_NAME_BYTES = 64 };

struct compute_weight {
	struct compute_matrix part[COMPUTE_PARTS_MAX];
	uint32_t n_parts;
	char name[COMPUTE_NAME_BYTES];
};

/* For `load`. */
struct compute_loading {
	/* May be NULL. Called before bytes of weights are read: brings them into the host's memory, or says why it cannot. 0 or -errno. */
	int (*fetch)(void *context, const void *from, uint64_t bytes, struct errbuf *e);
	void (*report)(void *context, double share); /* may be NULL; from 0 to 1, often */
	void *context;
};

/* Activations in the backend's memory: `rows` rows of `columns` values, `stride` values from row to row. */
struct compute_view {
	uint8_t *at;
	uint32_t rows, columns, stride;
	uint32_t value_bytes;
};

/* What happens to y = x W^T + b before it is rounded and stored. */
enum compute_epilogue {
	COMPUTE_STORE,      /* out = y */
	COMPUTE_GELU,       /* out = gelu(y), the exact one with erf */
	COMPUTE_QUICK_GELU, /* out = y * sigmoid(1.702 y) */
	COMPUTE_SILU,       /* out = y * sigmoid(y) */
	COMPUTE_ADD,        /* out = out + y: the residual stream */
	COMPUTE_MULTIPLY,   /* out = out * y: the gated MLP */
	COMPUTE_RELU,       /* out = max(y, 0); a NaN stays one, here and below */
	COMPUTE_RELU_ADD,   /* out = out + max(y, 0): a block of the action heads' MLP-ResNet */
	COMPUTE_STORE_FLOAT, /* out = y, not rounded; out comes from take_float: the logits */
};

struct compute_attention {
	struct compute_view q;      /* [length][heads * head_size] */
	struct compute_view k, v;   /* [length][kv_heads * head_size] */
	struct compute_view out;    /* [length][heads * head_size] */
	uint32_t heads, kv_heads, head_size;
	const uint32_t *segment;    /* [n_segments] lengths that add up to `length`; attention stays within a segment */
	uint32_t n_segments;
	struct compute_view skip;   /* from upload_count: as many keys at the beginning of the only segment are not looked at; at NULL: 0 */
};

/* What bytes mean, for upload_levels: rows of [channels][plane] bytes, each of which is value[channel][byte], become rows of
 * [channels][repeat][plane] values. */
enum { COMPUTE_LEVELS = 256 };

struct compute_levels {
	const float *value;         /* [channels][COMPUTE_LEVELS] */
	uint32_t channels, plane, repeat;
};

/* q, k and v of attention from x in one go. The parts' rows, one below the other, are those of q, k and v: one matrix or three. */
struct compute_projection {
	struct compute_matrix w[3], b[3]; /* w: absent after the last; b: all there or all absent */
	uint32_t heads, kv_heads;
	struct compute_view angles;       /* as in `rotary`; head_size is its columns */
};

/* What a run of operations is a function of, beside the values that views hold: equal keys, equal operations on equal views. */
enum { COMPUTE_KEY_WORDS = 20 };

struct compute_key {
	uint32_t word[COMPUTE_KEY_WORDS];
};

/* RMS norm, or layer norm where there is a bias. */
struct compute_norm {
	struct compute_matrix w, b;
	double eps;
};

/* The best token of a row of logits and how sure it is. Probabilities are those of a softmax over the row. */
struct compute_choice {
	int32_t token;              /* column, the first one of equals; -1: the row holds a NaN */
	float probability, second;  /* of the best and the second best token */
	float negative_entropy;     /* sum of p * log(p + 1e-10) */
};

struct compute_options {
	enum policy_precision precision;
	uint32_t threads;           /* 0: one per processor that create's thread may use; a backend may take fewer */
	uint32_t max_rows;          /* most rows of x in `linear` */
	uint32_t max_inner;         /* widest x in `linear`, longest weight vector */
	uint32_t max_segment;       /* longest attention segment */
	uint32_t max_outer;         /* most columns of logits */
	/* For a backend that keeps weights in memory of its own: [n_weights] all that operations will be given. They live until `load` has
	 * returned, or the instance is destroyed. NULL: not known; then only how many values they have, 0 if not even that. */
	const struct compute_weight *weights;
	uint32_t n_weights;
	uint64_t weight_values;
	/* Where a library has several algorithms for a product: the quickest is found by measurement when its shape first comes, until
	 * `settle`. false: the library's own choice, for who asks for a shape once. */
	bool choose_by_time;
	/* For measurements; may be NULL. Called before each operation that multiplies matrices, with how many products [m][k] x [k][n]. */
	void (*multiplies)(void *context, uint32_t m, uint32_t n, uint32_t k, uint32_t count);
	void *multiplies_context;
};

struct compute_backend {
	const char *name;
	uint32_t value_bytes;       /* of one activation */
	uint32_t row_step;          /* sequences whose length varies had better have a multiple of it as rows; 1: no matter */

	/* -ENOMEM, -ENOTSUP (no such device, precision unknown here). */
	int (*create)(struct compute **out, const struct compute_options *options, struct errbuf *e);
	void (*destroy)(struct compute *c); /* accepts NULL */

	/* Size first, then place with the same calls (daemon/sys/arena.h): take ..., reserve, take ..., freeze. */
	struct compute_view (*take)(struct compute *c, uint32_t rows, uint32_t columns);
	/* The same with float values whatever the precision: rotary tables and logits. */
	struct compute_view (*take_float)(struct compute *c, uint32_t rows, uint32_t columns);
	int (*reserve)(struct compute *c, struct errbuf *e);
	void (*freeze)(struct compute *c);
	/* After freeze: brings options.weights to where operations want them, so that none has to later. NULL: they are used in place, out of
	 * the mapped files. -ENOMEM, -EIO, -ENODEV, or what fetch said; the instance can then only be destroyed. Blocks: on the disk. */
	int (*load)(struct compute *c, const struct compute_loading *l, struct errbuf *e);
	uint64_t (*memory_bytes)(const struct compute *c);
	uint32_t (*threads)(const struct compute *c); /* that work, the calling one included */
	uint64_t (*launches)(const struct compute *c); /* kernels and products started since create; 0: not counted */

	/* host [rows][columns] -> out, rounded to the precision; and back, as float. upload has read, download has written the host's
	 * values at return. */
	void (*upload)(struct compute *c, const float *host, struct compute_view out);
	void (*download)(struct compute *c, struct compute_view x, float *host);
	/* The same of values that are named by a byte: pictures, of which an eighth has to travel, for both times of a
	 * patch are the same. host [rows][channels][plane]. */
	void (*upload_levels)(struct compute *c, const uint8_t *host, const struct compute_levels *l, struct compute_view out);
	void (*zero)(struct compute *c, struct compute_view out);
	void (*copy)(struct compute *c, struct compute_view x, struct compute_view out);

	/* A number for compute_attention.skip; out [1][1] from take_float. */
	void (*upload_count)(struct compute *c, uint32_t count, struct compute_view out);

	/* Rows ids[0..out.rows) of table [vocabulary][columns] -> out. Ids lie in the table. */
	void (*embed)(struct compute *c, struct compute_matrix table, const int32_t *ids, struct compute_view out);

	/* x [M][K], w [N][K], b [1][N] or absent, out [M][N]. x and out may not overlap. */
	void (*linear)(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
			enum compute_epilogue epilogue, struct compute_view out);

	/* (x - mean) / sqrt(variance + eps) * w + b per row; w, b [1][columns]. */
	void (*layer_norm)(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b, double eps,
			struct compute_view out);

	/* x / sqrt(mean(x^2) + eps) * w per row; w [1][columns]. */
	void (*rms_norm)(struct compute *c, struct compute_view x, struct compute_matrix w, double eps, struct compute_view out);

	/* host cosines and sines [rows][half] of the angles -> table [rows][2 * half] from take_float, cosines first. */
	void (*upload_angles)(struct compute *c, const float *cosine, const float *sine, struct compute_view table);

	/* In place per head of size 2 * half: x_j, x_j+half -> x_j cos - x_j+half sin, x_j+half cos + x_j sin (rotate-half form).
	 * x [rows][heads * 2 * half]; table as above, its row r belongs to x's row r. */
	void (*rotary)(struct compute *c, struct compute_view x, uint32_t heads, struct compute_view table);

	/* out = silu(x gate^T) * (x up^T): the gated MLP. gate, up [N][K], out [M][N]. */
	void (*linear_gated)(struct compute *c, struct compute_view x, struct compute_matrix gate, struct compute_matrix up,
			struct compute_view out);

	/* out [M][q | k | v], q [heads * head_size] and k [kv_heads * head_size] turned as by `rotary`, v [kv_heads * head_size] not. */
	void (*project_heads)(struct compute *c, struct compute_view x, const struct compute_projection *p, struct compute_view out);

	/* residual += x W^T + b, then out = its norm. out may be x; residual may not overlap either. */
	void (*linear_add_norm)(struct compute *c, struct compute_view x, struct compute_matrix w, struct compute_matrix b,
			struct compute_view residual, const struct compute_norm *norm, struct compute_view out);

	/* softmax(q k^T / sqrt(head_size)) v per segment and head; head h uses key/value head h * kv_heads / heads. */
	void (*attention)(struct compute *c, const struct compute_attention *a);

	/* The same causally, over keys that earlier calls have left: q and out hold the last q.rows of k.rows positions, and each sees the keys
	 * up to its own. segment, n_segments: not looked at; k.rows <= max_segment. For an autoregressive decoder with a cache. */
	void (*attention_cached)(struct compute *c, const struct compute_attention *a);

	/* Column of each row's largest value, the first one of equals; -1 where the row holds a NaN. x from take_float; token [x.rows] on
	 * the host, valid at return. */
	void (*argmax)(struct compute *c, struct compute_view x, int32_t *token);

	/* Softmax over each row, in float; top_k > 0: over its top_k largest logits only, and all that equal the smallest of these. x from
	 * take_float; choice [x.rows] on the host, valid at return. */
	void (*choose)(struct compute *c, struct compute_view x, uint32_t top_k, struct compute_choice *choice);

	/* Around operations that are asked for again and again with equal keys, without a transfer among them. begin: whether they are to be
	 * asked for; false: they have been started as they were captured. capture on: they are captured, to be started as one from then
	 * on, and started; they must have been asked for before. Off, as at first: nothing is captured. settle: warm-up is over, and nothing may take long any
	 * more (choose_by_time). Failures stick. All four or none: NULL. */
	bool (*begin)(struct compute *c, const struct compute_key *key);
	void (*end)(struct compute *c);
	void (*capture)(struct compute *c, bool on);
	void (*settle)(struct compute *c);

	/* Waits for everything; 0, or the first failure since the last call. */
	int (*finish)(struct compute *c, struct errbuf *e);
};

/* The backend of this name, or NULL with the list of those there are in e. Thread: any. Allocates: no. */
const struct compute_backend *compute_backend_find(const char *name, struct errbuf *e);

/* The backends of this build, in the order of backends.def; NULL beyond the last. Thread: any. Allocates: no. */
const struct compute_backend *compute_backend_at(uint32_t index);

/* Rows [first, first + count) and columns [first, first + count) of a view. */
static inline struct compute_view compute_rows(struct compute_view v, uint32_t first, uint32_t count)
{
	assert(first + count <= v.rows && "rows outside of a view");
	v.at += (uint64_t)first * v.stride * v.value_bytes;
	v.rows = count;
	return v;
}

static inline struct compute_view compute_columns(struct compute_view v, uint32_t first, uint32_t count)
{
	assert(first + count <= v.columns && "columns outside of a view");
	v.at += (uint64_t)first * v.value_bytes;
	v.columns = count;
	return v;
}

/* The same contiguous values as rows of `columns` values. */
static inline struct compute_view compute_reshape(struct compute_view v, uint32_t columns)
{
	assert(v.stride == v.columns && (uint64_t)v.rows * v.columns % columns == 0 && "reshape of scattered rows");
	v.rows = (uint32_t)((uint64_t)v.rows * v.columns / columns);
	v.columns = v.stride = columns;
	return v;
}

#endif
