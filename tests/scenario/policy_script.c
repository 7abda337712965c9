/* policy_script.c - policy/policy.h as a script: what the network would answer, how long it takes, and what it does wrong.
 *
 * It wants to be on a path that belongs to the present instruction, sees where the arm is in its state vector, and asks for the way
 * from there to the path, as a trained policy does. Its inference lasts in virtual time: everything else goes on meanwhile. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/sys/clock.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/virtual.h"

/* How fast it goes to its path, if it is not there. */
static const double CATCH_UP_M_S = 0.15, CATCH_UP_RAD_S = 0.3;

/* Width of a bin of a decoder that chooses tokens, in units of any action. */
static const double BIN = 0.0004;

struct policy {
	struct policy_info info;
};

/* One inference: what it sees, and which actions are given. */
struct plan {
	const struct control_setup *setup;
	double t_obs_s;
	const int32_t *committed;
	uint32_t n_committed;      /* whole actions */
	double *action;
};

static struct policy_script *script; /* of the stand that runs */

static void last_until(int64_t end_ns);

/* The policy's is the only thread that ever sleeps. */
void policy_script_use(struct policy_script *s)
{
	script = s;
	virtual_time_on_sleep(last_until);
}

/* ---- where it wants to be ---------------------------------------------------------------------------------------- */

static const struct motion_script *motion(void)
{
	return &script->stand->scenario->motion[script->motion];
}

/* Place of the TCP relative to its start. */
static void path_place(double t_s, double out[3])
{
	const struct motion_script *m = motion();

	memset(out, 0, 3 * sizeof *out);
	if (m->kind == MOTION_CIRCLE) {
		double angle = 2.0 * M_PI * t_s / m->value[1];

		out[1] = m->value[0] * sin(angle);
		out[2] = m->value[0] * (cos(angle) - 1.0);
	} else if (m->kind == MOTION_LINE) {
		memcpy(out, m->value, 3 * sizeof *out);
	}
}

static double path_joint(const struct arm_setup *arm, uint32_t j, double t_s)
{
	const struct motion_script *m = motion();
	double phase = 0.7 * j, home = arm->home_rad[j];

	return m->kind == MOTION_JOINTS ? home + m->value[0] * (sin(2.0 * M_PI * t_s / m->value[1] + phase) - sin(phase)) : home;
}

static double toward(double from, double to, double most)
{
	return from + fmax(-most, fmin(most, to - from));
}

static double line_speed(void)
{
	return motion()->kind == MOTION_LINE ? motion()->value[3] : CATCH_UP_M_S;
}

/* ---- actions ------------------------------------------------------------------------------------------------------- */

/* The value that is given for this dimension, or the one that is wanted. */
static double given(const struct plan *p, uint32_t step, uint32_t at, double wanted)
{
	return step < p->n_committed ? (double)p->committed[step * p->setup->action_dim + at] * BIN : wanted;
}

static void put_joints(const struct plan *plan, const struct arm_setup *arm, const double *state)
{
	const struct control_setup *c = plan->setup;
	const double *q_now = state + 3;
	double dt_s = (double)c->action_dt_ns * 1e-9, q[DOF_MAX];

	memcpy(q, q_now, arm->model.dof * sizeof *q);
	for (uint32_t k = 0; k < (uint32_t)script->stand->config.policy_action_chunk; k++)
		for (uint32_t j = 0; j < arm->model.dof; j++) {
			bool delta = c->action_space == ACTION_JOINT_DELTA;
			uint32_t at = arm->action_first + j;
			double next = toward(q[j], path_joint(arm, j, plan->t_obs_s + (k + 1) * dt_s), CATCH_UP_RAD_S * dt_s + 0.1 * dt_s);
			double value = given(plan, k, at, delta ? next - q[j] : next);

			plan->action[k * c->action_dim + at] = value;
			q[j] = delta ? q[j] + value : value;
		}
}

