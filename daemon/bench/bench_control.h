/* bench_control.h - `dreamvla-bench control`: how late the control loop is beside cyclictest, and how evenly its targets reach the
 * arm, with the policy running and with it stopped; how long a person's take-over takes; what one tick costs; what control and
 * policy threads allocate; and the two latencies around a chunk's hand-over. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_CONTROL_H
#define DREAMVLA_DAEMON_BENCH_BENCH_CONTROL_H

#include "daemon/bench/bench_demo.h"

/* Measures for about 2.5 times o->seconds and half a minute, and prints on standard output. A number that misses its aim is marked, not an error:
 * exit status 1 means that something could not be measured. Thread: main. Blocks: yes. */
int bench_control(const struct bench_options *o);

/* `dreamvla-bench allocations`: only that part, for o->seconds in AUTO. Exit status 1 also when the control thread
 * allocated anything, or the policy thread anything outside the libraries that are excused. */
int bench_allocations(const struct bench_options *o);

#endif
