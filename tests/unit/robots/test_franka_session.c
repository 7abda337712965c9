/* The life of a connection to a Franka: versions, everything that keeps it from being opened, and its end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "robots/franka/session.h"
#include "robots/franka/settings.h"

#include <cmocka.h>

#include "tests/unit/robots/franka_session_bench.h"

/* ---- versions ---------------------------------------------------------------------------------------------------------------- */

static void test_what_each_model_offers(void **context)
{
	static const struct { const char *model; uint8_t version; } offers[] = { { "panda", 5 }, { "fr3", 9 }, { "fr3_5.9", 10 } };

	(void)context;
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		/* As libfranka sends it: version, then the port of the states, here 0xa087. */
		const uint8_t connect[4] = { offers[i].version, 0, 0x87, 0xa0 };

		fresh(offers[i].model);
		assert_int_equal(session.trouble, FRANKA_TROUBLE_CONNECTING);
		greet();
		assert_memory_equal(asked, connect, sizeof connect);
		answer_connect(0, offers[i].version);
		expect(FRANKA_EVENT_CONNECTED);
		assert_int_equal(session.generation, 1);
	}
}

static void test_no_franka(void **context)
{
	struct errbuf e;

	(void)context;
	set_up();
	strcpy(setup.model, "piper");
	assert_int_equal(franka_session_init(&session, &setup, 1, &e), -EINVAL);
	assert_non_null(strstr(e.text, "piper"));
	assert_non_null(strstr(e.text, "fr3_5.9"));
}

static void test_older_systems_are_spoken_to(void **context)
{
	(void)context;
	for (uint16_t version = 6; version <= 8; version++) {
		fresh("fr3");
		greet();
		assert_int_equal(asked[0], 9);
		answer_connect(1, version);
		assert_int_equal(session.phase, FRANKA_SESSION_WAIT);
		assert_int_equal(session.trouble, FRANKA_TROUBLE_CONNECTING);
		open_with(version);
		franka_session_lost(&session, 0, now);
		expect(FRANKA_EVENT_CLOSED);
		greet(); /* what it speaks is remembered */
		assert_int_equal(asked[0], version);
		answer_connect(1, 9); /* its system was updated */
		open_with(9);
	}
}

static void test_another_generation(void **context)
{
	static const struct { const char *model; uint16_t version; const char *is; } wrong[] = {
		{ "panda", 6, "before 5.9" }, { "panda", 9, "before 5.9" }, { "panda", 10, "system 5.9 or newer" }, { "fr3", 5, "a Panda" },
		{ "fr3", 10, "system 5.9 or newer" }, { "fr3_5.9", 5, "a Panda" }, { "fr3_5.9", 9, "before 5.9" },
	};

	(void)context;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		fresh(wrong[i].model);
		uint32_t offered = session.version;

		greet();
		answer_connect(1, wrong[i].version);
		assert_left(FRANKA_TROUBLE_WRONG_MODEL);
		assert_said(wrong[i].is);
		assert_said(wrong[i].model);
		assert_int_equal(session.n_events, 0);
		for (int again = 0; again < 3; again++) { /* it stays so, and is not said again */
			greet();
			assert_int_equal(asked[0], offered);
			answer_connect(1, wrong[i].version);
			assert_int_equal(session.trouble, FRANKA_TROUBLE_WRONG_MODEL);
			assert_int_equal(notes(), 0);
		}
		greet();
		answer_connect(0, wrong[i].version); /* nor does a robot come in that accepts one version and names another */
		assert_left(FRANKA_TROUBLE_PROTOCOL_ERROR);
		assert_int_equal(session.generation, 0);
	}
}

static void test_unknown_versions(void **context)
{
	static const uint16_t unknown[] = { 0, 1, 4, 11, 2560, 65535 };

	(void)context;
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		fresh("fr3");
		greet();
		answer_connect(1, unknown[i]);
		assert_left(FRANKA_TROUBLE_VERSION_UNKNOWN);
	}
}

