/* moves.c - upload, bytes as values, download, zero, copy, embed and the views: bits are kept, or rounded exactly. */
#include "tests/conform/rig.h"

#include <stdlib.h>
#include <string.h>

static float float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof x);
	return x;
}

static const struct compute_options small = { .max_rows = 1, .max_inner = 1, .max_segment = 1, .max_outer = 1 };

/* Ties, carries into the exponent, overflow, subnormals, both zeros, infinities, NaN; and random bits. */
static void check_upload(struct rig *r, uint32_t rows, uint32_t columns)
{
	static const uint32_t edge[] = { 0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x3fffffff, 0x7f7fffff, 0xff7fffff, 0xbf808000,
		0x00008000, 0x00018000, 0x00ffffff, 0x80000000, 0, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f7f7fff, 0x7f7f8000, 0x7f800001,
		0xffffffff, 0x007f8000 };
	const uint32_t n_edges = sizeof edge / sizeof *edge;

	rig_begin(r, small, "upload, download %u x %u", rows, columns);
	struct area *a = rig_area(r, rows, columns, false);

	rig_place(r);
	for (uint32_t i = 0; i < rows * columns; i++)
		a->value[i] = float_of(i < n_edges ? edge[i] : rig_random(r));
	rig_set(r, a, a->value);
	rig_expect_same(r, a);
	rig_end(r);
}

/* Every byte, where there are so many, and a table of any numbers below 2. */
static void check_upload_levels(struct rig *r, uint32_t rows, uint32_t channels, uint32_t plane, uint32_t repeat)
{
	uint32_t columns = channels * repeat * plane, n = rows * channels * plane;
	uint8_t *bytes = rig_alloc(n, 1);
	float *value = rig_alloc((size_t)channels * COMPUTE_LEVELS, sizeof *value);

	rig_begin(r, small, "upload_levels %u x %u x %u x %u", rows, channels, repeat, plane);
	struct area *a = rig_area(r, rows, columns, false);

	rig_place(r);
	for (uint32_t i = 0; i < channels * COMPUTE_LEVELS; i++)
		value[i] = float_of(rig_random(r) & 0xbfffffff);
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i < COMPUTE_LEVELS ? i : rig_random(r));
	for (uint32_t i = 0; i < rows * columns; i++) {
		uint32_t channel = i % columns / (repeat * plane), at = i / columns * channels * plane + channel * plane + i % columns % plane;

		a->value[i] = (float)rig_round(r, (double)value[channel * COMPUTE_LEVELS + bytes[at]]);
	}
	r->ops->upload_levels(r->c, bytes, &(struct compute_levels){ value, channels, plane, repeat }, a->view);
	rig_expect_same(r, a);
	rig_end(r);
	free(bytes);
	free(value);
}

/* A rectangle of a larger one into a rectangle of another. */
static void check_copy_and_zero(struct rig *r, uint32_t rows, uint32_t columns)
{
	rig_begin(r, small, "copy, zero %u x %u", rows, columns);
	struct area *from = rig_area(r, rows, columns, false), *to = rig_area(r, rows, columns, false);

	rig_place(r);
	rig_fill(r, from, FRACTIONS);
	r->ops->copy(r->c, from->view, to->view);
	memcpy(to->value, from->value, (size_t)rows * columns * sizeof(float));
	rig_expect_same(r, to);
	r->ops->zero(r->c, to->view);
	memset(to->value, 0, (size_t)rows * columns * sizeof(float));
	rig_expect_same(r, to);
	rig_expect_same(r, from);
	rig_end(r);
}

