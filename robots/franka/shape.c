#include "robots/franka/shape.h"

#include <math.h>
#include <string.h>

#include "robots/franka/coast.h"
#include "robots/model/model.h"

static const double dt_s = 1e-3;
/* libfranka's kLimitEps; what is left of float32 in our own copy when it agrees; of velocity also what a discrete velocity may lie above the continuous one: j dt^2 / 8. */
static const double MARGIN = 1e-3, FLOAT_MARGIN_RAD_S2 = 0.02, FLOAT_MARGIN_RAD_S3 = 20, VELOCITY_MARGIN_RAD_S = 2.5e-3;
/* Inside of a joint's range, for what float32 states are off by. */
static const double POSITION_MARGIN_RAD = 2e-4;
/* More than axis.h allows for rounding, so that an arm beyond a limit does not creep. */
static const double INWARDS_RAD = 2e-9;
/* What half a step of float32 from 4 rad on, where joint 6 comes, makes of an acceleration and a jerk. */
static const double ROUNDED_RAD_S2 = 0.26, ROUNDED_RAD_S3 = 260;
static const double NO_LOW_PASS_HZ = 1000;
/* A joint that closes in goes over to the wish itself when that takes no more than this share of the jerk limit. */
static const double JOIN_SHARE = 0.1;
/* With these, seven joints at once, at levers of up to 1 m, stay within 9 m/s^2 and 17 rad/s^2 of the end effector; within its 2.5 rad/s
 * but where most of their axes are parallel. */
static const double GENTLE_SHARE = 0.2, GENTLE_SPEED_SHARE = 0.12;
/* The low-pass ends on its wish. */
static const double FILTER_REST_RAD = 1e-9;
/* float32 rounds to half of this; the rest is what differences of float64 lose. */
static const double FLOAT_STEP = 1.1920929e-07;
static const double REST_RAD_S = 1e-6, REST_RAD_S2 = 1e-3;

const struct robot_model *franka_shape_model(uint32_t version)
{
	return robot_model_find(version >= 10 ? "fr3_5.9" : version >= 6 ? "fr3" : "panda");
}

void franka_shape_init(struct franka_shape *s, uint32_t version, double low_pass_hz)
{
	const struct robot_model *m = franka_shape_model(version);
	const double turn = 6.28318530717958648;
	double a_margin = version >= 10 ? FLOAT_MARGIN_RAD_S2 : MARGIN, j_margin = version >= 10 ? FLOAT_MARGIN_RAD_S3 : MARGIN;

	*s = (struct franka_shape){ .version = version, .model = m,
		.gain = low_pass_hz < NO_LOW_PASS_HZ ? dt_s / (dt_s + 1 / (turn * low_pass_hz)) : 1 };
	for (uint32_t j = 0; j < FRANKA_JOINTS; j++)
		s->limits[j] = (struct axis_limits){ .q_min = m->q_min_rad[j] + POSITION_MARGIN_RAD,
			.q_max = m->q_max_rad[j] - POSITION_MARGIN_RAD,
			.v_min = VELOCITY_MARGIN_RAD_S - m->dq_max_rad_s[j], .v_max = m->dq_max_rad_s[j] - VELOCITY_MARGIN_RAD_S,
			.a_max = m->ddq_max_rad_s2[j] - a_margin, .j_max = m->dddq_max_rad_s3[j] - j_margin,
			.offset = m->dq_offset_rad_s[j] + VELOCITY_MARGIN_RAD_S, .decel = m->dq_decel_rad_s2[j] };
}

/* ---- the robot's bookkeeping --------------------------------------------------------------------------------------------- */

static void take(const struct fci_state *state, struct franka_joints *out)
{
	memcpy(out->q_rad, state->q_d, sizeof out->q_rad);
	memcpy(out->dq_rad_s, state->dq_d, sizeof out->dq_rad_s);
	memcpy(out->ddq_rad_s2, state->ddq_d, sizeof out->ddq_rad_s2);
}

void franka_shape_begin(struct franka_shape *s, const struct fci_state *state)
{
	take(state, &s->now);
	memset(s->now.dq_rad_s, 0, sizeof s->now.dq_rad_s);
	memset(s->now.ddq_rad_s2, 0, sizeof s->now.ddq_rad_s2);
	s->sent = s->now;
	s->has_sent = false;
	s->rounded = s->version >= 10;
	memset(s->follows, 0, sizeof s->follows);
}

static bool rounds_to(double ours, double sent, double slack)
{
	return fabs(ours - sent) <= FLOAT_STEP * fabs(ours) + slack;
}

static bool q_agrees(const struct franka_joints *ours, const struct fci_state *s)
{
	for (int i = 0; i < FRANKA_JOINTS; i++)
		if (!rounds_to(ours->q_rad[i], s->q_d[i], 1e-9))
			return false;
	return true;
}

