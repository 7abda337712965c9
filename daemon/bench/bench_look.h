/* bench_look.h - `dreamvla-bench report` and `compare`: what is made of recordings and of reports. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_LOOK_H
#define DREAMVLA_DAEMON_BENCH_BENCH_LOOK_H

#include "daemon/bench/bench_demo.h"
#include "daemon/bench/bench_trace.h"

/* One line that shows how far something is, on standard error, if that is a terminal. */
void bench_show_progress(const char *what, double share);

/* Facts about this machine, now: cpu, kernel, governor, isolcpus, processors. What cannot be read is "unknown". */
void bench_note_host(struct bench_trace *t);

/* FILE.mcap DIR. Exit status: 0, 1 when it failed, 2 wrong use. Thread: main. Blocks: on files. */
int bench_report(const struct bench_options *o);

/* A B. Exit status: 0, 1 when something is worse beyond the threshold, 2 when they cannot be compared. */
int bench_compare(const struct bench_options *o);

#endif
