/* demand.c - see demand.h. */
#include "daemon/stage/demand.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

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

double demand_shortfall(const struct ik *k, const struct jet *at)
{
	const double reach_m = 0.3, least = 1e-3; /* m/s: what hardly moves has no direction */
	double twist[6], dq[DOF_MAX] = { 0 }, miss = 0.0, all = 0.0;

	for (int i = 0; i < 6; i++)
		twist[i] = at[i].d1;
	ik_solve(k, twist, dq);
	for (int r = 0; r < 6; r++) {
		double weight = r < 3 ? 1.0 : reach_m, made = 0.0;

		for (uint32_t i = 0; i < k->dof; i++)
			made += k->j[r][i] * dq[i];
		miss += pow(weight * (twist[r] - made), 2);
		all += pow(weight * twist[r], 2);
	}
	return all > least * least ? sqrt(miss / all) : 0.0;
}
