/* What a Franka, or whatever sits at its address, may send to a session: in any pieces, of any size, to nobody, twice, without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "robots/franka/session.h"
#include "robots/franka/settings.h"

#include <cmocka.h>

#include "tests/unit/robots/franka_session_bench.h"

static void assert_protocol_error(void)
{
	assert_left(FRANKA_TROUBLE_PROTOCOL_ERROR);
	if (session.generation > 0)
		expect(FRANKA_EVENT_CLOSED);
	assert_int_equal(session.n_events, 0);
	uint8_t more[64] = { 0 };
	franka_session_receive(&session, more, sizeof more, now); /* what comes after it counts for nothing */
	assert_int_equal(session.n_in, 0);
	open_with(9);
}

static void whole_life(void)
{
	open_with(9);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	uint32_t move = asked_id;

	answer(1);
	expect(FRANKA_EVENT_MOVE_STARTED);
	ask(FRANKA_ASK_STOP_MOVE);
	request_of(2);
	answer(0);
	answer_to(move, 8);
	expect_status(FRANKA_EVENT_MOVE_ENDED, FCI_STATUS_REFLEX_ABORTED);
	ask(FRANKA_ASK_RECOVER);
	request_of(10);
	answer(0);
	expect_status(FRANKA_EVENT_RECOVERED, FCI_STATUS_SUCCESS);
}

static void test_in_pieces(void **context)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 7, 11, 12, 13, 14 };

	(void)context;
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		fresh("fr3");
		piece = pieces[i];
		whole_life();
		assert_int_equal(session.n_in, 0);
	}
}

/* Both responses of a Move, and a recovery's between them, come at once. */
static void test_many_in_one_piece(void **context)
{
	uint8_t m[3 * 13] = { 0 };

	(void)context;
	fresh("fr3");
	open_with(9);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	put_u32(m + 4, asked_id);
	put_u32(m + 8, 13);
	m[12] = 1;
	ask(FRANKA_ASK_RECOVER);
	assert_true(take_request());
	put_u32(m + 13 + 4, asked_id);
	put_u32(m + 13 + 8, 13);
	m[25] = 1;
	memcpy(m + 26, m, 13);
	m[38] = 8;
	franka_session_receive(&session, m, sizeof m, now);
	expect(FRANKA_EVENT_MOVE_STARTED);
	expect_status(FRANKA_EVENT_RECOVERED, FCI_STATUS_NOT_POSSIBLE);
	expect_status(FRANKA_EVENT_MOVE_ENDED, FCI_STATUS_REFLEX_ABORTED);
}

static void test_longer_ones_are_taken(void **context)
{
	static const uint32_t lengths[] = { 14, 15, 16, 100, 4095, 4096 };
	uint8_t body[4096] = { 0 };

	(void)context;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		fresh("fr3");
		piece = i % 2 ? 1000 : 0;
		greet();
		body[1] = 9; /* version */
		answer_bytes(asked_id, lengths[i] > 15 ? lengths[i] : 15, body, (lengths[i] > 15 ? lengths[i] : 15) - 12);
		expect(FRANKA_EVENT_CONNECTED);
		ask(FRANKA_ASK_CONFIGURE);
		request_of(3);
		answer_bytes(asked_id, lengths[i], body, lengths[i] - 12);
		request_of(4);
	}
}

static void test_hostile_sizes(void **context)
{
	static const uint32_t sizes[] = { 0, 1, 11, 12, 4097, 65536, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX - 11, UINT32_MAX };
	const uint8_t body[3] = { 0 };

	(void)context;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		fresh("fr3");
		greet();
		answer_bytes(asked_id, sizes[i], body, sizeof body);
		assert_protocol_error();
		ask(FRANKA_ASK_MOVE);
		request_of(1);
		answer_bytes(asked_id, sizes[i], body, 0); /* already its header says so */
		assert_protocol_error();
	}
	fresh("fr3");
	greet();
	answer_bytes(asked_id, 14, body, 2); /* too short for Connect, long enough for all others */
	assert_protocol_error();
}

static void test_answers_to_nobody(void **context)
{
	static const uint32_t ids[] = { 0, 6, 8, 1000, UINT32_MAX };

	(void)context;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		for (int moving = 0; moving < 2; moving++) {
			fresh("fr3");
			open_with(9);
			if (moving) {
				ask(FRANKA_ASK_MOVE);
				request_of(1);
				assert_int_equal(asked_id, 7);
			}
			answer_to(ids[i], 0);
			assert_protocol_error();
		}
}

