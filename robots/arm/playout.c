#include "robots/arm/playout.h"

#include <math.h>
#include <string.h>

static const int64_t FADE_NS = INT64_C(1000000000);
/* Share of the model's limits that braking uses: the same as in safety.c, so that the arm stops where that found it could. */
static const double BRAKE_SHARE = 0.99;

/* What may be made up for by fading: as far as a first target may lie from the arm (messages.md section 5). */
static const double BRIDGE_RAD = 0.02;

/* Of a joint's range, and of a position outside of it: rounding. */
static const double ROOM_RAD = 1e-6, ROUNDING_RAD = 1e-9;

/* Of velocity and acceleration: rounding. A limit is a limit. */
static const double LIMIT_TOLERANCE = 1.0 + 1e-6;

/* What is to be played is looked at this often at least, as often as a driver asks for it. */
static const int64_t LOOK_NS = INT64_C(1000000);

static double seconds(int64_t ns)
{
	return (double)ns * 1e-9;
}

/* ---- the motion ------------------------------------------------------------------------------------------------------ */

/* Cubic Hermite basis, with both its derivatives. */
static struct axis hermite(const struct motion *a, const struct playout_sample *b, uint32_t j, int64_t t_ns)
{
	double h = seconds(b->t_ns - a->t_ns), u = seconds(t_ns - a->t_ns) / h, u2 = u * u, u3 = u2 * u;
	double q0 = a->q_rad[j], q1 = b->q_rad[j], v0 = a->dq_rad_s[j] * h, v1 = b->dq_rad_s[j] * h;

	return (struct axis){
		.q = (2 * u3 - 3 * u2 + 1) * q0 + (u3 - 2 * u2 + u) * v0 + (3 * u2 - 2 * u3) * q1 + (u3 - u2) * v1,
		.v = ((6 * u2 - 6 * u) * (q0 - q1) + (3 * u2 - 4 * u + 1) * v0 + (3 * u2 - 2 * u) * v1) / h,
		.a = ((12 * u - 6) * (q0 - q1) + (6 * u - 4) * v0 + (6 * u - 2) * v1) / (h * h),
	};
}

/* What is left of the offset: the quintics from (1, 0) and from velocity 1 to rest at 0, both with no acceleration at either end. */
static struct axis offset_at(const struct playout *p, uint32_t j, int64_t t_ns)
{
	double t = seconds(FADE_NS), u = seconds(t_ns - p->offset_t_ns) / t, far = p->offset_rad[j], fast = p->offset_rad_s[j];

	if (!(u < 1))
		return (struct axis){ 0 };
	double left = 1 - u * u * u * (10 + u * (-15 + 6 * u)), rate = -30 * u * u * (1 - u) * (1 - u) / t;
	double drift = t * (u - u * u * u * (6 + u * (-8 + 3 * u))), drift_rate = 1 - u * u * (18 + u * (-32 + 15 * u));
	double bend = -60 * u * (1 - u) * (1 - 2 * u) / (t * t), drift_bend = -12 * u * (1 - u) * (3 - 5 * u) / t;

