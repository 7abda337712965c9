/* safety_check_pose.c - see safety_check_pose.h. */
#include "daemon/stage/safety_check_pose.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

/* messages.md section 5: a first target's distance from the pose of q_d; nearly no velocity; and what is refused, not bent. */
static const double start_m = 0.005, start_rad = 0.02, start_m_s = 0.02, start_rad_s = 0.02;
static const double change_max_m = 0.005, change_max_rad = 0.02;
/* A pose within 5 mm of q_d's may be so far away in the joints of a small wrist; the play-out fades it out over a second. */
static const double start_joints_rad = 0.1;
static const double norm_tolerance = 1e-3;  /* messages.md section 4 */
static const double tolerance = 0.01;       /* share of a limit, as in safety_check.c */
static const double reach_m = 1e-4, reach_rad = 1e-3; /* what inverse kinematics may miss */
/* Of J J': 1e-4 m or rad per rad, far below what a joint within its limits could make up for. */
static const double damping = 1e-8;
static const double solved_m = 1e-10, solved_rad = 1e-10;

/* ---- the TCP --------------------------------------------------------------------------------------------------------- */

static bool pose_finite(const struct driver_target *t)
{
	double norm = 0.0;

	for (int i = 0; i < 3; i++)
		if (!(fabs(t->ee.p_m[i]) < 1e3 && fabs(t->twist.v_m_s[i]) < 1e4 && fabs(t->twist.w_rad_s[i]) < 1e4))
			return false;
	for (int i = 0; i < 4; i++)
		norm += t->ee.q_xyzw[i] * t->ee.q_xyzw[i];
	return fabs(sqrt(norm) - 1.0) <= norm_tolerance;
}

static void refuse(struct safety_finding *f, uint32_t bit, double value, double limit)
{
	f->exceeded |= bit;
	f->refused = true;
	f->worst = bit;
	f->value = value;
	f->limit = limit;
}

static void judge_start(const struct arm_setup *arm, const struct driver_target *t, const double *q_d_rad, struct safety_finding *f)
{
	double away[6];
	struct pose at;

	kinematics_forward(&arm->model, &arm->tcp, q_d_rad, &at);
	pose_difference(&at, &t->ee, away);
	const double value[] = { vec3_norm(away), vec3_norm(away + 3), vec3_norm(t->twist.v_m_s), vec3_norm(t->twist.w_rad_s) };
	const double limit[] = { start_m, start_rad, start_m_s, start_rad_s };

	for (uint32_t i = 0; i < 4; i++) {
		if (value[i] <= limit[i] || f->refused)
			continue;
		refuse(f, LIMIT_START_POSE, value[i], limit[i]);
		f->joint = i;
	}
}

static double vec3_apart(const double a[3], const double b[3])
{
	return vec3_norm((double[3]){ b[0] - a[0], b[1] - a[1], b[2] - a[2] });
}

static double speed_limit(const struct arm_setup *arm)
{
	double v = arm->limit_scale * arm->model.tcp_v_max_m_s;

	return arm->tcp_v_max_m_s > 0.0 ? fmin(arm->tcp_v_max_m_s, v) : v;
}

/* One kind of motion of the TCP, along or around: what it has, what it may have, and how far limits would have kept it back. */
struct motion_of_tcp {
	uint32_t speed_bit, acceleration_bit;
	double v, v_max, a, a_max;
	double *behind_v, *behind, behind_max;
};

static void judge_motion(const struct motion_of_tcp *m, double gap_s, struct safety_finding *f)
{
	double v_max = m->v_max * (1.0 + tolerance), a_max = m->a_max * (1.0 + tolerance);

	*m->behind_v = fmax(0.0, *m->behind_v + (m->a - a_max) * gap_s);
	*m->behind = fmax(0.0, *m->behind + (*m->behind_v + m->v - v_max) * gap_s);
	f->exceeded |= (m->v > v_max ? m->speed_bit : 0u) | (m->a > a_max ? m->acceleration_bit : 0u);
	if (*m->behind <= m->behind_max || f->refused)
		return;
	if (m->a > a_max)
		refuse(f, m->acceleration_bit, m->a, m->a_max);
	else if (m->v > v_max)
		refuse(f, m->speed_bit, m->v, m->v_max);
	else
		refuse(f, LIMIT_TCP_AHEAD, *m->behind, m->behind_max);
}

