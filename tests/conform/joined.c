/* joined.c - operations that join others: the gated MLP, projections with turned heads, the residual stream with its norm.
 *
 * What comes between may be rounded to the precision or not (compute.h): where it is stored by the plain way, its bound grows by half a
 * unit of bfloat16, and what follows takes it in as an error of its operand. */
#include "tests/conform/rig.h"

#include <stdlib.h>

struct shape {
	uint32_t m, n, k;
};

static struct compute_options limits(uint32_t m, uint32_t inner, bool roomy)
{
	/* Working memory goes with max_inner: without room a backend has to go another way. */
	return (struct compute_options){ .max_rows = m, .max_inner = roomy ? 8 * inner : inner, .max_segment = 1, .max_outer = 1 };
}

/* x W^T + b of one row and column, with a bound on float's errors. */
static struct wanted product(const float *x, const struct weight *w, uint32_t row, const struct weight *b)
{
	uint32_t k = w->m.columns;
	double sum = b ? (double)b->value[row] : 0.0, sizes = fabs(sum);

	for (uint32_t i = 0; i < k; i++) {
		double term = (double)x[i] * (double)w->value[(size_t)row * k + i];

		sum += term;
		sizes += fabs(term);
	}
	return (struct wanted){ sum, sum_error(k + 1.0) * sizes + TINY };
}

/* The same when it may have been rounded on its way. */
static struct wanted perhaps_rounded(const struct rig *r, struct wanted y)
{
	y.error += r->precision == POLICY_BF16 ? EPS_BF16 * (fabs(y.value) + y.error) : 0.0;
	return y;
}

/* -- the gated MLP ---------------------------------------------------------------------------------------------------------------- */

static struct wanted silu(struct wanted y)
{
	double t = y.value / (1.0 + exp(-y.value));

	return (struct wanted){ t, 1.13 * y.error + fabs(t) * (2.0 * EPS_FUNCTION + 2.0 * EPS * fabs(y.value)) + TINY };
}

static struct wanted times(struct wanted a, struct wanted b)
{
	double t = a.value * b.value;

	return (struct wanted){ t, fabs(a.value) * b.error + fabs(b.value) * a.error + a.error * b.error + EPS * fabs(t) + TINY };
}

static void check_gated(struct rig *r, struct shape s, uint32_t number)
{
	struct wanted *wanted = rig_alloc((size_t)s.m * s.n, sizeof *wanted);

	rig_begin(r, limits(s.m, s.k, number % 3), "gated %u x %u x %u, number %u", s.m, s.n, s.k, number);
	struct area *x = rig_area(r, s.m, s.k, false), *out = rig_area(r, s.m, s.n, false);

	rig_place(r);
	struct weight *gate = rig_weight(r, (enum tensor_type)(number % TENSOR_TYPE_COUNT), s.n, s.k, FRACTIONS);
	struct weight *up = rig_weight(r, (enum tensor_type)(number / 2 % TENSOR_TYPE_COUNT), s.n, s.k, FRACTIONS);

	r->ops->linear_gated(r->c, x->view, gate->m, up->m, out->view);
	rig_fill(r, x, FRACTIONS);
	for (uint32_t i = 0; i < s.m * s.n; i++) {
		const float *row = x->value + (size_t)(i / s.n) * s.k;

		wanted[i] = times(perhaps_rounded(r, silu(product(row, gate, i % s.n, NULL))), product(row, up, i % s.n, NULL));
	}
	r->ops->linear_gated(r->c, x->view, gate->m, up->m, out->view);
	rig_expect(r, out, wanted);
	rig_expect_same(r, x);
	rig_end(r);
	free(wanted);
}

/* -- heads ------------------------------------------------------------------------------------------------------------------------ */

struct heads_case {
	uint32_t m, k, heads, kv_heads, half, parts;
	bool bias;
};

static struct wanted turned(struct wanted a, double cosine, struct wanted b, double sine)
{
	double t = a.value * cosine + b.value * sine, sizes = fabs(a.value * cosine) + fabs(b.value * sine);

	return (struct wanted){ t, fabs(cosine) * a.error + fabs(sine) * b.error + 3.0 * EPS * sizes + EPS * fabs(t) + TINY };
}

/* Row `row` of what is wanted; w, b: the parts, one after another. */
static void define_heads(const struct rig *r, const struct heads_case *t, const float *x, const float *angles, struct wanted *out)
{
	uint32_t at = 0, turned_heads = t->heads + t->kv_heads;

	for (uint32_t p = 0; p < t->parts; p++)
		for (uint32_t j = 0; j < r->weight[p].m.rows; j++)
			out[at++] = product(x, &r->weight[p], j, t->bias ? &r->weight[t->parts + p] : NULL);
	for (uint32_t h = 0; h < turned_heads; h++)
		for (uint32_t i = 0; i < t->half; i++) {
			struct wanted *low = out + (size_t)h * 2 * t->half + i, *high = low + t->half;
			struct wanted a = perhaps_rounded(r, *low), b = perhaps_rounded(r, *high);
			double cosine = (double)angles[i], sine = (double)angles[t->half + i];

			*low = turned(a, cosine, b, -sine);
			*high = turned(b, cosine, a, sine);
		}
}

