/* trajectory.c - from a chunk to setpoints; see trajectory.h. */
#include "daemon/stage/trajectory.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/demand.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/path_clock.h"
#include "daemon/stage/waypoints.h"

/* Below this rate the sent velocity says nothing about the path's (it is divided by the rate). */
static const double slow_rate = 0.1;

static double period_s(const struct trajectory *t)
{
	return (double)t->setup->period_ns * 1e-9;
}

void trajectory_init(struct trajectory *t, const struct control_setup *setup)
{
	memset(t, 0, sizeof *t);
	t->setup = setup;
}

void trajectory_drop(struct trajectory *t)
{
	t->active = false;
	t->braking = t->stopping = false;
	t->clock.v = t->clock.a = 0.0;
	ensemble_drop(&t->ensemble);
}

/* Of every coordinate of every arm: sent with less than a small speed, and no farther off the path. */
static bool sent_within(const struct trajectory *t, double off)
{
	const double slow = 1e-5; /* m/s, rad/s */

	for (uint32_t a = 0; a < t->setup->n_arms; a++)
		for (uint32_t k = 0; k < t->arm[a].dim && !t->arm[a].released; k++)
			if (!(fabs(t->arm[a].now[k].v) < slow && fabs(t->arm[a].offset[k].q) < off))
				return false;
	return true;
}

void trajectory_release(struct trajectory *t, uint32_t arm)
{
	t->arm[arm].released = true;
}

void trajectory_resume_grippers(struct trajectory *t, const struct safety *sent, int64_t now_ns)
{
	for (uint32_t a = 0; a < t->setup->n_arms; a++)
		if (sent[a].has_gripper)
			gripper_resume(&t->arm[a].gripper_state, sent[a].gripper_m, t->setup->arm[a].gripper_max_m, now_ns);
}

bool trajectory_standing(const struct trajectory *t)
{
	return !t->active || (path_clock_stands(&t->clock) && sent_within(t, INFINITY));
}

bool trajectory_ran_out(const struct trajectory *t)
{
	const double slow = 0.05, near_steps = 0.02, near = 1e-6; /* m, rad */
	double dt_s = (double)t->setup->action_dt_ns * 1e-9;

	return !t->active || (t->clock.v < slow && t->end_s - t->clock.q < near_steps * dt_s && sent_within(t, near));
}

uint32_t trajectory_current_step(const struct trajectory *t)
{
	double dt_s = (double)t->setup->action_dt_ns * 1e-9;
	double i = floor((t->clock.q - t->start_s) / dt_s);

	return t->n_steps == 0 ? 0 : (uint32_t)fmin(fmax(i, 0.0), (double)(t->n_steps - 1));
}

/* The path where its clock is, by real time: v = x' rate, a = x'' rate^2 + x' d(rate)/dt. */
static void path_at(const struct path *p, double path_s, double rate, double rate_change, struct axis out[PATH_DIM_MAX])
{
	struct jet x[SPLINE_DIM_MAX];

	spline_at(&p->spline, path_s, x);
	for (uint32_t k = 0; k < p->dim; k++)
		out[k] = (struct axis){ x[k].x, x[k].d1 * rate, x[k].d2 * rate * rate + x[k].d1 * rate_change };
}

static void offsets_find(struct path *p, const struct axis path[PATH_DIM_MAX])
{
	for (uint32_t k = 0; k < p->dim; k++)
		p->offset[k] = (struct axis){ p->now[k].q - path[k].q, p->now[k].v - path[k].v, p->now[k].a - path[k].a };
}

struct path_times trajectory_times(const struct trajectory *t)
{
	return (struct path_times){ t->start_s, t->clock.q, fmax(t->clock.v, slow_rate) };
}

void path_look(const struct path *p, const struct path_times *t, double path_s, double out[PATH_DIM_MAX])
{
	const double step_s = 0.01;
	double ahead_s = fmax(path_s - t->clock_s, 0.0) / t->rate;
	struct axis now[PATH_DIM_MAX], path[PATH_DIM_MAX];

	memcpy(now, p->now, sizeof now);
	for (double gone_s = 0.0; gone_s < ahead_s;) {
		double dt_s = fmin(ahead_s - gone_s, step_s);

		gone_s += dt_s;
		path_at(p, t->clock_s + gone_s * t->rate - t->start_s, t->rate, 0.0, path);
		follow_step(&p->follow, path, dt_s, now);
	}
	path_at(p, path_s - t->start_s, t->rate, 0.0, path);
	for (uint32_t k = 0; k < p->dim; k++)
		out[k] = ahead_s > 0.0 ? now[k].q : path[k].q + p->offset[k].q;
}

