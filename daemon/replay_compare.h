/* replay_compare.h - targets and chunks made again against those of a recording, bit for bit, and how far apart they are.
 * Pure; functions: any thread, allocate no, block no. */
#ifndef DREAMVLA_DAEMON_REPLAY_COMPARE_H
#define DREAMVLA_DAEMON_REPLAY_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/flow.h"

struct replay_arm_difference {
	uint64_t targets;             /* that differ in any bit of any member */
	double largest_rad;           /* over the joints; NaN once one of two is no number */
	uint64_t first_tick;          /* 0: none */
	int64_t first_ns;             /* its nominal time */
};

struct replay_differences {
	uint64_t ticks, targets, chunks; /* compared */
	uint64_t ticks_of_other_count; /* ticks with more or fewer targets than were recorded */
	uint64_t chunks_differ, first_chunk; /* 0: none */
	double largest_action;        /* between two actions, un-normalised */
	uint64_t chunks_missing;      /* the policy has now given none */
	uint64_t chunks_unproven;     /* taken from the recording: their observation is not in it */
	struct replay_arm_difference arm[ARMS_MAX];
};

/* Of all that could be judged; unproven chunks could not, see replay_complete. Thread: any. Allocates: no. */
bool replay_identical(const struct replay_differences *d);

/* Are all members equal, bit for bit (padding does not count)? */
bool replay_target_equal(const struct driver_target *a, const struct driver_target *b);

void replay_compare_targets(struct replay_differences *d, uint64_t tick, int64_t now_ns, const struct target_batch *now,
		const struct driver_target *was, uint32_t n_was);

void replay_compare_chunk(struct replay_differences *d, const struct action_chunk *now, const struct action_chunk *was);

#endif
