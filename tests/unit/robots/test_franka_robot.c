/* test_franka_robot.c - the simulated Franka's motions, checks and modes, driven by a client on virtual time that speaks its protocol
 * as libfranka does: each command answers the newest state. */
#include "robots/sim/franka/robot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HALF_PI 1.57079632679489662
static const double ready[7] = { 0, -HALF_PI / 2, 0, -1.5 * HALF_PI, 0, HALF_PI, HALF_PI / 2 };

static struct franka_robot robot;
static struct fci_state seen;

static void step(const struct fci_motion *command)
{
	if (command)
		franka_robot_offer(&robot, command);
	franka_robot_step(&robot);
	franka_robot_state(&robot, &seen);
}

static void begin(uint32_t version)
{
	franka_robot_init(&robot, ready);
	franka_robot_connect(&robot, version);
	step(NULL);
}

static enum fci_status ask_move(uint32_t controller, uint32_t generator)
{
	struct fci_move m = { controller, generator, { 10.0, 3.12, 6.28 }, { 10.0, 3.12, 6.28 } };
	uint8_t payload[sizeof m];

	memcpy(payload, &m, sizeof m);
	return franka_robot_request(&robot, FCI_MOVE, payload);
}

static void start_move(uint32_t controller, uint32_t generator)
{
	assert_int_equal(ask_move(controller, generator), FCI_STATUS_MOTION_STARTED);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	assert_int_equal(seen.generator_mode, generator + 1);
	assert_int_equal(seen.controller_mode, controller);
}

static struct fci_motion hold(void)
{
	struct fci_motion m = { .message_id = seen.message_id };

	memcpy(m.q_c, seen.q_d, sizeof m.q_c);
	memcpy(m.O_T_EE_c, seen.O_T_EE_c, sizeof m.O_T_EE_c);
	return m;
}

static void expect_end(enum fci_status want)
{
	enum fci_status status;

	assert_true(franka_robot_take_end(&robot, &status));
	assert_int_equal(status, want);
	assert_false(franka_robot_take_end(&robot, &status));
}

/* Quintic from 0 to 1 over T. */
static double quintic(double t, double length)
{
	double s = fmin(fmax(t / length, 0.0), 1.0);

	return s * s * s * (10.0 - 15.0 * s + 6.0 * s * s);
}

static double quintic_rate(double t, double length)
{
	double s = fmin(fmax(t / length, 0.0), 1.0);

	return 30.0 * s * s * (1.0 - s) * (1.0 - s) / length;
}

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

	for (int missing = 1; missing <= 21; missing += 4) {
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
		if (missing < FRANKA_MISSES_MAX) {
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
	step(NULL);
	assert_true(seen.success_rate < 1.0);
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
		cmocka_unit_test(stopping_preempts),
		cmocka_unit_test(hands_stop_the_robot),
		cmocka_unit_test(a_client_that_goes_leaves_an_idle_robot),
		cmocka_unit_test(bad_moves_are_refused),
		cmocka_unit_test(settings_have_ranges),
		cmocka_unit_test(noise_never_breaks_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
