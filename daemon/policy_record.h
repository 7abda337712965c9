/* policy_record.h - what an inference starts from, onto the policy thread's tape. */
#ifndef DREAMVLA_DAEMON_POLICY_RECORD_H
#define DREAMVLA_DAEMON_POLICY_RECORD_H

#include "daemon/policy_tick.h"

/* Before every inference: counts it, and leaves a RECORD_OBSERVATION with the frames' bytes where one is wanted. `motion`: what it
 * continues, NULL: nothing. Thread: policy. Allocates: no. Blocks: no. */
void policy_record(struct policy_runner *r, const struct observation *o, const struct running_motion *motion);

/* When it has been handed over. Thread: policy. Allocates: no. Blocks: no. */
void policy_record_chunk(struct tape *tape, const struct action_chunk *chunk);

#endif
