#include "robots/sim/task/task.h"

#include <stdio.h>

/* As look.c: a stream of its own. */
static const uint64_t STREAM = UINT64_C(0x7461736b);

void task_begin(struct task *t, const struct world *w, uint64_t seed)
{
	uint64_t random = seed ^ STREAM;

	task_name(t, w, (enum block_colour)world_random_between(&random, 0, WORLD_BLOCKS));
}

void task_name(struct task *t, const struct world *w, enum block_colour colour)
{
	*t = (struct task){ .colour = colour, .begin_ns = w->t_ns, .full = w->grip.holds, .in_hand = w->grip.block };
}

void task_pause(struct task *t, int64_t for_ns)
{
	t->paused_ns += for_ns;
}

static enum task_verdict judge(const struct task *t, const struct world *w)
{
	if (w->t_ns - t->begin_ns - t->paused_ns > TASK_LIMIT_NS)
		return TASK_TOO_LATE;
	if (!w->grip.holds || w->block[w->grip.block].lift_m < TASK_LIFT_M)
		return TASK_RUNS;
	if (w->block[w->grip.block].colour == t->colour)
		return TASK_DONE;
	return t->full ? TASK_RUNS : TASK_WRONG_BLOCK;
}

enum task_verdict task_judge(struct task *t, const struct world *w)
{
	if (t->verdict != TASK_RUNS)
		return t->verdict;
	t->full = t->full && w->grip.holds && w->grip.block == t->in_hand;
	t->verdict = judge(t, w);
	t->took_ns = w->t_ns - t->begin_ns;
	return t->verdict;
}

const char *block_colour_name(enum block_colour colour)
{
	static const char *const name[WORLD_BLOCKS] = {
		[BLOCK_RED] = "red",
		[BLOCK_GREEN] = "green",
		[BLOCK_BLUE] = "blue",
		[BLOCK_YELLOW] = "yellow",
	};

	return name[colour];
}

const char *task_verdict_name(enum task_verdict verdict)
{
	static const char *const name[TASK_VERDICTS] = {
		[TASK_RUNS] = "runs",
		[TASK_DONE] = "done",
		[TASK_WRONG_BLOCK] = "wrong block",
		[TASK_TOO_LATE] = "too late",
	};

	return name[verdict];
}

void task_text(const struct task *t, char out[TASK_TEXT_BYTES])
{
	snprintf(out, TASK_TEXT_BYTES, "pick up the %s block", block_colour_name(t->colour));
}
