/* waypoints.c - see waypoints.h. */
#include "daemon/stage/waypoints.h"

#include <string.h>

#include "daemon/stage/geometry.h"

static void pose_store(const struct pose *at, const double first_xyzw[4], struct spline *s, uint32_t i)
{
	double back[4], turn[4], r[3];

	memcpy(s->x[i], at->p_m, sizeof at->p_m);
	quat_conjugate(first_xyzw, back);
	quat_multiply(at->q_xyzw, back, turn);
	quat_to_rotvec(turn, r);
	if (i > 0)
		rotvec_nearest(r, s->x[i - 1] + 3, r);
	memcpy(s->x[i] + 3, r, sizeof r);
}

static void point_store(const struct control_setup *setup, const struct action_point *at, const double first_xyzw[4], struct spline *s,
		uint32_t i)
{
	if (action_is_joints(setup))
		memcpy(s->x[i], at->q_rad, sizeof s->x[i]);
	else
		pose_store(&at->at, first_xyzw, s, i);
}

void waypoints_build(const struct control_setup *setup, uint32_t index, const struct action_chunk *c, uint32_t n_steps,
		const struct waypoint_start *start, struct spline *s, double first_xyzw[4])
{
	struct action_point at;

	s->n = n_steps + 1;
	s->dim = action_is_joints(setup) ? setup->arm[index].model.dof : 6;
	s->step_s = (double)setup->action_dt_ns * 1e-9;
	action_begin(setup, index, start, &at);
	memcpy(first_xyzw, at.at.q_xyzw, sizeof at.at.q_xyzw);
	point_store(setup, &at, first_xyzw, s, 0);
	for (uint32_t i = 0; i < n_steps; i++) {
		action_follow(setup, index, c->action[i], &at);
		point_store(setup, &at, first_xyzw, s, i + 1);
	}
}
