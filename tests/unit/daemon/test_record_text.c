/* test_record_text.c - what a recording makes of messages, a peer's own keys among them. */
#include "daemon/record/record_text.h"
#include "transport/wire.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { MAP_BYTES = 512, JSON_BYTES = 4096 };

static struct {
	struct record_message m;
	uint8_t bytes[MAP_BYTES];
} message;

/* camera/wrist with these bytes as its picture; its publisher says more than it has to. */
static void make_camera(const char *encoding, uint32_t side, const uint8_t *picture, uint32_t n)
{
	struct wire_writer w;

	memset(&message, 0, sizeof message);
	strcpy(message.m.topic, "camera/wrist");
	message.m.stamp_ns = 1500000000;
	wire_write_begin(&w, message.bytes, sizeof message.bytes);
	wire_put_map(&w, 12);
	wire_put_text(&w, "v", 32), wire_put_u64(&w, 1);
	wire_put_text(&w, "from", 32), wire_put_u64(&w, UINT64_MAX);
	wire_put_text(&w, "seq", 32), wire_put_u64(&w, 5);
	wire_put_text(&w, "stamp_ns", 32), wire_put_u64(&w, 1500000000);
	wire_put_text(&w, "encoding", 32), wire_put_text(&w, encoding, 32);
	wire_put_text(&w, "width", 32), wire_put_u64(&w, side);
	wire_put_text(&w, "height", 32), wire_put_u64(&w, side);
	wire_put_text(&w, "data", 32), wire_put_text(&w, "another picture", 32);
	wire_put_text(&w, "timestamp", 32), wire_put_u64(&w, 7);
	wire_put_text(&w, "frame_id", 32), wire_put_text(&w, "elsewhere", 32);
	wire_put_text(&w, "format", 32), wire_put_text(&w, "png", 32);
	wire_put_text(&w, "\"\\\n", 32), wire_put_array(&w, 0);
	message.m.n_map = (uint32_t)w.n;
	message.m.n_picture = n;
	memcpy(message.bytes + w.n, picture, n);
}

/* The JSON of it; to be given back. */
static json_t *text_of(struct record_text *t)
{
	const struct tape_record r = { .kind = RECORD_CAMERA, .n_bytes = sizeof message, .t_ns = 1600000000 };
	struct errbuf e = { "" };
	json_t *j;

	*t = (struct record_text){ .offset_ns = 3000000000 };
	assert_true(bytes_init(&t->json, JSON_BYTES));
	assert_int_equal(record_text_make(t, &r, &message.m, &e), 0);
	j = json_loadb((const char *)t->data, t->n, 0, NULL);
	assert_non_null(j);
	return j;
}

static const char *text_at(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void a_peers_own_keys_replace_none_of_ours(void **state)
{
	struct record_text t;

	(void)state;
	make_camera("jpeg", 8, (const uint8_t *)"\xff\xd8\xff\xd9", 4);
	json_t *j = text_of(&t), *time = json_object_get(j, "timestamp");

	assert_string_equal(t.topic, "/camera/wrist");
	assert_int_equal(t.schema, SCHEMA_COMPRESSED_IMAGE);
	assert_string_equal(text_at(j, "data"), "/9j/2Q==");
	assert_string_equal(text_at(j, "format"), "jpeg");
	assert_string_equal(text_at(j, "frame_id"), "wrist");
	assert_string_equal(text_at(j, "from"), "18446744073709551615");
	assert_true(json_is_number(json_object_get(j, "seq")));
	assert_int_equal((int)json_number_value(json_object_get(time, "sec")), 4);
	assert_int_equal((int)json_number_value(json_object_get(time, "nsec")), 500000000);
	assert_true(json_is_array(json_object_get(j, "\"\\\n")));
	json_decref(j);
	bytes_finish(&t.json);
}

static void a_raw_picture_has_its_step(void **state)
{
	struct record_text t;

	(void)state;
	make_camera("rgb8", 1, (const uint8_t *)"\0\x10\x83", 3);
	json_t *j = text_of(&t);

	assert_int_equal(t.schema, SCHEMA_RAW_IMAGE);
	assert_string_equal(text_at(j, "data"), "ABCD");
	assert_int_equal((int)json_number_value(json_object_get(j, "step")), 3);
	json_decref(j);
	bytes_finish(&t.json);
}

static void what_has_no_room_or_no_form_is_refused(void **state)
{
	const struct tape_record r = { .kind = RECORD_CAMERA };
	struct record_text t = { .offset_ns = 0 };
	struct errbuf e;

	(void)state;
	make_camera("jpeg", 8, (const uint8_t *)"\xff\xd8\xff\xd9", 4);
	assert_true(bytes_init(&t.json, 100));
	assert_int_equal(record_text_make(&t, &r, &message.m, &e), -E2BIG);
	bytes_finish(&t.json);
	assert_true(bytes_init(&t.json, JSON_BYTES));
	message.m.n_map--;
	assert_int_equal(record_text_make(&t, &r, &message.m, &e), -EBADMSG);
	message.m.n_map++;
	strcpy(message.m.topic, "nobody/wrist");
	assert_int_equal(record_text_make(&t, &r, &message.m, &e), -EBADMSG);
	bytes_finish(&t.json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peers_own_keys_replace_none_of_ours),
		cmocka_unit_test(a_raw_picture_has_its_step),
		cmocka_unit_test(what_has_no_room_or_no_form_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
