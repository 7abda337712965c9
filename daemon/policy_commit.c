/* policy_commit.c - see policy_commit.h. */
#include "daemon/policy_commit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/sys/log.h"

/* The running chunk is one of the last few: chunks come when it is half run, or as a new instruction or epoch asks for them. */
enum { MEMORY = 8 };

struct said {
	uint64_t chunk; /* 0: nothing */
	int32_t token[POLICY_VALUES_MAX];
	double action[POLICY_VALUES_MAX];
};

struct policy_commit {
	const struct control_setup *setup;
	const struct policy *policy;
	uint32_t dim, n_steps;
	struct past past;
	struct said said[MEMORY];
	int32_t token[POLICY_VALUES_MAX];
	struct proprio_lead lead[ARMS_MAX];
	bool told_too_slow, told_failure;
};

int policy_commit_create(struct policy_commit **out, const struct control_setup *setup, const struct policy *policy, struct errbuf *e)
{
	struct policy_commit *c = calloc(1, sizeof *c);

	if (!c)
		return fail(e, -ENOMEM, "execution.method inpaint: out of memory");
	c->setup = setup;
	c->policy = policy;
	c->dim = policy_info(policy)->action_dim;
	c->n_steps = policy_info(policy)->action_chunk;
	*out = c;
	return 0;
}

void policy_commit_destroy(struct policy_commit *c)
{
	free(c);
}

void policy_commit_remember(struct policy_commit *c, uint64_t chunk, const struct policy_result *result)
{
	struct said *s = &c->said[chunk % MEMORY];
	size_t n = (size_t)c->n_steps * c->dim;

	s->chunk = chunk;
	memcpy(s->token, result->token, n * sizeof *s->token);
	memcpy(s->action, result->action, n * sizeof *s->action);
}

uint32_t policy_commit_said(const struct policy_commit *c, uint64_t chunk, const int32_t **token, const double **action)
{
	const struct said *s = &c->said[chunk % MEMORY];

	*token = s->token;
	*action = s->action;
	return chunk > 0 && s->chunk == chunk ? c->n_steps * c->dim : 0;
}

void policy_commit_recall(struct policy_commit *c, uint64_t chunk, const int32_t *token, const double *action, uint32_t n)
{
	struct said *s = &c->said[chunk % MEMORY];

	if (s->chunk == chunk || n != c->n_steps * c->dim)
		return;
	s->chunk = chunk;
	memcpy(s->token, token, n * sizeof *s->token);
	memcpy(s->action, action, n * sizeof *s->action);
}

static int64_t playout_ns(const struct control_setup *setup)
{
	int64_t longest = 0;

	for (uint32_t i = 0; i < setup->n_arms; i++)
		longest = setup->arm[i].playout_ns > longest ? setup->arm[i].playout_ns : longest;
	return longest;
}

/* Actions that an inference of that latency has to commit at that rate of path time. */
static uint32_t actions_needed(const struct control_setup *setup, int64_t latency_ns, double rate)
{
	double actions = ceil((double)(latency_ns + playout_ns(setup)) * rate / (double)setup->action_dt_ns);

	return (uint32_t)fmin(fmax(actions, 0.0), (double)UINT32_MAX);
}

static void tell_too_slow(struct policy_commit *c, int64_t latency_ns, double rate)
{
	uint32_t needed = actions_needed(c->setup, latency_ns, rate);

	if (needed < c->n_steps || c->told_too_slow)
		return;
	c->told_too_slow = true;
	log_line(LOG_LEVEL_WARNING, "policy: execution.method inpaint: an inference takes %.0f ms, in which %u actions are executed, and a "
			"chunk has %u: the arms stop between chunks (want a faster policy, a lower speed, or chunks of more actions)",
			(double)latency_ns * 1e-6, needed, c->n_steps);
}

