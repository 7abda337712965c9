/* bench_stages.c - see bench_stages.h. */
#include "daemon/bench/bench_stages.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;

	return (p > q) - (p < q);
}

int64_t spread_quantile(const struct spread *s, double quantile)
{
	double rank = ceil(quantile * (double)s->n) - 1;

	if (s->n == 0)
		return 0;
	return s->value_ns[rank < 0 ? 0 : rank >= (double)s->n ? s->n - 1 : (size_t)rank];
}

int64_t spread_max(const struct spread *s)
{
	return s->n ? s->value_ns[s->n - 1] : 0;
}

double spread_mean(const struct spread *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += (double)s->value_ns[i];
	return s->n ? sum / (double)s->n : 0;
}

static int make_room(struct spread *s, size_t n, struct errbuf *e)
{
	*s = (struct spread){ 0 };
	if (n > 0 && !(s->value_ns = malloc(n * sizeof *s->value_ns)))
		return fail(e, -ENOMEM, "out of memory for %zu values", n);
	return 0;
}

static void put_in_order(struct spread *s)
{
	if (s->n > 1)
		qsort(s->value_ns, s->n, sizeof *s->value_ns, by_value);
}

static int measure_stages(struct trace_stages *out, const struct bench_trace *t, struct errbuf *e)
{
	size_t n[TRACE_STAGES_MAX] = { 0 };
	int rc = 0;

	for (size_t i = 0; i < t->n_spans; i++)
		n[t->span[i].stage]++;
	for (uint32_t k = 0; rc == 0 && k < t->n_stages; k++)
		rc = make_room(&out->stage[k], n[k], e);
	for (size_t i = 0; rc == 0 && i < t->n_spans; i++) {
		struct spread *s = &out->stage[t->span[i].stage];

		s->value_ns[s->n++] = t->span[i].end_ns - t->span[i].begin_ns;
	}
	for (uint32_t k = 0; rc == 0 && k < t->n_stages; k++)
		put_in_order(&out->stage[k]);
	return rc;
}

static int measure_lateness(struct trace_stages *out, const struct bench_trace *t, struct errbuf *e)
{
	int rc = make_room(&out->late, t->n_ticks, e);

	for (size_t i = 0; rc == 0 && i < t->n_ticks; i++)
		out->late.value_ns[out->late.n++] = t->tick[i].late_ns;
	put_in_order(&out->late);
	return rc;
}

/* ---- ways ------------------------------------------------------------------------------------------------------------ */

struct whole {
	uint64_t chunk;
	int64_t begin_ns, end_ns;
};

static int by_id(const void *a, const void *b)
{
	const struct record_span *p = *(const struct record_span *const *)a, *q = *(const struct record_span *const *)b;

	if (p->chunk != q->chunk)
		return p->chunk > q->chunk ? 1 : -1;
	return (p->begin_ns > q->begin_ns) - (p->begin_ns < q->begin_ns);
}

static int by_length(const void *a, const void *b)
{
	const struct whole *p = a, *q = b;
	int64_t x = p->end_ns - p->begin_ns, y = q->end_ns - q->begin_ns;

	return (x > y) - (x < y);
}

static void add_to_way(struct way *w, const struct record_span *s)
{
	int64_t begin_ns = s->frame_stamp_ns > 0 && s->frame_stamp_ns < s->begin_ns ? s->frame_stamp_ns : s->begin_ns;

	if (w->n == WAY_SPANS_MAX)
		return;
	w->begin_ns = w->n == 0 || begin_ns < w->begin_ns ? begin_ns : w->begin_ns;
	w->end_ns = s->end_ns > w->end_ns ? s->end_ns : w->end_ns;
	w->span[w->n++] = *s;
	w->chunk = s->chunk;
}

/* The way that begins at sorted[*at]; moves *at behind it. */
static void take_way(struct way *w, const struct record_span *const *sorted, size_t n, size_t *at)
{
	uint64_t chunk = sorted[*at]->chunk;

	*w = (struct way){ 0 };
	for (; *at < n && sorted[*at]->chunk == chunk; ++*at)
		add_to_way(w, sorted[*at]);
}

