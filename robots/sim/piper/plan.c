/* plan.c - see plan.h. */
#include "robots/sim/piper/plan.h"

#include <math.h>

static const double ms_s = 1e-3, tick_s = PIPER_PLAN_TICK_MS * 1e-3;
/* Slower than this counts as standing when targets are new; the frames of one target may fall into two ticks. */
static const double standing_rad_s = 0.03;
static const double arrived_rad = 5e-5; /* 0.003 degrees */

void piper_plan_rest(struct piper_plan *p, int j, double q_rad)
{
	p->q_rad[j] = p->target_rad[j] = q_rad;
	p->dq_rad_s[j] = p->ddq_rad_s2[j] = 0.0;
	p->share[j] = 1.0;
}

void piper_plan_aim(struct piper_plan *p, int j, double target_rad)
{
	p->target_rad[j] = target_rad;
	p->fresh = true;
}

void piper_plan_brake(struct piper_plan *p, const struct piper_plan_limits *l)
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		p->target_rad[j] = p->q_rad[j] + p->dq_rad_s[j] * fabs(p->dq_rad_s[j]) / (2.0 * l->a_rad_s2[j]);
	p->fresh = true;
}

/* The joint with the longest way has all its speed and acceleration, the others as much as lets them arrive with it. */
static void share_out(struct piper_plan *p)
{
	double longest_rad = 0.0, fastest_rad_s = 0.0;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		longest_rad = fmax(longest_rad, fabs(p->target_rad[j] - p->q_rad[j]));
		fastest_rad_s = fmax(fastest_rad_s, fabs(p->dq_rad_s[j]));
	}
	for (int j = 0; j < PIPER_JOINTS; j++) {
		double way_rad = fabs(p->target_rad[j] - p->q_rad[j]);
		bool together = fastest_rad_s < standing_rad_s && way_rad > arrived_rad;

		p->share[j] = together ? fmax(way_rad / longest_rad, 0.01) : 1.0;
	}
}

/* Fastest speed towards a target `way` ahead with which one can, after a tick from v to it, still brake with a; at the very end the speed
 * from which one more tick leads to rest at the target. */
static double approach(double way, double v, double a)
{
	double left = way - tick_s * v / 2.0;

	if (left <= 0.0)
		return 0.0;
	return fmin(a * (sqrt(tick_s * tick_s / 4.0 + 2.0 * left / a) - tick_s / 2.0), left / tick_s);
}

static double clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

static void tick_joint(struct piper_plan *p, int j, double v_max, double a_max)
{
	double way = p->target_rad[j] - p->q_rad[j], v = p->dq_rad_s[j], most = a_max * tick_s;

	if (fabs(way) < arrived_rad && fabs(v) <= most) {
		piper_plan_rest(p, j, p->target_rad[j]);
		return;
	}
	double side = way < 0.0 ? -1.0 : 1.0;
	double wish = side * fmin(approach(fabs(way), side * v, a_max), v_max);

	p->ddq_rad_s2[j] = clamp(wish - v, -most, most) / tick_s;
}

static void tick(struct piper_plan *p, const struct piper_plan_limits *l)
{
	if (p->fresh)
		share_out(p);
	p->fresh = false;
	for (int j = 0; j < PIPER_JOINTS; j++)
		tick_joint(p, j, p->share[j] * l->v_rad_s[j], p->share[j] * l->a_rad_s2[j]);
}

void piper_plan_step(struct piper_plan *p, const struct piper_plan_limits *l)
{
	if (p->phase_ms == 0)
		tick(p, l);
	p->phase_ms = (p->phase_ms + 1) % PIPER_PLAN_TICK_MS;
	for (int j = 0; j < PIPER_JOINTS; j++) {
		double before = p->dq_rad_s[j];

		p->dq_rad_s[j] += p->ddq_rad_s2[j] * ms_s;
		p->q_rad[j] += (before + p->dq_rad_s[j]) / 2.0 * ms_s;
	}
}

bool piper_plan_still(const struct piper_plan *p)
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		if (p->dq_rad_s[j] != 0.0 || p->q_rad[j] != p->target_rad[j])
			return false;
	return !p->fresh;
}
