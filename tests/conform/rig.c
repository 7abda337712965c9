/* rig.c - see rig.h. */
#include "tests/conform/rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILURES_SHOWN = 20, INTEGER_MAX = 8 };

void *rig_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p) {
		fprintf(stderr, "conform: out of memory\n");
		exit(2);
	}
	return p;
}

/* xorshift64*, so that a failure repeats. */
uint32_t rig_random(struct rig *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return (uint32_t)((r->random * UINT64_C(2685821657736338717)) >> 32);
}

float rig_number(struct rig *r, enum content content)
{
	if (content == INTEGERS)
		return (float)((int32_t)(rig_random(r) % (2 * INTEGER_MAX + 1)) - INTEGER_MAX);
	return (float)(int32_t)rig_random(r) * 0x1p-30f; /* -2 ... 2 */
}

/* Adding 1.5 * 2^52 steps and taking them away leaves whole steps: the double sum rounds, to nearest even. */
double nearest_bf16(double x)
{
	int exponent;

	if (!isfinite(x) || !(fabs(x) > 0.0))
		return x;
	(void)frexp(x, &exponent);
	exponent = exponent < -125 ? -125 : exponent; /* subnormal: steps of 2^-133 */
	double shift = ldexp(1.5, exponent - 8 + 52), y = copysign(fabs(x) + shift - shift, x);

	return fabs(y) >= 0x1p128 ? copysign(INFINITY, y) : y;
}

double rig_round(const struct rig *r, double x)
{
	return r->precision == POLICY_BF16 ? nearest_bf16(x) : x;
}

/* -- failures -------------------------------------------------------------------------------------------------------------------- */

PRINTF_LIKE(2, 3) static void complain(struct rig *r, const char *text, ...)
{
	va_list arguments;

	if (r->n_failures++ >= FAILURES_SHOWN)
		return;
	printf("FAIL %s %s threads %u %s: ", r->ops->name, r->precision == POLICY_BF16 ? "bf16" : "fp32", r->threads, r->title);
	va_start(arguments, text);
	vprintf(text, arguments);
	va_end(arguments);
	printf("\n");
}

void rig_require(struct rig *r, bool condition, const char *what)
{
	r->n_values++;
	if (!condition)
		complain(r, "%s", what);
}

/* -- one case -------------------------------------------------------------------------------------------------------------------- */

void rig_begin(struct rig *r, struct compute_options limits, const char *title, ...)
{
	struct errbuf e;
	va_list arguments;

	va_start(arguments, title);
	vsnprintf(r->title, sizeof r->title, title, arguments);
	va_end(arguments);
	limits.precision = r->precision;
	limits.threads = r->threads;
	r->n_areas = r->n_weights = 0;
	r->n_cases++;
	if (r->ops->create(&r->c, &limits, &e) < 0) {
		printf("%s: %s\n", r->title, e.text);
		exit(1);
	}
}

struct area *rig_area(struct rig *r, uint32_t rows, uint32_t columns, bool wide)
{
	struct area *a = &r->area[r->n_areas++];

	assert(r->n_areas <= AREAS_MAX);
	*a = (struct area){ .rows = rows, .columns = columns, .wide = wide, .value = rig_alloc((size_t)rows * columns, sizeof(float)) };
	if (r->layout == LAYOUT_SLICE) {
		a->above = rig_random(r) % 3;
		a->below = rig_random(r) % 3;
		a->left = rig_random(r) % 9;
		a->right = rig_random(r) % 9 + 1;
	}
	return a;
}

static struct compute_view take(struct rig *r, const struct area *a)
{
	uint32_t rows = a->above + a->rows + a->below, columns = a->left + a->columns + a->right;

	return a->wide ? r->ops->take_float(r->c, rows, columns) : r->ops->take(r->c, rows, columns);
}

void rig_place(struct rig *r)
{
	struct errbuf e;

	for (uint32_t i = 0; i < r->n_areas; i++)
		(void)take(r, &r->area[i]);
	if (r->ops->reserve(r->c, &e) < 0) {
		printf("%s: %s\n", r->title, e.text);
		exit(1);
	}
	for (uint32_t i = 0; i < r->n_areas; i++) {
		struct area *a = &r->area[i];

		a->whole = take(r, a);
		a->view = compute_columns(compute_rows(a->whole, a->above, a->rows), a->left, a->columns);
		rig_spoil(r, a);
	}
	r->ops->freeze(r->c);
}

