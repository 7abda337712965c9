/* generator.h - what the simulated Franka makes of a client's commands: desired joints and pose, the checks that the real one's
 * documentation names, and how it goes on when a command is missing.
 *
 * Documented: differences by backward Euler over 1 ms from the last desired values; a missing command is extrapolated with constant
 * acceleration, a missing torque is held. Not documented, and chosen here: the tolerances of the start pose (1 mrad, 1 mm, 5 mrad)
 * and 1 % of slack on every limit, because clients that limit themselves compute in float32 from protocol 10 on.
 * Pure: no clock, no heap, no I/O. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_GENERATOR_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "robots/franka/dynamics.h"
#include "robots/franka/wire.h"

#define FRANKA_PERIOD_S 1e-3

/* Limits of a generation of arms: Franka's control parameters documentation. */
struct franka_limits {
	const struct robot_model *model;         /* of the joints */
	double translation[3], rotation[3], elbow[3]; /* velocity, acceleration, jerk */
	double torque_rate_nm_s;
	const double *q_velocity_min_rad, *q_velocity_max_rad; /* where the bound on the speed towards a limit becomes zero */
	bool position_errors_are_joint_errors;   /* from system 5.7.2 on */
};

const struct franka_limits *franka_limits_of(uint32_t version);

/* What was commanded last, as the state reports it. */
struct franka_desired {
	double q_rad[FRANKA_DOF], dq_rad_s[FRANKA_DOF], ddq_rad_s2[FRANKA_DOF];
	struct pose pose;                        /* of the end effector */
	double twist[6], acceleration[6];        /* of the Cartesian generators */
	double elbow[2], elbow_rate, elbow_acceleration;
	double tau_nm[FRANKA_DOF];
};

struct franka_generator {
	const struct franka_limits *limits;
	struct pose flange_to_ee;
	uint8_t generator;                       /* FCI_GENERATOR_*, as a state says it */
	bool torques;                            /* external controller */
	bool started;                            /* a command of this motion was used */
	struct franka_desired d;
	uint64_t errors;                         /* bit of enum fci_error: what ended the motion */
};

/* Begins a motion at what is desired now; the arm must stand. */
void franka_generator_start(struct franka_generator *g, uint8_t generator, bool torques);

/* One period with the client's command, or (NULL) without. g->errors is what is wrong with it, if anything; the desired values then
 * stay as they were. */
void franka_generator_step(struct franka_generator *g, const struct fci_motion *command);

/* True where poses cannot be commanded because the arm is stretched or folded: a posture like that has no velocity for every twist. */
bool franka_generator_singular(const struct franka_generator *g);

/* One period without a motion: what still moves brakes, at the joint's limit at once. */
void franka_generator_brake(struct franka_generator *g);

/* Desired joints from where the arm is, e.g. after torques or guiding; the pose and elbow follow. */
void franka_generator_seed(struct franka_generator *g, const double *q_rad, const double *dq_rad_s);

/* Sign of the elbow: +1 above the flip angle of joint 4, -1 below. */
double franka_elbow_sign(double q4_rad);

/* A column-major 4 x 4 pose; false for what is none (bottom row; rows and columns of the rotation not of length 1 within 1e-5,
 * not at right angles within 1e-4; a mirror image). */
bool franka_pose_take(const double t[16], struct pose *out);
void franka_pose_put(const struct pose *p, double t[16]);

#endif
