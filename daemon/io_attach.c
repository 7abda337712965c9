/* io_attach.c - our side of the arms' own doors: attach at start and when an operator asks for it, detach at the end, and the
 * offset of the arms' clocks. One request at a time per arm; nobody waits for the reply. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/log.h"

#define DOOR_PATIENCE_NS (500 * NS_PER_MS)      /* also the pause between two attempts (messages.md section 5) */
#define ATTACH_WISH_NS (2 * NS_PER_S)           /* how long an operator's reset or mode keeps trying */
#define PING_PERIOD_NS NS_PER_S
#define PING_FIRST_NS (100 * NS_PER_MS)         /* the period until a clock was measured */
#define CLOCK_OFF_NS (5 * NS_PER_MS)
#define CLOCK_TRUST_NS (10 * NS_PER_S)          /* an arm that answers no ping for so long may have any clock */

/* Sends what b holds; the arm then has DOOR_PATIENCE_NS to answer. */
static int ask(struct io *io, struct io_arm *a, struct map_builder *b, const uint8_t *bytes, enum io_door_wait wait)
{
	struct endpoint_message m = { .n_parts = 2, .part = { (const uint8_t *)"", bytes } };
	struct errbuf e;
	int rc = map_finish(b, &m.bytes[1], &e);

	a->asked_ns = io->now_ns;
	if (wait == DOOR_ATTACH)
		a->attach_asked_ns = io->now_ns;
	if (rc == 0)
		rc = endpoint_send(a->door, &m);
	if (rc == 0)
		a->waiting = wait;
	return rc;
}

static void set_refused(struct io *io, uint32_t arm, const char *text)
{
	struct io_arm *a = &io->arm[arm];

	a->refused_ns = io->now_ns;
	if (strcmp(a->refused, text) == 0)
		return;
	snprintf(a->refused, sizeof a->refused, "%s", text);
	if (text[0])
		log_line(LOG_LEVEL_WARNING, "arm %s: %s", io->setup->arm[arm].name, text);
}

static void ask_attach(struct io *io, uint32_t arm)
{
	const struct arm_setup *setup = &io->setup->arm[arm];
	struct io_arm *a = &io->arm[arm];
	uint8_t bytes[REQUEST_BYTES_MAX];
	double tcp[7];
	struct map_builder b;
	char text[MESSAGE_TEXT_BYTES];

	memcpy(tcp, setup->tcp.p_m, sizeof setup->tcp.p_m);
	memcpy(tcp + 3, setup->tcp.q_xyzw, sizeof setup->tcp.q_xyzw);
	request_begin(&b, bytes, sizeof bytes, "attach");
	map_add_u64(&b, "from", io->from);
	map_add_text(&b, "model", setup->model.name);
	map_add_u64(&b, "dof", setup->model.dof);
	map_add_reals(&b, "tcp", tcp, 7);
	map_add_bool(&b, "clear_stop", a->clear_stop);
	if (ask(io, a, &b, bytes, DOOR_ATTACH) == 0)
		return;
	snprintf(text, sizeof text, "attach: nobody answers at %.200s", io->config->robot[arm].control);
	set_refused(io, arm, text);
}

static void ask_ping(struct io *io, struct io_arm *a)
{
	uint8_t bytes[REQUEST_BYTES_MAX];
	struct map_builder b;

	request_begin(&b, bytes, sizeof bytes, "ping");
	a->ping_ns = clock_realtime_ns();
	map_add_i64(&b, "t_ns", a->ping_ns);
	(void)ask(io, a, &b, bytes, DOOR_PING); /* not connected: the next one tries again */
	a->pinged_ns = io->now_ns;
}

static void take_attach_reply(struct io *io, uint32_t arm, const struct reply *r)
{
	struct io_arm *a = &io->arm[arm];
	char text[MESSAGE_TEXT_BYTES];

	a->clear_stop = false; /* whatever the answer: a stop that comes after it is not the one that was to be cleared */
	if (!r->ok) {
		snprintf(text, sizeof text, "attach: %.240s", r->error);
		set_refused(io, arm, text);
		a->attach_wanted = !a->ever_attached; /* later ones are an operator's wish: once is enough */
		return;
	}
	a->attach_wanted = false;
	a->ever_attached = true;
	set_refused(io, arm, "");
	log_line(LOG_LEVEL_INFO, "arm %s: attached at %s", io->setup->arm[arm].name, io->config->robot[arm].control);
}

