/* wire.h - AgileX PiPER on the CAN bus, protocol V2 with what firmware S-V1.8-8 and newer (V3) changed: ids, bytes, numbers and the
 * firmware's version. What may follow what is the business of those who speak it, the simulated arm and the driver, each for itself.
 *
 * Big-endian fields in standard frames of 8 bytes. Fields keep the wire's own units, which their names end with:
 *   _mdeg 0.001 degree   _um 0.001 mm   _mrad 0.001 rad   _mnm 0.001 Nm   _ma 0.001 A   _ddeg 0.1 degree   _dv 0.1 V   _c 1 degree C
 * Angles of a pose are about fixed axes: R = Rz Ry Rx; its frame is the flange of joint 6. Enumerated bytes are kept as they came:
 * firmware sends values nobody has listed, and piper_message_oddity() finds those.
 *
 * Sources: piper_sdk 0.6.1 and 0.6.2 (frames taken from its wire: tests/unit/robots/test_piper_wire.c), AgileX's protocol
 * document, pyAgxArm. Where they differ it is said at the field.
 * All functions: thread any, allocates no, blocks no. */
#ifndef DREAMVLA_ROBOTS_PIPER_WIRE_H
#define DREAMVLA_ROBOTS_PIPER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/bus/frame.h"

enum {
	PIPER_JOINTS = 6,
	PIPER_BITRATE = 1000000,
	PIPER_FEEDBACK_BASE = 0x2A0,   /* as delivered; 0x470 moves them by 0x10 or 0x20, and 0x3A0 was seen */
	PIPER_CONTROL_BASE = 0x150,
	PIPER_FIRMWARE_FRAMES = 11,
	PIPER_FIRMWARE_BYTES = 88,
	PIPER_KIND_FRAMES_MAX = 7,
	PIPER_KEEP = 0x7FFF,           /* in a number to be set: leave as it is */
	PIPER_CONFIRM = 0xAE,          /* set zero, apply acceleration, clear error, apply load */
	PIPER_ALL_JOINTS = 7,          /* in ENABLE and JOINT_SET; some arms take it for the gripper's motor */
	PIPER_ALL_MOTORS = 0xFF,       /* in ENABLE: the gripper's too */
};

/* ---- firmware --------------------------------------------------------------------------------------------------------- */

struct piper_version {
	uint32_t major, minor, patch;
};

/* Finds "S-V1.8-2" anywhere in what the arm answered (text and zero bytes). A version has these 8 characters; a date follows without
 * a gap, so that one with two digits could not be told from it. false: there is none. */
bool piper_version_find(const uint8_t *bytes, size_t n, struct piper_version *out);

bool piper_version_at_least(const struct piper_version *v, uint32_t major, uint32_t minor, uint32_t patch);

/* ---- which ids and formats an arm speaks ------------------------------------------------------------------------------ */

struct piper_dialect {
	uint16_t feedback_base, control_base;
	bool wide_torque;              /* MIT frames with 12 bits of torque and no check: S-V1.8-8 and newer */
};

/* Ids as delivered, formats of that firmware. */
struct piper_dialect piper_dialect_of(const struct piper_version *v);

/* ---- messages --------------------------------------------------------------------------------------------------------- */

enum piper_kind {
	PIPER_NONE,
	/* Host to arm, of the control base (a leader arm sends MODE, JOINT_TARGET and GRIPPER_TARGET itself). */
	PIPER_STOP, PIPER_MODE, PIPER_POSE_TARGET, PIPER_JOINT_TARGET, PIPER_ARC_POINT, PIPER_GRIPPER_TARGET, PIPER_MIT,
	/* Host to arm, ids that never move. */
	PIPER_LED, PIPER_CPV, PIPER_LEADER_HOME, PIPER_LINKAGE, PIPER_ENABLE, PIPER_LIMIT_QUERY, PIPER_LIMITS_SET, PIPER_JOINT_SET,
	PIPER_PARAMETER, PIPER_END_LIMITS_SET, PIPER_COLLISION_SET, PIPER_GRIPPER_SETUP_SET, PIPER_ASSISTANCE_SET, PIPER_FIRMWARE_QUERY,
	/* Arm to host, of the feedback base. */
	PIPER_STATUS, PIPER_POSE, PIPER_JOINT_ANGLES, PIPER_GRIPPER, PIPER_IK_ANGLES,
	/* Arm to host, ids that never move. */
	PIPER_MOTOR_FAST, PIPER_MOTOR_SLOW, PIPER_LIMITS, PIPER_ACCELERATION, PIPER_ACK, PIPER_END_LIMITS, PIPER_COLLISION,
	PIPER_GRIPPER_SETUP, PIPER_JOINT_END_LIMITS, PIPER_ASSISTANCE, PIPER_FIRMWARE,
	PIPER_KIND_COUNT
};