/* Orientation of an absolute pose: as at home, in the configured form. */
static void put_home_rotation(const struct control_setup *c, const struct arm_setup *arm, double *out)
{
	double p[3], r[3][3], q[4];

	judge_tcp(arm, arm->home_rad, p, r);
	quat_from_matrix((const double(*)[3])r, q);
	if (c->rotation == ROTATION_ROTVEC)
		quat_to_rotvec(q, out);
	else
		quat_to_rpy(q, out);
}

static void put_poses(const struct plan *plan, const struct arm_setup *arm, const double *state)
{
	const struct control_setup *c = plan->setup;
	bool delta = c->action_space == ACTION_EE_DELTA;
	double dt_s = (double)c->action_dt_ns * 1e-9, home[3], r[3][3], p[3];
	double off[3] = { 0.0, virtual_random_between(-1.0, 1.0) * script->noise_m, virtual_random_between(-1.0, 1.0) * script->noise_m };

	judge_tcp(arm, arm->home_rad, home, r);
	memcpy(p, state, sizeof p);
	for (uint32_t k = 0; k < (uint32_t)script->stand->config.policy_action_chunk; k++) {
		double *a = &plan->action[k * c->action_dim + arm->action_first], want[3], t_s = plan->t_obs_s + k * dt_s;

		path_place(t_s + dt_s, want);
		for (int i = 0; i < 3; i++) {
			double next = toward(p[i], home[i] + want[i] + off[i], line_speed() * dt_s);

			a[i] = given(plan, k, arm->action_first + (uint32_t)i, delta ? next - p[i] : next);
			p[i] = delta ? p[i] + a[i] : a[i];
		}
		if (c->action_space == ACTION_EE_ABSOLUTE)
			put_home_rotation(c, arm, a + 3);
		else if (motion()->kind == MOTION_TURN)
			a[3] = motion()->value[0] * dt_s * (fmod(t_s, 2.0 * motion()->value[1]) < motion()->value[1] ? 1.0 : -1.0);
	}
}

static void put_gripper(const struct plan *p, const struct arm_setup *arm)
{
	uint32_t at = arm->action_first + arm->action_count - 1;

	for (uint32_t k = 0; k < (uint32_t)script->stand->config.policy_action_chunk && arm->has_gripper; k++)
		p->action[k * p->setup->action_dim + at] = given(p, k, at, fmod(p->t_obs_s, 6.0) < 3.0 ? 1.0 : 0.0);
}

static void put_actions(const struct policy_observation *o, struct policy_result *result)
{
	const struct control_setup *c = &script->stand->setup;
	const struct links *l = script->stand->links;
	struct plan plan = { .setup = c, .committed = o->committed, .n_committed = o->n_committed / c->action_dim, .action = result->action };
	const double *state = o->state;

	plan.t_obs_s = (double)(l->observation[l->observation_box.reading].t_obs_ns - script->stand->begin_ns) * 1e-9;
	bool joints = c->action_space == ACTION_JOINT_DELTA || c->action_space == ACTION_JOINT_ABSOLUTE;

	memset(result->action, 0, sizeof result->action);
	for (uint32_t i = 0; i < c->n_arms; i++) {
		(joints ? put_joints : put_poses)(&plan, &c->arm[i], state);
		put_gripper(&plan, &c->arm[i]);
		state += 3 + c->arm[i].model.dof;
	}
}

/* ---- policy/policy.h ----------------------------------------------------------------------------------------------- */

int policy_create(struct policy **out, const struct policy_options *options, struct errbuf *e)
{
	static const double low[STATE_DIM_MAX], high[STATE_DIM_MAX]; /* equal: they say nothing */
	const struct control_setup *c = &script->stand->setup;
	struct policy *p = calloc(1, sizeof *p);

	if (!p)
		return fail(e, -ENOMEM, "scenario: out of memory");
	p->info = (struct policy_info){ .action_chunk = options->action_chunk, .action_dim = c->action_dim, .needs_state = true,
		.state_low = low, .state_high = high, .threads = 1, .decoder = "script", .backend = "script", .unnorm_key = "script",
		.ranges = "none", .state_ranges = "none" };
	p->info.chooses_tokens = strcmp(options->decoder, "discrete_diffusion") == 0;
	for (uint32_t i = 0; i < c->n_arms; i++)
		p->info.state_dim += 3 + c->arm[i].model.dof;
	*out = p;
	return 0;
}

