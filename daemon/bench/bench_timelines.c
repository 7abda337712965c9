/* bench_timelines.c - see bench_charts.h: what happened when. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bench/bench_charts.h"
#include "daemon/bench/bench_svg.h"

enum { WIDTH = 960, ROW = 22, LEFT = 150, RIGHT = 90, COLUMNS = 720, CHUNKS_SHOWN = 40, CHUNK_ROW = 12, TEXT_BYTES = 256 };

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static double seconds(const struct bench_trace *t, int64_t t_ns)
{
	return (double)(t_ns - t->begin_ns) / 1e9;
}

static struct svg_axis time_axis(const struct bench_trace *t, int64_t from_ns, int64_t to_ns)
{
	struct svg_axis a = svg_axis_around(seconds(t, from_ns), seconds(t, to_ns), false,
			t->wall_ns > 0 ? "s since the beginning, and time of day" : "s since the beginning");

	a.wall_ns = t->wall_ns;
	return a;
}

/* ---- a frame's way -------------------------------------------------------------------------------------------------- */

static void draw_span(const struct svg_plot *p, const struct bench_trace *t, const struct way *w, uint32_t i)
{
	const struct record_span *s = &w->span[i];
	double from = svg_x(p, ms(s->begin_ns - w->begin_ns)), to = svg_x(p, ms(s->end_ns - w->begin_ns)), y = p->top + ROW * i;
	char text[TEXT_BYTES], hint[TEXT_BYTES];

	snprintf(text, sizeof text, "%.3g ms", ms(s->end_ns - s->begin_ns));
	snprintf(hint, sizeof hint, "%s [%u]: %.3f ms, from %.3f ms on", t->stage[s->stage], s->index, ms(s->end_ns - s->begin_ns),
			ms(s->begin_ns - w->begin_ns));
	svg_text(p->out, p->left - 8, y + 15, "end", "tick", t->stage[s->stage]);
	svg_rect(p->out, from, y + 3, to - from, ROW - 6, trace_is_sum(t->stage[s->stage]) ? "sum" : "bar", hint);
	/* Where no room is left on the right, on the left of the bar. */
	if (to < p->left + p->width - 20 || from < p->left + 70)
		svg_text(p->out, fmin(to + 6, p->left + p->width + 6), y + 15, "start", "tick", text);
	else
		svg_text(p->out, from - 6, y + 15, "end", "tick", text);
}

void chart_way(FILE *out, const struct bench_trace *t, const struct way *w, const char *title)
{
	char head[TEXT_BYTES];
	struct svg_plot p = { .out = out, .left = LEFT, .top = 30, .width = WIDTH - LEFT - RIGHT, .height = ROW * w->n,
		.x = svg_axis_around(0, ms(w->end_ns - w->begin_ns), false, "ms since the frame's stamp") };

	if (w->n == 0) {
		fputs("<p class=\"none\">No frame became a chunk.</p>\n", out);
		return;
	}
	snprintf(head, sizeof head, "%s: chunk %llu, %.1f ms", title, (unsigned long long)w->chunk, ms(w->end_ns - w->begin_ns));
	svg_open(out, WIDTH, p.top + p.height + SVG_BELOW_X, head);
	svg_text(out, LEFT, 18, "start", "name", head);
	svg_grid_x(&p);
	for (uint32_t i = 0; i < w->n; i++)
		draw_span(&p, t, w, i);
	svg_close(out);
}

/* ---- lateness ----------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return (p > q) - (p < q);
}

/* The ticks from *at on that belong to one column, their lateness in order; how many. */
static size_t take_column(const struct bench_trace *t, int column, size_t *at, double *late_ms)
{
	double until_s = seconds(t, t->end_ns) * (column + 1) / COLUMNS;
	size_t n = 0;

	for (; *at < t->n_ticks && (seconds(t, t->tick[*at].due_ns) < until_s || column == COLUMNS - 1); ++*at)
		late_ms[n++] = ms(t->tick[*at].late_ns);
	if (n > 1)
		qsort(late_ms, n, sizeof *late_ms, by_value);
	return n;
}

