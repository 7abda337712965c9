/* bench_policy.h - `dreamvla-bench policy`: how long a checkpoint takes to load and to give one chunk, beside the time of the same
 * matrix products alone, and the memory it takes beyond its files. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_POLICY_H
#define DREAMVLA_DAEMON_BENCH_BENCH_POLICY_H

#include "daemon/bench/bench_demo.h"

/* Two pictures, discrete decoder, a chunk of 8 steps, o->model; inference and products in turn until o->seconds have passed, at least
 * once each. Prints on standard output. Exit status 1: something could not be measured. Thread: main. Blocks: yes. */
int bench_policy(const struct bench_options *o);

#endif