void path_pose(const struct path *p, const double at[PATH_DIM_MAX], struct pose *out)
{
	double turn[4];

	memcpy(out->p_m, at, sizeof out->p_m);
	quat_from_rotvec(at + 3, turn);
	quat_multiply(turn, p->first_xyzw, out->q_xyzw);
}

/* ---- adopting a chunk ------------------------------------------------------------------------------------------- */

static uint32_t steps_to_run(const struct control_setup *setup, uint32_t n_steps)
{
	if (setup->method != EXECUTE_SYNC)
		return n_steps;
	uint32_t wanted = setup->execution_steps > 0 ? setup->execution_steps : (n_steps + 1) / 2;

	return wanted < n_steps ? wanted : n_steps;
}

/* Rates of the sent motion at t_ns per second of path time; 0 where it stood. */
static void sent_rates(const struct past *past, int64_t t_ns, uint32_t arm, double *dq_rad)
{
	const int64_t span_ns = 20000000;
	struct past_entry now, before;

	memset(dq_rad, 0, DOF_MAX * sizeof *dq_rad);
	if (!past_at(past, t_ns, &now) || !past_at(past, t_ns - span_ns, &before))
		return;
	double ran_s = now.path_s - before.path_s;

	for (uint32_t i = 0; i < DOF_MAX && ran_s > slow_rate * (double)span_ns * 1e-9; i++)
		dq_rad[i] = (now.q_rad[arm][i] - before.q_rad[arm][i]) / ran_s;
}

void trajectory_start(const struct control_setup *setup, uint32_t arm, const struct arm_state *observed, const struct past *past,
		int64_t t_obs_ns, struct waypoint_start *out)
{
	struct past_entry at;

	if (setup->delta_reference == DELTA_MEASURED && observed->has_q) {
		memcpy(out->q_rad, observed->q_rad, sizeof out->q_rad);
	} else if (past && past_at(past, t_obs_ns, &at)) {
		memcpy(out->q_rad, at.q_rad[arm], sizeof out->q_rad);
		sent_rates(past, t_obs_ns, arm, out->dq_rad);
	}
}

static void start_find(const struct trajectory *t, uint32_t arm, const struct action_chunk *c, const struct past *past,
		const struct safety *sent, bool restart, struct waypoint_start *out)
{
	*out = (struct waypoint_start){ 0 };
	for (uint32_t i = 0; i < DOF_MAX; i++)
		out->q_rad[i] = sent->joint[i].q;
	trajectory_start(t->setup, arm, &c->arm[arm], restart ? NULL : past, c->t_obs_ns, out);
}

/* Acceleration of the TCP: J a + dJ/dt v, the latter by a small step along v. */
static void tcp_acceleration(const struct arm_setup *arm, const struct safety *sent, const double j[6][DOF_MAX], double out[6])
{
	const double step_s = 1e-4;
	double ahead[DOF_MAX] = { 0 }, j2[6][DOF_MAX];
	struct pose ignored;

	for (uint32_t i = 0; i < arm->model.dof; i++)
		ahead[i] = sent->joint[i].q + step_s * sent->joint[i].v;
	kinematics_jacobian(&arm->model, &arm->tcp, ahead, &ignored, j2);
	for (int r = 0; r < 6; r++) {
		out[r] = 0.0;
		for (uint32_t i = 0; i < arm->model.dof; i++)
			out[r] += j[r][i] * sent->joint[i].a + (j2[r][i] - j[r][i]) / step_s * sent->joint[i].v;
	}
}

/* Sent motion in the path's coordinates, per second of real time. The rotation vector's second derivative leaves out the
 * change of the left Jacobian: it is small within a chunk's turn, and safety smooths what is left. */
