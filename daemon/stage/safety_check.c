/* safety_check.c - the arm's own look at the targets it receives: the same limits, judged from neighbours in the stream.
 *
 * For a motion whose acceleration and jerk stay within A and J, the mean acceleration between two samples is within A, its
 * change from one gap to the next within J times the mean gap, and the step in position differs from the mean of the two
 * velocities times the gap by J gap^3 / 12 at most (error of the trapezoidal rule). */
#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/safety.h"

static const double start_rad = 0.02, start_rad_s = 0.02; /* messages.md section 5: near q_d, nearly no velocity */
static const double change_max_rad = 0.01;               /* messages.md section 5: beyond it, refused */
static const double tolerance = 0.01;                    /* share of a limit: rounding, text and float conversions */

void safety_check_init(struct safety_check *c, const struct arm_setup *arm)
{
	*c = (struct safety_check){ .arm = arm };
}

void safety_check_restart(struct safety_check *c)
{
	*c = (struct safety_check){ .arm = c->arm };
}

/* Notes one value against its limit; change: what keeping the limit would do to the target. */
static void judge(struct safety_finding *f, uint32_t bit, uint32_t joint, double value, double limit, double change_rad)
{
	if (value <= limit * (1.0 + tolerance) + 1e-9)
		return;
	f->exceeded |= bit;
	if (change_rad >= f->change_rad) {
		f->change_rad = change_rad;
		f->joint = joint;
		f->value = value;
		f->limit = limit;
	}
}

static bool target_finite(const struct driver_target *t, uint32_t dof)
{
	for (uint32_t i = 0; i < dof; i++)
		if (!(fabs(t->q_rad[i]) < 1e3 && fabs(t->dq_rad_s[i]) < 1e4))
			return false;
	return true;
}

static double velocity_limit(const struct robot_model *m, uint32_t i, double q_rad, bool forward, double scale)
{
	struct axis_limits l = { m->q_min_rad[i], m->q_max_rad[i], -scale * m->dq_max_rad_s[i], scale * m->dq_max_rad_s[i],
		0.0, 0.0, m->dq_offset_rad_s[i], m->dq_decel_rad_s2[i] };

	return forward ? axis_v_high(&l, q_rad) : -axis_v_low(&l, q_rad);
}

static void judge_joint(const struct safety_check *c, const struct driver_target *t, uint32_t i, double gap_s, struct safety_finding *f)
{
	const struct robot_model *m = &c->arm->model;
	double scale = c->arm->limit_scale, q = t->q_rad[i], v = t->dq_rad_s[i];
	double v_max = velocity_limit(m, i, q, v >= 0.0, scale);
	double a_max = scale * m->ddq_max_rad_s2[i], j_max = scale * m->dddq_max_rad_s3[i];
	double below = fmin(m->q_min_rad[i], c->q_rad[i]), above = fmax(m->q_max_rad[i], c->q_rad[i]);
	double outside = fmax(below - q, q - above);

	if (!(outside <= 1e-6)) {
		judge(f, LIMIT_POSITION, i, fabs(q), fabs(q > above ? above : below), outside);
		f->exceeded |= LIMIT_POSITION;
	}
	judge(f, LIMIT_VELOCITY, i, fabs(v), v_max, (fabs(v) - v_max) * gap_s);
	double step = (q - c->q_rad[i]) / gap_s;

	judge(f, LIMIT_VELOCITY, i, fabs(step), scale * m->dq_max_rad_s[i], (fabs(step) - scale * m->dq_max_rad_s[i]) * gap_s);
	double a = (v - c->dq_rad_s[i]) / gap_s;
	double apart = fabs(step - (v + c->dq_rad_s[i]) / 2.0) * gap_s - j_max * gap_s * gap_s * gap_s / 12.0;
	double worst = fabs(a) + 6.0 * fmax(0.0, apart) / (gap_s * gap_s); /* of the cubic through both ends */

	judge(f, LIMIT_ACCELERATION, i, worst, a_max, (worst - a_max) * gap_s * gap_s);
	double between_s = (gap_s + (c->gap_ns > 0 ? (double)c->gap_ns * 1e-9 : gap_s)) / 2.0;
	double jerk = fabs(a - c->ddq_rad_s2[i]) / between_s;

	judge(f, LIMIT_JERK, i, jerk, j_max, (jerk - j_max) * gap_s * gap_s * gap_s);
}

