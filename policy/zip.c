/* zip.c - see zip.h. Offsets and signatures: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.5.3. */
#include "policy/zip.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "daemon/sys/log.h"

enum {
	END_BYTES = 22, END_COMMENT_MAX = 65535,
	END64_BYTES = 56, LOCATOR_BYTES = 20,
	CENTRAL_BYTES = 46, LOCAL_BYTES = 30,
	EXTRA_ZIP64 = 1,
	FLAG_ENCRYPTED = 1,
	MEMBERS_MAX = 8192,
	NAME_SHOWN_MAX = 96,
};

static const uint32_t end_signature = 0x06054b50, locator_signature = 0x07064b50, end64_signature = 0x06064b50,
		      central_signature = 0x02014b50, local_signature = 0x04034b50;

/* Where the central directory lies. */
struct directory {
	uint64_t offset, n_bytes, n_members;
};

static uint64_t little(const uint8_t *p, int n_bytes)
{
	uint64_t value = 0;

	for (int i = n_bytes - 1; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

/* Bytes of a name that a message shows: what is found and the remedy come after it. */
static int name_shown(const struct zip_member *m)
{
	return (int)(m->name_bytes < NAME_SHOWN_MAX ? m->name_bytes : NAME_SHOWN_MAX);
}

/* True when [offset, offset + n_bytes) lies in the file. */
static bool inside(const struct mapping *file, uint64_t offset, uint64_t n_bytes)
{
	return offset <= file->n_bytes && n_bytes <= file->n_bytes - offset;
}

/* The end record is the last thing in the file but for a comment. */
static int find_end(const struct mapping *file, uint64_t *end, struct errbuf *e)
{
	uint64_t first = file->n_bytes > END_BYTES + END_COMMENT_MAX ? file->n_bytes - END_BYTES - END_COMMENT_MAX : 0;

	for (uint64_t at = file->n_bytes < END_BYTES ? 0 : file->n_bytes - END_BYTES + 1; at-- > first;)
		if (little(file->data + at, 4) == end_signature &&
				little(file->data + at + 20, 2) == file->n_bytes - END_BYTES - at) {
			*end = at;
			return 0;
		}
	return fail(e, -EINVAL,
			"%s: no end record of a ZIP file in %zu bytes: truncated, or no checkpoint of torch.save; fetch "
			"the file again",
			file->path, file->n_bytes);
}

/* ZIP64: the locator lies before the end record and points to a record with 64-bit fields. */
static int read_end64(const struct mapping *file, uint64_t end, struct directory *d, struct errbuf *e)
{
	const uint8_t *p;
	uint64_t at;

	if (end < LOCATOR_BYTES || little(file->data + end - LOCATOR_BYTES, 4) != locator_signature)
		return 0;
	at = little(file->data + end - LOCATOR_BYTES + 8, 8);
	if (!inside(file, at, END64_BYTES) || little(file->data + at, 4) != end64_signature)
		return fail(e, -EINVAL, "%s: the ZIP64 end record at byte %" PRIu64 " is missing", file->path, at);
	p = file->data + at;
	*d = (struct directory){
		.n_members = little(p + 32, 8), .n_bytes = little(p + 40, 8), .offset = little(p + 48, 8)
	};
	return 0;
}

static int read_directory(const struct mapping *file, struct directory *d, struct errbuf *e)
{
	const uint8_t *p;
	uint64_t end = 0;
	int rc = find_end(file, &end, e);

	if (rc < 0)
		return rc;
	p = file->data + end;
	*d = (struct directory){
		.n_members = little(p + 10, 2), .n_bytes = little(p + 12, 4), .offset = little(p + 16, 4)
	};
	if ((rc = read_end64(file, end, d, e)) < 0)
		return rc;
	if (!inside(file, d->offset, d->n_bytes) || d->n_members > MEMBERS_MAX ||
			d->n_members > d->n_bytes / CENTRAL_BYTES)
		return fail(e, -EINVAL,
				"%s: its directory of %" PRIu64 " members in %" PRIu64 " bytes at %" PRIu64
				" does not fit the file of %zu bytes",
				file->path, d->n_members, d->n_bytes, d->offset, file->n_bytes);
	return 0;
}

/* Sizes and offset of 0xffffffff stand in the ZIP64 extra field instead, in this order. */
static bool widen(const uint8_t *extra, uint64_t n_extra, uint64_t *sizes[3])
{
	while (n_extra >= 4) {
		uint64_t id = little(extra, 2), n = little(extra + 2, 2);
		const uint8_t *field = extra + 4;

		if (n > n_extra - 4)
			return false;
		for (int i = 0; id == EXTRA_ZIP64 && i < 3; i++) {
			if (*sizes[i] != UINT32_MAX)
				continue;
			if (n < 8)
				return false;
			*sizes[i] = little(field, 8);
			field += 8;
			n -= 8;
		}
		n = little(extra + 2, 2);
		extra += 4 + n;
		n_extra -= 4 + n;
	}
	return true;
}

/* Data begins behind the local header, whose own name and extra field may differ in length. */
static int locate(const struct mapping *file, struct zip_member *m, uint64_t local, struct errbuf *e)
{
	uint64_t offset;

	if (!inside(file, local, LOCAL_BYTES) || little(file->data + local, 4) != local_signature)
		return fail(e, -EINVAL, "%s: member %.*s: no local header at byte %" PRIu64, file->path,
				name_shown(m), m->name, local);
	offset = local + LOCAL_BYTES + little(file->data + local + 26, 2) + little(file->data + local + 28, 2);
	if (!inside(file, offset, m->n_bytes))
		return fail(e, -EINVAL,
				"%s: member %.*s: its %" PRIu64 " bytes at %" PRIu64
				" do not fit the file of %zu bytes: "
				"truncated",
				file->path, name_shown(m), m->name, m->n_bytes, offset, file->n_bytes);
	m->data = file->data + offset;
	return 0;
}

/* One entry of the central directory at *at, of n_left bytes. */
static int read_member(
		const struct mapping *file, uint64_t *at, uint64_t n_left, struct zip_member *m, struct errbuf *e)
{
	const uint8_t *p = file->data + *at;
	uint64_t n_name, n_extra, n_all, stored, full, local;

	if (n_left < CENTRAL_BYTES || little(p, 4) != central_signature)
		return fail(e, -EINVAL, "%s: no directory entry at byte %" PRIu64, file->path, *at);
	n_name = little(p + 28, 2);
	n_extra = little(p + 30, 2);
	n_all = CENTRAL_BYTES + n_name + n_extra + little(p + 32, 2);
	if (n_all > n_left)
		return fail(e, -EINVAL, "%s: the directory entry at byte %" PRIu64 " is cut", file->path, *at);
	stored = little(p + 20, 4);
	full = little(p + 24, 4);
	local = little(p + 42, 4);
	*m = (struct zip_member){ .name = (const char *)p + CENTRAL_BYTES, .name_bytes = n_name, .crc32 = (uint32_t)little(p + 16, 4) };
	if (little(p + 10, 2) != 0 || (little(p + 8, 2) & FLAG_ENCRYPTED))
		return fail(e, -ENOTSUP, "%s: member %.*s is %s, want stored bytes as torch.save writes them; save it again with it",
				file->path, name_shown(m), m->name, little(p + 10, 2) ? "compressed" : "encrypted");
	if (!widen(p + CENTRAL_BYTES + n_name, n_extra, (uint64_t *[]){ &full, &stored, &local }) || stored != full)
		return fail(e, -EINVAL, "%s: member %.*s: contradictory sizes", file->path, name_shown(m), m->name);
	m->n_bytes = full;
	*at += n_all;
	return locate(file, m, local, e);
}

int zip_read(struct zip *out, const struct mapping *file, struct errbuf *e)
{
	struct directory d;
	struct zip z = { 0 };
	uint64_t at, n_all = 0; /* each member is within the file, so no overflow */
	int rc = read_directory(file, &d, e);

	if (rc < 0)
		return rc;
	z.member = calloc(d.n_members + 1, sizeof z.member[0]);
	if (!z.member)
		return fail(e, -ENOMEM, "%s: out of memory", file->path);
	at = d.offset;
	for (; rc == 0 && z.n_members < d.n_members; z.n_members++) {
		struct zip_member m = { 0 };

		if ((rc = read_member(file, &at, d.offset + d.n_bytes - at, &m, e)) == 0 && zip_find(&z, m.name, m.name_bytes))
			rc = fail(e, -EINVAL, "%s: member %.*s is there twice", file->path, name_shown(&m), m.name);
		z.member[z.n_members] = m;
		n_all += m.n_bytes;
	}
	if (rc == 0 && n_all > file->n_bytes)
		rc = fail(e, -EINVAL, "%s: its members overlap: %" PRIu64 " bytes in a file of %zu", file->path, n_all, file->n_bytes);
	if (rc == 0)
		*out = z;
	else
		zip_free(&z);
	return rc;
}

/* True when the directory states a checksum for any member. */
static bool has_sums(const struct zip *z)
{
	for (uint32_t i = 0; i < z->n_members; i++)
		if (z->member[i].crc32)
			return true;
	return false;
}

int zip_check_sums(const struct zip *z, const struct mapping *file, struct errbuf *e)
{
	if (!has_sums(z)) {
		log_line(LOG_LEVEL_WARNING, "%s: was saved without checksums, so damage to it goes unseen; save it again with "
				"torch.serialization.set_crc32_options(True)", file->path);
		return 0;
	}
	for (uint32_t i = 0; i < z->n_members; i++) {
		const struct zip_member *m = &z->member[i];
		uint32_t sum = (uint32_t)crc32_z(0, m->data, m->n_bytes);

		if (sum != m->crc32)
			return fail(e, -EINVAL, "%s: member %.*s is damaged: the CRC-32 of its %" PRIu64 " bytes is %08x, the directory says "
					"%08x; fetch the file again (one that was changed on purpose: save it with torch.save)", file->path,
					name_shown(m), m->name, m->n_bytes, sum, m->crc32);
	}
	return 0;
}

void zip_free(struct zip *z)
{
	free(z->member);
	*z = (struct zip){ 0 };
}

const struct zip_member *zip_find(const struct zip *z, const char *name, size_t name_bytes)
{
	for (uint32_t i = 0; i < z->n_members; i++)
		if (z->member[i].name_bytes == name_bytes && memcmp(z->member[i].name, name, name_bytes) == 0)
			return &z->member[i];
	return NULL;
}
