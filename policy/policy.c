/* policy.c - see policy.h. Opens a checkpoint, wires its parts in the order of an inference, and runs them. */
#include "policy/policy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/sys/arena.h"
#include "daemon/sys/clock.h"
#include "policy/head/head.h"
#include "policy/image_prep.h"
#include "policy/prompt.h"
#include "policy/quantise.h"
#include "policy/statistics.h"
#include "policy/tokenizer.h"
#include "policy/vision_encoder.h"

_Static_assert((int)POLICY_NORMALISE_QUANTILES == (int)STATISTICS_QUANTILES
		&& (int)POLICY_NORMALISE_BOUNDS == (int)STATISTICS_BOUNDS, "the same choice under two names");

enum { DEFAULT_PICTURE_WIDTH = 1280, DEFAULT_PICTURE_HEIGHT = 960 };

struct policy {
	struct policy_info info;
	struct policy_options options;      /* numbers only: the strings belong to the caller of create */
	struct manifest manifest;
	struct statistics statistics;
	struct weights *weights;
	struct tokenizer *tokenizer;
	struct prompt *prompt;
	struct head_file *state_file;       /* NULL: the checkpoint has no proprio projector */
	struct network_projector state_projector;
	struct image_prep *image_prep;
	struct network network;
	struct network_progress progress;   /* of the first inference */
	struct vision_encoder *vision;
	struct decoder *decoder;
	const struct policy_head *head_kind;
	struct head *head;
	uint32_t n_actions;                 /* action_chunk * action_dim */
	uint32_t patches_max;               /* of all pictures together */
	uint32_t time_row;                  /* of the prefix: where a timestep token belongs, behind the state */
	uint32_t prompt_row;                /* of the prefix: where the prompt begins */
	uint32_t prefix_max;                /* state, timestep and prompt */
	/* activations */
	struct compute_view state;          /* [1][state_dim] */
	struct compute_view state_hidden;   /* [1][H] */
	/* host, in the arena */
	struct arena arena;
	float *patches;                     /* [patches_max][patch values] */
	int32_t *ids;                       /* [prefix_max - prompt_row] */
	int64_t *trace_ids;                 /* [prefix_max - prompt_row] */
	/* of the running inference */
	struct vision_grid grid[POLICY_PICTURES_MAX];
	uint32_t n_patches, n_ids;
	float normalised[STATISTICS_DIM_MAX]; /* state */
};

/* -- create --------------------------------------------------------------------------------------------------------------------- */

static void report(const struct policy_options *o, const char *what, double share)
{
	if (o->progress)
		o->progress(o->progress_context, what, share);
}

static int check_options(const struct policy_options *o, struct errbuf *e)
{
	if (!o->model)
		return fail(e, -EINVAL, "policy: no checkpoint directory is given");
	if (!o->n_pictures || o->n_pictures > POLICY_PICTURES_MAX)
		return fail(e, -EINVAL, "policy: %u pictures, want 1 to %d", o->n_pictures, POLICY_PICTURES_MAX);
	if (!o->action_chunk || o->action_chunk > POLICY_CHUNK_MAX)
		return fail(e, -EINVAL, "policy: an action chunk of %u steps, want 1 to %d (policy.action_chunk, --action-chunk)",
				o->action_chunk, POLICY_CHUNK_MAX);
	if (o->precision != POLICY_FP32 && o->precision != POLICY_BF16)
		return fail(e, -EINVAL, "policy: unknown precision; there are: fp32, bf16");
	return 0;
}

