/* bench_profile.h - `dreamvla-bench run`: the simulated bench for a while, under load and faults if wanted, and a report about it. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_PROFILE_H
#define DREAMVLA_DAEMON_BENCH_BENCH_PROFILE_H

#include "daemon/bench/bench_demo.h"

/* DIR. Exit status: 0; 1 when it failed, though the folder holds what was seen up to then; 2 wrong use. Thread: main. Blocks: yes. */
int bench_profile(const struct bench_options *o);

#endif
