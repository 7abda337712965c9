/* test_franka_hand_grip.c - what a wish becomes on a Franka Hand: grasps and moves, and none too many. */
#include "tests/unit/robots/hand_bench.h"

static void a_closed_gripper_is_a_grasp_of_anything(void **state)
{
	(void)state;
	static const double objects_m[] = { 0.0, 0.004, 0.04, 0.075 };

	for (size_t k = 0; k < sizeof objects_m / sizeof *objects_m; k++) {
		connect_it();
		object_m = objects_m[k];
		want(0.0);
		run_ms(1500);
		expect_said(1, FCI_GRIPPER_GRASP);
		assert_true(said[0].width_m == 0.0 && said[0].epsilon_outer_m == 0.08 && said[0].speed_m_s == 0.1 && said[0].force_n == 40.0);
		assert_true(hand.is_grasped && fabs(hand.width_m - objects_m[k]) < 1e-3);
		run_ms(10000); /* no second one, however long it is wanted, nor for a wish that is as closed */
		want(0.003);
		run_ms(1000);
		want(fmax(objects_m[k] - 0.01, 0.0));
		run_ms(1000);
		assert_int_equal(n_said, 1);
		assert_int_equal(session.counters.failures, 0);
	}
}

static void an_open_gripper_is_a_move(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.04;
	want(0.0);
	run_ms(1500);
	want(0.085); /* wider than it can */
	run_ms(1500);
	expect_said(2, FCI_GRIPPER_MOVE);
	assert_true(said[1].width_m == 0.08);
	assert_true(fabs(hand.width_m - 0.08) < 1e-3 && !hand.is_grasped);
	want(0.0);
	run_ms(1500);
	expect_said(3, FCI_GRIPPER_GRASP);
	assert_true(hand.is_grasped);
}

static void what_it_stands_at_already_is_not_commanded(void **state)
{
	(void)state;
	connect_it();
	want(0.0795);
	run_ms(1000);
	want(0.08);
	run_ms(1000);
	assert_int_equal(n_said, 0);
}

static void what_it_holds_since_before_is_not_grasped_again(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.04;
	want(0.0);
	run_ms(1500);
	hand_session_closed(&session, now_ns());
	run_ms(1000);
	assert_int_equal(session.phase, HAND_FREE);
	assert_true(hand.is_grasped);
	want(0.03);
	run_ms(2000);
	assert_int_equal(n_said, 1);
	assert_true(hand.is_grasped);
	assert_int_equal(trouble(), FRANKA_TROUBLE_NONE);
}

static void nobody_wants_anything(void **state)
{
	(void)state;
	connect_it();
	want(0.0);
	run_ms(300);
	wish.given = false; /* what runs goes on, nothing else begins, and what was wanted before is over */
	object_m = 0.0;
	run_ms(1500);
	expect_said(1, FCI_GRIPPER_GRASP);
	want(0.08);
	run_ms(10);
	expect_said(2, FCI_GRIPPER_MOVE);
	for (int ms = 0; ms < 3000 && session.phase != HAND_FREE; ms++)
		run_ms(1);
	want(0.0);
	run_ms(20); /* the hand rests still */
	wish.given = false;
	run_ms(1000);
	want(1e-9); /* as good as the same wish as before */
	run_ms(1000);
	assert_int_equal(n_said, 2);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_WAITS);
}

static void no_number_is_no_wish(void **state)
{
	(void)state;
	static const double bad[] = { NAN, INFINITY, -INFINITY };

	connect_it();
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
		want(bad[k]);
		run_ms(500);
	}
	assert_int_equal(n_said, 0);
	want(-0.5);
	run_ms(10);
	expect_said(1, FCI_GRIPPER_GRASP);
}

/* ---- in between ---------------------------------------------------------------------------------------------------------- */

static void in_between_is_a_move_when_nothing_is_in_the_way(void **state)
{
	(void)state;
	connect_it();
	want(0.03);
	run_ms(1500);
	expect_said(1, FCI_GRIPPER_MOVE);
	assert_true(fabs(hand.width_m - 0.03) < 1e-3);
	want(0.05);
	run_ms(1500);
	expect_said(2, FCI_GRIPPER_MOVE);
	assert_true(fabs(hand.width_m - 0.05) < 1e-3);
	assert_int_equal(session.counters.stops, 0);
}

