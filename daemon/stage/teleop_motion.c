/* teleop_motion.c - see teleop_motion.h. */
#include "daemon/stage/teleop_motion.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double gripper_change_m = 0.005; /* messages.md section 5 */
/* Shares of the arm's limits that a person's motion may take, and how long an acceleration takes to build up. */
static const double acceleration_share = 0.3, joint_speed_share = 0.3, drift_share = 0.1, ramp_s = 0.02;
/* The reference leads the arm by this at most, and a goal the reference. */
static const double leash_rad = 0.02, leash_m = 0.01, leash_turn_rad = 0.05;
/* Of the speeds that a person may have: what safety keeps for itself must not hold a steady motion up. */
static const double reserve = 0.9;
static const double far = 1e6; /* no bound of its own: the arm's limits are safety's */

double teleop_mismatch_rad(const struct teleop_input *in, const struct arm_setup *arm, const struct safety *sent)
{
	double most = 0.0;

	for (uint32_t i = 0; i < arm->model.dof && in->kind == TELEOP_JOINT; i++) {
		double apart = fabs(in->value[i] - sent->joint[i].q);

		most = apart > most || isnan(apart) ? apart : most;
		if (isnan(most))
			return most;
	}
	return most;
}

/* ---- start ------------------------------------------------------------------------------------------------------------------ */

static void start_tcp(struct teleop_motion *m, const struct safety *sent)
{
	double j[6][DOF_MAX];

	kinematics_jacobian(&m->arm->model, &m->arm->tcp, m->q_rad, &m->start, j);
	m->goal = m->start;
	for (int r = 0; r < 6; r++)
		for (uint32_t i = 0; i < m->arm->model.dof; i++)
			m->axis[r].v += j[r][i] * sent->joint[i].v;
}

void teleop_motion_start(struct teleop_motion *m, const struct control_setup *setup, uint32_t arm, const struct teleop_input *in,
		const struct safety *sent)
{
	*m = (struct teleop_motion){ .arm = &setup->arm[arm], .dt_s = (double)setup->period_ns * 1e-9, .v_max_m_s = setup->teleop_v_max_m_s,
		.w_max_rad_s = setup->teleop_w_max_rad_s, .kind = in->kind, .gripper_known = in->has_gripper, .gripper_start_m = in->gripper_m };
	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		m->q_rad[i] = sent->joint[i].q;
	if (m->kind == TELEOP_JOINT)
		memcpy(m->axis, sent->joint, sizeof m->axis);
	else
		start_tcp(m, sent);
}

/* ---- what the device asks for -> the next goal of the TCP ------------------------------------------------------------------------ */

static struct axis_limits tcp_limits(const struct teleop_motion *m, bool turns, double speed)
{
	const struct robot_model *r = &m->arm->model;
	double v = speed * reserve * (turns ? m->w_max_rad_s : m->v_max_m_s);
	double a = acceleration_share * m->arm->limit_scale * (turns ? r->tcp_alpha_max_rad_s2 : r->tcp_a_max_m_s2);

	return (struct axis_limits){ .q_min = -far, .q_max = far, .v_min = -v, .v_max = v, .a_max = a, .j_max = a / ramp_s };
}

/* Shortens v to `most`; what is not finite becomes nothing. */
static void shorten(double v[3], double most)
{
	double length = vec3_norm(v), scale = length > most ? most / length : 1.0;

	for (int i = 0; i < 3; i++)
		v[i] = isfinite(length) ? v[i] * scale : 0.0;
}

/* Twist: the goal moves by what its velocity, which follows the wish, makes of one period. */
static void advance_twist(struct teleop_motion *m, const struct teleop_input *in, double speed)
{
	double wish[6], way[6], turn[4];

	memcpy(wish, in->value, sizeof wish);
	if (in->frame == FRAME_TCP) {
		quat_rotate(m->goal.q_xyzw, in->value, wish);
		quat_rotate(m->goal.q_xyzw, in->value + 3, wish + 3);
	}
	shorten(wish, speed * reserve * m->v_max_m_s);
	shorten(wish + 3, speed * reserve * m->w_max_rad_s);
	for (int i = 0; i < 6; i++) {
		struct axis_limits l = tcp_limits(m, i >= 3, 1.0);

		m->axis[i].q = 0.0;
		axis_step(&m->axis[i], &l, axis_track_velocity(&m->axis[i], wish[i], &l, m->dt_s), m->dt_s);
		way[i] = m->axis[i].q;
	}
	for (int i = 0; i < 3; i++)
		m->goal.p_m[i] += way[i];
	quat_from_rotvec(way + 3, turn);
	quat_multiply(turn, m->goal.q_xyzw, m->goal.q_xyzw);
	quat_normalise(m->goal.q_xyzw, m->goal.q_xyzw);
}

/* Pose: the way from the take-over's pose follows the device's. */
static void advance_pose(struct teleop_motion *m, const struct teleop_input *in, double speed)
{
	double way[6], near[3], turn[4];

	memcpy(way, in->value, 3 * sizeof *way);
	quat_to_rotvec(in->value + 3, way + 3);
	for (int i = 0; i < 3; i++)
		near[i] = m->axis[3 + i].q;
	rotvec_nearest(way + 3, near, way + 3);
	for (int i = 0; i < 6; i++) {
		struct axis_limits l = tcp_limits(m, i >= 3, speed);
		struct axis reference = { .q = way[i] };

		axis_step(&m->axis[i], &l, axis_track(&m->axis[i], &reference, &l, m->dt_s), m->dt_s);
	}
	for (int i = 0; i < 3; i++) {
		m->goal.p_m[i] = m->start.p_m[i] + m->axis[i].q;
		near[i] = m->axis[3 + i].q;
	}
	quat_from_rotvec(near, turn);
	quat_multiply(turn, m->start.q_xyzw, m->goal.q_xyzw);
}

