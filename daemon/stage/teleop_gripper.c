/* teleop_gripper.c - see teleop_gripper.h. */
#include "daemon/stage/teleop_gripper.h"

#include <math.h>

static const double change_m = 0.005; /* messages.md section 5 */

void teleop_gripper_start(struct teleop_gripper *g, const struct teleop_input *in)
{
	*g = (struct teleop_gripper){ .known = in->has_gripper, .start_m = in->gripper_m };
}

static void begin(struct teleop_gripper *g, double wish_m)
{
	double way_m = wish_m - g->start_m;

	if (!(fabs(way_m) >= change_m))
		return;
	g->acts = true;
	g->sent_m = wish_m;
	g->direction = way_m > 0.0 ? 1.0 : -1.0;
	g->turned_ago_ns = 0;
}

static void follow(struct teleop_gripper *g, const struct control_setup *setup, double wish_m)
{
	double way_m = wish_m - g->sent_m;
	bool turns = way_m * g->direction < 0.0;

	g->turned_ago_ns += setup->period_ns;
	if (turns && (fabs(way_m) < setup->teleop_gripper_hysteresis_m || g->turned_ago_ns < setup->teleop_gripper_dwell_ns))
		return;
	if (turns) {
		g->direction = -g->direction;
		g->turned_ago_ns = 0;
	}
	g->sent_m = wish_m;
}

bool teleop_gripper_step(struct teleop_gripper *g, const struct control_setup *setup, const struct arm_setup *arm,
		const struct teleop_input *in, double *opening_m)
{
	double wish_m = fmin(fmax(in->gripper_m, 0.0), arm->gripper_max_m);

	if (!in->has_gripper || !arm->has_gripper || !isfinite(in->gripper_m))
		return false;
	if (!g->known)
		g->start_m = in->gripper_m;
	g->known = true;
	if (g->acts)
		follow(g, setup, wish_m);
	else
		begin(g, wish_m);
	*opening_m = g->sent_m;
	return g->acts;
}
