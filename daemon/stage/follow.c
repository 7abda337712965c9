/* follow.c - see follow.h. */
#include "daemon/stage/follow.h"

#include <math.h>

#include "daemon/stage/demand.h"

/* Of the joints' acceleration; the rest is for safety's tracking and for what a Jacobian of one moment does not see. */
static const double share = 0.75;
/* Acceleration builds up in this time at least, as long as the arm's joints need anyway. */
static const double ramp_least_s = 0.05;

static double ramp_s(const struct robot_model *m)
{
	double longest_s = ramp_least_s;

	for (uint32_t i = 0; i < m->dof; i++)
		longest_s = fmax(longest_s, m->ddq_max_rad_s2[i] / m->dddq_max_rad_s3[i]);
	return longest_s;
}

/* Share of the joints' acceleration limits that this one takes. */
static double taken(const struct follow *f, const struct arm_setup *arm, const struct ik *k, const double *a)
{
	struct jet at[SPLINE_DIM_MAX] = { { 0 } };
	struct demand d = { 0 };

	for (uint32_t i = 0; i < f->dim; i++)
		at[i].d2 = a[i];
	demand_take(arm, f->joints, k, at, &d);
	return d.acceleration;
}

void follow_reach(struct follow *f, const struct arm_setup *arm, const struct ik *k)
{
	const double most = 1e3; /* no arm has more: what hardly needs the joints is not therefore unlimited */
	double build_up_s = ramp_s(&arm->model);

	for (uint32_t i = 0; i < f->dim; i++) {
		double unit[SPLINE_DIM_MAX] = { 0 };

		unit[i] = 1.0;
		f->a_max[i] = share / fmax(taken(f, arm, k, unit), share / most);
		f->j_max[i] = f->a_max[i] / build_up_s;
	}
}

/* Shortens the first n of v to `most`, as a vector. */
static void shorten(double *v, uint32_t n, double most)
{
	double square = 0.0;

	for (uint32_t i = 0; i < n; i++)
		square += v[i] * v[i];
	double fit = most / fmax(sqrt(square), 1e-12);

	for (uint32_t i = 0; i < n && fit < 1.0; i++)
		v[i] *= fit;
}

static struct axis_limits limits_of(const struct follow *f, uint32_t i)
{
	return (struct axis_limits){ .a_max = f->a_max[i], .j_max = f->j_max[i] };
}

/* On top of the path's velocity, to take back the difference of position. */
static void catching_up(const struct follow *f, const struct axis *path, const struct axis *now, double *out)
{
	uint32_t first = f->joints ? f->dim : 3;

	for (uint32_t i = 0; i < f->dim; i++) {
		struct axis_limits l = limits_of(f, i);

		out[i] = axis_approach(path[i].q - now[i].q, f->gain_1_s, &l);
	}
	shorten(out, first, f->catch_up[0]);
	shorten(out + first, f->dim - first, f->catch_up[1]);
}

/* As a whole, so that the direction stays. */
static void fit_acceleration(const struct follow *f, const struct arm_setup *arm, const struct ik *k, double *a)
{
	double most = 0.0;

	if (k)
		most = taken(f, arm, k, a) / share;
	for (uint32_t i = 0; i < f->dim && !k; i++)
		most = fmax(most, fabs(a[i]) / f->a_max[i]);
	for (uint32_t i = 0; i < f->dim && most > 1.0; i++)
		a[i] /= most;
}

void follow_step(const struct follow *f, const struct arm_setup *arm, const struct ik *k, const struct axis *path, double dt_s,
		struct axis *now)
{
	struct axis r[SPLINE_DIM_MAX];
	double v[SPLINE_DIM_MAX], a[SPLINE_DIM_MAX];

	for (uint32_t i = 0; i < f->dim; i++)
		r[i] = axis_move(&path[i], 0.0, -dt_s); /* the law compares states of the same time */
	catching_up(f, r, now, v);
	for (uint32_t i = 0; i < f->dim; i++) {
		struct axis_limits l = limits_of(f, i);

		a[i] = r[i].a + axis_push(r[i].v + v[i] - now[i].v, &l, dt_s);
	}
	fit_acceleration(f, arm, k, a);
	for (uint32_t i = 0; i < f->dim; i++) {
		double j_max = fmax(1.0, fabs(now[i].a) / f->a_max[i]) * f->j_max[i]; /* what was taken over may be more */

		now[i] = axis_move(&now[i], fmin(fmax(axis_jerk(a[i] - now[i].a, dt_s), -j_max), j_max), dt_s);
	}
}
