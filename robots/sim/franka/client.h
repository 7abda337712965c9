/* client.h - the one client of a service of the simulated Franka: requests over TCP, states and commands over UDP.
 *
 * Bounded and never blocking: a client that says nothing, floods, or does not read cannot hold anything up. Others that connect
 * meanwhile are turned away with a reset, because libfranka waits for ever on a connection that is merely closed. Each client gets a
 * UDP socket of its own that is connected to its port: the kernel passes on nobody else's datagrams, however many there are, and what
 * an earlier client left behind is gone. All functions: thread of the owner, block no. */
#ifndef DREAMVLA_ROBOTS_SIM_FRANKA_CLIENT_H
#define DREAMVLA_ROBOTS_SIM_FRANKA_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { CLIENT_IN_BYTES = 4096, CLIENT_OUT_BYTES = 1 << 17, CLIENT_DATAGRAM_BYTES_MAX = 4096 };

struct client {
	int listen_fd, tcp_fd, udp_fd;      /* -1: none */
	struct sockaddr_in address;         /* of its TCP end */
	size_t n_in, n_out;
	uint64_t turned_away;               /* connections */
	uint8_t in[CLIENT_IN_BYTES];
	uint8_t out[CLIENT_OUT_BYTES];
};

/* Listens. -EADDRINUSE names the port, -EINVAL an address that is none. Allocates: no. */
MUST_CHECK int client_open(struct client *c, const char *address, uint16_t port, struct errbuf *e);
void client_close(struct client *c); /* accepts a zeroed one */

/* True once when a client has come. */
bool client_accept(struct client *c);
bool client_here(const struct client *c);

/* Ends the connection with a reset: whoever waits at the other end notices. */
void client_drop(struct client *c);

/* Takes in what has come. false: the client is gone (and dropped). */
bool client_receive(struct client *c);

/* The whole request of `size` bytes at the front is done with. */
void client_consume(struct client *c, size_t size);

/* Room for an answer of n bytes; no request is to be read before there is. */
bool client_has_room(const struct client *c, size_t n);

/* Sends, or keeps for later what cannot be sent now. client_has_room was asked before. false: the client is gone (and dropped). */
bool client_send(struct client *c, const uint8_t *bytes, size_t n);
bool client_flush(struct client *c);

/* States go to this port of the client's from now on, and datagrams count that come from it. Negative: no socket (-EMFILE). */
MUST_CHECK int client_states_to(struct client *c, uint16_t port, struct errbuf *e);
void client_send_state(struct client *c, const uint8_t *bytes, size_t n);

/* The next datagram of the client, at most `capacity` bytes (a longer one is as long as that). false: none there. */
bool client_receive_datagram(struct client *c, uint8_t *out, size_t capacity, size_t *n);

#endif
