/* linear.c - x W^T + b with everything that may follow it. */
#include "tests/conform/rig.h"

#include <stdlib.h>

struct shape {
	uint32_t m, n, k;           /* rows of x, rows of W, columns of both */
};

struct linear_case {
	struct shape shape;
	enum tensor_type type;
	enum compute_epilogue epilogue;
	enum content content;
	bool bias;
};

static const char *const epilogue_name[] = { "store", "gelu", "quick gelu", "silu", "add", "multiply", "relu", "relu add", "store float" };

enum { EPILOGUES = sizeof epilogue_name / sizeof *epilogue_name };

static double sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

/* The three activations are Lipschitz with less than 1.13, which is what an error of y becomes. GELU's 1 + erf cancels for negative
 * y: its error is absolute, half of |y| times that of erf, its argument's and the sum's. y * sigmoid(a y): relative, and that of the
 * argument a y (two roundings) is multiplied by |a y| at most. */
static struct wanted follow(enum compute_epilogue epilogue, struct wanted y, double before)
{
	double t = y.value, d = y.error, size;

	switch (epilogue) {
	case COMPUTE_STORE:
	case COMPUTE_STORE_FLOAT:
		return y;
	case COMPUTE_GELU:
		t = 0.5 * y.value * (1.0 + erf(y.value / sqrt(2.0)));
		return (struct wanted){ t, 1.13 * d + 0.5 * fabs(y.value) * (EPS_FUNCTION + 4.0 * EPS) + TINY };
	case COMPUTE_QUICK_GELU:
	case COMPUTE_SILU:
		size = epilogue == COMPUTE_SILU ? 1.0 : 1.702;
		t = y.value * sigmoid(size * y.value);
		return (struct wanted){ t, 1.13 * d + fabs(t) * (2.0 * EPS_FUNCTION + 2.0 * EPS * size * fabs(y.value)) + TINY };
	case COMPUTE_ADD:
		t = before + y.value;
		break;
	case COMPUTE_MULTIPLY:
		t = before * y.value;
		d *= fabs(before);
		break;
	case COMPUTE_RELU:
		return (struct wanted){ y.value < 0.0 ? 0.0 : y.value, d };
	case COMPUTE_RELU_ADD:
		t = before + (y.value < 0.0 ? 0.0 : y.value);
		break;
	}
	return (struct wanted){ t, d > 0.0 ? d + EPS * fabs(t) + TINY : 0.0 };
}

static struct wanted product(const float *x, const float *w, uint32_t k, const float *bias, enum content content)
{
	double sum = bias ? (double)*bias : 0.0, sizes = fabs(sum);

	for (uint32_t i = 0; i < k; i++) {
		double term = (double)x[i] * (double)w[i];

		sum += term;
		sizes += fabs(term);
	}
	return (struct wanted){ sum, content == INTEGERS ? 0.0 : sum_error(k + 1.0) * sizes + TINY };
}

static struct wanted *define(const struct linear_case *t, const struct area *x, const struct weight *w, const struct weight *b,
		const struct area *before)
{
	const struct shape s = t->shape;
	struct wanted *wanted = rig_alloc((size_t)s.m * s.n, sizeof *wanted);

	for (uint32_t r = 0; r < s.m; r++) {
		for (uint32_t j = 0; j < s.n; j++) {
			size_t at = (size_t)r * s.n + j;
			struct wanted y = product(x->value + (size_t)r * s.k, w->value + (size_t)j * s.k, s.k, b ? b->value + j : NULL,
					t->content);

			wanted[at] = follow(t->epilogue, y, (double)before->value[at]);
		}
	}
	return wanted;
}

static void open_case(struct rig *r, const struct linear_case *t, struct area **x, struct area **out)
{
	const struct shape s = t->shape;

	rig_begin(r, (struct compute_options){ .max_rows = s.m, .max_inner = s.k, .max_segment = 1, .max_outer = s.n },
			"linear %s %u x %u x %u, %s%s, %s, %s", epilogue_name[t->epilogue], s.m, s.n, s.k, tensor_type_name(t->type),
			t->bias ? " with bias" : "", t->content == INTEGERS ? "exact" : "fractions",
			r->layout == LAYOUT_SLICE ? "slices" : "whole");
	*x = rig_area(r, s.m, s.k, false);
	*out = rig_area(r, s.m, s.n, t->epilogue == COMPUTE_STORE_FLOAT);
	rig_place(r);
}

/* Before the case proper the same product of NaN: nothing of it may stay in scratch memory. Results from take_float begin as NaN:
 * STORE_FLOAT does not read them. */
static void check(struct rig *r, const struct linear_case *t)
{
	const struct shape s = t->shape;
	struct area *x, *out;

	open_case(r, t, &x, &out);
	struct weight *w = rig_weight(r, t->type, s.n, s.k, t->content);
	struct weight *b = t->bias ? rig_weight(r, (enum tensor_type)((t->type + 1) % TENSOR_TYPE_COUNT), 1, s.n, t->content) : NULL;
	struct compute_matrix bias = b ? b->m : (struct compute_matrix){ 0 };

	r->ops->linear(r->c, x->view, w->m, bias, t->epilogue, out->view);
	rig_fill(r, x, t->content);
	if (!out->wide)
		rig_fill(r, out, t->content);
	struct wanted *wanted = define(t, x, w, b, out);

	r->ops->linear(r->c, x->view, w->m, bias, t->epilogue, out->view);
	rig_expect(r, out, wanted);
	rig_expect_same(r, x);
	free(wanted);
	rig_end(r);
}

