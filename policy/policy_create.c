/* policy_create.c - a policy's beginning and end (policy.h): opens a checkpoint, wires its parts in the order of an inference, sizes and takes
 * every buffer, loads the weights. */
#include <errno.h>
#include <stdlib.h>

#include "policy/policy_parts.h"

_Static_assert((int)POLICY_NORMALISE_QUANTILES == (int)STATISTICS_QUANTILES
		&& (int)POLICY_NORMALISE_BOUNDS == (int)STATISTICS_BOUNDS, "the same choice under two names");

enum { DEFAULT_PICTURE_WIDTH = 1280, DEFAULT_PICTURE_HEIGHT = 960 };

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

static uint32_t tail_max(const struct policy *p)
{
	uint32_t n_suffix;

	(void)prompt_suffix(p->prompt, &n_suffix);
	return p->n_actions + n_suffix;
}

static int create_compute(struct policy *p, struct errbuf *e)
{
	const struct policy_options *o = &p->options;
	const struct manifest_decoder *d = &p->manifest.decoder;
	const struct manifest_vision *v = &p->manifest.vision;
	uint32_t sequence = decoder_rows_max(p->decoder), patches = p->patches_max;
	uint32_t regressed = p->head_kind->chooses_tokens ? 0 : p->statistics.action.dim * d->hidden;
	uint32_t inner[] = { d->hidden, d->mlp, v->width * v->merge * v->merge, v->mlp, image_prep_patch_values(p->image_prep),
		p->statistics.proprio.dim, regressed };
	struct compute_options options = { .precision = o->precision, .threads = o->threads, .max_outer = d->vocabulary,
		.choose_by_time = true, .max_rows = patches > sequence ? patches : sequence, .max_segment = patches > sequence ? patches : sequence,
		.max_inner = largest(inner, sizeof inner / sizeof *inner), .weights = p->list.item, .n_weights = p->list.n,
		.multiplies = o->multiplies, .multiplies_context = o->multiplies_context };

	return p->network.ops->create(&p->network.compute, &options, e);
}

/* Decoder and vision encoder with their weights. */
static int create_network(struct policy *p, struct errbuf *e)
{
	const struct manifest *m = &p->manifest;
	uint32_t length = tokenizer_length(p->tokenizer), merged = p->patches_max / (m->vision.merge * m->vision.merge);
	bool narrow = p->options.action_vocabulary_only;

	p->time_row = p->state_file ? 1 : 0;
	p->prompt_row = p->time_row + (p->head_kind->from_noise ? 1 : 0);
	p->prefix_max = p->prompt_row + prompt_length_max(p->prompt, p->options.n_pictures, merged);
	struct decoder_options options = { .prefix_max = p->prefix_max, .tail_max = tail_max(p),
		.first_token = narrow ? length - m->decoder.action_bins : 0,
		.n_tokens = narrow ? m->decoder.action_bins : p->head_kind->chooses_tokens ? m->decoder.vocabulary : 0 };
	int rc = decoder_create(&p->decoder, &p->network, p->weights, m, &options, e);

	return rc < 0 ? rc : vision_encoder_create(&p->vision, &p->network, p->weights, m, p->patches_max, e);
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

/* Everything that operations will be given. */
static int list_weights(struct policy *p, struct errbuf *e)
{
	vision_encoder_list_weights(p->vision, &p->list);
	decoder_list_weights(p->decoder, &p->list);
	if (p->state_file)
		network_projector_list(&p->state_projector, &p->list, "proprio_projector");
	if (p->head_kind->list_weights)
		p->head_kind->list_weights(p->head, &p->list);
	return network_list_end(&p->list, e);
}

static void lay_out_host(struct policy *p)
{
	p->patches = arena_take(&p->arena, (size_t)p->patches_max * image_prep_patch_bytes(p->image_prep), sizeof *p->patches);
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

static int fetch_weights(void *context, const void *from, uint64_t bytes, struct errbuf *e)
{
	const struct policy *p = context;

	return weights_fetch(p->weights, from, bytes, e);
}

/* Into the backend's own memory, or, where it uses them in place, into the host's. */
static int load_weights(struct policy *p, struct errbuf *e)
{
	const struct network *n = &p->network;

	if (p->options.lazy_weights)
		return 0;
	if (!n->ops->load)
		return weights_load(p->weights, report_weights, p, e);
	return n->ops->load(n->compute, &(struct compute_loading){ fetch_weights, report_weights, p }, e);
}

static int build(struct policy *p, const struct policy_options *o, struct errbuf *e)
{
	int rc;

	if ((rc = check_options(o, e)) < 0)
		return rc;
	p->head_kind = head_find(o->decoder ? o->decoder : "discrete", e);
	p->network.ops = compute_backend_find(o->backend ? o->backend : "cpu", e);
	if (!p->head_kind || !p->network.ops)
		return -EINVAL;
	if ((rc = head_check_options(p->head_kind, o, e)) < 0 || (rc = open_files(p, o, e)) < 0 || (rc = check_sizes(p, e)) < 0
			|| (rc = create_pictures(p, e)) < 0 || (rc = create_network(p, e)) < 0 || (rc = create_head(p, e)) < 0
			|| (rc = list_weights(p, e)) < 0 || (rc = create_compute(p, e)) < 0)
		return rc;
	report(o, "buffers", 0.08);
	if ((rc = allocate(p, e)) < 0 || (rc = load_weights(p, e)) < 0)
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
	network_list_finish(&p->list);
	prompt_destroy(p->prompt);
	tokenizer_destroy(p->tokenizer);
	arena_finish(&p->arena);
	free(p);
}
