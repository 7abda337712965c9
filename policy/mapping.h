/* mapping.h - one file of a checkpoint, mapped read-only.
 *
 * Nothing is copied: a checkpoint of 16 GB costs address space, and memory only where it is read. A mapped file that
 * is cut short while in use raises SIGBUS; replace checkpoints by renaming, never in place. */
#ifndef DREAMVLA_POLICY_MAPPING_H
#define DREAMVLA_POLICY_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/sys/error.h"

enum { PATH_BYTES = 4096 };

struct mapping {
	char *path;
	const uint8_t *data;       /* NULL when the file is empty */
	size_t n_bytes;
	dev_t device;              /* and inode: which file it is, whatever the path leads to later */
	ino_t inode;
};

/* Maps a regular file. -errno of open or mmap, with the path in the text; -EINVAL: not a regular file, or a link to nothing.
 * Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int mapping_open(struct mapping *out, const char *path, struct errbuf *e);

/* Brings bytes [first, first + n_bytes) into memory, and asks for as many after them, so that the disk has something to do while these are
 * entered into the page table. Nothing is pinned: they may leave again. -EIO: cannot be read. Thread: any. Allocates: no. Blocks: on disk. */
MUST_CHECK int mapping_load(const struct mapping *m, size_t first, size_t n_bytes, struct errbuf *e);

/* Accepts a zeroed mapping. */
void mapping_close(struct mapping *m);

/* Whether its folder lists the path. A link that leads to nothing is listed: it is broken, not absent, and what would be taken in
 * place of an absent file must not be taken for it. Thread: any. Allocates: no. Blocks: on disk. */
bool path_is_listed(const char *path);

/* "<directory>/<name>". -ENAMETOOLONG. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int path_join(char out[PATH_BYTES], const char *directory, const char *name, struct errbuf *e);

#endif