static void test_answers_that_come_twice(void **context)
{
	(void)context;
	fresh("fr3");
	greet();
	answer_connect(0, 9);
	expect(FRANKA_EVENT_CONNECTED);
	answer_connect(0, 9);
	assert_protocol_error();

	fresh("fr3");
	open_with(9);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	answer(1);
	expect(FRANKA_EVENT_MOVE_STARTED);
	answer(1);
	assert_protocol_error();

	ask(FRANKA_ASK_MOVE);
	request_of(1);
	answer(1);
	expect(FRANKA_EVENT_MOVE_STARTED);
	answer(0);
	expect(FRANKA_EVENT_MOVE_ENDED);
	answer(0);
	assert_protocol_error();

	ask(FRANKA_ASK_RECOVER);
	request_of(10);
	answer(0);
	expect(FRANKA_EVENT_RECOVERED);
	answer(0);
	assert_protocol_error();
}

static void test_a_move_that_ends_before_it_starts(void **context)
{
	(void)context;
	fresh("fr3");
	open_with(9);
	ask(FRANKA_ASK_MOVE);
	request_of(1);
	answer(0);
	assert_protocol_error();
}

/* Every number that a protocol has no status for. */
static void test_statuses_that_are_none(void **context)
{
	static const struct { enum franka_ask_kind kind; uint8_t known[2]; } rows[] = { { FRANKA_ASK_MOVE, { 10, 12 } },
		{ FRANKA_ASK_STOP_MOVE, { 5, 6 } }, { FRANKA_ASK_RECOVER, { 6, 7 } } };

	(void)context;
	for (size_t row = 0; row < 3; row++)
		for (int newer = 0; newer < 2; newer++)
			for (unsigned byte = 0; byte < 256; byte++) {
				fresh(newer ? "fr3_5.9" : "panda");
				open_with(newer ? 10 : 5);
				ask(rows[row].kind);
				assert_true(take_request());
				answer((uint8_t)byte);
				bool known = byte < rows[row].known[newer] && (byte > 0 || rows[row].kind != FRANKA_ASK_MOVE);

				assert_int_equal(session.phase, known ? FRANKA_SESSION_OPEN : FRANKA_SESSION_WAIT);
				if (!known)
					assert_left(FRANKA_TROUBLE_PROTOCOL_ERROR);
			}
}

static void test_statuses_of_connect_and_settings(void **context)
{
	(void)context;
	for (unsigned byte = 2; byte < 256; byte++) {
		fresh("fr3");
		greet();
		answer_connect((uint8_t)byte, 9);
		assert_left(FRANKA_TROUBLE_PROTOCOL_ERROR);
		listen_to(9);
		ask(FRANKA_ASK_CONFIGURE);
		assert_true(take_request());
		answer((uint8_t)byte);
		assert_int_equal(session.phase, byte < 4 ? FRANKA_SESSION_SET : FRANKA_SESSION_WAIT);
	}
}

/* A byte now and then, of an answer that never ends; with and without somebody waiting for it. */
static void test_never_ending(void **context)
{
	(void)context;
	for (int moving = 0; moving < 2; moving++)
		for (size_t length = 1; length < 3000; length += 600) {
			static uint8_t m[4096];
			size_t sent = 0;

			fresh("fr3");
			open_with(9);
			notes();
			if (moving) {
				ask(FRANKA_ASK_MOVE);
				request_of(1);
				answer(1);
				expect(FRANKA_EVENT_MOVE_STARTED);
			}
			put_u32(m + 4, asked_id);
			put_u32(m + 8, sizeof m);
			int64_t from = now;

			while (session.phase == FRANKA_SESSION_OPEN && sent < length) {
				franka_session_receive(&session, m + sent++, 1, now);
				now += ms / 2;
				franka_session_tick(&session, now);
			}
			if (session.phase == FRANKA_SESSION_OPEN) {
				pass();
				assert_int_equal(now - from, 2000 * ms);
			}
			assert_protocol_error();
		}
}