/* Rows of rows, columns of columns, and the same values as longer rows. */
static void check_views(struct rig *r)
{
	r->layout = LAYOUT_WHOLE;
	rig_begin(r, small, "views of views");
	struct area *a = rig_area(r, 12, 10, false), *out = rig_area(r, 2, 3, false), *wide = rig_area(r, 3, 40, false);

	rig_place(r);
	rig_fill(r, a, FRACTIONS);
	struct compute_view part = compute_rows(compute_columns(compute_columns(compute_rows(a->view, 2, 8), 1, 8), 3, 3), 4, 2);

	r->ops->copy(r->c, part, out->view);
	for (uint32_t i = 0; i < 6; i++)
		out->value[i] = a->value[(2 + 4 + i / 3) * 10 + 1 + 3 + i % 3];
	rig_expect_same(r, out);
	r->ops->copy(r->c, compute_reshape(a->view, 40), wide->view);
	memcpy(wide->value, a->value, 120 * sizeof(float));
	rig_expect_same(r, wide);
	r->ops->copy(r->c, compute_reshape(compute_rows(a->view, 4, 8), 40), compute_rows(wide->view, 1, 2));
	memcpy(wide->value + 40, a->value + 40, 80 * sizeof(float));
	rig_expect_same(r, wide);
	rig_end(r);
}

static void check_embed(struct rig *r, enum tensor_type type, uint32_t vocabulary, uint32_t columns, uint32_t rows)
{
	int32_t *ids = rig_alloc(rows, sizeof *ids);

	rig_begin(r, small, "embed %u rows of %u x %u %s", rows, vocabulary, columns, tensor_type_name(type));
	struct area *a = rig_area(r, rows, columns, false);

	rig_place(r);
	struct weight *w = rig_weight(r, type, vocabulary, columns, FRACTIONS);

	for (uint32_t i = 0; i < rows; i++) {
		ids[i] = i == 0 ? (int32_t)vocabulary - 1 : (int32_t)(rig_random(r) % vocabulary);
		memcpy(a->value + (size_t)i * columns, w->value + (size_t)ids[i] * columns, columns * sizeof(float));
	}
	r->ops->embed(r->c, w->m, ids, a->view);
	rig_expect_same(r, a);
	rig_end(r);
	free(ids);
}

/* IEEE 754 binary16: subnormal below exponent 1, infinite and NaN at exponent 31. */
static double half_value(uint32_t bits)
{
	uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
	double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, (int)exponent - 25);

	if (exponent == 31)
		size = fraction ? NAN : INFINITY;
	return bits & 0x8000 ? -size : size;
}

/* All 65,536 numbers of the two short types. */
static void check_every_number(struct rig *r, enum tensor_type type)
{
	enum { SIDE = 256 };
	uint16_t *bits = rig_alloc((size_t)SIDE * SIDE, sizeof *bits);
	int32_t ids[SIDE];

	rig_begin(r, small, "embed every %s", tensor_type_name(type));
	struct area *a = rig_area(r, SIDE, SIDE, false);

	rig_place(r);
	for (uint32_t i = 0; i < SIDE * SIDE; i++) {
		bits[i] = (uint16_t)i;
		a->value[i] = type == TENSOR_BF16 ? float_of(i << 16) : (float)rig_round(r, half_value(i));
	}
	for (int32_t i = 0; i < SIDE; i++)
		ids[i] = i;
	r->ops->embed(r->c, (struct compute_matrix){ bits, type, SIDE, SIDE }, ids, a->view);
	rig_expect_same(r, a);
	rig_end(r);
	free(bits);
}

void conform_moves(struct rig *r)
{
	static const uint32_t side[] = { 1, 2, 3, 17, 33, 65, 257 };

	for (enum layout layout = LAYOUT_WHOLE; layout <= LAYOUT_SLICE; layout++) {
		r->layout = layout;
		for (uint32_t i = 0; i < sizeof side / sizeof *side; i++) {
			check_upload(r, side[i], side[6 - i]);
			check_copy_and_zero(r, side[i], side[6 - i]);
			check_upload_levels(r, side[6 - i], 1 + i % 4, side[i], 1 + i % 3);
			check_embed(r, (enum tensor_type)(i % TENSOR_TYPE_COUNT), 588, side[i], side[6 - i]);
		}
		for (enum tensor_type type = 0; type < TENSOR_TYPE_COUNT; type++)
			check_embed(r, type, 31, 127, 63);
		check_upload_levels(r, 16, 3, 196, 2); /* Dream-VLA's */
		check_every_number(r, TENSOR_BF16);
		check_every_number(r, TENSOR_F16);
	}
	check_views(r);
}
