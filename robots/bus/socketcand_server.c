/* socketcand_server.c - a CAN bus that other programs join through socketcand's protocol: for simulated robots. Every frame, the own
 * ones and the clients', goes to all other clients in raw mode; the clients' come here too. See socketcand_text.h. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "robots/bus/bus_kind.h"
#include "robots/bus/socketcand_stream.h"

/* python-can takes what one read gives it for the answer to "rawmode": frames right behind it end its connection. They wait until it
 * has sent one itself, or so long. */
#define HUSH_NS (100 * NS_PER_MS)

enum stage { STAGE_NO_BUS, STAGE_OPEN, STAGE_RAW };

struct client {
	struct socketcand_stream stream; /* fd -1: nobody */
	enum stage stage;
	int64_t hushed_until_ns;       /* 0: not */
	bool losing;                   /* said so already */
};

struct server {
	struct bus base;               /* fd: the epoll instance */
	int listen_fd;
	uint32_t turn;                 /* client whose messages come first: each has its turn */
	char channel[SOCKETCAND_CHANNEL_BYTES];
	struct client client[BUS_CLIENTS_MAX];
};

/* ---- clients ---------------------------------------------------------------------------------------------------------- */

static void drop(struct server *s, struct client *c, const char *why)
{
	log_line(LOG_LEVEL_INFO, "CAN bus %s: client %d: %s", s->base.address, (int)(c - s->client), why);
	stream_close(&c->stream);
}

/* What waits may go; a client that is gone is dropped. */
static void flush(struct server *s, struct client *c)
{
	if (c->stream.fd < 0 || (c->hushed_until_ns > 0 && clock_monotonic_ns() < c->hushed_until_ns))
		return;
	c->hushed_until_ns = 0;
	if (stream_flush(&c->stream) < 0)
		drop(s, c, "gone");
}

/* Each answer is a write of its own. */
static void reply(struct server *s, struct client *c, const char *text)
{
	stream_put(&c->stream, text, strlen(text)); /* lost like any frame where the client does not read */
	flush(s, c);
}

static void deliver(struct server *s, struct client *c, const char *text, size_t n)
{
	bool fits;

	if (c->stream.fd < 0 || c->stage != STAGE_RAW)
		return;
	fits = stream_put(&c->stream, text, n);
	if (!fits && !c->losing)
		log_line(LOG_LEVEL_WARNING, "CAN bus %s: client %d reads too slowly: frames are lost for it", s->base.address,
				(int)(c - s->client));
	c->losing = !fits;
	flush(s, c);
}

static void broadcast(struct server *s, const struct client *except, const char *text, size_t n)
{
	for (int i = 0; i < BUS_CLIENTS_MAX; i++)
		if (&s->client[i] != except)
			deliver(s, &s->client[i], text, n);
}

