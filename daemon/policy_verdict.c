/* policy_verdict.c - see policy_verdict.h. */
#include "daemon/policy_verdict.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "daemon/stage/observation.h"

enum state_range_choice { STATE_RANGE_REFUSE, STATE_RANGE_WARN, STATE_RANGE_OFF }; /* policy.state_range, in the order of keys.def */

int policy_verdict_state(struct policy_status *s, const struct config *c, const struct policy_info *info, const double *state,
		uint32_t dim)
{
	enum state_range_choice choice = (enum state_range_choice)c->policy_state_range;
	struct state_range range = { dim, info->state_low, info->state_high, c->policy_state_margin };
	int out = choice == STATE_RANGE_OFF ? -1 : state_range_find(&range, state);

	s->state_out_of_range = out >= 0 && choice == STATE_RANGE_REFUSE;
	s->state_dim_out = out >= 0 ? (uint32_t)out : 0;
	return out;
}

bool policy_verdict_finite(const struct policy_info *info, const struct policy_result *r)
{
	for (uint32_t i = 0; i < info->action_chunk * info->action_dim; i++)
		if (!isfinite(r->action[i]))
			return false;
	return true;
}

void policy_verdict_failed(struct policy_status *s, int rc)
{
	s->health = rc == -EINVAL ? POLICY_WARM : rc == -ENODEV ? POLICY_GONE : POLICY_BROKEN; /* -EINVAL: the input's fault */
}

bool policy_verdict_good(struct policy_status *s, const struct policy_info *info, const struct policy_result *r, struct errbuf *why)
{
	s->health = POLICY_WARM;
	s->lost = r->lost;
	if (r->lost && r->lost_token < 0)
		snprintf(why->text, sizeof why->text, "lost: its answer is not a number");
	else if (r->lost)
		snprintf(why->text, sizeof why->text, "lost, its best token is no action: token %d at action position %u", r->lost_token,
				r->lost_position);
	else if (!policy_verdict_finite(info, r))
		snprintf(why->text, sizeof why->text, "chunk rejected: an action is not finite");
	else
		return true;
	return false;
}
