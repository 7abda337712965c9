/* test_franka_robot.c - the simulated Franka's motions, checks and modes, driven by a client on virtual time that speaks its protocol
 * as libfranka does: each command answers the newest state. */
#include "robots/sim/franka/robot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/franka_client.h"

static void finish_with(struct fci_motion m)
{
	m.motion_finished = 1;
	for (int i = 0; i < 10 && seen.robot_mode == FCI_MODE_MOVE; i++) {
		m.message_id = seen.message_id;
		step(&m);
	}
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
	assert_int_equal(seen.generator_mode, FCI_GENERATOR_IDLE);
	assert_int_not_equal(seen.controller_mode, FCI_CONTROL_EXTERNAL);
	expect_end(FCI_STATUS_SUCCESS);
}

static void joint_positions_are_followed(void **state)
{
	(void)state;

	for (uint32_t version = FCI_VERSION_MIN; version <= FCI_VERSION_MAX; version++) {
		struct fci_motion m;
		double worst = 0.0;

		begin(version);
		start_move(FCI_CONTROL_JOINT_IMPEDANCE, FCI_MOVE_JOINT_POSITION);
		for (int k = 1; k <= 2000; k++) {
			m = hold();
			for (int i = 0; i < 7; i++)
				m.q_c[i] = ready[i] + 0.2 * quintic(k * 1e-3, 2.0);
			step(&m);
			assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
			for (int i = 0; i < 7; i++) {
				assert_true(seen.q_d[i] == m.q_c[i] || fabs(seen.q_d[i] - m.q_c[i]) < 1e-12);
				worst = fmax(worst, fabs(seen.q[i] - m.q_c[i]));
			}
		}
		assert_true(worst < 1e-4);
		assert_true(seen.success_rate == 1.0);
		finish_with(m);
		for (int i = 0; i < 7; i++)
			assert_true(fabs(seen.q[i] - ready[i] - 0.2) < 1e-5);
		assert_true(seen.success_rate == 0.0);
	}
}

static void joint_velocities_are_integrated(void **state)
{
	(void)state;
	struct fci_motion m;

	begin(5);
	start_move(FCI_CONTROL_JOINT_IMPEDANCE, FCI_MOVE_JOINT_VELOCITY);
	for (int k = 1; k <= 2000; k++) {
		m = hold();
		m.dq_c[3] = 0.2 * quintic_rate(k * 1e-3, 2.0);
		step(&m);
	}
	finish_with(m);
	assert_true(fabs(seen.q[3] - ready[3] - 0.2) < 1e-5);
}

static void poses_are_reached(void **state)
{
	(void)state;
	double start[16];
	struct fci_motion m;

	begin(10);
	memcpy(start, seen.O_T_EE, sizeof start);
	start_move(FCI_CONTROL_CARTESIAN_IMPEDANCE, FCI_MOVE_CARTESIAN_POSITION);
	for (int k = 1; k <= 2000; k++) {
		m = hold();
		memcpy(m.O_T_EE_c, start, sizeof start);
		m.O_T_EE_c[13] += 0.05 * quintic(k * 1e-3, 2.0);
		step(&m);
		assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	}
	finish_with(m);
	assert_true(fabs(seen.O_T_EE[13] - start[13] - 0.05) < 1e-5);
	assert_true(fabs(seen.O_T_EE[12] - start[12]) < 1e-5);
}

