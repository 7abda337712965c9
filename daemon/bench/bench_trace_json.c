/* bench_trace_json.c - see bench_report.h: trace.json. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bench/bench_report.h"

/* Spans of one stage may overlap (two frames on their way); those of one track must not, unless one holds the other. A stage gets a few
 * tracks, and a span the first one where it fits. */
enum { TRACKS = 8, TRACK_IDS = 10, TICK_TRACK = 1, EVENT_TRACK = 2, FIRST_STAGE_TRACK = 10 };

enum { NO_TRACK = -1 };

/* Where a span goes, and which part of its chunk's arrow it is: 0, or "ph" of a flow event. */
struct place {
	int8_t track;
	char flow;
};

struct tracks {
	int64_t busy_until_ns[TRACE_STAGES_MAX][TRACKS];
	bool named[TRACE_STAGES_MAX][TRACKS];
};

/* Escaped; what is no UTF-8 would make the whole file unreadable. */
static void json_text(FILE *out, const char *text)
{
	json_t *j = json_string(text);

	if (!j || json_dumpf(j, out, JSON_ENCODE_ANY) < 0)
		fputs("\"?\"", out);
	json_decref(j);
}

static double us(const struct bench_trace *t, int64_t t_ns)
{
	return (double)(t_ns - t->begin_ns) / 1e3;
}

static uint32_t track_id(uint16_t stage, int8_t track)
{
	return FIRST_STAGE_TRACK + TRACK_IDS * (uint32_t)stage + (uint32_t)track;
}

static void name_track(FILE *out, uint32_t track, const char *name)
{
	fprintf(out, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"ts\":0,\"name\":\"thread_name\",\"args\":{\"name\":", track);
	json_text(out, name);
	fprintf(out, "}},\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"ts\":0,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%u}}", track, track);
}

/* NO_TRACK: more spans at a time than tracks; it is left out. */
static int8_t choose_track(struct tracks *k, const struct record_span *s)
{
	for (int8_t i = 0; i < TRACKS; i++)
		if (k->busy_until_ns[s->stage][i] <= s->begin_ns) {
			k->busy_until_ns[s->stage][i] = s->end_ns;
			return i;
		}
	return NO_TRACK;
}

/* One of a chunk's way; sums run beside it, and an arrow binds to no slice without a length. */
static bool is_on_the_way(const struct bench_trace *t, size_t i, const struct place *p)
{
	const struct record_span *s = &t->span[i];

	return s->chunk != 0 && p[i].track != NO_TRACK && s->end_ns > s->begin_ns && !trace_is_sum(t->stage[s->stage]);
}

struct step {
	uint64_t chunk;
	size_t span;
};

static int by_chunk(const void *a, const void *b)
{
	const struct step *p = a, *q = b;

	return p->chunk != q->chunk ? (p->chunk > q->chunk) - (p->chunk < q->chunk) : (p->span > q->span) - (p->span < q->span);
}

/* From the first span of each chunk through all others to its last. */
static void mark_arrows(const struct bench_trace *t, struct place *p, struct step *step)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_spans; i++)
		if (is_on_the_way(t, i, p))
			step[n++] = (struct step){ t->span[i].chunk, i };
	if (n > 1)
		qsort(step, n, sizeof *step, by_chunk);
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || step[i - 1].chunk != step[i].chunk, last = i + 1 == n || step[i + 1].chunk != step[i].chunk;

		p[step[i].span].flow = first && last ? 0 : first ? 's' : last ? 'f' : 't';
	}
}

/* Which span goes where; NULL: out of memory, or there are none. */
static struct place *find_places(const struct bench_trace *t)
{
	struct place *p = t->n_spans > 0 ? calloc(t->n_spans, sizeof *p) : NULL;
	struct step *step = p ? malloc(t->n_spans * sizeof *step) : NULL;
	struct tracks *k = calloc(1, sizeof *k);

	for (size_t i = 0; p && i < t->n_spans; i++)
		p[i].track = k ? choose_track(k, &t->span[i]) : NO_TRACK;
	if (step)
		mark_arrows(t, p, step);
	free(k);
	free(step);
	return p;
}

static void name_tracks(FILE *out, const struct bench_trace *t, const struct place *p)
{
	struct tracks *k = calloc(1, sizeof *k);

	name_track(out, TICK_TRACK, "control tick is late");
	name_track(out, EVENT_TRACK, "events");
	for (size_t i = 0; k && p && i < t->n_spans; i++) {
		uint16_t stage = t->span[i].stage;

		if (p[i].track == NO_TRACK || k->named[stage][p[i].track])
			continue;
		k->named[stage][p[i].track] = true;
		name_track(out, track_id(stage, p[i].track), t->stage[stage]);
	}
	free(k);
}

