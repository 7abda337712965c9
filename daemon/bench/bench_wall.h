/* bench_wall.h - a time of day as a person writes it, within a recording. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_WALL_H
#define DREAMVLA_DAEMON_BENCH_BENCH_WALL_H

#include <stdint.h>

#include "daemon/sys/error.h"

/* What a recording holds, ns of CLOCK_REALTIME. */
struct wall_range {
	const char *path;
	int64_t first_ns, last_ns;
};

enum wall_end { WALL_FROM, WALL_UNTIL };

/* "14:32:07", "14:32:07.250" (of the day on which the range begins, or of the next one) or "2026-11-23 14:32:07" (or with a T), in this machine's
 * time zone, becomes ns of CLOCK_REALTIME. -EINVAL: it is none of these, or FROM lies after the range or UNTIL before it; the text says what the range
 * holds. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int wall_find(int64_t *out_ns, enum wall_end end, const char *text, const struct wall_range *range, struct errbuf *e);

#endif
