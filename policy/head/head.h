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

/* Constant for the life of a head. N = action_chunk * action_dim. */
struct head_options {
	const struct network *network;
	struct decoder *decoder;
	uint32_t n_actions;                /* N */
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
};

struct policy_head {
	const char *name;
	bool takes_committed;              /* tokens known beforehand (in-painting) */

	/* -EINVAL: options that this decoder cannot do, with its name in the text. */
	int (*create)(struct head **out, const struct head_options *options, struct errbuf *e);
	void (*destroy)(struct head *h);   /* accepts NULL */

	/* Runs the decoder behind n_prefix prefix tokens; fills result->normalised and, where there are tokens, token, lost,
	 * lost_position and lost_token. 0 or -errno of the backend. */
	int (*run)(struct head *h, uint32_t n_prefix, const struct policy_observation *observation, struct policy_result *result,
			struct errbuf *e);
};

/* The decoder of this name, or NULL with the list of those there are in e. Thread: any. Allocates: no. */
const struct policy_head *head_find(const char *name, struct errbuf *e);

#endif
