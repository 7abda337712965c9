/* checkpoint.c - see checkpoint.h. */
#include "daemon/record/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { EDGE_BYTES = 64 << 10, PLACE_BYTES = 4 << 10, PLACES = 128, BLOCK_BYTES = 256 << 10, WHOLE_BYTES = 16 << 20, KEY_BYTES = 288, VALUE_BYTES = 160, FILES_MAX = 256,
	PATH_BYTES = sizeof ((struct config *)0)->policy_model + KEY_BYTES };

struct sum {
	int fd;
	uLong crc;
	uint8_t block[BLOCK_BYTES];
};

/* Of n bytes from there on; 0 or an errno. */
static int add(struct sum *s, uint64_t at, size_t n)
{
	while (n > 0) {
		ssize_t got = pread(s->fd, s->block, n < BLOCK_BYTES ? n : BLOCK_BYTES, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? errno : EIO;
		s->crc = crc32(s->crc, s->block, (uInt)got);
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int add_file(struct sum *s, uint64_t n_bytes)
{
	uint64_t between = n_bytes - EDGE_BYTES - PLACE_BYTES;
	int rc;

	if (n_bytes <= WHOLE_BYTES)
		return add(s, 0, (size_t)n_bytes);
	if ((rc = add(s, 0, EDGE_BYTES)) != 0)
		return rc;
	for (uint64_t i = 1; i <= PLACES && rc == 0; i++)
		rc = add(s, between / (PLACES + 1) * i, PLACE_BYTES);
	return rc != 0 ? rc : add(s, n_bytes - EDGE_BYTES, EDGE_BYTES);
}

/* Whatever `path` is by now: the file that was opened is what is looked at. */
static void describe(struct sum *s, const char *path, char value[VALUE_BYTES])
{
	struct stat st = { .st_size = 0 };
	int rc;

	s->crc = crc32(0, NULL, 0);
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	rc = s->fd < 0 || fstat(s->fd, &st) < 0 ? errno : 0;
	if (rc == 0)
		rc = add_file(s, (uint64_t)st.st_size);
	if (s->fd >= 0)
		close(s->fd);
	if (rc == 0)
		snprintf(value, VALUE_BYTES, "%" PRIu64 " bytes, crc32 %08lx", (uint64_t)st.st_size, (unsigned long)s->crc);
	else
		snprintf(value, VALUE_BYTES, "cannot be read: %s", strerror(rc));
}

static bool is_file(const char *folder, const char *name, char path[PATH_BYTES])
{
	struct stat st;

	snprintf(path, PATH_BYTES, "%s/%s", folder, name);
	return name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static uint32_t visit_folder(struct sum *s, const char *folder, const char *as, void (*visit)(void *, const char *, const char *), void *context)
{
	struct dirent **entry = NULL;
	int n = folder[0] ? scandir(folder, &entry, NULL, alphasort) : 0;
	uint32_t files = 0;

	for (int i = 0; i < n; i++) {
		char path[PATH_BYTES], key[KEY_BYTES], value[VALUE_BYTES];

		if (files < FILES_MAX && is_file(folder, entry[i]->d_name, path)) {
			snprintf(key, sizeof key, "%s/%s", as, entry[i]->d_name);
			describe(s, path, value);
			visit(context, key, value);
			files++;
		}
		free(entry[i]);
	}
	free(entry);
	return files;
}

void checkpoint_visit(const struct config *c, void (*visit)(void *context, const char *key, const char *value), void *context)
{
	struct sum *s = malloc(sizeof *s);
	char count[16];
	uint32_t files;

	if (!s)
		return;
	files = visit_folder(s, c->policy_model, "model", visit, context);
	files += visit_folder(s, c->policy_heads, "heads", visit, context);
	snprintf(count, sizeof count, "%u", files);
	visit(context, "files", count);
	free(s);
}
