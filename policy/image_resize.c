/* image_resize.c - see image_resize.h. Sources: TensorFlow's scale_and_translate_op.cc and crop_and_resize_op.cc, Pillow's
 * Resample.c, as README.md of this folder describes them. */
#include "policy/image_resize.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANCZOS_RADIUS = 3, BICUBIC_RADIUS = 2, FIXED_BITS = 22, CHANNELS = 3, LANES = 4 };

/* Output rows that the Lanczos pass over columns takes at once: one weight serves them all. */
enum { BATCH = 8, BATCH_VALUES = BATCH * CHANNELS };

/* Compiled twice on x86-64, whose every processor has SSE2 and nearly every AVX2: the same operations in the same order, so the same
 * values. (No ifunc: sanitizers are not ready when its resolver runs.) */
#define INLINE __attribute__((always_inline)) static inline
#if defined(__x86_64__)
#define FOR_AVX2 __attribute__((target("avx2")))
#define HAVE_AVX2 __builtin_cpu_supports("avx2")
#else
#define FOR_AVX2
#define HAVE_AVX2 0
#endif

/* Per output at most 2 * radius * max(source / target, 1) + 2 inputs; radius 3 is the widest. */
void image_taps_lay_out(struct image_taps *t, struct arena *a, uint32_t source_max, uint32_t target_max)
{
	size_t longest = source_max > target_max ? source_max : target_max;

	t->source_max = source_max;
	t->target_max = target_max;
	t->first = arena_take(a, target_max, sizeof *t->first);
	t->count = arena_take(a, target_max, sizeof *t->count);
	t->weight.real = arena_take(a, longest * (2 * LANCZOS_RADIUS + 3), sizeof *t->weight.real);
}

void image_crop_axis_lay_out(struct image_crop_axis *c, struct arena *a, uint32_t size_max)
{
	c->below = arena_take(a, size_max, sizeof *c->below);
	c->above = arena_take(a, size_max, sizeof *c->above);
	c->fraction = arena_take(a, size_max, sizeof *c->fraction);
}

/* In float32, operation by operation as TensorFlow does it, so that the weights have its bits. */
static float lanczos3(float x)
{
	const float pi = (float)M_PI;

	if (x > LANCZOS_RADIUS)
		return 0.0f;
	if (x <= 1e-3f)
		return 1.0f;
	return LANCZOS_RADIUS * sinf(pi * x) * sinf(pi * x / LANCZOS_RADIUS) / (pi * pi * x * x);
}

static double bicubic(double x)
{
	x = fabs(x);
	if (x < 1.0)
		return (1.5 * x - 2.5) * x * x + 1.0;
	return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5 : 0.0;
}

/* Starts a table; false when it is already the one for these sizes. */
static bool start_table(struct image_taps *t, uint32_t source, uint32_t target, double radius)
{
	double scale = (double)source / target;

	assert(source <= t->source_max && target <= t->target_max && "image_taps: larger than announced");
	if (t->source == source && t->target == target)
		return false;
	t->source = source;
	t->target = target;
	t->width = (uint32_t)floor(2.0 * radius * (scale > 1.0 ? scale : 1.0)) + 2;
	return true;
}

void image_taps_lanczos3(struct image_taps *t, uint32_t source, uint32_t target)
{
	float scale = 1.0f / ((float)target / (float)source), stretch = scale > 1.0f ? scale : 1.0f, per_stretch = 1.0f / stretch;

	if (!start_table(t, source, target, LANCZOS_RADIUS))
		return;
	for (uint32_t i = 0; i < target; i++) {
		float centre = ((float)i + 0.5f) * scale, sum = 0.0f;
		float low = ceilf(centre - LANCZOS_RADIUS * stretch - 0.5f), high = floorf(centre + LANCZOS_RADIUS * stretch - 0.5f);
		uint32_t first = low > 0.0f ? (uint32_t)low : 0;
		uint32_t last = high < (float)(source - 1) ? (uint32_t)high : source - 1;
		float *weight = t->weight.real + (size_t)i * t->width;

		for (uint32_t tap = first; tap <= last; tap++) {
			weight[tap - first] = lanczos3(fabsf(((float)tap + 0.5f - centre) * per_stretch));
			sum += weight[tap - first];
		}
		for (uint32_t tap = first; tap <= last; tap++)
			weight[tap - first] *= 1.0f / sum;
		t->first[i] = first;
		t->count[i] = last - first + 1;
	}
}

