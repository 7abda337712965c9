/* control_thread.h - the loop around control_tick: on time, in real time, and never catching up in a burst. */
#ifndef DREAMVLA_DAEMON_CONTROL_THREAD_H
#define DREAMVLA_DAEMON_CONTROL_THREAD_H

#include <stdbool.h>

#include "daemon/flow.h"
#include "daemon/links.h"
#include "daemon/stats.h"
#include "daemon/sys/error.h"
#include "daemon/sys/rt.h"

struct control_thread;

struct control_thread_options {
	const struct control_setup *setup;
	struct links *links;
	struct stats *stats;
	enum rt_wish wish;
	int priority, cpu;
};

/* Locks what the thread touches and starts it; *realtime tells whether it is SCHED_FIFO, and if not, e holds the warning.
 * Thread: main. Allocates: yes. Blocks: no. */
MUST_CHECK int control_thread_start(struct control_thread **out, const struct control_thread_options *o, bool *realtime,
		struct errbuf *e);

/* Ends after the running tick. Accepts NULL. Thread: main. Blocks: up to one period. */
void control_thread_stop(struct control_thread *t);

#endif
