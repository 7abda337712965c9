/* wire.c - see wire.h. The host is little-endian (checked below), so that packed structs are the wire's own bytes. */
#include "robots/franka/wire.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the control interface is little-endian, and so is this code");

enum { NONE = -1, NO = -1 };

/* ---- layouts --------------------------------------------------------------------------------------------------------- */

struct state_5 {
	uint64_t message_id;
#define REAL(name, count) double name[count];
#include "robots/franka/state.def"
#undef REAL
	uint8_t generator_mode, controller_mode;
	uint8_t errors[FCI_ERRORS], reflex_reason[FCI_ERRORS];
	uint8_t robot_mode;
	double success_rate;
} __attribute__((packed));

struct state_10 {
	uint64_t message_id;
#define REAL(name, count) float name[count];
#include "robots/franka/state.def"
#undef REAL
	float accelerometer_top[18], accelerometer_bottom[18];
	uint8_t generator_mode, controller_mode;
	uint8_t errors[FCI_ERRORS], reflex_reason[FCI_ERRORS];
	uint8_t robot_mode;
	float success_rate;
} __attribute__((packed));

/* As protocol 7 and newer have it; older ones end before the last byte. */
struct motion_7 {
	uint64_t message_id;
	double q_c[7], dq_c[7], O_T_EE_c[16], O_dP_EE_c[6], elbow_c[2];
	uint8_t valid_elbow, motion_finished;
	double tau_J_d[7];
	uint8_t torque_finished;
} __attribute__((packed));

#define AT(type, field, offset) _Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define BYTES(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#define AT_BOTH(field, offset_5, offset_10) AT(state_5, field, offset_5); AT(state_10, field, offset_10)

AT_BOTH(message_id, 0, 0);
AT_BOTH(O_T_EE, 8, 8);
AT_BOTH(O_T_EE_d, 136, 72);
AT_BOTH(F_T_EE, 264, 136);
AT_BOTH(EE_T_K, 392, 200);
AT_BOTH(F_T_NE, 520, 264);
AT_BOTH(NE_T_EE, 648, 328);
AT_BOTH(m_ee, 776, 392);
AT_BOTH(I_ee, 784, 396);
AT_BOTH(F_x_Cee, 856, 432);
AT_BOTH(m_load, 880, 444);
AT_BOTH(I_load, 888, 448);
AT_BOTH(F_x_Cload, 960, 484);
AT_BOTH(elbow, 984, 496);
AT_BOTH(elbow_d, 1000, 504);
AT_BOTH(tau_J, 1016, 512);
AT_BOTH(tau_J_d, 1072, 540);
AT_BOTH(dtau_J, 1128, 568);
AT_BOTH(q, 1184, 596);
AT_BOTH(q_d, 1240, 624);
AT_BOTH(dq, 1296, 652);
AT_BOTH(dq_d, 1352, 680);
AT_BOTH(ddq_d, 1408, 708);
AT_BOTH(joint_contact, 1464, 736);
AT_BOTH(cartesian_contact, 1520, 764);
AT_BOTH(joint_collision, 1568, 788);
AT_BOTH(cartesian_collision, 1624, 816);
AT_BOTH(tau_ext_hat_filtered, 1672, 840);
AT_BOTH(O_F_ext_hat_K, 1728, 868);
AT_BOTH(K_F_ext_hat_K, 1776, 892);
AT_BOTH(O_dP_EE_d, 1824, 916);
AT_BOTH(O_ddP_O, 1872, 940);
AT_BOTH(elbow_c, 1896, 952);
AT_BOTH(delbow_c, 1912, 960);
AT_BOTH(ddelbow_c, 1928, 968);
AT_BOTH(O_T_EE_c, 1944, 976);
AT_BOTH(O_dP_EE_c, 2072, 1040);
AT_BOTH(O_ddP_EE_c, 2120, 1064);
AT_BOTH(theta, 2168, 1088);
AT_BOTH(dtheta, 2224, 1116);
AT(state_10, accelerometer_top, 1144);
AT(state_10, accelerometer_bottom, 1216);
AT_BOTH(generator_mode, 2280, 1288);
AT_BOTH(controller_mode, 2281, 1289);
AT_BOTH(errors, 2282, 1290);
AT_BOTH(reflex_reason, 2323, 1331);
AT_BOTH(robot_mode, 2364, 1372);
AT_BOTH(success_rate, 2365, 1373);
BYTES(state_5, FCI_STATE_BYTES_5);
BYTES(state_10, FCI_STATE_BYTES_10);