	return (struct axis){ left * far + drift * fast, rate * far + drift_rate * fast, bend * far + drift_bend * fast };
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

static void add_offset(const struct playout *p, struct motion *m)
{
	for (uint32_t j = 0; j < p->model->dof; j++) {
		struct axis s = axis_of(m, j), o = offset_at(p, j, m->t_ns);

		axis_put(&(struct axis){ s.q + o.q, s.v + o.v, s.a + o.a }, j, m);
	}
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

/* ---- what may be played ---------------------------------------------------------------------------------------------- */

/* Does this state keep the joint's limits, and does braking from it never leave the joint's range, or go further out than the arm
 * was at its start? NaN: no. */
static bool keeps(const struct playout *p, uint32_t j, const struct axis *s)
{
	const struct robot_model *m = p->model;
	struct axis_limits l = brake_limits(m, j, s);
	double low, high;

	if (!(fabs(s->v) <= LIMIT_TOLERANCE * m->dq_max_rad_s[j] && fabs(s->a) <= LIMIT_TOLERANCE * m->ddq_max_rad_s2[j]))
		return false;
	axis_brake_range(s, &l, &low, &high);
	return high <= fmax(m->q_max_rad[j] + ROOM_RAD, p->start_rad[j] + ROUNDING_RAD) &&
			low >= fmin(m->q_min_rad[j] - ROOM_RAD, p->start_rad[j] - ROUNDING_RAD);
}

static bool all_keep(const struct playout *p, const struct motion *at)
{
	for (uint32_t j = 0; j < p->model->dof; j++) {
		struct axis s = axis_of(at, j);

		if (!keeps(p, j, &s))
			return false;
	}
	return true;
}

/* The way of one joint from a to b, as it will be commanded. */
struct way {
	const struct playout *p;
	const struct motion *a;
	const struct playout_sample *b;
	uint32_t j;
};

static struct axis way_at(const struct way *w, int64_t t_ns)
{
	struct axis s = hermite(w->a, w->b, w->j, t_ns), o = offset_at(w->p, w->j, t_ns);

	return (struct axis){ s.q + o.q, s.v + o.v, s.a + o.a };
}

/* The velocity is largest where the acceleration changes sign. The end of braking moves with the sign of jerk +- j_max, so that it lies
 * furthest out where braking changes its direction. */
enum turn { TURN_VELOCITY, TURN_BRAKE, TURNS };

static double turn_sign(const struct way *w, enum turn what, const struct axis *s)
{
	return what == TURN_VELOCITY ? s->a : s->v + s->a * fabs(s->a) / (2 * BRAKE_SHARE * w->p->model->dddq_max_rad_s3[w->j]);
}

/* Finds the turn between two places, if there is one, and looks at it. */
static bool turn_keeps(const struct way *w, enum turn what, int64_t from_ns, int64_t to_ns, const struct axis at[2])
{
	struct axis from, to;
	double sign = turn_sign(w, what, &at[0]);

	if (!(sign * turn_sign(w, what, &at[1]) < 0))
		return true;
	while (to_ns - from_ns > 1000) {
		int64_t middle_ns = from_ns + (to_ns - from_ns) / 2;
		struct axis s = way_at(w, middle_ns);
		bool beyond = sign * turn_sign(w, what, &s) < 0;

		*(beyond ? &to_ns : &from_ns) = middle_ns;
	}
	from = way_at(w, from_ns);
	to = way_at(w, to_ns);
	return keeps(w->p, w->j, &from) && keeps(w->p, w->j, &to);
}

/* A joint that does not move need not be looked at in many places. */
static bool rests(const struct way *w)
{
	uint32_t j = w->j;

	return w->a->q_rad[j] == w->b->q_rad[j] && w->a->dq_rad_s[j] == 0 && w->b->dq_rad_s[j] == 0 && w->p->offset_rad[j] == 0 &&
			w->p->offset_rad_s[j] == 0;
}

static bool way_keeps(const struct way *w)
{
	int64_t begin_ns = w->a->t_ns > w->p->now.t_ns ? w->a->t_ns : w->p->now.t_ns, at_ns = begin_ns;
	int64_t all_ns = w->b->t_ns - begin_ns, n = all_ns / LOOK_NS + 1;
	struct axis s = way_at(w, begin_ns);

	if (!keeps(w->p, w->j, &s))
		return false;
	if (rests(w))
		return true;
	for (int64_t k = 1; k <= n; k++) {
		int64_t next_ns = begin_ns + all_ns * k / n;

		const struct axis both[2] = { s, way_at(w, next_ns) };

		s = both[1];
		if (!keeps(w->p, w->j, &s))
			return false;
		for (int what = 0; what < TURNS; what++)
			if (!turn_keeps(w, (enum turn)what, at_ns, next_ns, both))
				return false;
		at_ns = next_ns;
	}
	return true;
}

/* Is what will be commanded from a to b, of the future, within every joint's limits? */
static bool piece_keeps(const struct playout *p, const struct motion *a, const struct playout_sample *b)
{
	for (uint32_t j = 0; j < p->model->dof; j++)
		if (!way_keeps(&(struct way){ p, a, b, j }))
			return false;
	return true;
}

/* ---- samples --------------------------------------------------------------------------------------------------------- */

static struct motion motion_of(const struct playout_sample *s)
{
	struct motion m = { .t_ns = s->t_ns };

	memcpy(m.q_rad, s->q_rad, sizeof m.q_rad);
	memcpy(m.dq_rad_s, s->dq_rad_s, sizeof m.dq_rad_s);
	return m;
}

bool playout_begin(struct playout *p, const struct robot_model *m, int64_t now_ns, const double *q_rad,
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
	return piece_keeps(p, &p->from, first);
}

const struct playout_sample *playout_newest(const struct playout *p)
{
	return p->n ? &p->sample[(p->head + p->n - 1) % PLAYOUT_SAMPLES] : NULL;
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
	if (!piece_keeps(p, &last, s))
		return coasting ? PLAYOUT_LATE : PLAYOUT_BEYOND;
	if (coasting)
		p->from = last;
	p->sample[(p->head + p->n++) % PLAYOUT_SAMPLES] = *s;
	return PLAYOUT_ADDED;
}

/* ---- playing --------------------------------------------------------------------------------------------------------- */

static void follow(const struct playout *p, int64_t t_ns, struct motion *out)
{
	for (uint32_t j = 0; j < p->model->dof; j++) {
		struct axis s = hermite(&p->from, &p->sample[p->head], j, t_ns);

		axis_put(&s, j, out);
	}
	out->t_ns = t_ns;
}

static void pass_sample(struct playout *p)
{
	const struct playout_sample *s = &p->sample[p->head];
	struct motion end;

	follow(p, s->t_ns, &end);
	p->from = motion_of(s);
	p->mark = s->mark;
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
		p->mark = p->sample[p->head].mark;
		follow(p, now_ns, &on);
		add_offset(p, &on);
	} else {
		coast(p->model, &p->from, now_ns, &on);
		add_offset(p, &on);
		verdict = now_ns > p->from.t_ns ? PLAYOUT_COASTS : PLAYOUT_RUNS;
		if (now_ns - p->from.t_ns > PLAYOUT_COAST_NS || (verdict == PLAYOUT_COASTS && !all_keep(p, &on)))
			return PLAYOUT_EMPTY;
	}
	p->now = on;
	return verdict;
}

/* From now on through all that waits. */
static bool queue_keeps(const struct playout *p)
{
	struct motion a = p->from;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct playout_sample *s = &p->sample[(p->head + i) % PLAYOUT_SAMPLES];

		if (!piece_keeps(p, &a, s))
			return false;
		a = motion_of(s);
	}
	return p->n || all_keep(p, &p->now);
}

static bool offset_begin(struct playout *p, const double *q_rad)
{
	for (uint32_t j = 0; j < p->model->dof; j++) {
		struct axis o = offset_at(p, j, p->now.t_ns);
		double far = o.q + q_rad[j] - p->now.q_rad[j];

		if (!(fabs(far) <= BRIDGE_RAD)) /* written so that NaN fails */
			return false;
		p->offset_rad[j] = far;
		p->offset_rad_s[j] = o.v;
		p->now.ddq_rad_s2[j] -= o.a;
		p->now.q_rad[j] = q_rad[j];
	}
	p->offset_t_ns = p->now.t_ns;
	return queue_keeps(p);
}

bool playout_bridge(struct playout *p, const double *q_rad)
{
	struct playout before = *p;

	if (offset_begin(p, q_rad))
		return true;
	*p = before;
	return false;
}

/* ---- braking --------------------------------------------------------------------------------------------------------- */

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
