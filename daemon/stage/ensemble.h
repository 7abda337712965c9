/* ensemble.h - what several chunks that cover the same time say together: temporal ensembling.
 *
 * For every point of path time the prediction is the weighted mean of what all chunks that cover it say, w_i = exp(-m i), i = 0 the
 * oldest of them, fading over the second half of a chunk, so that the mean does not jump to where the others are when it ends, within
 * one action and at whatever speed (Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware", RSS 2023, section IV.B: ACT).
 * What is averaged are waypoints: absolute poses or joints, after each chunk's deltas were added up on its own reference;
 * orientations on SO(3) (the mean minimises the squared angles: Moakher, "Means and averaging in the group of rotations", 2002). Of a
 * binary gripper the newest chunk that covers the time decides; continuous ones are averaged.
 * Functions: thread of the owner (control), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_ENSEMBLE_H
#define DREAMVLA_DAEMON_STAGE_ENSEMBLE_H

#include "daemon/flow.h"
#include "daemon/stage/spline.h"

/* Chunks that may speak at one time. A chunk of 64 steps could be covered by more where the policy is fast; then the oldest drops
 * out early, which bounds memory and the time of one control period. */
enum { ENSEMBLE_MAX = 8 };

/* One arm's part of one chunk. */
struct prediction {
	double first_xyzw[4];  /* orientation around which rotation vectors are taken; joints: unused */
	struct spline spline;  /* finished */
	double gripper[CHUNK_STEPS_MAX]; /* action values */
};

struct ensemble_member {
	double start_s;        /* path time of waypoint 0 */
	uint32_t n_steps;
	struct prediction arm[ARMS_MAX];
};

/* Ring, newest last. Zeroed: empty. All members are of one epoch and one instruction. */
struct ensemble {
	uint32_t n, next;
	uint32_t epoch, instruction_id;
	struct ensemble_member member[ENSEMBLE_MAX];
};

/* Forgets every chunk. */
void ensemble_drop(struct ensemble *e);

/* Room for the newest chunk, which begins at start_s and has n_steps of dt_s; the caller fills in its arms. Chunks of another
 * epoch or instruction are forgotten, and those that have ended by then. */
struct ensemble_member *ensemble_push(struct ensemble *e, const struct action_chunk *c, double start_s, uint32_t n_steps, double dt_s);

/* Steps from the newest chunk's start to the end of the chunk that reaches farthest, at most CHUNK_STEPS_MAX. */
uint32_t ensemble_steps(const struct ensemble *e, double dt_s);

/* The mean of one arm at the newest chunk's own times, 0..n_steps (of ensemble_steps), and of the gripper's values between them. Where
 * the newest begins it says where the arm was sent then; if only that counted there, the path would jump from it to the mean of the
 * next point. Orientations are written around first_xyzw, the newest's. out: not finished. */
struct ensemble_rules {
	double decay;          /* exp(-m): weight of a chunk relative to the next older one */
	double dt_s;
	bool joints, binary_gripper;
	uint32_t arm, n_steps;
};
void ensemble_mean(const struct ensemble *e, const struct ensemble_rules *r, struct spline *out, double first_xyzw[4],
		double gripper[CHUNK_STEPS_MAX]);

#endif
