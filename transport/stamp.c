/* stamp.c - see stamp.h. */
#include "transport/stamp.h"

#include <errno.h>

static int convert(int64_t stamp_ns, int64_t arrival_ns, int64_t offset_ns, int64_t ahead_max_ns, int64_t *monotonic_ns,
		const char *key, struct errbuf *e)
{
	int64_t when_ns;

	/* Anything may come from outside, so the subtraction may overflow; monotonic time is never negative. */
	if (__builtin_sub_overflow(stamp_ns, offset_ns, &when_ns) || when_ns < 0)
		return fail(e, -EBADMSG, "%s: found %lld, which is before the clock's start; which clock does the sender use?", key,
				(long long)stamp_ns);
	if (when_ns - arrival_ns > ahead_max_ns)
		return fail(e, -EBADMSG, "%s: found %.1f ms after its arrival, want at most %.0f ms; check `clock` and its synchronisation", key,
				(double)(when_ns - arrival_ns) / 1e6, (double)ahead_max_ns / 1e6);
	*monotonic_ns = when_ns;
	return 0;
}

int stamp_to_monotonic(int64_t stamp_ns, int64_t arrival_ns, int64_t offset_ns, int64_t *monotonic_ns, struct errbuf *e)
{
	return convert(stamp_ns, arrival_ns, offset_ns, STAMP_AHEAD_MAX_NS, monotonic_ns, "stamp_ns", e);
}

int64_t stamp_from_arrival(int64_t arrival_ns, int64_t latency_ns)
{
	return arrival_ns - latency_ns;
}

int stamp_due_to_monotonic(int64_t t_ns, int64_t arrival_ns, int64_t offset_ns, int64_t *monotonic_ns, struct errbuf *e)
{
	return convert(t_ns, arrival_ns, offset_ns, STAMP_DUE_MAX_NS, monotonic_ns, "t_ns", e);
}
