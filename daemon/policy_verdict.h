/* policy_verdict.h - what one inference means to control, by the clock (policy_tick.c) and on virtual time (trial/trial_mind.c) alike:
 * whether its answer may become a chunk, and what the policy's status says after it. Nothing is published, printed or counted here.
 *
 * Functions: thread of the owner of the status, allocate no, block no. */
#ifndef DREAMVLA_DAEMON_POLICY_VERDICT_H
#define DREAMVLA_DAEMON_POLICY_VERDICT_H

#include "config/config.h"
#include "daemon/flow.h"
#include "daemon/sys/error.h"
#include "policy/policy.h"

/* Against the checkpoint's statistics, as policy.state_range wants it: sets state_out_of_range and state_dim_out. state[dim]: in the
 * statistics' units. Returns the first dimension that is outside, or -1; -1 too where nobody is to look. */
int policy_verdict_state(struct policy_status *s, const struct config *c, const struct policy_info *info, const double *state,
		uint32_t dim);

/* All of the actions, [action_chunk][action_dim], are numbers. */
bool policy_verdict_finite(const struct policy_info *info, const struct policy_result *r);

/* policy_infer returned rc, below 0: sets health. */
void policy_verdict_failed(struct policy_status *s, int rc);

/* policy_infer returned 0: sets health and lost. false: this is no chunk, and why. */
bool policy_verdict_good(struct policy_status *s, const struct policy_info *info, const struct policy_result *r, struct errbuf *why);

#endif