/* Offset as in NTP: the mean of both ways; what the round trip leaves uncertain counts in favour of the clock. */
static void take_ping_reply(struct io *io, uint32_t arm, const uint8_t *bytes, size_t n)
{
	int64_t received_ns, sent_ns, forth_ns, back_ns, both_ns, uncertain_ns;
	struct io_arm *a = &io->arm[arm];
	bool off;

	if (!reply_i64(bytes, n, "recv_ns", &received_ns) || !reply_i64(bytes, n, "send_ns", &sent_ns))
		return;
	/* Anything may come from outside. */
	if (__builtin_sub_overflow(received_ns, a->ping_ns, &forth_ns)
			|| __builtin_sub_overflow(sent_ns, clock_realtime_ns(), &back_ns)
			|| __builtin_add_overflow(forth_ns, back_ns, &both_ns))
		return;
	uncertain_ns = (io->now_ns - a->asked_ns) / 2;
	off = llabs(both_ns / 2) > CLOCK_OFF_NS + uncertain_ns;
	if (!off && uncertain_ns > CLOCK_OFF_NS) /* too slow to tell: the next one may be better */
		return;
	if (off != a->clock_off || a->clock_measured_ns == 0)
		log_line(off ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "arm %s: its clock is %s (offset %" PRId64 " ms, limit 5 ms)",
				io->setup->arm[arm].name, off ? "off" : "right", both_ns / 2 / NS_PER_MS);
	a->clock_off = off;
	a->ping_lost = false;
	a->clock_measured_ns = io->now_ns;
}

bool io_attach_clock_good(const struct io *io, uint32_t arm)
{
	const struct io_arm *a = &io->arm[arm];

	if (io->config->clock == 0)
		return true;
	return !a->clock_off && a->clock_measured_ns != 0 && io->now_ns - a->clock_measured_ns < CLOCK_TRUST_NS;
}

/* Is this the answer to what was asked last? A reply does not name its request, and one that comes after DOOR_PATIENCE_NS meets
 * the next request. Only a ping's has recv_ns, and it echoes t_ns; an attach's may tell whom the arm obeys. */
static bool is_awaited(const struct io *io, const struct io_arm *a, const struct reply *r, const uint8_t *bytes, size_t n)
{
	int64_t received_ns, echo_ns;
	uint64_t obeyed;
	bool of_ping = reply_i64(bytes, n, "recv_ns", &received_ns);

	switch (a->waiting) {
	case DOOR_IDLE:
		return false;
	case DOOR_PING:
		return of_ping && reply_i64(bytes, n, "t_ns", &echo_ns) && echo_ns == a->ping_ns;
	case DOOR_ATTACH:
		return !of_ping && (!r->ok || !reply_u64(bytes, n, "accepted_from", &obeyed) || obeyed == io->from);
	case DOOR_DETACH:
		return !of_ping && (!r->ok || !reply_u64(bytes, n, "accepted_from", &obeyed) || obeyed != io->from);
	}
	return false;
}

static void take_reply(struct io *io, uint32_t arm, const struct endpoint_message *m)
{
	struct io_arm *a = &io->arm[arm];
	const uint8_t *body = m->part[m->n_parts - 1];
	size_t n = m->bytes[m->n_parts - 1];
	enum io_door_wait waited = a->waiting;
	struct reply r;
	struct errbuf e;

	if (reply_decode(&r, body, n, &e) < 0) {
		set_refused(io, arm, e.text);
		return;
	}
	if (!is_awaited(io, a, &r, body, n))
		return;
	a->waiting = DOOR_IDLE;
	if (waited == DOOR_ATTACH)
		take_attach_reply(io, arm, &r);
	else if (waited == DOOR_PING)
		take_ping_reply(io, arm, body, n);
}

