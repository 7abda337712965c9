/* bench_report.h - a folder about one run: report.html for people, trace.json for ui.perfetto.dev and chrome://tracing, summary.json for
 * dreamvla-bench compare and scripts, and the configuration. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_REPORT_H
#define DREAMVLA_DAEMON_BENCH_BENCH_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "daemon/bench/bench_stages.h"
#include "daemon/bench/bench_trace.h"
#include "daemon/sys/error.h"

/* The page, which needs no other file. Errors stay in `out`. Thread: any. Blocks: on the file. */
void report_write_html(FILE *out, const struct bench_trace *t, const struct trace_stages *s);

/* Trace event format of Chrome (JSON object format, "X" complete events, "M" metadata, "i" instants, "s", "t" and "f": arrows along a chunk's way):
 * docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. ts and dur are us since the run began; events come in the order of
 * time, and those of one track nest. Errors stay in `out`. Thread: any. Blocks: on the file. */
void report_write_trace(FILE *out, const struct bench_trace *t);

/* The numbers; the caller owns it. NULL: out of memory. */
json_t *report_summary(const struct bench_trace *t, const struct trace_stages *s);

/* The folder, which must not exist yet or be empty. -EEXIST, or the system's error; the text names the file. Allocates: yes, nothing stays. Blocks: on files. */
MUST_CHECK int report_make_folder(const char *folder, struct errbuf *e);
MUST_CHECK int report_write(const char *folder, const struct bench_trace *t, struct errbuf *e);

#endif