static void twists_are_integrated_and_the_elbow_follows(void **state)
{
	(void)state;
	double start[16];
	struct fci_motion m;

	begin(7);
	memcpy(start, seen.O_T_EE, sizeof start);
	start_move(FCI_CONTROL_JOINT_IMPEDANCE, FCI_MOVE_CARTESIAN_VELOCITY);
	for (int k = 1; k <= 2000; k++) {
		m = hold();
		m.O_dP_EE_c[2] = -0.03 * quintic_rate(k * 1e-3, 2.0);
		m.valid_elbow = 1;
		m.elbow_c[0] = ready[2] + 0.1 * quintic(k * 1e-3, 2.0);
		m.elbow_c[1] = -1.0;
		step(&m);
		assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	}
	finish_with(m);
	assert_true(fabs(seen.O_T_EE[14] - start[14] + 0.03) < 1e-5);
	assert_true(fabs(seen.O_T_EE[12] - start[12]) < 1e-5);
	assert_true(fabs(seen.q[2] - ready[2] - 0.1) < 1e-5);
}

/* Zero torque floats; a stiff joint controller holds and moves, for all joints, light ones too. */
static void torques_move_the_arm(void **state)
{
	(void)state;
	static const double stiffness[7] = { 600, 600, 600, 600, 250, 150, 50 }, damping[7] = { 50, 50, 50, 50, 30, 25, 15 };

	for (uint32_t version = 5; version <= 10; version += 5) {
		struct fci_motion m = { 0 };
		double last[7] = { 0 };

		begin(version);
		start_move(FCI_CONTROL_EXTERNAL, version == 10 ? FCI_MOVE_NONE : FCI_MOVE_JOINT_VELOCITY);
		for (int k = 0; k < 1000; k++) {
			m.message_id = seen.message_id;
			step(&m);
		}
		for (int i = 0; i < 7; i++)
			assert_true(fabs(seen.q[i] - ready[i]) < 1e-9);
		for (int k = 1; k <= 4000; k++) {
			m.message_id = seen.message_id;
			for (int i = 0; i < 7; i++) {
				double goal = ready[i] + 0.2 * quintic(k * 1e-3, 2.0);
				double tau = stiffness[i] * (goal - seen.q[i]) - damping[i] * seen.dq[i];

				m.tau_J_d[i] = last[i] + fmin(fmax(tau - last[i], -0.99), 0.99);
				last[i] = m.tau_J_d[i];
			}
			step(&m);
			assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
		}
		for (int i = 0; i < 7; i++)
			assert_true(fabs(seen.q[i] - ready[i] - 0.2) < 1e-3);
		m.torque_finished = version == 10;
		m.motion_finished = version == 5;
		finish_with(m);
	}
}

/* ---- what ends a motion --------------------------------------------------------------------------------------------------- */

static void expect_reflex(enum fci_error why)
{
	assert_int_equal(seen.robot_mode, FCI_MODE_REFLEX);
	assert_int_equal(seen.generator_mode, FCI_GENERATOR_IDLE);
	assert_int_equal(seen.controller_mode, FCI_CONTROL_OTHER);
	if (!seen.reflex_reason[why])
		for (int i = 0; i < FCI_ERRORS; i++)
			if (seen.reflex_reason[i])
				print_error("%s\n", fci_error_name((enum fci_error)i));
	assert_int_equal(seen.reflex_reason[why], 1);
	expect_end(FCI_STATUS_REFLEX_ABORTED);
	assert_int_equal(ask_move(0, 0), FCI_STATUS_NOT_POSSIBLE);
	for (int k = 0; k < 500; k++)
		step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_REFLEX);
	assert_int_equal(seen.errors[why], 0);
	assert_int_equal(franka_robot_request(&robot, FCI_AUTOMATIC_ERROR_RECOVERY, NULL), FCI_STATUS_SUCCESS);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
	assert_int_equal(seen.reflex_reason[why], 1);
	start_move(0, 0);
	assert_int_equal(seen.reflex_reason[why], 0);
}

static void send_once(uint32_t generator, void (*spoil)(struct fci_motion *))
{
	begin(5);
	start_move(0, generator);
	struct fci_motion m = hold();

	step(&m);
	m = hold();
	spoil(&m);
	step(&m);
}

