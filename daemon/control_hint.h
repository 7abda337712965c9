/* control_hint.h - what the policy thread is told at the end of a tick: which observations are wanted, and, where the policy can
 * continue it, the running motion. Part of control_tick. */
#ifndef DREAMVLA_DAEMON_CONTROL_HINT_H
#define DREAMVLA_DAEMON_CONTROL_HINT_H

#include "daemon/control_tick.h"

/* Thread: control. Allocates: no. Blocks: no. */
void control_hint(struct control *c);

#endif
