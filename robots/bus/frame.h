/* frame.h - one classic CAN frame, as every bus here carries it and every codec reads it. */
#ifndef DREAMVLA_ROBOTS_BUS_FRAME_H
#define DREAMVLA_ROBOTS_BUS_FRAME_H

#include <stdint.h>

enum {
	BUS_ID_MAX = 0x7FF,            /* of standard frames */
	BUS_EXTENDED_ID_MAX = 0x1FFFFFFF,
	BUS_DATA_BYTES = 8,
};

/* Marks of frames that no robot here sends on purpose: codecs refuse them. */
enum { BUS_FRAME_EXTENDED = 1, BUS_FRAME_REMOTE = 2 };

struct bus_frame {
	uint32_t id;
	uint8_t flags;
	uint8_t length;                /* at most BUS_DATA_BYTES */
	uint8_t data[BUS_DATA_BYTES];  /* what lies beyond length is zero */
};

/* Standard data frames whose id has these bits under this mask. */
struct bus_filter {
	uint32_t id, mask;
};

#endif
