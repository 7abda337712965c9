/* bench_autoregressive.c - see bench_autoregressive.h. */
#include "daemon/bench/bench_autoregressive.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* H hidden, G = kv_heads * head_size, F mlp width, S positions_max. */
struct causal_layer {
	struct compute_matrix input_norm, post_norm;      /* [H] */
	struct compute_matrix q, k, v;                    /* [H | G | G][H] */
	struct compute_matrix q_bias, k_bias, v_bias;     /* [H | G | G] */
	struct compute_matrix o, gate, up, down;          /* [H][H], [F][H] twice, [H][F] */
	struct compute_view cache;                        /* [S][H | G | G]: queries, of no more use, keys and values */
};

struct autoregressive {
	const struct network *network;
	struct manifest_decoder m;
	uint32_t positions_max, rows_max, length;         /* length: positions that the cache holds */
	struct compute_matrix embed, lm_head, norm;       /* [vocabulary][H] twice, [H] */
	struct causal_layer *layer;                       /* [m.layers] */
	struct compute_view x, normed, gate;              /* [rows_max][H] twice, [rows_max][F] */
	struct compute_view angles;                       /* [S][head_size] */
	struct compute_view logits;                       /* [1][vocabulary] */
};

static int find_layer(struct causal_layer *l, const struct weights *w, const struct manifest_decoder *m, uint32_t i, struct errbuf *e)
{
	const uint32_t h = m->hidden, g = m->kv_heads * m->head_size, f = m->mlp;
	const struct { struct compute_matrix *out; uint32_t rows, columns; const char *name; } wanted[] = { /* rows 0: a vector */
		{ &l->input_norm, 0, h, "input_layernorm.weight" }, { &l->post_norm, 0, h, "post_attention_layernorm.weight" },
		{ &l->q, h, h, "self_attn.q_proj.weight" }, { &l->k, g, h, "self_attn.k_proj.weight" }, { &l->v, g, h, "self_attn.v_proj.weight" },
		{ &l->q_bias, 0, h, "self_attn.q_proj.bias" }, { &l->k_bias, 0, g, "self_attn.k_proj.bias" },
		{ &l->v_bias, 0, g, "self_attn.v_proj.bias" }, { &l->o, h, h, "self_attn.o_proj.weight" }, { &l->gate, f, h, "mlp.gate_proj.weight" },
		{ &l->up, f, h, "mlp.up_proj.weight" }, { &l->down, h, f, "mlp.down_proj.weight" } };
	int rc = 0;

	for (size_t k = 0; k < sizeof wanted / sizeof *wanted && rc == 0; k++)
		rc = wanted[k].rows ? network_matrix(w, wanted[k].rows, wanted[k].columns, wanted[k].out, e, "model.layers.%u.%s", i, wanted[k].name)
				: network_vector(w, wanted[k].columns, wanted[k].out, e, "model.layers.%u.%s", i, wanted[k].name);
	return rc;
}

static int find_weights(struct autoregressive *a, const struct weights *w, struct errbuf *e)
{
	int rc = 0;

	for (uint32_t i = 0; i < a->m.layers && rc == 0; i++)
		rc = find_layer(&a->layer[i], w, &a->m, i, e);
	if (rc < 0 || (rc = network_matrix(w, a->m.vocabulary, a->m.hidden, &a->embed, e, "model.embed_tokens.weight")) < 0
			|| (rc = network_vector(w, a->m.hidden, &a->norm, e, "model.norm.weight")) < 0)
		return rc;
	return network_matrix(w, a->m.vocabulary, a->m.hidden, &a->lm_head, e, "lm_head.weight");
}

int autoregressive_create(struct autoregressive **out, const struct network *network, const struct weights *w,
		const struct manifest_decoder *m, uint32_t positions_max, uint32_t rows_max, struct errbuf *e)
{
	struct autoregressive *a = calloc(1, sizeof *a);

	if (!a)
		return fail(e, -ENOMEM, "autoregressive decoder: out of memory");
	*a = (struct autoregressive){ .network = network, .m = *m, .positions_max = positions_max, .rows_max = rows_max };
	a->layer = calloc(m->layers, sizeof *a->layer);
	int rc = a->layer ? find_weights(a, w, e) : fail(e, -ENOMEM, "autoregressive decoder: out of memory");

	if (rc < 0) {
		autoregressive_destroy(a);
		return rc;
	}
	*out = a;
	return 0;
}

void autoregressive_destroy(struct autoregressive *a)
{
	if (!a)
		return;
	free(a->layer);
	free(a);
}

void autoregressive_lay_out(struct autoregressive *a)
{
	const struct network *n = a->network;
	uint32_t h = a->m.hidden, g = a->m.kv_heads * a->m.head_size;

	a->x = n->ops->take(n->compute, a->rows_max, h);
	a->normed = n->ops->take(n->compute, a->rows_max, h);
	a->gate = n->ops->take(n->compute, a->rows_max, a->m.mlp);
	for (uint32_t i = 0; i < a->m.layers; i++)
		a->layer[i].cache = n->ops->take(n->compute, a->positions_max, h + 2 * g);
	a->angles = n->ops->take_float(n->compute, a->positions_max, a->m.head_size);
	a->logits = n->ops->take_float(n->compute, 1, a->m.vocabulary);
}