static void let_in(struct server *s, int fd)
{
	static const char full[] = "< error too many clients >";
	struct client *c = s->client;
	int rc;

	while (c < s->client + BUS_CLIENTS_MAX && c->stream.fd >= 0)
		c++;
	if (c == s->client + BUS_CLIENTS_MAX) {
		log_line(LOG_LEVEL_WARNING, "CAN bus %s: a client more than %d: refused", s->base.address, BUS_CLIENTS_MAX);
		(void)!send(fd, full, sizeof full - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return;
	}
	c->stage = STAGE_NO_BUS;
	c->hushed_until_ns = 0;
	c->losing = false;
	/* Without a limit: a client may do nothing but send. piper_sdk 0.6.2 has a connection of its own for that, which it never reads. */
	if ((rc = stream_start(&c->stream, fd, s->base.fd, c, 0)) < 0)
		drop(s, c, strerror(-rc));
	else
		reply(s, c, "< hi >");
}

static void accept_all(struct server *s)
{
	for (int i = 0; i < BUS_CLIENTS_MAX; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		let_in(s, fd);
	}
}

/* ---- what clients say ------------------------------------------------------------------------------------------------- */

static void open_channel(struct server *s, struct client *c, const char *channel)
{
	bool known = strcmp(channel, s->channel) == 0;

	reply(s, c, known ? "< ok >" : "< error could not open bus >");
	if (known)
		c->stage = STAGE_OPEN;
	else
		drop(s, c, "wants a channel that is not served here");
}

static void begin_raw(struct server *s, struct client *c)
{
	reply(s, c, "< ok >");
	if (c->stage != STAGE_RAW && c->stream.fd >= 0)
		c->hushed_until_ns = clock_monotonic_ns() + HUSH_NS;
	c->stage = STAGE_RAW;
}

static void take_frame(struct server *s, struct client *c, const struct bus_frame *f)
{
	char text[SOCKETCAND_TEXT_BYTES];

	c->hushed_until_ns = 0;
	flush(s, c);
	broadcast(s, c, text, socketcand_put_frame(text, f, clock_realtime_ns()));
}

/* true: it was a frame, which is the server's too. */
static bool obey(struct server *s, struct client *c, const struct socketcand_message *m)
{
	bool open = c->stage != STAGE_NO_BUS;

	if (m->kind == SOCKETCAND_SEND && open)
		take_frame(s, c, &m->frame);
	else if (m->kind == SOCKETCAND_OPEN && !open)
		open_channel(s, c, m->channel);
	else if (m->kind == SOCKETCAND_RAWMODE && open)
		begin_raw(s, c);
	else if (m->kind == SOCKETCAND_ECHO && open)
		reply(s, c, "< echo >");
	else
		reply(s, c, m->kind == SOCKETCAND_BAD ? "< error syntax error >" : "< error unknown command >");
	return m->kind == SOCKETCAND_SEND && open;
}

/* true: *out is the next frame of this client. */
static bool hear(struct server *s, struct client *c, struct bus_event *out)
{
	struct socketcand_message m;
	int rc = 0;

	while (c->stream.fd >= 0 && (rc = stream_take(&c->stream, &m)) == 1) {
		if (!obey(s, c, &m))
			continue;
		*out = (struct bus_event){ .t_ns = clock_monotonic_ns(), .frame = m.frame };
		return true;
	}
	if (c->stream.fd >= 0 && rc < 0) {
		reply(s, c, "< error no message >");
		drop(s, c, "sent what is no message");
	}
	return false;
}

static bool hear_all(struct server *s, struct bus_event *out)
{
	for (uint32_t i = 0; i < BUS_CLIENTS_MAX; i++) {
		uint32_t at = (s->turn + i) % BUS_CLIENTS_MAX;

		if (!hear(s, &s->client[at], out))
			continue;
		s->turn = at + 1;
		return true;
	}
	return false;
}

/* What the sockets have, once each. */
static void serve(struct server *s)
{
	struct epoll_event ready[BUS_CLIENTS_MAX + 1];
	int n = epoll_wait(s->base.fd, ready, BUS_CLIENTS_MAX + 1, 0);

	for (int i = 0; i < n; i++) {
		struct client *c = ready[i].data.ptr;

		if (c && c->stream.fd >= 0 && !stream_fill(&c->stream))
			drop(s, c, "has left");
	}
	for (int i = 0; i < BUS_CLIENTS_MAX; i++)
		flush(s, &s->client[i]);
	for (int i = 0; i < n; i++)
		if (!ready[i].data.ptr)
			accept_all(s);
}

/* ---- the bus ---------------------------------------------------------------------------------------------------------- */

static int server_receive(struct bus *b, struct bus_event *out)
{
	struct server *s = (struct server *)b;

	if (hear_all(s, out))
		return 1;
	serve(s);
	return hear_all(s, out);
}

static int server_send(struct bus *b, const struct bus_frame *f)
{
	char text[SOCKETCAND_TEXT_BYTES];

	broadcast((struct server *)b, NULL, text, socketcand_put_frame(text, f, clock_realtime_ns()));
	return 0;
}

static int server_report(struct bus *b, enum bus_error error)
{
	char text[SOCKETCAND_TEXT_BYTES];

	broadcast((struct server *)b, NULL, text, socketcand_put_error(text, bus_error_class(error), clock_realtime_ns()));
	return 0;
}

static void server_destroy(struct bus *b)
{
	struct server *s = (struct server *)b;

	for (int i = 0; i < BUS_CLIENTS_MAX; i++)
		stream_close(&s->client[i].stream);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (b->fd >= 0)
		close(b->fd);
	free(s);
}

static const struct bus_kind server_kind = { server_receive, server_send, server_report, server_destroy };

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

static int refuse(struct errbuf *e, const struct bus_place *p, int why)
{
	return fail(e, -why, "CAN bus socketcand://%s:%s: %s%s", p->host, p->port, strerror(why),
			why == EADDRINUSE ? " (another simulator? `ss -ltnp` names it)" : "");
}

static int bind_to(const struct bus_place *p, int *fd, struct errbuf *e)
{
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE };
	struct addrinfo *at = NULL;
	int on = 1, why = 0;

	if (getaddrinfo(p->host, p->port, &wanted, &at) != 0)
		return fail(e, -EINVAL, "CAN bus: found \"%s\" to listen at, want an address in numbers, such as 127.0.0.1", p->host);
	*fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 || bind(*fd, at->ai_addr, at->ai_addrlen) < 0 ||
			listen(*fd, BUS_CLIENTS_MAX) < 0)
		why = errno;
	freeaddrinfo(at);
	return why == 0 ? 0 : refuse(e, p, why);
}

/* A port is at the same place for both families. */
static uint16_t port_of(int fd)
{
	struct sockaddr_in6 at = { 0 };
	socklen_t size = sizeof at;

	getsockname(fd, (struct sockaddr *)&at, &size);
	return ntohs(at.sin6_port);
}

_Static_assert(offsetof(struct sockaddr_in6, sin6_port) == offsetof(struct sockaddr_in, sin_port), "see port_of");

int socketcand_listen(struct bus **out, const struct bus_place *p, uint16_t *port, struct errbuf *e)
{
	struct epoll_event wanted = { .events = EPOLLIN };
	struct server *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return fail(e, -ENOMEM, "CAN bus: out of memory");
	*out = &s->base;
	s->base.kind = &server_kind;
	s->base.fd = s->listen_fd = -1;
	memcpy(s->channel, p->channel, sizeof s->channel);
	for (int i = 0; i < BUS_CLIENTS_MAX; i++)
		s->client[i].stream.fd = -1;
	if ((rc = bind_to(p, &s->listen_fd, e)) < 0)
		return rc;
	s->base.fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->base.fd < 0 || epoll_ctl(s->base.fd, EPOLL_CTL_ADD, s->listen_fd, &wanted) < 0)
		return refuse(e, p, errno);
	*port = port_of(s->listen_fd);
	return 0;
}
