/* camera_server.h - draws the newest snapshot of the world at a fixed rate and publishes it as camera/<name>, JPEG.
 * A thread of its own, so that drawing never delays the world's steps. */
#ifndef DREAMVLA_ROBOTS_SIM_CAMERA_SERVER_H
#define DREAMVLA_ROBOTS_SIM_CAMERA_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "config/config.h"
#include "daemon/sys/error.h"
#include "robots/sim/renderer.h"
#include "robots/sim/world_server.h"

struct camera_server;

enum { CAMERA_SERVER_QUALITY = 90 }; /* of the JPEG */

struct camera_server_options {
	const struct config *config; /* cameras.<name> says which of the world's cameras are published; sockets.cameras where */
	struct world_server *world;  /* gives the snapshots; must outlive this */
	double rate_hz;
	uint32_t width, height;
	const char *prefix;          /* of their names in the configuration and on the wire: several worlds, one set of cameras; must outlive this */
	void *zmq_context;
};

/* Starts the thread. -EINVAL when the configuration names none of the world's cameras, or as renderer_create and
 * endpoint_open. Thread: start-up. Allocates: yes. */
MUST_CHECK int camera_server_create(struct camera_server **out, const struct camera_server_options *o, struct errbuf *e);

/* Ends the thread; accepts NULL. Blocks: for one picture. */
void camera_server_destroy(struct camera_server *s);

struct camera_server_counters {
	uint64_t pictures, skipped; /* skipped: periods that came too late */
	int64_t draw_ns;            /* mean time of one picture, encoding included */
};
struct camera_server_counters camera_server_counters(const struct camera_server *s);

#endif
