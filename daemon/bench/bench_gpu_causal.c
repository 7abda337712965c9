/* bench_gpu_causal.c - a chunk as an autoregressive model decodes it: vision, the prefix, then a token at a time. */
#include "daemon/bench/bench_gpu.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/bench/bench_autoregressive.h"
#include "daemon/sys/clock.h"
#include "policy/vision_encoder.h"

struct causal_rig {
	const struct bench_shape *shape;
	struct manifest manifest;
	struct weights *weights;
	struct network network;
	struct vision_encoder *vision;
	struct autoregressive *decoder;
	struct vision_grid grid[POLICY_PICTURES_MAX];
	uint32_t pictures, text, prefix;
	uint8_t *patches;           /* [patches][channels][patch][patch] */
	float *level;               /* [channels][COMPUTE_LEVELS] */
	int32_t *ids;               /* [text] */
};

static uint32_t patch_values(const struct bench_shape *s)
{
	return s->vision.channels * s->vision.temporal * s->vision.patch * s->vision.patch;
}

static uint32_t widest(const struct bench_shape *s)
{
	const uint32_t width[] = { s->decoder.hidden, s->decoder.mlp, s->vision.width * s->vision.merge * s->vision.merge, s->vision.mlp,
		patch_values(s) };
	uint32_t most = 0;

	for (size_t i = 0; i < sizeof width / sizeof *width; i++)
		most = width[i] > most ? width[i] : most;
	return most;
}

static int create_network(struct causal_rig *r, const struct gpu_options *o, struct bench_checkpoint *c, double *operations, struct errbuf *e)
{
	const struct bench_shape *s = r->shape;
	uint32_t patches = bench_shape_patches(s, r->pictures), positions = r->prefix + s->chunk * s->dim + BENCH_SUFFIX;
	uint32_t most = patches > positions ? patches : positions;
	struct compute_options options = { .precision = POLICY_BF16, .choose_by_time = true, .max_rows = most, .max_inner = widest(s), .max_segment = most,
		.max_outer = s->decoder.vocabulary, .weight_values = c->supply.values, .multiplies = gpu_count_operations,
		.multiplies_context = operations };
	int rc;

	r->network.ops = compute_backend_find(o->backend, e);
	if (!r->network.ops)
		return -EINVAL;
	if ((rc = manifest_read(&r->manifest, c->folder, e)) < 0 || (rc = weights_open_supply(&r->weights, &c->supply, e)) < 0
			|| (rc = r->network.ops->create(&r->network.compute, &options, e)) < 0
			|| (rc = vision_encoder_create(&r->vision, &r->network, r->weights, &r->manifest, patches, e)) < 0)
		return rc;
	return autoregressive_create(&r->decoder, &r->network, r->weights, &r->manifest.decoder, positions, r->prefix, e);
}

static int allocate(struct causal_rig *r, struct errbuf *e)
{
	const struct network *n = &r->network;
	int rc;

	vision_encoder_lay_out(r->vision);
	autoregressive_lay_out(r->decoder);
	if ((rc = n->ops->reserve(n->compute, e)) < 0)
		return rc;
	vision_encoder_lay_out(r->vision);
	autoregressive_lay_out(r->decoder);
	n->ops->freeze(n->compute);
	return autoregressive_prepare(r->decoder, e);
}

/* Any picture and any text: time does not depend on them. */
static int make_inputs(struct causal_rig *r, struct errbuf *e)
{
	uint32_t side = r->shape->picture_side / r->shape->vision.patch, bytes = patch_values(r->shape) / r->shape->vision.temporal * bench_shape_patches(r->shape, r->pictures);
	uint32_t levels = r->shape->vision.channels * COMPUTE_LEVELS;

	r->patches = malloc(bytes);
	r->level = malloc(levels * sizeof *r->level);
	r->ids = calloc(r->text, sizeof *r->ids);
	if (!r->patches || !r->level || !r->ids)
		return fail(e, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < bytes; i++)
		r->patches[i] = (uint8_t)(i * 2654435761u >> 24);
	for (uint32_t i = 0; i < levels; i++)
		r->level[i] = (float)(i % COMPUTE_LEVELS) / 128.0f - 1.0f;
	for (uint32_t i = 0; i < r->text; i++)
		r->ids[i] = (int32_t)(i * 7 % r->shape->decoder.vocabulary);
	for (uint32_t i = 0; i < r->pictures; i++)
		r->grid[i] = (struct vision_grid){ side, side };
	return 0;
}

