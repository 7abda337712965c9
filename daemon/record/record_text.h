/* record_text.h - what a record on tape becomes in a recording: its topic, its schema, and the message, JSON but for the raw kinds. */
#ifndef DREAMVLA_DAEMON_RECORD_RECORD_TEXT_H
#define DREAMVLA_DAEMON_RECORD_RECORD_TEXT_H

#include "daemon/record/bytes.h"
#include "daemon/record/kinds.h"
#include "daemon/record/schemas.h"
#include "daemon/sys/error.h"

/* One message, until the next call. */
struct record_text {
	struct bytes json;            /* bytes_init by the owner */
	int64_t offset_ns;            /* CLOCK_REALTIME - CLOCK_MONOTONIC */
	char topic[RECORD_TOPIC_BYTES + 8];
	enum record_schema schema;
	int64_t stamp_ns;             /* the message's own time, monotonic */
	const uint8_t *data;          /* json, or the record itself */
	size_t n;
};

/* A time of the monotonic clock as that of the wall; one that no clock can show is the last that one can. Pure. */
int64_t record_text_wall_ns(const struct record_text *t, int64_t monotonic_ns);

/* -E2BIG: larger than json's capacity; -EBADMSG: a message of a topic that no schema knows, or whose map is malformed.
 * Thread: aux. Allocates: no. Blocks: no. */
MUST_CHECK int record_text_make(struct record_text *t, const struct tape_record *r, const void *payload, struct errbuf *e);

#endif
