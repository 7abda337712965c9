/* test_franka_hand_session.c - the connection to a Franka Hand: what is said on it, what goes wrong with it, and homing. */
#include "tests/unit/robots/hand_bench.h"

/* ---- connecting --------------------------------------------------------------------------------------------------------- */

static void greets_with_its_version_and_port(void **state)
{
	(void)state;
	static const uint8_t hello[] = { 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 3, 0, 0x87, 0xa0 };

	begin();
	assert_int_equal(hand_session_step(&session, now_ns(), &wish), HAND_CALL);
	hand_session_opened(&session, 0xa087, now_ns());
	assert_int_equal(session.n_out, sizeof hello);
	assert_memory_equal(session.out, hello, sizeof hello);
}

static void connecting_moves_nothing(void **state)
{
	(void)state;
	begin();
	refuses = true;
	want(0.0);
	run_ms(3000);
	refuses = false;
	run_ms(10000);
	assert_int_equal(session.phase, HAND_FREE);
	assert_int_equal(n_said, 0);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_WAITS);
	static const double as_closed_m[] = { 1e-9, 0.001, 0.0049, -0.01 };

	for (size_t k = 0; k < sizeof as_closed_m / sizeof *as_closed_m; k++) {
		want(as_closed_m[k]);
		run_ms(1000);
	}
	assert_int_equal(n_said, 0);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_WAITS);
	want(0.05); /* something new */
	run_ms(600);
	expect_said(1, FCI_GRIPPER_MOVE);
	want(0.0); /* and now what was wanted before is new again */
	run_ms(600);
	expect_said(2, FCI_GRIPPER_GRASP);
}

/* An arm that is held trembles, and so may what commands its gripper. */
static void a_wish_that_trembles_moves_nothing(void **state)
{
	(void)state;
	connect_it();
	want(0.03);
	run_ms(1500);
	hand_session_home(&session);
	for (int k = 0; k < 200; k++) {
		want(0.0301 + 1e-6 * k);
		run_ms(30);
	}
	expect_said(2, FCI_GRIPPER_HOMING);
	want(0.0331);
	run_ms(20);
	expect_said(3, FCI_GRIPPER_MOVE);
	wish.given = false;
	run_ms(2000);
	for (int k = 0; k < 200; k++) { /* slowly, but farther and farther from it */
		want(0.0331 + 1.6e-5 * k);
		run_ms(10);
		assert_int_equal(n_said, k < 125 ? 3 : n_said);
	}
	expect_said(4, FCI_GRIPPER_MOVE);
}

static void absent_hand_is_called_ever_more_rarely(void **state)
{
	(void)state;
	begin();
	refuses = true;
	run_ms(10);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_ABSENT);
	run_ms(60000);
	assert_true(calls >= 8 && calls <= 14);
	refuses = false;
	run_ms(8100);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
	hand_session_closed(&session, now_ns()); /* once it was there, it is called soon */
	run_ms(600);
	assert_int_equal(session.phase, HAND_FREE);
}

static void silent_and_refusing_hands_are_named(void **state)
{
	(void)state;
	begin();
	mute = true;
	run_ms(2100);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_OTHER_CLIENT);
	assert_int_equal(hang_ups, 1);
	begin();
	greeting = 1;
	run_ms(100);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_VERSION);
	assert_int_equal(hang_ups, 1);
	run_ms(60000);
	assert_true(calls <= 14);
}

/* One that takes the connection and loses it again at once is not called in a storm. */
static void a_connection_that_does_not_last_counts_as_none(void **state)
{
	(void)state;
	begin();
	dark = true;
	for (int k = 0; k < 6000; k++) {
		run_ms(10);
		if (session.phase >= HAND_FREE)
			hand_session_closed(&session, now_ns());
	}
	assert_true(calls <= 14);
}

static void a_call_that_leads_nowhere_ends(void **state)
{
	(void)state;
	begin();
	assert_int_equal(hand_session_step(&session, now_ns(), &wish), HAND_CALL);
	assert_int_equal(hand_session_step(&session, now_ns() + 2 * NS_PER_S, &wish), HAND_GO_ON);
	assert_int_equal(hand_session_step(&session, now_ns() + 2 * NS_PER_S + 1, &wish), HAND_HANG_UP);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_ABSENT);
}

