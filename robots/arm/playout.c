#include "robots/arm/playout.h"

#include <math.h>
#include <string.h>

static const int64_t FADE_NS = INT64_C(500000000);
/* Share of the model's limits that braking uses: the same as in safety.c, so that the arm stops where that found it could. */
static const double BRAKE_SHARE = 0.99;

/* What may be made up for by fading: as far as a first target may lie from the arm (messages.md section 5). */
static const double BRIDGE_RAD = 0.02;

/* Of a joint's range: what the end of a braking motion may be off, because its beginning is known from samples only. */
static const double ROOM_RAD = 1e-3;

/* dreamvlad plans with 99 %; a period in which its jerk changes is no cubic, and looks like a few percent more. */
static const double ACCELERATION_TOLERANCE = 1.05;

static double seconds(int64_t ns)
{
	return (double)ns * 1e-9;
}

void playout_begin(struct playout *p, const struct robot_model *m, int64_t now_ns, const double *q_rad,
		const struct playout_sample *first)
{
	double lead_s = seconds(first->t_ns - now_ns);

	memset(p, 0, sizeof *p);
	p->model = m;
	p->offset_t_ns = now_ns;
	p->from.t_ns = p->now.t_ns = now_ns;
	for (uint32_t j = 0; j < m->dof; j++) {
		/* As if the motion had always had the first target's velocity. */
		p->from.q_rad[j] = first->q_rad[j] - first->dq_rad_s[j] * lead_s;
		p->from.dq_rad_s[j] = first->dq_rad_s[j];
		p->offset_rad[j] = q_rad[j] - p->from.q_rad[j];
		p->offset_rad_s[j] = -first->dq_rad_s[j];
		p->now.q_rad[j] = p->start_rad[j] = q_rad[j];
	}
	p->sample[0] = *first;
	p->n = 1;
}

const struct playout_sample *playout_newest(const struct playout *p)
{
	return p->n ? &p->sample[(p->head + p->n - 1) % PLAYOUT_SAMPLES] : NULL;
}

/* Cubic Hermite basis, with its derivative for the velocity; u in 0..1 over h seconds. */
static void hermite(const struct motion *a, const struct playout_sample *b, uint32_t dof, int64_t t_ns, struct motion *out)
{
	double h = seconds(b->t_ns - a->t_ns), u = seconds(t_ns - a->t_ns) / h, u2 = u * u, u3 = u2 * u;

	for (uint32_t j = 0; j < dof; j++) {
		double q0 = a->q_rad[j], q1 = b->q_rad[j], v0 = a->dq_rad_s[j] * h, v1 = b->dq_rad_s[j] * h;

		out->q_rad[j] = (2 * u3 - 3 * u2 + 1) * q0 + (u3 - 2 * u2 + u) * v0 + (3 * u2 - 2 * u3) * q1 + (u3 - u2) * v1;
		out->dq_rad_s[j] = ((6 * u2 - 6 * u) * (q0 - q1) + (3 * u2 - 4 * u + 1) * v0 + (3 * u2 - 2 * u) * v1) / h;
		out->ddq_rad_s2[j] = ((12 * u - 6) * (q0 - q1) + (6 * u - 4) * v0 + (6 * u - 2) * v1) / (h * h);
	}
	out->t_ns = t_ns;
}

static struct axis axis_of(const struct motion *m, uint32_t j)
{
	return (struct axis){ m->q_rad[j], m->dq_rad_s[j], m->ddq_rad_s2[j] };
}

static void axis_put(const struct axis *s, uint32_t j, struct motion *m)
{
	m->q_rad[j] = s->q;
	m->dq_rad_s[j] = s->v;
	m->ddq_rad_s2[j] = s->a;
}

/* Only what axis_brake looks at. More acceleration than the share, which a stream may have had, is kept while it lasts. */
static struct axis_limits brake_limits(const struct robot_model *m, uint32_t j, const struct axis *s)
{
	return (struct axis_limits){ .a_max = fmax(BRAKE_SHARE * m->ddq_max_rad_s2[j], fabs(s->a)),
		.j_max = BRAKE_SHARE * m->dddq_max_rad_s3[j] };
}

static void coast(const struct robot_model *m, const struct motion *a, int64_t t_ns, struct motion *out)
{
	double dt = seconds(t_ns - a->t_ns);

	for (uint32_t j = 0; j < m->dof; j++) {
		struct axis s = axis_of(a, j);
		double jerk = BRAKE_SHARE * m->dddq_max_rad_s3[j], ramp_s = fmin(fabs(s.a) / jerk, dt);

		s = axis_move(&s, -copysign(jerk, s.a), ramp_s);
		if (ramp_s < dt)
			s.a = 0; /* rounding */
		s = axis_move(&s, 0, dt - ramp_s);
		axis_put(&s, j, out);
	}
	out->t_ns = t_ns;
}