static void drain_door(struct io *io, uint32_t arm)
{
	struct endpoint_message m;
	struct errbuf e;

	for (int i = 0; i < IO_DRAIN_MAX && endpoint_receive(io->arm[arm].door, &m, &e) > 0; i++) {
		io->now_ns = clock_monotonic_ns();
		take_reply(io, arm, &m);
	}
}

/* Control asks for a new attach by counting its ticket up: after an operator's reset or mode, and after a stop, so that nothing
 * goes on clearing it. */
static void take_wish(struct io *io)
{
	if (io->report.attach_ticket == io->attach_ticket)
		return;
	io->attach_ticket = io->report.attach_ticket;
	for (uint32_t i = 0; i < io->setup->n_arms; i++) {
		struct io_arm *a = &io->arm[i];

		a->clear_stop = io->report.clear_stop && io->inputs.arm[i].stopped; /* a stop nobody has seen yet is not cleared */
		if (io->inputs.arm[i].attached && !io->inputs.arm[i].stopped)
			continue;
		a->attach_wanted = true;
		a->attach_until_ns = io->now_ns + ATTACH_WISH_NS;
		a->attach_asked_ns = io->now_ns - DOOR_PATIENCE_NS;
	}
}

/* What was asked last has had no answer. */
static void give_up_waiting(struct io *io, uint32_t arm)
{
	struct io_arm *a = &io->arm[arm];
	char text[MESSAGE_TEXT_BYTES];

	if (a->waiting == DOOR_ATTACH) {
		snprintf(text, sizeof text, "attach: no answer from %.200s", io->config->robot[arm].control);
		set_refused(io, arm, text);
	} else if (a->waiting == DOOR_PING && !a->ping_lost) {
		a->ping_lost = true;
		log_line(LOG_LEVEL_WARNING, "arm %s: no answer to ping from %s; `clock: realtime` needs one before AUTO",
				io->setup->arm[arm].name, io->config->robot[arm].control);
	}
	a->waiting = DOOR_IDLE;
}

static void step_arm(struct io *io, uint32_t arm)
{
	struct io_arm *a = &io->arm[arm];
	int64_t ping_period_ns = a->clock_measured_ns != 0 ? PING_PERIOD_NS : PING_FIRST_NS;

	if (a->waiting != DOOR_IDLE && io->now_ns - a->asked_ns >= DOOR_PATIENCE_NS)
		give_up_waiting(io, arm);
	if (io->now_ns > a->attach_until_ns) {
		a->clear_stop = false;
		a->attach_wanted &= !a->ever_attached;
	}
	if (a->waiting != DOOR_IDLE)
		return;
	if (a->attach_wanted && io->now_ns - a->attach_asked_ns >= DOOR_PATIENCE_NS)
		ask_attach(io, arm);
	else if (io->config->clock != 0 && io->now_ns - a->pinged_ns >= ping_period_ns)
		ask_ping(io, a);
}

void io_attach_step(struct io *io)
{
	take_wish(io);
	for (uint32_t i = 0; i < io->setup->n_arms; i++) {
		drain_door(io, i);
		step_arm(io, i);
	}
}

bool io_attach_let_go(struct io *io)
{
	bool waiting = false;

	for (uint32_t i = 0; i < io->setup->n_arms; i++) {
		struct io_arm *a = &io->arm[i];
		uint8_t bytes[REQUEST_BYTES_MAX];
		struct map_builder b;

		drain_door(io, i);
		if (a->ever_attached && !a->detach_asked) {
			a->detach_asked = true;
			request_begin(&b, bytes, sizeof bytes, "detach");
			map_add_u64(&b, "from", io->from);
			a->waiting = DOOR_IDLE;
			(void)ask(io, a, &b, bytes, DOOR_DETACH); /* gone already: nothing to let go */
		}
		waiting |= a->waiting == DOOR_DETACH && io->now_ns - a->asked_ns < DOOR_PATIENCE_NS;
	}
	return !waiting;
}
