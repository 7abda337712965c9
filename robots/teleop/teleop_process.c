/* teleop_process.c - see teleop_process.h.
 *
 * One thread on purpose: who publishes has just read the device. Where reading hangs, nothing is published, and dreamvlad ends the
 * take-over after teleop.timeout_ms. */
#include "robots/teleop/teleop_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"
#include "robots/teleop/live.h"
#include "robots/teleop/watch.h"
#include "transport/endpoint.h"
#include "transport/message/message.h"

/* Longer than the greatest teleop.timeout_ms. */
#define LOSS_SILENCE_NS (1200 * NS_PER_MS)
#define LAST_WORD_NS (10 * NS_PER_MS) /* until it has left */

struct teleop_process {
	const struct teleop_process_options *o;
	void *zmq_context, *device;
	struct endpoint *operators;
	struct watch watch;
	struct live live;
	int signal_fd, timer_fd;
	char topic[NAME_BYTES + 8];
	uint64_t from, seq;
	int64_t now_ns, offset_ns;     /* clock of the messages - CLOCK_MONOTONIC */
	int64_t silent_until_ns;
	bool offset_known, due, present, edge, ends;
	bool sent_deadman;
	struct device_wish wish;       /* of this moment, when present */
	struct errbuf away;
};

/* ---- one turn ---------------------------------------------------------------------------------------------------------------------- */

static void refresh_clock(struct teleop_process *p)
{
	int64_t offset_ns;

	p->now_ns = clock_monotonic_ns();
	/* One that was interrupted says nothing; the first has to do. */
	if (!p->o->realtime_clock || (!clock_realtime_offset_ns(&offset_ns) && p->offset_known))
		return;
	p->offset_ns = offset_ns;
	p->offset_known = true;
}

static void publish(struct teleop_process *p)
{
	const struct device_wish *w = &p->wish;
	struct message_teleop m = { .head = { p->from, ++p->seq, p->now_ns + p->offset_ns }, .deadman = w->deadman, .kind = w->kind,
		.n_values = w->n_values, .frame = w->frame, .has_gripper = w->has_gripper, .gripper_m = w->gripper_m };
	uint8_t bytes[1024];
	struct errbuf e;
	size_t n;

	memcpy(m.value, w->value, sizeof m.value);
	if (p->o->arm)
		snprintf(m.arm, sizeof m.arm, "%s", p->o->arm);
	if (message_teleop_encode(&m, bytes, sizeof bytes, &n, &e) < 0) {
		log_line(LOG_LEVEL_ERROR, "%s: %s", p->topic, e.text);
		return;
	}
	/* A full queue means that dreamvlad does not read: it holds the arm, and what is old is void. */
	(void)!endpoint_send(p->operators, &(struct endpoint_message){ 2, { (const uint8_t *)p->topic, bytes }, { strlen(p->topic), n } });
	p->sent_deadman = w->deadman;
}

/* Before a silence that ends the driving: no motion, the dead-man as it was. A release that no hand has made would be a wrong word:
 * dreamvlad may hand back to the policy for it (teleop.resume: auto). Joints need none, they stand still by themselves. */
static void say_last_word(struct teleop_process *p)
{
	struct device_wish now = p->wish;

	if (p->sent_deadman && now.kind == TELEOP_TWIST) {
		p->wish.deadman = true;
		memset(p->wish.value, 0, sizeof p->wish.value);
		publish(p);
	}
	p->wish = now;
	p->sent_deadman = false;
	p->silent_until_ns = p->now_ns + LOSS_SILENCE_NS;
}

/* Reads and, without anything in between, publishes: when it is time, and at once when the dead-man has changed. */
static void relay(struct teleop_process *p)
{
	bool was_present = p->present;

	refresh_clock(p);
	p->present = p->o->kind->read(p->device, p->now_ns, p->offset_ns, &p->wish, &p->away);
	if (!p->present)
		p->sent_deadman = false; /* nobody has heard of it since */
	else if (p->wish.lost)
		say_last_word(p);
	bool changed = p->present && p->wish.deadman != p->sent_deadman;

	if (p->present && p->now_ns >= p->silent_until_ns && (p->due || changed))
		publish(p);
	p->edge = changed || p->present != was_present;
	p->ends |= p->present && p->wish.ends;
}

static void wait_for_something(struct teleop_process *p)
{
	zmq_pollitem_t item[2 + WATCH_ITEMS + DEVICE_ITEMS_MAX] = {
		{ .fd = p->signal_fd, .events = ZMQ_POLLIN },
		{ .fd = p->timer_fd, .events = ZMQ_POLLIN },
	};
	uint64_t expired;
	uint32_t n = 2;

	n += p->o->kind->items(p->device, item + n);
	watch_items(&p->watch, item + n);
	n += p->watch.door ? 2 : 1;
	zmq_poll(item, (int)n, -1);
	p->ends = item[0].revents;
	p->due = read(p->timer_fd, &expired, sizeof expired) == sizeof expired; /* missed periods are skipped */
}

