/* live.h - what the person at the device is told: a line on a terminal, lines of JSON for scripts, the log otherwise. Never waits for
 * who reads it: what does not fit is not said. */
#ifndef DREAMVLA_ROBOTS_TELEOP_LIVE_H
#define DREAMVLA_ROBOTS_TELEOP_LIVE_H

#include "robots/teleop/device.h"
#include "robots/teleop/watch.h"

enum { LIVE_TEXT_BYTES = 1024 };

struct live {
	bool json, terminal;
	int fd;                       /* where the lines go: never waits */
	int64_t shown_ns;
	char said[LIVE_TEXT_BYTES];   /* to the log: only what has changed */
};

struct live_view {
	const char *topic;            /* teleop/<device> */
	bool present;
	const char *away;             /* why it is not present */
	const struct device_wish *wish;
	const struct watch *watch;
	uint64_t sent;
};

/* Blocks: no. live_end closes what it opens. */
void live_init(struct live *l, bool json);

/* Call it often; `edge`: something changed that has to be said now. -EPIPE: nobody reads any more. Allocates: with json. Blocks: no. */
MUST_CHECK int live_show(struct live *l, const struct live_view *v, bool edge, int64_t now_ns);

/* Leaves the terminal in order. */
void live_end(struct live *l);

/* The line, with or without the numbers that change all the time. Allocates: no. */
void live_text(char out[LIVE_TEXT_BYTES], const struct live_view *v, bool values, int64_t now_ns);

#endif
