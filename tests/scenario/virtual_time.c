/* virtual_time.c - see virtual.h: clock.h, eventfd.h and random numbers of the scenario. */
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "tests/scenario/virtual.h"

#include <fcntl.h>

/* The machine has been up for a while, and the date is a plausible one. */
#define UP_NS (1000 * NS_PER_S)
#define DATE_NS (INT64_C(1790000000) * NS_PER_S)

enum { EVENTS = 1024 };

static int64_t monotonic_ns, realtime_offset_ns;
static uint64_t random_state;
static void (*on_sleep)(int64_t due_ns);
static bool signalled[EVENTS];

void virtual_time_reset(uint64_t seed)
{
	monotonic_ns = UP_NS;
	realtime_offset_ns = DATE_NS - UP_NS;
	random_state = seed;
	on_sleep = NULL;
	for (int i = 0; i < EVENTS; i++)
		signalled[i] = false;
}

int64_t virtual_time_begin_ns(void)
{
	return UP_NS;
}

void virtual_time_set(int64_t now_ns)
{
	if (now_ns > monotonic_ns)
		monotonic_ns = now_ns;
}

void virtual_time_on_sleep(void (*sleep)(int64_t due_ns))
{
	on_sleep = sleep;
}

void virtual_time_step_realtime(int64_t by_ns)
{
	realtime_offset_ns += by_ns;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t virtual_random_u64(void)
{
	uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

double virtual_random(void)
{
	return (double)(virtual_random_u64() >> 11) * 0x1p-53;
}

double virtual_random_between(double low, double high)
{
	return low + (high - low) * virtual_random();
}

/* ---- daemon/sys/clock.h ---- */

int64_t clock_monotonic_ns(void)
{
	return monotonic_ns;
}

int64_t clock_realtime_ns(void)
{
	return monotonic_ns + realtime_offset_ns;
}

bool clock_realtime_offset_ns(int64_t *offset_ns)
{
	*offset_ns = realtime_offset_ns;
	return true;
}

void clock_sleep_until(int64_t due_ns)
{
	if (on_sleep)
		on_sleep(due_ns);
	virtual_time_set(due_ns);
}

/* ---- daemon/sys/eventfd.h: descriptors are real ones (they are closed with close(2)), their state is a flag ---- */

int eventfd_open(struct errbuf *e)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fd >= EVENTS)
		return fail(e, -1, "scenario: no descriptor for an event");
	signalled[fd] = false;
	return fd;
}

void eventfd_signal(int fd)
{
	if (fd >= 0 && fd < EVENTS)
		signalled[fd] = true;
}

void eventfd_clear(int fd)
{
	if (fd >= 0 && fd < EVENTS)
		signalled[fd] = false;
}

bool eventfd_wait(int fd, int timeout_ms)
{
	(void)timeout_ms;
	return virtual_event_taken(fd);
}

bool virtual_event_taken(int fd)
{
	bool was = fd >= 0 && fd < EVENTS && signalled[fd];

	eventfd_clear(fd);
	return was;
}
