/* link.c - see link.h: the thread that runs a session (session.h) on a socket. It is an ordinary thread: nothing that is due every
 * millisecond waits for it. Sockets: tcp(7), ip(7), getaddrinfo(3) of Linux. */
#include "robots/franka/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/rt.h"
#include "robots/franka/session.h"

enum { POLL_MAX_MS = 1000, POLL_FULL_MS = 10, RECEIVE_MAX = 16 };

/* `link` is what others see of it. */
struct link_thread {
	struct franka_link link;
	struct franka_setup setup;
	struct franka_session session;
	int tcp_fd;
	bool connecting;
	struct in_addr peer;
	pthread_t thread;
	bool started;
	_Atomic bool stop;
};

/* ---- the socket -------------------------------------------------------------------------------------------------------------- */

/* A robot that is gone without a word is noticed within four seconds, also when something waits to be acknowledged. */
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

static void hang_up(struct link_thread *t)
{
	if (t->tcp_fd >= 0)
		close(t->tcp_fd);
	t->tcp_fd = -1;
	t->connecting = false;
}

static void is_connected(struct link_thread *t)
{
	t->connecting = false;
	franka_session_connected(&t->session, t->peer, clock_monotonic_ns());
}

static void dial(struct link_thread *t, const struct sockaddr_in *to)
{
	t->peer = to->sin_addr;
	t->tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->tcp_fd >= 0) {
		make_lively(t->tcp_fd);
		franka_session_dial(&t->session, clock_monotonic_ns());
		if (connect(t->tcp_fd, (const struct sockaddr *)to, sizeof *to) == 0) {
			is_connected(t);
			return;
		}
	}
	t->connecting = errno == EINPROGRESS;
	if (!t->connecting)
		franka_session_lost(&t->session, errno, clock_monotonic_ns());
}

/* Blocks as long as the resolver does; an address in numbers needs none. */
static void look_up(struct link_thread *t)
{
	const struct addrinfo wish = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	struct sockaddr_in to;
	int rc = getaddrinfo(t->setup.address, NULL, &wish, &found);

	if (rc != 0) {
		franka_session_unresolved(&t->session, gai_strerror(rc), clock_monotonic_ns());
		return;
	}
	memcpy(&to, found->ai_addr, sizeof to);
	freeaddrinfo(found);
	to.sin_port = htons(FCI_ROBOT_PORT);
	dial(t, &to);
}

static void finish_connecting(struct link_thread *t)
{
	int error = 0;
	socklen_t size = sizeof error;

	getsockopt(t->tcp_fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error == 0)
		is_connected(t);
	else
		franka_session_lost(&t->session, error, clock_monotonic_ns());
}

static bool is_transient(int error)
{
	return error == EAGAIN || error == EINTR;
}

static void receive(struct link_thread *t)
{
	uint8_t bytes[FRANKA_SESSION_IN_BYTES];

	for (int i = 0; i < RECEIVE_MAX && franka_session_wants_socket(&t->session); i++) {
		ssize_t n = recv(t->tcp_fd, bytes, sizeof bytes, 0);

		if (n > 0) {
			franka_session_receive(&t->session, bytes, (size_t)n, clock_monotonic_ns());
			continue;
		}
		if (n == 0 || !is_transient(errno))
			franka_session_lost(&t->session, n == 0 ? 0 : errno, clock_monotonic_ns());
		return;
	}
}

static void flush(struct link_thread *t)
{
	struct franka_session *s = &t->session;

	if (t->tcp_fd < 0 || t->connecting || s->n_out == 0)
		return;
	ssize_t n = send(t->tcp_fd, s->out, s->n_out, MSG_NOSIGNAL);

	if (n >= 0)
		franka_session_sent(s, (size_t)n);
	else if (!is_transient(errno))
		franka_session_lost(s, errno, clock_monotonic_ns());
}

/* ---- what crosses ------------------------------------------------------------------------------------------------------------ */

static void take_asks(struct link_thread *t)
{
	int at;

	eventfd_clear(t->link.ask_fd);
	while ((at = queue_front(&t->link.ask_queue)) >= 0) {
		franka_session_ask(&t->session, &t->link.ask[at], clock_monotonic_ns());
		queue_release(&t->link.ask_queue);
	}
}

static void hand_over_events(struct link_thread *t)
{
	while (t->session.n_events > 0) {
		int at = queue_claim(&t->link.event_queue);

		if (at < 0)
			return; /* they stay with the session, which keeps none back and begins nothing new before they are taken */
		franka_session_take_event(&t->session, &t->link.event[at]);
		queue_publish(&t->link.event_queue);
	}
}

