/* vision_encoder.c - see vision_encoder.h. */
#include "policy/vision_encoder.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double VISION_EPS = 1e-6;      /* of every LayerNorm here; not in config.json */
static const double VISION_THETA = 10000.0; /* of the 2-D rotary embedding; not in config.json */

/* C width, F mlp width. */
struct block {
	struct compute_matrix norm1, norm1_bias, norm2, norm2_bias; /* [C] */
	struct compute_matrix qkv, qkv_bias;                        /* [3 * C][C], rows q | k | v */
	struct compute_matrix proj, proj_bias;                      /* [C][C] */
	struct compute_matrix fc1, fc1_bias;                        /* [F][C] */
	struct compute_matrix fc2, fc2_bias;                        /* [C][F] */
};

struct vision_encoder {
	const struct network *network;
	struct manifest_vision m;
	uint32_t patches_max, patch_values, hidden;
	struct compute_matrix embed;                                /* [C][patch values] */
	struct block *block;                                        /* [m.blocks] */
	struct compute_matrix ln_q, ln_q_bias;                      /* [C] */
	struct compute_matrix merger0, merger0_bias;                /* [4C][4C] */
	struct compute_matrix merger2, merger2_bias;                /* [H][4C] */
	struct compute_matrix linear1, linear1_bias, linear2, linear2_bias; /* [H][H] */
	float *cosine, *sine;                                       /* host, [patches_max][head_size / 2] */
	struct vision_grid grid[POLICY_PICTURES_MAX];               /* what the angles are for */
	uint32_t n_grids;
	/* activations, P patches, M = P / merge^2 */
	struct compute_view patches;                                /* [P][patch values] */
	struct compute_view x, normed;                              /* [P][C] */
	struct compute_view qkv;                                    /* [P][3 * C] */
	struct compute_view mlp;                                    /* [P][F] */
	struct compute_view angles;                                 /* [P][head_size] */
	struct compute_view merged0;                                /* [M][4C] */
	struct compute_view merged, linear, projected;              /* [M][H] */
};

