/* evdev.c - see evdev.h. */
#include "robots/teleop/evdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libevdev-1.0/libevdev/libevdev.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

#define FOLDER "/dev/input"

static const int64_t LOOK_AGAIN_NS = 500 * NS_PER_MS;
enum { PATH_BYTES = 300, LIST_MAX = 8 };

struct evdev {
	struct evdev_options o;
	struct libevdev *dev;
	int fd;
	bool is_new, syncing, was_here, grabbed;
	int64_t looked_ns;
	char path[PATH_BYTES];
	struct input_facts facts;
};

/* ---- one device ------------------------------------------------------------------------------------------------------------------ */

static void close_device(struct evdev *d)
{
	libevdev_free(d->dev); /* accepts NULL; a grab ends with the descriptor */
	if (d->fd >= 0)
		close(d->fd);
	d->dev = NULL;
	d->fd = -1;
	d->syncing = d->grabbed = false;
}

static int fail_open(const char *path, int code, struct errbuf *e)
{
	if (code == ENOENT)
		return fail(e, -ENOENT, "%s: no such device; dreamvla-teleop --list shows those that are plugged in", path);
	if (code == EACCES || code == EPERM)
		return fail(e, -EACCES, "%s: permission denied; its readers are in group input: `sudo usermod -aG input $USER`, then log in again "
				"(for a gamepad alone: udev's TAG+=\"uaccess\" at the seat where it is plugged in)", path);
	return fail(e, -code, "%s: %s", path, strerror(code));
}

static void read_facts(struct input_facts *f, const struct libevdev *dev)
{
	memset(f, 0, sizeof *f);
	snprintf(f->name, sizeof f->name, "%s", libevdev_get_name(dev));
	text_tame(f->name, false);
	f->bus = (uint16_t)libevdev_get_id_bustype(dev);
	f->vendor = (uint16_t)libevdev_get_id_vendor(dev);
	f->product = (uint16_t)libevdev_get_id_product(dev);
	for (unsigned int i = 0; i < KEY_CNT; i++) {
		f->has_key[i] = libevdev_has_event_code(dev, EV_KEY, i);
		f->key_down[i] = libevdev_get_event_value(dev, EV_KEY, i) != 0;
	}
	for (unsigned int i = 0; i < REL_CNT; i++)
		f->has_motion[i] = libevdev_has_event_code(dev, EV_REL, i);
	for (unsigned int i = 0; i < ABS_CNT; i++) {
		const struct input_absinfo *info = libevdev_get_abs_info(dev, i);

		f->has_axis[i] = info != NULL;
		if (info)
			f->axis[i] = *info;
	}
}

static int open_any(struct evdev *d, const char *path, struct errbuf *e)
{
	d->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0)
		return fail_open(path, errno, e);
	int rc = libevdev_new_from_fd(d->fd, &d->dev);
	if (rc == 0) {
		read_facts(&d->facts, d->dev);
		return 0;
	}
	close_device(d);
	return fail(e, -EINVAL, "%s: is no input device (%s); dreamvla-teleop --list shows them", path, strerror(-rc));
}

static bool any_key_down(const struct libevdev *dev)
{
	for (unsigned int i = 0; i < KEY_CNT; i++)
		if (libevdev_get_event_value(dev, EV_KEY, i))
			return true;
	return false;
}

static int grab(struct evdev *d, const char *path, struct errbuf *e)
{
	int rc = libevdev_grab(d->dev, LIBEVDEV_GRAB);

	d->grabbed = rc == 0;
	if (rc == -EBUSY)
		return fail(e, rc, "%s: another program has grabbed \"%s\" for itself; end that one (`fuser %s` names it)", path, d->facts.name,
				path);
	return rc < 0 ? fail(e, rc, "%s: cannot be grabbed: %s", path, strerror(-rc)) : 0;
}

