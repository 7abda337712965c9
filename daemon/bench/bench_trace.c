/* bench_trace.c - see bench_trace.h. */
#include "daemon/bench/bench_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/sys/clock.h"

enum { FIRST_ROOM = 256 };

uint16_t trace_stage(struct bench_trace *t, const char *name)
{
	uint32_t i = 0;

	while (i < t->n_stages && strncmp(t->stage[i], name, NAME_BYTES - 1) != 0)
		i++;
	if (i < t->n_stages || t->n_stages == TRACE_STAGES_MAX)
		return (uint16_t)(i < TRACE_STAGES_MAX ? i : TRACE_STAGES_MAX - 1);
	snprintf(t->stage[t->n_stages++], NAME_BYTES, "%s", name);
	return (uint16_t)i;
}

/* Room for one more of `size` bytes at the end of an array; NULL: there is none. */
static void *room(void **array, size_t *n, size_t *capacity, size_t size)
{
	if (*n == *capacity) {
		size_t more = *capacity ? 2 * *capacity : FIRST_ROOM;
		void *grown = realloc(*array, more * size);

		if (!grown)
			return NULL;
		*array = grown;
		*capacity = more;
	}
	return (char *)*array + (*n)++ * size;
}

#define ADD(name, type, array, count, capacity) \
	int name(struct bench_trace *t, const struct type *one, struct errbuf *e) \
	{ \
		void *grown = t->array; \
		void *at = room(&grown, &t->count, &t->capacity, sizeof *one); \
	\
		t->array = grown; \
		if (!at) \
			return fail(e, -ENOMEM, "out of memory for the trace"); \
		memcpy(at, one, sizeof *one); \
		return 0; \
	}
ADD(trace_add_span, record_span, span, n_spans, spans_room)
ADD(trace_add_tick, trace_tick, tick, n_ticks, ticks_room)
ADD(trace_add_event, trace_event, event, n_events, events_room)
ADD(trace_add_chunk, trace_chunk, chunk, n_chunks, chunks_room)
#undef ADD

void trace_set_note(struct bench_trace *t, const char *name, const char *value)
{
	uint32_t i = 0;

	while (i < t->n_notes && strcmp(t->note[i].name, name) != 0)
		i++;
	if (i == TRACE_NOTES_MAX)
		return;
	t->n_notes += i == t->n_notes;
	snprintf(t->note[i].name, sizeof t->note[i].name, "%s", name);
	snprintf(t->note[i].value, sizeof t->note[i].value, "%s", value);
}

const char *trace_note(const struct bench_trace *t, const char *name)
{
	for (uint32_t i = 0; i < t->n_notes; i++)
		if (strcmp(t->note[i].name, name) == 0)
			return t->note[i].value;
	return "";
}

void trace_set_count(struct bench_trace *t, const char *name, uint64_t value, bool before)
{
	uint32_t i = 0;

	while (i < t->n_counts && strcmp(t->count[i].name, name) != 0)
		i++;
	if (i == TRACE_COUNTS_MAX)
		return;
	if (i == t->n_counts || before) {
		snprintf(t->count[i].name, sizeof t->count[i].name, "%s", name);
		t->count[i].first = value;
		t->n_counts += i == t->n_counts;
	}
	t->count[i].last = value;
}

uint64_t trace_count_grown(const struct trace_count *c)
{
	return c->last >= c->first ? c->last - c->first : c->last;
}

uint64_t trace_refusals(const struct bench_trace *t, enum reason reason)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->n_events; i++)
		n += strcmp(t->event[i].kind, "refused") == 0 && strcmp(t->event[i].code, reason_name(reason)) == 0;
	return n;
}

bool trace_is_stop(const struct trace_event *v)
{
	bool stands = strcmp(v->mode, "HOLD") == 0 || strcmp(v->mode, "FAULT") == 0;
	bool stood = strcmp(v->previous, "BOOT") == 0 || strcmp(v->previous, "READY") == 0
			|| (strcmp(v->previous, "HOLD") == 0 && strcmp(v->mode, "FAULT") != 0);

	return strcmp(v->kind, "mode") == 0 && stands && !stood && strcmp(v->mode, v->previous) != 0;
}

bool trace_is_sum(const char *stage)
{
	static const char *const sums[] = { "frame", "first_target", "frame_to_target", "photon_to_motor" };

	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
		if (strcmp(stage, sums[i]) == 0)
			return true;
	return false;
}