static void what_stops_a_move_is_held(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.045;
	want(0.03);
	run_ms(3000);
	assert_int_equal(n_said, 3);
	assert_int_equal(said[0].command, FCI_GRIPPER_MOVE);
	assert_int_equal(said[1].command, FCI_GRIPPER_STOP);
	assert_int_equal(said[2].command, FCI_GRIPPER_GRASP);
	assert_true(hand.is_grasped && hand.width_m > 0.044);
	assert_int_equal(session.counters.failures, 0);
	want(0.035); /* still for less than there is */
	run_ms(1000);
	assert_int_equal(n_said, 3);
	want(0.06);
	run_ms(1000);
	expect_said(4, FCI_GRIPPER_MOVE);
	assert_true(fabs(hand.width_m - 0.06) < 1e-3);
}

/* A real hand does not begin at once. */
static void a_move_that_begins_late_is_not_stopped(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.08; /* as if: the fingers do not leave where they are */
	want(0.03);
	run_ms(900);
	object_m = 0.0;
	run_ms(2000);
	expect_said(1, FCI_GRIPPER_MOVE);
	assert_true(fabs(hand.width_m - 0.03) < 1e-3);
}

static double narrowest_m(int ms)
{
	double least_m = hand.width_m;

	for (int k = 0; k < ms; k++) {
		run_ms(1);
		least_m = fmin(least_m, hand.width_m);
	}
	return least_m;
}

/* Fingers that have not moved since were not stopped by anything between them: no reason to close on what is there. */
static void a_move_that_begins_very_late_is_no_grasp(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.08;
	want(0.05);
	run_ms(1200);
	object_m = 0.0;
	assert_true(narrowest_m(6000) > 0.049);
	assert_true(fabs(hand.width_m - 0.05) < 1e-3);
	assert_int_equal(session.counters.grasps, 0);
}

static void a_move_that_never_begins_fails(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.08;
	want(0.05);
	run_ms(60000);
	assert_int_equal(session.counters.grasps, 0);
	assert_int_equal(session.counters.moves, 5);
	assert_int_equal(session.counters.failures, 5);
	assert_int_equal(trouble(), FRANKA_TROUBLE_HAND_FAILS);
}

static void fail_grasp(enum fci_gripper_status with)
{
	enum fci_gripper_status status;
	struct fci_gripper_header h = running;

	assert_int_equal(h.command, FCI_GRIPPER_GRASP);
	running = (struct fci_gripper_header){ 0 };
	franka_hand_start(&hand, FCI_GRIPPER_STOP, NULL, &status);
	answer(&h, (uint16_t)with);
}

static void run_until_grasps(void)
{
	for (int ms = 0; ms < 20000 && running.command != FCI_GRIPPER_GRASP; ms++)
		run_ms(1);
}

/* What was in the way may be gone. */
static void after_a_grasp_that_failed_nothing_is_in_the_way(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.045;
	want(0.03);
	run_until_grasps();
	fail_grasp(FCI_GRIPPER_FAIL);
	object_m = 0.0;
	want(0.02);
	assert_true(narrowest_m(4000) > 0.019);
	expect_said(4, FCI_GRIPPER_MOVE);
	assert_true(fabs(hand.width_m - 0.02) < 1e-3);
}

/* Move, stop, grasp in vain: not for ever. */
static void what_cannot_be_held_is_not_pinched_for_ever(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.045;
	want(0.03);
	session.setup.epsilon_outer_m = 0.005; /* a grasp at 45 mm lets go and opens */
	run_ms(120000);
	assert_int_equal(session.counters.grasps, 5);
}

/* Just a little in the way: the move is not answered, and the fingers are where they were wanted. */
static void a_move_that_ends_close_by_is_done(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.0315;
	want(0.03);
	run_ms(10000);
	expect_said(2, FCI_GRIPPER_STOP);
	assert_int_equal(session.counters.failures, 0);
	assert_int_equal(session.phase, HAND_FREE);
}

