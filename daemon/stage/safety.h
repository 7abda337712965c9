/* safety.h - the only maker of a driver_target. dreamvlad makes targets with safety_step, dreamvla-arm checks the stream it
 * receives with safety_check; both link this file.
 *
 * Per arm, a jerk-limited state (q, v, a) of every joint follows the setpoint; the braking motion of the whole arm from the
 * newly sent state never leaves joint limits, velocity, acceleration and jerk limits, the workspace box of the TCP, the floor
 * of the arm's surface, or the speed limit of the TCP. What a setpoint asks beyond that is braked, never jumped to; a setpoint that
 * is not finite brakes, and nothing moves with a set-up that is not. An arm that starts outside a limit (parked beyond a joint limit,
 * a link below the floor) may move inwards; each face of the box and each point of the arm has its own boundary for that.
 * Towards an edge the arm slows down in proportion to what is left of the way, and slides along it.
 * Acceleration and jerk of the TCP have no limit of their own: joints' limits hold, which bound them, and Franka's Cartesian ones
 * belong to interfaces that we do not use; what is gentle enough for a person is the source's matter (teleop_motion, arbiter).
 * Functions: thread of the owner (control, or the arm's own), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_SAFETY_H
#define DREAMVLA_DAEMON_STAGE_SAFETY_H

#include "daemon/flow.h"
#include "daemon/stage/axis.h"
#include "daemon/stage/kinematics.h"

/* What was clamped or exceeded; a mask. */
enum limit {
	LIMIT_POSITION = 1 << 0,
	LIMIT_VELOCITY = 1 << 1,
	LIMIT_ACCELERATION = 1 << 2,
	LIMIT_JERK = 1 << 3,
	LIMIT_TCP_SPEED = 1 << 4,
	LIMIT_WORKSPACE = 1 << 5,
	LIMIT_FLOOR = 1 << 6,
	LIMIT_NOT_FINITE = 1 << 7,
	LIMIT_START = 1 << 8,      /* a first target away from q_d or with a velocity */
	LIMIT_JOINT = 1 << 9,      /* some joint's wish was not admissible (position, velocity or acceleration ahead) */
	LIMIT_TCP_TURN = 1 << 10,  /* angular speed of the TCP */
	LIMIT_TCP_ACCELERATION = 1 << 11,
	LIMIT_TCP_TURN_ACCELERATION = 1 << 12,
	LIMIT_REACH = 1 << 13,     /* inverse kinematics does not get to a pose target */
	LIMIT_TCP_AHEAD = 1 << 14, /* small excesses of the TCP have added up */
	LIMIT_START_POSE = 1 << 15, /* a first pose target away from q_d's pose or with a velocity */
	LIMIT_COUNT = 16,
};

struct safety {
	const struct arm_setup *arm;  /* constant */
	double dt_s;
	bool sound;                   /* the set-up is finite: else it is never seeded */
	bool seeded;
	struct axis joint[DOF_MAX];   /* what was sent last */
	struct axis_limits limits[DOF_MAX];
	/* Widened to where the arm stood, narrowing again as it comes in; a floor for every height of kinematics_heights. */
	double box_min_m[3], box_max_m[3], floor_m[HEIGHTS_MAX];
	double reach_m[DOF_MAX];      /* no point of the arm is further from this joint */
	struct pose ee;               /* of what was sent last */
	double tcp_path_m;            /* ever sent */
	double tcp_v_max_m_s, tcp_w_max_rad_s; /* of the present source: the arm's, or what the source may have of it */
	/* Along and around, > 1: the TCP is, or in braking would get, so much faster than the present source may have. */
	double over[2];
	bool has_gripper;
	double gripper_m;             /* last commanded, kept for ever */
	double margin_position, margin_velocity, margin_acceleration, margin_jerk; /* 0..1 left, of the last target */
	double margin_workspace, margin_floor, margin_tcp_speed; /* workspace: 1 in its middle; floor: 1 from 0.2 m above it */
};

/* Set-up of one arm; `arm` must outlive s. Not seeded. */
void safety_init(struct safety *s, const struct arm_setup *arm, int64_t period_ns);