/* Does braking from here end inside the range of every joint that moves outwards? */
static bool stops_inside(const struct robot_model *m, const struct motion *at)
{
	for (uint32_t j = 0; j < m->dof; j++) {
		struct axis s = axis_of(at, j);
		struct axis_limits l = brake_limits(m, j, &s);
		double end = axis_brake(&s, &l, INFINITY).q;

		if (s.v > 0 ? !(end <= m->q_max_rad[j]) : s.v < 0 && !(end >= m->q_min_rad[j]))
			return false;
	}
	return true;
}

/* Would the cubic to b keep the model's velocity and acceleration limits? Its largest acceleration lies at one of its ends.
 * NaN: no. */
static bool within_limits(const struct robot_model *m, const struct motion *a, const struct playout_sample *b)
{
	double h = seconds(b->t_ns - a->t_ns);

	for (uint32_t j = 0; j < m->dof; j++) {
		double mean = (b->q_rad[j] - a->q_rad[j]) / h, v0 = a->dq_rad_s[j], v1 = b->dq_rad_s[j];
		double first = (6 * mean - 4 * v0 - 2 * v1) / h, last = (2 * v0 + 4 * v1 - 6 * mean) / h;

		if (!(fmax(fabs(first), fabs(last)) <= ACCELERATION_TOLERANCE * m->ddq_max_rad_s2[j]))
			return false;
		if (!(fmax(fabs(mean), fabs(v1)) <= m->dq_max_rad_s[j]))
			return false;
	}
	return true;
}

/* How far above the stream what is commanded may be at t_ns or later, because of the first target's offset; `sign` -1: below. */
static double offset_most(const struct playout *p, uint32_t j, int64_t t_ns, double sign)
{
	const double longest_drift = 0.2; /* of FADE_NS, see add_offset */

	if (t_ns - p->offset_t_ns >= FADE_NS)
		return 0;
	return fmax(0, sign * p->offset_rad[j]) + fmax(0, sign * p->offset_rad_s[j]) * longest_drift * seconds(FADE_NS);
}

static double brake_end(const struct robot_model *m, uint32_t j, const struct axis *s)
{
	struct axis_limits l = brake_limits(m, j, s);

	return axis_brake(s, &l, INFINITY).q;
}

/* Do the cubic, and braking from either of its ends, stay inside every joint's range, or no further out than the arm
 * was at its start? */
static bool stays_inside(const struct playout *p, const struct motion *a, const struct playout_sample *b)
{
	const struct robot_model *m = p->model;
	double h = seconds(b->t_ns - a->t_ns);

	for (uint32_t j = 0; j < m->dof; j++) {
		double mean = (b->q_rad[j] - a->q_rad[j]) / h, v0 = a->dq_rad_s[j], v1 = b->dq_rad_s[j];
		struct axis first = { a->q_rad[j], v0, (6 * mean - 4 * v0 - 2 * v1) / h };
		struct axis last = { b->q_rad[j], v1, (2 * v0 + 4 * v1 - 6 * mean) / h };
		double end[3] = { b->q_rad[j], brake_end(m, j, &first), brake_end(m, j, &last) };
		double high = fmax(end[0], fmax(end[1], end[2])), low = fmin(end[0], fmin(end[1], end[2]));

		if (!(high + offset_most(p, j, b->t_ns, 1) <= fmax(m->q_max_rad[j] + ROOM_RAD, p->start_rad[j])))
			return false;
		if (!(low - offset_most(p, j, b->t_ns, -1) >= fmin(m->q_min_rad[j] - ROOM_RAD, p->start_rad[j])))
			return false;
	}
	return true;
}

static struct motion motion_of(const struct playout_sample *s)
{
	struct motion m = { .t_ns = s->t_ns };

	memcpy(m.q_rad, s->q_rad, sizeof m.q_rad);
	memcpy(m.dq_rad_s, s->dq_rad_s, sizeof m.dq_rad_s);
	return m;
}

enum playout_add playout_add(struct playout *p, const struct playout_sample *s)
{
	const struct playout_sample *newest = playout_newest(p);
	struct motion last = newest ? motion_of(newest) : p->from;
	bool coasting = !newest && p->now.t_ns > p->from.t_ns;

	if (s->t_ns <= (newest ? newest->t_ns : p->now.t_ns))
		return PLAYOUT_LATE;
	if (p->n == PLAYOUT_SAMPLES)
		return PLAYOUT_FULL;
	if (coasting) /* go on from where that has led */
		coast(p->model, &p->from, p->now.t_ns, &last);
	if (!within_limits(p->model, &last, s) || !stays_inside(p, &last, s))
		return coasting ? PLAYOUT_LATE : PLAYOUT_BEYOND;
	if (coasting)
		p->from = last;
	p->sample[(p->head + p->n++) % PLAYOUT_SAMPLES] = *s;
	return PLAYOUT_ADDED;
}

