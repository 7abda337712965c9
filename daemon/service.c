/* service.c - see service.h; the protocol is sd_notify(3). */
#include "daemon/service.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/sys/clock.h"

enum { EXTEND_S = 60 };
#define WAITING_PERIOD_NS (10 * NS_PER_S)
#define WAITING_MAX_NS (30 * 60 * NS_PER_S) /* a load that takes longer hangs */

void watchdog_init(struct watchdog *w)
{
	uint64_t usec = 0;

	*w = (struct watchdog){ 0 };
	if (sd_watchdog_enabled(0, &usec) > 0)
		w->period_ns = (int64_t)usec * NS_PER_US / 2;
}

bool watchdog_due(struct watchdog *w, uint64_t ticks, int64_t now_ns)
{
	if (w->period_ns == 0 || now_ns - w->last_ping_ns < w->period_ns || ticks == w->last_ticks)
		return false;
	w->last_ping_ns = now_ns;
	w->last_ticks = ticks;
	return true;
}

void service_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

void service_stopping(const char *status)
{
	sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}

void service_loading(struct service_load *l, const char *what, double share, int64_t now_ns)
{
	bool told = l->last_ns != 0 && strncmp(l->what, what, sizeof l->what - 1) == 0;

	if (told && now_ns - l->last_ns < NS_PER_S)
		return;
	l->last_ns = now_ns;
	snprintf(l->what, sizeof l->what, "%s", what);
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d000000\nSTATUS=%s (%.0f %%)", EXTEND_S, what, 100.0 * share);
}

bool service_waiting(struct service_load *l, int64_t now_ns)
{
	if (l->begin_ns == 0)
		l->begin_ns = l->last_ns = now_ns; /* who loads has just spoken */
	if (now_ns - l->begin_ns > WAITING_MAX_NS || now_ns - l->last_ns < WAITING_PERIOD_NS)
		return false;
	l->last_ns = now_ns;
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d000000", EXTEND_S);
	return true;
}
