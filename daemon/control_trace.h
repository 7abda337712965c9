/* control_trace.h - when a control tick was due, began and ended (trace.h): histograms, and a span on the control thread's tape. */
#ifndef DREAMVLA_DAEMON_CONTROL_TRACE_H
#define DREAMVLA_DAEMON_CONTROL_TRACE_H

#include <stdint.h>

#include "daemon/stats.h"
#include "daemon/sys/tape.h"

/* end_ns: its targets have been handed over. Thread: control. Allocates: no. Blocks: no. */
void control_trace(struct stats *stats, struct tape *tape, int64_t due_ns, int64_t woke_ns, int64_t end_ns);

#endif
