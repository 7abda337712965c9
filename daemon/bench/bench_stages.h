/* bench_stages.h - what a trace comes to: each stage's distribution, and the ways of the typical and of the worst frame. Pure. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_STAGES_H
#define DREAMVLA_DAEMON_BENCH_BENCH_STAGES_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/bench/bench_trace.h"
#include "daemon/sys/error.h"

/* One distribution, exact: its values in order. */
struct spread {
	size_t n;
	int64_t *value_ns;
};

/* The smallest value up to which the share `quantile` (0..1) of all lies; 0 when there is none. Thread: any. Allocates: no. Blocks: no. */
int64_t spread_quantile(const struct spread *s, double quantile);
int64_t spread_max(const struct spread *s);
double spread_mean(const struct spread *s);

enum { WAY_SPANS_MAX = 64 };

/* One frame's way: the spans of the chunk made of it, the first WAY_SPANS_MAX of them in the order of time. */
struct way {
	uint64_t chunk;                     /* 0: there is none */
	int64_t begin_ns, end_ns;
	uint32_t n;
	struct record_span span[WAY_SPANS_MAX];
};

struct trace_stages {
	struct spread stage[TRACE_STAGES_MAX];
	struct spread late;                 /* of control ticks */
	struct spread whole;                /* of each way that reached the motors (in SHADOW: was published), from the frame's stamp to its end */
	size_t n_unfinished;                /* ways that did not: dropped, or cut by the trace's ends */
	struct way typical, worst;          /* the median and the longest of `whole` */
};

/* -ENOMEM. Thread: any. Allocates: yes, until stages_free. Blocks: computes. */
MUST_CHECK int stages_measure(struct trace_stages *out, const struct bench_trace *t, struct errbuf *e);
void stages_free(struct trace_stages *s); /* copes with one that is all zero */

#endif
