/* discrete.c - one-step discrete diffusion: zero embeddings at the action positions, one forward, the best token of each. */
#include <errno.h>
#include <stdlib.h>

#include "policy/head/action_tokens.h"

struct head {
	struct head_options o;
	int64_t trace[POLICY_VALUES_MAX]; /* tokens as the tracer wants them */
};

static void discrete_destroy(struct head *h)
{
	free(h);
}

static int discrete_create(struct head **out, const struct head_options *options, struct errbuf *e)
{
	struct head *h = calloc(1, sizeof *h);

	if (!h)
		return fail(e, -ENOMEM, "decoder discrete: out of memory");
	h->o = *options;
	*out = h;
	return 0;
}

/* Best token of each action position. */
static void pick_tokens(struct head *h, struct compute_view logits, int32_t *token)
{
	const struct network *n = h->o.network;

	n->ops->argmax(n->compute, logits, token);
	for (uint32_t i = 0; i < h->o.n_actions; i++) {
		token[i] = token[i] < 0 ? token[i] : token[i] + h->o.first_token;
		h->trace[i] = token[i];
	}
	network_trace_host(n, 'i', h->trace, 0, h->o.n_actions, "action.tokens");
}

static int discrete_run(struct head *h, uint32_t n_prefix, const struct policy_observation *observation,
		struct policy_result *result, struct errbuf *e)
{
	const struct network *n = h->o.network;
	struct compute_view logits = decoder_logits(h->o.decoder, head_forward_from_zeros(&h->o, n_prefix));

	(void)observation;
	network_trace(n, logits, "action.logits");
	pick_tokens(h, logits, result->token);
	action_tokens_decode(&h->o, result);
	return n->ops->finish(n->compute, e);
}

const struct policy_head head_discrete = {
	.name = "discrete",
	.files = (const char *const[]){ NULL },
	.chooses_tokens = true,
	.steps_min = 1,
	.steps_max = 1,
	.create = discrete_create,
	.destroy = discrete_destroy,
	.run = discrete_run,
};
