/* manifest.h - what a checkpoint says about itself in config.json and preprocessor_config.json, as plain numbers.
 *
 * Read once and checked for contradictions, so that the network can trust every number. Statistics and tokenizer have
 * their own readers. */
#ifndef DREAMVLA_POLICY_MANIFEST_H
#define DREAMVLA_POLICY_MANIFEST_H

#include <stdint.h>

#include "daemon/sys/error.h"

/* Bidirectional transformer over the whole sequence (config.json, top level). */
struct manifest_decoder {
	uint32_t layers, hidden, heads, kv_heads, head_size, mlp; /* head_size = hidden / heads, even */
	uint32_t vocabulary;       /* rows of embed_tokens and lm_head */
	double rope_theta, rms_norm_eps;
	int32_t image_token, mask_token, pad_token, vision_start_token, vision_end_token;
	uint32_t action_bins;      /* number of action tokens; bins between them are one fewer */
};

/* Vision encoder (config.json, vision_config). */
struct manifest_vision {
	uint32_t blocks, width, heads, head_size, mlp; /* head_size = width / heads, a multiple of 4 */
	uint32_t patch, merge, temporal, channels;
	uint32_t output;           /* vision_config.hidden_size: what the merger gives and the projector takes */
};

/* Room for the pictures follows from these: a file from elsewhere must not ask for all memory. Checkpoints of the family say at
 * most 12845056, and 50176 at least. */
enum { MANIFEST_MIN_PIXELS_MAX = 1 << 20, MANIFEST_MAX_PIXELS_MAX = 1 << 24 };

/* From 8-bit picture to patches (preprocessor_config.json). */
struct manifest_picture {
	uint64_t min_pixels, max_pixels;
	uint32_t patch, merge, temporal;
	double mean[3], std[3];
};

struct manifest {
	struct manifest_decoder decoder;
	struct manifest_vision vision;
	struct manifest_picture picture;
};

/* Reads both files of the checkpoint directory. 0; -ENOENT: a file is missing; -EINVAL: not JSON, a missing, ill-typed
 * or out-of-range key, or a contradiction (the text names file and key, what was found and what is allowed).
 * Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int manifest_read(struct manifest *out, const char *directory, struct errbuf *e);

#endif
