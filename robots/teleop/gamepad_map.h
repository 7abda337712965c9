/* gamepad_map.h - a gamepad's events -> twist, dead-man, gripper. Pure; gamepad.c reads the device. */
#ifndef DREAMVLA_ROBOTS_TELEOP_GAMEPAD_MAP_H
#define DREAMVLA_ROBOTS_TELEOP_GAMEPAD_MAP_H

#include "robots/teleop/hand.h"
#include "robots/teleop/stick.h"

struct gamepad_map {
	struct hand hand;
	double dead_band;
	struct stick stick[6];        /* x, y, z and about x, y, z */
	uint16_t axis[6];             /* ABS_*: which axis of this device that is */
	bool cross[4];                /* up, down, left, right, where the cross is made of keys */
	bool cross_counts;
};

/* deadman: a key's code. Errors as hand_init's, or a dead band outside 0..0.5. */
MUST_CHECK int gamepad_map_init(struct gamepad_map *g, const struct hand_options *o, double dead_band, struct errbuf *e);

/* 0 when it has what the mapping needs: a left stick, buttons of a gamepad or joystick, and that dead-man. */
MUST_CHECK int gamepad_map_fits(const struct input_facts *f, uint16_t deadman, struct errbuf *e);

/* The device is there (again): nothing that was known before holds. */
void gamepad_map_begin(struct gamepad_map *g, const struct input_facts *f);

void gamepad_map_take(struct gamepad_map *g, const struct input_event *ev);

void gamepad_map_read(struct gamepad_map *g, struct device_wish *out);

#endif
