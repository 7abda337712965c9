/* setup.c - see setup.h. */
#include "robots/franka/setup.h"

#include <string.h>

#include "daemon/stage/geometry.h"

static void fill(double *out, uint32_t n, double value)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = value;
}

static void fill_thresholds(struct franka_thresholds *t, double torque_nm, double force_n)
{
	fill(t->lower_torque_nm, 7, torque_nm);
	fill(t->upper_torque_nm, 7, torque_nm);
	fill(t->lower_force_n, 6, force_n);
	fill(t->upper_force_n, 6, force_n);
}

/* Source: libfranka, examples/examples_common.cpp, setDefaultBehavior; the low-pass is its kDefaultCutoffFrequency. A hand's speed is the
 * fastest that Franka's data sheet gives; its force is above the 30 N from which on it holds. */
void franka_setup_defaults(struct franka_setup *s)
{
	static const double joint_impedance[7] = { 3000, 3000, 3000, 2500, 2500, 2000, 2000 };
	static const double cartesian_impedance[6] = { 3000, 3000, 3000, 300, 300, 300 };

	*s = (struct franka_setup){ .generator = OUTPUT_JOINT, .tcp = pose_identity, .low_pass_hz = 100.0,
		.hand = { .enabled = true, .speed_m_s = 0.1, .force_n = 40.0, .epsilon_inner_m = 0.08, .epsilon_outer_m = 0.08 } };
	fill_thresholds(&s->acceleration, 20.0, 20.0);
	fill_thresholds(&s->nominal, 10.0, 10.0);
	memcpy(s->joint_impedance_nm_rad, joint_impedance, sizeof joint_impedance);
	memcpy(s->cartesian_impedance, cartesian_impedance, sizeof cartesian_impedance);
}
