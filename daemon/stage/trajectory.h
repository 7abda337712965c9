/* trajectory.h - one action chunk as a smooth path of every arm, and the clock that runs along it.
 *
 * Waypoints at the action rate -> natural cubic spline (C2) in position and rotation vector (around the first orientation) or in
 * joint angles -> what is sent follows it (stage/follow.h) -> differential inverse kinematics. A new chunk takes over where the sent
 * motion is, in position, velocity and acceleration; following has no end that a new chunk would put off, so that chunks may come as
 * often as they like. Slowing down and running out happen by the clock, so that the arms decelerate along their path; a stop brakes
 * what is sent along its present direction, which is the path's once it has been reached. With execution.method ensemble the path is the mean of what all chunks that still
 * cover it say (stage/ensemble.h); a chunk that changes the mean is a splice like any other.
 * Functions: thread of the owner (control), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_TRAJECTORY_H
#define DREAMVLA_DAEMON_STAGE_TRAJECTORY_H

#include "daemon/flow.h"
#include "daemon/stage/action.h"
#include "daemon/stage/axis.h"
#include "daemon/stage/chunk_buffer.h"
#include "daemon/stage/ensemble.h"
#include "daemon/stage/follow.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/safety.h"
#include "daemon/stage/spline.h"

enum { PATH_DIM_MAX = DOF_MAX };

/* One arm's part of a path: dim = 6 (position, rotation vector) or its joints. */
struct path {
	uint32_t dim;
	bool joints;
	double first_xyzw[4];  /* orientation around which rotation vectors are taken */
	struct spline spline;
	struct axis now[PATH_DIM_MAX];    /* what is sent, by real time */
	struct axis offset[PATH_DIM_MAX]; /* of that from the path */
	struct follow follow;
	struct axis_limits stop[PATH_DIM_MAX];
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX]; /* where inverse kinematics is */
	bool has_dq;           /* dq_rad_s is of the period before */
	double gripper[CHUNK_STEPS_MAX];
	struct gripper gripper_state;
	struct ik_error error; /* what inverse kinematics could not reach */
	double shortfall;      /* share of the path's present direction that the posture cannot make */
	bool released;         /* somebody else moves this arm: nothing is wanted of it until the next chunk */
};

struct trajectory {
	const struct control_setup *setup; /* constant */
	bool active;           /* a path is there */
	uint64_t chunk;
	uint32_t instruction_id, n_steps; /* n_steps: of the path; an ensemble may reach beyond its newest chunk */
	int64_t frame_stamp_ns;
	double start_s, end_s; /* path time of waypoint 0, and where the motion ends */
	double posture_cap;    /* of the rate, at the arms' present postures */
	double rate_cap;       /* fastest rate at which the arms can follow this path */
	struct axis clock;     /* q: path time, v: rate */
	struct axis_limits clock_limits;
	bool stopping;         /* clock and arms brake together, in the time that the arms need for it */
	struct axis_limits stop_limits;
	bool braking;          /* the end of the path is near */
	struct path arm[ARMS_MAX];
	struct ensemble ensemble; /* EXECUTE_ENSEMBLE: the chunks that make the path */
};

/* setup must outlive t. */
void trajectory_init(struct trajectory *t, const struct control_setup *setup);

/* Forgets the path and its chunks; the clock stands. For arms that stand. */
void trajectory_drop(struct trajectory *t);

/* Takes one arm off the path: its setpoints are inactive until the next chunk is adopted. The others go on along theirs. */
void trajectory_release(struct trajectory *t, uint32_t arm);

/* Makes the path of a chunk (which chunk_judge found good), from what was sent: sent[n_arms]. restart: begin now, whatever moved
 * since the observation (SHADOW). false: all of its actions have passed. */
bool trajectory_adopt(struct trajectory *t, const struct action_chunk *c, const struct past *past, const struct safety *sent, bool restart);

/* Where a chunk observed at t_obs begins: where the arm was by the sent motion, or, with delta_reference measured, where it was
 * observed to be. past NULL: nothing was sent, *out stays as it is but for a measured arm. */
void trajectory_start(const struct control_setup *setup, uint32_t arm, const struct arm_state *observed, const struct past *past,
		int64_t t_obs_ns, struct waypoint_start *out);

/* What a path means without its trajectory: path time of waypoint 0 and of the clock, and the clock's rate. */
struct path_times {
	double start_s, clock_s, rate;
};
struct path_times trajectory_times(const struct trajectory *t);

/* What is sent along a path, from clock_s on as it will be if the clock's rate stays. Takes some tens of microseconds for every
 * second ahead. */
void path_look(const struct path *p, const struct path_times *t, double path_s, double out[PATH_DIM_MAX]);

/* Pose that the coordinates of an end-effector path stand for. */
void path_pose(const struct path *p, const double at[PATH_DIM_MAX], struct pose *out);

/* Advances the clock by one period towards `rate` (0: stop) and writes one setpoint per arm, of source policy, or hold once the
 * arms stand or the path runs out. due_ns: for the gripper's dwell. Without a path: inactive setpoints. */
void trajectory_step(struct trajectory *t, double rate, int64_t due_ns, struct setpoint out[ARMS_MAX]);

/* The policy takes over again: its grippers' decisions go on from what was commanded last, by whomever. sent[n_arms]. */
void trajectory_resume_grippers(struct trajectory *t, const struct safety *sent, int64_t now_ns);

/* The clock stands, or there is no path. */
bool trajectory_standing(const struct trajectory *t);

/* Nothing more will come of this path: it has been run to its end. True without a path. */
bool trajectory_ran_out(const struct trajectory *t);

/* Action that is being executed, from 0. */
uint32_t trajectory_current_step(const struct trajectory *t);

#endif