void trace_wall_text(const struct bench_trace *t, int64_t t_ns, const char *format, char *out, size_t capacity)
{
	time_t whole = (time_t)((t->wall_ns + t_ns - t->begin_ns) / NS_PER_S);
	struct tm local;

	*out = 0;
	if (t->wall_ns > 0 && localtime_r(&whole, &local))
		strftime(out, capacity, format, &local);
}

/* ---- order -------------------------------------------------------------------------------------------------------- */

static int by_time(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int by_begin(const void *a, const void *b)
{
	const struct record_span *p = a, *q = b;
	int order = by_time(p->begin_ns, q->begin_ns);

	return order ? order : by_time(q->end_ns, p->end_ns); /* what holds another comes before it */
}

static int by_due(const void *a, const void *b)
{
	return by_time(((const struct trace_tick *)a)->due_ns, ((const struct trace_tick *)b)->due_ns);
}

static int by_event(const void *a, const void *b)
{
	return by_time(((const struct trace_event *)a)->t_ns, ((const struct trace_event *)b)->t_ns);
}

static int by_chunk(const void *a, const void *b)
{
	const struct trace_chunk *p = a, *q = b;

	return (p->id > q->id) - (p->id < q->id);
}

static void sort(void *array, size_t n, size_t size, int (*order)(const void *, const void *))
{
	if (n > 1)
		qsort(array, n, size, order);
}

static void drop_broken_spans(struct bench_trace *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_spans; i++)
		if (t->span[i].begin_ns >= 0 && t->span[i].end_ns >= t->span[i].begin_ns && t->span[i].stage < t->n_stages)
			t->span[kept++] = t->span[i];
	t->n_spans = kept;
}

/* Which chunk an observation became. */
struct made {
	uint64_t observation, chunk;
};

static int by_observation(const void *a, const void *b)
{
	const struct made *p = a, *q = b;

	return (p->observation > q->observation) - (p->observation < q->observation);
}

static size_t list_made(const struct bench_trace *t, struct made *m)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_spans; i++)
		if (t->span[i].observation && t->span[i].chunk)
			m[n++] = (struct made){ t->span[i].observation, t->span[i].chunk };
	sort(m, n, sizeof *m, by_observation);
	return n;
}

static void name_chunks(struct bench_trace *t)
{
	struct made *m = t->n_spans ? malloc(t->n_spans * sizeof *m) : NULL;
	size_t n = m ? list_made(t, m) : 0; /* without memory for it these spans stay nobody's */

	for (size_t i = 0; n > 0 && i < t->n_spans; i++) {
		struct record_span *s = &t->span[i];
		const struct made key = { .observation = s->observation }, *found;

		if (s->chunk == 0 && s->observation != 0 && (found = bsearch(&key, m, n, sizeof *m, by_observation)))
			s->chunk = found->chunk;
	}
	free(m);
}

static void widen(struct bench_trace *t, int64_t t_ns)
{
	if (t_ns <= 0)
		return;
	t->begin_ns = t->begin_ns == 0 || t_ns < t->begin_ns ? t_ns : t->begin_ns;
	t->end_ns = t_ns > t->end_ns ? t_ns : t->end_ns;
}

static void find_ends(struct bench_trace *t)
{
	for (size_t i = 0; i < t->n_spans; i++) {
		widen(t, t->span[i].begin_ns);
		widen(t, t->span[i].end_ns);
	}
	for (size_t i = 0; i < t->n_ticks; i++)
		widen(t, t->tick[i].due_ns);
	for (size_t i = 0; i < t->n_events; i++)
		widen(t, t->event[i].t_ns);
}

void trace_finish(struct bench_trace *t)
{
	drop_broken_spans(t);
	name_chunks(t);
	sort(t->span, t->n_spans, sizeof *t->span, by_begin);
	sort(t->tick, t->n_ticks, sizeof *t->tick, by_due);
	sort(t->event, t->n_events, sizeof *t->event, by_event);
	sort(t->chunk, t->n_chunks, sizeof *t->chunk, by_chunk);
	if (t->begin_ns == 0 || t->end_ns == 0)
		find_ends(t);
}

void trace_free(struct bench_trace *t)
{
	free(t->span);
	free(t->tick);
	free(t->event);
	free(t->chunk);
	free(t->config);
	*t = (struct bench_trace){ 0 };
}