static void sent_motion(const struct arm_setup *arm, const struct path *p, const struct safety *sent, const struct jet *near, struct jet *out)
{
	struct ik k;
	double twist[6] = { 0 }, accel[6], back[4], turn[4], r[3], near_r[3], rate[3], rate2[3];

	if (p->joints) {
		for (uint32_t i = 0; i < p->dim; i++)
			out[i] = (struct jet){ sent->joint[i].q, sent->joint[i].v, sent->joint[i].a };
		return;
	}
	kinematics_jacobian(&arm->model, &arm->tcp, p->q_rad, &k.tcp, k.j);
	const struct ik *seen = &k;

	for (int row = 0; row < 6; row++)
		for (uint32_t i = 0; i < arm->model.dof; i++)
			twist[row] += k.j[row][i] * sent->joint[i].v;
	tcp_acceleration(arm, sent, seen->j, accel);
	quat_conjugate(p->first_xyzw, back);
	quat_multiply(k.tcp.q_xyzw, back, turn);
	quat_to_rotvec(turn, r);
	for (int i = 0; i < 3; i++)
		near_r[i] = near[3 + i].x;
	rotvec_nearest(r, near_r, r);
	rotvec_rate_from_omega(r, twist + 3, rate);
	rotvec_rate_from_omega(r, accel + 3, rate2);
	for (int i = 0; i < 3; i++) {
		out[i] = (struct jet){ k.tcp.p_m[i], twist[i], accel[i] };
		out[3 + i] = (struct jet){ r[i], rate[i], rate2[i] };
	}
}

/* What is sent goes on from where it is. */
static void path_splice(const struct trajectory *t, const struct arm_setup *arm, const struct safety *sent, struct path *p)
{
	struct jet near[SPLINE_DIM_MAX], moved[SPLINE_DIM_MAX];
	struct axis path[PATH_DIM_MAX];

	for (uint32_t i = 0; i < DOF_MAX; i++) {
		p->q_rad[i] = sent->joint[i].q;
		p->dq_rad_s[i] = sent->joint[i].v;
	}
	p->has_dq = true;
	spline_at(&p->spline, t->clock.q - t->start_s, near);
	sent_motion(arm, p, sent, near, moved);
	for (uint32_t k = 0; k < p->dim; k++)
		p->now[k] = (struct axis){ moved[k].x, moved[k].d1, moved[k].d2 };
	path_at(p, t->clock.q - t->start_s, t->clock.v, t->clock.a, path);
	offsets_find(p, path);
}

static double fastest_of(double fastest, const struct jet *at, uint32_t n)
{
	double square = 0.0;

	for (uint32_t k = 0; k < n; k++)
		square += at[k].d1 * at[k].d1;
	return fmax(fastest, sqrt(square));
}

/* Catching up makes a motion faster than its chunk asks for: by little, but it comes to an end where the path stands, too. */
static void follow_begin(const struct trajectory *t, struct path *p, const double fastest[2])
{
	const double more = 0.2, least = 0.03; /* of the path's speed; m/s, rad/s */
	double blend_s = fmax((double)t->setup->blend_ns * 1e-9, 1e-3);

	p->follow.dim = p->dim;
	p->follow.joints = p->joints;
	p->follow.gain_1_s = fmin(AXIS_BANDWIDTH_RAD_S / 3.0, 4.0 / blend_s); /* leaves 2 % after blend_s */
	for (int i = 0; i < 2; i++)
		p->follow.catch_up[i] = fmax(more * fastest[i], least);
}

static void demand_find(const struct trajectory *t, const struct arm_setup *arm, struct path *p, struct demand *path)
{
	enum { LOOKS = 48 };
	double length_s = t->end_s - t->clock.q, fastest[2] = { 0 };
	uint32_t first = p->joints ? p->dim : 3;
	struct jet at[SPLINE_DIM_MAX];
	struct ik k;

	ik_prepare(&k, &arm->model, &arm->tcp, p->q_rad);
	for (int i = 0; i <= LOOKS; i++) {
		spline_at(&p->spline, t->clock.q + length_s * i / LOOKS - t->start_s, at);
		demand_take(arm, p->joints, &k, at, path);
		fastest[0] = fastest_of(fastest[0], at, first);
		fastest[1] = fastest_of(fastest[1], at + first, p->dim - first);
	}
	follow_begin(t, p, fastest);
	follow_reach(&p->follow, arm, &k);
}

