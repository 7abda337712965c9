/* image_prep.c - see image_prep.h. */
#include "policy/image_prep.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/jpeg.h"
#include "policy/image_resize.h"

/* JPEG quality of the training pipeline's tf.image.encode_jpeg. */
enum { CHANNELS = 3, LEVELS = 256, ROUND_TRIP_QUALITY = 95, ASPECT_MAX = 200 };

/* One camera: its switches and the tables for its sizes. */
struct camera {
	struct policy_picture_steps steps;
	uint32_t patches_max;
	struct image_taps resize_rows, resize_columns, smart_rows, smart_columns;
	struct image_crop_axis crop_rows, crop_columns;
};

/* Largest sizes of any camera, after which the shared buffers are made. */
struct bounds {
	uint64_t camera_pixels, resized_pixels, middle_pixels, smart_pixels;
	size_t scratch_values;
	bool rotate, round_trip, resize, crop;
};

struct image_prep {
	uint32_t n_pictures, max_width, max_height;
	uint32_t patch, merge, temporal;
	struct camera camera[POLICY_PICTURES_MAX];
	struct bounds bounds;
	float level[CHANNELS][LEVELS];      /* 8-bit level -> normalised value */
	struct jpeg_codec *codec;           /* NULL: no camera has a round trip */
	struct arena arena;
	uint8_t *rotated, *jpeg, *round_trip, *resized, *cropped, *middle, *smart; /* [..._pixels][3] */
	size_t jpeg_bytes;
	float *scratch;                     /* of the resize and the crop; NULL: neither is on */
};

int image_smart_size(uint32_t height, uint32_t width, uint32_t factor, uint64_t min_pixels, uint64_t max_pixels,
		uint32_t *new_height, uint32_t *new_width, struct errbuf *e)
{
	double h = height, w = width, f = factor, shorter = h < w ? h : w, longer = h < w ? w : h;

	if (!(shorter >= 1.0))
		return fail(e, -EINVAL, "an empty picture of %u x %u pixels", width, height);
	if (shorter < f) {
		h = height < width ? f : rint((double)height / width * f);
		w = height < width ? rint((double)width / height * f) : f;
	} else if (longer / shorter > ASPECT_MAX) {
		return fail(e, -EINVAL, "%u x %u pixels: one side is more than %d times the other", width, height, ASPECT_MAX);
	}
	double rows = rint(h / f) * f, columns = rint(w / f) * f;

	if (rows * columns > (double)max_pixels) {
		double shrink = sqrt(h * w / (double)max_pixels);

		rows = floor(h / shrink / f) * f;
		columns = floor(w / shrink / f) * f;
	} else if (rows * columns < (double)min_pixels) {
		double grow = sqrt((double)min_pixels / (h * w));

		rows = ceil(h * grow / f) * f;
		columns = ceil(w * grow / f) * f;
	}
	if (!(rows >= f && columns >= f && rows * columns <= (double)UINT32_MAX))
		return fail(e, -EINVAL, "%u x %u pixels: no size of %llu to %llu pixels in multiples of %u fits the aspect",
				width, height, (unsigned long long)min_pixels, (unsigned long long)max_pixels, factor);
	*new_height = (uint32_t)rows;
	*new_width = (uint32_t)columns;
	return 0;
}

static uint64_t largest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Most pixels that smart_resize can make of any picture up to width x height. Rounding adds less than one factor to a side; growing
 * to min_pixels does too, and the sides of an area A with aspect 200 add up to less than 15 sqrt(A). */
static uint64_t smart_pixels_max(uint32_t width, uint32_t height, uint32_t factor, uint64_t min_pixels, uint64_t max_pixels)
{
	uint64_t rounded = (largest(width, factor) + factor) * (largest(height, factor) + factor);
	uint64_t grown = min_pixels + factor * (uint64_t)(15.0 * sqrt((double)min_pixels)) + (uint64_t)factor * factor;

	return largest(rounded < max_pixels ? rounded : max_pixels, grown);
}

