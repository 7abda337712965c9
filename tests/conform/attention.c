/* attention.c - softmax(q k^T / sqrt(head size)) v, by segment and head. */
#include "tests/conform/rig.h"

#include <stdlib.h>

enum { SEGMENTS_MAX = 19 };

struct attention_case {
	uint32_t heads, kv_heads, size;
	uint32_t segment[SEGMENTS_MAX], n_segments;
	float strength;             /* of q: how far the scores lie apart */
	uint32_t skip;              /* keys */
};

/* What a case holds besides numbers. */
enum trouble { NO_TROUBLE, NAN_IN_Q, NAN_IN_K, NAN_IN_V };

struct operands {
	struct area *q, *k, *v, *out, *skip; /* skip: NULL: none */
};

/* One query of one head: out [size]. A score is off by a sum's error and its scaling; an exponential, relatively, by what its score
 * and the largest one are off, and its own; a weight by that and the mean of it. Then the sum over v. In bfloat16 weights may have
 * become sums of two bfloat16 before. */
static void define_row(const struct rig *r, const float *q, const float *k, const float *v, uint32_t length, uint32_t kv_stride,
		uint32_t size, struct wanted *out)
{
	double *weight = rig_alloc(length, sizeof *weight), *off = rig_alloc(length, sizeof *off);
	double largest = -INFINITY, largest_off = 0.0, sum = 0.0, mean_off = 0.0, scale = 1.0 / sqrt((double)size);

	for (uint32_t t = 0; t < length; t++) {
		double score = 0.0, sizes = 0.0;

		for (uint32_t i = 0; i < size; i++) {
			double term = (double)q[i] * (double)k[(size_t)t * kv_stride + i];

			score += term;
			sizes += fabs(term);
		}
		weight[t] = score * scale;
		off[t] = sum_error(size + 4.0) * sizes * scale;
		largest_off = fmax(largest_off, off[t]);
		largest = isnan(weight[t]) || weight[t] > largest ? weight[t] : largest;
	}
	for (uint32_t t = 0; t < length; t++) {
		off[t] = expm1(off[t] + largest_off + 3.0 * EPS * (fabs(weight[t]) + fabs(largest)) + EPS_FUNCTION);
		weight[t] = exp(weight[t] - largest);
		sum += weight[t];
		mean_off += weight[t] * off[t];
	}
	mean_off = mean_off / sum + sum_error(length + 4.0);
	for (uint32_t i = 0; i < size; i++) {
		double value = 0.0, error = 0.0;

		for (uint32_t t = 0; t < length; t++) {
			double term = weight[t] / sum * (double)v[(size_t)t * kv_stride + i];
			double rounded = r->precision == POLICY_BF16 ? EPS_BF16 * EPS_BF16 : 0.0;

			value += term;
			error += fabs(term) * ((1.0 + off[t]) / (1.0 - fmin(mean_off, 0.5)) - 1.0 + sum_error(length + 2.0) + rounded);
		}
		out[i] = (struct wanted){ value, error + TINY };
	}
	free(weight);
	free(off);
}

static struct wanted *define(const struct rig *r, const struct attention_case *t, const struct operands *o)
{
	uint32_t size = t->size, first = 0, q_stride = t->heads * size, kv_stride = t->kv_heads * size;
	struct wanted *wanted = rig_alloc((size_t)o->q->rows * q_stride, sizeof *wanted);

	for (uint32_t s = 0; s < t->n_segments; first += t->segment[s++]) {
		for (uint32_t row = first; row < first + t->segment[s]; row++) {
			for (uint32_t h = 0; h < t->heads; h++) {
				size_t kv = (size_t)(first + t->skip) * kv_stride + h * t->kv_heads / t->heads * size;
				size_t at = (size_t)row * q_stride + (size_t)h * size;

				define_row(r, o->q->value + at, o->k->value + kv, o->v->value + kv, t->segment[s] - t->skip, kv_stride, size,
						wanted + at);
			}
		}
	}
	return wanted;
}

static void run(struct rig *r, const struct attention_case *t, const struct operands *o)
{
	r->ops->attention(r->c, &(struct compute_attention){ .q = o->q->view, .k = o->k->view, .v = o->v->view, .out = o->out->view,
			.heads = t->heads, .kv_heads = t->kv_heads, .head_size = t->size, .segment = t->segment, .n_segments = t->n_segments,
			.skip = o->skip ? o->skip->view : (struct compute_view){ 0 } });
}

