/* fuzz_record_text.c - what a recording makes of a peer's bytes: whatever map a message has, its text is JSON that an independent reader
 * (jansson) takes, with our own keys in it, or it is refused. The first byte chooses the kind, the second the topic and how much room there is,
 * the next two say how long the map is; the rest is map and picture, or the struct itself. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

#include "daemon/record/record_text.h"

enum { HEAD_BYTES = 4, MESSAGE_BYTES = 1 << 16, ROOM_BYTES = 1 << 20, SMALL_BYTES = 300 };

static const char *const topics[] = { "camera/wrist", "state/arm", "teleop/pad", "instruction", "target/arm", "shadow/arm", "event", "status", "nobody/here", "" };
enum { TOPICS = sizeof topics / sizeof *topics };

union payload {
	struct record_message message;
	struct action_chunk chunk;
	struct record_span span;
	uint8_t bytes[sizeof(struct record_message) + MESSAGE_BYTES];
};

/* The keys that a reader relies on, whatever the peer has sent under their names. */
static void check_keys(const struct record_text *t, const json_t *j)
{
	bool is_picture = t->schema == SCHEMA_COMPRESSED_IMAGE || t->schema == SCHEMA_RAW_IMAGE;
	const json_t *time = json_object_get(j, is_picture ? "timestamp" : "stamp");

	fuzz_require(json_is_number(json_object_get(time, "sec")) && json_is_number(json_object_get(time, "nsec")));
	fuzz_require(json_number_value(json_object_get(time, "nsec")) < 1e9);
	if (is_picture)
		fuzz_require(json_is_string(json_object_get(j, "data")) && json_is_string(json_object_get(j, "frame_id")));
	fuzz_require(!json_is_number(json_object_get(j, "from")));
}

static void check(struct record_text *t, const struct tape_record *r, const union payload *p)
{
	struct errbuf e = { "" };
	json_error_t why;

	if (record_text_make(t, r, p, &e) < 0) {
		fuzz_require(e.text[0]);
		return;
	}
	fuzz_touch(t->data, t->n);
	json_t *j = json_loadb((const char *)t->data, t->n, JSON_DECODE_INT_AS_REAL, &why);

	fuzz_require(json_is_object(j));
	check_keys(t, j);
	json_decref(j);
}

static uint32_t fill_message(union payload *p, const uint8_t *data, size_t n)
{
	size_t n_map = (size_t)data[2] | (size_t)data[3] << 8, rest = n - HEAD_BYTES < MESSAGE_BYTES ? n - HEAD_BYTES : MESSAGE_BYTES;

	n_map = n_map < rest ? n_map : rest;
	strcpy(p->message.topic, topics[data[1] % TOPICS]);
	p->message.stamp_ns = (int64_t)n * 1000003;
	p->message.n_map = (uint32_t)n_map;
	p->message.n_picture = (uint32_t)(rest - n_map);
	memcpy(p->bytes + sizeof p->message, data + HEAD_BYTES, rest);
	return (uint32_t)(sizeof p->message + rest);
}

static uint32_t fill_struct(void *out, size_t size, const uint8_t *data, size_t n)
{
	size_t rest = n - HEAD_BYTES < size ? n - HEAD_BYTES : size;

	memcpy(out, data + HEAD_BYTES, rest);
	return (uint32_t)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint16_t kinds[] = { RECORD_CAMERA, RECORD_MESSAGE, RECORD_CHUNK, RECORD_SPAN };
	static union payload p;
	struct record_text t = { .offset_ns = INT64_C(1790000000000000000) };
	struct tape_record r = { .t_ns = 1 };

	if (n < HEAD_BYTES)
		return 0;
	memset(&p, 0, sizeof p);
	r.kind = kinds[data[0] % 4];
	if (r.kind == RECORD_CHUNK)
		r.n_bytes = fill_struct(&p.chunk, sizeof p.chunk, data, n);
	else if (r.kind == RECORD_SPAN)
		r.n_bytes = fill_struct(&p.span, sizeof p.span, data, n);
	else
		r.n_bytes = fill_message(&p, data, n);
	fuzz_require(bytes_init(&t.json, data[1] < 128 ? ROOM_BYTES : SMALL_BYTES));
	check(&t, &r, &p);
	bytes_finish(&t.json);
	return 0;
}
