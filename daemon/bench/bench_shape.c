/* bench_shape.c - see bench_shape.h. */
#include "daemon/bench/bench_shape.h"

#include <errno.h>
#include <string.h>

/* BYTES: of a weight and of a value in the cache. MLP_BLOCKS: of a head that regresses (policy/head/mlp_resnet.h). */
enum { BYTES = 2, MLP_BLOCKS = 2 };

static const struct bench_shape shapes[] = {
	/* config.json and preprocessor_config.json of Dream-VLA-7B; LIBERO's chunk. */
	{ .name = "7b",
		.decoder = { .layers = 28, .hidden = 3584, .heads = 28, .kv_heads = 4, .head_size = 128, .mlp = 18944, .vocabulary = 152064,
			.rope_theta = 1e6, .rms_norm_eps = 1e-6, .action_bins = 256 },
		.vision = { .blocks = 32, .width = 1280, .heads = 16, .head_size = 80, .mlp = 5120, .patch = 14, .merge = 2, .temporal = 2,
			.channels = 3, .output = 3584 },
		.picture_side = 224, .text = 40, .chunk = 8, .dim = 7, .ceiling_side = 8192, .ceiling_bytes = UINT64_C(4) << 30 },
	{ .name = "tiny",
		.decoder = { .layers = 2, .hidden = 32, .heads = 4, .kv_heads = 2, .head_size = 8, .mlp = 48, .vocabulary = 640,
			.rope_theta = 1e6, .rms_norm_eps = 1e-6, .action_bins = 256 },
		.vision = { .blocks = 1, .width = 16, .heads = 2, .head_size = 8, .mlp = 64, .patch = 14, .merge = 2, .temporal = 2,
			.channels = 3, .output = 32 },
		.picture_side = 56, .text = 40, .chunk = 2, .dim = 3, .ceiling_side = 256, .ceiling_bytes = 1 << 20 },
};

const struct bench_shape *bench_shape_find(const char *name, struct errbuf *e)
{
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (strcmp(shapes[i].name, name) == 0)
			return &shapes[i];
	(void)fail(e, -EINVAL, "--shape: found '%s', want 7b or tiny", name);
	return NULL;
}

uint32_t bench_shape_patches(const struct bench_shape *s, uint32_t pictures)
{
	uint32_t side = s->picture_side / s->vision.patch;

	return pictures * side * side;
}

/* Each picture has a token before and one behind it; `text` counts those of two. */
uint32_t bench_shape_prefix(const struct bench_shape *s, uint32_t pictures)
{
	return s->text - 4 + 2 * pictures + bench_shape_patches(s, pictures) / (s->vision.merge * s->vision.merge);
}

/* -- weights --------------------------------------------------------------------------------------------------------------------- */

/* A linear layer with bias. */
static double linear_values(double rows, double columns)
{
	return rows * columns + rows;
}

static double vision_values(const struct bench_shape *s)
{
	const struct manifest_vision *v = &s->vision;
	double c = v->width, f = v->mlp, h = s->decoder.hidden, wide = c * v->merge * v->merge;
	double embed = c * v->channels * v->temporal * v->patch * v->patch;
	double block = 4 * c + linear_values(3 * c, c) + linear_values(c, c) + linear_values(f, c) + linear_values(c, f);

	return embed + v->blocks * block + 2 * c + linear_values(wide, wide) + linear_values(h, wide) + 2 * linear_values(h, h);
}

/* Without embedding table and LM head. */
static double decoder_values(const struct bench_shape *s)
{
	const struct manifest_decoder *d = &s->decoder;
	double h = d->hidden, g = d->kv_heads * d->head_size;
	double layer = 2 * h + linear_values(h, h) + 2 * linear_values(g, h) + h * h + 3.0 * d->mlp * h;

	return d->layers * layer + h;
}

static double table_values(const struct bench_shape *s)
{
	return (double)s->decoder.vocabulary * s->decoder.hidden;
}

static double regressor_values(const struct bench_shape *s)
{
	double h = s->decoder.hidden, wide = s->dim * h;

	return 2 * wide + linear_values(h, wide) + MLP_BLOCKS * (2 * h + linear_values(h, h)) + 2 * h + linear_values(s->dim, h);
}

/* Of noisy actions: one value to a token. */
static double projector_values(const struct bench_shape *s)
{
	double h = s->decoder.hidden;

	return linear_values(h, 1) + linear_values(h, h);
}

uint64_t bench_shape_values(const struct bench_shape *s)
{
	return (uint64_t)(vision_values(s) + decoder_values(s) + 2 * table_values(s));
}

/* -- work ------------------------------------------------------------------------------------------------------------------------ */

/* Operations of x [m][k] W^T [n][k]. */
static double product(double m, double n, double k)
{
	return 2 * m * n * k;
}

