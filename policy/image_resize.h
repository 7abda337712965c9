/* image_resize.h - the three resamplings between camera and network, each exactly as the training pipeline does it.
 *
 * Pictures are 8-bit RGB, rows without padding: [height][width][3]. Tables belong to one pair of sizes; `..._prepare` fills them in
 * place when the sizes changed and does nothing otherwise, so a steady camera costs no table work. */
#ifndef DREAMVLA_POLICY_IMAGE_RESIZE_H
#define DREAMVLA_POLICY_IMAGE_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/arena.h"

/* Weights of one axis: output i is the sum over t < count[i] of weight[i][t] * input first[i] + t. */
struct image_taps {
	uint32_t source, target;    /* sizes the table is for, pixels; 0: empty */
	uint32_t width;             /* stride of `weight` */
	uint32_t source_max, target_max;
	uint32_t *first, *count;    /* [target_max] */
	union {
		float *real;        /* Lanczos */
		int32_t *fixed;     /* bicubic, scaled by 2^22 */
	} weight;                   /* [target][width] */
};

/* Where each output sample of a centre crop lies: between below and above, `fraction` of the way. */
struct image_crop_axis {
	uint32_t size;              /* 0: empty */
	double area;
	uint32_t *below, *above;    /* [size_max] */
	float *fraction;
};

/* Takes memory for tables between any source up to source_max and any target up to target_max, pixels.
 * Thread: start-up. Allocates: in the arena. */
void image_taps_lay_out(struct image_taps *t, struct arena *a, uint32_t source_max, uint32_t target_max);
void image_crop_axis_lay_out(struct image_crop_axis *c, struct arena *a, uint32_t size_max);

/* Antialiased Lanczos-3 weights, tf.image.resize(..., "lanczos3", antialias=True). Thread: policy. Allocates: no. */
void image_taps_lanczos3(struct image_taps *t, uint32_t source, uint32_t target);

/* Antialiased bicubic (a = -0.5) weights in fixed point, as Pillow's Image.resize(..., BICUBIC). Thread: policy. Allocates: no. */
void image_taps_bicubic(struct image_taps *t, uint32_t source, uint32_t target);

/* Corner-aligned samples of a crop whose side is sqrt(area), tf.image.crop_and_resize. Thread: policy. Allocates: no. */
void image_crop_axis_prepare(struct image_crop_axis *c, uint32_t size, double area);

/* Floats of scratch that the two functions below need for pictures of up to `width` columns. Thread: any. Allocates: no. */
size_t image_resize_scratch_values(uint32_t width);
size_t image_crop_scratch_values(uint32_t width);

/* in [rows->source][columns->source] -> out [rows->target][columns->target], rounded half to even and clipped: TensorFlow's bits.
 * scratch [image_resize_scratch_values(columns->source)]. Thread: policy. Allocates: no. */
void image_resize_lanczos3(const uint8_t *in, const struct image_taps *rows, const struct image_taps *columns, float *scratch,
		uint8_t *out);

/* The same shapes, 8 bit between the horizontal and the vertical pass; an axis that keeps its size has no pass (its taps
 * may be NULL). middle [height][target width][3] is used when both axes change. Returns where the result lies: in, middle or out.
 * Thread: policy. Allocates: no. */
const uint8_t *image_resize_bicubic(const uint8_t *in, uint32_t height, uint32_t width, const struct image_taps *rows,
		const struct image_taps *columns, uint8_t *middle, uint8_t *out);

/* in [rows->size][columns->size] -> out of the same size; back to 8 bit as floor(value * 255.5) of a value in [0, 1]: TensorFlow's
 * bits. scratch [image_crop_scratch_values(columns->size)]. Thread: policy. Allocates: no. */
void image_crop(const uint8_t *in, const struct image_crop_axis *rows, const struct image_crop_axis *columns, float *scratch,
		uint8_t *out);

#endif
