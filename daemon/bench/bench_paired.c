/* bench_paired.c - see bench_paired.h. */
#include "daemon/bench/bench_paired.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "daemon/sys/clock.h"

/* Single steps take a while: after that no more than are needed for a median. */
#define COUNTING_NS (10 * NS_PER_S)

enum { COUNTED_LEAST = 3 };

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median lies between these ranks in 95 % of all cases, whatever the values are spread like: binomial, as a normal one. */
double paired_median(double *value, uint32_t n, double *low, double *high)
{
	double half = 0.98 * sqrt((double)n);
	int64_t first = (int64_t)floor((double)n / 2.0 - half), last = (int64_t)ceil((double)n / 2.0 + half);

	*low = *high = NAN;
	if (n == 0)
		return NAN;
	qsort(value, n, sizeof *value, ascending);
	*low = value[first > 0 ? first : 0];
	*high = value[last < (int64_t)n ? last : (int64_t)n - 1];
	return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2.0;
}

static double median(double *value, uint32_t n)
{
	double low, high;

	return paired_median(value, n, &low, &high);
}

/* ---- measuring ------------------------------------------------------------------------------------------------------ */

struct measured {
	double without[2][PAIRED_COUNTED_MAX], difference[PAIRED_COUNTED_MAX];
	double *ns, *more_ns;            /* [n] */
};

static void count(struct paired_cost *c, const struct paired_steps *s, struct measured *m, const struct instructions *by)
{
	int64_t until_ns = clock_monotonic_ns() + COUNTING_NS;
	uint32_t n = 0;

	for (; n < PAIRED_COUNTED_MAX && (n < COUNTED_LEAST || clock_monotonic_ns() < until_ns); n++) {
		for (int with = 0; with < 2; with++) {
			s->prepare(s->context[with]);
			m->without[with][n] = (double)instructions_of(by, s->step, s->context[with]);
		}
		m->difference[n] = m->without[1][n] - m->without[0][n];
		c->more_max = m->difference[n] > (double)c->more_max ? (uint64_t)m->difference[n] : c->more_max;
	}
	c->counted = n;
	for (int with = 0; with < 2; with++)
		c->instructions[with] = (uint64_t)median(m->without[with], n);
	c->more = (uint64_t)fmax(0.0, median(m->difference, n));
}

static double time_step(const struct paired_steps *s, int with)
{
	s->prepare(s->context[with]);
	int64_t begin_ns = clock_monotonic_ns();

	s->step(s->context[with]);
	return (double)(clock_monotonic_ns() - begin_ns);
}

/* Who comes first of a pair changes: the second finds the caches warm. */
static void time_pairs(struct paired_cost *c, const struct paired_steps *s, struct measured *m)
{
	double low, high;

	for (uint32_t i = 0; i < s->n; i++) {
		double ns[2];

		ns[i % 2] = time_step(s, (int)(i % 2));
		ns[1 - i % 2] = time_step(s, (int)(1 - i % 2));
		m->ns[i] = ns[0];
		m->more_ns[i] = ns[1] - ns[0];
	}
	c->n = s->n;
	c->ns = median(m->ns, s->n);
	c->more_ns = paired_median(m->more_ns, s->n, &low, &high);
	c->low_ns = low;
	c->high_ns = high;
}

int paired_measure(struct paired_cost *c, const struct paired_steps *s, struct errbuf *e)
{
	struct measured *m = calloc(1, sizeof *m);
	struct instructions by;
	int rc = m && (m->ns = calloc(s->n, sizeof *m->ns)) && (m->more_ns = calloc(s->n, sizeof *m->more_ns)) ? 0 : fail(e, -ENOMEM, "out of memory");

	*c = (struct paired_cost){ .method = NULL };
	if (rc == 0) {
		time_pairs(c, s, m);
		if (instructions_open(&by, &c->why_not) == 0) {
			c->method = by.method;
			count(c, s, m, &by);
			instructions_close(&by);
		}
	}
	if (m) {
		free(m->ns);
		free(m->more_ns);
	}
	free(m);
	return rc;
}

/* ---- showing -------------------------------------------------------------------------------------------------------- */

void paired_print(FILE *out, const struct paired_cost *c)
{
	if (c->method)
		fprintf(out, "  instructions: off %" PRIu64 ", on %" PRIu64 ", %+.1f %% (+%" PRIu64 ", at most +%" PRIu64 "; %" PRIu32 " pairs, by %s)\n",
				c->instructions[0], c->instructions[1],
				100.0 * ((double)c->instructions[1] / (double)c->instructions[0] - 1.0), c->more, c->more_max, c->counted, c->method);
	else
		fprintf(out, "  instructions: not counted: %s\n", c->why_not.text);
	fprintf(out, "  time: off %.2f us, on %+.0f ns (95 %%: %+.0f to %+.0f; %" PRIu32 " pairs)\n", c->ns / 1e3, c->more_ns, c->low_ns, c->high_ns, c->n);
}

json_t *paired_json(const struct paired_cost *c)
{
	return json_pack("{s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "method", c->method, "counted", (json_int_t)c->counted, "pairs",
			(json_int_t)c->n, "instructions_off", (json_int_t)c->instructions[0], "instructions_on", (json_int_t)c->instructions[1],
			"instructions_more", (json_int_t)c->more, "instructions_more_max", (json_int_t)c->more_max, "off_ns", c->ns, "more_ns",
			c->more_ns, "more_low_ns", c->low_ns, "more_high_ns", c->high_ns);
}
