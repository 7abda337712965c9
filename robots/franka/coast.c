#include "robots/franka/coast.h"

#include <math.h>

static const double dt_s = 1e-3;
/* The robot gives up after 20 periods without a command. */
static const double ROW_S = 0.020;
/* Of acceleration and jerk, in what is looked ahead for: the way to rest itself is within limits however it is rounded. */
static const double SHARE = 0.97;
static const double TOLERANCE = 1e-9;
/* Steps from one end of the acceleration to the other are 5 for every Franka. */
enum { ROWS_MAX = 16 };

/* One direction of a joint, mirrored where it is the negative one. */
struct way {
	double q_max, v_max, offset, decel; /* axis.h */
	double a, step, rest_s;    /* A, step and T of the header */
};

static struct way towards(const struct axis_limits *l, bool up)
{
	double a = SHARE * l->a_max, step = SHARE * l->j_max * dt_s;

	return (struct way){ up ? l->q_max : -l->q_min, up ? l->v_max : -l->v_min, l->offset, l->decel, a, step, ROW_S * a / step };
}

static double clamp(double x, double limit)
{
	return fmin(fmax(x, -limit), limit);
}

static double rest(double v, const struct way *w)
{
	return -clamp(v / w->rest_s, w->a);
}

static double way_to_rest(double v, const struct way *w)
{
	double linear = w->a * w->rest_s;

	return v <= linear ? v * w->rest_s : (v * v / w->a + linear * w->rest_s) / 2;
}

/* What the bound on speed that depends on the position leaves of the range at this speed. */
static double kept(double v, const struct way *w)
{
	return (v + w->offset) * (v + w->offset) / (2 * w->decel);
}

static bool within(const struct axis *s, const struct way *w)
{
	if (!(s->q <= w->q_max + TOLERANCE && s->v <= w->v_max + TOLERANCE))
		return false;
	return !(w->decel > 0 && s->v > TOLERANCE) || s->q + kept(s->v, w) <= w->q_max + TOLERANCE;
}

/* On the way to rest. Its end is where all of it counts; the bound on speed bends the other way than the way does, or is steeper. */
static bool rests_within(const struct axis *s, const struct way *w)
{
	double end = s->q + (s->v > 0 ? way_to_rest(s->v, w) : 0), most = 0, linear = fmin(s->v, w->a * w->rest_s);
	double touch = w->decel > w->a ? w->offset * w->a / (w->decel - w->a) : INFINITY;

	if (!within(s, w) || !(end <= w->q_max + TOLERANCE))
		return false;
	if (!(w->decel > 0 && s->v > TOLERANCE))
		return true;
	most = fmax(kept(0, w), kept(linear, w) - way_to_rest(linear, w));
	if (touch > linear && touch < s->v)
		most = fmax(most, kept(touch, w) - way_to_rest(touch, w));
	return end + most <= w->q_max + TOLERANCE;
}

/* A row with a deceleration: where the bound on speed is nearest. */
static bool row_within(const struct axis *s, const struct way *w, double t_s)
{
	double touch = s->a < 0 && w->decel > -s->a ? -s->a * w->offset / (w->decel + s->a) : 0;
	struct axis end = axis_move(s, 0, t_s);

	if (touch > end.v && touch < s->v) {
		struct axis at = axis_move(s, 0, (touch - s->v) / s->a);

		if (!within(&at, w))
			return false;
	}
	return within(&end, w);
}

/* Rows until the acceleration is on the way to rest, or below. */
static bool safe(struct axis s, const struct way *w)
{
	for (int i = 0; i < ROWS_MAX && within(&s, w); i++) {
		if (s.a <= rest(s.v, w) + TOLERANCE)
			return rests_within(&s, w);
		double meet_s = s.a < 0 ? -s.v / s.a - w->rest_s : INFINITY, row_s = fmin(meet_s, ROW_S);

		if (!row_within(&s, w, row_s))
			return false;
		s = axis_move(&s, 0, row_s);
		if (row_s < ROW_S)
			return rests_within(&s, w);
		s.a = fmax(s.a - w->step, rest(s.v, w));
	}
	return false;
}

bool franka_coast_safe(const struct axis *s, const struct axis_limits *l)
{
	struct way up = towards(l, true), down = towards(l, false);

	return fabs(s->a) <= l->a_max && safe(*s, &up) && safe((struct axis){ -s->q, -s->v, -s->a }, &down);
}

double franka_coast_rest(const struct axis *s, const struct axis_limits *l)
{
	struct way w = towards(l, true);
	/* a' = rest(v') with v' = v + (a + a') dt / 2 */
	double a = -clamp((s->v + s->a * dt_s / 2) / (w.rest_s + dt_s / 2), w.a);

	return clamp((a - s->a) / dt_s, l->j_max);
}