static int tell(struct teleop_process *p)
{
	return live_show(&p->live, &(struct live_view){ .topic = p->topic, .present = p->present, .away = p->away.text, .wish = &p->wish,
			.watch = &p->watch, .sent = p->seq }, p->edge, p->now_ns);
}

/* While the device is away dreamvlad has heard nothing and holds already. */
static void say_farewell(struct teleop_process *p)
{
	if (!p->sent_deadman)
		return;
	refresh_clock(p);
	say_last_word(p);
	clock_sleep_until(p->now_ns + LAST_WORD_NS);
}

static int serve(struct teleop_process *p, struct errbuf *e)
{
	int rc = 0;

	while (rc == 0 && !p->ends) {
		wait_for_something(p);
		if (p->ends)
			break;
		relay(p);
		watch_receive(&p->watch, p->now_ns);
		rc = tell(p);
	}
	say_farewell(p);
	return rc < 0 ? fail(e, rc, "standard output: nobody reads it any more") : 0;
}

/* ---- start and end ----------------------------------------------------------------------------------------------------------------- */

/* Before any thread starts, so that all of them inherit it and the signals arrive at the descriptor only. */
static int catch_signals(struct teleop_process *p, struct errbuf *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP); /* the terminal was closed */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signal_fd < 0 ? fail(e, -errno, "signalfd: %s", strerror(errno)) : 0;
}

static int start_timer(struct teleop_process *p, struct errbuf *e)
{
	int64_t period_ns = (int64_t)(NS_PER_S / p->o->rate_hz);
	struct itimerspec every = { .it_interval = { .tv_nsec = period_ns }, .it_value = { .tv_nsec = period_ns } };

	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (p->timer_fd < 0 || timerfd_settime(p->timer_fd, 0, &every, NULL) < 0)
		return fail(e, -errno, "timerfd: %s", strerror(errno));
	return 0;
}

static int open_sockets(struct teleop_process *p, struct errbuf *e)
{
	const struct teleop_process_options *o = p->o;
	int rc = endpoint_open(&p->operators, p->zmq_context, &(struct endpoint_options){ .type = ZMQ_PUB, .address = o->operators,
			.curve_secret = o->device.curve_secret, .curve_server = o->curve_server }, e);

	return rc < 0 ? rc : watch_open(&p->watch, &(struct watch_options){ .zmq_context = p->zmq_context, .status = o->status, .door = o->door,
			.curve_secret = o->device.curve_secret, .curve_server = o->curve_server, .source = p->topic }, e);
}

static int start(struct teleop_process *p, struct errbuf *e)
{
	struct device_options device = p->o->device;
	int rc = catch_signals(p, e);

	if (rc < 0)
		return rc;
	p->zmq_context = zmq_ctx_new();
	if (!p->zmq_context)
		return fail(e, -ENOMEM, "ZeroMQ: %s", zmq_strerror(errno));
	if (getrandom(&p->from, sizeof p->from, 0) != (ssize_t)sizeof p->from)
		p->from = (uint64_t)clock_monotonic_ns();
	snprintf(p->topic, sizeof p->topic, "teleop/%s", p->o->name);
	live_init(&p->live, p->o->json);
	device.zmq_context = p->zmq_context;
	if ((rc = p->o->kind->create(&p->device, &device, e)) < 0 || (rc = open_sockets(p, e)) < 0)
		return rc;
	return start_timer(p, e);
}

/* Accepts whatever start left behind. */
static void end(struct teleop_process *p)
{
	if (p->timer_fd >= 0)
		close(p->timer_fd);
	watch_close(&p->watch);
	endpoint_close(p->operators);
	p->o->kind->destroy(p->device);
	if (p->zmq_context)
		zmq_ctx_term(p->zmq_context);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	free(p);
}

int teleop_process_run(const struct teleop_process_options *o, struct errbuf *e)
{
	struct teleop_process *p = calloc(1, sizeof *p);

	if (!p)
		return fail(e, -ENOMEM, "out of memory");
	p->o = o;
	p->signal_fd = p->timer_fd = -1;
	int rc = start(p, e);

	if (rc == 0) {
		log_line(LOG_LEVEL_INFO, "%s: to %s at %.0f Hz%s%s", p->topic, o->operators, o->rate_hz, o->arm ? ", arm " : "", o->arm ? o->arm : "");
		rc = serve(p, e);
		live_end(&p->live);
	}
	end(p);
	return rc;
}
