/* policy_commit.h - execution.method inpaint: which actions of the coming chunk are settled already, said in the policy's tokens.
 *
 * Between the observation and the chunk's arrival the arms go on with the running chunk. What they do in that time is put into the
 * sequence as known tokens, so that the policy completes a chunk that continues it: the running chunk's own ids where the motion is
 * what that chunk asked for (to three quarters of a bin), otherwise the sent or planned motion in the policy's action space, each action from
 * where the tokens before it lead to, so that rounding does not add up. */
#ifndef DREAMVLA_DAEMON_POLICY_COMMIT_H
#define DREAMVLA_DAEMON_POLICY_COMMIT_H

#include "daemon/flow.h"
#include "daemon/stage/motion.h"
#include "daemon/stage/observation.h"
#include "daemon/sys/error.h"
#include "policy/policy.h"

struct policy_commit;

/* Both must outlive it. -ENOMEM. Thread: policy. Allocates: yes. */
MUST_CHECK int policy_commit_create(struct policy_commit **out, const struct control_setup *setup, const struct policy *policy,
		struct errbuf *e);
void policy_commit_destroy(struct policy_commit *c); /* accepts NULL */

/* What the coming inference shall start from: newest motion, epoch of the chunk to be, observation, latency estimate (t_obs to
 * hand-over). Returns how many actions are committed, at most one less than the chunk has; *token are their ids, valid until
 * the next call. 0: nothing moves, the motion is of another epoch, or not known. Thread: policy. Allocates: no. Blocks: no. */
uint32_t policy_commit_make(struct policy_commit *c, const struct running_motion *m, uint32_t epoch, const struct observation *o,
		int64_t latency_ns, const int32_t **token);

/* [arms] How far the actions that the last call has committed lead; nowhere where it returned 0, and of joint actions. Valid until the next call.
 * Thread: policy. Allocates: no. Blocks: no. */
const struct proprio_lead *policy_commit_lead(const struct policy_commit *c);

/* A chunk of this id is handed over: what it said is remembered. Thread: policy. Allocates: no. Blocks: no. */
void policy_commit_remember(struct policy_commit *c, uint64_t chunk, const struct policy_result *result);

/* What that chunk said, as remembered: how many values, or 0: not known (any more). Thread: policy. Allocates: no. Blocks: no. */
uint32_t policy_commit_said(const struct policy_commit *c, uint64_t chunk, const int32_t **token, const double **action);

/* A recording's: remembered if nothing of that chunk is. n: of both. Thread: policy. Allocates: no. Blocks: no. */
void policy_commit_recall(struct policy_commit *c, uint64_t chunk, const int32_t *token, const double *action, uint32_t n);

#endif
