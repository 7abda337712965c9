/* test_messages.c - every message there and back, and maps written by another msgpack (python3-msgpack 1.0.3). What a peer may
 * get wrong: test_malformed.c. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/transport/python_messages.h"
#include "tests/unit/transport/samples.h"
#include "transport/message/names.h"

#include <cmocka.h> /* last: it defines fail() */

static union any_message found;
static struct errbuf error;

static size_t encode_sample(const struct sample *s, uint8_t *out)
{
	size_t n = 0;

	assert_int_equal(s->encode(s->message, out, MESSAGE_BYTES_MAX, &n, &error), 0);
	return n;
}

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned int byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return n;
}

static int decode_hex(const char *hex, int (*decode)(void *m, const uint8_t *bytes, size_t n, struct errbuf *e))
{
	uint8_t bytes[MESSAGE_BYTES_MAX];

	error.text[0] = '\0';
	return decode(&found, bytes, from_hex(hex, bytes), &error);
}

/* ---- there and back --------------------------------------------------------------------------------------------------- */

static void each_message_survives_the_round_trip(void **state)
{
	uint8_t first[MESSAGE_BYTES_MAX], second[MESSAGE_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t n = encode_sample(&samples[i], first), n_again;

		assert_int_equal(samples[i].decode(&found, first, n, &error), 0);
		assert_int_equal(samples[i].encode(&found, second, sizeof second, &n_again, &error), 0);
		assert_int_equal(n, n_again);
		assert_memory_equal(first, second, n);
	}
}

static void encoding_fits_or_fails(void **state)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t n = encode_sample(&samples[i], bytes), unused;

		for (size_t capacity = 0; capacity < n; capacity++)
			assert_int_equal(samples[i].encode(samples[i].message, bytes, capacity, &unused, &error), -ENOSPC);
	}
}

static void the_largest_status_fits(void **state)
{
	static struct message_status full;
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t n;

	(void)state;
	full = sample_status;
	memset(full.instruction, 'x', sizeof full.instruction - 1);
	full.n_faults = STATUS_FAULTS_MAX;
	for (uint32_t i = 0; i < full.n_faults; i++)
		memset(full.fault[i], 'f', NAME_BYTES - 1);
	full.n_causes = STATUS_CAUSES_MAX;
	for (uint32_t i = 0; i < full.n_causes; i++)
		memset(full.cause[i], 's', MESSAGE_TEXT_BYTES - 1);
	full.n_counters = STATUS_COUNTERS_MAX;
	for (uint32_t i = 0; i < full.n_counters; i++) {
		memset(full.counter[i].name, 'c', NAME_BYTES - 1);
		full.counter[i].name[0] = (char)('A' + i % 26); /* different names */
		full.counter[i].name[1] = (char)('A' + i / 26);
		full.counter[i].value = UINT64_MAX;
	}
	full.n_arms = ARMS_MAX;
	for (uint32_t i = 0; i < full.n_arms; i++) {
		full.arm[i] = sample_status.arm[0];
		snprintf(full.arm[i].name, NAME_BYTES, "arm%u", i);
		memset(full.arm[i].refused, 'r', MESSAGE_TEXT_BYTES - 1);
		full.arm[i].words.n_errors = MESSAGE_ERRORS_MAX;
		for (uint32_t k = 0; k < MESSAGE_ERRORS_MAX; k++)
			memset(full.arm[i].words.error[k], 'e', MESSAGE_ERROR_BYTES - 1);
		memset(full.arm[i].words.trouble, 't', NAME_BYTES - 1);
		memset(full.arm[i].words.remedy, 'm', MESSAGE_TEXT_BYTES - 1);
	}
	assert_int_equal(message_status_encode(&full, bytes, sizeof bytes, &n, &error), 0);
	assert_int_equal(message_status_decode(&found.status, bytes, n, &error), 0);
	assert_int_equal(found.status.n_counters, STATUS_COUNTERS_MAX);
	assert_int_equal(found.status.n_faults, STATUS_FAULTS_MAX);
}

/* ---- maps of another implementation ----------------------------------------------------------------------------------- */

static void check_head(const struct message_head *h)
{
	assert_true(h->from == UINT64_C(0xfedcba9876543210));
	assert_int_equal(h->seq, 7);
	assert_true(h->stamp_ns == INT64_C(1234567890123));
}

static void python_small_messages(void **state)
{
	(void)state;
	assert_int_equal(decode_hex(python_camera, decode_camera), 0);
	check_head(&found.camera.head);
	assert_int_equal(found.camera.encoding, ENCODING_JPEG);
	assert_int_equal(found.camera.width, 224);
	assert_int_equal(found.camera.height, 300);
	assert_int_equal(decode_hex(python_instruction, decode_instruction), 0);
	check_head(&found.instruction.head);
	assert_string_equal(found.instruction.text, "pick up the gr\xc3\xbcn block");
	assert_int_equal(decode_hex(python_event, decode_event), 0);
	assert_string_equal(found.event.kind, "mode");
	assert_string_equal(found.event.mode, "HOLD");
	assert_string_equal(found.event.previous, "AUTO");
	assert_string_equal(found.event.reason, "stop");
	assert_string_equal(found.event.source, "operator");
	assert_string_equal(found.event.arm, "");
}

