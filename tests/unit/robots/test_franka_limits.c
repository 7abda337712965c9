/* test_franka_limits.c - every limit that the simulated Franka holds commands against, by its own error, and what is still within. */
#include "robots/sim/franka/robot.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/franka_client.h"

/* The reflex has this reason, and with `alone` no other. */
static void expect_reason(enum fci_error why, bool alone)
{
	assert_int_equal(seen.robot_mode, FCI_MODE_REFLEX);
	for (int i = 0; i < FCI_ERRORS; i++) {
		if (i != (int)why && alone && seen.reflex_reason[i])
			print_error("also %s\n", fci_error_name((enum fci_error)i));
		assert_true(i == (int)why ? seen.reflex_reason[i] == 1 : !alone || seen.reflex_reason[i] == 0);
	}
}

/* A twist along one axis, held from now on; commands until the motion ends. */
static void twist_on(int axis, double speed, int ms)
{
	for (int k = 0; k < ms && seen.robot_mode == FCI_MODE_MOVE; k++) {
		struct fci_motion m = hold();

		m.O_dP_EE_c[axis] = speed;
		step(&m);
	}
}

static void ramp_twist(int axis, double speed, int ms)
{
	for (int k = 1; k <= ms && seen.robot_mode == FCI_MODE_MOVE; k++) {
		struct fci_motion m = hold();

		m.O_dP_EE_c[axis] = speed * quintic(k * 1e-3, ms * 1e-3);
		step(&m);
	}
}

static void begin_twists(uint32_t version)
{
	begin(version);
	start_move(0, FCI_MOVE_CARTESIAN_VELOCITY);
	twist_on(0, 0.0, 1);
}

/* One step of the twist from rest: speed, then 1e3 times that of acceleration, then 1e6 times of jerk. */
static void twists_have_limits(void **state)
{
	(void)state;
	static const struct {
		uint32_t version;
		int axis;
		double within, jerky, rough;
	} row[] = {
		{ 5, 1, 0.0064, 0.0067, 0.0135 },
		{ 5, 5, 0.0124, 0.0128, 0.0255 },
		{ 10, 1, 0.0044, 0.0047, 0.0093 },
		{ 10, 5, 0.0084, 0.0088, 0.0175 },
	};

	for (size_t n = 0; n < sizeof row / sizeof *row; n++) {
		begin_twists(row[n].version);
		twist_on(row[n].axis, row[n].within, 1);
		assert_false(seen.reflex_reason[FCI_ERROR_cartesian_motion_generator_acceleration_discontinuity]);
		begin_twists(row[n].version);
		twist_on(row[n].axis, row[n].jerky, 1);
		expect_reason(FCI_ERROR_cartesian_motion_generator_acceleration_discontinuity, true);
		begin_twists(row[n].version);
		twist_on(row[n].axis, row[n].rough, 1);
		expect_reason(FCI_ERROR_cartesian_motion_generator_velocity_discontinuity, false);
	}
}

static void turning_has_a_speed_limit(void **state)
{
	(void)state;

	begin_twists(10);
	ramp_twist(5, 2.45, 700);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	begin_twists(10);
	ramp_twist(5, 2.56, 700);
	expect_reason(FCI_ERROR_cartesian_motion_generator_velocity_limits_violation, true);
}

/* From a bent arm outwards: at first the joints can, then they cannot. Commands end after `commands`. */
static void stretch(int commands, int silence)
{
	const double bent[7] = { 0, 0.3, 0, -1.2, 0, 1.6, 0.785 };
	double out[3];

	begin_at(5, bent);
	start_move(0, FCI_MOVE_CARTESIAN_VELOCITY);
	const double from[3] = { seen.O_T_EE[12], seen.O_T_EE[13], seen.O_T_EE[14] - 0.333 };

	for (int i = 0; i < 3; i++)
		out[i] = from[i] / vec3_norm(from);
	for (int k = 1; k <= commands + silence && seen.robot_mode == FCI_MODE_MOVE; k++) {
		struct fci_motion m = hold();

		for (int i = 0; i < 3; i++)
			m.O_dP_EE_c[i] = 0.2 * quintic(k * 1e-3, 0.3) * out[i];
		step(k <= commands ? &m : NULL);
		for (int i = 0; i < 7; i++)
			assert_true(fabs(seen.dq_d[i]) < 1.011 * robot.generator.limits->model->dq_max_rad_s[i]);
	}
}

