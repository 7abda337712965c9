/* pacing.c - see pacing.h. */
#include "daemon/pacing.h"

#include <string.h>

#define IDLE_PERIOD_NS INT64_C(500000000)

void pacing_init(struct pacing *p, const struct control_setup *setup)
{
	*p = (struct pacing){
		.method = setup->method,
		.chunk_ns = (int64_t)setup->execution_steps * setup->action_dt_ns,
	};
}

int64_t pacing_latency_ns(const struct pacing *p)
{
	uint32_t n = p->n < PACING_WINDOW ? p->n : PACING_WINDOW;
	int64_t sorted[PACING_WINDOW];

	for (uint32_t i = 0; i < n; i++) { /* insertion sort of at most 32 */
		uint32_t at = i;

		for (; at > 0 && sorted[at - 1] > p->latency_ns[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = p->latency_ns[i];
	}
	return n > 0 ? sorted[(n - 1) * 9 / 10] : 0;
}

/* Is the chunk begun now needed to continue the motion without a gap? */
static bool wants_moving(const struct pacing *p, const struct policy_hint *hint, int64_t now_ns)
{
	if (hint->wants_chunk)
		return true;
	if (p->method == EXECUTE_SYNC)
		return false;
	if (p->method == EXECUTE_ENSEMBLE)
		return true;
	return now_ns >= p->previous_t_obs_ns + p->chunk_ns - pacing_latency_ns(p);
}

bool pacing_wants(const struct pacing *p, const struct policy_hint *hint, const struct observation *o, int64_t now_ns)
{
	bool moving = hint->mode == MODE_AUTO || hint->mode == MODE_SHADOW || hint->mode == MODE_RETURN;

	if (o->instruction_id == 0 || o->t_obs_ns < hint->wants_after_ns)
		return false;
	if (!moving && hint->mode != MODE_READY && hint->mode != MODE_HOLD)
		return false;
	if (hint->mode == MODE_RETURN && !hint->wants_chunk) /* the arms still brake: it would be void */
		return false;
	if (!p->tried || o->instruction_id != p->tried_instruction)
		return true;
	if (!moving)
		return now_ns - p->tried_ns >= IDLE_PERIOD_NS;
	if (!p->succeeded || o->instruction_id != p->previous_instruction || hint->epoch != p->previous_epoch)
		return true;
	return wants_moving(p, hint, now_ns);
}

void pacing_begin(struct pacing *p, const struct observation *o, int64_t now_ns)
{
	p->tried = true;
	p->tried_ns = now_ns;
	p->tried_instruction = o->instruction_id;
}

void pacing_end(struct pacing *p, const struct observation *o, uint32_t epoch, int64_t now_ns)
{
	p->succeeded = true;
	p->previous_t_obs_ns = o->t_obs_ns;
	p->previous_instruction = o->instruction_id;
	p->previous_epoch = epoch;
	p->latency_ns[p->n % PACING_WINDOW] = now_ns - o->t_obs_ns;
	p->n = p->n < 2 * PACING_WINDOW ? p->n + 1 : p->n + 1 - PACING_WINDOW;
}
