/* test_picture_file.c - PPM and JPEG files as pictures, and files that are neither, cut short or too large. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/jpeg.h"
#include "policy/picture_file.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

static char path[] = "/tmp/dreamvla_picture_XXXXXX";
static struct policy_picture picture;
static uint8_t *rgb;
static struct errbuf e;

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int read_back(const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	return picture_file_read(path, &picture, &rgb, &e);
}

static void ppm_with_comments(void **state)
{
	static const char file[] = "P6 # made by hand\n# twice\n2\t1\r\n255\nabcdef";

	(void)state;
	assert_int_equal(read_back(file, sizeof file - 1), 0);
	assert_int_equal(picture.width, 2);
	assert_int_equal(picture.height, 1);
	assert_memory_equal(picture.rgb, "abcdef", 6);
	free(rgb);
}

static void wrong_files_are_named(void **state)
{
	static const struct {
		const char *text, *word;
	} wrong[] = { { "P6\n2 1\n255\nabcde", "truncated" }, { "P6\n2 1\n255", "truncated" }, { "P6\n2 1\n65535\nabcdefabcdef", "65535" },
		{ "P6\n0 1\n255\n", "0 x 1" }, { "P6\n8193 1\n255\n", "8193" }, { "P6\n99999999999999999999 1\n255\n", "pixels" },
		{ "P6\n-2 1\n255\nabcdef", "-1" }, { "P6", "pixels" }, { "P5\n2 1\n255\nab", "neither" }, { "", "neither" },
		{ "\xff\xd8\xff\xe0", "jpeg" } };

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(read_back(wrong[i].text, strlen(wrong[i].text)), -EBADMSG);
		assert_null(rgb);
		assert_non_null(strstr(e.text, path));
		if (!strstr(e.text, wrong[i].word))
			fail_msg("'%s' does not say '%s'", e.text, wrong[i].word);
	}
}

static void jpeg_by_its_first_bytes(void **state)
{
	static uint8_t grey[16 * 8 * 3], file[8192];
	struct jpeg_codec *codec;
	size_t n;

	(void)state;
	memset(grey, 100, sizeof grey);
	assert_int_equal(jpeg_codec_create(&codec, &e), 0);
	assert_int_equal(jpeg_encode_rgb(codec, grey, 16, 8, 95, file, sizeof file, &n, &e), 0);
	jpeg_codec_destroy(codec);
	assert_int_equal(read_back(file, n), 0);
	assert_int_equal(picture.width, 16);
	assert_int_equal(picture.height, 8);
	assert_memory_equal(picture.rgb, grey, sizeof grey);
	free(rgb);
	assert_int_equal(read_back(file, n - 20), -EBADMSG);
	assert_null(rgb);
}

static void a_missing_file_is_named(void **state)
{
	(void)state;
	assert_int_equal(picture_file_read("/no/such/picture.ppm", &picture, &rgb, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/no/such/picture.ppm"));
	assert_int_equal(picture_file_read("/", &picture, &rgb, &e) < 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ppm_with_comments),
		cmocka_unit_test(wrong_files_are_named),
		cmocka_unit_test(jpeg_by_its_first_bytes),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
