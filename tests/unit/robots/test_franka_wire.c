/* test_franka_wire.c - the control interface's bytes: messages as libfranka 0.9.2 (protocol 5) and 0.18.2 (protocol 10) sent them,
 * the numbers of every protocol, and states and commands there and back. Sizes and offsets are checked by the compiler in wire.c. */
#include "robots/franka/wire.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Hexadecimal digits, spaces between them ignored; returns the number of bytes. */
static size_t bytes_of(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned byte;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		out[n++] = (uint8_t)byte;
		hex++;
	}
	return n;
}

static size_t request(uint32_t version, enum fci_command c, uint32_t id, const void *payload, uint8_t *out)
{
	size_t n = fci_request_bytes(version, c);
	struct fci_header h = { (uint32_t)fci_command_number(version, c), id, (uint32_t)n };

	fci_put_header(&h, out);
	if (n > FCI_HEADER_BYTES)
		memcpy(out + FCI_HEADER_BYTES, payload, n - FCI_HEADER_BYTES);
	return n;
}

static void expect(uint32_t version, enum fci_command c, uint32_t id, const void *payload, const char *hex)
{
	uint8_t ours[512], theirs[512];
	size_t n = request(version, c, id, payload, ours);
	struct fci_header h;

	assert_int_equal(bytes_of(hex, theirs), n);
	assert_memory_equal(ours, theirs, n);
	fci_get_header(&h, theirs);
	assert_int_equal(h.size, n);
	assert_int_equal(h.id, id);
	assert_int_equal(fci_command_find(version, h.command), c);
}

#define DEVIATION "0000000000002440 f6285c8fc2f50840 182d4454fb211940"
#define NOUGHTS_57 "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

static struct fci_move move(uint32_t controller, uint32_t generator)
{
	const double two_pi = 2.0 * acos(-1.0);

	return (struct fci_move){ controller, generator, { 10.0, 3.12, two_pi }, { 10.0, 3.12, two_pi } };
}

static void protocol_5_is_what_libfranka_0_9_2_sends(void **state)
{
	(void)state;
	const double stiffness[7] = { 3000, 3000, 3000, 2500, 2500, 2000, 2000 };
	const struct fci_guiding_mode guiding = { { 1, 1, 1, 0, 0, 1 }, 1 };
	const int32_t limit = 3;
	const struct fci_move m = move(FCI_CONTROL_JOINT_IMPEDANCE, FCI_MOVE_JOINT_POSITION);

	expect(5, FCI_CONNECT, 0, &(struct fci_connect){ 5, 0xa087 }, "00000000 00000000 10000000 0500 87a0");
	expect(5, FCI_SET_JOINT_IMPEDANCE, 2, stiffness, "05000000 02000000 44000000"
			"000000000070a740 000000000070a740 000000000070a740 000000000088a340 000000000088a340 0000000000409f40 0000000000409f40");
	expect(5, FCI_SET_GUIDING_MODE, 4, &guiding, "07000000 04000000 13000000 010101000001 01");
	expect(5, FCI_GET_CARTESIAN_LIMIT, 9, &limit, "03000000 09000000 10000000 03000000");
	expect(5, FCI_AUTOMATIC_ERROR_RECOVERY, 8, NULL, "0c000000 08000000 0c000000");
	expect(5, FCI_LOAD_MODEL_LIBRARY, 11, &(struct fci_model_request){ 0, 0 }, "0d000000 0b000000 0e000000 00 00");
	expect(5, FCI_MOVE, 12, &m, "01000000 0c000000 44000000 00000000 00000000" DEVIATION DEVIATION);
}