static void judge_tcp(struct safety_check_pose *p, const struct arm_setup *arm, const struct driver_target *t, double gap_s,
		struct safety_finding *f)
{
	const struct robot_model *m = &arm->model;
	const double *v = t->twist.v_m_s, *w = t->twist.w_rad_s;
	double way[6];

	pose_difference(&p->at, &t->ee, way);
	judge_motion(&(struct motion_of_tcp){ LIMIT_TCP_SPEED, LIMIT_TCP_ACCELERATION, fmax(vec3_norm(way) / gap_s, vec3_norm(v)),
			speed_limit(arm), vec3_apart(p->twist.v_m_s, v) / gap_s, m->tcp_a_max_m_s2, &p->behind_m_s, &p->behind_m,
			change_max_m }, gap_s, f);
	judge_motion(&(struct motion_of_tcp){ LIMIT_TCP_TURN, LIMIT_TCP_TURN_ACCELERATION, fmax(vec3_norm(way + 3) / gap_s, vec3_norm(w)),
			m->tcp_w_max_rad_s, vec3_apart(p->twist.w_rad_s, w) / gap_s, m->tcp_alpha_max_rad_s2,
			&p->behind_rad_s, &p->behind_rad, change_max_rad }, gap_s, f);
}

/* ---- inverse kinematics ---------------------------------------------------------------------------------------------- */

/* Joint motion for a motion of the TCP. What damping leaves out is solved for again, so that the result is exact wherever the joints
 * could follow it at all, and finite where they cannot. */
static void solve(const struct ik *k, const double twist[6], double *dq)
{
	enum { ROUNDS = 3 };
	double left[6], more[DOF_MAX];

	memset(dq, 0, DOF_MAX * sizeof *dq);
	memcpy(left, twist, sizeof left);
	for (int n = 0; n < ROUNDS; n++) {
		ik_solve(k, left, more);
		for (uint32_t i = 0; i < k->dof; i++)
			dq[i] += more[i];
		for (int r = 0; r < 6; r++)
			for (uint32_t i = 0; i < k->dof; i++)
				left[r] -= k->j[r][i] * more[i];
	}
}

/* What a redundant arm does with its elbow: the same posture as dreamvlad wants (trajectory.c), gently, and only while the TCP moves.
 * Smooth in the twist, so that it needs little acceleration. */
static void add_drift(const struct arm_setup *arm, const struct ik *k, const double *q_rad, const struct twist *twist, double *dq)
{
	const double share = 0.05, usual_m_s = 0.1, usual_rad_s = 0.5;
	double v = vec3_norm(twist->v_m_s) / usual_m_s, w = vec3_norm(twist->w_rad_s) / usual_rad_s, busy = v * v + w * w;
	double wish[DOF_MAX], drift[DOF_MAX] = { 0 }, fit = 1.0;

	ik_posture_wish(&arm->model, arm->home_rad, q_rad, wish);
	ik_null_space(k, wish, drift);
	for (uint32_t i = 0; i < arm->model.dof; i++)
		fit = fmin(fit, share * arm->limit_scale * arm->model.dq_max_rad_s[i] / fmax(fabs(drift[i]), 1e-9));
	for (uint32_t i = 0; i < arm->model.dof; i++)
		dq[i] += fit * busy / (1.0 + busy) * drift[i];
}

static void speeds(const struct arm_setup *arm, const double *q_rad, const struct twist *twist, double *dq)
{
	double t[6];
	struct ik k;

	memcpy(t, twist->v_m_s, sizeof twist->v_m_s);
	memcpy(t + 3, twist->w_rad_s, sizeof twist->w_rad_s);
	ik_prepare_damped(&k, &arm->model, &arm->tcp, q_rad, damping);
	solve(&k, t, dq);
	add_drift(arm, &k, q_rad, twist, dq);
}

/* Newton's method from q_rad, which is near. Returns what is missing in the end. */
static struct ik_error settle(const struct arm_setup *arm, const struct pose *goal, double *q_rad)
{
	enum { ROUNDS = 8 };
	const double step_max_rad = 0.1;
	struct ik_error e = { INFINITY, INFINITY };
	double missing[6], dq[DOF_MAX];
	struct ik k;

