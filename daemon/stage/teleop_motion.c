/* teleop_motion.c - see teleop_motion.h. */
#include "daemon/stage/teleop_motion.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/safety_edge.h"

/* Shares of the arm's limits that a person's motion may take: what is left lets safety follow it exactly. */
static const double tcp_acceleration_share = 0.3, velocity_share = 0.8, acceleration_share = 0.6, jerk_share = 0.5;
static const double joint_speed_share = 0.3, drift_share = 0.1, tcp_ramp_s = 0.02;
/* The reference leads the arm by this at most, and the goal leads the reference. */
static const double leash_rad = 0.02, leash_m = 0.01, leash_turn_rad = 0.05;
/* What joint limits made of the way to the goal is caught up at this rate (1/s), and not faster than these. */
static const double catch_up = 4.0, catch_up_m_s = 0.02, catch_up_rad_s = 0.1;
/* Of the speeds that a person may have: what safety keeps for itself must not hold a steady motion up. */
static const double reserve = 0.9;
/* Whatever else happens, the TCP moves not much faster than the person asks for; braking joint by joint needs some room. */
static const double cap_share = 1.3, cap_more_m_s = 0.06;
/* Towards an edge the arm moves at this rate (1/s) times what is left of the way: gentler than safety would, which has nothing to do. */
static const double edge_rate = 4.0;
static const double still = 2e-3, near_m = 2e-4, near_rad = 5e-4;
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

/* Limits of the reference: within those that safety keeps, and never below what the joint has already. */
static struct axis_limits joint_limits(const struct axis_limits *of_safety, const struct axis *now)
{
	struct axis_limits l = *of_safety;

	l.v_max = fmax(velocity_share * l.v_max, fabs(now->v));
	l.v_min = -l.v_max;
	l.a_max = fmax(acceleration_share * l.a_max, fabs(now->a));
	l.j_max *= jerk_share;
	return l;
}

/* The reference begins, or begins again, where the arm is sent, moving as it does. */
static void anchor(struct teleop_motion *m, const struct safety *sent)
{
	double q[DOF_MAX] = { 0 };

	memcpy(m->joint, sent->joint, sizeof m->joint);
	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		q[i] = sent->joint[i].q;
	kinematics_forward(&m->arm->model, &m->arm->tcp, q, &m->at);
}

static void start_tcp(struct teleop_motion *m, const struct safety *sent)
{
	double j[6][DOF_MAX], q[DOF_MAX] = { 0 };

	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		q[i] = sent->joint[i].q;
	kinematics_jacobian(&m->arm->model, &m->arm->tcp, q, &m->start, j);
	m->goal = m->start;
	for (int r = 0; r < 6; r++)
		for (uint32_t i = 0; i < m->arm->model.dof; i++)
			m->axis[r].v += j[r][i] * sent->joint[i].v;
}

void teleop_motion_start(struct teleop_motion *m, const struct control_setup *setup, uint32_t arm, const struct teleop_input *in,
		const struct safety *sent)
{
	*m = (struct teleop_motion){ .setup = setup, .arm = &setup->arm[arm], .dt_s = (double)setup->period_ns * 1e-9, .v_max_m_s = setup->teleop_v_max_m_s,
		.w_max_rad_s = setup->teleop_w_max_rad_s, .kind = in->kind };
	teleop_gripper_start(&m->gripper, in);
	memcpy(m->zero, in->value, sizeof m->zero);
	anchor(m, sent);
	if (m->kind != TELEOP_JOINT)
		start_tcp(m, sent);
}

/* ---- what the device asks for -> the next goal of the TCP ------------------------------------------------------------------------ */

static struct axis_limits tcp_limits(const struct teleop_motion *m, bool turns, double speed)
{
	const struct robot_model *r = &m->arm->model;
	double v = speed * reserve * (turns ? m->w_max_rad_s : m->v_max_m_s);
	double a = tcp_acceleration_share * m->arm->limit_scale * (turns ? r->tcp_alpha_max_rad_s2 : r->tcp_a_max_m_s2);

