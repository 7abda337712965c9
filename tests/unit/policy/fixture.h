/* fixture.h - what the tests of policy/ share: a temporary folder to spoil files in, and the golden answers. */
#ifndef DREAMVLA_TESTS_UNIT_POLICY_FIXTURE_H
#define DREAMVLA_TESTS_UNIT_POLICY_FIXTURE_H

#include "daemon/sys/error.h" /* before cmocka.h, whose macro fail() hides the function of that name */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN "tests/golden"
#define CHECKPOINT GOLDEN "/checkpoints/two_cameras"

enum { FIXTURE_PATH_BYTES = 4096 };

/* A new empty folder; the caller removes it with folder_remove. */
static inline void folder_make(char folder[FIXTURE_PATH_BYTES])
{
	const char *parent = getenv("TMPDIR");

	snprintf(folder, FIXTURE_PATH_BYTES, "%s/dreamvla-test-XXXXXX", parent && strlen(parent) < 1024 ? parent : "/tmp");
	assert_non_null(mkdtemp(folder));
}

/* Folders in the folder must be empty. */
static inline void folder_remove(const char *folder)
{
	DIR *d = opendir(folder);
	const struct dirent *entry;
	char path[FIXTURE_PATH_BYTES];

	assert_non_null(d);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.') {
			assert_true(snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path);
			remove(path);
		}
	closedir(d);
	rmdir(folder);
}

static inline void file_write(const char *folder, const char *name, const void *data, size_t n_bytes)
{
	char path[FIXTURE_PATH_BYTES];
	FILE *file;

	assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, n_bytes, file), n_bytes);
	assert_int_equal(fclose(file), 0);
}

/* The whole file and a terminating zero; the caller frees it. */
static inline char *file_read(const char *folder, const char *name, size_t *n_bytes)
{
	char path[FIXTURE_PATH_BYTES], *data;
	FILE *file;
	long size;

	assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s: cannot read; run the tests from the root of the repository", path);
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	data = malloc((size_t)size + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)size, file), (size_t)size);
	data[size] = '\0';
	fclose(file);
	if (n_bytes)
		*n_bytes = (size_t)size;
	return data;
}

static inline void file_copy(const char *from, const char *name, const char *to)
{
	size_t n_bytes;
	char *data = file_read(from, name, &n_bytes);

	file_write(to, name, data, n_bytes);
	free(data);
}

/* A `.pt` file without checksums, as torch.save writes it on request: what is changed in it next must be found by other means. */
static inline void pt_forget_sums(char *data, size_t n_bytes)
{
	for (char *at = data; (at = memmem(at, n_bytes - (size_t)(at - data), "PK\1\2", 4)) && at + 20 <= data + n_bytes; at += 20)
		memset(at + 16, 0, 4);
}

/* A copy of the text with the one occurrence of `from` replaced; the caller frees it. */
static inline char *replace_once(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *result;

	if (!at || strstr(at + 1, from))
		fail_msg("\"%s\" does not stand exactly once in the text to spoil", from);
	result = malloc(strlen(text) + strlen(to) + 1);
	assert_non_null(result);
	sprintf(result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return result;
}

/* The error text must name every one of the words (separated by '|'). */
static inline void assert_names(const struct errbuf *e, const char *words)
{
	char copy[512], *rest = NULL;

	assert_true(strlen(words) < sizeof copy);
	strcpy(copy, words);
	for (char *word = strtok_r(copy, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
		if (!strstr(e->text, word))
			fail_msg("error text does not name \"%s\": %s", word, e->text);
}

/* Bytes of a tensor of tests/golden/cases/<file>, a copy; the caller frees it. */
static inline void *golden_tensor(const char *file, const char *name, size_t *n_bytes)
{
	char *data = file_read(GOLDEN "/cases", file, NULL);
	uint64_t length;
	json_t *header, *offsets;
	size_t first;
	void *copy;

	memcpy(&length, data, sizeof length);
	header = json_loadb(data + 8, length, 0, NULL);
	offsets = json_object_get(json_object_get(header, name), "data_offsets");
	assert_non_null(offsets);
	first = (size_t)json_integer_value(json_array_get(offsets, 0));
	*n_bytes = (size_t)json_integer_value(json_array_get(offsets, 1)) - first;
	copy = malloc(*n_bytes);
	assert_non_null(copy);
	memcpy(copy, data + 8 + length + first, *n_bytes);
	json_decref(header);
	free(data);
	return copy;
}

#endif
