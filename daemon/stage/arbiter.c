/* arbiter.c - see arbiter.h. */
#include "daemon/stage/arbiter.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double home_share = 0.2;     /* messages.md section 6: at most 20 % speed */
static const double accel_share = 0.3, ramp_s = 0.1;
static const double jog_m = 0.010, jog_rad = 0.05; /* messages.md section 6 */

void arbiter_init(struct arbiter *a, const struct control_setup *setup)
{
	*a = (struct arbiter){ .setup = setup };
}

static void line_start(struct line *l, const struct arm_setup *arm, const struct safety *sent, const double *to_rad)
{
	const struct robot_model *m = &arm->model;
	double speed = INFINITY, accel = INFINITY;

	*l = (struct line){ .active = true };
	for (uint32_t i = 0; i < m->dof; i++) {
		l->from_rad[i] = sent->joint[i].q;
		l->to_rad[i] = to_rad[i];
		double length = fmax(fabs(to_rad[i] - sent->joint[i].q), 1e-6);

		speed = fmin(speed, home_share * fmin(arm->limit_scale, 1.0) * m->dq_max_rad_s[i] / length);
		accel = fmin(accel, accel_share * arm->limit_scale * m->ddq_max_rad_s2[i] / length);
	}
	l->limits = (struct axis_limits){ .q_min = -1.0, .q_max = 1.0, .v_min = 0.0, .v_max = speed, .a_max = accel,
		.j_max = accel / ramp_s };
}

void arbiter_home(struct arbiter *a, uint32_t arm, const struct safety *sent)
{
	line_start(&a->line[arm], &a->setup->arm[arm], sent, a->setup->arm[arm].home_rad);
}

bool arbiter_jog(struct arbiter *a, uint32_t arm, const struct safety *sent, const struct twist *delta)
{
	enum { NEWTON_STEPS = 20 };
	const struct arm_setup *s = &a->setup->arm[arm];
	const double near_m = 1e-4, near_rad = 1e-3, rounding = 1e-9;
	double q[DOF_MAX] = { 0 }, turn[4];
	struct pose goal = sent->ee;
	struct ik_error e = { 0 };

	if (!(vec3_norm(delta->v_m_s) <= jog_m + rounding && vec3_norm(delta->w_rad_s) <= jog_rad + rounding))
		return false;
	for (int i = 0; i < 3; i++)
		goal.p_m[i] += delta->v_m_s[i];
	quat_from_rotvec(delta->w_rad_s, turn);
	quat_multiply(turn, goal.q_xyzw, goal.q_xyzw);
	for (uint32_t i = 0; i < s->model.dof; i++)
		q[i] = sent->joint[i].q;
	for (int i = 0; i < NEWTON_STEPS; i++)
		e = ik_step(&s->model, &s->tcp, &goal, 0.1, q);
	if (!(e.m <= near_m && e.rad <= near_rad))
		return false;
	line_start(&a->line[arm], s, sent, q);
	return true;
}

void arbiter_stop_arm(struct arbiter *a, uint32_t arm)
{
	a->line[arm].stopping = true;
}

void arbiter_stop(struct arbiter *a)
{
	for (uint32_t i = 0; i < ARMS_MAX; i++)
		arbiter_stop_arm(a, i);
}

void arbiter_forget(struct arbiter *a, uint32_t arm)
{
	a->line[arm] = (struct line){ 0 };
}

bool arbiter_busy(const struct arbiter *a)
{
	for (uint32_t i = 0; i < ARMS_MAX; i++)
		if (a->line[i].active)
			return true;
	return false;
}

static void line_advance(struct line *l, double speed, double dt_s)
{
	const double arrived = 1e-6;
	struct axis_limits slowed = l->limits;
	struct axis end = { .q = 1.0 };

	if (l->stopping) {
		l->along = axis_brake(&l->along, &l->limits, dt_s);
		l->active = l->along.v > 0.0 || fabs(l->along.a) > 0.0;
		return;
	}
	slowed.v_max *= speed;
	axis_step(&l->along, &l->limits, axis_track(&l->along, &end, &slowed, dt_s), dt_s);
	if (1.0 - l->along.q < arrived) {
		l->along = end;
		l->active = false;
	}
}

static void line_setpoint(const struct line *l, uint32_t dof, struct setpoint *out)
{
	*out = (struct setpoint){ .active = true, .source = TARGET_HOME };
	for (uint32_t i = 0; i < dof; i++) {
		double way = l->to_rad[i] - l->from_rad[i];

		out->q_rad[i] = l->from_rad[i] + l->along.q * way;
		out->dq_rad_s[i] = l->along.v * way;
		out->ddq_rad_s2[i] = l->along.a * way;
	}
}

void arbiter_step(struct arbiter *a, const struct setpoint policy[ARMS_MAX], double speed, struct setpoint out[ARMS_MAX])
{
	memcpy(out, policy, ARMS_MAX * sizeof *out);
	for (uint32_t i = 0; i < a->setup->n_arms; i++) {
		if (!a->line[i].active)
			continue;
		line_advance(&a->line[i], speed, (double)a->setup->period_ns * 1e-9);
		line_setpoint(&a->line[i], a->setup->arm[i].model.dof, &out[i]);
	}
}
