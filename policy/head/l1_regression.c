/* l1_regression.c - zero embeddings at the action positions, one forward, and a head that regresses the chunk. */
#include <errno.h>
#include <stdlib.h>

#include "policy/head/head.h"
#include "policy/head/mlp_resnet.h"

struct head {
	struct head_options o;
	struct head_file *file;
	struct mlp_resnet regressor;
	float value[POLICY_VALUES_MAX]; /* [N] */
};

static void l1_destroy(struct head *h)
{
	if (!h)
		return;
	head_file_close(h->file);
	free(h);
}

static int l1_create(struct head **out, const struct head_options *options, struct errbuf *e)
{
	static const char *const prefixes[] = { "model", NULL };
	struct head *h = calloc(1, sizeof *h);
	int rc;

	if (!h)
		return fail(e, -ENOMEM, "decoder l1_regression: out of memory");
	h->o = *options;
	h->regressor = (struct mlp_resnet){ .network = options->network, .chunk = options->action_chunk,
		.dim = options->action_dim, .hidden = options->hidden };
	if ((rc = head_need_file(&h->file, options, "action_head", "l1_regression", e)) < 0
			|| (rc = mlp_resnet_find(&h->regressor, h->file, prefixes, "l1_regression", e)) < 0) {
		l1_destroy(h);
		return rc;
	}
	*out = h;
	return 0;
}

static void l1_list_weights(const struct head *h, struct network_weights *l)
{
	mlp_resnet_list_weights(&h->regressor, l);
}

static void l1_lay_out(struct head *h)
{
	mlp_resnet_lay_out(&h->regressor);
}

static int l1_run(struct head *h, uint32_t n_prefix, const struct policy_observation *observation, struct policy_result *result,
		struct errbuf *e)
{
	const struct network *n = h->o.network;

	(void)observation;
	mlp_resnet_run(&h->regressor, head_forward_from_zeros(&h->o, n_prefix), h->value);
	for (uint32_t i = 0; i < h->o.n_actions; i++)
		result->normalised[i] = (double)h->value[i];
	return n->ops->finish(n->compute, e);
}

const struct policy_head head_l1_regression = {
	.name = "l1_regression",
	.files = (const char *const[]){ "action_head", NULL },
	.steps_min = 1,
	.steps_max = 1,
	.create = l1_create,
	.destroy = l1_destroy,
	.list_weights = l1_list_weights,
	.lay_out = l1_lay_out,
	.run = l1_run,
};
