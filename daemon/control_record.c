/* control_record.c - see control_record.h. */
#include "daemon/control_record.h"

#include <string.h>

#include "daemon/record/kinds.h"

static uint8_t *put(uint8_t *at, const void *from, size_t n)
{
	memcpy(at, from, n);
	return at + n;
}

static uint32_t n_bytes(const struct record_tick *t)
{
	return (uint32_t)(sizeof *t + t->has_inputs * sizeof(struct inputs) + t->has_policy * sizeof(struct policy_status)
			+ t->has_chunk * sizeof(struct action_chunk) + t->n_commands * sizeof(struct command)
			+ t->n_targets * sizeof(struct driver_target));
}

/* The targets as they were handed over: real ones, then the shadows. */
static uint8_t *put_targets(const struct control *c, uint8_t *at)
{
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		at = put(at, &c->target[i], sizeof c->target[i]);
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		if (c->shadow_target[i].valid)
			at = put(at, &c->shadow_target[i], sizeof c->shadow_target[i]);
	return at;
}

static uint32_t count_targets(const struct control *c)
{
	uint32_t n = c->setup.n_arms;

	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		n += c->shadow_target[i].valid;
	return n;
}

void control_record(struct control *c)
{
	struct tape *tape = &c->links->control_tape;
	struct record_tick tick = {
		.tick = c->report.ticks,
		.now_ns = c->now_ns,
		.n_commands = c->n_obeyed,
		.n_targets = count_targets(c),
		.has_inputs = c->took_inputs,
		.has_policy = c->took_policy,
		.has_chunk = c->took_chunk,
		.refused = c->overflow_since_ns != 0,
	};
	uint8_t *at;

	if (!tape_wants(tape, RECORD_TICK) || !(at = tape_claim(tape, RECORD_TICK, n_bytes(&tick), c->now_ns)))
		return;
	at = put(at, &tick, sizeof tick);
	if (tick.has_inputs)
		at = put(at, &c->inputs, sizeof c->inputs);
	if (tick.has_policy)
		at = put(at, &c->policy, sizeof c->policy);
	if (tick.has_chunk)
		at = put(at, c->chunk, sizeof *c->chunk);
	at = put(at, c->obeyed, c->n_obeyed * sizeof *c->obeyed);
	put_targets(c, at);
	tape_publish(tape);
}