enum { PIPER_STOP_NONE, PIPER_STOP_NOW, PIPER_STOP_RESUME }; /* resume cuts the power: the arm falls */
enum { PIPER_TRACK_MAX = 8, PIPER_TEACH_MAX = 7 };

struct piper_stop {                    /* 0x150 */
	uint8_t emergency, track, teach, point;
	uint16_t name_index, crc16;    /* offline trajectories */
};

/* Of MODE; STATUS has two more. 2 is in one document only. */
enum piper_control { PIPER_STANDBY, PIPER_CAN, PIPER_TEACH, PIPER_ETHERNET, PIPER_WIFI, PIPER_REMOTE, PIPER_LEADER, PIPER_OFFLINE };
/* MOVE_M is the MIT mode up to S-V1.8-7, MOVE_M_8 from S-V1.8-8 on. UNCHANGED: in a MODE only. */
enum piper_move { PIPER_MOVE_P, PIPER_MOVE_J, PIPER_MOVE_L, PIPER_MOVE_C, PIPER_MOVE_M, PIPER_MOVE_CPV, PIPER_MOVE_M_8,
	PIPER_MOVE_UNCHANGED = 0xFF };
enum { PIPER_FOLLOW_PLANNED = 0, PIPER_FOLLOW_MIT = 0xAD, PIPER_FOLLOW_VOID = 0xFF };
enum piper_mount { PIPER_MOUNT_KEEP, PIPER_MOUNT_UPRIGHT, PIPER_MOUNT_LEFT, PIPER_MOUNT_RIGHT, PIPER_MOUNT_INVERTED };

struct piper_mode {                    /* 0x151 */
	uint8_t control, move, speed_percent, follow, residence_s, mount;
};

/* Three frames make a whole; index 0, 1, 2. Poses: X Y, Z RX, RY RZ. Joints: 1 2, 3 4, 5 6. */
struct piper_pair {                    /* 0x152-154 0x155-157 0x2A2-2A4 0x2A5-2A7 0x2AA-2AC */
	int32_t value[2];              /* um for X, Y, Z; mdeg for the others */
};

enum { PIPER_ARC_VOID, PIPER_ARC_START, PIPER_ARC_MIDDLE, PIPER_ARC_END };

struct piper_arc_point {               /* 0x158 */
	uint8_t point;
};

enum { PIPER_GRIPPER_ENABLE = 1, PIPER_GRIPPER_CLEAR = 2, PIPER_GRIPPER_ANGLE = 4 }; /* angle: S-V1.8-8 and newer */

struct piper_gripper_target {          /* 0x159 */
	int32_t opening_um;            /* between the fingers; mdeg with PIPER_GRIPPER_ANGLE */
	uint16_t effort_mnm;
	uint8_t bits;
	uint8_t zero;                  /* PIPER_CONFIRM: here is zero */
};

/* 0x15A-15F, index is the joint. The driver's torque is kp (p - measured) + kd (v - measured) + t. Zero is between two numbers, so
 * that it comes back a little below zero. */
struct piper_mit {
	double p_rad, v_rad_s, kp, kd, t_nm;
};

struct piper_led {                     /* 0x121 */
	uint8_t enable, joint, led, red, green, blue, zero, counter;
};

enum { PIPER_CPV_WRITE = 'w', PIPER_CPV_READ = 'r', PIPER_CPV_ANSWER = 'a' };

struct piper_cpv {                     /* 0x181-187, index is the joint, 6 the gripper; 7 bytes */
	uint8_t action, name[2];
	int32_t value;                 /* "po" mdeg, "sp" "vv" mrad/s, "ac" "dc" 0.01 rad/s2, gains 0.01 */
};

struct piper_leader_home {             /* 0x191: 1 0 0 restore, 1 1 1 leader goes home, 1 0 1 both do */
	uint8_t byte[3];
};

enum { PIPER_LINKAGE_LEADER = 0xFA, PIPER_LINKAGE_FOLLOWER = 0xFC };

struct piper_linkage {                 /* 0x470 */
	uint8_t role, feedback_offset, control_offset, target_offset;
};

enum { PIPER_DISABLE_MOTOR = 1, PIPER_ENABLE_MOTOR = 2 };

struct piper_enable {                  /* 0x471 */
	uint8_t motor, action;         /* 1-6, PIPER_ALL_JOINTS, PIPER_ALL_MOTORS */
};

