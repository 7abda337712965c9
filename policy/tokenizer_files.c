/* tokenizer_files.c - see tokenizer_files.h. */
#include "policy/tokenizer_files.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "policy/json_file.h"
#include "policy/mapping.h"

#define VOCABULARY_FILE "vocab.json"
#define MERGES_FILE "merges.txt"
#define ADDED_FILE "added_tokens.json"
#define TOKENIZER_CONFIG_FILE "tokenizer_config.json"
#define VERSION_LINE "#version"

enum { TOKENS_MAX = 1 << 22, TOKEN_BYTES_MAX = 2048 };

/* The base vocabulary while the tables are made: text in the GPT-2 alphabet -> id. */
struct vocabulary {
	json_t *ids;
	uint32_t n;
	char path[PATH_BYTES];
};

/* Ids must be 0 .. n-1, each once: the length of the tokenizer decides what an action token means. */
static int check_ids(const struct vocabulary *v, struct errbuf *e)
{
	bool *taken = calloc(v->n, sizeof *taken);
	const char *text;
	json_t *id;
	int rc = 0;

	if (!taken)
		return fail(e, -ENOMEM, "%s: out of memory", v->path);
	json_object_foreach(v->ids, text, id) {
		json_int_t found = json_integer_value(id);

		if (!json_is_integer(id) || found < 0 || found >= v->n || taken[found]) {
			rc = fail(e, -EINVAL,
					"%s: token %.64s has %s %lld, want a number below %u that no other token has",
					v->path, text, json_kind(id), (long long)found, v->n);
			break;
		}
		taken[found] = true;
	}
	free(taken);
	return rc;
}

static int read_vocabulary(struct vocabulary *v, const char *directory, struct errbuf *e)
{
	int rc = json_file_read(&v->ids, v->path, directory, VOCABULARY_FILE, e);

	if (rc < 0)
		return rc;
	v->n = (uint32_t)json_object_size(v->ids);
	if (v->n < 256 || v->n > TOKENS_MAX)
		return fail(e, -EINVAL, "%s: has %u tokens, want 256..%d", v->path, v->n, TOKENS_MAX);
	return check_ids(v, e);
}

static int32_t id_of(const struct vocabulary *v, const char *text)
{
	const json_t *id = json_object_get(v->ids, text);

	return id ? (int32_t)json_integer_value(id) : -1;
}

/* GPT-2's alphabet (bytes_to_unicode of its encoder.py): printable Latin-1 stands for itself, the other bytes are
 * U+0100, U+0101... in order. */
static bool stands_for_itself(int byte)
{
	return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static int read_alphabet(const struct vocabulary *v, struct bpe *bpe, struct errbuf *e)
{
	int32_t next = 0x100;

	for (int byte = 0; byte < 256; byte++) {
		int32_t character = stands_for_itself(byte) ? byte : next++;
		utf8proc_uint8_t text[5] = { 0 };
		int32_t id;

		text[utf8proc_encode_char(character, text)] = '\0';
		id = id_of(v, (const char *)text);
		if (id < 0)
			return fail(e, -EINVAL, "%s: has no token %s for the byte 0x%02x: no byte-level vocabulary",
					v->path, (const char *)text, (unsigned)byte);
		bpe_set_byte(bpe, (uint8_t)byte, id);
	}
	return 0;
}

/* One line "left right" of merges.txt. */
static int read_merge(const struct vocabulary *v, struct bpe *bpe, const char *path, uint32_t line, const char *text,
		size_t n, struct errbuf *e)
{
	const char *space = memchr(text, ' ', n);
	size_t n_left = space ? (size_t)(space - text) : 0, n_right = space ? n - n_left - 1 : 0;
	char left[TOKEN_BYTES_MAX], right[TOKEN_BYTES_MAX], merged[2 * TOKEN_BYTES_MAX];
	int32_t ids[3];

	if (n_left == 0 || n_right == 0 || n_left >= sizeof left || n_right >= sizeof right ||
			memchr(space + 1, ' ', n_right) || memchr(text, '\0', n))
		return fail(e, -EINVAL, "%s: line %u: want two tokens with one space between, and no zero byte", path, line);
	memcpy(left, text, n_left);
	left[n_left] = '\0';
	memcpy(right, space + 1, n_right);
	right[n_right] = '\0';
	memcpy(merged, left, n_left);
	memcpy(merged + n_left, right, n_right + 1);
	ids[0] = id_of(v, left);
	ids[1] = id_of(v, right);
	ids[2] = id_of(v, merged);
	for (int i = 0; i < 3; i++)
		if (ids[i] < 0)
			return fail(e, -EINVAL, "%s: line %u: %.64s is no token of " VOCABULARY_FILE, path, line,
					i == 0 ? left : i == 1 ? right : merged);
	if (bpe_add_merge(bpe, ids[0], ids[1], ids[2]) < 0)
		return fail(e, -EINVAL, "%s: line %u: %.64s %.64s stands in an earlier line too", path, line, left,
				right);
	return 0;
}

static uint32_t count_lines(const struct mapping *file)
{
	uint32_t n = 1;

	for (size_t i = 0; i < file->n_bytes; i++)
		n += file->data[i] == '\n';
	return n;
}

static int read_merge_lines(const struct vocabulary *v, const struct mapping *file, struct bpe *bpe, struct errbuf *e)
{
	const char *text = (const char *)file->data, *end = text + file->n_bytes;

	for (uint32_t line = 1; text < end; line++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);
		bool version = line == 1 && n >= strlen(VERSION_LINE) &&
				memcmp(text, VERSION_LINE, strlen(VERSION_LINE)) == 0;
		int rc;

		if (n > 0 && text[n - 1] == '\r')
			n--;
		if (n > 0 && !version && (rc = read_merge(v, bpe, file->path, line, text, n, e)) < 0)
			return rc;
		text = newline ? newline + 1 : end;
	}
	return 0;
}

