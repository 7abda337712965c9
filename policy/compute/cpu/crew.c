/* crew.c - see crew.h. */
#include "policy/compute/cpu/crew.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint32_t crew_size_here(void)
{
	cpu_set_t set;
	/* EINVAL where the kernel knows more processors than the set: then there are plenty. */
	long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);

	return n > CREW_MAX ? CREW_MAX : n < 1 ? 1 : (uint32_t)n;
}

static void take_items(struct crew *c, uint32_t worker)
{
	uint32_t item;

	while ((item = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed)) < c->n_items)
		c->work(c->context, item, worker);
}

/* Number of the calling thread, or 0 when it is none of the crew's. */
static uint32_t own_number(const struct crew *c)
{
	uint32_t worker = 1;

	while (worker < c->n_started && !pthread_equal(c->thread[worker], pthread_self()))
		worker++;
	return worker < c->n_started ? worker : 0;
}

/* Waits for a round after `seen`; false: the crew ends. */
static bool wait_round(struct crew *c, uint64_t *seen)
{
	while (!c->stop && c->round == *seen)
		pthread_cond_wait(&c->start, &c->mutex);
	*seen = c->round;
	return !c->stop;
}

/* The policy thread's own name is taken: debuggers, and those who look for it, want that one. */
static void name_self(uint32_t worker)
{
	char name[sizeof "policy-4294967295"]; /* at most 15 characters in truth: workers are fewer than CREW_MAX */

	snprintf(name, sizeof name, "policy-%u", worker);
	pthread_setname_np(pthread_self(), name);
}

static void *run(void *argument)
{
	struct crew *c = argument;
	uint64_t seen = 0;

	omp_set_num_threads(1); /* a product that this thread asks oneDNN for is its own */
	pthread_mutex_lock(&c->mutex);
	uint32_t worker = own_number(c);

	name_self(worker);
	while (wait_round(c, &seen)) {
		pthread_mutex_unlock(&c->mutex);
		take_items(c, worker);
		pthread_mutex_lock(&c->mutex);
		if (--c->busy == 0)
			pthread_cond_signal(&c->end);
	}
	pthread_mutex_unlock(&c->mutex);
	return NULL;
}

/* With the mutex held, so that a thread finds its own number. */
static int start_threads(struct crew *c, uint32_t size)
{
	int rc = 0;

	pthread_mutex_lock(&c->mutex);
	for (c->n_started = 1; c->n_started < size; c->n_started++)
		if ((rc = pthread_create(&c->thread[c->n_started], NULL, run, c)) != 0)
			break;
	pthread_mutex_unlock(&c->mutex);
	return -rc;
}

int crew_init(struct crew *c, uint32_t size, struct errbuf *e)
{
	*c = (struct crew){ .size = size, .initialised = true };
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->start, NULL);
	pthread_cond_init(&c->end, NULL);
	int rc = start_threads(c, size);

	if (rc < 0) {
		rc = fail(e, rc, "cpu backend: cannot start thread %u of %u: %s; ask for fewer (policy.threads, --threads)", c->n_started + 1, size,
				strerror(-rc));
		crew_finish(c);
	}
	return rc;
}

void crew_finish(struct crew *c)
{
	if (!c->initialised)
		return;
	pthread_mutex_lock(&c->mutex);
	c->stop = true;
	pthread_cond_broadcast(&c->start);
	pthread_mutex_unlock(&c->mutex);
	for (uint32_t i = 1; i < c->n_started; i++)
		pthread_join(c->thread[i], NULL);
	pthread_mutex_destroy(&c->mutex);
	pthread_cond_destroy(&c->start);
	pthread_cond_destroy(&c->end);
	*c = (struct crew){ 0 };
}

void crew_run(struct crew *c, uint32_t n_items, void (*work)(void *context, uint32_t item, uint32_t worker), void *context)
{
	pthread_mutex_lock(&c->mutex);
	c->work = work;
	c->context = context;
	c->n_items = n_items;
	atomic_store_explicit(&c->next, 0, memory_order_relaxed);
	c->busy = c->size - 1;
	c->round++;
	pthread_cond_broadcast(&c->start);
	pthread_mutex_unlock(&c->mutex);
	take_items(c, 0);
	pthread_mutex_lock(&c->mutex);
	while (c->busy)
		pthread_cond_wait(&c->end, &c->mutex);
	pthread_mutex_unlock(&c->mutex);
}
