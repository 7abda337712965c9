/* mcap_reader.c - see mcap_reader.h. Field order of every record: https://mcap.dev/spec. */
#include "daemon/record/mcap_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/record/mcap.h"
#include "daemon/record/mcap_chunk.h"
#include "daemon/record/mcap_view.h"

enum { CHUNK_HEAD_BYTES = 40 };       /* two times, size, checksum, length of the compression's name, length of the messages: without the name */

struct chunk_place {
	uint64_t first_ns, last_ns, at, n_bytes; /* of the record behind its opcode and length */
};

struct entry {
	uint64_t log_ns;
	uint32_t at, n;               /* of the message's record, head included */
};

/* A chunk in memory. */
struct loaded {
	uint8_t *data;
	struct entry *entry;
	uint32_t n_entries, next;
	uint64_t place;               /* its number, in the order of reading */
};

struct metadata {
	char *name;
	struct mcap_view map;              /* of `name`'s own memory, behind it */
};

struct mcap_reader {
	char *path;
	int fd;
	uint64_t n_bytes;
	struct mcap_read_options o;
	struct mcap_read_info info;
	struct mcap_read_schema *schema[MCAP_READ_NAMES_MAX];
	struct mcap_read_channel *channel[MCAP_READ_NAMES_MAX];
	bool wanted[MCAP_READ_NAMES_MAX];
	struct metadata metadata[MCAP_READ_NAMES_MAX];
	uint32_t n_schemas, n_channels, n_metadata;
	struct chunk_place *chunk;
	uint64_t chunk_room, next_chunk;
	struct loaded loaded[MCAP_READ_OVERLAP_MAX];
	uint32_t n_loaded;
	uint64_t from_ns;             /* messages before are not wanted */
	char *text;                   /* what mcap_reader_metadata answered last */
};

/* ---- taking apart ------------------------------------------------------------------------------------------------- */

/* A copy with a terminating zero; NULL: out of memory, missing, or with a zero inside. */
static char *copy_text(const struct mcap_view *v)
{
	char *copy = v->bad || (v->n > 0 && memchr(v->p, 0, v->n)) ? NULL : malloc(v->n + 1);

	if (copy && v->n > 0)
		memcpy(copy, v->p, v->n);
	if (copy)
		copy[v->n] = 0;
	return copy;
}

static int read_at(const struct mcap_reader *r, uint64_t at, void *to, size_t n, struct errbuf *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(r->fd, (uint8_t *)to + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail(e, got < 0 ? -errno : -EBADMSG, "%s: cannot read byte %llu: %s", r->path, (unsigned long long)(at + done),
					got < 0 ? strerror(errno) : "the file has become shorter");
		done += (size_t)got;
	}
	return 0;
}

/* ---- schemas, channels, metadata ---------------------------------------------------------------------------------- */

static int names_full(const struct mcap_reader *r, const char *what, struct errbuf *e)
{
	return fail(e, -E2BIG, "%s: more than %d %s", r->path, MCAP_READ_NAMES_MAX, what);
}

static const struct mcap_read_schema *find_schema(const struct mcap_reader *r, uint16_t id)
{
	for (uint32_t i = 0; i < r->n_schemas; i++)
		if (r->schema[i]->id == id)
			return r->schema[i];
	return NULL;
}

static int find_channel(const struct mcap_reader *r, uint16_t id)
{
	for (uint32_t i = 0; i < r->n_channels; i++)
		if (r->channel[i]->id == id)
			return (int)i;
	return -1;
}

static void free_schema(struct mcap_read_schema *s)
{
	free((void *)s->name);
	free((void *)s->encoding);
	free((void *)s->text);
	free(s);
}

static void free_channel(struct mcap_read_channel *c)
{
	free((void *)c->topic);
	free((void *)c->encoding);
	free(c);
}

/* Said again, in a chunk and in the summary: the first one holds. */
static int add_schema(struct mcap_reader *r, struct mcap_view v, uint64_t at, struct errbuf *e)
{
	uint16_t id = (uint16_t)mcap_take(&v, 2);
	struct mcap_view name = mcap_take_sized(&v), encoding = mcap_take_sized(&v), text = mcap_take_sized(&v);
	struct mcap_read_schema *s;

	if (v.bad || id == 0)
		return mcap_damaged(r->path, "a schema", at, e);
	if (find_schema(r, id))
		return 0;
	if (r->n_schemas == MCAP_READ_NAMES_MAX)
		return names_full(r, "schemas", e);
	if (!(s = calloc(1, sizeof *s)))
		return fail(e, -ENOMEM, "%s: out of memory", r->path);
	*s = (struct mcap_read_schema){ id, copy_text(&name), copy_text(&encoding), copy_text(&text) };
	if (!s->name || !s->encoding) {
		free_schema(s);
		return mcap_damaged(r->path, "a schema", at, e);
	}
	r->schema[r->n_schemas++] = s; /* a schema that is no text is none to us, but others may have it */
	return 0;
}