static int check_steps(const struct policy_picture_steps *s, uint32_t i, struct errbuf *e)
{
	if (!s->resize_height != !s->resize_width || s->resize_height > JPEG_SIDE_MAX || s->resize_width > JPEG_SIDE_MAX)
		return fail(e, -EINVAL, "picture %u: resize to %u x %u (height x width): want 1 to %d, or 0 x 0 for no resize", i,
				s->resize_height, s->resize_width, JPEG_SIDE_MAX);
	if (!(s->center_crop >= 0.0 && s->center_crop <= 1.0))
		return fail(e, -EINVAL, "picture %u: centre crop to the area %g: want above 0 to 1, or 0 for no crop", i, s->center_crop);
	if (s->min_pixels > MANIFEST_MIN_PIXELS_MAX || s->max_pixels > MANIFEST_MAX_PIXELS_MAX)
		return fail(e, -EINVAL, "picture %u: min_pixels %llu, max_pixels %llu: want at most %d and %d", i,
				(unsigned long long)s->min_pixels, (unsigned long long)s->max_pixels, MANIFEST_MIN_PIXELS_MAX,
				MANIFEST_MAX_PIXELS_MAX);
	if (s->min_pixels > s->max_pixels)
		return fail(e, -EINVAL, "picture %u: min_pixels %llu is more than max_pixels %llu", i,
				(unsigned long long)s->min_pixels, (unsigned long long)s->max_pixels);
	return 0;
}

/* Fills in the checkpoint's limits, sizes the camera's patches and widens the shared bounds to it. */
static int set_up_camera(struct image_prep *p, uint32_t i, const struct manifest_picture *m, struct errbuf *e)
{
	struct camera *c = &p->camera[i];
	struct policy_picture_steps *s = &c->steps;
	uint32_t factor = m->patch * m->merge, height = p->max_height, width = p->max_width;
	uint64_t pixels;
	int rc;

	s->min_pixels = s->min_pixels ? s->min_pixels : m->min_pixels;
	s->max_pixels = s->max_pixels ? s->max_pixels : m->max_pixels;
	if ((rc = check_steps(s, i, e)) < 0)
		return rc;
	if (s->resize_height) {
		struct errbuf inner;

		if (image_smart_size(s->resize_height, s->resize_width, factor, s->min_pixels, s->max_pixels, &height, &width,
				&inner) < 0)
			return fail(e, -EINVAL, "picture %u, resized: %.800s", i, inner.text);
		pixels = (uint64_t)height * width;
	} else {
		pixels = smart_pixels_max(width, height, factor, s->min_pixels, s->max_pixels);
	}
	c->patches_max = (uint32_t)(pixels / (m->patch * m->patch));
	uint32_t before = s->resize_height ? s->resize_height : p->max_height;

	p->bounds.smart_pixels = largest(p->bounds.smart_pixels, pixels);
	p->bounds.middle_pixels = largest(p->bounds.middle_pixels, pixels + (uint64_t)before * (largest(width, factor) + factor));
	p->bounds.resized_pixels = largest(p->bounds.resized_pixels,
			s->resize_height ? (uint64_t)s->resize_height * s->resize_width : (uint64_t)p->max_width * p->max_height);
	p->bounds.rotate |= s->rotate_180;
	p->bounds.round_trip |= s->jpeg_round_trip;
	p->bounds.resize |= s->resize_height > 0;
	p->bounds.crop |= s->center_crop > 0.0;
	if (s->resize_height)
		p->bounds.scratch_values = largest(p->bounds.scratch_values, image_resize_scratch_values(p->max_width));
	if (s->center_crop > 0.0)
		p->bounds.scratch_values = largest(p->bounds.scratch_values,
				image_crop_scratch_values(s->resize_height ? s->resize_width : p->max_width));
	return 0;
}

