/* bench_cyclictest.h - cyclictest (rt-tests) beside the control loop: the floor of what this machine's timers can do. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_CYCLICTEST_H
#define DREAMVLA_DAEMON_BENCH_BENCH_CYCLICTEST_H

#include "daemon/bench/bench_process.h"
#include "daemon/sys/error.h"
#include "daemon/sys/histogram.h"

/* Starts cyclictest with the scheduling of the control thread and its period, until cyclictest_finish; its result goes into the
 * group's folder. -ENOENT with the package's name when it is not installed. Allocates: yes. Blocks: no. */
MUST_CHECK int cyclictest_start(struct process_group *g, const struct thread_scheduling *like, int64_t period_ns, struct errbuf *e);

/* Ends it and reads its histogram. -EPROTO: it failed (its log says why). Blocks: up to wait_ms. */
MUST_CHECK int cyclictest_finish(struct process_group *g, int64_t wait_ms, struct percentiles *out, struct errbuf *e);

/* Reads cyclictest's JSON (file_version 1): one thread, histogram in us. -EBADMSG names what is missing. Allocates: yes. */
MUST_CHECK int cyclictest_read(const char *path, struct percentiles *out, struct errbuf *e);

#endif
