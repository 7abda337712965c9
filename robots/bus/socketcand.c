/* socketcand.c - a CAN bus behind a socketcand server, as its client: one connection, raw mode. See socketcand_text.h. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "robots/bus/bus_kind.h"
#include "robots/bus/socketcand_stream.h"

/* Some ten frames, as many as an interface's queue takes by default: commands are not to lie about. */
enum { QUEUE_BYTES = 512 };
/* A server that takes nothing for so long is no bus any more. */
enum { UNTAKEN_MS = 30000 };

struct socketcand {
	struct bus base;               /* fd: the epoll instance */
	struct socketcand_stream stream;
	int gone;                      /* -errno once the connection is of no use any more */
};

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

struct attempt {
	const struct bus_place *place;
	int64_t until_ns;
	struct errbuf *e;
};

static int refuse(const struct attempt *a, int code, const char *what)
{
	return fail(a->e, code, "CAN bus socketcand://%s:%s/%s: %s", a->place->host, a->place->port, a->place->channel, what);
}

static int late(const struct attempt *a, const char *what)
{
	return fail(a->e, -ETIMEDOUT, "CAN bus socketcand://%s:%s/%s: %s within %d s: is that a socketcand server, and reachable?",
			a->place->host, a->place->port, a->place->channel, what, BUS_OPEN_MS_MAX / 1000);
}

/* false: time is up. */
static bool wait_for(int fd, short events, int64_t until_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left_ns;
	int rc;

	do {
		left_ns = until_ns - clock_monotonic_ns();
		rc = left_ns > 0 ? poll(&p, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS)) : 0;
	} while (rc < 0 && errno == EINTR);
	return rc > 0;
}

/* A connected socket or -errno. */
static int connect_to(const struct addrinfo *at, int64_t until_ns)
{
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why = 0;
	socklen_t size = sizeof why;

	if (fd < 0)
		return -errno;
	if (connect(fd, at->ai_addr, at->ai_addrlen) < 0)
		why = errno;
	if (why == EINPROGRESS) {
		if (!wait_for(fd, POLLOUT, until_ns))
			why = ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) < 0)
			why = errno;
	}
	if (why == 0)
		return fd;
	close(fd);
	return -why;
}

static int reach(const struct attempt *a)
{
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(a->place->host, a->place->port, &wanted, &list), fd = -EHOSTUNREACH;

	if (rc != 0)
		return refuse(a, -ENOENT, gai_strerror(rc));
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
		fd = connect_to(at, a->until_ns);
	freeaddrinfo(list);
	if (fd == -ETIMEDOUT)
		return late(a, "no connection");
	if (fd == -ECONNREFUSED)
		return refuse(a, fd, "nobody serves there: start the server (dreamvla-sim --piper, or socketcand), or mend the address");
	return fd < 0 ? refuse(a, fd, strerror(-fd)) : fd;
}

/* Before it has said hi, nothing tells that it is a socketcand. */
static int hung_up(const struct attempt *a, enum socketcand_kind waited_for)
{
	return refuse(a, waited_for == SOCKETCAND_HI ? -EPROTO : -EACCES, "the server closed the connection instead of letting us in");
}

static int expect(struct socketcand *c, enum socketcand_kind kind, const struct attempt *a)
{
	struct socketcand_message m;
	int rc;

	while ((rc = stream_take(&c->stream, &m)) == 0) {
		if (!wait_for(c->stream.fd, POLLIN, a->until_ns))
			return late(a, "no answer");
		if (!stream_fill(&c->stream))
			return hung_up(a, kind);
	}
	if (rc > 0 && m.kind == kind)
		return 0;
	if (rc > 0 && m.kind == SOCKETCAND_ERROR)
		return fail(a->e, -EACCES, "CAN bus socketcand://%s:%s/%s: the server refuses:%s", a->place->host, a->place->port,
				a->place->channel, strstr(c->stream.reader.text, "error") + strlen("error"));
	return refuse(a, -EPROTO, "what is there does not speak socketcand's protocol; is the port right?");
}

