/* world_server.h - the world in real time: steps it at 1 kHz and serves its socket. One thread owns all of it.
 *
 * Late steps are made up in batches, because simulated time must follow the clock; after a pause of more than 100 ms the
 * rest is given up and counted. Other threads see snapshots only. */
#ifndef DREAMVLA_ROBOTS_SIM_WORLD_SERVER_H
#define DREAMVLA_ROBOTS_SIM_WORLD_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "daemon/sys/error.h"
#include "daemon/sys/handover.h"
#include "robots/sim/judge.h"
#include "robots/sim/world.h"
#include "transport/endpoint.h"
#include "transport/sequence.h"

/* A copy of the world and when it was so. */
struct world_snapshot {
	int64_t stamp_ns;
	struct world world;
};

/* A robot with an interface of its own, which moves the world's arm. */
struct world_robot {
	void *self;
	/* `steps` milliseconds have passed since the last call: writes where the arm shall be placed. Thread: the world's. */
	void (*step)(void *self, uint32_t steps, const struct world *w, struct world_command *out);
};

struct world_server {
	struct world world;
	struct endpoint *socket;      /* NULL where a robot moves the arm */
	struct world_robot robot;     /* step NULL: none */
	struct judge judge;           /* socket NULL: nobody asks */
	uint64_t from, state_seq, command_seq;
	struct sequence peer;
	struct endpoint_peer address; /* of the peer, once there is one */
	struct world_command command; /* newest, until it was stepped with */
	_Atomic bool stop;
	_Atomic uint64_t steps, given_up, malformed;
	struct latest snapshot_box;   /* world thread -> picture thread */
	struct world_snapshot snapshot[LATEST_SLOTS];
};

struct world_server_options {
	uint64_t seed;
	bool task, pads;           /* of world_options */
	const char *address;
	const char *judge;         /* address of the judge's socket; NULL: none */
	struct world_robot robot;     /* self must outlive the server. step NULL: the world's socket */
	void *zmq_context;
	const struct robot_model *model; /* constant */
};

/* Binds the sockets. Errors as endpoint_open. Thread: start-up. Allocates: yes. */
MUST_CHECK int world_server_init(struct world_server *s, const struct world_server_options *o, struct errbuf *e);
void world_server_finish(struct world_server *s); /* accepts a zeroed one */

/* Steps in real time until `stop`; the argument of a thread, a struct world_server. Blocks: until then. */
void *world_server_run(void *server);

#endif
