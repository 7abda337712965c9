/* pedal.h - the dead-man of a leader arm that is a key of another device: a pedal, a button, a keyboard. */
#ifndef DREAMVLA_ROBOTS_TELEOP_PEDAL_H
#define DREAMVLA_ROBOTS_TELEOP_PEDAL_H

#include "robots/teleop/device.h"
#include "robots/teleop/evdev.h"
#include "robots/teleop/leader_map.h"

/* Zeroed: there is none, the leader's gripper is the dead-man. */
struct pedal {
	struct evdev *evdev;
	uint16_t key;
};

/* -EINVAL: not just one of pedal and gripper. */
MUST_CHECK int pedal_check(const struct device_options *o, struct errbuf *e);

/* Where the options name one. Errors as evdev_create. pedal_close takes whatever this left. Allocates: yes. */
MUST_CHECK int pedal_open(struct pedal *p, const struct device_options *o, struct errbuf *e);
void pedal_close(struct pedal *p);

/* Number of items to wait for: 0 or 1. */
uint32_t pedal_item(const struct pedal *p, zmq_pollitem_t *item);

/* What has happened to it -> the map's dead-man. false: it is away; the text says so. Blocks: as evdev_look. */
bool pedal_take(struct pedal *p, struct leader_map *map, int64_t now_ns, struct errbuf *e);

#endif