/* Small files first: a mistake in them shows before gigabytes are mapped. */
static int open_files(struct policy *p, const struct policy_options *o, struct errbuf *e)
{
	const char *heads = o->heads ? o->heads : o->model;
	int rc;

	report(o, "checkpoint", 0.0);
	if ((rc = manifest_read(&p->manifest, o->model, e)) < 0
			|| (rc = statistics_read(&p->statistics, o->model, o->unnorm_key,
					(enum statistics_kind)o->normalisation, e)) < 0)
		return rc;
	report(o, "tokenizer", 0.02);
	if ((rc = tokenizer_create(&p->tokenizer, o->model, e)) < 0)
		return rc;
	struct prompt_options prompt = { .tokenizer = p->tokenizer, .manifest = &p->manifest, .system_line = o->system_line,
		.question = o->question, .lowercase_instruction = o->lowercase_instruction };

	if ((rc = prompt_create(&p->prompt, &prompt, e)) < 0)
		return rc;
	report(o, "weights", 0.04);
	if ((rc = o->supply ? weights_open_supply(&p->weights, o->supply, e) : weights_open(&p->weights, o->model, e)) < 0)
		return rc;
	report(o, "heads", 0.06);
	if ((rc = head_check_files(p->head_kind, heads, o->model, e)) < 0)
		return rc;
	rc = head_file_open(&p->state_file, heads, "proprio_projector", e);
	return rc == -ENOENT ? 0 : rc;
}

static int check_sizes(struct policy *p, struct errbuf *e)
{
	uint32_t length = tokenizer_length(p->tokenizer);
	const struct manifest_decoder *m = &p->manifest.decoder;

	p->n_actions = p->options.action_chunk * p->statistics.action.dim;
	if (!p->n_actions || p->n_actions > POLICY_VALUES_MAX)
		return fail(e, -EINVAL, "policy: a chunk of %u steps of %u dimensions (statistics '%s'), want 1 to %d values",
				p->options.action_chunk, p->statistics.action.dim, p->statistics.key, POLICY_VALUES_MAX);
	if (length > m->vocabulary || m->action_bins < 2 || m->action_bins > length)
		return fail(e, -EINVAL, "policy: %u tokens and %u action bins, but the embedding table has %u rows", length,
				m->action_bins, m->vocabulary);
	int rc = vision_encoder_check_patch(p->weights, &p->manifest.vision, e);

	if (rc < 0 || !p->state_file)
		return rc;
	if (!p->statistics.proprio.dim)
		return fail(e, -EINVAL, "%s: there is a proprio projector, but the statistics '%s' have no proprio",
				head_file_path(p->state_file), p->statistics.key);
	return network_projector_find(p->state_file, p->statistics.proprio.dim, m->hidden, &p->state_projector, e);
}

static int create_pictures(struct policy *p, struct errbuf *e)
{
	struct policy_options *o = &p->options;

	o->max_picture_width = o->max_picture_width ? o->max_picture_width : DEFAULT_PICTURE_WIDTH;
	o->max_picture_height = o->max_picture_height ? o->max_picture_height : DEFAULT_PICTURE_HEIGHT;
	struct image_prep_options options = { .manifest = &p->manifest.picture, .steps = o->picture, .n_pictures = o->n_pictures,
		.max_width = o->max_picture_width, .max_height = o->max_picture_height };
	int rc = image_prep_create(&p->image_prep, &options, e);

	for (uint32_t i = 0; i < o->n_pictures && rc == 0; i++)
		p->patches_max += image_prep_patches_max(p->image_prep, i);
	return rc;
}

static uint32_t largest(const uint32_t *value, uint32_t n)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < n; i++)
		most = value[i] > most ? value[i] : most;
	return most;
}

