/* client.c - see client.h. Sockets: tcp(7), udp(7), socket(7) of Linux. */
#include "robots/sim/franka/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
	return 0;
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
	close_fd(&c->udp_fd);
	c->n_in = c->n_out = 0;
}

/* A client that vanishes without a word is noticed within some four seconds. Keep-alive asks only while nothing is under way; what it
 * does not acknowledge, such as the answer to a motion that its silence has ended, has a limit of its own. */
static void make_lively(int fd)
{
	const int on = 1, idle_s = 1, interval_s = 1, probes = 3, unacknowledged_ms = 4000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
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
	c->address = from;
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

int client_states_to(struct client *c, uint16_t port, struct errbuf *e)
{
	struct sockaddr_in here, there = c->address;
	socklen_t size = sizeof here;
	uint8_t early;

	close_fd(&c->udp_fd);
	if (getsockname(c->tcp_fd, (struct sockaddr *)&here, &size) < 0)
		return fail(e, -errno, "sim: address of the client's connection: %s", strerror(errno));
	here.sin_port = 0;
	there.sin_port = htons(port);
	if ((c->udp_fd = open_socket(SOCK_DGRAM, &here, e)) < 0)
		return c->udp_fd;
	if (connect(c->udp_fd, (const struct sockaddr *)&there, sizeof there) < 0)
		return fail(e, -errno, "sim: states to port %u: %s", port, strerror(errno));
	while (recv(c->udp_fd, &early, sizeof early, 0) >= 0)
		; /* came before the kernel knew whose datagrams count; no more of them can */
	return 0;
}

void client_send_state(struct client *c, const uint8_t *bytes, size_t n)
{
	/* A full queue or a closed port: this state is lost, as on any network. */
	if (c->udp_fd > 0)
		(void)!send(c->udp_fd, bytes, n, MSG_NOSIGNAL);
}

bool client_receive_datagram(struct client *c, uint8_t *out, size_t capacity, size_t *n)
{
	ssize_t got = recv(c->udp_fd, out, capacity, 0);

	if (got < 0 && errno == ECONNREFUSED) /* says that a state found no open port; what has come stands behind it */
		got = recv(c->udp_fd, out, capacity, 0);
	*n = got > 0 ? (size_t)got : 0;
	return got >= 0;
}
