/* plant.h - the arm itself: joints that follow desired ones closely, or move as torques make them.
 *
 * Position: a stiff, critically damped follower of the desired motion (500 1/s, with its velocity and acceleration fed forward), so
 * that a smooth trajectory is followed within microradians and a step within about 10 ms. Torque: rigid-body dynamics with gravity
 * and friction compensated, as the real controller does, and an armature of 0.1 kg m^2 per joint (the motors' inertia through their
 * gears, as the MuJoCo Menagerie's model of this arm has it).
 * Pure: no clock, no heap, no I/O. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_PLANT_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_PLANT_H

#include "robots/sim/franka/generator.h"

struct franka_plant {
	const struct franka_dynamics *dynamics;
	struct franka_body load;              /* hand and load */
	double q_rad[FRANKA_DOF], dq_rad_s[FRANKA_DOF];
	double tau_nm[FRANKA_DOF], dtau_nm_s[FRANKA_DOF]; /* at the link, gravity included */
};

/* One period towards the desired motion. */
void franka_plant_follow(struct franka_plant *p, const struct franka_desired *d);

/* One period under torques beyond gravity. */
void franka_plant_push(struct franka_plant *p, const double *tau_nm);

#endif
