/* teleop_gripper.h - from a person's gripper trigger to openings that are commanded.
 *
 * The gripper acts only after the trigger has been moved since the take-over. It follows the trigger exactly, but turns round (from
 * opening to closing, or back) only when asked to by more than a hysteresis, and not again before a dwell has passed: a hand that
 * trembles, or a noisy trigger, does not make it chatter.
 * Functions: thread of the owner (control), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_TELEOP_GRIPPER_H
#define DREAMVLA_DAEMON_STAGE_TELEOP_GRIPPER_H

#include "daemon/flow.h"

/* Zeroed: the device has not said anything yet. */
struct teleop_gripper {
	bool known, acts;
	double start_m;        /* what the device said at the take-over */
	double sent_m;
	double direction;      /* of its newest motion: 1 opening, -1 closing */
	int64_t turned_ago_ns;
};

/* What the device says at the take-over: moves nothing. */
void teleop_gripper_start(struct teleop_gripper *g, const struct teleop_input *in);

/* One control period. true: opening_m is to be commanded; false: the gripper stays as it is. */
bool teleop_gripper_step(struct teleop_gripper *g, const struct control_setup *setup, const struct arm_setup *arm,
		const struct teleop_input *in, double *opening_m);

#endif
