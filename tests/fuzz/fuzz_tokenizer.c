/* fuzz_tokenizer.c - vocab.json, merges.txt, added_tokens.json, tokenizer_config.json, and a text to encode with them. Without a
 * vocab.json there is one of 256 tokens, one per byte, so that short inputs reach beyond it. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/tokenizer.h"

static const char *const names[] = { "vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json", "text" };
static char vocabulary[8192];

/* GPT-2's alphabet in the order of the bytes. */
static void make_vocabulary(void)
{
	uint32_t next = 0x100, n = 0;

	for (uint32_t byte = 0; byte < 256; byte++) {
		int itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

		n += (uint32_t)snprintf(vocabulary + n, sizeof vocabulary - n, "%s\"\\u%04x\": %u", byte ? ", " : "{", itself ? byte : next++,
				byte);
	}
	snprintf(vocabulary + n, sizeof vocabulary - n, "}");
}

static void check_encoding(struct tokenizer *t, const char *text, size_t n_bytes, bool special)
{
	static int32_t ids[TOKENIZER_TEXT_BYTES_MAX], again[TOKENIZER_TEXT_BYTES_MAX];
	struct errbuf e;
	uint32_t n = 0, m = 0;
	int rc = tokenizer_encode(t, text, n_bytes, special, ids, TOKENIZER_TEXT_BYTES_MAX, &n, &e);

	fuzz_require(rc == 0 || rc == -EINVAL || rc == -E2BIG);
	if (rc < 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		fuzz_require(ids[i] >= 0 && (uint32_t)ids[i] < tokenizer_length(t));
	fuzz_require(tokenizer_encode(t, text, n_bytes, special, again, n, &m, &e) == 0 && m == n);
	fuzz_require(!memcmp(ids, again, n * sizeof *ids));
	fuzz_require(n == 0 || tokenizer_encode(t, text, n_bytes, special, again, n - 1, &m, &e) == -E2BIG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint32_t n_files = sizeof names / sizeof *names - 1;
	const uint8_t *text = data, *end = data + n;
	struct tokenizer *t;
	struct errbuf e;

	if (!vocabulary[0])
		make_vocabulary();
	fuzz_write_parts(data, n, names, n_files);
	for (uint32_t i = 0; text && i < n_files; i++) {
		text = memmem(text, (size_t)(end - text), FUZZ_CUT, strlen(FUZZ_CUT));
		text = text ? text + strlen(FUZZ_CUT) : NULL;
		if (i == 0 && (n == 0 || !memcmp(data, FUZZ_CUT, n < strlen(FUZZ_CUT) ? n : strlen(FUZZ_CUT))))
			fuzz_write(names[0], (const uint8_t *)vocabulary, strlen(vocabulary));
	}
	if (tokenizer_create(&t, fuzz_folder(), &e) < 0) {
		fuzz_require(e.text[0]);
		return 0;
	}
	for (int special = 0; text && special < 2; special++)
		check_encoding(t, (const char *)text, (size_t)(end - text), special);
	(void)tokenizer_token_id(t, "<|im_end|>");
	tokenizer_destroy(t);
	return 0;
}
