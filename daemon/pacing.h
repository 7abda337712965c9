/* pacing.h - when the policy infers: often enough that the next chunk is there before this one ends, and no oftener.
 *
 * Pure: time comes in as an argument. One object, owned by the policy thread. */
#ifndef DREAMVLA_DAEMON_PACING_H
#define DREAMVLA_DAEMON_PACING_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/flow.h"

enum { PACING_WINDOW = 32 };

struct pacing {
	enum execution_method method;
	int64_t chunk_ns;             /* execution.steps actions: after so long the next chunk is to take over */
	int64_t latency_ns[PACING_WINDOW]; /* t_obs to hand-over of the newest inferences; warm-up is not among them */
	uint32_t n;                   /* ever recorded */
	bool tried, succeeded;        /* ever */
	int64_t tried_ns;             /* when the newest inference began */
	uint32_t tried_instruction;
	int64_t previous_t_obs_ns;    /* of the newest good chunk */
	uint32_t previous_instruction, previous_epoch;
};

void pacing_init(struct pacing *p, const struct control_setup *setup);

/* Shall this observation be inferred? In AUTO, SHADOW and RETURN: at once for a new instruction, a new epoch or when control asks;
 * otherwise when a chunk begun now would arrive as the previous one's execution.steps end, and with method ensemble always, because
 * every chunk is one voice more. In READY and HOLD twice a second, so that the pre-flight has a fresh answer. Elsewhere never.
 * Allocates: no. Blocks: no. */
bool pacing_wants(const struct pacing *p, const struct policy_hint *hint, const struct observation *o, int64_t now_ns);

/* An inference from `o` begins now. */
void pacing_begin(struct pacing *p, const struct observation *o, int64_t now_ns);

/* It gave a good chunk, which was handed over now; `epoch` is that of its beginning. Not called for a failed one, so that the
 * next observation tries again. */
void pacing_end(struct pacing *p, const struct observation *o, uint32_t epoch, int64_t now_ns);

/* 90th percentile of the last PACING_WINDOW latencies; 0 before the first. */
int64_t pacing_latency_ns(const struct pacing *p);

#endif