static int create_compute(struct policy *p, uint32_t tail_max, struct errbuf *e)
{
	const struct policy_options *o = &p->options;
	const struct manifest_decoder *d = &p->manifest.decoder;
	const struct manifest_vision *v = &p->manifest.vision;
	uint32_t sequence = p->prefix_max + tail_max, patches = p->patches_max;
	uint32_t regressed = p->head_kind->chooses_tokens ? 0 : p->statistics.action.dim * d->hidden;
	uint32_t inner[] = { d->hidden, d->mlp, v->width * v->merge * v->merge, v->mlp, image_prep_patch_values(p->image_prep),
		p->statistics.proprio.dim, regressed };
	struct compute_options options = { .precision = o->precision, .threads = o->threads, .max_outer = d->vocabulary,
		.max_rows = patches > sequence ? patches : sequence, .max_segment = patches > sequence ? patches : sequence,
		.max_inner = largest(inner, sizeof inner / sizeof *inner), .weight_values = weights_values(p->weights),
		.multiplies = o->multiplies, .multiplies_context = o->multiplies_context };

	p->network.ops = compute_backend_find(o->backend ? o->backend : "cpu", e);
	return p->network.ops ? p->network.ops->create(&p->network.compute, &options, e) : -EINVAL;
}

/* Decoder and vision encoder with their weights. */
static int create_network(struct policy *p, struct errbuf *e)
{
	const struct manifest *m = &p->manifest;
	uint32_t length = tokenizer_length(p->tokenizer), merged = p->patches_max / (m->vision.merge * m->vision.merge), n_suffix;
	bool narrow = p->options.action_vocabulary_only;

	(void)prompt_suffix(p->prompt, &n_suffix);
	p->time_row = p->state_file ? 1 : 0;
	p->prompt_row = p->time_row + (p->head_kind->from_noise ? 1 : 0);
	p->prefix_max = p->prompt_row + prompt_length_max(p->prompt, p->options.n_pictures, merged);
	struct decoder_options options = { .prefix_max = p->prefix_max, .tail_max = p->n_actions + n_suffix,
		.first_token = narrow ? length - m->decoder.action_bins : 0,
		.n_tokens = narrow ? m->decoder.action_bins : p->head_kind->chooses_tokens ? m->decoder.vocabulary : 0 };
	int rc = create_compute(p, options.tail_max, e);

	if (rc < 0 || (rc = decoder_create(&p->decoder, &p->network, p->weights, m, &options, e)) < 0)
		return rc;
	return vision_encoder_create(&p->vision, &p->network, p->weights, m, p->patches_max, e);
}

static int create_head(struct policy *p, struct errbuf *e)
{
	const struct policy_options *o = &p->options;
	const struct manifest_decoder *m = &p->manifest.decoder;
	uint32_t length = tokenizer_length(p->tokenizer);
	struct head_options options = { .network = &p->network, .decoder = p->decoder, .directory = o->heads ? o->heads : o->model, .supply = o->supply,
		.action_chunk = o->action_chunk, .action_dim = p->statistics.action.dim, .n_actions = p->n_actions,
		.hidden = m->hidden, .time_row = p->time_row, .mask_token = m->mask_token, .vocabulary = m->vocabulary,
		.token_count = length, .action_bins = m->action_bins,
		.first_token = o->action_vocabulary_only ? (int32_t)(length - m->action_bins) : 0, .steps = o->steps,
		.algorithm = o->algorithm, .top_k = o->top_k, .seed = o->seed };

	options.suffix = prompt_suffix(p->prompt, &options.n_suffix);
	return p->head_kind->create(&p->head, &options, e);
}

static void lay_out_host(struct policy *p)
{
	p->patches = arena_take(&p->arena, (size_t)p->patches_max * image_prep_patch_values(p->image_prep), sizeof *p->patches);
	p->ids = arena_take(&p->arena, p->prefix_max - p->prompt_row, sizeof *p->ids);
	p->trace_ids = arena_take(&p->arena, p->prefix_max - p->prompt_row, sizeof *p->trace_ids);
}

static void lay_out_activations(struct policy *p)
{
	if (p->state_file) {
		p->state = p->network.ops->take(p->network.compute, 1, p->statistics.proprio.dim);
		p->state_hidden = p->network.ops->take(p->network.compute, 1, p->manifest.decoder.hidden);
	}
	vision_encoder_lay_out(p->vision);
	decoder_lay_out(p->decoder);
	if (p->head_kind->lay_out)
		p->head_kind->lay_out(p->head);
}

