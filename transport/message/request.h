/* request.h - the control sockets' requests and replies (messages.md section 6): one flat map each way.
 *
 *   server   request_decode, request_check_keys, request_text ..., then reply_ok or reply_error, map_add_*, map_finish
 *   client   request_begin, map_add_*, map_finish, send; then reply_decode, reply_text ... on the bytes of the answer
 *
 * All functions: thread any (no state), allocates no, blocks no. */
#ifndef DREAMVLA_TRANSPORT_MESSAGE_REQUEST_H
#define DREAMVLA_TRANSPORT_MESSAGE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "transport/wire.h"

enum { REQUEST_ENTRIES_MAX = 32, REQUEST_NUMBERS_MAX = 8, REQUEST_POOL_BYTES = 3072, REQUEST_BYTES_MAX = 8192,
	REPLY_ERROR_BYTES = 4096 };

struct request_entry {
	uint32_t key_at;               /* in the pool */
	struct wire_value value;       /* a text: use text_at, value.text is not valid */
	uint32_t text_at;
	uint32_t n_numbers;            /* of an array */
	double number[REQUEST_NUMBERS_MAX];
};

/* A request, complete in itself: copying it is fine, it does not point into the received bytes. */
struct request {
	uint32_t n, pool_used;
	struct request_entry entry[REQUEST_ENTRIES_MAX];
	char pool[REQUEST_POOL_BYTES]; /* keys and texts, each ended by a zero */
};

/* -EBADMSG: malformed, no flat map of text, number, bool and arrays of numbers, or too long; the text can go to the peer. */
MUST_CHECK int request_decode(struct request *q, const uint8_t *bytes, size_t n, struct errbuf *e);

/* The request's `cmd`, or "" when it has none. */
const char *request_command(const struct request *q);

/* `allowed` ends with NULL and need not name cmd. -EINVAL names the unknown key and the allowed ones. */
MUST_CHECK int request_check_keys(const struct request *q, const char *const *allowed, struct errbuf *e);

bool request_has(const struct request *q, const char *key);

/* Typed getters: 0, -ENOENT (missing) or -EINVAL (another type, outside low..high, another length), with a text for the peer.
 * *out is touched on success only. The text of request_text lives as long as the request and ends with a zero. */
MUST_CHECK int request_text(const struct request *q, const char *key, const char **out, struct errbuf *e);
MUST_CHECK int request_number(const struct request *q, const char *key, double low, double high, double *out, struct errbuf *e);
MUST_CHECK int request_u64(const struct request *q, const char *key, uint64_t *out, struct errbuf *e);
MUST_CHECK int request_i64(const struct request *q, const char *key, int64_t *out, struct errbuf *e);
MUST_CHECK int request_bool(const struct request *q, const char *key, bool *out, struct errbuf *e);
MUST_CHECK int request_numbers(const struct request *q, const char *key, uint32_t count, double *out, struct errbuf *e);

/* ---- building either ---------------------------------------------------------------------------------------------- */

/* A flat map growing in the caller's buffer. Adding never fails: map_finish tells. */
struct map_builder {
	struct wire_writer w;
	uint32_t n;
};

void request_begin(struct map_builder *b, uint8_t *out, size_t capacity, const char *command);
void reply_ok(struct map_builder *b, uint8_t *out, size_t capacity);
/* hint may be NULL or "": then there is none. */
void reply_error(struct map_builder *b, uint8_t *out, size_t capacity, const char *error, const char *hint);

void map_add_text(struct map_builder *b, const char *key, const char *text);
void map_add_u64(struct map_builder *b, const char *key, uint64_t value);
void map_add_i64(struct map_builder *b, const char *key, int64_t value);
void map_add_real(struct map_builder *b, const char *key, double value);
void map_add_bool(struct map_builder *b, const char *key, bool value);
void map_add_reals(struct map_builder *b, const char *key, const double *value, uint32_t n);

/* Adds every key of an encoded map except v, from, seq and stamp_ns: how a topic's map becomes a reply (`status`).
 * Bytes that are no map add nothing and make map_finish fail. */
void map_add_topic(struct map_builder *b, const uint8_t *bytes, size_t n);

/* *n = length of the map. -ENOSPC when it did not fit, -EINVAL when a number was not finite. */
MUST_CHECK int map_finish(struct map_builder *b, size_t *n, struct errbuf *e);

/* ---- reading a reply ---------------------------------------------------------------------------------------------- */

struct reply {
	bool ok;
	char error[REPLY_ERROR_BYTES]; /* "" when ok */
	char hint[512];
};

/* Checks the whole map. -EBADMSG: malformed, or without `ok`. The status map of a reply: message_status_decode_reply. */
MUST_CHECK int reply_decode(struct reply *p, const uint8_t *bytes, size_t n, struct errbuf *e);

/* One key of a reply that reply_decode has accepted; false when it is absent or of another type. */
bool reply_text(const uint8_t *bytes, size_t n, const char *key, char *out, size_t capacity);
bool reply_u64(const uint8_t *bytes, size_t n, const char *key, uint64_t *out);
bool reply_i64(const uint8_t *bytes, size_t n, const char *key, int64_t *out);
bool reply_bool(const uint8_t *bytes, size_t n, const char *key, bool *out);

/* Calls back for every key with a text, number or bool, in order (for `config`); others are passed over. */
void reply_visit(const uint8_t *bytes, size_t n,
		void (*visit)(void *context, struct wire_text key, const struct wire_value *value), void *context);

#endif
