/* test_picture.c - halves of pictures are told from whole ones, and packed YCbCr becomes a JPEG of the same colours. */
#include "daemon/sys/jpeg.h"
#include "transport/camera/picture.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { W = 64, H = 48, CAPACITY = 65536 };

struct fixture {
	struct jpeg_codec *codec;
	uint8_t rgb[W * H * 3], back[W * H * 3], jpeg[CAPACITY];
	size_t n;
};

static int set_up(void **state)
{
	static struct fixture f;

	assert_int_equal(jpeg_codec_create(&f.codec, NULL), 0);
	for (int i = 0; i < W * H * 3; i++)
		f.rgb[i] = (uint8_t)(i * 7 % 251);
	assert_int_equal(jpeg_encode_rgb(f.codec, f.rgb, W, H, 90, f.jpeg, CAPACITY, &f.n, NULL), 0);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	jpeg_codec_destroy(((struct fixture *)*state)->codec);
	return 0;
}

static int check(const uint8_t *bytes, size_t n, size_t *whole)
{
	uint8_t *exact = malloc(n ? n : 1); /* a sanitizer sees what is read beyond */
	uint32_t w, h;
	struct errbuf e;

	memcpy(exact, bytes, n);
	int rc = picture_check_jpeg(exact, n, whole, &w, &h, &e);

	free(exact);
	if (rc == 0) {
		assert_int_equal(w, W);
		assert_int_equal(h, H);
	}
	return rc;
}

static void whole_is_whole(void **state)
{
	struct fixture *f = *state;
	size_t whole = 0;

	assert_int_equal(check(f->jpeg, f->n, &whole), 0);
	assert_int_equal(whole, f->n);
}

static void what_stands_behind_the_end_is_left_out(void **state)
{
	struct fixture *f = *state;
	uint8_t padded[CAPACITY + 100] = { 0 };
	size_t whole = 0;

	memcpy(padded, f->jpeg, f->n);
	assert_int_equal(check(padded, f->n + 100, &whole), 0);
	assert_int_equal(whole, f->n);
}

static void every_cut_is_half_a_picture(void **state)
{
	struct fixture *f = *state;
	size_t whole;

	for (size_t n = 0; n < f->n; n++)
		assert_int_equal(check(f->jpeg, n, &whole), -EBADMSG);
}

/* What a camera's buffer holds when the rest of it was never written. */
static void half_and_zeros_is_half(void **state)
{
	struct fixture *f = *state;
	uint8_t half[CAPACITY] = { 0 };
	size_t whole;

	memcpy(half, f->jpeg, f->n / 2);
	assert_int_equal(check(half, f->n, &whole), -EBADMSG);
}

/* A thumbnail inside of a segment has an end of image of its own. */
static void an_end_inside_of_a_segment_is_none(void **state)
{
	static const uint8_t segment[] = { 0xff, 0xe1, 0, 8, 0xff, 0xd8, 0xff, 0xda, 0xff, 0xd9 };
	struct fixture *f = *state;
	uint8_t bytes[CAPACITY];
	size_t whole = 0, n = f->n + sizeof segment;

	memcpy(bytes, f->jpeg, 2);
	memcpy(bytes + 2, segment, sizeof segment);
	memcpy(bytes + 2 + sizeof segment, f->jpeg + 2, f->n - 2);
	assert_int_equal(check(bytes, n, &whole), 0);
	assert_int_equal(whole, n);
	assert_int_equal(check(bytes, n / 2, &whole), -EBADMSG);
}

/* Motion JPEG of many cameras leaves out the usual Huffman tables; the decoder knows them. */
static void without_huffman_tables_it_is_whole_and_decodes(void **state)
{
	struct fixture *f = *state;
	uint8_t bare[CAPACITY];
	size_t n = 0, whole = 0;
	bool scan = false;

	for (size_t at = 2; at < f->n;) {
		size_t length = scan ? f->n - at : 2 + ((size_t)f->jpeg[at + 2] << 8 | f->jpeg[at + 3]);

		if (n == 0) {
			memcpy(bare, f->jpeg, 2);
			n = 2;
		}
		if (scan || f->jpeg[at + 1] != 0xc4) {
			memcpy(bare + n, f->jpeg + at, length);
			n += length;
		}
		scan |= f->jpeg[at + 1] == 0xda;
		at += length;
	}
	assert_true(n < f->n);
	assert_int_equal(check(bare, n, &whole), 0);
	assert_int_equal(whole, n);
	assert_int_equal(jpeg_decode_rgb(f->codec, bare, n, W, H, f->back, sizeof f->back, NULL), 0);
}

static void damaged_bytes_never_overrun(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[CAPACITY];

	for (uint32_t i = 0; i < 20000; i++) {
		size_t whole = 0, n = f->n;
		uint32_t w, h;

		memcpy(bytes, f->jpeg, n);
		for (uint32_t k = 0; k < 3; k++)
			bytes[(i * 2654435761u + k * 40503u) % n] = (uint8_t)(i >> k);
		if (picture_check_jpeg(bytes, n, &whole, &w, &h, NULL) == 0)
			assert_true(whole >= 4 && whole <= n);
	}
}

/* ---- YCbCr ------------------------------------------------------------------------------------------------------------------------- */

/* The definition (ITU-R BT.601 and BT.709), straight from an RGB colour in 0..1. */
static void to_ycbcr(const double rgb[3], struct picture_colour c, uint8_t out[3])
{
	double kr = c.bt709 ? 0.2126 : 0.299, kb = c.bt709 ? 0.0722 : 0.114;
	double y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
	double pb = (rgb[2] - y) / (2 * (1 - kb)), pr = (rgb[0] - y) / (2 * (1 - kr));

	out[0] = (uint8_t)lrint(c.full_range ? 255 * y : 16 + 219 * y);
	out[1] = (uint8_t)lrint(128 + (c.full_range ? 255 : 224) * pb);
	out[2] = (uint8_t)lrint(128 + (c.full_range ? 255 : 224) * pr);
}