static void far_joint(struct fci_motion *m) { m->q_c[2] += 0.01; }
static void fast_joint(struct fci_motion *m) { m->dq_c[1] = 3.0; }
static void jerky_joint(struct fci_motion *m) { m->dq_c[1] = 0.007; }
static void beyond_joint(struct fci_motion *m) { m->q_c[3] = 0.1; }
static void far_pose(struct fci_motion *m) { m->O_T_EE_c[12] += 0.01; }
static void no_pose(struct fci_motion *m) { m->O_T_EE_c[0] = 0.9; }
static void no_bottom_row(struct fci_motion *m) { m->O_T_EE_c[15] = 0.0; }
static void fast_twist(struct fci_motion *m) { m->O_dP_EE_c[0] = 2.0; }
static void elbow_sign(struct fci_motion *m) { m->valid_elbow = 1; m->elbow_c[1] = 1.0; }

static void discontinuities_are_reflexes(void **state)
{
	(void)state;

	send_once(FCI_MOVE_JOINT_POSITION, far_joint);
	expect_reflex(FCI_ERROR_joint_motion_generator_velocity_discontinuity);
	send_once(FCI_MOVE_JOINT_VELOCITY, fast_joint);
	expect_reflex(FCI_ERROR_joint_motion_generator_velocity_limits_violation);
	send_once(FCI_MOVE_JOINT_VELOCITY, jerky_joint);
	expect_reflex(FCI_ERROR_joint_motion_generator_acceleration_discontinuity);
	send_once(FCI_MOVE_JOINT_POSITION, beyond_joint);
	expect_reflex(FCI_ERROR_joint_motion_generator_position_limits_violation);
	send_once(FCI_MOVE_CARTESIAN_POSITION, far_pose);
	expect_reflex(FCI_ERROR_cartesian_motion_generator_velocity_discontinuity);
	send_once(FCI_MOVE_CARTESIAN_POSITION, no_pose);
	expect_reflex(FCI_ERROR_cartesian_position_motion_generator_invalid_frame_flag);
	send_once(FCI_MOVE_CARTESIAN_POSITION, no_bottom_row);
	expect_reflex(FCI_ERROR_cartesian_position_motion_generator_invalid_frame_flag);
	send_once(FCI_MOVE_CARTESIAN_VELOCITY, fast_twist);
	expect_reflex(FCI_ERROR_cartesian_motion_generator_velocity_limits_violation);
	send_once(FCI_MOVE_CARTESIAN_POSITION, elbow_sign);
	expect_reflex(FCI_ERROR_cartesian_motion_generator_elbow_sign_inconsistent);
}

static void a_motion_starts_where_the_arm_is(void **state)
{
	(void)state;
	struct fci_motion m;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_POSITION);
	m = hold();
	m.q_c[0] += 0.02;
	step(&m);
	expect_reflex(FCI_ERROR_joint_position_motion_generator_start_pose_invalid);
	begin(10);
	start_move(0, FCI_MOVE_CARTESIAN_POSITION);
	m = hold();
	m.O_T_EE_c[14] += 0.02;
	step(&m);
	expect_reflex(FCI_ERROR_cartesian_position_motion_generator_start_pose_invalid);
}

static void torque_steps_are_reflexes(void **state)
{
	(void)state;
	struct fci_motion m;

	begin(5);
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_JOINT_VELOCITY);
	m = hold();
	m.tau_J_d[6] = 2.0;
	step(&m);
	expect_reflex(FCI_ERROR_controller_torque_discontinuity);
}

static void what_is_no_number_aborts(void **state)
{
	(void)state;
	const double bad[] = { NAN, INFINITY, -INFINITY };

	for (int n = 0; n < 3; n++) {
		struct fci_motion m;

		begin(5);
		start_move(0, FCI_MOVE_JOINT_POSITION);
		m = hold();
		m.tau_J_d[3] = bad[n];
		step(&m);
		expect_end(FCI_STATUS_INPUT_ERROR_ABORTED);
		assert_int_equal(seen.robot_mode, FCI_MODE_IDLE);
		for (int i = 0; i < 7; i++)
			assert_true(fabs(seen.q[i] - ready[i]) < 1e-9);
	}
}

