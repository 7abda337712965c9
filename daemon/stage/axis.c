/* axis.c - jerk-limited motion of one coordinate; see axis.h for the idea.
 *
 * Braking has three phases, for a motion in positive direction: jerk -J until a = -peak, no jerk, jerk +J until a = 0.
 * From (v, a) the velocity lost is peak^2/J - a^2/(2J), which gives the peak when v is all to be lost. */
#include "daemon/stage/axis.h"

#include <math.h>

/* Of limits, against rounding only: far below anything a finite difference of printed targets could show. */
static const double tolerance = 1e-9;

enum { BRAKE_PHASES = 3 };

struct brake {
	double sign; /* direction that is being braked */
	double t_s[BRAKE_PHASES];
};

struct axis axis_move(const struct axis *s, double jerk, double t_s)
{
	return (struct axis){
		.q = s->q + t_s * (s->v + t_s * (s->a / 2.0 + t_s * jerk / 6.0)),
		.v = s->v + t_s * (s->a + t_s * jerk / 2.0),
		.a = s->a + t_s * jerk,
	};
}

static struct brake brake_plan(const struct axis *s, const struct axis_limits *l)
{
	double j = l->j_max;
	double sign = s->v + s->a * fabs(s->a) / (2.0 * j) >= 0.0 ? 1.0 : -1.0;
	double v = sign * s->v, a = sign * s->a;
	double peak = sqrt(fmax(0.0, j * v + a * a / 2.0)), hold_s = 0.0;

	if (peak > l->a_max) {
		peak = l->a_max;
		hold_s = fmax(0.0, (v + a * a / (2.0 * j)) / peak - peak / j);
	}
	return (struct brake){ sign, { fmax(0.0, (a + peak) / j), hold_s, peak / j } };
}

double axis_brake_time_s(const struct axis *s, const struct axis_limits *l)
{
	struct brake b = brake_plan(s, l);

	return b.t_s[0] + b.t_s[1] + b.t_s[2];
}

static struct axis brake_at(const struct axis *s, const struct axis_limits *l, const struct brake *b, double t_s)
{
	const double jerk[BRAKE_PHASES] = { -b->sign * l->j_max, 0.0, b->sign * l->j_max };
	struct axis out = *s;

	for (int i = 0; i < BRAKE_PHASES; i++) {
		if (t_s < b->t_s[i])
			return axis_move(&out, jerk[i], t_s);
		out = axis_move(&out, jerk[i], b->t_s[i]);
		t_s -= b->t_s[i];
	}
	out.v = 0.0; /* rounding */
	out.a = 0.0;
	return out;
}

struct axis axis_brake(const struct axis *s, const struct axis_limits *l, double t_s)
{
	struct brake b = brake_plan(s, l);

	return brake_at(s, l, &b, t_s);
}

void axis_brake_range(const struct axis *s, const struct axis_limits *l, double *low, double *high)
{
	struct axis end = axis_brake(s, l, INFINITY);
	double spare = s->a * s->a - 2.0 * l->j_max * fabs(s->v);

	*low = fmin(s->q, end.q);
	*high = fmax(s->q, end.q);
	if (!(s->v * s->a < 0.0 && spare > 0.0))
		return;
	/* It already slows down so much that it turns before its acceleration is gone. */
	struct axis turn = axis_move(s, copysign(l->j_max, s->v), (fabs(s->a) - sqrt(spare)) / l->j_max);

	*low = fmin(*low, turn.q);
	*high = fmax(*high, turn.q);
}

double axis_v_high(const struct axis_limits *l, double q)
{
	if (!(l->decel > 0.0))
		return l->v_max;
	return fmin(l->v_max, fmax(0.0, sqrt(fmax(0.0, 2.0 * l->decel * (l->q_max - q))) - l->offset));
}

double axis_v_low(const struct axis_limits *l, double q)
{
	if (!(l->decel > 0.0))
		return l->v_min;
	return fmax(l->v_min, fmin(0.0, l->offset - sqrt(fmax(0.0, 2.0 * l->decel * (q - l->q_min)))));
}

static bool state_within(const struct axis *s, const struct axis_limits *l)
{
	return s->q >= l->q_min - tolerance && s->q <= l->q_max + tolerance && s->v <= axis_v_high(l, s->q) + tolerance &&
			s->v >= axis_v_low(l, s->q) - tolerance && fabs(s->a) <= l->a_max + tolerance;
}

/* The position-dependent bound has no closed form along a braking motion: it is looked at this often. */
static bool samples_within(const struct axis *s, const struct axis_limits *l, const struct brake *b)
{
	enum { SAMPLES = 20 };
	double total_s = b->t_s[0] + b->t_s[1] + b->t_s[2];

	for (int i = 1; i < SAMPLES; i++) {
		struct axis at = brake_at(s, l, b, total_s * i / SAMPLES);

		if (!state_within(&at, l))
			return false;
	}
	return true;
}

