/* push.h - blocks that slide away from the arm, from each other and from the table's rim. Part of the world's step. */
#ifndef DREAMVLA_ROBOTS_SIM_PUSH_H
#define DREAMVLA_ROBOTS_SIM_PUSH_H

#include <stdbool.h>

#include "robots/sim/world.h"

/* Moves the blocks out of the arm's way, at most 1 m/s, and apart. Quasi-static pushing with the ellipsoidal limit
 * surface (Lynch and Mason 1996): a push off the centre also turns the block. True when a finger still presses into a
 * block afterwards: it is held from both sides. Allocates: no. */
bool push_blocks(struct world *w, double dt_s);

#endif
