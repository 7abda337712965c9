/* stamp.h - from the time a message carries to CLOCK_MONOTONIC (messages.md section 3).
 *
 * Pure: arrival and the offset of the clocks come in as arguments. With `clock: monotonic` the offset is 0, with
 * `clock: realtime` it is CLOCK_REALTIME - CLOCK_MONOTONIC, read together by the caller. */
#ifndef DREAMVLA_TRANSPORT_STAMP_H
#define DREAMVLA_TRANSPORT_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

#define STAMP_AHEAD_MAX_NS INT64_C(5000000)    /* a stamp further ahead of its arrival voids the message */
#define STAMP_DUE_MAX_NS INT64_C(500000000)    /* a target due further ahead is void */

/* *monotonic_ns = when it was true. -EBADMSG: before the clock's start, or more than 5 ms after arrival_ns.
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int stamp_to_monotonic(int64_t stamp_ns, int64_t arrival_ns, int64_t offset_ns, int64_t *monotonic_ns,
		struct errbuf *e);

/* The same for a camera with `stamps: none`: its stamp says nothing, the frame is latency_ns older than its arrival. */
int64_t stamp_from_arrival(int64_t arrival_ns, int64_t latency_ns);

/* The same for `t_ns` of a target, which lies ahead. -EBADMSG: more than 500 ms ahead of arrival_ns. */
MUST_CHECK int stamp_due_to_monotonic(int64_t t_ns, int64_t arrival_ns, int64_t offset_ns, int64_t *monotonic_ns,
		struct errbuf *e);

#endif
