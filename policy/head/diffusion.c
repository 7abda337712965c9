/* diffusion.c - continuous diffusion: the noise in the actions is estimated and taken out, step by step (ddim.h). */
#include <errno.h>
#include <stdlib.h>

#include "daemon/sys/log.h"
#include "policy/head/ddim.h"
#include "policy/head/noisy_action.h"

/* Trained on times 0 to 49; a run that begins far below takes the noise for one that is half gone. */
enum { FIRST_TIME_USUAL = 40 };

struct head {
	struct noisy_action actions;
	struct ddim schedule;
};

static void diffusion_destroy(struct head *h)
{
	if (!h)
		return;
	noisy_action_close(&h->actions);
	free(h);
}

/* Not refused: such a number is the reference's too, only no good one. */
static void warn_of_late_begin(const struct ddim *s)
{
	uint32_t first = ddim_time(s, 0);

	if (first < FIRST_TIME_USUAL)
		log_line(LOG_LEVEL_WARNING, "decoder diffusion: %u steps begin at time %u of 0 to %d and leave out the noisiest part of the "
				"schedule; take 10, or another divisor of %d from 5 (policy.steps, --steps)", s->steps, first,
				DDIM_TRAIN_STEPS - 1, DDIM_TRAIN_STEPS);
}

static int diffusion_create(struct head **out, const struct head_options *options, struct errbuf *e)
{
	static const char *const prefixes[] = { "noise_predictor.mlp_resnet", "model", NULL };
	struct head *h = calloc(1, sizeof *h);

	if (!h)
		return fail(e, -ENOMEM, "decoder diffusion: out of memory");
	ddim_init(&h->schedule, options->steps);
	warn_of_late_begin(&h->schedule);
	int rc = noisy_action_open(&h->actions, options, "diffusion", prefixes, e);

	if (rc < 0) {
		diffusion_destroy(h);
		return rc;
	}
	*out = h;
	return 0;
}

static void diffusion_list_weights(const struct head *h, struct network_weights *l)
{
	noisy_action_list_weights(&h->actions, l);
}

static void diffusion_lay_out(struct head *h)
{
	noisy_action_lay_out(&h->actions);
}

static int diffusion_run(struct head *h, uint32_t n_prefix, const struct policy_observation *observation,
		struct policy_result *result, struct errbuf *e)
{
	struct noisy_action *a = &h->actions;
	uint32_t steps = h->schedule.steps;
	int rc = noisy_action_start(a, observation, e);

	if (rc < 0)
		return rc;
	for (uint32_t step = 0; step < steps; step++) {
		noisy_action_forward(a, n_prefix, ddim_time(&h->schedule, step), step + 1 == steps);
		ddim_advance(&h->schedule, step, a->estimate, a->o.n_actions, a->x);
		noisy_action_trace(a, step, "noise");
	}
	return noisy_action_finish(a, result, e);
}

static struct noise *diffusion_noise(struct head *h)
{
	return &h->actions.noise;
}

const struct policy_head head_diffusion = {
	.name = "diffusion",
	.files = (const char *const[]){ "action_head", "noisy_action_projector", NULL },
	.from_noise = true,
	.steps_min = 2, /* a single step starts at time 0, where next to nothing of the noise is taken out */
	.steps_max = DDIM_TRAIN_STEPS,
	.steps_advice = "best a divisor of 50, as 10",
	.create = diffusion_create,
	.destroy = diffusion_destroy,
	.list_weights = diffusion_list_weights,
	.lay_out = diffusion_lay_out,
	.run = diffusion_run,
	.noise = diffusion_noise,
};