static void fill(struct rig *r, const struct attention_case *t, const struct operands *o, enum trouble trouble)
{
	struct area *spoiled = trouble == NAN_IN_Q ? o->q : trouble == NAN_IN_K ? o->k : o->v;

	rig_fill(r, o->q, FRACTIONS);
	rig_fill(r, o->k, FRACTIONS);
	rig_fill(r, o->v, FRACTIONS);
	for (size_t i = 0; i < (size_t)o->q->rows * o->q->columns; i++)
		o->q->value[i] *= t->strength;
	rig_set(r, o->q, o->q->value);
	if (trouble != NO_TROUBLE) {
		spoiled->value[(size_t)(spoiled->rows / 2) * spoiled->columns + spoiled->columns / 2] = NAN;
		rig_set(r, spoiled, spoiled->value);
	}
}

/* Keys and values that are not looked at hold no numbers. */
static void hide_skipped(struct rig *r, const struct attention_case *t, const struct operands *o)
{
	for (uint32_t i = 0; i < t->skip * t->kv_heads * t->size; i++)
		o->k->value[i] = o->v->value[i] = NAN;
	if (t->skip) {
		rig_set(r, o->k, o->k->value);
		rig_set(r, o->v, o->v->value);
	}
}

static void check(struct rig *r, const struct attention_case *t, enum trouble trouble)
{
	uint32_t rows = 0, longest = 0;
	struct operands o;

	for (uint32_t s = 0; s < t->n_segments; s++) {
		rows += t->segment[s];
		longest = t->segment[s] > longest ? t->segment[s] : longest;
	}
	rig_begin(r, (struct compute_options){ .max_rows = rows, .max_inner = t->heads * t->size, .max_segment = longest, .max_outer = 1 },
			"attention %u rows in %u segments, %u heads of %u over %u, strength %g, trouble %d", rows, t->n_segments, t->heads,
			t->size, t->kv_heads, (double)t->strength, (int)trouble);
	o.q = rig_area(r, rows, t->heads * t->size, false);
	o.k = rig_area(r, rows, t->kv_heads * t->size, false);
	o.v = rig_area(r, rows, t->kv_heads * t->size, false);
	o.out = rig_area(r, rows, t->heads * t->size, false);
	o.skip = t->skip ? rig_area(r, 1, 1, true) : NULL;
	rig_place(r);
	if (o.skip)
		r->ops->upload_count(r->c, t->skip, o.skip->view);
	run(r, t, &o);
	fill(r, t, &o, trouble);
	hide_skipped(r, t, &o);
	struct wanted *wanted = define(r, t, &o);

	run(r, t, &o);
	rig_expect(r, o.out, wanted);
	rig_expect_same(r, o.q);
	rig_expect_same(r, o.k);
	rig_expect_same(r, o.v);
	free(wanted);
	rig_end(r);
}

/* q, k and v as the columns of one buffer, which is how the vision encoder has them. */
static void check_columns(struct rig *r, uint32_t size, enum layout layout)
{
	enum { ROWS = 65, HEADS = 3 };
	const struct attention_case t = { HEADS, HEADS, size, { 33, 32 }, 2, 1.0f };
	const uint32_t width = HEADS * size;

	r->layout = layout;
	rig_begin(r, (struct compute_options){ .max_rows = ROWS, .max_inner = width, .max_segment = 33, .max_outer = 1 },
			"attention q|k|v of %u", size);
	struct area *all = rig_area(r, ROWS, 3 * width, false), *out = rig_area(r, ROWS, width, false);

	rig_place(r);
	rig_fill(r, all, FRACTIONS);
	struct area part[3];
	struct operands o = { &part[0], &part[1], &part[2], out, NULL };

	for (uint32_t p = 0; p < 3; p++) {
		part[p] = *all;
		part[p].columns = width;
		part[p].view = compute_columns(all->view, p * width, width);
		part[p].value = rig_alloc((size_t)ROWS * width, sizeof(float));
		for (uint32_t i = 0; i < ROWS * width; i++)
			part[p].value[i] = all->value[i / width * 3 * width + p * width + i % width];
	}
	struct wanted *wanted = define(r, &t, &o);

	run(r, &t, &o);
	rig_expect(r, out, wanted);
	rig_expect_same(r, all);
	for (uint32_t p = 0; p < 3; p++)
		free(part[p].value);
	free(wanted);
	rig_end(r);
}

