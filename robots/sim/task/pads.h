/* pads.h - squares of felt on the table, which blocks are put on. */
#ifndef DREAMVLA_ROBOTS_SIM_TASK_PADS_H
#define DREAMVLA_ROBOTS_SIM_TASK_PADS_H

#include "robots/sim/world.h"

/* WORLD_PADS of them, of different colours, at random places clear of the blocks and of each other. Fewer where blocks leave no room,
 * which no seed has shown. Thread: any. Allocates: no. */
void pads_lay(struct world *w, uint64_t seed);

/* The world's pad of that colour; NULL: it has none. Thread: any. Allocates: no. */
const struct world_pad *pads_find(const struct world *w, enum block_colour colour);

/* The block stands on it: its middle is over the pad, and nothing lifts it. Thread: any. Allocates: no. */
bool pads_carry(const struct world_pad *p, const struct world_block *b);

#endif