void image_taps_bicubic(struct image_taps *t, uint32_t source, uint32_t target)
{
	double scale = (double)source / target, stretch = scale > 1.0 ? scale : 1.0, per_stretch = 1.0 / stretch;

	if (!start_table(t, source, target, BICUBIC_RADIUS))
		return;
	for (uint32_t i = 0; i < target; i++) {
		double centre = (i + 0.5) * scale, sum = 0.0;
		double low = centre - BICUBIC_RADIUS * stretch + 0.5, high = centre + BICUBIC_RADIUS * stretch + 0.5;
		uint32_t first = low > 0.0 ? (uint32_t)low : 0;
		uint32_t end = high < source ? (uint32_t)high : source;
		int32_t *weight = t->weight.fixed + (size_t)i * t->width;

		for (uint32_t tap = first; tap < end; tap++)
			sum += bicubic((tap - centre + 0.5) * per_stretch);
		for (uint32_t tap = first; tap < end; tap++) {
			double w = bicubic((tap - centre + 0.5) * per_stretch) / sum;

			weight[tap - first] = (int32_t)(w * (1 << FIXED_BITS) + (w < 0.0 ? -0.5 : 0.5));
		}
		t->first[i] = first;
		t->count[i] = end - first;
	}
}

/* In float32 as TensorFlow does it: where it rounds decides on which pixel an exact position falls. */
void image_crop_axis_prepare(struct image_crop_axis *c, uint32_t size, double area)
{
	float side = sqrtf((float)area), low = (1.0f - side) / 2.0f, high = low + side;
	float last = (float)(size - 1), step = size > 1 ? (high - low) * last / last : 0.0f;

	if (c->size == size && c->area >= area && c->area <= area)
		return;
	c->size = size;
	c->area = area;
	for (uint32_t i = 0; i < size; i++) {
		float position = low * last + (float)i * step;
		uint32_t below = (uint32_t)position, above = (uint32_t)ceilf(position);

		c->below[i] = below < size ? below : size - 1;
		c->above[i] = above < size ? above : size - 1;
		c->fraction[i] = position - (float)below;
	}
}

size_t image_resize_scratch_values(uint32_t width)
{
	return (size_t)width * (CHANNELS + BATCH_VALUES);
}

/* sum[n] = weight[0] * row 0 + weight[1] * row 1 + ..., added up in that order, four rows a pass. */
INLINE void weighted_rows(const uint8_t *restrict in, size_t n, const float *restrict weight, uint32_t count, float *restrict sum)
{
	memset(sum, 0, n * sizeof *sum);
	for (; count >= 4; count -= 4, weight += 4, in += 4 * n)
		for (size_t i = 0; i < n; i++)
			sum[i] = sum[i] + weight[0] * (float)in[i] + weight[1] * (float)in[n + i] + weight[2] * (float)in[2 * n + i] +
					weight[3] * (float)in[3 * n + i];
	for (; count > 0; count--, weight++, in += n)
		for (size_t i = 0; i < n; i++)
			sum[i] += *weight * (float)in[i];
}

/* Row `r` of a batch [width][BATCH][CHANNELS]. */
INLINE void into_batch(const float *row, uint32_t width, uint32_t r, float *batch)
{
	for (uint32_t x = 0; x < width; x++)
		memcpy(batch + (size_t)x * BATCH_VALUES + r * CHANNELS, row + (size_t)x * CHANNELS, CHANNELS * sizeof *row);
}

/* Clipped and rounded half to even: beyond 2^23 a float has no fraction left, so adding 1.5 * 2^23 rounds. */
INLINE void to_levels(const float *value, uint32_t n, uint8_t *level)
{
	const float rounder = 12582912.0f;

	for (uint32_t i = 0; i < n; i++) {
		float v = value[i] > 0.0f ? value[i] : 0.0f;

		v = v < 255.0f ? v : 255.0f;
		level[i] = (uint8_t)(int32_t)((v + rounder) - rounder);
	}
}

