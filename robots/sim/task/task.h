/* task.h - what a world for tasks asks for, and whether it was done: judged by the world alone.
 *
 * "pick up the <colour> block": that block, and no other, is held 5 cm above the table within 12 s. */
#ifndef DREAMVLA_ROBOTS_SIM_TASK_TASK_H
#define DREAMVLA_ROBOTS_SIM_TASK_TASK_H

#include "robots/sim/world.h"

enum { TASK_TEXT_BYTES = 64 };

#define TASK_LIFT_M 0.05
#define TASK_LIMIT_NS INT64_C(12000000000)

/* Ends as soon as it is anything but RUNS. WRONG_BLOCK: another one was held that high first, and had not been in the hand already when
 * this one was named. */
enum task_verdict { TASK_RUNS, TASK_DONE, TASK_WRONG_BLOCK, TASK_TOO_LATE, TASK_VERDICTS };

struct task {
	enum block_colour colour;
	int64_t begin_ns;          /* of the world's time */
	enum task_verdict verdict;
	int64_t took_ns;           /* until the verdict, */
	int64_t paused_ns;         /* so much of it beyond the limit's time */
	bool full;                 /* the hand has held `in_hand` since before it began */
	uint32_t in_hand;
};

/* The colour comes from the seed; time counts from now. Thread: any. Allocates: no. */
void task_begin(struct task *t, const struct world *w, uint64_t seed);

/* The same with another colour: a new sentence, in the world as it is. */
void task_name(struct task *t, const struct world *w, enum block_colour colour);

/* Somebody else had the arm for that long: the task may last so much longer. Thread: any. Allocates: no. */
void task_pause(struct task *t, int64_t for_ns);

/* After each step of the world. Thread: any. Allocates: no. */
enum task_verdict task_judge(struct task *t, const struct world *w);

/* What to tell the policy. */
void task_text(const struct task *t, char out[TASK_TEXT_BYTES]);

/* "red", ...; "done", "wrong block", ... */
const char *block_colour_name(enum block_colour colour);
const char *task_verdict_name(enum task_verdict verdict);

#endif
