/* test_malformed.c - everything a peer may get wrong in a message: absent, ill-typed, out of range, not finite, too long, doubled,
 * nested, truncated and random. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/transport/samples.h"
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
		{ "state", "success_rate" }, { "state", "trouble" }, { "state", "remedy" }, { "teleop", "arm" }, { "teleop", "gripper_m" }, { "target", "gripper_m" },
		{ "status", "teleop" }, { "status", "causes" },
		{ "event", "code" }, { "event", "began_ns" }, { "event", "ended_ns" } };

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
	{ "camera", "encoding", "\xa3png", 4, "encoding: found a text of 3 bytes (\"png\"), want one of jpeg, rgb8, bgr8" },
	{ "instruction", "text", "\xa0", 1, "text: found a text of 0 bytes, want a text of 1..1024 bytes" },
	{ "state", "q", "\x90", 1, "q: found an array of 0, want an array of 1..7 numbers" },
	{ "state", "q", "\x98\0\0\0\0\0\0\0\0", 9, "q: found an array of 8, want an array of 1..7 numbers" },
	{ "state", "dq", "\x96\0\0\0\0\0\0", 7, "dq: found 6 numbers, want 7 as in q" },
	{ "state", "q_d", "\x97\0\0\0\xca\x7f\xc0\0\0\0\0\0", 12, "q_d: element 3: found nan, want a finite number" },
	{ "state", "ee_pos", "\x92\0\0", 3, "ee_pos: found an array of 2, want an array of 3 numbers" },
	{ "state", "ee_quat", "\x94\0\0\0\0", 5, "ee_quat: found a norm of 0" },
	{ "state", "ee_quat", "\x94\x02\0\0\0", 5, "ee_quat: found a norm of 2" },
	{ "state", "mode", "\xa5" "AWAKE", 6, "mode: found a text of 5 bytes (\"AWAKE\"), want one of disconnected" },
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
	char errors[3 + 20 * 90];
	size_t used = 0, i = sample_index("state");

	(void)state;
	memcpy(errors, "\xdc\x00\x14", 3);
	for (used = 3; used < sizeof errors; used += 90) {
		memset(errors + used, 'e', 90);
		errors[used] = (char)0xd9;
		errors[used + 1] = 88;
	}
	assert_int_equal(decode_changed(i, "errors", REPLACE, errors, used), 0);
	assert_int_equal(found.state.words.n_errors, MESSAGE_ERRORS_MAX);
	assert_int_equal(strlen(found.state.words.error[MESSAGE_ERRORS_MAX - 1]), MESSAGE_ERROR_BYTES - 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
