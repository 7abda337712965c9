/* wire.h - Franka's control interface on the wire, protocols 5 (Panda) to 10 (FR3 with system 5.9 or newer): sizes, numbers and
 * bytes only. What may follow what is the business of those who speak it, the simulated robot and the driver, each for itself.
 *
 * All integers and floats are little-endian and packed without padding. Units: m, rad, s, N, Nm, kg.
 * Source of every fact: libfranka-common's headers and libfranka 0.9.2 to 0.21.2 (Apache-2.0).
 * All functions: thread any, allocates no, blocks no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_WIRE_H
#define DREAMVLA_ROBOTS_FRANKA_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FCI_ROBOT_PORT = 1337,
	FCI_GRIPPER_PORT = 1338,
	FCI_VERSION_MIN = 5,      /* the last of the Panda */
	FCI_VERSION_MAX = 10,
	FCI_GRIPPER_VERSION = 3,
	FCI_HEADER_BYTES = 12,
	FCI_STATUS_BYTES = 13,    /* header and status: most responses */
	FCI_REQUEST_BYTES_MAX = 428,
	FCI_MOVE_ASYNC_BYTES = 57, /* of a Move in protocol 10 */
	FCI_STATE_BYTES_5 = 2373,
	FCI_STATE_BYTES_10 = 1377,
	FCI_COMMAND_BYTES_5 = 370,
	FCI_COMMAND_BYTES_7 = 371,
	FCI_ERRORS = 41,
};

/* ---- TCP: requests and responses --------------------------------------------------------------------------------- */

enum fci_command {
#define COMMAND(name, text, v5, v6, v8, v10, request, response) FCI_##name,
#include "robots/franka/commands.def"
#undef COMMAND
	FCI_COMMAND_COUNT
};

enum fci_status {
#define STATUS(name, text, m5, m6, s5, s6, t5, t6, r5, r6, g5, g6) FCI_STATUS_##name,
#include "robots/franka/statuses.def"
#undef STATUS
	FCI_STATUS_COUNT
};

struct fci_header {
	uint32_t command;  /* number of the protocol version */
	uint32_t id;       /* serial number of the request */
	uint32_t size;     /* bytes of the message, header included */
};

bool fci_version_known(uint32_t version);

/* "Move"; "unknown" for what is none. */
const char *fci_command_name(enum fci_command c);

/* The number of a request in a protocol, or -1 where it has none; and back, or -1. */
int fci_command_number(uint32_t version, enum fci_command c);
int fci_command_find(uint32_t version, uint32_t number);

/* Bytes of a whole request, and of the fixed part of its response (a model's bytes follow it). 0: the protocol has none. */
size_t fci_request_bytes(uint32_t version, enum fci_command c);
size_t fci_response_bytes(uint32_t version, enum fci_command c);

/* The byte that stands for a status in the response to a request, or -1 where the protocol has none; and back, or -1. */
int fci_status_number(uint32_t version, enum fci_command c, enum fci_status s);
int fci_status_find(uint32_t version, enum fci_command c, uint32_t number);
const char *fci_status_text(enum fci_status s);

void fci_put_header(const struct fci_header *h, uint8_t out[FCI_HEADER_BYTES]);
void fci_get_header(struct fci_header *h, const uint8_t in[FCI_HEADER_BYTES]);

/* Payloads, as they follow the header. */
struct fci_connect {
	uint16_t version, udp_port;
} __attribute__((packed));

struct fci_connected {
	uint8_t status;    /* 0, or 1: incompatible version */
	uint16_t version;
} __attribute__((packed));

enum { FCI_CONTROL_JOINT_IMPEDANCE, FCI_CONTROL_CARTESIAN_IMPEDANCE, FCI_CONTROL_EXTERNAL, FCI_CONTROL_OTHER };
/* As a request says it; a state says one more, and 0 for idle. NONE: torques alone, from protocol 7 on. */
enum { FCI_MOVE_JOINT_POSITION, FCI_MOVE_JOINT_VELOCITY, FCI_MOVE_CARTESIAN_POSITION, FCI_MOVE_CARTESIAN_VELOCITY, FCI_MOVE_NONE };
enum { FCI_GENERATOR_IDLE, FCI_GENERATOR_JOINT_POSITION, FCI_GENERATOR_JOINT_VELOCITY, FCI_GENERATOR_CARTESIAN_POSITION,
	FCI_GENERATOR_CARTESIAN_VELOCITY, FCI_GENERATOR_NONE };
enum fci_robot_mode { FCI_MODE_OTHER, FCI_MODE_IDLE, FCI_MODE_MOVE, FCI_MODE_GUIDING, FCI_MODE_REFLEX, FCI_MODE_USER_STOPPED,
	FCI_MODE_RECOVERY };

