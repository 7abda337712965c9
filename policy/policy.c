/* policy.c - see policy.h: what a policy that was created does. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/sys/clock.h"
#include "policy/head/noise.h"
#include "policy/policy_parts.h"
#include "policy/quantise.h"

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

/* As values: what other implementations call patches. */
static void trace_patches(const struct policy *p)
{
	uint32_t values = image_prep_patch_values(p->image_prep);
	float *host = p->network.tracer ? malloc((size_t)p->n_patches * values * sizeof *host) : NULL;

	if (!host)
		return; /* as in network_trace */
	image_prep_normalise(p->image_prep, p->patches, p->n_patches, host);
	network_trace_host(&p->network, 'f', host, p->n_patches, values, "patches");
	free(host);
}

/* Pictures -> p->patches, p->grid, p->n_patches. */
static int prepare_pictures(struct policy *p, const struct policy_observation *o, struct policy_times *times, struct errbuf *e)
{
	uint32_t bytes = image_prep_patch_bytes(p->image_prep);
	int64_t grids[2 * POLICY_PICTURES_MAX];
	struct image_stages stages;

	p->n_patches = 0;
	times->resize_ns = times->patches_ns = 0;
	for (uint32_t i = 0; i < o->n_pictures; i++) {
		int rc = image_prep_run(p->image_prep, i, &o->picture[i], p->patches + (size_t)p->n_patches * bytes, &stages, e);

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
	trace_patches(p);
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
	struct compute_view vision = vision_encoder_run(p->vision, p->patches, image_prep_level(p->image_prep), p->grid,
			p->options.n_pictures);

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
	if (rc == 0) {
		p->network.progress = NULL;
		return 0;
	}
	decoder_forget(p->decoder);
	vision_encoder_forget(p->vision);
	return rc;
}

uint64_t policy_noise_place(const struct policy *p)
{
	return p->head_kind->noise ? p->head_kind->noise(p->head)->taken : 0;
}

void policy_noise_seek(struct policy *p, uint64_t place)
{
	if (p->head_kind->noise)
		noise_seek(p->head_kind->noise(p->head), p->options.seed, place);
}

/* -- warm-up ---------------------------------------------------------------------------------------------------------------------- */

/* Twice: what is captured must have been asked for before. */
static int prepare_length(struct policy *p, uint32_t n_prefix, const struct policy_observation *o, struct errbuf *e)
{
	const struct network *n = &p->network;
	int rc = p->head_kind->run(p->head, n_prefix, o, &p->unused, e);

	if (rc < 0)
		return rc;
	n->ops->capture(n->compute, true);
	rc = p->head_kind->run(p->head, n_prefix, o, &p->unused, e);
	n->ops->capture(n->compute, false);
	return rc;
}

static int prepare_pictures_again(struct policy *p, struct errbuf *e)
{
	const struct network *n = &p->network;
	struct policy_times unused;

	n->ops->capture(n->compute, true);
	(void)fill_prefix(p, &unused);
	n->ops->capture(n->compute, false);
	return n->ops->finish(n->compute, e);
}

/* Shortest and longest prefix with the pictures of the last inference. */
static void find_lengths(const struct policy *p, bool every, uint32_t *least, uint32_t *most)
{
	uint32_t area = p->manifest.vision.merge * p->manifest.vision.merge, pictures = p->options.n_pictures;

	*least = *most = p->prompt_row + p->n_ids;
	if (!every)
		return;
	*least = p->prompt_row + prompt_length_min(p->prompt, pictures, p->n_patches / area);
	*most = p->prompt_row + prompt_length_max(p->prompt, pictures, p->n_patches / area);
}

static int prepare_lengths(struct policy *p, bool every, const struct policy_observation *o, struct errbuf *e)
{
	uint32_t step = p->network.ops->row_step, least, most;
	int rc = 0;

	find_lengths(p, every, &least, &most);
	for (uint32_t n = least; rc == 0; n = n + step < most ? n + step : most) {
		rc = prepare_length(p, n, o, e);
		if (p->options.progress)
			p->options.progress(p->options.progress_context, "preparing for instructions",
					(double)(n - least + 1) / (double)(most - least + 1));
		if (n == most)
			break;
	}
	return rc;
}

int policy_warm_up(struct policy *p, const struct policy_observation *observation, bool every_instruction,
		struct policy_result *result, struct errbuf *e)
{
	static const double zeros[POLICY_VALUES_MAX];
	struct policy_observation o = *observation;
	int rc = policy_infer(p, observation, result, NULL, e);

	if (rc < 0 || !p->network.ops->capture)
		return rc;
	o.noise = p->head_kind->from_noise ? zeros : NULL;
	if ((rc = prepare_pictures_again(p, e)) < 0 || (rc = prepare_lengths(p, every_instruction, &o, e)) < 0)
		return rc;
	p->network.ops->settle(p->network.compute);
	return 0;
}

/* -- actions to tokens ---------------------------------------------------------------------------------------------------------- */

int policy_quantise(const struct policy *p, const double *action, const int32_t *prefer, int32_t *token, double *meant, struct errbuf *e)
{
	const struct action_tokens ids = { tokenizer_length(p->tokenizer), p->manifest.decoder.action_bins };

	if (!p->head_kind->chooses_tokens)
		return fail(e, -ENOTSUP, "policy: decoder %s chooses no tokens, so no action can be said as one", p->head_kind->name);
	return quantise_actions(&ids, &p->statistics.action, action, prefer, token, meant, e);
}