static void draw_columns(const struct svg_plot *p, const struct bench_trace *t, double *late_ms)
{
	double bottom = p->top + p->height;
	size_t at = 0;

	for (int k = 0; k < COLUMNS; k++) {
		size_t n = take_column(t, k, &at, late_ms);
		double x = p->left + p->width * k / COLUMNS;

		if (n == 0)
			continue;
		svg_rect(p->out, x, svg_y(p, late_ms[n - 1]), p->width / COLUMNS, bottom - svg_y(p, late_ms[n - 1]), "late", NULL);
		svg_rect(p->out, x, svg_y(p, late_ms[n / 2]) - 1, p->width / COLUMNS, 2, "middle", NULL);
	}
}

static double latest_ms(const struct bench_trace *t)
{
	int64_t worst_ns = 0;

	for (size_t i = 0; i < t->n_ticks; i++)
		worst_ns = t->tick[i].late_ns > worst_ns ? t->tick[i].late_ns : worst_ns;
	return ms(worst_ns);
}

void chart_lateness(FILE *out, const struct bench_trace *t)
{
	struct svg_plot p = { .out = out, .left = 60, .top = 30, .width = WIDTH - 90, .height = 200, .x = time_axis(t, t->begin_ns, t->end_ns),
		.y = svg_axis_around(0.001, fmax(latest_ms(t), 0.1), true, "ms late: worst (bars) and middle one (line) of each moment") };
	double *late_ms = t->n_ticks ? malloc(t->n_ticks * sizeof *late_ms) : NULL;

	if (!late_ms) {
		fputs("<p class=\"none\">No control ticks were recorded.</p>\n", out);
		return;
	}
	svg_open(out, WIDTH, p.top + p.height + SVG_BELOW_TIME, "Lateness of control ticks over time");
	svg_grid_x(&p);
	svg_grid_y(&p);
	draw_columns(&p, t, late_ms);
	svg_close(out);
	free(late_ms);
}

/* ---- chunks --------------------------------------------------------------------------------------------------------------- */

/* The slowest one is in the middle, where there are more than can be shown. */
static size_t first_shown(const struct bench_trace *t)
{
	size_t slowest = 0, last = t->n_chunks > CHUNKS_SHOWN ? t->n_chunks - CHUNKS_SHOWN : 0;

	for (size_t i = 0; i < t->n_chunks; i++)
		if (t->chunk[i].handed_over_ns - t->chunk[i].t_obs_ns > t->chunk[slowest].handed_over_ns - t->chunk[slowest].t_obs_ns)
			slowest = i;
	return slowest < CHUNKS_SHOWN / 2 ? 0 : slowest - CHUNKS_SHOWN / 2 < last ? slowest - CHUNKS_SHOWN / 2 : last;
}

static void draw_part(const struct svg_plot *p, const struct bench_trace *t, int64_t from_ns, int64_t to_ns, double y, const char *class)
{
	double from = svg_x(p, seconds(t, from_ns)), to = svg_x(p, seconds(t, to_ns));
	char hint[TEXT_BYTES];

	snprintf(hint, sizeof hint, "%s: %.1f ms", class, ms(to_ns - from_ns));
	if (from_ns > 0 && to_ns >= from_ns)
		svg_rect(p->out, from, y, to - from, CHUNK_ROW - 3, class, hint);
}

static void draw_chunk(const struct svg_plot *p, const struct bench_trace *t, const struct trace_chunk *c, double y)
{
	char id[TEXT_BYTES];
	int64_t worked_ns = c->handed_over_ns - c->inference_ns;

	snprintf(id, sizeof id, "%llu", (unsigned long long)c->id);
	svg_text(p->out, p->left - 8, y + CHUNK_ROW - 3, "end", "small", id);
	draw_part(p, t, c->t_obs_ns, c->received_ns, y, "travels");
	draw_part(p, t, c->received_ns, worked_ns, y, "waits");
	draw_part(p, t, worked_ns, c->handed_over_ns, y, "infers");
	draw_part(p, t, c->first_ns, c->last_ns, y, "moves");
}

