/* bpe.h - byte pair encoding of one piece of text: bytes to token ids by merging neighbours, lowest rank first.
 *
 * Sennrich et al. 2016, on bytes as in GPT-2. Among equal ranks the leftmost pair merges first, which gives the ids of
 * the original that merges all occurrences of a pair at once. O(n log n) in the length of the piece. */
#ifndef DREAMVLA_POLICY_BPE_H
#define DREAMVLA_POLICY_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

struct bpe;

/* For `n_merges` rules and pieces of at most piece_bytes_max bytes. -ENOMEM. Thread: any. Allocates: yes. Blocks: no. */
MUST_CHECK int bpe_create(struct bpe **out, uint32_t n_merges, uint32_t piece_bytes_max, struct errbuf *e);

/* Accepts NULL. */
void bpe_destroy(struct bpe *b);

/* The id of a single byte. Every byte needs one before bpe_encode. */
void bpe_set_byte(struct bpe *b, uint8_t byte, int32_t id);

/* The rule left, right -> merged. -EEXIST: there is one for this pair already. Ranks count up with every call.
 * At most n_merges calls. Thread: any, one at a time. Allocates: no. */
MUST_CHECK int bpe_add_merge(struct bpe *b, int32_t left, int32_t right, int32_t merged);

/* Encodes bytes[n_bytes], 1 <= n_bytes <= piece_bytes_max. Returns the number of ids, at most n_bytes, of which the
 * first `capacity` are written. Thread: one at a time. Allocates: no. Blocks: no. */
uint32_t bpe_encode(struct bpe *b, const uint8_t *bytes, uint32_t n_bytes, int32_t *ids, uint32_t capacity);

#endif
