/* policy_tick.c - see policy_tick.h. */
#include "daemon/policy_tick.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/policy_trace.h"
#include "daemon/policy_record.h"
#include "daemon/policy_verdict.h"
#include "daemon/record/kinds.h"
#include "daemon/record/replay_check.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

enum { WARM_UP_WIDTH = 640, WARM_UP_HEIGHT = 480 };
enum { PERIODS_AWAITED = 4, NAP_NS = 200000 };
enum { CHUNK_TEXT_BYTES = 1000, ACTION_TEXT_BYTES = 16 }; /* a line of the log holds the first 70 actions or more */

/* At most once a second: a broken camera or checkpoint fails with every observation. */
static void complain(struct policy_runner *r, const char *why)
{
	int64_t now_ns = clock_monotonic_ns();

	r->status.rejected++;
	if (r->complained_ns != 0 && now_ns - r->complained_ns < NS_PER_S)
		return;
	r->complained_ns = now_ns;
	log_line(LOG_LEVEL_WARNING, "policy: %s (%" PRIu64 " rejected in all)", why, r->status.rejected);
}

static void complain_of(struct policy_runner *r, const char *what, const char *why)
{
	struct errbuf e;

	snprintf(e.text, sizeof e.text, "%s: %.900s", what, why);
	complain(r, e.text);
}

/* ---- pictures ---- */

static int decode_frame(struct policy_runner *r, uint32_t camera, const struct camera_frame *f, struct policy_picture *out,
		struct errbuf *e)
{
	size_t pixels = (size_t)f->width * f->height;

	*out = (struct policy_picture){ .width = f->width, .height = f->height, .rgb = r->rgb[camera] };
	if (3 * pixels > r->rgb_bytes)
		return fail(e, -EINVAL, "%u x %u pixels are more than camera.max_width x max_height", f->width, f->height);
	if (f->encoding == ENCODING_JPEG)
		return jpeg_decode_rgb(r->jpeg, f->bytes, f->n_bytes, f->width, f->height, r->rgb[camera], r->rgb_bytes, e);
	if (f->encoding == ENCODING_RGB8) {
		out->rgb = f->bytes;
		return 0;
	}
	for (size_t i = 0; i < pixels; i++) {
		r->rgb[camera][3 * i] = f->bytes[3 * i + 2];
		r->rgb[camera][3 * i + 1] = f->bytes[3 * i + 1];
		r->rgb[camera][3 * i + 2] = f->bytes[3 * i];
	}
	return 0;
}

static int decode_frames(struct policy_runner *r, const struct observation *o, struct policy_picture *picture,
		struct errbuf *e)
{
	for (uint32_t i = 0; i < o->n_cameras; i++) {
		struct errbuf why;

		if (decode_frame(r, i, &o->frame[i], &picture[i], &why) < 0)
			return fail(e, -EBADMSG, "camera %s: %.800s", r->setup->camera_name[i], why.text);
	}
	return 0;
}

/* ---- state ---- */

/* Behind commit, for where that leads may be part of it. */
static int build_state(struct policy_runner *r, const struct observation *o, struct errbuf *e)
{
	bool gripper = proprio_needs_gripper(r->proprio.item, r->proprio.n_items);
	const struct proprio_lead *lead = r->commit ? policy_commit_lead(r->commit) : NULL;
	uint32_t at = 0;

	for (uint32_t a = 0; a < r->setup->n_arms; a++) {
		const struct arm_setup *arm = &r->setup->arm[a];

		if (gripper && !o->arm[a].has_gripper)
			return fail(e, -EINVAL, "state/%s has no gripper_m, which policy.proprio needs", arm->name);
		at += proprio_build(r->proprio.item, r->proprio.n_items, arm, &o->arm[a], lead ? &lead[a] : NULL, r->proprio.near + at,
				r->state + at, STATE_DIM_MAX - at);
	}
	return 0;
}

