/* bus_bench.h - two ends of a bus of every kind that this machine has, and a bare TCP connection to a socketcand server. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_BUS_BENCH_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_BUS_BENCH_H

#include "daemon/sys/clock.h"
#include "robots/bus/bus.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { WAIT_MS = 20000 }; /* for what must come, on a machine that is busy */

static struct errbuf bench_error;

static inline void must(int rc)
{
	if (rc < 0)
		fail_msg("%d: %s", rc, bench_error.text);
}

static inline struct bus_frame frame_of(uint32_t id, uint32_t number)
{
	return (struct bus_frame){ .id = id, .length = 8, .data = { 0, 0, 0, 0, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
		(uint8_t)(number >> 8), (uint8_t)number } };
}

static inline uint32_t number_of(const struct bus_frame *f)
{
	return (uint32_t)f->data[4] << 24 | (uint32_t)f->data[5] << 16 | (uint32_t)f->data[6] << 8 | f->data[7];
}

static inline struct bus *serve_at(const char *address)
{
	struct bus *b = NULL;

	must(bus_serve(&b, &(struct bus_options){ .address = address }, &bench_error));
	return b;
}

static inline struct bus *serve(void)
{
	return serve_at("socketcand://127.0.0.1:0");
}

/* Opening waits for a server's answers, so that the server needs a thread. */
struct opening {
	struct bus *server;
	_Atomic bool done;
};

static inline void *serve_until_done(void *arg)
{
	struct opening *o = arg;
	struct bus_event event;
	struct pollfd p = { .fd = bus_fd(o->server), .events = POLLIN };

	while (!o->done) {
		if (bus_receive(o->server, &event) == 0)
			poll(&p, 1, 5);
	}
	return NULL;
}

/* bus_open while the server serves; frames that it gets meanwhile are lost. */
static inline int open_served(struct bus *server, const struct bus_options *options, struct bus **out)
{
	struct opening o = { server, false };
	pthread_t thread;
	int rc;

	assert_int_equal(pthread_create(&thread, NULL, serve_until_done, &o), 0);
	rc = bus_open(out, options, &bench_error);
	o.done = true;
	pthread_join(thread, NULL);
	return rc;
}

static inline struct bus *join(struct bus *server, const struct bus_filter *filter, uint32_t filters)
{
	struct bus *b = NULL;

	must(open_served(server, &(struct bus_options){ bus_address(server), 0, filter, filters }, &b));
	return b;
}

/* Has `other` (may be NULL) work too while `b` waits for what must come; returns what bus_receive does once it is not 0. */
static inline int wait_event(struct bus *b, struct bus *other, struct bus_event *out)
{
	int64_t until_ns = clock_monotonic_ns() + WAIT_MS * NS_PER_MS;
	struct bus_event event;
	struct pollfd p = { .fd = bus_fd(b), .events = POLLIN };
	int rc;

	while ((rc = bus_receive(b, out)) == 0 && clock_monotonic_ns() < until_ns) {
		if (other)
			assert_int_equal(bus_receive(other, &event), 0);
		poll(&p, 1, other ? 5 : 50);
	}
	return rc;
}

static inline struct bus_frame wait_frame(struct bus *b, struct bus *other)
{
	struct bus_event event = { 0 };

	assert_int_equal(wait_event(b, other, &event), 1);
	assert_int_equal(event.error, BUS_ERROR_NONE);
	assert_true(llabs(clock_monotonic_ns() - event.t_ns) < WAIT_MS * NS_PER_MS);
	return event.frame;
}

/* ---- a client that nobody keeps in order ------------------------------------------------------------------------------ */

static inline uint16_t port_of_bus(const struct bus *server)
{
	return (uint16_t)strtol(strrchr(bus_address(server), ':') + 1, NULL, 10);
}

static inline int tcp_connect(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static inline void tcp_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Text until the server has nothing more to say for now, is gone, or `want` was in it. */
static inline size_t tcp_hear(int fd, struct bus *server, char *out, size_t size, const char *want)
{
	int64_t until_ns = clock_monotonic_ns() + WAIT_MS * NS_PER_MS;
	struct bus_event event;
	ssize_t got = 1;
	size_t n = 0;

	out[0] = '\0';
	while (n + 1 < size && got != 0 && !strstr(out, want) && clock_monotonic_ns() < until_ns) {
		(void)!bus_receive(server, &event);
		got = recv(fd, out + n, size - 1 - n, MSG_DONTWAIT);
		n += got > 0 ? (size_t)got : 0;
		out[n] = '\0';
		if (got < 0)
			poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 1);
	}
	return n;
}

static inline void tcp_expect(int fd, struct bus *server, const char *want)
{
	char text[65536];

	tcp_hear(fd, server, text, sizeof text, want);
	if (!strstr(text, want))
		fail_msg("wanted \"%s\", heard \"%.300s\"", want, text);
}

static inline int tcp_join(struct bus *server)
{
	int fd = tcp_connect(port_of_bus(server));

	tcp_expect(fd, server, "< hi >");
	tcp_say(fd, "< open can0 >");
	tcp_expect(fd, server, "< ok >");
	tcp_say(fd, "< rawmode >");
	tcp_expect(fd, server, "< ok >");
	return fd;
}

#endif
