/* bench_arm.h - reads what an arm answers to `status` on its own control socket, as far as the benchmarks need it. Pure. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_ARM_H
#define DREAMVLA_DAEMON_BENCH_BENCH_ARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/bench/bench_numbers.h"
#include "daemon/sys/error.h"
#include "transport/message/message.h"

/* Fills *a but for its name; a->own with what the driver of that name adds; a->mode and a->trouble with "" where there is none. -EBADMSG names the key that is missing or of another type. Allocates: no. Blocks: no. */
MUST_CHECK int arm_status_decode(struct arm_numbers *a, const char *driver, const uint8_t *bytes, size_t n,
		struct errbuf *e);

/* Whether it was measured at its home posture: every joint within 0.02 rad of robots[].home, or of its model's. false: an arm of an unknown
 * model, or one that does not say where it is. */
bool arm_stands_at_home(const struct message_state *m, const struct config_robot *r);

#endif