/* Takes q_d of the arm as what was sent last, standing. false (and not seeded) when it or the set-up is not finite. */
bool safety_seed(struct safety *s, const double *q_d_rad);

/* Forgets: nothing is sent before the next seed. */
void safety_forget(struct safety *s);

/* When and for whom the target is. */
struct safety_stamp {
	uint32_t arm;
	int64_t t_ns, tick_ns, valid_for_ns;
	uint32_t epoch;
};

/* One control period: out is always written; valid = false only when not seeded. Returns the mask of what was clamped. */
uint32_t safety_step(struct safety *s, const struct setpoint *want, const struct safety_stamp *at, struct driver_target *out);

/* Every joint's velocity and acceleration (nearly) zero. */
bool safety_standing(const struct safety *s);

/* Is q inside joint limits, workspace and floor as configured? Mask of what is not. */
uint32_t safety_posture_check(const struct arm_setup *arm, const double *q_rad);

/* Edges of an arm: six faces of the box (min, max of x, y, z), then the floor of every height. */
enum { SAFETY_FACES = 6, SAFETY_EDGES = SAFETY_FACES + HEIGHTS_MAX };

/* How far the arm is outside each edge as configured; negative inside. Returns how many edges there are. */
uint32_t safety_edges(const struct arm_setup *arm, const double *q_rad, double outside_m[SAFETY_EDGES]);

/* ---- the arm's side ---------------------------------------------------------------------------------------------- */

/* Checks a stream of received joint targets against the arm's own limits. Positions and velocities of neighbours give mean
 * velocity, acceleration and jerk, which a stream within limits never exceeds, and must agree with each other, because the
 * driver plays them out as one curve. Besides, every joint has a follower that keeps the limits: it moves with the stream, and
 * where the stream exceeds a limit it falls behind, so that many small excesses add up to the change that they are.
 * After safety_check_init the next target counts as a first one. */
struct safety_check {
	const struct arm_setup *arm;  /* constant */
	double start_rad;             /* how far a first target may be from q_d */
	bool running;
	int64_t t_ns;
	int64_t gap_ns;               /* between the last two */
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX], ddq_rad_s2[DOF_MAX]; /* ddq: mean over that gap */
	struct axis allowed[DOF_MAX]; /* where the limits let the joint be by now: on the stream itself while it keeps them */
	bool apart[DOF_MAX];          /* it is not */
	double tcp_lag_m, tcp_lag_rad; /* how far the TCP's speed limit would have kept the arm back; the same as motion of a joint */
	/* How far outside each face of the workspace and below the floor with each point it may be: as q_d was at its start, until it
	 * came in. */
	double outside_m[SAFETY_EDGES];
	double range_low_rad[DOF_MAX], range_high_rad[DOF_MAX]; /* the same for joints beyond their range */
};

struct safety_finding {
	uint32_t exceeded;            /* mask of enum limit; LIMIT_JOINT: small excesses of one joint have added up */
	uint32_t worst;               /* the one of them that value, limit and joint belong to */
	uint32_t joint;               /* where it is a joint's */
	double value, limit;
	double change_rad;            /* how far the target would have to be moved to keep every limit */
	bool refused;                 /* change_rad > 0.01, not finite, outside workspace or floor, or a bad start */
};

/* Neighbours further apart than this are none: the later one counts as a first target. */
#define SAFETY_GAP_NS INT64_C(100000000)

/* `arm` must outlive c; limits are arm->model's times arm->limit_scale. */
void safety_check_init(struct safety_check *c, const struct arm_setup *arm);

/* Forgets: after attach, recovery, guiding, restart, underrun and every refusal. */
void safety_check_restart(struct safety_check *c);

/* q_d_rad: what the driver commands now, the start that a first target must be near (0.02 rad, nearly no velocity), and inside
 * joint limits, workspace and floor or at least no further outside than that. A refused
 * target leaves c restarted; an accepted one becomes the neighbour of the next. Times must advance. */
struct safety_finding safety_check_target(struct safety_check *c, const struct driver_target *t, const double *q_d_rad);

#endif
