/* action.c - the action spaces of messages.md section 7, forwards and backwards; see action.h. */
#include "daemon/stage/action.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double box_margin_m = 0.005, joint_margin_rad = 0.01;

/* LIBERO's operational-space controller: unit mass, critically damped, this stiffness (messages.md section 7). What it is
 * told beyond its input's range it cuts off, before units are put on. */
static const double osc_stiffness = 150.0, osc_input_max = 1.0;

bool action_is_joints(const struct control_setup *s)
{
	return s->action_space == ACTION_JOINT_DELTA || s->action_space == ACTION_JOINT_ABSOLUTE;
}

static double step_s(const struct control_setup *s)
{
	return (double)s->action_dt_ns * 1e-9;
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

/* The goal that makes osc_step move by x. */
static double osc_goal(double x, double rate, double t_s)
{
	double w = sqrt(osc_stiffness), e = exp(-w * t_s);

	return (x - rate * t_s * e) / (1.0 - e * (1.0 + w * t_s));
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

/* The inverse of action_take. */
static void action_put(const struct control_setup *setup, uint32_t index, const double *scaled, uint32_t n, double *action)
{
	uint32_t first = setup->arm[index].action_first;

	for (uint32_t k = 0; k < n && first + k < ACTION_DIM_MAX; k++) {
		double scale = setup->action_scale[first + k], value = scaled[k] / scale;

		if (setup->delta_reference == DELTA_OSC)
			value = fmin(fmax(value, -osc_input_max), osc_input_max);
		if (scale != 0.0)
			action[first + k] = value;
	}
}

static void rotation_read(const struct control_setup *setup, const double r[3], double xyzw[4])
{
	if (setup->rotation == ROTATION_RPY)
		quat_from_rpy(r, xyzw);
	else
		quat_from_rotvec(r, xyzw);
}

/* Roll and yaw half a turn on, pitch mirrored: the same rotation. */
static void rpy_other(const double rpy[3], const double near[3], double out[3])
{
	const double other[3] = { rpy[0] + M_PI, M_PI - rpy[1], rpy[2] + M_PI };

	for (int i = 0; i < 3; i++)
		out[i] = other[i] + 2.0 * M_PI * round((near[i] - other[i]) / (2.0 * M_PI));
}

static double apart(const double a[3], const double b[3])
{
	const double d[3] = { a[0] - b[0], a[1] - b[1], a[2] - b[2] };

	return vec3_norm(d);
}

static void rpy_nearest(const double xyzw[4], const double near[3], double out[3])
{
	double rpy[3], other[3];

	quat_to_rpy(xyzw, rpy);
	rpy_other(rpy, near, other);
	for (int i = 0; i < 3; i++)
		out[i] = rpy[i] + 2.0 * M_PI * round((near[i] - rpy[i]) / (2.0 * M_PI));
	if (apart(other, near) < apart(out, near))
		memcpy(out, other, sizeof other);
}

/* The inverse of rotation_read. */
static void rotation_write(const struct control_setup *setup, const double xyzw[4], const double near[3], double r[3])
{
	if (setup->rotation == ROTATION_RPY) {
		rpy_nearest(xyzw, near, r);
		return;
	}
	quat_to_rotvec(xyzw, r);
	rotvec_nearest(r, near, r);
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

/* The inverse of delta_read. */
static void delta_write(const struct control_setup *setup, const struct pose *at, const double d[6], const double near[6], double a[6])
{
	double seen[6], back[4], turn[4];

	memcpy(seen, d, sizeof seen);
	if (setup->delta_frame == FRAME_TCP) {
		quat_conjugate(at->q_xyzw, back);
		quat_rotate(back, seen, seen);
		quat_rotate(back, seen + 3, seen + 3);
	}
	memcpy(a, seen, 3 * sizeof *a);
	quat_from_rotvec(seen + 3, turn);
	rotation_write(setup, turn, near + 3, a + 3);
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

static void pose_follow(const struct control_setup *setup, const double a[6], struct action_point *point)
{
	struct pose *at = &point->at;
	double d[6];

	if (setup->action_space == ACTION_EE_ABSOLUTE) {
		memcpy(at->p_m, a, sizeof at->p_m);
		rotation_read(setup, a + 3, at->q_xyzw);
		return;
	}
	delta_read(setup, at, a, d);
	for (int k = 0; k < 6 && setup->delta_reference == DELTA_OSC; k++)
		d[k] = osc_step(d[k], &point->rate[k], step_s(setup));
	pose_displace(at, d);
}

static void joints_follow(const struct control_setup *setup, const struct robot_model *m, const double *a, double *q)
{
	for (uint32_t k = 0; k < m->dof; k++) {
		double d = setup->action_space == ACTION_JOINT_ABSOLUTE ? a[k] - q[k] : a[k];

		q[k] = fmin(fmax(q[k] + d, m->q_min_rad[k] + joint_margin_rad), m->q_max_rad[k] - joint_margin_rad);
	}
}

void action_begin(const struct control_setup *setup, uint32_t index, const struct waypoint_start *start, struct action_point *out)
{
	const struct arm_setup *arm = &setup->arm[index];
	double j[6][DOF_MAX];

	*out = (struct action_point){ 0 };
	memcpy(out->q_rad, start->q_rad, sizeof out->q_rad);
	kinematics_jacobian(&arm->model, &arm->tcp, start->q_rad, &out->at, j);
	for (int r = 0; r < 6; r++)
		for (uint32_t i = 0; i < arm->model.dof; i++)
			out->rate[r] += j[r][i] * start->dq_rad[i];
}

void action_follow(const struct control_setup *setup, uint32_t index, const double *action, struct action_point *at)
{
	const struct arm_setup *arm = &setup->arm[index];
	double a[DOF_MAX];

	action_take(setup, index, action, action_is_joints(setup) ? arm->model.dof : 6, a);
	if (action_is_joints(setup)) {
		joints_follow(setup, &arm->model, a, at->q_rad);
		return;
	}
	pose_follow(setup, a, at);
	pose_contain(arm, &at->at);
}

/* ---- and back ---------------------------------------------------------------------------------------------------- */

static void pose_find(const struct control_setup *setup, const struct action_point *at, const struct pose *goal, const double near[6],
		double a[6])
{
	double d[6];

	if (setup->action_space == ACTION_EE_ABSOLUTE) {
		memcpy(a, goal->p_m, sizeof goal->p_m);
		rotation_write(setup, goal->q_xyzw, near + 3, a + 3);
		return;
	}
	pose_difference(&at->at, goal, d);
	for (int k = 0; k < 6 && setup->delta_reference == DELTA_OSC; k++)
		d[k] = osc_goal(d[k], at->rate[k], step_s(setup));
	delta_write(setup, &at->at, d, near, a);
}

void action_find(const struct control_setup *setup, uint32_t index, const struct action_point *at, const struct action_point *goal,
		double *action)
{
	uint32_t dof = setup->arm[index].model.dof;
	double near[DOF_MAX], a[DOF_MAX];

	if (!action_is_joints(setup)) {
		action_take(setup, index, action, 6, near);
		pose_find(setup, at, &goal->at, near, a);
		action_put(setup, index, a, 6, action);
		return;
	}
	for (uint32_t k = 0; k < dof; k++)
		a[k] = setup->action_space == ACTION_JOINT_ABSOLUTE ? goal->q_rad[k] : goal->q_rad[k] - at->q_rad[k];
	action_put(setup, index, a, dof, action);
}
