/* fake_evdev.c - the kernel's half of an input device, for machines that have none (no /dev/uinput): preloaded by tests only.
 *
 * A FIFO with a file FIFO.facts beside it is a device: what is written to it are the events that its reader gets, and the file answers
 * the ioctls of linux/input.h, read anew each time. Lines of it:
 *   name TEXT           id BUS VENDOR PRODUCT (hexadecimal)
 *   key CODE DOWN       a key, and whether it is down (EVIOCGKEY)
 *   abs CODE VALUE MIN MAX FUZZ FLAT
 *   rel CODE
 *   busy                somebody else has grabbed it
 *   gone                it was unplugged: reading is ENODEV
 * Grabs are counted in FIFO.grabs: one letter each, g or u. $FAKE_INPUT stands for /dev/input. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/input.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FDS_MAX = 256, LINE_BYTES = 256 };

struct facts {
	char name[LINE_BYTES];
	struct input_id id;
	unsigned char types[EV_CNT / 8 + 1], keys[KEY_CNT / 8 + 1], down[KEY_CNT / 8 + 1], axes[ABS_CNT / 8 + 1], motions[REL_CNT / 8 + 1];
	struct input_absinfo axis[ABS_CNT];
	bool busy, gone;
};

static char path_of[FDS_MAX][PATH_MAX];

int open(const char *path, int flags, ...);
int ioctl(int fd, unsigned long request, ...);

static void set(unsigned char *bits, unsigned int i)
{
	bits[i / 8] |= (unsigned char)(1 << i % 8);
}

static void take_line(struct facts *f, const char *line)
{
	struct input_absinfo a = { 0 };
	unsigned int code, x, y, z;

	if (sscanf(line, "name %255[^\n]", f->name) == 1)
		return;
	if (sscanf(line, "id %x %x %x", &x, &y, &z) == 3)
		f->id = (struct input_id){ (__u16)x, (__u16)y, (__u16)z, 1 };
	if (sscanf(line, "key %u %u", &code, &x) == 2 && code < KEY_CNT) {
		set(f->types, EV_KEY);
		set(f->keys, code);
		if (x)
			set(f->down, code);
	}
	if (sscanf(line, "abs %u %d %d %d %d %d", &code, &a.value, &a.minimum, &a.maximum, &a.fuzz, &a.flat) == 6 && code < ABS_CNT) {
		set(f->types, EV_ABS);
		set(f->axes, code);
		f->axis[code] = a;
	}
	if (sscanf(line, "rel %u", &code) == 1 && code < REL_CNT) {
		set(f->types, EV_REL);
		set(f->motions, code);
	}
	f->busy |= strncmp(line, "busy", 4) == 0;
	f->gone |= strncmp(line, "gone", 4) == 0;
}

/* False: this descriptor is no device of ours. */
static bool read_facts(int fd, struct facts *f)
{
	char path[PATH_MAX + 8], line[LINE_BYTES];

	if (fd < 0 || fd >= FDS_MAX || !path_of[fd][0])
		return false;
	memset(f, 0, sizeof *f);
	snprintf(path, sizeof path, "%s.facts", path_of[fd]);
	FILE *file = fopen(path, "r");

	f->gone = !file;
	while (file && fgets(line, sizeof line, file))
		take_line(f, line);
	if (file)
		fclose(file);
	return true;
}

static const char *moved(const char *path, char *out)
{
	const char *folder = getenv("FAKE_INPUT");

	if (!folder || strncmp(path, "/dev/input", 10) != 0)
		return path;
	snprintf(out, PATH_MAX, "%s%s", folder, path + 10);
	return out;
}

int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))(size_t)dlsym(RTLD_NEXT, "open");
	char other[PATH_MAX], facts[PATH_MAX + 8];
	va_list arguments;

	va_start(arguments, flags);
	unsigned int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, unsigned int) : 0;
	va_end(arguments);
	path = moved(path, other);
	int fd = real(path, flags, mode);

	if (fd < 0 || fd >= FDS_MAX)
		return fd;
	snprintf(facts, sizeof facts, "%s.facts", path);
	path_of[fd][0] = 0;
	if (access(facts, F_OK) == 0)
		snprintf(path_of[fd], PATH_MAX, "%s", path);
	return fd;
}

