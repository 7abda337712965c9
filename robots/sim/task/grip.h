/* grip.h - fingers that close around a block hold it; it moves with the hand, and falls when they open. Judged by where things are
 * alone: whoever commands the hand has no say. Part of the world's step, in a world for tasks. */
#ifndef DREAMVLA_ROBOTS_SIM_TASK_GRIP_H
#define DREAMVLA_ROBOTS_SIM_TASK_GRIP_H

#include "robots/sim/world.h"

/* A held block goes where the hand goes, others that were let go of fall. Thread: any. Allocates: no. */
void grip_carry(struct world *w, double dt_s);

/* Is a block held from now on: between the fingers of a hand that points down, in the middle, turned as they are, and the gap between
 * them no wider than the block while they close? Is it held no more, because they opened? Thread: any. Allocates: no. */
void grip_judge(struct world *w);

#endif
