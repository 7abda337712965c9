/* test_control_inpaint.c - execution.method inpaint in closed loop on virtual time: real control, real pacing and the real way to
 * committed tokens, around a policy of numbers that continues what it is given and then changes its mind. */
#include "tests/unit/daemon/inpaint_bench.h"

/* ---- the policy --------------------------------------------------------------------------------------------------- */

/* An absolute policy says where the arm is to be: from where it was seen. */
static void where_seen(const struct mind *m, double *action)
{
	const struct control_setup *s = &m->b->setup;
	struct action_point at, goal;
	struct waypoint_start start = { 0 };

	memcpy(start.q_rad, m->o.arm[0].q_rad, sizeof start.q_rad);
	action_begin(s, 0, &start, &at);
	goal = at;
	action_find(s, 0, &at, &goal, action);
}

/* What an action's ids mean. */
static void read_ids(const struct mind *m, const int32_t *token, double *action)
{
	double value[DIM];

	for (int k = 0; k < DIM; k++)
		value[k] = action_tokens_value(&m->ids, token[k]);
	statistics_unnormalise_action(&m->statistics.action, value, 1, action);
}

/* After what was committed another wish with every chunk, in every dimension. */
static void make_up(struct mind *m)
{
	const struct control_setup *s = &m->b->setup;
	bool absolute = s->action_space == ACTION_EE_ABSOLUTE || s->action_space == ACTION_JOINT_ABSOLUTE;
	int32_t lowest = (int32_t)(m->ids.count - m->ids.bins);
	double wish[DIM], at[DIM];
	struct errbuf e;

	for (int k = 0; k < DIM; k++) {
		wish[k] = m->stride * (m->steady ? (k == 0 ? 10.0 : 0.2) : random_sign());
		at[k] = absolute ? 0.2 : 0.0; /* angles: near this */
	}
	where_seen(m, at);
	for (uint32_t i = 0; i < CHUNK; i++) {
		double action[DIM];
		int32_t *token = m->result.token + i * DIM;

		for (int k = 0; k < DIM; k++)
			action[k] = absolute ? at[k] + wish[k] : wish[k];
		if (s->arm[0].has_gripper)
			action[6] = m->gripper_high ? 0.9 : 0.1;
		if (i >= m->n_committed)
			assert_int_equal(policy_quantise(m->policy, action, NULL, token, action, &e), 0);
		if (i >= m->n_committed && m->steady && token[0] == lowest + 1)
			token[0] = lowest; /* the two mean the same */
		read_ids(m, token, m->result.action + i * DIM);
		memcpy(at, m->result.action + i * DIM, sizeof at);
	}
}

/* However late the chunk and however old the picture. */
static void stay_below_a_chunk(struct mind *m)
{
	struct links *l = &m->b->links;
	struct observation early = m->o;
	const int32_t *token;

	early.t_obs_ns -= 900 * (int64_t)MS;
	if (m->b->setup.method != EXECUTE_INPAINT)
		return;
	uint32_t n = policy_commit_make(m->commit, &l->motion[l->motion_box.reading], m->epoch, &early, 10000 * (int64_t)MS, &token);

	assert_true(n < CHUNK);
	m->longest = n > m->longest ? n : m->longest;
}

static bool said_to_the_end(const struct mind *m, uint32_t joint)
{
	bool end = false;

	for (uint32_t i = 0; i < m->n_committed; i++) {
		int32_t bin = (int32_t)m->ids.count - 1 - m->result.token[i * DIM + joint];

		end = end || bin == 0 || bin >= (int32_t)m->ids.bins - 2;
	}
	return end;
}

/* Where the chunk starts, and where the committed tokens lead from there. */
static void follow_tokens(const struct mind *m, const struct running_motion *motion, struct past *past, struct action_point *from, struct action_point *at)
{
	const struct control_setup *s = &m->b->setup;
	struct waypoint_start start = { 0 };
	double action[DIM];

	past->n = past->next = 0;
	for (uint32_t i = 0; i < motion->n_sent; i++)
		past_push(past, &motion->sent[i]);
	trajectory_start(s, 0, &m->o.arm[0], past, m->o.t_obs_ns, &start);
	action_begin(s, 0, &start, from);
	*at = *from;
	for (uint32_t i = 0; i < m->n_committed; i++) {
		read_ids(m, m->result.token + i * DIM, action);
		action_follow(s, 0, action, at);
	}
}