struct fci_move {
	uint32_t controller, generator;
	double path_deviation[3], goal_deviation[3]; /* translation, rotation, elbow */
	/* protocol 10 only */
	uint8_t use_async;
	double maximum_velocity[7];
} __attribute__((packed));

struct fci_collision_behavior {
	double lower_torque_acceleration[7], upper_torque_acceleration[7], lower_torque[7], upper_torque[7];
	double lower_force_acceleration[6], upper_force_acceleration[6], lower_force[6], upper_force[6];
} __attribute__((packed));

struct fci_guiding_mode {
	uint8_t axis[6], elbow;
} __attribute__((packed));

struct fci_load {
	double mass, f_x_cload[3], i_load[9];
} __attribute__((packed));

struct fci_model_request {
	uint8_t architecture, system; /* 0, 0: x64, Linux */
} __attribute__((packed));

struct fci_cartesian_limit {
	uint8_t status;
	double size[3], frame[16];
	uint8_t active;
} __attribute__((packed));

/* ---- UDP ----------------------------------------------------------------------------------------------------------- */

/* A command; protocols 5 and 6 have no torque_finished. Always float64; unused fields are zero. */
struct fci_motion {
	uint64_t message_id; /* of the state that it answers */
	double q_c[7], dq_c[7], O_T_EE_c[16], O_dP_EE_c[6], elbow_c[2];
	uint8_t valid_elbow, motion_finished;
	double tau_J_d[7];
	uint8_t torque_finished;
};

struct fci_state {
	uint64_t message_id; /* ms */
#define REAL(name, count) double name[count];
#include "robots/franka/state.def"
#undef REAL
	double accelerometer_top[18], accelerometer_bottom[18]; /* protocol 10 */
	uint8_t generator_mode, controller_mode;
	uint8_t errors[FCI_ERRORS], reflex_reason[FCI_ERRORS];
	uint8_t robot_mode;
	double success_rate;
};

enum { FCI_STATE_BYTES_MAX = FCI_STATE_BYTES_5, FCI_MOTION_BYTES_MAX = FCI_COMMAND_BYTES_7 };

size_t fci_state_bytes(uint32_t version);
size_t fci_motion_bytes(uint32_t version);

/* out: fci_state_bytes(version). */
void fci_put_state(uint32_t version, const struct fci_state *s, uint8_t *out);

/* false for another size than the version's; numbers are taken as they are, NaN too. */
bool fci_get_state(uint32_t version, const uint8_t *in, size_t n, struct fci_state *s);
void fci_put_motion(uint32_t version, const struct fci_motion *m, uint8_t *out);
bool fci_get_motion(uint32_t version, const uint8_t *in, size_t n, struct fci_motion *m);

enum fci_error {
#define FCI_ERROR(name) FCI_ERROR_##name,
#include "robots/franka/errors.def"
#undef FCI_ERROR
	FCI_ERROR_COUNT
};

const char *fci_error_name(enum fci_error e);

/* ---- the gripper ----------------------------------------------------------------------------------------------------- */

enum { FCI_GRIPPER_HEADER_BYTES = 10, FCI_GRIPPER_REQUEST_BYTES_MAX = 50, FCI_GRIPPER_RESPONSE_BYTES = 12,
	FCI_GRIPPER_CONNECTED_BYTES = 14, FCI_GRIPPER_STATE_BYTES = 23 };
enum fci_gripper_command { FCI_GRIPPER_CONNECT, FCI_GRIPPER_HOMING, FCI_GRIPPER_GRASP, FCI_GRIPPER_MOVE, FCI_GRIPPER_STOP,
	FCI_GRIPPER_COMMAND_COUNT };
enum fci_gripper_status { FCI_GRIPPER_SUCCESS, FCI_GRIPPER_FAIL, FCI_GRIPPER_UNSUCCESSFUL, FCI_GRIPPER_ABORTED };

struct fci_gripper_header {
	uint16_t command;
	uint32_t id, size;
} __attribute__((packed));

struct fci_gripper_connected {
	uint16_t status, version;
} __attribute__((packed));

struct fci_grasp {
	double width_m, epsilon_inner_m, epsilon_outer_m, speed_m_s, force_n; /* in this order on the wire */
} __attribute__((packed));

struct fci_gripper_move {
	double width_m, speed_m_s;
} __attribute__((packed));

struct fci_gripper_state {
	uint32_t message_id;
	double width_m, max_width_m;
	uint8_t is_grasped;
	uint16_t temperature_c;
} __attribute__((packed));

/* Bytes of a whole request; 0 for what is none. */
size_t fci_gripper_request_bytes(uint32_t command);

#endif
