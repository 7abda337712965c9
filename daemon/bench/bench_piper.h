/* bench_piper.h - `dreamvla-bench piper`: the measure that chooses how joint targets are streamed to a PiPER. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_PIPER_H
#define DREAMVLA_DAEMON_BENCH_BENCH_PIPER_H

#include "daemon/bench/bench_demo.h"

/* Measures every rate, mode and kind of target in the simulated arm (bench_stream.h), on virtual time, and prints a table, or JSON. Exit
 * status: 0. Thread: main. Allocates: yes. Blocks: computes for some seconds. */
int bench_piper(const struct bench_options *o);

#endif
