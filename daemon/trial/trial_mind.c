/* trial_mind.c - the policy's side of a trial: when it infers, what it is given, and what it says, as policy_tick.c does it by the clock. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/policy_verdict.h"
#include "daemon/trial/trial_parts.h"

enum { PERIODS_AWAITED = 4 };

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static int open_policy(struct trial *t, struct errbuf *e)
{
	struct trial_mind *m = &t->mind;
	const struct config *c = t->options.config;
	int rc;

	setup_policy(&m->policy_setup, c);
	m->policy_setup.options.max_picture_width = t->eyes.width;
	m->policy_setup.options.max_picture_height = t->eyes.height;
	if ((rc = policy_create(&m->policy, &m->policy_setup.options, e)) < 0) {
		struct errbuf why = *e;

		return fail(e, rc, "%.900s (policy.model is %s)", why.text, c->policy_model);
	}
	m->info = policy_info(m->policy);
	if ((rc = setup_check_policy(&t->setup, c, m->info, e)) < 0 || (rc = setup_proprio(&m->proprio, &t->setup, c, m->info, e)) < 0)
		return rc;
	return t->setup.method == EXECUTE_INPAINT ? policy_commit_create(&m->commit, &t->setup, m->policy, e) : 0;
}

/* The expert takes states as they are. Rotation vectors are written as they are at home: near (pi, 0, 0) for a hand that points down. */
static int open_expert(struct trial *t, struct errbuf *e)
{
	static const double home[STATE_DIM_MAX] = { 0, 0, 0, 3.14159265358979324 };
	struct policy_info info = { .needs_state = true, .state_low = home, .state_high = home };
	const struct config *c = t->options.config;

	if (t->setup.action_space != ACTION_EE_DELTA || t->setup.action_dim != EXPERT_ACTION_DIM || t->setup.rotation != ROTATION_ROTVEC)
		return fail(e, -EINVAL, "%s: the expert speaks end-effector deltas: want policy.action_space: ee_delta, policy.rotation: rotvec and a gripper", c->path);
	if (t->setup.method == EXECUTE_INPAINT)
		return fail(e, -EINVAL, "execution.method inpaint continues a chunk by its tokens, and the expert has none: want sync, async or ensemble");
	return c->policy_proprio.n > 0 ? setup_proprio(&t->mind.proprio, &t->setup, c, &info, e) : 0;
}

int trial_mind_open(struct trial *t, struct errbuf *e)
{
	size_t bytes = (size_t)3 * t->eyes.width * t->eyes.height;

	for (uint32_t i = 0; i < t->setup.n_cameras; i++)
		if (!(t->mind.rgb[i] = malloc(bytes)))
			return fail(e, -ENOMEM, "trial: out of memory");
	return t->options.expert ? open_expert(t, e) : open_policy(t, e);
}

void trial_mind_close(struct trial *t)
{
	policy_commit_destroy(t->mind.commit);
	policy_destroy(t->mind.policy);
	for (uint32_t i = 0; i < CAMERAS_MAX; i++)
		free(t->mind.rgb[i]);
}

static void tell_status(struct trial *t)
{
	struct links *l = &t->links;

	l->policy[l->policy_box.writing] = t->mind.status;
	latest_publish(&l->policy_box);
}

void trial_mind_begin(struct trial *t)
{
	struct trial_mind *m = &t->mind;

	pacing_init(&m->pacing, &t->setup);
	m->hint = (struct policy_hint){ 0 };
	m->fresh = m->busy = false;
	m->status = (struct policy_status){ .health = POLICY_WARM };
	m->inferences = 0;
	m->complaint.text[0] = '\0';
	m->real_ns = m->handed_ns = 0;
	tell_status(t);
}

/* ---- the expert ----------------------------------------------------------------------------------------------------- */

/* Pushed aside for some actions, or with fingers that close or open when they should not. */
static void blunder(struct trial *t, double action[][EXPERT_ACTION_DIM], uint32_t n)
{
	double off[3], length = world_random_between(&t->random, 1, 4);

	for (int i = 0; i < 3; i++)
		off[i] = world_random_between(&t->random, -0.015, 0.015);
	for (uint32_t k = 0; k < n && k < length; k++)
		for (int i = 0; i < 3; i++)
			action[k][i] += off[i];
	if (world_random_between(&t->random, 0, 1) < 0.2)
		for (uint32_t k = 0; k < n; k++)
			action[k][EXPERT_ACTION_DIM - 1] = 1 - action[k][EXPERT_ACTION_DIM - 1];
}

static void ask_expert(struct trial *t, const struct world *w)
{
	struct action_chunk *c = &t->mind.chunk;
	double action[CHUNK_STEPS_MAX][EXPERT_ACTION_DIM];
	struct expert_view v;

	c->n_steps = (uint32_t)t->options.config->policy_action_chunk;
	expert_look(&v, w, &t->task.words);
	expert_chunk(&v, (double)t->setup.action_dt_ns * 1e-9, 0, c->n_steps, action);
	if (t->options.clumsiness > 0 && world_random_between(&t->random, 0, 1) < t->options.clumsiness)
		blunder(t, action, c->n_steps);
	for (uint32_t k = 0; k < c->n_steps; k++)
		memcpy(c->action[k], action[k], sizeof action[k]);
	t->mind.good = true;
}

/* ---- the policy ----------------------------------------------------------------------------------------------------- */

static uint32_t build_state(const struct trial *t, const struct arm_state *s, const struct proprio_lead *lead, double *out, uint32_t capacity)
{
	const struct proprio_setup *p = &t->mind.proprio;

	return proprio_build(p->item, p->n_items, &t->setup.arm[0], s, lead, p->near, out, capacity);
}

