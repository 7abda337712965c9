/* test_record_checkpoint.c - the fingerprint of a checkpoint's files: what changes it, what it says it does not cover, what cannot be read. */
#include "daemon/record/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LARGE_BYTES = (16 << 20) + 1000003, PRINT_BYTES = 1024 };

struct folder {
	char path[64], print[PRINT_BYTES];
	struct config *config;
};

static void note(void *context, const char *key, const char *value)
{
	struct folder *f = context;
	size_t used = strlen(f->print);

	snprintf(f->print + used, sizeof f->print - used, "%s: %s\n", key, value);
}

static const char *look(struct folder *f)
{
	f->print[0] = '\0';
	checkpoint_visit(f->config, note, f);
	return f->print;
}

static void put(const struct folder *f, const char *name, const char *text, long at)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", f->path, name);
	FILE *file = fopen(path, at < 0 ? "w" : "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, at < 0 ? 0 : at, SEEK_SET), 0);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void lengthen(const struct folder *f, const char *name, off_t n)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", f->path, name);
	assert_int_equal(truncate(path, n), 0);
}

static int make(void **state)
{
	struct folder *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->config = calloc(1, sizeof *f->config);
	assert_non_null(f->config);
	strcpy(f->path, "/tmp/checkpoint-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	strcpy(f->config->policy_model, f->path);
	*state = f;
	return 0;
}

static int drop(void **state)
{
	static const char *const name[] = { "a.safetensors", "config.json", ".hidden", "gone" };
	struct folder *f = *state;
	char path[128];

	for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
		snprintf(path, sizeof path, "%s/%s", f->path, name[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/heads", f->path);
	rmdir(path);
	rmdir(f->path);
	free(f->config);
	free(f);
	return 0;
}

/* CRC-32 of "123456789" is cbf43926, the check value of its catalogue (reveng, CRC-32/ISO-HDLC). */
static void test_files(void **state)
{
	struct folder *f = *state;
	char path[128];

	assert_string_equal(look(f), "files: 0\n");
	put(f, "config.json", "123456789", -1);
	put(f, ".hidden", "x", -1);
	snprintf(path, sizeof path, "%s/heads", f->path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_string_equal(look(f), "model/config.json: 9 bytes, crc32 cbf43926\nfiles: 1\n");
	put(f, "a.safetensors", "", -1);
	assert_string_equal(look(f), "model/a.safetensors: 0 bytes, crc32 00000000\nmodel/config.json: 9 bytes, crc32 cbf43926\nfiles: 2\n");
	strcpy(f->config->policy_heads, f->path);
	assert_non_null(strstr(look(f), "heads/config.json: 9 bytes, crc32 cbf43926\nfiles: 4\n"));
	strcpy(f->config->policy_model, "/nowhere");
	assert_non_null(strstr(look(f), "files: 2\n"));
}

static bool changes(struct folder *f, const char *what, long at)
{
	char before[PRINT_BYTES];

	strcpy(before, look(f));
	put(f, "a.safetensors", what, at);
	return strcmp(before, look(f)) != 0;
}

static void test_large(void **state)
{
	struct folder *f = *state;

	put(f, "a.safetensors", "", -1);
	lengthen(f, "a.safetensors", 300000);
	assert_true(changes(f, "x", 150001)); /* all of a file that is not large */
	lengthen(f, "a.safetensors", LARGE_BYTES);
	assert_true(changes(f, "x", 0));
	assert_true(changes(f, "x", 65535));
	assert_true(changes(f, "x", LARGE_BYTES - 1));
	assert_true(changes(f, "x", LARGE_BYTES - 65536));
	long between = (LARGE_BYTES - 65536 - 4096) / 129;

	assert_true(changes(f, "x", between));
	assert_true(changes(f, "x", between * 128 + 4095));
	assert_false(changes(f, "x", between * 3 / 2)); /* as its header says */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, make, drop),
		cmocka_unit_test_setup_teardown(test_large, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