/* Adds what is left of the offset: the quintics from (1, 0) and from velocity 1 to rest at 0, both with no acceleration at either
 * end. */
static void add_offset(const struct playout *p, struct motion *m)
{
	double t = seconds(FADE_NS), u = seconds(p->now.t_ns - p->offset_t_ns) / t;

	if (!(u < 1))
		return;
	double left = 1 - u * u * u * (10 + u * (-15 + 6 * u)), rate = -30 * u * u * (1 - u) * (1 - u) / t;
	double drift = t * (u - u * u * u * (6 + u * (-8 + 3 * u))), drift_rate = 1 - u * u * (18 + u * (-32 + 15 * u));
	double bend = -60 * u * (1 - u) * (1 - 2 * u) / (t * t), drift_bend = -12 * u * (1 - u) * (3 - 5 * u) / t;

	for (uint32_t j = 0; j < p->model->dof; j++) {
		m->q_rad[j] += left * p->offset_rad[j] + drift * p->offset_rad_s[j];
		m->dq_rad_s[j] += rate * p->offset_rad[j] + drift_rate * p->offset_rad_s[j];
		m->ddq_rad_s2[j] += bend * p->offset_rad[j] + drift_bend * p->offset_rad_s[j];
	}
}

static void pass_sample(struct playout *p)
{
	const struct playout_sample *s = &p->sample[p->head];
	struct motion end;

	hermite(&p->from, s, p->model->dof, s->t_ns, &end);
	p->from = motion_of(s);
	memcpy(p->from.ddq_rad_s2, end.ddq_rad_s2, sizeof end.ddq_rad_s2);
	p->head = (p->head + 1) % PLAYOUT_SAMPLES;
	p->n--;
}

enum playout_verdict playout_step(struct playout *p, int64_t now_ns, void (*reached)(void *context, const struct playout_sample *s),
		void *context)
{
	enum playout_verdict verdict = PLAYOUT_RUNS;
	struct motion on = { 0 };

	while (p->n && p->sample[p->head].t_ns <= now_ns) {
		reached(context, &p->sample[p->head]);
		pass_sample(p);
	}
	if (p->n) {
		hermite(&p->from, &p->sample[p->head], p->model->dof, now_ns, &p->now);
	} else {
		coast(p->model, &p->from, now_ns, &on);
		verdict = now_ns > p->from.t_ns ? PLAYOUT_COASTS : PLAYOUT_RUNS;
		if (now_ns - p->from.t_ns > PLAYOUT_COAST_NS || (verdict == PLAYOUT_COASTS && !stops_inside(p->model, &on)))
			return PLAYOUT_EMPTY;
		p->now = on;
	}
	add_offset(p, &p->now);
	return verdict;
}

bool playout_bridge(struct playout *p, const double *q_rad)
{
	struct motion offset = { 0 };

	add_offset(p, &offset);
	for (uint32_t j = 0; j < p->model->dof; j++)
		if (!(fabs(offset.q_rad[j] + q_rad[j] - p->now.q_rad[j]) <= BRIDGE_RAD)) /* written so that NaN fails */
			return false;
	for (uint32_t j = 0; j < p->model->dof; j++) {
		p->offset_rad[j] = offset.q_rad[j] + q_rad[j] - p->now.q_rad[j];
		p->offset_rad_s[j] = offset.dq_rad_s[j];
		p->now.q_rad[j] = q_rad[j];
	}
	p->offset_t_ns = p->now.t_ns;
	return true;
}

void brake_begin(struct brake *b, const struct robot_model *m, const struct motion *from)
{
	*b = (struct brake){ .dof = m->dof, .t_ns = from->t_ns };
	for (uint32_t j = 0; j < m->dof; j++) {
		b->from[j] = axis_of(from, j);
		b->limits[j] = brake_limits(m, j, &b->from[j]);
		b->duration_s = fmax(b->duration_s, axis_brake_time_s(&b->from[j], &b->limits[j]));
	}
}

bool brake_step(const struct brake *b, int64_t now_ns, struct motion *out)
{
	double t = seconds(now_ns - b->t_ns);
	bool moves = t < b->duration_s;

	for (uint32_t j = 0; j < b->dof; j++) {
		struct axis at = axis_brake(&b->from[j], &b->limits[j], moves ? t : INFINITY);

		axis_put(&at, j, out);
	}
	out->t_ns = now_ns;
	return moves;
}
