/* arm_loop.h - the arm's control thread: one period of the driver after the other, on an absolute clock or on
 * the arm's own (driver->wait). */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_LOOP_H
#define DREAMVLA_ROBOTS_ARM_ARM_LOOP_H

#include "robots/arm/arm_links.h"

struct arm_loop {
	struct arm arm;
	const struct robot_driver *driver;
	void *robot;               /* the driver's own */
	struct arm_links *links;
};

/* One period of the driver. The tick is told its nominal time, so that what is commanded does not carry the lateness of the thread.
 * Thread: the one of arm_loop_run. Allocates: no. Blocks: no. */
void arm_loop_tick(struct arm_loop *l, int64_t now_ns);

/* Runs until links->stop; the argument of a thread, a struct arm_loop. No period is made up for: missed ones are counted.
 * Allocates: no. Blocks: in the clock's sleep or the driver's wait only. */
void *arm_loop_run(void *loop);

#endif
