/* control_arm.h - which arms get targets: seeding, losing, refusals, pauses. Part of control_tick. */
#ifndef DREAMVLA_DAEMON_CONTROL_ARM_H
#define DREAMVLA_DAEMON_CONTROL_ARM_H

#include "daemon/control_tick.h"

/* Seeds the motion of arms that have become ours and stand; lets go of those that no longer take targets. Latches the faults
 * that this shows. gap_ns: time since the tick before. Thread: control. Allocates: no. Blocks: no. */
void control_follow_arms(struct control *c, int64_t gap_ns);

/* Tells how home motions ended, once the arm stands. Thread: control. Allocates: no. Blocks: no. */
void control_follow_home(struct control *c);

#endif
