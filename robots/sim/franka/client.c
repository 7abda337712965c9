/* client.c - see client.h. Sockets: tcp(7), udp(7), socket(7) of Linux. */
#include "robots/sim/franka/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FOREIGN_MAX = 64 }; /* datagrams of others passed over at a time */

static int open_socket(int type, const struct sockaddr_in *at, struct errbuf *e)
{
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return fail(e, -errno, "sim: socket: %s", strerror(errno));
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)at, sizeof *at) < 0) {
		int why = errno;

		close(fd);
		return fail(e, -why, "sim: port %u: %s%s", ntohs(at->sin_port), strerror(why),
				why == EADDRINUSE ? " (another simulator? `ss -ltnp` names it)" : "");
	}
	return fd;
}

int client_open(struct client *c, const char *address, uint16_t port, struct errbuf *e)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	c->listen_fd = c->tcp_fd = c->udp_fd = -1;
	c->n_in = c->n_out = 0;
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return fail(e, -EINVAL, "sim: %s: want an IPv4 address in numbers, such as 127.0.0.1", address);
	if ((c->listen_fd = open_socket(SOCK_STREAM, &at, e)) < 0)
		return c->listen_fd;
	if (listen(c->listen_fd, 4) < 0)
		return fail(e, -errno, "sim: port %u: %s", port, strerror(errno));
	at.sin_port = 0;
	c->udp_fd = open_socket(SOCK_DGRAM, &at, e);
	return c->udp_fd < 0 ? c->udp_fd : 0;
}

static void close_fd(int *fd)
{
	if (*fd > 0)
		close(*fd);
	*fd = -1;
}

void client_close(struct client *c)
{
	client_drop(c);
	close_fd(&c->listen_fd);
	close_fd(&c->udp_fd);
}

static void reset(int fd)
{
	const struct linger at_once = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(fd);
}

void client_drop(struct client *c)
{
	if (c->tcp_fd > 0)
		reset(c->tcp_fd);
	c->tcp_fd = -1;
	c->n_in = c->n_out = 0;
	c->states_to.sin_port = 0;
}

/* A client that vanishes without a word is noticed within four seconds. */
static void make_lively(int fd)
{
	const int on = 1, idle_s = 1, interval_s = 1, probes = 3;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

bool client_accept(struct client *c)
{
	struct sockaddr_in from;
	socklen_t n = sizeof from;
	int fd = accept4(c->listen_fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	if (client_here(c)) {
		c->turned_away++;
		reset(fd);
		return false;
	}
	make_lively(fd);
	c->tcp_fd = fd;
	c->address = c->states_to = from;
	c->states_to.sin_port = 0;
	c->n_in = c->n_out = 0;
	return true;
}

bool client_here(const struct client *c)
{
	return c->tcp_fd > 0;
}

bool client_receive(struct client *c)
{
	if (c->n_in == sizeof c->in)
		return true;
	ssize_t n = recv(c->tcp_fd, c->in + c->n_in, sizeof c->in - c->n_in, 0);

	if (n > 0) {
		c->n_in += (size_t)n;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	client_drop(c);
	return false;
}

void client_consume(struct client *c, size_t size)
{
	memmove(c->in, c->in + size, c->n_in - size);
	c->n_in -= size;
}

bool client_has_room(const struct client *c, size_t n)
{
	return n <= sizeof c->out - c->n_out;
}

bool client_flush(struct client *c)
{
	while (c->n_out > 0) {
		ssize_t n = send(c->tcp_fd, c->out, c->n_out, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			client_drop(c);
			return false;
		}
		memmove(c->out, c->out + n, c->n_out - (size_t)n);
		c->n_out -= (size_t)n;
	}
	return true;
}

bool client_send(struct client *c, const uint8_t *bytes, size_t n)
{
	memcpy(c->out + c->n_out, bytes, n);
	c->n_out += n;
	return client_flush(c);
}

void client_states_to(struct client *c, uint16_t port)
{
	c->states_to.sin_port = htons(port);
}

void client_send_state(struct client *c, const uint8_t *bytes, size_t n)
{
	/* A full queue or a closed port: this state is lost, as on any network. */
	if (c->states_to.sin_port != 0)
		(void)!sendto(c->udp_fd, bytes, n, MSG_NOSIGNAL, (const struct sockaddr *)&c->states_to, sizeof c->states_to);
}

size_t client_receive_datagram(struct client *c, uint8_t *out, size_t capacity)
{
	for (int i = 0; i < FOREIGN_MAX; i++) {
		struct sockaddr_in from;
		socklen_t size = sizeof from;
		ssize_t n = recvfrom(c->udp_fd, out, capacity, 0, (struct sockaddr *)&from, &size);

		if (n < 0)
			return 0;
		if (n > 0 && client_here(c) && from.sin_addr.s_addr == c->states_to.sin_addr.s_addr && from.sin_port == c->states_to.sin_port)
			return (size_t)n;
		c->foreign++;
	}
	return 0;
}