DIR *opendir(const char *path)
{
	DIR *(*real)(const char *) = (DIR *(*)(const char *))(size_t)dlsym(RTLD_NEXT, "opendir");
	char other[PATH_MAX];

	return real(moved(path, other));
}

int scandir(const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
		int (*compare)(const struct dirent **, const struct dirent **))
{
	int (*real)(const char *, struct dirent ***, int (*)(const struct dirent *), int (*)(const struct dirent **, const struct dirent **)) =
			(int (*)(const char *, struct dirent ***, int (*)(const struct dirent *), int (*)(const struct dirent **,
			const struct dirent **)))(size_t)dlsym(RTLD_NEXT, "scandir");
	char other[PATH_MAX];

	return real(moved(path, other), list, filter, compare);
}

ssize_t read(int fd, void *to, size_t n)
{
	ssize_t (*real)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))(size_t)dlsym(RTLD_NEXT, "read");
	struct facts f;

	if (!read_facts(fd, &f) || !f.gone)
		return real(fd, to, n);
	errno = ENODEV;
	return -1;
}

int close(int fd)
{
	int (*real)(int) = (int (*)(int))(size_t)dlsym(RTLD_NEXT, "close");

	if (fd >= 0 && fd < FDS_MAX)
		path_of[fd][0] = 0;
	return real(fd);
}

static int copy(void *to, size_t room, const void *from, size_t n)
{
	memset(to, 0, room);
	memcpy(to, from, n < room ? n : room);
	return (int)(n < room ? n : room);
}

static int grab(int fd, const struct facts *f, bool on)
{
	char path[PATH_MAX + 8];

	if (f->busy) {
		errno = EBUSY;
		return -1;
	}
	snprintf(path, sizeof path, "%s.grabs", path_of[fd]);
	FILE *file = fopen(path, "a");

	if (file) {
		fputc(on ? 'g' : 'u', file);
		fclose(file);
	}
	return 0;
}

/* What include/uapi/linux/input.h numbers by length or by code. */
static int answer_sized(const struct facts *f, unsigned int number, size_t room, void *to)
{
	static const unsigned char none[KEY_CNT / 8 + 1];

	if (number == _IOC_NR(EVIOCGNAME(0)))
		return copy(to, room, f->name, strlen(f->name) + 1);
	if (number == _IOC_NR(EVIOCGKEY(0)))
		return copy(to, room, f->down, sizeof f->down);
	if (number == 0x20)
		return copy(to, room, f->types, sizeof f->types);
	if (number == 0x20 + EV_KEY)
		return copy(to, room, f->keys, sizeof f->keys);
	if (number == 0x20 + EV_ABS)
		return copy(to, room, f->axes, sizeof f->axes);
	if (number == 0x20 + EV_REL)
		return copy(to, room, f->motions, sizeof f->motions);
	if (number >= 0x40 && number < 0x40 + ABS_CNT)
		return copy(to, room, &f->axis[number - 0x40], sizeof f->axis[0]);
	return copy(to, room, none, room < sizeof none ? room : sizeof none);
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))(size_t)dlsym(RTLD_NEXT, "ioctl");
	struct facts f;
	va_list arguments;

	va_start(arguments, request);
	void *to = va_arg(arguments, void *);
	va_end(arguments);
	if (!read_facts(fd, &f) || _IOC_TYPE(request) != 'E')
		return real(fd, request, to);
	if (f.gone) {
		errno = ENODEV;
		return -1;
	}
	if (request == EVIOCGVERSION)
		return copy(to, sizeof(int), &(int){ EV_VERSION }, sizeof(int)) * 0;
	if (request == EVIOCGID)
		return copy(to, sizeof f.id, &f.id, sizeof f.id) * 0;
	if (request == EVIOCGRAB)
		return grab(fd, &f, to != NULL);
	return answer_sized(&f, _IOC_NR(request), _IOC_SIZE(request), to);
}
