/* mcap_reader.h - reads MCAP files (https://mcap.dev/spec), whole or cut off, whoever wrote them: chunks, uncompressed or zstd.
 *
 * A file is hostile until read: every length is checked against the file before memory is taken for it, every chunk's checksum before a
 * message of it is shown. Opening walks over the file's records once, from one to the next without reading chunks, so that neither the
 * summary nor the indexes need be there or be right; what lies behind the last whole record is cut off, and said so.
 * Messages outside of chunks and attachments are passed over, and counted. One owner; functions block on the disk. */
#ifndef DREAMVLA_DAEMON_RECORD_MCAP_READER_H
#define DREAMVLA_DAEMON_RECORD_MCAP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum {
	MCAP_READ_CHUNK_MAX = 64 << 20,  /* bytes of one chunk, packed or not */
	MCAP_READ_RECORD_MAX = 16 << 20, /* of a schema, channel or metadata record */
	MCAP_READ_NAMES_MAX = 1024,      /* schemas, channels and metadata records of a file, each */
	MCAP_READ_OVERLAP_MAX = 4,       /* chunks of one time, read in order of time */
};

enum mcap_order {
	MCAP_ORDER_FILE,              /* as written */
	MCAP_ORDER_TIME,              /* by log_ns; equal ones as written */
};

struct mcap_read_schema {
	uint16_t id;
	const char *name, *encoding, *text;
};

struct mcap_read_channel {
	uint16_t id;
	const char *topic, *encoding;
	const struct mcap_read_schema *schema; /* NULL: it has none */
};

/* Valid until the next call of mcap_reader_next, _seek or _close. */
struct mcap_read_message {
	const struct mcap_read_channel *channel;
	uint32_t sequence;
	uint64_t log_ns, publish_ns;
	const uint8_t *data;
	size_t n;
};

/* What opening found. */
struct mcap_read_info {
	bool cut;                     /* the file ends before its footer: without an end, or with garbage */
	uint64_t whole_bytes;         /* up to the end of its last whole record */
	uint64_t n_chunks, n_passed_over;
	uint64_t first_ns, last_ns;   /* of the chunks; 0 without any */
};

struct mcap_reader;

/* Topics that are wanted; NULL: all. */
typedef bool mcap_want(void *context, const char *topic);

struct mcap_read_options {
	enum mcap_order order;
	mcap_want *want;
	void *context;
};

/* -ENOENT and other errors of the file system; -EBADMSG: no MCAP file; -E2BIG: beyond the numbers above. Allocates: yes. */
MUST_CHECK int mcap_reader_open(struct mcap_reader **out, const char *path, const struct mcap_read_options *o, struct errbuf *e);
void mcap_reader_close(struct mcap_reader *r); /* accepts NULL */

const struct mcap_read_info *mcap_reader_info(const struct mcap_reader *r);

/* A text of the newest metadata record of that name; NULL: there is none. Lives as long as the reader. */
const char *mcap_reader_metadata(const struct mcap_reader *r, const char *name, const char *key);

/* All of that record as lines "key: value", for people; the caller frees it. NULL: there is none. Allocates: yes. */
char *mcap_reader_metadata_lines(const struct mcap_reader *r, const char *name);

/* The next wanted message: 1, or 0 at the end. -EBADMSG: a damaged chunk, named by its place in the file; -ENOTSUP: another compression;
 * -E2BIG: too large, or too many chunks of one time. After an error the next call goes on behind that chunk. Allocates: for chunks. */
MUST_CHECK int mcap_reader_next(struct mcap_reader *r, struct mcap_read_message *m, struct errbuf *e);

/* The next message is the first with log_ns >= t_ns, in the order asked for. */
void mcap_reader_seek(struct mcap_reader *r, uint64_t t_ns);

#endif
