/* arm.h - one arm's control: who may drive, which targets are played out, when it brakes, what it says of itself.
 *
 * The rules of messages.md section 5 ("Targets", "Who may drive") and of section 6 at the arm. Pure: time, measured state,
 * targets and requests come in as arguments, so that a test runs it on virtual time. No clock, no heap, no sockets, no threads.
 * All functions: thread of the owner (the arm's control thread), allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_H
#define DREAMVLA_ROBOTS_ARM_ARM_H

#include "daemon/flow.h"
#include "daemon/stage/safety.h"
#include "daemon/stage/safety_check_pose.h"
#include "robots/arm/playout.h"
#include "robots/arm/sent.h"
#include "robots/driver.h"

#define ARM_SILENCE_NS INT64_C(500000000) /* without valid targets for so long nobody is attached any more */

#define ARM_AHEAD_NS INT64_C(500000000)   /* a target due further ahead is void */

/* Why a target was refused. KIND: joint and pose within one motion. DUE: a first one that is due already, or a gap in the stream that is too
 * long to play over. NOT_ENGAGED: one that moves before the arm's own motion has begun. */
enum refusal { REFUSAL_NONE, REFUSAL_STOPPED, REFUSAL_BRAKING, REFUSAL_KIND, REFUSAL_DUE, REFUSAL_GRIPPER, REFUSAL_START,
	REFUSAL_START_POSE, REFUSAL_LIMIT, REFUSAL_BEYOND, REFUSAL_FULL, REFUSAL_NOT_ENGAGED, REFUSAL_COUNT };

/* The newest refusal, as numbers; arm_text.h makes words of them. */
struct arm_refusal {
	enum refusal why;
	uint64_t seq;
	uint32_t limits, worst;    /* REFUSAL_LIMIT: mask of enum limit, and the one that the numbers belong to */
	uint32_t joint;            /* REFUSAL_START_POSE: 0 distance, 1 angle, 2 velocity, 3 angular velocity */
	double value, limit;
};

/* A target as it came from the wire; target.t_ns on CLOCK_MONOTONIC. */
struct arm_target {
	uint64_t from, seq;
	int64_t arrival_ns;
	struct driver_target target;
};

enum arm_ask { ARM_ASK_ATTACH, ARM_ASK_DETACH, ARM_ASK_STOP, ARM_ASK_EMERGENCY_STOP, ARM_ASK_ENABLE, ARM_ASK_DISABLE,
	ARM_ASK_RECOVER, ARM_ASK_HOME_GRIPPER, ARM_ASK_SHUTDOWN };

/* An operator's or dreamvlad's request; model, dof and tcp of an attach were compared before. */
struct arm_request {
	uint32_t ticket;
	enum arm_ask ask;
	uint64_t from;
	bool takeover, clear_stop, confirm;
};

enum arm_reply { ARM_REPLY_OK, ARM_REPLY_STOPPED, ARM_REPLY_TAKEN, ARM_REPLY_NOT_READY, ARM_REPLY_NOT_ATTACHED,
	ARM_REPLY_MOVING, ARM_REPLY_CONFIRM, ARM_REPLY_NO_ERROR, ARM_REPLY_NO_RECOVERY, ARM_REPLY_NO_HOMING, ARM_REPLY_NO_GRIPPER,
	ARM_REPLY_NOT_NOW, ARM_REPLY_NO_EMERGENCY_STOP, ARM_REPLY_NOT_REACHED, ARM_REPLY_COUNT };

struct arm_answer {
	uint32_t ticket;
	enum arm_reply reply;
	enum arm_mode mode;
	uint64_t accepted_from;
	uint32_t trouble;          /* of driver->trouble */
};

/* Why accepted_from became 0 or another one's. */
enum arm_loss_why { LOSS_NONE, LOSS_DETACHED, LOSS_TAKEN_OVER, LOSS_SILENCE, LOSS_DISABLED, LOSS_DISCONNECTED, LOSS_RESTARTED,
	LOSS_MODE, LOSS_SHUTDOWN, LOSS_COUNT };

/* The newest loss, as numbers; arm_text.h makes words of them. */
struct arm_loss {
	uint64_t count;
	uint64_t from;             /* who was let go of */
	enum arm_loss_why why;
	enum arm_mode mode;        /* of the arm then */
};