static void find_way(struct way *w, uint64_t chunk, const struct record_span *const *sorted, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sorted[i]->chunk == chunk) {
			take_way(w, sorted, n, &i);
			return;
		}
}

/* The stage that a whole way has: the motors' one, or, where nothing went to motors (SHADOW), the last one before them;
 * TRACE_STAGES_MAX: a trace that knows neither, where every way counts. */
static uint32_t goal_of(const struct trace_stages *out, const struct bench_trace *t)
{
	static const char *const goal[] = { "driver", "publish" };

	for (size_t g = 0; g < sizeof goal / sizeof *goal; g++)
		for (uint32_t k = 0; k < t->n_stages; k++)
			if (out->stage[k].n > 0 && strcmp(t->stage[k], goal[g]) == 0)
				return k;
	return TRACE_STAGES_MAX;
}

static bool has_stage(const struct way *w, uint32_t stage)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (w->span[i].stage == stage)
			return true;
	return stage == TRACE_STAGES_MAX;
}

/* Those that got there; what was dropped on its way, or cut by the trace's ends, is counted apart: it is no latency. */
static size_t list_whole_ways(struct trace_stages *out, struct whole *whole, uint32_t goal, const struct record_span *const *sorted, size_t n)
{
	struct way *w = &out->worst; /* too large for a stack */
	size_t n_whole = 0;

	for (size_t at = 0; at < n;) {
		take_way(w, sorted, n, &at);
		if (has_stage(w, goal))
			whole[n_whole++] = (struct whole){ w->chunk, w->begin_ns, w->end_ns };
		else
			out->n_unfinished++;
	}
	*w = (struct way){ 0 };
	return n_whole;
}

static void order_ways(struct trace_stages *out, struct whole *whole, size_t n_whole, const struct record_span *const *sorted, size_t n)
{
	if (n_whole == 0)
		return;
	qsort(whole, n_whole, sizeof *whole, by_length);
	for (size_t i = 0; i < n_whole; i++)
		out->whole.value_ns[out->whole.n++] = whole[i].end_ns - whole[i].begin_ns;
	find_way(&out->typical, whole[(n_whole - 1) / 2].chunk, sorted, n);
	find_way(&out->worst, whole[n_whole - 1].chunk, sorted, n);
}

static size_t list_spans_of_chunks(const struct bench_trace *t, const struct record_span **sorted)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_spans; i++)
		if (t->span[i].chunk != 0)
			sorted[n++] = &t->span[i];
	if (n > 1)
		qsort(sorted, n, sizeof *sorted, by_id);
	return n;
}

static int measure_ways(struct trace_stages *out, const struct bench_trace *t, struct errbuf *e)
{
	const struct record_span **sorted = malloc((t->n_spans + 1) * sizeof *sorted);
	struct whole *whole = malloc((t->n_spans + 1) * sizeof *whole);
	size_t n;
	int rc = make_room(&out->whole, t->n_spans, e);

	if (rc == 0 && (!sorted || !whole))
		rc = fail(e, -ENOMEM, "out of memory for %zu spans", t->n_spans);
	if (rc == 0) {
		n = list_spans_of_chunks(t, sorted);
		order_ways(out, whole, list_whole_ways(out, whole, goal_of(out, t), sorted, n), sorted, n);
	}
	free(whole);
	free(sorted);
	return rc;
}

int stages_measure(struct trace_stages *out, const struct bench_trace *t, struct errbuf *e)
{
	int rc;

	*out = (struct trace_stages){ 0 };
	if ((rc = measure_stages(out, t, e)) < 0 || (rc = measure_lateness(out, t, e)) < 0 || (rc = measure_ways(out, t, e)) < 0)
		stages_free(out);
	return rc;
}

void stages_free(struct trace_stages *s)
{
	for (uint32_t k = 0; k < TRACE_STAGES_MAX; k++)
		free(s->stage[k].value_ns);
	free(s->late.value_ns);
	free(s->whole.value_ns);
	*s = (struct trace_stages){ 0 };
}
