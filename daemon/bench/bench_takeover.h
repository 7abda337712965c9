/* bench_takeover.h - how long from a person's message until the arm gets the person's targets: a device that presses its dead-man
 * again and again at a running dreamvlad, at no fixed moment of the control period. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_TAKEOVER_H
#define DREAMVLA_DAEMON_BENCH_BENCH_TAKEOVER_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_session.h"
#include "daemon/sys/error.h"

/* One kind of take-over, sent to received, in the bench's process. */
struct takeover_kind {
	uint64_t pressed, lost;     /* lost: no target of the person within half a second */
	struct spread_us spread;
};

struct takeovers {
	double period_us;
	struct takeover_kind from_hold, from_auto; /* from_auto: out of the policy's motion */
	struct spread_us ping;      /* two hops between the same processes, there and back, in the same run */
	uint64_t pings;
	struct status_stage inside; /* dreamvlad's own: arrival of the edge to its first target on the wire */
};

/* In a session that is in AUTO: presses for `seconds`, in the last third of them out of AUTO. Errors as session_step, and -EPROTO when AUTO is not to be had.
 * Blocks: yes. */
MUST_CHECK int takeovers_measure(struct session *s, double seconds, struct takeovers *t, struct errbuf *e);

void takeovers_print(FILE *out, const struct takeovers *t);
json_t *takeovers_json(const struct takeovers *t);

#endif
