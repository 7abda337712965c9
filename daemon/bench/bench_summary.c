/* bench_summary.c - see bench_report.h: summary.json. */
#include <string.h>

#include "daemon/bench/bench_report.h"

enum { FORMAT_VERSION = 1, STOPS_MAX = 200, TIME_BYTES = 64 };

static double us(int64_t ns)
{
	return (double)ns / 1e3;
}

static json_t *spread_summary(const struct spread *s)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "n", (json_int_t)s->n, "p50_us", us(spread_quantile(s, 0.5)), "p90_us",
			us(spread_quantile(s, 0.9)), "p99_us", us(spread_quantile(s, 0.99)), "p999_us", us(spread_quantile(s, 0.999)), "max_us",
			us(spread_max(s)), "mean_us", spread_mean(s) / 1e3);
}

static json_t *stages_summary(const struct bench_trace *t, const struct trace_stages *s)
{
	json_t *all = json_object();

	for (uint32_t k = 0; all && k < t->n_stages; k++)
		if (s->stage[k].n > 0)
			json_object_set_new(all, t->stage[k], spread_summary(&s->stage[k]));
	return all;
}

static void add_time(json_t *modes, const char *mode, int64_t from_ns, int64_t to_ns)
{
	double before = json_number_value(json_object_get(modes, mode));

	if (*mode)
		json_object_set_new(modes, mode, json_real(before + (double)(to_ns - from_ns) / 1e9));
}

/* Seconds in each mode. */
static json_t *modes_summary(const struct bench_trace *t)
{
	json_t *modes = json_object();
	const char *mode = trace_note(t, "mode");
	int64_t since_ns = t->begin_ns;

	for (size_t i = 0; modes && i < t->n_events; i++) {
		const struct trace_event *v = &t->event[i];

		if (strcmp(v->kind, "mode") != 0)
			continue;
		add_time(modes, v->previous, since_ns, v->t_ns);
		mode = v->mode;
		since_ns = v->t_ns;
	}
	if (modes)
		add_time(modes, mode, since_ns, t->end_ns);
	return modes;
}

static json_t *notes_summary(const struct bench_trace *t)
{
	json_t *notes = json_object();

	for (uint32_t i = 0; notes && i < t->n_notes; i++) {
		json_t *value = json_string(t->note[i].value);

		json_object_set_new(notes, t->note[i].name, value ? value : json_string("(no UTF-8)"));
	}
	return notes;
}

/* By how much dreamvlad's counters grew, and what its events tell. */
static json_t *counts_summary(const struct bench_trace *t)
{
	json_t *counts = json_object();

	for (uint32_t i = 0; counts && i < t->n_counts; i++)
		json_object_set_new(counts, t->count[i].name, json_integer((json_int_t)trace_count_grown(&t->count[i])));
	if (counts) {
		json_object_set_new(counts, "underruns", json_integer((json_int_t)trace_refusals(t, REASON_UNDERRUN)));
		json_object_set_new(counts, "targets_refused", json_integer((json_int_t)trace_refusals(t, REASON_TARGET_REFUSED)));
	}
	return counts;
}

static json_t *stop_summary(const struct bench_trace *t, const struct trace_event *v)
{
	char time[TIME_BYTES];
	json_t *reason = json_string(v->reason);

	trace_wall_text(t, v->t_ns, "%Y-%m-%d %H:%M:%S", time, sizeof time);
	return json_pack("{s:f, s:s, s:s, s:s, s:s, s:o}", "s", (double)(v->t_ns - t->begin_ns) / 1e9, "time", time, "from", v->previous, "to", v->mode,
			"code", v->code, "reason", reason ? reason : json_string("(no UTF-8)"));
}

/* The first STOPS_MAX; counts.stops has them all. */
static json_t *stops_summary(const struct bench_trace *t, json_t *counts)
{
	json_t *stops = json_array();
	json_int_t n = 0;

	for (size_t i = 0; stops && i < t->n_events; i++)
		if (trace_is_stop(&t->event[i]) && n++ < STOPS_MAX)
			json_array_append_new(stops, stop_summary(t, &t->event[i]));
	json_object_set_new(counts, "stops", json_integer(n));
	return stops;
}

static void add_cyclictest(json_t *summary, const struct percentiles *c)
{
	if (c->n > 0)
		json_object_set_new(summary, "cyclictest", json_pack("{s:I, s:f, s:f, s:f, s:f}", "n", (json_int_t)c->n, "p50_us", us(c->p50_ns), "p99_us", us(c->p99_ns),
				"p999_us", us(c->p999_ns), "max_us", us(c->max_ns)));
}

json_t *report_summary(const struct bench_trace *t, const struct trace_stages *s)
{
	double seconds = (double)(t->end_ns - t->begin_ns) / 1e9;

	json_t *counts = counts_summary(t), *stops = stops_summary(t, counts);
	json_t *all = json_pack("{s:s, s:i, s:f, s:I, s:I, s:f, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "format", "dreamvla-bench summary", "version", FORMAT_VERSION,
			"seconds", seconds, "wall_ns", (json_int_t)t->wall_ns, "chunks", (json_int_t)t->n_chunks, "chunks_per_s",
			seconds > 0 ? (double)t->n_chunks / seconds : 0.0, "lost_records", (json_int_t)t->n_lost, "stages", stages_summary(t, s),
			"lateness", spread_summary(&s->late), "whole_way", spread_summary(&s->whole),
			"unfinished_ways", (json_int_t)s->n_unfinished, "modes_s", modes_summary(t), "notes",
			notes_summary(t), "counts", counts, "stops", stops);

	if (all)
		add_cyclictest(all, &t->cyclictest);
	return all;
}