/* ---- what goes wrong ----------------------------------------------------------------------------------------------------- */

static void failures_are_tried_again_ever_more_rarely(void **state)
{
	(void)state;
	connect_it();
	want(0.04);
	session.setup.speed_m_s = 11.0; /* refused by this hand */
	run_ms(60000);
	assert_int_equal(n_said, 5);
	for (int k = 1; k < n_said; k++)
		assert_true(said[k].at_ms - said[k - 1].at_ms >= 250 << k);
	assert_int_equal(session.counters.failures, n_said);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_FAILS);
	session.setup.speed_m_s = 0.1;
	want(0.06);
	run_ms(1200);
	assert_true(fabs(hand.width_m - 0.06) < 1e-3);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
}

/* Wishes that differ are each tried anew, but not in a storm either. */
static void failures_of_many_wishes_keep_their_distance(void **state)
{
	(void)state;
	connect_it();
	session.setup.speed_m_s = 11.0;
	for (int k = 0; k < 300; k++) {
		want(k % 2 ? 0.03 : 0.06);
		run_ms(33);
	}
	assert_true(n_said >= 5 && n_said <= 21);
	for (int k = 1; k < n_said; k++)
		assert_true(said[k].at_ms - said[k - 1].at_ms >= 500);
}

static void a_grasp_that_holds_nothing_is_no_error(void **state)
{
	(void)state;
	connect_it();
	session.setup.epsilon_outer_m = 0.005;
	object_m = 0.04;
	want(0.0);
	run_ms(60000);
	assert_int_equal(n_said, 5);
	assert_int_equal(session.counters.failures, 0);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
}

static void a_hand_that_falls_silent_in_a_command(void **state)
{
	(void)state;
	connect_it();
	want(0.0);
	run_ms(50);
	mute = true;
	run_ms(3000 + 800 + 100);
	expect_said(2, FCI_GRIPPER_STOP);
	run_ms(2100);
	assert_int_equal(hang_ups, 1);
	assert_int_equal(session.counters.failures, 1);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_STUCK);
	mute = false;
	run_ms(1500);
	assert_int_equal(session.phase, HAND_FREE);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_STUCK); /* until something works */
	want(0.05);
	run_ms(2000);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
}

static void without_states_nothing_is_commanded(void **state)
{
	(void)state;
	connect_it();
	dark = true;
	run_ms(1100);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_NO_STATES);
	assert_false(hand_session_knows(&session, now_ns()));
	want(0.0);
	run_ms(5000);
	assert_int_equal(n_said, 0);
	assert_int_equal(hang_ups, 0); /* what it holds might fall */
	dark = false;
	run_ms(50);
	expect_said(1, FCI_GRIPPER_GRASP);
}

static void states_that_are_none(void **state)
{
	(void)state;
	struct fci_gripper_state s = { 0 };

	connect_it();
	double width_m = session.state.width_m;
	const struct fci_gripper_state bad[] = { { hand.message_id + 1, NAN, 0.08, 0, 30 }, { hand.message_id + 1, 0.02, INFINITY, 0, 30 },
		{ hand.message_id + 1, -0.5, 0.08, 0, 30 }, { hand.message_id + 1, 1e9, 0.08, 0, 30 }, { hand.message_id - 40, 0.02, 0.08, 0, 30 },
		{ session.state.message_id, 0.02, 0.08, 0, 30 } };

	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		hand_session_datagram(&session, (const uint8_t *)&bad[k], sizeof bad[k], now_ns());
	s.message_id = hand.message_id + 1;
	for (size_t n = 0; n < sizeof s; n++)
		hand_session_datagram(&session, (const uint8_t *)&s, n, now_ns());
	assert_int_equal(session.counters.strange, 6 + sizeof s);
	assert_true(session.state.width_m == width_m);
}

static void numbers_of_states_wrap(void **state)
{
	(void)state;
	begin();
	hand.message_id = 0xffffffc0u;
	run_ms(500);
	assert_true(hand.message_id < 1000 && session.state.message_id < 1000);
}

