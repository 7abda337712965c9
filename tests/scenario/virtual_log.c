/* virtual_log.c - daemon/sys/log.h in a scenario: lines carry its time, and are shown only when asked for. */
#include <stdarg.h>
#include <stdio.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "tests/scenario/virtual.h"

static bool shown;

void virtual_log_show(bool show)
{
	shown = show;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const name[] = { "debug", "info", "warning", "error" };
	va_list args;

	if (!shown)
		return;
	printf("%9.4f %s: ", (double)(clock_monotonic_ns() - virtual_time_begin_ns()) * 1e-9, name[level]);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

int log_set_level(const char *name, struct errbuf *e)
{
	(void)name;
	(void)e;
	return 0;
}

int log_start(struct errbuf *e)
{
	(void)e;
	return 0;
}

void log_stop(void)
{
}
