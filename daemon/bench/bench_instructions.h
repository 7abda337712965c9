/* bench_instructions.h - how many instructions a call executes in user space: by the processor's counter where the kernel lends it,
 * else by single steps (the trap flag of x86-64), which are exact and cost some microseconds each. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_INSTRUCTIONS_H
#define DREAMVLA_DAEMON_BENCH_BENCH_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

struct instructions {
	const char *method;        /* for people */
	bool slow;                 /* single steps */
	int fd;
	uint64_t overhead;         /* of counting itself */
};

/* -EPERM: neither way is open here (says why). Thread: the one that counts; single steps take SIGTRAP until instructions_close. */
MUST_CHECK int instructions_open(struct instructions *c, struct errbuf *e);
void instructions_close(struct instructions *c);

/* What one call of step(context) executes. Not reentrant. */
uint64_t instructions_of(const struct instructions *c, void (*step)(void *context), void *context);

#endif
