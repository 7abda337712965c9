/* bench_arm.h - reads what an arm answers to `status` on its own control socket, as far as the benchmarks need it. Pure. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_ARM_H
#define DREAMVLA_DAEMON_BENCH_BENCH_ARM_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/bench/bench_numbers.h"
#include "daemon/sys/error.h"

/* Fills *a but for its name; a->own with what the driver of that name adds; a->mode and a->trouble with "" where there is none. -EBADMSG names the key that is missing or of another type. Allocates: no. Blocks: no. */
MUST_CHECK int arm_status_decode(struct arm_numbers *a, const char *driver, const uint8_t *bytes, size_t n,
		struct errbuf *e);

#endif
