/* bench_frames.h - frames between the simulated cameras and dreamvlad, some of them lost or late, as a bad network or a busy camera makes them.
 * A thread of its own; what it draws is the same with every run. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_FRAMES_H
#define DREAMVLA_DAEMON_BENCH_BENCH_FRAMES_H

#include <stdint.h>

#include "daemon/sys/error.h"

struct frames_options {
	const char *from, *to;        /* addresses: bound; dreamvlad's, connected to */
	const char *curve_secret;     /* of `to`; "": none */
	double drop_share;            /* 0..1, lost */
	int64_t delay_ns;             /* every frame comes later by 0 to this; the order of one camera stays */
	void *zmq;
};

struct frames_counters {
	uint64_t passed, dropped;
};

struct frames;

/* Thread: main. Allocates: yes. The strings outlive it. */
MUST_CHECK int frames_start(struct frames **out, const struct frames_options *o, struct errbuf *e);

/* Ends it; accepts NULL. Blocks: some ms. */
struct frames_counters frames_stop(struct frames *f);

#endif