static void check_range(struct policy_runner *r)
{
	int out = policy_verdict_state(&r->status, r->config, r->info, r->state, r->proprio.total);

	if (range_watch_step(&r->range_watch, out, clock_monotonic_ns())) {
		if (out >= 0)
			log_line(LOG_LEVEL_WARNING, "policy: state dimension %d is %.4g, the statistics have %.4g..%.4g", out,
					r->state[out], r->info->state_low[out], r->info->state_high[out]);
		else
			log_line(LOG_LEVEL_INFO, "policy: the state is within the statistics again");
	}
}

/* ---- result ---- */

static void publish_status(struct policy_runner *r)
{
	struct links *l = r->links;

	l->policy[l->policy_box.writing] = r->status;
	latest_publish(&l->policy_box);
	l->policy_io[l->policy_io_box.writing] = r->status;
	latest_publish(&l->policy_io_box);
}

static void fill_chunk(const struct policy_runner *r, struct action_chunk *chunk, const struct observation *o,
		int64_t begin_ns)
{
	chunk->id = r->status.chunks + 1;
	chunk->epoch = r->hint.epoch;
	chunk->instruction_id = o->instruction_id;
	chunk->t_obs_ns = o->t_obs_ns;
	chunk->frame_stamp_ns = o->frame[0].stamp_ns;
	chunk->frame_from = o->frame[0].from;
	chunk->frame_seq = o->frame[0].seq;
	chunk->observation = o->id;
	chunk->received_ns = o->ready_ns;
	chunk->n_steps = r->info->action_chunk;
	chunk->action_dim = r->info->action_dim;
	for (uint32_t i = 0; i < chunk->n_steps; i++)
		memcpy(chunk->action[i], r->result.action + i * chunk->action_dim, chunk->action_dim * sizeof(double));
	memcpy(chunk->arm, o->arm, sizeof chunk->arm);
	chunk->handed_over_ns = clock_monotonic_ns();
	chunk->inference_ns = chunk->handed_over_ns - begin_ns;
}

/* For those who compare what the arm was told with dreamvla-infer on the same pictures (where there is noise: chunk 1). */
static void show_chunk(const struct policy_runner *r, const struct action_chunk *chunk)
{
	char text[CHUNK_TEXT_BYTES];
	size_t at = 0;

	if (strcmp(r->config->log_level, "debug") != 0)
		return;
	for (uint32_t i = 0; i < chunk->n_steps * chunk->action_dim && at + ACTION_TEXT_BYTES < sizeof text; i++)
		at += (size_t)snprintf(text + at, ACTION_TEXT_BYTES, " %.6g", r->result.action[i]);
	log_line(LOG_LEVEL_DEBUG, "policy: chunk %" PRIu64 ":%s", chunk->id, text);
}

static void show_ids(uint64_t chunk, const char *what, const int32_t *id, uint32_t n)
{
	char text[CHUNK_TEXT_BYTES] = "";
	size_t at = 0;

	for (uint32_t i = 0; i < n && at + ACTION_TEXT_BYTES < sizeof text; i++)
		at += (size_t)snprintf(text + at, ACTION_TEXT_BYTES, " %" PRId32, id[i]);
	log_line(LOG_LEVEL_DEBUG, "policy: chunk %" PRIu64 " %s%s", chunk, what, text);
}

/* What the policy was told to continue, and its answer, for dreamvla-infer --committed. */
static void show_tokens(const struct policy_runner *r, const struct action_chunk *chunk)
{
	char what[64];

	if (!r->commit || strcmp(r->config->log_level, "debug") != 0)
		return;
	snprintf(what, sizeof what, "continues %u actions:", r->n_committed);
	show_ids(chunk->id, what, r->committed, r->n_committed * chunk->action_dim);
	show_ids(chunk->id, "has the tokens:", r->result.token, chunk->n_steps * chunk->action_dim);
}