static void test_refuses_what_it_speaks(void **context)
{
	(void)context;
	fresh("panda");
	greet();
	answer_connect(1, 5);
	assert_left(FRANKA_TROUBLE_PROTOCOL_ERROR);

	fresh("fr3");
	greet();
	answer_connect(1, 7);
	greet();
	assert_int_equal(asked[0], 7);
	answer_connect(1, 9);
	assert_left(FRANKA_TROUBLE_PROTOCOL_ERROR);
	for (int i = 0; i < 4; i++) { /* round and round: said once, ever later */
		greet();
		answer_connect(1, i % 2 ? 9 : 7);
	}
	assert_int_equal(notes(), 0);
	assert_int_equal(session.backoff_ns, 2000 * ms);
}

/* ---- no connection ----------------------------------------------------------------------------------------------------------- */

static void test_connecting_fails(void **context)
{
	static const struct { int error; enum franka_trouble trouble; } fails[] = {
		{ ECONNREFUSED, FRANKA_TROUBLE_FCI_INACTIVE }, { EHOSTUNREACH, FRANKA_TROUBLE_UNREACHABLE },
		{ ENETUNREACH, FRANKA_TROUBLE_UNREACHABLE }, { ETIMEDOUT, FRANKA_TROUBLE_UNREACHABLE }, { ENETDOWN, FRANKA_TROUBLE_UNREACHABLE },
		{ ECONNRESET, FRANKA_TROUBLE_OTHER_CLIENT },
	};

	(void)context;
	for (size_t i = 0; i < sizeof fails / sizeof *fails; i++) {
		fresh("fr3");
		assert_true(franka_session_begin(&session, now));
		assert_false(franka_session_begin(&session, now));
		franka_session_dial(&session, now);
		franka_session_lost(&session, fails[i].error, now);
		assert_left(fails[i].trouble);
		assert_int_equal(session.n_events, 0);
	}
}

static void test_nobody_there(void **context)
{
	(void)context;
	fresh("fr3");
	assert_true(franka_session_begin(&session, now));
	assert_true(franka_session_due_ns(&session) == INT64_MAX); /* looking up a name has no limit of ours */
	now += 20000 * ms;
	franka_session_dial(&session, now);
	int64_t from = now;

	pass();
	assert_int_equal(now - from, 3000 * ms);
	assert_left(FRANKA_TROUBLE_UNREACHABLE);
}

static void test_name_unknown(void **context)
{
	(void)context;
	fresh("fr3");
	assert_true(franka_session_begin(&session, now));
	franka_session_unresolved(&session, "Name or service not known", now);
	assert_left(FRANKA_TROUBLE_NAME_UNKNOWN);
	assert_said("Name or service not known");
}

static void test_taken_by_another(void **context)
{
	static const int ends[] = { 0, ECONNRESET, EPIPE };

	(void)context;
	for (size_t i = 0; i < 3; i++) {
		fresh("fr3");
		greet();
		franka_session_lost(&session, ends[i], now);
		assert_left(FRANKA_TROUBLE_OTHER_CLIENT);
	}
	fresh("fr3");
	greet();
	pass(); /* accepted, and no answer */
	assert_left(FRANKA_TROUBLE_OTHER_CLIENT);
	assert_said("no answer to Connect");
}

static void test_tries_come_later_each_time(void **context)
{
	static const int64_t pauses_ms[] = { 100, 200, 400, 800, 1600, 2000, 2000, 2000 };

	(void)context;
	fresh("fr3");
	for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
		assert_true(franka_session_begin(&session, now));
		franka_session_lost(&session, i % 2 ? EHOSTUNREACH : ETIMEDOUT, now);
		assert_int_equal(notes(), i == 0); /* one trouble, however it shows */
		assert_int_equal(franka_session_due_ns(&session) - now, pauses_ms[i] * ms);
		assert_false(franka_session_begin(&session, now + pauses_ms[i] * ms - 1));
		now += pauses_ms[i] * ms;
	}
	open_with(9);
	franka_session_lost(&session, 0, now); /* at once: no reason to be quicker */
	assert_int_equal(franka_session_due_ns(&session) - now, 2000 * ms);
	expect(FRANKA_EVENT_CLOSED);
	open_with(9);
	now += 2000 * ms;
	franka_session_lost(&session, 0, now);
	assert_int_equal(franka_session_due_ns(&session) - now, 100 * ms);
}

