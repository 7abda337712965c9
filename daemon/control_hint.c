/* control_hint.c - see control_hint.h. */
#include "daemon/control_hint.h"

#include "daemon/control_mode.h"
#include "daemon/control_watch.h"

/* The record of sent motion has no more than one entry in this time: a motion told oftener says little more. */
static const int64_t motion_spacing_ns = 5000000;

static void hint(struct control *c)
{
	bool nothing_to_run = trajectory_ran_out(&c->trajectory) || c->trajectory.instruction_id != c->instruction_id;

	c->links->hint[c->links->hint_box.writing] = (struct policy_hint){
		.mode = c->mode,
		.epoch = c->epoch,
		.wants_chunk = control_runs_policy(c) ? nothing_to_run && (c->setup.method != EXECUTE_SYNC || control_standing(c))
						      : (c->mode == MODE_READY || c->mode == MODE_HOLD || c->mode == MODE_RETURN) && control_standing(c),
		.wants_after_ns = c->after_ns,
		.chunk = c->chunk ? c->chunk->id : 0,
		.told_ns = c->now_ns,
	};
	latest_publish(&c->links->hint_box);
}

static void tell_motion(struct control *c, struct running_motion *m)
{
	bool old = c->trajectory.instruction_id != c->instruction_id;

	m->runs = true;
	m->epoch = c->epoch;
	m->rate = c->path_rate;
	m->until_ns = old ? c->instruction_ns + c->setup.old_instruction_ns : INT64_MAX;
	motion_take(m, &c->trajectory, &c->past);
	c->motion_told_ns = c->now_ns;
}

/* A new path or its end is told at once; the end only once.
 * In SHADOW every chunk begins where the arms stand, in all other modes nothing of the policy's moves them: nothing to continue. */
static void motion(struct control *c)
{
	struct links *l = c->links;
	bool runs = c->mode == MODE_AUTO && c->trajectory.active;
	uint64_t chunk = runs ? c->trajectory.chunk : 0;

	if (c->setup.method != EXECUTE_INPAINT)
		return;
	if (!c->motion_untold && chunk == c->motion_chunk && (!runs || c->now_ns - c->motion_told_ns < motion_spacing_ns))
		return;
	l->motion[l->motion_box.writing].runs = false;
	l->motion[l->motion_box.writing].told_ns = c->now_ns;
	if (runs)
		tell_motion(c, &l->motion[l->motion_box.writing]);
	c->motion_chunk = chunk;
	c->motion_untold = false;
	latest_publish(&l->motion_box);
}

void control_hint(struct control *c)
{
	motion(c); /* first: whoever sees a chunk taken finds its path told */
	hint(c);
}
