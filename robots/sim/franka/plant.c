/* plant.c - see plant.h. */
#include "robots/sim/franka/plant.h"

#include <math.h>
#include <string.h>

static const double dt_s = FRANKA_PERIOD_S;
static const double follow_rad_s = 500.0;
static const double armature_kg_m2 = 0.1;

static void feel(struct franka_plant *p, const struct franka_motion *m)
{
	double tau[FRANKA_DOF];

	franka_inverse_dynamics(p->dynamics, &p->load, franka_earth_m_s2, m, tau);
	for (int i = 0; i < FRANKA_DOF; i++) {
		p->dtau_nm_s[i] = (tau[i] - p->tau_nm[i]) / dt_s;
		p->tau_nm[i] = tau[i];
	}
}

static struct franka_motion motion_of(const struct franka_plant *p)
{
	struct franka_motion m = { { 0 } };

	memcpy(m.q_rad, p->q_rad, sizeof m.q_rad);
	memcpy(m.dq_rad_s, p->dq_rad_s, sizeof m.dq_rad_s);
	return m;
}

/* Exact solution of e'' = -w^2 e - 2 w e' for the difference from the desired motion, which is stable for any period. */
void franka_plant_follow(struct franka_plant *p, const struct franka_desired *d)
{
	double decay = exp(-follow_rad_s * dt_s);
	struct franka_motion m = motion_of(p);

	for (int i = 0; i < FRANKA_DOF; i++) {
		/* The desired motion has just advanced by its velocity: before, it was there. */
		double apart = p->q_rad[i] - (d->q_rad[i] - d->dq_rad_s[i] * dt_s);
		double rate = p->dq_rad_s[i] - (d->dq_rad_s[i] - d->ddq_rad_s2[i] * dt_s);
		double a = rate + follow_rad_s * apart, before = p->dq_rad_s[i];

		p->q_rad[i] = d->q_rad[i] + (apart + a * dt_s) * decay;
		p->dq_rad_s[i] = d->dq_rad_s[i] + (rate - follow_rad_s * a * dt_s) * decay;
		m.ddq_rad_s2[i] = (p->dq_rad_s[i] - before) / dt_s;
	}
	feel(p, &m);
}

/* Velocities beyond what any arm has are cut, so that nothing a client
 * sends makes a number overflow; the robot's own check has ended the motion long before. */
void franka_plant_push(struct franka_plant *p, const double *tau_nm)
{
	double m[FRANKA_DOF][FRANKA_DOF], bias[FRANKA_DOF], force[FRANKA_DOF], ddq[FRANKA_DOF];
	struct franka_motion now = motion_of(p);

	franka_mass(p->dynamics, &p->load, p->q_rad, m);
	franka_coriolis(p->dynamics, &p->load, p->q_rad, p->dq_rad_s, bias);
	for (int i = 0; i < FRANKA_DOF; i++) {
		m[i][i] += armature_kg_m2;
		force[i] = tau_nm[i] - bias[i];
	}
	if (!franka_solve(m, force, ddq))
		return;
	for (int i = 0; i < FRANKA_DOF; i++) {
		p->dq_rad_s[i] = fmin(fmax(p->dq_rad_s[i] + ddq[i] * dt_s, -10.0), 10.0);
		p->q_rad[i] += p->dq_rad_s[i] * dt_s;
		now.ddq_rad_s2[i] = ddq[i];
	}
	feel(p, &now);
}
