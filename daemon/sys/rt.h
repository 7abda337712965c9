/* rt.h - becoming real-time, loudly when that fails. */
#ifndef DREAMVLA_DAEMON_SYS_RT_H
#define DREAMVLA_DAEMON_SYS_RT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/sys/error.h"

enum rt_wish { RT_PREFER, RT_REQUIRED, RT_OFF };

struct rt_thread_options {
	const char *name;      /* at most 15 bytes, shown by ps and top */
	void *(*run)(void *);
	void *argument;
	enum rt_wish wish;
	int priority;          /* SCHED_FIFO, 1..98 */
	int cpu;               /* -1: any */
	bool avoid_cpu;        /* with an ordinary thread: every processor but `cpu` */
};

/* Starts a thread with a locked, pre-faulted stack when it is to be real-time. RT_PREFER: without permission it starts as an
 * ordinary thread, *realtime is false and e holds the warning with its remedy. 0 or -errno.
 * Thread: start-up. Allocates: yes. Blocks: no. */
MUST_CHECK int rt_thread_start(pthread_t *thread, const struct rt_thread_options *o, bool *realtime, struct errbuf *e);

/* Number of the last processor this process may use. */
int rt_last_cpu(void);

/* Locks [at, at + n) into memory and touches every page; failing is not an error, only slower. */
void rt_lock_memory(void *at, size_t n);

#endif
