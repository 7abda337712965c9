/* control_teleop.h - people's devices: take-over, release, loss, and the way back to the policy. Part of control_tick. */
#ifndef DREAMVLA_DAEMON_CONTROL_TELEOP_H
#define DREAMVLA_DAEMON_CONTROL_TELEOP_H

#include "daemon/control_tick.h"

/* Looks at every device and changes the mode as their dead-men ask. Thread: control. Allocates: no. Blocks: no. */
void control_follow_teleop(struct control *c);

/* TELEOP: overwrites the setpoints: the person's for the arm that is driven, nothing for the others.
 * Thread: control. Allocates: no. Blocks: no. */
void control_steer(struct control *c, struct setpoint chosen[ARMS_MAX]);

#endif
