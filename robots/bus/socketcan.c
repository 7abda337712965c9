/* socketcan.c - a CAN interface of this machine: a raw socket of AF_CAN. Sources: the kernel's Documentation/networking/can.rst,
 * net/can/raw.c, linux/can/raw.h.
 *
 * One socket sends and receives: the kernel keeps from a socket what that socket sent, and from no other. A second one to receive with
 * would hear every command again, and on vcan, where all frames come from this machine, nothing tells those from the others'. In the
 * kernel sending and receiving share no lock and no queue; what makes others take two sockets is a library's lock around one. */
#include <errno.h>
#include <linux/can.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "robots/bus/bus_kind.h"

/* A second of a whole arm's frames, where the kernel permits it (it counts some 700 bytes for each). */
enum { RECEIVE_BYTES = 1 << 21 };

struct socketcan {
	struct bus base;               /* fd: the socket */
	int64_t offset_ns;             /* CLOCK_REALTIME - CLOCK_MONOTONIC */
	uint32_t lost;                 /* frames that the kernel dropped, as it counts them */
	struct bus_event held;         /* comes after word of those */
	bool holds;
};

/* ---- receiving -------------------------------------------------------------------------------------------------------- */

static int64_t to_monotonic(struct socketcan *s, const struct timespec *t)
{
	int64_t offset_ns;

	if (clock_realtime_offset_ns(&offset_ns))
		s->offset_ns = offset_ns;
	return (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec - s->offset_ns;
}

/* When it came, and how many were lost by then. */
static void read_control(struct socketcan *s, struct msghdr *h, int64_t *t_ns, uint32_t *lost)
{
	struct timespec t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&t, CMSG_DATA(c), sizeof t);
			*t_ns = to_monotonic(s, &t);
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(lost, CMSG_DATA(c), sizeof *lost);
		}
	}
}

static void to_event(const struct can_frame *in, int64_t t_ns, struct bus_event *out)
{
	bool extended = in->can_id & CAN_EFF_FLAG;

	*out = (struct bus_event){ .t_ns = t_ns };
	if (in->can_id & CAN_ERR_FLAG) {
		out->error = bus_error_of(in->can_id & CAN_ERR_MASK, in->data);
		return;
	}
	out->frame.id = in->can_id & (extended ? CAN_EFF_MASK : CAN_SFF_MASK);
	out->frame.flags = (uint8_t)((extended ? BUS_FRAME_EXTENDED : 0) | (in->can_id & CAN_RTR_FLAG ? BUS_FRAME_REMOTE : 0));
	out->frame.length = in->can_dlc <= BUS_DATA_BYTES ? in->can_dlc : BUS_DATA_BYTES;
	if (!(out->frame.flags & BUS_FRAME_REMOTE))
		memcpy(out->frame.data, in->data, out->frame.length);
}

static int receive_event(struct socketcan *s, struct bus_event *out, uint32_t *lost)
{
	_Alignas(struct cmsghdr) char control[256];
	struct can_frame f = { 0 };
	struct iovec part = { &f, sizeof f };
	struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(s->base.fd, &h, MSG_DONTWAIT);
	int64_t t_ns;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n != sizeof f)
		return 0; /* nothing else comes without CAN_RAW_FD_FRAMES */
	t_ns = clock_monotonic_ns();
	read_control(s, &h, &t_ns, lost);
	to_event(&f, t_ns, out);
	return 1;
}

static int socketcan_receive(struct bus *b, struct bus_event *out)
{
	struct socketcan *s = (struct socketcan *)b;
	uint32_t lost = s->lost;
	int rc;

	if (s->holds) {
		*out = s->held;
		s->holds = false;
		return 1;
	}
	rc = receive_event(s, out, &lost);
	if (lost == s->lost)
		return rc;
	s->lost = lost;
	s->held = *out;
	s->holds = true;
	*out = (struct bus_event){ s->held.t_ns, BUS_ERROR_LOST, { 0 } };
	return 1;
}

