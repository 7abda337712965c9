/* test_messages.c - every message there and back, maps written by another msgpack (python3-msgpack 1.0.3), and everything a
 * peer may get wrong. */
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
#include "transport/wire.h"

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
	assert_int_equal(m->n_errors, 1);
	assert_string_equal(m->error[0], "joint_position_limits");
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
	assert_string_equal(m->arm[0].name, "arm");
	assert_string_equal(m->arm[0].control, "ipc:///x");
	assert_true(m->arm[0].mode == ARM_MOVING && m->arm[0].present && m->arm[0].attached && !m->arm[0].stopped);
	assert_string_equal(m->counter[0].name, "chunks");
	assert_true(m->counter[0].value == 9);
}

/* ---- what may be absent ----------------------------------------------------------------------------------------------- */

enum change { OMIT, REPLACE, TWICE };

/* Copies a map, changing what stands under `key`; with TWICE the pair comes once more. */
static size_t change_key(const uint8_t *in, size_t n, const char *key, enum change change, const char *value, size_t n_value,
		uint8_t *out)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text k;
	size_t used = 3;
	uint32_t pairs = 0;

	wire_read_begin(&r, in, n);
	assert_int_equal(wire_map_begin(&r, &m, &error), 0);
	for (;;) {
		const uint8_t *pair = r.at;

		if (wire_map_next(&r, &m, &k, &error) == 0)
			break;
		const uint8_t *value_at = r.at;

		assert_int_equal(wire_skip(&r, &error), 0);
		bool hit = wire_text_equals(k, key);
		size_t n_pair = (size_t)(r.at - pair), n_key = (size_t)(value_at - pair);

		if (hit && change == OMIT)
			continue;
		memcpy(out + used, pair, n_pair);
		used += hit && change == REPLACE ? n_key : n_pair;
		if (hit && change == REPLACE) {
			memcpy(out + used, value, n_value);
			used += n_value;
		}
		pairs++;
		if (hit && change == TWICE) {
			memcpy(out + used, pair, n_pair);
			used += n_pair;
			pairs++;
		}
	}
	out[0] = 0xde;
	out[1] = (uint8_t)(pairs >> 8);
	out[2] = (uint8_t)pairs;
	return used;
}

/* Decodes sample i after a change. */
static int decode_changed(size_t i, const char *key, enum change change, const char *value, size_t n_value)
{
	uint8_t good[MESSAGE_BYTES_MAX], bad[2 * MESSAGE_BYTES_MAX];
	size_t n = encode_sample(&samples[i], good);

	error.text[0] = '\0';
	n = change_key(good, n, key, change, value, n_value, bad);
	return samples[i].decode(&found, bad, n, &error);
}

static size_t sample_index(const char *name)
{
	size_t i = 0;

	while (strcmp(samples[i].name, name) != 0)
		i++;
	return i;
}

static bool is_optional(const char *message, const char *key)
{
	static const char *const optional[][2] = { { "state", "tau" }, { "state", "gripper_m" }, { "state", "refused" },
		{ "state", "success_rate" }, { "teleop", "arm" }, { "teleop", "gripper_m" }, { "target", "gripper_m" } };

	for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
		if (strcmp(message, optional[i][0]) == 0 && strcmp(key, optional[i][1]) == 0)
			return true;
	return false;
}

/* Calls back for every key of sample i. */
static void for_each_key(size_t i, void (*check)(size_t i, const char *key))
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct wire_reader r;
	struct wire_map m;
	struct wire_text k;

	wire_read_begin(&r, bytes, encode_sample(&samples[i], bytes));
	assert_int_equal(wire_map_begin(&r, &m, &error), 0);
	while (wire_map_next(&r, &m, &k, &error) > 0) {
		char key[64];

		wire_text_copy(k, key, sizeof key);
		check(i, key);
		assert_int_equal(wire_skip(&r, &error), 0);
	}
}

static void check_missing(size_t i, const char *key)
{
	bool optional = is_optional(samples[i].name, key);

	assert_int_equal(decode_changed(i, key, OMIT, NULL, 0), optional ? 0 : -EBADMSG);
	if (!optional)
		assert_non_null(strstr(error.text, key));
	assert_int_equal(decode_changed(i, key, REPLACE, "\xc0", 1), optional ? 0 : -EBADMSG);
}

static void missing_keys_void_the_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		for_each_key(i, check_missing);
}

