/* stats.c - see stats.h. */
#include "daemon/stats.h"

#include <stddef.h>

static const char *const name[] = {
	[STAGE_DECODE] = "decode",                 /* camera bytes to RGB */
	[STAGE_PREPROCESS] = "preprocess",         /* RGB to patches */
	[STAGE_VISION] = "vision",
	[STAGE_DECODER] = "decoder",
	[STAGE_ACTION_DECODE] = "action_decode",   /* tokens to actions */
	[STAGE_OVERHEAD] = "overhead",             /* all else from the last frame received (or from when the policy was free) to the hand-over */
	[STAGE_HANDOVER] = "handover",             /* last frame received to chunk handed over, waiting included */
	[STAGE_FIRST_TARGET] = "first_target",     /* chunk handed over to its first target on the wire */
	[STAGE_FRAME_TO_TARGET] = "frame_to_target", /* last frame received to the first target on the wire */
	[STAGE_TAKEOVER] = "takeover",             /* a dead-man's message received to the first target of its device on the wire */
};

_Static_assert(sizeof name / sizeof *name == STAGE_COUNT, "a name for every stage");

const char *policy_stage_name(enum policy_stage s)
{
	return (uint32_t)s < STAGE_COUNT ? name[s] : NULL;
}
