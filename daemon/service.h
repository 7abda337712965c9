/* service.h - what systemd is told: ready, loading, alive, stopping. Without systemd all of it does nothing.
 *
 * The watchdog claims health only while control ticks advance: a daemon whose control thread hangs is restarted. */
#ifndef DREAMVLA_DAEMON_SERVICE_H
#define DREAMVLA_DAEMON_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

struct watchdog {
	int64_t period_ns;          /* of our pings; 0: nobody watches */
	int64_t last_ping_ns;
	uint64_t last_ticks;
};

/* Reads WATCHDOG_USEC; pings at half of it. Thread: main. Allocates: no. Blocks: no. */
void watchdog_init(struct watchdog *w);

/* True when a ping is due and the control loop has ticked since the last one. Pure.
 * Thread: its owner. Allocates: no. Blocks: no. */
bool watchdog_due(struct watchdog *w, uint64_t ticks, int64_t now_ns);

/* READY=1, WATCHDOG=1, STOPPING=1 with a line for `systemctl status`. Thread: any but control and io. Blocks: no. */
void service_ready(const char *status);
void service_alive(void);
void service_stopping(const char *status);

/* What was told while something loads, by one thread; zero: nothing yet. */
struct service_load {
	int64_t begin_ns, last_ns;
	char what[64];
};

/* While something long runs before service_ready: asks for another minute and shows how far it is. At most once a second,
 * but something new to tell is always told. Thread: any but control and io. Blocks: no. */
void service_loading(struct service_load *l, const char *what, double share, int64_t now_ns);

/* The same from a thread that only waits for the one that loads: what takes minutes without a word gets its time too, but not
 * for ever (30 minutes). True when it asked. Thread: any but control and io. Blocks: no. */
bool service_waiting(struct service_load *l, int64_t now_ns);

#endif