static void fill_angles(struct rig *r, struct area *table, uint32_t half)
{
	uint32_t n = table->rows * half;
	float *cosine = rig_alloc(2 * (size_t)n, sizeof *cosine), *sine = cosine + n;

	for (uint32_t i = 0; i < n; i++) {
		cosine[i] = table->value[(i / half * 2) * half + i % half] = cosf((float)i);
		sine[i] = table->value[(i / half * 2 + 1) * half + i % half] = sinf((float)i);
	}
	r->ops->upload_angles(r->c, cosine, sine, table->view);
	free(cosine);
}

static struct compute_projection projection_of(struct rig *r, const struct heads_case *t, struct compute_view angles)
{
	const uint32_t size = 2 * t->half, rows[] = { t->heads * size, t->kv_heads * size, t->kv_heads * size };
	struct compute_projection p = { .heads = t->heads, .kv_heads = t->kv_heads, .angles = angles };

	for (uint32_t i = 0; i < t->parts; i++)
		p.w[i] = rig_weight(r, (enum tensor_type)((t->k + i) % TENSOR_TYPE_COUNT), t->parts == 1 ? rows[0] + 2 * rows[1] : rows[i], t->k,
				FRACTIONS)->m;
	for (uint32_t i = 0; i < t->parts && t->bias; i++)
		p.b[i] = rig_weight(r, (enum tensor_type)((t->m + i) % TENSOR_TYPE_COUNT), 1, p.w[i].rows, FRACTIONS)->m;
	return p;
}

static void check_heads(struct rig *r, const struct heads_case *t, bool roomy)
{
	uint32_t columns = (t->heads + 2 * t->kv_heads) * 2 * t->half, inner = t->k > columns ? t->k : columns;
	struct wanted *wanted = rig_alloc((size_t)t->m * columns, sizeof *wanted);

	rig_begin(r, limits(t->m, roomy ? inner : t->k, roomy), "heads %u x %u, %u and %u of 2 x %u, %u parts%s", t->m, t->k, t->heads,
			t->kv_heads, t->half, t->parts, t->bias ? " with bias" : "");
	struct area *x = rig_area(r, t->m, t->k, false), *out = rig_area(r, t->m, columns, false);
	struct area *table = rig_area(r, t->m + 1, 2 * t->half, true);

	rig_place(r);
	struct compute_projection p = projection_of(r, t, compute_rows(table->view, 1, t->m));

	rig_fill(r, x, FRACTIONS);
	fill_angles(r, table, t->half);
	for (uint32_t i = 0; i < t->m; i++)
		define_heads(r, t, x->value + (size_t)i * t->k, table->value + (size_t)(i + 1) * 2 * t->half, wanted + (size_t)i * columns);
	r->ops->project_heads(r->c, x->view, &p, out->view);
	rig_expect(r, out, wanted);
	rig_expect_same(r, x);
	rig_expect_same(r, table);
	rig_end(r);
	free(wanted);
}

/* -- the residual stream and its norm --------------------------------------------------------------------------------------------- */

/* Errors of the sums, d, reach a row's mean by their mean, differences by both, and the root by what they do to the squares. */
static void define_norm(const struct wanted *sum, uint32_t n, const struct weight *w, const struct weight *b, double eps,
		struct wanted *out)
{
	double mean = 0.0, sizes = 0.0, mean_error = 0.0, squares = 0.0, off = 0.0;

	for (uint32_t i = 0; i < n && b; i++) {
		mean += sum[i].value / n;
		sizes += fabs(sum[i].value) / n;
		mean_error += sum[i].error / n;
	}
	mean_error += b ? sum_error(n + 1.0) * (sizes + mean_error) : 0.0;
	for (uint32_t i = 0; i < n; i++) {
		double d = sum[i].value - mean, d_error = sum[i].error + mean_error + EPS * fabs(d);

		squares += d * d;
		off += (2.0 * fabs(d) + d_error) * d_error;
	}
	double variance = squares / n + eps, root = sqrt(variance);
	double share = 0.5 * (off / n + sum_error(n + 3.0) * (variance + off / n)) / fmax(variance - off / n, 0.25 * variance)
			+ 2.0 * EPS_FUNCTION;

	for (uint32_t i = 0; i < n; i++) {
		double d = sum[i].value - mean, d_error = sum[i].error + mean_error + EPS * fabs(d), weight = (double)w->value[i];
		double scaled = d / root * weight, t = scaled + (b ? (double)b->value[i] : 0.0);

		out[i] = (struct wanted){ t, (1.0 + 2.0 * share) * (d_error / root * fabs(weight) + 3.0 * EPS * fabs(scaled))
				+ 2.0 * share * fabs(scaled) + EPS * fabs(t) + TINY };
	}
}

