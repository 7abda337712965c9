/* cartesian.h - joints as the pose and elbow that the Cartesian position generator takes: forward kinematics of the arm's model, so that a
 * pose is commanded only with joints that keep their limits.
 *
 * The robot's own kinematics may differ from the model by calibration. What they differ by when a motion begins is kept on every pose, so
 * that the first one is the robot's own and nothing jumps; what float32 states explain is no such difference.
 *
 * Joints within their limits may still take the end effector beyond the limits of its own generator, most of all when several brake at
 * once: franka_cartesian_load says so before the robot does.
 * Pure. All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_CARTESIAN_H
#define DREAMVLA_ROBOTS_FRANKA_CARTESIAN_H

#include "daemon/flow.h"
#include "robots/franka/wire.h"

/* Limits of the Cartesian generator (Franka's control parameters documentation): speed, acceleration, jerk. */
struct franka_cartesian_limits {
	double translation[3], rotation[3], elbow[3];
};

struct franka_cartesian {
	struct franka_cartesian_limits limits;
	struct fci_state last;     /* whose O_T_EE_c, elbow_c and their derivatives are the robot's bookkeeping */
	const struct robot_model *model;
	struct pose tcp;           /* flange -> end effector, as the robot was set */
	double shift_m[3];         /* the robot's pose less the model's */
	double turn_xyzw[4];       /* the robot's rotation after the model's */
};

/* Of the server version; m must outlive c. */
void franka_cartesian_init(struct franka_cartesian *c, uint32_t version, const struct robot_model *m, const struct pose *tcp);

/* A motion begins at this state's q_d and O_T_EE_c. false: model and robot differ by more than a robot would take as the start of a motion
 * (1 mm, 5 mrad): the end effector is not robots[].tcp. */
bool franka_cartesian_begin(struct franka_cartesian *c, const struct fci_state *s);

/* A state of the motion. */
void franka_cartesian_see(struct franka_cartesian *c, const struct fci_state *s);

/* How much of the end effector's limits these joints would take as the next command, which the robot differentiates by backward Euler: the
 * largest share of speed, acceleration or jerk. Up to 1 the robot takes it. */
double franka_cartesian_load(const struct franka_cartesian *c, const double *q_rad);

/* Pose and elbow of these joints into a command: elbow = joint 3 and the side of its flip on which joint 4 is. */
void franka_cartesian_put(const struct franka_cartesian *c, const double *q_rad, struct fci_motion *out);

#endif
