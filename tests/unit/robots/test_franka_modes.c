/* test_franka_modes.c - the simulated Franka's modes, settings and what it takes of nonsense. */
#include "robots/sim/franka/robot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/franka_client.h"

/* ---- modes ------------------------------------------------------------------------------------------------------------------ */

static void stopping_preempts(void **state)
{
	(void)state;
	struct fci_motion m;

	begin(5);
	assert_int_equal(franka_robot_request(&robot, FCI_STOP_MOVE, NULL), FCI_STATUS_SUCCESS);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	for (int k = 1; k <= 1000; k++) {
		m = hold();
		m.dq_c[3] = 0.2 * quintic_rate(k * 1e-3, 2.0);
		step(&m);
	}
	assert_int_equal(ask_move(0, 0), FCI_STATUS_NOT_POSSIBLE);
	assert_int_equal(franka_robot_request(&robot, FCI_STOP_MOVE, NULL), FCI_STATUS_SUCCESS);
	expect_end(FCI_STATUS_PREEMPTED);
	step(&m);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
	for (int k = 0; k < 100; k++)
		step(NULL);
	assert_true(fabs(seen.dq[3]) < 1e-6);
}

static void hands_stop_the_robot(void **state)
{
	(void)state;
	struct fci_motion m;

	begin(9);
	start_move(0, FCI_MOVE_JOINT_POSITION);
	m = hold();
	step(&m);
	franka_robot_user_stop(&robot, true);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_USER_STOPPED);
	expect_end(FCI_STATUS_EMERGENCY_ABORTED);
	assert_int_equal(ask_move(0, 0), FCI_STATUS_NOT_POSSIBLE);
	assert_int_equal(franka_robot_request(&robot, FCI_AUTOMATIC_ERROR_RECOVERY, NULL), FCI_STATUS_SUCCESS);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_USER_STOPPED);
	franka_robot_user_stop(&robot, false);
	franka_robot_guide(&robot, true);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_GUIDING);
	assert_int_equal(ask_move(0, 0), FCI_STATUS_NOT_POSSIBLE);
	franka_robot_guide(&robot, false);
	franka_robot_lock(&robot, true);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_OTHER);
	assert_int_equal(ask_move(0, 0), FCI_STATUS_NOT_POSSIBLE);
	assert_int_equal(franka_robot_request(&robot, FCI_AUTOMATIC_ERROR_RECOVERY, NULL), FCI_STATUS_NOT_POSSIBLE);
	franka_robot_lock(&robot, false);
	start_move(0, 0);
}

static void a_client_that_goes_leaves_an_idle_robot(void **state)
{
	(void)state;
	enum fci_status status;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_POSITION);
	franka_robot_leave(&robot);
	franka_robot_connect(&robot, 10);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
	assert_int_equal(seen.generator_mode, FCI_GENERATOR_IDLE);
	assert_false(franka_robot_take_end(&robot, &status));
	start_move(0, FCI_MOVE_JOINT_POSITION);
}

static void bad_moves_are_refused(void **state)
{
	(void)state;

	begin(5);
	assert_int_equal(ask_move(0, 4), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask_move(3, 0), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask_move(0, UINT32_MAX), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask_move(UINT32_MAX, 0), FCI_STATUS_INVALID_ARGUMENT);
	begin(7);
	assert_int_equal(ask_move(2, 4), FCI_STATUS_MOTION_STARTED);
	begin(7);
	assert_int_equal(ask_move(0, 4), FCI_STATUS_INVALID_ARGUMENT);
	struct fci_move m = { 0, 0, { NAN, 3.12, 6.28 }, { 10.0, 3.12, 6.28 } };
	uint8_t payload[sizeof m];

	memcpy(payload, &m, sizeof m);
	assert_int_equal(franka_robot_request(&robot, FCI_MOVE, payload), FCI_STATUS_INVALID_ARGUMENT);
}

static enum fci_status ask(enum fci_command c, const double *v, size_t n)
{
	uint8_t payload[FCI_REQUEST_BYTES_MAX] = { 0 };

