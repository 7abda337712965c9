/* pose_plan.c - see pose_plan.h. */
#include "robots/setup/pose_plan.h"

#include <math.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

/* Of the TCP's limits; the rest is for accelerations that come of velocities, and for postures in between. */
static const double tcp_share = 0.8;
/* Of the joints' limits, where an elbow may differ. */
static const double velocity_room = 0.8, acceleration_room = 0.6;

enum { POSTURES = 500 };

/* Halton's sequence: evenly spread numbers in 0..1, another base for each joint. */
static double spread(uint32_t i, uint32_t base)
{
	double share = 1.0, sum = 0.0;

	for (; i > 0; i /= base) {
		share /= base;
		sum += share * (i % base);
	}
	return sum;
}

/* The largest accelerations of the TCP that the joints' limits allow in this posture, whatever their directions. */
static void take_posture(const struct arm_setup *a, const double *q_rad, double *most_m_s2, double *most_rad_s2)
{
	double j[6][DOF_MAX];
	struct pose ignored;

	kinematics_jacobian(&a->model, &a->tcp, q_rad, &ignored, j);
	for (uint32_t signs = 0; signs < 1u << (a->model.dof - 1); signs++) {
		double x[6] = { 0 };

		for (uint32_t i = 0; i < a->model.dof; i++)
			for (int r = 0; r < 6; r++)
				x[r] += (signs >> i & 1 ? -1.0 : 1.0) * j[r][i] * a->model.ddq_max_rad_s2[i];
		*most_m_s2 = fmax(*most_m_s2, vec3_norm(x));
		*most_rad_s2 = fmax(*most_rad_s2, vec3_norm(x + 3));
	}
}

static double acceleration_share(const struct arm_setup *a)
{
	static const uint32_t base[DOF_MAX] = { 2, 3, 5, 7, 11, 13, 17 };
	const struct robot_model *m = &a->model;
	double most_m_s2 = 1e-9, most_rad_s2 = 1e-9;

	for (uint32_t n = 1; n <= POSTURES; n++) {
		double q[DOF_MAX] = { 0 };

		for (uint32_t i = 0; i < m->dof; i++)
			q[i] = m->q_min_rad[i] + spread(n, base[i]) * (m->q_max_rad[i] - m->q_min_rad[i]);
		take_posture(a, q, &most_m_s2, &most_rad_s2);
	}
	double share = tcp_share * fmin(m->tcp_a_max_m_s2 / most_m_s2, m->tcp_alpha_max_rad_s2 / most_rad_s2);

	return fmin(1.0, share / fmax(a->limit_scale, 1e-6));
}

double pose_plan(struct arm_setup *a)
{
	bool redundant = a->model.dof > 6;
	double share = fmin(acceleration_share(a), redundant ? acceleration_room : 1.0);

	for (uint32_t i = 0; i < a->model.dof; i++) {
		a->model.ddq_max_rad_s2[i] *= share;
		if (!redundant)
			continue;
		a->model.dq_max_rad_s[i] *= velocity_room;
		a->model.dddq_max_rad_s3[i] *= acceleration_room;
	}
	return share;
}