/* The rate at which no arm's limits are reached, and how fast that rate may change. */
static void clock_limit(struct trajectory *t)
{
	struct demand d = { 0 };

	for (uint32_t a = 0; a < t->setup->n_arms; a++)
		demand_find(t, &t->setup->arm[a], &t->arm[a], &d);
	t->rate_cap = demand_rate(&d);
	t->posture_cap = 1.0;
	t->clock_limits = path_clock_limits(demand_slowing_1_s(&d), t->end_s);
	if (t->clock.v > t->rate_cap) { /* what is sent does not jump with it, and a slowing path would push it the wrong way */
		t->clock.v = t->rate_cap;
		t->clock.a = 0.0;
	}
}

/* What the chunk alone says about one arm. */
static void chunk_read(const struct trajectory *t, uint32_t index, const struct action_chunk *c, uint32_t n_steps,
		const struct waypoint_start *start, struct spline *s, double first_xyzw[4], double gripper[CHUNK_STEPS_MAX])
{
	const struct arm_setup *arm = &t->setup->arm[index];

	waypoints_build(t->setup, index, c, n_steps, start, s, first_xyzw);
	spline_finish(s);
	for (uint32_t i = 0; i < n_steps && arm->has_gripper; i++)
		gripper[i] = c->action[i][arm->action_first + arm->action_count - 1];
}

/* The newest chunk becomes a voice of the ensemble, and the path the mean of them all. */
static void path_from_ensemble(struct trajectory *t, uint32_t index, const struct action_chunk *c, struct ensemble_member *newest,
		const struct waypoint_start *start)
{
	struct path *p = &t->arm[index];
	struct prediction *own = &newest->arm[index];
	const struct ensemble_rules rules = { .decay = exp(-t->setup->ensemble_m), .dt_s = (double)t->setup->action_dt_ns * 1e-9,
		.joints = action_is_joints(t->setup), .binary_gripper = t->setup->gripper.binary, .arm = index, .n_steps = t->n_steps };

	chunk_read(t, index, c, newest->n_steps, start, &own->spline, own->first_xyzw, own->gripper);
	ensemble_mean(&t->ensemble, &rules, &p->spline, p->first_xyzw, p->gripper);
	spline_finish(&p->spline);
}

static void path_build(struct trajectory *t, uint32_t index, const struct action_chunk *c, struct ensemble_member *newest,
		const struct past *past, const struct safety *sent, bool restart)
{
	struct path *p = &t->arm[index];
	struct waypoint_start start;

	start_find(t, index, c, past, sent, restart, &start);
	if (newest)
		path_from_ensemble(t, index, c, newest, &start);
	else
		chunk_read(t, index, c, t->n_steps, &start, &p->spline, p->first_xyzw, p->gripper);
	p->dim = p->spline.dim;
	p->joints = action_is_joints(t->setup);
	p->error = (struct ik_error){ 0 };
	p->shortfall = 0.0;
	p->released = false;
	path_splice(t, &t->setup->arm[index], sent, p);
}

bool trajectory_adopt(struct trajectory *t, const struct action_chunk *c, const struct past *past, const struct safety *sent, bool restart)
{
	uint32_t n_steps = steps_to_run(t->setup, c->n_steps);
	double dt_s = (double)t->setup->action_dt_ns * 1e-9, start_s = t->clock.q;
	struct ensemble_member *newest = NULL;
	struct past_entry at;

	if (!restart && past_at(past, c->t_obs_ns, &at))
		start_s = fmin(start_s, at.path_s);
	if (!(t->clock.q < start_s + ((double)n_steps - 0.5) * dt_s))
		return false;
	if (t->setup->method == EXECUTE_ENSEMBLE) {
		newest = ensemble_push(&t->ensemble, c, start_s, n_steps, dt_s);
		n_steps = ensemble_steps(&t->ensemble, dt_s);
	}
	t->chunk = c->id;
	t->instruction_id = c->instruction_id;
	t->frame_stamp_ns = c->frame_stamp_ns;
	t->n_steps = n_steps;
	t->start_s = start_s;
	t->end_s = start_s + n_steps * dt_s;
	for (uint32_t a = 0; a < t->setup->n_arms; a++)
		path_build(t, a, c, newest, past, &sent[a], restart);
	clock_limit(t);
	t->active = true;
	t->braking = t->stopping = false;
	return true;
}

/* ---- running along it -------------------------------------------------------------------------------------------- */

