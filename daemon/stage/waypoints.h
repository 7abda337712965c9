/* waypoints.h - what the actions of a chunk mean: from un-normalised actions to the points that one arm is to pass.
 * Thread: control. Allocates: no. Blocks: no. */
#ifndef DREAMVLA_DAEMON_STAGE_WAYPOINTS_H
#define DREAMVLA_DAEMON_STAGE_WAYPOINTS_H

#include "daemon/flow.h"
#include "daemon/stage/action.h"
#include "daemon/stage/spline.h"

/* Writes points 0..n_steps of arm `index` to s->x (not yet finished) and the orientation around which rotation vectors are
 * taken. End-effector points stay inside the arm's workspace, joint points inside its joint limits, both less a margin. */
void waypoints_build(const struct control_setup *setup, uint32_t index, const struct action_chunk *c, uint32_t n_steps,
		const struct waypoint_start *start, struct spline *s, double first_xyzw[4]);

#endif
