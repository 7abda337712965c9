/* path_clock.h - the clock that runs along a path: how it slows down, and how it is stopped.
 *
 * q: path time in s; v: its rate, 0 to 1 of real time; a: how fast that changes, 1/s. All functions: control thread, allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_PATH_CLOCK_H
#define DREAMVLA_DAEMON_STAGE_PATH_CLOCK_H

#include <stdbool.h>

#include "daemon/stage/axis.h"

/* Changes of rate and of the arms' acceleration build up over this time. */
#define PATH_CLOCK_RAMP_S 0.05

/* For a path that ends at end_s. decel: how fast the rate should be able to change, 1/s; kept within what is sensible for an arm. */
struct axis_limits path_clock_limits(double decel, double end_s);

/* For a stop that begins now and takes time_s. */
struct axis_limits path_clock_stop_limits(const struct axis *clock, double time_s, double end_s);

/* One period towards `rate`; 0: stops. A clock taken over in full motion may have narrower limits than it keeps: it comes into them by
 * braking. Returns whether it had to brake: not where it only gains no more speed than there is to gain. */
bool path_clock_step(struct axis *clock, const struct axis_limits *limits, double rate, double dt_s);

bool path_clock_stands(const struct axis *clock);

#endif