uint32_t trial_state(const struct trial *t, double *out, uint32_t capacity)
{
	return build_state(t, &t->inputs.arm[0], NULL, out, capacity);
}

static void commit(struct trial *t, struct policy_observation *input)
{
	struct trial_mind *m = &t->mind;
	struct links *l = &t->links;

	if (!m->commit)
		return;
	(void)latest_refresh(&l->motion_box);
	input->n_committed = t->setup.action_dim * policy_commit_make(m->commit, &l->motion[l->motion_box.reading], m->hint.epoch, &m->seen,
			pacing_latency_ns(&m->pacing), &input->committed);
}

static int look(struct trial *t, struct policy_picture *picture, struct errbuf *e)
{
	for (uint32_t i = 0; i < t->setup.n_cameras; i++) {
		const struct shot *s = &t->eyes.shot[t->eyes.observed[i] % SHOTS];
		int rc = trial_picture(t, &s->world, t->eyes.camera[i], t->mind.rgb[i], e);

		if (rc < 0)
			return rc;
		picture[i] = (struct policy_picture){ .width = t->eyes.width, .height = t->eyes.height, .rgb = t->mind.rgb[i] };
	}
	return 0;
}

static int infer(struct trial *t, struct errbuf *e)
{
	struct trial_mind *m = &t->mind;
	struct policy_picture picture[CAMERAS_MAX];
	struct policy_observation input = { .picture = picture, .n_pictures = t->setup.n_cameras };
	double state[STATE_DIM_MAX];
	int rc = look(t, picture, e);

	if (rc < 0)
		return rc;
	commit(t, &input);
	uint32_t dim = build_state(t, &m->seen.arm[0], m->commit ? policy_commit_lead(m->commit) : NULL, state, STATE_DIM_MAX);

	(void)policy_verdict_state(&m->status, t->options.config, m->info, state, dim);
	input.state = m->info->needs_state ? state : NULL;
	if (m->instruction != m->seen.instruction_id && (rc = policy_set_instruction(m->policy, m->seen.instruction, e)) < 0)
		return rc;
	m->instruction = m->seen.instruction_id;
	return policy_infer(m->policy, &input, &m->result, NULL, e);
}

static void ask_policy(struct trial *t)
{
	struct trial_mind *m = &t->mind;
	struct action_chunk *c = &m->chunk;
	int64_t began_ns = clock_monotonic_ns();
	struct errbuf e;
	int rc = infer(t, &e);

	m->real_ns += clock_monotonic_ns() - began_ns;
	m->inferences++;
	if (rc < 0)
		policy_verdict_failed(&m->status, rc);
	m->good = rc == 0 && policy_verdict_good(&m->status, m->info, &m->result, &e);
	if (!m->good && m->status.rejected++ == 0)
		m->complaint = e;
	c->n_steps = m->info->action_chunk;
	for (uint32_t k = 0; k < c->n_steps && m->good; k++)
		memcpy(c->action[k], m->result.action + k * t->setup.action_dim, t->setup.action_dim * sizeof(double));
}

/* ---- one inference -------------------------------------------------------------------------------------------------- */

static void begin(struct trial *t)
{
	struct trial_mind *m = &t->mind;
	const struct observation *o = &m->seen;

	pacing_begin(&m->pacing, o, t->now_ns);
	m->busy = true;
	m->latency_ns = t->options.latency_ns;
	if (t->options.jitter_ns > 0)
		m->latency_ns += (int64_t)world_random_between(&t->random, 0, (double)t->options.jitter_ns);
	m->done_ns = t->now_ns + m->latency_ns;
	m->chunk = (struct action_chunk){ .id = m->status.chunks + 1, .epoch = m->hint.epoch, .instruction_id = o->instruction_id,
		.t_obs_ns = o->t_obs_ns, .frame_stamp_ns = o->frame[0].stamp_ns, .frame_from = o->frame[0].from, .frame_seq = o->frame[0].seq,
		.observation = o->id, .received_ns = o->ready_ns, .action_dim = t->setup.action_dim, .arm = { o->arm[0] } };
	if (m->policy)
		ask_policy(t);
	else
		ask_expert(t, &t->eyes.shot[t->eyes.observed[0] % SHOTS].world);
}

static void hand_over(struct trial *t)
{
	struct trial_mind *m = &t->mind;
	struct links *l = &t->links;

	m->busy = false;
	tell_status(t); /* as policy_tick.c: before the chunk, what speaks against it */
	if (!m->good)
		return;
	m->chunk.handed_over_ns = m->handed_ns = t->now_ns;
	m->chunk.inference_ns = m->latency_ns;
	if (m->commit)
		policy_commit_remember(m->commit, m->chunk.id, &m->result);
	l->chunk[l->chunk_box.writing] = m->chunk;
	latest_publish(&l->chunk_box);
	m->status.chunks++;
	tell_status(t);
	pacing_end(&m->pacing, &m->seen, m->chunk.epoch, t->now_ns);
}

/* What policy_tick.c waits for before it commits: that control has taken the chunk before. */
static bool control_behind(const struct trial *t)
{
	const struct trial_mind *m = &t->mind;

	return m->commit && m->hint.chunk < m->status.chunks && t->now_ns < m->handed_ns + PERIODS_AWAITED * t->setup.period_ns;
}

void trial_mind_step(struct trial *t)
{
	struct trial_mind *m = &t->mind;
	struct links *l = &t->links;

	if (latest_refresh(&l->hint_box))
		m->hint = l->hint[l->hint_box.reading];
	if (m->fresh && !m->busy && m->status.health != POLICY_GONE && !control_behind(t)) {
		m->fresh = false;
		if (pacing_wants(&m->pacing, &m->hint, &m->seen, t->now_ns))
			begin(t);
	}
	if (m->busy && t->now_ns >= m->done_ns)
		hand_over(t);
}