/* BATCH floats that need no alignment; in a loop they stay in registers, as an array would not. */
typedef float batch_vector __attribute__((vector_size(BATCH * sizeof(float)), aligned(sizeof(float)), may_alias));

INLINE void weighted_columns(const float *from, const float *weight, uint32_t count, float *out)
{
	batch_vector sum[CHANNELS] = { { 0.0f } };

	for (uint32_t t = 0; t < count; t++, from += BATCH_VALUES) {
		const batch_vector *v = (const batch_vector *)from;

		sum[0] += weight[t] * v[0];
		sum[1] += weight[t] * v[1];
		sum[2] += weight[t] * v[2];
	}
	memcpy(out, sum, sizeof sum);
}

INLINE void resize_lanczos3(const uint8_t *in, const struct image_taps *rows, const struct image_taps *columns, float *scratch,
		uint8_t *out)
{
	size_t n = (size_t)columns->source * CHANNELS, stride = (size_t)columns->target * CHANNELS;
	float *row = scratch, *batch = scratch + n, value[BATCH_VALUES];
	uint8_t level[BATCH_VALUES];

	memset(batch, 0, columns->source * sizeof value); /* the last batch may have fewer rows */
	for (uint32_t top = 0; top < rows->target; top += BATCH, out += BATCH * stride) {
		uint32_t n_rows = rows->target - top < BATCH ? rows->target - top : BATCH;

		for (uint32_t r = 0; r < n_rows; r++) {
			const float *weight = rows->weight.real + (size_t)(top + r) * rows->width;

			weighted_rows(in + rows->first[top + r] * n, n, weight, rows->count[top + r], row);
			into_batch(row, columns->source, r, batch);
		}
		for (uint32_t x = 0; x < columns->target; x++) {
			weighted_columns(batch + (size_t)columns->first[x] * BATCH_VALUES, columns->weight.real + (size_t)x * columns->width,
					columns->count[x], value);
			to_levels(value, BATCH_VALUES, level);
			for (uint32_t r = 0; r < n_rows; r++)
				memcpy(out + r * stride + (size_t)x * CHANNELS, level + r * CHANNELS, CHANNELS);
		}
	}
}

FOR_AVX2 static void resize_lanczos3_avx2(const uint8_t *in, const struct image_taps *rows, const struct image_taps *columns,
		float *scratch, uint8_t *out)
{
	resize_lanczos3(in, rows, columns, scratch, out);
}

void image_resize_lanczos3(const uint8_t *in, const struct image_taps *rows, const struct image_taps *columns, float *scratch,
		uint8_t *out)
{
	if (HAVE_AVX2)
		resize_lanczos3_avx2(in, rows, columns, scratch, out);
	else
		resize_lanczos3(in, rows, columns, scratch, out);
}

static uint8_t from_fixed(int32_t sum)
{
	int32_t level = sum >> FIXED_BITS; /* arithmetic: what gcc and clang do, and Pillow relies on */

	return level < 0 ? 0 : level > 255 ? 255 : (uint8_t)level;
}

static void bicubic_columns(const uint8_t *in, uint32_t height, const struct image_taps *columns, uint8_t *out)
{
	for (uint32_t y = 0; y < height; y++, in += (size_t)columns->source * CHANNELS) {
		for (uint32_t x = 0; x < columns->target; x++) {
			const int32_t *weight = columns->weight.fixed + (size_t)x * columns->width;
			const uint8_t *from = in + (size_t)columns->first[x] * CHANNELS;
			int32_t sum[CHANNELS] = { 1 << (FIXED_BITS - 1), 1 << (FIXED_BITS - 1), 1 << (FIXED_BITS - 1) };

			for (uint32_t t = 0; t < columns->count[x]; t++)
				for (uint32_t c = 0; c < CHANNELS; c++)
					sum[c] += weight[t] * *from++;
			for (uint32_t c = 0; c < CHANNELS; c++)
				*out++ = from_fixed(sum[c]);
		}
	}
}