/* Scores far apart, where all weight lies on one value or two; and equal ones. */
static void check_strengths(struct rig *r)
{
	static const float strength[] = { 0.0f, 0.001f, 10.0f, 100.0f };

	for (uint32_t i = 0; i < sizeof strength / sizeof *strength; i++)
		check(r, &(struct attention_case){ 4, 2, 16, { 31, 2 }, 2, strength[i] }, NO_TROUBLE);
}

static void check_shapes(struct rig *r)
{
	static const struct attention_case cases[] = { { 1, 1, 1, { 1 }, 1, 1.0f }, { 4, 2, 5, { 7, 3 }, 2, 1.0f },
		{ 3, 1, 8, { 150, 1, 131 }, 3, 1.0f }, { 7, 7, 3, { 17, 17, 31 }, 3, 2.0f }, { 6, 3, 33, { 65 }, 1, 1.0f },
		{ 2, 2, 80, { 127, 129 }, 2, 0.5f }, { 7, 1, 128, { 63 }, 1, 1.0f }, { 1, 1, 20, { 588 }, 1, 1.0f },
		{ 28, 4, 16, { 33 }, 1, 1.0f }, { 2, 1, 6, { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8 }, 19, 1.0f }, { 5, 5, 17, { 128, 64, 1, 2 }, 4, 3.0f }, { 4, 4, 2, { 257 }, 1, 1.0f } };

	for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		r->layout = i % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
		check(r, &cases[i], NO_TROUBLE);
	}
}

/* By itself and on the matrix units; up to all keys but one. */
static void check_skips(struct rig *r)
{
	static const struct attention_case cases[] = { { 4, 2, 5, { 7 }, 1, 1.0f, 3 }, { 3, 1, 8, { 150 }, 1, 1.0f, 31 }, { 2, 2, 33, { 65 }, 1, 1.0f, 64 },
		{ 2, 1, 128, { 96 }, 1, 1.0f, 1 }, { 7, 1, 128, { 160 }, 1, 1.0f, 31 }, { 2, 2, 80, { 64 }, 1, 2.0f, 17 }, { 2, 1, 64, { 129 }, 1, 1.0f, 128 },
		{ 4, 1, 64, { 65 }, 1, 100.0f, 16 } };

	for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		r->layout = i % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
		check(r, &cases[i], NO_TROUBLE);
	}
}

/* Head sizes that backends have matrix units for, about the edges of their tiles. */
static void check_matrix_units(struct rig *r)
{
	static const uint32_t sizes[] = { 64, 80, 128 }, rows[] = { 1, 15, 16, 17, 63, 64, 65, 129 };

	for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		r->layout = LAYOUT_WHOLE;
		for (uint32_t k = 0; k < sizeof rows / sizeof *rows; k++)
			check(r, &(struct attention_case){ 2, k % 2 ? 2 : 1, sizes[i], { rows[k], rows[7 - k] }, 2, 0.5f + (float)k }, NO_TROUBLE);
		for (enum trouble trouble = NAN_IN_Q; trouble <= NAN_IN_V; trouble++)
			check(r, &(struct attention_case){ 2, 1, sizes[i], { 9, 70, 20 }, 3, 1.0f }, trouble);
		check(r, &(struct attention_case){ 2, 2, sizes[i], { 67 }, 1, 0.0f }, NO_TROUBLE);
		check(r, &(struct attention_case){ 2, 2, sizes[i], { 67 }, 1, 100.0f }, NO_TROUBLE);
		check_columns(r, sizes[i], LAYOUT_WHOLE);
		check_columns(r, sizes[i], LAYOUT_SLICE);
	}
}

/* Rows of q and out belong to the last positions of k and v. */
static struct wanted *define_cached(const struct rig *r, const struct attention_case *t, const struct operands *o)
{
	uint32_t size = t->size, past = o->k->rows - o->q->rows, q_stride = t->heads * size, kv_stride = t->kv_heads * size;
	struct wanted *wanted = rig_alloc((size_t)o->q->rows * q_stride, sizeof *wanted);

	for (uint32_t row = 0; row < o->q->rows; row++) {
		for (uint32_t h = 0; h < t->heads; h++) {
			size_t kv = h * t->kv_heads / t->heads * size, at = (size_t)row * q_stride + (size_t)h * size;

			define_row(r, o->q->value + at, o->k->value + kv, o->v->value + kv, past + row + 1, kv_stride, size, wanted + at);
		}
	}
	return wanted;
}