static void absent_means_absent(void **state)
{
	size_t i = sample_index("state");

	(void)state;
	assert_int_equal(decode_changed(i, "gripper_m", OMIT, NULL, 0), 0);
	assert_false(found.state.state.has_gripper);
	assert_int_equal(decode_changed(i, "tau", OMIT, NULL, 0), 0);
	assert_false(found.state.has_tau);
	assert_int_equal(decode_changed(i, "success_rate", OMIT, NULL, 0), 0);
	assert_true(found.state.success_rate == -1);
	assert_int_equal(decode_changed(i, "refused", OMIT, NULL, 0), 0);
	assert_int_equal(found.state.state.refused_seq, 0);
	assert_int_equal(decode_changed(sample_index("teleop"), "arm", OMIT, NULL, 0), 0);
	assert_string_equal(found.teleop.arm, "");
}

static void a_disconnected_arm_has_no_joints(void **state)
{
	struct message_state off = sample_state;
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t n;

	(void)state;
	off.state.mode = ARM_DISCONNECTED;
	off.state.has_q = false;
	off.has_tau = false;
	assert_int_equal(message_state_encode(&off, bytes, sizeof bytes, &n, &error), 0);
	assert_int_equal(message_state_decode(&found.state, bytes, n, &error), 0);
	assert_false(found.state.state.has_q);
	assert_int_equal(found.state.dof, 0);
	off.state.mode = ARM_READY;
	assert_int_equal(message_state_encode(&off, bytes, sizeof bytes, &n, &error), 0);
	assert_int_equal(message_state_decode(&found.state, bytes, n, &error), -EBADMSG);
}

/* ---- what a peer may get wrong ---------------------------------------------------------------------------------------- */

static void check_wrong_values(size_t i, const char *key)
{
	static const struct { const char *what, *bytes; size_t n; } wrong[] = {
		{ "nan", "\xcb\x7f\xf8\0\0\0\0\0\0", 9 }, { "infinity", "\xcb\x7f\xf0\0\0\0\0\0\0", 9 },
		{ "short nan", "\xca\x7f\xc0\0\0", 5 }, { "binary", "\xc4\x01x", 3 }, { "extension", "\xd4tx", 3 },
		{ "huge array", "\xdd\xff\xff\xff\xff", 5 }, { "huge map", "\xdf\xff\xff\xff\xff", 5 },
		{ "huge text", "\xdb\xff\xff\xff\xff", 5 },
		{ "array of nan", "\x91\xca\x7f\xc0\0\0", 6 }, { "array of nil", "\x91\xc0", 2 },
		{ "array of arrays", "\x97\x90\x90\x90\x90\x90\x90\x90", 8 }, { "odd text", "\xa2\xc3\x28", 3 },
		{ "zero in text", "\xa3" "a\0b", 4 }, { "deep", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0", 20 },
	};

	for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
		if (decode_changed(i, key, REPLACE, wrong[w].bytes, wrong[w].n) != -EBADMSG)
			fail_msg("%s: %s: %s was taken", samples[i].name, key, wrong[w].what);
		assert_non_null(strstr(error.text, key));
	}
}

static void wrong_values_void_the_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		for_each_key(i, check_wrong_values);
}

static void check_twice(size_t i, const char *key)
{
	assert_int_equal(decode_changed(i, key, TWICE, NULL, 0), -EBADMSG);
	assert_non_null(strstr(error.text, "twice"));
}

static void duplicate_keys_void_the_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		for_each_key(i, check_twice);
}

static void truncated_at_every_byte(void **state)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		size_t n = encode_sample(&samples[i], bytes);

		for (size_t cut = 0; cut < n; cut++) {
			/* A copy of its exact size lets the address sanitizer see a read beyond the end. */
			uint8_t *exact = malloc(cut + 1);

			assert_non_null(exact);
			memcpy(exact, bytes, cut);
			assert_int_equal(samples[i].decode(&found, exact, cut, &error), -EBADMSG);
			free(exact);
		}
		bytes[n] = 0xc0;
		assert_int_equal(samples[i].decode(&found, bytes, n + 1, &error), -EBADMSG);
	}
}

