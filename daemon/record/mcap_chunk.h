/* mcap_chunk.h - one chunk of an MCAP file, unpacked and checked against its checksum. */
#ifndef DREAMVLA_DAEMON_RECORD_MCAP_CHUNK_H
#define DREAMVLA_DAEMON_RECORD_MCAP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

/* The record behind its opcode and length. */
struct mcap_raw_chunk {
	const char *path;             /* and its place, for errors */
	uint64_t at;
	const uint8_t *data;
	size_t n;
};

/* *out: *n bytes of records, the caller's to free. -EBADMSG: damaged, -ENOTSUP: compression, -E2BIG. Thread: any. Allocates: yes. */
MUST_CHECK int mcap_chunk_unpack(const struct mcap_raw_chunk *c, uint8_t **out, size_t *n, struct errbuf *e);

/* -EBADMSG, in the reader's words. */
int mcap_damaged(const char *path, const char *what, uint64_t at, struct errbuf *e);

#endif
