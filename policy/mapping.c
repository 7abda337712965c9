/* mapping.c - see mapping.h. */
#include "policy/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map_descriptor(struct mapping *m, int descriptor, struct errbuf *e)
{
	struct stat status;
	void *data;

	if (fstat(descriptor, &status) < 0)
		return fail(e, -errno, "%s: %s", m->path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return fail(e, -EINVAL, "%s: is not a regular file", m->path);
	m->n_bytes = (size_t)status.st_size;
	m->device = status.st_dev;
	m->inode = status.st_ino;
	if (m->n_bytes == 0)
		return 0;
	data = mmap(NULL, m->n_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
	if (data == MAP_FAILED)
		return fail(e, -errno, "%s: cannot map %zu bytes: %s", m->path, m->n_bytes, strerror(errno));
	m->data = data;
	return 0;
}

int mapping_open(struct mapping *out, const char *path, struct errbuf *e)
{
	struct mapping m = { .path = strdup(path) };
	int descriptor, rc;

	if (!m.path)
		return fail(e, -ENOMEM, "%s: out of memory", path);
	descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block here */
	if (descriptor < 0) {
		rc = errno == ENOENT && path_is_listed(path)
				? fail(e, -EINVAL, "%s: is a link that leads to no file; fetch it again or remove it", path)
				: fail(e, -errno, "%s: %s", path, strerror(errno));
		free(m.path);
		return rc;
	}
	rc = map_descriptor(&m, descriptor, e);
	close(descriptor);
	if (rc < 0)
		mapping_close(&m);
	else
		*out = m;
	return rc;
}

/* Whether the file has fewer bytes than were mapped, so that reading them would raise SIGBUS. A file that was replaced keeps its own. */
static bool is_cut_short(const struct mapping *m)
{
	struct stat status;

	return stat(m->path, &status) == 0 && status.st_dev == m->device && status.st_ino == m->inode && (size_t)status.st_size < m->n_bytes;
}

/* One byte of each page, where MADV_POPULATE_READ is unknown: kernels before 5.14, some sandboxes. */
static void touch(const uint8_t *bytes, size_t n_bytes, size_t page_bytes)
{
	for (size_t i = 0; i < n_bytes; i += page_bytes)
		(void)*(const volatile uint8_t *)(bytes + i);
}

/* 0, or an errno that says why they cannot be read. */
static int read_pages(const struct mapping *m, uint8_t *bytes, size_t length, size_t page_bytes)
{
	if (madvise(bytes, length, MADV_POPULATE_READ) == 0)
		return 0;
	if (errno != EINVAL)
		return errno;
	if (is_cut_short(m))
		return EFAULT; /* what a newer kernel says to it */
	touch(bytes, length, page_bytes);
	return 0;
}

int mapping_load(const struct mapping *m, size_t first, size_t n_bytes, struct errbuf *e)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	if (first >= m->n_bytes)
		return 0;
	size_t begin = first / page_bytes * page_bytes, left = m->n_bytes - begin;
	size_t length = n_bytes + (first - begin) < left ? n_bytes + (first - begin) : left;
	uint8_t *bytes = (uint8_t *)(uintptr_t)m->data + begin;

	(void)madvise(bytes, 2 * length < left ? 2 * length : left, MADV_WILLNEED);
	int error = read_pages(m, bytes, length, page_bytes);

	return error == 0 ? 0 : fail(e, -EIO, "%s: bytes %zu to %zu cannot be read: the file was cut short after it was opened, or the disk fails "
			"(%s)", m->path, begin, begin + length, strerror(error));
}

void mapping_close(struct mapping *m)
{
	if (m->data)
		munmap((void *)(uintptr_t)m->data, m->n_bytes);
	free(m->path);
	*m = (struct mapping){ 0 };
}

bool path_is_listed(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

int path_join(char out[PATH_BYTES], const char *directory, const char *name, struct errbuf *e)
{
	int n = snprintf(out, PATH_BYTES, "%s/%s", directory, name);

	if (n < 0 || n >= PATH_BYTES)
		return fail(e, -ENAMETOOLONG, "path of %s is longer than %d bytes", name, PATH_BYTES - 1);
	return 0;
}
