/* hand.c - see hand.h. Sockets: tcp(7), udp(7), socket(7), connect(2) of Linux.
 *
 * The thread looks at its sockets every PERIOD_NS instead of waiting for them, and takes at most so much each time: whoever floods them
 * loses datagrams, and gets no more of this machine than a hand does. It is an ordinary thread; the hand takes tenths of a second. */
#include "robots/franka/hand.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/handover.h"
#include "daemon/sys/rt.h"
#include "robots/franka/hand_session.h"

static const int64_t PERIOD_NS = 5 * NS_PER_MS;
enum { DATAGRAMS_MAX = 64, RECEIVE_BYTES = 512 };

struct report {
	bool knows;
	int64_t state_ns;
	struct fci_gripper_state state;
	struct hand_counters counters;
	uint32_t trouble;
};

struct franka_hand_link {
	char address[FRANKA_ADDRESS_BYTES];
	struct latest wish_box;        /* control -> hand */
	struct hand_wish wish[LATEST_SLOTS];
	_Atomic bool home, stop_homing; /* control -> hand */
	struct latest report_box;      /* hand -> control */
	struct report report[LATEST_SLOTS];
	struct latest numbers_box;     /* hand -> io */
	struct report numbers[LATEST_SLOTS];
	_Atomic bool stop;
	pthread_t thread;
	bool started;

	/* hand thread */
	struct hand_session session;
	struct in_addr peer;
	in_port_t states_port;         /* of the peer: where the newest state came from */
	int tcp_fd, udp_fd;            /* -1: none */
	bool calling;                  /* tcp_fd is being connected */
};

/* ---- sockets, hand thread ---------------------------------------------------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void hang_up(struct franka_hand_link *h)
{
	close_fd(&h->tcp_fd);
	close_fd(&h->udp_fd);
	h->calling = false;
}

static void lost(struct franka_hand_link *h, int64_t now_ns)
{
	hang_up(h);
	hand_session_closed(&h->session, now_ns);
}

/* A hand that vanishes without a word is noticed within some four seconds, whether something was sent to it or not. */
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

/* Once: a look-up can take longer than a call may. */
static bool find_peer(struct franka_hand_link *h)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (h->peer.s_addr != INADDR_ANY || inet_pton(AF_INET, h->address, &h->peer) == 1)
		return true;
	if (getaddrinfo(h->address, NULL, &hints, &found) != 0)
		return false;
	h->peer = ((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr;
	freeaddrinfo(found);
	return true;
}

static void call(struct franka_hand_link *h)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(FCI_GRIPPER_PORT) };

	if (!find_peer(h)) {
		lost(h, clock_monotonic_ns());
		return;
	}
	at.sin_addr = h->peer;
	h->tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	h->calling = h->tcp_fd >= 0;
	if (!h->calling || (connect(h->tcp_fd, (const struct sockaddr *)&at, sizeof at) < 0 && errno != EINPROGRESS))
		lost(h, clock_monotonic_ns());
}

/* States are taken at the address that the connection has, from the peer of the connection. The port, or 0. */
static uint16_t take_states(struct franka_hand_link *h)
{
	struct sockaddr_in own = { 0 };
	socklen_t n = sizeof own;

	h->udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (h->udp_fd < 0 || getsockname(h->tcp_fd, (struct sockaddr *)&own, &n) < 0)
		return 0;
	own.sin_port = 0;
	if (bind(h->udp_fd, (const struct sockaddr *)&own, sizeof own) < 0 || getsockname(h->udp_fd, (struct sockaddr *)&own, &n) < 0)
		return 0;
	return ntohs(own.sin_port);
}

