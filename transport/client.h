/* client.h - one question and its answer on a control socket: for dreamvlactl and other short-lived programs.
 *
 * It waits, so it is nothing for the threads of the daemon or the arm. */
#ifndef DREAMVLA_TRANSPORT_CLIENT_H
#define DREAMVLA_TRANSPORT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "transport/endpoint.h"

/* Opens a REQ socket at o->address (type and bind are set here), sends the request, waits for the reply and closes.
 * -ETIMEDOUT: nobody answered in time; -EMSGSIZE: the answer is longer than capacity.
 * Thread: any. Allocates: yes. Blocks: up to timeout_ms. */
MUST_CHECK int client_call(void *zmq_context, const struct endpoint_options *o, const uint8_t *request, size_t n_request,
		int timeout_ms, uint8_t *answer, size_t capacity, size_t *n_answer, struct errbuf *e);

#endif