/* ---- goal of the TCP -> joints ---------------------------------------------------------------------------------------------------- */

/* The goal, or the place on the way to it that the leash allows. */
static struct pose leashed(const struct pose *at, const struct pose *goal)
{
	double way[6], turn[4];
	struct pose near = *at;

	pose_difference(at, goal, way);
	shorten(way, leash_m);
	shorten(way + 3, leash_turn_rad);
	for (int i = 0; i < 3; i++)
		near.p_m[i] += way[i];
	quat_from_rotvec(way + 3, turn);
	quat_multiply(turn, at->q_xyzw, near.q_xyzw);
	return near;
}

/* A redundant arm drifts to its home posture, in proportion to how fast its TCP moves. */
static void drift(const struct teleop_motion *m, const struct ik *k, double *q_rad)
{
	const struct robot_model *r = &m->arm->model;
	double wish[DOF_MAX], dq[DOF_MAX] = { 0 }, fit = 1.0, busy = 0.0;

	for (int i = 0; i < 6; i++)
		busy = fmax(busy, fabs(m->axis[i].v) / (i < 3 ? m->v_max_m_s : m->w_max_rad_s));
	ik_posture_wish(r, m->arm->home_rad, q_rad, wish);
	ik_null_space(k, wish, dq);
	for (uint32_t i = 0; i < r->dof; i++)
		fit = fmin(fit, drift_share * m->arm->limit_scale * r->dq_max_rad_s[i] / fmax(fabs(dq[i]), 1e-9));
	for (uint32_t i = 0; i < r->dof; i++)
		q_rad[i] += fit * fmin(busy, 1.0) * dq[i] * m->dt_s;
}

static void follow_goal(struct teleop_motion *m)
{
	const struct robot_model *r = &m->arm->model;
	double fastest = INFINITY;
	struct pose near;
	struct ik k;

	for (uint32_t i = 0; i < r->dof; i++)
		fastest = fmin(fastest, m->arm->limit_scale * r->dq_max_rad_s[i]);
	ik_prepare(&k, r, &m->arm->tcp, m->q_rad);
	near = leashed(&k.tcp, &m->goal);
	drift(m, &k, m->q_rad);
	ik_step(r, &m->arm->tcp, &near, fastest * m->dt_s, m->q_rad);
}

/* Keeps the reference on its leash; a twist's goal comes along, or else it would run away while an edge holds the arm. */
static void pull_back(struct teleop_motion *m, const struct safety *sent)
{
	struct pose at;

	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		m->q_rad[i] = sent->joint[i].q + fmin(fmax(m->q_rad[i] - sent->joint[i].q, -leash_rad), leash_rad);
	if (m->kind != TELEOP_TWIST)
		return;
	kinematics_forward(&m->arm->model, &m->arm->tcp, m->q_rad, &at);
	m->goal = leashed(&at, &m->goal);
}

static void advance_joints(struct teleop_motion *m, const struct teleop_input *in, double speed)
{
	const struct robot_model *r = &m->arm->model;

	for (uint32_t i = 0; i < r->dof; i++) {
		double v = speed * joint_speed_share * m->arm->limit_scale * r->dq_max_rad_s[i];
		double a = acceleration_share * m->arm->limit_scale * r->ddq_max_rad_s2[i];
		struct axis_limits l = { .q_min = -far, .q_max = far, .v_min = -v, .v_max = v, .a_max = a, .j_max = a / ramp_s };
		struct axis reference = { .q = in->value[i] };

		axis_step(&m->axis[i], &l, axis_track(&m->axis[i], &reference, &l, m->dt_s), m->dt_s);
		m->q_rad[i] = m->axis[i].q;
	}
}

static void set_gripper(struct teleop_motion *m, const struct teleop_input *in, struct setpoint *out)
{
	if (!in->has_gripper || !m->arm->has_gripper)
		return;
	if (!m->gripper_known)
		m->gripper_start_m = in->gripper_m;
	m->gripper_known = true;
	m->gripper_acts |= fabs(in->gripper_m - m->gripper_start_m) >= gripper_change_m;
	out->has_gripper = m->gripper_acts;
	out->gripper_m = in->gripper_m;
}

void teleop_motion_step(struct teleop_motion *m, const struct teleop_input *in, const struct safety *sent, double speed,
		struct setpoint *out)
{
	double before[DOF_MAX];

	*out = (struct setpoint){ .active = true, .source = TARGET_TELEOP, .tcp_v_max_m_s = m->v_max_m_s,
		.tcp_w_max_rad_s = m->w_max_rad_s };
	memcpy(before, m->q_rad, sizeof before);
	if (m->kind == TELEOP_JOINT) {
		advance_joints(m, in, speed);
	} else {
		(m->kind == TELEOP_TWIST ? advance_twist : advance_pose)(m, in, speed);
		follow_goal(m);
	}
	pull_back(m, sent);
	for (uint32_t i = 0; i < m->arm->model.dof; i++) {
		out->q_rad[i] = m->q_rad[i];
		out->dq_rad_s[i] = (m->q_rad[i] - before[i]) / m->dt_s;
	}
	set_gripper(m, in, out);
}
