/* clock.c - see clock.h. */
#include "daemon/sys/clock.h"

#include <errno.h>
#include <time.h>

static int64_t read_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

bool clock_realtime_offset_ns(int64_t *offset_ns)
{
	const int64_t longest_ns = NS_PER_MS / 2;
	int64_t before_ns = clock_monotonic_ns();
	int64_t realtime_ns = clock_realtime_ns();
	int64_t took_ns = clock_monotonic_ns() - before_ns;

	*offset_ns = realtime_ns - (before_ns + took_ns / 2);
	return took_ns <= longest_ns;
}

void clock_sleep_until(int64_t due_ns)
{
	struct timespec due = { .tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}