static void test_each_change_is_said_once(void **context)
{
	(void)context;
	fresh("fr3");
	for (int round = 0; round < 3; round++) {
		for (int again = 0; again < 5; again++) {
			now += 2000 * ms;
			assert_true(franka_session_begin(&session, now));
			franka_session_lost(&session, ECONNREFUSED, now);
			assert_int_equal(notes(), again == 0);
		}
		for (int again = 0; again < 5; again++) {
			greet();
			franka_session_lost(&session, ECONNRESET, now);
			assert_int_equal(notes(), again == 0);
		}
	}
	open_with(9);
	assert_int_equal(notes(), 1);
	assert_said("protocol 9");
	assert_int_equal(session.trouble, FRANKA_TROUBLE_NONE);
	franka_session_lost(&session, ECONNRESET, now);
	assert_left(FRANKA_TROUBLE_CONNECTION_LOST);
}

static void test_the_connection_breaks(void **context)
{
	static const struct { int error; enum franka_trouble trouble; } breaks[] = { { 0, FRANKA_TROUBLE_CONNECTION_LOST },
		{ ECONNRESET, FRANKA_TROUBLE_CONNECTION_LOST }, { EPIPE, FRANKA_TROUBLE_CONNECTION_LOST },
		{ ETIMEDOUT, FRANKA_TROUBLE_UNREACHABLE }, { EHOSTUNREACH, FRANKA_TROUBLE_UNREACHABLE } };

	(void)context;
	for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
		fresh("fr3");
		open_with(9);
		ask(FRANKA_ASK_MOVE);
		request_of(1);
		answer(1);
		expect(FRANKA_EVENT_MOVE_STARTED);
		franka_session_lost(&session, breaks[i].error, now);
		assert_left(breaks[i].trouble);
		expect(FRANKA_EVENT_CLOSED);
		assert_int_equal(session.n_events, 0);
		open_with(9);
		assert_int_equal(session.generation, 2);
		assert_false(take_request()); /* no motion by itself */
		assert_int_equal(session.trouble, FRANKA_TROUBLE_NONE);
	}
}

static void test_every_trouble_has_a_word_and_a_remedy(void **context)
{
	(void)context;
	for (uint32_t i = 1; i < FRANKA_TROUBLES; i++) {
		assert_true(strlen(franka_trouble(i)->name) > 3);
		assert_null(strpbrk(franka_trouble(i)->name, " ,"));
		assert_true(strlen(franka_trouble(i)->remedy) > 10);
		for (uint32_t k = 1; k < i; k++)
			assert_string_not_equal(franka_trouble(i)->name, franka_trouble(k)->name);
		/* with what was found it fits into a line */
		assert_true(strlen(franka_trouble(i)->name) + strlen(": ") + FRANKA_FOUND_BYTES <= FRANKA_NOTE_BYTES);
	}
	assert_string_equal(franka_trouble(FRANKA_TROUBLES)->name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_each_model_offers),
		cmocka_unit_test(test_no_franka),
		cmocka_unit_test(test_older_systems_are_spoken_to),
		cmocka_unit_test(test_another_generation),
		cmocka_unit_test(test_unknown_versions),
		cmocka_unit_test(test_refuses_what_it_speaks),
		cmocka_unit_test(test_connecting_fails),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_name_unknown),
		cmocka_unit_test(test_taken_by_another),
		cmocka_unit_test(test_tries_come_later_each_time),
		cmocka_unit_test(test_each_change_is_said_once),
		cmocka_unit_test(test_the_connection_breaks),
		cmocka_unit_test(test_every_trouble_has_a_word_and_a_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
