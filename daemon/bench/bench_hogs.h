/* bench_hogs.h - processes that take all the processor time they can get, as another program on the robot's machine might. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_HOGS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_HOGS_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/sys/error.h"

enum { HOGS_MAX = 64 };

struct hogs {
	uint32_t n;
	pid_t pid[HOGS_MAX];
};

/* Starts n (at most HOGS_MAX), of ordinary priority; each ends with this process, or after `longest_s`. Thread: main. Allocates: no. */
MUST_CHECK int hogs_start(struct hogs *h, uint32_t n, uint32_t longest_s, struct errbuf *e);
void hogs_stop(struct hogs *h); /* copes with one that is all zero */

#endif
