/* ensemble.c - see ensemble.h. */
#include "daemon/stage/ensemble.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

/* Times that differ by less are the same: far below a control period, far above rounding. */
static const double same_s = 1e-6;

/* back = 0: the newest. */
static struct ensemble_member *member_back(struct ensemble *e, uint32_t back)
{
	return &e->member[(e->next + ENSEMBLE_MAX - 1 - back) % ENSEMBLE_MAX];
}

static const struct ensemble_member *member_read(const struct ensemble *e, uint32_t back)
{
	return &e->member[(e->next + ENSEMBLE_MAX - 1 - back) % ENSEMBLE_MAX];
}

static double end_s(const struct ensemble_member *m, double dt_s)
{
	return m->start_s + m->n_steps * dt_s;
}

void ensemble_drop(struct ensemble *e)
{
	e->n = 0;
}

/* The oldest go first, but an older chunk may be the longer one: only a run of ended ones at the old end is dropped. Ended ones
 * in between cover nothing any more and so say nothing. */
static void drop_ended(struct ensemble *e, double now_s, double dt_s)
{
	while (e->n > 0 && end_s(member_back(e, e->n - 1), dt_s) <= now_s + same_s)
		e->n--;
}

struct ensemble_member *ensemble_push(struct ensemble *e, const struct action_chunk *c, double start_s, uint32_t n_steps, double dt_s)
{
	if (e->epoch != c->epoch || e->instruction_id != c->instruction_id)
		e->n = 0;
	e->epoch = c->epoch;
	e->instruction_id = c->instruction_id;
	drop_ended(e, start_s, dt_s);
	e->n += e->n < ENSEMBLE_MAX;
	e->next = (e->next + 1) % ENSEMBLE_MAX;
	struct ensemble_member *m = member_back(e, 0);

	m->start_s = start_s;
	m->n_steps = n_steps;
	return m;
}

uint32_t ensemble_steps(const struct ensemble *e, double dt_s)
{
	const struct ensemble_member *newest = member_read(e, 0);
	double most = newest->n_steps;

	for (uint32_t i = 1; i < e->n; i++)
		most = fmax(most, floor((end_s(member_read(e, i), dt_s) - newest->start_s + same_s) / dt_s));
	return (uint32_t)fmin(most, CHUNK_STEPS_MAX);
}

/* Chunks that speak at one time, oldest first, with their weights, whose sum is 1. */
struct speakers {
	uint32_t n;
	const struct ensemble_member *member[ENSEMBLE_MAX];
	double weight[ENSEMBLE_MAX];
};

/* Squared: the mean moves to where the others are while they are not far yet. A chunk that speaks alone is heard to its end. */
static double fading(const struct ensemble_member *m, double at_s, double dt_s)
{
	const double least = 1e-6;
	double half_s = m->n_steps * dt_s / 2.0;

	double left = fmin(fmax((end_s(m, dt_s) - at_s) / half_s, 0.0), 1.0);

	return fmax(left * left, least);
}

static void speakers_find(const struct ensemble *e, const struct ensemble_rules *r, double at_s, struct speakers *out)
{
	double weight = 1.0, sum = 0.0;

	out->n = 0;
	for (uint32_t back = e->n; back-- > 0;) {
		const struct ensemble_member *m = member_read(e, back);

		if (at_s < m->start_s - same_s || at_s > end_s(m, r->dt_s) + same_s)
			continue;
		out->member[out->n] = m;
		out->weight[out->n] = weight * fading(m, at_s, r->dt_s);
		sum += out->weight[out->n++];
		weight *= r->decay;
	}
	for (uint32_t i = 0; i < out->n; i++)
		out->weight[i] /= sum;
	if (out->n == 0) /* no chunk of ours leaves a gap; a state from a file may */
		*out = (struct speakers){ .n = 1, .member = { member_read(e, 0) }, .weight = { 1.0 } };
}

/* Around the oldest's value, so that chunks that agree give exactly what they agree on. */
static void mean_straight(double x[][SPLINE_DIM_MAX], const struct speakers *s, uint32_t dim, double *out)
{
	for (uint32_t k = 0; k < dim; k++) {
		out[k] = x[0][k];
		for (uint32_t i = 1; i < s->n; i++)
			out[k] += s->weight[i] * (x[i][k] - x[0][k]);
	}
}