static int add_channel(struct mcap_reader *r, struct mcap_view v, uint64_t at, struct errbuf *e)
{
	uint16_t id = (uint16_t)mcap_take(&v, 2), schema = (uint16_t)mcap_take(&v, 2);
	struct mcap_view topic = mcap_take_sized(&v), encoding = mcap_take_sized(&v);
	struct mcap_read_channel *c;

	if (v.bad)
		return mcap_damaged(r->path, "a channel", at, e);
	if (find_channel(r, id) >= 0)
		return 0;
	if (r->n_channels == MCAP_READ_NAMES_MAX)
		return names_full(r, "channels", e);
	if (!(c = calloc(1, sizeof *c)))
		return fail(e, -ENOMEM, "%s: out of memory", r->path);
	*c = (struct mcap_read_channel){ id, copy_text(&topic), copy_text(&encoding), find_schema(r, schema) };
	if (!c->topic || !c->encoding) {
		free_channel(c);
		return mcap_damaged(r->path, "a channel", at, e);
	}
	r->wanted[r->n_channels] = !r->o.want || r->o.want(r->o.context, c->topic);
	r->channel[r->n_channels++] = c;
	return 0;
}

static int add_metadata(struct mcap_reader *r, struct mcap_view v, uint64_t at, struct errbuf *e)
{
	struct mcap_view name = mcap_take_sized(&v), map = mcap_take_sized(&v);
	struct metadata *m = &r->metadata[r->n_metadata];
	uint8_t *copy;

	if (v.bad)
		return mcap_damaged(r->path, "metadata", at, e);
	if (r->n_metadata == MCAP_READ_NAMES_MAX)
		return names_full(r, "metadata records", e);
	if (!(copy = malloc(name.n + 1 + map.n)))
		return fail(e, -ENOMEM, "%s: out of memory", r->path);
	if (name.n > 0)
		memcpy(copy, name.p, name.n);
	copy[name.n] = 0;
	if (map.n > 0)
		memcpy(copy + name.n + 1, map.p, map.n);
	m->name = (char *)copy;
	m->map = (struct mcap_view){ copy + name.n + 1, map.n, false };
	r->n_metadata++;
	return 0;
}

static int add_definition(struct mcap_reader *r, uint8_t opcode, struct mcap_view v, uint64_t at, struct errbuf *e)
{
	if (opcode == MCAP_SCHEMA)
		return add_schema(r, v, at, e);
	return opcode == MCAP_CHANNEL ? add_channel(r, v, at, e) : add_metadata(r, v, at, e);
}

const char *mcap_reader_metadata(const struct mcap_reader *reader, const char *name, const char *key)
{
	struct mcap_reader *r = (struct mcap_reader *)reader; /* only the text that is shown changes */

	for (uint32_t i = r->n_metadata; i-- > 0;) {
		struct mcap_view map = r->metadata[i].map;

		while (strcmp(r->metadata[i].name, name) == 0 && map.n > 0) {
			struct mcap_view k = mcap_take_sized(&map), value = mcap_take_sized(&map);

			if (map.bad || k.n != strlen(key) || memcmp(k.p, key, k.n) != 0)
				continue;
			free(r->text);
			return r->text = copy_text(&value);
		}
	}
	return NULL;
}

char *mcap_reader_metadata_lines(const struct mcap_reader *r, const char *name)
{
	size_t n;
	char *lines = NULL;
	uint32_t i = r->n_metadata;

	while (i > 0 && strcmp(r->metadata[i - 1].name, name) != 0)
		i--;
	FILE *f = i > 0 ? open_memstream(&lines, &n) : NULL;

	for (struct mcap_view map = f ? r->metadata[i - 1].map : (struct mcap_view){ 0 }; map.n > 0 && !map.bad;) {
		struct mcap_view key = mcap_take_sized(&map), value = mcap_take_sized(&map);

		if (!map.bad)
			fprintf(f, "%.*s: %.*s\n", (int)key.n, (const char *)key.p, (int)value.n, (const char *)value.p);
	}
	if (f)
		fclose(f);
	return lines;
}

