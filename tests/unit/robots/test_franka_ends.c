/* test_franka_ends.c - how the simulated Franka's motions end while the arm moves: it brakes as it can, no step in between; and how it
 * comes back from beyond a limit. */
#include "robots/sim/franka/robot.h"

#include <math.h>
#include <string.h>

#include "robots/model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/franka_client.h"

/* One millisecond in which no joint's speed changes by more than it may: measured, and as the client is told. */
static void calm_step(const struct fci_motion *command)
{
	const struct robot_model *m = robot.generator.limits->model;
	struct fci_state before = seen;

	step(command);
	for (int i = 0; i < 7; i++) {
		assert_true(fabs(seen.dq[i] - before.dq[i]) < 1.01e-3 * m->ddq_max_rad_s2[i]);
		assert_true(fabs(seen.q[i] - before.q[i] - 1e-3 * seen.dq[i]) < 1e-4);
		if (seen.dq_d[i] != 0.0 && before.dq_d[i] != 0.0) /* torques have no desired speed */
			assert_true(fabs(seen.dq_d[i] - before.dq_d[i]) < 1.01e-3 * m->ddq_max_rad_s2[i]);
	}
}

/* A joint velocity motion that has reached `speed` after `ms`. */
static void drive(int joint, double speed, int ms)
{
	for (int k = 1; k <= ms; k++) {
		struct fci_motion m = hold();

		m.dq_c[joint] = speed * quintic(k * 1e-3, ms * 1e-3);
		calm_step(&m);
		assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	}
}

static void drive_on(int joint, double speed, int most_ms)
{
	for (int k = 0; k < most_ms && seen.robot_mode == FCI_MODE_MOVE; k++) {
		struct fci_motion m = hold();

		m.dq_c[joint] = speed;
		step(&m);
	}
}

/* Torque on one joint, from what it was, until the motion ends or the time is over. */
static void push(int joint, double *now_nm, double torque_nm, int ms)
{
	for (int k = 0; k < ms && seen.robot_mode == FCI_MODE_MOVE; k++) {
		struct fci_motion m = { .message_id = seen.message_id };

		*now_nm += fmin(fmax(torque_nm - *now_nm, -0.9), 0.9);
		m.tau_J_d[joint] = *now_nm;
		step(&m);
	}
}

static void rest_for(int ms)
{
	for (int k = 0; k < ms; k++)
		step(NULL);
}

/* Until the arm stands; returns how many milliseconds that took. */
static int brake(uint8_t mode)
{
	int ms = 0;

	while (fabs(seen.dq_d[0]) > 1e-9 && ms < 1000) {
		assert_int_equal(seen.robot_mode, mode);
		calm_step(NULL);
		ms++;
	}
	return ms;
}

static void recover(void)
{
	assert_int_equal(franka_robot_request(&robot, FCI_AUTOMATIC_ERROR_RECOVERY, NULL), FCI_STATUS_SUCCESS);
}

/* ---- stops ------------------------------------------------------------------------------------------------------------------ */

static void a_stop_is_over_when_the_arm_stands(void **state)
{
	(void)state;
	enum fci_status status;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	drive(0, 2.0, 500);
	assert_int_equal(franka_robot_request(&robot, FCI_STOP_MOVE, NULL), FCI_STATUS_SUCCESS);
	for (int k = 0; k < 100; k++) {
		calm_step(NULL);
		assert_false(franka_robot_take_end(&robot, &status));
		assert_int_equal(seen.generator_mode, FCI_GENERATOR_JOINT_VELOCITY);
		assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	}
	assert_true(brake(FCI_MODE_MOVE) > 20);
	rest_for(20);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
	expect_end(FCI_STATUS_PREEMPTED);
	assert_true(fabs(seen.dq[0]) < 1e-3);
}

static void a_motion_asked_for_in_braking_begins_when_the_arm_stands(void **state)
{
	(void)state;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	drive(0, 2.0, 500);
	assert_int_equal(franka_robot_request(&robot, FCI_STOP_MOVE, NULL), FCI_STATUS_SUCCESS);
	for (int k = 0; k < 3; k++)
		calm_step(NULL);
	assert_int_equal(ask_move(0, FCI_MOVE_JOINT_POSITION), FCI_STATUS_MOTION_STARTED);
	expect_end(FCI_STATUS_PREEMPTED);
	assert_int_equal(ask_move(0, FCI_MOVE_JOINT_POSITION), FCI_STATUS_NOT_POSSIBLE);
	calm_step(NULL);
	assert_int_equal(seen.generator_mode, FCI_GENERATOR_IDLE);
	assert_true(brake(FCI_MODE_IDLE) > 100);
	for (int k = 0; k < 30 && seen.robot_mode != FCI_MODE_MOVE; k++)
		calm_step(NULL);
	assert_int_equal(seen.generator_mode, FCI_GENERATOR_JOINT_POSITION);
	struct fci_motion m = hold();

	calm_step(&m);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
}

