/* image_prep.h - a camera picture becomes patches: rotate, JPEG round trip, resize, crop, smart resize, cut.
 *
 * Every step and its order: README.md of this folder, "Pictures". All memory is taken at create, for pictures up to the announced
 * size. Knows nothing of the network behind it but the size of a patch. */
#ifndef DREAMVLA_POLICY_IMAGE_PREP_H
#define DREAMVLA_POLICY_IMAGE_PREP_H

#include "policy/manifest.h"
#include "policy/policy.h"

struct image_prep;

struct image_prep_options {
	const struct manifest_picture *manifest;    /* borrowed until create returns */
	const struct policy_picture_steps *steps;   /* [n_pictures], borrowed until create returns */
	uint32_t n_pictures;
	uint32_t max_width, max_height;             /* largest camera picture, pixels */
};

/* What each step made of the last picture, for traces; a step that is off repeats the one before it in this list. (The steps run
 * rotated first, then round_trip.) Valid until the next picture. */
struct image_stages {
	struct policy_picture decoded, round_trip, rotated, resized, cropped, smart;
	uint32_t grid_rows, grid_columns;           /* patches */
	int64_t resize_ns, patches_ns;              /* time that all steps before the patches took, and cutting them */
};

/* -EINVAL: steps that make no sense (the text names picture and step); -ENOMEM. Thread: start-up. Allocates: yes. */
MUST_CHECK int image_prep_create(struct image_prep **out, const struct image_prep_options *options, struct errbuf *e);
void image_prep_destroy(struct image_prep *p); /* accepts NULL */

/* Most patches that picture i can become; the bytes of one (channels * patch * patch), and the values that the network takes for them
 * (channels * temporal * patch * patch). Allocates: no. */
uint32_t image_prep_patches_max(const struct image_prep *p, uint32_t i);
uint32_t image_prep_patch_bytes(const struct image_prep *p);
uint32_t image_prep_patch_values(const struct image_prep *p);

/* [channels][256]: a byte as its normalised value, (byte / 255 - mean) / std. Allocates: no. */
const float *image_prep_level(const struct image_prep *p);

/* What the network takes for patches[n], for traces and tests: values [n][channels][temporal][patch][patch]. Allocates: no. */
void image_prep_normalise(const struct image_prep *p, const uint8_t *patches, uint32_t n, float *values);

/* Sum of the buffers. */
uint64_t image_prep_bytes(const struct image_prep *p);

/* Camera picture i -> patches [grid_rows * grid_columns][channels][patch][patch] in 2x2-merged order, bytes.
 * -EINVAL: empty, or larger than announced, or too long and thin for min_pixels..max_pixels; the text names the picture.
 * Thread: policy. Allocates: inside libjpeg-turbo only. Blocks: no. */
MUST_CHECK int image_prep_run(struct image_prep *p, uint32_t i, const struct policy_picture *picture, uint8_t *patches,
		struct image_stages *stages, struct errbuf *e);

/* Size that is a multiple of `factor` on both sides, near the aspect of height x width, with min..max pixels (the Qwen2-VL
 * processor's smart_resize). -EINVAL: aspect above 200, or no such size. Thread: any. Allocates: no. */
MUST_CHECK int image_smart_size(uint32_t height, uint32_t width, uint32_t factor, uint64_t min_pixels, uint64_t max_pixels,
		uint32_t *new_height, uint32_t *new_width, struct errbuf *e);

#endif
