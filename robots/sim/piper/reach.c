/* reach.c - joint angles for a pose: damped least squares (Levenberg, Marquardt), bounded by the joints' limits. See path.h. */
#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/sim/piper/path.h"

enum { ITERATIONS = 120, NEAR_ITERATIONS = 8 };
static const double good_m = 1e-4, good_rad = 1.7e-4;
static const double exact = 1e-9; /* of metres and radians together */

static double clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

struct search {
	const struct piper_reach *reach;
	const struct pose *goal;
	double q_rad[PIPER_JOINTS];
	double damping, missing[6], error;
};

static void miss(const struct search *s, const double *q_rad, double out[6])
{
	struct pose now;

	kinematics_forward(s->reach->model, &pose_identity, q_rad, &now);
	pose_difference(&now, s->goal, out);
}

static double size(const double missing[6])
{
	return hypot(vec3_norm(missing), vec3_norm(missing + 3));
}

static void begin(struct search *s, const double *q_rad)
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		s->q_rad[j] = clamp(q_rad[j], s->reach->low_rad[j], s->reach->high_rad[j]);
	s->damping = 1e-3;
	miss(s, s->q_rad, s->missing);
	s->error = size(s->missing);
}

static void improve(struct search *s)
{
	double dq[DOF_MAX], q[DOF_MAX] = { 0 }, missing[6];
	struct ik k;

	ik_prepare_damped(&k, s->reach->model, &pose_identity, s->q_rad, s->damping);
	ik_solve(&k, s->missing, dq);
	for (int j = 0; j < PIPER_JOINTS; j++)
		q[j] = clamp(s->q_rad[j] + clamp(dq[j], -0.5, 0.5), s->reach->low_rad[j], s->reach->high_rad[j]);
	miss(s, q, missing);
	if (size(missing) < s->error) {
		memcpy(s->q_rad, q, sizeof s->q_rad);
		memcpy(s->missing, missing, sizeof s->missing);
		s->error = size(missing);
		s->damping = fmax(s->damping * 0.2, 1e-12);
	} else {
		s->damping = fmin(s->damping * 5.0, 10.0);
	}
}

static bool search_from(struct search *s, const double *q_rad, int iterations)
{
	begin(s, q_rad);
	for (int i = 0; i < iterations && s->error > exact; i++)
		improve(s);
	return vec3_norm(s->missing) < good_m && vec3_norm(s->missing + 3) < good_rad;
}

/* Postures from which most poses that can be reached are found: the arm turned to where the goal is, low or high, wrist either way. */
static const double begin_rad[][PIPER_JOINTS] = {
	{ 0.0, 1.5, -1.4, 0.0, 0.8, 0.0 }, { 0.0, 0.8, -1.0, 0.0, 0.4, 0.0 }, { 0.0, 2.2, -1.2, 0.0, -0.4, 0.0 },
	{ 0.0, 1.5, -1.4, 1.2, 0.8, -1.2 }, { 0.0, 1.5, -1.4, -1.2, 0.8, 1.2 }, { 0.0, 0.3, -0.4, 0.0, 0.3, 0.0 },
};

bool piper_reach_pose(const struct piper_reach *r, const struct pose *goal, double q_rad[PIPER_JOINTS])
{
	struct search s = { .reach = r, .goal = goal };
	bool found = search_from(&s, q_rad, ITERATIONS);

	for (size_t i = 0; !found && i < sizeof begin_rad / sizeof *begin_rad; i++) {
		double q[PIPER_JOINTS];

		memcpy(q, begin_rad[i], sizeof q);
		q[0] = atan2(goal->p_m[1], goal->p_m[0]);
		found = search_from(&s, q, ITERATIONS);
	}
	if (found)
		memcpy(q_rad, s.q_rad, sizeof s.q_rad);
	return found;
}

bool piper_reach_near(const struct piper_reach *r, const struct pose *goal, double step_rad, double q_rad[PIPER_JOINTS])
{
	struct search s = { .reach = r, .goal = goal };

	if (!search_from(&s, q_rad, NEAR_ITERATIONS))
		return false;
	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!(fabs(s.q_rad[j] - q_rad[j]) <= step_rad))
			return false;
	memcpy(q_rad, s.q_rad, sizeof s.q_rad);
	return true;
}
