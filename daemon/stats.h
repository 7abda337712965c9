/* stats.h - what the threads measure and io publishes. Each histogram has one writer; anybody may read.
 *
 *   late, stage: tick                                 control
 *   stage: wait .. overhead                           policy
 *   stage: all others                                 io */
#ifndef DREAMVLA_DAEMON_STATS_H
#define DREAMVLA_DAEMON_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "daemon/flow.h"
#include "daemon/sys/histogram.h"

struct stats {
	struct histogram late;                /* control: time of waking - time due */
	struct histogram stage[STAGE_COUNT];
	_Atomic uint64_t ticks, overruns;     /* control: executed and skipped periods; the watchdog looks at ticks */
};

/* "decode", "first_target", ...: the keys of status.stages (trace.h); NULL beyond the last. Thread: any. Allocates: no. Blocks: no. */
const char *trace_stage_name(enum trace_stage s);

#endif
