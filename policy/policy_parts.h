/* policy_parts.h - what a policy is made of, for policy_create.c and policy.c alone. */
#ifndef DREAMVLA_POLICY_POLICY_PARTS_H
#define DREAMVLA_POLICY_POLICY_PARTS_H

#include "daemon/sys/arena.h"
#include "policy/head/head.h"
#include "policy/image_prep.h"
#include "policy/policy.h"
#include "policy/prompt.h"
#include "policy/statistics.h"
#include "policy/tokenizer.h"
#include "policy/vision_encoder.h"

struct policy {
	struct policy_info info;
	struct policy_options options;      /* numbers only: the strings belong to the caller of create */
	struct manifest manifest;
	struct statistics statistics;
	struct weights *weights;
	struct network_weights list;        /* of all, for the backend */
	struct tokenizer *tokenizer;
	struct prompt *prompt;
	struct head_file *state_file;       /* NULL: the checkpoint has no proprio projector */
	struct network_projector state_projector;
	struct image_prep *image_prep;
	struct network network;
	struct network_progress progress;   /* of the first inference */
	struct vision_encoder *vision;
	struct decoder *decoder;
	const struct policy_head *head_kind;
	struct head *head;
	uint32_t n_actions;                 /* action_chunk * action_dim */
	uint32_t patches_max;               /* of all pictures together */
	uint32_t time_row;                  /* of the prefix: where a timestep token belongs, behind the state */
	uint32_t prompt_row;                /* of the prefix: where the prompt begins */
	uint32_t prefix_max;                /* state, timestep and prompt */
	/* activations */
	struct compute_view state;          /* [1][state_dim] */
	struct compute_view state_hidden;   /* [1][H] */
	/* host, in the arena */
	struct arena arena;
	uint8_t *patches;                   /* [patches_max][patch bytes] */
	int32_t *ids;                       /* [prefix_max - prompt_row] */
	int64_t *trace_ids;                 /* [prefix_max - prompt_row] */
	/* of the running inference */
	struct vision_grid grid[POLICY_PICTURES_MAX];
	uint32_t n_patches, n_ids;
	float normalised[STATISTICS_DIM_MAX]; /* state */
	struct policy_result unused;          /* of forwards that only prepare */
};

#endif