/* Both in one read of the connection: the first motion's second response is not lost. */
static void a_stop_and_a_move_at_once(void **state)
{
	(void)state;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_POSITION);
	franka_robot_request(&robot, FCI_STOP_MOVE, NULL);
	assert_int_equal(ask_move(0, FCI_MOVE_JOINT_VELOCITY), FCI_STATUS_MOTION_STARTED);
	expect_end(FCI_STATUS_PREEMPTED);
	franka_robot_request(&robot, FCI_STOP_MOVE, NULL);
	expect_end(FCI_STATUS_PREEMPTED);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
}

static void torques_that_end_at_speed_end_when_the_arm_stands(void **state)
{
	(void)state;
	enum fci_status status;
	double nm = 0.0;

	begin(10);
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_NONE);
	push(0, &nm, 3.0, 250);
	assert_true(seen.dq[0] > 1.0);
	struct fci_motion m = { .message_id = seen.message_id, .tau_J_d = { nm }, .torque_finished = 1 };

	for (int k = 0; k < 80; k++) {
		calm_step(k == 0 ? &m : NULL);
		assert_false(franka_robot_take_end(&robot, &status));
		assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
		assert_int_equal(seen.controller_mode, FCI_CONTROL_EXTERNAL);
	}
	rest_for(300);
	expect_end(FCI_STATUS_SUCCESS);
	assert_true(fabs(seen.dq[0]) < 1e-3);
}

/* ---- errors in motion -------------------------------------------------------------------------------------------------------- */

static void a_refused_command_brakes_the_arm_without_a_step(void **state)
{
	(void)state;

	for (int what = 0; what < 3; what++) {
		begin(5);
		start_move(0, FCI_MOVE_JOINT_VELOCITY);
		drive(0, 1.0, 500);
		struct fci_motion m = hold();

		m.dq_c[0] = what == 0 ? 1.1 : 1.0;
		m.dq_c[2] = what == 1 ? NAN : 0.0;
		if (what == 2)
			franka_robot_reflex(&robot, FCI_ERROR_joint_reflex);
		calm_step(&m);
		assert_true(seen.dq[0] > 0.98 && seen.dq[0] < 0.986); /* 15 rad/s^2 */
		brake(what == 1 ? FCI_MODE_MOVE : FCI_MODE_REFLEX);
		rest_for(30);
		expect_end(what == 1 ? FCI_STATUS_INPUT_ERROR_ABORTED : FCI_STATUS_REFLEX_ABORTED);
	}
}

static void refused_torques_brake_the_arm_without_a_step(void **state)
{
	(void)state;
	const double step_nm[] = { 1.5, -1.5 };

	for (int n = 0; n < 2; n++) {
		double nm = 0.0;

		begin(10);
		start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_NONE);
		push(0, &nm, 4.0, 200);
		struct fci_motion m = { .message_id = seen.message_id, .tau_J_d = { nm + step_nm[n] } };

		calm_step(&m);
		assert_int_equal(seen.reflex_reason[FCI_ERROR_controller_torque_discontinuity], 1);
		assert_true(brake(FCI_MODE_REFLEX) > 50);
	}
}

static void errors_are_shown_until_the_arm_has_stood(void **state)
{
	(void)state;

	begin(10);
	franka_robot_reflex(&robot, FCI_ERROR_joint_reflex);
	for (int k = 0; k < 50; k++) {
		step(NULL);
		assert_int_equal(seen.errors[FCI_ERROR_joint_reflex], 1);
	}
	rest_for(100);
	assert_int_equal(seen.robot_mode, FCI_MODE_REFLEX);
	assert_int_equal(seen.errors[FCI_ERROR_joint_reflex], 0);
	assert_int_equal(seen.reflex_reason[FCI_ERROR_joint_reflex], 1);
}

static void a_user_stop_in_braking_leaves_no_errors(void **state)
{
	(void)state;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	drive(0, 1.0, 500);
	franka_robot_reflex(&robot, FCI_ERROR_joint_reflex);
	calm_step(NULL);
	franka_robot_user_stop(&robot, true);
	calm_step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_USER_STOPPED);
	assert_int_equal(seen.errors[FCI_ERROR_joint_reflex], 1);
	brake(FCI_MODE_USER_STOPPED);
	rest_for(200);
	assert_int_equal(seen.errors[FCI_ERROR_joint_reflex], 0);
}

