/* pair.c - two ends of a bus within one process: a pair of sockets that keeps frames apart and in order (unix(7)). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "robots/bus/bus_kind.h"

/* What crosses: a frame or an error. */
struct item {
	enum bus_error error;
	struct bus_frame frame;
};

static int pair_receive(struct bus *b, struct bus_event *out)
{
	struct item item;
	ssize_t n = recv(b->fd, &item, sizeof item, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n != sizeof item)
		return -ECONNRESET; /* the other end is destroyed */
	*out = (struct bus_event){ clock_monotonic_ns(), item.error, item.frame };
	return 1;
}

static int put(struct bus *b, const struct item *item)
{
	if (send(b->fd, item, sizeof *item, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof *item)
		return 0;
	return errno == EAGAIN ? -ENOBUFS : -ECONNRESET;
}

static int pair_send(struct bus *b, const struct bus_frame *f)
{
	struct item item = { .frame = *f };

	return put(b, &item);
}

static int pair_report(struct bus *b, enum bus_error error)
{
	struct item item = { .error = error };

	return put(b, &item);
}

static void pair_destroy(struct bus *b)
{
	if (b->fd >= 0)
		close(b->fd);
	free(b);
}

static const struct bus_kind pair_kind = { pair_receive, pair_send, pair_report, pair_destroy };

int bus_pair(struct bus **a, struct bus **b, struct errbuf *e)
{
	struct bus *end[2] = { calloc(1, sizeof *end[0]), calloc(1, sizeof *end[1]) };
	int fd[2] = { -1, -1 };

	if (!end[0] || !end[1] || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0) {
		int why = end[0] && end[1] ? errno : ENOMEM;

		free(end[0]);
		free(end[1]);
		return fail(e, -why, "CAN bus: a pair of ends: %s", strerror(why));
	}
	for (int i = 0; i < 2; i++) {
		end[i]->kind = &pair_kind;
		end[i]->fd = fd[i];
		snprintf(end[i]->address, sizeof end[i]->address, "in this process");
	}
	*a = end[0];
	*b = end[1];
	return 0;
}