/* NaN everywhere, in the operand too. */
void rig_spoil(struct rig *r, struct area *a)
{
	size_t n = (size_t)a->whole.rows * a->whole.columns;
	float *nan_values = rig_alloc(n, sizeof *nan_values);

	for (size_t i = 0; i < n; i++)
		nan_values[i] = NAN;
	r->ops->upload(r->c, nan_values, a->whole);
	for (size_t i = 0; i < (size_t)a->rows * a->columns; i++)
		a->value[i] = NAN;
	free(nan_values);
}

void rig_set(struct rig *r, struct area *a, const float *value)
{
	for (size_t i = 0; i < (size_t)a->rows * a->columns; i++)
		a->value[i] = (float)rig_round(r, (double)value[i]);
	r->ops->upload(r->c, value, a->view);
}

void rig_fill(struct rig *r, struct area *a, enum content content)
{
	size_t n = (size_t)a->rows * a->columns;
	float *value = rig_alloc(n, sizeof *value);

	for (size_t i = 0; i < n; i++)
		value[i] = rig_number(r, content);
	rig_set(r, a, value);
	free(value);
}

/* -- weights --------------------------------------------------------------------------------------------------------------------- */

static uint32_t bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof bits);
	return bits;
}

/* A float's bits as binary16; only for values that it holds exactly and normally. */
static uint16_t half_bits(float x)
{
	uint32_t bits = bits_of(x);

	if (!(bits & 0x7fffffffu))
		return 0;
	return (uint16_t)((bits >> 16 & 0x8000u) | ((bits >> 13 & 0x3ffffu) - (112u << 10)));
}

/* One weight as the type stores it: eleven significant bits for binary16, more than bfloat16 has. */
static float store(enum tensor_type type, float x, void *data, size_t at)
{
	if (type == TENSOR_F32) {
		((float *)data)[at] = x;
	} else if (type == TENSOR_BF16) {
		x = (float)nearest_bf16((double)x);
		((uint16_t *)data)[at] = (uint16_t)(bits_of(x) >> 16);
	} else {
		x = rintf(x * 1024.0f) / 1024.0f;
		x = fabsf(x) > 1.0f ? rintf(x * 512.0f) / 512.0f : x;
		((uint16_t *)data)[at] = half_bits(x);
	}
	return x;
}

struct weight *rig_weight(struct rig *r, enum tensor_type type, uint32_t rows, uint32_t columns, enum content content)
{
	struct weight *w = &r->weight[r->n_weights++];
	size_t n = (size_t)rows * columns;
	void *data = rig_alloc(n, tensor_type_bytes(type));

	assert(r->n_weights <= WEIGHTS_MAX);
	w->value = rig_alloc(n, sizeof *w->value);
	for (size_t i = 0; i < n; i++)
		w->value[i] = (float)rig_round(r, (double)store(type, rig_number(r, content), data, i));
	w->m = (struct compute_matrix){ data, type, rows, columns };
	return w;
}

void rig_end(struct rig *r)
{
	struct errbuf e = { "" };

	rig_require(r, r->ops->finish(r->c, &e) == 0, e.text);
	r->ops->destroy(r->c);
	r->c = NULL;
	for (uint32_t i = 0; i < r->n_areas; i++)
		free(r->area[i].value);
	for (uint32_t i = 0; i < r->n_weights; i++) {
		free(r->weight[i].value);
		free((void *)(uintptr_t)r->weight[i].m.data);
	}
}

/* What row `row` of the weights' columns gives: a float as the sum of three bfloat16. */
static void split(float x, uint16_t *pieces)
{
	double left = isfinite(x) ? (double)x : 0.0;

	for (uint32_t k = 0; k < 3; k++) {
		double piece = nearest_bf16(left);

		pieces[k] = (uint16_t)(bits_of((float)piece) >> 16);
		left -= piece;
	}
}

