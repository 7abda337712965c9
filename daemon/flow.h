/* flow.h - every value that crosses a stage or a thread of the control path, in the order in which it flows.
 *
 *   frames, states, instruction -> observation -> action_chunk -> setpoint -> driver_target
 *   a person's devices -> teleop_input -> setpoint
 *   operator's commands -> command;   what control did -> control_report, control_event
 *
 * Units stand in the names; times are int64 ns of CLOCK_MONOTONIC (io converts stamps on arrival). Joint vectors hold
 * DOF_MAX entries of which `dof` count. Quaternions are x, y, z, w. Zero always means "do nothing": a zeroed setpoint
 * or target asks for no motion. This is the only header that daemon/stage includes from outside itself. */
#ifndef DREAMVLA_DAEMON_FLOW_H
#define DREAMVLA_DAEMON_FLOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
	ARMS_MAX = 4,
	DOF_MAX = 7,
	CAMERAS_MAX = 4,
	CHUNK_STEPS_MAX = 64,
	ACTION_DIM_MAX = 32,
	STATE_DIM_MAX = 64,
	TELEOP_DEVICES_MAX = 8,
	TELEOP_VALUES_MAX = 7,    /* a pose; not less than DOF_MAX */
	NAME_BYTES = 32,          /* names of arms, cameras and models, with the terminating zero */
	INSTRUCTION_BYTES = 1025, /* 1,024 bytes of text and the terminating zero */
	ANSWERS_RECENT = 16,
	LINK_POINTS_MAX = 20,
	REASONS_MAX = 96,         /* rows of stage/reason.def */
	ALL_ARMS = 0xffff,        /* `arm` of a command that is meant for every arm */
};

/* ---- geometry ------------------------------------------------------------------------------------------------ */

struct pose {
	double p_m[3];
	double q_xyzw[4]; /* unit norm */
};

struct twist {
	double v_m_s[3];
	double w_rad_s[3];
};

/* ---- what is known about a robot before it is switched on (robots/model) ------------------------------------- */

/* Craig's (modified) Denavit-Hartenberg row: Rot_x(alpha) Trans_x(a) Rot_z(theta + offset) Trans_z(d). */
struct dh_row {
	double a_m, d_m, alpha_rad, offset_rad;
};

/* A ball that belongs to the surface of a link: frame 1..dof is the link after that joint, dof + 1 the flange. The surface lies within
 * the convex hull of all balls of neighbouring frames, and the lowest point of a hull of balls is that of one of them. */
struct link_point {
	uint32_t frame;
	double p_m[3], radius_m;
};

struct robot_model {
	char name[NAME_BYTES];
	uint32_t dof;
	struct dh_row dh[DOF_MAX];
	struct dh_row flange; /* theta = 0 */
	double q_min_rad[DOF_MAX], q_max_rad[DOF_MAX];
	double dq_max_rad_s[DOF_MAX];
	double ddq_max_rad_s2[DOF_MAX];
	double dddq_max_rad_s3[DOF_MAX];
	/* Position-dependent velocity bound sqrt(2 d (q_max - q)) - o of newer FR3; d = 0: none. */
	double dq_offset_rad_s[DOF_MAX], dq_decel_rad_s2[DOF_MAX];
	double tcp_v_max_m_s, tcp_a_max_m_s2;
	double tcp_w_max_rad_s, tcp_alpha_max_rad_s2;
	double home_rad[DOF_MAX];
	double gripper_max_m; /* 0: no gripper */
	uint32_t n_points;
	struct link_point point[LINK_POINTS_MAX]; /* elbow, forearm, wrist, hand and fingers: what must stay above the floor */
};

/* ---- set-up of the control path: made from the configuration at start, constant afterwards ------------------- */

enum action_space { ACTION_EE_DELTA, ACTION_EE_ABSOLUTE, ACTION_JOINT_DELTA, ACTION_JOINT_ABSOLUTE };
enum rotation_form { ROTATION_ROTVEC, ROTATION_RPY };
enum delta_reference { DELTA_COMMANDED, DELTA_MEASURED, DELTA_OSC };
enum delta_frame { FRAME_BASE, FRAME_TCP };
enum output_kind { OUTPUT_JOINT, OUTPUT_POSE };
enum execution_method { EXECUTE_SYNC, EXECUTE_ASYNC, EXECUTE_ENSEMBLE, EXECUTE_INPAINT };