/* ---- sending ---------------------------------------------------------------------------------------------------------- */

static int socketcan_send(struct bus *b, const struct bus_frame *f)
{
	struct can_frame out = { .can_id = f->id, .can_dlc = f->length };

	if (f->flags & BUS_FRAME_EXTENDED)
		out.can_id |= CAN_EFF_FLAG;
	if (f->flags & BUS_FRAME_REMOTE)
		out.can_id |= CAN_RTR_FLAG;
	memcpy(out.data, f->data, f->length);
	if (send(b->fd, &out, sizeof out, MSG_DONTWAIT) == sizeof out)
		return 0;
	return errno == EAGAIN || errno == EINTR ? -ENOBUFS : -errno;
}

static int socketcan_report(struct bus *b, enum bus_error error)
{
	(void)b;
	(void)error;
	return -EOPNOTSUPP;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------------- */

static void socketcan_destroy(struct bus *b)
{
	if (b->fd >= 0)
		close(b->fd);
	free(b);
}

static const struct bus_kind socketcan_kind = { socketcan_receive, socketcan_send, socketcan_report, socketcan_destroy };

static int open_socket(int *fd, const char *name, struct errbuf *e)
{
	*fd = socket(AF_CAN, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, CAN_RAW);
	if (*fd >= 0)
		return 0;
	if (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT)
		return fail(e, -EAFNOSUPPORT, "CAN bus %s: this kernel has no CAN (%s): load it with `sudo modprobe can_raw`; containers get it "
				"from their host; without, socketcand://HOST:PORT reaches a bus elsewhere", name, strerror(errno));
	return fail(e, -errno, "CAN bus %s: socket: %s", name, strerror(errno));
}

/* What it does not want, the kernel does not wake us for. Filters of ours name standard data frames. */
static int set_receiving(int fd, const struct bus_options *o)
{
	const can_err_mask_t errors = CAN_ERR_MASK & ~(can_err_mask_t)CAN_ERR_LOSTARB; /* losing arbitration is how CAN works */
	const int on = 1, bytes = RECEIVE_BYTES;
	struct can_filter filter[BUS_FILTERS_MAX];

	for (uint32_t i = 0; i < o->filters; i++)
		filter[i] = (struct can_filter){ o->filter[i].id, o->filter[i].mask | CAN_EFF_FLAG | CAN_RTR_FLAG };
	if (o->filters > 0 && setsockopt(fd, SOL_CAN_RAW, CAN_RAW_FILTER, filter, (socklen_t)(o->filters * sizeof *filter)) < 0)
		return -errno;
	if (setsockopt(fd, SOL_CAN_RAW, CAN_RAW_ERR_FILTER, &errors, sizeof errors) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0) /* needs a privilege */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	return 0;
}

static int bind_to(int fd, const struct bus_options *o)
{
	struct sockaddr_can at = { .can_family = AF_CAN, .can_ifindex = (int)if_nametoindex(o->address) };
	int rc = set_receiving(fd, o);

	if (rc < 0)
		return rc;
	if (at.can_ifindex == 0) /* gone since it was looked at; 0 would mean every interface */
		return -ENODEV;
	return bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 ? -errno : 0;
}

int socketcan_open(struct bus **out, const struct bus_options *o, struct errbuf *e)
{
	struct socketcan *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return fail(e, -ENOMEM, "CAN bus: out of memory");
	*out = &s->base;
	s->base.kind = &socketcan_kind;
	s->base.fd = -1;
	(void)clock_realtime_offset_ns(&s->offset_ns);
	if ((rc = open_socket(&s->base.fd, o->address, e)) < 0 || (rc = can_link_check(o->address, o->bitrate, e)) < 0)
		return rc;
	rc = bind_to(s->base.fd, o);
	return rc < 0 ? fail(e, rc, "CAN bus %s: %s", o->address, strerror(-rc)) : 0;
}