/* Every row picks three columns of the weights by ones among zeros; what is not finite comes as bias. */
void rig_set_wide(struct rig *r, struct area *a, const float *value)
{
	const uint32_t inner = 3 * WIDE_ROWS_MAX, n = a->columns;
	struct weight *w = &r->weight[r->n_weights], *b = &r->weight[r->n_weights + 1];
	struct area *x = &r->area[r->n_areas - 1];
	uint16_t *pieces = rig_alloc((size_t)n * inner, sizeof *pieces);
	float pick[WIDE_ROWS_MAX * 3 * WIDE_ROWS_MAX] = { 0 }, *bias = rig_alloc(n, sizeof *bias);

	r->n_weights += 2;
	assert(a->rows <= WIDE_ROWS_MAX && x->rows == WIDE_ROWS_MAX && x->columns == inner && r->n_weights <= WEIGHTS_MAX);
	for (uint32_t row = 0; row < a->rows; row++) {
		for (uint32_t j = 0; j < n; j++) {
			split(value[row * n + j], pieces + j * inner + row * 3);
			bias[j] = isfinite(value[j]) ? 0.0f : value[j];
		}
		for (uint32_t k = 0; k < 3; k++)
			pick[row * inner + row * 3 + k] = 1.0f;
	}
	memcpy(a->value, value, (size_t)a->rows * n * sizeof *value);
	rig_set(r, x, pick);
	*w = (struct weight){ { pieces, TENSOR_BF16, n, inner }, NULL };
	*b = (struct weight){ { bias, TENSOR_F32, 1, n }, NULL };
	r->ops->linear(r->c, compute_rows(x->view, 0, a->rows), w->m, b->m, COMPUTE_STORE_FLOAT, a->view);
}

/* -- judgement ------------------------------------------------------------------------------------------------------------------- */

static bool is_right(struct rig *r, const struct area *a, float found, struct wanted w)
{
	bool rounds = !a->wide && r->precision == POLICY_BF16;
	double low = w.value - w.error, high = w.value + w.error, x = (double)found;

	if (isnan(w.value))
		return isnan(found);
	if (isinf(w.value))
		return w.error > 0.0 ? !isfinite(found) : x >= w.value && x <= w.value;
	if (rounds ? isinf(nearest_bf16(w.value)) : fabs(w.value) >= 0x1p128)
		return !isfinite(found);
	if (rounds) {
		low = nearest_bf16(low);
		high = nearest_bf16(high);
	} else if (w.error > 0.0 && fabs(x - w.value) / w.error > r->closest && isfinite(w.error)) {
		r->closest = fabs(x - w.value) / w.error;
	}
	return x >= low && x <= high;
}

/* Values of the whole area; those beside the operand must be NaN still. */
static float *fetch(struct rig *r, const struct area *a)
{
	uint32_t rows = a->whole.rows, columns = a->whole.columns;
	float *value = rig_alloc((size_t)rows * columns, sizeof *value);

	r->ops->download(r->c, a->whole, value);
	for (uint32_t i = 0; i < rows; i++) {
		for (uint32_t j = 0; j < columns; j++) {
			bool inside = i >= a->above && i < a->above + a->rows && j >= a->left && j < a->left + a->columns;

			if (!inside && !isnan(value[(size_t)i * columns + j])) {
				complain(r, "wrote beside an operand: row %d, column %d of %u x %u", (int)i - (int)a->above,
						(int)j - (int)a->left, a->rows, a->columns);
				return value;
			}
		}
	}
	return value;
}

void rig_expect(struct rig *r, struct area *a, const struct wanted *wanted)
{
	float *value = fetch(r, a);

	r->n_values += (uint64_t)a->rows * a->columns;
	for (uint32_t i = 0; i < a->rows; i++) {
		for (uint32_t j = 0; j < a->columns; j++) {
			float found = value[(size_t)(a->above + i) * a->whole.columns + a->left + j];
			struct wanted w = wanted[(size_t)i * a->columns + j];

			if (is_right(r, a, found, w))
				continue;
			complain(r, "row %u, column %u of %u x %u: %.9g, want %.9g +- %.3g", i, j, a->rows, a->columns, (double)found,
					w.value, w.error);
			free(value);
			return;
		}
	}
	free(value);
}

void rig_expect_same(struct rig *r, struct area *a)
{
	size_t n = (size_t)a->rows * a->columns;
	struct wanted *wanted = rig_alloc(n, sizeof *wanted);

	for (size_t i = 0; i < n; i++)
		wanted[i].value = (double)a->value[i];
	rig_expect(r, a, wanted);
	free(wanted);
}