/* Settings of the next case, so that every combination of type, epilogue, bias and layout meets many shapes. */
static struct linear_case next_case(struct rig *r, struct shape s, uint32_t number)
{
	r->layout = number / 2 % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
	return (struct linear_case){ s, (enum tensor_type)(number % TENSOR_TYPE_COUNT), (enum compute_epilogue)(number % EPILOGUES),
		number / 3 % 2 ? FRACTIONS : INTEGERS, number % 7 < 4 };
}

static void check_odd_shapes(struct rig *r)
{
	static const uint32_t side[] = { 1, 2, 3, 17, 31, 33, 63, 65, 127, 257, 588 };
	enum { SIDES = sizeof side / sizeof *side, PRODUCT_MAX = 60000 };
	uint32_t number = 0;

	for (uint32_t m = 0; m < SIDES; m++)
		for (uint32_t n = 0; n < SIDES; n++)
			for (uint32_t k = 0; k < SIDES; k++) {
				struct shape s = { side[m], side[n], side[k] };
				struct linear_case t = next_case(r, s, number++);

				if ((uint64_t)s.m * s.n * s.k <= PRODUCT_MAX)
					check(r, &t);
			}
}

static void check_combinations(struct rig *r)
{
	static const struct shape shapes[] = { { 7, 33, 19 }, { 33, 65, 127 } };

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (enum tensor_type type = 0; type < TENSOR_TYPE_COUNT; type++)
			for (uint32_t epilogue = 0; epilogue < EPILOGUES; epilogue++)
				for (uint32_t other = 0; other < 8; other++) {
					r->layout = other & 1 ? LAYOUT_SLICE : LAYOUT_WHOLE;
					check(r, &(struct linear_case){ shapes[i], type, (enum compute_epilogue)epilogue,
							other & 2 ? FRACTIONS : INTEGERS, other & 4 });
				}
}

/* Sides that leave the parts of a product: tiles of weights, blocks of rows, very wide x, and products that threads share. */
static void check_large_shapes(struct rig *r)
{
	static const struct shape shapes[] = { { 257, 588, 588 }, { 2, 1100, 4099 }, { 1, 17, 70001 }, { 3, 70, 18944 }, { 588, 127, 257 },
		{ 130, 1030, 513 }, { 1, 24, 1032 }, { 1, 13, 2560 }, { 1, 7, 776 } };

	for (uint32_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		struct linear_case t = next_case(r, shapes[i], 7 * i + 1);

		check(r, &t);
		t.content = t.content == INTEGERS ? FRACTIONS : INTEGERS;
		t.epilogue = i % 2 ? COMPUTE_ADD : COMPUTE_STORE;
		check(r, &t);
	}
}

/* A NaN or infinity in x reaches its row, one in W its column, one in the bias its column; ReLU keeps NaN. No other value changes. */
static void check_special(struct rig *r, const struct linear_case *t, float special, int where)
{
	const struct shape s = t->shape;
	struct area *x, *out;

	open_case(r, t, &x, &out);
	rig_fill(r, x, t->content);
	if (!out->wide)
		rig_fill(r, out, t->content);
	struct weight *w = rig_weight(r, TENSOR_F32, s.n, s.k, t->content), *b = rig_weight(r, TENSOR_F32, 1, s.n, t->content);

	if (where == 0) {
		x->value[(s.m / 2) * s.k + s.k / 3] = special;
		rig_set(r, x, x->value);
	} else if (where == 1) {
		w->value[(s.n / 2) * s.k + s.k / 3] = ((float *)(uintptr_t)w->m.data)[(s.n / 2) * s.k + s.k / 3] = special;
	} else {
		b->value[s.n / 3] = ((float *)(uintptr_t)b->m.data)[s.n / 3] = special;
	}
	struct wanted *wanted = define(t, x, w, b, out);

	r->ops->linear(r->c, x->view, w->m, b->m, t->epilogue, out->view);
	rig_expect(r, out, wanted);
	free(wanted);
	rig_end(r);
}

static void check_not_finite(struct rig *r)
{
	r->layout = LAYOUT_WHOLE;
	for (uint32_t epilogue = 0; epilogue < EPILOGUES; epilogue++) {
		for (int where = 0; where < 3; where++) {
			const struct linear_case t = { { 9, 35, 17 }, TENSOR_F32, (enum compute_epilogue)epilogue, FRACTIONS, true };

			check_special(r, &t, NAN, where);
			/* What activations make of an infinity is not told: -infinity * 0. */
			if (epilogue == COMPUTE_STORE || epilogue == COMPUTE_ADD || epilogue == COMPUTE_RELU || epilogue == COMPUTE_STORE_FLOAT) {
				check_special(r, &t, INFINITY, where);
				check_special(r, &t, -INFINITY, where);
			}
		}
	}
}

void conform_linear(struct rig *r)
{
	if (r->threads == 1) {
		check_odd_shapes(r);
		check_combinations(r);
		check_not_finite(r);
	}
	check_large_shapes(r);
}