static void a_void_message_leaves_the_old_one_alone(void **state)
{
	struct message_camera m = sample_camera;
	uint8_t good[MESSAGE_BYTES_MAX], bad[MESSAGE_BYTES_MAX];
	size_t n = encode_sample(&samples[sample_index("camera")], good);

	(void)state;
	m.width = 77;
	n = change_key(good, n, "height", REPLACE, "\x00", 1, bad);
	assert_int_equal(message_camera_decode(&m, bad, n, &error), -EBADMSG);
	assert_string_equal(error.text, "height: found 0, want 1..8192");
	assert_int_equal(m.width, 77);
}

struct refusal {
	const char *message, *key, *bytes;
	size_t n;
	const char *want; /* part of the error's text */
};

static const struct refusal refusals[] = {
	{ "camera", "v", "\x02", 1, "v: found 2, want 1" },
	{ "camera", "from", "\xff", 1, "from: found -1" },
	{ "camera", "seq", "\xca\x3f\x80\x00\x00", 5, "seq: found 1, want an integer" },
	{ "camera", "stamp_ns", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "stamp_ns: found 18446744073709551615" },
	{ "camera", "width", "\xcd\x20\x01", 3, "width: found 8193, want 1..8192" },
	{ "camera", "width", "\xff", 1, "width: found -1, want 1..8192" },
	{ "camera", "encoding", "\xa3png", 4, "encoding: found a text of 3 bytes, want one of jpeg, rgb8, bgr8" },
	{ "instruction", "text", "\xa0", 1, "text: found a text of 0 bytes, want a text of 1..1024 bytes" },
	{ "state", "q", "\x90", 1, "q: found an array of 0, want an array of 1..7 numbers" },
	{ "state", "q", "\x98\0\0\0\0\0\0\0\0", 9, "q: found an array of 8, want an array of 1..7 numbers" },
	{ "state", "dq", "\x96\0\0\0\0\0\0", 7, "dq: found 6 numbers, want 7 as in q" },
	{ "state", "q_d", "\x97\0\0\0\xca\x7f\xc0\0\0\0\0\0", 12, "q_d: element 3: found nan, want a finite number" },
	{ "state", "ee_pos", "\x92\0\0", 3, "ee_pos: found an array of 2, want an array of 3 numbers" },
	{ "state", "ee_quat", "\x94\0\0\0\0", 5, "ee_quat: found a norm of 0" },
	{ "state", "ee_quat", "\x94\x02\0\0\0", 5, "ee_quat: found a norm of 2" },
	{ "state", "mode", "\xa5" "AWAKE", 6, "mode: found a text of 5 bytes, want one of disconnected" },
	{ "state", "errors", "\x91\x01", 2, "errors: element 0: found 1, want a text" },
	{ "state", "success_rate", "\x02", 1, "success_rate: found 2, want 0..1" },
	{ "state", "refused", "\x81\xa3seq\x01", 6, "refused: reason: missing" },
	{ "state", "stopped", "\x00", 1, "stopped: found 0, want true or false" },
	{ "teleop", "values", "\x95\0\0\0\0\0", 6, "values: found 5 numbers, want 6 for a twist" },
	{ "teleop", "kind", "\xa4pose", 5, "values: found 6 numbers, want 7 for a pose" },
	{ "target", "valid_for_ms", "\x65", 1, "valid_for_ms: found 101, want 0..100" },
	{ "target", "valid_for_ms", "\xff", 1, "valid_for_ms: found -1, want 0..100" },
	{ "target", "kind", "\xa4pose", 5, "pos: missing from a pose target" },
	{ "target", "epoch", "\xcf\0\0\0\x01\0\0\0\0", 9, "epoch: found 4294967296" },
	{ "target", "dq", "\x91\0", 2, "dq: found 1 numbers, want 7 as in q" },
	{ "status", "counters", "\x81\xa1x\xff", 4, "counters: x: found -1" },
	{ "status", "sources", "\x81\xa1x\x80", 4, "sources: x: age_ms: missing" },
	{ "status", "arms", "\x85\xa1" "a\x80\xa1" "b\x80\xa1" "c\x80\xa1" "d\x80\xa1" "e\x80", 16, "arms: a: mode: missing" },
};

static void refusals_name_key_found_and_want(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		const struct refusal *c = &refusals[i];

		assert_int_equal(decode_changed(sample_index(c->message), c->key, REPLACE, c->bytes, c->n), -EBADMSG);
		if (!strstr(error.text, c->want))
			fail_msg("%s: %s: error is \"%s\", want \"%s\"", c->message, c->key, error.text, c->want);
	}
}

