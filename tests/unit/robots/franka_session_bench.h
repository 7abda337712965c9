/* franka_session_bench.h - a session with a Franka on virtual time, and the bytes of a robot that answers it: written from the
 * protocol's tables, not with the simulated robot. Included after cmocka.h. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_FRANKA_SESSION_BENCH_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_FRANKA_SESSION_BENCH_H

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const int64_t ms = 1000000;
static const double hand_frame[16] = { 0.7071, -0.7071, 0, 0, 0.7071, 0.7071, 0, 0, 0, 0, 1, 0, 0, 0, 0.1034, 1 };

static struct franka_setup setup;
static struct franka_session session;
static int64_t now;
static size_t piece; /* the robot's answers come in pieces of so many bytes; 0: whole */

/* The newest request. */
static uint32_t asked_command, asked_id, asked_bytes;
static uint8_t asked[512];

static inline void put_u32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof v);
}

static inline uint32_t get_u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

/* What Franka's own examples set. */
static inline void set_up(void)
{
	static const struct franka_thresholds ten = { { 10, 10, 10, 10, 10, 10, 10 }, { 10, 10, 10, 10, 10, 10, 10 },
		{ 10, 10, 10, 10, 10, 10 }, { 10, 10, 10, 10, 10, 10 } };
	static const struct franka_thresholds twenty = { { 20, 20, 20, 20, 20, 20, 20 }, { 20, 20, 20, 20, 20, 20, 20 },
		{ 20, 20, 20, 20, 20, 20 }, { 20, 20, 20, 20, 20, 20 } };

	setup = (struct franka_setup){ .nominal = ten, .acceleration = twenty, .tcp = { .q_xyzw = { 0, 0, 0, 1 } },
		.joint_impedance_nm_rad = { 3000, 3000, 3000, 2500, 2500, 2000, 2000 },
		.cartesian_impedance = { 3000, 3000, 3000, 300, 300, 300 } };
}

static inline void fresh(const char *model)
{
	struct errbuf e;

	set_up();
	snprintf(setup.model, sizeof setup.model, "%s", model);
	now = 1000 * ms;
	piece = 0;
	if (franka_session_init(&session, &setup, 0xa087, &e) < 0)
		fail_msg("%s", e.text);
}

static inline bool take_request(void)
{
	if (session.n_out < 12)
		return false;
	asked_command = get_u32(session.out);
	asked_id = get_u32(session.out + 4);
	asked_bytes = get_u32(session.out + 8);
	assert_in_range(asked_bytes, 12, sizeof asked);
	assert_true(session.n_out >= asked_bytes);
	memcpy(asked, session.out + 12, asked_bytes - 12);
	franka_session_sent(&session, asked_bytes);
	return true;
}

static inline void request_of(uint32_t command)
{
	if (!take_request())
		fail_msg("no request, want %u", command);
	assert_int_equal(asked_command, command);
}

static inline void feed(const uint8_t *bytes, size_t n)
{
	size_t some = piece ? piece : n;

	for (size_t at = 0; at < n; at += some)
		franka_session_receive(&session, bytes + at, n - at < some ? n - at : some, now);
}

/* size: what the header says of a message of n bytes behind it. */
static inline void answer_bytes(uint32_t id, uint32_t size, const void *body, size_t n)
{
	uint8_t m[8192] = { 0 };

	assert_true(12 + n <= sizeof m);
	put_u32(m, 77); /* nobody looks at it */
	put_u32(m + 4, id);
	put_u32(m + 8, size);
	memcpy(m + 12, body, n);
	feed(m, 12 + n);
}

static inline void answer_to(uint32_t id, uint8_t status)
{
	answer_bytes(id, 13, &status, 1);
}

static inline void answer(uint8_t status)
{
	answer_to(asked_id, status);
}

static inline void answer_connect(uint8_t status, uint16_t version)
{
	const uint8_t body[3] = { status, (uint8_t)version, (uint8_t)(version >> 8) };

	answer_bytes(asked_id, 15, body, sizeof body);
}

static inline struct in_addr robot_address(void)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, "172.16.0.2", &a), 1);
	return a;
}

/* To the moment in which Connect has been sent. */
static inline void greet(void)
{
	int64_t due = franka_session_due_ns(&session);

	now = due > now ? due : now;
	assert_true(franka_session_begin(&session, now));
	franka_session_dial(&session, now);
	franka_session_connected(&session, robot_address(), now);
	request_of(0);
	assert_int_equal(asked_bytes, 16);
	assert_int_equal(asked_id, 0);
}

static inline void expect(enum franka_event_kind kind)
{
	struct franka_event e;

	if (!franka_session_take_event(&session, &e))
		fail_msg("no event, want %d", (int)kind);
	assert_int_equal(e.kind, kind);
	assert_int_equal(e.generation, session.generation);
	assert_int_equal(e.peer.s_addr, robot_address().s_addr);
}

static inline void expect_status(enum franka_event_kind kind, enum fci_status status)
{
	assert_true(session.n_events > 0);
	assert_int_equal(session.event[0].status, status);
	expect(kind);
}

static inline void listen_to(uint16_t version)
{
	greet();
	answer_connect(0, version);
	expect(FRANKA_EVENT_CONNECTED);
}

static inline void ask(enum franka_ask_kind kind)
{
	struct franka_ask a = { .kind = kind, .generation = session.generation };

	memcpy(a.f_t_ne, hand_frame, sizeof a.f_t_ne);
	franka_session_ask(&session, &a, now);
}

/* To the moment in which motions may be asked for. */
static inline void open_with(uint16_t version)
{
	listen_to(version);
	ask(FRANKA_ASK_CONFIGURE);
	for (int i = 0; i < FRANKA_SETTINGS; i++) {
		assert_true(take_request());
		answer(0);
	}
	expect(FRANKA_EVENT_OPENED);
	assert_int_equal(session.phase, FRANKA_SESSION_OPEN);
	assert_int_equal(session.n_out, 0);
}

/* Takes every note; how many there were, the last of them in `said`. */
static char said[FRANKA_NOTE_BYTES];

static inline uint32_t notes(void)
{
	struct franka_note n;
	uint32_t count = 0;

	for (; franka_session_take_note(&session, &n); count++)
		memcpy(said, n.text, sizeof said);
	return count;
}

/* Not connected, for this reason, which is said just now. */
static inline void assert_left(enum franka_trouble trouble)
{
	assert_int_equal(session.phase, FRANKA_SESSION_WAIT);
	assert_false(franka_session_wants_socket(&session));
	if (session.trouble != trouble)
		fail_msg("trouble %s, want %s", franka_trouble(session.trouble)->name, franka_trouble(trouble)->name);
	assert_true(notes() > 0);
	assert_non_null(strstr(said, franka_trouble(trouble)->name));
}

static inline void assert_said(const char *words)
{
	if (!strstr(said, words))
		fail_msg("said \"%s\", want \"%s\"", said, words);
}

/* The clock goes to the next moment of which something is due, and is told. */
static inline void pass(void)
{
	int64_t due = franka_session_due_ns(&session);

	assert_true(due != INT64_MAX);
	now = due > now ? due : now;
	franka_session_tick(&session, now);
}

#endif
