/* io_observation.c - what one inference starts from: the newest set of frames, the arms at that time, the instruction. */
#include <string.h>

#include "daemon/io.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"

static bool pick_frames(struct io *io, struct frame_set *set)
{
	struct frame_history history[CAMERAS_MAX];
	bool found;

	for (uint32_t i = 0; i < io->setup->n_cameras; i++)
		history[i] = io->camera[i].history;
	found = frame_set_pick(history, io->setup->n_cameras, io->config->camera_max_skew_ms * NS_PER_MS, set);
	io->skewed = set->skewed;
	return found;
}

static void copy_frame(struct camera_frame *to, const struct camera_frame *from)
{
	uint8_t *room = to->bytes;

	*to = *from;
	to->bytes = room;
	memcpy(room, from->bytes, from->n_bytes);
}

/* The arms at the time of the frames. An arm that publishes at 100 Hz has no state after a fresh frame yet: the newest will do. */
static bool pick_states(const struct io *io, int64_t t_obs_ns, struct observation *o)
{
	for (uint32_t i = 0; i < io->setup->n_arms; i++)
		if (!state_history_at(&io->arm[i].history, t_obs_ns, io->setup->state_max_age_ns, &o->arm[i]))
			return false;
	return true;
}

/* Only a later t_obs is news: with two cameras the first frame of a pair changes the set, but does not make it newer. */
void io_observation_publish(struct io *io)
{
	struct links *l = io->links;
	struct observation *o = &l->observation[l->observation_box.writing];
	struct frame_set set;

	if (!io->frames_changed)
		return;
	io->frames_changed = false;
	if (!pick_frames(io, &set) || set.t_obs_ns <= io->observed_ns || !pick_states(io, set.t_obs_ns, o))
		return;
	o->id = ++io->observation_id;
	o->t_obs_ns = io->observed_ns = set.t_obs_ns;
	o->ready_ns = set.ready_ns;
	o->n_cameras = io->setup->n_cameras;
	o->n_arms = io->setup->n_arms;
	o->instruction_id = io->inputs.instruction_id;
	memcpy(o->instruction, io->instruction, sizeof o->instruction);
	for (uint32_t i = 0; i < o->n_cameras; i++)
		copy_frame(&o->frame[i], &io->camera[i].frame[set.slot[i]]);
	io_trace_observation(io, o); /* before it is the policy's */
	latest_publish(&l->observation_box);
	eventfd_signal(l->observation_eventfd);
	io->counters.observations++;
}
