/* picture.h - one picture of the world into a file, to look at. */
#ifndef DREAMVLA_ROBOTS_SIM_PICTURE_H
#define DREAMVLA_ROBOTS_SIM_PICTURE_H

#include "daemon/sys/error.h"
#include "robots/sim/renderer.h"

struct picture_options {
	const char *path;          /* ends with .jpg or .jpeg: JPEG, otherwise binary PPM */
	enum sim_camera camera;
	uint32_t width, height;
	uint64_t seed;
	bool task, pads;           /* of world_options */
	const struct robot_model *model;
};

/* Draws the world as it starts with that seed. -EINVAL (size), -ENOMEM, or what the file system says, with the path.
 * Thread: any. Allocates: yes, nothing stays. Blocks: on disk. */
MUST_CHECK int picture_write(const struct picture_options *o, struct errbuf *e);

#endif
