/* flow_matching.c - actions flow from noise at time 0 to what was learnt at time 1: Euler steps along the estimated velocity. */
#include <errno.h>
#include <stdlib.h>

#include "policy/head/noisy_action.h"

struct head {
	struct noisy_action actions;
	uint32_t steps;
};

static void flow_destroy(struct head *h)
{
	if (!h)
		return;
	noisy_action_close(&h->actions);
	free(h);
}

static int flow_create(struct head **out, const struct head_options *options, struct errbuf *e)
{
	static const char *const prefixes[] = { "flow_predictor.mlp_resnet", NULL };
	struct head *h = calloc(1, sizeof *h);

	if (!h)
		return fail(e, -ENOMEM, "decoder flow_matching: out of memory");
	h->steps = options->steps;
	int rc = noisy_action_open(&h->actions, options, "flow_matching", prefixes, e);

	if (rc < 0) {
		flow_destroy(h);
		return rc;
	}
	*out = h;
	return 0;
}

static void flow_list_weights(const struct head *h, struct network_weights *l)
{
	noisy_action_list_weights(&h->actions, l);
}

static void flow_lay_out(struct head *h)
{
	noisy_action_lay_out(&h->actions);
}

static int flow_run(struct head *h, uint32_t n_prefix, const struct policy_observation *observation, struct policy_result *result,
		struct errbuf *e)
{
	struct noisy_action *a = &h->actions;
	int rc = noisy_action_start(a, observation, e);

	if (rc < 0)
		return rc;
	for (uint32_t step = 0; step < h->steps; step++) {
		noisy_action_forward(a, n_prefix, (double)step / h->steps, step + 1 == h->steps);
		for (uint32_t i = 0; i < a->o.n_actions; i++)
			a->x[i] += (double)a->estimate[i] / h->steps;
		noisy_action_trace(a, step, "velocity");
	}
	return noisy_action_finish(a, result, e);
}

static struct noise *flow_noise(struct head *h)
{
	return &h->actions.noise;
}

const struct policy_head head_flow_matching = {
	.name = "flow_matching",
	.files = (const char *const[]){ "action_head", "noisy_action_projector", NULL },
	.from_noise = true,
	.steps_min = 1,
	.steps_max = POLICY_STEPS_MAX,
	.create = flow_create,
	.destroy = flow_destroy,
	.list_weights = flow_list_weights,
	.lay_out = flow_lay_out,
	.run = flow_run,
	.noise = flow_noise,
};
