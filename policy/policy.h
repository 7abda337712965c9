/* policy.h - Dream-VLA as one opaque object: pictures, state and instruction in, an action chunk out.
 *
 * Knows nothing of ZeroMQ, robots or time. Facts about the model: the README of policy/. Life cycle: create, then
 * (instruction, infer) for ever, then destroy. One thread uses an object at a time. */
#ifndef DREAMVLA_POLICY_POLICY_H
#define DREAMVLA_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { POLICY_PICTURES_MAX = 8, POLICY_STEPS_MAX = 50, POLICY_CHUNK_MAX = 64 };

struct policy;
struct weights_supply;

enum policy_precision { POLICY_FP32, POLICY_BF16 };
/* The range of a dimension: q01..q99 or min..max; AUTO: q01..q99 where the statistics have them. */
enum policy_normalisation { POLICY_NORMALISE_AUTO, POLICY_NORMALISE_QUANTILES, POLICY_NORMALISE_BOUNDS };
enum policy_algorithm { POLICY_MASKGIT_PLUS, POLICY_TOPK_MARGIN, POLICY_ENTROPY };

/* Steps from a decoded camera picture to patches, in this order; 0 switches a step off. */
struct policy_picture_steps {
	bool rotate_180;
	bool jpeg_round_trip;
	uint32_t resize_height, resize_width; /* Lanczos-3, antialiased; 0 x 0: off */
	double center_crop;                   /* share of the area kept; 0: off */
	uint64_t min_pixels, max_pixels;      /* of smart_resize; 0: as the checkpoint says */
};

struct policy_options {
	const char *model;                    /* checkpoint directory */
	const char *heads;                    /* directory of the head files; NULL: the checkpoint */
	const char *decoder;                  /* a name of policy/head/heads.def */
	const char *backend;                  /* a name of policy/compute/backends.def */
	enum policy_precision precision;
	uint32_t steps;                       /* discrete_diffusion, flow_matching: 1 to 50; diffusion: 2 to 50; others: 1 */
	enum policy_algorithm algorithm;
	uint32_t top_k;                       /* 0: off */
	uint64_t seed;                        /* of the noise of flow_matching and diffusion; a create starts its stream anew */
	bool action_vocabulary_only;          /* best token over the action rows only */
	uint32_t action_chunk;                /* T, 1 to POLICY_CHUNK_MAX */
	const char *unnorm_key;               /* NULL: the only one there is */
	enum policy_normalisation normalisation;
	const char *system_line, *question;   /* NULL: the training recipe's; question holds one {} */
	bool lowercase_instruction;
	struct policy_picture_steps picture[POLICY_PICTURES_MAX]; /* per camera, in prompt order */
	uint32_t n_pictures;                  /* cameras in the prompt */
	uint32_t max_picture_width, max_picture_height; /* largest camera picture to expect; 0: 1280 x 960 */
	bool lazy_weights;                    /* leave them on disk until an inference uses them: for a look at sizes */
	uint32_t threads;                     /* of large operations; 0: one per processor that create's thread may use */
	/* During create, and layer by layer during the first inference that succeeds, by the thread of that call; may be NULL. */
	void (*progress)(void *context, const char *what, double share);
	void *progress_context;
	/* For measurements; may be NULL. Stands in for all weight files (policy/weights.h) and outlives the policy: model holds the rest. */
	const struct weights_supply *supply;
	/* For measurements; may be NULL. Called before each operation that multiplies matrices, with how many products [m][k] x [k][n]. */
	void (*multiplies)(void *context, uint32_t m, uint32_t n, uint32_t k, uint32_t count);
	void *multiplies_context;
};

struct policy_info {
	uint32_t action_chunk, action_dim;
	uint32_t state_dim;                   /* of the statistics' proprio; 0: none */
	bool needs_state;                     /* a proprio projector was found */
	bool from_noise;                      /* the decoder takes noise; without it every chunk draws from the seed's stream */
	bool chooses_tokens;                  /* the decoder's actions are tokens; otherwise result.token is left alone */
	const double *state_low, *state_high, *state_mean; /* [state_dim] q01/q99 or min/max, mean or NULL */
	uint64_t weight_bytes, arena_bytes;
	uint32_t threads;                     /* of large operations, as many as there really are */
	const char *decoder, *backend, *unnorm_key;
	const char *ranges;                   /* of the actions: "q01/q99" or "min/max" */
	const char *state_ranges;             /* what state_low and state_high are: "q01..q99" or "min..max" */
};

/* 8-bit RGB, rows without padding: [height][width][3]. */
struct policy_picture {
	uint32_t width, height;
	const uint8_t *rgb;
};

struct policy_observation {
	const struct policy_picture *picture; /* [n_pictures] in prompt order */
	uint32_t n_pictures;
	const double *state;                  /* [state_dim], robot's units; NULL when not needed */
	const double *noise;                  /* [chunk][action_dim] for flow_matching and diffusion; NULL: own generator */
	const int32_t *committed;             /* token ids known already at the first action positions */
	uint32_t n_committed;
};

