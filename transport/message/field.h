/* field.h - one table per message says how its struct and its map belong together; encoding and decoding both walk it.
 *
 * A message's file declares rows of struct field over a scratch struct (the message and the flags that are only needed here),
 * and adds what a table cannot say. Knows nothing of particular messages or of ZeroMQ.
 * All functions: thread any (no state), allocates no, blocks no. */
#ifndef DREAMVLA_TRANSPORT_MESSAGE_FIELD_H
#define DREAMVLA_TRANSPORT_MESSAGE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum field_type {
	FIELD_VERSION, /* the number 1, no member */
	FIELD_U64,
	FIELD_I64,
	FIELD_U32,     /* low..high */
	FIELD_REAL,    /* double; low..high unless both are 0 */
	FIELD_BOOL,
	FIELD_TEXT,    /* char[room], `least` bytes at least */
	FIELD_CHOICE,  /* an enum; names[room] */
	FIELD_REALS,   /* double[room]; count_at: uint32 with the length, `least`..room; without it exactly room */
	FIELD_TEXTS,   /* char[room][stride], count_at */
	FIELD_GROUP,   /* a map with `fields` of the struct at `at` */
	FIELD_TABLE,   /* a map name -> group; struct[room] of `stride` bytes that begins with char name[name_room], count_at */
	FIELD_TYPE_COUNT
};

/* Offsets are from the struct that the table is for. flag_at and count_at: offset of the member, 0 means none (no table puts
 * a flag or a count first).
 * A table has at most 64 rows (decoding keeps a bit for each). */
struct field {
	const char *key;           /* NULL in a table's group of one: the value itself, not a map of it */
	enum field_type type;
	size_t at;
	size_t flag_at;            /* bool: the key is there. Set by decoding, obeyed by encoding */
	size_t count_at;
	uint32_t room, least;
	double low, high;
	bool optional;             /* may be absent or nil; without a flag an empty text or a real outside its range is not sent */
	bool cut;                  /* a longer text is cut instead of refused: explanations, never names that mean something */
	const char *const *names;
	const struct field *fields;
	uint32_t n_fields;
	size_t stride;
	uint32_t name_room;
};

/* The keys that every map of a topic has; `member` is the struct message_head in `owner`. */
#define FIELD_HEAD(owner, member) \
	{ .key = "v", .type = FIELD_VERSION }, \
	{ .key = "from", .type = FIELD_U64, .at = offsetof(owner, member.from) }, \
	{ .key = "seq", .type = FIELD_U64, .at = offsetof(owner, member.seq) }, \
	{ .key = "stamp_ns", .type = FIELD_I64, .at = offsetof(owner, member.stamp_ns) }

#define FIELD_COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Writes the map of base by `fields`. -ENOSPC, -EINVAL as message.h. */
MUST_CHECK int field_encode(const struct field *fields, uint32_t n_fields, const void *base, uint8_t *out, size_t capacity,
		size_t *n, struct errbuf *e);

/* Reads a whole map into base, which must be zeroed (and hold the defaults of absent fields); on error it is partly filled.
 * -EBADMSG with "key: found, want". */
MUST_CHECK int field_decode(const struct field *fields, uint32_t n_fields, void *base, const uint8_t *bytes, size_t n,
		struct errbuf *e);

/* 0 and unit norm when |norm - 1| <= 1e-3 (messages.md section 4), else -EBADMSG. */
MUST_CHECK int field_check_quaternion(const char *key, double q_xyzw[4], struct errbuf *e);

#endif
