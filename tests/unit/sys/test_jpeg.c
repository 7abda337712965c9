/* test_jpeg.c - pictures survive, and damaged, truncated, foreign or huge data is an error before or while decoding. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/jpeg.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

enum { WIDTH = 70, HEIGHT = 45, BYTES = WIDTH * HEIGHT * 3 };

static struct jpeg_codec *codec;
static uint8_t picture[BYTES], decoded[BYTES];
static uint8_t *file;
static size_t capacity, length;
static struct errbuf e;

/* A smooth picture with a saturated block, encoded at quality 95. */
static int set_up(void **state)
{
	(void)state;
	for (uint32_t y = 0; y < HEIGHT; y++) {
		for (uint32_t x = 0; x < WIDTH; x++) {
			uint8_t *at = picture + (y * WIDTH + x) * 3;

			at[0] = (uint8_t)(3 * x);
			at[1] = (uint8_t)(5 * y);
			at[2] = (uint8_t)(x < 16 && y < 16 ? 255 : x + y);
		}
	}
	capacity = jpeg_encoded_bound(WIDTH, HEIGHT);
	file = malloc(capacity);
	return !file || jpeg_codec_create(&codec, &e) < 0 || jpeg_encode_rgb(codec, picture, WIDTH, HEIGHT, 95, file, capacity, &length, &e) < 0;
}

static int tear_down(void **state)
{
	(void)state;
	jpeg_codec_destroy(codec);
	jpeg_codec_destroy(NULL);
	free(file);
	return 0;
}

static void a_picture_survives(void **state)
{
	uint32_t width = 0, height = 0;
	uint64_t difference = 0;

	(void)state;
	assert_int_equal(jpeg_read_size(file, length, &width, &height, &e), 0);
	assert_int_equal(width, WIDTH);
	assert_int_equal(height, HEIGHT);
	assert_int_equal(jpeg_decode_rgb(codec, file, length, WIDTH, HEIGHT, decoded, sizeof decoded, &e), 0);
	for (size_t i = 0; i < BYTES; i++)
		difference += (uint64_t)abs(picture[i] - decoded[i]);
	assert_true(difference < 3 * BYTES);
	assert_true(difference > 0); /* 4:2:0 loses something: it is not a copy */
}

static void every_truncation_is_an_error(void **state)
{
	(void)state;
	/* The last two bytes are the end marker, without which the decoder warns too. */
	for (size_t n = 0; n < length; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read beyond the end */

		assert_non_null(exact);
		memcpy(exact, file, n);
		assert_int_equal(jpeg_decode_rgb(codec, exact, n, WIDTH, HEIGHT, decoded, sizeof decoded, &e), -EBADMSG);
		free(exact);
	}
	assert_int_equal(jpeg_decode_rgb(codec, file, length, WIDTH, HEIGHT, decoded, sizeof decoded, &e), 0);
}

/* Whatever one wrong byte does, it neither crashes nor writes outside of the picture. */
static void damage_never_crashes(void **state)
{
	uint8_t *copy = malloc(length), *out = malloc(BYTES);

	(void)state;
	assert_non_null(copy);
	assert_non_null(out);
	for (size_t i = 0; i < length; i++) {
		memcpy(copy, file, length);
		copy[i] ^= (uint8_t)(1u << i % 8);
		int rc = jpeg_decode_rgb(codec, copy, length, WIDTH, HEIGHT, out, BYTES, &e);

		assert_true(rc == 0 || rc == -EBADMSG);
	}
	free(copy);
	free(out);
	assert_int_equal(jpeg_decode_rgb(codec, file, length, WIDTH, HEIGHT, decoded, sizeof decoded, &e), 0);
}

static void foreign_data_is_an_error(void **state)
{
	static const uint8_t text[] = "P6\n2 2\n255\n012345678901", start_only[] = { 0xff, 0xd8, 0xff, 0xd9 };
	uint32_t width, height;

	(void)state;
	assert_int_equal(jpeg_read_size(text, sizeof text, &width, &height, &e), -EBADMSG);
	assert_int_equal(jpeg_read_size(start_only, sizeof start_only, &width, &height, &e), -EBADMSG);
	assert_int_equal(jpeg_read_size(text, 0, &width, &height, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "too short"));
}

/* Finds the frame header (SOF0) and writes another size into it. */
static void set_size(uint8_t *bytes, size_t n, uint32_t width, uint32_t height)
{
	for (size_t i = 0; i + 9 < n; i++) {
		if (bytes[i] == 0xff && bytes[i + 1] == 0xc0) {
			bytes[i + 5] = (uint8_t)(height >> 8);
			bytes[i + 6] = (uint8_t)height;
			bytes[i + 7] = (uint8_t)(width >> 8);
			bytes[i + 8] = (uint8_t)width;
			return;
		}
	}
	fail_msg("no frame header");
}