static void an_instruction_has_1024_bytes_at_most(void **state)
{
	uint8_t text[3 + INSTRUCTION_BYTES] = { 0xda, 0x04, 0x00 };
	size_t i = sample_index("instruction");

	(void)state;
	memset(text + 3, 'x', INSTRUCTION_BYTES);
	assert_int_equal(decode_changed(i, "text", REPLACE, (const char *)text, 3 + 1024), 0);
	assert_int_equal(strlen(found.instruction.text), 1024);
	text[2] = 1;
	assert_int_equal(decode_changed(i, "text", REPLACE, (const char *)text, 3 + 1025), -EBADMSG);
}

static void long_names_of_errors_are_cut(void **state)
{
	char errors[3 + 20 * 50];
	size_t used = 0, i = sample_index("state");

	(void)state;
	memcpy(errors, "\xdc\x00\x14", 3);
	for (used = 3; used < sizeof errors; used += 50) {
		memset(errors + used, 'e', 50);
		errors[used] = (char)0xd9;
		errors[used + 1] = 48;
	}
	assert_int_equal(decode_changed(i, "errors", REPLACE, errors, used), 0);
	assert_int_equal(found.state.n_errors, MESSAGE_ERRORS_MAX);
	assert_int_equal(strlen(found.state.error[MESSAGE_ERRORS_MAX - 1]), NAME_BYTES - 1);
}

static void quaternions_are_normalised(void **state)
{
	size_t i = sample_index("state");

	(void)state;
	assert_int_equal(decode_changed(i, "ee_quat", REPLACE, "\x94\0\0\0\xcb\x3f\xf0\x02\x0c\x49\xba\x5e\x35", 13), 0); /* 1.0005 */
	assert_true(fabs(found.state.state.ee.q_xyzw[3] - 1) < 1e-12);
}

static void random_bytes_do_no_harm(void **state)
{
	uint8_t bytes[256];
	uint32_t random = 12345;

	(void)state;
	for (uint32_t round = 0; round < 100000; round++) {
		size_t n = 0;

		for (; n < sizeof bytes; n++) {
			random = random * 1664525 + 1013904223; /* Numerical Recipes */
			bytes[n] = (uint8_t)(random >> 24);
			if (n > 4 && (random >> 8) % 64 == 0)
				break;
		}
		bytes[0] = 0x8f; /* a map, else nearly all end at the first byte */
		assert_int_equal(samples[round % SAMPLES].decode(&found, bytes, n, &error), -EBADMSG);
	}
}

/* A few bytes of a good message changed: gets deeper than noise. What still decodes must encode again. */
static void damaged_messages_do_no_harm(void **state)
{
	uint8_t good[MESSAGE_BYTES_MAX], bad[MESSAGE_BYTES_MAX];
	uint32_t random = 777;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		const struct sample *s = &samples[round % SAMPLES];
		size_t n = encode_sample(s, good), n_again;

		for (int i = 0; i < 3; i++) {
			random = random * 1664525 + 1013904223;
			good[(random >> 8) % n] = (uint8_t)(random >> 24);
		}
		if (s->decode(&found, good, n, &error) == 0)
			assert_int_equal(s->encode(&found, bad, sizeof bad, &n_again, &error), 0);
	}
}

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
	assert_string_equal(target_source_name(TARGET_HOLD), "hold");
	assert_string_equal(picture_encoding_name(ENCODING_JPEG), "jpeg");
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
		cmocka_unit_test(python_teleop_and_target),
		cmocka_unit_test(python_status_message),
		cmocka_unit_test(missing_keys_void_the_message),
		cmocka_unit_test(absent_means_absent),
		cmocka_unit_test(a_disconnected_arm_has_no_joints),
		cmocka_unit_test(wrong_values_void_the_message),
		cmocka_unit_test(duplicate_keys_void_the_message),
		cmocka_unit_test(truncated_at_every_byte),
		cmocka_unit_test(a_void_message_leaves_the_old_one_alone),
		cmocka_unit_test(refusals_name_key_found_and_want),
		cmocka_unit_test(an_instruction_has_1024_bytes_at_most),
		cmocka_unit_test(long_names_of_errors_are_cut),
		cmocka_unit_test(quaternions_are_normalised),
		cmocka_unit_test(random_bytes_do_no_harm),
		cmocka_unit_test(damaged_messages_do_no_harm),
		cmocka_unit_test(nothing_that_is_not_finite_leaves),
		cmocka_unit_test(names_are_those_of_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
