/* trajectory.c - from a chunk to setpoints; see trajectory.h. */
#include "daemon/stage/trajectory.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/waypoints.h"

/* Below this rate the sent velocity says nothing about the path's (it is divided by the rate). */
static const double slow_rate = 0.1;
/* Shares of the arm's limits that a path may take: the rest is for cancelling offsets and for inverse kinematics. */
static const double velocity_share = 0.8, acceleration_share = 0.6;
/* Slowing down: at least so fast, at most so fast (1/s of rate), and with a ramp of this length. */
static const double decel_least = 0.5, decel_most = 5.0, decel_ramp_s = 0.05;

static double period_s(const struct trajectory *t)
{
	return (double)t->setup->period_ns * 1e-9;
}

void trajectory_init(struct trajectory *t, const struct control_setup *setup)
{
	*t = (struct trajectory){ .setup = setup };
}

void trajectory_drop(struct trajectory *t)
{
	t->active = false;
	t->braking = false;
	t->clock.v = t->clock.a = 0.0;
}

void trajectory_resume_grippers(struct trajectory *t, const struct safety *sent, int64_t now_ns)
{
	for (uint32_t a = 0; a < t->setup->n_arms; a++)
		if (sent[a].has_gripper)
			gripper_resume(&t->arm[a].gripper_state, sent[a].gripper_m, t->setup->arm[a].gripper_max_m, now_ns);
}

bool trajectory_standing(const struct trajectory *t)
{
	return !t->active || (t->clock.v <= 1e-9 && fabs(t->clock.a) <= 1e-9);
}

bool trajectory_ran_out(const struct trajectory *t)
{
	const double slow = 0.05, near_steps = 0.02;
	double dt_s = (double)t->setup->action_dt_ns * 1e-9;

	return !t->active || (t->clock.v < slow && t->end_s - t->clock.q < near_steps * dt_s);
}

uint32_t trajectory_current_step(const struct trajectory *t)
{
	double dt_s = (double)t->setup->action_dt_ns * 1e-9;
	double i = floor((t->clock.q - t->start_s) / dt_s);

	return t->n_steps == 0 ? 0 : (uint32_t)fmin(fmax(i, 0.0), (double)(t->n_steps - 1));
}

void path_look(const struct path *p, const struct path_times *t, double path_s, struct jet out[SPLINE_DIM_MAX])
{
	spline_at(&p->spline, path_s - t->start_s, out);
	for (uint32_t k = 0; k < p->dim; k++) {
		struct jet f = fade_at(p->fade[k], t->fade_s, path_s - t->fade_start_s);

		out[k].x += f.x;
		out[k].d1 += f.d1;
		out[k].d2 += f.d2;
	}
}

static void path_at(const struct trajectory *t, const struct path *p, double path_s, struct jet out[SPLINE_DIM_MAX])
{
	path_look(p, &(struct path_times){ t->start_s, t->fade_start_s, t->fade_s }, path_s, out);
}