enum { PIPER_QUERY_LIMITS = 1, PIPER_QUERY_ACCELERATION = 2 };

struct piper_limit_query {             /* 0x472 */
	uint8_t joint, what;           /* 1-6 */
};

struct piper_limits {                  /* 0x473 0x474 */
	uint8_t joint;                 /* 1-6 */
	int16_t max_ddeg, min_ddeg;
	uint16_t speed_raw;            /* 0.01 rad/s by AgileX's word, 0.001 by its SDK */
};

struct piper_acceleration {            /* 0x47C */
	uint8_t joint;
	uint16_t acceleration_raw;     /* 0.01 rad/s2 by arithmetic (500 are 5), 0.001 by AgileX's document */
};

struct piper_joint_set {               /* 0x475 */
	uint8_t joint;                 /* 1-6, PIPER_ALL_JOINTS */
	uint8_t zero, apply_acceleration; /* PIPER_CONFIRM or 0 */
	uint16_t acceleration_raw;     /* means nothing without apply_acceleration */
	uint8_t clear_error;
};

enum { PIPER_PACKAGE_OK = 0xAE, PIPER_PACKAGE_FAILED = 0xEE };

struct piper_ack {                     /* 0x476 */
	uint8_t id_low;                /* of the frame that it answers */
	uint8_t zero_set, point, package;
	uint16_t name_index, crc16;
};

enum piper_query { PIPER_QUERY_NONE, PIPER_QUERY_END_LIMITS, PIPER_QUERY_COLLISION, PIPER_QUERY_TRAJECTORY, PIPER_QUERY_GRIPPER_SETUP,
	PIPER_QUERY_ASSISTANCE };
enum { PIPER_RESTORE_END_LIMITS = 1, PIPER_RESTORE_JOINT_LIMITS = 2 };
enum { PIPER_END_STREAM_ON = 1, PIPER_END_STREAM_OFF = 2 }; /* the SDK's text has them reversed */

struct piper_parameter {               /* 0x477 */
	uint8_t query, restore, end_stream, apply_load;
	uint8_t load;                  /* 0 empty, 1 half, 2 full, 3 void */
};

struct piper_end_limits {              /* 0x478 0x479 0x481-486 */
	uint16_t v_mm_s, w_mrad_s, a_mm_s2, alpha_mrad_s2;
};

struct piper_levels {                  /* 0x47A 0x47B: 0 (off) to 8; 0x487 0x488: 0 to 10 */
	uint8_t level[PIPER_JOINTS];
};

struct piper_gripper_setup {           /* 0x47D 0x47E */
	uint8_t stroke_percent;        /* of a leader's handle: 100 to 200 */
	uint8_t range_mm;              /* 0 (void), 70 or 100 */
	uint8_t friction;              /* 1 to 10 */
};

struct piper_firmware {                /* 0x4AF */
	uint8_t text[8];
};

enum piper_arm_state { PIPER_ARM_NORMAL, PIPER_ARM_EMERGENCY_STOP, PIPER_ARM_NO_SOLUTION, PIPER_ARM_SINGULARITY, PIPER_ARM_TARGET_LIMIT,
	PIPER_ARM_JOINT_COMMUNICATION, PIPER_ARM_BRAKE, PIPER_ARM_COLLISION, PIPER_ARM_TEACH_OVERSPEED, PIPER_ARM_JOINT_STATE,
	PIPER_ARM_OTHER, PIPER_ARM_TEACH_RECORD, PIPER_ARM_TEACH_EXECUTE, PIPER_ARM_TEACH_PAUSE, PIPER_ARM_CONTROLLER_HOT,
	PIPER_ARM_RESISTOR_HOT, PIPER_ARM_STATE_COUNT };
enum { PIPER_MOTION_REACHED, PIPER_MOTION_UNDER_WAY };

struct piper_status {                  /* 0x2A1 */
	uint8_t control, state, move, teach, motion, point;
	uint8_t over_limit;            /* bit 0 is joint 1 */
	uint8_t communication_error;
};

enum { PIPER_GRIPPER_UNDERVOLTAGE = 1, PIPER_GRIPPER_MOTOR_HOT = 2, PIPER_GRIPPER_OVERCURRENT = 4, PIPER_GRIPPER_DRIVER_HOT = 8,
	PIPER_GRIPPER_SENSOR = 16, PIPER_GRIPPER_DRIVER = 32, PIPER_GRIPPER_ENABLED = 64, PIPER_GRIPPER_HOMED = 128 };