/* Near the stretched arm a gentle twist asks too much of the joints. */
static void twists_are_checked_in_the_joints_too(void **state)
{
	(void)state;

	stretch(1500, 0);
	assert_int_equal(seen.robot_mode, FCI_MODE_REFLEX);
	assert_true(seen.reflex_reason[FCI_ERROR_cartesian_motion_generator_joint_velocity_limits_violation] ||
			seen.reflex_reason[FCI_ERROR_cartesian_motion_generator_joint_velocity_discontinuity] ||
			seen.reflex_reason[FCI_ERROR_cartesian_motion_generator_joint_acceleration_discontinuity]);
	assert_false(seen.reflex_reason[FCI_ERROR_cartesian_motion_generator_velocity_discontinuity]);
}

/* Also where nobody commands it the arm does not leap to where its pose would go on to. */
static void a_pose_does_not_go_on_faster_than_the_joints_can(void **state)
{
	(void)state;

	stretch(287, 0);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	for (int commands = 275; commands <= 287; commands++) {
		stretch(commands, 19);
		expect_reason(FCI_ERROR_cartesian_motion_generator_joint_velocity_limits_violation, true);
	}
}

/* What the arm can still do near a singular posture, it does exactly. */
static void poses_near_a_singular_posture_are_exact(void **state)
{
	(void)state;
	const double near[7] = { 0.2, 0.3, -0.1, -0.5, 0.1, 0.8, 0.785 }; /* a fiftieth of the ready posture's manipulability */
	double start[16];
	struct pose wanted, found;

	begin_at(10, near);
	start_move(0, FCI_MOVE_CARTESIAN_POSITION);
	memcpy(start, seen.O_T_EE_d, sizeof start);
	for (int k = 1; k <= 2000; k++) {
		struct fci_motion m = hold();
		double missing[6];

		memcpy(m.O_T_EE_c, start, sizeof start);
		m.O_T_EE_c[14] -= 0.02 * quintic(k * 1e-3, 2.0);
		step(&m);
		assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
		assert_true(franka_pose_take(m.O_T_EE_c, &wanted));
		kinematics_forward(robot.generator.limits->model, &robot.generator.flange_to_ee, robot.generator.d.q_rad, &found);
		pose_difference(&found, &wanted, missing);
		assert_true(vec3_norm(missing) < 1e-9 && vec3_norm(missing + 3) < 1e-9);
	}
}

static void the_elbow_has_limits(void **state)
{
	(void)state;
	static const struct {
		double first, then;
		enum fci_error why;
	} row[] = {
		{ 0.02, 0.02, FCI_ERROR_cartesian_motion_generator_start_elbow_invalid },
		{ 0.0, 0.00012, FCI_ERROR_cartesian_motion_generator_elbow_limit_violation },
		{ 0.0, 6e-6, FCI_ERROR_cartesian_motion_generator_elbow_limit_violation }, /* by its jerk alone */
	};

	for (size_t n = 0; n < sizeof row / sizeof *row; n++) {
		begin(5);
		start_move(0, FCI_MOVE_CARTESIAN_POSITION);
		for (int k = 0; k < 2 && seen.robot_mode == FCI_MODE_MOVE; k++) {
			struct fci_motion m = hold();

			m.valid_elbow = 1;
			m.elbow_c[0] = ready[2] + (k == 0 ? row[n].first : row[n].then);
			m.elbow_c[1] = -1.0;
			step(&m);
		}
		expect_reason(row[n].why, n > 0);
	}
}

/* What libfranka 0.11 to 0.17 lets through towards the limit of joint 1: its own limit, its own offset. */
static double libfranka_bound(double q_rad)
{
	return -0.30 + sqrt(fmax(0.0, 12.0 * (2.7501 - q_rad))) - 0.001;
}

static double drive_along_bound(uint32_t version, double top, double factor)
{
	double q[7];

	memcpy(q, ready, sizeof q);
	q[0] = 2.0;
	begin_at(version, q);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	for (int k = 1; k <= 4000 && seen.robot_mode == FCI_MODE_MOVE; k++) {
		struct fci_motion m = hold();

		m.dq_c[0] = fmin(top * quintic(k * 1e-3, 0.3), factor * fmax(0.0, libfranka_bound(seen.q_d[0])));
		step(&m);
	}
	return seen.q_d[0];
}

static void speed_towards_a_limit_is_bounded(void **state)
{
	(void)state;

	for (uint32_t version = 6; version <= 9; version++) {
		assert_true(drive_along_bound(version, 0.8, 1.0) > 2.73);
		assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
		drive_along_bound(version, 0.8, 1.05);
		expect_reason(FCI_ERROR_joint_motion_generator_velocity_limits_violation, true);
	}
	/* 1.5 rad/s from system 5.9 on: up to 2.9007 - (1.5 + 0.6599)^2 / 12. */
	double q = drive_along_bound(10, 1.5, INFINITY);

	assert_true(q > 2.51 && q < 2.53);
	expect_reason(FCI_ERROR_joint_motion_generator_velocity_limits_violation, true);
}