static void hand_over(struct policy_runner *r, const struct observation *o, struct policy_moments *when)
{
	struct links *l = r->links;
	struct action_chunk *chunk = &l->chunk[l->chunk_box.writing];

	fill_chunk(r, chunk, o, when->begin_ns);
	if (r->commit)
		policy_commit_remember(r->commit, chunk->id, &r->result);
	when->handed_over_ns = chunk->handed_over_ns;
	latest_publish(&l->chunk_box);
	show_tokens(r, chunk);
	show_chunk(r, chunk); /* still ours to read: its reader writes nothing */
	policy_record_chunk(&l->policy_tape, chunk);
	r->status.chunks++;
	r->status.committed += r->n_committed;
	pacing_end(&r->pacing, o, r->hint.epoch, when->handed_over_ns);
	policy_trace(r->stats, &l->policy_tape, o, r->status.chunks, when, &r->result.times);
}

/* ---- one inference ---- */

static int take_instruction(struct policy_runner *r, const struct observation *o, struct errbuf *e)
{
	int rc;

	if (o->instruction_id == r->instruction_id)
		return 0;
	if ((rc = policy_set_instruction(r->policy, o->instruction, e)) < 0)
		return rc;
	r->instruction_id = o->instruction_id;
	return 0;
}

static void take_hint(struct policy_runner *r)
{
	struct links *l = r->links;

	if (latest_refresh(&l->hint_box))
		r->hint = l->hint[l->hint_box.reading];
}

/* An inference may begin right after one: until control has taken that one's chunk, the motion is not the one to continue. That
 * takes a control period; where it takes longer, control has other trouble than ours. */
static void await_control(struct policy_runner *r)
{
	int64_t until_ns = clock_monotonic_ns() + PERIODS_AWAITED * r->setup->period_ns;
	uint32_t epoch = r->hint.epoch;

	while (r->hint.chunk < r->status.chunks && clock_monotonic_ns() < until_ns) {
		clock_sleep_until(clock_monotonic_ns() + NAP_NS);
		take_hint(r);
	}
	r->hint.epoch = epoch; /* of the decision to infer: what changed since makes the chunk void */
}

/* What is settled already, of that motion. */
static void commit(struct policy_runner *r, const struct observation *o, const struct running_motion *m, struct policy_observation *input)
{
	r->n_committed = 0;
	if (!r->commit)
		return;
	r->n_committed = policy_commit_make(r->commit, m, r->hint.epoch, o, r->latency_ns, &r->committed);
	input->committed = r->committed;
	input->n_committed = r->n_committed * r->info->action_dim;
}

/* As late as can be, so that as little as can be is a guess. */
static const struct running_motion *take_motion(struct policy_runner *r)
{
	struct links *l = r->links;

	r->latency_ns = pacing_latency_ns(&r->pacing);
	if (!r->commit)
		return NULL;
	await_control(r);
	(void)latest_refresh(&l->motion_box);
	return &l->motion[l->motion_box.reading];
}

/* What policy.extra_latency_ms asks for: nobody hears of the result before. */
static void wait_longer(const struct policy_runner *r)
{
	if (r->config->policy_extra_latency_ms > 0)
		clock_sleep_until(clock_monotonic_ns() + r->config->policy_extra_latency_ms * NS_PER_MS);
}

static void infer(struct policy_runner *r, const struct observation *o)
{
	struct policy_picture picture[CAMERAS_MAX];
	struct policy_observation input = { .picture = picture, .n_pictures = o->n_cameras };
	struct policy_moments when = { .free_ns = r->free_ns, .begin_ns = clock_monotonic_ns() };
	const struct running_motion *motion;
	struct errbuf e;
	int rc;

	pacing_begin(&r->pacing, o, when.begin_ns);
	if ((rc = decode_frames(r, o, picture, &e)) < 0) {
		complain_of(r, "observation rejected", e.text);
		return;
	}
	when.decoded_ns = clock_monotonic_ns();
	motion = take_motion(r);
	commit(r, o, motion, &input);
	if (build_state(r, o, &e) < 0) {
		complain_of(r, "observation rejected", e.text);
		return;
	}
	check_range(r);
	input.state = r->info->needs_state ? r->state : NULL;
	rc = take_instruction(r, o, &e);
	if (rc == 0)
		policy_record(r, o, motion);
	when.infer_ns = clock_monotonic_ns();
	if (rc < 0 || (rc = policy_infer(r->policy, &input, &r->result, NULL, &e)) < 0) {
		complain_of(r, "inference failed", e.text);
		policy_verdict_failed(&r->status, rc);
		return;
	}
	wait_longer(r);
	if (!policy_verdict_good(&r->status, r->info, &r->result, &e)) {
		complain(r, e.text);
		return;
	}
	publish_status(r); /* first what speaks against the chunk, then the chunk: RETURN takes it at once */
	hand_over(r, o, &when);
}

