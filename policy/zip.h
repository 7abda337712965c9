/* zip.h - the members of a ZIP file, where they lie in a mapping.
 *
 * Only what PyTorch writes: stored members, ZIP64 records allowed (format: PKWARE APPNOTE 6.3). */
#ifndef DREAMVLA_POLICY_ZIP_H
#define DREAMVLA_POLICY_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/mapping.h"

/* `name` is not terminated; both pointers lie in the mapping. */
struct zip_member {
	const char *name;
	size_t name_bytes;
	const uint8_t *data;
	uint64_t n_bytes;
	uint32_t crc32;            /* as the directory states it */
};

struct zip {
	struct zip_member *member;
	uint32_t n_members;
};

/* Reads the directory of the file. 0; -EINVAL: no ZIP file, truncated or contradictory; -ENOTSUP: deflated or encrypted
 * members. The text names the file (and the member). Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int zip_read(struct zip *out, const struct mapping *file, struct errbuf *e);

/* Holds the bytes of every member against its CRC-32. -EINVAL: damaged. A file in which no member has one, as torch.save writes it
 * after torch.serialization.set_crc32_options(False), is only warned of (log.h). Thread: any. Allocates: no. Blocks: on disk. */
MUST_CHECK int zip_check_sums(const struct zip *z, const struct mapping *file, struct errbuf *e);

/* Accepts a zeroed one. */
void zip_free(struct zip *z);

/* The member of this name, or NULL. Thread: any. Allocates: no. Blocks: no. */
const struct zip_member *zip_find(const struct zip *z, const char *name, size_t name_bytes);

#endif
