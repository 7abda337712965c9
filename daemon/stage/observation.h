/* observation.h - what belongs together in time: the newest set of frames within the allowed skew, the arm state at that
 * time, frozen cameras, and the state vector as the fine-tune wants it.
 *
 * The io thread keeps the histories and picks; the policy thread builds the state vector. Objects belong to their caller;
 * functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_OBSERVATION_H
#define DREAMVLA_DAEMON_STAGE_OBSERVATION_H

#include "daemon/flow.h"

/* ---- frames ---------------------------------------------------------------------------------------------------- */

enum { FRAME_HISTORY = 8 };

/* Newest stamps of one camera, in order of arrival; entry k lies in slot k % FRAME_HISTORY. Zeroed: empty. The owner may
 * keep the frames' bytes in an array of the same length and use the same slots. */
struct frame_history {
	uint64_t n; /* ever pushed */
	int64_t stamp_ns[FRAME_HISTORY], arrival_ns[FRAME_HISTORY];
};

/* Returns the slot of the new entry. Stamps that do not advance are kept too (a frozen camera shows that way). */
uint32_t frame_history_push(struct frame_history *h, int64_t stamp_ns, int64_t arrival_ns);

/* The newest set, one frame per camera, whose stamps differ by max_skew_ns at most: slot[c] for every camera, *t_obs_ns the
 * oldest stamp, *ready_ns the latest arrival. false: some camera has no frame, or no such set exists (then *skewed is true). */
struct frame_set {
	uint32_t slot[CAMERAS_MAX];
	int64_t t_obs_ns, ready_ns;
	bool skewed;
};
bool frame_set_pick(const struct frame_history *h, uint32_t n_cameras, int64_t max_skew_ns, struct frame_set *out);

/* Counts frames in a row with the same bytes (same hash and length) or a stamp that stands still. Zeroed: start. */
struct frozen_watch {
	uint64_t hash, seen;
	int64_t stamp_ns;
	uint32_t same;
};

/* Returns true while frozen: `limit` frames in a row were identical (or stood still in time). */
bool frozen_watch_step(struct frozen_watch *w, uint64_t hash, int64_t stamp_ns, uint32_t limit);

/* 64-bit FNV-1a over 8-byte words, for frozen_watch_step. */
uint64_t frame_hash(const uint8_t *bytes, uint32_t n);

/* ---- arm states ------------------------------------------------------------------------------------------------ */

enum { STATE_HISTORY = 1024 }; /* 1 s at 1 kHz, the fastest an arm publishes */

/* States of one arm in order of stamp. Zeroed: empty. A state with a new `from` empties it first. */
struct state_history {
	uint32_t n, next;
	struct arm_state state[STATE_HISTORY];
};

/* States whose stamp does not advance, and those without joints, are not kept. */
void state_history_push(struct state_history *h, const struct arm_state *s);

/* The state at t_ns: joints, pose and gripper interpolated between the neighbours, everything else from the older one. Before
 * the oldest or more than 1 s ago: false. After the newest: the newest, if it is less than max_ahead_ns older; else false. */
bool state_history_at(const struct state_history *h, int64_t t_ns, int64_t max_ahead_ns, struct arm_state *out);

/* ---- state vector ---------------------------------------------------------------------------------------------- */

enum proprio_item { PROPRIO_EE_POS, PROPRIO_EE_ROTVEC, PROPRIO_EE_RPY, PROPRIO_EE_QUAT, PROPRIO_Q, PROPRIO_GRIPPER_M,
	PROPRIO_GRIPPER_FINGERS, PROPRIO_GRIPPER_OPEN, PROPRIO_COMMITTED_POS, PROPRIO_COMMITTED_ROTVEC, PROPRIO_ZERO, PROPRIO_COUNT };

/* How far the actions that are settled already lead one arm's TCP (execution.method inpaint), base frame: by the end of the last of them. */
struct proprio_lead {
	double p_m[3], rotvec_rad[3];
};

/* The name as in policy.proprio; NULL for a number that is none. */
const char *proprio_item_name(uint32_t item);

/* Number of values an item has for an arm with that many joints. */
uint32_t proprio_item_size(enum proprio_item item, uint32_t dof);

/* One of the items is the gripper's opening: an arm_state without one cannot be told from a closed gripper. */
bool proprio_needs_gripper(const enum proprio_item *item, uint32_t n_items);

/* One of the items is of struct proprio_lead. */
bool proprio_needs_lead(const enum proprio_item *item, uint32_t n_items);

/* Writes one arm's part of the state vector, items in order; returns the number of values, which is at most `capacity`
 * (items that do not fit are left out). `near` [that many] says how the training data wrote a rotation that can be written
 * in several ways: rotation vectors, roll-pitch-yaw and quaternions take the form nearest to it. NULL: rotation vectors of at
 * most pi, angles within +-pi, quaternions with w >= 0. gripper_max_m scales gripper_open. lead NULL: nothing is settled. */
uint32_t proprio_build(const enum proprio_item *item, uint32_t n_items, const struct arm_setup *arm, const struct arm_state *s,
		const struct proprio_lead *lead, const double *near, double *out, uint32_t capacity);

/* ---- is a state like those of the training data? ---------------------------------------------------------------- */

struct state_range {
	uint32_t dim;
	const double *low, *high; /* [dim] of the statistics; NULL: they have none */
	double margin;            /* how far beyond them is still in range, in units of high - low */
};

/* The first dimension of state[dim] that is outside, or -1. NaN is outside. A dimension whose statistics are one value (a
 * padding zero, an axis that never turned) says nothing and is never outside. */
int state_range_find(const struct state_range *r, const double *state);

/* Decides what is worth a line in a log: a change of what state_range_find said, at most one a second. Zeroed: in range. */
struct range_watch {
	bool spoken;
	int64_t said_ns;
	int said;                 /* dimension + 1; 0: in range */
};

/* Returns true if `found` (a dimension or -1) is to be reported now. */
bool range_watch_step(struct range_watch *w, int found, int64_t now_ns);

#endif
