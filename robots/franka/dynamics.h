/* dynamics.h - rigid-body dynamics of a Franka: torques for a motion, and what follows from them.
 *
 * Recursive Newton-Euler in the base frame (Craig, Introduction to Robotics, 6.5). Friction is not part of it. Arrays hold seven
 * joints; matrices are row-major and symmetric. All functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_DYNAMICS_H
#define DREAMVLA_ROBOTS_FRANKA_DYNAMICS_H

#include <stdbool.h>

#include "daemon/flow.h"

enum { FRANKA_DOF = 7 };

/* A rigid body in the frame of its link; the inertia about its centre of mass: xx, yy, zz, xy, xz, yz. */
struct franka_body {
	double mass_kg, com_m[3], inertia_kg_m2[6];
};

struct franka_dynamics {
	const struct robot_model *model;
	struct franka_body link[FRANKA_DOF];
	double tau_max_nm[FRANKA_DOF];
};

/* Panda: the set of Gaz, Cognetti, Oliva, Robuffo Giordano and De Luca ("Dynamic identification of the Franka Emika Panda robot with
 * retrieval of feasible parameters", IEEE RA-L 4(4), 2019). FR3: Franka's robot description 1.0.1. */
extern const struct franka_dynamics franka_dynamics_panda, franka_dynamics_fr3;

/* What the flange carries, hand included: the body in the flange's frame. Zeroed: nothing. */
struct franka_motion {
	double q_rad[FRANKA_DOF], dq_rad_s[FRANKA_DOF], ddq_rad_s2[FRANKA_DOF];
};

extern const double franka_earth_m_s2[3]; /* 0, 0, -9.81 */

/* Torques that make the arm move so against gravity. */
void franka_inverse_dynamics(const struct franka_dynamics *d, const struct franka_body *load, const double gravity_m_s2[3],
		const struct franka_motion *m, double tau_nm[FRANKA_DOF]);

void franka_mass(const struct franka_dynamics *d, const struct franka_body *load, const double *q_rad, double m[FRANKA_DOF][FRANKA_DOF]);

/* Centrifugal and Coriolis torques, C(q, dq) dq. */
void franka_coriolis(const struct franka_dynamics *d, const struct franka_body *load, const double *q_rad, const double *dq_rad_s,
		double tau_nm[FRANKA_DOF]);
void franka_gravity(const struct franka_dynamics *d, const struct franka_body *load, const double gravity_m_s2[3], const double *q_rad,
		double tau_nm[FRANKA_DOF]);

/* x of m x = b for a symmetric positive definite m (Cholesky); false where it is none. */
bool franka_solve(double m[FRANKA_DOF][FRANKA_DOF], const double b[FRANKA_DOF], double x[FRANKA_DOF]);

#endif