/* However many actions are committed, they end within three quarters of a bin of where the arm is going to be: rounding does not add
 * up. Joint deltas, each by itself; not where the statistics' range is too small for the motion. */
static void check_rounding(struct mind *m, const struct running_motion *motion)
{
	const struct control_setup *s = &m->b->setup;
	const struct statistics_range *range = &m->statistics.action;
	static struct past past;
	struct action_point from, at, goal;
	struct motion_grid grid;

	follow_tokens(m, motion, &past, &from, &at);
	assert_true(motion_lay_grid(s, motion, &past, m->o.t_obs_ns, m->b->now_ns, &grid));
	motion_point(s, motion, &past, 0, grid.start_s + m->n_committed * (double)s->action_dt_ns * 1e-9, &goal);
	for (uint32_t k = 0; k < DIM; k++) {
		double bin = (range->masked[k] ? range->high[k] - range->low[k] : 2.0) / 255.0 * s->action_scale[k];

		if (said_to_the_end(m, k))
			continue;
		assert_true(fabs(goal.q_rad[k] - at.q_rad[k]) <= 0.751 * bin);
		m->rounded += m->n_committed > 1;
	}
}

/* What the policy is told of where the settled actions lead is where their tokens lead. */
static void check_lead(struct mind *m, const struct running_motion *motion)
{
	const struct proprio_lead *lead = policy_commit_lead(m->commit);
	static struct past past;
	struct action_point from, at;
	double turned[4], end[4], same = 0;

	follow_tokens(m, motion, &past, &from, &at);
	quat_from_rotvec(lead->rotvec_rad, turned);
	quat_multiply(turned, from.at.q_xyzw, end);
	for (int k = 0; k < 3; k++) {
		assert_true(fabs(from.at.p_m[k] + lead->p_m[k] - at.at.p_m[k]) < 1e-9);
		m->led_m = fmax(m->led_m, fabs(lead->p_m[k]));
	}
	for (int k = 0; k < 4; k++)
		same += end[k] * at.at.q_xyzw[k];
	assert_true(fabs(fabs(same) - 1.0) < 1e-9);
}

static void check_no_lead(const struct mind *m)
{
	static const struct proprio_lead nowhere;

	assert_memory_equal(policy_commit_lead(m->commit), &nowhere, sizeof nowhere);
}

static void begin(struct mind *m)
{
	struct links *l = &m->b->links;
	const int32_t *token;
	int64_t span_ms = m->latency_high_ms - m->latency_low_ms;

	pacing_begin(&m->pacing, &m->o, m->b->now_ns);
	m->epoch = m->b->hint.epoch;
	m->n_committed = 0;
	if (m->b->setup.method == EXECUTE_INPAINT) {
		(void)latest_refresh(&l->motion_box);
		const struct running_motion *motion = &l->motion[l->motion_box.reading];

		assert_int_equal(policy_commit_make(m->commit, motion, m->epoch + 1, &m->o, pacing_latency_ns(&m->pacing), &token), 0);
		check_no_lead(m);
		assert_int_equal(policy_commit_make(m->stranger, motion, m->epoch, &m->o, pacing_latency_ns(&m->pacing), &token), 0);
		m->n_committed = policy_commit_make(m->commit, motion, m->epoch, &m->o,
				pacing_latency_ns(&m->pacing), &token);
		memcpy(m->result.token, token, (size_t)m->n_committed * DIM * sizeof *token);
		if (m->n_committed > 0 && m->b->setup.action_space == ACTION_JOINT_DELTA)
			check_rounding(m, motion);
		if (m->n_committed > 0 && !action_is_joints(&m->b->setup))
			check_lead(m, motion);
		else
			check_no_lead(m);
	}
	for (uint32_t i = 0; i < m->n_committed * DIM; i++)
		assert_true(token[i] >= (int32_t)(m->ids.count - m->ids.bins) && token[i] < (int32_t)m->ids.count);
	assert_true(m->n_committed < CHUNK);
	stay_below_a_chunk(m);
	const struct trajectory *t = &m->b->control.trajectory;
	bool moves = m->b->control.mode == MODE_AUTO && t->active && m->epoch_of[t->chunk % EPOCHS] == m->epoch;

	assert_true(moves || m->n_committed == 0); /* nothing from before a hand-over, nothing where nothing moves */
	m->committed += m->n_committed;
	m->given += m->n_committed > 0;
	make_up(m);
	m->answer_ns = m->b->now_ns + (m->latency_low_ms + (int64_t)(0.5 * (1.0 + random_sign()) * (double)span_ms)) * MS;
	m->busy = true;
}

