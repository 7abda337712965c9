/* wire.h - bounded msgpack: reading from and writing to memory that the caller owns.
 *
 * Writing goes through msgpack-c's packer onto a fixed buffer. Reading is a pull reader of our own: msgpack_unpack_next
 * allocates a zone per message and recurses to a depth that the sender chooses, and both are what a peer must not control.
 * Format: github.com/msgpack/msgpack/blob/master/spec.md. Knows nothing of messages, topics or sockets.
 *
 * Bounds: texts are valid UTF-8 without zero bytes, floats are finite, a container cannot claim more elements than there
 * are bytes left, maps have text keys, at most WIRE_MAP_MAX of them and none twice, nesting ends at WIRE_DEPTH_MAX.
 * All functions: thread any (no state of their own), allocates no, blocks no. */
#ifndef DREAMVLA_TRANSPORT_WIRE_H
#define DREAMVLA_TRANSPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { WIRE_DEPTH_MAX = 16, WIRE_MAP_MAX = 256 };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct wire_reader {
	const uint8_t *at, *end;
};

enum wire_kind { WIRE_NIL, WIRE_BOOL, WIRE_UINT, WIRE_NEGATIVE, WIRE_FLOAT, WIRE_TEXT, WIRE_BINARY, WIRE_EXTENSION,
	WIRE_ARRAY, WIRE_MAP, WIRE_KIND_COUNT };

/* A text inside the message: n bytes, no terminating zero. */
struct wire_text {
	const char *at;
	uint32_t n;
};

/* One value; of a container only its head, the elements follow. Non-negative integers are always WIRE_UINT. */
struct wire_value {
	enum wire_kind kind;
	bool boolean;
	uint64_t u;               /* WIRE_UINT */
	int64_t i;                /* WIRE_NEGATIVE: below 0 */
	double real;              /* WIRE_FLOAT: finite */
	struct wire_text text;    /* WIRE_TEXT, WIRE_BINARY, WIRE_EXTENSION: contents */
	uint32_t count;           /* WIRE_ARRAY: elements, WIRE_MAP: pairs */
};

/* A map being read, with the keys seen so far. */
struct wire_map {
	uint32_t left, n;
	struct wire_text key[WIRE_MAP_MAX];
};

void wire_read_begin(struct wire_reader *r, const uint8_t *bytes, size_t n);

/* Next value or head of a container. -EBADMSG with what is wrong, without a key: the caller knows it. */
MUST_CHECK int wire_take(struct wire_reader *r, struct wire_value *v, struct errbuf *e);

/* Skips one whole value, whatever it is and says. -EBADMSG: truncated, malformed or nested deeper than WIRE_DEPTH_MAX. */
MUST_CHECK int wire_skip(struct wire_reader *r, struct errbuf *e);

/* Enters the map whose head is next; then wire_map_next: 1 and the key (its value is to be taken or skipped before
 * the next call), 0 at the end, -EBADMSG: no map, too many keys, a key that is no text or comes twice. */
MUST_CHECK int wire_map_begin(struct wire_reader *r, struct wire_map *m, struct errbuf *e);
MUST_CHECK int wire_map_next(struct wire_reader *r, struct wire_map *m, struct wire_text *key, struct errbuf *e);

/* 0 when everything was read, -EBADMSG when bytes are left over. */
MUST_CHECK int wire_read_end(const struct wire_reader *r, struct errbuf *e);

/* Conversions of a value; false when it is of another kind or does not fit. Integers are valid as reals. */
bool wire_as_real(const struct wire_value *v, double *out);
bool wire_as_u64(const struct wire_value *v, uint64_t *out);
bool wire_as_i64(const struct wire_value *v, int64_t *out);

bool wire_text_equals(struct wire_text t, const char *with);

/* Copies into out[capacity] with a terminating zero, cut at the last whole character that fits; returns bytes copied. */
size_t wire_text_copy(struct wire_text t, char *out, size_t capacity);

/* "a text of 5 bytes", "-1", "an array of 3": for error texts. out has `capacity` bytes. */
const char *wire_describe(const struct wire_value *v, char *out, size_t capacity);

/* Puts "key: " in front of the error's text when rc is negative; returns rc. e may be NULL. */
MUST_CHECK int wire_error_at(int rc, struct wire_text key, struct errbuf *e);

/* Length of the longest prefix of at[n] that is UTF-8 without zero bytes (RFC 3629: no surrogates, no overlong forms). */
size_t wire_utf8_prefix(const char *at, size_t n);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

struct wire_writer {
	uint8_t *out;
	size_t capacity, n;
	bool full;                /* something did not fit: the bytes are of no use */
	bool not_finite;          /* a float was not finite: neither */
};

void wire_write_begin(struct wire_writer *w, uint8_t *out, size_t capacity);
void wire_put_map(struct wire_writer *w, uint32_t pairs);
void wire_put_array(struct wire_writer *w, uint32_t elements);
void wire_put_u64(struct wire_writer *w, uint64_t value);
void wire_put_i64(struct wire_writer *w, int64_t value);
void wire_put_real(struct wire_writer *w, double value);
void wire_put_bool(struct wire_writer *w, bool value);
/* The longest prefix of a zero-ended text that is UTF-8 and ends within `limit` bytes. */
void wire_put_text(struct wire_writer *w, const char *text, size_t limit);
/* Bytes that are msgpack already. */
void wire_put_raw(struct wire_writer *w, const uint8_t *bytes, size_t n);

/* *n = bytes written. -ENOSPC when they did not fit, -EINVAL when a float was not finite. */
MUST_CHECK int wire_write_end(const struct wire_writer *w, size_t *n, struct errbuf *e);

#endif