/* The prefix: vision tokens behind the text; which comes first has no effect on time. Returns the logits behind it. */
static struct compute_view run_prefix(struct causal_rig *r)
{
	const struct network *n = &r->network;
	struct compute_view vision = vision_encoder_run(r->vision, r->patches, r->level, r->grid, r->pictures);
	struct compute_view rows = autoregressive_rows(r->decoder, r->prefix);

	autoregressive_restart(r->decoder);
	autoregressive_embed(r->decoder, r->ids, compute_rows(rows, 0, r->text));
	n->ops->copy(n->compute, vision, compute_rows(rows, r->text, vision.rows));
	return autoregressive_run(r->decoder, r->prefix);
}

static int run_chunk(void *context, double *seconds, struct errbuf *e)
{
	struct causal_rig *r = context;
	const struct network *n = &r->network;
	int64_t start_ns = clock_monotonic_ns();
	struct compute_view logits = run_prefix(r);

	for (uint32_t i = 1; i < r->shape->chunk * r->shape->dim + BENCH_SUFFIX; i++) {
		int32_t token = 0;

		n->ops->argmax(n->compute, logits, &token);
		if (token < 0) {
			int rc = n->ops->finish(n->compute, e);

			return rc < 0 ? rc : fail(e, -EDOM, "autoregressive: token %u: logits that are no numbers", i);
		}
		autoregressive_embed(r->decoder, &token, autoregressive_rows(r->decoder, 1));
		logits = autoregressive_run(r->decoder, 1);
	}
	int rc = n->ops->finish(n->compute, e);

	*seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
	return rc;
}

/* As a policy's warm-up does: every token's step is of a length of its own. */
static int capture_steps(struct causal_rig *r, struct errbuf *e)
{
	const struct network *n = &r->network;
	double seconds;

	if (!n->ops->capture)
		return 0;
	n->ops->capture(n->compute, true);
	int rc = run_chunk(r, &seconds, e);

	n->ops->capture(n->compute, false);
	n->ops->settle(n->compute);
	return rc;
}

static int measure(struct causal_rig *r, const struct gpu_options *o, struct gpu_row *row, struct errbuf *e)
{
	const struct network *n = &r->network;
	double seconds;

	row->announced = 0;
	int rc = run_chunk(r, &seconds, e); /* brings the weights to the device; operations are announced while they are asked for one by one */
	double announced = row->announced;

	if (rc < 0 || (rc = capture_steps(r, e)) < 0)
		return rc;
	uint64_t before = n->ops->launches(n->compute);

	if ((rc = run_chunk(r, &seconds, e)) < 0)
		return rc;
	row->launches = n->ops->launches(n->compute) - before;
	row->memory_bytes = weights_bytes(r->weights) + n->ops->memory_bytes(n->compute);
	rc = gpu_repeat(o, row, run_chunk, r, e);
	row->announced = announced;
	return rc;
}

int gpu_measure_causal(const struct gpu_options *o, struct bench_checkpoint *c, struct gpu_row *row, struct errbuf *e)
{
	const struct bench_shape *s = o->shape;
	uint32_t merged = bench_shape_patches(s, row->pictures) / (s->vision.merge * s->vision.merge);
	uint32_t prefix = bench_shape_prefix(s, row->pictures);
	struct causal_rig r = { .shape = s, .pictures = row->pictures, .prefix = prefix, .text = prefix - merged };
	int rc = make_inputs(&r, e);

	if (rc == 0 && (rc = create_network(&r, o, c, &row->announced, e)) == 0 && (rc = allocate(&r, e)) == 0)
		rc = measure(&r, o, row, e);
	autoregressive_destroy(r.decoder);
	vision_encoder_destroy(r.vision);
	if (r.network.compute)
		r.network.ops->destroy(r.network.compute);
	weights_close(r.weights);
	free(r.patches);
	free(r.level);
	free(r.ids);
	return rc;
}
