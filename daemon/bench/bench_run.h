/* bench_run.h - what happens between two moments of a session: counters subtracted and the arms' own
 * numbers asked for, so that a run of some seconds becomes a struct demo_numbers. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_RUN_H
#define DREAMVLA_DAEMON_BENCH_BENCH_RUN_H

#include <stdint.h>

#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_session.h"
#include "daemon/sys/error.h"

/* One moment of dreamvlad's counters. */
struct run_counters {
	uint64_t frames, chunks, rejected, targets, clamps, overruns, ticks, ticks_auto;
};

struct run {
	struct session *session;
	int64_t from_ns;                  /* CLOCK_MONOTONIC */
	double stolen_s;                  /* stolen_s() then */
	int64_t first_stamp_ns, stamp_ns; /* of the status that the run began with, and of the newest */
	struct run_counters first, newest;
	struct arm_numbers arm_first[ARMS_MAX], arm_newest[ARMS_MAX];
	struct fci_numbers fci_first, fci_newest;
	uint32_t n_faults;
	char fault[STATUS_FAULTS_MAX][NAME_BYTES];
};

/* Takes the next status and every arm's status as the beginning. -EPROTO names a counter that is missing. Blocks: up to 2 s. */
MUST_CHECK int run_begin(struct run *r, struct session *s, struct errbuf *e);

/* After session_step has brought a status: counts it, and asks the arms. -EPROTO as run_begin. Blocks: up to 1 s for each arm. */
MUST_CHECK int run_take(struct run *r, struct errbuf *e);

/* Goes on until `until_ns`, with a progress line on standard error once a second. Errors as session_step. */
MUST_CHECK int run_until(struct run *r, int64_t until_ns, struct errbuf *e);

/* What it came to. */
void run_numbers(const struct run *r, struct demo_numbers *n);

#endif
