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
	for (int k = 0; k < 100; k++)
		step(&m);
	expect_end(FCI_STATUS_PREEMPTED);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
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
			expect_numbers();
		}
	}
}

/* ---- frames and loads --------------------------------------------------------------------------------------------------------- */

static void frames_are_rotations(void **state)
{
	(void)state;
	const double third = 0.57735026918962576;
	const double good[16] = { 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 0.01, 0, 0.1, 1 };
	const double mirror[16] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1 };
	const double flat[16] = { -third, -third, -third, 0, -third, -third, -third, 0, -third, -third, -third, 0, 0, 0, 0, 1 };

	begin(5);
	assert_int_equal(ask(FCI_SET_NE_TO_EE, good, 16), FCI_STATUS_SUCCESS);
	assert_int_equal(ask(FCI_SET_NE_TO_EE, mirror, 16), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_NE_TO_EE, flat, 16), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_EE_TO_K, mirror, 16), FCI_STATUS_INVALID_ARGUMENT);
	assert_int_equal(ask(FCI_SET_EE_TO_K, flat, 16), FCI_STATUS_INVALID_ARGUMENT);
}

static const double heavy[13] = { 2.0, 0.1, -0.05, 0.08, 0.010, 0.002, -0.001, 0.002, 0.020, 0.003, -0.001, 0.003, 0.015 };

/* Torques are linear in what is carried: those of hand and load together are the sum of each one's share. */
static void a_load_weighs_and_turns_with_the_hand(void **state)
{
	(void)state;
	const struct franka_body none = { 0 }, hand = { 0.73, { -0.01, 0.0, 0.03 }, { 0.001, 0.0025, 0.0017 } };
	const struct franka_body load = { 2.0, { 0.1, -0.05, 0.08 }, { 0.010, 0.020, 0.015, 0.002, -0.001, 0.003 } };
	const struct franka_motion m = { { 0.3, -0.5, 0.2, -1.9, 0.7, 1.8, -0.4 }, { 1, -0.5, 0.3, 0.8, -1.2, 0.4, 0.9 },
		{ 3, -2, 1, 4, -5, 6, -7 } };
	double arm[7], with_hand[7], with_load[7], both[7], before = 0.0;
	const struct franka_dynamics *d = &franka_dynamics_panda;

	begin(5);
	before = seen.tau_J[1];
	assert_int_equal(ask(FCI_SET_LOAD, heavy, 13), FCI_STATUS_SUCCESS);
	franka_inverse_dynamics(d, &none, franka_earth_m_s2, &m, arm);
	franka_inverse_dynamics(d, &hand, franka_earth_m_s2, &m, with_hand);
	franka_inverse_dynamics(d, &load, franka_earth_m_s2, &m, with_load);
	franka_inverse_dynamics(d, &robot.plant.load, franka_earth_m_s2, &m, both);
	for (int i = 0; i < 7; i++)
		assert_true(fabs(both[i] - (with_hand[i] + with_load[i] - arm[i])) < 1e-9);
	step(NULL);
	assert_true(fabs(seen.tau_J[1] - before) > 2.0);
}

static void impossible_loads_are_refused(void **state)
{
	(void)state;
	double v[13];

	begin(5);
	for (int wrong = 0; wrong < 6; wrong++) {
		memcpy(v, heavy, sizeof v);
		if (wrong == 0)
			v[5] = -0.002; /* not symmetric */
		if (wrong == 1)
			v[5] = v[7] = 0.05; /* no inertia about some axis */
		if (wrong == 2)
			v[12] = -0.001;
		if (wrong == 3)
			v[5] = v[7] = v[6] = v[10] = v[9] = v[11] = -0.0095; /* each pair would do */
		if (wrong == 4)
			v[0] = 3.5;
		if (wrong == 5) /* two negative axes: the determinant would do */
			for (int i = 0; i < 9; i++)
				v[4 + i] = i % 4 == 0 ? 0.01 : 0.02;
		assert_int_equal(ask(FCI_SET_LOAD, v, 13), FCI_STATUS_INVALID_ARGUMENT);
	}
	assert_true(robot.settings.load.mass == 0.0);
}

static void poses_are_not_commanded_from_a_stretched_arm(void **state)
{
	(void)state;
	const double stretched[7] = { 0, 0, 0, -0.0699, 0, 0.01, 0 };

	begin_at(5, stretched);
	assert_int_equal(ask_move(0, FCI_MOVE_CARTESIAN_POSITION), FCI_STATUS_SINGULAR_START);
	assert_int_equal(ask_move(0, FCI_MOVE_CARTESIAN_VELOCITY), FCI_STATUS_SINGULAR_START);
	start_move(0, FCI_MOVE_JOINT_POSITION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopping_preempts),
		cmocka_unit_test(hands_stop_the_robot),
		cmocka_unit_test(a_client_that_goes_leaves_an_idle_robot),
		cmocka_unit_test(bad_moves_are_refused),
		cmocka_unit_test(settings_have_ranges),
		cmocka_unit_test(frames_are_rotations),
		cmocka_unit_test(a_load_weighs_and_turns_with_the_hand),
		cmocka_unit_test(impossible_loads_are_refused),
		cmocka_unit_test(poses_are_not_commanded_from_a_stretched_arm),
		cmocka_unit_test(noise_never_breaks_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
