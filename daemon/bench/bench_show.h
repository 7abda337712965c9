/* bench_show.h - `dreamvla-bench show`: the demo policy carries out sentences on the simulated bench, in real time; judged, and made a film of. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_SHOW_H
#define DREAMVLA_DAEMON_BENCH_BENCH_SHOW_H

#include "daemon/bench/bench_demo.h"

/* Starts everything, runs the course (bench_course.h), prints the table on standard output and writes the film. Exit status: 0 when all
 * criteria are met. Thread: main. Blocks: yes. */
int bench_show(const struct bench_options *o);

#endif
