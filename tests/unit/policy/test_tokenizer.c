/* test_tokenizer.c - ids of the golden strings, merging against a plain reference, no allocation, spoilt files.
 * In real time: processor time. */
#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "policy/bpe.h"
#include "policy/tokenizer.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 0 /* the sanitizer brings its own allocator */
#else
#define COUNTS_ALLOCATIONS 1
#endif

enum { IDS_MAX = TOKENIZER_TEXT_BYTES_MAX };

static char folder[FIXTURE_PATH_BYTES];
static int32_t ids[IDS_MAX];
static atomic_uint n_allocations;

#if COUNTS_ALLOCATIONS
/* glibc's allocator under its own names; these take its place for the whole process, libraries included. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

void *malloc(size_t size)
{
	n_allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	n_allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	n_allocations++;
	return __libc_realloc(p, size);
}
#endif

static int set_up(void **state)
{
	static const char *const files[] = { "vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json" };

	(void)state;
	folder_make(folder);
	for (int i = 0; i < 4; i++)
		file_copy(CHECKPOINT, files[i], folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static struct tokenizer *open_tokenizer(const char *directory)
{
	struct tokenizer *t = NULL;
	struct errbuf e = { "" };

	if (tokenizer_create(&t, directory, &e) < 0)
		fail_msg("%s", e.text);
	return t;
}

static uint32_t encode(struct tokenizer *t, const char *text, bool allow_special)
{
	struct errbuf e = { "" };
	uint32_t n = 0;

	if (tokenizer_encode(t, text, strlen(text), allow_special, ids, IDS_MAX, &n, &e) < 0)
		fail_msg("%s", e.text);
	return n;
}

/* Every string of a JSON file gives exactly the ids under `key`. Strings may hold zero bytes. */
static void check_strings(const char *directory, const char *strings_folder, const char *name, const char *key)
{
	struct tokenizer *t = open_tokenizer(directory);
	size_t n_file, i;
	char *text = file_read(strings_folder, name, &n_file);
	json_t *cases = json_loadb(text, n_file, JSON_ALLOW_NUL, NULL), *entry;

	assert_true(json_array_size(cases) > 30);
	json_array_foreach(cases, i, entry) {
		const json_t *string = json_object_get(entry, "text"), *want = json_object_get(entry, key);
		struct errbuf e = { "" };
		uint32_t n = 0;

		if (tokenizer_encode(t, json_string_value(string), json_string_length(string), false, ids, IDS_MAX, &n, &e) < 0)
			fail_msg("string %zu: %s", i, e.text);
		if (n != json_array_size(want))
			fail_msg("string %zu \"%s\": %u ids, want %zu", i, json_string_value(string), n, json_array_size(want));
		for (uint32_t k = 0; k < n; k++)
			if (ids[k] != json_integer_value(json_array_get(want, k)))
				fail_msg("string %zu \"%s\": id %u is %d", i, json_string_value(string), k, ids[k]);
	}
	json_decref(cases);
	free(text);
	tokenizer_destroy(t);
}

static void golden_strings_give_their_ids(void **state)
{
	(void)state;
	check_strings(CHECKPOINT, GOLDEN "/tokenizer", "two_cameras.json", "ids");
}

/* data/README.md says where these come from. */
static void telling_strings_give_their_ids(void **state)
{
	static const char *const names[] = { "one_camera", "two_cameras", "three_cameras" };
	char directory[FIXTURE_PATH_BYTES];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(directory, sizeof directory, GOLDEN "/checkpoints/%s", names[i]);
		check_strings(directory, "tests/unit/policy/data", "tokenizer.json", names[i]);
	}
}

/* Where the real vocabulary lies, which is not ours to copy; NULL: nowhere. */
static const char *find_vocabulary(void)
{
	static const char *const places[] = { "shared/tokenizer", "../shared/tokenizer" };
	const char *named = getenv("DREAMVLA_VOCABULARY");

	for (int i = 0; i < 2 && !named; i++)
		named = access(places[i], R_OK) == 0 ? places[i] : NULL;
	return named;
}