/* As decoder_prepare: positions count from 1. */
int autoregressive_prepare(struct autoregressive *a, struct errbuf *e)
{
	const struct network *n = a->network;
	size_t half = a->m.head_size / 2, count = a->positions_max * half;
	float *cosine = malloc(2 * count * sizeof *cosine);

	if (!cosine)
		return fail(e, -ENOMEM, "autoregressive decoder: out of memory");
	for (size_t at = 0; at < count; at++) {
		double angle = (double)(at / half + 1) * pow(a->m.rope_theta, -(double)(at % half) / (double)half);

		cosine[at] = (float)cos(angle);
		cosine[count + at] = (float)sin(angle);
	}
	n->ops->upload_angles(n->compute, cosine, cosine + count, a->angles);
	int rc = n->ops->finish(n->compute, e);

	free(cosine);
	return rc;
}

void autoregressive_restart(struct autoregressive *a)
{
	a->length = 0;
}

struct compute_view autoregressive_rows(struct autoregressive *a, uint32_t n)
{
	return compute_rows(a->x, 0, n);
}

void autoregressive_embed(struct autoregressive *a, const int32_t *ids, struct compute_view out)
{
	a->network->ops->embed(a->network->compute, a->embed, ids, out);
}

/* What comes of projection goes straight to its place in the cache. normed: x after its norm, becomes attention's result. */
static void attend(struct autoregressive *a, const struct causal_layer *l, struct compute_view normed)
{
	const struct compute_backend *ops = a->network->ops;
	struct compute *c = a->network->compute;
	uint32_t h = a->m.hidden, g = a->m.kv_heads * a->m.head_size;
	struct compute_view new = compute_rows(l->cache, a->length, normed.rows), all = compute_rows(l->cache, 0, a->length + normed.rows);

	ops->project_heads(c, normed, &(struct compute_projection){ .w = { l->q, l->k, l->v }, .b = { l->q_bias, l->k_bias, l->v_bias },
			.heads = a->m.heads, .kv_heads = a->m.kv_heads, .angles = compute_rows(a->angles, a->length, normed.rows) }, new);
	ops->attention_cached(c, &(struct compute_attention){ .q = compute_columns(new, 0, h), .k = compute_columns(all, h, g),
			.v = compute_columns(all, h + g, g), .out = normed, .heads = a->m.heads, .kv_heads = a->m.kv_heads, .head_size = a->m.head_size });
}

/* Rows of a layer behind attention; normed becomes x after the norm `next`. */
static void feed_forward(struct autoregressive *a, const struct causal_layer *l, struct compute_matrix next, struct compute_view x,
		struct compute_view normed)
{
	const struct compute_backend *ops = a->network->ops;
	struct compute *c = a->network->compute;
	struct compute_view gate = compute_rows(a->gate, 0, x.rows);
	struct compute_matrix no_bias = { 0 };

	ops->linear_add_norm(c, normed, l->o, no_bias, x, &(struct compute_norm){ .w = l->post_norm, .eps = a->m.rms_norm_eps }, normed);
	ops->linear_gated(c, normed, l->gate, l->up, gate);
	ops->linear_add_norm(c, gate, l->down, no_bias, x, &(struct compute_norm){ .w = next, .eps = a->m.rms_norm_eps }, normed);
}

static void run_layers(struct autoregressive *a, struct compute_view x, struct compute_view normed)
{
	const struct compute_backend *ops = a->network->ops;
	struct compute *c = a->network->compute;
	uint32_t n = x.rows;

	ops->rms_norm(c, x, a->layer[0].input_norm, a->m.rms_norm_eps, normed);
	for (uint32_t i = 0; i < a->m.layers; i++) {
		bool last = i + 1 == a->m.layers;
		uint32_t first = last ? n - 1 : 0;

		attend(a, &a->layer[i], normed);
		feed_forward(a, &a->layer[i], last ? a->norm : a->layer[i + 1].input_norm, compute_rows(x, first, n - first),
				compute_rows(normed, first, n - first));
	}
	ops->linear(c, compute_rows(normed, n - 1, 1), a->lm_head, (struct compute_matrix){ 0 }, COMPUTE_STORE_FLOAT, a->logits);
}

struct compute_view autoregressive_run(struct autoregressive *a, uint32_t n)
{
	const struct compute_key key = { { NETWORK_CAUSAL, n, a->length } };

	if (network_begin(a->network, &key)) {
		run_layers(a, compute_rows(a->x, 0, n), compute_rows(a->normed, 0, n));
		network_end(a->network);
	}
	a->length += n;
	return a->logits;
}