static int find_block(struct block *b, const struct weights *w, const struct manifest_vision *m, uint32_t i, struct errbuf *e)
{
	uint32_t c = m->width, f = m->mlp;
	int rc;

#define FIND_LINEAR(field, rows, columns, name) \
	if ((rc = network_matrix(w, rows, columns, &b->field, e, "visual.blocks.%u." name ".weight", i)) < 0 \
			|| (rc = network_vector(w, rows, &b->field##_bias, e, "visual.blocks.%u." name ".bias", i)) < 0) \
		return rc
#define FIND_NORM(field) \
	if ((rc = network_vector(w, c, &b->field, e, "visual.blocks.%u." #field ".weight", i)) < 0 \
			|| (rc = network_vector(w, c, &b->field##_bias, e, "visual.blocks.%u." #field ".bias", i)) < 0) \
		return rc
	FIND_NORM(norm1);
	FIND_NORM(norm2);
	FIND_LINEAR(qkv, 3 * c, c, "attn.qkv");
	FIND_LINEAR(proj, c, c, "attn.proj");
	FIND_LINEAR(fc1, f, c, "mlp.fc1");
	FIND_LINEAR(fc2, c, f, "mlp.fc2");
#undef FIND_LINEAR
#undef FIND_NORM
	return 0;
}

static int find_linear(const struct weights *w, const char *name, uint32_t rows, uint32_t columns, struct compute_matrix *weight,
		struct compute_matrix *bias, struct errbuf *e)
{
	int rc = network_matrix(w, rows, columns, weight, e, "%s.weight", name);

	return rc < 0 ? rc : network_vector(w, rows, bias, e, "%s.bias", name);
}

static int find_patch_embed(const struct weights *w, const struct manifest_vision *m, struct tensor *out, struct errbuf *e)
{
	return weights_find(w, "visual.patch_embed.proj.weight", 5,
			(uint64_t[]){ m->width, m->channels, m->temporal, m->patch, m->patch }, out, e);
}

int vision_encoder_check_patch(const struct weights *w, const struct manifest_vision *m, struct errbuf *e)
{
	struct tensor t;

	return find_patch_embed(w, m, &t, e);
}

/* The 3-D convolution whose stride is its kernel is a matrix product over flattened patches. */
static int find_embed(struct vision_encoder *v, const struct weights *w, struct errbuf *e)
{
	struct tensor t;
	int rc = find_patch_embed(w, &v->m, &t, e);

	if (rc == 0)
		v->embed = (struct compute_matrix){ t.data, t.type, v->m.width, v->patch_values };
	return rc;
}

static int find_weights(struct vision_encoder *v, const struct weights *w, struct errbuf *e)
{
	uint32_t c = v->m.width, h = v->hidden, wide = c * v->m.merge * v->m.merge;
	int rc = find_embed(v, w, e);

	for (uint32_t i = 0; i < v->m.blocks && rc == 0; i++)
		rc = find_block(&v->block[i], w, &v->m, i, e);
	if (rc < 0 || (rc = network_check_last(w, "visual.blocks", v->m.blocks, "norm1.weight", "vision_config.depth", e)) < 0
			|| (rc = network_vector(w, c, &v->ln_q, e, "visual.merger.ln_q.weight")) < 0
			|| (rc = network_vector(w, c, &v->ln_q_bias, e, "visual.merger.ln_q.bias")) < 0
			|| (rc = find_linear(w, "visual.merger.mlp.0", wide, wide, &v->merger0, &v->merger0_bias, e)) < 0
			|| (rc = find_linear(w, "visual.merger.mlp.2", h, wide, &v->merger2, &v->merger2_bias, e)) < 0
			|| (rc = find_linear(w, "projector.linear_1", h, h, &v->linear1, &v->linear1_bias, e)) < 0)
		return rc;
	return find_linear(w, "projector.linear_2", h, h, &v->linear2, &v->linear2_bias, e);
}

int vision_encoder_create(struct vision_encoder **out, const struct network *network, const struct weights *w,
		const struct manifest *m, uint32_t patches_max, struct errbuf *e)
{
	struct vision_encoder *v = calloc(1, sizeof *v);
	size_t half = m->vision.head_size / 2;
	int rc = -ENOMEM;

	if (!v)
		return fail(e, -ENOMEM, "vision encoder: out of memory");
	v->network = network;
	v->m = m->vision;
	v->hidden = m->decoder.hidden;
	v->patches_max = patches_max;
	v->patch_values = m->vision.channels * m->vision.temporal * m->vision.patch * m->vision.patch;
	v->block = calloc(m->vision.blocks, sizeof *v->block);
	v->cosine = calloc(patches_max * half, sizeof *v->cosine);
	v->sine = calloc(patches_max * half, sizeof *v->sine);
	if (!v->block || !v->cosine || !v->sine)
		rc = fail(e, -ENOMEM, "vision encoder: out of memory");
	else
		rc = find_weights(v, w, e);
	if (rc < 0) {
		vision_encoder_destroy(v);
		return rc;
	}
	*out = v;
	return 0;
}

void vision_encoder_destroy(struct vision_encoder *v)
{
	if (!v)
		return;
	free(v->block);
	free(v->cosine);
	free(v->sine);
	free(v);
}

static void list_block(const struct block *b, struct network_weights *l, uint32_t i)
{
#define LIST(field) network_list(l, &b->field, 1, "visual.blocks.%u." #field, i), \
	network_list(l, &b->field##_bias, 1, "visual.blocks.%u." #field ".bias", i)
	LIST(norm1);
	LIST(norm2);
	LIST(qkv);
	LIST(proj);
	LIST(fc1);
	LIST(fc2);
#undef LIST
}

void vision_encoder_list_weights(const struct vision_encoder *v, struct network_weights *l)
{
	network_list(l, &v->embed, 1, "visual.patch_embed.proj");
	for (uint32_t i = 0; i < v->m.blocks; i++)
		list_block(&v->block[i], l, i);
#define LIST(field, name) network_list(l, &v->field, 1, name), network_list(l, &v->field##_bias, 1, name ".bias")
	LIST(ln_q, "visual.merger.ln_q");
	LIST(merger0, "visual.merger.mlp.0");
	LIST(merger2, "visual.merger.mlp.2");
	LIST(linear1, "projector.linear_1");
	LIST(linear2, "projector.linear_2");
#undef LIST
}

void vision_encoder_lay_out(struct vision_encoder *v)
{
	const struct network *n = v->network;
	uint32_t p = v->patches_max, area = v->m.merge * v->m.merge, c = v->m.width;

	v->patches = n->ops->take(n->compute, p, v->patch_values);
	v->x = n->ops->take(n->compute, p, c);
	v->normed = n->ops->take(n->compute, p, c);
	v->qkv = n->ops->take(n->compute, p, 3 * c);
	v->mlp = n->ops->take(n->compute, p, v->m.mlp);
	v->angles = n->ops->take_float(n->compute, p, v->m.head_size);
	v->merged0 = n->ops->take(n->compute, p / area, c * area);
	v->merged = n->ops->take(n->compute, p / area, v->hidden);
	v->linear = n->ops->take(n->compute, p / area, v->hidden);
	v->projected = n->ops->take(n->compute, p / area, v->hidden);
	v->n_grids = 0;
}

/* Angles of one patch: row * f_j, then column * f_j, f_j = theta^(-2j / (head_size / 2)). cosine, sine [head_size / 2]. */
static void patch_angles(const struct vision_encoder *v, uint32_t row, uint32_t column, float *cosine, float *sine)
{
	uint32_t half = v->m.head_size / 2, quarter = half / 2;

	for (uint32_t j = 0; j < quarter; j++) {
		double frequency = pow(VISION_THETA, -2.0 * j / half);

		cosine[j] = (float)cos(row * frequency);
		sine[j] = (float)sin(row * frequency);
		cosine[quarter + j] = (float)cos(column * frequency);
		sine[quarter + j] = (float)sin(column * frequency);
	}
}

/* Angles of a picture's patches in merged order, from patch number `at` on; returns the number after the last. */
static uint32_t picture_angles(struct vision_encoder *v, struct vision_grid g, uint32_t at)
{
	uint32_t merge = v->m.merge;
	size_t half = v->m.head_size / 2;

	for (uint32_t top = 0; top < g.rows; top += merge)
		for (uint32_t left = 0; left < g.columns; left += merge)
			for (uint32_t y = 0; y < merge; y++)
				for (uint32_t x = 0; x < merge; x++, at++)
					patch_angles(v, top + y, left + x, v->cosine + at * half, v->sine + at * half);
	return at;
}

void vision_encoder_forget(struct vision_encoder *v)
{
	v->n_grids = 0;
}

static void prepare_angles(struct vision_encoder *v, const struct vision_grid *grid, uint32_t n_grids)
{
	const struct network *n = v->network;
	uint32_t patches = 0;

	if (v->n_grids == n_grids && !memcmp(v->grid, grid, n_grids * sizeof *grid))
		return;
	memcpy(v->grid, grid, n_grids * sizeof *grid);
	v->n_grids = n_grids;
	for (uint32_t i = 0; i < n_grids; i++)
		patches = picture_angles(v, grid[i], patches);
	n->ops->upload_angles(n->compute, v->cosine, v->sine, compute_rows(v->angles, 0, patches));
}

/* x after its norm, in `normed` -> what attention of a block makes of it, there too. [P][C] */
static void attend(struct vision_encoder *v, const struct block *b, const uint32_t *segment, struct compute_view normed)
{
	const struct compute_backend *ops = v->network->ops;
	struct compute *c = v->network->compute;
	uint32_t width = v->m.width, heads = v->m.heads;
	struct compute_view qkv = compute_rows(v->qkv, 0, normed.rows);

	ops->project_heads(c, normed, &(struct compute_projection){ .w = { b->qkv }, .b = { b->qkv_bias }, .heads = heads, .kv_heads = heads,
			.angles = v->angles }, qkv);
	ops->attention(c, &(struct compute_attention){ .q = compute_columns(qkv, 0, width), .k = compute_columns(qkv, width, width),
			.v = compute_columns(qkv, 2 * width, width), .out = normed, .heads = heads, .kv_heads = heads,
			.head_size = v->m.head_size, .segment = segment, .n_segments = v->n_grids });
}

/* From attention's result, in `normed`, on: residual stream x and MLP. `normed` becomes what comes next: x after the norm `next`. */
static void feed_forward(struct vision_encoder *v, const struct block *b, const struct compute_norm *next, struct compute_view x,
		struct compute_view normed)
{
	const struct compute_backend *ops = v->network->ops;
	struct compute *c = v->network->compute;
	struct compute_view mlp = compute_rows(v->mlp, 0, x.rows);

	ops->linear_add_norm(c, normed, b->proj, b->proj_bias, x, &(struct compute_norm){ b->norm2, b->norm2_bias, VISION_EPS }, normed);
	ops->linear(c, normed, b->fc1, b->fc1_bias, COMPUTE_QUICK_GELU, mlp);
	ops->linear_add_norm(c, mlp, b->fc2, b->fc2_bias, x, next, normed);
}

/* The norm behind block i: the next one's first, or the merger's. */
static struct compute_norm norm_behind(const struct vision_encoder *v, uint32_t i)
{
	if (i + 1 == v->m.blocks)
		return (struct compute_norm){ v->ln_q, v->ln_q_bias, VISION_EPS };
	return (struct compute_norm){ v->block[i + 1].norm1, v->block[i + 1].norm1_bias, VISION_EPS };
}

static void run_blocks(struct vision_encoder *v, struct compute_view x, const uint32_t *segment, struct compute_view normed)
{
	const struct network *n = v->network;

	n->ops->layer_norm(n->compute, x, v->block[0].norm1, v->block[0].norm1_bias, VISION_EPS, normed);
	for (uint32_t i = 0; i < v->m.blocks; i++) {
		struct compute_norm next = norm_behind(v, i);

		attend(v, &v->block[i], segment, normed);
		feed_forward(v, &v->block[i], &next, x, normed);
		network_trace(n, x, "vision.block.%u", i);
		network_report_progress(n);
	}
}

/* normed [P][C] -> v->projected [P / merge^2][H]. */
static void merge_and_project(struct vision_encoder *v, struct compute_view normed)
{
	const struct compute_backend *ops = v->network->ops;
	struct compute *c = v->network->compute;
	uint32_t area = v->m.merge * v->m.merge, rows = normed.rows / area;
	struct compute_view merged0 = compute_rows(v->merged0, 0, rows);
	struct compute_view merged = compute_rows(v->merged, 0, rows), linear = compute_rows(v->linear, 0, rows);
	struct compute_view projected = compute_rows(v->projected, 0, rows);

	ops->linear(c, compute_reshape(normed, v->m.width * area), v->merger0, v->merger0_bias, COMPUTE_GELU, merged0);
	ops->linear(c, merged0, v->merger2, v->merger2_bias, COMPUTE_STORE, merged);
	network_trace(v->network, merged, "vision.merged");
	ops->linear(c, merged, v->linear1, v->linear1_bias, COMPUTE_GELU, linear);
	ops->linear(c, linear, v->linear2, v->linear2_bias, COMPUTE_STORE, projected);
	network_trace(v->network, projected, "vision.projected");
}

static struct compute_key key_of(const struct vision_grid *grid, uint32_t n_grids)
{
	struct compute_key key = { { NETWORK_VISION, n_grids } };

	_Static_assert(2 + 2 * POLICY_PICTURES_MAX <= COMPUTE_KEY_WORDS, "a word for each side of a picture");
	for (uint32_t i = 0; i < n_grids; i++) {
		key.word[2 + 2 * i] = grid[i].rows;
		key.word[3 + 2 * i] = grid[i].columns;
	}
	return key;
}

/* in [P][patch values] -> v->projected. */
static void run(struct vision_encoder *v, struct compute_view in, const uint32_t *segment)
{
	const struct network *n = v->network;
	struct compute_view x = compute_rows(v->x, 0, in.rows), normed = compute_rows(v->normed, 0, in.rows);

	n->ops->linear(n->compute, in, v->embed, (struct compute_matrix){ 0 }, COMPUTE_STORE, x);
	network_trace(n, x, "vision.patch_embed");
	run_blocks(v, x, segment, normed);
	merge_and_project(v, normed);
}

struct compute_view vision_encoder_run(struct vision_encoder *v, const uint8_t *patches, const float *level,
		const struct vision_grid *grid, uint32_t n_grids)
{
	const struct network *n = v->network;
	uint32_t segment[POLICY_PICTURES_MAX], rows = 0;

	for (uint32_t i = 0; i < n_grids; i++)
		rows += segment[i] = grid[i].rows * grid[i].columns;
	struct compute_view in = compute_rows(v->patches, 0, rows);
	struct compute_key key = key_of(grid, n_grids);
	const struct compute_levels levels = { level, v->m.channels, v->m.patch * v->m.patch, v->m.temporal };

	prepare_angles(v, grid, n_grids);
	n->ops->upload_levels(n->compute, patches, &levels, in);
	if (network_begin(n, &key)) {
		run(v, in, segment);
		network_end(n);
	}
	return compute_rows(v->projected, 0, rows / (v->m.merge * v->m.merge));
}
