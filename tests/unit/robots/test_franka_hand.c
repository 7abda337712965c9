/* test_franka_hand.c - the simulated Franka Hand on virtual time: fingers that follow at once, and stop at an object that they hold. */
#include "robots/sim/franka/hand.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct franka_hand hand;
static double object_m; /* width of what lies between the fingers; 0: nothing */

static double fingers(void)
{
	return fmax(hand.command_m, object_m);
}

static void begin(double width_m)
{
	franka_hand_init(&hand, 0.08);
	object_m = width_m;
}

/* Milliseconds until the command has ended, with its status; most_ms: it has not by then. */
static int finish_within(int most_ms, enum fci_gripper_status *status)
{
	int ms = 1;

	while (!franka_hand_step(&hand, fingers(), status) && ms < most_ms)
		ms++;
	return ms;
}

static int finish(enum fci_gripper_status *status)
{
	int ms = finish_within(5000, status);

	assert_true(ms < 5000);
	return ms;
}

static void rest_for(int ms)
{
	enum fci_gripper_status status;

	for (int k = 0; k < ms; k++)
		assert_false(franka_hand_step(&hand, fingers(), &status));
}

static bool start_move(double width_m, double speed_m_s, enum fci_gripper_status *status)
{
	struct fci_gripper_move m = { width_m, speed_m_s };

	return franka_hand_start(&hand, FCI_GRIPPER_MOVE, (const uint8_t *)&m, status);
}

static bool start_grasp(double width_m, enum fci_gripper_status *status)
{
	struct fci_grasp g = { width_m, 0.005, 0.004, 0.05, 40.0 };

	return franka_hand_start(&hand, FCI_GRIPPER_GRASP, (const uint8_t *)&g, status);
}

static void moves_take_their_time(void **state)
{
	(void)state;
	enum fci_gripper_status status;

	begin(0.0);
	assert_true(start_move(0.03, 0.05, &status));
	int ms = finish(&status);

	assert_int_equal(status, FCI_GRIPPER_SUCCESS);
	assert_true(ms >= 998 && ms <= 1002);
	assert_true(fabs(hand.width_m - 0.03) <= 1e-4);
	assert_true(start_move(0.08, 5.0, &status)); /* faster than it can: 0.1 m/s */
	ms = finish(&status);
	assert_true(ms >= 498 && ms <= 502);
}

static void bad_goals_are_refused(void **state)
{
	(void)state;
	enum fci_gripper_status status;
	const double bad[][2] = { { -0.01, 0.1 }, { 0.081, 0.1 }, { NAN, 0.1 }, { 0.05, 0.0 }, { 0.05, -1.0 }, { 0.05, NAN } };

	begin(0.0);
	for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
		assert_false(start_move(bad[n][0], bad[n][1], &status));
		assert_int_equal(status, FCI_GRIPPER_FAIL);
	}
	struct fci_grasp g = { 0.03, 0.005, 0.005, 0.05, 141.0 };

	assert_false(franka_hand_start(&hand, FCI_GRIPPER_GRASP, (const uint8_t *)&g, &status));
	assert_int_equal(status, FCI_GRIPPER_FAIL);
}

/* As its users found, and so that no client of ours relies on anything better. */
static void a_move_onto_an_object_does_not_end(void **state)
{
	(void)state;
	enum fci_gripper_status status;

	begin(0.04);
	assert_true(start_move(0.0, 0.1, &status));
	int ms = finish_within(200000, &status);

	assert_true(ms > 100000 && ms < 102000);
	assert_int_equal(status, FCI_GRIPPER_UNSUCCESSFUL);
	assert_false(hand.is_grasped);
}

static void a_second_grasp_lets_go(void **state)
{
	(void)state;
	enum fci_gripper_status status;

	begin(0.04);
	assert_true(start_grasp(0.04, &status));
	finish(&status);
	assert_true(hand.is_grasped);
	assert_false(start_grasp(0.04, &status));
	assert_int_equal(status, FCI_GRIPPER_UNSUCCESSFUL);
	assert_false(hand.is_grasped);
	rest_for(900);
	assert_true(fabs(hand.width_m - 0.08) < 1e-4);
}

static void before_homing_nothing_works(void **state)
{
	(void)state;
	enum fci_gripper_status status;
	struct fci_grasp g = { 0.0, 0.08, 0.08, 0.1, 40.0 };

	begin(0.02);
	franka_hand_forget(&hand);
	assert_true(hand.max_width_m == 0.0);
	assert_false(start_move(0.03, 0.1, &status));
	assert_int_equal(status, FCI_GRIPPER_FAIL);
	assert_true(franka_hand_start(&hand, FCI_GRIPPER_GRASP, (const uint8_t *)&g, &status));
	finish(&status);
	assert_int_equal(status, FCI_GRIPPER_UNSUCCESSFUL);
	assert_false(hand.is_grasped);
	assert_true(franka_hand_start(&hand, FCI_GRIPPER_HOMING, NULL, &status));
	finish(&status);
	assert_int_equal(status, FCI_GRIPPER_SUCCESS);
	assert_true(hand.max_width_m == 0.08);
	assert_true(start_move(0.03, 0.1, &status));
}

