/* log.h - one line per happening to standard error (systemd's journal takes it from there), never from the control thread.
 *
 * log_line formats into a bounded ring and returns; a thread of its own writes. A full ring drops and counts, so that a blocked
 * standard error never blocks the io or policy thread. Before log_start (and in short-lived programs) lines go out directly. */
#ifndef DREAMVLA_DAEMON_SYS_LOG_H
#define DREAMVLA_DAEMON_SYS_LOG_H

#include "daemon/sys/error.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/* "area: what, value, limit, unit". Thread: any but control. Allocates: no. Blocks: no (after log_start). */
PRINTF_LIKE(2, 3) void log_line(enum log_level level, const char *format, ...);

/* Level by name (debug, info, warning, error); -EINVAL lists them. */
MUST_CHECK int log_set_level(const char *name, struct errbuf *e);

/* Starts and ends the writing thread; log_stop writes what is left and reports drops. */
MUST_CHECK int log_start(struct errbuf *e);
void log_stop(void);

#endif
