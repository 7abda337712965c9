#include "robots/arm/playout.h"

#include <math.h>
#include <string.h>

static const int64_t FADE_NS = INT64_C(500000000);
/* Share of the model's limits that braking uses: the rest covers the acceleration it starts with. */
static const double BRAKE_SHARE = 0.8;

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
		p->now.q_rad[j] = q_rad[j];
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
	}
	out->t_ns = t_ns;
}

static void coast(const struct motion *a, uint32_t dof, int64_t t_ns, struct motion *out)
{
	double dt = seconds(t_ns - a->t_ns);

	for (uint32_t j = 0; j < dof; j++) {
		out->q_rad[j] = a->q_rad[j] + a->dq_rad_s[j] * dt;
		out->dq_rad_s[j] = a->dq_rad_s[j];
	}
	out->t_ns = t_ns;
}

/* Would the cubic to b keep the model's velocity and acceleration limits? Its largest acceleration lies at one of its ends.
 * NaN: no. */
static bool within_limits(const struct robot_model *m, const struct motion *a, const struct playout_sample *b)
{
	double h = seconds(b->t_ns - a->t_ns);

	for (uint32_t j = 0; j < m->dof; j++) {
		double mean = (b->q_rad[j] - a->q_rad[j]) / h, v0 = a->dq_rad_s[j], v1 = b->dq_rad_s[j];
		double first = (6 * mean - 4 * v0 - 2 * v1) / h, last = (2 * v0 + 4 * v1 - 6 * mean) / h;

		if (!(fmax(fabs(first), fabs(last)) <= m->ddq_max_rad_s2[j]))
			return false;
		if (!(fmax(fabs(mean), fabs(v1)) <= m->dq_max_rad_s[j]))
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
		coast(&p->from, p->model->dof, p->now.t_ns, &last);
	if (!within_limits(p->model, &last, s))
		return coasting ? PLAYOUT_LATE : PLAYOUT_BEYOND;
	if (coasting)
		p->from = last;
	p->sample[(p->head + p->n++) % PLAYOUT_SAMPLES] = *s;
	return PLAYOUT_ADDED;
}

/* Adds what is left of the first target's offset: the quintics from (1, 0) and from velocity 1 to rest at 0, both with no
 * acceleration at either end. */
static void add_offset(struct playout *p)
{
	double t = seconds(FADE_NS), u = seconds(p->now.t_ns - p->offset_t_ns) / t;

	if (!(u < 1))
		return;
	double left = 1 - u * u * u * (10 + u * (-15 + 6 * u)), rate = -30 * u * u * (1 - u) * (1 - u) / t;
	double drift = t * (u - u * u * u * (6 + u * (-8 + 3 * u))), drift_rate = 1 - u * u * (18 + u * (-32 + 15 * u));
	for (uint32_t j = 0; j < p->model->dof; j++) {
		p->now.q_rad[j] += left * p->offset_rad[j] + drift * p->offset_rad_s[j];
		p->now.dq_rad_s[j] += rate * p->offset_rad[j] + drift_rate * p->offset_rad_s[j];
	}
}

static void pass_sample(struct playout *p)
{
	p->from = motion_of(&p->sample[p->head]);
	p->head = (p->head + 1) % PLAYOUT_SAMPLES;
	p->n--;
}

enum playout_verdict playout_step(struct playout *p, int64_t now_ns, void (*reached)(void *context, const struct playout_sample *s),
		void *context)
{
	enum playout_verdict verdict = PLAYOUT_RUNS;

	while (p->n && p->sample[p->head].t_ns <= now_ns) {
		reached(context, &p->sample[p->head]);
		pass_sample(p);
	}
	if (p->n) {
		hermite(&p->from, &p->sample[p->head], p->model->dof, now_ns, &p->now);
	} else if (now_ns - p->from.t_ns <= PLAYOUT_COAST_NS) {
		coast(&p->from, p->model->dof, now_ns, &p->now);
		verdict = now_ns > p->from.t_ns ? PLAYOUT_COASTS : PLAYOUT_RUNS;
	} else {
		return PLAYOUT_EMPTY;
	}
	add_offset(p);
	return verdict;
}

/* Longest time that keeps q + dq T / 2, where braking ends, inside the joints' range. */
static double room_s(const struct robot_model *m, uint32_t j, double q, double dq)
{
	double room = dq > 0 ? m->q_max_rad[j] - q : q - m->q_min_rad[j];

	return 2 * fmax(room, 0) / fabs(dq);
}

void brake_begin(struct brake *b, const struct robot_model *m, const struct motion *from)
{
	double wanted = 0, allowed = INFINITY;

	b->dof = m->dof;
	b->from = *from;
	for (uint32_t j = 0; j < m->dof; j++) {
		double v = fabs(from->dq_rad_s[j]);

		if (!(v > 0))
			continue;
		/* The profile's largest acceleration is 1.5 v / T, its largest jerk 6 v / T^2. */
		wanted = fmax(wanted, 1.5 * v / (BRAKE_SHARE * m->ddq_max_rad_s2[j]));
		wanted = fmax(wanted, sqrt(6 * v / (BRAKE_SHARE * m->dddq_max_rad_s3[j])));
		allowed = fmin(allowed, room_s(m, j, from->q_rad[j], from->dq_rad_s[j]));
	}
	b->duration_s = fmin(wanted, allowed);
}

bool brake_step(const struct brake *b, int64_t now_ns, struct motion *out)
{
	double t = b->duration_s, u = t > 0 ? fmin(seconds(now_ns - b->from.t_ns) / t, 1) : 1;
	double speed = u < 1 ? 1 - u * u * (3 - 2 * u) : 0, way = t * (u - u * u * u + u * u * u * u / 2);

	for (uint32_t j = 0; j < b->dof; j++) {
		out->q_rad[j] = b->from.q_rad[j] + b->from.dq_rad_s[j] * way;
		out->dq_rad_s[j] = b->from.dq_rad_s[j] * speed;
	}
	out->t_ns = now_ns;
	return u < 1;
}