	memcpy(payload, v, n * sizeof *v);
	return franka_robot_request(&robot, c, payload);
}

static void settings_have_ranges(void **state)
{
	(void)state;
	double v[52] = { 0 }, tool[16] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0.1, 1 }, before;

	begin(5);
	before = seen.O_T_EE[14];
	assert_int_equal(ask(FCI_SET_JOINT_IMPEDANCE, v, 7), FCI_STATUS_SUCCESS);
	v[6] = 14251.0;
	assert_int_equal(ask(FCI_SET_JOINT_IMPEDANCE, v, 7), FCI_STATUS_INVALID_ARGUMENT);
	v[6] = NAN;
	assert_int_equal(ask(FCI_SET_JOINT_IMPEDANCE, v, 7), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_CARTESIAN_IMPEDANCE, v, 6), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_CARTESIAN_IMPEDANCE, (double[]){ 10, 3000, 100, 1, 300, 30 }, 6), FCI_STATUS_SUCCESS);
	v[6] = 20.0;
	assert_int_equal(ask(FCI_SET_COLLISION_BEHAVIOR, v, 52), FCI_STATUS_SUCCESS);
	v[51] = -1.0;
	assert_int_equal(ask(FCI_SET_COLLISION_BEHAVIOR, v, 52), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_FILTERS, (double[]){ 100, 1, 1000, 0.5, 10 }, 5), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_NE_TO_EE, tool, 16), FCI_STATUS_SUCCESS);
	step(NULL);
	assert_true(fabs(seen.O_T_EE[14] - (before - 0.1)) < 1e-6); /* the hand points down */
	tool[0] = 0.5;
	assert_int_equal(ask(FCI_SET_EE_TO_K, tool, 16), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_LOAD, (double[13]){ 0.5, 0, 0, 0.05, 0.001, 0, 0, 0, 0.001, 0, 0, 0, 0.001 }, 13), FCI_STATUS_SUCCESS);
	assert_int_equal(ask(FCI_SET_LOAD, (double[13]){ -0.5 }, 13), FCI_STATUS_INVALID_ARGUMENT);
	start_move(0, 0);
	assert_int_equal(ask(FCI_SET_EE_TO_K, tool, 16), FCI_STATUS_NOT_POSSIBLE);
}

/* Whatever bytes come as commands and requests: numbers stay finite, and the joints within what the arm can do. */
static void noise_never_breaks_it(void **state)
{
	(void)state;

	srand(3);
	for (int n = 0; n < 300; n++) {
		begin((uint32_t)(5 + rand() % 6));
		for (int k = 0; k < 200; k++) {
			uint8_t bytes[FCI_REQUEST_BYTES_MAX];
			struct fci_motion m = hold();

			for (size_t i = 0; i < sizeof bytes; i++)
				bytes[i] = (uint8_t)(rand() % (k % 3 ? 256 : 2));
			if (rand() % 4 == 0)
				franka_robot_request(&robot, (enum fci_command)(1 + rand() % (FCI_COMMAND_COUNT - 1)), bytes);
			if (rand() % 8 == 0)
				ask_move((uint32_t)(rand() % 3), (uint32_t)(rand() % 5));
			if (rand() % 2)
				memcpy((uint8_t *)&m + sizeof m.message_id, bytes, sizeof bytes < sizeof m - sizeof m.message_id ? sizeof bytes : 64);
			step(rand() % 5 ? &m : NULL);
			for (int i = 0; i < 7; i++) {
				assert_true(fabs(seen.q[i]) < 5.0);
				assert_true(isfinite(seen.dq[i]) && isfinite(seen.tau_J[i]) && isfinite(seen.O_T_EE[i]));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopping_preempts),
		cmocka_unit_test(hands_stop_the_robot),
		cmocka_unit_test(a_client_that_goes_leaves_an_idle_robot),
		cmocka_unit_test(bad_moves_are_refused),
		cmocka_unit_test(settings_have_ranges),
		cmocka_unit_test(noise_never_breaks_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