static void lay_out_camera(struct image_prep *p, struct camera *c)
{
	const struct policy_picture_steps *s = &c->steps;
	bool resize = s->resize_height > 0;
	uint32_t height = resize ? s->resize_height : p->max_height, width = resize ? s->resize_width : p->max_width;
	uint32_t side = c->patches_max * p->patch / p->merge; /* a row of blocks, the longest a smart size can be */

	if (resize) {
		image_taps_lay_out(&c->resize_rows, &p->arena, p->max_height, height);
		image_taps_lay_out(&c->resize_columns, &p->arena, p->max_width, width);
	}
	if (s->center_crop > 0.0) {
		image_crop_axis_lay_out(&c->crop_rows, &p->arena, height);
		image_crop_axis_lay_out(&c->crop_columns, &p->arena, width);
	}
	image_taps_lay_out(&c->smart_rows, &p->arena, height, side);
	image_taps_lay_out(&c->smart_columns, &p->arena, width, side);
}

static void lay_out(struct image_prep *p)
{
	const struct bounds *b = &p->bounds;
	struct arena *a = &p->arena;

	p->rotated = b->rotate ? arena_take(a, b->camera_pixels, CHANNELS) : NULL;
	p->jpeg_bytes = b->round_trip ? jpeg_encoded_bound(p->max_width, p->max_height) : 0;
	p->jpeg = b->round_trip ? arena_take(a, p->jpeg_bytes, 1) : NULL;
	p->round_trip = b->round_trip ? arena_take(a, b->camera_pixels, CHANNELS) : NULL;
	p->resized = b->resize ? arena_take(a, b->resized_pixels, CHANNELS) : NULL;
	p->scratch = b->scratch_values ? arena_take(a, b->scratch_values, sizeof *p->scratch) : NULL;
	p->cropped = b->crop ? arena_take(a, b->resized_pixels, CHANNELS) : NULL;
	p->middle = arena_take(a, b->middle_pixels, CHANNELS);
	p->smart = arena_take(a, b->smart_pixels, CHANNELS);
	for (uint32_t i = 0; i < p->n_pictures; i++)
		lay_out_camera(p, &p->camera[i]);
}

static int allocate(struct image_prep *p, struct errbuf *e)
{
	int rc;

	if (p->bounds.round_trip && (rc = jpeg_codec_create(&p->codec, e)) < 0)
		return rc;
	lay_out(p);
	if ((rc = arena_reserve(&p->arena, "pictures", e)) < 0)
		return rc;
	lay_out(p);
	arena_freeze(&p->arena);
	return 0;
}

static void fill_levels(struct image_prep *p, const struct manifest_picture *m)
{
	for (uint32_t c = 0; c < CHANNELS; c++)
		for (uint32_t i = 0; i < LEVELS; i++)
			p->level[c][i] = (float)((i / 255.0 - m->mean[c]) / m->std[c]);
}

int image_prep_create(struct image_prep **out, const struct image_prep_options *options, struct errbuf *e)
{
	const struct manifest_picture *m = options->manifest;
	struct image_prep *p = calloc(1, sizeof *p);
	int rc = 0;

	if (!p)
		return fail(e, -ENOMEM, "pictures: out of memory");
	p->n_pictures = options->n_pictures;
	p->max_width = options->max_width;
	p->max_height = options->max_height;
	p->patch = m->patch;
	p->merge = m->merge;
	p->temporal = m->temporal;
	p->bounds.camera_pixels = (uint64_t)p->max_width * p->max_height;
	if (!p->max_width || !p->max_height || p->max_width > JPEG_SIDE_MAX || p->max_height > JPEG_SIDE_MAX)
		rc = fail(e, -EINVAL, "largest picture %u x %u pixels: want 1 to %d on each side", p->max_width, p->max_height,
				JPEG_SIDE_MAX);
	for (uint32_t i = 0; i < p->n_pictures && rc == 0; i++) {
		p->camera[i].steps = options->steps[i];
		rc = set_up_camera(p, i, m, e);
	}
	if (rc == 0)
		rc = allocate(p, e);
	if (rc < 0) {
		image_prep_destroy(p);
		return rc;
	}
	fill_levels(p, m);
	*out = p;
	return 0;
}

