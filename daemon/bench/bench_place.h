/* bench_place.h - addresses of a session: nobody else may have those of its configuration, and simulated robots get some of their own. */
#ifndef DREAMVLA_DAEMON_BENCH_BENCH_PLACE_H
#define DREAMVLA_DAEMON_BENCH_BENCH_PLACE_H

#include "config/config.h"
#include "daemon/bench/bench_robot.h"
#include "daemon/sys/error.h"

/* -EADDRINUSE: somebody has one of its sockets; the text names key and address. Thread: any. Allocates: yes, nothing stays. Blocks: a moment. */
MUST_CHECK int place_check(const struct config *c, struct errbuf *e);

/* Gives robots with a connection of their own one each: robots[].address. -EINVAL: another number of robots than is simulated.
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int place_robots(struct config *c, enum bench_robot robot, struct errbuf *e);

#endif