/* Missing commands: the motion goes on with constant acceleration, within limits; 20 in a row end it. */
static void missing_commands_are_extrapolated(void **state)
{
	(void)state;

	for (int missing = 1; missing <= 20; missing += missing < 17 ? 4 : missing < 19 ? 2 : 1) {
		struct fci_motion m;
		double dq[7];

		begin(10);
		start_move(0, FCI_MOVE_JOINT_POSITION);
		for (int k = 1; k <= 2000 && robot.moving; k++) {
			m = hold();
			for (int i = 0; i < 7; i++)
				m.q_c[i] = ready[i] + 0.2 * quintic(k * 1e-3, 2.0);
			memcpy(dq, seen.dq_d, sizeof dq);
			step(k >= 600 && k < 600 + missing ? NULL : &m);
			for (int i = 0; i < 7; i++)
				assert_true(fabs(seen.dq_d[i] - dq[i]) < 0.0101);
		}
		if (missing < 20) {
			assert_int_equal(robot.counters.longest_row, missing);
			finish_with(m);
			assert_true(fabs(seen.q[0] - ready[0] - 0.2) < 1e-5);
		} else {
			expect_reflex(FCI_ERROR_communication_constraints_violation);
		}
	}
}

/* A command for an older state is not applied: it would be a step. Twice the same counts once. */
static void late_and_repeated_commands_do_nothing(void **state)
{
	(void)state;
	struct fci_motion late, m;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_POSITION);
	late = hold();
	step(&late);
	m = hold();
	late.q_c[0] += 1.0;
	franka_robot_offer(&robot, &late);
	step(&m);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	assert_int_equal(robot.counters.late, 1);
	assert_true(seen.success_rate == 1.0);
	for (int k = 3; k <= 99; k++) {
		struct fci_motion same = m = hold();

		franka_robot_offer(&robot, &m);
		step(&same); /* twice in its period: once */
		franka_robot_offer(&robot, &same); /* and when its period is over: late */
	}
	assert_int_equal(robot.counters.commands, 99);
	assert_int_equal(robot.counters.late, 98);
	step(NULL);
	assert_true(seen.success_rate == 0.99);
}

static void a_client_that_never_commands_is_left(void **state)
{
	(void)state;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_POSITION);
	for (int k = 0; k < 1100 && robot.moving; k++)
		step(NULL);
	expect_reflex(FCI_ERROR_communication_constraints_violation);
}

static void a_rushed_end_is_a_reflex(void **state)
{
	(void)state;
	struct fci_motion m;

	begin(5);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	for (int k = 1; k <= 1000; k++) {
		m = hold();
		m.dq_c[3] = 0.2 * quintic_rate(k * 1e-3, 2.0);
		step(&m);
	}
	m = hold();
	m.dq_c[3] = seen.dq_d[3];
	m.motion_finished = 1;
	step(&m);
	expect_reflex(FCI_ERROR_joint_motion_generator_velocity_discontinuity);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joint_positions_are_followed),
		cmocka_unit_test(joint_velocities_are_integrated),
		cmocka_unit_test(poses_are_reached),
		cmocka_unit_test(twists_are_integrated_and_the_elbow_follows),
		cmocka_unit_test(torques_move_the_arm),
		cmocka_unit_test(discontinuities_are_reflexes),
		cmocka_unit_test(a_motion_starts_where_the_arm_is),
		cmocka_unit_test(torque_steps_are_reflexes),
		cmocka_unit_test(what_is_no_number_aborts),
		cmocka_unit_test(missing_commands_are_extrapolated),
		cmocka_unit_test(late_and_repeated_commands_do_nothing),
		cmocka_unit_test(a_client_that_never_commands_is_left),
		cmocka_unit_test(a_rushed_end_is_a_reflex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