/* How long the arms need to lose the speed that they have now. */
static double stop_time_s(const struct trajectory *t)
{
	const double share = 0.8, least_s = 0.2, most_s = 0.7;
	struct demand d = { 0 };
	struct jet at[SPLINE_DIM_MAX];
	struct ik k;

	for (uint32_t a = 0; a < t->setup->n_arms; a++) {
		ik_prepare(&k, &t->setup->arm[a].model, &t->setup->arm[a].tcp, t->arm[a].q_rad);
		for (uint32_t c = 0; c < t->arm[a].dim; c++)
			at[c] = (struct jet){ .d1 = t->arm[a].now[c].v };
		demand_take(&t->setup->arm[a], t->arm[a].joints, &k, at, &d);
	}
	return fmin(fmax(d.braking / share, least_s), most_s);
}

/* Every coordinate in the same time, so that the direction stays. */
static void stop_begin(struct trajectory *t)
{
	const double least = 1e-3; /* m/s^2, rad/s^2: for one that hardly moves */
	double time_s = stop_time_s(t);

	t->stop_limits = path_clock_stop_limits(&t->clock, time_s, t->end_s);
	for (uint32_t a = 0; a < t->setup->n_arms; a++)
		for (uint32_t k = 0; k < t->arm[a].dim; k++) {
			const struct axis *now = &t->arm[a].now[k];
			double most = fmax(fmax(fabs(now->v) / time_s, fabs(now->a)), least);

			t->arm[a].stop[k] = (struct axis_limits){ .a_max = most, .j_max = most / PATH_CLOCK_RAMP_S };
		}
}

static void clock_run(struct trajectory *t, double rate)
{
	bool stop = !(rate > 0.0);

	if (stop && !t->stopping)
		stop_begin(t);
	t->stopping = stop;
	if (stop)
		path_clock_step(&t->clock, &t->stop_limits, 0.0, period_s(t));
	else
		t->braking = path_clock_step(&t->clock, &t->clock_limits, fmin(rate, fmin(t->rate_cap, t->posture_cap)), period_s(t));
}

/* The look ahead at adoption took all of the path at the posture of then; near a singular one that changes within it. k: at the
 * posture so far. */
static double posture_rate(const struct trajectory *t, const struct arm_setup *arm, const struct ik *k, struct path *p)
{
	struct jet at[SPLINE_DIM_MAX];
	struct demand d = { 0 };

	spline_at(&p->spline, t->clock.q - t->start_s, at);
	demand_take(arm, p->joints, k, at, &d);
	p->shortfall = p->joints ? 0.0 : demand_shortfall(arm, p->q_rad, at);
	return demand_rate(&d);
}

/* What is sent, one period on. k: at the posture so far. */
static void path_step(const struct trajectory *t, const struct arm_setup *arm, const struct ik *k, struct path *p)
{
	struct axis path[PATH_DIM_MAX];

	path_at(p, t->clock.q - t->start_s, t->clock.v, t->clock.a, path);
	if (t->stopping) {
		for (uint32_t i = 0; i < p->dim; i++)
			p->now[i] = axis_brake(&p->now[i], &p->stop[i], period_s(t));
	} else {
		follow_reach(&p->follow, arm, k);
		follow_step(&p->follow, path, period_s(t), p->now);
	}
	offsets_find(p, path);
}

static bool is_finite(const struct path *p)
{
	for (uint32_t k = 0; k < p->dim; k++)
		if (!isfinite(p->now[k].q + p->now[k].v + p->now[k].a))
			return false;
	return true;
}

/* Inverse kinematics would make numbers of it: safety is to see it. */
static void setpoint_not_finite(struct setpoint *out)
{
	for (uint32_t i = 0; i < DOF_MAX; i++)
		out->q_rad[i] = out->dq_rad_s[i] = out->ddq_rad_s2[i] = NAN;
}

static void setpoint_joints(const struct path *p, struct setpoint *out)
{
	for (uint32_t i = 0; i < p->dim; i++) {
		out->q_rad[i] = p->now[i].q;
		out->dq_rad_s[i] = p->now[i].v;
		out->ddq_rad_s2[i] = p->now[i].a;
	}
}

