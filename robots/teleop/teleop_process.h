/* teleop_process.h - dreamvla-teleop as a process: reads the device, publishes teleop/<device>, tells the person; one thread. */
#ifndef DREAMVLA_ROBOTS_TELEOP_TELEOP_PROCESS_H
#define DREAMVLA_ROBOTS_TELEOP_TELEOP_PROCESS_H

#include "robots/teleop/device.h"

struct teleop_process_options {
	const struct teleop_device *kind;
	struct device_options device;  /* without zmq_context */
	const char *name;              /* of the topic */
	const char *arm;               /* of the message; NULL: none */
	const char *operators, *status, *door; /* addresses; door: the arm's own, or NULL */
	const char *curve_server;      /* NULL: the key of device.curve_secret is dreamvlad's too */
	double rate_hz;
	bool realtime_clock, json;
};

/* Runs until SIGTERM, SIGINT or the person ends it, then falls silent, after a last word without motion if the dead-man is held, and
 * returns 0; or -errno of what could not be started or has no reader. Thread: main, which blocks those signals for good. Allocates: yes. */
MUST_CHECK int teleop_process_run(const struct teleop_process_options *o, struct errbuf *e);

#endif
