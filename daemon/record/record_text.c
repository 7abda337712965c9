/* record_text.c - see record_text.h. */
#include "daemon/record/record_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/record/json_text.h"
#include "daemon/stats.h"
#include "daemon/sys/clock.h"
#include "transport/message/message.h"

static const char *const kind_name[RECORD_KIND_COUNT] = {
#define RECORD_KIND(NAME, name, type, tape) [RECORD_##NAME] = name,
#include "daemon/record/kinds.def"
#undef RECORD_KIND
};

/* By the first part of the topic. */
static const struct {
	const char *kind;
	enum record_schema schema;
} topics[] = {
	{ "camera", SCHEMA_COMPRESSED_IMAGE }, { "state", SCHEMA_STATE }, { "teleop", SCHEMA_TELEOP }, { "instruction", SCHEMA_INSTRUCTION },
	{ "target", SCHEMA_TARGET }, { "shadow", SCHEMA_TARGET }, { "event", SCHEMA_EVENT }, { "status", SCHEMA_STATUS },
};

int64_t record_text_wall_ns(const struct record_text *t, int64_t monotonic_ns)
{
	int64_t wall_ns;

	return __builtin_add_overflow(monotonic_ns, t->offset_ns, &wall_ns) ? INT64_MAX : wall_ns;
}

static struct json_text begin(struct record_text *t)
{
	struct json_text j = { .out = &t->json };

	bytes_clear(&t->json);
	json_begin(&j, '{');
	return j;
}

static int end(struct record_text *t, struct json_text *j, struct errbuf *e)
{
	json_end(j, '}');
	t->data = t->json.at;
	t->n = t->json.n;
	return t->json.over ? fail(e, -E2BIG, "%s: a message of more than %zu bytes", t->topic, t->json.capacity) : 0;
}

static void put_time(struct json_text *j, const char *key, const struct record_text *t)
{
	json_key(j, key);
	json_put_time(j, record_text_wall_ns(t, t->stamp_ns));
}

static void put_u64(struct json_text *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_put_u64(j, value);
}

static void put_i64(struct json_text *j, const char *key, int64_t value)
{
	json_key(j, key);
	json_put_i64(j, value);
}

static void put_text(struct json_text *j, const char *key, const char *text)
{
	json_key(j, key);
	json_put_text(j, text, strlen(text));
}

/* ---- messages ---- */

static int find_schema(struct record_text *t, const char *topic, struct errbuf *e)
{
	size_t n = strcspn(topic, "/");

	for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
		if (strlen(topics[i].kind) != n || memcmp(topics[i].kind, topic, n) != 0)
			continue;
		t->schema = topics[i].schema;
		return 0;
	}
	return fail(e, -EBADMSG, "%s: no schema", topic);
}

/* Foxglove's keys of a picture; `encoding` is the map's own already. */
static int put_picture(struct record_text *t, struct json_text *j, const struct record_message *m, const uint8_t *map, struct errbuf *e)
{
	struct message_camera camera;
	int rc = message_camera_decode(&camera, map, m->n_map, e);

	if (rc < 0)
		return rc;
	put_time(j, "timestamp", t);
	put_text(j, "frame_id", m->topic + strcspn(m->topic, "/") + 1);
	if (camera.encoding == ENCODING_JPEG)
		put_text(j, "format", "jpeg");
	else
		put_u64(j, "step", 3 * (uint64_t)camera.width);
	t->schema = camera.encoding == ENCODING_JPEG ? SCHEMA_COMPRESSED_IMAGE : SCHEMA_RAW_IMAGE;
	json_key(j, "data");
	json_put_base64(j, map + m->n_map, m->n_picture);
	return 0;
}

static int make_message(struct record_text *t, const struct record_message *m, struct errbuf *e)
{
	const uint8_t *map = (const uint8_t *)(m + 1);
	struct json_text j = begin(t);
	int rc = find_schema(t, m->topic, e);

	snprintf(t->topic, sizeof t->topic, "/%s", m->topic);
	t->stamp_ns = m->stamp_ns;
	/* The peer's keys first: it may send keys of any name, and of two equal ones readers take the last. */
	if (rc < 0 || (rc = json_put_map(&j, map, m->n_map, e)) < 0)
		return rc;
	if (t->schema == SCHEMA_COMPRESSED_IMAGE)
		rc = put_picture(t, &j, m, map, e);
	else
		put_time(&j, "stamp", t);
	return rc < 0 ? rc : end(t, &j, e);
}