struct gripper_setup {
	bool binary;               /* else continuous */
	bool open_is_high;         /* polarity: true when a large action means open */
	double threshold;          /* in un-normalised action units */
	double hysteresis;         /* same units, total width */
	int64_t dwell_ns;          /* shortest time between two changes of a binary gripper */
	double action_closed, action_open; /* action values of a fully closed and fully open continuous gripper */
};

struct arm_setup {
	char name[NAME_BYTES];
	struct robot_model model;
	struct pose tcp;           /* flange -> TCP */
	enum output_kind output;
	uint32_t action_first, action_count; /* this arm's slice of the action vector, gripper last if it has one */
	bool has_gripper;          /* the slice ends with a gripper value */
	double gripper_max_m;
	double home_rad[DOF_MAX];
	int64_t playout_ns;        /* how long before it is due a target is published */
	double box_min_m[3], box_max_m[3]; /* workspace of the TCP in the base frame */
	double floor_m;            /* lowest z of the surface of elbow, forearm, wrist, hand and fingers, and of the TCP */
	double limit_scale;        /* 0..1, of the model's velocity, acceleration and jerk limits */
	double tracking_error_rad; /* |q_d - q| beyond this is a FAULT */
	double tcp_v_max_m_s;      /* of the TCP, policy and home alike; 0: the model's */
};

struct control_setup {
	int64_t period_ns;
	uint32_t n_arms, n_cameras;
	struct arm_setup arm[ARMS_MAX];
	char camera_name[CAMERAS_MAX][NAME_BYTES];
	int64_t camera_max_age_ns[CAMERAS_MAX];
	int64_t state_max_age_ns;
	/* policy */
	enum action_space action_space;
	enum rotation_form rotation;
	enum delta_reference delta_reference;
	enum delta_frame delta_frame;
	double action_scale[ACTION_DIM_MAX]; /* multiplies the un-normalised action; 1 where not configured */
	uint32_t action_dim;
	int64_t action_dt_ns;
	struct gripper_setup gripper;
	/* execution */
	enum execution_method method;
	uint32_t execution_steps;  /* sync: actions run before the next inference */
	double ensemble_m;
	int64_t blend_ns, starve_ns, old_instruction_ns;
	double speed_default;
	int64_t valid_for_ns;
	bool fault_stops_arm;      /* a fault of one arm ends the policy and stops that arm; else it stops every arm */
	/* teleop */
	int64_t teleop_timeout_ns;
	bool teleop_resumes;       /* a released dead-man hands back to the policy */
	double teleop_v_max_m_s, teleop_w_max_rad_s; /* of the TCP */
	double teleop_gripper_hysteresis_m; /* a person's gripper turns round only by more than this */
	int64_t teleop_gripper_dwell_ns; /* and stays so long before it turns round again */
};

/* ---- io -> policy --------------------------------------------------------------------------------------------- */

enum arm_mode { ARM_DISCONNECTED, ARM_IDLE, ARM_READY, ARM_MOVING, ARM_GUIDING, ARM_USER_STOPPED, ARM_REFLEX, ARM_ESTOP,
	ARM_MODE_COUNT };

/* One sample of an arm as its driver published it. present = false: nothing valid was ever received. */
struct arm_state {
	bool present;
	bool has_gripper, has_q;   /* q, dq, q_d and the pose are absent while disconnected */
	bool stopped;              /* the arm's latched stop */
	bool attached;             /* accepted_from is our own number */
	bool has_errors;
	enum arm_mode mode;
	uint64_t from, seq;
	uint64_t accepted_from;
	uint64_t refused_seq;      /* of the newest target the arm refused, 0: none */
	uint64_t ack_seq;
	int64_t ack_t_ns;
	/* Of the targets that it obeys (robots/arm/sent.h): the newest one that commands were made from and when the first of these left; the
	 * newest chunk with such a target and when the first command made from its first one left. 0: none, or it does not tell. */
	uint64_t sent_seq, sent_chunk;
	int64_t sent_ns, sent_chunk_ns;
	int64_t stamp_ns;          /* when it was sampled */
	int64_t arrival_ns;
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX], q_d_rad[DOF_MAX];
	struct pose ee;
	double gripper_m;
};

