/* bench_paired.h - what something costs, by the same steps without and with it in turns, in one process: instructions, and the differences in
 * time of the pairs. Drifts and bursts of the machine meet both of a pair, or stand out as few of many. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_PAIRED_H
#define DREAMVLA_DAEMON_BENCH_BENCH_PAIRED_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/bench/bench_instructions.h"
#include "daemon/sys/error.h"

enum { PAIRED_COUNTED_MAX = 96 };

/* The same steps twice: [0] without what is measured, [1] with it. prepare, before every step, is not measured. */
struct paired_steps {
	void (*prepare)(void *context);
	void (*step)(void *context);
	void *context[2];
	uint32_t n;                      /* pairs whose time is taken */
};

struct paired_cost {
	const char *method;              /* of counting; NULL: why_not */
	struct errbuf why_not;
	uint32_t n, counted;             /* pairs: whose time was taken, whose instructions were counted */
	uint64_t instructions[2];        /* medians: without, with */
	uint64_t more, more_max;         /* of the pairs' differences: median, largest */
	double ns, more_ns;              /* medians: without, and of the pairs' differences */
	double low_ns, high_ns;          /* the 95 % interval of the latter */
};

/* Where no instructions can be counted the rest is measured all the same. -ENOMEM. Thread: main. Allocates: for the time of the call. */
MUST_CHECK int paired_measure(struct paired_cost *c, const struct paired_steps *s, struct errbuf *e);

/* Median of so many values, in place, and its 95 % interval, by ranks; NaN of none. Thread: any. Allocates: no. */
double paired_median(double *value, uint32_t n, double *low, double *high);

void paired_print(FILE *out, const struct paired_cost *c);
json_t *paired_json(const struct paired_cost *c);

#endif
