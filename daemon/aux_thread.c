/* aux_thread.c - see aux_thread.h. */
#include "daemon/aux_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/rt.h"

#define AUX_PERIOD_NS (10 * NS_PER_MS)

enum { AUX_TAPES = 3 };

struct aux_thread {
	struct tape *tape[AUX_TAPES];
	pthread_t thread;
	bool thread_runs;
	_Atomic bool quit;
};

/* The oldest record of all tapes, or NULL. *from: the tape it lies on. */
static const void *oldest(struct aux_thread *t, struct tape_record *r, struct tape **from)
{
	const void *found = NULL;

	for (int i = 0; i < AUX_TAPES; i++) {
		struct tape_record next;
		const void *p = tape_front(t->tape[i], &next);

		if (!p || (found && next.t_ns >= r->t_ns))
			continue;
		found = p;
		*r = next;
		*from = t->tape[i];
	}
	return found;
}

/* Nobody wants them yet. */
static void drain(struct aux_thread *t)
{
	struct tape_record r;
	struct tape *from;

	while (oldest(t, &r, &from))
		tape_release(from);
}

static void *run(void *argument)
{
	struct aux_thread *t = argument;

	while (!atomic_load_explicit(&t->quit, memory_order_acquire)) {
		drain(t);
		clock_sleep_until(clock_monotonic_ns() + AUX_PERIOD_NS);
	}
	drain(t);
	return NULL;
}

int aux_thread_start(struct aux_thread **out, struct links *links, int cpu, struct errbuf *e)
{
	struct rt_thread_options o = { .name = "aux", .run = run, .wish = RT_OFF, .cpu = cpu, .avoid_cpu = true };
	struct aux_thread *t = calloc(1, sizeof *t);
	bool realtime;
	int rc;

	*out = t;
	if (!t)
		return fail(e, -ENOMEM, "aux thread: out of memory");
	t->tape[0] = &links->control_tape;
	t->tape[1] = &links->policy_tape;
	t->tape[2] = &links->io_tape;
	o.argument = t;
	rc = rt_thread_start(&t->thread, &o, &realtime, e);
	t->thread_runs = rc == 0;
	return rc;
}

void aux_thread_stop(struct aux_thread *t)
{
	if (!t)
		return;
	atomic_store_explicit(&t->quit, true, memory_order_release);
	if (t->thread_runs)
		pthread_join(t->thread, NULL);
	free(t);
}
