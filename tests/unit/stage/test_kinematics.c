/* test_kinematics.c - forward kinematics against the makers' numbers, the Jacobian against differences, inverse kinematics
 * against forward. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

static const double pi = 3.14159265358979324;

/* Franka Hand: 45 degrees about z, 0.1034 m along it. */
static struct pose hand(void)
{
	struct pose p = { .p_m = { 0.0, 0.0, 0.1034 } };

	quat_from_rotvec((double[3]){ 0.0, 0.0, -pi / 4.0 }, p.q_xyzw);
	return p;
}

static void expect_pose(const struct pose *p, const double *position, const double columns[3][3], double tolerance)
{
	double r[3][3];

	quat_to_matrix(p->q_xyzw, r);
	for (int i = 0; i < 3; i++) {
		assert_true(fabs(p->p_m[i] - position[i]) < tolerance);
		for (int k = 0; k < 3; k++)
			assert_true(fabs(r[k][i] - columns[i][k]) < tolerance);
	}
}

/* Real samples of a Panda with hand, recorded through libfranka: q and O_T_EE. */
static void panda_matches_recorded_samples(void **state)
{
	static const struct {
		double q[7], p[3], column[3][3];
	} sample[] = {
		{ { 0.0167305, -0.762614, -0.0207622, -2.34352, -0.0305686, 1.53975, 0.753872 }, { 0.305468, -0.00814133, 0.483198 },
			{ { 0.998578, 0.0328747, -0.0417381 }, { 0.0335224, -0.999317, 0.0149157 }, { -0.04122, -0.016294, -0.999017 } } },
		{ { 0.361567, 1.47881, 0.530308, -1.4219, 2.88587, 1.92019, 0.375797 }, { 0.518612, 0.548305, -0.0843891 },
			{ { 0.00157337, 0.0491855, -0.998779 }, { -0.625286, 0.779487, 0.0374013 }, { 0.78039, 0.624475, 0.031982 } } },
	};
	struct pose tcp = hand(), p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		kinematics_forward(robot_model_find("panda"), &tcp, sample[i].q, &p);
		expect_pose(&p, sample[i].p, sample[i].column, 3e-5);
	}
}

static void franka_known_postures(void **state)
{
	static const double down[3][3] = { { 1, 0, 0 }, { 0, -1, 0 }, { 0, 0, -1 } };
	static const char *const names[] = { "panda", "fr3", "fr3_5.9" };
	const double zero[7] = { 0 };
	struct pose tcp = hand(), p;

	(void)state;
	for (int i = 0; i < 3; i++) {
		const struct robot_model *m = robot_model_find(names[i]);

		kinematics_forward(m, &tcp, m->home_rad, &p);
		expect_pose(&p, (double[3]){ 0.306891, 0.0, 0.486882 }, down, 1e-6);
		kinematics_forward(m, &pose_identity, zero, &p);
		expect_pose(&p, (double[3]){ 0.088, 0.0, 0.926 }, down, 1e-9);
	}
}

/* Within 0.01 mm and 0.001 degree. */
static void expect_flange(const char *model, const double q_deg[6], const double p_mm[3], const double rpy_deg[3])
{
	const double deg = pi / 180.0, rpy[3] = { rpy_deg[0] * deg, rpy_deg[1] * deg, rpy_deg[2] * deg };
	double q[DOF_MAX] = { 0 }, turn[4], want[4], apart[3];
	struct pose p;

	for (int i = 0; i < 6; i++)
		q[i] = q_deg[i] * deg;
	kinematics_forward(robot_model_find(model), &pose_identity, q, &p);
	for (int i = 0; i < 3; i++)
		assert_true(fabs(p.p_m[i] * 1e3 - p_mm[i]) < 0.01);
	quat_from_rpy(rpy, want);
	quat_conjugate(want, want);
	quat_multiply(p.q_xyzw, want, turn);
	quat_to_rotvec(turn, apart);
	assert_true(vec3_norm(apart) < 0.001 * deg);
}

