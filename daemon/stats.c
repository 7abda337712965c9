/* stats.c - see stats.h. */
#include "daemon/stats.h"

#include <stddef.h>

static const char *const name[] = {
	[STAGE_FRAME] = "frame",
	[STAGE_RECEIVE] = "receive",
	[STAGE_WAIT] = "wait",
	[STAGE_DECODE] = "decode",
	[STAGE_RESIZE] = "resize",
	[STAGE_PATCHES] = "patches",
	[STAGE_VISION] = "vision",
	[STAGE_DECODER] = "decoder",
	[STAGE_ACTION_DECODE] = "action_decode",
	[STAGE_OVERHEAD] = "overhead",
	[STAGE_HAND_OVER] = "hand_over",
	[STAGE_PUBLISH] = "publish",
	[STAGE_DRIVER] = "driver",
	[STAGE_ACKNOWLEDGE] = "acknowledge",
	[STAGE_FIRST_TARGET] = "first_target",
	[STAGE_FRAME_TO_TARGET] = "frame_to_target",
	[STAGE_PHOTON_TO_MOTOR] = "photon_to_motor",
	[STAGE_TAKEOVER] = "takeover",
	[STAGE_STICK_TO_MOTOR] = "stick_to_motor",
	[STAGE_TICK] = "tick",
};

_Static_assert(sizeof name / sizeof *name == STAGE_COUNT, "a name for every stage");

const char *trace_stage_name(enum trace_stage s)
{
	return (uint32_t)s < STAGE_COUNT ? name[s] : NULL;
}
