/* push.h - blocks that slide away from the arm, from each other and from the table's rim. Part of the world's step. */
#ifndef DREAMVLA_ROBOTS_SIM_PUSH_H
#define DREAMVLA_ROBOTS_SIM_PUSH_H

#include <stdbool.h>

#include "robots/sim/world.h"

/* Moves the blocks out of the arm's way, at most 1 m/s, and apart. Quasi-static pushing with the ellipsoidal limit
 * surface (Lynch and Mason 1996): a push off the centre also turns the block. True when a finger still presses into a
 * block afterwards: it is held from both sides. Allocates: no. */
bool push_blocks(struct world *w, double dt_s);

/* Half the extent, m, of a block turned by yaw_rad along the unit direction (nx, ny). Allocates: no. */
double push_half_width(double yaw_rad, double nx, double ny);

#endif
