/* bench_charts.h - the pictures of a report, each one inline SVG (bench_svg.h). Where there is nothing to draw, a sentence says so. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_CHARTS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_CHARTS_H

#include <stdio.h>

#include "daemon/bench/bench_stages.h"

/* One frame's way, stage by stage. */
void chart_way(FILE *out, const struct bench_trace *t, const struct way *w, const char *title);

/* A histogram of each stage. */
void chart_histograms(FILE *out, const struct bench_trace *t, const struct trace_stages *s);

/* Every stage's duration over the share of its values that are shorter. */
void chart_percentiles(FILE *out, const struct bench_trace *t, const struct trace_stages *s);

/* How late ticks were, over the run: the worst and the middle one of each moment. */
void chart_lateness(FILE *out, const struct bench_trace *t);

/* From observation to last target, of the chunks around the slowest one. */
void chart_chunks(FILE *out, const struct bench_trace *t);

/* Which mode held when. */
void chart_modes(FILE *out, const struct bench_trace *t);

#endif