static void colours_of(struct fixture *f, struct picture_layout layout, struct picture_colour colour)
{
	static const double colours[][3] = { { 0, 0, 0 }, { 1, 1, 1 }, { 0.5, 0.5, 0.5 }, { 0.8, 0.1, 0.1 }, { 0.1, 0.8, 0.2 },
		{ 0.1, 0.2, 0.8 }, { 0.7, 0.7, 0.1 }, { 0.6, 0.2, 0.7 } };
	enum { STRIDE = 2 * W + 32 };
	struct picture_encoder *p;
	uint8_t raw[STRIDE * H];
	const uint8_t *jpeg;
	size_t n;

	assert_int_equal(picture_encoder_create(&p, W, H, layout, colour, NULL), 0);
	for (size_t k = 0; k < sizeof colours / sizeof *colours; k++) {
		uint8_t c[3];

		memset(raw, 0xee, sizeof raw);
		to_ycbcr(colours[k], colour, c);
		for (int i = 0; i < W / 2 * H; i++) {
			uint8_t *four = raw + i / (W / 2) * STRIDE + i % (W / 2) * 4;

			four[layout.y0] = four[layout.y1] = c[0];
			four[layout.cb] = c[1];
			four[layout.cr] = c[2];
		}
		assert_int_equal(picture_encode(p, raw, sizeof raw, STRIDE, &jpeg, &n, NULL), 0);
		assert_int_equal(jpeg_decode_rgb(f->codec, jpeg, n, W, H, f->back, sizeof f->back, NULL), 0);
		/* Three roundings of 8 bits, limited range, and the JPEG's own quantisation of a flat colour. */
		for (int i = 0; i < 3 * W * H; i++)
			if (fabs(f->back[i] - 255 * colours[k][i % 3]) > 5)
				fail_msg("colour %zu: channel %d is %d, want %.0f", k, i % 3, f->back[i], 255 * colours[k][i % 3]);
	}
	picture_encoder_destroy(p);
}

static void colours_come_through(void **state)
{
	const struct picture_layout yuyv = { .y0 = 0, .cb = 1, .y1 = 2, .cr = 3 }, uyvy = { .cb = 0, .y0 = 1, .cr = 2, .y1 = 3 };

	for (int i = 0; i < 8; i++)
		colours_of(*state, i & 1 ? uyvy : yuyv, (struct picture_colour){ .full_range = i & 2, .bt709 = i & 4 });
}

/* Every pixel in its place: a ramp in both directions. */
static void pixels_stay_in_their_places(void **state)
{
	struct fixture *f = *state;
	struct picture_encoder *p;
	uint8_t raw[2 * W * H];
	const uint8_t *jpeg;
	size_t n;

	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			raw[2 * (y * W + x)] = (uint8_t)(20 + 2 * x + y);
			raw[2 * (y * W + x) + 1] = 128;
		}
	assert_int_equal(picture_encoder_create(&p, W, H, (struct picture_layout){ 0, 1, 2, 3 }, (struct picture_colour){ .full_range = true }, NULL), 0);
	assert_int_equal(picture_encode(p, raw, sizeof raw, 2 * W, &jpeg, &n, NULL), 0);
	assert_int_equal(jpeg_decode_rgb(f->codec, jpeg, n, W, H, f->back, sizeof f->back, NULL), 0);
	for (int i = 0; i < W * H; i++)
		assert_in_range(f->back[3 * i] + 4 - raw[2 * i], 0, 8);
	assert_int_equal(picture_encode(p, raw, sizeof raw - 1, 2 * W, &jpeg, &n, NULL), -EBADMSG);
	assert_int_equal(picture_encode(p, raw, sizeof raw, 2 * W - 1, &jpeg, &n, NULL), -EBADMSG);
	assert_int_equal(picture_encode(p, raw, 0, 2 * W, &jpeg, &n, NULL), -EBADMSG);
	picture_encoder_destroy(p);
}

static void odd_sizes_are_refused(void **state)
{
	struct picture_encoder *p = NULL;
	struct errbuf e;

	(void)state;
	assert_int_equal(picture_encoder_create(&p, 63, 48, (struct picture_layout){ 0, 1, 2, 3 }, (struct picture_colour){ 0 }, &e), -EINVAL);
	assert_int_equal(picture_encoder_create(&p, 0, 48, (struct picture_layout){ 0, 1, 2, 3 }, (struct picture_colour){ 0 }, &e), -EINVAL);
	assert_int_equal(picture_encoder_create(&p, 8194, 48, (struct picture_layout){ 0, 1, 2, 3 }, (struct picture_colour){ 0 }, &e), -EINVAL);
	assert_null(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_is_whole),
		cmocka_unit_test(what_stands_behind_the_end_is_left_out),
		cmocka_unit_test(every_cut_is_half_a_picture),
		cmocka_unit_test(half_and_zeros_is_half),
		cmocka_unit_test(an_end_inside_of_a_segment_is_none),
		cmocka_unit_test(without_huffman_tables_it_is_whole_and_decodes),
		cmocka_unit_test(damaged_bytes_never_overrun),
		cmocka_unit_test(colours_come_through),
		cmocka_unit_test(pixels_stay_in_their_places),
		cmocka_unit_test(odd_sizes_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
