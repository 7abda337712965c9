/* control_state.c - see control_state.h. */
#include "daemon/control_state.h"

#include <string.h>

#include "daemon/record/kinds.h"

/* Places in memory mean nothing outside of this process, and the set-up is in the recording's configuration. */
static void leave_out(struct control *to)
{
	memset(&to->setup, 0, sizeof to->setup);
	to->links = NULL;
	to->chunk = NULL;
	for (uint32_t i = 0; i < ARMS_MAX; i++)
		to->safety[i].arm = to->shadow[i].arm = NULL;
	to->trajectory.setup = NULL;
	to->arbiter.setup = NULL;
	to->hand.setup = NULL;
	to->hand.arm = NULL;
}

static void put(const struct control *c, uint8_t *at)
{
	const struct record_state head = {
		.tick = c->report.ticks,
		.now_ns = c->last_ns,
		.hand_arm = c->hand.arm ? (uint32_t)(c->hand.arm - c->setup.arm) : ALL_ARMS,
		.has_chunk = c->chunk != NULL,
	};

	memcpy(at, &head, sizeof head);
	memcpy(at += sizeof head, c, sizeof *c);
	leave_out((struct control *)(void *)at); /* a tape's records are aligned to 16 bytes */
	if (c->chunk)
		memcpy(at + sizeof *c, c->chunk, sizeof *c->chunk);
}

void control_state_record(struct control *c)
{
	uint32_t wanted = atomic_load_explicit(&c->links->state_wanted, memory_order_acquire);
	struct tape *tape = &c->links->control_tape;
	uint32_t n = (uint32_t)(sizeof(struct record_state) + sizeof *c + (c->chunk ? sizeof *c->chunk : 0));
	void *room;

	if (wanted == c->state_given || !tape_wants(tape, RECORD_STATE) || tape_is_crowded(tape, n))
		return;
	if (!(room = tape_claim(tape, RECORD_STATE, n, c->last_ns)))
		return;
	c->state_given = wanted;
	c->motion_untold = true;
	put(c, room);
	tape_publish(tape);
}
