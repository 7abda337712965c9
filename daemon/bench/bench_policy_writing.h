/* bench_policy_writing.h - what trace and recording cost the threads on the policy's path. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_POLICY_WRITING_H
#define DREAMVLA_DAEMON_BENCH_BENCH_POLICY_WRITING_H

#include "daemon/bench/bench_paired.h"

/* For one chunk, all that is written between a frame's arrival and the chunk's hand-over, by the configuration's policy and cameras with pictures
 * of 20 kB: io's copies of the frames, the observation, the chunk, the spans; with nothing wanted on the tapes and with everything. The checkpoint
 * is loaded for that. -EINVAL: the configuration; -ENOMEM; what loading says. Thread: main. Allocates: yes. Blocks: for loading. */
MUST_CHECK int policy_measure_writing(struct paired_cost *c, const char *config, struct errbuf *e);

#endif