void policy_tick(struct policy_runner *r)
{
	struct links *l = r->links;
	const struct observation *o;

	take_hint(r);
	if (!latest_refresh(&l->observation_box) || r->status.health == POLICY_GONE)
		return;
	o = &l->observation[l->observation_box.reading];
	if (!pacing_wants(&r->pacing, &r->hint, o, clock_monotonic_ns()))
		return;
	infer(r, o);
	publish_status(r);
	r->free_ns = clock_monotonic_ns();
}

/* What infer does, as far as the chunk depends on it. */
int policy_again(struct policy_runner *r, const struct record_observation *was, const struct replay_parts *parts,
		const struct running_motion *motion, struct action_chunk *chunk, struct errbuf *e)
{
	const struct observation *o = &was->observation;
	struct policy_picture picture[CAMERAS_MAX];
	struct policy_observation input = { .picture = picture, .n_pictures = o->n_cameras };

	r->hint.epoch = was->epoch;
	r->status.chunks = was->chunk - 1;
	r->latency_ns = was->latency_ns;
	if (decode_frames(r, o, picture, e) < 0)
		return -ENODATA;
	if (r->commit && was->n_said > 0)
		policy_commit_recall(r->commit, was->said_chunk, parts->token, parts->action, was->n_said);
	commit(r, o, motion, &input);
	if (build_state(r, o, e) < 0)
		return -ENODATA;
	input.state = r->info->needs_state ? r->state : NULL;
	if (take_instruction(r, o, e) < 0)
		return -ENODATA;
	policy_noise_seek(r->policy, was->noise);
	if (policy_infer(r->policy, &input, &r->result, NULL, e) < 0)
		return -ENODATA;
	if (r->result.lost || !policy_verdict_finite(r->info, &r->result))
		return fail(e, -ENODATA, "the policy is lost, or its answer is not a number");
	fill_chunk(r, chunk, o, 0);
	chunk->handed_over_ns = chunk->inference_ns = 0;
	if (r->commit)
		policy_commit_remember(r->commit, chunk->id, &r->result);
	return 0;
}

/* ---- life cycle ---- */

static void announce(void *context, const char *what, double share)
{
	struct policy_runner *r = context;

	service_loading(&r->announced, what, share, clock_monotonic_ns());
}

static int make_pictures(struct policy_runner *r, struct errbuf *e)
{
	r->rgb_bytes = (size_t)3 * (size_t)r->config->camera_max_width * (size_t)r->config->camera_max_height;
	for (uint32_t i = 0; i < r->setup->n_cameras; i++) {
		r->rgb[i] = calloc(1, r->rgb_bytes);
		if (!r->rgb[i])
			return fail(e, -ENOMEM, "decoded pictures: out of memory (camera.max_width, camera.max_height)");
	}
	return jpeg_codec_create(&r->jpeg, e);
}

/* The first inference pays for pages and just-in-time kernels; blank pictures do as well as real ones. Noise of its own, so that
 * the first chunk is made of the seed's first: it is then that of dreamvla-infer --seed. */