/* Along a chunk's way: bound to the slice that holds its time. */
static void write_arrow(FILE *out, const struct bench_trace *t, const struct record_span *s, const struct place *p)
{
	fprintf(out, ",\n{\"ph\":\"%c\",%s\"cat\":\"way\",\"name\":\"chunk\",\"id\":%llu,\"pid\":1,\"tid\":%u,\"ts\":%.3f}", p->flow,
			p->flow == 'f' ? "\"bp\":\"e\"," : "", (unsigned long long)s->chunk, track_id(s->stage, p->track), us(t, s->begin_ns));
}

static void write_span(FILE *out, const struct bench_trace *t, const struct record_span *s, const struct place *p)
{
	if (p->track == NO_TRACK)
		return;
	fputs(",\n{\"ph\":\"X\",\"cat\":\"stage\",\"name\":", out);
	json_text(out, t->stage[s->stage]);
	fprintf(out, ",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f", track_id(s->stage, p->track),
			us(t, s->begin_ns), (double)(s->end_ns - s->begin_ns) / 1e3);
	fprintf(out, ",\"args\":{\"index\":%u,\"step\":%u,\"observation\":%llu,\"chunk\":%llu,\"frame_seq\":%llu,\"frame_stamp_ns\":%lld}}", s->index,
			s->step, (unsigned long long)s->observation, (unsigned long long)s->chunk, (unsigned long long)s->frame_seq,
			(long long)s->frame_stamp_ns);
	if (p->flow)
		write_arrow(out, t, s, p);
}

/* A tick that begins before the late one before it has begun cannot be (it is skipped), so these never overlap. */
static void write_tick(FILE *out, const struct bench_trace *t, const struct trace_tick *k)
{
	fprintf(out, ",\n{\"ph\":\"X\",\"cat\":\"control\",\"name\":\"late\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f}", TICK_TRACK,
			us(t, k->due_ns), (double)k->late_ns / 1e3);
}

static void write_event(FILE *out, const struct bench_trace *t, const struct trace_event *v)
{
	fprintf(out, ",\n{\"ph\":\"i\",\"s\":\"g\",\"cat\":\"event\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"name\":", EVENT_TRACK, us(t, v->t_ns));
	json_text(out, *v->mode ? v->mode : v->kind);
	fputs(",\"args\":{\"kind\":", out);
	json_text(out, v->kind);
	fputs(",\"reason\":", out);
	json_text(out, v->reason);
	fputs("}}", out);
}

enum next { NEXT_SPAN, NEXT_TICK, NEXT_EVENT };

/* Three lists, each in order of time, become one. */
static enum next which_is_next(const struct bench_trace *t, size_t span, size_t tick, size_t event)
{
	int64_t span_ns = span < t->n_spans ? t->span[span].begin_ns : INT64_MAX;
	int64_t tick_ns = tick < t->n_ticks ? t->tick[tick].due_ns : INT64_MAX;
	int64_t event_ns = event < t->n_events ? t->event[event].t_ns : INT64_MAX;

	if (span_ns <= tick_ns && span_ns <= event_ns && span < t->n_spans)
		return NEXT_SPAN;
	return tick_ns <= event_ns && tick < t->n_ticks ? NEXT_TICK : NEXT_EVENT;
}

static void write_all(FILE *out, const struct bench_trace *t, const struct place *p)
{
	size_t span = p ? 0 : t->n_spans, tick = 0, event = 0; /* out of memory: without them */

	while (span < t->n_spans || tick < t->n_ticks || event < t->n_events) {
		enum next next = which_is_next(t, span, tick, event);

		if (next == NEXT_SPAN) {
			write_span(out, t, &t->span[span], &p[span]);
			span++;
		} else if (next == NEXT_TICK) {
			write_tick(out, t, &t->tick[tick++]);
		} else {
			write_event(out, t, &t->event[event++]);
		}
	}
}

void report_write_trace(FILE *out, const struct bench_trace *t)
{
	struct place *p = find_places(t);

	fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
		"{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"ts\":0,\"name\":\"process_name\",\"args\":{\"name\":\"dreamvlad\"}}", out);
	name_tracks(out, t, p);
	write_all(out, t, p);
	fputs("\n]}\n", out);
	free(p);
}