static int read_merges(const struct vocabulary *v, const char *directory, uint32_t piece_bytes_max, struct bpe **bpe,
		struct errbuf *e)
{
	struct mapping file = { 0 };
	char path[PATH_BYTES];
	int rc = path_join(path, directory, MERGES_FILE, e);

	if (rc < 0 || (rc = mapping_open(&file, path, e)) < 0)
		return rc;
	if (file.n_bytes == 0)
		rc = fail(e, -EINVAL, "%s: is empty", path);
	else if ((rc = bpe_create(bpe, count_lines(&file), piece_bytes_max, e)) == 0)
		rc = read_merge_lines(v, &file, *bpe, e);
	mapping_close(&file);
	return rc;
}

/* Enters text -> id into `all`; both files may state the same token, but not differently. */
static int add_token(json_t *all, const char *path, const char *text, json_int_t id, struct errbuf *e)
{
	const json_t *known = json_object_get(all, text);

	if (!*text || strlen(text) >= TOKEN_BYTES_MAX)
		return fail(e, -EINVAL, "%s: an added token has %zu bytes, want 1..%d", path, strlen(text),
				TOKEN_BYTES_MAX - 1);
	if (known && json_integer_value(known) != id)
		return fail(e, -EINVAL, "%s: added token %.64s has id %lld, but %lld elsewhere", path, text,
				(long long)id, (long long)json_integer_value(known));
	if (!known && json_object_set_new(all, text, json_integer(id)) < 0)
		return fail(e, -ENOMEM, "%s: out of memory", path);
	return 0;
}

/* added_tokens.json: { text: id }. Absent is no error here. */
static int read_added_file(json_t *all, const char *directory, bool *found, struct errbuf *e)
{
	char path[PATH_BYTES];
	json_t *root = NULL, *id;
	const char *text;
	int rc = json_file_read(&root, path, directory, ADDED_FILE, e);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	*found = true;
	json_object_foreach(root, text, id) {
		if (json_is_integer(id))
			rc = add_token(all, path, text, json_integer_value(id), e);
		else
			rc = fail(e, -EINVAL, "%s: the id of %.64s is %s", path, text, json_kind(id));
		if (rc < 0)
			break;
	}
	json_decref(root);
	return rc;
}

/* tokenizer_config.json: added_tokens_decoder { "id": { "content": text } }. Absent is no error here. */
static int read_decoder(json_t *all, const char *directory, bool *found, struct errbuf *e)
{
	char path[PATH_BYTES];
	json_t *root = NULL, *table, *entry;
	const char *id;
	int rc = json_file_read(&root, path, directory, TOKENIZER_CONFIG_FILE, e);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	table = json_object_get(root, "added_tokens_decoder");
	*found = *found || json_is_object(table);
	json_object_foreach(table, id, entry) {
		const char *text = json_string_value(json_object_get(entry, "content"));
		char *end;
		long long number = strtoll(id, &end, 10);

		if (!text || *end || end == id)
			rc = fail(e, -EINVAL, "%s: added_tokens_decoder: \"%.32s\" is no id with a content", path, id);
		else
			rc = add_token(all, path, text, number, e);
		if (rc < 0)
			break;
	}
	json_decref(root);
	return rc;
}