static double judge_place(const struct safety_check *c, const struct driver_target *t, double gap_s, struct safety_finding *f)
{
	const struct arm_setup *arm = c->arm;
	double point[LINK_POINTS_MAX][3], out = 0.0, under = 0.0;
	uint32_t n = kinematics_link_points(&arm->model, t->q_rad, point);
	struct pose ee, before;

	kinematics_forward(&arm->model, &arm->tcp, t->q_rad, &ee);
	kinematics_forward(&arm->model, &arm->tcp, c->q_rad, &before);
	for (int k = 0; k < 3; k++)
		out = fmax(out, fmax(arm->box_min_m[k] - ee.p_m[k], ee.p_m[k] - arm->box_max_m[k]));
	for (uint32_t i = 0; i < n; i++)
		under = fmax(under, arm->floor_m - point[i][2]);
	f->exceeded |= (out > 0.0 ? LIMIT_WORKSPACE : 0u) | (under > 0.0 ? LIMIT_FLOOR : 0u);
	double speed = vec3_norm((double[3]){ ee.p_m[0] - before.p_m[0], ee.p_m[1] - before.p_m[1], ee.p_m[2] - before.p_m[2] }) / gap_s;
	double limit = arm->limit_scale * arm->model.tcp_v_max_m_s;

	if (arm->tcp_v_max_m_s > 0.0)
		limit = fmin(limit, arm->tcp_v_max_m_s);
	judge(f, LIMIT_TCP_SPEED, 0, speed, limit, 0.0);
	return fmax(out, under);
}

static void neighbour_take(struct safety_check *c, const struct driver_target *t, double gap_s)
{
	for (uint32_t i = 0; i < c->arm->model.dof; i++) {
		c->ddq_rad_s2[i] = gap_s > 0.0 ? (t->dq_rad_s[i] - c->dq_rad_s[i]) / gap_s : 0.0;
		c->q_rad[i] = t->q_rad[i];
		c->dq_rad_s[i] = t->dq_rad_s[i];
	}
	c->gap_ns = c->running ? t->t_ns - c->t_ns : 0;
	c->t_ns = t->t_ns;
	c->running = true;
}

static struct safety_finding check_first(struct safety_check *c, const struct driver_target *t, const double *q_d_rad)
{
	struct safety_finding f = { 0 };
	uint32_t ignored = safety_posture_check(c->arm, q_d_rad);

	for (uint32_t i = 0; i < c->arm->model.dof; i++) {
		double away = fabs(t->q_rad[i] - q_d_rad[i]);

		if (away <= start_rad && fabs(t->dq_rad_s[i]) <= start_rad_s)
			continue;
		f.exceeded |= LIMIT_START;
		f.joint = i;
		f.change_rad = away;
		f.value = away > start_rad ? away : fabs(t->dq_rad_s[i]);
		f.limit = away > start_rad ? start_rad : start_rad_s;
	}
	memcpy(c->q_rad, q_d_rad, c->arm->model.dof * sizeof *q_d_rad);
	f.refused = f.exceeded != 0;
	c->outside_m = ignored & (LIMIT_WORKSPACE | LIMIT_FLOOR) ? INFINITY : 0.0;
	return f;
}

struct safety_finding safety_check_target(struct safety_check *c, const struct driver_target *t, const double *q_d_rad)
{
	const double inwards_m = 1e-4; /* an arm that stands outside may come in, not go further out */
	struct safety_finding f = { 0 };
	double gap_s = (double)(t->t_ns - c->t_ns) * 1e-9;
	double outside = 0.0;

	if (!target_finite(t, c->arm->model.dof) || (c->running && !(gap_s > 0.0))) {
		f = (struct safety_finding){ .exceeded = LIMIT_NOT_FINITE, .refused = true };
	} else if (!c->running || t->t_ns - c->t_ns > SAFETY_GAP_NS) {
		safety_check_restart(c);
		f = check_first(c, t, q_d_rad);
		gap_s = 0.0;
	} else {
		for (uint32_t i = 0; i < c->arm->model.dof; i++)
			judge_joint(c, t, i, gap_s, &f);
		outside = judge_place(c, t, gap_s, &f);
		f.refused = !(f.change_rad <= change_max_rad) || outside > c->outside_m + inwards_m;
		c->outside_m = outside;
	}
	if (f.refused)
		safety_check_restart(c);
	else
		neighbour_take(c, t, gap_s);
	return f;
}
