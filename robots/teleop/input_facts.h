/* input_facts.h - what an input device says of itself, as plain values: decoders need no descriptor and no kernel to be tested. */
#ifndef DREAMVLA_ROBOTS_TELEOP_INPUT_FACTS_H
#define DREAMVLA_ROBOTS_TELEOP_INPUT_FACTS_H

#include <linux/input.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { INPUT_NAME_BYTES = 80 };

struct input_facts {
	char name[INPUT_NAME_BYTES];  /* tamed */
	uint16_t bus, vendor, product;
	bool has_key[KEY_CNT], key_down[KEY_CNT];
	bool has_axis[ABS_CNT], has_motion[REL_CNT];
	struct input_absinfo axis[ABS_CNT];
};

/* "a gamepad", "a keyboard", "a mouse", ...: by what it has, as udev's input_id does. */
const char *input_facts_kind(const struct input_facts *f);

/* 0 when it is such a device and has that key for a dead-man; else -EINVAL and what it is and lacks. */
typedef int input_fits(const struct input_facts *f, uint16_t deadman, struct errbuf *e);

#endif
