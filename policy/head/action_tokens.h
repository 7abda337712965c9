/* action_tokens.h - from token ids to normalised actions: what the discrete decoders share. */
#ifndef DREAMVLA_POLICY_HEAD_ACTION_TOKENS_H
#define DREAMVLA_POLICY_HEAD_ACTION_TOKENS_H

#include "policy/head/head.h"

/* result->token [n_actions] -> result->normalised: centre of bin clip(L - id - 1, 0, bins - 2) of linspace(-1, 1, bins). The first
 * token that is no action (outside [L - bins, L)) sets result->lost; its action is that of an end bin, as in the original.
 * Thread: policy. Allocates: no. */
void action_tokens_decode(const struct head_options *o, struct policy_result *result);

/* The bins and ids of a checkpoint's actions: ids [count - bins, count). */
struct action_tokens {
	uint32_t count, bins;
};

/* What an id means, -1..1, as action_tokens_decode says it; any id. Thread: any. Allocates: no. */
double action_tokens_value(const struct action_tokens *t, int32_t id);

/* The id whose meaning is nearest to a finite value; of equals the one that the original makes of it: the lowest id has the meaning
 * of the next, and is never the answer. Thread: any. Allocates: no. */
int32_t action_tokens_nearest(const struct action_tokens *t, double value);

#endif
