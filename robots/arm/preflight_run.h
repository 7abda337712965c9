/* preflight_run.h - `dreamvla-arm --preflight`: drives the arm's loop without dreamvlad, holding the arm still where it is, and says
 * whether this machine is fit. */
#ifndef DREAMVLA_ROBOTS_ARM_PREFLIGHT_RUN_H
#define DREAMVLA_ROBOTS_ARM_PREFLIGHT_RUN_H

#include "config/config.h"
#include "daemon/sys/error.h"

enum { PREFLIGHT_SECONDS_MAX = 600 };

struct preflight_options {
	const struct config *config;
	const char *arm;           /* robots[].name; NULL: the only one */
	const char *driver;
	double seconds;            /* of measuring */
	bool json;                 /* the result as one object on standard output */
};

/* 0: the driver of that name has something to be measured, or there is none. -EINVAL. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int preflight_check(const char *driver, struct errbuf *e);

/* Says what it is about to do, measures, says the result. *fit: the verdict. -EINVAL, -errno: nothing was measured, as e says. SIGINT and
 * SIGTERM end the motion properly, and the measuring with it. Thread: main, which blocks those signals for good. Allocates: yes. Blocks:
 * some seconds longer than asked for. */
MUST_CHECK int preflight_run(const struct preflight_options *o, bool *fit, struct errbuf *e);

#endif
