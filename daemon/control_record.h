/* control_record.h - what a control tick started from and what came out of it, onto the control thread's tape. */
#ifndef DREAMVLA_DAEMON_CONTROL_RECORD_H
#define DREAMVLA_DAEMON_CONTROL_RECORD_H

#include "daemon/control_tick.h"

/* At the end of a tick: a RECORD_TICK, where one is wanted. Thread: control. Allocates: no. Blocks: no. */
void control_record(struct control *c);

#endif
