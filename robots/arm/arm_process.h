/* arm_process.h - dreamvla-arm as a process: driver, control thread, io; a controlled stop at its end. */
#ifndef DREAMVLA_ROBOTS_ARM_ARM_PROCESS_H
#define DREAMVLA_ROBOTS_ARM_ARM_PROCESS_H

#include "config/config.h"
#include "daemon/sys/error.h"

struct arm_process_options {
	struct config config;
	const char *arm;           /* robots[].name; NULL: the only one */
	const char *driver;
	const char *world;         /* for driver sim */
};

/* Runs until SIGTERM or SIGINT, then brakes, lets go and returns 0; or -errno of what could not be started.
 * Thread: main, which blocks those signals for good. Allocates: yes. */
MUST_CHECK int arm_process_run(const struct arm_process_options *o, struct errbuf *e);

#endif
