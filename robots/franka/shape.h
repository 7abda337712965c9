/* shape.h - what is wished of the joints, bent so that the robot's checks hold: a low-pass, then a limiter.
 *
 * The robot differentiates commands by backward Euler over 1 ms from its own bookkeeping (q_d, dq_d, ddq_d) and stops in a reflex at
 * the first velocity, acceleration or jerk beyond its limits; a missing command it replaces by constant acceleration. Discrete q, v, a
 * with a' = a + j dt, v' = v + a' dt, q' = q + v' dt are exact samples of a motion with piecewise constant jerk whose state is
 *     q - v dt + a dt^2 / 6,  v - a dt / 2,  a
 * (put one into the other), so that stage/axis.h applies as it stands. What is sent always leaves a way to rest within every limit, also
 * if only single commands arrive between rows of up to 19 that are lost: coast.h. A wish that may be sent as it is, is sent as it is; from
 * any other the joint closes in without overshoot worth mentioning, and ends on it exactly.
 *
 * Limits: by server version those of robots/model (Panda to 5, FR3 to 9, FR3 with system 5.9 from 10 on), less libfranka's margin of
 * 1e-3; the position-dependent bound where the model has one. libfranka's own limiter (rate_limiting.h) keeps jerk only while that
 * bound stands still, and swings about a wish that stands.
 * Low-pass: y' = y + g (wish - y), g = dt / (dt + 1 / (2 pi f)) (libfranka lowpass_filter.h); 1000 Hz and more: none, which is the
 * default. libfranka's is 100 Hz, for callbacks of any kind; the wish here is a play-out of piecewise constant jerk already. Against the
 * simulated robot (20 s of two sines per joint in samples of 5 ms, up to 0.6 rad/s, Panda) 100 Hz leaves the peak of the jerk at 0.3 % of its
 * limit as it is, and stays 0.9 mrad behind; with rows of 1 to 3 lost commands it halves that peak, from 6 % to 4 %; with rows of 1 to 19
 * it doubles the jerk's mean (root of squares 0.6 % to 1.4 %) and the distance from the wish (2.7 to 5.6 mrad).
 * Pure. All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_SHAPE_H
#define DREAMVLA_ROBOTS_FRANKA_SHAPE_H

#include "daemon/flow.h"
#include "daemon/stage/axis.h"
#include "robots/franka/wire.h"

enum { FRANKA_JOINTS = 7 };

/* The robot's bookkeeping of one moment, in float64. */
struct franka_joints {
	double q_rad[FRANKA_JOINTS], dq_rad_s[FRANKA_JOINTS], ddq_rad_s2[FRANKA_JOINTS];
};

struct franka_shape {
	uint32_t version;
	const struct robot_model *model;
	struct axis_limits limits[FRANKA_JOINTS];
	double gain;               /* of the low-pass; 1: none */
	bool gentle;               /* the owner sets it: joints close in and brake with a share of their limits, for the end effector's */
	struct franka_joints now;  /* as the robot has it at the newest state */
	struct franka_joints full; /* as it would have it after the last command of franka_shape_step, */
	struct franka_joints sent; /* and after the one that was made of that, when it comes in time */
	bool has_sent;
	bool rounded;              /* `now` is as float32 states say it */
	bool follows[FRANKA_JOINTS]; /* the last command was the wish itself */
};

/* The model of a server version. */
const struct robot_model *franka_shape_model(uint32_t version);

void franka_shape_init(struct franka_shape *s, uint32_t version, double low_pass_hz);

/* A motion begins: from q_d, standing. */
void franka_shape_begin(struct franka_shape *s, const struct fci_state *state);

/* A state of the motion, `periods` after the one before it: what the robot made of the commands. States of protocol 10 are float32; our
 * own copy in float64 goes on while it agrees with them. */
void franka_shape_see(struct franka_shape *s, const struct fci_state *state, uint64_t periods);

/* The command that answers that state. dq is the wish's own velocity, which closing in aims at. A wish that is not a number brakes. */
void franka_shape_step(struct franka_shape *s, const double *q_rad, const double *dq_rad_s, double *out_rad);

/* That command again, its accelerations changed by this share of what it changes them by: 1 all of it, 0 goes on with those that the joints
 * have, below 0 changes them the other way. For limits that concern all joints together; they go before the joints' own. */
void franka_shape_soften(struct franka_shape *s, double share, double *out_rad);

/* Velocity and acceleration of the last command are next to nothing: a finished flag may go with it. */
bool franka_shape_rests(const struct franka_shape *s);

#endif
