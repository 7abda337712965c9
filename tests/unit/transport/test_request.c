/* test_request.c - the flat maps of the control sockets, both ways. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/transport/samples.h"
#include "transport/message/request.h"

#include <cmocka.h> /* last: it defines fail() */

static struct request request;
static struct errbuf error;

static int decode(const char *bytes, size_t n)
{
	error.text[0] = '\0';
	return request_decode(&request, (const uint8_t *)bytes, n, &error);
}

static void make_attach(void)
{
	static const double tcp[7] = { 0, 0, 0.1, 0, 0, 0, 1 };
	struct map_builder b;
	uint8_t bytes[512];
	size_t n;

	request_begin(&b, bytes, sizeof bytes, "attach");
	map_add_u64(&b, "from", UINT64_MAX);
	map_add_text(&b, "model", "panda");
	map_add_u64(&b, "dof", 7);
	map_add_reals(&b, "tcp", tcp, 7);
	map_add_bool(&b, "takeover", true);
	map_add_real(&b, "scale", 0.5);
	map_add_i64(&b, "t_ns", -5);
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(request_decode(&request, bytes, n, &error), 0);
}

static void every_type_arrives(void **state)
{
	const char *text;
	double number, tcp[7];
	uint64_t from;
	int64_t t_ns;
	bool takeover;

	(void)state;
	make_attach();
	assert_string_equal(request_command(&request), "attach");
	assert_int_equal(request_text(&request, "model", &text, &error), 0);
	assert_string_equal(text, "panda");
	assert_int_equal(request_u64(&request, "from", &from, &error), 0);
	assert_true(from == UINT64_MAX);
	assert_int_equal(request_number(&request, "dof", 1, 7, &number, &error), 0);
	assert_true(number == 7);
	assert_int_equal(request_number(&request, "scale", 0.05, 1, &number, &error), 0);
	assert_true(number == 0.5);
	assert_int_equal(request_numbers(&request, "tcp", 7, tcp, &error), 0);
	assert_true(tcp[2] == 0.1 && tcp[6] == 1);
	assert_int_equal(request_bool(&request, "takeover", &takeover, &error), 0);
	assert_true(takeover);
	assert_int_equal(request_i64(&request, "t_ns", &t_ns, &error), 0);
	assert_int_equal(t_ns, -5);
	assert_true(request_has(&request, "tcp"));
	assert_false(request_has(&request, "clear_stop"));
}

static void a_copy_stands_alone(void **state)
{
	struct request copy;
	const char *text;

	(void)state;
	make_attach();
	copy = request;
	memset(&request, 0xff, sizeof request);
	assert_int_equal(request_text(&copy, "model", &text, &error), 0);
	assert_string_equal(text, "panda");
}

static void getters_name_what_is_wrong(void **state)
{
	const char *text = "untouched";
	double number, three[3];
	uint64_t u;
	bool flag;

	(void)state;
	make_attach();
	assert_int_equal(request_text(&request, "arm", &text, &error), -ENOENT);
	assert_string_equal(error.text, "arm: missing, want a text");
	assert_int_equal(request_text(&request, "dof", &text, &error), -EINVAL);
	assert_string_equal(error.text, "dof: found 7, want a text");
	assert_string_equal(text, "untouched");
	assert_int_equal(request_number(&request, "scale", 0.6, 1, &number, &error), -EINVAL);
	assert_string_equal(error.text, "scale: found 0.5, want 0.6..1");
	assert_int_equal(request_u64(&request, "t_ns", &u, &error), -EINVAL);
	assert_int_equal(request_bool(&request, "dof", &flag, &error), -EINVAL);
	assert_int_equal(request_numbers(&request, "tcp", 3, three, &error), -EINVAL);
	assert_string_equal(error.text, "tcp: found an array of 7, want an array of 3 numbers");
}

static void unknown_keys_are_refused(void **state)
{
	static const char *const attach[] = { "from", "model", "dof", "tcp", "takeover", "scale", "t_ns", NULL };
	static const char *const few[] = { "from", "model", NULL };
	static const char *const none[] = { NULL };

	(void)state;
	make_attach();
	assert_int_equal(request_check_keys(&request, attach, &error), 0);
	assert_int_equal(request_check_keys(&request, few, &error), -EINVAL);
	assert_string_equal(error.text, "dof: unknown key; attach takes: from model");
	assert_int_equal(request_check_keys(&request, none, &error), -EINVAL);
	assert_string_equal(error.text, "from: unknown key; attach takes: nothing else");
}