struct arm_counters {
	uint64_t accepted, refused, foreign, late, old; /* targets; late: arrived after valid_for, out of order, or due too far ahead */
	uint64_t underruns, limits_exceeded, reconnects; /* underruns: motions that ended because nothing could be played any more; */
	uint64_t held_up;          /* of them those of which this process had not been allowed to run for too long */
	double q_d_step_max_rad;   /* largest change of a commanded joint from one period to the next */
	double tcp_path_m;         /* measured */
	double velocity_peak, acceleration_peak; /* largest share of the model's own limit that was commanded */
};

/* Everything that state/<arm> and `status` say, at one moment. */
struct arm_report {
	int64_t stamp_ns;
	enum arm_mode mode;
	bool connected;            /* q, dq, q_d and ee are there */
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX], q_d_rad[DOF_MAX];
	struct pose ee;
	bool has_tau;
	double tau_nm[DOF_MAX];
	bool has_success_rate;
	double success_rate;
	uint64_t errors;           /* bits, names by driver->error_name */
	uint32_t trouble;          /* of driver->trouble */
	bool held_off;             /* IDLE by our own word alone: its motors, which have a switch, stay on */
	bool limp;                 /* as robot_state.limp */
	bool has_gripper;
	double gripper_m;
	uint64_t ack_seq, accepted_from;
	int64_t ack_t_ns;
	struct arm_sent sent;
	bool stopped;
	struct arm_refusal refusal;
	struct arm_loss loss;
	struct arm_counters counters;
};

/* OUT: the arm is not ours to move (disconnected, disabled, guided, ...), q_d follows the arm's. It does so too while an arm STANDS whose
 * motion has not begun (robot_state.engaged); nothing is played then. */
enum arm_phase { ARM_OUT, ARM_STANDS, ARM_PLAYS, ARM_BRAKES };

struct arm {
	const struct arm_setup *setup; /* constant */
	const struct robot_driver *driver;
	bool enabled, stopped;
	bool held_off;             /* arm_report.held_off, */
	int64_t not_held_ns;       /* which it was not then */
	bool recover, home_gripper, stop_homing, enable, disable, emergency_stop; /* asked for, not passed on yet */
	enum arm_phase phase;
	uint64_t generation;       /* of the driver's arm */
	uint64_t accepted_from, last_seq;
	int64_t valid_ns;          /* arrival of the last accepted target, or when attached */
	struct robot_state measured;
	struct motion commanded, before; /* q_d now and one period earlier */
	bool has_gripper;          /* a gripper command was given: kept for ever */
	double gripper_m;
	struct playout playout;
	struct brake brake;
	struct safety_check check;
	enum output_kind kind;     /* of the newest accepted target */
	struct safety_check_pose poses;
	struct pose ee;
	bool has_ee;
	uint64_t ack_seq;
	int64_t ack_t_ns;
	struct sent sent;
	struct arm_refusal refusal;
	struct arm_loss loss;
	struct arm_counters counters;
};

/* Both pointers must outlive a. Nobody is attached; `sim` and others that need no switching on are enabled. */
void arm_init(struct arm *a, const struct arm_setup *setup, const struct robot_driver *driver);

/* Checks a target and takes it into the play-out, or counts why not. A pose target becomes joints here, on its way in: play-out,
 * coasting and braking know joints only, so that what is commanded keeps the joints' limits whatever kind of target led to it. The
 * kind may change while the arm stands. */
void arm_take_target(struct arm *a, const struct arm_target *t, int64_t now_ns);

/* Obeys a request or says why not. */
struct arm_answer arm_take_request(struct arm *a, const struct arm_request *r, int64_t now_ns);

/* True once after a request that the driver has to be asked for: its recover, its home_gripper, its enable or disable, of which the
 * later one counts, its emergency stop, which makes the others void. */
bool arm_take_recover(struct arm *a);
bool arm_take_home_gripper(struct arm *a);
bool arm_take_enable(struct arm *a);
bool arm_take_disable(struct arm *a);
bool arm_take_emergency_stop(struct arm *a);

/* True once after a stop, and after the arm itself ceased to be ready (its button, a hand on it): fingers that home are to stand still.
 * It comes before a home_gripper of the same time, which was asked for later. */
bool arm_take_stop_homing(struct arm *a);

/* One period of the driver: what was measured in, what to command out. */
void arm_tick(struct arm *a, const struct robot_state *measured, int64_t now_ns, struct robot_command *out);

void arm_get_report(const struct arm *a, struct arm_report *out);

#endif
