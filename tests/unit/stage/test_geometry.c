/* test_geometry.c - rotations: there and back, the branch near pi, rates of rotation vectors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"

static const double pi = 3.14159265358979324;

static void expect_near(const double *a, const double *b, int n, double tolerance)
{
	for (int i = 0; i < n; i++)
		assert_true(fabs(a[i] - b[i]) < tolerance);
}

static void rotvec_and_quaternion_go_there_and_back(void **state)
{
	static const double sample[][3] = { { 0, 0, 0 }, { 1e-9, 0, 0 }, { 0.3, -0.2, 0.1 }, { 3.1, 0.2, 0.1 }, { 0, 0, 3.14159 } };
	double q[4], back[3];

	(void)state;
	for (int i = 0; i < 5; i++) {
		quat_from_rotvec(sample[i], q);
		quat_to_rotvec(q, back);
		expect_near(back, sample[i], 3, 1e-9);
	}
}

static void rpy_goes_there_and_back(void **state)
{
	double q[4], back[3], q2[4], r[3][3];

	(void)state;
	quat_from_rpy((double[3]){ 0.4, -0.7, 2.5 }, q);
	quat_to_rpy(q, back);
	expect_near(back, (double[3]){ 0.4, -0.7, 2.5 }, 3, 1e-12);
	quat_from_rpy((double[3]){ 0.4, pi / 2.0, 0.1 }, q); /* gimbal lock: only yaw - roll is known */
	quat_to_rpy(q, back);
	assert_true(back[0] == 0.0);
	quat_from_rpy(back, q2);
	quat_to_matrix(q2, r);
	double again[4];

	quat_from_matrix((const double(*)[3])r, again);
	expect_near(again, q[3] * again[3] < 0 ? (double[4]){ -q[0], -q[1], -q[2], -q[3] } : q, 4, 1e-6);
}

/* The same rotations as scipy 1.17.1 has them: Rotation.from_euler("xyz", rpy) (fixed axes), as_quat, as_rotvec. */
static void rotations_are_those_of_scipy(void **state)
{
	static const struct {
		double rpy[3], quat[4], rotvec[3];
	} sample[] = {
		{ { 0.3, -0.2, 0.1 }, { 0.153439302024, -0.091157549343, 0.0640713477061, 0.981856172866 }, { 0.308748163617, -0.183425795009, 0.128923363726 } },
		{ { 3.1, 0.2, -0.1 }, { 0.993649540212, -0.0476453040813, -0.100721206298, 0.0156765696916 }, { 3.0908666081, -0.148206458573, -0.313305446916 } },
		{ { -3, 1.5, 2.9 }, { -0.135815525773, -0.718727203047, 0.13331406291, -0.6687396438 }, { 0.306260912593, 1.62071344832, -0.300620170899 } },
		{ { 1, -1.57, 0.5 }, { 0.482061006434, -0.517109328379, 0.481921696218, 0.517654911397 }, { 1.15692518527, -1.2410396144, 1.15659084689 } },
		{ { -0.02, 0.03, -3.141 }, { 0.014995723997, 0.010003152448, -0.999837419807, 0.000446270508456 }, { 0.047097076735, 0.0314169051476, -3.14018980961 } },
	};
	double q[4], out[3];

	(void)state;
	for (uint32_t i = 0; i < sizeof sample / sizeof sample[0]; i++) {
		quat_from_rpy(sample[i].rpy, q);
		double sign = q[0] * sample[i].quat[0] < 0.0 ? -1.0 : 1.0; /* both are the rotation */

		for (int k = 0; k < 4; k++)
			assert_true(fabs(sign * q[k] - sample[i].quat[k]) < 1e-9);
		quat_to_rotvec(q, out);
		expect_near(out, sample[i].rotvec, 3, 1e-9);
		quat_from_rotvec(sample[i].rotvec, q);
		quat_to_rpy(q, out);
		expect_near(out, sample[i].rpy, 3, 1e-7);
	}
}

/* A tool that points down turns by pi about x: both signs are the same rotation, the statistics decide. */
static void the_branch_near_the_mean_is_taken(void **state)
{
	double out[3];

	(void)state;
	rotvec_nearest((double[3]){ -3.13, 0.02, 0 }, (double[3]){ 3.1, 0, 0 }, out);
	assert_true(out[0] > 3.1 && fabs(vec3_norm(out) - (2.0 * pi - vec3_norm((double[3]){ 3.13, 0.02, 0 }))) < 1e-12);
	rotvec_nearest((double[3]){ 3.13, 0.02, 0 }, (double[3]){ 3.1, 0, 0 }, out);
	assert_true(out[0] == 3.13);
	rotvec_nearest((double[3]){ 0, 0, 0 }, (double[3]){ 3.1, 0, 0 }, out);
	assert_true(out[0] == 0.0);
}

static void rates_of_rotation_vectors(void **state)
{
	const double r[3] = { 0.5, -0.8, 0.3 }, rate[3] = { 0.2, 0.1, -0.4 }, h = 1e-6;
	double omega[3], back[3], a[4], b[4], turn[4], seen[3], ahead[3];

	(void)state;
	rotvec_rate_to_omega(r, rate, omega);
	rotvec_rate_from_omega(r, omega, back);
	expect_near(back, rate, 3, 1e-12);
	for (int i = 0; i < 3; i++)
		ahead[i] = r[i] + h * rate[i];
	quat_from_rotvec(r, a);
	quat_from_rotvec(ahead, b);
	quat_conjugate(a, a);
	quat_multiply(b, a, turn);
	quat_to_rotvec(turn, seen);
	for (int i = 0; i < 3; i++)
		assert_true(fabs(seen[i] / h - omega[i]) < 1e-5);
	rotvec_rate_from_omega((double[3]){ 0, 0, 0 }, omega, back);
	expect_near(back, omega, 3, 1e-15);
}

static void quaternions_that_are_none_become_the_identity(void **state)
{
	double out[4];

	(void)state;
	quat_normalise((double[4]){ 0, 0, 0, 0 }, out);
	assert_true(out[3] == 1.0);
	quat_normalise((double[4]){ NAN, 0, 0, 1 }, out);
	assert_true(out[0] == 0.0 && out[3] == 1.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rotvec_and_quaternion_go_there_and_back),
		cmocka_unit_test(rpy_goes_there_and_back),
		cmocka_unit_test(rotations_are_those_of_scipy),
		cmocka_unit_test(the_branch_near_the_mean_is_taken),
		cmocka_unit_test(rates_of_rotation_vectors),
		cmocka_unit_test(quaternions_that_are_none_become_the_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