/* Before it is asked: the numbers of requests are no secret. */
static void test_answers_before_the_request_is_sent(void **context)
{
	(void)context;
	fresh("fr3");
	listen_to(9);
	ask(FRANKA_ASK_CONFIGURE);
	for (uint32_t id = 1; id < 1000 && session.phase != FRANKA_SESSION_WAIT; id++) {
		answer_to(id, 0);
		if (session.phase == FRANKA_SESSION_OPEN)
			ask(FRANKA_ASK_RECOVER);
	}
	expect(FRANKA_EVENT_OPENED);
	while (session.event[0].kind == FRANKA_EVENT_RECOVERED)
		expect(FRANKA_EVENT_RECOVERED);
	assert_protocol_error();
}

/* Bytes by chance, and answers by chance that are nearly right: whatever comes, asks and time go on, events keep their order, and
 * something is always waited for. */
static uint32_t seen[FRANKA_EVENT_CLOSED + 1];

static void check_events(bool *connected, bool *opened, bool *moving)
{
	struct franka_event e;

	while (franka_session_take_event(&session, &e)) {
		seen[e.kind]++;
		assert_int_equal(e.kind != FRANKA_EVENT_CONNECTED, *connected);
		assert_true(*opened || e.kind == FRANKA_EVENT_CONNECTED || e.kind == FRANKA_EVENT_OPENED || e.kind == FRANKA_EVENT_RECOVERED ||
				e.kind == FRANKA_EVENT_CLOSED);
		assert_false(*opened && e.kind == FRANKA_EVENT_OPENED);
		assert_false(*moving && e.kind == FRANKA_EVENT_MOVE_STARTED);
		*connected = e.kind != FRANKA_EVENT_CLOSED;
		*opened = (*opened || e.kind == FRANKA_EVENT_OPENED) && *connected;
		*moving = (*moving || e.kind == FRANKA_EVENT_MOVE_STARTED) && e.kind != FRANKA_EVENT_MOVE_ENDED && *connected;
	}
}

static void answer_by_chance(const struct franka_request *r)
{
	while (take_request())
		;
	if (!r->waits && rand() % 512 != 0)
		return;
	if (session.phase == FRANKA_SESSION_GREET)
		answer_connect(rand() % 4 == 0, (uint16_t)(9 - (rand() % 8 == 0)));
	else
		answer_to(r->id, (uint8_t)(rand() % 16 ? rand() % 2 : rand() % 12));
}

static void chance(void)
{
	uint8_t noise[40];

	switch (rand() % 8) {
	case 0:
		for (size_t i = 0; i < sizeof noise; i++)
			noise[i] = (uint8_t)rand();
		if (rand() % 64 == 0)
			franka_session_receive(&session, noise, (size_t)rand() % sizeof noise, now);
		return;
	case 1:
		now += (rand() % 1000) * ms;
		franka_session_tick(&session, now);
		return;
	case 2:
		if (rand() % 200 == 0)
			franka_session_lost(&session, rand() % 120, now);
		return;
	case 3:
		ask((enum franka_ask_kind)(rand() % 4));
		return;
	default:
		answer_by_chance(&session.request[rand() % FRANKA_SLOTS]);
	}
}

static void test_whatever_comes(void **context)
{
	bool connected = false, opened = false, moving = false;

	(void)context;
	srand(7);
	fresh("fr3");
	for (int i = 0; i < 1000000; i++) {
		if (franka_session_begin(&session, now)) {
			franka_session_dial(&session, now);
			franka_session_connected(&session, robot_address(), now);
		}
		chance();
		check_events(&connected, &opened, &moving);
		notes();
		assert_true(session.phase == FRANKA_SESSION_OPEN || franka_session_due_ns(&session) < now + 31000 * ms);
		assert_true(session.n_in < sizeof session.in && session.n_out <= sizeof session.out);
	}
	for (int kind = 0; kind <= FRANKA_EVENT_CLOSED; kind++)
		assert_true(seen[kind] > 100); /* it got everywhere */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_many_in_one_piece),
		cmocka_unit_test(test_longer_ones_are_taken),
		cmocka_unit_test(test_hostile_sizes),
		cmocka_unit_test(test_answers_to_nobody),
		cmocka_unit_test(test_answers_that_come_twice),
		cmocka_unit_test(test_a_move_that_ends_before_it_starts),
		cmocka_unit_test(test_statuses_that_are_none),
		cmocka_unit_test(test_statuses_of_connect_and_settings),
		cmocka_unit_test(test_never_ending),
		cmocka_unit_test(test_answers_before_the_request_is_sent),
		cmocka_unit_test(test_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