/* Durations of one inference, ns. Of preprocess, which has checks, state and prompt too: resize_ns is everything that makes the decoded
 * pictures the network's size (image_prep.h), patches_ns cutting them up, of all pictures together. */
struct policy_times {
	int64_t preprocess_ns, resize_ns, patches_ns, vision_ns, decoder_ns, action_decode_ns, total_ns;
};

enum { POLICY_VALUES_MAX = POLICY_CHUNK_MAX * 32 };

struct policy_result {
	bool lost;                            /* a best token is no action, or a value no number: the actions are not to be used */
	uint32_t lost_position;               /* which action position, */
	int32_t lost_token;                   /* and the token found there; -1: not a number */
	double normalised[POLICY_VALUES_MAX]; /* [chunk][action_dim], -1..1 where the statistics' range is kept */
	double action[POLICY_VALUES_MAX];     /* [chunk][action_dim], units of the statistics */
	int32_t token[POLICY_VALUES_MAX];     /* ids, where the decoder chooses tokens */
	struct policy_times times;
};

/* Receives every intermediate under the names of tests/golden/README.md. type: 'f' float, 'i' int64, 'u' uint8. */
struct policy_tracer {
	void (*tensor)(void *context, const char *name, char type, const void *data, const uint64_t *shape, uint32_t rank);
	void *context;
};

/* Opens and checks every file of the checkpoint, maps the weights, sizes and allocates every buffer, reads the weights into memory
 * or, with a backend that has memory of its own, into that (but for lazy_weights).
 * 0 or -errno: -ENOENT a file is missing, -EINVAL contradictory content, -ENOMEM. Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int policy_create(struct policy **out, const struct policy_options *options, struct errbuf *e);

/* Accepts NULL. Thread: the one that used it last. */
void policy_destroy(struct policy *p);

/* Constant after create; the strings live as long as the policy. Thread: any. Allocates: no. Blocks: no. */
const struct policy_info *policy_info(const struct policy *p);

/* Kernels and matrix products that the backend has started so far; 0: it does not count. Thread: policy. Allocates: no. Blocks: no. */
uint64_t policy_launches(const struct policy *p);

/* -EINVAL: no instruction that any policy takes: blank, too long, or with control characters. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int policy_check_instruction(const char *text, struct errbuf *e);

/* Sets the instruction (UTF-8, 1 to 1,024 bytes). -EINVAL: as policy_check_instruction, or not UTF-8; the previous one then stays.
 * Thread: policy. Allocates: no (after create). Blocks: no. */
MUST_CHECK int policy_set_instruction(struct policy *p, const char *text, struct errbuf *e);

/* One observation to one chunk. 0 with result->lost set when the policy answered with a token that is no action, or with no number.
 * -EINVAL: number or size of pictures, missing or non-finite state, non-finite noise, committed ids that are too many or no
 * actions; -ENOTSUP: committed tokens or noise with a decoder that takes none; -ENODEV: the GPU is lost to this process, and so is every
 * later inference; -ENOMEM, -EIO: the backend failed in this one.
 * tracer may be NULL. Thread: policy. Allocates: no, outside libjpeg-turbo and oneDNN (with a tracer: yes). Blocks: for the computation. */
MUST_CHECK int policy_infer(struct policy *p, const struct policy_observation *observation, struct policy_result *result,
		const struct policy_tracer *tracer, struct errbuf *e);

/* Place in the seed's stream of noise, in numbers taken; 0 for decoders that take none. A place that policy_noise_place has told makes the
 * inferences behind it the same again. Thread: policy. Allocates: no. Blocks: no. */
uint64_t policy_noise_place(const struct policy *p);
void policy_noise_seek(struct policy *p, uint64_t place);

/* The first inference, as policy_infer, and with a backend that prepares itself for shapes (cuda: products, graphs) forwards of every length
 * that an instruction can make of a sequence with these pictures, so that no later inference has anything to make. every_instruction false:
 * of the present one's only. Where the decoder starts from noise, give some: what is drawn here is missing later. Progress is reported.
 * Errors of policy_infer. Thread: policy. Allocates: yes. Blocks: for seconds. */
MUST_CHECK int policy_warm_up(struct policy *p, const struct policy_observation *observation, bool every_instruction,
		struct policy_result *result, struct errbuf *e);

/* One step of actions in units of the statistics [action_dim], finite, to the tokens that mean them best [action_dim], and what those
 * mean [action_dim] (in place is allowed). prefer [action_dim] or NULL: an action's id here is kept while it means the value to within
 * three quarters of a bin, or where the statistics have no width worth the name, so that what a policy has said stays as it was said.
 * -ENOTSUP: the decoder chooses no tokens; -EINVAL: a value is not finite; nothing is then written.
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int policy_quantise(const struct policy *p, const double *action, const int32_t *prefer, int32_t *token, double *meant,
		struct errbuf *e);

#endif
