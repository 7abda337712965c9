/* crew.h - threads that share out numbered pieces of work, for the cpu backend alone.
 *
 * oneDNN's own threads (OpenMP) would spin between products, and leave widening and everything between products to one of them. These
 * sleep. A piece of work is numbered the same way whatever the number of threads is, so results need not depend on it. */
#ifndef DREAMVLA_POLICY_COMPUTE_CPU_CREW_H
#define DREAMVLA_POLICY_COMPUTE_CPU_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { CREW_MAX = 64 };

struct crew {
	pthread_t thread[CREW_MAX]; /* [1 .. n_started) */
	pthread_mutex_t mutex;      /* for the five below */
	pthread_cond_t start, end;
	uint64_t round;             /* counts calls of crew_run */
	uint32_t busy;              /* threads that still work on this round */
	bool stop;
	void (*work)(void *context, uint32_t item, uint32_t worker); /* of this round */
	void *context;
	uint32_t n_items;
	_Atomic uint32_t next;      /* first item that nobody has taken */
	uint32_t size, n_started;
	bool initialised;
};

/* One worker for each processor that the calling thread may use. Thread: any. Allocates: no. Blocks: no. */
uint32_t crew_size_here(void);

/* Starts size - 1 threads (size 1 to CREW_MAX), named "policy-1" and so on, which inherit the calling thread's processors and
 * scheduling. -errno of pthread_create; none of them is left then, and *c is zeroed. Thread: any. Allocates: yes (stacks). */
MUST_CHECK int crew_init(struct crew *c, uint32_t size, struct errbuf *e);

/* Ends the threads; accepts a zeroed crew. Thread: the one of crew_run. */
void crew_finish(struct crew *c);

/* work(context, 0 .. n_items - 1, worker), shared out; returns when all is done. Worker 0 is the calling thread; a worker does one item
 * at a time. Thread: one at a time. Allocates: no. */
void crew_run(struct crew *c, uint32_t n_items, void (*work)(void *context, uint32_t item, uint32_t worker), void *context);

#endif
