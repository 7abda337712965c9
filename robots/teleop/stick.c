/* stick.c - see stick.h. */
#include "robots/teleop/stick.h"

#include <math.h>

/* A dead band beyond half of the way is a mistake of the device, not of the stick. */
static const double dead_most = 0.5;
/* Of the way, the part that grows with its cube: fine near the middle, all of it at the end. */
static const double cubed_share = 0.5;

static double wider(double dead, int32_t counts, double half)
{
	double share = counts / half;

	return share > dead && share <= dead_most ? share : dead;
}

bool stick_begin(struct stick *s, const struct input_absinfo *info, double dead_band)
{
	double half = ((double)info->maximum - info->minimum) / 2.0;

	*s = (struct stick){ 0 };
	if (!(half > 0.0) || !(dead_band >= 0.0 && dead_band <= dead_most))
		return false;
	s->usable = true;
	s->half = half;
	s->centre = ((double)info->maximum + info->minimum) / 2.0;
	s->dead = wider(wider(dead_band, info->flat, half), info->fuzz, half);
	stick_take(s, info->value);
	return true;
}

static bool rests(const struct stick *s)
{
	return fabs(s->at) <= s->dead;
}

void stick_take(struct stick *s, int32_t value)
{
	if (!s->usable)
		return;
	s->at = fmax(-1.0, fmin(1.0, (value - s->centre) / s->half));
	s->counts |= rests(s);
}

void stick_rearm(struct stick *s)
{
	s->counts = s->usable && rests(s);
}

bool stick_waits(const struct stick *s)
{
	return s->usable && !s->counts;
}

double stick_value(const struct stick *s)
{
	double way;

	if (!s->usable || !s->counts || rests(s))
		return 0.0;
	way = (fabs(s->at) - s->dead) / (1.0 - s->dead);
	return copysign((1.0 - cubed_share) * way + cubed_share * way * way * way, s->at);
}
