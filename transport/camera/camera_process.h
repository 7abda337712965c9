/* camera_process.h - dreamvla-camera at work: one source, published as camera/<name>. */
#ifndef DREAMVLA_TRANSPORT_CAMERA_CAMERA_PROCESS_H
#define DREAMVLA_TRANSPORT_CAMERA_CAMERA_PROCESS_H

#include <stdbool.h>

#include "transport/camera/source.h"

/* Texts live as long as the process runs. */
struct camera_process_options {
	const struct camera_source *kind;
	struct camera_options source;
	const char *name;             /* publishes camera/<name> */
	const char *cameras;          /* dreamvlad's socket, seen from here */
	const char *curve_secret, *curve_server; /* as endpoint.h */
	bool realtime_clock;          /* stamps of CLOCK_REALTIME */
	double duration_s;            /* 0: until SIGTERM or SIGINT */
	bool json;                    /* statistics as JSON on standard output instead of a line on standard error */
};

/* Until the source ends, the time is over or a signal comes (0), or it cannot go on (-errno). Thread: main. Allocates: yes. Blocks: yes. */
MUST_CHECK int camera_process_run(const struct camera_process_options *o, struct errbuf *e);

#endif
