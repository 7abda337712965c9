/* mcap_writer.h - writes one MCAP file (https://mcap.dev/spec) so that it is whole up to its last chunk whatever happens: messages are
 * collected into a chunk (zstd), chunk and index leave in one write, and the summary comes at the end. Debian has no MCAP library.
 *
 * All memory is reserved by mcap_open; nothing grows with the file. A failed write ends the file: every later call returns the same error
 * until mcap_close, which cuts the torn chunk off and still tries to write the summary. All functions: thread aux (one owner), block on
 * the disk, allocate no unless said. Errors: the file system's errno with "FILE: what"; -E2BIG: larger than the options allow. */
#ifndef DREAMVLA_DAEMON_RECORD_MCAP_WRITER_H
#define DREAMVLA_DAEMON_RECORD_MCAP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

struct mcap_options {
	const char *path;             /* for errors; the caller's, outlives the writer */
	const char *library;          /* who wrote the file, e.g. "dreamvlad 0.1" */
	uint32_t chunk_bytes;         /* a chunk of so many bytes, uncompressed, is written */
	uint32_t message_bytes_max;   /* largest message */
};

struct mcap_pair {
	const char *key, *value;
};

struct mcap_message {
	uint16_t channel;
	uint64_t log_ns, publish_ns;  /* since 1970 */
	const uint8_t *data;
	size_t n;
};

struct mcap_writer;

/* Starts a file on fd, which is empty, positioned at its beginning and from now on the writer's. -ENOMEM; on any error fd is closed.
 * Allocates: yes. */
MUST_CHECK int mcap_open(struct mcap_writer **out, int fd, const struct mcap_options *o, struct errbuf *e);

/* Ids count from 1 (channels: at most MCAP_CHANNELS_MAX). Both go to the file at once, in front of the chunk that is being filled. */
MUST_CHECK int mcap_add_schema(struct mcap_writer *w, const char *name, const char *encoding, const char *text, uint16_t *id, struct errbuf *e);
MUST_CHECK int mcap_add_channel(struct mcap_writer *w, uint16_t schema, const char *topic, const char *encoding, uint16_t *id, struct errbuf *e);

/* A named set of texts, outside of the chunks. */
MUST_CHECK int mcap_add_metadata(struct mcap_writer *w, const char *name, const struct mcap_pair *pair, size_t n, struct errbuf *e);

/* Adds a message; its sequence number counts per channel. Writes the chunk when it is full. */
MUST_CHECK int mcap_add_message(struct mcap_writer *w, const struct mcap_message *m, struct errbuf *e);

/* Writes the chunk, if there is anything in it. */
MUST_CHECK int mcap_flush(struct mcap_writer *w, struct errbuf *e);

/* The disk begins with what has been written, and is not waited for (sync_file_range). Blocks: only while its queue is full. */
void mcap_urge(const struct mcap_writer *w);

/* What has been written is on the disk when this returns (fdatasync). */
MUST_CHECK int mcap_sync(struct mcap_writer *w, struct errbuf *e);

/* Bytes that have reached the file, and that it will have about when it is closed now. */
uint64_t mcap_written_bytes(const struct mcap_writer *w);

/* Messages of the chunks that have reached the file. */
uint64_t mcap_written_messages(const struct mcap_writer *w);

/* The summary has no room for more chunks: begin another file. */
bool mcap_is_full(const struct mcap_writer *w);

/* It has room for MCAP_CHUNKS_AHEAD chunks or fewer: time to prepare another file. */
enum { MCAP_CHUNKS_AHEAD = 64 };
bool mcap_is_nearly_full(const struct mcap_writer *w);

/* Writes chunk and summary, syncs, closes fd and frees the writer. The first error of the file's life, else 0. *whole: the file has its
 * summary, even after an error. Accepts NULL. */
int mcap_close(struct mcap_writer *w, bool *whole, struct errbuf *e);

#endif
