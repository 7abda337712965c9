/* action_tokens.c - see action_tokens.h. */
#include "policy/head/action_tokens.h"

#include <math.h>

static double bin_centre(int64_t bin, uint32_t bins)
{
	int64_t last = (int64_t)bins - 2;
	int64_t within = bin < 0 ? 0 : bin > last ? last : bin;

	return -1.0 + (double)(2 * within + 1) / (double)(bins - 1);
}

double action_tokens_value(const struct action_tokens *t, int32_t id)
{
	return bin_centre((int64_t)t->count - id - 1, t->bins);
}

int32_t action_tokens_nearest(const struct action_tokens *t, double value)
{
	double last = (double)t->bins - 2.0, bin = floor((value + 1.0) / 2.0 * (last + 1.0));

	return (int32_t)((int64_t)t->count - 1 - (int64_t)fmin(fmax(bin, 0.0), last));
}

void action_tokens_decode(const struct head_options *o, struct policy_result *result)
{
	int64_t count = o->token_count, first_action = count - o->action_bins;

	result->lost = false;
	for (uint32_t i = 0; i < o->n_actions; i++) {
		int32_t token = result->token[i];

		if (!result->lost && !(token >= first_action && token < count)) {
			result->lost = true;
			result->lost_position = i;
			result->lost_token = token;
		}
		result->normalised[i] = bin_centre(count - token - 1, o->action_bins);
	}
}
