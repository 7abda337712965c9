/* motion.h - what the policy must know of the running motion to continue it (execution.method: inpaint): where the arms have been,
 * and where they will go until a new chunk can arrive.
 *
 * Control makes a motion; the policy thread asks it. Path time is that of chunk_buffer.h: it runs at the speed scale, stands while
 * the arms stand, and a chunk that was observed at t_obs begins at the path time of t_obs. So the actions of such a chunk that
 * will have begun when it arrives are those whose interval of path time begins before the path time of its arrival; where nothing
 * has moved since t_obs and nothing moves until the arrival, there are none.
 * Functions: thread any (no state), allocate no, block no. `past` holds m->sent. */
#ifndef DREAMVLA_DAEMON_STAGE_MOTION_H
#define DREAMVLA_DAEMON_STAGE_MOTION_H

#include "daemon/flow.h"
#include "daemon/stage/action.h"
#include "daemon/stage/chunk_buffer.h"
#include "daemon/stage/trajectory.h"

enum { MOTION_SENT = 256 };  /* 1.3 s: no observation that is worth an inference is older */

struct running_motion {
	int64_t told_ns;         /* by this tick of control; 0: by none yet */
	bool runs;               /* the policy's chunk moves the arms; otherwise nothing below is valid */
	uint32_t epoch;          /* of control, and so of the path: a new one begins without any */
	uint64_t chunk;          /* the path's */
	uint32_t n_steps;
	double clock_s, clock_rate; /* path time of the newest sent target, and how fast it runs there */
	int64_t due_ns;          /* time of that target */
	double rate;             /* that control wishes the clock to have from now on: speed scale, arms that cannot follow */
	int64_t until_ns;        /* when it will wish 0, because the path's instruction is an old one */
	double rate_cap, end_s;  /* of the path */
	struct path_times times;
	struct path path[ARMS_MAX];
	uint32_t n_sent;
	struct past_entry sent[MOTION_SENT]; /* oldest first, one every 5 ms at most */
};

/* Copies the path and the newest of what was sent; chunk, n_steps and everything about the clock but rate and until_ns. */
void motion_take(struct running_motion *m, const struct trajectory *t, const struct past *p);

/* How a chunk observed at t_obs lies on the motion. */
struct motion_grid {
	double start_s;          /* path time at which its first action begins */
	uint32_t begun;          /* actions that will have begun at the arrival, and that the path covers as a whole */
};

/* t_arrival_ns: due time of the newest target that will have been sent before the chunk takes over. False: the record does not
 * reach back to t_obs. */
bool motion_lay_grid(const struct control_setup *setup, const struct running_motion *m, const struct past *past, int64_t t_obs_ns,
		int64_t t_arrival_ns, struct motion_grid *out);

/* Where the arm was (the sent motion) or will be (the path) at that path time. */
void motion_point(const struct control_setup *setup, const struct running_motion *m, const struct past *past, uint32_t arm, double path_s,
		struct action_point *out);

/* Action of the running chunk that is executed at that path time; beyond its ends the first or the last. */
uint32_t motion_step(const struct control_setup *setup, const struct running_motion *m, double path_s);

/* The gripper's value in an action that is executed at that path time: `own`, the running chunk's, while that is what was sent or
 * nothing is known to have been sent; otherwise one that asks for what was sent. */
double motion_gripper(const struct control_setup *setup, const struct running_motion *m, const struct past *past, uint32_t arm, double path_s,
		double own);

#endif