	for (int n = 0; n < ROUNDS; n++) {
		double largest = step_max_rad;

		ik_prepare_damped(&k, &arm->model, &arm->tcp, q_rad, damping);
		pose_difference(&k.tcp, goal, missing);
		e = (struct ik_error){ vec3_norm(missing), vec3_norm(missing + 3) };
		if (e.m <= solved_m && e.rad <= solved_rad)
			break;
		solve(&k, missing, dq);
		for (uint32_t i = 0; i < arm->model.dof; i++)
			largest = fmax(largest, fabs(dq[i]));
		for (uint32_t i = 0; i < arm->model.dof; i++)
			q_rad[i] += dq[i] * step_max_rad / largest;
	}
	return e;
}

/* From the joints of the target before (or q_d, standing) over gap_s: first as the velocities at both ends lead (trapezoidal rule,
 * by fixed-point iteration), then exactly onto the pose. */
static struct ik_error solve_joints(const struct arm_setup *arm, const struct driver_target *t, const double *q_rad, const double *dq_rad_s,
		double gap_s, struct driver_target *joints)
{
	enum { ROUNDS = 3 };

	*joints = *t;
	joints->kind = OUTPUT_JOINT;
	memcpy(joints->dq_rad_s, dq_rad_s, sizeof joints->dq_rad_s);
	for (int n = 0; n < ROUNDS; n++) {
		for (uint32_t i = 0; i < arm->model.dof; i++)
			joints->q_rad[i] = q_rad[i] + gap_s / 2.0 * (dq_rad_s[i] + joints->dq_rad_s[i]);
		speeds(arm, joints->q_rad, &t->twist, joints->dq_rad_s);
	}
	struct ik_error e = settle(arm, &t->ee, joints->q_rad);

	speeds(arm, joints->q_rad, &t->twist, joints->dq_rad_s);
	return e;
}

/* ---- targets --------------------------------------------------------------------------------------------------------- */

static void judge_joints(struct safety_check *c, const struct driver_target *t, const double *q_d_rad, double gap_s,
		struct driver_target *joints, struct safety_finding *f)
{
	static const double still[DOF_MAX];
	bool first = !(gap_s > 0.0);
	struct ik_error e = solve_joints(c->arm, t, first ? q_d_rad : c->q_rad, first ? still : c->dq_rad_s, gap_s, joints);

	if (!(e.m <= reach_m && e.rad <= reach_rad)) {
		refuse(f, LIMIT_REACH, e.m, reach_m);
		return;
	}
	c->start_rad = start_joints_rad;
	struct safety_finding own = safety_check_target(c, joints, q_d_rad);

	own.exceeded |= f->exceeded;
	*f = own;
}

static struct safety_finding check(struct safety_check_pose *p, struct safety_check *c, const struct driver_target *t,
		const double *q_d_rad, struct driver_target *joints)
{
	struct safety_finding f = { 0 };
	bool first = !c->running || t->t_ns - c->t_ns > SAFETY_GAP_NS;
	double gap_s = first ? 0.0 : (double)(t->t_ns - c->t_ns) * 1e-9;

	if (first) {
		*p = (struct safety_check_pose){ 0 };
		judge_start(c->arm, t, q_d_rad, &f);
	} else if (gap_s > 0.0) {
		judge_tcp(p, c->arm, t, gap_s, &f);
	} else {
		refuse(&f, LIMIT_NOT_FINITE, 0.0, 0.0);
	}
	if (!f.refused)
		judge_joints(c, t, q_d_rad, gap_s, joints, &f);
	p->at = t->ee;
	p->twist = t->twist;
	return f;
}

struct safety_finding safety_check_pose_target(struct safety_check_pose *p, struct safety_check *c, const struct driver_target *t,
		const double *q_d_rad, struct driver_target *joints)
{
	struct safety_finding f = { .exceeded = LIMIT_NOT_FINITE, .worst = LIMIT_NOT_FINITE, .refused = true };
	struct driver_target unit = *t;

	if (pose_finite(t)) {
		quat_normalise(t->ee.q_xyzw, unit.ee.q_xyzw);
		f = check(p, c, &unit, q_d_rad, joints);
	}
	if (f.refused)
		safety_check_restart(c);
	return f;
}
