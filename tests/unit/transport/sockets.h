/* sockets.h - what tests of sockets share: one ZeroMQ context and one folder per test program, and waiting for messages. */
#ifndef DREAMVLA_TESTS_UNIT_TRANSPORT_SOCKETS_H
#define DREAMVLA_TESTS_UNIT_TRANSPORT_SOCKETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/endpoint.h"

#include <cmocka.h> /* last: it defines fail() */

enum { PATIENCE_MS = 30000, GRACE_MS = 200 };

static void *context;
static struct errbuf error;
static char folder[] = "/tmp/dreamvla-endpoint-XXXXXX";

static inline struct endpoint *open_or_fail(const struct endpoint_options *o)
{
	struct endpoint *p = NULL;

	if (endpoint_open(&p, context, o, &error) < 0)
		fail_msg("%s", error.text);
	return p;
}

static inline bool is_readable(struct endpoint *p, long timeout_ms)
{
	zmq_pollitem_t item = { .socket = endpoint_socket(p), .events = ZMQ_POLLIN };

	return zmq_poll(&item, 1, timeout_ms) > 0;
}

/* Waits for a message: 1, or 0 when none came. */
static inline int receive(struct endpoint *p, struct endpoint_message *m, long timeout_ms)
{
	if (!is_readable(p, timeout_ms))
		return 0;
	int rc = endpoint_receive(p, m, &error);

	assert_true(rc >= 0);
	return rc;
}

static inline struct endpoint_message text_message(const char *first, const char *second)
{
	return (struct endpoint_message){ .n_parts = 2, .part = { (const uint8_t *)first, (const uint8_t *)second },
		.bytes = { strlen(first), strlen(second) } };
}

/* A new subscription takes a moment to arrive, so the publisher repeats itself until something comes through. */
static inline int publish_until_received(struct endpoint *from, struct endpoint *to, const struct endpoint_message *m,
		struct endpoint_message *got)
{
	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		assert_int_equal(endpoint_send(from, m), 0);
		if (receive(to, got, 10) == 1)
			return 1;
	}
	return 0;
}

static inline void path_in_folder(char *out, size_t capacity, const char *prefix, const char *name)
{
	snprintf(out, capacity, "%s%s/%s", prefix, folder, name);
}

static inline int open_context(void **state)
{
	(void)state;
	context = zmq_ctx_new();
	return context && mkdtemp(folder) ? 0 : -1;
}

static inline int close_context(void **state)
{
	static const char *const names[] = { "server.secret", "server.public", "client.secret", "stranger.secret", "clients", "cameras",
		"taken" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		path_in_folder(path, sizeof path, "", names[i]);
		unlink(path);
	}
	rmdir(folder);
	return zmq_ctx_term(context); /* hangs when a socket, the responder's too, was left open */
}

#endif