/* A hand that begins anew, or one datagram from far ahead: it is heard again when nothing newer has come for a while. */
static void numbers_that_leap_back_are_believed_in_the_end(void **state)
{
	(void)state;
	connect_it();
	run_ms(5000);
	hand.message_id = 0;
	run_ms(900);
	assert_true(session.state.message_id > 5000);
	run_ms(400);
	assert_true(session.state.message_id < 2000);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
	const struct fci_gripper_state ahead = { hand.message_id + 0x7fffffff, 0.05, 0.08, 0, 30 };

	hand_session_datagram(&session, (const uint8_t *)&ahead, sizeof ahead, now_ns());
	run_ms(1100);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
	assert_true(fabs(session.state.width_m - 0.08) < 1e-6);
}

static void answers_in_pieces(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 14; n++) {
		begin();
		piece = n;
		run_ms(100);
		want(0.0);
		run_ms(1500);
		assert_true(hand.is_grasped && session.phase == HAND_FREE);
	}
}

static void answers_that_are_none(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 0, 9, 10, 11, 513, 0x7fffffff, 0xffffffff };

	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		const struct fci_gripper_header h = { 1, 0, sizes[k] };

		connect_it();
		arrive(&h, sizeof h);
		assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_PROTOCOL_ERROR);
		assert_int_equal(hand_session_step(&session, now_ns(), &wish), HAND_HANG_UP);
	}
	connect_it();
	want(0.03);
	run_ms(50);
	answer(&(struct fci_gripper_header){ FCI_GRIPPER_MOVE, running.id, 12 }, 4); /* a status that is none */
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_PROTOCOL_ERROR);
	connect_it();
	want(0.03);
	run_ms(50);
	answer(&(struct fci_gripper_header){ FCI_GRIPPER_MOVE, running.id + 7, 12 }, 0); /* to nothing that was asked */
	assert_int_equal(session.phase, HAND_BUSY);
	assert_int_equal(session.counters.strange, 1);
}

/* It answers what was not sent to it yet, again and again: what is to be sent does not grow. */
static void answers_before_the_question(void **state)
{
	(void)state;
	connect_it();
	for (int k = 0; k < 100 && session.phase >= HAND_FREE; k++) {
		now_ms += 1000;
		send_state();
		hand.message_id++;
		want(k % 2 ? 0.05 : 0.03);
		act(hand_session_step(&session, now_ns(), &wish));
		if (session.request.open)
			answer(&(struct fci_gripper_header){ FCI_GRIPPER_MOVE, session.request.id, 12 }, FCI_GRIPPER_SUCCESS);
		assert_true(session.n_out <= sizeof session.out);
	}
	assert_int_equal(session.phase, HAND_APART);
}

/* ---- homing -------------------------------------------------------------------------------------------------------------- */

static void a_hand_that_does_not_know_its_range_is_not_moved(void **state)
{
	(void)state;
	begin();
	franka_hand_forget(&hand);
	hand.command_m = 0.02;
	run_ms(100);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_NOT_HOMED);
	want(0.0);
	run_ms(5000);
	want(0.05);
	run_ms(5000);
	assert_int_equal(n_said, 0);
	hand_session_home(&session);
	run_ms(50);
	expect_said(1, FCI_GRIPPER_HOMING);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_NOT_HOMED);
	run_ms(2000);
	assert_true(fabs(hand.width_m - 0.08) < 1e-3);
	run_ms(5000); /* and what was wanted before is over */
	assert_int_equal(n_said, 1);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_WAITS);
	want(0.0);
	run_ms(1000);
	expect_said(2, FCI_GRIPPER_GRASP);
}

static void homing_waits_for_what_runs(void **state)
{
	(void)state;
	connect_it();
	want(0.0);
	run_ms(100);
	hand_session_home(&session);
	hand_session_home(&session);
	run_ms(3000);
	expect_said(2, FCI_GRIPPER_HOMING);
	assert_true(said[1].at_ms - said[0].at_ms >= 800);
	run_ms(3000);
	assert_int_equal(n_said, 2);
	hand_session_home(&session);
	run_ms(500);
	hand_session_home(&session); /* it is at it */
	run_ms(5000);
	assert_int_equal(n_said, 3);
	assert_int_equal(session.counters.homings, 2);
}

