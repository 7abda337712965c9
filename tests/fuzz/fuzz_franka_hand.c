/* fuzz_franka_hand.c - the driver's hand session against arbitrary answers and states, at any time and with any wishes. The input is
 * pieces: a byte that says what (its low three bits) and how long it is (the others), so many bytes, and a step. A piece may be answered to
 * what was asked last, so that inputs get beyond the greeting. Built by run.sh with libFuzzer, and with replay.c as one of the tests. */
#include <math.h>
#include <string.h>

#include "robots/franka/hand_session.h"
#include "tests/fuzz/fuzz.h"

enum { ANSWERS, RIGHT_ANSWER, STATE, GOOD_STATE, WISH, TIME, SOCKET, HOME };

static struct hand_session session;
static struct hand_wish wish;
static struct fci_gripper_header asked; /* newest */
static int64_t now_ns, ended_ns;
static uint32_t states;

static void check_request(const struct fci_gripper_header *h, const uint8_t *payload)
{
	struct fci_gripper_move m;
	struct fci_grasp g;

	fuzz_require(h->size == fci_gripper_request_bytes(h->command) && h->size <= session.n_out);
	if (h->command == FCI_GRIPPER_MOVE || h->command == FCI_GRIPPER_GRASP) {
		fuzz_require(wish.given && session.has_state && session.state.max_width_m > 0.0);
		fuzz_require(now_ns - ended_ns >= HAND_DWELL_NS);
	}
	if (h->command == FCI_GRIPPER_MOVE) {
		memcpy(&m, payload, sizeof m);
		fuzz_require(m.width_m >= 0.0 && m.width_m <= session.state.max_width_m && m.speed_m_s > 0.0);
	}
	if (h->command == FCI_GRIPPER_GRASP) {
		memcpy(&g, payload, sizeof g);
		fuzz_require(fabs(g.width_m) <= 0.0 && g.force_n <= 70.0);
	}
}

/* The network takes everything at once. */
static void take_requests(void)
{
	while (session.n_out > 0) {
		fuzz_require(session.n_out >= sizeof asked && session.n_out <= sizeof session.out);
		memcpy(&asked, session.out, sizeof asked);
		check_request(&asked, session.out + sizeof asked);
		session.n_out -= asked.size;
		memmove(session.out, session.out + asked.size, session.n_out);
	}
}

static void step(void)
{
	enum hand_action action = hand_session_step(&session, now_ns, &wish);

	if (action == HAND_CALL)
		hand_session_opened(&session, 0xa087, now_ns);
	take_requests();
	fuzz_require(session.n_in <= sizeof session.in && session.phase <= HAND_STOPPING);
	fuzz_require(hand_session_trouble(&session, now_ns) < FRANKA_TROUBLES);
	fuzz_require(!session.has_state || (isfinite(session.state.width_m) && isfinite(session.state.max_width_m)));
}

static void answer(const uint8_t *data, size_t n)
{
	uint8_t bytes[14] = { 0 };

	asked.size = asked.command == FCI_GRIPPER_CONNECT ? 14 : 12;
	memcpy(bytes, &asked, sizeof asked);
	memcpy(bytes + sizeof asked, data, n < 2 ? n : 2);
	hand_session_receive(&session, bytes, asked.size, now_ns);
}

static void send_state(const uint8_t *data, size_t n)
{
	const struct fci_gripper_state s = { ++states, n > 0 ? data[0] * 0.0005 : 0.08, n > 1 ? data[1] * 0.001 : 0.08, n > 2 ? data[2] : 0, 30 };

	hand_session_datagram(&session, (const uint8_t *)&s, sizeof s, now_ns);
}

static void want(const uint8_t *data, size_t n)
{
	wish.given = n > 0;
	wish.width_m = n > 0 ? data[0] * 0.0004 - 0.01 : 0.0;
	if (n >= sizeof wish.width_m)
		memcpy(&wish.width_m, data, sizeof wish.width_m);
	wish.given &= isfinite(wish.width_m);
}

static void take_piece(uint32_t what, const uint8_t *data, size_t n)
{
	if (what == ANSWERS)
		hand_session_receive(&session, data, n, now_ns);
	else if (what == RIGHT_ANSWER)
		answer(data, n);
	else if (what == STATE)
		hand_session_datagram(&session, data, n, now_ns);
	else if (what == GOOD_STATE)
		send_state(data, n);
	else if (what == WISH)
		want(data, n);
	else if (what == TIME)
		now_ns += (n > 0 ? data[0] : 1) * 20 * NS_PER_MS;
	else if (what == SOCKET)
		hand_session_closed(&session, now_ns);
	else if (n > 0 && data[0] % 2)
		hand_session_stop_homing(&session, now_ns);
	else
		hand_session_home(&session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct franka_hand_setup setup = { true, 0.1, 40.0, 0.08, 0.08 };

	hand_session_init(&session, &setup);
	wish = (struct hand_wish){ 0 };
	asked = (struct fci_gripper_header){ 0 };
	now_ns = NS_PER_S;
	states = 0;
	for (size_t at = 0; at < n;) {
		uint32_t what = data[at] % 8;
		size_t length = data[at++] / 8;

		length = length < n - at ? length : n - at;
		ended_ns = session.ended_ns;
		take_piece(what, data + at, length);
		at += length;
		now_ns += 5 * NS_PER_MS;
		step();
	}
	return 0;
}