static void report(struct link_thread *t)
{
	struct franka_note n;

	while (franka_session_take_note(&t->session, &n))
		log_line(n.level, "arm: %s: franka at %s: %s", t->setup.arm, t->setup.address, n.text);
	atomic_store_explicit(&t->link.trouble, (uint32_t)t->session.trouble, memory_order_relaxed);
	hand_over_events(t);
}

/* ---- the thread -------------------------------------------------------------------------------------------------------------- */

static int wait_ms(const struct link_thread *t)
{
	int64_t left_ns = franka_session_due_ns(&t->session), now_ns = clock_monotonic_ns();

	if (t->session.n_events > 0)
		return POLL_FULL_MS;
	if (left_ns <= now_ns)
		return 0;
	left_ns = left_ns - now_ns < POLL_MAX_MS * NS_PER_MS ? left_ns - now_ns : POLL_MAX_MS * NS_PER_MS;
	return (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void wait_for_something(struct link_thread *t)
{
	short wish = t->connecting ? POLLOUT : (short)(POLLIN | (t->session.n_out > 0 ? POLLOUT : 0));
	struct pollfd item[2] = { { .fd = t->tcp_fd, .events = wish }, { .fd = t->link.ask_fd, .events = POLLIN } };

	if (poll(item, 2, wait_ms(t)) <= 0 || t->tcp_fd < 0 || !item[0].revents)
		return;
	if (t->connecting)
		finish_connecting(t);
	else
		receive(t);
}

/* What has come is taken before what has not is missed. */
static void *run(void *argument)
{
	struct link_thread *t = argument;

	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		wait_for_something(t);
		take_asks(t);
		franka_session_tick(&t->session, clock_monotonic_ns());
		flush(t);
		if (!franka_session_wants_socket(&t->session))
			hang_up(t);
		report(t);
		if (franka_session_begin(&t->session, clock_monotonic_ns()))
			look_up(t);
	}
	return NULL;
}

static int open_udp(struct franka_link *l, struct errbuf *e)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof at;

	l->udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->udp_fd < 0 || bind(l->udp_fd, (const struct sockaddr *)&at, sizeof at) < 0 ||
			getsockname(l->udp_fd, (struct sockaddr *)&at, &size) < 0)
		return fail(e, -errno, "driver franka: a socket for the robot's states: %s", strerror(errno));
	l->udp_port = ntohs(at.sin_port);
	return 0;
}

static int start(struct link_thread *t, struct errbuf *e)
{
	bool realtime;
	int rc = open_udp(&t->link, e);

	if (rc < 0)
		return rc;
	if ((t->link.ask_fd = eventfd_open(e)) < 0)
		return t->link.ask_fd;
	if ((rc = franka_session_init(&t->session, &t->setup, t->link.udp_port, e)) < 0)
		return rc;
	rc = rt_thread_start(&t->thread, &(struct rt_thread_options){ .name = "franka-link", .run = run, .argument = t, .wish = RT_OFF,
			.cpu = -1 }, &realtime, e);
	t->started = rc == 0;
	return rc;
}

int franka_link_create(struct franka_link **out, const struct franka_setup *setup, struct errbuf *e)
{
	struct link_thread *t = aligned_alloc(_Alignof(struct link_thread), sizeof *t);

	if (!t)
		return fail(e, -ENOMEM, "driver franka: out of memory");
	memset(t, 0, sizeof *t);
	rt_lock_memory(&t->link, sizeof t->link); /* the control thread looks into it every period */
	franka_link_init(&t->link);
	t->setup = *setup;
	t->tcp_fd = -1;
	int rc = start(t, e);
	if (rc < 0) {
		franka_link_destroy(&t->link);
		return rc;
	}
	*out = &t->link;
	return 0;
}

_Static_assert(offsetof(struct link_thread, link) == 0, "a link is the thread that it belongs to");

void franka_link_destroy(struct franka_link *l)
{
	struct link_thread *t = (struct link_thread *)l;

	if (!t)
		return;
	if (t->started) {
		atomic_store(&t->stop, true);
		eventfd_signal(l->ask_fd);
		pthread_join(t->thread, NULL);
	}
	hang_up(t);
	if (l->ask_fd >= 0)
		close(l->ask_fd);
	if (l->udp_fd >= 0)
		close(l->udp_fd);
	free(t);
}