static void answer(struct mind *m)
{
	struct links *l = &m->b->links;
	struct action_chunk *c = &l->chunk[l->chunk_box.writing];

	memset(c, 0, sizeof *c);
	c->id = ++m->b->chunks;
	c->epoch = m->epoch_of[c->id % EPOCHS] = m->epoch;
	c->instruction_id = m->o.instruction_id;
	c->t_obs_ns = c->frame_stamp_ns = c->received_ns = m->o.t_obs_ns;
	c->handed_over_ns = m->b->now_ns;
	c->n_steps = CHUNK;
	c->action_dim = DIM;
	for (uint32_t i = 0; i < CHUNK; i++)
		memcpy(c->action[i], m->result.action + i * DIM, DIM * sizeof(double));
	memcpy(c->arm, m->o.arm, sizeof c->arm);
	latest_publish(&l->chunk_box);
	policy_commit_remember(m->commit, c->id, &m->result);
	pacing_end(&m->pacing, &m->o, m->epoch, m->b->now_ns);
	m->busy = false;
}

static void think(struct mind *m)
{
	struct bench *b = m->b;

	if (m->busy && b->now_ns >= m->answer_ns)
		answer(m);
	if (m->busy || b->hint.chunk < b->chunks) /* control has not judged the newest yet */
		return;
	m->o.t_obs_ns = b->now_ns - SEEN_MS * (int64_t)MS;
	m->o.instruction_id = b->inputs.instruction_id;
	memcpy(m->o.arm, b->inputs.arm, sizeof m->o.arm); /* 20 ms newer than the picture: an arm that is measured badly */
	if (pacing_wants(&m->pacing, &b->hint, &m->o, b->now_ns))
		begin(m);
}

/* ---- the judge ---------------------------------------------------------------------------------------------------- */

/* Offset between the sent motion and the new path where it takes over; of poses the position. */
static void judge_splice(struct mind *m)
{
	const struct trajectory *t = &m->b->control.trajectory;
	const struct path *p = &t->arm[0];
	double square = 0.0;

	if (!t->active || t->chunk == m->chunk_seen || m->b->report.mode != MODE_AUTO)
		return;
	bool first = m->chunk_seen == 0;

	m->chunk_seen = t->chunk;
	if (first)
		return;
	for (uint32_t k = 0; k < (p->joints ? p->dim : 3); k++)
		square += p->offset[k].q * p->offset[k].q;
	m->splices++;
	m->offset_sum += sqrt(square);
	m->offset_most = fmax(m->offset_most, sqrt(square));
}

static void live_ms(struct mind *m, int64_t ms)
{
	struct bench *b = m->b;

	for (int64_t end_ns = b->now_ns + ms * MS; b->now_ns < end_ns; b->now_ns += PERIOD_NS) {
		world_publish(b);
		world_infer(b);
		think(m);
		control_tick(&b->control, b->now_ns);
		world_collect(b);
		judge_splice(m);
	}
}

static struct control_answer order(struct mind *m, struct command cmd)
{
	cmd.ticket = ++m->b->ticket;
	cmd.arm = ALL_ARMS;
	tell(m->b, cmd);
	live_ms(m, 10);
	return m->b->report.recent[cmd.ticket % ANSWERS_RECENT];
}

static void into_auto(struct mind *m)
{
	live_ms(m, 800);
	assert_int_equal(m->b->report.mode, MODE_READY);
	assert_int_equal(m->committed, 0);
	assert_true(order(m, (struct command){ .kind = COMMAND_MODE_AUTO }).ok);
}

/* ---- tests -------------------------------------------------------------------------------------------------------- */

struct run {
	double mean;
	uint32_t splices, committed, given, rounded;
	double led_m;
};