static void python_state_message(void **state)
{
	static const double q[DOF_MAX] = SAMPLE_JOINTS;
	const struct message_state *m = &found.state;

	(void)state;
	assert_int_equal(decode_hex(python_state, decode_state), 0);
	check_head(&m->head);
	assert_int_equal(m->dof, 7);
	assert_memory_equal(m->state.q_rad, q, sizeof q);
	assert_memory_equal(m->state.q_d_rad, q, sizeof q);
	assert_true(m->state.dq_rad_s[6] == 0);
	assert_true(m->has_tau && m->tau_nm[6] == 7.5 && m->tau_nm[0] == 1);
	assert_true(m->state.ee.p_m[0] == 0.5 && m->state.ee.p_m[2] == 0.25 && m->state.ee.q_xyzw[0] == 1);
	assert_true(m->state.has_gripper && m->state.gripper_m == 0.04);
	assert_int_equal(m->state.mode, ARM_READY);
	assert_int_equal(m->words.n_errors, 1);
	assert_string_equal(m->words.error[0], "joint_position_limits");
	assert_true(m->state.ack_seq == 41 && m->state.ack_t_ns == 99 && m->state.accepted_from == 5);
	assert_true(m->state.refused_seq == 3);
	assert_string_equal(m->refused_reason, "far");
	assert_false(m->state.stopped);
	assert_true(m->success_rate == 0.98);
	assert_true(m->state.present && m->state.has_q && m->state.has_errors);
	assert_true(m->state.seq == 7 && m->state.stamp_ns == m->head.stamp_ns && m->state.from == m->head.from);
}

static void python_teleop_and_target(void **state)
{
	const struct message_target *t = &found.target;

	(void)state;
	assert_int_equal(decode_hex(python_teleop, decode_teleop), 0);
	assert_string_equal(found.teleop.arm, "left");
	assert_true(found.teleop.deadman && found.teleop.kind == TELEOP_TWIST && found.teleop.frame == FRAME_TCP);
	assert_true(found.teleop.n_values == 6 && found.teleop.value[5] == -0.2);
	assert_true(found.teleop.has_gripper && found.teleop.gripper_m == 0);
	assert_int_equal(decode_hex(python_target, decode_target), 0);
	assert_true(t->target.t_ns == INT64_C(2000000000) && t->target.kind == OUTPUT_JOINT && t->dof == 7);
	assert_true(t->target.q_rad[3] == -2 && t->target.dq_rad_s[0] == 0 && !t->target.has_gripper);
	assert_true(t->target.source == TARGET_POLICY && t->target.valid_for_ns == 20000000 && t->target.epoch == 2);
	assert_true(t->target.chunk == 11 && t->target.step == 3 && t->target.frame_stamp_ns == INT64_C(1900000000));
	assert_true(t->target.valid && !t->intervention);
}

static struct message_target pose_target(void)
{
	struct message_target m = sample_target;

	m.target.kind = OUTPUT_POSE;
	m.target.ee = (struct pose){ { 0.5, -0.25, 0.125 }, { 0.6, 0, -0.8, 0 } };
	m.target.twist = (struct twist){ { 0.1, 0.2, 0.3 }, { -0.4, 0.5, -0.6 } };
	return m;
}

/* pos, quat and twist, and no joints. */
static void pose_targets_survive_the_round_trip(void **state)
{
	struct message_target m = pose_target(), *t = &found.target;
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t n;

	(void)state;
	assert_int_equal(message_target_encode(&m, bytes, sizeof bytes, &n, &error), 0);
	assert_null(memmem(bytes, n, "\xa1q", 2));
	assert_null(memmem(bytes, n, "\xa2" "dq", 3));
	assert_int_equal(message_target_decode(t, bytes, n, &error), 0);
	assert_int_equal(t->target.kind, OUTPUT_POSE);
	assert_memory_equal(&t->target.ee, &m.target.ee, sizeof m.target.ee);
	assert_memory_equal(&t->target.twist, &m.target.twist, sizeof m.target.twist);
	assert_true(t->target.valid && t->intervention && t->target.t_ns == m.target.t_ns && t->target.has_gripper);
}