static void protocol_10_is_what_libfranka_0_18_2_sends(void **state)
{
	(void)state;
	const double stiffness[7] = { 3000, 3000, 3000, 2500, 2500, 2000, 2000 };
	const struct fci_move joints = move(FCI_CONTROL_JOINT_IMPEDANCE, FCI_MOVE_JOINT_POSITION);
	const struct fci_move torques = move(FCI_CONTROL_EXTERNAL, FCI_MOVE_NONE);
	uint8_t bytes[512], start[12];

	expect(10, FCI_CONNECT, 0, &(struct fci_connect){ 10, 0xd7e8 }, "00000000 00000000 10000000 0a00 e8d7");
	expect(10, FCI_GET_ROBOT_MODEL, 1, NULL, "0b000000 01000000 0c000000");
	request(10, FCI_SET_JOINT_IMPEDANCE, 3, stiffness, bytes);
	bytes_of("04000000 03000000 44000000", start);
	assert_memory_equal(bytes, start, sizeof start);
	expect(10, FCI_AUTOMATIC_ERROR_RECOVERY, 9, NULL, "0a000000 09000000 0c000000");
	expect(10, FCI_MOVE, 11, &joints, "01000000 0b000000 7d000000 00000000 00000000" DEVIATION DEVIATION NOUGHTS_57);
	expect(10, FCI_MOVE, 15, &torques, "01000000 0f000000 7d000000 02000000 04000000" DEVIATION DEVIATION NOUGHTS_57);
}

static void replies_are_what_both_clients_take(void **state)
{
	(void)state;
	uint8_t ours[16], theirs[16];

	for (uint32_t version = 5; version <= 10; version += 5) {
		struct fci_header h = { 0, 0, (uint32_t)fci_response_bytes(version, FCI_CONNECT) };
		struct fci_connected c = { 0, (uint16_t)version };

		fci_put_header(&h, ours);
		memcpy(ours + FCI_HEADER_BYTES, &c, sizeof c);
		assert_int_equal(bytes_of(version == 5 ? "00000000 00000000 0f000000 00 0500" : "00000000 00000000 0f000000 00 0a00", theirs), h.size);
		assert_memory_equal(ours, theirs, h.size);
	}
	fci_put_header(&(struct fci_header){ 1, 7, (uint32_t)fci_response_bytes(10, FCI_MOVE) }, ours);
	ours[FCI_HEADER_BYTES] = (uint8_t)fci_status_number(10, FCI_MOVE, FCI_STATUS_MOTION_STARTED);
	assert_int_equal(bytes_of("01000000 07000000 0d000000 01", theirs), FCI_STATUS_BYTES);
	assert_memory_equal(ours, theirs, FCI_STATUS_BYTES);
}

static void every_request_has_one_number_per_protocol(void **state)
{
	(void)state;
	static const int last[] = { [5] = 13, [6] = 11, [7] = 11, [8] = 12, [9] = 12, [10] = 11 };

	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++) {
		for (uint32_t number = 0; number <= (uint32_t)last[version]; number++) {
			int c = fci_command_find(version, number);

			assert_true(c >= 0);
			assert_int_equal(fci_command_number(version, (enum fci_command)c), number);
			assert_true(fci_request_bytes(version, (enum fci_command)c) >= FCI_HEADER_BYTES);
			assert_true(fci_request_bytes(version, (enum fci_command)c) <= FCI_REQUEST_BYTES_MAX);
			assert_true(fci_response_bytes(version, (enum fci_command)c) >= FCI_STATUS_BYTES);
		}
		assert_int_equal(fci_command_find(version, (uint32_t)last[version] + 1), -1);
		assert_int_equal(fci_command_find(version, UINT32_MAX), -1);
	}
	assert_int_equal(fci_request_bytes(10, FCI_LOAD_MODEL_LIBRARY), 0);
	assert_int_equal(fci_request_bytes(6, FCI_SET_FILTERS), 0);
	assert_int_equal(fci_request_bytes(7, FCI_GET_ROBOT_MODEL), 0);
	assert_int_equal(fci_request_bytes(9, FCI_MOVE), 68);
	assert_int_equal(fci_request_bytes(10, FCI_MOVE), 125);
}

