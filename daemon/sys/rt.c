/* rt.c - see rt.h. */
#include "daemon/sys/rt.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Address space is cheap, and sanitizers keep a megabyte of their own on the stack; only what is used is locked. */
enum { RT_STACK_BYTES = 4 << 20, RT_STACK_LOCKED_BYTES = 256 << 10, THREAD_NAME_BYTES = 16 };

/* Handed to the new thread, which frees it. */
struct start {
	void *(*run)(void *);
	void *argument;
	bool lock_stack;
	char name[THREAD_NAME_BYTES];
};

void rt_lock_memory(void *at, size_t n)
{
	long page_bytes = sysconf(_SC_PAGESIZE);
	volatile uint8_t *byte = at;

	(void)mlock(at, n);
	for (size_t i = 0; i < n; i += (size_t)page_bytes)
		byte[i] = byte[i];
	if (n > 0)
		byte[n - 1] = byte[n - 1];
}

/* Touches the stack that the thread is about to use, so that no tick ever meets a page fault. */
static __attribute__((noinline)) void lock_stack(void)
{
	uint8_t below[RT_STACK_LOCKED_BYTES];

	below[0] = 0;
	rt_lock_memory(below, sizeof below);
}

static void *begin(void *argument)
{
	struct start s = *(struct start *)argument;

	free(argument);
	pthread_setname_np(pthread_self(), s.name);
	if (s.lock_stack)
		lock_stack();
	return s.run(s.argument);
}

/* The processors for the thread: `cpu` alone, every other one, or false for no restriction. */
static bool choose_processors(const struct rt_thread_options *o, cpu_set_t *set)
{
	if (o->cpu < 0)
		return false;
	if (!o->avoid_cpu) {
		CPU_ZERO(set);
		CPU_SET((size_t)o->cpu, set);
		return true;
	}
	if (sched_getaffinity(0, sizeof *set, set) != 0)
		return false;
	CPU_CLR((size_t)o->cpu, set);
	return CPU_COUNT(set) > 0;
}

static int create(pthread_t *thread, const struct rt_thread_options *o, bool fifo)
{
	struct sched_param parameters = { .sched_priority = o->priority };
	struct start *s = calloc(1, sizeof *s);
	pthread_attr_t attributes;
	cpu_set_t set;

	if (!s)
		return ENOMEM;
	*s = (struct start){ .run = o->run, .argument = o->argument, .lock_stack = o->wish != RT_OFF };
	strncpy(s->name, o->name, sizeof s->name - 1);
	pthread_attr_init(&attributes);
	if (choose_processors(o, &set))
		pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
	if (s->lock_stack)
		pthread_attr_setstacksize(&attributes, RT_STACK_BYTES);
	if (fifo) {
		pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
		pthread_attr_setschedparam(&attributes, &parameters);
	}
	int rc = pthread_create(thread, &attributes, begin, s);

	pthread_attr_destroy(&attributes);
	if (rc != 0)
		free(s);
	return rc;
}

int rt_thread_start(pthread_t *thread, const struct rt_thread_options *o, bool *realtime, struct errbuf *e)
{
	int rc = create(thread, o, o->wish != RT_OFF);

	*realtime = rc == 0 && o->wish != RT_OFF;
	if (rc == EPERM && o->wish != RT_OFF) {
		fail(e, -rc, "%s thread: SCHED_FIFO priority %d is not permitted: give the service LimitRTPRIO=%d "
				"(shell: ulimit -r %d) or CAP_SYS_NICE, or set control.realtime: off",
				o->name, o->priority, o->priority, o->priority);
		if (o->wish == RT_REQUIRED)
			return -rc;
		rc = create(thread, o, false);
	}
	if (rc == EINVAL)
		return fail(e, -rc, "%s thread: processor %d is not to be had by this process (control.cpu; its last one is %d)",
				o->name, o->cpu, rt_last_cpu());
	if (rc != 0)
		return fail(e, -rc, "%s thread: %s", o->name, strerror(rc));
	return 0;
}

int rt_last_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 0;
	for (int cpu = CPU_SETSIZE - 1; cpu > 0; cpu--)
		if (CPU_ISSET((size_t)cpu, &set))
			return cpu;
	return 0;
}