struct piper_gripper {                 /* 0x2A8 */
	int32_t opening_um;            /* says nothing before a range is set (0x47D) */
	int16_t effort_mnm;
	uint8_t bits, mode;            /* mode: 0 width, 1 angle (S-V1.8-8 and newer; others send anything) */
};

struct piper_motor_fast {              /* 0x251-256, index is the joint */
	int16_t speed_mrad_s, current_ma;
	int32_t position_mrad;         /* by every log; AgileX's document says rad */
};

enum { PIPER_MOTOR_UNDERVOLTAGE = 1, PIPER_MOTOR_HOT = 2, PIPER_MOTOR_OVERCURRENT = 4, PIPER_MOTOR_DRIVER_HOT = 8,
	PIPER_MOTOR_COLLISION = 16, PIPER_MOTOR_DRIVER = 32, PIPER_MOTOR_ENABLED = 64, PIPER_MOTOR_STALLED = 128 };

struct piper_motor_slow {              /* 0x261-266, index is the joint */
	uint16_t bus_dv;
	int16_t driver_c;
	int8_t motor_c;
	uint8_t bits;
	uint16_t bus_ma;
};

struct piper_message {
	enum piper_kind kind;
	uint32_t index;                /* which of the frames of a kind that has several, from 0 */
	union {
		struct piper_stop stop;
		struct piper_mode mode;
		struct piper_pair pair;                 /* POSE_TARGET JOINT_TARGET POSE JOINT_ANGLES IK_ANGLES */
		struct piper_arc_point arc;
		struct piper_gripper_target gripper_target;
		struct piper_mit mit;
		struct piper_led led;
		struct piper_cpv cpv;
		struct piper_leader_home leader_home;
		struct piper_linkage linkage;
		struct piper_enable enable;
		struct piper_limit_query limit_query;
		struct piper_limits limits;             /* LIMITS LIMITS_SET */
		struct piper_acceleration acceleration;
		struct piper_joint_set joint_set;
		struct piper_ack ack;
		struct piper_parameter parameter;
		struct piper_end_limits end_limits;     /* END_LIMITS END_LIMITS_SET JOINT_END_LIMITS */
		struct piper_levels levels;             /* COLLISION COLLISION_SET ASSISTANCE ASSISTANCE_SET */
		struct piper_gripper_setup gripper_setup; /* GRIPPER_SETUP GRIPPER_SETUP_SET */
		struct piper_status status;
		struct piper_gripper gripper;
		struct piper_motor_fast fast;
		struct piper_motor_slow slow;
		struct piper_firmware firmware;
	};
};

/* "joint target"; "unknown" for what is no kind. */
const char *piper_kind_name(enum piper_kind k);

/* Number of frames that a kind has; 0 for what is no kind. */
uint32_t piper_kind_frames(enum piper_kind k);

/* Filters that let just the frames of a kind through, one for each; returns their number, 0 for what is no kind. */
uint32_t piper_kind_filters(const struct piper_dialect *d, enum piper_kind k, struct bus_filter out[PIPER_KIND_FRAMES_MAX]);

/* false, and *out is zero: a frame that no PiPER sends or takes (id, extended, remote), or of another length than its kind's; an MIT
 * frame whose check is wrong. Queries may be short, as pyAgxArm sends them. */
bool piper_get(const struct piper_dialect *d, const struct bus_frame *in, struct piper_message *out);

/* false, and *out is zero: no such kind or index, an id beyond BUS_ID_MAX, or an MIT message that is not finite. MIT numbers beyond
 * their range are clamped; nothing else is. */
bool piper_put(const struct piper_dialect *d, const struct piper_message *in, struct bus_frame *out);

/* Name of the first field whose value nobody has listed ("arm state"), NULL if there is none. Such a message is not to be acted on. */
const char *piper_message_oddity(const struct piper_message *m);

/* ---- what a host may send --------------------------------------------------------------------------------------------- */

/* NEVER: firmware updates, silencing, the arm's own ids, and whatever is not known to be harmless. MAINTENANCE: changes what the arm
 * keeps without power (roles, ids, limits, levels) or where its zeros are, or has a leader move by itself. */
enum piper_danger { PIPER_NEVER, PIPER_MAINTENANCE, PIPER_ORDINARY };

enum piper_danger piper_frame_danger(const struct bus_frame *f);

/* ---- units ------------------------------------------------------------------------------------------------------------ */

/* Nearest raw number. false for what is not finite or does not fit; *out is then unchanged. */
bool piper_mdeg_from_rad(double rad, int32_t *out);
bool piper_um_from_m(double m, int32_t *out);
double piper_rad_from_mdeg(int32_t mdeg);
double piper_m_from_um(int32_t um);

#endif
