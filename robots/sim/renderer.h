/* renderer.h - what the world's two cameras see, as a pure function of the world and the size. */
#ifndef DREAMVLA_ROBOTS_SIM_RENDERER_H
#define DREAMVLA_ROBOTS_SIM_RENDERER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "robots/sim/world.h"

/* OVERHEAD stands in front of the table and looks down at it and at the arm; WRIST sits on the hand and sees the
 * fingers and what is under them, upwards in the picture = away from the arm's foot at home. */
enum sim_camera { SIM_CAMERA_OVERHEAD, SIM_CAMERA_WRIST, SIM_CAMERA_COUNT };

struct renderer;

/* -EINVAL for a size that cannot be drawn. Thread: any. Allocates: no. */
MUST_CHECK int renderer_check_size(uint32_t width, uint32_t height, struct errbuf *e);

/* For pictures of one size, 16..2048 a side. -EINVAL or -ENOMEM. Allocates: yes. */
MUST_CHECK int renderer_create(struct renderer **out, uint32_t width, uint32_t height, struct errbuf *e);
void renderer_destroy(struct renderer *r); /* accepts NULL */

/* Draws into rgb [height][width][3]. The same world gives the same bytes. Thread: the renderer's owner.
 * Allocates: no. Blocks: no. */
void renderer_draw(struct renderer *r, const struct world *w, enum sim_camera camera, uint8_t *rgb);

/* Where in that camera's square picture the point p (world, m) lies: 0..1 from the left and from the top. false: behind the camera, or
 * beside the picture. Thread: any. Allocates: no. */
bool renderer_find(const struct world *w, enum sim_camera camera, struct vec p, double out[2]);

/* "overhead", "wrist"; NULL outside the enum. */
const char *sim_camera_name(enum sim_camera camera);

#endif