void path_pose(const struct path *p, const struct jet at[SPLINE_DIM_MAX], struct pose *out)
{
	double r[3], turn[4];

	for (int i = 0; i < 3; i++) {
		out->p_m[i] = at[i].x;
		r[i] = at[3 + i].x;
	}
	quat_from_rotvec(r, turn);
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

/* What is between the sent motion and the new path now: v = x' rate, a = x'' rate^2 + x' d(rate)/dt. */
static void path_splice(const struct trajectory *t, const struct arm_setup *arm, const struct safety *sent, struct path *p)
{
	double rate = t->clock.v, rate_change = t->clock.a;
	struct jet now[SPLINE_DIM_MAX], moved[SPLINE_DIM_MAX];

	for (uint32_t i = 0; i < DOF_MAX; i++) {
		p->q_rad[i] = sent->joint[i].q;
		p->dq_rad_s[i] = sent->joint[i].v;
	}
	p->has_dq = true;
	memset(p->fade, 0, sizeof p->fade);
	spline_at(&p->spline, t->clock.q - t->start_s, now);
	sent_motion(arm, p, sent, now, moved);
	for (uint32_t k = 0; k < p->dim; k++) {
		p->fade[k][0] = moved[k].x - now[k].x;
		if (rate <= slow_rate)
			continue;
		double d1 = moved[k].d1 / rate;

		p->fade[k][1] = d1 - now[k].d1;
		p->fade[k][2] = (moved[k].d2 - d1 * rate_change) / (rate * rate) - now[k].d2;
	}
}

/* Largest offset and change of velocity in units of the arm's acceleration, to give fading the time that it needs. */
static double fade_length_s(const struct arm_setup *arm, const struct path *p, double blend_s)
{
	const double share = 0.4, peak_0 = 5.78, peak_1 = 4.0, longest_s = 2.0; /* peaks of h0'' and h1'' of the quintic */
	double length_s = fmax(blend_s, 0.02);

	for (uint32_t k = 0; k < p->dim; k++) {
		double a = p->joints ? arm->model.ddq_max_rad_s2[k]
				     : k < 3 ? arm->model.tcp_a_max_m_s2 / 4.0 : arm->model.tcp_alpha_max_rad_s2 / 4.0;

		a *= share * fmax(arm->limit_scale, 0.01);
		length_s = fmax(length_s, sqrt(peak_0 * fabs(p->fade[k][0]) / a));
		length_s = fmax(length_s, peak_1 * fabs(p->fade[k][1]) / a);
	}
	return fmin(length_s, longest_s);
}

/* Joint and TCP motion for derivatives in the path's coordinates; to first order at the present posture. */
static void to_joints(const struct path *p, const struct ik *k, const double *d, double *dq, double twist[6])
{
	if (!p->joints) {
		memcpy(twist, d, 6 * sizeof *d);
		ik_solve(k, d, dq);
		return;
	}
	memcpy(dq, d, p->dim * sizeof *d);
	for (int r = 0; r < 6; r++) {
		twist[r] = 0.0;
		for (uint32_t i = 0; i < k->dof; i++)
			twist[r] += k->j[r][i] * d[i];
	}
}

struct demand {
	double velocity, acceleration; /* of limits, at rate 1 */
	double braking;                /* |q'| / a_max, the largest, s */
};

static void demand_take(const struct arm_setup *arm, const struct path *p, const struct ik *k, const struct jet *at, struct demand *d)
{
	const struct robot_model *m = &arm->model;
	double scale = fmax(arm->limit_scale, 0.01);
	double d1[PATH_DIM_MAX], d2[PATH_DIM_MAX], dq[DOF_MAX] = { 0 }, ddq[DOF_MAX] = { 0 }, twist[6], ignored[6];

	for (uint32_t i = 0; i < p->dim; i++) {
		d1[i] = at[i].d1;
		d2[i] = at[i].d2;
	}
	to_joints(p, k, d1, dq, twist);
	to_joints(p, k, d2, ddq, ignored);
	for (uint32_t i = 0; i < m->dof; i++) {
		d->velocity = fmax(d->velocity, fabs(dq[i]) / (scale * m->dq_max_rad_s[i]));
		d->acceleration = fmax(d->acceleration, fabs(ddq[i]) / (scale * m->ddq_max_rad_s2[i]));
		d->braking = fmax(d->braking, fabs(dq[i]) / (scale * m->ddq_max_rad_s2[i]));
	}
	double v_max = scale * m->tcp_v_max_m_s;

	if (arm->tcp_v_max_m_s > 0.0)
		v_max = fmin(v_max, arm->tcp_v_max_m_s);
	d->velocity = fmax(d->velocity, fmax(vec3_norm(twist) / v_max, vec3_norm(twist + 3) / m->tcp_w_max_rad_s));
}

static void demand_find(const struct trajectory *t, const struct arm_setup *arm, const struct path *p, struct demand *d)
{
	enum { LOOKS = 48 };
	double length_s = t->end_s - t->clock.q;
	struct jet at[SPLINE_DIM_MAX];
	struct ik k;

	ik_prepare(&k, &arm->model, &arm->tcp, p->q_rad);
	for (int i = 0; i <= LOOKS; i++) {
		path_at(t, p, t->clock.q + length_s * i / LOOKS, at);
		demand_take(arm, p, &k, at, d);
	}
}

/* The rate at which no arm's limits are reached, and how fast that rate may change. */
static void clock_limit(struct trajectory *t)
{
	struct demand d = { 0 };

	for (uint32_t a = 0; a < t->setup->n_arms; a++)
		demand_find(t, &t->setup->arm[a], &t->arm[a], &d);
	t->rate_cap = 1.0;
	if (d.velocity > velocity_share)
		t->rate_cap = velocity_share / d.velocity;
	if (d.acceleration > acceleration_share)
		t->rate_cap = fmin(t->rate_cap, sqrt(acceleration_share / d.acceleration));
	double decel = fmin(fmax(acceleration_share / fmax(d.braking, 1e-6), decel_least), decel_most);

	t->clock_limits = (struct axis_limits){ .q_min = -INFINITY, .q_max = t->end_s, .v_max = 1.0, .a_max = decel,
		.j_max = decel / decel_ramp_s };
}

static void path_build(struct trajectory *t, uint32_t index, const struct action_chunk *c, const struct past *past,
		const struct safety *sent, bool restart)
{
	const struct arm_setup *arm = &t->setup->arm[index];
	struct path *p = &t->arm[index];
	struct waypoint_start start;

	start_find(t, index, c, past, sent, restart, &start);
	waypoints_build(t->setup, index, c, t->n_steps, &start, &p->spline, p->first_xyzw);
	spline_finish(&p->spline);
	p->dim = p->spline.dim;
	p->joints = t->setup->action_space == ACTION_JOINT_DELTA || t->setup->action_space == ACTION_JOINT_ABSOLUTE;
	p->error = (struct ik_error){ 0 };
	for (uint32_t i = 0; i < t->n_steps && arm->has_gripper; i++)
		p->gripper[i] = c->action[i][arm->action_first + arm->action_count - 1];
	path_splice(t, arm, sent, p);
}

bool trajectory_adopt(struct trajectory *t, const struct action_chunk *c, const struct past *past, const struct safety *sent, bool restart)
{
	uint32_t n_steps = steps_to_run(t->setup, c->n_steps);
	double dt_s = (double)t->setup->action_dt_ns * 1e-9, start_s = t->clock.q;
	struct past_entry at;

	if (!restart && past_at(past, c->t_obs_ns, &at))
		start_s = fmin(start_s, at.path_s);
	if (!(t->clock.q < start_s + ((double)n_steps - 0.5) * dt_s))
		return false;
	t->chunk = c->id;
	t->instruction_id = c->instruction_id;
	t->frame_stamp_ns = c->frame_stamp_ns;
	t->n_steps = n_steps;
	t->start_s = start_s;
	t->end_s = start_s + n_steps * dt_s;
	t->fade_start_s = t->clock.q;
	t->fade_s = 0.0;
	for (uint32_t a = 0; a < t->setup->n_arms; a++) {
		path_build(t, a, c, past, &sent[a], restart);
		t->fade_s = fmax(t->fade_s, fade_length_s(&t->setup->arm[a], &t->arm[a], (double)t->setup->blend_ns * 1e-9));
	}
	clock_limit(t);
	t->active = true;
	t->braking = false;
	return true;
}

/* ---- running along it -------------------------------------------------------------------------------------------- */

static void clock_step(struct trajectory *t, double rate)
{
	struct axis_limits l = t->clock_limits;
	double dt_s = period_s(t);

	/* A path taken over in full motion may have narrower limits: the clock comes into them by braking. */
	l.a_max = fmax(l.a_max, fabs(t->clock.a));
	l.v_max = fmax(l.v_max, t->clock.v);
	if (!(rate > 0.0)) {
		t->clock = axis_brake(&t->clock, &l, dt_s);
		return;
	}
	double wish = axis_track_velocity(&t->clock, fmin(rate, t->rate_cap), &l, dt_s);

	t->braking = axis_step(&t->clock, &l, wish, dt_s) < 1.0;
}

static void setpoint_joints(struct path *p, const struct jet *at, double rate, double rate_change, struct setpoint *out)
{
	for (uint32_t i = 0; i < p->dim; i++) {
		out->q_rad[i] = at[i].x;
		out->dq_rad_s[i] = at[i].d1 * rate;
		out->ddq_rad_s2[i] = at[i].d2 * rate * rate + at[i].d1 * rate_change;
	}
}

/* The posture that a redundant arm drifts to, only while it moves, and gently. */
static void posture_drift(const struct arm_setup *arm, const struct path *p, const struct ik *k, double rate, double *dq)
{
	const double share = 0.1;
	double wish[DOF_MAX], fit = 1.0;

	ik_posture_wish(&arm->model, arm->home_rad, p->q_rad, wish);
	ik_null_space(k, wish, dq);
	for (uint32_t i = 0; i < arm->model.dof; i++)
		fit = fmin(fit, share * arm->limit_scale * arm->model.dq_max_rad_s[i] / fmax(fabs(dq[i]), 1e-9));
	for (uint32_t i = 0; i < arm->model.dof; i++)
		dq[i] *= fit * rate;
}

static void setpoint_pose(const struct arm_setup *arm, struct path *p, const struct jet *at, double rate, double dt_s, struct setpoint *out)
{
	double r[3], rate_r[3], twist[6], drift[DOF_MAX] = { 0 }, dq[DOF_MAX] = { 0 }, fastest = 0.0;
	struct pose goal;
	struct ik k;

	path_pose(p, at, &goal);
	for (int i = 0; i < 3; i++) {
		twist[i] = at[i].d1 * rate;
		r[i] = at[3 + i].x;
		rate_r[i] = at[3 + i].d1 * rate;
	}
	rotvec_rate_to_omega(r, rate_r, twist + 3);
	ik_prepare(&k, &arm->model, &arm->tcp, p->q_rad);
	posture_drift(arm, p, &k, rate, drift);
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		p->q_rad[i] += drift[i] * dt_s;
		fastest = fmax(fastest, arm->limit_scale * arm->model.dq_max_rad_s[i]);
	}
	ik_step(&arm->model, &arm->tcp, &goal, fastest * dt_s, p->q_rad);
	ik_prepare(&k, &arm->model, &arm->tcp, p->q_rad);
	double missing[6];

	pose_difference(&k.tcp, &goal, missing);
	p->error = (struct ik_error){ vec3_norm(missing), vec3_norm(missing + 3) };
	ik_solve(&k, twist, dq);
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
	struct jet at[SPLINE_DIM_MAX];

	memset(out, 0, ARMS_MAX * sizeof *out);
	if (!t->active)
		return;
	clock_step(t, rate);
	bool moving = rate > 0.0 && !t->braking && !trajectory_ran_out(t);

	for (uint32_t a = 0; a < t->setup->n_arms; a++) {
		struct path *p = &t->arm[a];

		out[a].active = true;
		out[a].source = moving ? TARGET_POLICY : TARGET_HOLD;
		out[a].chunk = t->chunk;
		out[a].step = trajectory_current_step(t);
		out[a].frame_stamp_ns = t->frame_stamp_ns;
		path_at(t, p, t->clock.q, at);
		if (p->joints)
			setpoint_joints(p, at, t->clock.v, t->clock.a, &out[a]);
		else
			setpoint_pose(&t->setup->arm[a], p, at, t->clock.v, period_s(t), &out[a]);
		if (rate > 0.0)
			setpoint_gripper(t, a, p, due_ns, &out[a]);
	}
}