	return (struct axis_limits){ .q_min = -far, .q_max = far, .v_min = -v, .v_max = v, .a_max = a, .j_max = a / tcp_ramp_s };
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

static bool device_finite(const struct teleop_input *in)
{
	for (int i = 0; i < TELEOP_VALUES_MAX; i++)
		if (!isfinite(in->value[i]))
			return false;
	return true;
}

/* A pose device that takes over a moving arm stops it first, on the shortest way: where the arm then stands, and what the device says
 * then, is where its way begins. A way back to where the take-over was would be a motion that nobody asked for. */
static void stop_first(struct teleop_motion *m, const struct teleop_input *in, const struct safety *sent)
{
	const struct teleop_input nothing = { .kind = TELEOP_TWIST };

	if (!safety_standing(sent) || !device_finite(in)) {
		advance_twist(m, &nothing, 1.0);
		return;
	}
	anchor(m, sent);
	m->start = m->goal = m->at;
	memset(m->axis, 0, sizeof m->axis);
	memcpy(m->zero, in->value, sizeof m->zero);
	m->to_goal = true;
}

/* Pose: the way from the take-over's pose follows the device's own way since then. */
static void advance_pose(struct teleop_motion *m, const struct teleop_input *in, double speed)
{
	double way[6], near[3], turn[4], back[4];

	for (int i = 0; i < 3; i++)
		way[i] = in->value[i] - m->zero[i];
	quat_conjugate(m->zero + 3, back);
	quat_multiply(in->value + 3, back, turn);
	quat_normalise(turn, turn);
	quat_to_rotvec(turn, way + 3);
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

/* Nothing is asked for, and what was asked for is there. */
static bool is_idle(const struct teleop_motion *m)
{
	double missing[6];

	for (int i = 0; i < 6; i++)
		if (!(fabs(m->axis[i].v) <= still))
			return false;
	pose_difference(&m->at, &m->goal, missing);
	return !m->to_goal || (vec3_norm(missing) <= near_m && vec3_norm(missing + 3) <= near_rad);
}

/* Braking joints do not stop all at once, which bends the way to a stand: who moves along an edge so fast stays this far off. */
static double kept_m(const struct teleop_motion *m, double v_m_s)
{
	const double ramp_s = 0.02;
	double a = tcp_acceleration_share * m->arm->limit_scale * m->arm->model.tcp_a_max_m_s2;

	return v_m_s * (ramp_s + v_m_s / (2.0 * a));
}

/* Faces of the workspace, and the floor with the hand, are approached ever more slowly; along them nothing changes. */
static void slow_at_faces(struct teleop_motion *m, const struct safety *sent, double twist[6])
{
	const double wish[3] = { twist[0], twist[1], twist[2] };
	double above_m = edge_hand_above_m(sent, m->joint), lowest[3];

	memcpy(lowest, sent->box_min_m, sizeof lowest);
	lowest[2] = fmax(lowest[2], m->at.p_m[2] - above_m); /* where the hand's lowest point would touch the floor */
	for (int i = 0; i < 3; i++) {
		double keep_m = kept_m(m, hypot(wish[(i + 1) % 3], wish[(i + 2) % 3])), width_m = sent->box_max_m[i] - lowest[i];
		double low = lowest[i] + fmin(keep_m, width_m / 2.0), high = sent->box_max_m[i] - fmin(keep_m, width_m / 2.0);

		twist[i] = fmin(fmax(twist[i], edge_rate * (low - m->at.p_m[i])), edge_rate * (high - m->at.p_m[i]));
	}
}

static void keep_goal_inside(struct teleop_motion *m, const struct safety *sent)
{
	for (int i = 0; i < 3; i++)
		m->goal.p_m[i] = fmin(fmax(m->goal.p_m[i], sent->box_min_m[i]), sent->box_max_m[i]);
}

/* How fast the TCP is to be: as its axes say, and a little more towards the goal. */
static void wished_twist(struct teleop_motion *m, const struct safety *sent, double twist[6])
{
	double missing[6];

	if (!m->to_goal) {
		keep_goal_inside(m, sent);
		m->goal = leashed(&m->at, &m->goal);
	}
	pose_difference(&m->at, &m->goal, missing);
	for (int i = 0; i < 6; i++)
		missing[i] *= catch_up;
	shorten(missing, catch_up_m_s);
	shorten(missing + 3, catch_up_rad_s);
	for (int i = 0; i < 6; i++)
		twist[i] = m->axis[i].v + missing[i];
	slow_at_faces(m, sent, twist);
}

/* A redundant arm drifts to its home posture, in proportion to how fast its TCP moves. */
static void add_drift(const struct teleop_motion *m, const struct ik *k, const double *q_rad, double *dq)
{
	const struct robot_model *r = &m->arm->model;
	double wish[DOF_MAX], drift[DOF_MAX] = { 0 }, fit = 1.0, busy = 0.0;

	for (int i = 0; i < 6; i++)
		busy = fmax(busy, fabs(m->axis[i].v) / (i < 3 ? m->v_max_m_s : m->w_max_rad_s));
	ik_posture_wish(r, m->arm->home_rad, q_rad, wish);
	ik_null_space(k, wish, drift);
	for (uint32_t i = 0; i < r->dof; i++)
		fit = fmin(fit, drift_share * m->arm->limit_scale * r->dq_max_rad_s[i] / fmax(fabs(drift[i]), 1e-9));
	for (uint32_t i = 0; i < r->dof; i++)
		dq[i] += fit * fmin(busy, 1.0) * drift[i];
}

/* Joint speeds for the wished twist, shortened as a whole where a joint would be too fast (near singular postures). */
static void wished_speeds(struct teleop_motion *m, const struct safety *sent, double *dq)
{
	double q[DOF_MAX] = { 0 }, twist[6], share = 1.0;
	struct ik k;

	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		q[i] = m->joint[i].q;
	wished_twist(m, sent, twist);
	ik_prepare(&k, &m->arm->model, &m->arm->tcp, q);
	ik_solve(&k, twist, dq);
	add_drift(m, &k, q, dq);
	edge_slow(sent, m->joint, edge_rate, kept_m(m, hypot(twist[0], twist[1])), dq);
	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		share = fmin(share, velocity_share * sent->limits[i].v_max / fmax(fabs(dq[i]), 1e-9));
	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		dq[i] *= share;
}

/* What all joints can follow together: every joint by the law of axis_track_velocity, all by the share that the slowest one can, so
 * that the arm keeps to its direction. At an edge any other direction might lead out, and safety would grant nothing. */
static void jerks_for(const struct teleop_motion *m, const struct axis_limits *l, const double *dq, double *jerk)
{
	uint32_t n = m->arm->model.dof;
	double rate = 1.0 / (3.0 * m->dt_s), share = 1.0;

	for (uint32_t i = 0; i < n; i++) {
		double missing = fmax(fabs(dq[i] - m->joint[i].v), 1e-9);

		rate = fmin(rate, fmin(l[i].a_max / missing, sqrt(l[i].j_max / missing)));
	}
	for (uint32_t i = 0; i < n; i++) {
		jerk[i] = (rate * (dq[i] - m->joint[i].v) - m->joint[i].a) / (2.0 * m->dt_s);
		share = fmin(share, l[i].j_max / fmax(fabs(jerk[i]), 1e-9));
	}
	for (uint32_t i = 0; i < n; i++)
		jerk[i] *= share;
}

static void follow_goal(struct teleop_motion *m, const struct safety *sent)
{
	double dq[DOF_MAX] = { 0 }, q[DOF_MAX] = { 0 }, jerk[DOF_MAX];
	struct axis_limits l[DOF_MAX];

	wished_speeds(m, sent, dq);
	for (uint32_t i = 0; i < m->arm->model.dof; i++)
		l[i] = joint_limits(&sent->limits[i], &m->joint[i]);
	jerks_for(m, l, dq, jerk);
	for (uint32_t i = 0; i < m->arm->model.dof; i++) {
		axis_step(&m->joint[i], &l[i], jerk[i], m->dt_s);
		q[i] = m->joint[i].q;
	}
	kinematics_forward(&m->arm->model, &m->arm->tcp, q, &m->at);
}

/* An edge or a limit holds the arm: the reference does not run ahead of it. */
static void keep_leash(struct teleop_motion *m, const struct safety *sent)
{
	for (uint32_t i = 0; i < m->arm->model.dof; i++) {
		if (fabs(m->joint[i].q - sent->joint[i].q) <= leash_rad)
			continue;
		anchor(m, sent);
		return;
	}
}

static void advance_joints(struct teleop_motion *m, const struct teleop_input *in, const struct safety *sent, double speed)
{
	const struct robot_model *r = &m->arm->model;
	struct axis goal[DOF_MAX] = { { 0 } };

	for (uint32_t i = 0; i < r->dof; i++)
		goal[i].q = in->value[i];
	(void)edge_pull_in(sent, goal);
	for (uint32_t i = 0; i < r->dof; i++) {
		struct axis_limits l = joint_limits(&sent->limits[i], &m->joint[i]);
		struct axis reference = goal[i];

		l.v_max = fmax(speed * joint_speed_share * sent->limits[i].v_max, fabs(m->joint[i].v));
		l.v_min = -l.v_max;
		axis_step(&m->joint[i], &l, axis_track(&m->joint[i], &reference, &l, m->dt_s), m->dt_s);
	}
}

/* Speeds that the TCP may have at most, for safety to hold. */
static void set_caps(const struct teleop_motion *m, struct setpoint *out)
{
	double v[3] = { m->axis[0].v, m->axis[1].v, m->axis[2].v };

	out->tcp_v_max_m_s = m->v_max_m_s;
	out->tcp_w_max_rad_s = m->w_max_rad_s;
	if (m->kind != TELEOP_JOINT)
		out->tcp_v_max_m_s = fmin(m->v_max_m_s, cap_share * vec3_norm(v) + cap_more_m_s);
}

void teleop_motion_step(struct teleop_motion *m, const struct teleop_input *in, const struct safety *sent, double speed,
		struct setpoint *out)
{
	*out = (struct setpoint){ .active = true, .source = TARGET_TELEOP };
	keep_leash(m, sent);
	if (m->kind == TELEOP_JOINT) {
		advance_joints(m, in, sent, speed);
	} else {
		if (m->kind == TELEOP_POSE && !m->to_goal)
			stop_first(m, in, sent);
		else
			(m->kind == TELEOP_TWIST ? advance_twist : advance_pose)(m, in, speed);
		if (is_idle(m)) { /* safety brings the arm to a stand, with nothing to chase */
			anchor(m, sent);
			m->goal = m->to_goal ? m->goal : m->at;
			out->active = false;
		} else {
			follow_goal(m, sent);
		}
	}
	for (uint32_t i = 0; i < m->arm->model.dof; i++) {
		out->q_rad[i] = m->joint[i].q;
		out->dq_rad_s[i] = m->joint[i].v;
		out->ddq_rad_s2[i] = m->joint[i].a;
	}
	set_caps(m, out);
	out->has_gripper = teleop_gripper_step(&m->gripper, m->setup, m->arm, in, &out->gripper_m);
}
