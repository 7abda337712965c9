/* policy_trace.h - the stages of one inference (trace.h): histograms, and spans on the policy thread's tape. */
#ifndef DREAMVLA_DAEMON_POLICY_TRACE_H
#define DREAMVLA_DAEMON_POLICY_TRACE_H

#include "daemon/flow.h"
#include "daemon/stats.h"
#include "daemon/sys/tape.h"
#include "policy/policy.h"

/* When the inference before it ended (0: none), this one's work began, pictures were RGB, the policy was called, the chunk was handed over. */
struct policy_moments {
	int64_t free_ns, begin_ns, decoded_ns, infer_ns, handed_over_ns;
};

/* Of a chunk that was handed over. Thread: policy. Allocates: no. Blocks: no. */
void policy_trace(struct stats *stats, struct tape *tape, const struct observation *o, uint64_t chunk, const struct policy_moments *when,
		const struct policy_times *times);

#endif