static int allocate(struct policy *p, struct errbuf *e)
{
	const struct network *n = &p->network;
	int rc;

	lay_out_host(p);
	lay_out_activations(p);
	if ((rc = arena_reserve(&p->arena, "policy", e)) < 0 || (rc = n->ops->reserve(n->compute, e)) < 0)
		return rc;
	lay_out_host(p);
	lay_out_activations(p);
	arena_freeze(&p->arena);
	n->ops->freeze(n->compute);
	return decoder_prepare(p->decoder, e);
}

/* From here on a caller can follow the first inference. */
static void watch_first_inference(struct policy *p)
{
	p->progress = (struct network_progress){ .report = p->options.progress, .context = p->options.progress_context,
		.total = p->manifest.vision.blocks + p->manifest.decoder.layers };
	p->network.progress = p->options.progress ? &p->progress : NULL;
}

static void fill_info(struct policy *p)
{
	const struct statistics_range *proprio = &p->statistics.proprio;

	p->info = (struct policy_info){ .action_chunk = p->options.action_chunk, .action_dim = p->statistics.action.dim,
		.state_dim = proprio->dim, .needs_state = p->state_file != NULL,
		.from_noise = p->head_kind->from_noise, .chooses_tokens = p->head_kind->chooses_tokens, .state_low = proprio->dim ? proprio->low : NULL,
		.state_high = proprio->dim ? proprio->high : NULL, .state_mean = proprio->has_mean ? proprio->mean : NULL,
		.weight_bytes = weights_bytes(p->weights),
		.arena_bytes = p->arena.size + image_prep_bytes(p->image_prep) + p->network.ops->memory_bytes(p->network.compute),
		.threads = p->network.ops->threads(p->network.compute), .decoder = p->head_kind->name,
		.backend = p->network.ops->name, .unnorm_key = p->statistics.key,
		.ranges = p->statistics.action.quantiles ? "q01/q99" : "min/max",
		.state_ranges = proprio->quantiles ? "q01..q99" : "min..max" };
}

static void report_weights(void *context, double share)
{
	const struct policy *p = context;

	report(&p->options, "reading weights", 0.1 + 0.8 * share);
}

static int build(struct policy *p, const struct policy_options *o, struct errbuf *e)
{
	int rc;

	if ((rc = check_options(o, e)) < 0)
		return rc;
	p->head_kind = head_find(o->decoder ? o->decoder : "discrete", e);
	if (!p->head_kind || !compute_backend_find(o->backend ? o->backend : "cpu", e))
		return -EINVAL;
	if ((rc = head_check_options(p->head_kind, o, e)) < 0 || (rc = open_files(p, o, e)) < 0 || (rc = check_sizes(p, e)) < 0
			|| (rc = create_pictures(p, e)) < 0 || (rc = create_network(p, e)) < 0 || (rc = create_head(p, e)) < 0)
		return rc;
	report(o, "buffers", 0.08);
	if ((rc = allocate(p, e)) < 0)
		return rc;
	if (!o->lazy_weights && (rc = weights_load(p->weights, report_weights, p, e)) < 0)
		return rc;
	fill_info(p);
	watch_first_inference(p);
	report(o, "ready", 1.0);
	return 0;
}

int policy_create(struct policy **out, const struct policy_options *options, struct errbuf *e)
{
	struct policy *p = calloc(1, sizeof *p);

	if (!p)
		return fail(e, -ENOMEM, "policy: out of memory");
	p->options = *options;
	int rc = build(p, options, e);

	if (rc < 0) {
		policy_destroy(p);
		return rc;
	}
	*out = p;
	return 0;
}

