/* noisy_action.c - see noisy_action.h. */
#include "policy/head/noisy_action.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const double LONGEST_PERIOD = 10000.0; /* of the timestep token's sines, by 2 pi */

int noisy_action_open(struct noisy_action *a, const struct head_options *options, const char *decoder, const char *const *prefixes,
		struct errbuf *e)
{
	uint32_t hidden = options->hidden;
	int rc;

	a->o = *options;
	a->regressor = (struct mlp_resnet){ .network = options->network, .chunk = options->action_chunk,
		.dim = options->action_dim, .hidden = hidden };
	noise_seed(&a->noise, options->seed);
	if (hidden < 4 || hidden % 2)
		return fail(e, -EINVAL, "config.json: hidden_size is %u; a timestep token (decoder %s) needs an even number from 4",
				hidden, decoder);
	a->time_token = calloc(hidden, sizeof *a->time_token);
	if (!a->time_token)
		return fail(e, -ENOMEM, "decoder %s: out of memory", decoder);
	if ((rc = head_need_file(&a->head_file, options, "action_head", decoder, e)) < 0
			|| (rc = mlp_resnet_find(&a->regressor, a->head_file, prefixes, decoder, e)) < 0
			|| (rc = head_need_file(&a->projector_file, options, "noisy_action_projector", decoder, e)) < 0)
		return rc;
	return network_projector_find(a->projector_file, 1, hidden, &a->projector, e);
}

void noisy_action_close(struct noisy_action *a)
{
	head_file_close(a->head_file);
	head_file_close(a->projector_file);
	free(a->time_token);
}

void noisy_action_list_weights(const struct noisy_action *a, struct network_weights *l)
{
	mlp_resnet_list_weights(&a->regressor, l);
	network_projector_list(&a->projector, l, "noisy_action_projector");
}

void noisy_action_lay_out(struct noisy_action *a)
{
	const struct network *n = a->o.network;

	mlp_resnet_lay_out(&a->regressor);
	a->in = n->ops->take(n->compute, a->o.n_actions, 1);
	a->inner = n->ops->take(n->compute, a->o.n_actions, a->o.hidden);
}

int noisy_action_start(struct noisy_action *a, const struct policy_observation *observation, struct errbuf *e)
{
	const double *given = observation->noise;

	for (uint32_t i = 0; given && i < a->o.n_actions; i++)
		if (!isfinite(given[i]))
			return fail(e, -EINVAL, "noise: value %u of %u is %g, want finite numbers", i, a->o.n_actions, given[i]);
	for (uint32_t i = 0; i < a->o.n_actions; i++)
		a->x[i] = given ? given[i] : noise_normal(&a->noise);
	return 0;
}

/* Sines, then cosines, of the time at H / 2 frequencies from 1 down to 1 / LONGEST_PERIOD -> the prefix. */
static void put_time_token(struct noisy_action *a, uint32_t n_prefix, double time)
{
	const struct network *n = a->o.network;
	uint32_t half = a->o.hidden / 2;

	for (uint32_t j = 0; j < half; j++) {
		double angle = time * pow(LONGEST_PERIOD, -(double)j / (half - 1));

		a->time_token[j] = (float)sin(angle);
		a->time_token[half + j] = (float)cos(angle);
	}
	n->ops->upload(n->compute, a->time_token, compute_rows(decoder_prefix(a->o.decoder, n_prefix), a->o.time_row, 1));
}

/* Embeddings of x, one token per value -> out [N][H]. */
static void embed_actions(struct noisy_action *a, struct compute_view out)
{
	const struct network *n = a->o.network;
	const struct network_projector *p = &a->projector;

	for (uint32_t i = 0; i < a->o.n_actions; i++)
		a->value[i] = (float)a->x[i];
	n->ops->upload(n->compute, a->value, a->in);
	n->ops->linear(n->compute, a->in, p->fc1, p->fc1_bias, COMPUTE_GELU, a->inner);
	n->ops->linear(n->compute, a->inner, p->fc2, p->fc2_bias, COMPUTE_STORE, out);
}

void noisy_action_forward(struct noisy_action *a, uint32_t n_prefix, double time, bool trace)
{
	uint32_t n_actions = a->o.n_actions;

	put_time_token(a, n_prefix, time);
	struct compute_view tail = decoder_begin(a->o.decoder, n_prefix, n_actions + a->o.n_suffix);

	embed_actions(a, compute_rows(tail, 0, n_actions));
	decoder_embed(a->o.decoder, a->o.suffix, compute_rows(tail, n_actions, a->o.n_suffix));
	mlp_resnet_run(&a->regressor, compute_rows(decoder_run(a->o.decoder, trace), 0, n_actions), a->estimate);
}

void noisy_action_trace(struct noisy_action *a, uint32_t step, const char *name)
{
	const struct network *n = a->o.network;

	for (uint32_t i = 0; i < a->o.n_actions; i++)
		a->value[i] = (float)a->x[i];
	network_trace_host(n, 'f', a->estimate, a->o.action_chunk, a->o.action_dim, "step.%u.%s", step, name);
	network_trace_host(n, 'f', a->value, a->o.action_chunk, a->o.action_dim, "step.%u.x", step);
}

int noisy_action_finish(const struct noisy_action *a, struct policy_result *result, struct errbuf *e)
{
	const struct network *n = a->o.network;

	for (uint32_t i = 0; i < a->o.n_actions; i++)
		result->normalised[i] = a->x[i];
	return n->ops->finish(n->compute, e);
}