void image_prep_destroy(struct image_prep *p)
{
	if (!p)
		return;
	jpeg_codec_destroy(p->codec);
	arena_finish(&p->arena);
	free(p);
}

uint32_t image_prep_patches_max(const struct image_prep *p, uint32_t i)
{
	return p->camera[i].patches_max;
}

uint32_t image_prep_patch_bytes(const struct image_prep *p)
{
	return CHANNELS * p->patch * p->patch;
}

uint32_t image_prep_patch_values(const struct image_prep *p)
{
	return p->temporal * image_prep_patch_bytes(p);
}

const float *image_prep_level(const struct image_prep *p)
{
	return p->level[0];
}

/* Both times are the same picture. */
void image_prep_normalise(const struct image_prep *p, const uint8_t *patches, uint32_t n, float *values)
{
	size_t plane = (size_t)p->patch * p->patch;

	for (size_t i = 0; i < (size_t)n * CHANNELS; i++, patches += plane)
		for (uint32_t t = 0; t < p->temporal; t++)
			for (size_t at = 0; at < plane; at++)
				*values++ = p->level[i % CHANNELS][patches[at]];
}

uint64_t image_prep_bytes(const struct image_prep *p)
{
	return p->arena.size;
}

/* -- the steps ------------------------------------------------------------------------------------------------------------------ */

static struct policy_picture rotate_180(struct policy_picture in, uint8_t *out)
{
	const uint8_t *from = in.rgb + (size_t)in.width * in.height * CHANNELS;

	for (uint8_t *to = out; from != in.rgb; to += CHANNELS) {
		from -= CHANNELS;
		memcpy(to, from, CHANNELS);
	}
	in.rgb = out;
	return in;
}

static int jpeg_round_trip(struct image_prep *p, struct policy_picture *picture, struct errbuf *e)
{
	size_t n;
	int rc = jpeg_encode_rgb(p->codec, picture->rgb, picture->width, picture->height, ROUND_TRIP_QUALITY, p->jpeg, p->jpeg_bytes,
			&n, e);

	if (rc == 0)
		rc = jpeg_decode_rgb(p->codec, p->jpeg, n, picture->width, picture->height, p->round_trip,
				p->bounds.camera_pixels * CHANNELS, e);
	picture->rgb = p->round_trip;
	return rc;
}

static struct policy_picture resize(struct image_prep *p, struct camera *c, struct policy_picture in)
{
	image_taps_lanczos3(&c->resize_rows, in.height, c->steps.resize_height);
	image_taps_lanczos3(&c->resize_columns, in.width, c->steps.resize_width);
	image_resize_lanczos3(in.rgb, &c->resize_rows, &c->resize_columns, p->scratch, p->resized);
	return (struct policy_picture){ c->steps.resize_width, c->steps.resize_height, p->resized };
}

static struct policy_picture crop(struct image_prep *p, struct camera *c, struct policy_picture in)
{
	image_crop_axis_prepare(&c->crop_rows, in.height, c->steps.center_crop);
	image_crop_axis_prepare(&c->crop_columns, in.width, c->steps.center_crop);
	image_crop(in.rgb, &c->crop_rows, &c->crop_columns, p->scratch, p->cropped);
	in.rgb = p->cropped;
	return in;
}

