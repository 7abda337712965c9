/* tokenizer.c - see tokenizer.h. */
#include "policy/tokenizer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "policy/bpe.h"
#include "policy/normal_form.h"
#include "policy/tokenizer_files.h"

/* The Qwen2 split. \s is spelt out as Unicode's White_Space, because PCRE2's own \s also takes U+180E. */
#define SPACE "\\t-\\r\\x{85}\\p{Z}"
static const char split_pattern[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
				    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
				    "|\\p{N}"
				    "| ?[^" SPACE "\\p{L}\\p{N}]+[\\r\\n]*"
				    "|[" SPACE "]*[\\r\\n]+"
				    "|[" SPACE "]+(?![^" SPACE "])"
				    "|[" SPACE "]+";

enum {
	CODEPOINTS_MAX = TOKENIZER_TEXT_BYTES_MAX, /* after decomposition, before composition */
	JIT_STACK_BYTES = 64 * 1024,
};

struct tokenizer {
	struct tokenizer_tables tables;
	pcre2_code *split;
	pcre2_match_data *match;
	pcre2_match_context *context;
	pcre2_jit_stack *jit_stack;
	int32_t *codepoints, *scratch; /* [CODEPOINTS_MAX] */
	uint8_t *text;                 /* [TOKENIZER_TEXT_BYTES_MAX + 4], normalised */
};

/* Where the ids of one call go. */
struct output {
	int32_t *ids;
	uint32_t capacity, n;
};

static int compile_split(struct tokenizer *t, struct errbuf *e)
{
	const uint32_t options =
			PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED; /* anchored at match time would switch JIT off */
	PCRE2_SIZE at;
	int error;

	t->split = pcre2_compile((PCRE2_SPTR)split_pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
	if (!t->split)
		return fail(e, -ENOTSUP,
				"tokenizer: this PCRE2 refuses the split expression (error %d at %zu): it needs Unicode support",
				error, at);
	t->match = pcre2_match_data_create_from_pattern(t->split, NULL);
	t->context = pcre2_match_context_create(NULL);
	if (!t->match || !t->context)
		return fail(e, -ENOMEM, "tokenizer: out of memory");
	/* Where executable memory is forbidden (MemoryDenyWriteExecute) the interpreter does the same, more slowly. */
	if (pcre2_jit_compile(t->split, PCRE2_JIT_COMPLETE) == 0 &&
			(t->jit_stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_BYTES, NULL)))
		pcre2_jit_stack_assign(t->context, NULL, t->jit_stack);
	return 0;
}

/* One encoding of every kind of piece: the interpreter keeps the memory that its first match takes. */
static int warm_up(struct tokenizer *t, struct errbuf *e)
{
	static const char text[] = "it's warm\r\n  \xc3\xa9 12 !? \n ";
	int32_t ids[sizeof text];
	uint32_t n;

	return tokenizer_encode(t, text, sizeof text - 1, true, ids, sizeof text, &n, e);
}

int tokenizer_create(struct tokenizer **out, const char *directory, struct errbuf *e)
{
	struct tokenizer *t = calloc(1, sizeof *t);
	int rc;

	if (!t)
		return fail(e, -ENOMEM, "tokenizer: out of memory");
	t->codepoints = calloc(CODEPOINTS_MAX, sizeof t->codepoints[0]);
	t->scratch = calloc(CODEPOINTS_MAX, sizeof t->scratch[0]);
	t->text = calloc(TOKENIZER_TEXT_BYTES_MAX + 4, sizeof t->text[0]);
	if (!t->codepoints || !t->scratch || !t->text)
		rc = fail(e, -ENOMEM, "tokenizer: out of memory");
	else
		rc = tokenizer_tables_read(&t->tables, directory, TOKENIZER_TEXT_BYTES_MAX, e);
	if (rc == 0 && (rc = compile_split(t, e)) == 0 && (rc = warm_up(t, e)) == 0)
		*out = t;
	else
		tokenizer_destroy(t);
	return rc;
}

void tokenizer_destroy(struct tokenizer *t)
{
	if (!t)
		return;
	tokenizer_tables_free(&t->tables);
	pcre2_match_data_free(t->match);
	pcre2_match_context_free(t->context);
	pcre2_jit_stack_free(t->jit_stack);
	pcre2_code_free(t->split);
	free(t->codepoints);
	free(t->scratch);
	free(t->text);
	free(t);
}

/* Names the first byte that is not UTF-8. */
static int check_utf8(const char *text, size_t n_bytes, struct errbuf *e)
{
	for (size_t at = 0; at < n_bytes;) {
		utf8proc_int32_t codepoint;
		utf8proc_ssize_t n = utf8proc_iterate(
				(const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(n_bytes - at), &codepoint);

		if (n <= 0)
			return fail(e, -EINVAL, "text is not UTF-8 at byte %zu (0x%02x)", at, (unsigned char)text[at]);
		at += (size_t)n;
	}
	return 0;
}

static int too_long(struct errbuf *e)
{
	return fail(e, -E2BIG, "text is longer than %d bytes", TOKENIZER_TEXT_BYTES_MAX);
}

/* Valid UTF-8 -> its composed normal form (NFC) in t->text. */
static int normalise(struct tokenizer *t, const char *text, size_t n_bytes, size_t *n_out, struct errbuf *e)
{
	size_t n = 0, at = 0;
	int rc = normal_form_compose(text, n_bytes, t->codepoints, t->scratch, CODEPOINTS_MAX, &n, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		at += (size_t)utf8proc_encode_char(t->codepoints[i], t->text + at);
		if (at > TOKENIZER_TEXT_BYTES_MAX)
			return too_long(e);
	}
	*n_out = at;
	return 0;
}

/* Appends the ids of the piece text[first, end). */
static int encode_piece(struct tokenizer *t, size_t first, size_t end, struct output *out, struct errbuf *e)
{
	uint32_t left = out->capacity - out->n;
	uint32_t n = bpe_encode(t->tables.bpe, t->text + first, (uint32_t)(end - first), out->ids + out->n, left);

	if (n > left)
		return fail(e, -E2BIG, "text gives more than %u tokens", out->capacity);
	out->n += n;
	return 0;
}

/* Text without special tokens: normalise, split, merge. */
static int encode_plain(struct tokenizer *t, const char *text, size_t n_bytes, struct output *out, struct errbuf *e)
{
	size_t n = 0;
	int rc = normalise(t, text, n_bytes, &n, e);

	for (size_t at = 0; rc == 0 && at < n;) {
		/* NO_UTF_CHECK: checked once for all, else every piece would check the rest of the text again. */
		int found = pcre2_match(t->split, t->text, n, at, PCRE2_NO_UTF_CHECK, t->match, t->context);
		size_t end = found > 0 ? pcre2_get_ovector_pointer(t->match)[1] : at;

		if (end <= at)
			return fail(e, -EINVAL, "text cannot be split at byte %zu (PCRE2 error %d)", at, found);
		rc = encode_piece(t, at, end, out, e);
		at = end;
	}
	return rc;
}

/* The longest added token at the beginning of text, or NULL. */
static const struct added_token *added_at(const struct tokenizer *t, const char *text, size_t n_bytes)
{
	for (uint32_t i = 0; i < t->tables.n_added; i++) {
		const struct added_token *a = &t->tables.added[i];

		if (a->n_bytes <= n_bytes && a->text[0] == text[0] && memcmp(a->text, text, a->n_bytes) == 0)
			return a;
	}
	return NULL;
}

/* Added tokens are found in the text as given, before normalisation; what lies between them is plain. */
static int encode_special(struct tokenizer *t, const char *text, size_t n_bytes, struct output *out, struct errbuf *e)
{
	size_t first = 0;
	int rc;

	for (size_t at = 0; at < n_bytes;) {
		const struct added_token *a = added_at(t, text + at, n_bytes - at);

		if (!a) {
			at++;
			continue;
		}
		if ((rc = encode_plain(t, text + first, at - first, out, e)) < 0)
			return rc;
		if (out->n == out->capacity)
			return fail(e, -E2BIG, "text gives more than %u tokens", out->capacity);
		out->ids[out->n++] = a->id;
		first = at += a->n_bytes;
	}
	return encode_plain(t, text + first, n_bytes - first, out, e);
}

int tokenizer_encode(struct tokenizer *t, const char *text, size_t n_bytes, bool allow_special, int32_t *ids,
		uint32_t capacity, uint32_t *n_ids, struct errbuf *e)
{
	struct output out = { ids, capacity, 0 };
	int rc;

	if (n_bytes > TOKENIZER_TEXT_BYTES_MAX)
		return too_long(e);
	if ((rc = check_utf8(text, n_bytes, e)) < 0)
		return rc;
	rc = allow_special ? encode_special(t, text, n_bytes, &out, e) : encode_plain(t, text, n_bytes, &out, e);
	if (rc == 0)
		*n_ids = out.n;
	return rc;
}

int32_t tokenizer_token_id(const struct tokenizer *t, const char *token)
{
	for (uint32_t i = 0; i < t->tables.n_added; i++)
		if (strcmp(t->tables.added[i].text, token) == 0)
			return t->tables.added[i].id;
	return -1;
}

uint32_t tokenizer_length(const struct tokenizer *t)
{
	return t->tables.n_tokens;
}
