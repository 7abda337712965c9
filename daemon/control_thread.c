/* control_thread.c - see control_thread.h. */
#include "daemon/control_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "daemon/control_state.h"
#include "daemon/control_tick.h"
#include "daemon/control_trace.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"

struct control_thread {
	struct control control;       /* control thread only */
	struct links *links;
	struct stats *stats;
	int64_t period_ns;
	pthread_t thread;
	_Atomic bool quit;
};

/* Sleeps to an absolute time, tells the tick its nominal time, and skips the periods that were missed: two ticks back to back
 * would send an arm two targets of which the first is too late anyway. */
static void *run(void *argument)
{
	struct control_thread *t = argument;
	int64_t due_ns = clock_monotonic_ns() / t->period_ns * t->period_ns + t->period_ns;
	uint64_t ticks = 0, overruns = 0;

	while (!atomic_load_explicit(&t->quit, memory_order_acquire)) {
		clock_sleep_until(due_ns);
		int64_t woke_ns = clock_monotonic_ns();

		control_tick(&t->control, due_ns);
		eventfd_signal(t->links->target_eventfd);
		control_trace(t->stats, &t->links->control_tape, due_ns, woke_ns, clock_monotonic_ns());
		control_state_record(&t->control);
		atomic_store_explicit(&t->stats->ticks, ++ticks, memory_order_relaxed);
		due_ns += t->period_ns;
		for (int64_t now_ns = clock_monotonic_ns(); due_ns <= now_ns; due_ns += t->period_ns)
			overruns++;
		atomic_store_explicit(&t->stats->overruns, overruns, memory_order_relaxed);
	}
	return NULL;
}

int control_thread_start(struct control_thread **out, const struct control_thread_options *o, bool *realtime,
		struct errbuf *e)
{
	struct rt_thread_options rt = {
		.name = "control",
		.run = run,
		.wish = o->wish,
		.priority = o->priority,
		.cpu = o->cpu,
	};
	struct control_thread *t = calloc(1, sizeof *t);
	int rc;

	if (!t)
		return fail(e, -ENOMEM, "control thread: out of memory");
	t->links = o->links;
	t->stats = o->stats;
	t->period_ns = o->setup->period_ns;
	control_init(&t->control, o->setup, o->links);
	rt_lock_memory(t, sizeof *t);
	rt.argument = t;
	if ((rc = rt_thread_start(&t->thread, &rt, realtime, e)) < 0) {
		free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void control_thread_stop(struct control_thread *t)
{
	if (!t)
		return;
	atomic_store_explicit(&t->quit, true, memory_order_release);
	pthread_join(t->thread, NULL);
	free(t);
}