static void bicubic_rows(const uint8_t *in, uint32_t width, const struct image_taps *rows, uint8_t *restrict out)
{
	size_t n = (size_t)width * CHANNELS;

	for (uint32_t y = 0; y < rows->target; y++, out += n) {
		const int32_t *weight = rows->weight.fixed + (size_t)y * rows->width;
		const uint8_t *from = in + rows->first[y] * n;

		for (size_t i = 0; i < n; i++) {
			int32_t sum = 1 << (FIXED_BITS - 1);

			for (uint32_t t = 0; t < rows->count[y]; t++)
				sum += weight[t] * from[t * n + i];
			out[i] = from_fixed(sum);
		}
	}
}

const uint8_t *image_resize_bicubic(const uint8_t *in, uint32_t height, uint32_t width, const struct image_taps *rows,
		const struct image_taps *columns, uint8_t *middle, uint8_t *out)
{
	if (columns) {
		bicubic_columns(in, height, columns, middle);
		in = middle;
		width = columns->target;
	}
	if (rows) {
		bicubic_rows(in, width, rows, out);
		in = out;
	}
	return in;
}

size_t image_crop_scratch_values(uint32_t width)
{
	return 3 * ((size_t)width * CHANNELS + 1);
}

/* One input row, its levels in [0, 1], at the columns' sample positions. level, out [3 * size + 1]: pixels are taken as whole vectors. */
INLINE void crop_row(const uint8_t *in, const struct image_crop_axis *columns, float *restrict level, float *restrict out)
{
	size_t n = (size_t)columns->size * CHANNELS;

	for (size_t i = 0; i < n; i++)
		level[i] = (float)in[i] * (1.0f / 255.0f);
	level[n] = 0.0f;
	for (uint32_t x = 0; x < columns->size; x++, out += CHANNELS) {
		const float *left = level + (size_t)columns->below[x] * CHANNELS, *right = level + (size_t)columns->above[x] * CHANNELS;

		for (uint32_t c = 0; c < LANES; c++)
			out[c] = left[c] + (right[c] - left[c]) * columns->fraction[x];
	}
}

INLINE void between_rows(const float *upper, const float *lower, float down, size_t n, uint8_t *restrict out)
{
	for (size_t i = 0; i < n; i++) {
		float value = upper[i] + (lower[i] - upper[i]) * down;

		value = value < 1.0f ? value : 1.0f;
		out[i] = (uint8_t)(int32_t)(value * 255.5f);
	}
}

INLINE void crop(const uint8_t *in, const struct image_crop_axis *rows, const struct image_crop_axis *columns, float *scratch, uint8_t *out)
{
	size_t n = (size_t)columns->size * CHANNELS;
	float *upper = scratch + n + 1, *lower = upper + n + 1;
	uint32_t upper_row = UINT32_MAX, lower_row = UINT32_MAX; /* what they hold: sample rows only go down, and share inputs */

	for (uint32_t y = 0; y < rows->size; y++, out += n) {
		if (upper_row != rows->below[y] && lower_row == rows->below[y]) {
			float *swap = upper;

			upper = lower;
			lower = swap;
			lower_row = upper_row;
		} else if (upper_row != rows->below[y]) {
			crop_row(in + rows->below[y] * n, columns, scratch, upper);
		}
		upper_row = rows->below[y];
		if (lower_row != rows->above[y])
			crop_row(in + rows->above[y] * n, columns, scratch, lower);
		lower_row = rows->above[y];
		between_rows(upper, lower, rows->fraction[y], n, out);
	}
}

FOR_AVX2 static void crop_avx2(const uint8_t *in, const struct image_crop_axis *rows, const struct image_crop_axis *columns,
		float *scratch, uint8_t *out)
{
	crop(in, rows, columns, scratch, out);
}

void image_crop(const uint8_t *in, const struct image_crop_axis *rows, const struct image_crop_axis *columns, float *scratch, uint8_t *out)
{
	if (HAVE_AVX2)
		crop_avx2(in, rows, columns, scratch, out);
	else
		crop(in, rows, columns, scratch, out);
}