/* ---- opening: from record to record ------------------------------------------------------------------------------- */

static int add_chunk(struct mcap_reader *r, uint64_t at, uint64_t n_bytes, struct errbuf *e)
{
	uint8_t head[16];
	struct mcap_view v = { head, sizeof head, false };
	struct chunk_place *c;
	int rc;

	if (r->info.n_chunks == r->chunk_room) {
		uint64_t room = r->chunk_room > 0 ? 2 * r->chunk_room : 64;
		struct chunk_place *more = reallocarray(r->chunk, room, sizeof *more);

		if (!more)
			return fail(e, -ENOMEM, "%s: out of memory", r->path);
		r->chunk = more;
		r->chunk_room = room;
	}
	if ((rc = read_at(r, at, head, sizeof head, e)) < 0)
		return rc;
	c = &r->chunk[r->info.n_chunks];
	*c = (struct chunk_place){ .first_ns = mcap_take(&v, 8), .last_ns = mcap_take(&v, 8), .at = at, .n_bytes = n_bytes };
	r->info.first_ns = r->info.n_chunks == 0 || c->first_ns < r->info.first_ns ? c->first_ns : r->info.first_ns;
	r->info.last_ns = c->last_ns > r->info.last_ns ? c->last_ns : r->info.last_ns;
	r->info.n_chunks++;
	return 0;
}

static int read_definition(struct mcap_reader *r, uint8_t opcode, uint64_t at, uint64_t n_bytes, struct errbuf *e)
{
	uint8_t *data;
	int rc;

	if (n_bytes > MCAP_READ_RECORD_MAX)
		return fail(e, -E2BIG, "%s: the record at byte %llu has %llu bytes: want at most %d", r->path, (unsigned long long)at,
				(unsigned long long)n_bytes, MCAP_READ_RECORD_MAX);
	if (!(data = malloc((size_t)n_bytes + 1)))
		return fail(e, -ENOMEM, "%s: out of memory", r->path);
	rc = read_at(r, at, data, (size_t)n_bytes, e);
	if (rc == 0)
		rc = add_definition(r, opcode, (struct mcap_view){ data, (size_t)n_bytes, false }, at, e);
	free(data);
	return rc;
}

static int walk_record(struct mcap_reader *r, uint8_t opcode, uint64_t at, uint64_t n_bytes, struct errbuf *e)
{
	switch (opcode) {
	case MCAP_CHUNK:
		return n_bytes < CHUNK_HEAD_BYTES ? mcap_damaged(r->path, "a chunk", at, e) : add_chunk(r, at, n_bytes, e);
	case MCAP_SCHEMA:
	case MCAP_CHANNEL:
	case MCAP_METADATA:
		return read_definition(r, opcode, at, n_bytes, e);
	case MCAP_MESSAGE:
		r->info.n_passed_over++;
		return 0;
	default:
		return 0; /* indexes are not needed, and kinds that are not known are to be passed over */
	}
}

