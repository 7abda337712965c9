/* root.c - see doctor.h: bounded reading of small kernel files, whatever they hold. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/doctor/doctor.h"

static int make_path(const struct doctor_root *root, char full[2 * DOCTOR_PATH_BYTES], const char *path, va_list arguments)
{
	int n = snprintf(full, DOCTOR_PATH_BYTES, "%s", root->prefix), more;

	if (n < 0 || n >= DOCTOR_PATH_BYTES)
		return -ENAMETOOLONG;
	more = vsnprintf(full + n, DOCTOR_PATH_BYTES, path, arguments);
	return more < 0 || more >= DOCTOR_PATH_BYTES ? -ENAMETOOLONG : 0;
}

/* Until its end or until the room is full: /proc hands long files out in pieces. */
static int read_all(int fd, char *out, size_t capacity)
{
	size_t n = 0;

	while (n < capacity - 1) {
		ssize_t more = read(fd, out + n, capacity - 1 - n);

		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return -errno;
		if (more == 0)
			break;
		n += (size_t)more;
	}
	out[n] = '\0';
	return (int)n;
}

static int read_path(const char *full, char *out, size_t capacity)
{
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK), n;

	if (fd < 0)
		return -errno;
	n = read_all(fd, out, capacity);
	close(fd);
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '))
		out[--n] = '\0';
	return n;
}

int root_read(const struct doctor_root *root, char *out, size_t capacity, const char *path, ...)
{
	char full[2 * DOCTOR_PATH_BYTES];
	va_list arguments;
	int rc;

	out[0] = '\0';
	va_start(arguments, path);
	rc = make_path(root, full, path, arguments);
	va_end(arguments);
	rc = rc < 0 ? rc : read_path(full, out, capacity);
	if (rc < 0)
		out[0] = '\0';
	return rc;
}

int root_read_number(const struct doctor_root *root, int64_t *out, const char *path, ...)
{
	char full[2 * DOCTOR_PATH_BYTES], text[64], *end;
	va_list arguments;
	int rc;

	va_start(arguments, path);
	rc = make_path(root, full, path, arguments);
	va_end(arguments);
	rc = rc < 0 ? rc : read_path(full, text, sizeof text);
	if (rc < 0)
		return rc;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return end == text || *end != '\0' || errno != 0 ? -EBADMSG : 0;
}

bool root_exists(const struct doctor_root *root, const char *path, ...)
{
	char full[2 * DOCTOR_PATH_BYTES];
	va_list arguments;
	int rc;

	va_start(arguments, path);
	rc = make_path(root, full, path, arguments);
	va_end(arguments);
	return rc == 0 && access(full, F_OK) == 0;
}

int root_list(const struct doctor_root *root, const char *path, const char *begin, char *out, size_t capacity)
{
	char full[2 * DOCTOR_PATH_BYTES];
	struct dirent **names;
	size_t used = 0;
	int found, n = 0;

	out[0] = '\0';
	snprintf(full, sizeof full, "%.255s%.255s", root->prefix, path);
	found = scandir(full, &names, NULL, versionsort);
	if (found < 0)
		return -errno;
	for (int i = 0; i < found; i++) {
		const char *name = names[i]->d_name;

		if (name[0] != '.' && strncmp(name, begin, strlen(begin)) == 0 && used + strlen(name) + 2 < capacity) {
			used += (size_t)snprintf(out + used, capacity - used, "%s%s", used ? " " : "", name);
			n++;
		}
		free(names[i]);
	}
	free(names);
	return n;
}

/* A number of a processor at *at, which is moved beyond it; -1: there is none. */
static long take_cpu(const char **at)
{
	char *end;
	long cpu;

	if (**at < '0' || **at > '9')
		return -1;
	cpu = strtol(*at, &end, 10);
	*at = end;
	return cpu < DOCTOR_CPUS_MAX * 8 ? cpu : -1;
}

int list_has_cpu(const char *list, int cpu)
{
	bool has = false;

	while (*list) {
		long first = take_cpu(&list), last = first;

		if (first >= 0 && *list == '-') {
			list++;
			last = take_cpu(&list);
		}
		if (first < 0 || last < first || (*list && *list != ','))
			return -EBADMSG;
		has = has || (cpu >= first && cpu <= last);
		list += *list == ',';
	}
	return has;
}

int root_find_process(const struct doctor_root *root, const char *name)
{
	size_t capacity = DOCTOR_FILE_BYTES;
	char *list = malloc(capacity), comm[32];
	int pid = 0;

	if (!list)
		return 0;
	if (root_list(root, "/proc", "", list, capacity) > 0)
		for (char *rest = list, *entry; !pid && (entry = strsep(&rest, " "));)
			if (entry[0] >= '1' && entry[0] <= '9' && root_read(root, comm, sizeof comm, "/proc/%.15s/comm", entry) > 0 &&
					strcmp(comm, name) == 0)
				pid = atoi(entry);
	free(list);
	return pid;
}

const char *line_of(const char *text, const char *begin)
{
	size_t n = strlen(begin);

	while (text && strncmp(text, begin, n) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text;
}
