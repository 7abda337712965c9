/* control_pose.h - arms that get poses: what their own inverse kinematics makes of them, beside what was planned.
 *
 * The plan is made in joints, and the arm solves for joints of its own: with seven axes the elbow may differ, more and more. The
 * poses must agree all the time. The joints may drift apart as far as posture_max_rad while a policy runs; whenever the arms
 * stand, the plan takes the arm's own joints over. Thread: control. Allocates: no. Blocks: no. */
#ifndef DREAMVLA_DAEMON_CONTROL_POSE_H
#define DREAMVLA_DAEMON_CONTROL_POSE_H

#include "daemon/control_tick.h"

/* What arm i says that it was commanded to be, beside what it was sent for the same moment. */
struct posture {
	bool known;       /* the arm gets poses, and both sides of the comparison are there */
	bool settled;     /* what was sent for that moment is what is sent now: nothing is on its way any more */
	double joint_rad; /* the largest difference of a joint */
	double tcp_m, tcp_rad;
};

struct posture control_posture(const struct control *c, uint32_t i);

/* Adds what of it stands in the way. */
void control_watch_posture(const struct control *c, uint32_t i, struct reasons *r);

/* The arms stand where they were sent to, nobody drives, and arm i has other joints than planned for the same pose. */
bool control_posture_differs(const struct control *c, uint32_t i);

/* The end of a way home may be judged: the plan has the joints of the arm itself. */
bool control_posture_settled(const struct control *c, uint32_t i);

#endif
