/* eventfd.h - waking another thread without a lock. */
#ifndef DREAMVLA_DAEMON_SYS_EVENTFD_H
#define DREAMVLA_DAEMON_SYS_EVENTFD_H

#include <stdbool.h>

#include "daemon/sys/error.h"

/* A new non-blocking eventfd, or -errno with a text; close(2) ends it. Thread: start-up. */
MUST_CHECK int eventfd_open(struct errbuf *e);

/* Wakes whoever waits for fd. Thread: any, control included. Allocates: no. Blocks: no. */
void eventfd_signal(int fd);

/* Forgets the signals that have come. Thread: the one that waits. Allocates: no. Blocks: no. */
void eventfd_clear(int fd);

/* Waits for a signal, at most timeout_ms, and clears it; false: none came. Thread: any but control. Blocks: yes. */
bool eventfd_wait(int fd, int timeout_ms);

#endif