bool axis_admissible(const struct axis *s, const struct axis_limits *l)
{
	if (!state_within(s, l))
		return false;
	struct brake b = brake_plan(s, l);
	double v = b.sign * s->v, a = b.sign * s->a;
	struct axis end = brake_at(s, l, &b, INFINITY);

	if (!state_within(&end, l))
		return false;
	if (a > 0.0) { /* still speeding up: velocity peaks where a = 0 */
		struct axis peak = brake_at(s, l, &b, a / l->j_max);

		if (!state_within(&peak, l))
			return false;
	}
	if (v < 0.0) { /* moving the other way first: position turns where v = 0 */
		double root = sqrt(fmax(0.0, a * a + 2.0 * l->j_max * v));
		struct axis turn = brake_at(s, l, &b, (a - root) / l->j_max);

		if (!state_within(&turn, l))
			return false;
	}
	return !(l->decel > 0.0) || samples_within(s, l, &b);
}

static double clamp(double x, double low, double high)
{
	return fmin(fmax(x, low), high);
}

/* Gains of the triple integrator sampled at T with a triple pole at 1 - c (Ackermann's formula):
 * k_q = c^3/T^3, k_v = (3c^2 - c^3)/T^2, k_a = (3c - 3c^2/2 + c^3/3)/T. */
struct gains {
	double q, v, a;
};

static struct gains gains_for(double bandwidth_rad_s, double dt_s)
{
	double c = 1.0 - exp(-bandwidth_rad_s * dt_s);

	return (struct gains){
		c * c * c / (dt_s * dt_s * dt_s),
		(3.0 * c * c - c * c * c) / (dt_s * dt_s),
		(3.0 * c - 1.5 * c * c + c * c * c / 3.0) / dt_s,
	};
}

/* How fast to be at a distance, and how hard to push for a missing speed: linear near by, and nowhere faster than what a part of
 * the limits can take back again in time. A stop that ends with constant jerk j' comes in along v = 1.65 (j' d^2)^(1/3), one with
 * constant acceleration a' along v = sqrt(2 a' d), and a speed is reached with constant jerk j' along a = sqrt(2 j' v). Of the
 * limits this law uses a half for a' and j' of a, and a twentieth for j' of d: found by trying, the largest with which
 * test_axis.c finds no overshoot worth mentioning at any ratio of jerk to acceleration. */
static const double approach = 0.6; /* 1.65 (1/20)^(1/3) */

static double speed_at(double distance, double gain, const struct axis_limits *l)
{
	double d = fabs(distance);

	return copysign(fmin(gain * d, fmin(approach * cbrt(l->j_max * d * d), sqrt(l->a_max * d))), distance);
}

static double push_for(double missing, double gain, const struct axis_limits *l)
{
	double v = fabs(missing);

	return copysign(fmin(gain * v, sqrt(l->j_max * v)), missing);
}

static double track(const struct axis *s, const struct axis *r, const struct axis_limits *l, const struct gains *k)
{
	double v_wish = clamp(r->v + speed_at(r->q - s->q, k->q / k->v, l), l->v_min, l->v_max);
	double a_wish = clamp(r->a + push_for(v_wish - s->v, k->v / k->a, l), -l->a_max, l->a_max);

	return k->a * (a_wish - s->a);
}

double axis_track(const struct axis *s, const struct axis *reference, const struct axis_limits *l, double dt_s)
{
	struct gains k = gains_for(AXIS_BANDWIDTH_RAD_S, dt_s);
	struct axis r = axis_move(reference, 0.0, -dt_s); /* the law compares states of the same time */

	return track(s, &r, l, &k);
}

double axis_approach(double distance, double gain_1_s, const struct axis_limits *l)
{
	return speed_at(distance, gain_1_s, l);
}

double axis_push(double missing, const struct axis_limits *l, double dt_s)
{
	struct gains k = gains_for(AXIS_BANDWIDTH_RAD_S, dt_s);

	return push_for(missing, k.v / k.a, l);
}

double axis_jerk(double missing, double dt_s)
{
	return gains_for(AXIS_BANDWIDTH_RAD_S, dt_s).a * missing;
}

double axis_track_velocity(const struct axis *s, double v_wish, const struct axis_limits *l, double dt_s)
{
	double missing = v_wish - s->v;
	double fast = sqrt(l->j_max * fabs(missing)); /* as above, one order lower */
	double soft = fabs(missing) / (3.0 * dt_s);
	double a_wish = copysign(fmin(l->a_max, fmin(fast, soft)), missing);

	return (a_wish - s->a) / (2.0 * dt_s);
}

static struct axis mix(const struct axis *a, const struct axis *b, double share)
{
	return (struct axis){ a->q + share * (b->q - a->q), a->v + share * (b->v - a->v), a->a + share * (b->a - a->a) };
}

/* Jerk is linear in the state, so that a mixture of two motions within the jerk limit keeps it too. */
double axis_step(struct axis *s, const struct axis_limits *l, double jerk, double dt_s)
{
	enum { HALVINGS = 8 };
	struct axis brake = axis_brake(s, l, dt_s);
	struct axis wish = axis_move(s, clamp(jerk, -l->j_max, l->j_max), dt_s);
	double good = 0.0, bad = 1.0;

	if (!isfinite(jerk)) {
		*s = brake;
		return 0.0;
	}
	if (axis_admissible(&wish, l)) {
		*s = wish;
		return 1.0;
	}
	for (int i = 0; i < HALVINGS; i++) {
		double share = (good + bad) / 2.0;
		struct axis tried = mix(&brake, &wish, share);

		if (axis_admissible(&tried, l))
			good = share;
		else
			bad = share;
	}
	*s = mix(&brake, &wish, good);
	return good;
}
