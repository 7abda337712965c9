/* quantise.c - see quantise.h. */
#include "policy/quantise.h"

#include <errno.h>
#include <math.h>

static bool is_action(const struct action_tokens *ids, int32_t id)
{
	return id >= (int32_t)(ids->count - ids->bins) && id < (int32_t)ids->count;
}

/* Does `id` say the value well enough to be left as it is? */
static bool still_means(const struct action_tokens *ids, const struct statistics_range *range, uint32_t dim, int32_t id,
		double normalised)
{
	const double width_min = 1e-6, keep_bins = 0.75, bin = 2.0 / (ids->bins - 1);
	bool constant = range->masked[dim] && range->high[dim] - range->low[dim] < width_min;

	if (!is_action(ids, id))
		return false;
	return constant || fabs(action_tokens_value(ids, id) - fmin(fmax(normalised, -1.0), 1.0)) <= keep_bins * bin;
}

int quantise_actions(const struct action_tokens *ids, const struct statistics_range *range, const double *action,
		const int32_t *prefer, int32_t *token, double *meant, struct errbuf *e)
{
	double normalised[STATISTICS_DIM_MAX];

	for (uint32_t i = 0; i < range->dim; i++)
		if (!isfinite(action[i]))
			return fail(e, -EINVAL, "policy: action %u, to be said as a token, is %g, want a finite number", i, action[i]);
	for (uint32_t i = 0; i < range->dim; i++) {
		double value = statistics_normalise_action(range, i, action[i]);

		token[i] = prefer && still_means(ids, range, i, prefer[i], value) ? prefer[i] : action_tokens_nearest(ids, value);
		normalised[i] = action_tokens_value(ids, token[i]);
	}
	statistics_unnormalise_action(range, normalised, 1, meant);
	return 0;
}
