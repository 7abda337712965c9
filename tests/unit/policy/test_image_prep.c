/* test_image_prep.c - each picture step against small answers by an independent NumPy description of TensorFlow's and Pillow's
 * resampling (the oracle of tests/golden/README.md), and the whole way of a picture with its switches and errors.
 *
 * pattern(height, width) of the answers: (37 y + 91 x + 53 c + 19 (x y mod 7)) mod 256. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/arena.h"
#include "daemon/sys/jpeg.h"
#include "policy/image_prep.h"
#include "policy/image_resize.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

enum { SIDE_MAX = 64, PIXELS_MAX = SIDE_MAX * SIDE_MAX };

static uint8_t in[PIXELS_MAX * 3], middle[PIXELS_MAX * 3], out[PIXELS_MAX * 3];
static float scratch[SIDE_MAX * 64]; /* more than either asks for, as make_tables sees */
static struct errbuf e;

static void pattern(uint8_t *to, uint32_t height, uint32_t width)
{
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < width; x++)
			for (uint32_t c = 0; c < 3; c++)
				*to++ = (uint8_t)(37 * y + 91 * x + 53 * c + 19 * (x * y % 7));
}

/* No value more than `levels` off. */
static void expect(const uint8_t *found, const uint8_t *wanted, uint32_t n, int levels)
{
	for (uint32_t i = 0; i < n; i++)
		if (abs(found[i] - wanted[i]) > levels)
			fail_msg("value %u: %d, want %d", i, found[i], wanted[i]);
}

struct tables {
	struct arena arena;
	struct image_taps rows, columns;
	struct image_crop_axis crop_rows, crop_columns;
};

static void lay_out(struct tables *t)
{
	image_taps_lay_out(&t->rows, &t->arena, SIDE_MAX, SIDE_MAX);
	image_taps_lay_out(&t->columns, &t->arena, SIDE_MAX, SIDE_MAX);
	image_crop_axis_lay_out(&t->crop_rows, &t->arena, SIDE_MAX);
	image_crop_axis_lay_out(&t->crop_columns, &t->arena, SIDE_MAX);
}

static struct tables make_tables(void)
{
	struct tables t = { 0 };

	lay_out(&t);
	assert_true(image_resize_scratch_values(SIDE_MAX) <= sizeof scratch / sizeof scratch[0]);
	assert_true(image_crop_scratch_values(SIDE_MAX) <= sizeof scratch / sizeof scratch[0]);
	assert_int_equal(arena_reserve(&t.arena, "test", &e), 0);
	lay_out(&t);
	return t;
}

static void lanczos(struct tables *t, uint32_t height, uint32_t width, uint32_t new_height, uint32_t new_width)
{
	image_taps_lanczos3(&t->rows, height, new_height);
	image_taps_lanczos3(&t->columns, width, new_width);
	image_resize_lanczos3(in, &t->rows, &t->columns, scratch, out);
}

static void lanczos_known_answers(void **state)
{
	static const uint8_t smaller[] = { 81, 114, 146, 126, 122, 133, 136, 156, 111, 93, 118, 157, 110, 130, 86, 155, 73, 112, 156, 166,
		119, 132, 120, 102, 128, 51, 88, 99, 124, 83, 122, 129, 142, 128, 150, 122 };
	static const uint8_t larger[] = { 0, 34, 87, 6, 59, 112, 43, 93, 146, 80, 128, 181, 107, 153, 206, 0, 42, 95, 25, 81, 134, 66, 137,
		190, 107, 193, 246, 136, 232, 255, 33, 108, 161, 68, 112, 165, 118, 118, 171, 168, 124, 177, 202, 128, 181, 49, 158,
		211, 87, 116, 169, 141, 57, 110, 194, 0, 50, 232, 0, 8 };
	struct tables t = make_tables();

	(void)state;
	/* One table after the other in the same memory: the second must not see the first. */
	pattern(in, 9, 7);
	lanczos(&t, 9, 7, 4, 3);
	expect(out, smaller, sizeof smaller, 0);
	pattern(in, 3, 2);
	lanczos(&t, 3, 2, 4, 5);
	expect(out, larger, sizeof larger, 0);
	pattern(in, 9, 7);
	lanczos(&t, 9, 7, 4, 3);
	expect(out, smaller, sizeof smaller, 0);
	arena_finish(&t.arena);
}

