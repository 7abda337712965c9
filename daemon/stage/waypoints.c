/* waypoints.c - the action spaces of messages.md section 7. */
#include "daemon/stage/waypoints.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double box_margin_m = 0.005, joint_margin_rad = 0.01;

/* LIBERO's operational-space controller: unit mass, critically damped, this stiffness (messages.md section 7). What it is
 * told beyond its input's range it cuts off, before units are put on. */
static const double osc_stiffness = 150.0, osc_input_max = 1.0;

static bool is_joint_space(const struct control_setup *s)
{
	return s->action_space == ACTION_JOINT_DELTA || s->action_space == ACTION_JOINT_ABSOLUTE;
}

/* Exact solution of x'' = k (goal - x) - 2 sqrt(k) x' from x = 0 over t: the step made, and the rate afterwards. */
static double osc_step(double goal, double *rate, double t_s)
{
	double w = sqrt(osc_stiffness), e = exp(-w * t_s);
	double c = *rate - w * goal;
	double left = (-goal + c * t_s) * e; /* x - goal */

	*rate = (c - w * (-goal + c * t_s)) * e;
	return goal + left;
}

/* One action of an arm, scaled. */
static void action_take(const struct control_setup *setup, uint32_t index, const double *action, uint32_t n, double *out)
{
	uint32_t first = setup->arm[index].action_first;

	for (uint32_t k = 0; k < n; k++) {
		double value = first + k < ACTION_DIM_MAX ? action[first + k] : 0.0;

		if (setup->delta_reference == DELTA_OSC)
			value = fmin(fmax(value, -osc_input_max), osc_input_max);
		out[k] = first + k < ACTION_DIM_MAX ? value * setup->action_scale[first + k] : 0.0;
	}
}

static void rotation_read(const struct control_setup *setup, const double r[3], double xyzw[4])
{
	if (setup->rotation == ROTATION_RPY)
		quat_from_rpy(r, xyzw);
	else
		quat_from_rotvec(r, xyzw);
}

/* A delta in the base frame at the TCP: {dp, dr}. */
static void delta_read(const struct control_setup *setup, const struct pose *at, const double a[6], double d[6])
{
	double turn[4];

	memcpy(d, a, 3 * sizeof *d);
	rotation_read(setup, a + 3, turn);
	quat_to_rotvec(turn, d + 3);
	if (setup->delta_frame == FRAME_TCP) { /* R exp(dr) = exp(R dr) R */
		quat_rotate(at->q_xyzw, d, d);
		quat_rotate(at->q_xyzw, d + 3, d + 3);
	}
}

static void pose_displace(struct pose *at, const double d[6])
{
	double turn[4];

	for (int k = 0; k < 3; k++)
		at->p_m[k] += d[k];
	quat_from_rotvec(d + 3, turn);
	quat_multiply(turn, at->q_xyzw, at->q_xyzw);
	quat_normalise(at->q_xyzw, at->q_xyzw);
}

static void pose_contain(const struct arm_setup *arm, struct pose *at)
{
	for (int k = 0; k < 3; k++)
		at->p_m[k] = fmin(fmax(at->p_m[k], arm->box_min_m[k] + box_margin_m), arm->box_max_m[k] - box_margin_m);
}

static void pose_store(const struct pose *at, const double first_xyzw[4], struct spline *s, uint32_t i)
{
	double back[4], turn[4], r[3];

	memcpy(s->x[i], at->p_m, sizeof at->p_m);
	quat_conjugate(first_xyzw, back);
	quat_multiply(at->q_xyzw, back, turn);
	quat_to_rotvec(turn, r);
	if (i > 0)
		rotvec_nearest(r, s->x[i - 1] + 3, r);
	memcpy(s->x[i] + 3, r, sizeof r);
}

static void pose_follow(const struct control_setup *setup, const double a[6], double rate[6], struct pose *at)
{
	double d[6];

	if (setup->action_space == ACTION_EE_ABSOLUTE) {
		memcpy(at->p_m, a, sizeof at->p_m);
		rotation_read(setup, a + 3, at->q_xyzw);
		return;
	}
	delta_read(setup, at, a, d);
	for (int k = 0; k < 6 && setup->delta_reference == DELTA_OSC; k++)
		d[k] = osc_step(d[k], &rate[k], (double)setup->action_dt_ns * 1e-9);
	pose_displace(at, d);
}

static void poses_build(const struct control_setup *setup, uint32_t index, const struct action_chunk *c, uint32_t n_steps,
		const struct waypoint_start *start, struct spline *s, double first_xyzw[4])
{
	const struct arm_setup *arm = &setup->arm[index];
	double j[6][DOF_MAX], rate[6] = { 0 }, a[6];
	struct pose at;

	kinematics_jacobian(&arm->model, &arm->tcp, start->q_rad, &at, j);
	for (int r = 0; r < 6; r++)
		for (uint32_t i = 0; i < arm->model.dof; i++)
			rate[r] += j[r][i] * start->dq_rad[i];
	memcpy(first_xyzw, at.q_xyzw, sizeof at.q_xyzw);
	pose_store(&at, first_xyzw, s, 0);
	for (uint32_t i = 0; i < n_steps; i++) {
		action_take(setup, index, c->action[i], 6, a);
		pose_follow(setup, a, rate, &at);
		pose_contain(arm, &at);
		pose_store(&at, first_xyzw, s, i + 1);
	}
}

static void joints_build(const struct control_setup *setup, uint32_t index, const struct action_chunk *c, uint32_t n_steps,
		const struct waypoint_start *start, struct spline *s)
{
	const struct robot_model *m = &setup->arm[index].model;
	double a[DOF_MAX];

	memcpy(s->x[0], start->q_rad, sizeof s->x[0]);
	for (uint32_t i = 0; i < n_steps; i++) {
		action_take(setup, index, c->action[i], m->dof, a);
		for (uint32_t k = 0; k < m->dof; k++) {
			double d = setup->action_space == ACTION_JOINT_ABSOLUTE ? a[k] - s->x[i][k] : a[k];

			s->x[i + 1][k] = fmin(fmax(s->x[i][k] + d, m->q_min_rad[k] + joint_margin_rad),
					m->q_max_rad[k] - joint_margin_rad);
		}
	}
}

void waypoints_build(const struct control_setup *setup, uint32_t index, const struct action_chunk *c, uint32_t n_steps,
		const struct waypoint_start *start, struct spline *s, double first_xyzw[4])
{
	s->n = n_steps + 1;
	s->dim = is_joint_space(setup) ? setup->arm[index].model.dof : 6;
	s->step_s = (double)setup->action_dt_ns * 1e-9;
	if (is_joint_space(setup))
		joints_build(setup, index, c, n_steps, start, s);
	else
		poses_build(setup, index, c, n_steps, start, s, first_xyzw);
}