static void what_is_within_the_epsilons_is_held(void **state)
{
	(void)state;
	static const struct {
		double object_m, wanted_m;
		bool held;
	} row[] = { { 0.040, 0.040, true }, { 0.036, 0.040, true }, { 0.0435, 0.040, true }, { 0.0345, 0.040, false }, { 0.0445, 0.040, false },
		{ 0.0, 0.040, false }, { 0.0, 0.003, true } };

	for (size_t n = 0; n < sizeof row / sizeof *row; n++) {
		enum fci_gripper_status status;

		begin(row[n].object_m);
		assert_true(start_grasp(row[n].wanted_m, &status));
		finish(&status);
		assert_int_equal(status, row[n].held ? FCI_GRIPPER_SUCCESS : FCI_GRIPPER_UNSUCCESSFUL);
		assert_int_equal(hand.is_grasped, row[n].held);
		rest_for(200);
		assert_int_equal(hand.is_grasped, row[n].held);
	}
}

static void a_failed_grasp_lets_go_and_opens(void **state)
{
	(void)state;
	enum fci_gripper_status status;

	begin(0.02);
	assert_true(start_grasp(0.05, &status));
	finish(&status);
	assert_int_equal(status, FCI_GRIPPER_UNSUCCESSFUL);
	assert_true(hand.command_m >= object_m); /* presses no more */
	rest_for(1300);
	assert_true(fabs(hand.width_m - 0.08) < 1e-4);
}

/* A new command, or a stop, ends the opening. */
static void opening_gives_way(void **state)
{
	(void)state;
	enum fci_gripper_status status;

	begin(0.0);
	assert_true(start_grasp(0.05, &status));
	finish(&status);
	rest_for(400);
	assert_false(franka_hand_start(&hand, FCI_GRIPPER_STOP, NULL, &status));
	assert_int_equal(status, FCI_GRIPPER_SUCCESS);
	double width_m = hand.width_m;

	assert_true(width_m > 0.01 && width_m < 0.03);
	rest_for(400);
	assert_true(hand.width_m == width_m);
}

static void a_lost_object_is_noticed(void **state)
{
	(void)state;
	enum fci_gripper_status status;

	begin(0.04);
	assert_true(start_grasp(0.04, &status));
	finish(&status);
	assert_true(hand.is_grasped);
	rest_for(500);
	assert_true(hand.is_grasped);
	object_m = 0.0;
	rest_for(2);
	assert_false(hand.is_grasped);
}

static void a_stop_releases_the_force(void **state)
{
	(void)state;
	enum fci_gripper_status status;

	begin(0.04);
	assert_true(start_grasp(0.04, &status));
	finish(&status);
	assert_true(hand.command_m < object_m);
	assert_false(franka_hand_start(&hand, FCI_GRIPPER_STOP, NULL, &status));
	assert_true(hand.command_m == object_m);
	assert_false(hand.is_grasped);
}

static void homing_closes_and_opens(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		enum fci_gripper_status status;

		begin(0.02 * k); /* with something in between too */
		assert_true(franka_hand_start(&hand, FCI_GRIPPER_HOMING, NULL, &status));
		double least_m = 1.0;
		int ms = 0;

		for (; !franka_hand_step(&hand, fingers(), &status) && ms < 5000; ms++)
			least_m = fmin(least_m, hand.width_m);
		assert_true(ms > 1100 && ms < 2000);
		assert_int_equal(status, FCI_GRIPPER_SUCCESS);
		assert_true(fabs(least_m - object_m) < 1e-3 && fabs(hand.width_m - 0.08) <= 1e-4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_take_their_time),
		cmocka_unit_test(bad_goals_are_refused),
		cmocka_unit_test(a_move_onto_an_object_does_not_end),
		cmocka_unit_test(a_second_grasp_lets_go),
		cmocka_unit_test(before_homing_nothing_works),
		cmocka_unit_test(what_is_within_the_epsilons_is_held),
		cmocka_unit_test(a_failed_grasp_lets_go_and_opens),
		cmocka_unit_test(opening_gives_way),
		cmocka_unit_test(a_lost_object_is_noticed),
		cmocka_unit_test(a_stop_releases_the_force),
		cmocka_unit_test(homing_closes_and_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
