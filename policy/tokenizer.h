/* tokenizer.h - text to token ids: byte-level BPE over the GPT-2 byte alphabet, as the Qwen2 family uses it.
 *
 * NFC, then special tokens (only where allowed), then the split by a regular expression, then merges by rank. Reads
 * vocab.json, merges.txt and added_tokens.json and / or tokenizer_config.json of the checkpoint. */
#ifndef DREAMVLA_POLICY_TOKENIZER_H
#define DREAMVLA_POLICY_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { TOKENIZER_TEXT_BYTES_MAX = 16384 }; /* longest text of one call */

struct tokenizer;

/* Loads and checks the tokenizer files. 0; -ENOENT: a file is missing; -EINVAL: content that is no tokenizer (the
 * text names file, line or key); -ENOMEM. Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int tokenizer_create(struct tokenizer **out, const char *directory, struct errbuf *e);

/* Accepts NULL. */
void tokenizer_destroy(struct tokenizer *t);

/* Encodes n_bytes of UTF-8 into ids[capacity]. allow_special: added tokens in the text become their id; otherwise
 * they are text like any other. -EINVAL: not UTF-8 (the text names the byte); -E2BIG: more than
 * TOKENIZER_TEXT_BYTES_MAX bytes (before or after NFC) or more than `capacity` ids. *n_ids is set on success only.
 * Thread: one at a time (scratch memory lies in the object). Allocates: no. Blocks: no. */
MUST_CHECK int tokenizer_encode(struct tokenizer *t, const char *text, size_t n_bytes, bool allow_special, int32_t *ids,
		uint32_t capacity, uint32_t *n_ids, struct errbuf *e);

/* Id of an added token such as "<|im_end|>"; -1: there is none. Thread: any. Allocates: no. Blocks: no. */
int32_t tokenizer_token_id(const struct tokenizer *t, const char *token);

/* Number of tokens L = base vocabulary + added tokens: the id after the last. Thread: any. Allocates: no. */
uint32_t tokenizer_length(const struct tokenizer *t);

#endif
