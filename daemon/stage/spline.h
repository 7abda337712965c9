/* spline.h - natural cubic splines through equally spaced points.
 * Functions: thread any (no state), allocate no, block no. */
#ifndef DREAMVLA_DAEMON_STAGE_SPLINE_H
#define DREAMVLA_DAEMON_STAGE_SPLINE_H

#include "daemon/flow.h"

enum { SPLINE_POINTS_MAX = CHUNK_STEPS_MAX + 1, SPLINE_DIM_MAX = DOF_MAX };

struct spline {
	uint32_t n, dim;       /* points: at least 2 */
	double step_s;
	double x[SPLINE_POINTS_MAX][SPLINE_DIM_MAX];
	double second[SPLINE_POINTS_MAX][SPLINE_DIM_MAX]; /* second derivatives at the points */
};

/* Value and derivatives of one coordinate. */
struct jet {
	double x, d1, d2;
};

/* Fills `second` from n, dim, step_s and x: C2, second derivative 0 at both ends (de Boor, A Practical Guide to Splines, IV). */
void spline_finish(struct spline *s);

/* At t_s after the first point; beyond the ends straight on, which is C2 too. */
void spline_at(const struct spline *s, double t_s, struct jet out[SPLINE_DIM_MAX]);

#endif
