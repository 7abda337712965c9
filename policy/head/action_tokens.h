/* action_tokens.h - from token ids to normalised actions: what the discrete decoders share. */
#ifndef DREAMVLA_POLICY_HEAD_ACTION_TOKENS_H
#define DREAMVLA_POLICY_HEAD_ACTION_TOKENS_H

#include "policy/head/head.h"

/* result->token [n_actions] -> result->normalised: centre of bin clip(L - id - 1, 0, bins - 2) of linspace(-1, 1, bins). The first
 * token that is no action (outside [L - bins, L)) sets result->lost; its action is that of an end bin, as in the original.
 * Thread: policy. Allocates: no. */
void action_tokens_decode(const struct head_options *o, struct policy_result *result);

#endif