static bool agrees(const struct franka_joints *ours, const struct fci_state *s)
{
	for (int i = 0; i < FRANKA_JOINTS; i++)
		if (!rounds_to(ours->dq_rad_s[i], s->dq_d[i], 1e-7) || !rounds_to(ours->ddq_rad_s2[i], s->ddq_d[i], 1e-4))
			return false;
	return q_agrees(ours, s);
}

/* So many periods without a command. */
static void coast(struct franka_joints *k, uint64_t periods)
{
	double n = (double)periods;

	for (int i = 0; i < FRANKA_JOINTS; i++) {
		k->q_rad[i] += n * k->dq_rad_s[i] * dt_s + n * (n + 1) / 2 * k->ddq_rad_s2[i] * dt_s * dt_s;
		k->dq_rad_s[i] += n * k->ddq_rad_s2[i] * dt_s;
	}
}

/* A command that came in time is where the robot is, whatever its velocity was before. */
static void see_rounded(struct franka_shape *s, const struct fci_state *state, uint64_t periods)
{
	struct franka_joints came = s->sent, missed = s->now;

	coast(&came, periods - 1);
	coast(&missed, periods);
	take(state, &s->now);
	if (agrees(&came, state)) {
		s->rounded = s->rounded && agrees(&missed, state);
		s->now = came;
	} else if (agrees(&missed, state)) { /* no better known than before */
		s->now = missed;
	} else if (periods == 1 && q_agrees(&came, state)) {
		s->rounded = false;
		memcpy(s->now.q_rad, came.q_rad, sizeof came.q_rad);
	} else {
		s->rounded = true;
	}
}

void franka_shape_see(struct franka_shape *s, const struct fci_state *state, uint64_t periods)
{
	if (s->version >= 10 && s->has_sent)
		see_rounded(s, state, periods);
	else
		take(state, &s->now);
}

/* ---- one joint ------------------------------------------------------------------------------------------------------------ */

/* The continuous motion that these are samples of, and back. */
static struct axis to_axis(double q, double v, double a)
{
	return (struct axis){ q - v * dt_s + a * dt_s * dt_s / 6, v - a * dt_s / 2, a };
}

static double to_position(const struct axis *s)
{
	return s->q + s->v * dt_s + s->a * dt_s * dt_s / 3;
}

/* An arm that is beyond a limit may move back, not further out. A robot of which only float32 numbers are known differentiates what we send
 * from others than we do. */
static struct axis_limits limits_at(const struct franka_shape *s, uint32_t j, const struct axis *at)
{
	struct axis_limits l = s->limits[j];

	if (s->rounded) {
		l.a_max -= ROUNDED_RAD_S2;
		l.j_max -= ROUNDED_RAD_S3;
	}
	l.q_min = fmin(l.q_min, at->q + INWARDS_RAD);
	l.q_max = fmax(l.q_max, at->q - INWARDS_RAD);
	return l;
}

/* As fast as the limits let it; the last two periods end the velocity, then the acceleration, at once. */
static double braking(const struct axis *s, const struct axis_limits *l)
{
	struct axis brake = axis_brake(s, l, dt_s);
	double v = s->v + s->a * dt_s / 2, end = -v / dt_s, most = l->j_max * dt_s;

	if (fabs(end) <= fmin(most, l->a_max) && fabs(end - s->a) <= most)
		return (end - s->a) / dt_s;
	double a = fmin(fmax(brake.a, -l->a_max), l->a_max); /* it begins with more where float32 says so */

	return fmin(fmax((a - s->a) / dt_s, -l->j_max), l->j_max);
}

/* Where not even the way to rest is safe, which limits of all joints together may have led to, as fast as can be. */
static double fall_back(const struct axis *s, const struct axis_limits *l)
{
	double rest = franka_coast_rest(s, l);
	struct axis to = axis_move(s, rest, dt_s);
	struct axis_limits wide = *l;

	wide.q_min -= POSITION_MARGIN_RAD / 2;
	wide.q_max += POSITION_MARGIN_RAD / 2;
	wide.v_min -= VELOCITY_MARGIN_RAD_S / 2;
	wide.v_max += VELOCITY_MARGIN_RAD_S / 2;
	return franka_coast_safe(&to, &wide) ? rest : braking(s, l);
}

/* As near to the jerk as is safe, else to rest. Within a period jerk is constant, as it is for the robot. */
static struct axis move(const struct axis *s, const struct axis_limits *l, double wish)
{
	enum { HALVINGS = 6 };
	double jerk = fmin(fmax(wish, -l->j_max), l->j_max), good = 0, bad = 1;
	struct axis to = axis_move(s, jerk, dt_s);

	if (franka_coast_safe(&to, l))
		return to;
	double slow = fall_back(s, l);