void policy_destroy(struct policy *p)
{
	free(p);
}

const struct policy_info *policy_info(const struct policy *p)
{
	return &p->info;
}

int policy_check_instruction(const char *text, struct errbuf *e)
{
	return text[0] ? 0 : fail(e, -EINVAL, "text: is empty");
}

int policy_set_instruction(struct policy *p, const char *text, struct errbuf *e)
{
	const struct scenario *s = script->stand->scenario;

	(void)p;
	(void)e;
	for (uint32_t i = 0; i < s->n_motions; i++)
		if (strcmp(s->motion[i].name, text) == 0)
			script->motion = i;
	return 0;
}

uint64_t policy_noise_place(const struct policy *p)
{
	(void)p;
	return 0; /* it takes none */
}

void policy_noise_seek(struct policy *p, uint64_t place)
{
	(void)p;
	(void)place;
}

int policy_quantise(const struct policy *p, const double *action, const int32_t *prefer, int32_t *token, double *meant, struct errbuf *e)
{
	if (!p->info.chooses_tokens)
		return fail(e, -ENOTSUP, "scenario: the decoder chooses no tokens");
	for (uint32_t i = 0; i < p->info.action_dim; i++)
		if (!isfinite(action[i]))
			return fail(e, -EINVAL, "scenario: an action is not finite");
	for (uint32_t i = 0; i < p->info.action_dim; i++) {
		bool kept = prefer && fabs(prefer[i] * BIN - action[i]) <= 0.75 * BIN;

		token[i] = kept ? prefer[i] : (int32_t)lround(action[i] / BIN);
		meant[i] = token[i] * BIN;
	}
	return 0;
}

static void choose_tokens(const struct policy *p, struct policy_result *result)
{
	for (uint32_t i = 0; i < p->info.action_chunk * p->info.action_dim; i++) {
		result->token[i] = (int32_t)lround(result->action[i] / BIN);
		result->action[i] = result->token[i] * BIN;
	}
}

/* The rest of the world goes on while the network computes. */
static void last_until(int64_t end_ns)
{
	struct stand *s = script->stand;

	s->inferring = true;
	while (!stand_ended(s) && s->now_ns + NS_PER_MS <= end_ns)
		stand_step(s);
	s->inferring = false;
	virtual_time_set(end_ns);
}

static bool used_up(uint32_t *n)
{
	if (*n == 0)
		return false;
	--*n;
	return true;
}

int policy_warm_up(struct policy *p, const struct policy_observation *observation, bool every_instruction, struct policy_result *result,
		struct errbuf *e)
{
	(void)p, (void)observation, (void)every_instruction, (void)e;
	result->lost = false;
	result->times = (struct policy_times){ 0 };
	script->inferences++;
	memset(result->action, 0, sizeof result->action);
	return 0;
}

/* A script has no tokens. */
int policy_infer(struct policy *p, const struct policy_observation *observation, struct policy_result *result,
		const struct policy_tracer *tracer, struct errbuf *e)
{
	int64_t hang_ns = script->hang_ns;

	(void)tracer;
	result->lost = false;
	result->times = (struct policy_times){ 0 };
	script->inferences++;
	put_actions(observation, result);
	if (p->info.chooses_tokens)
		choose_tokens(p, result);
	script->hang_ns = 0;
	last_until(clock_monotonic_ns() + script->latency_ns + hang_ns + (int64_t)(virtual_random() * (double)script->jitter_ns));
	if (script->broken)
		return fail(e, -EIO, "scenario: the device is lost");
	if (used_up(&script->refuse))
		return fail(e, -EINVAL, "scenario: this picture is none");
	if (used_up(&script->nan))
		result->action[3] = NAN;
	result->lost = used_up(&script->lost);
	return 0;
}
