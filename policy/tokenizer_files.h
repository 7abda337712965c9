/* tokenizer_files.h - reads the tokenizer files of a checkpoint into tables; used by tokenizer.c alone. */
#ifndef DREAMVLA_POLICY_TOKENIZER_FILES_H
#define DREAMVLA_POLICY_TOKENIZER_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/bpe.h"

/* A token that stands for itself, such as <|im_end|>: never the result of merges. */
struct added_token {
	char *text;
	size_t n_bytes;
	int32_t id;
};

struct tokenizer_tables {
	struct bpe *bpe;
	struct added_token *added; /* longest first */
	uint32_t n_added;
	uint32_t n_tokens;         /* base vocabulary + added tokens; ids are 0 .. n_tokens - 1 without gaps */
};

/* vocab.json, merges.txt, added_tokens.json and / or tokenizer_config.json. Errors as tokenizer_create.
 * Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int tokenizer_tables_read(struct tokenizer_tables *out, const char *directory, uint32_t piece_bytes_max,
		struct errbuf *e);

/* Accepts a zeroed one. */
void tokenizer_tables_free(struct tokenizer_tables *t);

#endif
