/* test_franka_dynamics.c - torques of the Panda and the FR3 against numbers of others and against physics. */
#include "robots/franka/dynamics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HALF_PI 1.57079632679489662

static const double ready[7] = { 0, -HALF_PI / 2, 0, -1.5 * HALF_PI, 0, HALF_PI, HALF_PI / 2 };
/* Franka Hand, as the robot reports it. */
static const struct franka_body hand = { 0.73, { -0.01, 0.0, 0.03 }, { 0.001, 0.0025, 0.0017, 0, 0, 0 } };
static const struct franka_body nothing;

static void assert_near(double found, double want, double tolerance)
{
	if (!(fabs(found - want) <= tolerance))
		fail_msg("found %.9g, want %.9g within %g", found, want, tolerance);
}

/* What panda-python read from a model library made of the same table, and franky-control from a URDF (three decimals). */
static void gravity_is_what_the_clients_computed(void **state)
{
	(void)state;
	static const double panda[7] = { 0, -3.918, -0.680, 21.903, 0.684, 2.273, 0 }, fr3[7] = { 0, -3.856, -0.675, 22.288, 0.843, 2.168, 0 };
	double tau[7];

	franka_gravity(&franka_dynamics_panda, &hand, franka_earth_m_s2, ready, tau);
	for (int i = 0; i < 7; i++)
		assert_near(tau[i], panda[i], 0.0006);
	franka_gravity(&franka_dynamics_fr3, &hand, franka_earth_m_s2, ready, tau);
	for (int i = 0; i < 7; i++)
		assert_near(tau[i], fr3[i], 0.0006);
}

static void mass_is_what_the_clients_computed(void **state)
{
	(void)state;
	static const double fr3[7] = { 0.566, 1.631, 1.027, 0.996, 0.043, 0.051, 0.002 };
	double m[7][7];

	franka_mass(&franka_dynamics_panda, &hand, ready, m);
	assert_near(m[0][0], 0.5285, 0.0006);
	franka_mass(&franka_dynamics_fr3, &hand, ready, m);
	for (int i = 0; i < 7; i++)
		assert_near(m[i][i], fr3[i], 0.0006);
}

/* Two samples of a real Panda at rest: measured torque less the estimated external one, joints 2 to 6. */
static void gravity_is_near_a_real_arms(void **state)
{
	(void)state;
	static const double q[7] = { 0.0167305, -0.762614, -0.0207622, -2.34352, -0.0305686, 1.53975, 0.753872 };
	static const double real[5] = { -4.386, -0.280, 21.722, 0.750, 2.188 };
	double tau[7];

	franka_gravity(&franka_dynamics_panda, &hand, franka_earth_m_s2, q, tau);
	for (int i = 0; i < 5; i++)
		assert_near(tau[i + 1], real[i], 0.2);
}

static double uniform(double low, double high)
{
	return low + (high - low) * ((double)rand() / RAND_MAX);
}

static void random_motion(const struct franka_dynamics *d, struct franka_motion *m)
{
	for (int i = 0; i < 7; i++) {
		m->q_rad[i] = uniform(d->model->q_min_rad[i], d->model->q_max_rad[i]);
		m->dq_rad_s[i] = uniform(-2, 2);
		m->ddq_rad_s2[i] = uniform(-5, 5);
	}
}

static double kinetic(const struct franka_dynamics *d, const double *q, const double *dq)
{
	double m[7][7], e = 0.0;

	franka_mass(d, &hand, q, m);
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < 7; j++)
			e += 0.5 * dq[i] * m[i][j] * dq[j];
	return e;
}

/* tau = M ddq + c + g; M is symmetric and positive definite; without a motor the energy stays: dE/dt = tau_without_gravity . dq. */
static void motion_obeys_physics(void **state)
{
	(void)state;
	const double none[3] = { 0 }, h = 1e-5;

	srand(7);
	for (int n = 0; n < 200; n++) {
		const struct franka_dynamics *d = n % 2 ? &franka_dynamics_fr3 : &franka_dynamics_panda;
		double tau[7], m[7][7], c[7], g[7], free[7], before[7], after[7], dq_before[7], dq_after[7], power = 0.0;
		struct franka_motion x;

		random_motion(d, &x);
		franka_inverse_dynamics(d, &hand, franka_earth_m_s2, &x, tau);
		franka_inverse_dynamics(d, &hand, none, &x, free);
		franka_mass(d, &hand, x.q_rad, m);
		franka_coriolis(d, &hand, x.q_rad, x.dq_rad_s, c);
		franka_gravity(d, &hand, franka_earth_m_s2, x.q_rad, g);
		for (int i = 0; i < 7; i++) {
			double sum = c[i] + g[i];

			for (int j = 0; j < 7; j++) {
				sum += m[i][j] * x.ddq_rad_s2[j];
				assert_near(m[i][j], m[j][i], 1e-12);
			}
			assert_near(tau[i], sum, 1e-9);
			power += free[i] * x.dq_rad_s[i];
			before[i] = x.q_rad[i] - h * x.dq_rad_s[i] + h * h / 2 * x.ddq_rad_s2[i];
			after[i] = x.q_rad[i] + h * x.dq_rad_s[i] + h * h / 2 * x.ddq_rad_s2[i];
			dq_before[i] = x.dq_rad_s[i] - h * x.ddq_rad_s2[i];
			dq_after[i] = x.dq_rad_s[i] + h * x.ddq_rad_s2[i];
		}
		assert_near((kinetic(d, after, dq_after) - kinetic(d, before, dq_before)) / (2 * h), power, 1e-5 * (1 + fabs(power)));
	}
}

static void solving_undoes_the_product(void **state)
{
	(void)state;
	struct franka_motion x;
	double m[7][7], b[7], found[7];

	srand(11);
	for (int n = 0; n < 100; n++) {
		random_motion(&franka_dynamics_panda, &x);
		franka_mass(&franka_dynamics_panda, &nothing, x.q_rad, m);
		for (int i = 0; i < 7; i++) {
			b[i] = 0.0;
			for (int j = 0; j < 7; j++)
				b[i] += m[i][j] * x.ddq_rad_s2[j];
		}
		assert_true(franka_solve(m, b, found));
		for (int i = 0; i < 7; i++)
			assert_near(found[i], x.ddq_rad_s2[i], 1e-9);
	}
	m[3][3] = -1.0;
	assert_false(franka_solve(m, b, found));
	m[3][3] = NAN;
	assert_false(franka_solve(m, b, found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gravity_is_what_the_clients_computed),
		cmocka_unit_test(mass_is_what_the_clients_computed),
		cmocka_unit_test(gravity_is_near_a_real_arms),
		cmocka_unit_test(motion_obeys_physics),
		cmocka_unit_test(solving_undoes_the_product),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
