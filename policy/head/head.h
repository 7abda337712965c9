/* head.h - an action decoder: what is put at the action positions, how often the decoder runs, and how its hidden states become
 * actions. One file and one line of heads.def each.
 *
 * A head sees a sequence whose prefix (state, prompt, vision tokens) lies in the decoder already. All members are called by the
 * thread that uses the policy; only create allocates. */
#ifndef DREAMVLA_POLICY_HEAD_HEAD_H
#define DREAMVLA_POLICY_HEAD_HEAD_H

#include "policy/decoder.h"
#include "policy/policy.h"

struct head;
struct noise;

/* Constant for the life of a head. N = action_chunk * action_dim. */
struct head_options {
	const struct network *network;
	struct decoder *decoder;
	const char *directory;             /* where the head files are; used by create only */
	const struct weights_supply *supply; /* what stands in for them; NULL: nothing */
	uint32_t action_chunk, action_dim;
	uint32_t n_actions;                /* N */
	uint32_t hidden;                   /* H */
	uint32_t time_row;                 /* of the prefix: where a timestep token belongs */
	const int32_t *suffix;             /* [n_suffix] ids that follow the actions */
	uint32_t n_suffix;
	int32_t mask_token;
	uint32_t vocabulary;               /* rows of the embedding table */
	uint32_t token_count;              /* tokenizer length L; the last action_bins ids are the actions */
	uint32_t action_bins;
	int32_t first_token;               /* what column 0 of the decoder's logits stands for */
	uint32_t steps;
	enum policy_algorithm algorithm;
	uint32_t top_k;
	uint64_t seed;                     /* of the noise */
};

struct policy_head {
	const char *name;
	bool chooses_tokens;               /* actions are tokens; otherwise they are regressed from [T][d * H] and no logits are made */
	bool unmasks;                      /* takes an algorithm, top_k and tokens known beforehand (in-painting) */
	bool from_noise;                   /* takes noise and a seed, and has a timestep token in the prefix */
	const char *const *files;          /* kinds of head files it needs besides a proprio projector; NULL ends them */
	uint32_t steps_min, steps_max;     /* allowed */
	const char *steps_advice;          /* which of these to choose, for messages; NULL: none */

	/* Opens the files of its own. -EINVAL, -ENOENT with the file's name in the text. */
	int (*create)(struct head **out, const struct head_options *options, struct errbuf *e);
	void (*destroy)(struct head *h);   /* accepts NULL */

	/* Every weight of its own files, as operations take them. NULL: it has none. */
	void (*list_weights)(const struct head *h, struct network_weights *l);

	/* Takes its activations from the backend: once while measuring, once while placing. NULL: it has none. */
	void (*lay_out)(struct head *h);

	/* Runs the decoder behind n_prefix prefix tokens; fills result->normalised and, where there are tokens, token, lost,
	 * lost_position and lost_token. Committed tokens have been checked. 0; -EINVAL: noise that is none; -errno of the backend. */
	int (*run)(struct head *h, uint32_t n_prefix, const struct policy_observation *observation, struct policy_result *result,
			struct errbuf *e);

	struct noise *(*noise)(struct head *h); /* of its own; NULL: it starts from none */
};

/* The decoder of this name, or NULL with the list of those there are in e. Thread: any. Allocates: no. */
const struct policy_head *head_find(const char *name, struct errbuf *e);

/* -EINVAL: options that this decoder cannot follow: a number of steps, or an algorithm, top_k, seed or choice of vocabulary that
 * would have no effect. Thread: any. Allocates: no. */
MUST_CHECK int head_check_options(const struct policy_head *kind, const struct policy_options *o, struct errbuf *e);

/* -EINVAL: the folder holds a head file that this decoder does not use, or one of a kind that none does, or one whose name is
 * nearly that of a head, or, unless it is the checkpoint's own folder `model`, another `.pt` or `.pth`: the fine-tune is not this
 * decoder's, and its actions would mean nothing. -EEXIST: several of a kind.
 * -ENOTDIR: no such folder. Thread: start-up. Allocates: yes, nothing stays. Blocks: on disk. */
MUST_CHECK int head_check_files(const struct policy_head *kind, const char *directory, const char *model, struct errbuf *e);

/* head_file_open for a file that this decoder cannot do without: its absence is told with the folder, the pattern, the `.pt` files
 * that are there and the remedy. Thread: start-up. Allocates: yes. */
MUST_CHECK int head_need_file(struct head_file **out, const struct head_options *o, const char *kind, const char *decoder,
		struct errbuf *e);

/* One forward with zeros at the action positions: hidden states [N][H] that predict them. Thread: policy. Allocates: no. */
struct compute_view head_forward_from_zeros(const struct head_options *o, uint32_t n_prefix);

#endif
