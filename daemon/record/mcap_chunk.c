/* mcap_chunk.c - see mcap_chunk.h. */
#include "daemon/record/mcap_chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "daemon/record/mcap_reader.h"
#include "daemon/record/mcap_view.h"

enum { COMPRESSION_BYTES_MAX = 16 };

int mcap_damaged(const char *path, const char *what, uint64_t at, struct errbuf *e)
{
	return fail(e, -EBADMSG, "%s: damaged: %s at byte %llu", path, what, (unsigned long long)at);
}

/* The chunk's head, and `packed`: what lies behind it. */
struct chunk_head {
	uint64_t size;
	uint32_t crc;
	bool zstd;
	struct mcap_view packed;
};

static int read_head(const struct mcap_raw_chunk *c, struct chunk_head *h, struct errbuf *e)
{
	struct mcap_view v = { c->data, c->n, false };
	char name[COMPRESSION_BYTES_MAX + 1] = "";
	struct mcap_view compression;

	mcap_take(&v, 8);
	mcap_take(&v, 8);
	h->size = mcap_take(&v, 8);
	h->crc = (uint32_t)mcap_take(&v, 4);
	compression = mcap_take_sized(&v);
	uint64_t n = mcap_take(&v, 8);

	if (v.bad || n != v.n)
		return mcap_damaged(c->path, "a chunk", c->at, e);
	h->packed = v;
	if (compression.n > 0)
		memcpy(name, compression.p, compression.n < COMPRESSION_BYTES_MAX ? compression.n : COMPRESSION_BYTES_MAX);
	h->zstd = strcmp(name, "zstd") == 0;
	if (!h->zstd && compression.n > 0)
		return fail(e, -ENOTSUP, "%s: chunk at byte %llu: compression \"%s\": want zstd or none", c->path, (unsigned long long)c->at, name);
	if (h->size > MCAP_READ_CHUNK_MAX)
		return fail(e, -E2BIG, "%s: the chunk at byte %llu has %llu bytes: want at most %d", c->path, (unsigned long long)c->at,
				(unsigned long long)h->size, MCAP_READ_CHUNK_MAX);
	return 0;
}

/* *out: h->size bytes, the caller's. A frame that says another size than the chunk does is damaged before any memory is taken for it. */
static int unpack(const struct mcap_raw_chunk *c, const struct chunk_head *h, uint8_t **out, struct errbuf *e)
{
	size_t n = (size_t)h->size;
	unsigned long long said = h->zstd ? ZSTD_getFrameContentSize(h->packed.p, h->packed.n) : h->packed.n;

	if (said != h->size && !(h->zstd && said == ZSTD_CONTENTSIZE_UNKNOWN))
		return mcap_damaged(c->path, "a chunk's size", c->at, e);
	if (!(*out = malloc(n + 1)))
		return fail(e, -ENOMEM, "%s: out of memory for a chunk of %zu bytes", c->path, n);
	if (!h->zstd && n > 0)
		memcpy(*out, h->packed.p, n);
	if ((h->zstd && ZSTD_decompress(*out, n, h->packed.p, h->packed.n) != n)
			|| (h->crc != 0 && (uint32_t)crc32_z(0, *out, n) != h->crc)) {
		free(*out);
		*out = NULL;
		return mcap_damaged(c->path, "a chunk's content", c->at, e);
	}
	return 0;
}

int mcap_chunk_unpack(const struct mcap_raw_chunk *c, uint8_t **out, size_t *n, struct errbuf *e)
{
	struct chunk_head h = { 0 };
	int rc = read_head(c, &h, e);

	if (rc == 0)
		rc = unpack(c, &h, out, e);
	*n = rc == 0 ? (size_t)h.size : 0;
	return rc;
}