static void malformed_requests_are_refused(void **state)
{
	static const struct { const char *bytes; size_t n; const char *want; } bad[] = {
		{ "", 0, "ends inside" }, { "\x01", 1, "want a map" }, { "\x81\xa3" "cmd", 5, "ends inside" }, { "\x81\x01\x01", 3, "as a key" },
		{ "\x81\xa1" "a\xc0", 4, "a: found nil" }, { "\x81\xa1" "a\x80", 4, "a: found a map" },
		{ "\x81\xa1" "a\xc4\x00", 5, "a: found binary" }, { "\x81\xa1" "a\xca\x7f\xc0\0\0", 8, "a: found nan" },
		{ "\x81\xa1" "a\x99\0\0\0\0\0\0\0\0\0", 13, "a: found an array of 9" },
		{ "\x81\xa1" "a\x91\xa0", 5, "a: element 0 is no number" }, { "\x81\xa1" "a\x91\x90", 5, "a: element 0" },
		{ "\x81\xa1" "a\xdd\xff\xff\xff\xff", 8, "a: an array claims" },
		{ "\x82\xa1" "a\x01\xa1" "a\x01", 7, "twice" }, { "\x81\xa1" "a\x01\x01", 5, "1 bytes after" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(decode(bad[i].bytes, bad[i].n), -EBADMSG);
		if (!strstr(error.text, bad[i].want))
			fail_msg("case %zu: error is \"%s\", want \"%s\"", i, error.text, bad[i].want);
	}
}

static void requests_are_bounded(void **state)
{
	struct map_builder b;
	static uint8_t bytes[REQUEST_BYTES_MAX + 100];
	char key[8], text[REQUEST_POOL_BYTES + 1];
	size_t n;

	(void)state;
	request_begin(&b, bytes, sizeof bytes, "x");
	for (int i = 0; i < REQUEST_ENTRIES_MAX; i++) {
		snprintf(key, sizeof key, "k%d", i);
		map_add_bool(&b, key, true);
	}
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(request_decode(&request, bytes, n, &error), -EBADMSG);
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	request_begin(&b, bytes, sizeof bytes, "x");
	map_add_text(&b, "text", text);
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(request_decode(&request, bytes, n, &error), -EBADMSG);
	memset(bytes, 0, sizeof bytes);
	assert_int_equal(request_decode(&request, bytes, sizeof bytes, &error), -EBADMSG);
	text[1024] = '\0'; /* the longest instruction */
	request_begin(&b, bytes, sizeof bytes, "instruction");
	map_add_text(&b, "text", text);
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(request_decode(&request, bytes, n, &error), 0);
}

static void random_requests_do_no_harm(void **state)
{
	uint32_t random = 99;
	uint8_t bytes[64];

	(void)state;
	for (int round = 0; round < 100000; round++) {
		for (size_t i = 0; i < sizeof bytes; i++) {
			random = random * 1664525 + 1013904223; /* Numerical Recipes */
			bytes[i] = (uint8_t)(random >> 24);
		}
		bytes[0] = (uint8_t)(0x80 | (bytes[0] & 3));
		bytes[1] = 0xa1;
		if (request_decode(&request, bytes, 2 + bytes[63] % 60u, &error) == 0)
			assert_true(request.n <= REQUEST_ENTRIES_MAX);
	}
}

static void commands_are_texts(void **state)
{
	(void)state;
	assert_int_equal(decode("\x80", 1), 0);
	assert_string_equal(request_command(&request), "");
	assert_int_equal(decode("\x81\xa3" "cmd\x05", 6), 0);
	assert_string_equal(request_command(&request), "");
}

/* Written by python3-msgpack 1.0.3: {'cmd': 'jog', 'arm': 'left', 'delta': [0.01, 0, 0, 0, 0, -0.05]} */
static const char python_jog[] = "\x83\xa3" "cmd\xa3jog\xa3" "arm\xa4left\xa5" "delta\x96\xcb?\x84z\xe1G\xae\x14{\x00\x00\x00\x00\xcb"
		"\xbf\xa9\x99\x99\x99\x99\x99\x9a";

static void python_request(void **state)
{
	const char *arm;
	double delta[6];

	(void)state;
	assert_int_equal(decode(python_jog, sizeof python_jog - 1), 0);
	assert_string_equal(request_command(&request), "jog");
	assert_int_equal(request_text(&request, "arm", &arm, &error), 0);
	assert_string_equal(arm, "left");
	assert_int_equal(request_numbers(&request, "delta", 6, delta, &error), 0);
	assert_true(delta[0] == 0.01 && delta[1] == 0 && delta[5] == -0.05);
}

/* ---- replies ----------------------------------------------------------------------------------------------------------- */

static void replies_survive_the_round_trip(void **state)
{
	struct map_builder b;
	struct reply reply;
	uint8_t bytes[512];
	char mode[16];
	uint64_t u;
	int64_t i;
	bool flag;
	size_t n;

	(void)state;
	reply_ok(&b, bytes, sizeof bytes);
	map_add_text(&b, "mode", "AUTO");
	map_add_i64(&b, "t_ns", INT64_MIN);
	map_add_u64(&b, "recv_ns", 77);
	map_add_real(&b, "scale", 0.25);
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(reply_decode(&reply, bytes, n, &error), 0);
	assert_true(reply.ok);
	assert_true(reply_text(bytes, n, "mode", mode, sizeof mode));
	assert_string_equal(mode, "AUTO");
	assert_true(reply_i64(bytes, n, "t_ns", &i) && i == INT64_MIN);
	assert_true(reply_u64(bytes, n, "recv_ns", &u) && u == 77);
	assert_true(reply_bool(bytes, n, "ok", &flag) && flag);
	assert_false(reply_bool(bytes, n, "mode", &flag));
	assert_false(reply_text(bytes, n, "nothing", mode, sizeof mode));
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(reply_decode(&reply, bytes, cut, &error), -EBADMSG);
}

static void errors_travel_with_their_hint(void **state)
{
	struct map_builder b;
	struct reply reply;
	uint8_t bytes[512];
	size_t n;

	(void)state;
	reply_error(&b, bytes, sizeof bytes, "camera/top: stale\nno instruction", "start the camera");
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(reply_decode(&reply, bytes, n, &error), 0);
	assert_false(reply.ok);
	assert_string_equal(reply.error, "camera/top: stale\nno instruction");
	assert_string_equal(reply.hint, "start the camera");
	reply_error(&b, bytes, sizeof bytes, "no", NULL);
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(reply_decode(&reply, bytes, n, &error), 0);
	assert_string_equal(reply.hint, "");
	assert_int_equal(reply_decode(&reply, (const uint8_t *)"\x80", 1, &error), -EBADMSG);
	assert_int_equal(reply_decode(&reply, (const uint8_t *)"\x81\xa2ok\xc2", 5, &error), -EBADMSG); /* no error */
}

static void a_topic_becomes_a_reply(void **state)
{
	struct map_builder b;
	struct message_status status;
	struct reply reply;
	uint8_t topic[MESSAGE_BYTES_MAX], bytes[MESSAGE_BYTES_MAX];
	uint64_t u;
	size_t n;

	(void)state;
	assert_int_equal(message_status_encode(&sample_status, topic, sizeof topic, &n, &error), 0);
	reply_ok(&b, bytes, sizeof bytes);
	map_add_topic(&b, topic, n);
	assert_int_equal(map_finish(&b, &n, &error), 0);
	assert_int_equal(reply_decode(&reply, bytes, n, &error), 0);
	assert_true(reply.ok);
	assert_false(reply_u64(bytes, n, "seq", &u));
	assert_int_equal(message_status_decode_reply(&status, bytes, n, &error), 0);
	assert_string_equal(status.mode, "AUTO");
	assert_int_equal(status.n_counters, 2);
	assert_int_equal(message_status_decode(&status, bytes, n, &error), -EBADMSG);
	reply_ok(&b, bytes, sizeof bytes);
	map_add_topic(&b, (const uint8_t *)"\x01", 1);
	assert_int_equal(map_finish(&b, &n, &error), -ENOSPC);
}

static void builders_report_what_does_not_fit(void **state)
{
	struct map_builder b;
	uint8_t bytes[16];
	size_t n;

	(void)state;
	reply_ok(&b, bytes, sizeof bytes);
	map_add_text(&b, "mode", "a text longer than the buffer");
	assert_int_equal(map_finish(&b, &n, &error), -ENOSPC);
	reply_ok(&b, bytes, 1);
	assert_int_equal(map_finish(&b, &n, &error), -ENOSPC);
	reply_ok(&b, bytes, sizeof bytes);
	map_add_real(&b, "x", (double)NAN);
	assert_int_equal(map_finish(&b, &n, &error), -ENOSPC);
}

static void count_visits(void *context, struct wire_text key, const struct wire_value *value)
{
	int *visits = context;

	assert_true(key.n > 0);
	assert_true(value->kind != WIRE_ARRAY && value->kind != WIRE_MAP);
	(*visits)++;
}

static void visiting_passes_over_containers(void **state)
{
	static const double two[2] = { 1, 2 };
	struct map_builder b;
	uint8_t bytes[128];
	int visits = 0;
	size_t n;

	(void)state;
	reply_ok(&b, bytes, sizeof bytes);
	map_add_reals(&b, "list", two, 2);
	map_add_text(&b, "control.rate_hz", "200");
	assert_int_equal(map_finish(&b, &n, &error), 0);
	reply_visit(bytes, n, count_visits, &visits);
	assert_int_equal(visits, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_arrives),
		cmocka_unit_test(a_copy_stands_alone),
		cmocka_unit_test(getters_name_what_is_wrong),
		cmocka_unit_test(unknown_keys_are_refused),
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(requests_are_bounded),
		cmocka_unit_test(random_requests_do_no_harm),
		cmocka_unit_test(commands_are_texts),
		cmocka_unit_test(python_request),
		cmocka_unit_test(replies_survive_the_round_trip),
		cmocka_unit_test(errors_travel_with_their_hint),
		cmocka_unit_test(a_topic_becomes_a_reply),
		cmocka_unit_test(builders_report_what_does_not_fit),
		cmocka_unit_test(visiting_passes_over_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
