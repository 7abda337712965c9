/* follow.c - see follow.h. */
#include "daemon/stage/follow.h"

#include <math.h>
#include <string.h>

/* Of the joints' acceleration and jerk; the rest is for safety's tracking and for what a Jacobian of one moment does not see. */
static const double share = 0.75;
/* Acceleration builds up in this time at least, and as long as the arm's joints need anyway. */
static const double ramp_least_s = 0.05;

/* What one coordinate may count on, as several move at a time. Found by trying: with more, chunks that contradict each other make the
 * arm faster than they are. */
static const double jerk_share = 0.4;

static double ramp_s(const struct robot_model *m)
{
	double longest_s = ramp_least_s;

	for (uint32_t i = 0; i < m->dof; i++)
		longest_s = fmax(longest_s, m->ddq_max_rad_s2[i] / m->dddq_max_rad_s3[i]);
	return longest_s;
}

/* Of the joint that is nearest to its limit of acceleration. */
static double taken(const struct follow *f, const double *a)
{
	double most = 0.0;

	for (uint32_t i = 0; i < DOF_MAX; i++) {
		double sum = 0.0;

		for (uint32_t c = 0; c < f->dim; c++)
			sum += f->load[c][i] * a[c];
		most = fmax(most, fabs(sum));
	}
	return most;
}

void follow_reach(struct follow *f, const struct arm_setup *arm, const struct ik *k)
{
	const double least = 1e-3; /* of load: what hardly needs the joints is not therefore unlimited */
	double scale = fmax(arm->limit_scale, 0.01);

	memset(f->load, 0, sizeof f->load);
	for (uint32_t c = 0; c < f->dim; c++) {
		double unit[SPLINE_DIM_MAX] = { 0 };

		unit[c] = 1.0;
		if (f->joints)
			f->load[c][c] = 1.0;
		else
			ik_solve(k, unit, f->load[c]);
		for (uint32_t i = 0; i < arm->model.dof; i++)
			f->load[c][i] /= scale * arm->model.ddq_max_rad_s2[i];
		f->a_max[c] = share / fmax(taken(f, unit), least);
	}
	f->ramp_s = ramp_s(&arm->model);
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
	return (struct axis_limits){ .a_max = f->a_max[i], .j_max = jerk_share * f->a_max[i] / f->ramp_s };
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
static void fit(const struct follow *f, double most, double *a)
{
	double over = taken(f, a) / most;

	for (uint32_t i = 0; i < f->dim && over > 1.0; i++)
		a[i] /= over;
}

static void acceleration_wish(const struct follow *f, const struct axis *path, const struct axis *now, double dt_s, double *out)
{
	double v[SPLINE_DIM_MAX];

	catching_up(f, path, now, v);
	for (uint32_t i = 0; i < f->dim; i++) {
		struct axis_limits l = limits_of(f, i);

		out[i] = path[i].a + axis_push(path[i].v + v[i] - now[i].v, &l, dt_s);
	}
	fit(f, share, out);
}

void follow_step(const struct follow *f, const struct axis *path, double dt_s, struct axis *now)
{
	struct axis begin[SPLINE_DIM_MAX];
	double x[SPLINE_DIM_MAX], a[SPLINE_DIM_MAX] = { 0 };

	for (uint32_t i = 0; i < f->dim; i++) {
		begin[i] = axis_move(&path[i], 0.0, -dt_s); /* the law compares states of the same time */
		a[i] = now[i].a;
	}
	double most = fmax(share, taken(f, a)) / f->ramp_s; /* what was taken over may be more: it goes away as soon */

	acceleration_wish(f, begin, now, dt_s, x);
	for (uint32_t i = 0; i < f->dim; i++)
		x[i] = axis_jerk(x[i] - now[i].a, dt_s);
	fit(f, most, x);
	for (uint32_t i = 0; i < f->dim; i++) {
		now[i] = axis_move(&now[i], x[i], dt_s);
		if (!isfinite(path[i].q + path[i].v + path[i].a)) /* limits would make a number of it */
			now[i] = (struct axis){ NAN, NAN, NAN };
	}
}
