#include "robots/arm/arm_alone.h"

#include <errno.h>
#include <zmq.h>

#include "transport/endpoint.h"

int arm_alone_begin(struct arm_alone *a, const struct config *c, const struct config_robot *robot, struct errbuf *e)
{
	struct errbuf why = { "" };

	*a = (struct arm_alone){ .zmq_context = zmq_ctx_new() };
	if (!a->zmq_context)
		return fail(e, -ENOMEM, "ZeroMQ: %s", zmq_strerror(errno));
	int rc = endpoint_open(&a->door, a->zmq_context, &(struct endpoint_options){ .type = ZMQ_ROUTER, .bind = true, .address = robot->control,
			.insecure = c->sockets_insecure, .curve_secret = c->sockets_curve_secret, .curve_clients = c->sockets_curve_clients }, &why);
	if (rc == -EADDRINUSE)
		return fail(e, rc, "arm %s: end its dreamvla-arm first: robots[].control is taken: %.400s", robot->name, why.text);
	return rc < 0 ? fail(e, rc, "%.900s", why.text) : 0;
}

void arm_alone_end(struct arm_alone *a)
{
	endpoint_close(a->door);
	if (a->zmq_context)
		zmq_ctx_term(a->zmq_context);
}
