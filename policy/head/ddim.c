/* ddim.c - see ddim.h. */
#include "policy/head/ddim.h"

#include <assert.h>
#include <math.h>

static const double PI = 3.14159265358979323846;
static const double OFFSET = 0.008;    /* keeps the first steps from being too small */
static const double BETA_MAX = 0.999;  /* variance added by a single step, at most */

/* Share of the signal's variance that the ideal schedule leaves at time t in 0..1. */
static double ideal_share(double t)
{
	double c = cos((t + OFFSET) / (1.0 + OFFSET) * PI / 2.0);

	return c * c;
}

void ddim_init(struct ddim *d, uint32_t steps)
{
	double left = 1.0;

	assert(steps >= 1 && steps <= DDIM_TRAIN_STEPS && "ddim: steps out of range");
	d->steps = steps;
	d->stride = DDIM_TRAIN_STEPS / steps;
	for (uint32_t i = 0; i < DDIM_TRAIN_STEPS; i++) {
		double beta = 1.0 - ideal_share((i + 1.0) / DDIM_TRAIN_STEPS) / ideal_share((double)i / DDIM_TRAIN_STEPS);

		left *= 1.0 - (beta < BETA_MAX ? beta : BETA_MAX);
		d->alpha[i] = left;
	}
}

uint32_t ddim_time(const struct ddim *d, uint32_t step)
{
	assert(step < d->steps && "ddim: a step beyond the last one");
	return (d->steps - 1 - step) * d->stride;
}

void ddim_advance(const struct ddim *d, uint32_t step, const float *noise, uint32_t n, double *x)
{
	uint32_t time = ddim_time(d, step);
	double now = d->alpha[time], next = time >= d->stride ? d->alpha[time - d->stride] : 1.0;

	for (uint32_t i = 0; i < n; i++) {
		double clean = (x[i] - sqrt(1.0 - now) * (double)noise[i]) / sqrt(now);

		/* Written so that NaN stays NaN. The direction below uses the estimate itself, not one made from the clipped sample. */
		clean = clean > 1.0 ? 1.0 : clean < -1.0 ? -1.0 : clean;
		x[i] = sqrt(next) * clean + sqrt(1.0 - next) * (double)noise[i];
	}
}
