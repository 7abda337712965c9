/* task.h - what a world for tasks asks for, and whether it was done: judged by the world alone.
 *
 * "pick up the <colour> block": that block, and no other, is held 5 cm above the table within 12 s.
 * "put the <colour> block on the <colour> pad": that block, and no other, is lifted so high, and then stands on that pad, let go, within 20 s.
 * A block that is pushed onto the pad has not been put there. */
#ifndef DREAMVLA_ROBOTS_SIM_TASK_TASK_H
#define DREAMVLA_ROBOTS_SIM_TASK_TASK_H

#include "robots/sim/world.h"

enum { TASK_TEXT_BYTES = 64 };

#define TASK_LIFT_M 0.05
#define TASK_PICK_LIMIT_NS INT64_C(12000000000)
#define TASK_PUT_LIMIT_NS INT64_C(20000000000)

/* Ends as soon as it is anything but RUNS. WRONG_BLOCK: another one was held that high first, and had not been in the hand already when
 * this one was named. */
enum task_verdict { TASK_RUNS, TASK_DONE, TASK_WRONG_BLOCK, TASK_TOO_LATE, TASK_VERDICTS };

/* A sentence. */
struct task_words {
	bool put;                  /* on the pad; else only picked up */
	enum block_colour colour, pad;
};

struct task {
	struct task_words words;
	int64_t begin_ns;          /* of the world's time */
	enum task_verdict verdict;
	int64_t took_ns;           /* until the verdict, */
	int64_t paused_ns;         /* so much of it beyond the limit's time */
	bool full;                 /* the hand has held `in_hand` since before it began */
	uint32_t in_hand;
	bool lifted;               /* the named block has been up */
};

/* What a world is for, from the seed: its blocks, and its pads where it has some. Thread: any. Allocates: no. */
struct task_words task_draw(const struct world *w, uint64_t seed);

/* A sentence, in the world as it is; time counts from now. Thread: any. Allocates: no. */
void task_begin(struct task *t, const struct world *w, const struct task_words *words);

/* The same sentence, from now. Thread: any. Allocates: no. */
void task_restart(struct task *t, const struct world *w);

/* Somebody else had the arm for that long: the task may last so much longer. Thread: any. Allocates: no. */
void task_pause(struct task *t, int64_t for_ns);

/* After each step of the world. Thread: any. Allocates: no. */
enum task_verdict task_judge(struct task *t, const struct world *w);

/* What to tell the policy. */
void task_text(const struct task_words *words, char out[TASK_TEXT_BYTES]);

/* "red", ...; "done", "wrong block", ... */
const char *block_colour_name(enum block_colour colour);
const char *task_verdict_name(enum task_verdict verdict);

#endif
