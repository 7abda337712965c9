/* fuzz_franka_reply.c - the driver's session with a Franka against arbitrary replies. The first byte chooses the protocol and how far a
 * good life goes first; then what happens, each with a byte: so many arbitrary bytes of the robot's, a reply to one of the requests
 * that wait (its status follows), an ask, time, the connection's end. Events keep their order, buffers their bounds, and what waits has
 * a limit. Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include <errno.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/franka/session.h"
#include "robots/franka/settings.h"
#include "tests/fuzz/fuzz.h"

static const double flange[16] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0.1, 1 };
static struct franka_setup setup;
static struct franka_session session;
static int64_t now_ns;

/* What the motion has heard. */
static bool connected, opened, moving;
static uint64_t generation;

static void check_event(const struct franka_event *e)
{
	fuzz_require((e->kind == FRANKA_EVENT_CONNECTED) == !connected);
	fuzz_require(e->generation == generation + (e->kind == FRANKA_EVENT_CONNECTED));
	fuzz_require(e->version >= session.version_min && e->version <= session.version_max);
	fuzz_require(e->kind != FRANKA_EVENT_OPENED || !opened);
	fuzz_require((e->kind != FRANKA_EVENT_MOVE_STARTED && e->kind != FRANKA_EVENT_MOVE_ENDED) || opened);
	fuzz_require(e->kind != FRANKA_EVENT_MOVE_STARTED || !moving);
	fuzz_require((uint32_t)e->status < FCI_STATUS_COUNT);
	generation = e->generation;
	connected = e->kind != FRANKA_EVENT_CLOSED;
	opened = connected && (opened || e->kind == FRANKA_EVENT_OPENED);
	moving = connected && e->kind != FRANKA_EVENT_MOVE_ENDED && (moving || e->kind == FRANKA_EVENT_MOVE_STARTED);
}

static void check_notes(void)
{
	struct franka_note n;

	while (franka_session_take_note(&session, &n))
		fuzz_require(memchr(n.text, 0, sizeof n.text) && n.text[0]);
}

/* Nothing goes on without an end: only a motion, and a connection that is open and of which nothing was asked, have no limit. */
static void check_limits(void)
{
	fuzz_require(session.n_in < sizeof session.in && session.n_out <= sizeof session.out);
	fuzz_require(session.phase == FRANKA_SESSION_OPEN || franka_session_due_ns(&session) <= now_ns + 30 * NS_PER_S);
	fuzz_require((uint32_t)session.trouble < FRANKA_TROUBLES);
	fuzz_require(session.phase != FRANKA_SESSION_OPEN || session.trouble == FRANKA_TROUBLE_NONE);
	fuzz_require(opened == (session.phase == FRANKA_SESSION_OPEN));
}

static void reply(const struct franka_request *r, uint8_t status)
{
	uint8_t m[15] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, status, (uint8_t)session.version };
	struct fci_header h = { 0, r->id, r->command == FCI_CONNECT ? 15 : 13 };

	if (r->command == FCI_CONNECT && status > 1)
		m[13] = status; /* refused, and another version named */
	if (r->command == FCI_CONNECT)
		m[12] = status > 0;
	fci_put_header(&h, m);
	if (r->waits)
		franka_session_receive(&session, m, h.size, now_ns);
}

static void ask(enum franka_ask_kind kind)
{
	struct franka_ask a = { .kind = kind, .generation = session.generation };

	memcpy(a.f_t_ne, flange, sizeof a.f_t_ne);
	franka_session_ask(&session, &a, now_ns);
}

static void settle(void)
{
	struct franka_event e;

	franka_session_tick(&session, now_ns);
	while (franka_session_take_event(&session, &e))
		check_event(&e);
	check_notes();
	check_limits();
	if (franka_session_begin(&session, now_ns)) {
		franka_session_dial(&session, now_ns);
		franka_session_connected(&session, (struct in_addr){ 1 }, now_ns);
	}
}

static void begin(uint32_t choice)
{
	static const char *const models[] = { "panda", "fr3", "fr3", "fr3", "fr3", "fr3_5.9" };
	struct errbuf e;

	setup = (struct franka_setup){ .tcp = { .q_xyzw = { 0, 0, 0, 1 } } };
	strcpy(setup.model, models[choice % 6]);
	now_ns = NS_PER_S;
	generation = 0;
	connected = opened = moving = false;
	fuzz_require(franka_session_init(&session, &setup, 4711, &e) == 0);
	session.version = FCI_VERSION_MIN + choice % 6;
	settle();
	for (uint32_t i = 0; i < choice / 6; i++) { /* 0: nothing; 1: connected; 8: open; 9: moving */
		if (session.phase == FRANKA_SESSION_LISTEN)
			ask(FRANKA_ASK_CONFIGURE);
		if (session.phase == FRANKA_SESSION_OPEN && i > 8)
			ask(FRANKA_ASK_MOVE);
		franka_session_sent(&session, session.n_out);
		reply(&session.request[i > 8 ? FRANKA_SLOT_MOVE : FRANKA_SLOT_SETUP], i > 8);
		settle();
	}
}

static size_t happen(const uint8_t *data, size_t n)
{
	static const int ends[8] = { 0, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ECONNREFUSED, EPIPE, ENETDOWN, 4711 };
	uint8_t what = data[0];

	if (what < 128) {
		size_t length = what < n - 1 ? what : n - 1;

		franka_session_receive(&session, data + 1, length, now_ns);
		return 1 + length;
	}
	if (what < 192) {
		reply(&session.request[what % FRANKA_SLOTS], n > 1 ? data[1] : 0);
		return n > 1 ? 2 : 1;
	}
	if (what < 224)
		ask((enum franka_ask_kind)(what % 5));
	else if (what < 240)
		now_ns += (what - 223) * 300 * NS_PER_MS;
	else if (what < 248)
		franka_session_sent(&session, session.n_out);
	else
		franka_session_lost(&session, ends[what - 248], now_ns);
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t at = 1;

	if (n < 1)
		return 0;
	begin(data[0] % 66);
	while (at < n) {
		at += happen(data + at, n - at);
		settle();
	}
	return 0;
}
