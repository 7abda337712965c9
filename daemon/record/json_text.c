/* json_text.c - see json_text.h. */
#include "daemon/record/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "transport/wire.h"

/* ---- values ---- */

static void put_raw(struct json_text *j, const char *text)
{
	bytes_put(j->out, text, strlen(text));
}

/* In front of every value and key. */
static void separate(struct json_text *j)
{
	if (j->comma)
		bytes_put_u8(j->out, ',');
	j->comma = true;
}

static void put_value(struct json_text *j, const char *text)
{
	separate(j);
	put_raw(j, text);
}

void json_begin(struct json_text *j, char bracket)
{
	separate(j);
	bytes_put_u8(j->out, (uint8_t)bracket);
	j->comma = false;
}

void json_end(struct json_text *j, char bracket)
{
	bytes_put_u8(j->out, (uint8_t)bracket);
	j->comma = true;
}

static void put_quoted(struct json_text *j, const char *text, size_t n)
{
	char escape[8];
	size_t done = 0;

	bytes_put_u8(j->out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		bytes_put(j->out, text + done, i - done);
		snprintf(escape, sizeof escape, c < 0x20 ? "\\u%04x" : "\\%c", c);
		put_raw(j, escape);
		done = i + 1;
	}
	bytes_put(j->out, text + done, n - done);
	bytes_put_u8(j->out, '"');
}

void json_put_text(struct json_text *j, const char *text, size_t n)
{
	separate(j);
	put_quoted(j, text, n);
}

static void put_key(struct json_text *j, const char *key, size_t n)
{
	json_put_text(j, key, n);
	bytes_put_u8(j->out, ':');
	j->comma = false;
}

void json_key(struct json_text *j, const char *key)
{
	put_key(j, key, strlen(key));
}

void json_put_u64(struct json_text *j, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	put_value(j, text);
}

/* As protobuf's JSON has 64-bit numbers (protobuf.dev/programming-guides/json). */
void json_put_id(struct json_text *j, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "\"%" PRIu64 "\"", value);
	put_value(j, text);
}

void json_put_i64(struct json_text *j, int64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, value);
	put_value(j, text);
}

void json_put_real(struct json_text *j, double value)
{
	char text[32] = "null";

	if (isfinite(value))
		snprintf(text, sizeof text, "%.17g", value);
	put_value(j, text);
}

void json_put_reals(struct json_text *j, const double *value, size_t n)
{
	json_begin(j, '[');
	for (size_t i = 0; i < n; i++)
		json_put_real(j, value[i]);
	json_end(j, ']');
}

void json_put_bool(struct json_text *j, bool value)
{
	put_value(j, value ? "true" : "false");
}

void json_put_time(struct json_text *j, int64_t t_ns)
{
	t_ns = t_ns > 0 ? t_ns : 0;
	json_begin(j, '{');
	json_key(j, "sec");
	json_put_i64(j, t_ns / NS_PER_S);
	json_key(j, "nsec");
	json_put_i64(j, t_ns % NS_PER_S);
	json_end(j, '}');
}

void json_put_base64(struct json_text *j, const uint8_t *from, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct bytes *b = j->out;

	separate(j);
	bytes_put_u8(b, '"');
	if (n / 3 * 4 + 4 > b->capacity - b->n) {
		b->over = true;
		return;
	}
	for (size_t i = 0; i < n; i += 3) {
		uint32_t left = n - i < 3 ? (uint32_t)(n - i) : 3;
		uint32_t v = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) | (left > 2 ? from[i + 2] : 0);
		uint8_t *to = b->at + b->n;

		to[0] = (uint8_t)digit[v >> 18];
		to[1] = (uint8_t)digit[v >> 12 & 63];
		to[2] = left > 1 ? (uint8_t)digit[v >> 6 & 63] : '=';
		to[3] = left > 2 ? (uint8_t)digit[v & 63] : '=';
		b->n += 4;
	}
	bytes_put_u8(b, '"');
}

/* ---- msgpack ---- */

/* The containers that are open: how many values each still has. */
struct open {
	uint32_t left[WIRE_DEPTH_MAX], n;
	bool is_map[WIRE_DEPTH_MAX];
	bool is_id;                   /* what stands under the newest key */
};

static int open_container(struct json_text *j, struct open *o, const struct wire_value *v, struct errbuf *e)
{
	if (o->n == WIRE_DEPTH_MAX)
		return fail(e, -EBADMSG, "nested deeper than %d", WIRE_DEPTH_MAX);
	o->left[o->n] = v->count;
	o->is_map[o->n++] = v->kind == WIRE_MAP;
	json_begin(j, v->kind == WIRE_MAP ? '{' : '[');
	return 0;
}

static int put_wire_value(struct json_text *j, struct open *o, const struct wire_value *v, struct errbuf *e)
{
	switch (v->kind) {
	case WIRE_ARRAY:
	case WIRE_MAP:
		return open_container(j, o, v, e);
	case WIRE_BOOL:
		json_put_bool(j, v->boolean);
		return 0;
	case WIRE_UINT:
		o->is_id ? json_put_id(j, v->u) : json_put_u64(j, v->u);
		return 0;
	case WIRE_NEGATIVE:
		json_put_i64(j, v->i);
		return 0;
	case WIRE_FLOAT:
		json_put_real(j, v->real);
		return 0;
	case WIRE_TEXT:
		json_put_text(j, v->text.at, v->text.n);
		return 0;
	case WIRE_BINARY:
	case WIRE_EXTENSION:
		json_put_base64(j, (const uint8_t *)v->text.at, v->text.n);
		return 0;
	case WIRE_NIL:
	case WIRE_KIND_COUNT:
		break;
	}
	put_value(j, "null");
	return 0;
}

static bool names_id(const struct wire_text *key)
{
	static const char from[] = "from";
	size_t n = sizeof from - 1;

	return key->n >= n && memcmp(key->at + key->n - n, from, n) == 0 && (key->n == n || key->at[key->n - n - 1] == '_');
}

static int take_key(struct json_text *j, struct wire_reader *r, struct open *o, struct errbuf *e)
{
	struct wire_value v;
	int rc = wire_take(r, &v, e);

	if (rc < 0)
		return rc;
	if (v.kind != WIRE_TEXT)
		return fail(e, -EBADMSG, "a map's key is no text");
	put_key(j, v.text.at, v.text.n);
	o->is_id = names_id(&v.text);
	return 0;
}

static void close_containers(struct json_text *j, struct open *o)
{
	while (o->n > 1 && o->left[o->n - 1] == 0)
		json_end(j, o->is_map[--o->n] ? '}' : ']');
}

int json_put_map(struct json_text *j, const uint8_t *map, size_t n, struct errbuf *e)
{
	struct open o = { .n = 1, .is_map = { true } };
	struct wire_reader r;
	struct wire_value v;
	int rc;

	wire_read_begin(&r, map, n);
	if ((rc = wire_take(&r, &v, e)) < 0)
		return rc;
	if (v.kind != WIRE_MAP)
		return fail(e, -EBADMSG, "is no map");
	o.left[0] = v.count;
	while (o.left[o.n - 1] > 0) {
		o.left[o.n - 1]--;
		if (o.is_map[o.n - 1] && (rc = take_key(j, &r, &o, e)) < 0)
			return rc;
		if ((rc = wire_take(&r, &v, e)) < 0 || (rc = put_wire_value(j, &o, &v, e)) < 0)
			return rc;
		close_containers(j, &o);
	}
	return wire_read_end(&r, e);
}
