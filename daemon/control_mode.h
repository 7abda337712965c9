/* control_mode.h - mode changes, their reasons and events, and the operators' commands. Part of control_tick. */
#ifndef DREAMVLA_DAEMON_CONTROL_MODE_H
#define DREAMVLA_DAEMON_CONTROL_MODE_H

#include "daemon/control_tick.h"

/* Records one edge for io; a full ring drops and counts. Thread: control. Allocates: no. Blocks: no. */
void control_event(struct control *c, enum control_event_kind kind, enum reason reason, uint32_t subject, double value, double limit);

/* Makes every chunk inferred so far void. Thread: control. Allocates: no. Blocks: no. */
void control_new_epoch(struct control *c);

/* Changes the mode as faults and holds of c->standing demand, the most severe first. Thread: control. */
void control_follow_reasons(struct control *c);

/* Ends AUTO or SHADOW in HOLD for a reason that is no lasting one. Thread: control. */
void control_hold(struct control *c, enum reason reason, uint32_t subject, double value, double limit);

/* Carries out and answers every waiting command. Thread: control. Allocates: no. Blocks: no. */
void control_obey(struct control *c);

/* AUTO or SHADOW: the policy's chunks are run. */
bool control_runs_policy(const struct control *c);

#endif