enum picture_encoding { ENCODING_JPEG, ENCODING_RGB8, ENCODING_BGR8, ENCODING_COUNT };

/* A frame as received; `bytes` belongs to the mailbox slot it lies in. */
struct camera_frame {
	int64_t stamp_ns, arrival_ns;
	uint64_t from, seq;
	enum picture_encoding encoding;
	uint32_t width, height;
	uint32_t n_bytes;
	uint8_t *bytes;
};

/* All that one inference starts from: cameras in prompt order, arm states at t_obs. */
struct observation {
	uint64_t id;
	int64_t t_obs_ns;          /* the oldest stamp of its frames */
	int64_t ready_ns;          /* when the last frame of the set was received */
	uint32_t n_cameras, n_arms;
	struct camera_frame frame[CAMERAS_MAX];
	struct arm_state arm[ARMS_MAX];
	uint32_t instruction_id;   /* 0: there is no instruction */
	char instruction[INSTRUCTION_BYTES];
};

/* ---- policy -> control ---------------------------------------------------------------------------------------- */

/* From the light on a camera to the motors, in order; after them what several of these are together. trace.h says where each begins and
 * ends. */
enum trace_stage { STAGE_FRAME, STAGE_RECEIVE, STAGE_WAIT, STAGE_DECODE, STAGE_RESIZE, STAGE_PATCHES, STAGE_VISION, STAGE_DECODER,
	STAGE_ACTION_DECODE, STAGE_OVERHEAD, STAGE_HAND_OVER, STAGE_PUBLISH, STAGE_DRIVER, STAGE_ACKNOWLEDGE, STAGE_FIRST_TARGET,
	STAGE_FRAME_TO_TARGET, STAGE_PHOTON_TO_MOTOR, STAGE_TAKEOVER, STAGE_STICK_TO_MOTOR, STAGE_TICK, STAGE_COUNT };

/* Un-normalised actions [n_steps][action_dim]; the whole chunk of one observation. */
struct action_chunk {
	uint64_t id;               /* counts up from 1 */
	uint32_t epoch;            /* the control epoch it was inferred in */
	uint32_t instruction_id;
	int64_t t_obs_ns;
	int64_t frame_stamp_ns;    /* of the first camera's frame, */
	uint64_t frame_from, frame_seq; /* which is this one */
	uint64_t observation;      /* its id */
	int64_t received_ns;       /* when the last frame of the observation arrived */
	int64_t handed_over_ns;
	int64_t inference_ns;      /* duration, start of work to hand-over */
	uint32_t n_steps, action_dim;
	double action[CHUNK_STEPS_MAX][ACTION_DIM_MAX];
	struct arm_state arm[ARMS_MAX]; /* at t_obs */
};

/* POLICY_GONE: what it computes on is lost to this process, which stops. */
enum policy_health { POLICY_LOADING, POLICY_WARM, POLICY_BROKEN, POLICY_GONE };

/* What control needs to know about the policy besides its chunks; newest wins. */
struct policy_status {
	enum policy_health health;
	uint64_t chunks, rejected; /* produced; rejected because lost, not finite, or failed */
	uint64_t committed;        /* inpaint: actions of those chunks that the policy was given */
	bool state_out_of_range;   /* of the newest observation: outside the statistics' range with its margin */
	uint32_t state_dim_out;    /* the first dimension that is */
	bool lost;                 /* newest inference ended in a token that is no action */
};

/* ---- io -> control: the newest picture of the world, and operators' commands ---------------------------------- */

enum source_state { SOURCE_ABSENT, SOURCE_FRESH, SOURCE_STALE, SOURCE_FROZEN };

struct camera_status {
	bool present, frozen;
	int64_t stamp_ns, arrival_ns;
};

/* What a person's device wants (messages.md section 5). */
enum teleop_kind { TELEOP_TWIST, TELEOP_POSE, TELEOP_JOINT };

/* Newest message of one device. Edges and releases of its dead-man are counted, so that none is lost between two ticks: an edge is
 * false, then true, from the same publisher; a release is true, then false. */
struct teleop_input {
	bool present;
	uint64_t from;
	int64_t stamp_ns, arrival_ns;
	uint32_t arm;
	bool deadman;
	uint32_t edges, releases;
	int64_t edge_ns;           /* arrival of the newest edge */
	enum teleop_kind kind;
	double value[TELEOP_VALUES_MAX]; /* twist: m/s, rad/s; pose: m, quaternion; joint: rad [dof] */
	enum delta_frame frame;    /* twist */
	bool has_gripper;
	double gripper_m;
};