static void a_huge_picture_is_refused_by_its_header(void **state)
{
	uint8_t *copy = malloc(length);
	uint32_t width, height;

	(void)state;
	assert_non_null(copy);
	memcpy(copy, file, length);
	set_size(copy, length, 65000, 65000);
	assert_int_equal(jpeg_read_size(copy, length, &width, &height, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "65000"));
	assert_int_equal(jpeg_decode_rgb(codec, copy, length, WIDTH, HEIGHT, decoded, sizeof decoded, &e), -EBADMSG);
	set_size(copy, length, JPEG_SIDE_MAX, JPEG_SIDE_MAX);
	assert_int_equal(jpeg_read_size(copy, length, &width, &height, &e), 0);
	set_size(copy, length, JPEG_SIDE_MAX + 1, 1);
	assert_int_equal(jpeg_read_size(copy, length, &width, &height, &e), -EBADMSG);
	set_size(copy, length, 0, HEIGHT);
	assert_int_equal(jpeg_read_size(copy, length, &width, &height, &e), -EBADMSG);
	free(copy);
}

static void another_size_or_too_little_room_is_refused(void **state)
{
	(void)state;
	assert_int_equal(jpeg_decode_rgb(codec, file, length, HEIGHT, WIDTH, decoded, sizeof decoded, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "announced"));
	assert_int_equal(jpeg_decode_rgb(codec, file, length, WIDTH, HEIGHT, decoded, BYTES - 1, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "room"));
}

static void encoding_checks_its_arguments(void **state)
{
	size_t n;

	(void)state;
	assert_int_equal(jpeg_encode_rgb(codec, picture, 0, HEIGHT, 95, file, capacity, &n, &e), -EINVAL);
	assert_int_equal(jpeg_encode_rgb(codec, picture, WIDTH, HEIGHT, 0, file, capacity, &n, &e), -EINVAL);
	assert_int_equal(jpeg_encode_rgb(codec, picture, WIDTH, HEIGHT, 101, file, capacity, &n, &e), -EINVAL);
	assert_int_equal(jpeg_encode_rgb(codec, picture, WIDTH, HEIGHT, 95, file, capacity - 1, &n, &e), -EINVAL);
}

static size_t put(uint8_t *out, size_t at, const uint8_t *bytes, size_t n)
{
	memcpy(out + at, bytes, n);
	return at + n;
}

/* One scan of coefficient k of the only block, which is zero: a single code '0', padded with ones. */
static size_t put_scan(uint8_t *out, size_t at, int k, int high, int low)
{
	const uint8_t scan[] = { 0xff, 0xda, 0, 8, 1, 1, 0, (uint8_t)k, (uint8_t)k, (uint8_t)(high << 4 | low), 0x7f };

	return put(out, at, scan, sizeof scan);
}

/* A valid progressive picture of 8 x 8 pixels: every coefficient first with its highest bit, then bit by bit. */
static size_t make_progressive(uint8_t *out, int coefficients)
{
	static const uint8_t soi[] = { 0xff, 0xd8 }, eoi[] = { 0xff, 0xd9 }, dqt[] = { 0xff, 0xdb, 0, 67, 0 };
	static const uint8_t sof2[] = { 0xff, 0xc2, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0 };
	static const uint8_t dht[] = { 0xff, 0xc4, 0, 38, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	size_t at = put(out, 0, soi, sizeof soi);

	at = put(out, at, dqt, sizeof dqt);
	memset(out + at, 1, 64);
	at = put(out, at + 64, sof2, sizeof sof2);
	at = put(out, at, dht, sizeof dht);
	for (int k = 0; k < coefficients; k++) {
		at = put_scan(out, at, k, 0, 10);
		for (int low = 9; low >= 0; low--)
			at = put_scan(out, at, k, low + 1, low);
	}
	return put(out, at, eoi, sizeof eoi);
}

static void a_picture_of_very_many_scans_is_refused(void **state)
{
	static uint8_t bytes[16384];
	size_t n = make_progressive(bytes, 20); /* 220 scans */

	(void)state;
	assert_int_equal(jpeg_decode_rgb(codec, bytes, n, 8, 8, decoded, sizeof decoded, &e), 0);
	n = make_progressive(bytes, 64); /* 704 scans */
	assert_int_equal(jpeg_decode_rgb(codec, bytes, n, 8, 8, decoded, sizeof decoded, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "scans"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_picture_survives),
		cmocka_unit_test(every_truncation_is_an_error),
		cmocka_unit_test(damage_never_crashes),
		cmocka_unit_test(foreign_data_is_an_error),
		cmocka_unit_test(a_huge_picture_is_refused_by_its_header),
		cmocka_unit_test(another_size_or_too_little_room_is_refused),
		cmocka_unit_test(a_picture_of_very_many_scans_is_refused),
		cmocka_unit_test(encoding_checks_its_arguments),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
