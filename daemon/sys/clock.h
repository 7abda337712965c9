/* clock.h - time as int64 nanoseconds. Stages never include this: they are told their time. */
#ifndef DREAMVLA_DAEMON_SYS_CLOCK_H
#define DREAMVLA_DAEMON_SYS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

/* CLOCK_MONOTONIC in ns. Thread: any. Allocates: no. Blocks: no. */
int64_t clock_monotonic_ns(void);

/* CLOCK_REALTIME in ns since the epoch. Thread: any. Allocates: no. Blocks: no. */
int64_t clock_realtime_ns(void);

/* CLOCK_REALTIME - CLOCK_MONOTONIC. false: the reading took more than 0.5 ms, so it was interrupted between the two clocks and
 * says nothing; *offset_ns is the best guess all the same, for who has none yet. Thread: any. Allocates: no. Blocks: no. */
bool clock_realtime_offset_ns(int64_t *offset_ns);

/* CLOCK_MONOTONIC in wait_ns (>= 0), for the calls that wait until then. Thread: any. Allocates: no. Blocks: no. */
static inline struct timespec clock_from_now(int64_t wait_ns)
{
	int64_t until_ns = clock_monotonic_ns() + wait_ns;

	return (struct timespec){ until_ns / NS_PER_S, until_ns % NS_PER_S };
}

/* Sleeps until CLOCK_MONOTONIC reaches due_ns, whatever signals come. Thread: any. Allocates: no. Blocks: yes. */
void clock_sleep_until(int64_t due_ns);

#endif