struct inputs {
	struct arm_state arm[ARMS_MAX];
	int64_t state_void_ns[ARMS_MAX]; /* arrival of the newest message about this arm's state that was void; 0: none yet */
	struct teleop_input teleop[TELEOP_DEVICES_MAX]; /* in order of priority */
	struct camera_status camera[CAMERAS_MAX];
	bool cameras_skewed;       /* no set of frames within camera.max_skew_ms */
	uint32_t instruction_id;   /* 0: none yet */
	int64_t instruction_ns;    /* when it changed */
	bool clock_stepped;        /* the realtime clock jumped, or an arm's clock is off */
};

enum command_kind { COMMAND_NONE, COMMAND_MODE_AUTO, COMMAND_MODE_SHADOW, COMMAND_MODE_HOLD, COMMAND_STOP, COMMAND_RESET,
	COMMAND_SPEED, COMMAND_HOME, COMMAND_JOG, COMMAND_SHUTDOWN };

/* One request to the control thread. Its answer is in control_report.answer under the same ticket. */
struct command {
	enum command_kind kind;
	uint32_t ticket;           /* counts up from 1; 0 wants no answer */
	int64_t received_ns;       /* by io, whose clock dates the dead-men's edges too */
	uint32_t arm;              /* index or ALL_ARMS */
	double value;              /* COMMAND_SPEED: scale */
	struct twist delta;        /* COMMAND_JOG: m and rad */
};

/* ---- inside the control thread --------------------------------------------------------------------------------- */

enum target_source { TARGET_HOLD, TARGET_POLICY, TARGET_TELEOP, TARGET_HOME, TARGET_SOURCE_COUNT };

/* What a source wants of one arm at the next due time. Not safe yet: only safety.c turns it into a driver_target. */
struct setpoint {
	bool active;               /* false: stand still where the last sent target is */
	enum target_source source;
	double q_rad[DOF_MAX];
	double dq_rad_s[DOF_MAX];
	double ddq_rad_s2[DOF_MAX];
	double tcp_v_max_m_s, tcp_w_max_rad_s; /* speeds of the TCP that this source may have; 0: the arm's own limit */
	bool has_gripper;
	double gripper_m;
	uint64_t chunk;
	uint32_t step;
	int64_t frame_stamp_ns;
};

/* ---- control -> io -> arm -------------------------------------------------------------------------------------- */

/* Where a chunk comes from: what its targets carry, so that the arm's answer closes the trace. */
struct chunk_origin {
	uint64_t observation;
	int64_t t_obs_ns, received_ns, handed_over_ns;
	uint64_t frame_from, frame_seq; /* of the first camera's frame */
};

/* The only thing that may reach a driver. Made by safety.c and nowhere else. */
struct driver_target {
	bool valid;                /* false: publish nothing (the arm is not attached or has no state) */
	uint32_t arm;
	int64_t t_ns;              /* when the arm shall be there */
	int64_t tick_ns;           /* nominal time of the tick that made it */
	enum output_kind kind;
	double q_rad[DOF_MAX], dq_rad_s[DOF_MAX];
	struct pose ee;            /* OUTPUT_POSE */
	struct twist twist;
	bool has_gripper;
	double gripper_m;
	enum target_source source;
	int64_t valid_for_ns;
	uint32_t epoch;
	uint64_t chunk;
	uint32_t step;
	int64_t frame_stamp_ns;
	bool first_of_chunk;       /* first target made from this chunk: closes the latency measurement */
	struct chunk_origin origin; /* of the running chunk */
	int64_t edge_ns;           /* TARGET_TELEOP: when the edge that began the person's motion arrived */
	int64_t stick_stamp_ns;    /* TARGET_TELEOP: stamp of the message that it was made from */
	bool shadow;               /* computed in SHADOW: goes out on shadow/<arm>, never to the arm */
	bool intervention;         /* a person drives: this arm, or another one of the bench while this one holds */
};

/* All targets of one tick: [0..n_arms) real ones, then the shadows. */
struct target_batch {
	uint32_t n;
	struct driver_target target[2 * ARMS_MAX];
};