/* libfranka 111: half of the stops do nothing. The next command goes out all the same. */
static void a_stop_that_does_nothing(void **state)
{
	(void)state;
	connect_it();
	object_m = 0.045;
	deaf_to_stops = true;
	want(0.03);
	run_ms(4500);
	expect_said(3, FCI_GRIPPER_GRASP);
	assert_true(said[2].at_ms - said[1].at_ms >= 2000);
	assert_true(hand.is_grasped);
	assert_int_equal(hang_ups, 0);
}

static void a_wish_that_creeps_is_not_chased(void **state)
{
	(void)state;
	connect_it();
	for (int k = 0; k < 200; k++) {
		want(0.08 - 0.04 * k / 200);
		run_ms(50); /* 4 mm/s for ten seconds */
	}
	run_ms(1000);
	assert_true(fabs(hand.width_m - 0.04) <= HAND_HYSTERESIS_M + 1e-3);
	assert_true(n_said >= 10 && n_said <= 20);
}

/* A wish that jumps about: one command after the other, each with its rest, and the newest at the end. */
static void commands_keep_their_distance(void **state)
{
	(void)state;
	connect_it();
	for (int k = 0; k < 500; k++) {
		want(k % 2 ? 0.08 : 0.05);
		run_ms(11);
	}
	want(0.065);
	run_ms(2000);
	assert_true(n_said > 5);
	for (int k = 1; k < n_said; k++)
		assert_true(said[k].rested_ms >= HAND_DWELL_NS / NS_PER_MS);
	assert_true(fabs(hand.width_m - 0.065) < 3e-3);
	assert_int_equal(session.counters.failures, 0);
}

/* What was measured before a command had ended says nothing of what came of it. */
static void states_from_before_are_not_judged_by(void **state)
{
	(void)state;
	connect_it();
	want(0.03);
	run_ms(450);
	dark = true;
	run_ms(150); /* there, and nobody knows */
	assert_int_equal(session.phase, HAND_FREE);
	want(0.033);
	run_ms(500);
	assert_int_equal(n_said, 1);
	dark = false;
	run_ms(50);
	expect_said(2, FCI_GRIPPER_MOVE);
}

static void the_newest_wish_wins(void **state)
{
	(void)state;
	connect_it();
	want(0.0);
	run_ms(100);
	want(0.08);
	run_ms(100);
	want(0.03);
	run_ms(100);
	want(0.06);
	run_ms(3000);
	expect_said(2, FCI_GRIPPER_MOVE); /* the two in between were never heard of */
	assert_true(fabs(hand.width_m - 0.06) < 1e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_closed_gripper_is_a_grasp_of_anything),
		cmocka_unit_test(an_open_gripper_is_a_move),
		cmocka_unit_test(what_it_stands_at_already_is_not_commanded),
		cmocka_unit_test(what_it_holds_since_before_is_not_grasped_again),
		cmocka_unit_test(nobody_wants_anything),
		cmocka_unit_test(no_number_is_no_wish),
		cmocka_unit_test(in_between_is_a_move_when_nothing_is_in_the_way),
		cmocka_unit_test(what_stops_a_move_is_held),
		cmocka_unit_test(a_move_that_begins_late_is_not_stopped),
		cmocka_unit_test(a_move_that_begins_very_late_is_no_grasp),
		cmocka_unit_test(a_move_that_never_begins_fails),
		cmocka_unit_test(after_a_grasp_that_failed_nothing_is_in_the_way),
		cmocka_unit_test(what_cannot_be_held_is_not_pinched_for_ever),
		cmocka_unit_test(a_move_that_ends_close_by_is_done),
		cmocka_unit_test(a_stop_that_does_nothing),
		cmocka_unit_test(a_wish_that_creeps_is_not_chased),
		cmocka_unit_test(commands_keep_their_distance),
		cmocka_unit_test(states_from_before_are_not_judged_by),
		cmocka_unit_test(the_newest_wish_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
