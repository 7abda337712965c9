/* rows.c - what works row by row: the two normalisations, and rotary positions. */
#include "tests/conform/rig.h"

#include <stdlib.h>

static const double epsilon[] = { 1e-6, 1e-5, 1e-1 };

static struct compute_options limits(uint32_t rows, uint32_t columns)
{
	return (struct compute_options){ .max_rows = rows, .max_inner = columns, .max_segment = 1, .max_outer = 1 };
}

/* -- normalisation --------------------------------------------------------------------------------------------------------------- */

/* (x - m) / sqrt(v + e) * w + b. Errors: of the mean, that of a sum of n terms; of a difference, the mean's and a rounding; of the
 * variance, twice the differences' by the differences, and a sum's; of the root, half that of the variance. */
static void define_layer_norm(const float *x, const struct weight *w, const struct weight *b, uint32_t n, double eps, struct wanted *out)
{
	double sum = 0.0, sizes = 0.0, squares = 0.0, off = 0.0;

	for (uint32_t i = 0; i < n; i++) {
		sum += (double)x[i];
		sizes += fabs((double)x[i]);
	}
	double mean = sum / n, mean_error = sum_error(n + 1.0) * sizes / n;

	for (uint32_t i = 0; i < n; i++) {
		double d = (double)x[i] - mean, d_error = mean_error + EPS * (fabs(d) + mean_error);

		squares += d * d;
		off += (2.0 * fabs(d) + d_error) * d_error;
	}
	double variance = squares / n + eps, root = sqrt(variance);
	double share = 0.5 * (off / n + sum_error(n + 3.0) * variance) / variance + 2.0 * EPS_FUNCTION;

	for (uint32_t i = 0; i < n; i++) {
		double d = (double)x[i] - mean, d_error = mean_error + EPS * (fabs(d) + mean_error);
		double scaled = d / root * (double)w->value[i], t = scaled + (double)b->value[i];

		out[i].value = t;
		out[i].error = (1.0 + share) * d_error / root * fabs((double)w->value[i]) + fabs(scaled) * (share + 3.0 * EPS)
				+ EPS * fabs(t) + TINY;
	}
}

/* x / sqrt(mean of squares + e) * w: half a sum's error in the root, and roundings. */
static void define_rms_norm(const float *x, const struct weight *w, uint32_t n, double eps, struct wanted *out)
{
	double squares = 0.0;

	for (uint32_t i = 0; i < n; i++)
		squares += (double)x[i] * (double)x[i];
	double root = sqrt(squares / n + eps);

	for (uint32_t i = 0; i < n; i++) {
		double t = (double)x[i] / root * (double)w->value[i];

		out[i] = (struct wanted){ t, fabs(t) * (0.5 * sum_error(n + 3.0) + 2.0 * EPS_FUNCTION + 3.0 * EPS) + TINY };
	}
}

enum norm { LAYER_NORM, RMS_NORM };

/* What the rows hold: fractions; fractions far from zero; the same value everywhere; zeros; one NaN; one infinity. */
enum rows_content { PLAIN, SHIFTED, EQUAL, ZEROS, ONE_NAN, ONE_INFINITY, ROWS_CONTENTS };

static void fill_rows(struct rig *r, struct area *x, enum rows_content content)
{
	size_t n = (size_t)x->rows * x->columns;

	for (size_t i = 0; i < n; i++) {
		float fraction = rig_number(r, FRACTIONS);

		x->value[i] = content == SHIFTED ? 100.0f + fraction : content == EQUAL ? 3.25f : content == ZEROS ? 0.0f : fraction;
	}
	if (content >= ONE_NAN)
		x->value[n / 2] = content == ONE_NAN ? NAN : INFINITY;
	rig_set(r, x, x->value);
}

static void run_norm(struct rig *r, enum norm norm, const struct area *x, double eps, const struct area *out)
{
	const struct weight *w = &r->weight[0], *b = &r->weight[1];

	if (norm == LAYER_NORM)
		r->ops->layer_norm(r->c, x->view, w->m, b->m, eps, out->view);
	else
		r->ops->rms_norm(r->c, x->view, w->m, eps, out->view);
}

static void check_norm(struct rig *r, enum norm norm, uint32_t rows, uint32_t n, enum rows_content content)
{
	struct wanted *wanted = rig_alloc((size_t)rows * n, sizeof *wanted);
	double eps = epsilon[(rows + n) % 3];

	rig_begin(r, limits(rows, n), "%s of %u x %u, content %d", norm == LAYER_NORM ? "layer norm" : "rms norm", rows, n, (int)content);
	struct area *x = rig_area(r, rows, n, false), *out = rig_area(r, rows, n, false);

	rig_place(r);
	struct weight *w = rig_weight(r, (enum tensor_type)(n % TENSOR_TYPE_COUNT), 1, n, FRACTIONS);
	struct weight *b = rig_weight(r, (enum tensor_type)(rows % TENSOR_TYPE_COUNT), 1, n, FRACTIONS);

	run_norm(r, norm, x, eps, out);
	fill_rows(r, x, content);
	for (uint32_t i = 0; i < rows; i++) {
		if (norm == LAYER_NORM)
			define_layer_norm(x->value + (size_t)i * n, w, b, n, eps, wanted + (size_t)i * n);
		else
			define_rms_norm(x->value + (size_t)i * n, w, n, eps, wanted + (size_t)i * n);
	}
	run_norm(r, norm, x, eps, out);
	rig_expect(r, out, wanted);
	rig_expect_same(r, x);
	rig_end(r);
	free(wanted);
}

