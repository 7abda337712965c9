/* spline.c - see spline.h. */
#include "daemon/stage/spline.h"

#include <math.h>

/* Thomas algorithm for m[i-1] + 4 m[i] + m[i+1] = 6 (x[i+1] - 2 x[i] + x[i-1]) / h^2, m = 0 at both ends. */
static void finish_one(struct spline *s, uint32_t d)
{
	double upper[SPLINE_POINTS_MAX] = { 0 }, right[SPLINE_POINTS_MAX] = { 0 };
	double h2 = s->step_s * s->step_s;

	for (uint32_t i = 1; i + 1 < s->n; i++) {
		double pivot = 4.0 - upper[i - 1];
		double bend = 6.0 * (s->x[i + 1][d] - 2.0 * s->x[i][d] + s->x[i - 1][d]) / h2;

		upper[i] = 1.0 / pivot;
		right[i] = (bend - right[i - 1]) / pivot;
	}
	s->second[0][d] = s->second[s->n - 1][d] = 0.0;
	for (uint32_t i = s->n - 2; i > 0; i--)
		s->second[i][d] = right[i] - upper[i] * s->second[i + 1][d];
}

void spline_finish(struct spline *s)
{
	for (uint32_t d = 0; d < s->dim; d++)
		finish_one(s, d);
}

static struct jet segment_at(const struct spline *s, uint32_t i, double t_s, uint32_t d)
{
	double h = s->step_s, a = s->second[i][d], b = s->second[i + 1][d];
	double slope = (s->x[i + 1][d] - s->x[i][d]) / h - h * (2.0 * a + b) / 6.0;
	double third = (b - a) / h;

	return (struct jet){
		s->x[i][d] + t_s * (slope + t_s * (a / 2.0 + t_s * third / 6.0)),
		slope + t_s * (a + t_s * third / 2.0),
		a + t_s * third,
	};
}

void spline_at(const struct spline *s, double t_s, struct jet out[SPLINE_DIM_MAX])
{
	double last_s = s->step_s * (double)(s->n - 1);
	double inside = fmin(fmax(t_s, 0.0), last_s), beyond = t_s - inside;
	uint32_t i = (uint32_t)fmin(floor(inside / s->step_s), (double)(s->n - 2));

	for (uint32_t d = 0; d < s->dim; d++) {
		out[d] = segment_at(s, i, inside - (double)i * s->step_s, d);
		out[d].x += beyond * out[d].d1;
	}
}