void policy_destroy(struct policy *p)
{
	if (!p)
		return;
	if (p->head)
		p->head_kind->destroy(p->head);
	vision_encoder_destroy(p->vision);
	decoder_destroy(p->decoder);
	if (p->network.compute)
		p->network.ops->destroy(p->network.compute);
	image_prep_destroy(p->image_prep);
	head_file_close(p->state_file);
	weights_close(p->weights);
	prompt_destroy(p->prompt);
	tokenizer_destroy(p->tokenizer);
	arena_finish(&p->arena);
	free(p);
}

const struct policy_info *policy_info(const struct policy *p)
{
	return &p->info;
}

uint64_t policy_launches(const struct policy *p)
{
	return p->network.ops->launches(p->network.compute);
}

int policy_check_instruction(const char *text, struct errbuf *e)
{
	return prompt_check_instruction(text, e);
}

int policy_set_instruction(struct policy *p, const char *text, struct errbuf *e)
{
	return prompt_set_instruction(p->prompt, text, e);
}

/* -- one inference -------------------------------------------------------------------------------------------------------------- */

/* A best token that is no action means lost; one that was given is a mistake of the giver. */
static int check_committed(const struct policy *p, const struct policy_observation *o, struct errbuf *e)
{
	int32_t end = (int32_t)tokenizer_length(p->tokenizer), first = end - (int32_t)p->manifest.decoder.action_bins;

	if (o->n_committed && !p->head_kind->unmasks)
		return fail(e, -ENOTSUP, "policy: decoder %s cannot continue committed tokens; discrete_diffusion can",
				p->head_kind->name);
	if (o->n_committed > p->n_actions)
		return fail(e, -EINVAL, "policy: committed: %u ids, want at most %u (%u steps of %u dimensions)", o->n_committed,
				p->n_actions, p->info.action_chunk, p->info.action_dim);
	for (uint32_t i = 0; i < o->n_committed; i++)
		if (o->committed[i] < first || o->committed[i] >= end)
			return fail(e, -EINVAL, "policy: committed: id %u is %d, which is no action; want %d to %d", i, o->committed[i],
					first, end - 1);
	return 0;
}

static int check_observation(const struct policy *p, const struct policy_observation *o, struct errbuf *e)
{
	if (o->n_pictures != p->options.n_pictures)
		return fail(e, -EINVAL, "policy: %u pictures, want %u", o->n_pictures, p->options.n_pictures);
	if (p->state_file && !o->state)
		return fail(e, -EINVAL, "policy: the checkpoint has a proprio projector, so a state of %u values is needed",
				p->statistics.proprio.dim);
	if (o->noise && !p->head_kind->from_noise)
		return fail(e, -ENOTSUP, "policy: decoder %s does not start from noise; flow_matching and diffusion do",
				p->head_kind->name);
	return check_committed(p, o, e);
}

static void trace_picture(const struct network *n, uint32_t i, const struct image_stages *s)
{
	const struct policy_picture stage[] = { s->decoded, s->round_trip, s->rotated, s->resized, s->cropped, s->smart };
	static const char *const name[] = { "decoded", "round_trip", "rotated", "resized", "cropped", "smart" };
	char text[64];

	for (uint32_t k = 0; n->tracer && k < sizeof stage / sizeof *stage; k++) {
		snprintf(text, sizeof text, "image.%u.%s", i, name[k]);
		n->tracer->tensor(n->tracer->context, text, 'u', stage[k].rgb, (uint64_t[]){ stage[k].height, stage[k].width, 3 }, 3);
	}
}

