/* json_text.h - JSON (RFC 8259) straight into a buffer of fixed size, commas included. Own, as it is at 1 kHz: jansson builds a tree of
 * allocations first. Numbers are exact: doubles with 17 digits. What does not fit sets bytes.over. Thread: the owner. Allocates: no. */
#ifndef DREAMVLA_DAEMON_RECORD_JSON_TEXT_H
#define DREAMVLA_DAEMON_RECORD_JSON_TEXT_H

#include "daemon/record/bytes.h"
#include "daemon/sys/error.h"

struct json_text {
	struct bytes *out;
	bool comma;                   /* the next value, or key, wants one in front */
};

/* bracket: one of { [ and one of } ]. */
void json_begin(struct json_text *j, char bracket);
void json_end(struct json_text *j, char bracket);
void json_key(struct json_text *j, const char *key);
void json_put_text(struct json_text *j, const char *text, size_t n); /* UTF-8 */
void json_put_u64(struct json_text *j, uint64_t value);
void json_put_id(struct json_text *j, uint64_t value);        /* all 64 bits matter: digits as a text, for readers whose numbers are doubles */
void json_put_i64(struct json_text *j, int64_t value);
void json_put_real(struct json_text *j, double value);        /* not finite: null, JSON has no number for it */
void json_put_reals(struct json_text *j, const double *value, size_t n);
void json_put_bool(struct json_text *j, bool value);
void json_put_time(struct json_text *j, int64_t t_ns);        /* {"sec":..,"nsec":..}, since 1970 */
void json_put_base64(struct json_text *j, const uint8_t *from, size_t n); /* RFC 4648 */

/* Keys and values of a msgpack map (transport/wire.h), without its brackets; whole numbers under `from` and keys that end in _from as json_put_id
 * does it: publishers draw them from 64 bits. -EBADMSG: it is none, or malformed. */
MUST_CHECK int json_put_map(struct json_text *j, const uint8_t *map, size_t n, struct errbuf *e);

#endif
