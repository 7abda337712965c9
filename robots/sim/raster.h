/* raster.h - a small z-buffer rasteriser: background by ray, triangles with colours interpolated between corners, shadows
 * on the table. Pixels are drawn at twice the picture's size and averaged. Knows nothing of the world's contents. */
#ifndef DREAMVLA_ROBOTS_SIM_RASTER_H
#define DREAMVLA_ROBOTS_SIM_RASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/sim/vec.h"

enum { RASTER_OVERSAMPLE = 2, RASTER_SIDE_MAX = 2048 };

/* Unit vector towards the light: (0.25, 0.35, 1) made unit. */
static const struct vec RASTER_LIGHT = { 0.22965708, 0.32151991, 0.91862832 };

struct colour {
	float r, g, b;             /* 0..255 */
};

/* Looks along ez; ex points right, ey down in the picture. */
struct camera_view {
	struct frame frame;
	double focal;              /* in picture heights: 0.5 / tan(half the vertical angle of view) */
};

struct corner {
	struct vec p;              /* world, m */
	struct colour colour;
};

/* Buffers for one size of picture. Belongs to one thread at a time. */
struct raster {
	uint32_t width, height;    /* of the oversampled picture */
	float *depth;              /* [height][width] 1 / distance along ez */
	uint8_t *pixel;            /* [height][width][4]: r, g, b, and what is seen: enum raster_surface */
	struct camera_view view;
	double scale;              /* focal length in oversampled pixels */
	bool shadow;               /* triangles darken the table instead of being drawn */
};

enum raster_surface { SURFACE_OTHER, SURFACE_TABLE, SURFACE_SHADED_TABLE };

/* What a ray that hits no solid sees: at (x, y) on the table or floor plane, or the wall at height `up` of the direction. */
struct background {
	struct colour (*table)(double x, double y);
	struct colour (*floor)(double x, double y);
	struct colour (*wall)(double up);
	double table_x[2], table_y[2]; /* extent of the table, whose plane is z = 0 */
	double floor_z;
};

/* 0, -ENOMEM, or -EINVAL for a side of 0 or above RASTER_SIDE_MAX. Allocates: yes; the rest of this header never. */
int raster_create(struct raster **out, uint32_t width, uint32_t height);
void raster_destroy(struct raster *r); /* accepts NULL */

/* Starts a picture: every pixel shows the background. */
void raster_begin(struct raster *r, const struct camera_view *view, const struct background *b);

/* Corners counter-clockwise seen from outside; the back is not drawn. Clipped at 2 cm in front of the camera. */
void raster_triangle(struct raster *r, const struct corner *a, const struct corner *b, const struct corner *c);

/* Averages into rgb [height][width][3] of the size given to raster_create. */
void raster_finish(const struct raster *r, uint8_t *rgb);

#endif