/* in_place: out is x, which square products allow; these have a bias. */
static void check_add_norm(struct rig *r, struct shape s, bool layer_norm, bool in_place)
{
	struct wanted *sum = rig_alloc((size_t)s.m * s.n, sizeof *sum), *wanted = rig_alloc((size_t)s.m * s.n, sizeof *wanted);
	uint32_t inner = s.n > s.k ? s.n : s.k;

	rig_begin(r, limits(s.m, inner, false), "add and %s norm %u x %u x %u%s", layer_norm ? "layer" : "rms", s.m, s.n, s.k,
			in_place ? ", in place" : "");
	struct area *x = rig_area(r, s.m, s.k, false), *residual = rig_area(r, s.m, s.n, false);
	struct area *out = in_place ? x : rig_area(r, s.m, s.n, false);

	rig_place(r);
	struct weight *w = rig_weight(r, (enum tensor_type)(s.n % TENSOR_TYPE_COUNT), s.n, s.k, FRACTIONS);
	struct weight *norm_w = rig_weight(r, TENSOR_F32, 1, s.n, FRACTIONS), *norm_b = rig_weight(r, TENSOR_BF16, 1, s.n, FRACTIONS);
	struct weight *b = rig_weight(r, (enum tensor_type)(s.m % TENSOR_TYPE_COUNT), 1, s.n, FRACTIONS);
	struct compute_norm norm = { norm_w->m, layer_norm ? norm_b->m : (struct compute_matrix){ 0 }, 1e-5 };

	rig_fill(r, x, FRACTIONS);
	rig_fill(r, residual, FRACTIONS);
	for (uint32_t i = 0; i < s.m * s.n; i++) {
		struct wanted y = product(x->value + (size_t)(i / s.n) * s.k, w, i % s.n, in_place ? b : NULL);
		double t = y.value + (double)residual->value[i];

		sum[i] = (struct wanted){ t, y.error + 2.0 * EPS * fabs(t) };
		wanted[i] = perhaps_rounded(r, sum[i]);
	}
	for (uint32_t i = 0; i < s.m; i++)
		define_norm(wanted + (size_t)i * s.n, s.n, norm_w, layer_norm ? norm_b : NULL, norm.eps, wanted + (size_t)i * s.n);
	r->ops->linear_add_norm(r->c, x->view, w->m, in_place ? b->m : (struct compute_matrix){ 0 }, residual->view, &norm, out->view);
	rig_expect(r, residual, sum);
	rig_expect(r, out, wanted);
	rig_end(r);
	free(sum);
	free(wanted);
}

/* -- cases ------------------------------------------------------------------------------------------------------------------------ */

static void check_shapes(struct rig *r, const struct shape *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		r->layout = i % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
		check_gated(r, s[i], i);
		check_add_norm(r, s[i], true, false);
		check_add_norm(r, s[i], false, false);
		check_add_norm(r, (struct shape){ s[i].m, s[i].k, s[i].k }, i % 2, true);
	}
}

/* Rows that a block of threads may hold, eight columns a thread, up to 512 threads and beyond; parts of a warp without columns. */
static void check_held_rows(struct rig *r)
{
	static const uint32_t columns[] = { 8, 248, 256, 264, 1280, 4088, 4096, 4104, 8192 };

	for (uint32_t i = 0; i < 4 * (sizeof columns / sizeof *columns); i++) {
		r->layout = i & 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
		check_add_norm(r, (struct shape){ 3, columns[i / 4], 8 }, i % 2, false);
		if (columns[i / 4] <= 264)
			check_add_norm(r, (struct shape){ 3, columns[i / 4], columns[i / 4] }, i % 2, true);
	}
}

void conform_joined(struct rig *r)
{
	static const struct shape small[] = { { 1, 1, 1 }, { 2, 3, 5 }, { 17, 31, 33 }, { 33, 65, 17 }, { 5, 64, 32 }, { 3, 8, 127 },
		{ 7, 257, 24 }, { 65, 40, 16 } };
	static const struct shape large[] = { { 33, 588, 127 }, { 9, 1100, 257 }, { 3, 4200, 40 } };
	static const struct heads_case heads[] = { { 1, 1, 1, 1, 1, 1, false }, { 3, 17, 2, 1, 3, 3, true }, { 17, 33, 4, 2, 8, 3, true },
		{ 5, 24, 3, 3, 20, 1, true }, { 33, 40, 2, 2, 40, 1, false }, { 9, 65, 7, 1, 64, 3, true }, { 2, 64, 4, 4, 33, 3, false } };

	if (r->threads == 1) {
		check_shapes(r, small, sizeof small / sizeof *small);
		check_held_rows(r);
		for (uint32_t i = 0; i < 4 * (sizeof heads / sizeof *heads); i++) {
			r->layout = i % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
			check_heads(r, &heads[i / 4], i & 2);
		}
	}
	check_shapes(r, large, sizeof large / sizeof *large);
}
