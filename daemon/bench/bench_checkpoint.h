/* bench_checkpoint.h - a checkpoint of a shape without its weights' files: small files in a folder of its own, and random weights out of
 * memory, which a backend takes to its device as it takes those of a file.
 *
 * Weights are uniform in +-0.035 (the spread of fresh ones, 0.02), so that nothing overflows and no arithmetic is cheaper than with
 * real ones. They repeat every 64 MiB, which is all the memory that they take here. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_CHECKPOINT_H
#define DREAMVLA_DAEMON_BENCH_BENCH_CHECKPOINT_H

#include "daemon/bench/bench_shape.h"
#include "policy/weights.h"

struct bench_checkpoint {
	char folder[64];
	struct weights_supply supply;
	const uint8_t *pattern;     /* [room], all of it the same 64 MiB again and again */
	uint64_t room, used;        /* bytes */
};

/* Allocates: yes. Blocks: on the disk. Thread: any. The checkpoint stays where it is until finish. */
MUST_CHECK int bench_checkpoint_init(struct bench_checkpoint *c, const struct bench_shape *s, struct errbuf *e);

/* The supply gives tensors from the beginning again: when nobody uses those of before. */
void bench_checkpoint_restart(struct bench_checkpoint *c);

void bench_checkpoint_finish(struct bench_checkpoint *c); /* accepts a zeroed one */

#endif