static void recovery_is_over_when_the_arm_stands(void **state)
{
	(void)state;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	drive(0, 1.0, 500);
	franka_robot_reflex(&robot, FCI_ERROR_joint_reflex);
	calm_step(NULL);
	recover();
	calm_step(NULL);
	assert_true(brake(FCI_MODE_RECOVERY) > 30);
	rest_for(30);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
	start_move(0, 0);
}

static void recovery_does_not_lift_a_user_stop(void **state)
{
	(void)state;

	begin(5);
	franka_robot_user_stop(&robot, true);
	franka_robot_reflex(&robot, FCI_ERROR_joint_reflex);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_REFLEX);
	recover();
	rest_for(2);
	assert_int_equal(seen.robot_mode, FCI_MODE_USER_STOPPED);
	assert_int_equal(ask_move(0, 0), FCI_STATUS_NOT_POSSIBLE);
}

/* ---- beyond a limit ------------------------------------------------------------------------------------------------------------ */

static void an_arm_driven_into_a_limit_comes_back(void **state)
{
	(void)state;
	const double limit = 1.7628;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	drive(1, 2.1, 600);
	drive_on(1, 2.1, 3000);
	assert_int_equal(seen.reflex_reason[FCI_ERROR_joint_motion_generator_position_limits_violation], 1);
	for (int k = 0; k < 600 && seen.dq_d[1] != 0.0; k++)
		step(NULL);
	assert_true(seen.dq[1] > 0.01); /* the arm itself comes to rest a little later, and recovery with it */
	recover();
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_RECOVERY);
	rest_for(100);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
	assert_true(seen.q[1] > limit - 0.01 && seen.q[1] < limit + 1e-4); /* a stop, not a braking distance */
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	drive(1, -0.5, 500);
	assert_true(seen.q[1] < limit - 0.1);
}

/* A client of another generation left the arm where this one's range has ended. */
static void an_arm_left_beyond_a_limit_comes_back(void **state)
{
	(void)state;
	double q[7], nm = 0.0;

	memcpy(q, ready, sizeof q);
	q[5] = 4.2;
	begin_at(10, q);
	franka_robot_leave(&robot);
	franka_robot_connect(&robot, 5);
	step(NULL);
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_JOINT_VELOCITY);
	push(5, &nm, 0.0, 100);
	push(5, &nm, -1.0, 100);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	assert_true(seen.q[5] < 4.19);
	franka_robot_request(&robot, FCI_STOP_MOVE, NULL);
	rest_for(300);
	assert_true(seen.q[5] > 3.8); /* braking there is no jump to the limit */
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	drive(5, -0.2, 500);
	begin_at(5, q);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	struct fci_motion m = hold();

	m.dq_c[5] = 1e-4;
	step(&m);
	assert_int_equal(seen.reflex_reason[FCI_ERROR_joint_motion_generator_position_limits_violation], 1);
}

static void torques_into_a_limit_and_back(void **state)
{
	(void)state;
	double nm = 0.0;

	begin(10);
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_NONE);
	push(6, &nm, 0.3, 3000);
	assert_int_equal(seen.reflex_reason[FCI_ERROR_joint_position_limits_violation], 1);
	assert_int_equal(seen.reflex_reason[FCI_ERROR_joint_velocity_violation], 0);
	rest_for(500);
	assert_true(seen.q[6] > 3.05 && seen.q[6] < 3.06);
	recover();
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_NONE);
	nm = 0.0;
	push(6, &nm, -0.3, 300);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	assert_true(seen.q[6] < 3.0);
	begin(10);
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_NONE);
	nm = 0.0;
	push(6, &nm, 2.5, 3000);
	assert_int_equal(seen.reflex_reason[FCI_ERROR_joint_velocity_violation], 1);
	assert_true(seen.q[6] < 3.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_is_over_when_the_arm_stands),
		cmocka_unit_test(a_motion_asked_for_in_braking_begins_when_the_arm_stands),
		cmocka_unit_test(a_stop_and_a_move_at_once),
		cmocka_unit_test(torques_that_end_at_speed_end_when_the_arm_stands),
		cmocka_unit_test(a_refused_command_brakes_the_arm_without_a_step),
		cmocka_unit_test(refused_torques_brake_the_arm_without_a_step),
		cmocka_unit_test(errors_are_shown_until_the_arm_has_stood),
		cmocka_unit_test(a_user_stop_in_braking_leaves_no_errors),
		cmocka_unit_test(recovery_is_over_when_the_arm_stands),
		cmocka_unit_test(recovery_does_not_lift_a_user_stop),
		cmocka_unit_test(an_arm_driven_into_a_limit_comes_back),
		cmocka_unit_test(an_arm_left_beyond_a_limit_comes_back),
		cmocka_unit_test(torques_into_a_limit_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