/* Up to the end of the data, where only the summary follows, or to where a record is not whole. */
static int walk(struct mcap_reader *r, struct errbuf *e)
{
	uint64_t at = MCAP_MAGIC_BYTES;

	r->info.cut = true;
	while (r->n_bytes - at >= MCAP_RECORD_BYTES) {
		uint8_t head[MCAP_RECORD_BYTES];
		struct mcap_view v = { head, sizeof head, false };
		int rc = read_at(r, at, head, sizeof head, e);
		uint8_t opcode = (uint8_t)mcap_take(&v, 1);
		uint64_t n_bytes = mcap_take(&v, 8);

		if (rc < 0)
			return rc;
		if (opcode == 0 || n_bytes > r->n_bytes - at - MCAP_RECORD_BYTES)
			break;
		if ((rc = walk_record(r, opcode, at + MCAP_RECORD_BYTES, n_bytes, e)) < 0)
			return rc;
		at += MCAP_RECORD_BYTES + n_bytes;
		if (opcode == MCAP_FOOTER) {
			r->info.cut = r->n_bytes - at < MCAP_MAGIC_BYTES;
			break;
		}
	}
	r->info.whole_bytes = at;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct chunk_place *x = a, *y = b;

	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int open_file(struct mcap_reader *r, struct errbuf *e)
{
	uint8_t magic[MCAP_MAGIC_BYTES];
	struct stat s;

	r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe of that name must not stop us */
	if (r->fd < 0 || fstat(r->fd, &s) < 0)
		return fail(e, -errno, "%s: %s", r->path, strerror(errno));
	if (!S_ISREG(s.st_mode))
		return fail(e, -EBADMSG, "%s: not a file", r->path);
	r->n_bytes = (uint64_t)s.st_size;
	if (r->n_bytes < sizeof magic || read_at(r, 0, magic, sizeof magic, e) < 0 || memcmp(magic, mcap_magic, sizeof magic) != 0)
		return fail(e, -EBADMSG, "%s: not an MCAP file", r->path);
	return walk(r, e);
}

int mcap_reader_open(struct mcap_reader **out, const char *path, const struct mcap_read_options *o, struct errbuf *e)
{
	struct mcap_reader *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return fail(e, -ENOMEM, "%s: out of memory", path);
	r->fd = -1;
	r->o = *o;
	r->path = strdup(path);
	rc = r->path ? open_file(r, e) : fail(e, -ENOMEM, "%s: out of memory", path);
	if (rc < 0) {
		mcap_reader_close(r);
		return rc;
	}
	if (o->order == MCAP_ORDER_TIME && r->info.n_chunks > 0)
		qsort(r->chunk, r->info.n_chunks, sizeof *r->chunk, by_time);
	*out = r;
	return 0;
}

static void unload(struct mcap_reader *r, uint32_t i)
{
	free(r->loaded[i].data);
	free(r->loaded[i].entry);
	r->loaded[i] = r->loaded[--r->n_loaded];
}

void mcap_reader_close(struct mcap_reader *r)
{
	if (!r)
		return;
	while (r->n_loaded > 0)
		unload(r, 0);
	for (uint32_t i = 0; i < r->n_schemas; i++)
		free_schema(r->schema[i]);
	for (uint32_t i = 0; i < r->n_channels; i++)
		free_channel(r->channel[i]);
	for (uint32_t i = 0; i < r->n_metadata; i++)
		free(r->metadata[i].name);
	if (r->fd >= 0)
		close(r->fd);
	free(r->chunk);
	free(r->text);
	free(r->path);
	free(r);
}

const struct mcap_read_info *mcap_reader_info(const struct mcap_reader *r)
{
	return &r->info;
}

/* ---- chunks ------------------------------------------------------------------------------------------------------- */

static int load_data(const struct mcap_reader *r, const struct chunk_place *c, uint8_t **out, size_t *n, struct errbuf *e)
{
	uint8_t *raw;
	int rc;

	if (c->n_bytes > MCAP_READ_CHUNK_MAX)
		return fail(e, -E2BIG, "%s: the chunk at byte %llu has %llu bytes: want at most %d", r->path, (unsigned long long)c->at,
				(unsigned long long)c->n_bytes, MCAP_READ_CHUNK_MAX);
	if (!(raw = malloc((size_t)c->n_bytes + 1)))
		return fail(e, -ENOMEM, "%s: out of memory", r->path);
	rc = read_at(r, c->at, raw, (size_t)c->n_bytes, e);
	if (rc == 0)
		rc = mcap_chunk_unpack(&(struct mcap_raw_chunk){ r->path, c->at, raw, (size_t)c->n_bytes }, out, n, e);
	free(raw);
	return rc;
}

static int by_log_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->log_ns != y->log_ns)
		return x->log_ns < y->log_ns ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* One record of a chunk: a message becomes an entry, schemas and channels are learnt. */
static int list_record(struct mcap_reader *r, struct loaded *l, const struct chunk_place *c, uint8_t opcode, struct mcap_view v, struct errbuf *e)
{
	struct entry *entry = &l->entry[l->n_entries];
	struct mcap_view whole = v;
	int channel;

	if (opcode == MCAP_SCHEMA || opcode == MCAP_CHANNEL)
		return add_definition(r, opcode, v, c->at, e);
	if (opcode != MCAP_MESSAGE)
		return 0;
	channel = find_channel(r, (uint16_t)mcap_take(&v, 2));
	mcap_take(&v, 4);
	entry->log_ns = mcap_take(&v, 8);
	mcap_take(&v, 8);
	if (v.bad || channel < 0)
		return mcap_damaged(r->path, "a message of the chunk", c->at, e);
	entry->at = (uint32_t)(whole.p - l->data);
	entry->n = (uint32_t)whole.n;
	l->n_entries += r->wanted[channel] && entry->log_ns >= r->from_ns;
	return 0;
}

