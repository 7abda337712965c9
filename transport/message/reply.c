/* reply.c - building requests and replies, and reading replies; see request.h. */
#include "transport/message/request.h"

#include <errno.h>
#include <string.h>

/* A map's head is written before its length is known: always the form with two length bytes, filled in at the end. */
static const uint8_t open_head[] = { 0xde, 0, 0 };

static void begin(struct map_builder *b, uint8_t *out, size_t capacity)
{
	wire_write_begin(&b->w, out, capacity);
	wire_put_raw(&b->w, open_head, sizeof open_head);
	b->n = 0;
}

static void put_key(struct map_builder *b, const char *key)
{
	wire_put_text(&b->w, key, SIZE_MAX);
	b->n++;
}

void request_begin(struct map_builder *b, uint8_t *out, size_t capacity, const char *command)
{
	begin(b, out, capacity);
	map_add_text(b, "cmd", command);
}

void reply_ok(struct map_builder *b, uint8_t *out, size_t capacity)
{
	begin(b, out, capacity);
	map_add_bool(b, "ok", true);
}

void reply_error(struct map_builder *b, uint8_t *out, size_t capacity, const char *error, const char *hint)
{
	begin(b, out, capacity);
	map_add_bool(b, "ok", false);
	map_add_text(b, "error", error);
	if (hint && *hint)
		map_add_text(b, "hint", hint);
}

void map_add_text(struct map_builder *b, const char *key, const char *text)
{
	put_key(b, key);
	wire_put_text(&b->w, text, SIZE_MAX);
}

void map_add_u64(struct map_builder *b, const char *key, uint64_t value)
{
	put_key(b, key);
	wire_put_u64(&b->w, value);
}

void map_add_i64(struct map_builder *b, const char *key, int64_t value)
{
	put_key(b, key);
	wire_put_i64(&b->w, value);
}

void map_add_real(struct map_builder *b, const char *key, double value)
{
	put_key(b, key);
	wire_put_real(&b->w, value);
}

void map_add_bool(struct map_builder *b, const char *key, bool value)
{
	put_key(b, key);
	wire_put_bool(&b->w, value);
}

void map_add_reals(struct map_builder *b, const char *key, const double *value, uint32_t n)
{
	put_key(b, key);
	wire_put_array(&b->w, n);
	for (uint32_t i = 0; i < n; i++)
		wire_put_real(&b->w, value[i]);
}

static bool is_topic_head(struct wire_text key)
{
	return wire_text_equals(key, "v") || wire_text_equals(key, "from") || wire_text_equals(key, "seq") ||
			wire_text_equals(key, "stamp_ns");
}

void map_add_topic(struct map_builder *b, const uint8_t *bytes, size_t n)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;

	wire_read_begin(&r, bytes, n);
	int rc = wire_map_begin(&r, &m, NULL);

	while (rc >= 0) {
		const uint8_t *from = r.at;

		rc = wire_map_next(&r, &m, &key, NULL);
		if (rc == 0)
			return;
		if (rc > 0)
			rc = wire_skip(&r, NULL);
		if (rc >= 0 && !is_topic_head(key)) {
			wire_put_raw(&b->w, from, (size_t)(r.at - from));
			b->n++;
		}
	}
	b->w.full = true; /* no map: our own bug, and not to be sent */
}

int map_finish(struct map_builder *b, size_t *n, struct errbuf *e)
{
	if (b->n > WIRE_MAP_MAX)
		return fail(e, -ENOSPC, "a map of %u keys, want at most %d", b->n, WIRE_MAP_MAX);
	int rc = wire_write_end(&b->w, n, e);

	if (rc < 0)
		return rc;
	b->w.out[1] = (uint8_t)(b->n >> 8);
	b->w.out[2] = (uint8_t)b->n;
	return 0;
}

/* ---- reading a reply ---------------------------------------------------------------------------------------------- */

/* The scalar (or head of a container) under `key`; false when the map ends or breaks before it. */
static bool find(const uint8_t *bytes, size_t n, const char *key, struct wire_value *v)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text k;

	wire_read_begin(&r, bytes, n);
	if (wire_map_begin(&r, &m, NULL) < 0)
		return false;
	while (wire_map_next(&r, &m, &k, NULL) > 0) {
		if (wire_text_equals(k, key))
			return wire_take(&r, v, NULL) == 0;
		if (wire_skip(&r, NULL) < 0)
			return false;
	}
	return false;
}

static int check_whole(const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;

	wire_read_begin(&r, bytes, n);
	int rc = wire_map_begin(&r, &m, e);

	while (rc == 0 && (rc = wire_map_next(&r, &m, &key, e)) > 0)
		rc = wire_skip(&r, e);
	return rc < 0 ? rc : wire_read_end(&r, e);
}

int reply_decode(struct reply *p, const uint8_t *bytes, size_t n, struct errbuf *e)
{
	struct reply found = { .ok = false };
	int rc = check_whole(bytes, n, e);

	if (rc < 0)
		return rc;
	if (!reply_bool(bytes, n, "ok", &found.ok))
		return fail(e, -EBADMSG, "ok: missing, want true or false");
	if (!found.ok && !reply_text(bytes, n, "error", found.error, sizeof found.error))
		return fail(e, -EBADMSG, "error: missing, want a text");
	(void)reply_text(bytes, n, "hint", found.hint, sizeof found.hint);
	*p = found;
	return 0;
}

bool reply_text(const uint8_t *bytes, size_t n, const char *key, char *out, size_t capacity)
{
	struct wire_value v;

	if (!find(bytes, n, key, &v) || v.kind != WIRE_TEXT)
		return false;
	wire_text_copy(v.text, out, capacity);
	return true;
}

bool reply_u64(const uint8_t *bytes, size_t n, const char *key, uint64_t *out)
{
	struct wire_value v;

	return find(bytes, n, key, &v) && wire_as_u64(&v, out);
}

bool reply_i64(const uint8_t *bytes, size_t n, const char *key, int64_t *out)
{
	struct wire_value v;

	return find(bytes, n, key, &v) && wire_as_i64(&v, out);
}

bool reply_bool(const uint8_t *bytes, size_t n, const char *key, bool *out)
{
	struct wire_value v;

	if (!find(bytes, n, key, &v) || v.kind != WIRE_BOOL)
		return false;
	*out = v.boolean;
	return true;
}

static bool is_scalar(enum wire_kind kind)
{
	return kind != WIRE_ARRAY && kind != WIRE_MAP && kind != WIRE_NIL && kind != WIRE_BINARY && kind != WIRE_EXTENSION;
}

void reply_visit(const uint8_t *bytes, size_t n,
		void (*visit)(void *context, struct wire_text key, const struct wire_value *value), void *context)
{
	struct wire_reader r;
	struct wire_map m;
	struct wire_text key;

	wire_read_begin(&r, bytes, n);
	if (wire_map_begin(&r, &m, NULL) < 0)
		return;
	while (wire_map_next(&r, &m, &key, NULL) > 0) {
		struct wire_reader value_at = r;
		struct wire_value v;

		if (wire_skip(&r, NULL) < 0)
			return;
		if (wire_take(&value_at, &v, NULL) == 0 && is_scalar(v.kind))
			visit(context, key, &v);
	}
}
