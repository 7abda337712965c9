/* teleop_motion.h - from what a person's device asks for to setpoints of one arm.
 *
 * Starts from what was sent, moving or not, so that a take-over is no jump: the motion that was is slowed down to what the person
 * asks for within limits of speed, acceleration and jerk of the TCP, and the joints' reference keeps its own limits, so that safety
 * follows it exactly. The reference never runs ahead of the arm by more than a short leash: against an edge it waits there, and
 * turns back at once.
 * Functions: thread of the owner (control), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_TELEOP_MOTION_H
#define DREAMVLA_DAEMON_STAGE_TELEOP_MOTION_H

#include "daemon/flow.h"
#include "daemon/stage/axis.h"
#include "daemon/stage/safety.h"
#include "daemon/stage/teleop_gripper.h"

struct teleop_motion {
	const struct control_setup *setup; /* constant */
	const struct arm_setup *arm;   /* constant */
	double dt_s, v_max_m_s, w_max_rad_s;
	enum teleop_kind kind;
	bool to_goal;                  /* pose: the arm has stopped for the take-over, and goes where the device says since */
	struct axis axis[6];           /* twist: velocity of the TCP; pose: way since the take-over */
	struct pose start, goal, at;   /* of the TCP: at the take-over, where it is to be, and where the reference is */
	struct axis joint[DOF_MAX];    /* the reference, which keeps the arm's limits by itself */
	double zero[TELEOP_VALUES_MAX]; /* what the device said at the take-over */
	struct teleop_gripper gripper;
};

/* Largest distance of a joint device from the arm (sent), rad; 0 for other kinds. NaN when it is not finite. */
double teleop_mismatch_rad(const struct teleop_input *in, const struct arm_setup *arm, const struct safety *sent);

/* The arm (sent must be seeded) is driven by a device of in->kind from now on. arm and setup must outlive m. */
void teleop_motion_start(struct teleop_motion *m, const struct control_setup *setup, uint32_t arm, const struct teleop_input *in,
		const struct safety *sent);

/* One control period. speed 0..1 scales speeds, not what a pose or joint device finally reaches. */
void teleop_motion_step(struct teleop_motion *m, const struct teleop_input *in, const struct safety *sent, double speed,
		struct setpoint *out);

#endif