/* Pictures -> p->patches, p->grid, p->n_patches. */
static int prepare_pictures(struct policy *p, const struct policy_observation *o, struct policy_times *times, struct errbuf *e)
{
	uint32_t values = image_prep_patch_values(p->image_prep);
	int64_t grids[2 * POLICY_PICTURES_MAX];
	struct image_stages stages;

	p->n_patches = 0;
	times->resize_ns = times->patches_ns = 0;
	for (uint32_t i = 0; i < o->n_pictures; i++) {
		int rc = image_prep_run(p->image_prep, i, &o->picture[i], p->patches + (size_t)p->n_patches * values, &stages, e);

		if (rc < 0)
			return rc;
		trace_picture(&p->network, i, &stages);
		p->grid[i] = (struct vision_grid){ stages.grid_rows, stages.grid_columns };
		grids[2 * i] = stages.grid_rows;
		grids[2 * i + 1] = stages.grid_columns;
		p->n_patches += stages.grid_rows * stages.grid_columns;
		times->resize_ns += stages.resize_ns;
		times->patches_ns += stages.patches_ns;
	}
	network_trace_host(&p->network, 'i', grids, o->n_pictures, 2, "grids");
	network_trace_host(&p->network, 'f', p->patches, p->n_patches, values, "patches");
	return 0;
}

/* Prompt for the pictures at hand -> p->ids, p->n_ids. */
static int prepare_prompt(struct policy *p, struct errbuf *e)
{
	uint32_t image_tokens[POLICY_PICTURES_MAX], area = p->manifest.vision.merge * p->manifest.vision.merge, n_suffix;
	const int32_t *suffix = prompt_suffix(p->prompt, &n_suffix);
	int64_t trace[PROMPT_SUFFIX_MAX];

	for (uint32_t i = 0; i < p->options.n_pictures; i++)
		image_tokens[i] = p->grid[i].rows * p->grid[i].columns / area;
	int rc = prompt_build(p->prompt, image_tokens, p->options.n_pictures, p->ids, p->prefix_max - p->prompt_row, &p->n_ids,
			e);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < p->n_ids; i++)
		p->trace_ids[i] = p->ids[i];
	for (uint32_t i = 0; i < n_suffix; i++)
		trace[i] = suffix[i];
	network_trace_host(&p->network, 'i', p->trace_ids, 0, p->n_ids, "prompt_ids");
	network_trace_host(&p->network, 'i', trace, 0, n_suffix, "suffix_ids");
	return 0;
}

/* State in the robot's units -> p->normalised; nothing when the checkpoint takes none. */
static int prepare_state(struct policy *p, const double *state, struct errbuf *e)
{
	uint32_t dim = p->statistics.proprio.dim;
	double normalised[STATISTICS_DIM_MAX];

	if (!p->state_file)
		return 0;
	int rc = statistics_normalise_state(&p->statistics.proprio, state, normalised, e);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < dim; i++)
		p->normalised[i] = (float)normalised[i];
	network_trace_host(&p->network, 'f', p->normalised, 0, dim, "state.normalised");
	return 0;
}

/* p->normalised -> its embedding, out [1][H]. */
static void embed_state(struct policy *p, struct compute_view out)
{
	const struct network *n = &p->network;
	const struct network_projector *f = &p->state_projector;

	n->ops->upload(n->compute, p->normalised, p->state);
	n->ops->linear(n->compute, p->state, f->fc1, f->fc1_bias, COMPUTE_GELU, p->state_hidden);
	n->ops->linear(n->compute, p->state_hidden, f->fc2, f->fc2_bias, COMPUTE_STORE, out);
}

/* Embeddings of the prompt, with the vision tokens in place of the image placeholders. out [n_ids][H]. */
static void embed_prompt(struct policy *p, struct compute_view vision, struct compute_view out)
{
	const struct network *n = &p->network;
	int32_t image = p->manifest.decoder.image_token;
	uint32_t taken = 0;

	decoder_embed(p->decoder, p->ids, out);
	for (uint32_t at = 0, run; at < p->n_ids; at += run) {
		bool placeholder = p->ids[at] == image;

		for (run = 1; at + run < p->n_ids && (p->ids[at + run] == image) == placeholder; run++)
			;
		if (placeholder) {
			n->ops->copy(n->compute, compute_rows(vision, taken, run), compute_rows(out, at, run));
			taken += run;
		}
	}
}

/* Everything before the actions into the decoder, but for a timestep token, which the head puts there step by step; returns its
 * number of rows. */
