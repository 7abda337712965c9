/* bench_tick.h - what one control tick costs: control_tick with everything around it made of numbers, on virtual time, in
 * instructions and in time of this machine. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_TICK_H
#define DREAMVLA_DAEMON_BENCH_BENCH_TICK_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/bench/bench_instructions.h"
#include "daemon/bench/bench_paired.h"
#include "daemon/flow.h"
#include "daemon/sys/error.h"

enum { TICK_ROWS = 6 };

struct tick_row {
	enum mode mode;
	uint32_t n_arms;
	uint32_t n;                      /* ticks whose instructions were counted: all, or the median by time and the longest */
	uint64_t p50, max;               /* instructions */
	double p50_us, p99_us, max_us;
};

struct ticks {
	const char *method;
	struct tick_row row[TICK_ROWS];
};

/* HOLD, AUTO (path running, a chunk every 0.4 s) and TELEOP (twist), with one arm and with two, of the configuration's first robot.
 * -EINVAL: the configuration; -EPROTO: a mode was not reached. Thread: main. Allocates: yes. */
MUST_CHECK int ticks_measure(struct ticks *t, const char *config, struct errbuf *e);

/* What trace and recording cost a tick of AUTO with one arm: all that the control thread does in a period but sleep and wake io, with
 * nothing wanted on its tape and with everything. *period_ns: the configuration's. Errors, thread and allocation: as above. */
MUST_CHECK int ticks_measure_writing(struct paired_cost *c, int64_t *period_ns, const char *config, struct errbuf *e);

void ticks_print(FILE *out, const struct ticks *t);
json_t *ticks_json(const struct ticks *t);

#endif
