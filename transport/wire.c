/* wire.c - see wire.h. The byte values of the format stand in decode_head, as in the table of spec.md, "Formats". */
#include "transport/wire.h"

#include <errno.h>
#include <math.h>
#include <msgpack/pack.h>
#include <stdio.h>
#include <string.h>

/* ---- UTF-8 -------------------------------------------------------------------------------------------------------- */

/* Length of the character at s[n], 0 when it is none. RFC 3629 section 4. */
static size_t utf8_length(const uint8_t *s, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t length;

	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong below */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates above */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (n < length || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

size_t wire_utf8_prefix(const char *at, size_t n)
{
	const uint8_t *s = (const uint8_t *)at;
	size_t used = 0;

	while (used < n) {
		size_t length = utf8_length(s + used, n - used);

		if (length == 0)
			break;
		used += length;
	}
	return used;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

void wire_read_begin(struct wire_reader *r, const uint8_t *bytes, size_t n)
{
	r->at = bytes;
	r->end = bytes + n;
}

static int truncated(struct errbuf *e)
{
	return fail(e, -EBADMSG, "the message ends inside a value");
}

/* Big-endian number of `bytes` bytes; false when there are not so many left. */
static bool take_big_endian(struct wire_reader *r, uint32_t bytes, uint64_t *out)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < bytes)
		return false;
	for (uint32_t i = 0; i < bytes; i++)
		value = value << 8 | *r->at++;
	*out = value;
	return true;
}

static void set_signed(struct wire_value *v, int64_t value)
{
	v->kind = value < 0 ? WIRE_NEGATIVE : WIRE_UINT;
	v->i = value;
	v->u = value < 0 ? 0 : (uint64_t)value;
}

/* Text, binary or extension of `length` bytes. */
static int take_bytes(struct wire_reader *r, enum wire_kind kind, uint64_t length, struct wire_value *v, struct errbuf *e)
{
	if (length > (uint64_t)(r->end - r->at))
		return truncated(e);
	v->kind = kind;
	v->text = (struct wire_text){ (const char *)r->at, (uint32_t)length };
	r->at += length;
	return 0;
}

/* An element takes at least one byte, so a larger count cannot be honest. */
static int set_container(const struct wire_reader *r, enum wire_kind kind, uint64_t count, struct wire_value *v, struct errbuf *e)
{
	uint64_t least = kind == WIRE_MAP ? 2 * count : count;

	if (least > (uint64_t)(r->end - r->at))
		return fail(e, -EBADMSG, "%s claims %llu elements, the message has %zu bytes left", kind == WIRE_MAP ? "a map" : "an array",
				(unsigned long long)count, (size_t)(r->end - r->at));
	v->kind = kind;
	v->count = (uint32_t)count;
	return 0;
}

static void set_real(uint64_t bits, uint32_t bytes, struct wire_value *v)
{
	v->kind = WIRE_FLOAT;
	if (bytes == 4) {
		uint32_t low = (uint32_t)bits;
		float value;

		memcpy(&value, &low, sizeof value);
		v->real = (double)value;
	} else {
		memcpy(&v->real, &bits, sizeof v->real);
	}
}

static int64_t sign_extend(uint64_t value, uint32_t bytes)
{
	uint32_t shift = 64 - 8 * bytes;

	return (int64_t)(value << shift) >> shift;
}

/* Heads 0xc0..0xdf that are followed by a big-endian length or number; `bytes` of them, `kind` by the table. */
struct head {
	uint8_t bytes;
	bool is_signed;
	enum wire_kind kind;
};

static const struct head heads[0x20] = {
	[0x04] = { 1, false, WIRE_BINARY }, [0x05] = { 2, false, WIRE_BINARY }, [0x06] = { 4, false, WIRE_BINARY },
	[0x07] = { 1, false, WIRE_EXTENSION }, [0x08] = { 2, false, WIRE_EXTENSION }, [0x09] = { 4, false, WIRE_EXTENSION },
	[0x0a] = { 4, false, WIRE_FLOAT }, [0x0b] = { 8, false, WIRE_FLOAT },
	[0x0c] = { 1, false, WIRE_UINT }, [0x0d] = { 2, false, WIRE_UINT }, [0x0e] = { 4, false, WIRE_UINT },
	[0x0f] = { 8, false, WIRE_UINT },
	[0x10] = { 1, true, WIRE_UINT }, [0x11] = { 2, true, WIRE_UINT }, [0x12] = { 4, true, WIRE_UINT },
	[0x13] = { 8, true, WIRE_UINT },
	[0x19] = { 1, false, WIRE_TEXT }, [0x1a] = { 2, false, WIRE_TEXT }, [0x1b] = { 4, false, WIRE_TEXT },
	[0x1c] = { 2, false, WIRE_ARRAY }, [0x1d] = { 4, false, WIRE_ARRAY },
	[0x1e] = { 2, false, WIRE_MAP }, [0x1f] = { 4, false, WIRE_MAP },
};

static int take_long(struct wire_reader *r, const struct head *h, struct wire_value *v, struct errbuf *e)
{
	uint64_t number;

	if (!take_big_endian(r, h->bytes, &number))
		return truncated(e);
	switch (h->kind) {
	case WIRE_FLOAT:
		set_real(number, h->bytes, v);
		return 0;
	case WIRE_ARRAY:
	case WIRE_MAP:
		return set_container(r, h->kind, number, v, e);
	case WIRE_EXTENSION:
		return take_bytes(r, WIRE_EXTENSION, number + 1, v, e); /* and its type */
	case WIRE_TEXT:
	case WIRE_BINARY:
		return take_bytes(r, h->kind, number, v, e);
	default:
		v->kind = WIRE_UINT;
		v->u = number;
		if (h->is_signed)
			set_signed(v, sign_extend(number, h->bytes));
		return 0;
	}
}

/* The next value as it stands, its content unchecked. */
static int take(struct wire_reader *r, struct wire_value *v, struct errbuf *e)
{
	*v = (struct wire_value){ .kind = WIRE_NIL };
	if (r->at == r->end)
		return truncated(e);
	uint8_t b = *r->at++;

	if (b < 0x80 || b >= 0xe0) {
		set_signed(v, (int8_t)b);
		return 0;
	}
	if (b < 0x90)
		return set_container(r, WIRE_MAP, b & 0x0fu, v, e);
	if (b < 0xa0)
		return set_container(r, WIRE_ARRAY, b & 0x0fu, v, e);
	if (b < 0xc0)
		return take_bytes(r, WIRE_TEXT, b & 0x1fu, v, e);
	if (b == 0xc0)
		return 0;
	if (b == 0xc1)
		return fail(e, -EBADMSG, "found the byte 0xc1, which msgpack never uses");
	if (b == 0xc2 || b == 0xc3) {
		v->kind = WIRE_BOOL;
		v->boolean = b == 0xc3;
		return 0;
	}
	if (b >= 0xd4 && b <= 0xd8)
		return take_bytes(r, WIRE_EXTENSION, 1 + (UINT64_C(1) << (b - 0xd4)), v, e);
	return take_long(r, &heads[b - 0xc0], v, e);
}

int wire_take(struct wire_reader *r, struct wire_value *v, struct errbuf *e)
{
	int rc = take(r, v, e);

	if (rc < 0)
		return rc;
	if (v->kind == WIRE_FLOAT && !isfinite(v->real))
		return fail(e, -EBADMSG, "found %s, want a finite number", isnan(v->real) ? "nan" : "an infinity");
	if (v->kind == WIRE_TEXT && wire_utf8_prefix(v->text.at, v->text.n) != v->text.n)
		return fail(e, -EBADMSG, "found a text that is not UTF-8 (or holds a zero byte)");
	return 0;
}

int wire_skip(struct wire_reader *r, struct errbuf *e)
{
	uint64_t left[WIRE_DEPTH_MAX + 1] = { 1 }; /* values still to skip at each level */
	uint32_t depth = 0;

	for (;;) {
		while (left[depth] == 0)
			if (depth-- == 0)
				return 0;
		left[depth]--;
		struct wire_value v;
		int rc = take(r, &v, e);

		if (rc < 0)
			return rc;
		if (v.kind != WIRE_ARRAY && v.kind != WIRE_MAP)
			continue;
		if (depth == WIRE_DEPTH_MAX)
			return fail(e, -EBADMSG, "nested deeper than %d", WIRE_DEPTH_MAX);
		left[++depth] = v.kind == WIRE_MAP ? 2 * (uint64_t)v.count : v.count;
	}
}

int wire_map_begin(struct wire_reader *r, struct wire_map *m, struct errbuf *e)
{
	struct wire_value v;
	char found[64];
	int rc = wire_take(r, &v, e);

	if (rc < 0)
		return rc;
	if (v.kind != WIRE_MAP)
		return fail(e, -EBADMSG, "found %s, want a map", wire_describe(&v, found, sizeof found));
	if (v.count > WIRE_MAP_MAX)
		return fail(e, -EBADMSG, "found a map of %u, want at most %d keys", v.count, WIRE_MAP_MAX);
	m->left = v.count;
	m->n = 0;
	return 0;
}

int wire_map_next(struct wire_reader *r, struct wire_map *m, struct wire_text *key, struct errbuf *e)
{
	struct wire_value v;
	char found[64];

	if (m->left == 0)
		return 0;
	int rc = wire_take(r, &v, e);

	if (rc < 0)
		return rc;
	if (v.kind != WIRE_TEXT)
		return fail(e, -EBADMSG, "found %s as a key, want a text", wire_describe(&v, found, sizeof found));
	for (uint32_t i = 0; i < m->n; i++)
		if (m->key[i].n == v.text.n && memcmp(m->key[i].at, v.text.at, v.text.n) == 0)
			return fail(e, -EBADMSG, "%.*s: found twice", v.text.n < 64 ? (int)v.text.n : 64, v.text.at);
	m->key[m->n++] = v.text;
	m->left--;
	*key = v.text;
	return 1;
}

int wire_read_end(const struct wire_reader *r, struct errbuf *e)
{
	if (r->at != r->end)
		return fail(e, -EBADMSG, "found %zu bytes after the map", (size_t)(r->end - r->at));
	return 0;
}

bool wire_as_real(const struct wire_value *v, double *out)
{
	if (v->kind == WIRE_FLOAT)
		*out = v->real;
	else if (v->kind == WIRE_UINT)
		*out = (double)v->u;
	else if (v->kind == WIRE_NEGATIVE)
		*out = (double)v->i;
	else
		return false;
	return true;
}

bool wire_as_u64(const struct wire_value *v, uint64_t *out)
{
	if (v->kind != WIRE_UINT)
		return false;
	*out = v->u;
	return true;
}

bool wire_as_i64(const struct wire_value *v, int64_t *out)
{
	if (v->kind == WIRE_NEGATIVE)
		*out = v->i;
	else if (v->kind == WIRE_UINT && v->u <= INT64_MAX)
		*out = (int64_t)v->u;
	else
		return false;
	return true;
}

bool wire_text_equals(struct wire_text t, const char *with)
{
	return strlen(with) == t.n && memcmp(t.at, with, t.n) == 0;
}

size_t wire_text_copy(struct wire_text t, char *out, size_t capacity)
{
	size_t n = wire_utf8_prefix(t.at, t.n < capacity ? t.n : capacity - 1);

	memcpy(out, t.at, n);
	out[n] = '\0';
	return n;
}

enum { SHOWN_BYTES_MAX = 40 };

/* Of a short text that is safe to print, also the text. */
static void describe_text(struct wire_text t, char *out, size_t capacity)
{
	bool plain = t.n > 0 && t.n <= SHOWN_BYTES_MAX;
	int n = snprintf(out, capacity, "a text of %u bytes", t.n);

	for (uint32_t i = 0; plain && i < t.n; i++)
		plain = t.at[i] >= ' ' && t.at[i] <= '~';
	if (plain && (size_t)n < capacity)
		snprintf(out + n, capacity - (size_t)n, " (\"%.*s\")", (int)t.n, t.at);
}

const char *wire_describe(const struct wire_value *v, char *out, size_t capacity)
{
	static const char *const names[] = { [WIRE_NIL] = "nil", [WIRE_TEXT] = "a text", [WIRE_BINARY] = "binary data",
		[WIRE_EXTENSION] = "an extension", [WIRE_ARRAY] = "an array", [WIRE_MAP] = "a map" };

	switch (v->kind) {
	case WIRE_BOOL:
		snprintf(out, capacity, "%s", v->boolean ? "true" : "false");
		break;
	case WIRE_UINT:
		snprintf(out, capacity, "%llu", (unsigned long long)v->u);
		break;
	case WIRE_NEGATIVE:
		snprintf(out, capacity, "%lld", (long long)v->i);
		break;
	case WIRE_FLOAT:
		snprintf(out, capacity, "%g", v->real);
		break;
	case WIRE_ARRAY:
	case WIRE_MAP:
		snprintf(out, capacity, "%s of %u", names[v->kind], v->count);
		break;
	case WIRE_TEXT:
		describe_text(v->text, out, capacity);
		break;
	default:
		snprintf(out, capacity, "%s", names[v->kind]);
	}
	return out;
}

int wire_error_at(int rc, struct wire_text key, struct errbuf *e)
{
	if (rc >= 0 || !e)
		return rc;
	struct errbuf inner = *e;

	return fail(e, rc, "%.*s: %.900s", key.n < 64 ? (int)key.n : 64, key.at, inner.text);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* msgpack-c's write callback: its result is ignored here, `full` remembers. */
static int append(void *data, const char *bytes, size_t n)
{
	struct wire_writer *w = data;

	if (w->full || n > w->capacity - w->n) {
		w->full = true;
		return -1;
	}
	memcpy(w->out + w->n, bytes, n);
	w->n += n;
	return 0;
}

static msgpack_packer packer(struct wire_writer *w)
{
	return (msgpack_packer){ .data = w, .callback = append };
}

void wire_write_begin(struct wire_writer *w, uint8_t *out, size_t capacity)
{
	*w = (struct wire_writer){ .out = out, .capacity = capacity };
}

void wire_put_map(struct wire_writer *w, uint32_t pairs)
{
	msgpack_packer p = packer(w);

	msgpack_pack_map(&p, pairs);
}

void wire_put_array(struct wire_writer *w, uint32_t elements)
{
	msgpack_packer p = packer(w);

	msgpack_pack_array(&p, elements);
}

void wire_put_u64(struct wire_writer *w, uint64_t value)
{
	msgpack_packer p = packer(w);

	msgpack_pack_uint64(&p, value);
}

void wire_put_i64(struct wire_writer *w, int64_t value)
{
	msgpack_packer p = packer(w);

	msgpack_pack_int64(&p, value);
}

void wire_put_real(struct wire_writer *w, double value)
{
	msgpack_packer p = packer(w);

	if (!isfinite(value))
		w->not_finite = true;
	msgpack_pack_double(&p, value);
}

void wire_put_bool(struct wire_writer *w, bool value)
{
	msgpack_packer p = packer(w);

	if (value)
		msgpack_pack_true(&p);
	else
		msgpack_pack_false(&p);
}

void wire_put_text(struct wire_writer *w, const char *text, size_t limit)
{
	msgpack_packer p = packer(w);
	size_t n = wire_utf8_prefix(text, strnlen(text, limit));

	msgpack_pack_str(&p, n);
	msgpack_pack_str_body(&p, text, n);
}

void wire_put_raw(struct wire_writer *w, const uint8_t *bytes, size_t n)
{
	append(w, (const char *)bytes, n);
}

int wire_write_end(const struct wire_writer *w, size_t *n, struct errbuf *e)
{
	if (w->full)
		return fail(e, -ENOSPC, "the message is longer than %zu bytes", w->capacity);
	if (w->not_finite)
		return fail(e, -EINVAL, "a number to be sent is not finite");
	*n = w->n;
	return 0;
}