/* One action of all arms: from where they are by the tokens so far (at[]) to where they will be at its end. */
static int commit_step(struct policy_commit *c, const struct running_motion *m, const struct said *said, double end_s,
		struct action_point at[ARMS_MAX], int32_t *token)
{
	const struct control_setup *setup = c->setup;
	double middle_s = end_s - (double)setup->action_dt_ns * 0.5e-9, action[ACTION_DIM_MAX] = { 0 };
	size_t own = (size_t)motion_step(setup, m, middle_s) * c->dim;
	struct errbuf e;

	memcpy(action, said->action + own, c->dim * sizeof *action);
	for (uint32_t i = 0; i < setup->n_arms; i++) {
		const struct arm_setup *arm = &setup->arm[i];
		double *gripper = &action[arm->action_first + arm->action_count - 1];
		struct action_point goal;

		motion_point(setup, m, &c->past, i, end_s, &goal);
		action_find(setup, i, &at[i], &goal, action);
		if (arm->has_gripper)
			*gripper = motion_gripper(setup, m, &c->past, i, middle_s, *gripper);
	}
	int rc = policy_quantise(c->policy, action, said->token + own, token, action, &e);

	if (rc < 0 && !c->told_failure)
		log_line(LOG_LEVEL_WARNING, "policy: execution.method inpaint: %s", e.text);
	c->told_failure = c->told_failure || rc < 0;
	for (uint32_t i = 0; i < setup->n_arms && rc == 0; i++)
		action_follow(setup, i, action, &at[i]);
	return rc;
}

static void take_past(struct policy_commit *c, const struct running_motion *m)
{
	c->past.n = c->past.next = 0;
	for (uint32_t i = 0; i < m->n_sent; i++)
		past_push(&c->past, &m->sent[i]);
}

static struct proprio_lead lead_between(const struct pose *from, const struct pose *to)
{
	struct proprio_lead lead;
	double back[4], turned[4];

	for (int i = 0; i < 3; i++)
		lead.p_m[i] = to->p_m[i] - from->p_m[i];
	quat_conjugate(from->q_xyzw, back);
	quat_multiply(to->q_xyzw, back, turned);
	quat_to_rotvec(turned, lead.rotvec_rad);
	return lead;
}

static uint32_t commit_steps(struct policy_commit *c, const struct running_motion *m, const struct said *said, const struct observation *o,
		const struct motion_grid *grid)
{
	uint32_t n = grid->begun < c->n_steps ? grid->begun : c->n_steps - 1, done = 0;
	double dt_s = (double)c->setup->action_dt_ns * 1e-9;
	struct action_point begin[ARMS_MAX], at[ARMS_MAX];

	for (uint32_t i = 0; i < c->setup->n_arms; i++) {
		struct waypoint_start start = { 0 };

		trajectory_start(c->setup, i, &o->arm[i], &c->past, o->t_obs_ns, &start);
		action_begin(c->setup, i, &start, &begin[i]);
		at[i] = begin[i];
	}
	while (done < n && commit_step(c, m, said, grid->start_s + (done + 1) * dt_s, at, c->token + (size_t)done * c->dim) == 0)
		done++;
	for (uint32_t i = 0; i < c->setup->n_arms && done > 0 && !action_is_joints(c->setup); i++)
		c->lead[i] = lead_between(&begin[i].at, &at[i].at);
	return done;
}

uint32_t policy_commit_make(struct policy_commit *c, const struct running_motion *m, uint32_t epoch, const struct observation *o,
		int64_t latency_ns, const int32_t **token)
{
	const struct said *said = &c->said[m->chunk % MEMORY];
	struct motion_grid grid;

	*token = c->token;
	memset(c->lead, 0, sizeof c->lead);
	if (!m->runs || m->epoch != epoch || m->chunk == 0 || said->chunk != m->chunk)
		return 0;
	tell_too_slow(c, latency_ns, m->rate);
	take_past(c, m);
	if (!motion_lay_grid(c->setup, m, &c->past, o->t_obs_ns, o->t_obs_ns + latency_ns + playout_ns(c->setup), &grid))
		return 0;
	return commit_steps(c, m, said, o, &grid);
}

const struct proprio_lead *policy_commit_lead(const struct policy_commit *c)
{
	return c->lead;
}
