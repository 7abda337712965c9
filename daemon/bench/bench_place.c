/* bench_place.c - see bench_place.h. */
#include "daemon/bench/bench_place.h"

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

#include "transport/endpoint.h"

/* Binds and lets go again, in a context of its own: ending that waits until the address is free again. */
static int check_address(const char *what, const char *address, struct errbuf *e)
{
	struct endpoint_options o = { .type = ZMQ_PUB, .bind = true, .address = address, .insecure = true };
	struct endpoint *p = NULL;
	struct errbuf why = { 0 };
	void *context = zmq_ctx_new();
	int rc = endpoint_open(&p, context, &o, &why);

	endpoint_close(p);
	zmq_ctx_term(context);
	return rc < 0 ? fail(e, rc, "%s: %s", what, why.text) : 0;
}

int place_check(const struct config *c, struct errbuf *e)
{
	const struct { const char *key, *address; } own[] = {
		{ "sockets.cameras", c->sockets_cameras }, { "sockets.operators", c->sockets_operators },
		{ "sockets.states", c->sockets_states }, { "sockets.targets", c->sockets_targets },
		{ "sockets.status", c->sockets_status }, { "sockets.control", c->sockets_control },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof own / sizeof *own; i++)
		rc = check_address(own[i].key, own[i].address, e);
	for (uint32_t i = 0; rc == 0 && i < c->n_robots; i++)
		rc = check_address("robots[].control", c->robot[i].control, e);
	return rc;
}

/* Its ports are fixed, so that it needs an address of its own; nobody else's may be met. */
static int place_franka(struct config *c, struct errbuf *e)
{
	char address[FCI_ADDRESS_BYTES];
	int rc = fci_free_address(address, e);

	if (rc == 0)
		snprintf(c->robot[0].address, sizeof c->robot[0].address, "%s", address);
	return rc;
}

/* Each on a bus of its own. */
static int place_pipers(struct config *c, struct errbuf *e)
{
	uint16_t port[FREE_PORTS_MAX];
	int rc = bench_free_ports(port, c->n_robots, e);

	for (uint32_t i = 0; rc == 0 && i < c->n_robots; i++)
		snprintf(c->robot[i].address, sizeof c->robot[i].address, "socketcand://127.0.0.1:%u", port[i]);
	return rc;
}

int place_robots(struct config *c, enum bench_robot robot, struct errbuf *e)
{
	uint32_t want = bench_robot_arms(robot);

	if (want && c->n_robots != want)
		return fail(e, -EINVAL, "%s: found %u robot%s, want %u: so many arms are simulated", c->path, c->n_robots,
				c->n_robots == 1 ? "" : "s", want);
	if (robot == BENCH_ROBOT_SIM)
		return 0;
	return bench_robot_is_piper(robot) ? place_pipers(c, e) : place_franka(c, e);
}
