/* quantise.h - from actions in units of the statistics back to action tokens: the inverse of action_tokens_decode and
 * statistics_unnormalise_action. */
#ifndef DREAMVLA_POLICY_QUANTISE_H
#define DREAMVLA_POLICY_QUANTISE_H

#include "policy/head/action_tokens.h"
#include "policy/statistics.h"

/* policy_quantise of policy.h for these ids and statistics. -EINVAL: a value is not finite. Thread: any. Allocates: no. */
MUST_CHECK int quantise_actions(const struct action_tokens *ids, const struct statistics_range *range, const double *action,
		const int32_t *prefer, int32_t *token, double *meant, struct errbuf *e);

#endif