/* Values of the maker's SDK (its forward kinematics with dh_is_offset = 1, and 0 for the old zero), mm and degrees. */
static void piper_matches_its_sdk(void **state)
{
	static const struct {
		double q_deg[6], p_mm[3], rpy_deg[3], old_mm[3];
	} sample[] = {
		{ { 0, 0, 0, 0, 0, 0 }, { 56.1275, 0, 213.2663 }, { 0, 85, 0 }, { 54.953, 0, 203.3869 } },
		{ { 0, 90, -90, 0, 0, 0 }, { 377.1183, 0, 457.0882 }, { 0, 85, 0 }, { 367.2389, 0, 458.2627 } },
		{ { 30, 45, -60, 20, -30, 10 }, { 107.4902, 44.0902, 523.5223 }, { 29.6311, 31.9298, 62.4096 }, { 100.7211, 40.182, 517.3671 } },
		{ { -90, 120, -100, -45, 60, -80 }, { -55.7259, -452.0397, 239.0077 }, { -162.0041, -40.7119, -178.5574 },
			{ -55.7259, -444.0712, 244.9645 } },
		{ { 11.459, 11.459, -11.459, 17.189, -11.459, 28.648 }, { 65.8535, 7.8976, 285.6493 }, { 68.5113, 41.4685, 83.3468 },
			{ 62.8017, 7.279, 276.2002 } },
	};

	(void)state;
	for (size_t s = 0; s < sizeof sample / sizeof sample[0]; s++) {
		expect_flange("piper", sample[s].q_deg, sample[s].p_mm, sample[s].rpy_deg);
		expect_flange("piper_1.6-2", sample[s].q_deg, sample[s].old_mm, sample[s].rpy_deg);
	}
}

static void jacobian_is_the_derivative(void **state)
{
	const struct robot_model *m = robot_model_find("panda");
	struct pose tcp = hand(), a, b;
	double j[6][DOF_MAX], apart[6], q[DOF_MAX];
	const double h = 1e-6;

	(void)state;
	memcpy(q, m->home_rad, sizeof q);
	q[0] = 0.4;
	q[2] = -0.3;
	kinematics_jacobian(m, &tcp, q, &a, j);
	for (uint32_t i = 0; i < m->dof; i++) {
		double near[DOF_MAX];

		memcpy(near, q, sizeof near);
		near[i] += h;
		kinematics_forward(m, &tcp, near, &b);
		pose_difference(&a, &b, apart);
		for (int r = 0; r < 6; r++)
			assert_true(fabs(apart[r] / h - j[r][i]) < 1e-5);
	}
}

static void newton_steps_reach_a_pose(void **state)
{
	static const char *const names[] = { "panda", "fr3", "piper" };

	(void)state;
	for (int n = 0; n < 3; n++) {
		const struct robot_model *m = robot_model_find(names[n]);
		struct pose goal, p, tcp = hand();
		double q[DOF_MAX] = { 0 }, apart[6], turn[4];
		struct ik_error e = { 1, 1 };

		memcpy(q, m->home_rad, sizeof q);
		kinematics_forward(m, &tcp, q, &goal);
		goal.p_m[0] += 0.05;
		goal.p_m[1] -= 0.04;
		quat_from_rotvec((double[3]){ 0.1, -0.1, 0.05 }, turn);
		quat_multiply(turn, goal.q_xyzw, goal.q_xyzw);
		for (int i = 0; i < 30; i++)
			e = ik_step(m, &tcp, &goal, 0.1, q);
		kinematics_forward(m, &tcp, q, &p);
		pose_difference(&p, &goal, apart);
		assert_true(vec3_norm(apart) < 1e-6 && vec3_norm(apart + 3) < 1e-6 && e.m < 1e-5);
	}
}

static void out_of_reach_stays_finite_and_inside_limits(void **state)
{
	const struct robot_model *m = robot_model_find("panda");
	struct pose goal = { .p_m = { 3.0, 1.0, 2.0 }, .q_xyzw = { 0, 0, 0, 1 } }, tcp = hand();
	double q[DOF_MAX];
	struct ik_error e = { 0, 0 };

	(void)state;
	memcpy(q, m->home_rad, sizeof q);
	for (int i = 0; i < 500; i++)
		e = ik_step(m, &tcp, &goal, 0.05, q);
	assert_true(e.m > 1.0);
	for (uint32_t i = 0; i < m->dof; i++)
		assert_true(q[i] >= m->q_min_rad[i] && q[i] <= m->q_max_rad[i]);
}