/* The rotation from which the turns to all others, as rotation vectors, cancel; a few Newton-like steps from the oldest's. */
static void mean_turn(double q[][4], const struct speakers *s, double out[4])
{
	enum { STEPS = 8 };
	const double done_rad = 1e-12;

	memcpy(out, q[0], 4 * sizeof *out);
	for (int step = 0; step < STEPS; step++) {
		double sum[3] = { 0 }, back[4], turn[4], r[3];

		quat_conjugate(out, back);
		for (uint32_t i = 0; i < s->n; i++) {
			quat_multiply(q[i], back, turn);
			quat_to_rotvec(turn, r);
			for (int k = 0; k < 3; k++)
				sum[k] += s->weight[i] * r[k];
		}
		if (vec3_norm(sum) < done_rad)
			return;
		quat_from_rotvec(sum, turn);
		quat_multiply(turn, out, out);
		quat_normalise(out, out);
	}
}

static void mean_pose(const struct ensemble_rules *r, double x[][SPLINE_DIM_MAX], const struct speakers *s, const double first_xyzw[4],
		double *out)
{
	double q[ENSEMBLE_MAX][4], turn[4], back[4];

	mean_straight(x, s, 3, out);
	for (uint32_t i = 0; i < s->n; i++) {
		quat_from_rotvec(x[i] + 3, turn);
		quat_multiply(turn, s->member[i]->arm[r->arm].first_xyzw, q[i]);
	}
	mean_turn(q, s, turn);
	quat_conjugate(first_xyzw, back);
	quat_multiply(turn, back, turn);
	quat_to_rotvec(turn, out + 3);
}

/* before: the rotation vector that this one is to be near to, so that the curve through them is one. */
static void mean_point(const struct ensemble_rules *r, const struct speakers *s, double at_s, const double first_xyzw[4],
		const double *before, uint32_t dim, double *out)
{
	double x[ENSEMBLE_MAX][SPLINE_DIM_MAX];
	struct jet jet[SPLINE_DIM_MAX];

	for (uint32_t i = 0; i < s->n; i++) {
		spline_at(&s->member[i]->arm[r->arm].spline, at_s - s->member[i]->start_s, jet);
		for (uint32_t k = 0; k < dim; k++)
			x[i][k] = jet[k].x;
	}
	if (r->joints) {
		mean_straight(x, s, dim, out);
		return;
	}
	mean_pose(r, x, s, first_xyzw, out);
	rotvec_nearest(out + 3, before + 3, out + 3);
}

/* Of the action under way at at_s, the middle of a step. */
static double mean_gripper(const struct ensemble_rules *r, const struct speakers *s, double at_s)
{
	double sum = 0.0, newest = 0.0;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct ensemble_member *m = s->member[i];
		double step = fmin(fmax(floor((at_s - m->start_s) / r->dt_s), 0.0), (double)(m->n_steps - 1));

		newest = m->arm[r->arm].gripper[(uint32_t)step];
		sum += s->weight[i] * newest;
	}
	return r->binary_gripper ? newest : sum;
}

void ensemble_mean(const struct ensemble *e, const struct ensemble_rules *r, struct spline *out, double first_xyzw[4],
		double gripper[CHUNK_STEPS_MAX])
{
	const struct ensemble_member *newest = member_read(e, 0);
	const struct prediction *own = &newest->arm[r->arm];
	struct speakers s;

	out->dim = own->spline.dim;
	out->step_s = r->dt_s;
	out->n = r->n_steps + 1;
	memcpy(first_xyzw, own->first_xyzw, sizeof own->first_xyzw);
	for (uint32_t i = 0; i <= r->n_steps; i++) {
		double at_s = newest->start_s + i * r->dt_s;

		speakers_find(e, r, at_s, &s);
		mean_point(r, &s, at_s, first_xyzw, i > 0 ? out->x[i - 1] : own->spline.x[0], out->dim, out->x[i]);
		if (i == r->n_steps)
			break;
		speakers_find(e, r, at_s + r->dt_s / 2.0, &s);
		gripper[i] = mean_gripper(r, &s, at_s + r->dt_s / 2.0);
	}
}
