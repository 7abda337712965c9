/* control_mode.h - mode changes, their reasons and events, and the operators' commands. Part of control_tick. */
#ifndef DREAMVLA_DAEMON_CONTROL_MODE_H
#define DREAMVLA_DAEMON_CONTROL_MODE_H

#include "daemon/control_tick.h"

/* Records one edge for io; a full ring drops and counts. Thread: control. Allocates: no. Blocks: no. */
void control_event(struct control *c, enum control_event_kind kind, enum reason reason, uint32_t subject, double value, double limit);

/* The same for an edge of a device of teleop. Thread: control. Allocates: no. Blocks: no. */
void control_event_of_device(struct control *c, enum control_event_kind kind, enum reason reason, uint32_t subject, uint32_t device,
		double value, double limit);

/* Changes the mode, with the reason to show and an event. Thread: control. Allocates: no. Blocks: no. */
void control_mode_set(struct control *c, enum mode next, enum reason reason, uint32_t subject, double value, double limit);

/* A person has driven until now, and why no longer: marked for whoever learns from recordings.
 * Thread: control. Allocates: no. Blocks: no. */
void control_tell_intervention(struct control *c, enum reason why, uint32_t subject, double value, double limit);

/* What ends every motion of the arm in every mode, an operator's home and jog included. Thread: control. Allocates: no. Blocks: no. */
uint64_t control_motion_stops(const struct control *c, uint32_t arm);

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