static void homing_is_not_kept_for_a_hand_that_comes_later(void **state)
{
	(void)state;
	begin();
	refuses = true;
	run_ms(100);
	hand_session_home(&session);
	refuses = false;
	run_ms(5000);
	assert_int_equal(session.phase, HAND_FREE);
	assert_int_equal(n_said, 0);
	want(0.0);
	run_ms(50);
	hand_session_home(&session); /* while the grasp runs */
	hand_session_closed(&session, now_ns());
	run_ms(5000);
	expect_said(1, FCI_GRIPPER_GRASP);
}

static void a_homing_that_fails_is_not_repeated(void **state)
{
	(void)state;
	connect_it();
	hand.command_m = 0.02;
	hand_session_home(&session);
	run_ms(10);
	expect_said(1, FCI_GRIPPER_HOMING);
	struct fci_gripper_header h = running;

	running = (struct fci_gripper_header){ 0 };
	answer(&h, FCI_GRIPPER_FAIL);
	run_ms(20);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_HOMING_FAILED);
	run_ms(20000);
	assert_int_equal(n_said, 1);
	assert_int_equal(session.counters.failures, 1);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_HOMING_FAILED); /* until something works */
	want(0.05);
	run_ms(1500);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
}

/* An operator's stop: the fingers stand; what was asked before it does not begin after it. */
static void a_homing_is_stopped(void **state)
{
	(void)state;
	connect_it();
	hand_session_home(&session);
	run_ms(300);
	hand_session_stop_homing(&session, now_ns());
	run_ms(20);
	expect_said(2, FCI_GRIPPER_STOP);
	double width_m = hand.width_m;

	assert_true(width_m > 0.03 && width_m < 0.07);
	run_ms(5000);
	assert_true(fabs(hand.width_m - width_m) < 1e-6);
	assert_int_equal(n_said, 2);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_HOMING_FAILED);
	hand_session_home(&session);
	run_ms(10);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
	run_ms(5000);
	expect_said(3, FCI_GRIPPER_HOMING);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
}

static void a_homing_that_waits_is_stopped(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.04;
	want(0.0);
	run_ms(100);
	hand_session_home(&session); /* after the grasp */
	hand_session_stop_homing(&session, now_ns());
	run_ms(5000);
	expect_said(1, FCI_GRIPPER_GRASP); /* which went on */
	assert_true(hand.is_grasped);
	hand_session_stop_homing(&session, now_ns()); /* nothing to stop: what is held stays held */
	run_ms(1000);
	assert_int_equal(n_said, 1);
	assert_true(hand.is_grasped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greets_with_its_version_and_port),
		cmocka_unit_test(connecting_moves_nothing),
		cmocka_unit_test(a_wish_that_trembles_moves_nothing),
		cmocka_unit_test(absent_hand_is_called_ever_more_rarely),
		cmocka_unit_test(silent_and_refusing_hands_are_named),
		cmocka_unit_test(a_connection_that_does_not_last_counts_as_none),
		cmocka_unit_test(a_call_that_leads_nowhere_ends),
		cmocka_unit_test(failures_are_tried_again_ever_more_rarely),
		cmocka_unit_test(failures_of_many_wishes_keep_their_distance),
		cmocka_unit_test(a_grasp_that_holds_nothing_is_no_error),
		cmocka_unit_test(a_hand_that_falls_silent_in_a_command),
		cmocka_unit_test(without_states_nothing_is_commanded),
		cmocka_unit_test(states_that_are_none),
		cmocka_unit_test(numbers_of_states_wrap),
		cmocka_unit_test(numbers_that_leap_back_are_believed_in_the_end),
		cmocka_unit_test(answers_in_pieces),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(answers_before_the_question),
		cmocka_unit_test(a_hand_that_does_not_know_its_range_is_not_moved),
		cmocka_unit_test(homing_waits_for_what_runs),
		cmocka_unit_test(homing_is_not_kept_for_a_hand_that_comes_later),
		cmocka_unit_test(a_homing_that_fails_is_not_repeated),
		cmocka_unit_test(a_homing_is_stopped),
		cmocka_unit_test(a_homing_that_waits_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