static void real_vocabulary_gives_its_ids(void **state)
{
	const char *vocabulary = find_vocabulary();
	char strings[FIXTURE_PATH_BYTES];
	struct tokenizer *t;

	(void)state;
	if (!vocabulary) {
		print_message("no shared/tokenizer, and DREAMVLA_VOCABULARY is not set (see tests/golden/README.md)\n");
		skip();
	}
	snprintf(strings, sizeof strings, "%s/qwen2.json", vocabulary);
	if (access(strings, R_OK) == 0)
		check_strings(vocabulary, vocabulary, "qwen2.json", "ids");
	t = open_tokenizer(vocabulary);
	assert_int_equal(tokenizer_length(t), 151923);
	assert_int_equal(tokenizer_token_id(t, "<|im_end|>"), 151645);
	assert_int_equal(tokenizer_token_id(t, "<|action_255|>"), 151922);
	assert_int_equal(encode(t, "pick up the red block", false), 5);
	assert_true(ids[0] == 29245 && ids[1] == 705 && ids[2] == 279 && ids[3] == 2518 && ids[4] == 2504);
	tokenizer_destroy(t);
}

static double processor_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Least processor time of five encodings, in ms. */
static double time_of(struct tokenizer *t, const char *text, size_t n_bytes)
{
	double least = 1e9;

	for (int i = 0; i < 5; i++) {
		double before = processor_ms();
		struct errbuf e;
		uint32_t n;

		assert_int_equal(tokenizer_encode(t, text, n_bytes, false, ids, IDS_MAX, &n, &e), 0);
		before = processor_ms() - before;
		least = before < least ? before : least;
	}
	return least;
}

/* Whatever a text repeats, four times the text takes about four times as long; square growth would take sixteen times. */
static void time_grows_with_the_text_alone(void **state)
{
	static const char *const units[] = { "a", " ", "\n", "e\u0301", "\u0301\u0316", "'", "\uac00", "1", " a", "\xf0\x9f\x98\x80", "\r ", "it's " };
	static char text[TOKENIZER_TEXT_BYTES_MAX];
	struct tokenizer *t = open_tokenizer(CHECKPOINT);

	(void)state;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		size_t n_unit = strlen(units[i]), n = 0;
		double quarter, whole;

		for (; n + n_unit <= sizeof text; n += n_unit)
			memcpy(text + n, units[i], n_unit);
		quarter = time_of(t, text, n / n_unit / 4 * n_unit);
		whole = time_of(t, text, n);
		if (!(whole < 9.0 * quarter + 0.2))
			fail_msg("unit %zu: %g ms for a quarter of the text, %g ms for the whole", i, quarter, whole);
	}
	tokenizer_destroy(t);
}

static void special_tokens_only_where_allowed(void **state)
{
	struct tokenizer *t = open_tokenizer(CHECKPOINT);

	(void)state;
	assert_int_equal(tokenizer_length(t), 768);
	assert_int_equal(tokenizer_token_id(t, "<|im_end|>"), 490);
	assert_int_equal(tokenizer_token_id(t, "<|im_end|"), -1);
	assert_int_equal(encode(t, "<|im_end|>", true), 1);
	assert_int_equal(ids[0], 490);
	assert_int_equal(encode(t, "<|action_12|><|action_1|>", true), 2);
	assert_int_equal(ids[0], tokenizer_token_id(t, "<|action_12|>"));
	assert_int_equal(ids[1], tokenizer_token_id(t, "<|action_1|>"));
	assert_true(encode(t, "a<|im_end|>b", true) == 3 && ids[1] == 490);
	assert_true(encode(t, "<|im_end|", true) > 1);
	for (uint32_t n = encode(t, "<|im_end|><|action_12|><|mask|>", false), i = 0; i < n; i++)
		assert_true(ids[i] < 488);
	tokenizer_destroy(t);
}