AT(motion_7, message_id, 0);
AT(motion_7, q_c, 8);
AT(motion_7, dq_c, 64);
AT(motion_7, O_T_EE_c, 120);
AT(motion_7, O_dP_EE_c, 248);
AT(motion_7, elbow_c, 296);
AT(motion_7, valid_elbow, 312);
AT(motion_7, motion_finished, 313);
AT(motion_7, tau_J_d, 314);
AT(motion_7, torque_finished, FCI_COMMAND_BYTES_5);
BYTES(motion_7, FCI_COMMAND_BYTES_7);

BYTES(fci_header, FCI_HEADER_BYTES);
BYTES(fci_connect, 16 - FCI_HEADER_BYTES);
BYTES(fci_connected, 15 - FCI_HEADER_BYTES);
AT(fci_move, path_deviation, 8);
AT(fci_move, goal_deviation, 32);
AT(fci_move, use_async, 68 - FCI_HEADER_BYTES);
AT(fci_move, maximum_velocity, 57);
BYTES(fci_move, 68 - FCI_HEADER_BYTES + FCI_MOVE_ASYNC_BYTES);
AT(fci_collision_behavior, upper_torque_acceleration, 56);
AT(fci_collision_behavior, lower_torque, 112);
AT(fci_collision_behavior, upper_torque, 168);
AT(fci_collision_behavior, lower_force_acceleration, 224);
AT(fci_collision_behavior, upper_force_acceleration, 272);
AT(fci_collision_behavior, lower_force, 320);
AT(fci_collision_behavior, upper_force, 368);
BYTES(fci_collision_behavior, 428 - FCI_HEADER_BYTES);
BYTES(fci_guiding_mode, 19 - FCI_HEADER_BYTES);
AT(fci_load, f_x_cload, 8);
AT(fci_load, i_load, 32);
BYTES(fci_load, 116 - FCI_HEADER_BYTES);
BYTES(fci_model_request, 14 - FCI_HEADER_BYTES);
AT(fci_cartesian_limit, frame, 25);
AT(fci_cartesian_limit, active, 153);
BYTES(fci_cartesian_limit, 166 - FCI_HEADER_BYTES);

BYTES(fci_gripper_header, FCI_GRIPPER_HEADER_BYTES);
BYTES(fci_gripper_connected, FCI_GRIPPER_CONNECTED_BYTES - FCI_GRIPPER_HEADER_BYTES);
BYTES(fci_grasp, 50 - FCI_GRIPPER_HEADER_BYTES);
BYTES(fci_gripper_move, 26 - FCI_GRIPPER_HEADER_BYTES);
AT(fci_gripper_state, width_m, 4);
AT(fci_gripper_state, max_width_m, 12);
AT(fci_gripper_state, is_grasped, 20);
AT(fci_gripper_state, temperature_c, 21);
BYTES(fci_gripper_state, FCI_GRIPPER_STATE_BYTES);
_Static_assert((int)FCI_ERROR_COUNT == (int)FCI_ERRORS, "one row of errors.def per flag");

/* ---- numbers ----------------------------------------------------------------------------------------------------------- */

enum generation { V5, V6, V8, V10, GENERATIONS };

static const struct {
	const char *text;
	int number[GENERATIONS];
	size_t request_bytes, response_bytes;
} commands[FCI_COMMAND_COUNT] = {
#define COMMAND(name, text, v5, v6, v8, v10, request, response) [FCI_##name] = { text, { v5, v6, v8, v10 }, request, response },
#include "robots/franka/commands.def"
#undef COMMAND
};

enum group { GROUP_MOVE, GROUP_STOP, GROUP_SET, GROUP_RECOVERY, GROUP_MODEL, GROUPS };

