/* record_file.c - see record_file.h. */
#include "daemon/record/record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { SAME_SECOND_MAX = 100 };

static const char part[] = ".part";

const char *record_file_remedy(int code)
{
	switch (-code) {
	case ENOENT:
	case ENOTDIR:
		return "make the directory (mkdir -p) or name another under record.dir";
	case EACCES:
	case EPERM:
		return "dreamvlad's user must be allowed to write there (chown), or name another directory under record.dir";
	case EROFS:
		return "mount it writable, or name another directory under record.dir";
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "make room there, or name another directory under record.dir";
	default:
		return "see the kernel's log for the disk, or name another directory under record.dir";
	}
}

static int name_file(const char *dir, const struct tm *now, int n, char path[RECORD_FILE_BYTES], struct errbuf *e)
{
	char when[32], tail[8] = "";
	int length;

	strftime(when, sizeof when, "%Y%m%d-%H%M%S", now);
	if (n > 1)
		snprintf(tail, sizeof tail, "-%d", n);
	length = snprintf(path, RECORD_FILE_BYTES, "%s/dreamvla-%s%s.mcap", dir, when, tail);
	if (length < 0 || length + (int)sizeof part > RECORD_FILE_BYTES)
		return fail(e, -ENAMETOOLONG, "record.dir: found %zu bytes, allowed at most %d", strlen(dir), RECORD_FILE_BYTES - 48);
	return 0;
}

/* The name has to outlive a power cut too, not only what is in the file: writes the folder of that file down. */
static int sync_folder_of(const char *path)
{
	char dir[RECORD_FILE_BYTES];
	int fd, rc;

	snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -errno;
	rc = fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: a file system that has nothing to write there */
	close(fd);
	return rc;
}

/* A file descriptor of a new file, whose name is on the disk. */
static int create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), rc = fd < 0 ? -errno : sync_folder_of(path);

	if (rc == 0)
		return fd;
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	return rc;
}

int record_file_create(const char *dir, char path[RECORD_FILE_BYTES], struct errbuf *e)
{
	time_t seconds = time(NULL);
	struct tm now;
	int rc = -EEXIST;

	localtime_r(&seconds, &now);
	for (int n = 1; n <= SAME_SECOND_MAX && rc == -EEXIST; n++) {
		if ((rc = name_file(dir, &now, n, path, e)) < 0)
			return rc;
		if (access(path, F_OK) == 0) {
			rc = -EEXIST;
			continue;
		}
		strcat(path, part);
		if ((rc = create(path)) >= 0)
			return rc;
	}
	return fail(e, rc, "record.dir: %s: %s; %s", dir, strerror(-rc), record_file_remedy(rc));
}

int record_file_finish(char path[RECORD_FILE_BYTES], struct errbuf *e)
{
	char whole[RECORD_FILE_BYTES];
	int rc;

	snprintf(whole, sizeof whole, "%.*s", (int)(strlen(path) - strlen(part)), path);
	rc = renameat2(AT_FDCWD, path, AT_FDCWD, whole, RENAME_NOREPLACE) < 0 ? -errno : 0;
	if (rc == -EINVAL) /* a file system that cannot refuse to replace */
		rc = rename(path, whole) < 0 ? -errno : 0;
	if (rc < 0)
		return fail(e, rc, "%s: is whole but keeps its name: %s", path, strerror(-rc));
	memcpy(path, whole, sizeof whole);
	rc = sync_folder_of(path);
	return rc < 0 ? fail(e, rc, "%s: is whole, but after a power cut it may have its old name: %s", path, strerror(-rc)) : 0;
}

int record_file_check_room(const char *dir, int32_t min_free_mb, struct errbuf *e)
{
	struct statvfs s;
	uint64_t free_mb;
	int rc = statvfs(dir, &s) < 0 ? -errno : 0;

	if (rc < 0)
		return fail(e, rc, "record.dir: %s: %s; %s", dir, strerror(-rc), record_file_remedy(rc));
	free_mb = (uint64_t)s.f_bavail * s.f_frsize >> 20;
	if (free_mb < (uint64_t)min_free_mb)
		return fail(e, -ENOSPC, "record.dir: %s: %" PRIu64 " MB are free, record.min_free_mb wants %d to stay free; make room there, or "
				"lower record.min_free_mb", dir, free_mb, (int)min_free_mb);
	return 0;
}
