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
static const double rounding_rad = 1e-6;                 /* of positions in a joint's range */
static const double outside_rad = 1e-9;                  /* of positions outside: more would add up over many starts */
static const double rounding_m = 1e-4;                   /* of places */
static const double edge_m = 0.002;                      /* safety.c keeps this far from workspace and floor */

void safety_check_init(struct safety_check *c, const struct arm_setup *arm)
{
	*c = (struct safety_check){ .arm = arm, .start_rad = start_rad };
}

void safety_check_restart(struct safety_check *c)
{
	safety_check_init(c, c->arm);
}

static double allowance(double limit)
{
	return limit * (1.0 + tolerance) + 1e-9;
}

static void note(struct safety_finding *f, uint32_t bit, uint32_t joint, double value, double limit, double change_rad)
{
	f->exceeded |= bit;
	if (change_rad < f->change_rad)
		return;
	f->change_rad = change_rad;
	f->worst = bit;
	f->joint = joint;
	f->value = value;
	f->limit = limit;
}

/* Notes one value against its limit; change: what keeping the limit would do to the target. */
static void judge(struct safety_finding *f, uint32_t bit, uint32_t joint, double value, double limit, double change_rad)
{
	if (!(value <= allowance(limit)))
		note(f, bit, joint, value, limit, change_rad);
}

static bool target_finite(const struct driver_target *t, uint32_t dof)
{
	for (uint32_t i = 0; i < dof; i++)
		if (!(fabs(t->q_rad[i]) < 1e3 && fabs(t->dq_rad_s[i]) < 1e4))
			return false;
	return true;
}

/* ---- joints ---------------------------------------------------------------------------------------------------------- */

/* The joint's limits; a range that includes where it stood at the start until it is inside, because a joint outside may come in. */
static struct axis_limits joint_limits(const struct safety_check *c, uint32_t i)
{
	const struct robot_model *m = &c->arm->model;
	double scale = c->arm->limit_scale;

	return (struct axis_limits){
		.q_min = fmin(m->q_min_rad[i], c->range_low_rad[i]),
		.q_max = fmax(m->q_max_rad[i], c->range_high_rad[i]),
		.v_min = -scale * m->dq_max_rad_s[i],
		.v_max = scale * m->dq_max_rad_s[i],
		.a_max = scale * m->ddq_max_rad_s2[i],
		.j_max = scale * m->dddq_max_rad_s3[i],
		.offset = m->dq_offset_rad_s[i],
		.decel = m->dq_decel_rad_s2[i],
	};
}

/* How far beyond where it may be; a joint that started outside its range goes no further out. NaN: that. */
static double beyond_rad(const struct safety_check *c, uint32_t i, double q_rad)
{
	const struct robot_model *m = &c->arm->model;
	double low = fmin(m->q_min_rad[i] - rounding_rad, c->range_low_rad[i] - outside_rad);
	double high = fmax(m->q_max_rad[i] + rounding_rad, c->range_high_rad[i] + outside_rad);

	return q_rad > high ? q_rad - high : low - q_rad;
}

/* Position-dependent bounds belong to the model's range, not to one widened to where the arm stands. */
static double velocity_limit(const struct robot_model *m, uint32_t i, double q_rad, bool forward, const struct axis_limits *l)
{
	struct axis_limits own = *l;

	own.q_min = m->q_min_rad[i];
	own.q_max = m->q_max_rad[i];
	return forward ? axis_v_high(&own, q_rad) : -axis_v_low(&own, q_rad);
}

/* The acceleration before this gap. None is known at a stream's second target: a motion that has come from rest to v with a jerk of at
 * most J has sqrt(2 J v) then at most (v = a^2 / 2 J). To take it for none would find such a motion ahead of limits later on, at speed. */
static double before_rad_s2(const struct safety_check *c, uint32_t i, double now_rad_s2, double j_max)
{
	double most = sqrt(2.0 * j_max * fabs(c->dq_rad_s[i]));

	return c->gap_ns > 0 ? c->ddq_rad_s2[i] : fmin(fmax(now_rad_s2, -most), most);
}

