/* decoder.c - see decoder.h. */
#include "policy/decoder.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "daemon/sys/clock.h"

/* H hidden, G = kv_heads * head_size, F mlp width. */
struct layer {
	struct compute_matrix input_norm, post_norm;      /* [H] */
	struct compute_matrix q, k, v;                    /* [H | G | G][H] */
	struct compute_matrix q_bias, k_bias, v_bias;     /* [H | G | G] */
	struct compute_matrix o;                          /* [H][H] */
	struct compute_matrix gate, up;                   /* [F][H] */
	struct compute_matrix down;                       /* [H][F] */
};

struct decoder {
	const struct network *network;
	struct manifest_decoder m;
	struct decoder_options options;
	struct compute_matrix embed, lm_head;             /* [vocabulary][H]; lm_head: the chosen rows */
	struct compute_matrix norm;                       /* [H] */
	struct layer *layer;                              /* [m.layers] */
	uint32_t n_prefix, n_tail, n_pad;                 /* of the running forward; n_pad: rows of zeros in front */
	uint32_t padded_rows, padded_by;                  /* what `turned` and `skip` are for; padded_rows 0: nothing yet */
	int64_t elapsed_ns;
	/* activations, S = prefix_max + tail_max, up to the next row_step */
	struct compute_view prefix;                       /* [prefix_max][H] */
	struct compute_view x, normed;                    /* [S][H] */
	struct compute_view qkv;                          /* [S][H + 2 * G] */
	struct compute_view gate;                         /* [S][F] */
	struct compute_view angles;                       /* [S][head_size] */
	struct compute_view turned;                       /* [S][head_size] those of the running forward; where row_step is 1: angles */
	struct compute_view skip;                         /* [1][1] n_pad; where row_step is 1: none */
	struct compute_view logits;                       /* [tail_max][n_tokens] */
};

static int find_layer(struct layer *l, const struct weights *w, const struct manifest_decoder *m, uint32_t i, struct errbuf *e)
{
	uint32_t h = m->hidden, g = m->kv_heads * m->head_size, f = m->mlp;
	int rc;

#define FIND(field, rows, columns, name) \
	if ((rc = network_matrix(w, rows, columns, &l->field, e, "model.layers.%u." name ".weight", i)) < 0) \
		return rc
#define FIND_VECTOR(field, columns, name) \
	if ((rc = network_vector(w, columns, &l->field, e, "model.layers.%u." name, i)) < 0) \
		return rc
	FIND_VECTOR(input_norm, h, "input_layernorm.weight");
	FIND_VECTOR(post_norm, h, "post_attention_layernorm.weight");
	FIND(q, h, h, "self_attn.q_proj");
	FIND(k, g, h, "self_attn.k_proj");
	FIND(v, g, h, "self_attn.v_proj");
	FIND_VECTOR(q_bias, h, "self_attn.q_proj.bias");
	FIND_VECTOR(k_bias, g, "self_attn.k_proj.bias");
	FIND_VECTOR(v_bias, g, "self_attn.v_proj.bias");
	FIND(o, h, h, "self_attn.o_proj");
	FIND(gate, f, h, "mlp.gate_proj");
	FIND(up, f, h, "mlp.up_proj");
	FIND(down, h, f, "mlp.down_proj");
#undef FIND
#undef FIND_VECTOR
	return 0;
}

static int find_weights(struct decoder *d, const struct weights *w, struct errbuf *e)
{
	uint32_t h = d->m.hidden;
	int rc = 0;

	for (uint32_t i = 0; i < d->m.layers && rc == 0; i++)
		rc = find_layer(&d->layer[i], w, &d->m, i, e);
	if (rc < 0 || (rc = network_check_last(w, "model.layers", d->m.layers, "input_layernorm.weight", "num_hidden_layers", e)) < 0
			|| (rc = network_matrix(w, d->m.vocabulary, h, &d->embed, e, "model.embed_tokens.weight")) < 0
			|| (rc = network_vector(w, h, &d->norm, e, "model.norm.weight")) < 0
			|| (rc = network_matrix(w, d->m.vocabulary, h, &d->lm_head, e, "lm_head.weight")) < 0)
		return rc;
	d->lm_head.data = (const uint8_t *)d->lm_head.data
			+ (uint64_t)d->options.first_token * h * tensor_type_bytes(d->lm_head.type);
	d->lm_head.rows = d->options.n_tokens;
	return 0;
}