static void statuses_shift_with_protocol_6(void **state)
{
	(void)state;

	assert_int_equal(fci_status_number(5, FCI_MOVE, FCI_STATUS_REFLEX_ABORTED), 6);
	assert_int_equal(fci_status_number(6, FCI_MOVE, FCI_STATUS_REFLEX_ABORTED), 8);
	assert_int_equal(fci_status_number(5, FCI_MOVE, FCI_STATUS_NOT_POSSIBLE), 3);
	assert_int_equal(fci_status_number(10, FCI_MOVE, FCI_STATUS_NOT_POSSIBLE), 5);
	assert_int_equal(fci_status_number(5, FCI_MOVE, FCI_STATUS_REJECTED_BY_SAFETY), -1);
	assert_int_equal(fci_status_number(5, FCI_AUTOMATIC_ERROR_RECOVERY, FCI_STATUS_MANUAL_RECOVERY), 2);
	assert_int_equal(fci_status_number(9, FCI_AUTOMATIC_ERROR_RECOVERY, FCI_STATUS_MANUAL_RECOVERY), 3);
	assert_int_equal(fci_status_number(10, FCI_STOP_MOVE, FCI_STATUS_ABORTED), 5);
	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++)
		for (uint32_t number = 0; number <= (version >= 6 ? 11u : 9u); number++) {
			int s = fci_status_find(version, FCI_MOVE, number);

			assert_true(s >= 0);
			assert_int_equal(fci_status_number(version, FCI_MOVE, (enum fci_status)s), number);
		}
	assert_int_equal(fci_status_find(5, FCI_MOVE, 10), -1);
	assert_int_equal(fci_status_find(10, FCI_MOVE, 12), -1);
}

/* Every number of a state gets a value of its own, exact in float32 too. */
static struct fci_state numbered(void)
{
	struct fci_state s = { .message_id = 0x0123456789abcdefu, .generator_mode = FCI_GENERATOR_CARTESIAN_VELOCITY,
		.controller_mode = FCI_CONTROL_OTHER, .robot_mode = FCI_MODE_REFLEX, .success_rate = 0.75 };
	double next = -100.0;

#define REAL(name, count) for (int i = 0; i < (count); i++) s.name[i] = next += 0.5;
#include "robots/franka/state.def"
#undef REAL
	s.errors[FCI_ERROR_communication_constraints_violation] = 1;
	s.reflex_reason[FCI_ERROR_base_acceleration_invalid_reading] = 1;
	return s;
}

static void assert_same_state(const struct fci_state *a, const struct fci_state *b)
{
	assert_true(a->message_id == b->message_id);
#define REAL(name, count) assert_memory_equal(a->name, b->name, sizeof a->name);
#include "robots/franka/state.def"
	REAL(accelerometer_top, 18)
	REAL(accelerometer_bottom, 18)
#undef REAL
	assert_int_equal(a->generator_mode, b->generator_mode);
	assert_int_equal(a->controller_mode, b->controller_mode);
	assert_int_equal(a->robot_mode, b->robot_mode);
	assert_memory_equal(a->errors, b->errors, sizeof a->errors);
	assert_memory_equal(a->reflex_reason, b->reflex_reason, sizeof a->reflex_reason);
	assert_true(a->success_rate == b->success_rate);
}

static void states_go_there_and_back(void **state)
{
	(void)state;
	struct fci_state in = numbered(), out;
	uint8_t bytes[FCI_STATE_BYTES_MAX + 1];

	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++) {
		size_t n = fci_state_bytes(version);

		for (int i = 0; i < 18; i++) {
			in.accelerometer_top[i] = version == 10 ? 0.25 * i : 0.0;
			in.accelerometer_bottom[i] = version == 10 ? -0.25 * i : 0.0;
		}
		memset(bytes, 0xee, sizeof bytes);
		fci_put_state(version, &in, bytes);
		assert_int_equal(bytes[n], 0xee);
		assert_true(fci_get_state(version, bytes, n, &out));
		assert_same_state(&in, &out);
		assert_false(fci_get_state(version, bytes, n - 1, &out));
		assert_false(fci_get_state(version, bytes, n + 1, &out));
	}
}

/* The flags and modes lie where libfranka reads them. */
static void a_state_has_its_flags_in_place(void **state)
{
	(void)state;
	const struct fci_state in = numbered();
	uint8_t bytes[FCI_STATE_BYTES_MAX];

	fci_put_state(5, &in, bytes);
	assert_int_equal(bytes[2280], FCI_GENERATOR_CARTESIAN_VELOCITY);
	assert_int_equal(bytes[2282 + 25], 1);
	assert_int_equal(bytes[2323 + 40], 1);
	assert_int_equal(bytes[2364], FCI_MODE_REFLEX);
	fci_put_state(10, &in, bytes);
	assert_int_equal(bytes[1289], FCI_CONTROL_OTHER);
	assert_int_equal(bytes[1290 + 25], 1);
	assert_int_equal(bytes[1331 + 40], 1);
	assert_string_equal(fci_error_name((enum fci_error)25), "communication_constraints_violation");
	assert_string_equal(fci_error_name((enum fci_error)14), "joint_motion_generator_velocity_discontinuity");
	assert_string_equal(fci_error_name((enum fci_error)40), "base_acceleration_invalid_reading");
}