static void await_call(struct franka_hand_link *h, int64_t now_ns)
{
	struct pollfd p = { .fd = h->tcp_fd, .events = POLLOUT };
	socklen_t n = sizeof errno;
	int why = 0;

	if (poll(&p, 1, 0) == 0)
		return;
	h->calling = false;
	make_lively(h->tcp_fd);
	uint16_t port = getsockopt(h->tcp_fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0 && why == 0 ? take_states(h) : 0;

	if (port)
		hand_session_opened(&h->session, port, now_ns);
	else
		lost(h, now_ns);
}

static void receive_answers(struct franka_hand_link *h, int64_t now_ns)
{
	uint8_t bytes[RECEIVE_BYTES];
	ssize_t n = recv(h->tcp_fd, bytes, sizeof bytes, 0);

	if (n > 0)
		hand_session_receive(&h->session, bytes, (size_t)n, now_ns);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		lost(h, now_ns);
}

/* From the port that the states come from, unless none have come from there for a while. */
static bool is_hands(const struct franka_hand_link *h, const struct sockaddr_in *from, int64_t now_ns)
{
	return from->sin_addr.s_addr == h->peer.s_addr &&
			(from->sin_port == h->states_port || !hand_session_knows(&h->session, now_ns));
}

static void receive_states(struct franka_hand_link *h, int64_t now_ns)
{
	for (int i = 0; i < DATAGRAMS_MAX && h->udp_fd >= 0; i++) {
		uint8_t bytes[FCI_GRIPPER_STATE_BYTES + 1]; /* a longer one is of a wrong size too */
		struct sockaddr_in from = { 0 };
		socklen_t length = sizeof from;
		ssize_t n = recvfrom(h->udp_fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);

		if (n < 0)
			return;
		if (is_hands(h, &from, now_ns) && hand_session_datagram(&h->session, bytes, (size_t)n, now_ns))
			h->states_port = from.sin_port;
	}
}

static void send_out(struct franka_hand_link *h, int64_t now_ns)
{
	struct hand_session *s = &h->session;

	if (s->n_out == 0)
		return;
	ssize_t n = send(h->tcp_fd, s->out, s->n_out, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		lost(h, now_ns);
	if (n > 0) {
		memmove(s->out, s->out + n, s->n_out - (size_t)n);
		s->n_out -= (size_t)n;
	}
}

/* ---- the thread ---------------------------------------------------------------------------------------------------------- */

static void exchange(struct franka_hand_link *h, int64_t now_ns)
{
	if (h->calling)
		await_call(h, now_ns);
	else if (h->tcp_fd >= 0)
		receive_answers(h, now_ns);
	receive_states(h, now_ns);
	latest_refresh(&h->wish_box);
	if (atomic_exchange(&h->home, false))
		hand_session_home(&h->session);
	if (atomic_exchange(&h->stop_homing, false)) /* after it: the stop counts, whichever came first */
		hand_session_stop_homing(&h->session, now_ns);
	enum hand_action action = hand_session_step(&h->session, now_ns, &h->wish[h->wish_box.reading]);

	if (action == HAND_HANG_UP)
		hang_up(h);
	else if (action == HAND_CALL)
		call(h);
	if (h->tcp_fd >= 0 && !h->calling)
		send_out(h, now_ns);
}

static void publish(struct franka_hand_link *h, int64_t now_ns)
{
	const struct hand_session *s = &h->session;
	const struct report r = { s->has_state, s->state_ns, s->state, s->counters, hand_session_trouble(s, now_ns) };

	h->report[h->report_box.writing] = r;
	latest_publish(&h->report_box);
	h->numbers[h->numbers_box.writing] = r;
	latest_publish(&h->numbers_box);
}

static void *run(void *argument)
{
	struct franka_hand_link *h = argument;

	while (!atomic_load_explicit(&h->stop, memory_order_relaxed)) {
		int64_t now_ns = clock_monotonic_ns();

		exchange(h, now_ns);
		publish(h, now_ns);
		clock_sleep_until(now_ns + PERIOD_NS);
	}
	hang_up(h);
	return NULL;
}

int franka_hand_create(struct franka_hand_link **out, const struct franka_setup *setup, struct errbuf *e)
{
	bool realtime;

	*out = NULL;
	if (!setup->hand.enabled)
		return 0;
	struct franka_hand_link *h = calloc(1, sizeof *h);

	if (!h)
		return fail(e, -ENOMEM, "franka hand: out of memory");
	rt_lock_memory(h, sizeof *h); /* the control thread writes its wish and reads reports every period */
	h->tcp_fd = h->udp_fd = -1;
	snprintf(h->address, sizeof h->address, "%s", setup->address);
	hand_session_init(&h->session, &setup->hand);
	latest_init(&h->wish_box);
	latest_init(&h->report_box);
	latest_init(&h->numbers_box);
	int rc = rt_thread_start(&h->thread, &(struct rt_thread_options){ .name = "franka-hand", .run = run, .argument = h,
			.wish = RT_OFF, .cpu = -1 }, &realtime, e);
	h->started = rc == 0;
	if (rc < 0)
		franka_hand_destroy(h);
	else
		*out = h;
	return rc;
}

void franka_hand_destroy(struct franka_hand_link *h)
{
	if (!h)
		return;
	if (h->started) {
		atomic_store(&h->stop, true);
		pthread_join(h->thread, NULL);
	}
	free(h);
}

/* ---- other threads ------------------------------------------------------------------------------------------------------- */

void franka_hand_write(struct franka_hand_link *h, bool has_gripper, double gripper_m)
{
	if (!h)
		return;
	h->wish[h->wish_box.writing] = (struct hand_wish){ has_gripper, gripper_m };
	latest_publish(&h->wish_box);
}

void franka_hand_read(struct franka_hand_link *h, int64_t now_ns, struct franka_hand_view *out)
{
	*out = (struct franka_hand_view){ 0 };
	if (!h)
		return;
	latest_refresh(&h->report_box);
	const struct report *r = &h->report[h->report_box.reading];

	out->trouble = r->trouble;
	out->has_gripper = r->knows && now_ns - r->state_ns <= HAND_FRESH_NS;
	if (out->has_gripper)
		out->gripper_m = fmax(r->state.width_m, 0.0);
}

void franka_hand_home(struct franka_hand_link *h)
{
	if (h)
		atomic_store_explicit(&h->home, true, memory_order_relaxed);
}

void franka_hand_stop_homing(struct franka_hand_link *h)
{
	if (h)
		atomic_store_explicit(&h->stop_homing, true, memory_order_relaxed);
}

uint32_t franka_hand_numbers(struct franka_hand_link *h, struct robot_number *out)
{
	if (!h)
		return 0;
	latest_refresh(&h->numbers_box);
	const struct report *r = &h->numbers[h->numbers_box.reading];
	const struct robot_number n[] = {
		{ "hand_max_width_m", r->knows ? r->state.max_width_m : 0.0 },
		{ "hand_grasped", r->knows && r->state.is_grasped },
		{ "hand_temperature_c", r->knows ? r->state.temperature_c : 0.0 },
		{ "hand_moves", (double)r->counters.moves },
		{ "hand_grasps", (double)r->counters.grasps },
		{ "hand_failures", (double)r->counters.failures },
		{ "hand_stops", (double)r->counters.stops },
		{ "hand_connections", (double)r->counters.connections },
	};

	_Static_assert(sizeof n / sizeof *n == FRANKA_HAND_NUMBERS, "as many as the header says");
	memcpy(out, n, sizeof n);
	return FRANKA_HAND_NUMBERS;
}
