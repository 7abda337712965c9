/* image_resize.c - see image_resize.h. Sources: TensorFlow's scale_and_translate_op.cc and crop_and_resize_op.cc, Pillow's
 * Resample.c, as README.md of this folder describes them. */
#include "policy/image_resize.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { LANCZOS_RADIUS = 3, BICUBIC_RADIUS = 2, FIXED_BITS = 22, CHANNELS = 3, LANES = 4 };

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

static double lanczos3(double x)
{
	x = fabs(x);
	if (x < 1e-3)
		return 1.0;
	return x >= 3.0 ? 0.0 : 3.0 * sin(M_PI * x) * sin(M_PI * x / 3.0) / (M_PI * M_PI * x * x);
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
	double scale = (double)source / target, stretch = scale > 1.0 ? scale : 1.0;

	if (!start_table(t, source, target, LANCZOS_RADIUS))
		return;
	for (uint32_t i = 0; i < target; i++) {
		double centre = (i + 0.5) * scale, sum = 0.0;
		double low = ceil(centre - LANCZOS_RADIUS * stretch - 0.5), high = floor(centre + LANCZOS_RADIUS * stretch - 0.5);
		uint32_t first = low > 0.0 ? (uint32_t)low : 0;
		uint32_t last = high < source - 1.0 ? (uint32_t)high : source - 1;
		float *weight = t->weight.real + (size_t)i * t->width;

		for (uint32_t tap = first; tap <= last; tap++)
			sum += lanczos3((tap + 0.5 - centre) / stretch);
		for (uint32_t tap = first; tap <= last; tap++)
			weight[tap - first] = (float)(lanczos3((tap + 0.5 - centre) / stretch) / sum);
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

/* Crop borders in float32, sample positions in double: where TensorFlow rounds matters at exact pixel positions. */
void image_crop_axis_prepare(struct image_crop_axis *c, uint32_t size, double area)
{
	float side = (float)sqrt(area), low = (1.0f - side) / 2.0f, high = low + side;
	float last = (float)(size - 1), step = size > 1 ? (high - low) * last / last : 0.0f, start = low * last;

	if (c->size == size && c->area >= area && c->area <= area)
		return;
	c->size = size;
	c->area = area;
	for (uint32_t i = 0; i < size; i++) {
		double position = (double)start + (double)i * (double)step;
		uint32_t below = (uint32_t)position, above = (uint32_t)ceil(position);

		c->below[i] = below < size ? below : size - 1;
		c->above[i] = above < size ? above : size - 1;
		c->fraction[i] = (float)(position - below);
	}
}

static void weighted_rows(const uint8_t *in, size_t n, const float *weight, uint32_t count, float *restrict sum)
{
	memset(sum, 0, n * sizeof *sum);
	for (uint32_t t = 0; t < count; t++) {
		const uint8_t *row = in + (size_t)t * n;

		for (size_t i = 0; i < n; i++)
			sum[i] += weight[t] * (float)row[i];
	}
}

static uint8_t to_level(float x)
{
	float rounded = rintf(x);

	return rounded > 0.0f ? (uint8_t)(rounded < 255.0f ? rounded : 255.0f) : 0;
}

void image_resize_lanczos3(const uint8_t *in, const struct image_taps *rows, const struct image_taps *columns, float *scratch,
		uint8_t *out)
{
	size_t n = (size_t)columns->source * CHANNELS;

	for (uint32_t y = 0; y < rows->target; y++) {
		weighted_rows(in + rows->first[y] * n, n, rows->weight.real + (size_t)y * rows->width, rows->count[y], scratch);
		for (uint32_t x = 0; x < columns->target; x++) {
			const float *weight = columns->weight.real + (size_t)x * columns->width;
			const float *from = scratch + (size_t)columns->first[x] * CHANNELS;
			float sum[LANES] = { 0.0f };

			for (uint32_t t = 0; t < columns->count[x]; t++, from += CHANNELS)
				for (uint32_t c = 0; c < LANES; c++) /* one more than needed: a whole vector */
					sum[c] += weight[t] * from[c];
			for (uint32_t c = 0; c < CHANNELS; c++)
				*out++ = to_level(sum[c]);
		}
	}
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

void image_crop(const uint8_t *in, const struct image_crop_axis *rows, const struct image_crop_axis *columns, uint8_t *out)
{
	size_t n = (size_t)columns->size * CHANNELS;

	for (uint32_t y = 0; y < rows->size; y++) {
		const uint8_t *top = in + rows->below[y] * n, *bottom = in + rows->above[y] * n;
		float down = rows->fraction[y];

		for (uint32_t x = 0; x < columns->size; x++) {
			size_t left = (size_t)columns->below[x] * CHANNELS, right = (size_t)columns->above[x] * CHANNELS;
			float across = columns->fraction[x];

			for (uint32_t c = 0; c < CHANNELS; c++) {
				float upper = (float)top[left + c] * (1.0f - across) + (float)top[right + c] * across;
				float lower = (float)bottom[left + c] * (1.0f - across) + (float)bottom[right + c] * across;
				float value = (upper * (1.0f - down) + lower * down) / 255.0f;

				value = value < 1.0f ? value : 1.0f;
				*out++ = (uint8_t)(value * 255.5f);
			}
		}
	}
}