static void check_norms(struct rig *r)
{
	static const uint32_t side[] = { 1, 2, 3, 17, 31, 33, 63, 65, 127, 257, 588 };
	enum { SIDES = sizeof side / sizeof *side };

	for (enum norm norm = LAYER_NORM; norm <= RMS_NORM; norm++) {
		for (uint32_t i = 0; i < SIDES * SIDES; i++) {
			r->layout = i % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
			if (side[i / SIDES] * side[i % SIDES] <= 20000)
				check_norm(r, norm, side[i / SIDES], side[i % SIDES], PLAIN);
		}
		for (int content = SHIFTED; content < ROWS_CONTENTS; content++) {
			check_norm(r, norm, 5, 37, (enum rows_content)content);
			check_norm(r, norm, 1, 588, (enum rows_content)content);
		}
	}
}

/* -- rotary positions ------------------------------------------------------------------------------------------------------------- */

/* Two products, a sum, and the rounding of the result. */
static struct wanted turn(double a, double cosine, double b, double sine)
{
	double t = a * cosine + b * sine;

	return (struct wanted){ t, 2.0 * EPS * (fabs(a * cosine) + fabs(b * sine)) + EPS * fabs(t) + TINY };
}

static struct wanted *define_rotary(const struct area *x, const float *cosine, const float *sine, uint32_t heads, uint32_t half)
{
	struct wanted *wanted = rig_alloc((size_t)x->rows * x->columns, sizeof *wanted);

	for (uint32_t r = 0; r < x->rows; r++)
		for (uint32_t h = 0; h < heads; h++)
			for (uint32_t i = 0; i < half; i++) {
				size_t low = ((size_t)r * heads + h) * 2 * half + i, high = low + half;
				double c = (double)cosine[r * half + i], s = (double)sine[r * half + i];
				double a = (double)x->value[low], b = (double)x->value[high];

				wanted[low] = turn(a, c, b, -s);
				wanted[high] = turn(b, c, a, s);
			}
	return wanted;
}

/* The table is [spare + rows][2 * half]; x uses its last rows, as a slice of it does, and may use fewer than there are. */
static void check_rotary(struct rig *r, uint32_t rows, uint32_t heads, uint32_t half, bool spoiled)
{
	const uint32_t spare = rows % 3, n_angles = (spare + rows) * half;
	float *cosine = rig_alloc(n_angles, sizeof *cosine), *sine = rig_alloc(n_angles, sizeof *sine);

	rig_begin(r, limits(rows, heads * 2 * half), "rotary %u rows, %u heads of 2 x %u%s", rows, heads, half, spoiled ? ", NaN" : "");
	struct area *x = rig_area(r, rows, heads * 2 * half, false), *table = rig_area(r, spare + rows, 2 * half, true);

	rig_place(r);
	rig_fill(r, x, FRACTIONS);
	if (spoiled) {
		x->value[x->rows / 2 * x->columns] = NAN;
		rig_set(r, x, x->value);
	}
	for (uint32_t i = 0; i < n_angles; i++) {
		cosine[i] = cosf((float)i);
		sine[i] = sinf((float)i);
		table->value[(i / half * 2) * half + i % half] = cosine[i];
		table->value[(i / half * 2 + 1) * half + i % half] = sine[i];
	}
	struct wanted *wanted = define_rotary(x, cosine + (size_t)spare * half, sine + (size_t)spare * half, heads, half);

	r->ops->upload_angles(r->c, cosine, sine, table->view);
	rig_expect_same(r, table);
	r->ops->rotary(r->c, x->view, heads, compute_rows(table->view, spare, rows));
	rig_expect(r, x, wanted);
	rig_expect_same(r, table);
	rig_end(r);
	free(wanted);
	free(cosine);
	free(sine);
}

static void check_rotaries(struct rig *r)
{
	static const uint32_t rows[] = { 1, 2, 3, 17, 33, 65, 257 }, heads[] = { 1, 2, 3, 7 }, half[] = { 1, 3, 16, 20, 33, 64 };
	uint32_t number = 0;

	for (uint32_t i = 0; i < 7; i++)
		for (uint32_t h = 0; h < 4; h++)
			for (uint32_t k = 0; k < 6; k++) {
				r->layout = number++ % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
				if (rows[i] * heads[h] * half[k] <= 30000)
					check_rotary(r, rows[i], heads[h], half[k], false);
			}
	check_rotary(r, 5, 3, 8, true);
}

/* Enough at once for threads to share. */
static void check_large(struct rig *r)
{
	r->layout = LAYOUT_SLICE;
	for (enum norm norm = LAYER_NORM; norm <= RMS_NORM; norm++)
		check_norm(r, norm, 431, 1280, PLAIN);
	check_rotary(r, 588, 16, 40, false);
}

void conform_rows(struct rig *r)
{
	if (r->threads == 1) {
		check_norms(r);
		check_rotaries(r);
	} else {
		check_large(r);
	}
}
