/* keyboard_map.h - a keyboard's presses and releases -> twist, dead-man, gripper. Pure; keyboard.c reads the device. */
#ifndef DREAMVLA_ROBOTS_TELEOP_KEYBOARD_MAP_H
#define DREAMVLA_ROBOTS_TELEOP_KEYBOARD_MAP_H

#include "robots/teleop/hand.h"

enum { KEYBOARD_KEYS = 12 };

struct keyboard_map {
	struct hand hand;
	/* For x, y, z and about x, y, z: forwards, backwards. A key that is down at the take-over counts after it was up. */
	bool down[KEYBOARD_KEYS], counts[KEYBOARD_KEYS];
	double way[6];                /* ramped */
	int64_t read_ns;
};

MUST_CHECK int keyboard_map_init(struct keyboard_map *k, const struct hand_options *o, struct errbuf *e);

/* 0 when it has the keys of the mapping and that dead-man. */
MUST_CHECK int keyboard_map_fits(const struct input_facts *f, uint16_t deadman, struct errbuf *e);

/* The device is there (again): nothing that was known before holds. */
void keyboard_map_begin(struct keyboard_map *k, const struct input_facts *f);

void keyboard_map_take(struct keyboard_map *k, const struct input_event *ev);

/* Speeds rise over 0.3 s; a key that is released counts no longer at once. */
void keyboard_map_read(struct keyboard_map *k, int64_t now_ns, struct device_wish *out);

#endif