/* ---- what has no message of its own ---- */

static int make_chunk(struct record_text *t, const struct action_chunk *c, struct errbuf *e)
{
	struct json_text j = begin(t);

	snprintf(t->topic, sizeof t->topic, "/chunk");
	t->schema = SCHEMA_CHUNK;
	t->stamp_ns = c->handed_over_ns;
	put_time(&j, "stamp", t);
	put_u64(&j, "id", c->id);
	put_u64(&j, "observation", c->observation);
	put_u64(&j, "epoch", c->epoch);
	put_u64(&j, "instruction_id", c->instruction_id);
	put_i64(&j, "t_obs_ns", c->t_obs_ns);
	put_i64(&j, "frame_stamp_ns", c->frame_stamp_ns);
	put_i64(&j, "received_ns", c->received_ns);
	put_i64(&j, "handed_over_ns", c->handed_over_ns);
	put_i64(&j, "inference_ns", c->inference_ns);
	json_key(&j, "actions");
	json_begin(&j, '[');
	for (uint32_t i = 0; i < c->n_steps && i < CHUNK_STEPS_MAX; i++)
		json_put_reals(&j, c->action[i], c->action_dim < ACTION_DIM_MAX ? c->action_dim : ACTION_DIM_MAX);
	json_end(&j, ']');
	return end(t, &j, e);
}

static int make_span(struct record_text *t, const struct record_span *s, struct errbuf *e)
{
	struct json_text j = begin(t);

	snprintf(t->topic, sizeof t->topic, "/trace");
	t->schema = SCHEMA_SPAN;
	t->stamp_ns = s->begin_ns;
	put_time(&j, "stamp", t);
	put_text(&j, "stage", s->stage < STAGE_COUNT ? trace_stage_name((enum trace_stage)s->stage) : "");
	put_u64(&j, "index", s->index);
	put_u64(&j, "step", s->step);
	put_i64(&j, "begin_ns", s->begin_ns);
	put_i64(&j, "end_ns", s->end_ns);
	json_key(&j, "ms");
	json_put_real(&j, ((double)s->end_ns - (double)s->begin_ns) / (double)NS_PER_MS);
	put_u64(&j, "observation", s->observation);
	put_u64(&j, "chunk", s->chunk);
	put_i64(&j, "frame_stamp_ns", s->frame_stamp_ns);
	put_u64(&j, "frame_seq", s->frame_seq);
	/* Of a tick it is a time; of all else its publisher's number. */
	json_key(&j, s->stage == STAGE_TICK ? "value" : "from");
	s->stage == STAGE_TICK ? json_put_u64(&j, s->value) : json_put_id(&j, s->value);
	return end(t, &j, e);
}

/* Kinds named "replay/...": as they are. */
static int make_raw(struct record_text *t, const struct tape_record *r, const void *payload, struct errbuf *e)
{
	if (r->kind >= RECORD_KIND_COUNT || !kind_name[r->kind])
		return fail(e, -EBADMSG, "kind %u is not known", r->kind);
	snprintf(t->topic, sizeof t->topic, "/%s", kind_name[r->kind]);
	t->schema = SCHEMA_RAW;
	t->stamp_ns = r->t_ns;
	t->data = payload;
	t->n = r->n_bytes;
	return 0;
}

int record_text_make(struct record_text *t, const struct tape_record *r, const void *payload, struct errbuf *e)
{
	switch (r->kind) {
	case RECORD_CAMERA:
	case RECORD_MESSAGE:
		return make_message(t, payload, e);
	case RECORD_CHUNK:
		return make_chunk(t, payload, e);
	case RECORD_SPAN:
		return make_span(t, payload, e);
	default:
		return make_raw(t, r, payload, e);
	}
}
