/* link.c - see link.h. */
#include "robots/piper/link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "daemon/sys/handover.h"
#include "daemon/sys/log.h"
#include "robots/piper/numbers.h"
#include "robots/piper/outlet.h"
#include "robots/piper/words.h"

static const int64_t POLL_MAX_NS = 20 * NS_PER_MS;
static const int64_t BACKOFF_MIN_NS = 100 * NS_PER_MS, BACKOFF_MAX_NS = 2 * NS_PER_S;

/* ASKS: an operator's, one at a time. RECEIVE_MAX: of one turn, 0.1 s of a whole bus; no flood keeps the link from its stream. */
enum { ASKS = 16, RECEIVE_MAX = 512 };

struct piper_link {
	struct latest command_box;
	struct robot_command command[LATEST_SLOTS];
	struct queue ask_queue;
	enum piper_ask ask[ASKS];
	_Atomic bool emergency;
	struct latest state_box;
	struct robot_state state[LATEST_SLOTS];
	int64_t published_ns[LATEST_SLOTS];
	struct latest number_box;
	struct piper_numbers number[LATEST_SLOTS];
	int wake_fd;
	_Atomic bool stop;
	/* control thread */
	struct robot_state seen;
	int64_t seen_ns;
	/* io thread */
	struct piper_numbers counted;
	/* link thread */
	struct piper_setup setup;
	struct piper_session session;
	struct piper_outlet outlet;
	struct piper_words words;
	struct bus *bus;           /* NULL: not open */
	struct robot_sent sent;
	int64_t retry_ns, backoff_ns, turned_ns; /* turned: what was sent last was decided then */
	uint64_t opens;
	pthread_t thread;
	bool started;
};

/* ---- the bus ------------------------------------------------------------------------------------------------------------- */

static void open_bus(struct piper_link *l)
{
	struct bus_filter filter[BUS_FILTERS_MAX];
	uint32_t n = piper_feedback_filters(l->setup.feedback_base, l->setup.control_base, filter);
	struct errbuf e = { "" };
	int rc = bus_open(&l->bus, &(struct bus_options){ .address = l->setup.address, .bitrate = PIPER_BITRATE, .filter = filter,
			.filters = n }, &e);
	int64_t now_ns = clock_monotonic_ns();

	l->retry_ns = now_ns + l->backoff_ns;
	l->backoff_ns = l->backoff_ns * 2 < BACKOFF_MAX_NS ? l->backoff_ns * 2 : BACKOFF_MAX_NS;
	piper_words_bus(&l->words, rc, e.text);
	if (rc < 0) {
		l->bus = NULL;
		piper_session_closed(&l->session, rc, now_ns);
		return;
	}
	l->opens++;
	piper_session_opened(&l->session, now_ns);
}

static void lose_bus(struct piper_link *l, int code)
{
	struct errbuf e = { "" };

	piper_words_bus(&l->words, bus_explain(l->bus, code, &e), e.text);
	bus_destroy(l->bus);
	l->bus = NULL;
	l->retry_ns = clock_monotonic_ns() + l->backoff_ns;
	piper_session_closed(&l->session, code, clock_monotonic_ns());
}

static void receive(struct piper_link *l)
{
	struct bus_event event;
	int rc = 1;

	for (int i = 0; i < RECEIVE_MAX && (rc = bus_receive(l->bus, &event)) > 0; i++) {
		piper_session_take(&l->session, &event);
		l->backoff_ns = BACKOFF_MIN_NS; /* it was no connection in name only */
	}
	if (rc < 0)
		lose_bus(l, rc);
}

/* A full queue and an interface that is down for a moment are no end of a bus: what is lost is said anew. */
static bool ends_bus(int code)
{
	return code == -ENODEV || code == -ECONNRESET || code == -EPROTO || code == -EBADF;
}

static void send_all(struct piper_link *l, const struct piper_outbox *out)
{
	int rc = 0;

	for (uint32_t i = 0; i < out->n && rc == 0; i++)
		rc = piper_outlet_send(&l->outlet, l->bus, &out->frame[i]);
	if (rc == 0 && l->session.stream.sending)
		robot_sent_note(&l->sent, l->session.stream.target_mark, clock_monotonic_ns());
	if (out->n > 0)
		piper_session_sent(&l->session, rc);
	if (ends_bus(rc))
		lose_bus(l, rc);
}

/* ---- what crosses -------------------------------------------------------------------------------------------------------- */

static void ask(struct piper_link *l, enum piper_ask what)
{
	piper_words_ask(&l->words, &l->session, what, piper_session_ask(&l->session, what));
}

/* An emergency stop is looked for before the asks and obeyed after them: none that came before can undo it. */
static void take_asks(struct piper_link *l)
{
	bool emergency = atomic_exchange_explicit(&l->emergency, false, memory_order_acq_rel);

	for (int at; (at = queue_front(&l->ask_queue)) >= 0; queue_release(&l->ask_queue))
		ask(l, l->ask[at]);
	if (emergency)
		ask(l, PIPER_ASK_EMERGENCY_STOP);
}

static void take_command(struct piper_link *l, int64_t now_ns)
{
	if (latest_refresh(&l->command_box))
		piper_session_command(&l->session, &l->command[l->command_box.reading], now_ns);
}

static void publish(struct piper_link *l, int64_t now_ns)
{
	piper_session_report(&l->session, now_ns, &l->state[l->state_box.writing]);
	l->state[l->state_box.writing].sent = l->sent;
	l->published_ns[l->state_box.writing] = now_ns;
	latest_publish(&l->state_box);
	piper_numbers_take(&l->number[l->number_box.writing], &l->session, &l->outlet, l->opens);
	latest_publish(&l->number_box);
}

