/* arbiter.h - who drives each arm: hold, policy or home, and the operator's small motions; a person's device
 * overrides them all (daemon/control_teleop.c).
 * Functions: thread of the owner (control), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_ARBITER_H
#define DREAMVLA_DAEMON_STAGE_ARBITER_H

#include "daemon/flow.h"
#include "daemon/stage/axis.h"
#include "daemon/stage/safety.h"

/* A straight line in joint space from `from` to `to`; along.q runs from 0 to 1. */
struct line {
	bool active, stopping;
	double from_rad[DOF_MAX], to_rad[DOF_MAX];
	struct axis along;
	struct axis_limits limits;
};

struct arbiter {
	const struct control_setup *setup; /* constant */
	struct line line[ARMS_MAX];
};

void arbiter_init(struct arbiter *a, const struct control_setup *setup);

/* Starts the arm's home motion from where it stands (sent): at most 20 % of its joint speeds. */
void arbiter_home(struct arbiter *a, uint32_t arm, const struct safety *sent);

/* Starts one bounded step of the TCP: at most 10 mm and 0.05 rad. false: larger, not finite, or out of reach. */
bool arbiter_jog(struct arbiter *a, uint32_t arm, const struct safety *sent, const struct twist *delta);

/* Brings the operator's motions, or one arm's, to a stop along their lines. */
void arbiter_stop(struct arbiter *a);
void arbiter_stop_arm(struct arbiter *a, uint32_t arm);

/* Forgets the arm's motion: it was taken away, or has a new start. */
void arbiter_forget(struct arbiter *a, uint32_t arm);

bool arbiter_busy(const struct arbiter *a);

/* One control period: the operator's motions override the policy's setpoint of their arm. speed 0..1 slows them down. */
void arbiter_step(struct arbiter *a, const struct setpoint policy[ARMS_MAX], double speed, struct setpoint out[ARMS_MAX]);

#endif