static void judge_joint(const struct safety_check *c, const struct driver_target *t, uint32_t i, double gap_s, struct safety_finding *f)
{
	double q = t->q_rad[i], v = t->dq_rad_s[i];
	struct axis_limits l = joint_limits(c, i);
	double v_max = velocity_limit(&c->arm->model, i, q, v >= 0.0, &l);

	if (!(beyond_rad(c, i, q) <= 0.0)) /* refused, however little: an arm that is let out step by step is out in the end */
		note(f, LIMIT_POSITION, i, fabs(q), fabs(q > l.q_max ? l.q_max : l.q_min), INFINITY);
	judge(f, LIMIT_VELOCITY, i, fabs(v), v_max, (fabs(v) - v_max) * gap_s);
	double step = (q - c->q_rad[i]) / gap_s;

	judge(f, LIMIT_VELOCITY, i, fabs(step), l.v_max, (fabs(step) - l.v_max) * gap_s);
	double a = (v - c->dq_rad_s[i]) / gap_s;
	double apart = fabs(step - (v + c->dq_rad_s[i]) / 2.0) * gap_s - l.j_max * gap_s * gap_s * gap_s / 12.0;
	double worst = fabs(a) + 6.0 * fmax(0.0, apart) / (gap_s * gap_s); /* of the cubic through both ends */

	judge(f, LIMIT_ACCELERATION, i, worst, l.a_max, (worst - l.a_max) * gap_s * gap_s);
	double between_s = (gap_s + (c->gap_ns > 0 ? (double)c->gap_ns * 1e-9 : gap_s)) / 2.0;
	double jerk = fabs(a - before_rad_s2(c, i, a, l.j_max)) / between_s;

	judge(f, LIMIT_JERK, i, jerk, l.j_max, (jerk - l.j_max) * gap_s * gap_s * gap_s);
}

/* ---- what the limits would have allowed ------------------------------------------------------------------------------ */

/* Does the cubic from `from` to `to` keep the limits, and begin with nearly the acceleration that there is? */
static bool reaches(const struct axis *from, const struct axis *to, const struct axis_limits *l, double gap_s)
{
	double step = (to->q - from->q) / gap_s, first = (6.0 * step - 4.0 * from->v - 2.0 * to->v) / gap_s;

	return fabs(step) <= l->v_max && fabs(to->v) <= l->v_max && fabs(first) <= l->a_max && fabs(to->a) <= l->a_max &&
			fabs(first - from->a) <= l->j_max * gap_s && to->q >= l->q_min && to->q <= l->q_max;
}

/* Moves the joint's follower to this target, or as far as limits let it. */
static void allow(struct safety_check *c, const struct driver_target *t, uint32_t i, double gap_s, bool kept)
{
	struct axis *at = &c->allowed[i];
	struct axis_limits l = joint_limits(c, i);
	double step = (t->q_rad[i] - at->q) / gap_s;
	struct axis to = { t->q_rad[i], t->dq_rad_s[i], (2.0 * at->v + 4.0 * t->dq_rad_s[i] - 6.0 * step) / gap_s };

	l.v_max = allowance(l.v_max);
	l.v_min = -l.v_max;
	l.a_max = allowance(l.a_max);
	l.j_max = allowance(l.j_max);
	c->apart[i] = !(c->apart[i] ? reaches(at, &to, &l, gap_s) : kept);
	to.q = fmin(fmax(to.q, l.q_min), l.q_max);
	to.a = fmin(fmax(to.a, -l.a_max), l.a_max);
	if (c->apart[i])
		(void)axis_step(at, &l, axis_track(at, &to, &l, gap_s), gap_s);
	else
		*at = to;
}

/* Once a joint is inside its range, it stays there. */
static void ranges_narrow(struct safety_check *c, const struct driver_target *t)
{
	const struct robot_model *m = &c->arm->model;

	for (uint32_t i = 0; i < m->dof; i++) {
		if (t->q_rad[i] >= m->q_min_rad[i])
			c->range_low_rad[i] = m->q_min_rad[i];
		if (t->q_rad[i] <= m->q_max_rad[i])
			c->range_high_rad[i] = m->q_max_rad[i];
	}
}

static void judge_joints(struct safety_check *c, const struct driver_target *t, double gap_s, struct safety_finding *f)
{
	for (uint32_t i = 0; i < c->arm->model.dof; i++) {
		struct safety_finding own = { 0 };

		judge_joint(c, t, i, gap_s, &own);
		allow(c, t, i, gap_s, own.exceeded == 0);
		f->exceeded |= own.exceeded;
		if (own.exceeded)
			note(f, own.worst, own.joint, own.value, own.limit, own.change_rad);
		double behind = fabs(t->q_rad[i] - c->allowed[i].q);

		if (!(behind <= change_max_rad))
			note(f, LIMIT_JOINT, i, behind, change_max_rad, behind);
	}
}

/* ---- the arm in space ------------------------------------------------------------------------------------------------ */

static double largest_step_rad(const struct safety_check *c, const struct driver_target *t)
{
	double largest = 0.0;

	for (uint32_t i = 0; i < c->arm->model.dof; i++)
		largest = fmax(largest, fabs(t->q_rad[i] - c->q_rad[i]));
	return largest;
}

