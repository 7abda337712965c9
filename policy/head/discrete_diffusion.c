/* discrete_diffusion.c - masked diffusion over the action and suffix tokens: all masked at first, the surest accepted per step.
 *
 * Steps, confidences and the number accepted per step: README.md of policy/. One step is the mission's setting. */
#include <errno.h>
#include <stdlib.h>

#include "policy/head/action_tokens.h"

static const float LAST_TIME = 1e-3f; /* timesteps run from 1 to this */

/* C = N actions and the suffix. */
struct head {
	struct head_options o;
	uint32_t n;                          /* C */
	int32_t *token;                      /* [C] accepted so far, or the mask */
	struct compute_choice *choice;       /* [C] */
	float *confidence;                   /* [C]; of an accepted position: unused */
	float *trace_confidence;             /* [C] */
	int64_t *trace_token;                /* [C] */
	bool *masked;                        /* [C] at the start of the step */
};

static void diffusion_destroy(struct head *h)
{
	if (!h)
		return;
	free(h->token);
	free(h->choice);
	free(h->confidence);
	free(h->trace_confidence);
	free(h->trace_token);
	free(h->masked);
	free(h);
}

static int diffusion_create(struct head **out, const struct head_options *options, struct errbuf *e)
{
	struct head *h = calloc(1, sizeof *h);

	if (!h)
		return fail(e, -ENOMEM, "decoder discrete_diffusion: out of memory");
	h->o = *options;
	h->n = options->n_actions + options->n_suffix;
	h->token = calloc(h->n, sizeof *h->token);
	h->choice = calloc(h->n, sizeof *h->choice);
	h->confidence = calloc(h->n, sizeof *h->confidence);
	h->trace_confidence = calloc(h->n, sizeof *h->trace_confidence);
	h->trace_token = calloc(h->n, sizeof *h->trace_token);
	h->masked = calloc(h->n, sizeof *h->masked);
	if (!h->token || !h->choice || !h->confidence || !h->trace_confidence || !h->trace_token || !h->masked) {
		diffusion_destroy(h);
		return fail(e, -ENOMEM, "decoder discrete_diffusion: out of memory");
	}
	*out = h;
	return 0;
}

/* Every position masked but those that are known beforehand. */
static void start_tokens(struct head *h, const struct policy_observation *observation)
{
	for (uint32_t i = 0; i < h->n; i++)
		h->token[i] = h->o.mask_token;
	for (uint32_t i = 0; i < observation->n_committed; i++)
		h->token[i] = observation->committed[i];
}

/* One forward: the best token of each position and how sure it is. */
static void predict(struct head *h, uint32_t n_prefix, bool trace)
{
	const struct network *n = h->o.network;

	decoder_embed(h->o.decoder, h->token, decoder_begin(h->o.decoder, n_prefix, h->n));
	struct compute_view logits = decoder_logits(h->o.decoder, decoder_run(h->o.decoder, trace));

	n->ops->choose(n->compute, logits, h->o.top_k, h->choice);
}

static float confidence_of(const struct head *h, const struct compute_choice *c)
{
	switch (h->o.algorithm) {
	case POLICY_TOPK_MARGIN:
		return c->probability - c->second;
	case POLICY_ENTROPY:
		return c->negative_entropy;
	case POLICY_MASKGIT_PLUS:
		break;
	}
	return c->probability;
}

/* Confidences of the masked positions; returns how many there are. */
static uint32_t weigh(struct head *h)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		h->masked[i] = h->token[i] == h->o.mask_token;
		h->confidence[i] = confidence_of(h, &h->choice[i]);
		if (h->masked[i])
			h->trace_confidence[left++] = h->confidence[i];
	}
	return left;
}

/* torch.linspace(1, LAST_TIME, steps + 1)[i] in float32, which counts from the nearer end. */
static float time_at(uint32_t i, uint32_t steps)
{
	float step = (LAST_TIME - 1.0f) / (float)steps;

	return i < (steps + 1) / 2 ? 1.0f + step * (float)i : LAST_TIME - step * (float)(steps - i);
}

static uint32_t number_to_accept(uint32_t left, uint32_t step, uint32_t steps)
{
	if (step + 1 == steps)
		return left;
	return (uint32_t)((float)left * (1.0f - time_at(step + 1, steps) / time_at(step, steps)));
}

/* Accepts the surest masked positions, the earlier one of equals. */
static void accept(struct head *h, uint32_t count)
{
	while (count--) {
		uint32_t best = h->n;

		for (uint32_t i = 0; i < h->n; i++)
			if (h->masked[i] && (best == h->n || h->confidence[i] > h->confidence[best]))
				best = i;
		h->masked[best] = false;
		h->token[best] = h->choice[best].token < 0 ? -1 : h->choice[best].token + h->o.first_token;
	}
}

static void trace_step(struct head *h, uint32_t step, uint32_t left)
{
	for (uint32_t i = 0; i < h->n; i++)
		h->trace_token[i] = h->token[i];
	network_trace_host(h->o.network, 'f', h->trace_confidence, 0, left, "step.%u.confidence", step);
	network_trace_host(h->o.network, 'i', h->trace_token, 0, h->n, "step.%u.tokens", step);
}

/* A step with a NaN in its logits accepts a token -1, which no later step could embed. */
static bool step_is_sound(const struct head *h)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->token[i] < 0)
			return false;
	return true;
}

static int diffusion_run(struct head *h, uint32_t n_prefix, const struct policy_observation *observation,
		struct policy_result *result, struct errbuf *e)
{
	const struct network *n = h->o.network;

	start_tokens(h, observation);
	for (uint32_t step = 0; step < h->o.steps && step_is_sound(h); step++) {
		predict(h, n_prefix, step + 1 == h->o.steps);
		uint32_t left = weigh(h);

		accept(h, number_to_accept(left, step, h->o.steps));
		trace_step(h, step, left);
	}
	for (uint32_t i = 0; i < h->o.n_actions; i++)
		result->token[i] = h->token[i];
	network_trace_host(n, 'i', h->trace_token, 0, h->o.n_actions, "action.tokens");
	action_tokens_decode(&h->o, result);
	return n->ops->finish(n->compute, e);
}

const struct policy_head head_discrete_diffusion = {
	.name = "discrete_diffusion",
	.files = (const char *const[]){ NULL },
	.chooses_tokens = true,
	.unmasks = true,
	.steps_min = 1,
	.steps_max = POLICY_STEPS_MAX,
	.create = diffusion_create,
	.destroy = diffusion_destroy,
	.run = diffusion_run,
};
