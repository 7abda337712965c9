/* astray.h - a chunk that begins with actions which a policy could have had in mind before, right or not, and goes on as the expert would from
 * where they lead: what a policy has to learn for execution.method inpaint, where the first actions are given because the arm carries
 * them out while the policy thinks. Shown only the expert's own first actions, it would go on with whatever it is given. */
#ifndef DREAMVLA_ROBOTS_SIM_TASK_ASTRAY_H
#define DREAMVLA_ROBOTS_SIM_TASK_ASTRAY_H

#include "robots/sim/task/expert.h"

/* What is believed when the given actions are made: the block and the pad elsewhere, by 2 to 30 mm; all as it is, with an unsteady hand; another
 * block; nothing, the hand stands still; or all as it is, but the fingers close too early or open too late. `other` is the view of another block. Returns how many are given,
 * 1 to n_steps - 1, few more often than many, as latencies are short. Thread: any. Allocates: no. */
uint32_t astray_chunk(const struct expert_view *v, const struct expert_view *other, uint64_t *random, double dt_s, uint32_t n_steps,
		double action[][EXPERT_ACTION_DIM]);

#endif