static struct bench_work vision_work(const struct bench_shape *s, uint32_t pictures)
{
	const struct manifest_vision *v = &s->vision;
	double p = bench_shape_patches(s, pictures), segment = bench_shape_patches(s, 1), c = v->width, f = v->mlp, h = s->decoder.hidden;
	double area = v->merge * v->merge, wide = c * area, merged = p / area;
	double block = product(p, 3 * c, c) + product(p, c, c) + product(p, f, c) + product(p, c, f)
			+ pictures * 2 * product(segment, segment, c);
	double operations = product(p, c, v->channels * v->temporal * v->patch * v->patch) + v->blocks * block + product(merged, wide, wide)
			+ product(merged, h, wide) + 2 * product(merged, h, h);

	return (struct bench_work){ "vision", operations, BYTES * vision_values(s), 1 };
}

/* The decoder over `rows` positions; `scores`: how many pairs of query and key attention looks at. Behind the last layer's attention only
 * `last` rows go on. */
static struct bench_work decoder_work(const struct bench_shape *s, const char *name, double rows, double last, double scores)
{
	const struct manifest_decoder *d = &s->decoder;
	double h = d->hidden, g = d->kv_heads * d->head_size;
	double attention = product(rows, h, h) + 2 * product(rows, g, h) + 2 * product(scores, h, 1);
	double behind = product(1, h, h) + 3 * product(1, d->mlp, h); /* each row */

	return (struct bench_work){ name, d->layers * attention + ((d->layers - 1) * rows + last) * behind, BYTES * decoder_values(s), 1 };
}

static struct bench_work logits_work(const struct bench_shape *s, double rows, uint32_t tokens)
{
	double h = s->decoder.hidden;

	return (struct bench_work){ "logits", product(rows, tokens, h), BYTES * tokens * h, 1 };
}

static struct bench_work head_work(const struct bench_shape *s, bool from_noise)
{
	double h = s->decoder.hidden, t = s->chunk, n = t * s->dim;
	double operations = product(t, h, s->dim * h) + MLP_BLOCKS * product(t, h, h) + product(t, s->dim, h);

	if (from_noise)
		operations += product(n, h, 1) + product(n, h, h);
	return (struct bench_work){ "head", operations, BYTES * (regressor_values(s) + (from_noise ? projector_values(s) : 0)), 1 };
}

/* Vision, the prefix, then a step for each token but the first, which the prefix gives: a step reads all keys and values before it. */
static uint32_t autoregressive_work(const struct bench_shape *s, const struct bench_variant *v, struct bench_work *out)
{
	double prefix = bench_shape_prefix(s, v->pictures), g = s->decoder.kv_heads * s->decoder.head_size;
	uint32_t tokens = s->chunk * s->dim + BENCH_SUFFIX, n = 0;

	out[n++] = vision_work(s, v->pictures);
	out[n++] = decoder_work(s, "prefix", prefix, 1, prefix * (prefix + 1) / 2);
	out[n++] = logits_work(s, 1, s->decoder.vocabulary);
	for (uint32_t i = 1; i < tokens && n < BENCH_WORK_MAX; i++) {
		double keys = prefix + i;
		struct bench_work step = decoder_work(s, "step", 1, 1, keys), logits = logits_work(s, 1, s->decoder.vocabulary);

		step.operations += logits.operations;
		step.bytes += logits.bytes + BYTES * 2 * s->decoder.layers * g * keys;
		out[n++] = step;
	}
	return n;
}

uint32_t bench_shape_work(const struct bench_shape *s, const struct bench_variant *v, struct bench_work out[BENCH_WORK_MAX])
{
	if (v->kind == BENCH_AUTOREGRESSIVE)
		return autoregressive_work(s, v, out);
	uint32_t actions = s->chunk * s->dim, n = 0;
	double rows = bench_shape_prefix(s, v->pictures) + (v->kind == BENCH_FROM_NOISE ? 1 : 0) + actions + BENCH_SUFFIX;

	out[n++] = vision_work(s, v->pictures);
	out[n++] = decoder_work(s, "decoder", rows, actions + BENCH_SUFFIX, rows * rows);
	if (v->kind == BENCH_TOKENS)
		out[n++] = logits_work(s, actions + (v->suffix_logits ? BENCH_SUFFIX : 0),
				v->actions_only ? s->decoder.action_bins : s->decoder.vocabulary);
	else
		out[n++] = head_work(s, v->kind == BENCH_FROM_NOISE);
	for (uint32_t i = 1; i < n; i++)
		out[i].times = v->steps;
	return n;
}

double bench_work_floor_s(const struct bench_work *w, uint32_t n, double operations_s, double bytes_s)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		double arithmetic = w[i].operations / operations_s, memory = w[i].bytes / bytes_s;

		sum += w[i].times * (arithmetic > memory ? arithmetic : memory);
	}
	return sum;
}
