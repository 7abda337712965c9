/* bench_autoregressive.h - the decoder's weights as an autoregressive model runs them: causal attention, keys and values kept, a token at
 * a time. What one-step decoding is measured against; no part of the daemon. Arithmetic as policy/decoder.c, but for the mask. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_AUTOREGRESSIVE_H
#define DREAMVLA_DAEMON_BENCH_BENCH_AUTOREGRESSIVE_H

#include "policy/manifest.h"
#include "policy/network.h"

struct autoregressive;

/* Finds every weight. positions_max: of a whole sequence; rows_max: that come at once. The network must outlive it. -ENOENT, -EINVAL with
 * the tensor's name; -ENOMEM. Allocates: yes. */
MUST_CHECK int autoregressive_create(struct autoregressive **out, const struct network *network, const struct weights *w,
		const struct manifest_decoder *m, uint32_t positions_max, uint32_t rows_max, struct errbuf *e);
void autoregressive_destroy(struct autoregressive *a); /* accepts NULL */

/* As decoder_lay_out and decoder_prepare. */
void autoregressive_lay_out(struct autoregressive *a);
MUST_CHECK int autoregressive_prepare(struct autoregressive *a, struct errbuf *e);

/* The rest allocates nothing. Forgets all positions. */
void autoregressive_restart(struct autoregressive *a);

/* Where the embeddings of the next n positions go, n <= rows_max. [n][hidden] */
struct compute_view autoregressive_rows(struct autoregressive *a, uint32_t n);
void autoregressive_embed(struct autoregressive *a, const int32_t *ids, struct compute_view out);

/* Those n positions through all layers, one piece of compute.h (begin, end) for each n and length of the cache; logits of the token that follows the last
 * one. [1][vocabulary], valid until the next call. */
struct compute_view autoregressive_run(struct autoregressive *a, uint32_t n);

#endif