int decoder_create(struct decoder **out, const struct network *network, const struct weights *w, const struct manifest *m,
		const struct decoder_options *options, struct errbuf *e)
{
	struct decoder *d = calloc(1, sizeof *d);
	int rc;

	if (!d)
		return fail(e, -ENOMEM, "decoder: out of memory");
	d->network = network;
	d->m = m->decoder;
	d->options = *options;
	d->layer = calloc(m->decoder.layers, sizeof *d->layer);
	rc = d->layer ? find_weights(d, w, e) : fail(e, -ENOMEM, "decoder: out of memory");
	if (rc < 0) {
		decoder_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

void decoder_destroy(struct decoder *d)
{
	if (!d)
		return;
	free(d->layer);
	free(d);
}

static void list_layer(const struct layer *y, struct network_weights *l, uint32_t i)
{
	network_list(l, &y->input_norm, 1, "model.layers.%u.input_layernorm", i);
	network_list(l, &y->post_norm, 1, "model.layers.%u.post_attention_layernorm", i);
	network_list(l, (struct compute_matrix[]){ y->q, y->k, y->v }, 3, "model.layers.%u.self_attn.q, k, v", i);
	network_list(l, (struct compute_matrix[]){ y->q_bias, y->k_bias, y->v_bias }, 3, "model.layers.%u.self_attn.q, k, v.bias", i);
	network_list(l, &y->o, 1, "model.layers.%u.self_attn.o_proj", i);
	network_list(l, (struct compute_matrix[]){ y->gate, y->up }, 2, "model.layers.%u.mlp.gate, up", i);
	network_list(l, &y->down, 1, "model.layers.%u.mlp.down_proj", i);
}

void decoder_list_weights(const struct decoder *d, struct network_weights *l)
{
	network_list(l, &d->embed, 1, "model.embed_tokens");
	for (uint32_t i = 0; i < d->m.layers; i++)
		list_layer(&d->layer[i], l, i);
	network_list(l, &d->norm, 1, "model.norm");
	if (d->options.n_tokens)
		network_list(l, &d->lm_head, 1, "lm_head");
}

static uint32_t whole_steps(const struct decoder *d, uint32_t rows)
{
	uint32_t step = d->network->ops->row_step;

	return (rows + step - 1) / step * step;
}

uint32_t decoder_rows_max(const struct decoder *d)
{
	return whole_steps(d, d->options.prefix_max + d->options.tail_max);
}

void decoder_lay_out(struct decoder *d)
{
	const struct network *n = d->network;
	uint32_t s = decoder_rows_max(d), h = d->m.hidden, g = d->m.kv_heads * d->m.head_size;

	d->prefix = n->ops->take(n->compute, d->options.prefix_max, h);
	d->x = n->ops->take(n->compute, s, h);
	d->normed = n->ops->take(n->compute, s, h);
	d->qkv = n->ops->take(n->compute, s, h + 2 * g);
	d->gate = n->ops->take(n->compute, s, d->m.mlp);
	d->turned = d->angles = n->ops->take_float(n->compute, s, d->m.head_size);
	if (n->ops->row_step > 1) {
		d->turned = n->ops->take_float(n->compute, s, d->m.head_size);
		d->skip = n->ops->take_float(n->compute, 1, 1);
	}
	if (d->options.n_tokens)
		d->logits = n->ops->take_float(n->compute, d->options.tail_max, d->options.n_tokens);
}

int decoder_prepare(struct decoder *d, struct errbuf *e)
{
	const struct network *n = d->network;
	size_t half = d->m.head_size / 2, count = d->angles.rows * half;
	float *cosine = malloc(2 * count * sizeof *cosine);

	if (!cosine)
		return fail(e, -ENOMEM, "decoder: out of memory");
	float *sine = cosine + count;

	for (size_t at = 0; at < count; at++) {
		/* Positions count from 1; frequency j is theta^(-2j / head_size). */
		double angle = (double)(at / half + 1) * pow(d->m.rope_theta, -(double)(at % half) / (double)half);

		cosine[at] = (float)cos(angle);
		sine[at] = (float)sin(angle);
	}
	n->ops->upload_angles(n->compute, cosine, sine, d->angles);
	n->ops->zero(n->compute, d->prefix);
	int rc = n->ops->finish(n->compute, e);

	free(cosine);
	return rc;
}

struct compute_view decoder_prefix(struct decoder *d, uint32_t n)
{
	return compute_rows(d->prefix, 0, n);
}

void decoder_embed(struct decoder *d, const int32_t *ids, struct compute_view out)
{
	d->network->ops->embed(d->network->compute, d->embed, ids, out);
}

/* Rows in front, not behind: so the tail lies at the same place in all sequences of as many rows, and what a captured forward reads and
 * writes does not depend on how many of its rows are the sequence's own. */
static void pad(struct decoder *d)
{
	const struct network *n = d->network;
	uint32_t own = d->n_prefix + d->n_tail, rows = d->n_pad + own;

	if (d->n_pad)
		n->ops->zero(n->compute, compute_rows(d->x, 0, d->n_pad));
	if (d->padded_rows == rows && d->padded_by == d->n_pad)
		return;
	if (d->n_pad)
		n->ops->zero(n->compute, compute_rows(d->turned, 0, d->n_pad));
	n->ops->copy(n->compute, compute_rows(d->angles, 0, own), compute_rows(d->turned, d->n_pad, own));
	n->ops->upload_count(n->compute, d->n_pad, d->skip);
	d->padded_rows = rows;
	d->padded_by = d->n_pad;
}

void decoder_forget(struct decoder *d)
{
	d->padded_rows = 0;
}

struct compute_view decoder_begin(struct decoder *d, uint32_t n_prefix, uint32_t n_tail)
{
	const struct network *n = d->network;

	d->n_prefix = n_prefix;
	d->n_tail = n_tail;
	d->n_pad = whole_steps(d, n_prefix + n_tail) - n_prefix - n_tail;
	if (n->ops->row_step > 1)
		pad(d);
	n->ops->copy(n->compute, compute_rows(d->prefix, 0, n_prefix), compute_rows(d->x, d->n_pad, n_prefix));
	return compute_rows(d->x, d->n_pad + n_prefix, n_tail);
}

/* x after its norm, in `normed` -> what attention of a layer makes of it, there too. [S][H] */
static void attend(struct decoder *d, const struct layer *l, struct compute_view normed)
{
	const struct compute_backend *ops = d->network->ops;
	struct compute *c = d->network->compute;
	uint32_t h = d->m.hidden, g = d->m.kv_heads * d->m.head_size;
	struct compute_view qkv = compute_rows(d->qkv, 0, normed.rows);

	ops->project_heads(c, normed, &(struct compute_projection){ .w = { l->q, l->k, l->v }, .b = { l->q_bias, l->k_bias, l->v_bias },
			.heads = d->m.heads, .kv_heads = d->m.kv_heads, .angles = d->turned }, qkv);
	ops->attention(c, &(struct compute_attention){ .q = compute_columns(qkv, 0, h), .k = compute_columns(qkv, h, g),
			.v = compute_columns(qkv, h + g, g), .out = normed, .heads = d->m.heads, .kv_heads = d->m.kv_heads,
			.head_size = d->m.head_size, .segment = &normed.rows, .n_segments = 1, .skip = d->skip });
}

/* Rows of a layer from attention's result, in `normed`, on: residual stream and gated MLP, down(silu(gate(x)) * up(x)). `normed` becomes
 * what comes next: x after the norm `next`. */
static void feed_forward(struct decoder *d, const struct layer *l, struct compute_matrix next, struct compute_view x,
		struct compute_view normed)
{
	const struct compute_backend *ops = d->network->ops;
	struct compute *c = d->network->compute;
	struct compute_view gate = compute_rows(d->gate, 0, x.rows);
	struct compute_matrix no_bias = { 0 };

	ops->linear_add_norm(c, normed, l->o, no_bias, x, &(struct compute_norm){ .w = l->post_norm, .eps = d->m.rms_norm_eps }, normed);
	ops->linear_gated(c, normed, l->gate, l->up, gate);
	ops->linear_add_norm(c, gate, l->down, no_bias, x, &(struct compute_norm){ .w = next, .eps = d->m.rms_norm_eps }, normed);
}

static struct compute_view own_rows(const struct decoder *d, struct compute_view x)
{
	return compute_rows(x, d->n_pad, d->n_prefix + d->n_tail);
}

/* Behind the last layer's attention only the rows that predict the tail are of use; a tracer wants to see all. */
static void run_layers(struct decoder *d, struct compute_view x, struct compute_view normed, bool trace)
{
	const struct network *n = d->network;

	n->ops->rms_norm(n->compute, x, d->layer[0].input_norm, d->m.rms_norm_eps, normed);
	for (uint32_t i = 0; i < d->m.layers; i++) {
		bool last = i + 1 == d->m.layers;
		uint32_t first = last && !trace ? x.rows - d->n_tail - 1 : 0, rows = last && !trace ? d->n_tail : x.rows;

		attend(d, &d->layer[i], normed);
		feed_forward(d, &d->layer[i], last ? d->norm : d->layer[i + 1].input_norm, compute_rows(x, first, rows),
				compute_rows(normed, first, rows));
		if (trace)
			network_trace(n, own_rows(d, x), "decoder.layer.%u", i);
		network_report_progress(n);
	}
}

struct compute_view decoder_run(struct decoder *d, bool trace)
{
	const struct network *n = d->network;
	uint32_t rows = d->n_pad + d->n_prefix + d->n_tail;
	struct compute_key key = { { NETWORK_DECODER, rows, d->n_tail } };
	struct compute_view x = compute_rows(d->x, 0, rows), normed = compute_rows(d->normed, 0, rows);
	int64_t start_ns = clock_monotonic_ns();

	trace = trace && n->tracer;
	if (trace)
		network_trace(n, own_rows(d, x), "decoder.input");
	if (network_begin(n, &key)) {
		run_layers(d, x, normed, trace);
		network_end(n);
	}
	if (trace)
		network_trace(n, own_rows(d, normed), "decoder.norm");
	d->elapsed_ns += clock_monotonic_ns() - start_ns;
	return compute_rows(normed, rows - d->n_tail - 1, d->n_tail);
}

struct compute_view decoder_logits(struct decoder *d, struct compute_view hidden)
{
	const struct network *n = d->network;
	struct compute_view logits = compute_rows(d->logits, 0, hidden.rows);
	int64_t start_ns = clock_monotonic_ns();

	n->ops->linear(n->compute, hidden, d->lm_head, (struct compute_matrix){ 0 }, COMPUTE_STORE_FLOAT, logits);
	d->elapsed_ns += clock_monotonic_ns() - start_ns;
	return logits;
}

int64_t decoder_take_elapsed_ns(struct decoder *d)
{
	int64_t elapsed_ns = d->elapsed_ns;

	d->elapsed_ns = 0;
	return elapsed_ns;
}