static int longest_first(const void *a, const void *b)
{
	const struct added_token *x = a, *y = b;

	return x->n_bytes < y->n_bytes ? 1 : x->n_bytes > y->n_bytes ? -1 : strcmp(x->text, y->text);
}

/* Ids continue those of the vocabulary without a gap; tokens that the vocabulary has already keep its id. */
static int make_added(struct tokenizer_tables *t, const struct vocabulary *v, const json_t *all, const char *directory,
		struct errbuf *e)
{
	const char *text;
	json_t *id;
	uint32_t n_new = 0;
	json_int_t highest = (json_int_t)v->n - 1;

	t->added = calloc(json_object_size(all) + 1, sizeof t->added[0]);
	if (!t->added)
		return fail(e, -ENOMEM, "%s: out of memory", directory);
	json_object_foreach((json_t *)(uintptr_t)all, text, id) {
		json_int_t number = json_integer_value(id);
		int32_t known = id_of(v, text);
		struct added_token *a = &t->added[t->n_added];

		if (known >= 0 ? known != number : number < v->n || number >= TOKENS_MAX)
			return fail(e, -EINVAL,
					"%s: added token %.64s has id %lld, which contradicts the %u tokens of " VOCABULARY_FILE,
					directory, text, (long long)number, v->n);
		n_new += known < 0;
		highest = number > highest ? number : highest;
		*a = (struct added_token){ strdup(text), strlen(text), (int32_t)number };
		if (!a->text)
			return fail(e, -ENOMEM, "%s: out of memory", directory);
		t->n_added++;
	}
	t->n_tokens = v->n + n_new;
	if (highest + 1 != t->n_tokens)
		return fail(e, -EINVAL, "%s: %u tokens and %u added ones, but ids up to %lld: gaps or repeated ids",
				directory, v->n, n_new, (long long)highest);
	qsort(t->added, t->n_added, sizeof t->added[0], longest_first);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return x < y ? -1 : x > y;
}

/* With no id above n_tokens - 1 and none twice, there is no gap either. */
static int check_unique(const struct tokenizer_tables *t, const char *directory, struct errbuf *e)
{
	int32_t *ids = calloc((size_t)t->n_added + 1, sizeof *ids);
	int rc = 0;

	if (!ids)
		return fail(e, -ENOMEM, "%s: out of memory", directory);
	for (uint32_t i = 0; i < t->n_added; i++)
		ids[i] = t->added[i].id;
	qsort(ids, t->n_added, sizeof ids[0], compare_ids);
	for (uint32_t i = 1; rc == 0 && i < t->n_added; i++)
		if (ids[i] == ids[i - 1])
			rc = fail(e, -EINVAL, "%s: two added tokens have the id %d", directory, ids[i]);
	free(ids);
	return rc;
}

static int read_added(struct tokenizer_tables *t, const struct vocabulary *v, const char *directory, struct errbuf *e)
{
	json_t *all = json_object();
	bool found = false;
	int rc;

	if (!all)
		return fail(e, -ENOMEM, "%s: out of memory", directory);
	if ((rc = read_added_file(all, directory, &found, e)) == 0 &&
			(rc = read_decoder(all, directory, &found, e)) == 0) {
		if (!found)
			rc = fail(e, -ENOENT,
					"%s: has neither " ADDED_FILE
					" nor added_tokens_decoder in " TOKENIZER_CONFIG_FILE,
					directory);
		else if ((rc = make_added(t, v, all, directory, e)) == 0)
			rc = check_unique(t, directory, e);
	}
	json_decref(all);
	return rc;
}

int tokenizer_tables_read(
		struct tokenizer_tables *out, const char *directory, uint32_t piece_bytes_max, struct errbuf *e)
{
	struct tokenizer_tables t = { 0 };
	struct vocabulary v = { 0 };
	int rc = read_vocabulary(&v, directory, e);

	if (rc == 0 && (rc = read_merges(&v, directory, piece_bytes_max, &t.bpe, e)) == 0 &&
			(rc = read_alphabet(&v, t.bpe, e)) == 0)
		rc = read_added(&t, &v, directory, e);
	json_decref(v.ids);
	if (rc < 0)
		tokenizer_tables_free(&t);
	else
		*out = t;
	return rc;
}

void tokenizer_tables_free(struct tokenizer_tables *t)
{
	for (uint32_t i = 0; i < t->n_added; i++)
		free(t->added[i].text);
	free(t->added);
	bpe_destroy(t->bpe);
	*t = (struct tokenizer_tables){ 0 };
}
