/* motion.h - what the policy must know of the running motion to continue it (execution.method: inpaint): where the arms have been,
 * and where they will go until a new chunk can arrive.
 *
 * Control makes a motion; the policy thread asks it. Path time is that of chunk_buffer.h: it runs at the speed scale, stands when
 * the arms stand, and a chunk that was observed at t_obs begins at the path time of t_obs. So the actions of such a chunk that
 * will have begun when it arrives are those whose interval of path time begins before the path time of its arrival.
 * Functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_MOTION_H
#define DREAMVLA_DAEMON_STAGE_MOTION_H

#include "daemon/flow.h"
#include "daemon/stage/action.h"
#include "daemon/stage/chunk_buffer.h"
#include "daemon/stage/trajectory.h"

enum { MOTION_SENT = 256 };

struct motion {
	bool runs;               /* the policy's chunk moves the arms; otherwise nothing else is valid */
	uint32_t epoch;          /* of control and of the path */
	int64_t due_ns;          /* of the newest sent target; the path's clock is there */
	double rate;             /* of the clock that control wishes */
	int64_t until_ns;        /* when it will wish 0, because the instruction is an old one */
	struct trajectory path;
	uint32_t n_sent;
	struct past_entry sent[MOTION_SENT]; /* oldest first */
};

/* How a chunk observed at t_obs lies on the motion. */
struct motion_grid {
	double start_s;          /* path time at which its first action begins */
	uint32_t begun;          /* actions that will have begun at the arrival and that the path covers as a whole */
};

/* t_arrival_ns: due time of the newest target that will have been sent before the chunk takes over. False: nothing moves, or the
 * record does not reach back to t_obs. */
bool motion_lay_grid(const struct motion *m, int64_t t_obs_ns, int64_t t_arrival_ns, struct motion_grid *out);

/* Start of a chunk observed at t_obs, as trajectory_adopt will find it; `observed` is the arm's state then. */
void motion_start(const struct motion *m, uint32_t arm, const struct arm_state *observed, int64_t t_obs_ns, struct waypoint_start *out);

/* Where the arm was (the sent motion) or will be (the path) at that path time. */
void motion_point(const struct motion *m, uint32_t arm, double path_s, struct action_point *out);

/* The opening of the gripper that was sent at that path time; false: not yet, or never one. */
bool motion_gripper(const struct motion *m, uint32_t arm, double path_s, double *out_m);

/* Action of the running chunk that is executed at that path time; beyond its ends the first or the last. */
uint32_t motion_step(const struct motion *m, double path_s);

#endif
