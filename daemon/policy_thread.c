/* policy_thread.c - see policy_thread.h. */
#include "daemon/policy_thread.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/policy_tick.h"
#include "daemon/service.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/rt.h"

enum { WAIT_MS = 100 };

struct policy_thread {
	struct policy_runner runner;  /* policy thread only */
	const struct config *config;
	const struct control_setup *setup;
	struct links *links;
	struct stats *stats;
	pthread_t thread;
	bool thread_runs;
	_Atomic bool quit;
	_Atomic bool gone;            /* POLICY_GONE, for main */
	sem_t loaded;                 /* posted once: rc and error are then valid */
	_Atomic bool is_loaded, has_ended; /* the same, and the thread's end, once more: ThreadSanitizer knows neither sem_clockwait nor
	                                    * pthread_clockjoin_np, and would see races where these have waited */
	struct service_load waiting;  /* of the thread that starts this one */
	int rc;
	struct errbuf error;
};

static void *run(void *argument)
{
	struct policy_thread *t = argument;

	t->rc = policy_runner_init(&t->runner, t->config, t->setup, t->links, t->stats, &t->error);
	atomic_store_explicit(&t->is_loaded, true, memory_order_release);
	sem_post(&t->loaded);
	while (t->rc == 0 && !atomic_load_explicit(&t->quit, memory_order_acquire)) {
		eventfd_wait(t->links->observation_eventfd, WAIT_MS);
		policy_tick(&t->runner);
		atomic_store_explicit(&t->gone, t->runner.status.health == POLICY_GONE, memory_order_relaxed);
	}
	policy_runner_finish(&t->runner);
	atomic_store_explicit(&t->has_ended, true, memory_order_release);
	return NULL;
}

static bool wait_loaded(struct policy_thread *t)
{
	struct timespec until = clock_from_now(WAIT_MS * NS_PER_MS);

	return sem_clockwait(&t->loaded, CLOCK_MONOTONIC, &until) == 0 && atomic_load_explicit(&t->is_loaded, memory_order_acquire);
}

int policy_thread_start(struct policy_thread **out, const struct config *c, const struct control_setup *setup,
		struct links *links, struct stats *stats, int cpu, bool (*interrupted)(void), struct errbuf *e)
{
	struct rt_thread_options o = { .name = "policy", .run = run, .wish = RT_OFF, .cpu = cpu, .avoid_cpu = true };
	struct policy_thread *t = calloc(1, sizeof *t);
	bool realtime;
	int rc;

	if (!t)
		return fail(e, -ENOMEM, "policy thread: out of memory");
	t->config = c;
	t->setup = setup;
	t->links = links;
	t->stats = stats;
	sem_init(&t->loaded, 0, 0);
	*out = t;
	o.argument = t;
	if ((rc = rt_thread_start(&t->thread, &o, &realtime, e)) < 0)
		return rc;
	t->thread_runs = true;
	while (!wait_loaded(t)) {
		service_waiting(&t->waiting, clock_monotonic_ns());
		if (interrupted())
			return fail(e, -EINTR, "policy: interrupted while loading");
	}
	if (t->rc < 0)
		*e = t->error;
	return t->rc;
}

bool policy_thread_end(struct policy_thread *t, int64_t patience_ns)
{
	struct timespec until = clock_from_now(patience_ns);

	if (!t || !t->thread_runs)
		return true;
	atomic_store_explicit(&t->quit, true, memory_order_release);
	eventfd_signal(t->links->observation_eventfd);
	t->thread_runs = pthread_clockjoin_np(t->thread, NULL, CLOCK_MONOTONIC, &until) != 0
			|| !atomic_load_explicit(&t->has_ended, memory_order_acquire);
	return !t->thread_runs;
}

bool policy_thread_gone(const struct policy_thread *t)
{
	return t && atomic_load_explicit(&t->gone, memory_order_relaxed);
}

void policy_thread_destroy(struct policy_thread *t)
{
	if (!t)
		return;
	sem_destroy(&t->loaded);
	free(t);
}