static int take_hold(struct evdev *d, const char *path, struct errbuf *e)
{
	struct errbuf why = { "" };
	int rc = d->o.fits(&d->facts, d->o.deadman, &why);

	if (rc < 0)
		return fail(e, rc, "%s: %s", path, why.text);
	if (!d->o.grab || (rc = grab(d, path, e)) < 0 || !any_key_down(d->dev))
		return rc;
	(void)!libevdev_grab(d->dev, LIBEVDEV_UNGRAB);
	d->grabbed = false; /* evdev_look grabs it when the keys are up */
	return 0;
}

static bool is_same(const struct input_facts *a, const struct input_facts *b)
{
	return a->bus == b->bus && a->vendor == b->vendor && a->product == b->product && strcmp(a->name, b->name) == 0;
}

/* A device that was here before must be the same one again. */
static int open_device(struct evdev *d, const char *path, struct errbuf *e)
{
	struct input_facts before = d->facts;
	int rc = open_any(d, path, e);

	if (rc < 0)
		return rc;
	if (d->was_here && !is_same(&d->facts, &before))
		rc = fail(e, -ENODEV, "%s: is \"%s\" now, waiting for \"%s\"", path, d->facts.name, before.name);
	else
		rc = take_hold(d, path, e);
	if (rc < 0) {
		close_device(d);
		d->facts = before;
		return rc;
	}
	snprintf(d->path, sizeof d->path, "%s", path);
	d->is_new = d->was_here = true;
	return 0;
}

/* ---- all devices ----------------------------------------------------------------------------------------------------------------- */

static int number_of(const struct dirent *entry)
{
	return atoi(entry->d_name + strlen("event"));
}

static int is_event(const struct dirent *entry)
{
	const char *number = entry->d_name + strlen("event");

	return strncmp(entry->d_name, "event", strlen("event")) == 0 && *number && strspn(number, "0123456789") == strlen(number);
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	return number_of(*a) - number_of(*b);
}

/* Calls back with the path of each; returns their number. */
static int for_each(void (*call)(void *context, const char *path), void *context)
{
	struct dirent **entry;
	char path[PATH_BYTES];
	int n = scandir(FOLDER, &entry, is_event, by_number);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, FOLDER "/%.255s", entry[i]->d_name);
		call(context, path);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return n > 0 ? n : 0;
}

struct search {
	struct evdev probe;
	struct errbuf why, denied;
	char found[PATH_BYTES], all[ERRBUF_BYTES / 2];
	int n_found, n_denied;
};

static void try_one(void *context, const char *path)
{
	struct search *s = context;
	size_t used = strlen(s->all);
	int rc = open_device(&s->probe, path, &s->why);

	if (rc == -EACCES) {
		s->denied = s->why;
		s->n_denied++;
	}
	if (rc < 0)
		return;
	if (s->n_found++ == 0)
		snprintf(s->found, sizeof s->found, "%s", path);
	snprintf(s->all + used, sizeof s->all - used, "%s %s \"%s\"", used ? "," : "", path, s->probe.facts.name);
	close_device(&s->probe);
}

/* The one device that fits; when it was here before, only itself does. */
static int find_device(struct evdev *d, struct errbuf *e)
{
	struct search s = { .probe = *d };
	int n;

	s.probe.o.grab = false;
	n = for_each(try_one, &s);
	if (s.n_found == 1)
		return open_device(d, s.found, e);
	if (s.n_found > 1)
		return fail(e, -EINVAL, "several devices fit, choose one with --evdev:%s", s.all);
	if (s.n_denied > 0)
		return fail(e, -EACCES, "no %s among the %d of %d input devices that may be read; %s", d->o.what, n - s.n_denied, n, s.denied.text);
	return fail(e, -ENOENT, "no %s is plugged in (%d input devices in " FOLDER "; dreamvla-teleop --list shows them)", d->o.what, n);
}

struct listing {
	FILE *out;
	struct evdev probe;
};

static void list_one(void *context, const char *path)
{
	struct listing *l = context;
	struct errbuf e = { "" };

	if (open_any(&l->probe, path, &e) < 0) {
		fprintf(l->out, "%s\n", e.text);
		return;
	}
	fprintf(l->out, "%-20s %04x:%04x  \"%s\": %s\n", path, l->probe.facts.vendor, l->probe.facts.product, l->probe.facts.name,
			input_facts_kind(&l->probe.facts));
	close_device(&l->probe);
}

