/* fuzz_jpeg.c - pictures: JPEG as cameras send them, and picture files (JPEG and PPM). Whatever came before, the codec must decode
 * the next good picture to the same pixels. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/jpeg.h"
#include "policy/picture_file.h"

enum { GOOD_SIDE = 16, GOOD_BYTES = GOOD_SIDE * GOOD_SIDE * 3, PIXELS_MAX = 1 << 18 };

static struct jpeg_codec *codec;
static uint8_t good[65536], good_rgb[GOOD_BYTES];
static size_t n_good;

static void decode_good(uint8_t *rgb)
{
	struct errbuf e;

	fuzz_require(jpeg_decode_rgb(codec, good, n_good, GOOD_SIDE, GOOD_SIDE, rgb, GOOD_BYTES, &e) == 0);
}

static void start(void)
{
	uint8_t rgb[GOOD_BYTES];
	struct errbuf e;

	for (uint32_t i = 0; i < GOOD_BYTES; i++)
		rgb[i] = (uint8_t)(i * 7);
	fuzz_require(jpeg_codec_create(&codec, &e) == 0);
	fuzz_require(jpeg_encode_rgb(codec, rgb, GOOD_SIDE, GOOD_SIDE, 90, good, sizeof good, &n_good, &e) == 0);
	decode_good(good_rgb);
}

/* As the daemon does: the size first, room of exactly that size, then the pixels. */
static void check_frame(const uint8_t *data, size_t n)
{
	uint8_t again[GOOD_BYTES], *rgb;
	uint32_t width, height;
	struct errbuf e;

	if (jpeg_read_size(data, n, &width, &height, &e) < 0) {
		fuzz_require(e.text[0]);
		return;
	}
	fuzz_require(width >= 1 && height >= 1 && width <= JPEG_SIDE_MAX && height <= JPEG_SIDE_MAX);
	size_t room = (size_t)width * height * 3;

	if (room > PIXELS_MAX * 3)
		return;
	rgb = malloc(room);
	fuzz_require(rgb);
	fuzz_require(jpeg_decode_rgb(codec, data, n, width + 1, height, rgb, room, &e) < 0);
	fuzz_require(jpeg_decode_rgb(codec, data, n, width, height, rgb, room - 1, &e) < 0);
	(void)!jpeg_decode_rgb(codec, data, n, width, height, rgb, room, &e);
	free(rgb);
	decode_good(again);
	fuzz_require(!memcmp(again, good_rgb, sizeof again));
}

static void check_file(const uint8_t *data, size_t n)
{
	struct policy_picture picture;
	struct errbuf e;
	char path[2048];
	uint8_t *rgb;

	fuzz_write("picture", data, n);
	snprintf(path, sizeof path, "%s/picture", fuzz_folder());
	if (picture_file_read(path, &picture, &rgb, &e) < 0) {
		fuzz_require(!rgb && strstr(e.text, path));
		return;
	}
	fuzz_require(picture.rgb == rgb);
	fuzz_touch(rgb, (size_t)picture.width * picture.height * 3);
	free(rgb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint32_t width, height;
	struct errbuf e;

	if (!codec)
		start();
	check_frame(data, n);
	/* A file of 8192 x 8192 pixels is allowed, and too slow to try often. */
	if (n < 2 || data[0] != 0xff || jpeg_read_size(data, n, &width, &height, &e) < 0 || width * height <= PIXELS_MAX)
		check_file(data, n);
	return 0;
}
