/* motion.c - see motion.h. */
#include "daemon/stage/motion.h"

#include <math.h>
#include <string.h>

/* Of an action: what a clock that stands at an action's end is apart from it. */
static const double near_steps = 0.02;

static double step_s(const struct control_setup *s)
{
	return (double)s->action_dt_ns * 1e-9;
}

void motion_take(struct running_motion *m, const struct trajectory *t, const struct past *p)
{
	m->chunk = t->chunk;
	m->n_steps = t->n_steps;
	m->clock_s = t->clock.q;
	m->clock_rate = t->clock.v;
	m->rate_cap = t->rate_cap;
	m->end_s = t->end_s;
	m->times = trajectory_times(t);
	memcpy(m->path, t->arm, t->setup->n_arms * sizeof *m->path);
	m->n_sent = past_newest(p, MOTION_SENT, m->sent);
	m->due_ns = m->n_sent > 0 ? m->sent[m->n_sent - 1].t_ns : 0;
}

/* The clock at a time to come. What it runs slower than that is a later arrival than needed. */
static double clock_at(const struct running_motion *m, int64_t t_ns)
{
	double rate = fmax(m->clock_rate, fmin(m->rate, m->rate_cap));
	int64_t until_ns = t_ns < m->until_ns ? t_ns : m->until_ns;
	double ahead_s = until_ns > m->due_ns ? (double)(until_ns - m->due_ns) * 1e-9 : 0.0;

	return fmin(m->clock_s + rate * ahead_s, fmax(m->end_s, m->clock_s));
}

bool motion_lay_grid(const struct control_setup *setup, const struct running_motion *m, const struct past *past, int64_t t_obs_ns,
		int64_t t_arrival_ns, struct motion_grid *out)
{
	struct past_entry at;

	if (m->n_sent == 0 || m->sent[0].t_ns > t_obs_ns || !past_at(past, t_obs_ns, &at))
		return false;
	out->start_s = fmin(at.path_s, m->clock_s);
	double begun = ceil((clock_at(m, t_arrival_ns) - out->start_s) / step_s(setup) - near_steps);
	double covered = floor((m->end_s - out->start_s) / step_s(setup) + near_steps);

	out->begun = (uint32_t)fmin(fmax(fmin(begun, covered), 0.0), CHUNK_STEPS_MAX); /* NaN too is a number of them then */
	return true;
}

void motion_point(const struct control_setup *setup, const struct running_motion *m, const struct past *past, uint32_t arm, double path_s,
		struct action_point *out)
{
	const struct arm_setup *a = &setup->arm[arm];
	double at[PATH_DIM_MAX];
	struct past_entry sent;

	*out = (struct action_point){ 0 };
	if (path_s <= m->clock_s && past_at_path(past, path_s, &sent)) {
		memcpy(out->q_rad, sent.q_rad[arm], sizeof out->q_rad);
		kinematics_forward(&a->model, &a->tcp, out->q_rad, &out->at);
		return;
	}
	path_look(&m->path[arm], &m->times, fmin(path_s, m->end_s), at);
	if (!m->path[arm].joints)
		path_pose(&m->path[arm], at, &out->at);
	for (uint32_t k = 0; k < m->path[arm].dim && m->path[arm].joints; k++)
		out->q_rad[k] = at[k];
}

uint32_t motion_step(const struct control_setup *setup, const struct running_motion *m, double path_s)
{
	double i = floor((path_s - m->times.start_s) / step_s(setup));

	return m->n_steps == 0 ? 0 : (uint32_t)fmin(fmax(i, 0.0), (double)(m->n_steps - 1));
}

/* Within the hysteresis a value asks for whatever was there before. */
static double binary_value(const struct gripper_setup *s, double own, bool open)
{
	bool high = open == s->open_is_high;
	double half = s->hysteresis / 2.0;
	bool asks = high ? own >= s->threshold - half : own <= s->threshold + half;

	return asks ? own : 2.0 * s->threshold - own; /* as far on the other side */
}

double motion_gripper(const struct control_setup *setup, const struct running_motion *m, const struct past *past, uint32_t arm, double path_s,
		double own)
{
	const struct gripper_setup *s = &setup->gripper;
	double most_m = setup->arm[arm].gripper_max_m;
	struct past_entry sent;

	if (!(path_s <= m->clock_s) || !past_at_path(past, path_s, &sent) || !isfinite(sent.gripper_m[arm]) || !(most_m > 0.0))
		return own;
	double share = fmin(fmax(sent.gripper_m[arm] / most_m, 0.0), 1.0);

	return s->binary ? binary_value(s, own, share > 0.5) : s->action_closed + share * (s->action_open - s->action_closed);
}