int evdev_list(FILE *out, struct errbuf *e)
{
	struct listing l = { .out = out, .probe = { .fd = -1 } };

	if (for_each(list_one, &l) == 0)
		return fail(e, -ENOENT, "there are no input devices: " FOLDER " is empty or not there (a container, a virtual machine?)");
	return 0;
}

/* ---- life --------------------------------------------------------------------------------------------------------------------------- */

static int open_again(struct evdev *d, struct errbuf *e)
{
	return d->o.path ? open_device(d, d->o.path, e) : find_device(d, e);
}

/* What a link without a cable says last, it goes on saying. Dongles of USB look like cables from here. */
static void warn_of_radio(const struct evdev *d)
{
	if (d->facts.bus == BUS_BLUETOOTH)
		log_line(LOG_LEVEL_WARNING, "%s: \"%s\" is a Bluetooth device: if its link fails, a held dead-man stays pressed, and the arm in "
				"motion, until the link is given up, seconds later; use a cable", d->path, d->facts.name);
}

int evdev_create(struct evdev **out, const struct evdev_options *o, struct errbuf *e)
{
	struct evdev *d = calloc(1, sizeof *d);

	if (!d)
		return fail(e, -ENOMEM, "out of memory");
	d->o = *o;
	d->fd = -1;
	int rc = open_again(d, e);

	if (rc < 0) {
		evdev_destroy(d);
		return rc;
	}
	warn_of_radio(d);
	*out = d;
	return 0;
}

void evdev_destroy(struct evdev *d)
{
	if (d)
		close_device(d);
	free(d);
}

/* A device that has gone is tried again half a second later, and every half a second. */
static void keep_open(struct evdev *d, int64_t now_ns)
{
	struct errbuf why = { "" };

	if (d->fd < 0 && now_ns - d->looked_ns < LOOK_AGAIN_NS)
		return;
	d->looked_ns = now_ns;
	if (d->fd < 0)
		(void)!open_again(d, &why);
	else if (d->o.grab && !d->grabbed && !any_key_down(d->dev) && grab(d, d->path, &why) < 0)
		close_device(d);
}

enum evdev_presence evdev_look(struct evdev *d, int64_t now_ns, struct errbuf *e)
{
	keep_open(d, now_ns);
	if (d->fd < 0) {
		(void)!fail(e, -ENODEV, "%s is unplugged: nothing is sent; plug it in again", d->facts.name);
		return EVDEV_AWAY;
	}
	bool is_new = d->is_new;

	d->is_new = false;
	return is_new ? EVDEV_NEW : EVDEV_HERE;
}

/* Also lets libevdev compare what it knew with what the kernel knows after it had dropped events: the event that says so, then all
 * that has changed meanwhile, as if it were events. */
int evdev_next(struct evdev *d, struct input_event *ev)
{
	int rc = -EAGAIN;

	if (d->fd < 0)
		return 0;
	if (d->syncing)
		rc = libevdev_next_event(d->dev, LIBEVDEV_READ_FLAG_SYNC, ev);
	if (rc == -EAGAIN)
		rc = libevdev_next_event(d->dev, LIBEVDEV_READ_FLAG_NORMAL, ev);
	d->syncing = rc == LIBEVDEV_READ_STATUS_SYNC;
	if (rc < 0 && rc != -EAGAIN && rc != -EINTR)
		close_device(d);
	return rc >= 0;
}

int evdev_fd(const struct evdev *d)
{
	return d->fd;
}

const struct input_facts *evdev_facts(const struct evdev *d)
{
	return &d->facts;
}

const char *evdev_path(const struct evdev *d)
{
	return d->path;
}

int evdev_key_code(const char *name, uint16_t otherwise, uint16_t *code, struct errbuf *e)
{
	int found = name ? libevdev_event_code_from_name(EV_KEY, name) : otherwise;

	if (found < 0)
		return fail(e, -EINVAL, "--deadman-key: found %s, want a name like KEY_SPACE or BTN_TR; `evtest` shows those of a device", name);
	*code = (uint16_t)found;
	return 0;
}
