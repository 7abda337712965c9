/* demand.h - how much of an arm's limits a motion takes.
 * Functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_DEMAND_H
#define DREAMVLA_DAEMON_STAGE_DEMAND_H

#include "daemon/flow.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/spline.h"

struct demand {
	double velocity, acceleration; /* of limits, at rate 1 */
	double braking;                /* |q'| / a_max, the largest, s */
};

/* Raises d to what the motion at[] takes: of the joints, or of position and rotation vector at the posture of k. Derivatives are by
 * the time in which rates count. */
void demand_take(const struct arm_setup *arm, bool joints, const struct ik *k, const struct jet *at, struct demand *d);

/* The rate (at most 1) at which a motion that takes so much leaves enough of the limits for cancelling offsets and for inverse
 * kinematics, and how fast that rate may fall. */
double demand_rate(const struct demand *d);
double demand_slowing_1_s(const struct demand *d);

/* How much of the way of the TCP in the motion at[], of position and rotation vector, the posture q_rad cannot make, 0..1: all of it
 * outwards from a stretched arm. 0 where the motion leads out of the singular posture: that way is slow, but free. Turning does not
 * count: a wrist passes its singular posture. */
double demand_shortfall(const struct arm_setup *arm, const double *q_rad, const struct jet *at);

#endif