static const struct {
	const char *text;
	int number[GROUPS][2]; /* protocol 5, and newer */
} statuses[FCI_STATUS_COUNT] = {
#define STATUS(name, text, m5, m6, s5, s6, t5, t6, r5, r6, g5, g6) \
	[FCI_STATUS_##name] = { text, { { m5, m6 }, { s5, s6 }, { t5, t6 }, { r5, r6 }, { g5, g6 } } },
#include "robots/franka/statuses.def"
#undef STATUS
};

static const char *const error_names[FCI_ERROR_COUNT] = {
#define FCI_ERROR(name) #name,
#include "robots/franka/errors.def"
#undef FCI_ERROR
};

bool fci_version_known(uint32_t version)
{
	return version >= FCI_VERSION_MIN && version <= FCI_VERSION_MAX;
}

static enum generation generation_of(uint32_t version)
{
	if (version >= 10)
		return V10;
	if (version >= 8)
		return V8;
	return version >= 6 ? V6 : V5;
}

const char *fci_command_name(enum fci_command c)
{
	return (unsigned)c < FCI_COMMAND_COUNT ? commands[c].text : "unknown";
}

int fci_command_number(uint32_t version, enum fci_command c)
{
	return commands[c].number[generation_of(version)];
}

int fci_command_find(uint32_t version, uint32_t number)
{
	for (int c = 0; c < FCI_COMMAND_COUNT; c++)
		if (commands[c].number[generation_of(version)] == (int64_t)number)
			return c;
	return -1;
}

size_t fci_request_bytes(uint32_t version, enum fci_command c)
{
	if (fci_command_number(version, c) < 0)
		return 0;
	return commands[c].request_bytes + (c == FCI_MOVE && version >= 10 ? FCI_MOVE_ASYNC_BYTES : 0);
}

size_t fci_response_bytes(uint32_t version, enum fci_command c)
{
	return fci_command_number(version, c) < 0 ? 0 : commands[c].response_bytes;
}

static enum group group_of(enum fci_command c)
{
	switch (c) {
	case FCI_MOVE: return GROUP_MOVE;
	case FCI_STOP_MOVE: return GROUP_STOP;
	case FCI_AUTOMATIC_ERROR_RECOVERY: return GROUP_RECOVERY;
	case FCI_LOAD_MODEL_LIBRARY:
	case FCI_GET_ROBOT_MODEL: return GROUP_MODEL;
	default: return GROUP_SET;
	}
}

int fci_status_number(uint32_t version, enum fci_command c, enum fci_status s)
{
	return statuses[s].number[group_of(c)][version >= 6];
}

int fci_status_find(uint32_t version, enum fci_command c, uint32_t number)
{
	for (int s = 0; s < FCI_STATUS_COUNT; s++)
		if (fci_status_number(version, c, (enum fci_status)s) == (int64_t)number)
			return s;
	return -1;
}

const char *fci_status_text(enum fci_status s)
{
	return (unsigned)s < FCI_STATUS_COUNT ? statuses[s].text : "unknown";
}

const char *fci_error_name(enum fci_error e)
{
	return (unsigned)e < FCI_ERROR_COUNT ? error_names[e] : "unknown";
}

size_t fci_gripper_request_bytes(uint32_t command)
{
	static const size_t bytes[FCI_GRIPPER_COMMAND_COUNT] = { [FCI_GRIPPER_CONNECT] = 14, [FCI_GRIPPER_HOMING] = 10,
		[FCI_GRIPPER_GRASP] = 50, [FCI_GRIPPER_MOVE] = 26, [FCI_GRIPPER_STOP] = 10 };

	return command < FCI_GRIPPER_COMMAND_COUNT ? bytes[command] : 0;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------- */

void fci_put_header(const struct fci_header *h, uint8_t out[FCI_HEADER_BYTES])
{
	memcpy(out, h, FCI_HEADER_BYTES);
}

void fci_get_header(struct fci_header *h, const uint8_t in[FCI_HEADER_BYTES])
{
	memcpy(h, in, FCI_HEADER_BYTES);
}

size_t fci_state_bytes(uint32_t version)
{
	return version >= 10 ? FCI_STATE_BYTES_10 : FCI_STATE_BYTES_5;
}

size_t fci_motion_bytes(uint32_t version)
{
	return version >= 7 ? FCI_COMMAND_BYTES_7 : FCI_COMMAND_BYTES_5;
}

static void put_state_5(const struct fci_state *s, uint8_t *out)
{
	struct state_5 w = { .message_id = s->message_id, .generator_mode = s->generator_mode, .controller_mode = s->controller_mode,
		.robot_mode = s->robot_mode, .success_rate = s->success_rate };

#define REAL(name, count) memcpy(w.name, s->name, sizeof w.name);
#include "robots/franka/state.def"
#undef REAL
	memcpy(w.errors, s->errors, sizeof w.errors);
	memcpy(w.reflex_reason, s->reflex_reason, sizeof w.reflex_reason);
	memcpy(out, &w, sizeof w);
}

static void put_state_10(const struct fci_state *s, uint8_t *out)
{
	struct state_10 w = { .message_id = s->message_id, .generator_mode = s->generator_mode, .controller_mode = s->controller_mode,
		.robot_mode = s->robot_mode, .success_rate = (float)s->success_rate };

#define REAL(name, count) for (int i = 0; i < (count); i++) w.name[i] = (float)s->name[i];
#include "robots/franka/state.def"
	REAL(accelerometer_top, 18)
	REAL(accelerometer_bottom, 18)
#undef REAL
	memcpy(w.errors, s->errors, sizeof w.errors);
	memcpy(w.reflex_reason, s->reflex_reason, sizeof w.reflex_reason);
	memcpy(out, &w, sizeof w);
}

void fci_put_state(uint32_t version, const struct fci_state *s, uint8_t *out)
{
	if (version >= 10)
		put_state_10(s, out);
	else
		put_state_5(s, out);
}

static void get_state_5(const uint8_t *in, struct fci_state *s)
{
	struct state_5 w;

	memcpy(&w, in, sizeof w);
	*s = (struct fci_state){ .message_id = w.message_id, .generator_mode = w.generator_mode, .controller_mode = w.controller_mode,
		.robot_mode = w.robot_mode, .success_rate = w.success_rate };
#define REAL(name, count) memcpy(s->name, w.name, sizeof w.name);
#include "robots/franka/state.def"
#undef REAL
	memcpy(s->errors, w.errors, sizeof w.errors);
	memcpy(s->reflex_reason, w.reflex_reason, sizeof w.reflex_reason);
}

static void get_state_10(const uint8_t *in, struct fci_state *s)
{
	struct state_10 w;

	memcpy(&w, in, sizeof w);
	*s = (struct fci_state){ .message_id = w.message_id, .generator_mode = w.generator_mode, .controller_mode = w.controller_mode,
		.robot_mode = w.robot_mode, .success_rate = (double)w.success_rate };
#define REAL(name, count) for (int i = 0; i < (count); i++) s->name[i] = (double)w.name[i];
#include "robots/franka/state.def"
	REAL(accelerometer_top, 18)
	REAL(accelerometer_bottom, 18)
#undef REAL
	memcpy(s->errors, w.errors, sizeof w.errors);
	memcpy(s->reflex_reason, w.reflex_reason, sizeof w.reflex_reason);
}

bool fci_get_state(uint32_t version, const uint8_t *in, size_t n, struct fci_state *s)
{
	if (n != fci_state_bytes(version))
		return false;
	if (version >= 10)
		get_state_10(in, s);
	else
		get_state_5(in, s);
	return true;
}

/* Copies what two forms of a command have in common; memcpy, because one of them is packed. */
#define COPY_MOTION(to, from) \
	do { \
		(to)->message_id = (from)->message_id; \
		memcpy(&(to)->q_c, &(from)->q_c, sizeof (to)->q_c); \
		memcpy(&(to)->dq_c, &(from)->dq_c, sizeof (to)->dq_c); \
		memcpy(&(to)->O_T_EE_c, &(from)->O_T_EE_c, sizeof (to)->O_T_EE_c); \
		memcpy(&(to)->O_dP_EE_c, &(from)->O_dP_EE_c, sizeof (to)->O_dP_EE_c); \
		memcpy(&(to)->elbow_c, &(from)->elbow_c, sizeof (to)->elbow_c); \
		(to)->valid_elbow = (from)->valid_elbow; \
		(to)->motion_finished = (from)->motion_finished; \
		memcpy(&(to)->tau_J_d, &(from)->tau_J_d, sizeof (to)->tau_J_d); \
		(to)->torque_finished = (from)->torque_finished; \
	} while (0)

void fci_put_motion(uint32_t version, const struct fci_motion *m, uint8_t *out)
{
	struct motion_7 w;

	COPY_MOTION(&w, m);
	memcpy(out, &w, fci_motion_bytes(version));
}

bool fci_get_motion(uint32_t version, const uint8_t *in, size_t n, struct fci_motion *m)
{
	struct motion_7 w = { 0 };

	if (n != fci_motion_bytes(version))
		return false;
	memcpy(&w, in, n);
	COPY_MOTION(m, &w);
	return true;
}