static void composed_and_decomposed_text_are_one(void **state)
{
	struct tokenizer *t = open_tokenizer(CHECKPOINT);
	int32_t first[16];
	uint32_t n = encode(t, "caf\xc3\xa9", false);

	(void)state;
	memcpy(first, ids, n * sizeof ids[0]);
	assert_int_equal(encode(t, "cafe\xcc\x81", false), n);
	assert_memory_equal(ids, first, n * sizeof ids[0]);
	tokenizer_destroy(t);
}

static void bad_text_is_refused(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "ab\x80", "byte 2|0x80" },
		{ "\xc3", "byte 0|0xc3" },
		{ "abc\xe2\x82", "byte 3|0xe2" },
		{ "\xc0\xaf", "byte 0|0xc0" },             /* overlong */
		{ "x\xed\xa0\x80", "byte 1|0xed" },        /* surrogate */
		{ "\xf4\x90\x80\x80", "byte 0|0xf4" },     /* beyond U+10FFFF */
		{ "\xff\xfe", "byte 0|0xff" },
	};
	static char text[TOKENIZER_TEXT_BYTES_MAX + 2];
	struct tokenizer *t = open_tokenizer(CHECKPOINT);
	struct errbuf e;
	uint32_t n = 77;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int special = 0; special < 2; special++) {
			assert_int_equal(tokenizer_encode(t, cases[i].text, strlen(cases[i].text), special, ids, IDS_MAX, &n, &e), -EINVAL);
			assert_names(&e, "not UTF-8");
			assert_names(&e, cases[i].words);
		}
	memset(text, 'a', sizeof text);
	assert_int_equal(tokenizer_encode(t, text, TOKENIZER_TEXT_BYTES_MAX + 1, false, ids, IDS_MAX, &n, &e), -E2BIG);
	assert_names(&e, "longer than 16384 bytes");
	for (size_t i = 0; i + 4 <= TOKENIZER_TEXT_BYTES_MAX; i += 4)
		memcpy(text + i, "\xf0\x9d\x85\xa0", 4); /* U+1D160: four bytes, twelve in normal form */
	assert_int_equal(tokenizer_encode(t, text, TOKENIZER_TEXT_BYTES_MAX, false, ids, IDS_MAX, &n, &e), -E2BIG);
	assert_int_equal(tokenizer_encode(t, "zqxj", 4, false, ids, 3, &n, &e), -E2BIG);
	assert_names(&e, "3 tokens");
	assert_int_equal(tokenizer_encode(t, "<|mask|>", 8, true, ids, 0, &n, &e), -E2BIG);
	assert_int_equal(n, 77);
	assert_int_equal(encode(t, "", false), 0);
	tokenizer_destroy(t);
}

static void encoding_allocates_nothing(void **state)
{
	static const char *const texts[] = { "pick up the red block", "it's  a\r\n\n mixed 12 text!? ", "<|im_end|><|mask|>",
		"\xd0\xbf\xd0\xbe\xd1\x81\xd1\x82\xd0\xb0\xd0\xb2\xd1\x8c", "e\xcc\x81\xcc\xa3" };
	static char letters[TOKENIZER_TEXT_BYTES_MAX], spaces[TOKENIZER_TEXT_BYTES_MAX];
	struct tokenizer *t = open_tokenizer(CHECKPOINT);
	struct errbuf e;
	uint32_t n;
	unsigned before;

	(void)state;
	if (!COUNTS_ALLOCATIONS) {
		tokenizer_destroy(t);
		skip();
	}
	memset(letters, 'a', sizeof letters);
	memset(spaces, ' ', sizeof spaces);
	before = n_allocations;
	assert_true(before > 0); /* the counter counts */
	for (int special = 0; special < 2; special++) {
		for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
			encode(t, texts[i], special);
		assert_int_equal(tokenizer_encode(t, letters, sizeof letters, special, ids, IDS_MAX, &n, &e), 0);
		assert_int_equal(tokenizer_encode(t, spaces, sizeof spaces, special, ids, IDS_MAX, &n, &e), 0);
		assert_int_equal(tokenizer_encode(t, "\xff", 1, special, ids, IDS_MAX, &n, &e), -EINVAL);
	}
	assert_int_equal(n_allocations, before);
	tokenizer_destroy(t);
}