/* ---- the thread ---------------------------------------------------------------------------------------------------------- */

static void wait_for_something(struct piper_link *l)
{
	struct pollfd item[2] = { { .fd = l->wake_fd, .events = POLLIN }, { .fd = l->bus ? bus_fd(l->bus) : -1, .events = POLLIN } };
	int64_t now_ns = clock_monotonic_ns(), due_ns = l->bus ? piper_session_next_ns(&l->session) : l->retry_ns, left_ns = due_ns - now_ns;

	left_ns = left_ns < 0 ? 0 : left_ns < POLL_MAX_NS ? left_ns : POLL_MAX_NS;
	if (ppoll(item, 2, &(struct timespec){ .tv_nsec = (long)left_ns }, NULL) > 0 && item[0].revents)
		eventfd_clear(l->wake_fd);
}

/* After a program stood still (Ctrl-Z and fg, a suspended machine), what a server has kept for it is old and looks new, and a request
 * that was under way is one of long ago: the arm is found anew, and asked, which it answers behind all that. */
static void mind_the_gap(struct piper_link *l)
{
	int64_t now_ns = clock_monotonic_ns();

	if (l->bus && now_ns - l->turned_ns > PIPER_SILENT_NS)
		piper_session_opened(&l->session, now_ns);
}

/* What has come is taken before what has not is missed. */
static void turn(struct piper_link *l)
{
	struct piper_outbox out;
	int64_t now_ns;

	mind_the_gap(l);
	if (!l->bus && clock_monotonic_ns() >= l->retry_ns)
		open_bus(l);
	if (l->bus)
		receive(l);
	now_ns = clock_monotonic_ns();
	take_asks(l);
	take_command(l, now_ns);
	piper_session_step(&l->session, now_ns, &out);
	l->turned_ns = now_ns;
	if (l->bus && clock_monotonic_ns() - now_ns <= PIPER_SILENT_NS) /* else it stood still since, and the next turn begins anew */
		send_all(l, &out);
	piper_words_session(&l->words, &l->session);
	publish(l, clock_monotonic_ns());
}

static void *run(void *argument)
{
	struct piper_link *l = argument;

	while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		turn(l);
		wait_for_something(l);
	}
	return NULL;
}

static void init(struct piper_link *l, const struct piper_setup *setup)
{
	l->setup = *setup;
	l->wake_fd = -1;
	l->backoff_ns = BACKOFF_MIN_NS;
	l->retry_ns = clock_monotonic_ns();
	l->outlet.arm = l->setup.arm;
	latest_init(&l->command_box);
	latest_init(&l->state_box);
	latest_init(&l->number_box);
	queue_init(&l->ask_queue, ASKS);
	piper_session_init(&l->session, &l->setup);
	piper_words_init(&l->words, &l->setup);
}

static int start(struct piper_link *l, const struct piper_link_options *o, struct errbuf *e)
{
	bool realtime;
	int rc;

	l->wake_fd = eventfd_open(e);
	if (l->wake_fd < 0)
		return l->wake_fd;
	rc = rt_thread_start(&l->thread, &(struct rt_thread_options){ .name = "piper-link", .run = run, .argument = l, .wish = o->wish,
			.priority = o->priority, .cpu = -1 }, &realtime, e);
	l->started = rc == 0;
	return rc;
}

int piper_link_create(struct piper_link **out, const struct piper_link_options *o, struct errbuf *e)
{
	struct piper_link *l = aligned_alloc(_Alignof(struct piper_link), sizeof *l);

	if (!l)
		return fail(e, -ENOMEM, "driver piper: out of memory");
	memset(l, 0, sizeof *l);
	rt_lock_memory(l, sizeof *l); /* the control thread looks into it every period */
	init(l, o->setup);
	int rc = start(l, o, e);
	if (rc < 0) {
		piper_link_destroy(l);
		return rc;
	}
	*out = l;
	return 0;
}

void piper_link_destroy(struct piper_link *l)
{
	if (!l)
		return;
	if (l->started) {
		atomic_store(&l->stop, true);
		eventfd_signal(l->wake_fd);
		pthread_join(l->thread, NULL);
	}
	bus_destroy(l->bus);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	free(l);
}

/* ---- the other threads' side --------------------------------------------------------------------------------------------- */

void piper_link_read(struct piper_link *l, int64_t now_ns, struct robot_state *out)
{
	if (latest_refresh(&l->state_box)) {
		l->seen = l->state[l->state_box.reading];
		l->seen_ns = l->published_ns[l->state_box.reading];
	}
	*out = l->seen;
	if (!l->seen_ns || now_ns - l->seen_ns > PIPER_SILENT_NS) {
		out->mode = ARM_DISCONNECTED;
		out->trouble = PIPER_TROUBLE_CONNECTING;
	}
}

void piper_link_write(struct piper_link *l, const struct robot_command *c)
{
	l->command[l->command_box.writing] = *c;
	latest_publish(&l->command_box);
	eventfd_signal(l->wake_fd);
}

bool piper_link_ask(struct piper_link *l, enum piper_ask ask)
{
	int at = queue_claim(&l->ask_queue);

	if (at < 0)
		return false;
	l->ask[at] = ask;
	queue_publish(&l->ask_queue);
	eventfd_signal(l->wake_fd);
	return true;
}

void piper_link_emergency_stop(struct piper_link *l)
{
	atomic_store_explicit(&l->emergency, true, memory_order_release);
	eventfd_signal(l->wake_fd);
}

uint32_t piper_link_numbers(struct piper_link *l, struct robot_number *out)
{
	if (latest_refresh(&l->number_box))
		l->counted = l->number[l->number_box.reading];
	return piper_numbers_list(&l->counted, out);
}
