/* rig.h - what the conformance tests of compute.h share: one instance of a backend, operands in its memory, and the judgement.
 *
 * A definition in double gives, for every value, the exact result t and a bound d on what float arithmetic in any order may do to it
 * (n * eps bounds, below). What a backend stores must lie between round(t - d) and round(t + d), where `round` is to bfloat16 for
 * bfloat16 activations and nothing else; d = 0 where the data are such that float is exact. Not finite: where the definition gives
 * NaN, so must the backend; where it gives an infinity, the backend gives something not finite; a finite result is finite.
 *
 * Operands lie inside larger areas of NaN, so that a read beside them shows in the result; what lies beside must stay NaN. */
#ifndef DREAMVLA_TESTS_CONFORM_RIG_H
#define DREAMVLA_TESTS_CONFORM_RIG_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/compute/compute.h"

/* Unit roundoffs of float and bfloat16; what one exp, erf, division or square root of a backend may be off, relative; and what
 * counts as zero (numbers below may be flushed, and exp may stop at e^-87). */
#define EPS 0x1p-24
#define EPS_BF16 0x1p-8
#define EPS_FUNCTION (8.0 * EPS)
#define TINY 0x1p-100

enum { AREAS_MAX = 8, WEIGHTS_MAX = 6 };

/* A sum or product of n terms in float, in any order: its relative error, of the sum of magnitudes. */
static inline double sum_error(double n)
{
	return n * EPS / (1.0 - n * EPS);
}

/* What a definition says of one value. */
struct wanted {
	double value, error;
};

/* What operands hold: small integers, whose sums are exact in float in any order; or fractions with all their bits in use. */
enum content { INTEGERS, FRACTIONS };

/* How operands lie: by themselves, or as rows and columns of something larger. */
enum layout { LAYOUT_WHOLE, LAYOUT_SLICE };

struct area {
	uint32_t rows, columns;
	bool wide;                  /* from take_float */
	uint32_t above, below, left, right; /* rows and columns of NaN around */
	struct compute_view whole, view;
	float *value;               /* [rows][columns], as the backend holds them */
};

struct weight {
	struct compute_matrix m;
	float *value;               /* [rows][columns], as the precision takes them */
};

struct rig {
	const struct compute_backend *ops;
	struct compute *c;
	enum policy_precision precision;
	uint32_t threads;
	enum layout layout;
	struct area area[AREAS_MAX];
	struct weight weight[WEIGHTS_MAX];
	uint32_t n_areas, n_weights;
	char title[160];            /* the case, for messages */
	uint64_t random;
	uint64_t n_cases, n_values, n_failures;
	double closest;             /* largest share of a bound that was used */
};

uint32_t rig_random(struct rig *r);
float rig_number(struct rig *r, enum content content);

/* Nearest bfloat16 by arithmetic, ties to even, too large infinite. */
double nearest_bf16(double x);

/* x as the rig's precision stores it. */
double rig_round(const struct rig *r, double x);

/* One case: begin, area ..., place, fill ..., weight ..., the operation, expect ..., end. Limits of `options` are those of the case,
 * without room to spare. rig_spoil makes an area NaN, as rig_place does. */
PRINTF_LIKE(3, 4) void rig_begin(struct rig *r, struct compute_options limits, const char *title, ...);
struct area *rig_area(struct rig *r, uint32_t rows, uint32_t columns, bool wide);
void rig_place(struct rig *r);
void rig_fill(struct rig *r, struct area *a, enum content content);
void rig_set(struct rig *r, struct area *a, const float *value);
void rig_spoil(struct rig *r, struct area *a);
struct weight *rig_weight(struct rig *r, enum tensor_type type, uint32_t rows, uint32_t columns, enum content content);
void rig_end(struct rig *r);

/* Puts any floats into an area from take_float, exactly, whatever the precision; what is not finite must be the same in all rows. The
 * last area of the case serves for it, [WIDE_ROWS_MAX][3 * WIDE_ROWS_MAX]; limits must allow a product with that. */
enum { WIDE_ROWS_MAX = 8 };
void rig_set_wide(struct rig *r, struct area *a, const float *value);

/* Holds the area against wanted [rows][columns]; and against what it held before, for operands that are only read. */
void rig_expect(struct rig *r, struct area *a, const struct wanted *wanted);
void rig_expect_same(struct rig *r, struct area *a);

/* Any other condition. */
void rig_require(struct rig *r, bool condition, const char *what);

/* Memory for a definition's results; ends the program when there is none. */
void *rig_alloc(size_t n, size_t size);

/* The tests: each runs its table of cases for the rig's precision. */
void conform_moves(struct rig *r);
void conform_linear(struct rig *r);
void conform_rows(struct rig *r);
void conform_joined(struct rig *r);
void conform_attention(struct rig *r);
void conform_tokens(struct rig *r);

#endif