/* ---- control -> io: what happened ------------------------------------------------------------------------------ */

enum mode { MODE_BOOT, MODE_READY, MODE_AUTO, MODE_SHADOW, MODE_TELEOP, MODE_HOLD, MODE_RETURN, MODE_FAULT, MODE_COUNT };

/* What a pre-flight may miss: bits of control_answer.missing and control_report.faults use REASON_* of stage/reason.h. */
struct control_answer {
	uint32_t ticket;
	bool ok;
	enum mode mode;
	uint64_t missing;          /* bit r set: reason r stands in the way (stage/reason.h) */
};

/* Snapshot for status; newest wins. */
struct control_report {
	int64_t tick_ns;
	uint64_t ticks, overruns;
	enum mode mode;
	uint32_t reason;           /* enum reason of stage/reason.h */
	uint32_t reason_arm;       /* which arm or camera the reason is about */
	double reason_value, reason_limit; /* numbers for the reason's sentence */
	uint64_t faults;           /* bit r set: reason r holds at present */
	enum target_source driver; /* who drives now */
	bool jogging;              /* TARGET_HOME is a person's bounded steps, no way home */
	uint32_t device;           /* TARGET_TELEOP: which one, index of inputs.teleop */
	uint32_t epoch;
	double speed;
	uint64_t chunks_adopted, chunks_dropped, targets, clamps, limit_stops;
	uint64_t current_chunk;
	uint32_t current_step;
	uint64_t ticks_in_mode[MODE_COUNT];
	double margin_position[ARMS_MAX], margin_velocity[ARMS_MAX], margin_acceleration[ARMS_MAX], margin_jerk[ARMS_MAX]; /* 0..1 left to the nearest limit */
	double margin_workspace[ARMS_MAX], margin_floor[ARMS_MAX], margin_tcp_speed[ARMS_MAX], margin_tracking[ARMS_MAX];
	double q_sent_rad[ARMS_MAX][DOF_MAX];
	struct pose ee_sent[ARMS_MAX];
	struct twist twist_sent[ARMS_MAX]; /* of the TCP */
	double tcp_path_m[ARMS_MAX]; /* length of the commanded TCP path since start */
	bool standing;             /* every arm's last sent target has (nearly) no velocity */
	bool wants_attach;         /* reset or mode asked for it: io attaches again */
	bool clear_stop;           /* together with wants_attach: only after an operator's reset */
	uint32_t attach_ticket;    /* counts up with every such wish */
	/* By reason: which arm or camera, and the numbers of its sentence; for every bit of `faults` and of the newest `missing`. */
	uint8_t about_subject[REASONS_MAX];
	double about_value[REASONS_MAX], about_limit[REASONS_MAX];
	struct control_answer answer;
	struct control_answer recent[ANSWERS_RECENT]; /* the newest answers, slot ticket % ANSWERS_RECENT: several commands in one tick */
};

/* What the policy thread must know about control; newest wins. */
struct policy_hint {
	enum mode mode;
	uint32_t epoch;
	bool wants_chunk;          /* sync: the motion has ended, or the modes where a first chunk is wanted */
	int64_t wants_after_ns;    /* observations older than this are of no use (before a hand-over) */
	uint64_t chunk;            /* newest one that control has taken and, where it runs any, judged; 0: none */
	int64_t told_ns;           /* by this tick; 0: by none yet */
	/* The running motion, which inpaint continues, is larger and has a box of its own: stage/motion.h. */
};

enum control_event_kind { EVENT_MODE, EVENT_FAULT, EVENT_ATTACH, EVENT_REFUSED, EVENT_CHUNK_DROPPED, EVENT_INSTRUCTION, EVENT_HOME,
	EVENT_TAKEOVER, EVENT_INTERVENTION, EVENT_LIMIT };

/* One edge, as numbers; io turns it into words. */
struct control_event {
	int64_t t_ns;
	enum control_event_kind kind;
	enum mode mode, previous;
	uint32_t reason;
	uint32_t arm;
	double value, limit;
	uint32_t device;           /* of teleop, index of inputs.teleop; TELEOP_DEVICES_MAX: none */
	uint32_t driven;           /* EVENT_TAKEOVER, EVENT_INTERVENTION: arm that the device drives, or drove until now */
	int64_t since_ns;          /* and since when */
};

#endif
