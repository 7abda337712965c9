/* client.c - see client.h. */
#include "transport/client.h"

#include <errno.h>
#include <string.h>

static int wait_for_answer(struct endpoint *p, int timeout_ms, struct errbuf *e)
{
	zmq_pollitem_t item = { .socket = endpoint_socket(p), .events = ZMQ_POLLIN };
	int rc = zmq_poll(&item, 1, timeout_ms);

	if (rc > 0)
		return 0;
	if (rc == 0)
		return fail(e, -ETIMEDOUT, "%s: no answer within %d ms; is it running, and is this its address?", endpoint_address(p),
				timeout_ms);
	return fail(e, -errno, "%s: %s", endpoint_address(p), zmq_strerror(errno));
}

static int ask(struct endpoint *p, const uint8_t *request, size_t n_request, int timeout_ms, struct endpoint_message *m,
		struct errbuf *e)
{
	struct endpoint_message question = { .n_parts = 1, .part = { request }, .bytes = { n_request } };
	int rc = endpoint_send(p, &question);

	if (rc < 0)
		return fail(e, rc, "%s: send: %s", endpoint_address(p), zmq_strerror(-rc));
	rc = wait_for_answer(p, timeout_ms, e);
	if (rc < 0)
		return rc;
	rc = endpoint_receive(p, m, e);
	if (rc < 0)
		return rc;
	if (rc == 0 || m->n_parts != 1)
		return fail(e, -EBADMSG, "%s: the answer is not one message of one part", endpoint_address(p));
	return 0;
}

int client_call(void *zmq_context, const struct endpoint_options *o, const uint8_t *request, size_t n_request, int timeout_ms,
		uint8_t *answer, size_t capacity, size_t *n_answer, struct errbuf *e)
{
	struct endpoint_options options = *o;
	struct endpoint_message m;
	struct endpoint *p;

	options.type = ZMQ_REQ;
	options.bind = false;
	if (options.max_message_bytes == 0)
		options.max_message_bytes = capacity;
	int rc = endpoint_open(&p, zmq_context, &options, e);

	if (rc < 0)
		return rc;
	rc = ask(p, request, n_request, timeout_ms, &m, e);
	if (rc == 0 && m.bytes[0] > capacity)
		rc = fail(e, -EMSGSIZE, "%s: an answer of %zu bytes, room for %zu", endpoint_address(p), m.bytes[0], capacity);
	if (rc == 0) {
		memcpy(answer, m.part[0], m.bytes[0]);
		*n_answer = m.bytes[0];
	}
	endpoint_close(p);
	return rc;
}