/* The posture that a redundant arm drifts to, only while it moves, and gently. */
static void posture_drift(const struct arm_setup *arm, const struct path *p, const struct ik *k, double rate, double *dq)
{
	const double share = 0.1, ordinary = 0.02; /* where damping sets in, what it leaves of J's null space is none any more */
	double wish[DOF_MAX], fit = fmin(k->manipulability / ordinary, 1.0);

	fit *= fit;

	ik_posture_wish(&arm->model, arm->home_rad, p->q_rad, wish);
	ik_null_space(k, wish, dq);
	for (uint32_t i = 0; i < arm->model.dof; i++)
		fit = fmin(fit, share * arm->limit_scale * arm->model.dq_max_rad_s[i] / fmax(fabs(dq[i]), 1e-9));
	for (uint32_t i = 0; i < arm->model.dof; i++)
		dq[i] *= fit * rate;
}

/* k: at the posture so far; changed. */
static void setpoint_pose(const struct arm_setup *arm, struct path *p, struct ik *k, double rate, double dt_s, struct setpoint *out)
{
	double x[PATH_DIM_MAX], rate_r[3], twist[6], drift[DOF_MAX] = { 0 }, dq[DOF_MAX] = { 0 }, fastest = 0.0;
	struct pose goal;

	for (int i = 0; i < 3; i++) {
		x[i] = p->now[i].q;
		x[3 + i] = p->now[3 + i].q;
		twist[i] = p->now[i].v;
		rate_r[i] = p->now[3 + i].v;
	}
	path_pose(p, x, &goal);
	rotvec_rate_to_omega(x + 3, rate_r, twist + 3);
	posture_drift(arm, p, k, rate, drift);
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		p->q_rad[i] += drift[i] * dt_s;
		fastest = fmax(fastest, arm->limit_scale * arm->model.dq_max_rad_s[i]);
	}
	ik_step(&arm->model, &arm->tcp, &goal, fastest * dt_s, p->q_rad);
	ik_prepare(k, &arm->model, &arm->tcp, p->q_rad);
	double missing[6];

	pose_difference(&k->tcp, &goal, missing);
	p->error = (struct ik_error){ vec3_norm(missing), vec3_norm(missing + 3) };
	ik_solve(k, twist, dq);
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		dq[i] += drift[i];
		out->q_rad[i] = p->q_rad[i];
		out->dq_rad_s[i] = dq[i];
		out->ddq_rad_s2[i] = p->has_dq ? (dq[i] - p->dq_rad_s[i]) / dt_s : 0.0;
		p->dq_rad_s[i] = dq[i];
	}
	p->has_dq = true;
}

static void setpoint_gripper(const struct trajectory *t, uint32_t index, struct path *p, int64_t due_ns, struct setpoint *out)
{
	const struct arm_setup *arm = &t->setup->arm[index];

	if (arm->has_gripper)
		out->has_gripper = gripper_step(&p->gripper_state, &t->setup->gripper, p->gripper[trajectory_current_step(t)],
				arm->gripper_max_m, due_ns, &out->gripper_m);
}

void trajectory_step(struct trajectory *t, double rate, int64_t due_ns, struct setpoint out[ARMS_MAX])
{
	struct ik k;

	memset(out, 0, ARMS_MAX * sizeof *out);
	if (!t->active)
		return;
	clock_run(t, rate);
	bool moving = rate > 0.0 && !t->braking && !trajectory_ran_out(t);

	t->posture_cap = 1.0;
	for (uint32_t a = 0; a < t->setup->n_arms; a++) {
		struct path *p = &t->arm[a];

		if (p->released)
			continue;
		out[a].active = true;
		out[a].source = moving ? TARGET_POLICY : TARGET_HOLD;
		out[a].chunk = t->chunk;
		out[a].step = trajectory_current_step(t);
		out[a].frame_stamp_ns = t->frame_stamp_ns;
		ik_prepare(&k, &t->setup->arm[a].model, &t->setup->arm[a].tcp, p->q_rad);
		t->posture_cap = fmin(t->posture_cap, posture_rate(t, &t->setup->arm[a], &k, p));
		path_step(t, &t->setup->arm[a], &k, p);
		if (!is_finite(p))
			setpoint_not_finite(&out[a]);
		else if (p->joints)
			setpoint_joints(p, &out[a]);
		else
			setpoint_pose(&t->setup->arm[a], p, &k, t->clock.v, period_s(t), &out[a]);
		if (rate > 0.0)
			setpoint_gripper(t, a, p, due_ns, &out[a]);
	}
}