static int smart_resize(struct image_prep *p, struct camera *c, struct policy_picture *picture, struct errbuf *e)
{
	uint32_t height, width;
	int rc = image_smart_size(picture->height, picture->width, p->patch * p->merge, c->steps.min_pixels, c->steps.max_pixels,
			&height, &width, e);

	if (rc < 0)
		return rc;
	if ((uint64_t)height * width > (uint64_t)c->patches_max * p->patch * p->patch
			|| (uint64_t)picture->height * width > p->bounds.middle_pixels)
		return fail(e, -EINVAL, "%u x %u pixels would become %u x %u, more than was made room for; announce larger pictures",
				picture->width, picture->height, width, height);
	if (width != picture->width)
		image_taps_bicubic(&c->smart_columns, picture->width, width);
	if (height != picture->height)
		image_taps_bicubic(&c->smart_rows, picture->height, height);
	picture->rgb = image_resize_bicubic(picture->rgb, picture->height, picture->width,
			height != picture->height ? &c->smart_rows : NULL, width != picture->width ? &c->smart_columns : NULL,
			p->middle, p->smart);
	picture->width = width;
	picture->height = height;
	return 0;
}

/* The patch whose upper left pixel is at: out [channel][row][column]. */
static uint8_t *cut_patch(const struct image_prep *p, const uint8_t *at, size_t stride, uint8_t *out)
{
	for (uint32_t c = 0; c < CHANNELS; c++)
		for (uint32_t y = 0; y < p->patch; y++)
			for (uint32_t x = 0; x < p->patch; x++)
				*out++ = at[y * stride + (size_t)x * CHANNELS + c];
	return out;
}

/* Blocks of merge x merge patches row by row, and within a block patch by patch. */
static void cut_patches(const struct image_prep *p, struct policy_picture in, uint8_t *out)
{
	size_t stride = (size_t)in.width * CHANNELS;
	uint32_t block = p->patch * p->merge;

	for (uint32_t top = 0; top < in.height; top += block)
		for (uint32_t left = 0; left < in.width; left += block)
			for (uint32_t y = 0; y < block; y += p->patch)
				for (uint32_t x = 0; x < block; x += p->patch)
					out = cut_patch(p, in.rgb + (top + y) * stride + (size_t)(left + x) * CHANNELS, stride, out);
}

static int run_steps(struct image_prep *p, struct camera *c, struct image_stages *s, struct errbuf *e)
{
	struct policy_picture camera = c->steps.rotate_180 ? rotate_180(s->decoded, p->rotated) : s->decoded;
	int rc;

	s->rotated = camera;
	if (c->steps.jpeg_round_trip && (rc = jpeg_round_trip(p, &camera, e)) < 0)
		return rc;
	s->round_trip = c->steps.jpeg_round_trip ? camera : s->decoded;
	s->rotated = c->steps.rotate_180 ? s->rotated : s->round_trip;
	s->resized = c->steps.resize_height ? resize(p, c, camera) : camera;
	s->cropped = c->steps.center_crop > 0.0 ? crop(p, c, s->resized) : s->resized;
	s->smart = s->cropped;
	return smart_resize(p, c, &s->smart, e);
}

int image_prep_run(struct image_prep *p, uint32_t i, const struct policy_picture *picture, uint8_t *patches,
		struct image_stages *stages, struct errbuf *e)
{
	struct errbuf inner;

	if (!picture->rgb || !picture->width || !picture->height)
		return fail(e, -EINVAL, "picture %u is empty", i);
	if (picture->width > p->max_width || picture->height > p->max_height)
		return fail(e, -EINVAL, "picture %u has %u x %u pixels, announced were at most %u x %u", i, picture->width, picture->height,
				p->max_width, p->max_height);
	stages->decoded = *picture;
	int64_t start_ns = clock_monotonic_ns();
	int rc = run_steps(p, &p->camera[i], stages, &inner);

	if (rc < 0)
		return fail(e, rc, "picture %u: %.900s", i, inner.text);
	stages->resize_ns = clock_monotonic_ns() - start_ns;
	stages->grid_rows = stages->smart.height / p->patch;
	stages->grid_columns = stages->smart.width / p->patch;
	cut_patches(p, stages->smart, patches);
	stages->patches_ns = clock_monotonic_ns() - start_ns - stages->resize_ns;
	return 0;
}
