/* tokens.c - from logits to tokens: argmax and choose. Logits get into the backend as the network puts them there, by `linear`. */
#include "tests/conform/rig.h"

#include <stdlib.h>
#include <string.h>

/* What a row of logits holds: numbers from -8 to 8; equal ones; few different ones; one that leads by far; infinities; one NaN. */
enum logits { SPREAD, EQUAL, COARSE, LEADER, INFINITE, ONE_NAN, LOGITS_KINDS };

static float logit(struct rig *r, enum logits kind, uint32_t column, uint32_t n)
{
	float x = (float)((int32_t)rig_random(r) >> 10) * 0x1p-18f; /* -8 ... 8; few enough bits that its parts add up in any order */

	switch (kind) {
	case EQUAL:
		return 1.5f;
	case COARSE:
		return rintf(x);
	case LEADER:
		return column == n / 2 ? 60.0f : x;
	case INFINITE:
		return column % 5 == 4 ? -INFINITY : x;
	case ONE_NAN:
		return column == n - 1 ? NAN : x;
	case SPREAD:
	case LOGITS_KINDS:
		break;
	}
	return x;
}

static void open_case(struct rig *r, const char *what, uint32_t rows, uint32_t n, enum logits kind, struct area **logits)
{
	float *value = rig_alloc((size_t)rows * n, sizeof *value);

	rig_begin(r, (struct compute_options){ .max_rows = WIDE_ROWS_MAX, .max_inner = 3 * WIDE_ROWS_MAX, .max_segment = 1, .max_outer = n },
			"%s %u x %u, logits %d", what, rows, n, (int)kind);
	*logits = rig_area(r, rows, n, true);
	(void)rig_area(r, WIDE_ROWS_MAX, 3 * WIDE_ROWS_MAX, false);
	rig_place(r);
	for (uint32_t i = 0; i < rows * n; i++)
		value[i] = logit(r, kind, i % n, n);
	rig_set_wide(r, *logits, value);
	free(value);
}

static int32_t best_of(const float *x, uint32_t n)
{
	int32_t best = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (isnan(x[i]))
			return -1;
		best = x[i] > x[best] ? (int32_t)i : best;
	}
	return best;
}

static void check_argmax(struct rig *r, uint32_t rows, uint32_t n, enum logits kind)
{
	int32_t token[WIDE_ROWS_MAX];
	struct area *logits;

	open_case(r, "argmax", rows, n, kind, &logits);
	memset(token, 0x55, sizeof token);
	r->ops->argmax(r->c, logits->view, token);
	for (uint32_t i = 0; i < rows; i++)
		rig_require(r, token[i] == best_of(logits->value + (size_t)i * n, n), "another token");
	rig_expect_same(r, logits);
	rig_end(r);
}

struct choice_wanted {
	int32_t token;
	struct wanted probability, second, negative_entropy;
};

/* Whether x[i] is one of the k largest of x [n], equals of the last of them counted too; k = 0: all are. */
static bool is_kept(const float *x, uint32_t n, uint32_t i, uint32_t k)
{
	uint32_t larger = 0;

	for (uint32_t j = 0; k && j < n; j++)
		larger += x[j] > x[i];
	return !k || larger < k;
}

/* A probability p is off by share * p: its exponential's, its argument's, the sum's and the quotient's error. A term p log(p + 1e-10)
 * changes by at most (|log| + 1) times that, and by the logarithm's own error. */
static struct choice_wanted define(const float *x, uint32_t n, uint32_t k)
{
	struct choice_wanted w = { .token = best_of(x, n) };
	double *p = rig_alloc(n, sizeof *p), sum = 0.0, second = 0.0, entropy = 0.0, entropy_off = 0.0;

	if (w.token < 0) {
		free(p);
		return w;
	}
	for (uint32_t i = 0; i < n; i++) {
		p[i] = is_kept(x, n, i, k) ? exp((double)x[i] - (double)x[w.token]) : 0.0;
		sum += p[i];
		second = (int32_t)i != w.token && p[i] > second ? p[i] : second;
	}
	double share = sum_error(n + 2.0) + 2.0 * EPS_FUNCTION + 32.0 * EPS; /* arguments are 32 or less where p counts */

	for (uint32_t i = 0; i < n; i++) {
		double q = p[i] / sum, size = fabs(log(q + 1e-10));

		entropy += q * log(q + 1e-10);
		entropy_off += q * (share * (size + 1.0) + size * EPS_FUNCTION + 2.0 * EPS);
	}
	w.probability = (struct wanted){ 1.0 / sum, share / sum };
	w.second = (struct wanted){ second / sum, share * second / sum + TINY };
	/* A p of e^-32 and less, which may be further off, adds nothing above this. */
	w.negative_entropy = (struct wanted){ entropy, entropy_off + sum_error(n) * fabs(entropy) + n * 1e-13 + TINY };
	free(p);
	return w;
}

static bool near(float found, struct wanted w)
{
	return fabs((double)found - w.value) <= w.error;
}

static void check_choose(struct rig *r, uint32_t rows, uint32_t n, uint32_t top_k, enum logits kind)
{
	struct compute_choice choice[WIDE_ROWS_MAX];
	struct area *logits;

	open_case(r, "choose", rows, n, kind, &logits);
	memset(choice, 0x55, sizeof choice);
	r->ops->choose(r->c, logits->view, top_k, choice);
	for (uint32_t i = 0; i < rows; i++) {
		struct choice_wanted w = define(logits->value + (size_t)i * n, n, top_k);

		rig_require(r, choice[i].token == w.token, "another token");
		if (w.token < 0) {
			rig_require(r, !(choice[i].probability > 0.0f), "a probability beside a NaN");
			continue;
		}
		rig_require(r, near(choice[i].probability, w.probability), "probability");
		rig_require(r, near(choice[i].second, w.second), "second probability");
		rig_require(r, near(choice[i].negative_entropy, w.negative_entropy), "entropy");
	}
	rig_end(r);
}

void conform_tokens(struct rig *r)
{
	static const uint32_t columns[] = { 1, 2, 3, 17, 31, 33, 63, 65, 127, 257, 588, 1537 }, rows[] = { 1, 3, WIDE_ROWS_MAX };
	static const uint32_t top_k[] = { 0, 1, 2, 5, 50, 588, 9000 };
	uint32_t number = 0;

	for (uint32_t i = 0; i < sizeof columns / sizeof *columns; i++) {
		for (int kind = 0; kind < LOGITS_KINDS; kind++) {
			r->layout = number++ % 2 ? LAYOUT_SLICE : LAYOUT_WHOLE;
			check_argmax(r, rows[number % 3], columns[i], (enum logits)kind);
			if (columns[i] <= 588 || kind == SPREAD)
				for (uint32_t k = 0; k < 7; k++)
					check_choose(r, rows[(number + k) % 3], columns[i], top_k[k], (enum logits)kind);
		}
	}
}
