/* policy_record.c - see policy_record.h. */
#include "daemon/policy_record.h"

#include <string.h>

#include "daemon/record/kinds.h"
#include "daemon/sys/clock.h"

static uint64_t whole_parts(uint64_t n_bytes)
{
	return (n_bytes + RECORD_PART_BYTES - 1) / RECORD_PART_BYTES * RECORD_PART_BYTES;
}

/* Rounded up with zeros: what is written down is the same every time. */
static uint8_t *put_part(uint8_t *at, const void *from, uint64_t n_bytes)
{
	uint64_t whole = whole_parts(n_bytes);

	if (n_bytes > 0)
		memcpy(at, from, n_bytes);
	memset(at + n_bytes, 0, whole - n_bytes);
	return at + whole;
}

static uint64_t n_bytes(const struct record_observation *head)
{
	uint64_t n = sizeof *head + whole_parts((uint64_t)head->n_ids * sizeof(int32_t)) + head->n_said * sizeof(double)
			+ whole_parts((uint64_t)head->n_said * sizeof(int32_t));

	for (uint32_t i = 0; i < head->observation.n_cameras; i++)
		n += whole_parts(head->observation.frame[i].n_bytes);
	return n;
}

void policy_record(struct policy_runner *r, const struct observation *o, const struct running_motion *motion)
{
	struct tape *tape = &r->links->policy_tape;
	struct record_observation head = {
		.inference = ++r->n_inferences,
		.chunk = r->status.chunks + 1,
		.epoch = r->hint.epoch,
		.n_ids = r->n_committed * r->info->action_dim,
		.hint_ns = r->hint.told_ns,
		.motion_ns = motion ? motion->told_ns : 0,
		.latency_ns = r->latency_ns,
		.noise = policy_noise_place(r->policy),
	};
	const int32_t *token = NULL;
	const double *action = NULL;
	uint8_t *at;
	uint64_t n;

	if (!tape_wants(tape, RECORD_OBSERVATION))
		return;
	head.observation = *o;
	if (r->commit && motion && motion->runs)
		head.n_said = policy_commit_said(r->commit, head.said_chunk = motion->chunk, &token, &action);
	n = n_bytes(&head);
	if (n > UINT32_MAX || !(at = tape_claim(tape, RECORD_OBSERVATION, (uint32_t)n, clock_monotonic_ns())))
		return;
	for (uint32_t i = 0; i < CAMERAS_MAX; i++)
		head.observation.frame[i].bytes = NULL;
	memcpy(at, &head, sizeof head);
	at = put_part(at + sizeof head, r->committed, (uint64_t)head.n_ids * sizeof(int32_t));
	at = put_part(at, action, head.n_said * sizeof *action);
	at = put_part(at, token, head.n_said * sizeof *token);
	for (uint32_t i = 0; i < o->n_cameras; i++)
		at = put_part(at, o->frame[i].bytes, o->frame[i].n_bytes);
	tape_publish(tape);
}

void policy_record_chunk(struct tape *tape, const struct action_chunk *chunk)
{
	void *room = tape_claim(tape, RECORD_CHUNK, sizeof *chunk, chunk->handed_over_ns);

	if (!room)
		return;
	memcpy(room, chunk, sizeof *chunk);
	tape_publish(tape);
}