static void null_space_does_not_move_the_tcp(void **state)
{
	const struct robot_model *m = robot_model_find("panda");
	struct pose tcp = hand();
	const double wish[DOF_MAX] = { 1, -1, 0.5, 0.3, 2, -0.7, 1 };
	double dq[DOF_MAX], size = 0.0;
	struct ik k;

	(void)state;
	ik_prepare(&k, m, &tcp, m->home_rad);
	ik_null_space(&k, wish, dq);
	for (uint32_t i = 0; i < 7; i++)
		size = fmax(size, fabs(dq[i]));
	assert_true(size > 0.1);
	for (int r = 0; r < 6; r++) {
		double moved = 0.0;

		for (uint32_t i = 0; i < 7; i++)
			moved += k.j[r][i] * dq[i];
		assert_true(fabs(moved) < 1e-4);
	}
	ik_prepare(&k, robot_model_find("piper"), &pose_identity, robot_model_find("piper")->home_rad);
	ik_null_space(&k, wish, dq);
	for (uint32_t i = 0; i < 6; i++)
		assert_true(dq[i] == 0.0);
}

/* Heights of a Panda by hand: the elbow along the upper arm, which leans 45 degrees; hand and fingers straight below the flange. */
static void heights_are_of_the_surface(void **state)
{
	const struct robot_model *m = robot_model_find("panda");
	struct pose flange, tcp = hand();
	struct heights h, whole;
	double j[6][DOF_MAX];
	struct pose ee;

	(void)state;
	kinematics_heights(m, &tcp, m->home_rad, &h);
	assert_int_equal(h.n, m->n_points + 1);
	assert_true(fabs(h.z_m[1] - (0.333 + 0.316 * cos(pi / 4.0) - 0.06)) < 1e-9);
	kinematics_forward(m, &pose_identity, m->home_rad, &flange);
	assert_true(fabs(h.z_m[13] - (flange.p_m[2] - 0.04 - 0.04)) < 1e-9);
	assert_true(fabs(h.z_m[15] - (flange.p_m[2] - 0.12)) < 1e-9);
	assert_true(fabs(h.z_m[17] - (flange.p_m[2] - 0.1034)) < 1e-9); /* the TCP */
	kinematics_whole(m, &tcp, m->home_rad, &ee, j, &whole);
	assert_memory_equal(whole.z_m, h.z_m, h.n * sizeof h.z_m[0]);
}

static void height_gradients_are_derivatives(void **state)
{
	static const char *const names[] = { "panda", "piper", "piper_1.6-2" };
	const double step = 1e-6;

	(void)state;
	for (int n = 0; n < 3; n++) {
		const struct robot_model *m = robot_model_find(names[n]);
		double g[HEIGHTS_MAX][DOF_MAX], q[DOF_MAX] = { 0 };
		struct heights at, near;
		struct pose tcp = hand();

		for (uint32_t i = 0; i < m->dof; i++)
			q[i] = m->home_rad[i] + 0.1 * (i + 1.0);
		kinematics_heights(m, &tcp, q, &at);
		kinematics_height_gradients(m, &tcp, q, g);
		for (uint32_t i = 0; i < m->dof; i++) {
			q[i] += step;
			kinematics_heights(m, &tcp, q, &near);
			q[i] -= step;
			for (uint32_t k = 0; k < at.n; k++)
				assert_true(fabs((near.z_m[k] - at.z_m[k]) / step - g[k][i]) < 1e-5);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(panda_matches_recorded_samples),
		cmocka_unit_test(franka_known_postures),
		cmocka_unit_test(piper_matches_its_sdk),
		cmocka_unit_test(jacobian_is_the_derivative),
		cmocka_unit_test(newton_steps_reach_a_pose),
		cmocka_unit_test(out_of_reach_stays_finite_and_inside_limits),
		cmocka_unit_test(null_space_does_not_move_the_tcp),
		cmocka_unit_test(heights_are_of_the_surface),
		cmocka_unit_test(height_gradients_are_derivatives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