static void position_errors_have_their_generations_names(void **state)
{
	(void)state;

	for (uint32_t version = 5; version <= 10; version++) {
		begin(version);
		start_move(0, FCI_MOVE_JOINT_POSITION);
		for (int k = 0; k < 2; k++) {
			struct fci_motion m = hold();

			m.q_c[3] = k == 0 ? m.q_c[3] : 0.1;
			step(&m);
		}
		expect_reason(version >= 9 ? FCI_ERROR_joint_position_limits_violation : FCI_ERROR_joint_motion_generator_position_limits_violation,
				false);
		assert_int_equal(seen.reflex_reason[FCI_ERROR_joint_position_limits_violation], version >= 9);
	}
}

/* ---- torques ----------------------------------------------------------------------------------------------------------------- */

static void torque_to(double from_nm, double to_nm, double rate_nm, int joint)
{
	for (double t = from_nm + rate_nm; t < to_nm && seen.robot_mode == FCI_MODE_MOVE; t += rate_nm) {
		struct fci_motion m = { .message_id = seen.message_id };

		m.tau_J_d[joint] = t;
		step(&m);
	}
}

static void torques_have_limits(void **state)
{
	(void)state;

	for (int n = 0; n < 2; n++) {
		begin(5);
		start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_JOINT_VELOCITY);
		torque_to(0.0, 2.5, n ? 1.05 : 1.0, 0);
		if (n)
			expect_reason(FCI_ERROR_controller_torque_discontinuity, true);
		else
			assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	}
	begin(5);
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_JOINT_VELOCITY);
	torque_to(0.0, 11.9, 0.99, 4);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	torque_to(11.88, 13.0, 0.5, 4);
	expect_reason(FCI_ERROR_tau_J_range_violation, true);
}

/* Joint 7 alone: 0.1 kg m^2 of the motor and next to nothing of the hand. */
static void torques_accelerate_the_motors(void **state)
{
	(void)state;

	begin(5);
	start_move(FCI_CONTROL_EXTERNAL, FCI_MOVE_JOINT_VELOCITY);
	for (int k = 0; k < 100; k++) {
		struct fci_motion m = { .message_id = seen.message_id, .tau_J_d = { [6] = 0.5 } };

		step(&m);
	}
	assert_true(seen.dq[6] > 0.42 && seen.dq[6] < 0.52);
}

/* ---- what a state says --------------------------------------------------------------------------------------------------------- */

static void the_desired_twist_is_that_of_the_pose(void **state)
{
	(void)state;
	double before[3];

	begin(5);
	start_move(0, FCI_MOVE_JOINT_VELOCITY);
	for (int k = 1; k <= 500; k++) {
		struct fci_motion m = hold();

		m.dq_c[1] = 0.5 * quintic(k * 1e-3, 0.5);
		memcpy(before, seen.O_T_EE_d + 12, sizeof before);
		step(&m);
	}
	for (int i = 0; i < 3; i++)
		assert_true(fabs(seen.O_dP_EE_d[i] - (seen.O_T_EE_d[12 + i] - before[i]) / 1e-3) < 1e-3);
	assert_true(fabs(seen.O_dP_EE_d[2]) > 0.1);
}

/* Without commands the joints go along with the pose. */
static void a_pose_that_goes_on_takes_the_joints_along(void **state)
{
	(void)state;
	struct pose wanted, found;
	double missing[6];

	begin_twists(5);
	ramp_twist(1, 0.2, 300);
	double y = seen.O_T_EE[13];

	for (int k = 0; k < 10; k++)
		step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	assert_true(fabs(seen.O_T_EE[13] - y - 0.002) < 1e-4);
	assert_true(franka_pose_take(seen.O_T_EE_d, &wanted) && franka_pose_take(seen.O_T_EE, &found));
	pose_difference(&found, &wanted, missing);
	assert_true(vec3_norm(missing) < 1e-5 && vec3_norm(missing + 3) < 1e-5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twists_have_limits),
		cmocka_unit_test(turning_has_a_speed_limit),
		cmocka_unit_test(twists_are_checked_in_the_joints_too),
		cmocka_unit_test(a_pose_does_not_go_on_faster_than_the_joints_can),
		cmocka_unit_test(poses_near_a_singular_posture_are_exact),
		cmocka_unit_test(the_elbow_has_limits),
		cmocka_unit_test(speed_towards_a_limit_is_bounded),
		cmocka_unit_test(position_errors_have_their_generations_names),
		cmocka_unit_test(torques_have_limits),
		cmocka_unit_test(torques_accelerate_the_motors),
		cmocka_unit_test(the_desired_twist_is_that_of_the_pose),
		cmocka_unit_test(a_pose_that_goes_on_takes_the_joints_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
