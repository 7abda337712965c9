/* mlp_resnet.c - see mlp_resnet.h. */
#include "policy/head/mlp_resnet.h"

#include <errno.h>
#include <stdio.h>

static const double EPS = 1e-5; /* PyTorch's default for LayerNorm; not in the file */

enum { NAME_BYTES = 128 };

/* Every prefix that a published head has; to tell a user whose file he has given. */
static const struct { const char *prefix, *decoder; } known[] = {
	{ "model", "l1_regression" },
	{ "flow_predictor.mlp_resnet", "flow_matching" },
	{ "noise_predictor.mlp_resnet", "diffusion" },
};

/* <prefix>.<name>.weight [rows][columns], or [columns] when rows is 0, and <prefix>.<name>.bias. */
static int find_pair(const struct head_file *f, const char *prefix, const char *name, uint32_t rows, uint32_t columns,
		struct compute_matrix *weight, struct compute_matrix *bias, struct errbuf *e)
{
	uint64_t shape[] = { rows, columns }, n_bias = rows ? rows : columns;
	char full[NAME_BYTES];
	struct tensor t;

	snprintf(full, sizeof full, "%s.%s.weight", prefix, name);
	int rc = head_file_find(f, full, rows ? 2 : 1, rows ? shape : shape + 1, &t, e);

	if (rc < 0)
		return rc;
	*weight = (struct compute_matrix){ t.data, t.type, rows ? rows : 1, columns };
	snprintf(full, sizeof full, "%s.%s.bias", prefix, name);
	if ((rc = head_file_find(f, full, 1, &n_bias, &t, e)) < 0)
		return rc;
	*bias = (struct compute_matrix){ t.data, t.type, 1, (uint32_t)n_bias };
	return 0;
}

/* Whatever its shape. */
static bool has_tensor(const struct head_file *f, const char *prefix, const char *name)
{
	char full[NAME_BYTES];
	struct errbuf unused;
	struct tensor t;

	snprintf(full, sizeof full, "%s.%s", prefix, name);
	return head_file_find(f, full, 1, (uint64_t[]){ 1 }, &t, &unused) != -ENOENT;
}

static int refuse_prefix(const struct head_file *f, const char *const *prefixes, const char *decoder, struct errbuf *e)
{
	char wanted[NAME_BYTES] = "", found[NAME_BYTES] = "";

	for (size_t i = 0, at = 0; prefixes[i] && at < sizeof wanted; i++)
		at += (size_t)snprintf(wanted + at, sizeof wanted - at, "%s%s.layer_norm1.weight", i ? " or " : "", prefixes[i]);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (has_tensor(f, known[i].prefix, "layer_norm1.weight"))
			snprintf(found, sizeof found, "; its %s.layer_norm1.weight is of a head for decoder %s", known[i].prefix,
					known[i].decoder);
	return fail(e, -ENOENT, "%s: tensor %s is missing, so this is no action head for decoder %s%s", head_file_path(f), wanted,
			decoder, found);
}

static int find_block(struct mlp_resnet *m, const struct head_file *f, const char *prefix, uint32_t i, struct errbuf *e)
{
	char norm[NAME_BYTES], linear[NAME_BYTES];

	snprintf(norm, sizeof norm, "mlp_resnet_blocks.%u.ffn.0", i);
	snprintf(linear, sizeof linear, "mlp_resnet_blocks.%u.ffn.1", i);
	int rc = find_pair(f, prefix, norm, 0, m->hidden, &m->block[i].norm, &m->block[i].norm_bias, e);

	if (rc < 0)
		return rc;
	return find_pair(f, prefix, linear, m->hidden, m->hidden, &m->block[i].linear, &m->block[i].linear_bias, e);
}

static int find_all(struct mlp_resnet *m, const struct head_file *f, const char *prefix, struct errbuf *e)
{
	uint32_t wide = m->dim * m->hidden;

	if (has_tensor(f, prefix, "mlp_resnet_blocks.2.ffn.0.weight"))
		return fail(e, -EINVAL, "%s: tensor %s.mlp_resnet_blocks.2.ffn.0.weight: a third block; heads of Dream-VLA have %d",
				head_file_path(f), prefix, MLP_RESNET_BLOCKS);
	int rc = find_pair(f, prefix, "layer_norm1", 0, wide, &m->norm1, &m->norm1_bias, e);

	if (rc == 0)
		rc = find_pair(f, prefix, "fc1", m->hidden, wide, &m->fc1, &m->fc1_bias, e);
	for (uint32_t i = 0; i < MLP_RESNET_BLOCKS && rc == 0; i++)
		rc = find_block(m, f, prefix, i, e);
	if (rc == 0)
		rc = find_pair(f, prefix, "layer_norm2", 0, m->hidden, &m->norm2, &m->norm2_bias, e);
	if (rc == 0)
		rc = find_pair(f, prefix, "fc2", m->dim, m->hidden, &m->fc2, &m->fc2_bias, e);
	return rc;
}

int mlp_resnet_find(struct mlp_resnet *m, const struct head_file *f, const char *const *prefixes, const char *decoder,
		struct errbuf *e)
{
	for (size_t i = 0; prefixes[i]; i++)
		if (has_tensor(f, prefixes[i], "layer_norm1.weight"))
			return find_all(m, f, prefixes[i], e);
	return refuse_prefix(f, prefixes, decoder, e);
}

void mlp_resnet_list_weights(const struct mlp_resnet *m, struct network_weights *l)
{
#define LIST(field) network_list(l, &m->field, 1, "action head: " #field), network_list(l, &m->field##_bias, 1, "action head: " #field "_bias")
	LIST(norm1);
	LIST(fc1);
	for (uint32_t i = 0; i < MLP_RESNET_BLOCKS; i++) {
		LIST(block[i].norm);
		LIST(block[i].linear);
	}
	LIST(norm2);
	LIST(fc2);
#undef LIST
}

void mlp_resnet_lay_out(struct mlp_resnet *m)
{
	const struct network *n = m->network;

	m->wide = n->ops->take(n->compute, m->chunk, m->dim * m->hidden);
	m->x = n->ops->take(n->compute, m->chunk, m->hidden);
	m->normed = n->ops->take(n->compute, m->chunk, m->hidden);
	m->out = n->ops->take_float(n->compute, m->chunk, m->dim);
}

void mlp_resnet_run(struct mlp_resnet *m, struct compute_view hidden, float *values)
{
	const struct compute_backend *ops = m->network->ops;
	struct compute *c = m->network->compute;

	ops->layer_norm(c, compute_reshape(hidden, m->dim * m->hidden), m->norm1, m->norm1_bias, EPS, m->wide);
	ops->linear(c, m->wide, m->fc1, m->fc1_bias, COMPUTE_RELU, m->x);
	for (uint32_t i = 0; i < MLP_RESNET_BLOCKS; i++) {
		ops->layer_norm(c, m->x, m->block[i].norm, m->block[i].norm_bias, EPS, m->normed);
		ops->linear(c, m->normed, m->block[i].linear, m->block[i].linear_bias, COMPUTE_RELU_ADD, m->x);
	}
	ops->layer_norm(c, m->x, m->norm2, m->norm2_bias, EPS, m->normed);
	ops->linear(c, m->normed, m->fc2, m->fc2_bias, COMPUTE_STORE_FLOAT, m->out);
	ops->download(c, m->out, values);
}
