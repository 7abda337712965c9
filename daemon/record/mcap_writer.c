/* mcap_writer.c - see mcap_writer.h. Field order of every record: https://mcap.dev/spec. */
#include "daemon/record/mcap_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "daemon/record/bytes.h"
#include "daemon/record/mcap.h"

enum {
	ENTRIES_MAX = 16384,          /* messages of one chunk */
	SCHEMAS_BYTES = 64 << 10, CHANNELS_BYTES = 16 << 10, METADATA_BYTES = 256 << 10,
	CHUNK_INDEX_BYTES = 4 << 20,  /* some 20,000 chunks */
	CHUNK_INDEX_ENTRY_MAX = 128 + MCAP_CHANNELS_MAX * 10,
	CHUNK_HEAD_MAX = 128,
	ZSTD_LEVEL = 1,               /* pictures are compressed already: what base64 adds is all there is to gain */
};

struct entry {
	uint64_t log_ns, at;          /* at: of the record in the uncompressed chunk */
	uint16_t channel;
};

struct mcap_writer {
	struct mcap_options o;
	int fd, rc;                   /* rc: the first error */
	struct errbuf error;
	ZSTD_CCtx *zstd;
	/* the chunk that is being filled */
	struct bytes chunk;
	struct entry *entry;
	uint32_t n_entries;
	uint64_t chunk_first_ns, chunk_last_ns;
	struct bytes out;             /* what goes to the file in one write */
	/* for the summary */
	struct bytes schemas, channels, chunk_index, metadata_index;
	uint16_t n_schemas, n_channels;
	uint32_t n_metadata, n_chunks, sequence[MCAP_CHANNELS_MAX + 1];
	uint64_t n_messages[MCAP_CHANNELS_MAX + 1]; /* by channel, of the chunks written; [0]: of all */
	uint64_t first_ns, last_ns;
	/* what is in the file, up to the last whole write */
	uint64_t written_bytes;
	uint32_t crc;
};

/* ---- life cycle ---- */

static void free_writer(struct mcap_writer *w)
{
	close(w->fd);
	ZSTD_freeCCtx(w->zstd);
	free(w->entry);
	bytes_finish(&w->chunk);
	bytes_finish(&w->out);
	bytes_finish(&w->schemas);
	bytes_finish(&w->channels);
	bytes_finish(&w->chunk_index);
	bytes_finish(&w->metadata_index);
	free(w);
}

/* A chunk holds what was asked for, or one message of the largest size. */
static bool reserve(struct mcap_writer *w)
{
	size_t chunk = MCAP_RECORD_BYTES + MCAP_MESSAGE_HEAD_BYTES + (size_t)w->o.message_bytes_max;
	size_t index = (size_t)ENTRIES_MAX * 16 + MCAP_CHANNELS_MAX * (MCAP_RECORD_BYTES + 6);
	size_t out;

	chunk = chunk > w->o.chunk_bytes ? chunk : w->o.chunk_bytes;
	out = CHUNK_HEAD_MAX + ZSTD_compressBound(chunk) + index;
	out = out > METADATA_BYTES ? out : METADATA_BYTES;
	w->zstd = ZSTD_createCCtx();
	w->entry = malloc(ENTRIES_MAX * sizeof *w->entry);
	return w->zstd && w->entry && bytes_init(&w->chunk, chunk) && bytes_init(&w->out, out)
			&& bytes_init(&w->schemas, SCHEMAS_BYTES) && bytes_init(&w->channels, CHANNELS_BYTES)
			&& bytes_init(&w->chunk_index, CHUNK_INDEX_BYTES) && bytes_init(&w->metadata_index, CHANNELS_BYTES);
}

/* ---- to the file ---- */

static int keep_error(struct mcap_writer *w, struct errbuf *e, int code, const char *what)
{
	if (w->rc == 0)
		w->rc = fail(&w->error, code, "%s: %s: %s", w->o.path, what, strerror(-code));
	if (e)
		*e = w->error;
	return w->rc;
}

