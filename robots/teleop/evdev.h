/* evdev.h - one Linux input device: found, opened, read, lost and found again. The only user of libevdev, which brings the state up to
 * date when the kernel had to drop events (SYN_DROPPED). */
#ifndef DREAMVLA_ROBOTS_TELEOP_EVDEV_H
#define DREAMVLA_ROBOTS_TELEOP_EVDEV_H

#include <stdio.h>

#include "robots/teleop/input_facts.h"

struct evdev_options {
	const char *path;             /* NULL: the only one in /dev/input that fits */
	const char *what;             /* "gamepad", for texts */
	input_fits *fits;
	uint16_t deadman;
	bool grab;                    /* as soon as no key is down: whoever saw it go down has to see it come up */
};

struct evdev;

/* Taken at once: far more than a device sends between two messages, and an end for one that floods. */
enum { EVDEV_EVENTS_MAX = 1024 };

/* -ENOENT, -EACCES, -EINVAL (none, or no such device: says what it is), -EBUSY (somebody has grabbed it), each with its remedy.
 * The caller owns *out. Thread: any, then always that one. Allocates: yes. */
MUST_CHECK int evdev_create(struct evdev **out, const struct evdev_options *o, struct errbuf *e);
void evdev_destroy(struct evdev *d); /* accepts NULL */

/* AWAY: unplugged, the text says so; tried again every 0.5 s, for the same device only. NEW: it has just been opened, and what was known
 * of it before holds no longer. Blocks: no longer than opening a device does. */
enum evdev_presence { EVDEV_AWAY, EVDEV_NEW, EVDEV_HERE };
enum evdev_presence evdev_look(struct evdev *d, int64_t now_ns, struct errbuf *e);

/* 1: the next event, 0: there is none now, or it is gone (evdev_look tells). Blocks: no. */
MUST_CHECK int evdev_next(struct evdev *d, struct input_event *ev);

int evdev_fd(const struct evdev *d); /* for poll; -1 while away */
const struct input_facts *evdev_facts(const struct evdev *d); /* as it was when opened */
const char *evdev_path(const struct evdev *d);

/* "BTN_TR", "KEY_SPACE" -> its code; -EINVAL with where to look names up. name NULL: the default. */
MUST_CHECK int evdev_key_code(const char *name, uint16_t otherwise, uint16_t *code, struct errbuf *e);

/* One line per device in /dev/input. -ENOENT: there are none. */
MUST_CHECK int evdev_list(FILE *out, struct errbuf *e);

#endif
