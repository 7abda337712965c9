/* action.h - one action of one arm in the policy's own space and units (messages.md section 7): where it leads, and which one leads
 * to a given place. The two are each other's inverse, so that motion can be said in the policy's words.
 *
 * An `action` is the whole un-normalised vector of a step, ACTION_DIM_MAX or setup->action_dim long; only the arm's own slice is
 * looked at, and its gripper value is not. Functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_ACTION_H
#define DREAMVLA_DAEMON_STAGE_ACTION_H

#include "daemon/flow.h"

/* What a chunk has come to after so many actions. */
struct action_point {
	double q_rad[DOF_MAX];  /* joint spaces */
	struct pose at;         /* end-effector spaces */
	double rate[6];         /* of the soft controller (osc): m/s and rad/s of path time */
};

/* Where a chunk starts for one arm, in path time. */
struct waypoint_start {
	double q_rad[DOF_MAX];       /* what deltas are added to, at the time of the observation */
	double dq_rad[DOF_MAX];      /* rate of the sent motion then, per second of path time: for the soft controller (osc) */
};

/* Joint angles are the actions' coordinates. */
bool action_is_joints(const struct control_setup *setup);

void action_begin(const struct control_setup *setup, uint32_t arm, const struct waypoint_start *start, struct action_point *out);

/* Goes on by one action. End-effector points stay inside the arm's workspace, joint points inside its joint limits, both less a
 * margin. */
void action_follow(const struct control_setup *setup, uint32_t arm, const double *action, struct action_point *at);

/* The action that leads from `at` to `goal` (its joints or pose), written to the arm's slice of `action` but for a gripper. Where an
 * angle can be written in several ways, or a scale of 0 makes a value mean nothing, as near as possible to what `action` held
 * before. What the soft controller cannot do in one step is cut off, as it does. */
void action_find(const struct control_setup *setup, uint32_t arm, const struct action_point *at, const struct action_point *goal,
		double *action);

#endif
