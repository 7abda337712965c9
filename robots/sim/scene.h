/* scene.h - what the world looks like: boxes, capsules and rods for arm, hand and blocks, and the painted table. */
#ifndef DREAMVLA_ROBOTS_SIM_SCENE_H
#define DREAMVLA_ROBOTS_SIM_SCENE_H

#include "robots/sim/raster.h"
#include "robots/sim/world.h"

/* The table's paint, the floor and the wall. The table is unevenly coloured on purpose: absolute position can be seen. */
const struct background *scene_background(const struct world *w);

/* Draws every solid, once as shadow and once as body. Allocates: no. */
void scene_draw(struct raster *r, const struct world *w);

#endif
