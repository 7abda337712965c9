/* stick.h - one axis of a stick: from the counts that the device reports to -1..1.
 *
 * Pure. Without motion within the dead band, and no step at its edge: the rest of the way is stretched over 0..1. An axis that is not
 * at rest when the person takes over does not count until it has been: a deflected or mistaken axis (a trigger, whose rest is at an
 * end) moves nothing. */
#ifndef DREAMVLA_ROBOTS_TELEOP_STICK_H
#define DREAMVLA_ROBOTS_TELEOP_STICK_H

#include <linux/input.h>
#include <stdbool.h>
#include <stdint.h>

/* Zeroed: an axis that is not there; its value is always 0. */
struct stick {
	bool usable, counts;
	double centre, half;          /* counts of the device */
	double dead;                  /* share of half */
	double at;                    /* -1..1, without dead band */
};

/* From what the device says of its axis and where it stands. dead_band: share of the way from the centre, widened to the axis' own
 * `flat` and `fuzz` where these are no nonsense. false: an axis without a range (or a dead band that is none), which is not used. */
bool stick_begin(struct stick *s, const struct input_absinfo *info, double dead_band);

/* The axis is where the device says: beyond its range is at its end. */
void stick_take(struct stick *s, int32_t value);

/* From now on it counts only after it has been at rest. */
void stick_rearm(struct stick *s);

/* -1..1, 0 within the dead band and while it does not count. */
double stick_value(const struct stick *s);

/* Deflected, but it does not count. */
bool stick_waits(const struct stick *s);

#endif
