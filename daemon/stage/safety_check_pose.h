/* safety_check_pose.h - the arm's own look at a stream of pose targets: limits of the TCP, and the joints that it takes.
 *
 * dreamvlad plans a pose target in joints: it is the pose of a joint state that keeps every limit, with the twist of that state. The
 * arm does not see those joints. It solves its own inverse kinematics from where it is, and what comes out goes through
 * safety_check_target like a joint target: position, velocity, acceleration and jerk of every joint, workspace, and the floor for
 * elbow, forearm and hand are those of the arm's own joints. What such an arm may do differently from the plan: an arm of seven axes
 * has another elbow for the same pose (both sides drift gently to the home posture while they move, so that the difference stays
 * small), and where two branches meet, at a singular posture, it may take the other one. Neither breaks a limit: what its own joints
 * cannot do within them is refused, with a brake.
 * Functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_SAFETY_CHECK_POSE_H
#define DREAMVLA_DAEMON_STAGE_SAFETY_CHECK_POSE_H

#include "daemon/flow.h"
#include "daemon/stage/safety.h"

/* The newest accepted pose of a stream, and how far the TCP would be behind it had it kept its limits. Zeroed: none. */
struct safety_check_pose {
	struct pose at;
	struct twist twist;
	double behind_m_s, behind_rad_s; /* of acceleration limits */
	double behind_m, behind_rad;     /* of all limits */
};

/* Judges a target of kind pose, and as a joint target of the arm's own making by `c`, which says whether it is a first one. A first
 * one must lie within 5 mm and 0.02 rad of the pose of q_d with nearly no velocity. Refused: behind by more than 5 mm or 0.02 rad,
 * out of the reach of inverse kinematics from here, or whatever safety_check_target refuses; both p and c then begin anew. Accepted:
 * *joints is the same target in joints. As in safety.c the TCP's speed limit is
 * scaled by limit_scale; its angular speed and its accelerations have the model's own limits. The model knows no jerk of the TCP. */
struct safety_finding safety_check_pose_target(struct safety_check_pose *p, struct safety_check *c, const struct driver_target *t,
		const double *q_d_rad, struct driver_target *joints);

#endif