static void lanczos_keeps_what_it_must(void **state)
{
	struct tables t = make_tables();

	(void)state;
	pattern(in, 13, 11);
	lanczos(&t, 13, 11, 13, 11);
	expect(out, in, 13 * 11 * 3, 0);
	memset(in, 200, sizeof in);
	lanczos(&t, 64, 1, 3, 50);
	expect(out, in, 3 * 50 * 3, 0);
	arena_finish(&t.arena);
}

static void crop_known_answers(void **state)
{
	static const uint8_t wanted[] = { 12, 65, 118, 99, 152, 193, 168, 221, 37, 31, 84, 125, 107, 142, 195, 49, 101, 154, 141, 188, 241,
		2, 56, 109, 107, 154, 207, 209, 38, 85, 86, 113, 166, 195, 11, 64, 74, 127, 180, 196, 12, 65, 202, 223, 52, 99, 150,
		203, 24, 59, 100, 145, 198, 14, 168, 202, 18, 79, 130, 141 };
	struct tables t = make_tables();

	(void)state;
	pattern(in, 4, 5);
	image_crop_axis_prepare(&t.crop_rows, 4, 0.9);
	image_crop_axis_prepare(&t.crop_columns, 5, 0.9);
	image_crop(in, &t.crop_rows, &t.crop_columns, scratch, out);
	expect(out, wanted, sizeof wanted, 0);
	image_crop_axis_prepare(&t.crop_rows, 4, 1.0);
	image_crop_axis_prepare(&t.crop_columns, 5, 1.0);
	image_crop(in, &t.crop_rows, &t.crop_columns, scratch, out);
	expect(out, in, 4 * 5 * 3, 0);
	arena_finish(&t.arena);
}

static void bicubic_known_answers(void **state)
{
	static const uint8_t wanted[] = { 19, 73, 126, 62, 98, 155, 137, 140, 197, 118, 146, 143, 82, 134, 89, 89, 109, 130, 95, 96, 159,
		108, 176, 223, 98, 129, 186, 81, 56, 120, 86, 104, 109, 103, 163, 107, 132, 132, 71, 149, 113, 51, 191, 157, 93, 160,
		163, 119, 113, 173, 154, 147, 171, 118, 181, 151, 77, 134, 87, 96, 103, 50, 110, 49, 47, 116, 78, 98, 106, 129, 181,
		87, 139, 166, 71, 123, 127, 76, 82, 120, 141, 58, 119, 180 };
	struct tables t = make_tables();

	(void)state;
	pattern(in, 9, 4);
	image_taps_bicubic(&t.rows, 9, 4);
	image_taps_bicubic(&t.columns, 4, 7);
	expect(image_resize_bicubic(in, 9, 4, &t.rows, &t.columns, middle, out), wanted, sizeof wanted, 0);
	assert_ptr_equal(image_resize_bicubic(in, 9, 4, NULL, NULL, middle, out), in);
	arena_finish(&t.arena);
}

/* Keys' cubic with a = -0.5 at distance x. */
static double cubic(double x)
{
	if (x < 1.0)
		return (1.5 * x - 2.5) * x * x + 1.0;
	return x < 2.0 ? -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0) : 0.0;
}

/* Growing 4 to 7: output i lies at (i + 0.5) 4 / 7 among inputs at 0.5, 1.5, ... */
static void bicubic_weights_are_rounded_to_the_nearest(void **state)
{
	struct tables t = make_tables();

	(void)state;
	image_taps_bicubic(&t.rows, 4, 7);
	for (uint32_t i = 0; i < 7; i++) {
		double centre = (i + 0.5) * 4.0 / 7.0, sum = 0.0;

		for (uint32_t tap = 0; tap < 4; tap++)
			sum += cubic(fabs(tap + 0.5 - centre));
		for (uint32_t k = 0; k < t.rows.count[i]; k++) {
			double weight = cubic(fabs(t.rows.first[i] + k + 0.5 - centre)) / sum;

			assert_int_equal(t.rows.weight.fixed[i * t.rows.width + k], lround(weight * 4194304.0));
		}
	}
	arena_finish(&t.arena);
}

