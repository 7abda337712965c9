/* clock.h - the robot's milliseconds (message_id) as CLOCK_MONOTONIC.
 *
 * The times of two states lie exactly 1 ms per id apart, but for a correction that is itself smooth: at most RATE_MAX of the time, and
 * changing by at most SLEW per ms. A trajectory that is sampled at these times keeps its differences: at 2.6 rad/s the correction
 * adds no more than 0.013 rad/s^2 and 26 rad/s^3 of the 10 and 5000 that an arm may have. Arrivals are late by what network and
 * schedulers do, never early; so the clock follows the earliest arrival of each window, which lateness of most others does not move.
 * Pure. All functions: thread of the owner, allocate no, block no. */
#ifndef DREAMVLA_ROBOTS_FRANKA_CLOCK_H
#define DREAMVLA_ROBOTS_FRANKA_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { FRANKA_CLOCK_WINDOW = 250, FRANKA_CLOCK_RATE_MAX_NS = 500, FRANKA_CLOCK_SLEW_NS = 5 };

/* Further off than this, the clock begins anew: the robot was restarted, made up for no stall of its own, or its ids leapt. Where that means
 * going back, it has to settle again. */
#define FRANKA_CLOCK_JUMP_NS INT64_C(20000000)

/* Zeroed: no state yet. */
struct franka_clock {
	bool running, settled;     /* settled: a window has passed since it began to run, and times never go back from now on */
	uint64_t id;               /* of the newest state */
	int64_t time_ns;           /* of that id */
	uint32_t in_window;        /* arrivals */
	int64_t earliest_ns;       /* of this window: arrival less time */
	int64_t rate_ns, wish_ns;  /* per ms: the correction that is made, and the one that is aimed at */
	double drift_ns;           /* per ms: the robot's clock against ours, as far as known */
	uint64_t jumps;
};

/* The time of state `id`, which grows from call to call and arrived at arrival_ns. Until it has settled, which whoever moves anything waits
 * for, the clock goes back with every state that is the earliest. */
int64_t franka_clock_see(struct franka_clock *c, uint64_t id, int64_t arrival_ns);

#endif