static int warm_up(struct policy_runner *r, struct errbuf *e)
{
	static const double zeros[POLICY_VALUES_MAX];
	struct policy_picture picture[CAMERAS_MAX];
	struct policy_observation input = { .picture = picture, .n_pictures = r->setup->n_cameras };
	uint32_t width = (uint32_t)r->config->camera_max_width, height = (uint32_t)r->config->camera_max_height;
	int rc;

	for (uint32_t i = 0; i < r->setup->n_cameras; i++)
		picture[i] = (struct policy_picture){
			.width = width < WARM_UP_WIDTH ? width : WARM_UP_WIDTH,
			.height = height < WARM_UP_HEIGHT ? height : WARM_UP_HEIGHT,
			.rgb = r->rgb[i],
		};
	input.state = r->info->needs_state ? r->state : NULL;
	input.noise = r->info->from_noise ? zeros : NULL;
	announce(r, "warming up", 0.0);
	if ((rc = policy_set_instruction(r->policy, "stand still", e)) < 0)
		return rc;
	if ((rc = policy_warm_up(r->policy, &input, true, &r->result, e)) < 0)
		return rc;
	if ((r->result.lost && r->result.lost_token < 0) || !policy_verdict_finite(r->info, &r->result))
		return fail(e, -EINVAL, "policy.model %s: the network's answer is not a number: weights are damaged or of another model",
				r->config->policy_model);
	return 0;
}

static int load(struct policy_runner *r, struct errbuf *e)
{
	int rc;

	setup_policy(&r->policy_setup, r->config);
	r->policy_setup.options.progress = announce;
	r->policy_setup.options.progress_context = r;
	announce(r, "loading the checkpoint", 0.0);
	if ((rc = policy_create(&r->policy, &r->policy_setup.options, e)) < 0) {
		struct errbuf why = *e;

		return fail(e, rc, "%.900s (policy.model is %s)", why.text, r->config->policy_model);
	}
	r->info = policy_info(r->policy);
	if ((rc = setup_check_policy(r->setup, r->config, r->info, e)) < 0)
		return rc;
	return setup_proprio(&r->proprio, r->setup, r->config, r->info, e);
}

int policy_runner_init(struct policy_runner *r, const struct config *c, const struct control_setup *setup,
		struct links *links, struct stats *stats, struct errbuf *e)
{
	int64_t begin_ns = clock_monotonic_ns();
	int rc;

	*r = (struct policy_runner){ .config = c, .setup = setup, .links = links, .stats = stats };
	pacing_init(&r->pacing, setup);
	if ((rc = load(r, e)) < 0 || (rc = make_pictures(r, e)) < 0 || (rc = warm_up(r, e)) < 0)
		return rc;
	if (setup->method == EXECUTE_INPAINT && (rc = policy_commit_create(&r->commit, setup, r->policy, e)) < 0)
		return rc;
	log_line(LOG_LEVEL_INFO, "policy: %s, statistics %s (%s), decoder %s on %s, %u threads: loaded and warm in %.1f s (weights %"
			PRIu64 " MB, buffers %" PRIu64 " MB)", c->policy_model, r->info->unnorm_key, r->info->ranges, r->info->decoder,
			r->info->backend,
			r->info->threads, (double)(clock_monotonic_ns() - begin_ns) / (double)NS_PER_S,
			r->info->weight_bytes >> 20, r->info->arena_bytes >> 20);
	if (c->policy_extra_latency_ms > 0)
		log_line(LOG_LEVEL_WARNING, "policy.extra_latency_ms: each chunk is held back for %" PRId64 " ms on purpose: for a bench, not for work",
				(int64_t)c->policy_extra_latency_ms);
	r->status.health = POLICY_WARM;
	publish_status(r);
	return 0;
}

void policy_runner_finish(struct policy_runner *r)
{
	policy_commit_destroy(r->commit);
	policy_destroy(r->policy);
	jpeg_codec_destroy(r->jpeg);
	for (uint32_t i = 0; i < CAMERAS_MAX; i++)
		free(r->rgb[i]);
	*r = (struct policy_runner){ 0 };
}
