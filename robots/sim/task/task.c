#include "robots/sim/task/task.h"

#include <stdio.h>

#include "robots/sim/task/pads.h"

/* As look.c: a stream of its own. */
static const uint64_t STREAM = UINT64_C(0x7461736b);

struct task_words task_draw(const struct world *w, uint64_t seed)
{
	uint64_t random = seed ^ STREAM;
	struct task_words words = { .put = w->n_pads > 0, .colour = (enum block_colour)world_random_between(&random, 0, WORLD_BLOCKS) };

	if (words.put)
		words.pad = w->pad[(uint32_t)world_random_between(&random, 0, w->n_pads)].colour;
	return words;
}

void task_begin(struct task *t, const struct world *w, const struct task_words *words)
{
	*t = (struct task){ .words = *words, .begin_ns = w->t_ns, .full = w->grip.holds, .in_hand = w->grip.block };
}

void task_restart(struct task *t, const struct world *w)
{
	struct task_words words = t->words;

	task_begin(t, w, &words);
}

void task_pause(struct task *t, int64_t for_ns)
{
	t->paused_ns += for_ns;
}

/* The block that the hand has up in the air; NULL: none. */
static const struct world_block *lifted_block(const struct world *w)
{
	const struct world_block *b = &w->block[w->grip.block];

	return w->grip.holds && b->lift_m >= TASK_LIFT_M ? b : NULL;
}

static bool stands_on_pad(const struct task *t, const struct world *w)
{
	const struct world_pad *pad = pads_find(w, t->words.pad);
	const struct world_block *b = &w->block[0];

	while (b->colour != t->words.colour)
		b++;
	bool held = w->grip.holds && &w->block[w->grip.block] == b;

	return pad && !held && pads_carry(pad, b);
}

static enum task_verdict judge(const struct task *t, const struct world *w)
{
	const struct world_block *up = lifted_block(w);

	if (w->t_ns - t->begin_ns - t->paused_ns > (t->words.put ? TASK_PUT_LIMIT_NS : TASK_PICK_LIMIT_NS))
		return TASK_TOO_LATE;
	if (up && up->colour != t->words.colour)
		return t->full ? TASK_RUNS : TASK_WRONG_BLOCK;
	return t->lifted && (!t->words.put || stands_on_pad(t, w)) ? TASK_DONE : TASK_RUNS;
}

enum task_verdict task_judge(struct task *t, const struct world *w)
{
	if (t->verdict != TASK_RUNS)
		return t->verdict;
	const struct world_block *up = lifted_block(w);

	t->full = t->full && w->grip.holds && w->grip.block == t->in_hand;
	t->lifted = t->lifted || (up && up->colour == t->words.colour);
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

void task_text(const struct task_words *words, char out[TASK_TEXT_BYTES])
{
	const char *colour = block_colour_name(words->colour);

	if (words->put)
		snprintf(out, TASK_TEXT_BYTES, "put the %s block on the %s pad", colour, block_colour_name(words->pad));
	else
		snprintf(out, TASK_TEXT_BYTES, "pick up the %s block", colour);
}