static int ask(struct socketcand *c, const char *text, const struct attempt *a)
{
	stream_put(&c->stream, text, strlen(text)); /* there is room: nothing went before it */
	if (stream_flush(&c->stream) < 0)
		return hung_up(a, SOCKETCAND_OK);
	return expect(c, SOCKETCAND_OK, a);
}

static int shake_hands(struct socketcand *c, const struct attempt *a)
{
	char open[SOCKETCAND_CHANNEL_BYTES + 16];
	int rc = expect(c, SOCKETCAND_HI, a);

	snprintf(open, sizeof open, "< open %s >", a->place->channel);
	if (rc == 0)
		rc = ask(c, open, a);
	return rc == 0 ? ask(c, "< rawmode >", a) : rc;
}

/* ---- frames ----------------------------------------------------------------------------------------------------------- */

static bool to_event(const struct socketcand_message *m, struct bus_event *out)
{
	*out = (struct bus_event){ .t_ns = clock_monotonic_ns(), .frame = m->frame };
	if (m->kind == SOCKETCAND_ERROR && m->error_class != 0)
		out->error = bus_error_of(m->error_class, NULL);
	return m->kind == SOCKETCAND_FRAME || out->error != BUS_ERROR_NONE;
}

/* What the server says besides frames concerns nobody: errors in words answer commands that are not sent here. */
static int next_event(struct socketcand *c, struct bus_event *out)
{
	struct socketcand_message m;
	int rc;

	while ((rc = stream_take(&c->stream, &m)) == 1)
		if (m.kind == SOCKETCAND_BAD)
			return c->gone = -EPROTO;
		else if (to_event(&m, out))
			return 1;
	return rc < 0 ? (c->gone = -EPROTO) : 0;
}

static int socketcand_receive(struct bus *b, struct bus_event *out)
{
	struct socketcand *c = (struct socketcand *)b;
	int rc = c->gone == -EPROTO ? c->gone : next_event(c, out);

	if (rc != 0 || c->gone != 0)
		return rc != 0 ? rc : c->gone;
	if (stream_flush(&c->stream) < 0 || !stream_fill(&c->stream))
		c->gone = -ECONNRESET;
	rc = next_event(c, out);
	return rc != 0 ? rc : c->gone;
}

static int socketcand_send(struct bus *b, const struct bus_frame *f)
{
	struct socketcand *c = (struct socketcand *)b;
	char text[SOCKETCAND_TEXT_BYTES];

	if (c->gone != 0)
		return c->gone;
	if (stream_waiting(&c->stream) > QUEUE_BYTES || !stream_put(&c->stream, text, socketcand_put_send(text, f)))
		return -ENOBUFS;
	if (stream_flush(&c->stream) < 0)
		c->gone = -ECONNRESET;
	return c->gone;
}

static int socketcand_report(struct bus *b, enum bus_error error)
{
	(void)b;
	(void)error;
	return -EOPNOTSUPP;
}

static void socketcand_destroy(struct bus *b)
{
	struct socketcand *c = (struct socketcand *)b;

	stream_close(&c->stream);
	if (b->fd >= 0)
		close(b->fd);
	free(c);
}

static const struct bus_kind socketcand_kind = { socketcand_receive, socketcand_send, socketcand_report, socketcand_destroy };

int socketcand_connect(struct bus **out, const struct bus_place *p, struct errbuf *e)
{
	struct attempt a = { p, clock_monotonic_ns() + BUS_OPEN_MS_MAX * NS_PER_MS, e };
	struct socketcand *c = calloc(1, sizeof *c);
	int fd, rc;

	if (!c)
		return fail(e, -ENOMEM, "CAN bus: out of memory");
	*out = &c->base;
	c->base.kind = &socketcand_kind;
	c->stream.fd = -1;
	if ((c->base.fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return fail(e, -errno, "CAN bus: epoll: %s", strerror(errno));
	if ((fd = reach(&a)) < 0)
		return fd;
	if ((rc = stream_start(&c->stream, fd, c->base.fd, c, UNTAKEN_MS)) < 0)
		return refuse(&a, rc, strerror(-rc));
	return shake_hands(c, &a);
}