static uint32_t fill_prefix(struct policy *p, struct policy_times *times)
{
	int64_t start_ns = clock_monotonic_ns();
	struct compute_view vision = vision_encoder_run(p->vision, p->patches, p->grid, p->options.n_pictures);

	times->vision_ns = clock_monotonic_ns() - start_ns;
	struct compute_view prefix = decoder_prefix(p->decoder, p->prompt_row + p->n_ids);

	embed_prompt(p, vision, compute_rows(prefix, p->prompt_row, p->n_ids));
	if (p->state_file)
		embed_state(p, compute_rows(prefix, 0, 1));
	return prefix.rows;
}

static void trace_actions(const struct policy *p, const struct policy_result *r)
{
	float values[POLICY_VALUES_MAX];

	if (!p->network.tracer)
		return;
	for (uint32_t i = 0; i < p->n_actions; i++)
		values[i] = (float)r->normalised[i];
	network_trace_host(&p->network, 'f', values, p->info.action_chunk, p->info.action_dim, "actions.normalised");
	for (uint32_t i = 0; i < p->n_actions; i++)
		values[i] = (float)r->action[i];
	network_trace_host(&p->network, 'f', values, p->info.action_chunk, p->info.action_dim, "actions");
}

/* A chunk with a value that is no number is no answer, whichever decoder it comes from. */
static void check_finite(const struct policy *p, struct policy_result *r)
{
	for (uint32_t i = 0; i < p->n_actions && !r->lost; i++) {
		if (isfinite(r->normalised[i]) && isfinite(r->action[i]))
			continue;
		r->lost = true;
		r->lost_position = i;
		r->lost_token = -1;
	}
}

static int infer(struct policy *p, const struct policy_observation *o, struct policy_result *r, struct errbuf *e)
{
	struct policy_times *t = &r->times;
	int64_t start_ns = clock_monotonic_ns();
	int rc;

	if ((rc = check_observation(p, o, e)) < 0 || (rc = prepare_state(p, o->state, e)) < 0
			|| (rc = prepare_pictures(p, o, t, e)) < 0 || (rc = prepare_prompt(p, e)) < 0)
		return rc;
	t->preprocess_ns = clock_monotonic_ns() - start_ns;
	(void)decoder_take_elapsed_ns(p->decoder);
	uint32_t n_prefix = fill_prefix(p, t);
	int64_t head_ns = clock_monotonic_ns();

	r->lost = false;
	if ((rc = p->head_kind->run(p->head, n_prefix, o, r, e)) < 0)
		return rc;
	statistics_unnormalise_action(&p->statistics.action, r->normalised, p->info.action_chunk, r->action);
	check_finite(p, r);
	int64_t end_ns = clock_monotonic_ns();

	t->decoder_ns = decoder_take_elapsed_ns(p->decoder);
	t->action_decode_ns = end_ns - head_ns - t->decoder_ns;
	t->total_ns = end_ns - start_ns;
	trace_actions(p, r);
	return 0;
}

int policy_infer(struct policy *p, const struct policy_observation *observation, struct policy_result *result,
		const struct policy_tracer *tracer, struct errbuf *e)
{
	p->network.tracer = tracer;
	int rc = infer(p, observation, result, e);

	p->network.tracer = NULL;
	if (rc == 0)
		p->network.progress = NULL;
	return rc;
}

/* -- actions to tokens ---------------------------------------------------------------------------------------------------------- */

int policy_quantise(const struct policy *p, const double *action, const int32_t *prefer, int32_t *token, double *meant, struct errbuf *e)
{
	const struct action_tokens ids = { tokenizer_length(p->tokenizer), p->manifest.decoder.action_bins };

	if (!p->head_kind->chooses_tokens)
		return fail(e, -ENOTSUP, "policy: decoder %s chooses no tokens, so no action can be said as one", p->head_kind->name);
	return quantise_actions(&ids, &p->statistics.action, action, prefer, token, meant, e);
}
