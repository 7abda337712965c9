/* endpoint.h - ZeroMQ sockets as this project uses them: bounded, newest-wins, never blocking, CURVE outside loopback. */
#ifndef DREAMVLA_TRANSPORT_ENDPOINT_H
#define DREAMVLA_TRANSPORT_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "daemon/sys/error.h"

/* Binding to other than loopback, ipc:// and inproc:// needs curve_secret and curve_clients, or insecure. A key file holds
 * Z85 text; a secret one must not be readable by others. The list of clients is read anew at every handshake. Programs with the
 * same secret (those of one configuration) are one party: they may connect to each other without a list.
 * A full PUB drops unseen; an XPUB, when one of its peers is full, sends to none and says so (-EAGAIN).
 * A DEALER sends only while it is connected (-EAGAIN else), so that no request waits for an arm that comes back later. */

/* What kind of socket, and what keeps it safe. */
struct endpoint_options {
	int type;                     /* ZMQ_PUB, ... */
	bool bind;                    /* else connect */
	const char *address;          /* tcp://host:port or ipc://path; to connect to every interface is to this machine */
	int high_water;               /* messages; 0: 4 */
	size_t max_message_bytes;     /* larger ones end the peer's connection */
	bool insecure;                /* may bind beyond loopback without CURVE */
	const char *curve_secret;     /* file; NULL or "": no CURVE */
	const char *curve_clients;    /* file with allowed public keys (server side) */
	const char *curve_server;     /* client side: file with the server's public key; NULL or "": it has our own secret */
	const char *subscribe[8];     /* SUB: prefixes, NULL-ended; none: everything */
};

struct endpoint; /* a socket with its counters */

/* Opens and binds or connects. -EADDRINUSE names the address and how to find its owner; -EACCES a bind that needs keys.
 * Thread: the one that will use it. Allocates: yes. Blocks: no. */
MUST_CHECK int endpoint_open(struct endpoint **out, void *zmq_context, const struct endpoint_options *o, struct errbuf *e);
void endpoint_close(struct endpoint *p); /* accepts NULL; linger 0 */

void *endpoint_socket(const struct endpoint *p); /* for zmq_poll */
const char *endpoint_address(const struct endpoint *p); /* as bound: port 0 is resolved */

enum { ENDPOINT_PARTS_MAX = 4 };

/* One received multipart message; parts point into zmq's own memory until the next receive on this endpoint. */
struct endpoint_message {
	uint32_t n_parts;             /* at most ENDPOINT_PARTS_MAX; longer ones are dropped and counted */
	const uint8_t *part[ENDPOINT_PARTS_MAX];
	size_t bytes[ENDPOINT_PARTS_MAX];
};

/* 1: a message, 0: nothing there, -errno. Blocks: no. Allocates: inside libzmq only. */
MUST_CHECK int endpoint_receive(struct endpoint *p, struct endpoint_message *m, struct errbuf *e);

/* Sends all parts or none; a full queue drops the message, counts it and returns -EAGAIN. Blocks: no. */
MUST_CHECK int endpoint_send(struct endpoint *p, const struct endpoint_message *m);

/* Who asked: kept by the caller as long as the request is unanswered. Copying it is fine. */
struct endpoint_peer {
	uint8_t n;
	bool delimiter;               /* REQ, or a DEALER that imitates one */
	uint8_t identity[255];        /* ZMQ_ROUTING_ID is at most 255 bytes */
};

/* ROUTER: the next request. body[*n] lives until the next receive on this endpoint. Works with REQ and with DEALER, with and
 * without the empty delimiter. 1: a request, 0: nothing there; what is no request is dropped, counted and passed over.
 * Thread: its owner. Blocks: no. Allocates: inside libzmq only. */
MUST_CHECK int endpoint_receive_request(struct endpoint *p, struct endpoint_peer *peer, const uint8_t **body, size_t *n,
		struct errbuf *e);

/* ROUTER: answers that peer. A peer that has gone is no error. -EAGAIN: its queue is full, counted.
 * Thread: its owner. Blocks: no. */
MUST_CHECK int endpoint_send_reply(struct endpoint *p, const struct endpoint_peer *peer, const uint8_t *body, size_t n);

struct endpoint_counters {
	uint64_t received, sent, dropped_send, malformed;
};
struct endpoint_counters endpoint_counters(const struct endpoint *p);

#endif
