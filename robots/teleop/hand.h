/* hand.h - what gamepad and keyboard have in common: dead-man, gripper, frame, and a share of the way per axis made a twist.
 *
 * Pure: events and what the device says of itself in, a wish out. Keys are codes of linux/input-event-codes.h. */
#ifndef DREAMVLA_ROBOTS_TELEOP_HAND_H
#define DREAMVLA_ROBOTS_TELEOP_HAND_H

#include <linux/input.h>

#include "robots/teleop/deadman.h"
#include "robots/teleop/device.h"
#include "robots/teleop/input_facts.h"

struct hand_options {
	uint16_t deadman, open, close, frame, slow; /* keys; `frame` changes between base and tcp */
	enum delta_frame start_frame;
	double linear_max_m_s, angular_max_rad_s, gripper_max_m;
};

struct hand {
	struct hand_options o;
	struct deadman deadman;
	enum delta_frame frame;
	bool was_pressed, frame_changed, slow;
	double gripper_m;
};

/* 0, or -EINVAL: a greatest speed or opening that is none. */
MUST_CHECK int hand_init(struct hand *h, const struct hand_options *o, struct errbuf *e);

/* The device is there (again). */
void hand_begin(struct hand *h, const struct input_facts *f);

/* One event; those of other keys and axes are no business of it. */
void hand_take(struct hand *h, const struct input_event *ev);

/* Once per message: dead-man, frame and gripper. true: what is deflected or pressed now shall not count until it was at rest. */
bool hand_read(struct hand *h, struct device_wish *out);

/* -1..1 for x, y, z and about x, y, z -> the twist; nothing while the dead-man is not pressed. */
void hand_twist(const struct hand *h, const double way[6], struct device_wish *out);

#endif