static void assert_same_motion(const struct fci_motion *a, const struct fci_motion *b)
{
	assert_true(a->message_id == b->message_id);
	assert_memory_equal(a->q_c, b->q_c, sizeof a->q_c);
	assert_memory_equal(a->dq_c, b->dq_c, sizeof a->dq_c);
	assert_memory_equal(a->O_T_EE_c, b->O_T_EE_c, sizeof a->O_T_EE_c);
	assert_memory_equal(a->O_dP_EE_c, b->O_dP_EE_c, sizeof a->O_dP_EE_c);
	assert_memory_equal(a->elbow_c, b->elbow_c, sizeof a->elbow_c);
	assert_memory_equal(a->tau_J_d, b->tau_J_d, sizeof a->tau_J_d);
	assert_int_equal(a->valid_elbow, b->valid_elbow);
	assert_int_equal(a->motion_finished, b->motion_finished);
	assert_int_equal(a->torque_finished, b->torque_finished);
}

static void commands_go_there_and_back(void **state)
{
	(void)state;
	struct fci_motion in = { .message_id = 77, .valid_elbow = 1, .motion_finished = 1 }, out;
	uint8_t bytes[FCI_MOTION_BYTES_MAX + 1];

	for (int i = 0; i < 7; i++) {
		in.q_c[i] = 0.1 * i;
		in.tau_J_d[i] = -3.0 * i;
		in.dq_c[i] = 7.0 + i;
	}
	for (int i = 0; i < 16; i++)
		in.O_T_EE_c[i] = 20.0 + i;
	for (int i = 0; i < 6; i++)
		in.O_dP_EE_c[i] = 40.0 + i;
	in.elbow_c[0] = 0.5;
	in.elbow_c[1] = -1.0;
	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++) {
		size_t n = fci_motion_bytes(version);

		assert_int_equal(n, version >= 7 ? 371 : 370);
		in.torque_finished = version >= 7;
		memset(bytes, 0xee, sizeof bytes);
		fci_put_motion(version, &in, bytes);
		assert_int_equal(bytes[n], 0xee);
		assert_true(fci_get_motion(version, bytes, n, &out));
		assert_same_motion(&in, &out);
		assert_false(fci_get_motion(version, bytes, n - 1, &out));
		assert_false(fci_get_motion(version, bytes, 0, &out));
	}
}

static void the_gripper_has_its_sizes(void **state)
{
	(void)state;
	static const size_t bytes[] = { 14, 10, 50, 26, 10 };
	const struct fci_gripper_header h = { FCI_GRIPPER_CONNECT, 0, 14 };
	uint8_t theirs[16];

	for (uint32_t c = 0; c < 5; c++)
		assert_int_equal(fci_gripper_request_bytes(c), bytes[c]);
	assert_int_equal(fci_gripper_request_bytes(5), 0);
	assert_int_equal(fci_gripper_request_bytes(UINT32_MAX), 0);
	bytes_of("0000 00000000 0e000000", theirs);
	assert_memory_equal(&h, theirs, sizeof h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protocol_5_is_what_libfranka_0_9_2_sends),
		cmocka_unit_test(protocol_10_is_what_libfranka_0_18_2_sends),
		cmocka_unit_test(replies_are_what_both_clients_take),
		cmocka_unit_test(every_request_has_one_number_per_protocol),
		cmocka_unit_test(statuses_shift_with_protocol_6),
		cmocka_unit_test(states_go_there_and_back),
		cmocka_unit_test(a_state_has_its_flags_in_place),
		cmocka_unit_test(commands_go_there_and_back),
		cmocka_unit_test(the_gripper_has_its_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
