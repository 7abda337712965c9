/* bench_costs.h - `dreamvla-bench costs`: what trace and recording cost the control loop and the policy's path, on and off in turns. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_COSTS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_COSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/bench/bench_demo.h"
#include "daemon/bench/bench_paired.h"

/* One quantity of all blocks: off, on, on, off, off, on, ... */
enum { COSTS_BLOCKS_MAX = 32 };

struct cost {
	double off_us, on_us;      /* medians of the blocks */
	double rise;               /* on / off - 1 */
	double resolution;         /* what the same comparison makes of blocks that are alike, off or on, by turns: the larger of the two */
	double aim;
};

enum cost_verdict { COST_MET, COST_MISSED, COST_UNRESOLVED };

/* on[i]: what block i was. Blocks come in fours: off, on, on, off. Thread: any. Allocates: no. */
struct cost cost_of(const double *us, const bool *on, uint32_t n, double aim);

/* UNRESOLVED: the aim is finer than what this run can tell, or the rise is as near to it. */
enum cost_verdict cost_judge(const struct cost *c);

/* The same of what a thread pays for its own writing, by its interval against the aim's share of so many us (NaN: unresolved). Thread: any. */
enum cost_verdict cost_judge_writing(const struct paired_cost *c, double of_us, double aim);

/* Prints on standard output. Exit status 0: nothing is missed (an aim that is not resolved is marked, not an error); 1: missed, or not measured.
 * Thread: main. Blocks: yes. */
int bench_costs(const struct bench_options *o);

#endif