static void draw_chunk_legend(FILE *out, double left)
{
	static const struct { const char *class, *text; } parts[] = { { "travels", "frame travels" }, { "waits", "waits" }, { "infers", "inference" },
		{ "moves", "its targets are sent" } };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		svg_rect(out, left + 130 * (double)i, 8, 12, 10, parts[i].class, NULL);
		svg_text(out, left + 130 * (double)i + 17, 17, "start", "tick", parts[i].text);
	}
}

void chart_chunks(FILE *out, const struct bench_trace *t)
{
	size_t first = first_shown(t), n = t->n_chunks - first < CHUNKS_SHOWN ? t->n_chunks - first : CHUNKS_SHOWN;
	int64_t from_ns = INT64_MAX, to_ns = 0;

	if (n == 0) {
		fputs("<p class=\"none\">No chunk was made.</p>\n", out);
		return;
	}
	for (size_t i = first; i < first + n; i++) {
		const struct trace_chunk *c = &t->chunk[i];

		from_ns = c->t_obs_ns < from_ns ? c->t_obs_ns : from_ns;
		to_ns = c->handed_over_ns > to_ns ? c->handed_over_ns : to_ns;
		to_ns = c->last_ns > to_ns ? c->last_ns : to_ns;
	}
	struct svg_plot p = { .out = out, .left = 60, .top = 30, .width = WIDTH - 90, .height = (double)(CHUNK_ROW * n),
		.x = time_axis(t, from_ns, to_ns) };

	fprintf(out, "<p>Chunks %llu to %llu; %zu in all%s.</p>\n", (unsigned long long)t->chunk[first].id,
			(unsigned long long)t->chunk[first + n - 1].id, t->n_chunks, n < t->n_chunks ? ", these are around the slowest one" : "");
	svg_open(out, WIDTH, p.top + p.height + SVG_BELOW_TIME, "Chunks over time");
	draw_chunk_legend(out, p.left);
	svg_grid_x(&p);
	for (size_t i = 0; i < n; i++)
		draw_chunk(&p, t, &t->chunk[first + i], p.top + (double)(CHUNK_ROW * i) + 1);
	svg_close(out);
}

/* ---- modes ------------------------------------------------------------------------------------------------------------------- */

static const char *class_of_mode(const char *mode)
{
	static const char *const known[] = { "BOOT", "READY", "AUTO", "SHADOW", "TELEOP", "HOLD", "RETURN", "FAULT" };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(mode, known[i]) == 0)
			return known[i];
	return "BOOT";
}

static void draw_mode(const struct svg_plot *p, const struct bench_trace *t, const char *mode, int64_t from_ns, int64_t to_ns)
{
	double from = svg_x(p, seconds(t, from_ns)), to = svg_x(p, seconds(t, to_ns));
	char hint[TEXT_BYTES];

	snprintf(hint, sizeof hint, "%s, %.3f s", mode, (double)(to_ns - from_ns) / 1e9);
	svg_rect(p->out, from, p->top, to - from, p->height, class_of_mode(mode), hint);
	if (to - from > 9 * (double)strlen(mode))
		svg_text(p->out, (from + to) / 2, p->top + p->height / 2 + 4, "middle", "in", mode);
}

void chart_modes(FILE *out, const struct bench_trace *t)
{
	struct svg_plot p = { .out = out, .left = 60, .top = 10, .width = WIDTH - 90, .height = 30, .x = time_axis(t, t->begin_ns, t->end_ns) };
	const struct trace_event *last = NULL;

	svg_open(out, WIDTH, p.top + p.height + SVG_BELOW_TIME, "Modes over time");
	svg_grid_x(&p);
	for (size_t i = 0; i < t->n_events; i++) {
		const struct trace_event *v = &t->event[i];

		if (strcmp(v->kind, "mode") != 0)
			continue;
		draw_mode(&p, t, last ? last->mode : v->previous, last ? last->t_ns : t->begin_ns, v->t_ns);
		last = v;
	}
	if (last)
		draw_mode(&p, t, last->mode, last->t_ns, t->end_ns);
	else
		draw_mode(&p, t, *trace_note(t, "mode") ? trace_note(t, "mode") : "unknown", t->begin_ns, t->end_ns);
	svg_close(out);
}
