/* look.h - what makes one world for tasks look unlike another: light, cameras, flat things on the table. All of it within bounds and
 * from the seed alone. */
#ifndef DREAMVLA_ROBOTS_SIM_TASK_LOOK_H
#define DREAMVLA_ROBOTS_SIM_TASK_LOOK_H

#include "robots/sim/world.h"

/* Light 0.82 to 1.12 times as bright and tinted by up to 4 %, uneven by up to 10 %; the overhead camera up to 15 mm off its place and
 * 10 mm off its aim, the wrist's up to 2 mm and 15 mrad; 0 to 3 coasters. Thread: any. Allocates: no. */
void look_vary(struct world_look *look, uint64_t seed);

/* The light of such a world onto a picture rgb [height][width][3]. Thread: any. Allocates: no. */
void look_light(const struct world_look *look, uint8_t *rgb, uint32_t width, uint32_t height);

#endif
