/* control_watch.h - finds everything that stands in the way of motion, from the inputs of one tick. Part of control_tick. */
#ifndef DREAMVLA_DAEMON_CONTROL_WATCH_H
#define DREAMVLA_DAEMON_CONTROL_WATCH_H

#include "daemon/control_tick.h"

/* Fills c->standing and every arm's part of it (latched faults included). Thread: control. Allocates: no. Blocks: no. */
void control_watch(struct control *c);

/* May targets go to this arm: attached to us, with joints, taking targets? Thread: control. Allocates: no. Blocks: no. */
bool control_arm_usable(const struct arm_state *s);

/* The newest chunk could be run now: right epoch and instruction, recent, finite. Thread: control. Allocates: no. Blocks: no. */
bool control_chunk_usable(const struct control *c);

/* Every seeded arm stands. Thread: control. Allocates: no. Blocks: no. */
bool control_standing(const struct control *c);

/* Rules for chunk_judge at this tick. Thread: control. Allocates: no. Blocks: no. */
struct chunk_rules control_chunk_rules(const struct control *c);

/* Bits of REASON_KINEMATICS_*: this arm's model or tool is another one than its driver's. Thread: control. Allocates: no.
 * Blocks: no. */
uint64_t control_models_differ(const struct control *c, uint32_t i);

#endif