/* Everything in `b`, or nothing that counts. */
static int write_out(struct mcap_writer *w, const struct bytes *b, struct errbuf *e)
{
	size_t done = 0;

	if (w->rc < 0)
		return keep_error(w, e, w->rc, "");
	if (b->over)
		return fail(e, -E2BIG, "%s: a record of this kind has no more than %zu bytes", w->o.path, b->capacity);
	while (done < b->n) {
		ssize_t n = write(w->fd, b->at + done, b->n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return keep_error(w, e, n < 0 ? -errno : -EIO, "cannot write");
		done += (size_t)n;
	}
	w->written_bytes += b->n;
	w->crc = (uint32_t)crc32_z(w->crc, b->at, b->n);
	return 0;
}

int mcap_open(struct mcap_writer **out, int fd, const struct mcap_options *o, struct errbuf *e)
{
	struct mcap_writer *w = calloc(1, sizeof *w);
	size_t at;
	int rc;

	if (!w) {
		close(fd);
		return fail(e, -ENOMEM, "%s: out of memory", o->path);
	}
	w->o = *o;
	w->fd = fd;
	rc = reserve(w) ? 0 : fail(e, -ENOMEM, "%s: out of memory", o->path);
	if (rc == 0) {
		bytes_put(&w->out, mcap_magic, sizeof mcap_magic);
		at = bytes_begin_record(&w->out, MCAP_HEADER);
		bytes_put_text(&w->out, "");
		bytes_put_text(&w->out, o->library);
		bytes_end_record(&w->out, at);
		rc = write_out(w, &w->out, e);
	}
	if (rc < 0)
		free_writer(w);
	else
		*out = w;
	return rc;
}

/* ---- schemas, channels, metadata ---- */

/* `record` is the encoded one: to the file now, and to the summary. */
static int add_definition(struct mcap_writer *w, struct bytes *summary, const struct bytes *record, struct errbuf *e)
{
	int rc;

	if (summary->capacity - summary->n < record->n)
		return fail(e, -E2BIG, "%s: the summary's part for these has %zu bytes and is full", w->o.path, summary->capacity);
	if ((rc = write_out(w, record, e)) == 0)
		bytes_put(summary, record->at, record->n);
	return rc;
}

int mcap_add_schema(struct mcap_writer *w, const char *name, const char *encoding, const char *text, uint16_t *id, struct errbuf *e)
{
	struct bytes *b = &w->out;
	size_t at;
	int rc;

	bytes_clear(b);
	at = bytes_begin_record(b, MCAP_SCHEMA);
	bytes_put_u16(b, (uint16_t)(w->n_schemas + 1));
	bytes_put_text(b, name);
	bytes_put_text(b, encoding);
	bytes_put_text(b, text);
	bytes_end_record(b, at);
	if ((rc = add_definition(w, &w->schemas, b, e)) == 0)
		*id = ++w->n_schemas;
	return rc;
}

int mcap_add_channel(struct mcap_writer *w, uint16_t schema, const char *topic, const char *encoding, uint16_t *id, struct errbuf *e)
{
	struct bytes *b = &w->out;
	size_t at;
	int rc;

	if (w->n_channels == MCAP_CHANNELS_MAX)
		return fail(e, -E2BIG, "%s: more than %d topics", w->o.path, MCAP_CHANNELS_MAX);
	bytes_clear(b);
	at = bytes_begin_record(b, MCAP_CHANNEL);
	bytes_put_u16(b, (uint16_t)(w->n_channels + 1));
	bytes_put_u16(b, schema);
	bytes_put_text(b, topic);
	bytes_put_text(b, encoding);
	bytes_put_u32(b, 0); /* no metadata */
	bytes_end_record(b, at);
	if ((rc = add_definition(w, &w->channels, b, e)) == 0)
		*id = ++w->n_channels;
	return rc;
}

int mcap_add_metadata(struct mcap_writer *w, const char *name, const struct mcap_pair *pair, size_t n, struct errbuf *e)
{
	struct bytes *b = &w->out, *index = &w->metadata_index;
	uint64_t offset = w->written_bytes;
	size_t at, map;
	int rc;

	bytes_clear(b);
	at = bytes_begin_record(b, MCAP_METADATA);
	bytes_put_text(b, name);
	map = bytes_begin_sized(b);
	for (size_t i = 0; i < n; i++) {
		bytes_put_text(b, pair[i].key);
		bytes_put_text(b, pair[i].value);
	}
	bytes_end_sized(b, map);
	bytes_end_record(b, at);
	if ((rc = write_out(w, b, e)) < 0)
		return rc;
	at = bytes_begin_record(index, MCAP_METADATA_INDEX);
	bytes_put_u64(index, offset);
	bytes_put_u64(index, b->n);
	bytes_put_text(index, name);
	bytes_end_record(index, at);
	w->n_metadata++;
	return 0;
}

/* ---- messages ---- */

/* Of every channel of the chunk the times and places of its messages. Fills at[channel] with where each index lies in the file. */
static void put_message_indexes(struct mcap_writer *w, uint64_t at[MCAP_CHANNELS_MAX + 1])
{
	struct bytes *b = &w->out;

	memset(at, 0, (MCAP_CHANNELS_MAX + 1) * sizeof *at);
	for (uint16_t channel = 1; channel <= w->n_channels; channel++) {
		size_t record = 0, list = 0;

		for (uint32_t i = 0; i < w->n_entries; i++) {
			if (w->entry[i].channel != channel)
				continue;
			if (at[channel] == 0) {
				at[channel] = w->written_bytes + b->n;
				record = bytes_begin_record(b, MCAP_MESSAGE_INDEX);
				bytes_put_u16(b, channel);
				list = bytes_begin_sized(b);
			}
			bytes_put_u64(b, w->entry[i].log_ns);
			bytes_put_u64(b, w->entry[i].at);
		}
		if (at[channel] == 0)
			continue;
		bytes_end_sized(b, list);
		bytes_end_record(b, record);
	}
}

/* -> length of the chunk's record, 0 when zstd failed; *packed: of its compressed messages. */
static size_t put_chunk(struct mcap_writer *w, size_t *packed)
{
	struct bytes *b = &w->out;
	size_t record = bytes_begin_record(b, MCAP_CHUNK), size;

	bytes_put_u64(b, w->chunk_first_ns);
	bytes_put_u64(b, w->chunk_last_ns);
	bytes_put_u64(b, w->chunk.n);
	bytes_put_u32(b, (uint32_t)crc32_z(0, w->chunk.at, w->chunk.n));
	bytes_put_text(b, "zstd");
	size = b->n;
	bytes_put_u64(b, 0);
	*packed = ZSTD_compressCCtx(w->zstd, b->at + b->n, b->capacity - b->n, w->chunk.at, w->chunk.n, ZSTD_LEVEL);
	if (ZSTD_isError(*packed))
		return 0;
	bytes_set_u64(b, size, *packed);
	b->n += *packed;
	bytes_end_record(b, record);
	return b->n;
}

static void put_chunk_index(struct mcap_writer *w, size_t chunk_bytes, size_t packed, const uint64_t at[MCAP_CHANNELS_MAX + 1])
{
	struct bytes *b = &w->chunk_index;
	size_t record = bytes_begin_record(b, MCAP_CHUNK_INDEX), map;

	bytes_put_u64(b, w->chunk_first_ns);
	bytes_put_u64(b, w->chunk_last_ns);
	bytes_put_u64(b, w->written_bytes);
	bytes_put_u64(b, chunk_bytes);
	map = bytes_begin_sized(b);
	for (uint16_t channel = 1; channel <= w->n_channels; channel++) {
		if (at[channel] == 0)
			continue;
		bytes_put_u16(b, channel);
		bytes_put_u64(b, at[channel]);
	}
	bytes_end_sized(b, map);
	bytes_put_u64(b, w->out.n - chunk_bytes);
	bytes_put_text(b, "zstd");
	bytes_put_u64(b, packed);
	bytes_put_u64(b, w->chunk.n);
	bytes_end_record(b, record);
}

/* The chunk is in the file: now its messages count. */
static void count_chunk(struct mcap_writer *w)
{
	for (uint32_t i = 0; i < w->n_entries; i++)
		w->n_messages[w->entry[i].channel]++;
	if (w->n_messages[0] == 0 || w->chunk_first_ns < w->first_ns)
		w->first_ns = w->chunk_first_ns;
	if (w->chunk_last_ns > w->last_ns)
		w->last_ns = w->chunk_last_ns;
	w->n_messages[0] += w->n_entries;
	w->n_chunks++;
}

static void begin_chunk(struct mcap_writer *w)
{
	bytes_clear(&w->chunk);
	w->n_entries = 0;
	w->chunk_first_ns = UINT64_MAX;
	w->chunk_last_ns = 0;
}

int mcap_flush(struct mcap_writer *w, struct errbuf *e)
{
	uint64_t at[MCAP_CHANNELS_MAX + 1];
	size_t index_n = w->chunk_index.n, chunk_bytes, packed;
	int rc;

	if (w->rc < 0)
		return keep_error(w, e, w->rc, "");
	if (w->n_entries == 0)
		return 0;
	bytes_clear(&w->out);
	if ((chunk_bytes = put_chunk(w, &packed)) == 0)
		return keep_error(w, e, -EIO, "zstd");
	put_message_indexes(w, at);
	put_chunk_index(w, chunk_bytes, packed, at);
	if ((rc = write_out(w, &w->out, e)) < 0)
		w->chunk_index.n = index_n; /* as if it had never been */
	else
		count_chunk(w);
	begin_chunk(w);
	return rc;
}

static void put_message(struct mcap_writer *w, const struct mcap_message *m)
{
	struct bytes *b = &w->chunk;
	size_t record;

	if (w->n_entries == 0)
		begin_chunk(w);
	w->entry[w->n_entries++] = (struct entry){ .log_ns = m->log_ns, .at = b->n, .channel = m->channel };
	w->chunk_first_ns = m->log_ns < w->chunk_first_ns ? m->log_ns : w->chunk_first_ns;
	w->chunk_last_ns = m->log_ns > w->chunk_last_ns ? m->log_ns : w->chunk_last_ns;
	record = bytes_begin_record(b, MCAP_MESSAGE);
	bytes_put_u16(b, m->channel);
	bytes_put_u32(b, ++w->sequence[m->channel]);
	bytes_put_u64(b, m->log_ns);
	bytes_put_u64(b, m->publish_ns);
	bytes_put(b, m->data, m->n);
	bytes_end_record(b, record);
}

int mcap_add_message(struct mcap_writer *w, const struct mcap_message *m, struct errbuf *e)
{
	size_t need = MCAP_RECORD_BYTES + MCAP_MESSAGE_HEAD_BYTES + m->n;
	int rc;

	if (w->rc < 0)
		return keep_error(w, e, w->rc, "");
	if (m->channel == 0 || m->channel > w->n_channels)
		return fail(e, -EINVAL, "%s: channel %u does not exist", w->o.path, m->channel);
	if (m->n > w->o.message_bytes_max)
		return fail(e, -E2BIG, "%s: a message of %zu bytes, allowed at most %u", w->o.path, m->n, w->o.message_bytes_max);
	if (w->chunk.n + need > w->chunk.capacity && (rc = mcap_flush(w, e)) < 0)
		return rc;
	put_message(w, m);
	return w->chunk.n >= w->o.chunk_bytes || w->n_entries == ENTRIES_MAX ? mcap_flush(w, e) : 0;
}

/* A file that knows no such thing, a pipe for one, is written all the same. */
void mcap_urge(const struct mcap_writer *w)
{
	if (w->rc >= 0)
		(void)sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int mcap_sync(struct mcap_writer *w, struct errbuf *e)
{
	if (w->rc < 0 || fdatasync(w->fd) < 0)
		return keep_error(w, e, w->rc < 0 ? w->rc : -errno, "cannot write to the disk");
	return 0;
}

uint64_t mcap_written_messages(const struct mcap_writer *w)
{
	return w->n_messages[0];
}

uint64_t mcap_written_bytes(const struct mcap_writer *w)
{
	return w->written_bytes;
}

static bool has_room_below(const struct mcap_writer *w, size_t chunks)
{
	return w->chunk_index.capacity - w->chunk_index.n < chunks * CHUNK_INDEX_ENTRY_MAX;
}

bool mcap_is_full(const struct mcap_writer *w)
{
	return has_room_below(w, 2); /* one more comes with mcap_close */
}

bool mcap_is_nearly_full(const struct mcap_writer *w)
{
	return has_room_below(w, 2 + MCAP_CHUNKS_AHEAD);
}

/* ---- the end ---- */

static void put_statistics(const struct mcap_writer *w, struct bytes *b)
{
	size_t record = bytes_begin_record(b, MCAP_STATISTICS), map;

	bytes_put_u64(b, w->n_messages[0]);
	bytes_put_u16(b, w->n_schemas);
	bytes_put_u32(b, w->n_channels);
	bytes_put_u32(b, 0); /* attachments */
	bytes_put_u32(b, w->n_metadata);
	bytes_put_u32(b, w->n_chunks);
	bytes_put_u64(b, w->first_ns);
	bytes_put_u64(b, w->last_ns);
	map = bytes_begin_sized(b);
	for (uint16_t channel = 1; channel <= w->n_channels; channel++) {
		if (w->n_messages[channel] == 0)
			continue;
		bytes_put_u16(b, channel);
		bytes_put_u64(b, w->n_messages[channel]);
	}
	bytes_end_sized(b, map);
	bytes_end_record(b, record);
}

/* One kind of the summary's records: into the summary, and its place among the offsets. */
static void put_group(struct bytes *summary, struct bytes *offsets, uint64_t start, enum mcap_opcode opcode, const struct bytes *group)
{
	size_t record;

	if (group->n == 0)
		return;
	record = bytes_begin_record(offsets, MCAP_SUMMARY_OFFSET);
	bytes_put_u8(offsets, (uint8_t)opcode);
	bytes_put_u64(offsets, start + summary->n);
	bytes_put_u64(offsets, group->n);
	bytes_end_record(offsets, record);
	bytes_put(summary, group->at, group->n);
}

/* The footer's CRC covers the summary and the footer itself, up to the CRC. */
static void put_footer(struct bytes *summary, uint64_t start, uint64_t offsets_start)
{
	size_t record = bytes_begin_record(summary, MCAP_FOOTER);

	bytes_put_u64(summary, start);
	bytes_put_u64(summary, offsets_start);
	bytes_set_u64(summary, record + 1, 20);
	bytes_put_u32(summary, (uint32_t)crc32_z(0, summary->at, summary->n));
	bytes_put(summary, mcap_magic, sizeof mcap_magic);
}

static int write_data_end(struct mcap_writer *w, struct errbuf *e)
{
	size_t record;

	bytes_clear(&w->out);
	record = bytes_begin_record(&w->out, MCAP_DATA_END);
	bytes_put_u32(&w->out, w->crc);
	bytes_end_record(&w->out, record);
	return write_out(w, &w->out, e);
}

static int write_summary(struct mcap_writer *w, struct errbuf *e)
{
	struct bytes statistics, offsets = { 0 }, summary = { 0 };
	uint64_t start, offsets_start;
	int rc = write_data_end(w, e);

	if (rc < 0)
		return rc;
	start = w->written_bytes;
	if (!bytes_init(&statistics, CHUNK_HEAD_MAX + MCAP_CHANNELS_MAX * 10) || !bytes_init(&offsets, CHUNK_HEAD_MAX * 2)
			|| !bytes_init(&summary, w->schemas.n + w->channels.n + w->chunk_index.n + w->metadata_index.n + CHUNK_HEAD_MAX * 8)) {
		rc = fail(e, -ENOMEM, "%s: out of memory", w->o.path);
		goto out;
	}
	put_statistics(w, &statistics);
	put_group(&summary, &offsets, start, MCAP_SCHEMA, &w->schemas);
	put_group(&summary, &offsets, start, MCAP_CHANNEL, &w->channels);
	put_group(&summary, &offsets, start, MCAP_STATISTICS, &statistics);
	put_group(&summary, &offsets, start, MCAP_CHUNK_INDEX, &w->chunk_index);
	put_group(&summary, &offsets, start, MCAP_METADATA_INDEX, &w->metadata_index);
	offsets_start = start + summary.n;
	bytes_put(&summary, offsets.at, offsets.n);
	put_footer(&summary, start, offsets_start);
	rc = write_out(w, &summary, e);
out:
	bytes_finish(&statistics);
	bytes_finish(&offsets);
	bytes_finish(&summary);
	return rc;
}

/* What lies behind the last whole write goes, so that the summary can follow; the room it took may suffice for that. */
static int cut_torn_end(struct mcap_writer *w)
{
	off_t end = (off_t)w->written_bytes;

	return ftruncate(w->fd, end) < 0 || lseek(w->fd, end, SEEK_SET) != end ? -errno : 0;
}

int mcap_close(struct mcap_writer *w, bool *whole, struct errbuf *e)
{
	struct errbuf unused;
	int rc, first;

	if (!w)
		return 0;
	first = mcap_flush(w, e);
	if (first < 0 && cut_torn_end(w) == 0)
		w->rc = 0;
	rc = write_summary(w, first < 0 ? &unused : e);
	if (rc < 0 && cut_torn_end(w) == 0)
		w->rc = 0;
	if (mcap_sync(w, first < 0 || rc < 0 ? &unused : e) < 0 && rc == 0)
		rc = w->rc;
	*whole = rc == 0;
	free_writer(w);
	return first < 0 ? first : rc;
}