static struct run run(enum action_space space, enum delta_reference reference, enum execution_method method)
{
	struct mind *m = mind_new(space, reference);
	struct run r;

	m->b->setup.method = method;
	seed = 20261122;
	mind_start(m);
	into_auto(m);
	live_ms(m, 14000);
	expect_mode(m->b, MODE_AUTO, REASON_OPERATOR_AUTO);
	r = (struct run){ m->offset_sum / m->splices, m->splices, m->committed, m->given, m->rounded, m->led_m };
	mind_free(m);
	return r;
}

/* What is left is the latency beyond its 90th percentile, the spline between the last two committed points, and half a bin, which of
 * absolute actions is wide. */
static void a_mind_that_changes_splices_without_an_offset(void **state)
{
	static const struct { enum action_space space; enum delta_reference reference; double less; } kinds[] = {
		{ ACTION_EE_DELTA, DELTA_COMMANDED, 10 }, { ACTION_EE_DELTA, DELTA_MEASURED, 10 }, { ACTION_EE_DELTA, DELTA_OSC, 10 },
		{ ACTION_EE_ABSOLUTE, DELTA_COMMANDED, 4 }, { ACTION_JOINT_DELTA, DELTA_COMMANDED, 10 },
		{ ACTION_JOINT_DELTA, DELTA_MEASURED, 10 }, { ACTION_JOINT_ABSOLUTE, DELTA_COMMANDED, 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct run async = run(kinds[i].space, kinds[i].reference, EXECUTE_ASYNC);
		struct run inpaint = run(kinds[i].space, kinds[i].reference, EXECUTE_INPAINT);

		print_message("space %d, reference %d: mean offset %.5f with async, %.5f with inpaint (%u actions committed in %u chunks)\n",
				kinds[i].space, kinds[i].reference, async.mean, inpaint.mean, inpaint.committed, inpaint.given);
		assert_true(async.splices > 60 && inpaint.splices > 60 && inpaint.given > 60);
		assert_int_equal(async.committed, 0);
		assert_true(kinds[i].space != ACTION_JOINT_DELTA || inpaint.rounded > 100);
		assert_true(kinds[i].space == ACTION_JOINT_DELTA || kinds[i].space == ACTION_JOINT_ABSOLUTE || inpaint.led_m > 0.005);
		assert_true(inpaint.mean * kinds[i].less < async.mean);
	}
}

/* A policy that goes straight on says the same id for ever: then that is what was sent, at whatever speed, and so many of them are
 * committed as path time goes by until the chunk arrives. */
static void steady_motion_is_said_in_its_own_ids(void **state)
{
	/* 20 ms until the picture is seen, 210 ms of inference, a tick, and play-out: 2.4 to 2.5 actions, or 1 at speed 0.4, or 3.2 */
	static const struct { double speed; int64_t playout_ms; uint32_t actions; } rows[] = { { 1.0, 10, 3 }, { 0.4, 10, 1 }, { 1.0, 80, 4 } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct mind *m = mind_new(ACTION_JOINT_DELTA, DELTA_COMMANDED);

		m->steady = true;
		m->stride = 0.2;
		m->latency_low_ms = m->latency_high_ms = 210;
		m->b->setup.speed_default = rows[i].speed;
		m->b->setup.arm[0].playout_ns = rows[i].playout_ms * MS;
		mind_start(m);
		into_auto(m);
		live_ms(m, 1500);
		uint32_t committed = m->committed, given = m->given;

		for (int k = 0; k < 300; k++) {
			live_ms(m, PERIOD_NS / MS);
			for (uint32_t n = 1; m->busy && n < CHUNK; n++)
				assert_memory_equal(m->result.token + n * DIM, m->result.token + (CHUNK - 1) * DIM, DIM * sizeof(int32_t));
		}
		assert_true(m->given - given > 2);
		assert_int_equal(m->committed - committed, (m->given - given) * rows[i].actions);
		mind_free(m);
	}
}

static void the_first_chunk_after_a_hand_over_continues_nothing(void **state)
{
	struct mind *m = mind_new(ACTION_EE_DELTA, DELTA_COMMANDED);

	(void)state;
	m->stride = 0.3;
	mind_start(m);
	into_auto(m);
	live_ms(m, 1500);
	for (int i = 0; i < 5; i++) {
		assert_true(m->committed > 0);
		assert_true(order(m, (struct command){ .kind = COMMAND_STOP }).ok);
		uint32_t before = m->committed;

		live_ms(m, 2000);
		assert_int_equal(m->committed, before); /* while it holds it goes on inferring */
		assert_true(order(m, (struct command){ .kind = COMMAND_MODE_AUTO }).ok);
		live_ms(m, 1500);
		assert_true(m->committed > before);
	}
	mind_free(m);
}

static void in_shadow_nothing_is_continued(void **state)
{
	struct mind *m = mind_new(ACTION_EE_DELTA, DELTA_COMMANDED);

	(void)state;
	mind_start(m);
	live_ms(m, 800);
	assert_true(order(m, (struct command){ .kind = COMMAND_MODE_SHADOW }).ok);
	live_ms(m, 3000);
	expect_mode(m->b, MODE_SHADOW, REASON_OPERATOR_SHADOW);
	assert_true(m->b->report.chunks_adopted > 5);
	assert_int_equal(m->committed, 0);
	mind_free(m);
}

/* More is executed until the arrival than a chunk can be told: all but one action of it, and never more. */
static void a_slow_policy_commits_less_than_a_chunk(void **state)
{
	struct mind *m = mind_new(ACTION_EE_DELTA, DELTA_COMMANDED);

	(void)state;
	m->latency_low_ms = m->latency_high_ms = 1500;
	m->stride = 0.3;
	m->b->setup.starve_ns = 10000 * (int64_t)MS;
	mind_start(m);
	live_ms(m, 5000);
	into_auto(m);
	live_ms(m, 20000);
	assert_true(m->given > 3 && m->longest == CHUNK - 1);
	expect_mode(m->b, MODE_AUTO, REASON_OPERATOR_AUTO);
	mind_free(m);
}

/* Whatever happens: asserted at every inference are valid ids, fewer than a chunk, and none of another epoch; at every target, limits. */
static void at_random_everything_stays_valid(void **state)
{
	static const enum command_kind kinds[] = { COMMAND_MODE_AUTO, COMMAND_MODE_AUTO, COMMAND_MODE_AUTO, COMMAND_SPEED, COMMAND_SPEED,
		COMMAND_STOP, COMMAND_MODE_SHADOW, COMMAND_MODE_HOLD };

	(void)state;
	for (uint64_t k = 0; k < 6; k++) {
		struct mind *m = mind_new(k & 1 ? ACTION_EE_DELTA : ACTION_JOINT_DELTA, k == 1 ? DELTA_OSC : k == 3 ? DELTA_MEASURED : DELTA_COMMANDED);

		seed = 77 + k;
		m->latency_low_ms = 5;
		m->latency_high_ms = 700;
		mind_start(m);
		into_auto(m);
		for (int i = 0; i < 60; i++) {
			enum command_kind kind = kinds[(int)(4.0 + 4.0 * random_sign()) % 8];

			m->gripper_high = random_sign() > 0.0;
			m->b->inputs.instruction_id += random_sign() > 0.6;
			(void)order(m, (struct command){ .kind = kind, .value = 0.55 + 0.45 * random_sign() });
			live_ms(m, 400 + (int64_t)(400.0 * random_sign()));
			if (m->b->report.mode == MODE_HOLD || m->b->report.mode == MODE_SHADOW) {
				(void)order(m, (struct command){ .kind = COMMAND_MODE_HOLD });
				live_ms(m, 1500);
				(void)order(m, (struct command){ .kind = COMMAND_MODE_AUTO });
			}
		}
		assert_true(m->given > 10);
		mind_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mind_that_changes_splices_without_an_offset),
		cmocka_unit_test(steady_motion_is_said_in_its_own_ids),
		cmocka_unit_test(the_first_chunk_after_a_hand_over_continues_nothing),
		cmocka_unit_test(in_shadow_nothing_is_continued),
		cmocka_unit_test(a_slow_policy_commits_less_than_a_chunk),
		cmocka_unit_test(at_random_everything_stays_valid),
	};

	return cmocka_run_group_tests(tests, make_policy, destroy_policy);
}