/* What is too fast leaves the arm behind; what is slower lets it catch up. */
static void judge_speed(struct safety_check *c, const struct driver_target *t, double gap_s, struct safety_finding *f)
{
	const struct arm_setup *arm = c->arm;
	struct pose ee, before;

	kinematics_forward(&arm->model, &arm->tcp, t->q_rad, &ee);
	kinematics_forward(&arm->model, &arm->tcp, c->q_rad, &before);
	double way = vec3_norm((double[3]){ ee.p_m[0] - before.p_m[0], ee.p_m[1] - before.p_m[1], ee.p_m[2] - before.p_m[2] });
	double limit = arm->limit_scale * arm->model.tcp_v_max_m_s;

	if (arm->tcp_v_max_m_s > 0.0)
		limit = fmin(limit, arm->tcp_v_max_m_s);
	double more = way - allowance(limit) * gap_s, lag_m = fmax(0.0, c->tcp_lag_m + more);

	if (more > 0.0)
		c->tcp_lag_rad += largest_step_rad(c, t) * more / way;
	else if (c->tcp_lag_m > 0.0)
		c->tcp_lag_rad *= lag_m / c->tcp_lag_m;
	c->tcp_lag_m = lag_m;
	judge(f, LIMIT_TCP_SPEED, 0, way / gap_s, limit, c->tcp_lag_rad);
}

/* Each edge holds from where the stream is inside it for good; before, no place further out than its start. */
static bool judge_place(struct safety_check *c, const struct driver_target *t, struct safety_finding *f)
{
	double outside_m[SAFETY_EDGES];
	uint32_t n = safety_edges(c->arm, t->q_rad, outside_m);
	bool inside = true;

	for (uint32_t k = 0; k < n; k++) {
		if (outside_m[k] <= -edge_m)
			c->outside_m[k] = 0.0;
		if (outside_m[k] <= c->outside_m[k] + rounding_m) /* written so that NaN is outside */
			continue;
		inside = false;
		f->worst = k < SAFETY_FACES ? LIMIT_WORKSPACE : LIMIT_FLOOR;
		f->exceeded |= f->worst;
		f->value = outside_m[k];
		f->limit = c->outside_m[k];
	}
	return inside;
}

static void start_outside(struct safety_check *c, const double *q_d_rad)
{
	uint32_t n = safety_edges(c->arm, q_d_rad, c->outside_m);

	memcpy(c->range_low_rad, q_d_rad, c->arm->model.dof * sizeof *q_d_rad);
	memcpy(c->range_high_rad, q_d_rad, c->arm->model.dof * sizeof *q_d_rad);
	for (uint32_t k = 0; k < n; k++)
		c->outside_m[k] = c->outside_m[k] > rounding_m ? c->outside_m[k] : 0.0; /* else every new start would forgive once more */
}

/* ---- targets --------------------------------------------------------------------------------------------------------- */

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

static void judge_start(const struct safety_check *c, const struct driver_target *t, const double *q_d_rad, struct safety_finding *f)
{
	for (uint32_t i = 0; i < c->arm->model.dof; i++) {
		double away = fabs(t->q_rad[i] - q_d_rad[i]), v = fabs(t->dq_rad_s[i]), q = t->q_rad[i];
		struct axis_limits l = joint_limits(c, i);

		if (!(away <= c->start_rad))
			note(f, LIMIT_START, i, away, c->start_rad, away);
		else if (!(v <= start_rad_s))
			note(f, LIMIT_START, i, v, start_rad_s, away);
		else if (!(beyond_rad(c, i, q) <= 0.0))
			note(f, LIMIT_POSITION, i, fabs(q), fabs(q > l.q_max ? l.q_max : l.q_min), away);
	}
}

static struct safety_finding check_first(struct safety_check *c, const struct driver_target *t, const double *q_d_rad)
{
	struct safety_finding f = { 0 };

	*c = (struct safety_check){ .arm = c->arm, .start_rad = c->start_rad };
	start_outside(c, q_d_rad);
	judge_start(c, t, q_d_rad, &f);
	(void)judge_place(c, t, &f);
	f.refused = f.exceeded != 0;
	for (uint32_t i = 0; i < c->arm->model.dof; i++)
		c->allowed[i] = (struct axis){ .q = t->q_rad[i], .v = t->dq_rad_s[i] };
	return f;
}

static struct safety_finding check_next(struct safety_check *c, const struct driver_target *t, double gap_s)
{
	struct safety_finding f = { 0 };

	judge_joints(c, t, gap_s, &f);
	ranges_narrow(c, t);
	judge_speed(c, t, gap_s, &f);
	bool inside = judge_place(c, t, &f);

	f.refused = !(f.change_rad <= change_max_rad) || !inside;
	return f;
}

struct safety_finding safety_check_target(struct safety_check *c, const struct driver_target *t, const double *q_d_rad)
{
	struct safety_finding f;
	double gap_s = (double)(t->t_ns - c->t_ns) * 1e-9;

	if (!target_finite(t, c->arm->model.dof) || (c->running && !(gap_s > 0.0))) {
		f = (struct safety_finding){ .exceeded = LIMIT_NOT_FINITE, .worst = LIMIT_NOT_FINITE, .refused = true };
	} else if (!c->running || t->t_ns - c->t_ns > SAFETY_GAP_NS) {
		f = check_first(c, t, q_d_rad);
		gap_s = 0.0;
	} else {
		f = check_next(c, t, gap_s);
	}
	if (f.refused)
		safety_check_restart(c);
	else
		neighbour_take(c, t, gap_s);
	return f;
}
