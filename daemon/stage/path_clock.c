/* path_clock.c - see path_clock.h. */
#include "daemon/stage/path_clock.h"

#include <math.h>

/* Slowing down: at least so fast, at most so fast (1/s of rate). */
static const double decel_least = 0.5, decel_most = 5.0;

/* A rate, and its change in 1/s, that are none any more. */
static const double standing = 1e-9;

struct axis_limits path_clock_limits(double decel, double end_s)
{
	double a = fmin(fmax(decel, decel_least), decel_most);

	return (struct axis_limits){ .q_min = -INFINITY, .q_max = end_s, .v_max = 1.0, .a_max = a, .j_max = a / PATH_CLOCK_RAMP_S };
}

struct axis_limits path_clock_stop_limits(const struct axis *clock, double time_s, double end_s)
{
	return path_clock_limits(clock->v / time_s, end_s);
}

/* Limits that a clock taken over in full motion keeps, too. One that slows down already loses a^2 / (2 j) of its rate until it does no more:
 * with so much jerk, no more than it has. Otherwise it would turn back. */
static struct axis_limits limits_of(const struct axis *clock, const struct axis_limits *limits)
{
	struct axis_limits l = *limits;

	l.a_max = fmax(l.a_max, fabs(clock->a));
	l.v_max = fmax(l.v_max, clock->v);
	if (clock->a < 0.0 && clock->v > standing)
		l.j_max = fmax(l.j_max, clock->a * clock->a / (2.0 * clock->v));
	return l;
}

bool path_clock_step(struct axis *clock, const struct axis_limits *limits, double rate, double dt_s)
{
	const double before = clock->v, slower = 2e-5; /* of full speed in a period: at its top it sways by a quarter of that */
	const struct axis_limits l = limits_of(clock, limits);

	if (rate > 0.0)
		return axis_step(clock, &l, axis_track_velocity(clock, rate, &l, dt_s), dt_s) < 1.0 && clock->v < before - slower;
	*clock = axis_brake(clock, &l, dt_s);
	return false;
}

bool path_clock_stands(const struct axis *clock)
{
	return clock->v <= standing && fabs(clock->a) <= standing;
}
