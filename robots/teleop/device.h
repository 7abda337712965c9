/* device.h - what dreamvla-teleop needs of a person's device: one table of functions per kind, listed in devices.def.
 *
 * A device says what a person wants at this moment, from what it has just read; it sends nothing and knows no socket of dreamvlad.
 * Everything runs in one thread: where a device hangs, nothing is published, and dreamvlad holds the arm. */
#ifndef DREAMVLA_ROBOTS_TELEOP_DEVICE_H
#define DREAMVLA_ROBOTS_TELEOP_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "daemon/flow.h"
#include "daemon/sys/error.h"

enum { DEVICE_NOTE_BYTES = 192, DEVICE_ITEMS_MAX = 2 };

/* The part of teleop/<device> that is the device's own. Zeroed: dead-man not pressed, no motion. */
struct device_wish {
	bool deadman;
	enum teleop_kind kind;
	enum delta_frame frame;       /* of a twist */
	uint32_t n_values;
	double value[TELEOP_VALUES_MAX];
	bool has_gripper;
	double gripper_m;
	bool lost;                    /* deadman is false now because sight of it was lost: no release by the person */
	bool ends;                    /* the person ends the program */
	char note[DEVICE_NOTE_BYTES]; /* what the person should know, or "" */
};

/* Texts live as long as the device. */
struct device_options {
	const char *evdev;            /* /dev/input/event*; NULL: the one that fits */
	bool grab;                    /* nobody else gets its events */
	const char *deadman_evdev;    /* leaders: where the dead-man is; NULL: the gripper is it, or nothing */
	const char *deadman_key;      /* name of its code, BTN_TR; NULL: the kind's own */
	double deadman_gripper_m;     /* leaders: closed to less than this is the dead-man; 0: it is not */
	const char *state, *topic;    /* leader: address to bind, state/<leader> */
	const char *bus;              /* piper-leader: a CAN interface, or socketcand's address */
	enum delta_frame frame;
	double linear_max_m_s, angular_max_rad_s;
	double dead_band;             /* share of a stick's way */
	uint32_t dof;                 /* joints of the arm to drive; 0: not known */
	double gripper_max_m;         /* of that arm */
	void *zmq_context;
	const char *curve_secret, *curve_clients;
	bool insecure;
};

struct teleop_device {
	const char *name;
	const char *help;             /* its mapping, for --help */

	/* Opens the device; what is not there, may not be read or is no such device is an error with its remedy. Allocates: yes. */
	int (*create)(void **out, const struct device_options *o, struct errbuf *e);
	void (*destroy)(void *device); /* accepts NULL */

	/* What to wait for, at most DEVICE_ITEMS_MAX; may change with every read. */
	uint32_t (*items)(const void *device, zmq_pollitem_t *item);

	/* Takes in everything that has come and says what is wanted now. false: the device says nothing (unplugged, never heard), so that
	 * nothing may be published; the text says why. offset_ns: clock of the messages - CLOCK_MONOTONIC. Blocks: no. */
	bool (*read)(void *device, int64_t now_ns, int64_t offset_ns, struct device_wish *out, struct errbuf *e);
};

/* By name, or NULL; and the i-th one, or NULL beyond the last. Thread: any. */
const struct teleop_device *teleop_device_find(const char *name);
const struct teleop_device *teleop_device_at(uint32_t i);

#endif