	for (int i = 0; i < HALVINGS; i++) {
		double share = (good + bad) / 2;

		to = axis_move(s, slow + share * (jerk - slow), dt_s);
		*(franka_coast_safe(&to, l) ? &good : &bad) = share;
	}
	return axis_move(s, slow + good * (jerk - slow), dt_s);
}

/* The wish itself, where the robot's checks and what may come after it allow that. */
static bool may_send(const struct franka_shape *s, uint32_t j, double wish, double rate)
{
	const struct franka_joints *k = &s->now;
	double v = (wish - k->q_rad[j]) / dt_s, a = (v - k->dq_rad_s[j]) / dt_s, jerk = (a - k->ddq_rad_s2[j]) / dt_s;
	struct axis to = to_axis(wish, v, a), from = to_axis(k->q_rad[j], k->dq_rad_s[j], k->ddq_rad_s2[j]);
	struct axis_limits l = limits_at(s, j, &from);
	double little = JOIN_SHARE * l.j_max;
	bool near = fabs(jerk) <= little && fabs(v + a * dt_s / 2 - rate) <= little * dt_s * dt_s;

	return (near || s->follows[j]) && fabs(jerk) <= l.j_max && franka_coast_safe(&to, &l);
}

/* What a joint uses of its limits by itself when all move together; of speed, besides the wish's own. */
static struct axis_limits gently(const struct axis_limits *l, double rate)
{
	struct axis_limits out = *l;

	out.a_max *= GENTLE_SHARE;
	out.j_max *= GENTLE_SHARE;
	out.v_max = fmin(l->v_max, GENTLE_SPEED_SHARE * l->v_max + fabs(isfinite(rate) ? rate : 0));
	out.v_min = -out.v_max;
	return out;
}

static double close_in(const struct franka_shape *s, uint32_t j, double wish, double rate)
{
	const struct franka_joints *k = &s->now;
	struct axis from = to_axis(k->q_rad[j], k->dq_rad_s[j], k->ddq_rad_s2[j]), goal = { wish - rate * dt_s, rate, 0 };
	struct axis_limits l = limits_at(s, j, &from);

	struct axis_limits own = s->gentle ? gently(&l, rate) : l;
	bool known = isfinite(wish) && isfinite(rate);
	double jerk = known ? axis_track(&from, &goal, &own, dt_s) : braking(&from, &own);
	struct axis to = move(&from, &l, fmin(fmax(jerk, -own.j_max), own.j_max));

	return to_position(&to);
}

/* As the robot does. */
static void differentiate(const struct franka_shape *s, const double *q_rad, struct franka_joints *out)
{
	for (uint32_t j = 0; j < FRANKA_JOINTS; j++) {
		out->q_rad[j] = q_rad[j];
		out->dq_rad_s[j] = (q_rad[j] - s->now.q_rad[j]) / dt_s;
		out->ddq_rad_s2[j] = (out->dq_rad_s[j] - s->now.dq_rad_s[j]) / dt_s;
	}
}

void franka_shape_step(struct franka_shape *s, const double *q_rad, const double *dq_rad_s, double *out_rad)
{
	for (uint32_t j = 0; j < FRANKA_JOINTS; j++) {
		double from = s->now.q_rad[j], wish = from + s->gain * (q_rad[j] - from), q;

		if (s->gain == 1 || fabs(q_rad[j] - from) < FILTER_REST_RAD)
			wish = q_rad[j];
		s->follows[j] = may_send(s, j, wish, dq_rad_s[j]);
		q = s->follows[j] ? wish : close_in(s, j, wish, dq_rad_s[j]);
		out_rad[j] = q;
	}
	differentiate(s, out_rad, &s->full);
	s->sent = s->full;
	s->has_sent = true;
}

void franka_shape_soften(struct franka_shape *s, double share, double *out_rad)
{
	for (uint32_t j = 0; j < FRANKA_JOINTS; j++) {
		double a = s->now.ddq_rad_s2[j] + share * (s->full.ddq_rad_s2[j] - s->now.ddq_rad_s2[j]), most = s->limits[j].a_max;

		a = fmin(fmax(a, -most), most);
		out_rad[j] = share == 1 ? s->full.q_rad[j] : s->now.q_rad[j] + (s->now.dq_rad_s[j] + a * dt_s) * dt_s;
		s->follows[j] = s->follows[j] && share == 1;
	}
	differentiate(s, out_rad, &s->sent);
}

bool franka_shape_rests(const struct franka_shape *s)
{
	for (int i = 0; i < FRANKA_JOINTS; i++)
		if (!(fabs(s->sent.dq_rad_s[i]) <= REST_RAD_S && fabs(s->sent.ddq_rad_s2[i]) <= REST_RAD_S2))
			return false;
	return s->has_sent;
}