static void bad_pose_targets_are_void(void **state)
{
	static const struct {
		const char *key; /* and its array */
		uint8_t n;
		const char *says;
	} rows[] = {
		{ "\xa3pos", 2, "pos: found an array of 2" }, { "\xa3pos", 4, "pos: found an array of 4" },
		{ "\xa4quat", 3, "quat: found an array of 3" }, { "\xa5twist", 7, "twist: found an array of 7" },
	};
	struct message_target m = pose_target();
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(message_target_encode(&m, bytes, sizeof bytes, &n, &error), 0);
		uint8_t *at = memmem(bytes, n, rows[i].key, strlen(rows[i].key));

		assert_non_null(at);
		at[strlen(rows[i].key)] = (uint8_t)(0x90 | rows[i].n);
		assert_int_equal(message_target_decode(&found.target, bytes, n, &error), -EBADMSG);
		assert_non_null(strstr(error.text, rows[i].says));
	}
	for (int k = 0; k < 2; k++) {
		m = pose_target();
		m.target.ee.q_xyzw[0] = k ? 0.6013 : 0.5987; /* the norm is 1.0008 or 0.9992: good */
		assert_int_equal(message_target_encode(&m, bytes, sizeof bytes, &n, &error), 0);
		assert_int_equal(message_target_decode(&found.target, bytes, n, &error), 0);
		m.target.ee.q_xyzw[0] = k ? 0.602 : 0.598;
		assert_int_equal(message_target_encode(&m, bytes, sizeof bytes, &n, &error), 0);
		assert_int_equal(message_target_decode(&found.target, bytes, n, &error), -EBADMSG);
		assert_non_null(strstr(error.text, "quat: found a norm"));
		m = pose_target();
		*(k ? &m.target.twist.w_rad_s[1] : &m.target.ee.p_m[2]) = NAN;
		assert_int_equal(message_target_encode(&m, bytes, sizeof bytes, &n, &error), -EINVAL);
	}
}

static void python_status_message(void **state)
{
	const struct message_status *m = &found.status;

	(void)state;
	assert_int_equal(decode_hex(python_status, decode_status), 0);
	assert_string_equal(m->mode, "AUTO");
	assert_string_equal(m->driver, "policy");
	assert_string_equal(m->fault[0], "camera_stale");
	assert_int_equal(m->n_faults + m->n_sources + m->n_stages + m->n_arms + m->n_counters, 5);
	assert_string_equal(m->source[0].topic, "camera/top");
	assert_true(m->source[0].age_ms == 12.5 && m->source[0].rate_hz == 30 && m->source[0].state == SOURCE_FRESH);
	assert_string_equal(m->stage[0].name, "vision");
	assert_true(m->stage[0].n == 4 && m->stage[0].p50_us == 1 && m->stage[0].p99_us == 2 && m->stage[0].max_us == 3);
	assert_true(m->rate_hz == 200 && m->late_p50_us == 1 && m->late_p99_us == 2 && m->late_p999_us == 3 && m->late_max_us == 4);
	assert_true(m->overruns == 5 && m->speed == 0.25);
	assert_true(m->margin_position == 1 && m->margin_velocity == 0.5 && m->margin_acceleration == 0.25 && m->margin_jerk == 0);
	assert_true(m->margin_workspace == 0.75 && m->margin_floor == 0.875 && m->margin_tcp_speed == 0.375 && m->margin_tracking == 0.625);
	assert_string_equal(m->arm[0].name, "arm");
	assert_string_equal(m->arm[0].control, "ipc:///x");
	assert_true(m->arm[0].mode == ARM_MOVING && m->arm[0].present && m->arm[0].attached && !m->arm[0].stopped);
	assert_string_equal(m->counter[0].name, "chunks");
	assert_true(m->counter[0].value == 9);
}

/* ---- what leaves ------------------------------------------------------------------------------------------------------ */

static void nothing_that_is_not_finite_leaves(void **state)
{
	struct message_state m = sample_state;
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t n;

	(void)state;
	m.state.q_rad[2] = (double)NAN;
	assert_int_equal(message_state_encode(&m, bytes, sizeof bytes, &n, &error), -EINVAL);
}

static void names_are_those_of_the_contract(void **state)
{
	(void)state;
	assert_string_equal(mode_name(MODE_FAULT), "FAULT");
	assert_string_equal(arm_mode_name(ARM_USER_STOPPED), "user_stopped");
	assert_string_equal(source_state_name(SOURCE_FROZEN), "frozen");
	assert_null(mode_name(MODE_COUNT));
	assert_null(source_state_name((enum source_state)17));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_survives_the_round_trip),
		cmocka_unit_test(encoding_fits_or_fails),
		cmocka_unit_test(the_largest_status_fits),
		cmocka_unit_test(python_small_messages),
		cmocka_unit_test(python_state_message),
		cmocka_unit_test(pose_targets_survive_the_round_trip),
		cmocka_unit_test(bad_pose_targets_are_void),
		cmocka_unit_test(python_teleop_and_target),
		cmocka_unit_test(python_status_message),
		cmocka_unit_test(nothing_that_is_not_finite_leaves),
		cmocka_unit_test(names_are_those_of_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
