/* bus.h - a CAN bus, whatever carries it: SocketCAN, a socketcand server over TCP (as client or as server), or this process alone.
 *
 * One end of a bus sends frames to all others and receives what they send, in order; never what it sent itself. Nothing waits but
 * opening: a frame that cannot go out at once is refused, and what lies too long unread is lost, as on the wire. Nothing is sent twice
 * and nothing is kept for later.
 *
 * An end belongs to one thread. bus_send and bus_receive allocate nothing and block never. */
#ifndef DREAMVLA_ROBOTS_BUS_BUS_H
#define DREAMVLA_ROBOTS_BUS_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "robots/bus/frame.h"

enum {
	BUS_FILTERS_MAX = 128,
	BUS_OPEN_MS_MAX = 3000,        /* to connect to a server and be let in */
	BUS_CLIENTS_MAX = 8,           /* of a server */
};

/* What the controller says of the wire. OFF: it has left the bus after too many errors and sends nothing until RESTARTED (by the
 * interface's restart-ms). NO_ACK: nobody else is there, or at another bit rate. WARNING, PASSIVE, then OFF: errors mount; ACTIVE: they
 * are over. LOST: frames came faster than they were taken. DISTURBED: any other error frame. */
enum bus_error { BUS_ERROR_NONE, BUS_ERROR_OFF, BUS_ERROR_RESTARTED, BUS_ERROR_NO_ACK, BUS_ERROR_PASSIVE, BUS_ERROR_WARNING,
	BUS_ERROR_ACTIVE, BUS_ERROR_LOST, BUS_ERROR_DISTURBED, BUS_ERROR_COUNT };

struct bus_event {
	int64_t t_ns;                  /* CLOCK_MONOTONIC: when the kernel had it (SocketCAN), or when it was read */
	enum bus_error error;          /* NONE: there is a frame */
	struct bus_frame frame;
};

struct bus_options {
	const char *address;           /* "can0" or "socketcand://HOST:PORT[/CHANNEL]" (CHANNEL: can0) */
	uint32_t bitrate;              /* bit/s that an interface has to be set to, where that can be read; 0: any */
	const struct bus_filter *filter; /* what is received; copied */
	uint32_t filters;              /* at most BUS_FILTERS_MAX; 0: everything, extended and remote frames too */
};

struct bus;

/* Whether bus_open would look for a bus there: the name of an interface, or socketcand://HOST:PORT[/CHANNEL] with a port that is not 0.
 * -EINVAL says what was found and what is allowed. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int bus_check_address(const char *address, struct errbuf *e);

/* Opens an interface, or connects to a socketcand server. Errors say what to do: -EAFNOSUPPORT no CAN in this kernel, -ENODEV no such
 * interface, -ENETDOWN it is down, -EMEDIUMTYPE another bit rate, -ENOENT nobody knows the host's name, -EHOSTUNREACH, -ENETUNREACH no way
 * there, -ECONNREFUSED nobody serves there, -EPROTO what does is no socketcand, -EACCES the server lets nobody in, -ETIMEDOUT it does not
 * answer, -EINVAL the options. Thread: any but control. Allocates: yes. Blocks: up to BUS_OPEN_MS_MAX, and as
 * long as the resolver takes for a name. */
MUST_CHECK int bus_open(struct bus **out, const struct bus_options *o, struct errbuf *e);

/* The same for a simulated robot: at a socketcand address it is the server, on an interface it is one node among others. The server
 * hands every frame, its own and its clients', to all (other) clients. HOST is then a number; PORT 0 lets the kernel choose, and
 * bus_address tells. It needs to be called (bus_send or bus_receive) every few milliseconds to serve. -EADDRINUSE: the port is taken.
 * Thread: start-up. Allocates: yes. Blocks: no. */
MUST_CHECK int bus_serve(struct bus **out, const struct bus_options *o, struct errbuf *e);

/* Two ends that are connected with each other. The address of options means nothing. Thread: start-up. Allocates: yes. Blocks: no. */
MUST_CHECK int bus_pair(struct bus **a, struct bus **b, struct errbuf *e);

/* As it was opened; the port is resolved. Lives as long as the bus. */
const char *bus_address(const struct bus *b);

/* Readable when bus_receive has something to do. It is one descriptor for the life of the bus; to be polled only. */
int bus_fd(const struct bus *b);

/* The oldest event that was not taken yet. 1: *out is it; 0: there is none; negative: -ENETDOWN the interface is down (it may come back
 * up), -ENODEV it is gone, -ECONNRESET the connection is (a bus that is to be opened anew), -EPROTO the server talks nonsense (that
 * too). Thread: the bus's. Allocates: no. Blocks: no. */
MUST_CHECK int bus_receive(struct bus *b, struct bus_event *out);

/* 0, or the frame was not sent: -ENOBUFS the queue is full (nobody acknowledges, or more than the wire carries), -ENETDOWN interface
 * down or controller off the bus, -ENODEV, -ECONNRESET as above, -EINVAL no such frame exists. A server takes everything; what a
 * client leaves unread too long is lost for that client. Thread: the bus's. Allocates: no. Blocks: no. */
MUST_CHECK int bus_send(struct bus *b, const struct bus_frame *f);

/* Has the other ends receive an error: for simulated faults. -EOPNOTSUPP: only a controller makes them there. */
MUST_CHECK int bus_report(struct bus *b, enum bus_error error);

/* What a negative answer of bus_send or bus_receive means, and what to do. Returns code. Allocates: no. Blocks: no. */
int bus_explain(const struct bus *b, int code, struct errbuf *e);

/* "bus off"; "unknown" for what is none. */
const char *bus_error_name(enum bus_error error);

/* Accepts NULL. */
void bus_destroy(struct bus *b);

#endif