static void smart_sizes(void **state)
{
	static const uint32_t known[][6] = { /* height, width, min, max -> height, width */
		{ 224, 224, 50176, 12845056, 224, 224 }, { 256, 256, 50176, 12845056, 252, 252 }, { 238, 238, 3136, 12845056, 224, 224 },
		{ 101, 79, 3136, 12845056, 112, 84 }, { 300, 170, 50176, 100352, 308, 168 }, { 19, 30, 50176, 12845056, 196, 308 },
		{ 1, 1, 3136, 12845056, 56, 56 }, { 480, 640, 3136, 12845056, 476, 644 }, { 30, 6000, 3136, 12845056, 28, 5992 },
		{ 1000, 2000, 3136, 100352, 224, 448 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		uint32_t height = 0, width = 0;

		assert_int_equal(image_smart_size(known[i][0], known[i][1], 28, known[i][2], known[i][3], &height, &width, &e), 0);
		assert_int_equal(height, known[i][4]);
		assert_int_equal(width, known[i][5]);
	}
}

static void smart_size_refuses_what_has_none(void **state)
{
	uint32_t height, width;

	(void)state;
	assert_int_equal(image_smart_size(30, 6001, 28, 3136, 12845056, &height, &width, &e), -EINVAL);
	assert_int_equal(image_smart_size(6001, 30, 28, 3136, 12845056, &height, &width, &e), -EINVAL);
	assert_int_equal(image_smart_size(0, 30, 28, 3136, 12845056, &height, &width, &e), -EINVAL);
	assert_int_equal(image_smart_size(40, 4000, 28, 1, 10000, &height, &width, &e), -EINVAL);
	assert_non_null(strstr(e.text, "aspect"));
}

/* -- the whole way -------------------------------------------------------------------------------------------------------------- */

/* Patches of 2 x 2 pixels, merged 2 x 2, so that a side is a multiple of 4. */
static const struct manifest_picture tiny = { .min_pixels = 16, .max_pixels = 4096, .patch = 2, .merge = 2, .temporal = 2,
	.mean = { 0.5, 0.25, 0.125 }, .std = { 0.5, 0.25, 2.0 } };

static struct image_prep *make(const struct policy_picture_steps *steps, uint32_t n, uint32_t width, uint32_t height)
{
	struct image_prep *p = NULL;
	struct image_prep_options options = { .manifest = &tiny, .steps = steps, .n_pictures = n, .max_width = width, .max_height = height };

	assert_int_equal(image_prep_create(&p, &options, &e), 0);
	return p;
}

static void patches_are_cut_in_merged_order(void **state)
{
	static uint8_t patches[8 * 12];
	static float values[8 * 24];
	const struct policy_picture_steps steps = { 0 };
	const struct policy_picture picture = { 8, 4, in };
	struct image_prep *p = make(&steps, 1, 8, 4);
	struct image_stages stages;
	uint32_t at = 0;

	(void)state;
	pattern(in, 4, 8);
	assert_int_equal(image_prep_patch_bytes(p), 12);
	assert_int_equal(image_prep_patch_values(p), 24);
	assert_true(image_prep_patches_max(p, 0) >= 8);
	assert_int_equal(image_prep_run(p, 0, &picture, patches, &stages, &e), 0);
	assert_int_equal(stages.grid_rows, 2);
	assert_int_equal(stages.grid_columns, 4);
	image_prep_normalise(p, patches, 8, values);
	for (uint32_t patch = 0; patch < 8; patch++) {
		/* one row of two blocks: block, row in block, column in block */
		uint32_t top = patch / 2 % 2 * 2, left = patch / 4 * 4 + patch % 2 * 2;

		for (uint32_t c = 0; c < 3; c++)
			for (uint32_t t = 0; t < 2; t++)
				for (uint32_t y = 0; y < 2; y++)
					for (uint32_t x = 0; x < 2; x++) {
						double level = in[((top + y) * 8 + left + x) * 3 + c];
						double want = (level / 255.0 - tiny.mean[c]) / tiny.std[c];

						assert_true(fabs((double)values[at++] - want) < 1e-6);
					}
	}
	image_prep_destroy(p);
}

static void steps_that_are_off_repeat_the_one_before(void **state)
{
	static uint8_t patches[16 * 12];
	const struct policy_picture_steps steps = { 0 };
	const struct policy_picture picture = { 8, 8, in };
	struct image_prep *p = make(&steps, 1, 8, 8);
	struct image_stages s;

	(void)state;
	pattern(in, 8, 8);
	assert_int_equal(image_prep_run(p, 0, &picture, patches, &s, &e), 0);
	assert_ptr_equal(s.decoded.rgb, in);
	assert_ptr_equal(s.rotated.rgb, in);
	assert_ptr_equal(s.round_trip.rgb, in);
	assert_ptr_equal(s.resized.rgb, in);
	assert_ptr_equal(s.cropped.rgb, in);
	assert_ptr_equal(s.smart.rgb, in);
	image_prep_destroy(p);
}

/* Rotated before the round trip, but named after it: decoded, round_trip, rotated. */
static void one_of_rotation_and_round_trip(void **state)
{
	static uint8_t patches[16 * 12];
	const struct policy_picture_steps steps[] = { { .rotate_180 = true }, { .jpeg_round_trip = true } };
	const struct policy_picture picture = { 8, 8, in };
	struct image_prep *p = make(steps, 2, 8, 8);
	struct image_stages s;

	(void)state;
	pattern(in, 8, 8);
	assert_int_equal(image_prep_run(p, 0, &picture, patches, &s, &e), 0);
	assert_ptr_equal(s.round_trip.rgb, in);
	expect(s.rotated.rgb, in + 63 * 3, 3, 0);
	assert_ptr_equal(s.resized.rgb, s.rotated.rgb);
	assert_int_equal(image_prep_run(p, 1, &picture, patches, &s, &e), 0);
	assert_ptr_not_equal(s.round_trip.rgb, in);
	assert_ptr_equal(s.rotated.rgb, s.round_trip.rgb);
	assert_ptr_equal(s.resized.rgb, s.round_trip.rgb);
	image_prep_destroy(p);
}

static void steps_follow_each_other(void **state)
{
	static uint8_t patches[64 * 12];
	static uint8_t turned[30 * 20 * 3], file[8192], tripped[30 * 20 * 3];
	const struct policy_picture_steps steps = { .rotate_180 = true, .jpeg_round_trip = true, .resize_height = 16, .resize_width = 12,
		.center_crop = 0.9 };
	const struct policy_picture picture = { 20, 30, in };
	struct image_prep *p = make(&steps, 1, 64, 64);
	struct tables t = make_tables();
	struct jpeg_codec *codec;
	struct image_stages s;
	size_t n;

	(void)state;
	pattern(in, 30, 20);
	assert_int_equal(image_prep_run(p, 0, &picture, patches, &s, &e), 0);
	for (uint32_t i = 0; i < 600 * 3; i++)
		turned[i] = in[(599 - i / 3) * 3 + i % 3];
	expect(s.rotated.rgb, turned, sizeof turned, 0);
	assert_int_equal(jpeg_codec_create(&codec, &e), 0);
	assert_int_equal(jpeg_encode_rgb(codec, turned, 20, 30, 95, file, sizeof file, &n, &e), 0);
	assert_int_equal(jpeg_decode_rgb(codec, file, n, 20, 30, tripped, sizeof tripped, &e), 0);
	expect(s.round_trip.rgb, tripped, sizeof tripped, 0);
	memcpy(in, tripped, sizeof tripped);
	lanczos(&t, 30, 20, 16, 12);
	assert_int_equal(s.resized.height, 16);
	assert_int_equal(s.resized.width, 12);
	expect(s.resized.rgb, out, 16 * 12 * 3, 0);
	image_crop_axis_prepare(&t.crop_rows, 16, 0.9);
	image_crop_axis_prepare(&t.crop_columns, 12, 0.9);
	image_crop(out, &t.crop_rows, &t.crop_columns, scratch, middle);
	expect(s.cropped.rgb, middle, 16 * 12 * 3, 0);
	assert_ptr_equal(s.smart.rgb, s.cropped.rgb);
	jpeg_codec_destroy(codec);
	arena_finish(&t.arena);
	image_prep_destroy(p);
}

/* Without a resize, pictures of any size up to the announced one come and go; the buffers must hold whatever smart_resize makes. */
static void every_size_up_to_the_largest_fits(void **state)
{
	const struct policy_picture_steps steps = { .center_crop = 0.5 };
	struct image_prep *p = make(&steps, 1, 40, 30);
	uint8_t *patches = malloc((size_t)image_prep_patches_max(p, 0) * image_prep_patch_bytes(p));
	struct image_stages s;

	(void)state;
	assert_non_null(patches);
	memset(in, 90, sizeof in);
	for (uint32_t height = 1; height <= 30; height++) {
		for (uint32_t width = 1; width <= 40; width++) {
			struct policy_picture picture = { width, height, in };

			assert_int_equal(image_prep_run(p, 0, &picture, patches, &s, &e), 0);
			expect(s.smart.rgb, in, s.smart.width * s.smart.height * 3, 0);
		}
	}
	free(patches);
	image_prep_destroy(p);
}

static void wrong_pictures_are_named(void **state)
{
	static uint8_t patches[64 * 12];
	const struct policy_picture_steps steps[2] = { { .resize_height = 8, .resize_width = 8 }, { .resize_height = 8, .resize_width = 8 } };
	const struct policy_picture wide = { 33, 4, in }, empty = { 0, 4, in }, missing = { 4, 4, NULL };
	struct image_prep *p = make(steps, 2, 32, 32);
	struct image_stages s;

	(void)state;
	assert_int_equal(image_prep_run(p, 1, &wide, patches, &s, &e), -EINVAL);
	assert_non_null(strstr(e.text, "picture 1"));
	assert_non_null(strstr(e.text, "33"));
	assert_int_equal(image_prep_run(p, 0, &empty, patches, &s, &e), -EINVAL);
	assert_int_equal(image_prep_run(p, 0, &missing, patches, &s, &e), -EINVAL);
	image_prep_destroy(p);
}

static void wrong_steps_are_named(void **state)
{
	static const struct policy_picture_steps wrong[] = { { .resize_height = 8 }, { .resize_height = 100000, .resize_width = 8 },
		{ .center_crop = -0.1 }, { .center_crop = 1.1 }, { .center_crop = NAN }, { .min_pixels = 5000 },
		{ .min_pixels = MANIFEST_MIN_PIXELS_MAX + 1, .max_pixels = MANIFEST_MAX_PIXELS_MAX },
		{ .max_pixels = MANIFEST_MAX_PIXELS_MAX + 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct image_prep_options options = { .manifest = &tiny, .steps = &wrong[i], .n_pictures = 1, .max_width = 8,
			.max_height = 8 };
		struct image_prep *p = NULL;

		assert_int_equal(image_prep_create(&p, &options, &e), -EINVAL);
		assert_null(p);
		assert_non_null(strstr(e.text, "picture 0"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lanczos_known_answers),
		cmocka_unit_test(lanczos_keeps_what_it_must),
		cmocka_unit_test(crop_known_answers),
		cmocka_unit_test(bicubic_known_answers),
		cmocka_unit_test(bicubic_weights_are_rounded_to_the_nearest),
		cmocka_unit_test(smart_sizes),
		cmocka_unit_test(smart_size_refuses_what_has_none),
		cmocka_unit_test(patches_are_cut_in_merged_order),
		cmocka_unit_test(steps_that_are_off_repeat_the_one_before),
		cmocka_unit_test(one_of_rotation_and_round_trip),
		cmocka_unit_test(steps_follow_each_other),
		cmocka_unit_test(every_size_up_to_the_largest_fits),
		cmocka_unit_test(wrong_pictures_are_named),
		cmocka_unit_test(wrong_steps_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
