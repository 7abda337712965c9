/* decoder.h - the bidirectional transformer over the whole sequence, its embedding table and its logits.
 *
 * Use: fill decoder_prefix once per observation (state, prompt, vision tokens; a timestep token changes with the steps); then per
 * forward: decoder_begin, fill the tail it returns (actions, suffix), decoder_run. Facts: README.md of this folder. Written against
 * compute.h only. */
#ifndef DREAMVLA_POLICY_DECODER_H
#define DREAMVLA_POLICY_DECODER_H

#include "policy/manifest.h"
#include "policy/network.h"

struct decoder;

struct decoder_options {
	uint32_t prefix_max, tail_max;              /* most tokens before the actions; actions and suffix */
	uint32_t first_token, n_tokens;             /* vocabulary rows that logits are made for; n_tokens 0: none ever */
};

/* Finds every weight. The network must outlive the decoder. -ENOENT, -EINVAL with the tensor's name; -ENOMEM.
 * Thread: start-up. Allocates: yes. */
MUST_CHECK int decoder_create(struct decoder **out, const struct network *network, const struct weights *w,
		const struct manifest *m, const struct decoder_options *options, struct errbuf *e);
void decoder_destroy(struct decoder *d); /* accepts NULL */

/* Every weight, as operations take them. Thread: start-up. Allocates: yes. */
void decoder_list_weights(const struct decoder *d, struct network_weights *l);

/* Most rows that a forward has: a sequence gets as many rows as the backend's row_step asks for, those beyond its own in front. */
uint32_t decoder_rows_max(const struct decoder *d);

/* Takes its activations from the backend: once while measuring, once while placing. */
void decoder_lay_out(struct decoder *d);

/* Computes what never changes (rotary angles), after placing. Thread: start-up. Allocates: yes. */
MUST_CHECK int decoder_prepare(struct decoder *d, struct errbuf *e);

/* Thread of the rest: policy. Allocates: no. */

/* What lies on the device for sequences of one length is sent anew: to be called when a forward has failed, because it may not have
 * arrived. */
void decoder_forget(struct decoder *d);

/* Where the n <= prefix_max embeddings before the actions are put; they stay until overwritten. [n][hidden] */
struct compute_view decoder_prefix(struct decoder *d, uint32_t n);

/* ids [out.rows] -> their embeddings. */
void decoder_embed(struct decoder *d, const int32_t *ids, struct compute_view out);

/* Starts a forward with the first n_prefix embeddings of the prefix; returns the rows to fill behind it. [n_tail][hidden] */
struct compute_view decoder_begin(struct decoder *d, uint32_t n_prefix, uint32_t n_tail);

/* The forward. Returns the final-norm hidden states that predict the tail: those one position before each of its tokens.
 * [n_tail][hidden], valid until the next run. trace: hand decoder.* to the tracer (of several forwards, one). */
struct compute_view decoder_run(struct decoder *d, bool trace);

/* hidden [n][hidden] -> [n][n_tokens], n <= tail_max; column j is token first_token + j. Valid until the next call. */
struct compute_view decoder_logits(struct decoder *d, struct compute_view hidden);

/* Time spent in decoder_run and decoder_logits since the last call of this function, ns. */
int64_t decoder_take_elapsed_ns(struct decoder *d);

#endif
