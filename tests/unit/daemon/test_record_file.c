/* test_record_file.c - names of recordings: on the disk before anybody relies on them, and nothing left behind where that fails. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/record/record_file.h"

#include <cmocka.h> /* last: it defines fail() */

static char folder[] = "/tmp/record_file_XXXXXX";
static char seen[64]; /* the one file in the folder when it was last written down */
static int synced, answer;

static void name_in_folder(char name[64])
{
	DIR *d = opendir(folder);

	name[0] = '\0';
	for (const struct dirent *f = readdir(d); f; f = readdir(d))
		if (f->d_name[0] != '.')
			snprintf(name, 64, "%.63s", f->d_name);
	closedir(d);
}

/* In front of the C library's. */
int fsync(int fd)
{
	struct stat s;

	assert_int_equal(fstat(fd, &s), 0);
	assert_true(S_ISDIR(s.st_mode));
	synced++;
	name_in_folder(seen);
	errno = answer;
	return answer ? -1 : 0;
}

static int begin(void **state)
{
	(void)state;
	strcpy(strrchr(folder, '_'), "_XXXXXX");
	synced = answer = 0;
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void test_names_are_written_down(void **state)
{
	char path[RECORD_FILE_BYTES], now[64];
	struct errbuf e;
	int fd = record_file_create(folder, path, &e);

	(void)state;
	assert_true(fd >= 0);
	name_in_folder(now);
	assert_string_equal(now, strrchr(path, '/') + 1);
	assert_true(synced == 1 && strcmp(seen, now) == 0);
	assert_int_equal(record_file_finish(path, &e), 0);
	name_in_folder(now);
	assert_string_equal(now, strrchr(path, '/') + 1);
	assert_true(synced == 2 && strcmp(seen, now) == 0 && !strstr(now, ".part"));
	close(fd);
	unlink(path);
}

static void test_a_folder_that_cannot_be_written_down(void **state)
{
	char path[RECORD_FILE_BYTES], now[64];
	struct errbuf e;

	(void)state;
	answer = EIO;
	assert_int_equal(record_file_create(folder, path, &e), -EIO);
	assert_non_null(strstr(e.text, "Input/output error"));
	name_in_folder(now);
	assert_string_equal(now, "");
}

/* Where the file system has nothing to write, or the new name alone is at stake, the recording is kept. */
static void test_what_is_no_reason_to_give_up(void **state)
{
	char path[RECORD_FILE_BYTES];
	struct errbuf e;

	(void)state;
	answer = EINVAL;
	int fd = record_file_create(folder, path, &e);

	assert_true(fd >= 0);
	answer = EIO;
	assert_int_equal(record_file_finish(path, &e), -EIO);
	assert_non_null(strstr(e.text, "power cut"));
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names_are_written_down, begin, end),
		cmocka_unit_test_setup_teardown(test_a_folder_that_cannot_be_written_down, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_no_reason_to_give_up, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
