/* sim_process.h - dreamvla-sim as a process: the world's thread, the cameras' thread, and waiting for the end. */
#ifndef DREAMVLA_ROBOTS_SIM_SIM_PROCESS_H
#define DREAMVLA_ROBOTS_SIM_SIM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/sys/error.h"

struct sim_options {
	struct config config;      /* cameras.* and sockets.cameras, clock, control.realtime and .priority */
	uint64_t seed;
	bool task;                 /* a world for tasks: blocks can be lifted, */
	bool pads;                 /* and put on pads */
	const char *judge;         /* address of the socket that tells what was picked up; NULL: none */
	const struct robot_model *model; /* which arm stands there */
	double duration_s;         /* 0: until a signal */
	const char *world;         /* address of the world's socket */
	const char *franka;        /* IPv4 address of a Franka with its control interface instead of the world's socket; NULL: none */
	uint32_t franka_version;   /* protocol that it speaks; 0: its client's */
	const char *piper;         /* bus of a PiPER instead of either: socketcand://HOST:PORT or a CAN interface; NULL: none */
	const char *piper_firmware; /* that it has */
	const char *faults;        /* socket that makes that robot go wrong on purpose */
	double rate_hz;            /* of each camera */
	uint32_t width, height;
	bool cameras;
	const char *camera_prefix; /* of their names */
};

/* Runs until SIGTERM, SIGINT or the duration's end; says on standard error where it listens and, at the end, what it did.
 * 0, or -errno of what could not be started. Thread: main, which blocks those signals for good. Allocates: yes. */
MUST_CHECK int sim_run(const struct sim_options *o, struct errbuf *e);

#endif