/* -- merging against the definition: the lowest rank first, all its occurrences from left to right ---------------- */

enum { RULES = 60, PIECE_MAX = 64 };

struct rule {
	int32_t left, right;
};

static uint32_t encode_plainly(const struct rule *rules, int32_t *symbols, uint32_t n)
{
	for (int32_t rank = 0; rank < RULES;) {
		uint32_t i = 0;

		while (i + 1 < n && !(symbols[i] == rules[rank].left && symbols[i + 1] == rules[rank].right))
			i++;
		if (i + 1 >= n) {
			rank++;
			continue;
		}
		symbols[i] = 4 + rank;
		memmove(symbols + i + 1, symbols + i + 2, (n - i - 2) * sizeof symbols[0]);
		n--;
		rank = 0;
	}
	return n;
}

static void merging_follows_the_definition(void **state)
{
	struct rule rules[RULES];
	struct bpe *b = NULL;
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		uint32_t n_bytes, n;
		uint8_t bytes[PIECE_MAX];
		int32_t want[PIECE_MAX];

		assert_int_equal(bpe_create(&b, RULES, PIECE_MAX, NULL), 0);
		for (int byte = 0; byte < 4; byte++)
			bpe_set_byte(b, (uint8_t)byte, byte);
		for (int32_t i = 0; i < RULES;) {
			seed = seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
			rules[i] = (struct rule){ (int32_t)(seed >> 8) % (4 + i), (int32_t)(seed >> 20) % (4 + i) };
			i += bpe_add_merge(b, rules[i].left, rules[i].right, 4 + i) == 0;
		}
		n_bytes = 1 + (seed >> 9) % PIECE_MAX;
		for (uint32_t i = 0; i < n_bytes; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (uint8_t)((seed >> 16) % (round % 3 == 0 ? 1 : 4));
			want[i] = bytes[i];
		}
		n = encode_plainly(rules, want, n_bytes);
		assert_int_equal(bpe_encode(b, bytes, n_bytes, ids, IDS_MAX), n);
		assert_memory_equal(ids, want, n * sizeof ids[0]);
		bpe_destroy(b);
	}
}

/* -- spoilt files ------------------------------------------------------------------------------------------------- */

