/* demand.c - see demand.h. */
#include "daemon/stage/demand.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

/* Of J J' for the shortfall: directions in which a joint moves the TCP by less than 0.01 m per rad are lost. */
static const double damping = 1e-4;

/* Shares of the arm's limits that a path may take. */
static const double velocity_share = 0.8, acceleration_share = 0.6;

/* Joint and TCP motion for derivatives in the path's coordinates; to first order at the present posture. */
static void to_joints(bool joints, const struct ik *k, const double *d, double *dq, double twist[6])
{
	if (!joints) {
		memcpy(twist, d, 6 * sizeof *d);
		ik_solve(k, d, dq);
		return;
	}
	memcpy(dq, d, k->dof * sizeof *d);
	for (int r = 0; r < 6; r++) {
		twist[r] = 0.0;
		for (uint32_t i = 0; i < k->dof; i++)
			twist[r] += k->j[r][i] * d[i];
	}
}

void demand_take(const struct arm_setup *arm, bool joints, const struct ik *k, const struct jet *at, struct demand *d)
{
	const struct robot_model *m = &arm->model;
	double scale = fmax(arm->limit_scale, 0.01);
	double d1[SPLINE_DIM_MAX], d2[SPLINE_DIM_MAX], dq[DOF_MAX] = { 0 }, ddq[DOF_MAX] = { 0 }, twist[6], ignored[6];

	for (uint32_t i = 0; i < (joints ? m->dof : 6); i++) {
		d1[i] = at[i].d1;
		d2[i] = at[i].d2;
	}
	to_joints(joints, k, d1, dq, twist);
	to_joints(joints, k, d2, ddq, ignored);
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

double demand_rate(const struct demand *d)
{
	double cap = 1.0;

	if (d->velocity > velocity_share)
		cap = velocity_share / d->velocity;
	if (d->acceleration > acceleration_share)
		cap = fmin(cap, sqrt(acceleration_share / d->acceleration));
	return cap;
}

double demand_slowing_1_s(const struct demand *d)
{
	return acceleration_share / fmax(d->braking, 1e-6);
}

/* Whether joints that move so leave the posture more room to move than it has. */
static bool leads_out(const struct arm_setup *arm, const struct ik *here, const double *q_rad, const double *dq)
{
	const double step_rad = 1e-3;
	double q[DOF_MAX], fastest = 1e-12;
	struct ik there;

	for (uint32_t i = 0; i < here->dof; i++)
		fastest = fmax(fastest, fabs(dq[i]));
	for (uint32_t i = 0; i < here->dof; i++)
		q[i] = q_rad[i] + step_rad * dq[i] / fastest;
	ik_prepare_damped(&there, &arm->model, &arm->tcp, q, damping);
	return there.manipulability > here->manipulability;
}

double demand_shortfall(const struct arm_setup *arm, const double *q_rad, const struct jet *at)
{
	const double least = 1e-3, none = 0.02; /* m/s: what hardly moves has no direction; a share that is not worth a closer look */
	double twist[6], dq[DOF_MAX] = { 0 }, miss = 0.0, all = 0.0;
	struct ik k;

	for (int i = 0; i < 6; i++)
		twist[i] = at[i].d1;
	ik_prepare_damped(&k, &arm->model, &arm->tcp, q_rad, damping);
	ik_solve(&k, twist, dq);
	for (int r = 0; r < 3; r++) {
		double made = 0.0;

		for (uint32_t i = 0; i < k.dof; i++)
			made += k.j[r][i] * dq[i];
		miss += pow(twist[r] - made, 2);
		all += pow(twist[r], 2);
	}
	if (!(all > least * least) || !(miss > none * none * all) || leads_out(arm, &k, q_rad, dq))
		return 0.0;
	return sqrt(miss / all);
}
