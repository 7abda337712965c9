/* follow.h - the motion that is sent follows a path, which may change at any time: as fast as the arm can, and no faster.
 *
 * What is sent has a state of its own (position, velocity and acceleration of every coordinate, by real time) and moves by limited
 * jerk. A new path only changes what it is to follow, so that nothing can jump. A difference of velocity is cancelled with most of
 * the acceleration that the joints have in that direction, whatever the path's own acceleration is; a difference of position is
 * taken back slowly, on top of the path's velocity. So the motion turns towards what is asked now as soon as the arm can, and
 * contradicting paths add up to no speed that none of them asked for.
 * Functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_FOLLOW_H
#define DREAMVLA_DAEMON_STAGE_FOLLOW_H

#include "daemon/flow.h"
#include "daemon/stage/axis.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/spline.h"

/* What an arm's motion may take, in the coordinates of its path: position and rotation vector, or joints. */
struct follow {
	uint32_t dim;
	bool joints;
	double load[SPLINE_DIM_MAX][DOF_MAX]; /* share of its limit that each joint takes for an acceleration of 1 of a coordinate */
	double a_max[SPLINE_DIM_MAX];  /* of each coordinate if it moves alone */
	double ramp_s;         /* in which the joints' acceleration builds up */
	double catch_up[2];    /* speed at which a difference of position is taken back: of position and of rotation, or [0] of joints */
	double gain_1_s;       /* and its rate near by */
};

/* load, a_max and ramp_s as the joints' limits are at the posture of k. */
void follow_reach(struct follow *f, const struct arm_setup *arm, const struct ik *k);

/* One sample of dt_s towards the path, whose state is given for its end. What the path has that is not finite shows in now. */
void follow_step(const struct follow *f, const struct axis *path, double dt_s, struct axis *now);

#endif