static int list_messages(struct mcap_reader *r, struct loaded *l, const struct chunk_place *c, size_t n, struct errbuf *e)
{
	struct mcap_view v = { l->data, n, false };
	int rc = 0;

	while (rc == 0 && v.n > 0) {
		uint8_t opcode = (uint8_t)mcap_take(&v, 1);
		uint64_t n_bytes = mcap_take(&v, 8);

		if (v.bad || n_bytes > v.n)
			return mcap_damaged(r->path, "a record of the chunk", c->at, e);
		rc = list_record(r, l, c, opcode, (struct mcap_view){ v.p, (size_t)n_bytes, false }, e);
		v.p += n_bytes;
		v.n -= (size_t)n_bytes;
	}
	return rc;
}

/* The next chunk joins those in memory. */
static int load_chunk(struct mcap_reader *r, struct errbuf *e)
{
	const struct chunk_place *c = &r->chunk[r->next_chunk];
	struct loaded *l = &r->loaded[r->n_loaded];
	size_t n;
	int rc;

	r->next_chunk++;
	if (c->last_ns < r->from_ns && !r->info.cut) /* cut: what is said in chunks only may not have been said again at the end */
		return 0;
	if (r->n_loaded == MCAP_READ_OVERLAP_MAX)
		return fail(e, -E2BIG, "%s: more than %d chunks of one time: read it in the order of the file", r->path, MCAP_READ_OVERLAP_MAX);
	*l = (struct loaded){ .place = r->next_chunk - 1 };
	if ((rc = load_data(r, c, &l->data, &n, e)) < 0)
		return rc;
	l->entry = malloc((n / (MCAP_RECORD_BYTES + MCAP_MESSAGE_HEAD_BYTES) + 1) * sizeof *l->entry);
	r->n_loaded++;
	rc = l->entry ? list_messages(r, l, c, n, e) : fail(e, -ENOMEM, "%s: out of memory", r->path);
	if (rc < 0)
		unload(r, r->n_loaded - 1);
	else if (r->o.order == MCAP_ORDER_TIME && l->n_entries > 0)
		qsort(l->entry, l->n_entries, sizeof *l->entry, by_log_time);
	return rc;
}

/* ---- messages ----------------------------------------------------------------------------------------------------- */

/* The loaded chunk with the next message; NULL: none has any. */
static struct loaded *first_of(struct mcap_reader *r)
{
	struct loaded *first = NULL;

	for (uint32_t i = 0; i < r->n_loaded;) {
		struct loaded *l = &r->loaded[i];

		if (l->next == l->n_entries) {
			unload(r, i);
			first = NULL;
			i = 0;
			continue;
		}
		uint64_t t = l->entry[l->next].log_ns, best = first ? first->entry[first->next].log_ns : 0;

		if (!first || t < best || (t == best && l->place < first->place))
			first = l;
		i++;
	}
	return first;
}

/* Must the next chunk be looked into before this message can be the next one? */
static bool needs_chunk(const struct mcap_reader *r, const struct loaded *first)
{
	if (r->next_chunk == r->info.n_chunks)
		return false;
	return !first || (r->o.order == MCAP_ORDER_TIME && r->chunk[r->next_chunk].first_ns < first->entry[first->next].log_ns);
}

static void show(const struct mcap_reader *r, const struct loaded *l, const struct entry *entry, struct mcap_read_message *m)
{
	struct mcap_view v = { l->data + entry->at, entry->n, false };

	m->channel = r->channel[find_channel(r, (uint16_t)mcap_take(&v, 2))];
	m->sequence = (uint32_t)mcap_take(&v, 4);
	m->log_ns = mcap_take(&v, 8);
	m->publish_ns = mcap_take(&v, 8);
	m->data = v.p;
	m->n = v.n;
}

int mcap_reader_next(struct mcap_reader *r, struct mcap_read_message *m, struct errbuf *e)
{
	struct loaded *first = first_of(r);

	while (needs_chunk(r, first)) {
		int rc = load_chunk(r, e);

		if (rc < 0)
			return rc;
		first = first_of(r);
	}
	if (!first)
		return 0;
	show(r, first, &first->entry[first->next++], m);
	return 1;
}

void mcap_reader_seek(struct mcap_reader *r, uint64_t t_ns)
{
	while (r->n_loaded > 0)
		unload(r, 0);
	r->next_chunk = 0;
	r->from_ns = t_ns;
}