/* segment: how many positions are cached, how many are new. */
static void check_cached(struct rig *r, const struct attention_case *t, enum trouble trouble)
{
	uint32_t past = t->segment[0], rows = t->segment[1];
	struct operands o;

	rig_begin(r, (struct compute_options){ .max_rows = past + rows, .max_inner = t->heads * t->size, .max_segment = past + rows,
			.max_outer = 1 }, "attention_cached %u rows behind %u, %u heads of %u over %u, strength %g, trouble %d", rows, past,
			t->heads, t->size, t->kv_heads, (double)t->strength, (int)trouble);
	o.q = rig_area(r, rows, t->heads * t->size, false);
	o.k = rig_area(r, past + rows, t->kv_heads * t->size, false);
	o.v = rig_area(r, past + rows, t->kv_heads * t->size, false);
	o.out = rig_area(r, rows, t->heads * t->size, false);
	rig_place(r);
	fill(r, t, &o, trouble);
	struct wanted *wanted = define_cached(r, t, &o);

	r->ops->attention_cached(r->c, &(struct compute_attention){ .q = o.q->view, .k = o.k->view, .v = o.v->view, .out = o.out->view,
			.heads = t->heads, .kv_heads = t->kv_heads, .head_size = t->size });
	rig_expect(r, o.out, wanted);
	rig_expect_same(r, o.q);
	rig_expect_same(r, o.k);
	rig_expect_same(r, o.v);
	free(wanted);
	rig_end(r);
}

static void check_cached_shapes(struct rig *r)
{
	static const struct attention_case cases[] = { { 1, 1, 1, { 0, 1 }, 2, 1.0f }, { 4, 2, 5, { 7, 3 }, 2, 1.0f }, { 28, 4, 16, { 40, 1 }, 2, 1.0f },
		{ 7, 1, 128, { 225, 1 }, 2, 1.0f }, { 3, 1, 80, { 0, 33 }, 2, 2.0f }, { 2, 2, 256, { 8, 9 }, 2, 0.5f }, { 2, 1, 33, { 300, 2 }, 2, 100.0f },
		{ 2, 2, 6, { 5, 4 }, 2, 0.0f } };

	for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		r->layout = i % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
		check_cached(r, &cases[i], NO_TROUBLE);
	}
	/* Where every query sees it, and where the first ones do not. */
	for (enum trouble trouble = NAN_IN_Q; trouble <= NAN_IN_V; trouble++) {
		check_cached(r, &(struct attention_case){ 4, 2, 8, { 20, 14 }, 2, 1.0f }, trouble);
		check_cached(r, &(struct attention_case){ 4, 2, 8, { 3, 34 }, 2, 1.0f }, trouble);
	}
}

/* As many keys as backends take at a time, or one less or more; heads that fill what a lane takes, or do not. */
static void check_cached_counts(struct rig *r)
{
	static const uint32_t keys[] = { 1, 3, 4, 5, 7, 8, 9, 24, 25, 31, 32, 33, 63, 65, 255 }, sizes[] = { 4, 30, 64, 80, 127, 128, 132, 255, 256 };

	for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (uint32_t k = 0; k < sizeof keys / sizeof *keys; k++) {
			r->layout = (i + k) % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
			check_cached(r, &(struct attention_case){ 2, 1 + i % 2, sizes[i], { keys[k] - 1, 1 }, 2, 3.0f }, NO_TROUBLE);
		}
}

void conform_attention(struct rig *r)
{
	if (r->threads == 1) {
		check_cached_shapes(r);
		check_cached_counts(r);
		check_shapes(r);
		check_columns(r, 20, LAYOUT_SLICE);
		check_strengths(r);
		check_skips(r);
		for (enum trouble trouble = NAN_IN_Q; trouble <= NAN_IN_V; trouble++)
			check(r, &(struct attention_case){ 4, 2, 8, { 9, 20, 5 }, 3, 1.0f }, trouble);
		check_matrix_units(r);
		return;
	}
	/* Enough at once for threads to share. */
	r->layout = LAYOUT_SLICE;
	check(r, &(struct attention_case){ 8, 2, 64, { 300, 33 }, 2, 1.0f }, NO_TROUBLE);
	check_cached(r, &(struct attention_case){ 8, 2, 64, { 300, 33 }, 2, 1.0f }, NO_TROUBLE);
}
