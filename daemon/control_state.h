/* control_state.h - all that control remembers, put on its tape when the recorder begins a file in the middle of a session: from it and
 * the ticks behind it a replay makes the same targets.
 *
 * One copy of the whole (637 kB: 60 us, or 300 us where neither side is in a cache), made between two ticks, when the targets of the first
 * have left: no target waits for it, at 1 kHz the next tick may begin late once. A state copied in pieces over several ticks would be none,
 * because every tick changes it. Written only when it was asked for (links->state_wanted): once per file of a recording. */
#ifndef DREAMVLA_DAEMON_CONTROL_STATE_H
#define DREAMVLA_DAEMON_CONTROL_STATE_H

#include "daemon/control_tick.h"

/* If a state was asked for since the last one, it is wanted on the tape and there is room. The motion is told anew with the next tick, so
 * that what the policy continues is in the recording from then on. Thread: control. Allocates: no. Blocks: no. */
void control_state_record(struct control *c);

#endif
