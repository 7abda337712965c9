/* plant.h - the simulated PiPER's joints: they follow what a controller plans, or move as torques and gravity make them.
 *
 * Following: a critically damped servo of 100 1/s that knows the plan's velocity and acceleration; its motors turn no faster than 30 rpm, which is what
 * the maker's maintainers say (piper_sdk issue 12). Everything else is an impedance, T = kp (p - q) + kd (v - dq) + t, against
 * gravity, friction and the joint's inertia: MIT commands; damping after an emergency stop; no power at all.
 *
 * Masses: the maker's URDF, each at a guessed place (the middle of its link). Inertia: those masses as points, joints apart from each
 * other, and an armature. Friction and damping are guesses: nobody has published how fast a PiPER sinks; here a stretched arm sinks at
 * about 0.2 rad/s when it is damped and falls at about 2 rad/s without power. It comes to rest at the ends of its joints (the maker's ranges), or where its surface
 * touches the table, z = 0. Pure: no clock, no heap, no I/O. */
#ifndef DREAMVLA_ROBOTS_SIM_PIPER_PLANT_H
#define DREAMVLA_ROBOTS_SIM_PIPER_PLANT_H

#include "daemon/flow.h"
#include "robots/piper/wire.h"


#define PIPER_PERIOD_S 1e-3

enum piper_drive_kind {
	PIPER_DRIVE_OFF = 0,    /* no power */
	PIPER_DRIVE_DAMPED,     /* emergency stop */
	PIPER_DRIVE_FOLLOW,     /* q_rad, dq_rad_s, ddq_rad_s2: the plan at the end of this period */
	PIPER_DRIVE_IMPEDANCE,
};

struct piper_drive {
	enum piper_drive_kind kind;
	double q_rad, dq_rad_s, ddq_rad_s2;
	double kp_nm_rad, kd_nm_s_rad, t_nm; /* IMPEDANCE, with q_rad and dq_rad_s as p and v */
};

struct piper_plant {
	const struct robot_model *model;
	double q_rad[PIPER_JOINTS], dq_rad_s[PIPER_JOINTS];
	double tau_nm[PIPER_JOINTS]; /* of the motors, at the joints */
};

/* The arm at rest, folded: its zero posture. */
void piper_plant_init(struct piper_plant *p, const struct robot_model *m);

/* One millisecond. */
void piper_plant_step(struct piper_plant *p, const struct piper_drive drive[PIPER_JOINTS]);

#endif