static void spoilt_files_are_refused(void **state)
{
	static const struct {
		const char *file, *from, *to, *words;
	} cases[] = {
		{ "vocab.json", "\"!\": 0,", "\"!\": 1,", "vocab.json|1" },
		{ "vocab.json", "\"!\": 0,", "\"!\": 488,", "vocab.json|token !|488|below 488" },
		{ "vocab.json", "\"!\": 0,", "\"!\": \"0\",", "vocab.json|token !|a string" },
		{ "vocab.json", "\"!\": 0,", "\"zzzz\": 0,", "vocab.json|token !|0x21" },
		{ "vocab.json", "\"!\": 0,", "\"!\": 0", "vocab.json|line" },
		{ "vocab.json", "\"!\": 0,", "\"!\": 0, \"!\": 0,", "vocab.json|duplicate" },
		{ "merges.txt", "\nh e\n", "\nh e x\n", "merges.txt|line 3|two tokens" },
		{ "merges.txt", "\nh e\n", "\nhe\n", "merges.txt|line 3|two tokens" },
		{ "merges.txt", "\nh e\n", "\nh QQ\n", "merges.txt|line 3|QQ" },
		{ "merges.txt", "\nh e\n", "\nQ Q\n", "merges.txt|line 3|QQ" },
		{ "merges.txt", "\nh e\n", "\nh e\nh e\n", "merges.txt|line 4|h e|earlier" },
		{ "added_tokens.json", "\"<|endoftext|>\": 488", "\"<|endoftext|>\": 489", "<|endoftext|>|489|488" },
		{ "added_tokens.json", "\"<|endoftext|>\": 488", "\"<|endoftext|>\": \"488\"", "added_tokens.json|<|endoftext|>|a string" },
		{ "added_tokens.json", "\"<|endoftext|>\": 488", "\"<|endoftext|>\": 488, \"<|more|>\": 770", "281 added|770|gaps" },
		{ "added_tokens.json", "\"<|endoftext|>\": 488", "\"<|endoftext|>\": 488, \"<|more|>\": 767", "gaps or repeated" },
		{ "added_tokens.json", "\"<|endoftext|>\": 488", "\"<|endoftext|>\": 488, \"<|more|>\": 7", "<|more|>|7|contradicts" },
		{ "added_tokens.json", "\"<|endoftext|>\": 488", "\"<|endoftext|>\": 488, \"!\": 900", "!|900|contradicts" },
		{ "tokenizer_config.json", "\"488\": {", "\"x488\": {", "tokenizer_config.json|x488" },
		{ "tokenizer_config.json", "\"content\": \"<|im_end|>\"", "\"content\": 7", "tokenizer_config.json|490" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *text = file_read(CHECKPOINT, cases[i].file, NULL), *spoilt = replace_once(text, cases[i].from, cases[i].to);
		struct tokenizer *t = NULL;
		struct errbuf e = { "" };

		file_write(folder, cases[i].file, spoilt, strlen(spoilt));
		if (tokenizer_create(&t, folder, &e) != -EINVAL)
			fail_msg("%s was not refused: %s", cases[i].to, e.text);
		if (strstr(cases[i].words, "<|")) { /* tokens hold the character that separates words */
			assert_non_null(strstr(e.text, strstr(cases[i].words, "<|more") ? "<|more|>" : "<|endoftext|>"));
		} else {
			assert_names(&e, cases[i].words);
		}
		file_write(folder, cases[i].file, text, strlen(text));
		free(spoilt);
		free(text);
	}
}

static void missing_files_are_named(void **state)
{
	static const char *const files[] = { "vocab.json", "merges.txt" };
	char path[FIXTURE_PATH_BYTES + 64];
	struct tokenizer *t = NULL;
	struct errbuf e;

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(tokenizer_create(&t, folder, &e), -ENOENT);
		assert_names(&e, files[i]);
		file_write(folder, files[i], "", 0);
		assert_int_equal(tokenizer_create(&t, folder, &e), -EINVAL);
		assert_names(&e, files[i]);
		file_copy(CHECKPOINT, files[i], folder);
	}
	/* either file of added tokens will do */
	snprintf(path, sizeof path, "%s/added_tokens.json", folder);
	assert_int_equal(unlink(path), 0);
	t = open_tokenizer(folder);
	assert_int_equal(tokenizer_length(t), 768);
	tokenizer_destroy(t);
	t = NULL;
	file_write(folder, "tokenizer_config.json", "{}", 2);
	assert_int_equal(tokenizer_create(&t, folder, &e), -ENOENT);
	assert_names(&e, "added_tokens.json|tokenizer_config.json");
	file_copy(CHECKPOINT, "added_tokens.json", folder);
	t = open_tokenizer(folder);
	assert_int_equal(tokenizer_length(t), 768);
	tokenizer_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_strings_give_their_ids),
		cmocka_unit_test(telling_strings_give_their_ids),
		cmocka_unit_test(real_vocabulary_gives_its_ids),
		cmocka_unit_test(time_grows_with_the_text_alone),
		cmocka_unit_test(special_tokens_only_where_allowed),
		cmocka_unit_test(composed_and_decomposed_text_are_one),
		cmocka_unit_test(bad_text_is_refused),
		cmocka_unit_test(encoding_allocates_nothing),
		cmocka_unit_test(merging_follows_the_definition),
		cmocka_unit_test_setup_teardown(spoilt_files_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_files_are_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
