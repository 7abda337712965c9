/* test_franka_models.c - what the simulated Franka serves: the model library is loaded as libfranka does it and held against numbers
 * of a real arm and against differences of its own poses; the URDF has what libfranka's parsers ask for. */
#include "robots/sim/franka/model_files.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "robots/model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void *library;
static const struct franka_dynamics *dynamics;

static int load_library(uint32_t version)
{
	char path[] = "/tmp/franka_library_XXXXXX";
	size_t n;
	const uint8_t *bytes = franka_library(version, &n);
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd) != 0)
		return -1;
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		fprintf(stderr, "%s\n", dlerror());
	unlink(path);
	return library ? 0 : -1;
}

static int load_panda(void **state)
{
	(void)state;
	dynamics = &franka_dynamics_panda;
	return load_library(5);
}

static int load_fr3(void **state)
{
	(void)state;
	dynamics = &franka_dynamics_fr3;
	return load_library(6);
}

static int unload_library(void **state)
{
	(void)state;
	return dlclose(library);
}

/* ISO C knows no way from an object pointer to a function; POSIX does. */
#define FIND(type, name) \
	type name; \
	do { \
		void *symbol = dlsym(library, #name); \
		assert_non_null(symbol); \
		memcpy(&name, &symbol, sizeof symbol); \
	} while (0)

typedef void (*of_nothing)(double *);
typedef void (*of_q)(const double *, double *);
typedef void (*of_q_tool)(const double *, const double *, double *);
typedef void (*mass_function)(const double *, const double *, double, const double *, double *);
typedef void (*coriolis_function)(const double *, const double *, const double *, double, const double *, double *);
typedef void (*gravity_function)(const double *, const double *, double, const double *, double *);

static void *body_function(const char *prefix, int body)
{
	char name[24];

	snprintf(name, sizeof name, "%s%d", prefix, body);
	return dlsym(library, name);
}

static void all_thirty_names_are_there(void **state)
{
	(void)state;

	for (int body = 1; body <= 9; body++) {
		assert_non_null(body_function("O_T_J", body));
		assert_non_null(body_function("O_J_J", body));
		assert_non_null(body_function("Ji_J_J", body));
	}
	assert_non_null(dlsym(library, "M_NE"));
	assert_non_null(dlsym(library, "c_NE"));
	assert_non_null(dlsym(library, "g_NE"));
}

/* Two samples that a real Panda printed, with its Franka Hand. */
static void poses_are_a_real_arms(void **state)
{
	(void)state;
	static const double hand[16] = { 0.70710678118654752, -0.70710678118654752, 0, 0, 0.70710678118654752, 0.70710678118654752, 0, 0,
		0, 0, 1, 0, 0, 0, 0.1034, 1 };
	static const struct {
		double q[7], o_t_ee[16];
	} sample[] = {
		{ { 0.0167305, -0.762614, -0.0207622, -2.34352, -0.0305686, 1.53975, 0.753872 },
			{ 0.998578, 0.0328747, -0.0417381, 0, 0.0335224, -0.999317, 0.0149157, 0, -0.04122, -0.016294, -0.999017, 0,
				0.305468, -0.00814133, 0.483198, 1 } },
		{ { 0.361567, 1.47881, 0.530308, -1.4219, 2.88587, 1.92019, 0.375797 },
			{ 0.00157337, 0.0491855, -0.998779, 0, -0.625286, 0.779487, 0.0374013, 0, 0.78039, 0.624475, 0.031982, 0,
				0.518612, 0.548305, -0.0843891, 1 } },
	};
	double t[16];

	FIND(of_q_tool, O_T_J9);
	for (int s = 0; s < 2; s++) {
		O_T_J9(sample[s].q, hand, t);
		for (int i = 0; i < 16; i++)
			assert_true(fabs(t[i] - sample[s].o_t_ee[i]) < 2e-5);
	}
}

static const double posture[7] = { 0.3, -0.5, 0.2, -1.9, 0.7, 1.8, -0.4 };
static const double tool[16] = { 0.36, 0.48, -0.8, 0, -0.8, 0.6, 0, 0, 0.48, 0.64, 0.6, 0, 0.03, -0.02, 0.11, 1 };

static void pose_of(int body, const double *q, double *t)
{
	void *found = body_function("O_T_J", body);
	of_q plain;
	of_q_tool with_tool;

	memcpy(&plain, &found, sizeof found);
	memcpy(&with_tool, &found, sizeof found);
	if (body == 9)
		with_tool(q, tool, t);
	else
		plain(q, t);
}

static void jacobian_of(const char *prefix, int body, const double *q, double *j)
{
	void *found = body_function(prefix, body);
	of_nothing constant;
	of_q plain;
	of_q_tool with_tool;

	memcpy(&constant, &found, sizeof found);
	memcpy(&plain, &found, sizeof found);
	memcpy(&with_tool, &found, sizeof found);
	if (body == 1)
		constant(j);
	else if (body == 9)
		with_tool(q, tool, j);
	else
		plain(q, j);
}

/* Motion of a body from two poses h apart: the velocity of its origin, and the axis of R' R^T. */
static void measured_twist(int body, int joint, double twist[6])
{
	const double h = 1e-6;
	double q[7], low[16], high[16], now[16], turn[3][3] = { { 0 } };

	memcpy(q, posture, sizeof q);
	pose_of(body, q, now);
	q[joint] += h;
	pose_of(body, q, high);
	q[joint] -= 2 * h;
	pose_of(body, q, low);
	for (int i = 0; i < 3; i++)
		twist[i] = (high[12 + i] - low[12 + i]) / (2 * h);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
			for (int k = 0; k < 3; k++)
				turn[i][j] += (high[4 * k + i] - low[4 * k + i]) / (2 * h) * now[4 * k + j];
	twist[3] = turn[2][1];
	twist[4] = turn[0][2];
	twist[5] = turn[1][0];
}

static void jacobians_are_the_poses_derivatives(void **state)
{
	(void)state;
	double base[42], own[42], twist[6], t[16];

	for (int body = 1; body <= 9; body++) {
		jacobian_of("O_J_J", body, posture, base);
		jacobian_of("Ji_J_J", body, posture, own);
		pose_of(body, posture, t);
		for (int joint = 0; joint < 7; joint++) {
			measured_twist(body, joint, twist);
			for (int r = 0; r < 6; r++) {
				const double *part = base + 6 * joint + (r < 3 ? 0 : 3), *column = t + 4 * (r % 3);

				assert_true(fabs(base[6 * joint + r] - twist[r]) < 1e-8);
				assert_true(fabs(own[6 * joint + r] - (column[0] * part[0] + column[1] * part[1] + column[2] * part[2])) < 1e-12);
			}
		}
	}
}

static void dynamics_are_those_of_the_simulated_arm(void **state)
{
	(void)state;
	const double inertia[9] = { 0.001, 0.0002, -0.0001, 0.0002, 0.0025, 0.0003, -0.0001, 0.0003, 0.0017 }, com[3] = { -0.01, 0.02, 0.03 };
	const struct franka_body load = { 0.73, { -0.01, 0.02, 0.03 }, { 0.001, 0.0025, 0.0017, 0.0002, -0.0001, 0.0003 } };
	const double dq[7] = { 1, -0.5, 0.3, 0.8, -1.2, 0.4, 0.9 };
	double m[49], want_m[7][7], found[7], want[7];

	FIND(mass_function, M_NE);
	FIND(coriolis_function, c_NE);
	FIND(gravity_function, g_NE);
	M_NE(posture, inertia, 0.73, com, m);
	franka_mass(dynamics, &load, posture, want_m);
	for (int i = 0; i < 49; i++)
		assert_true(fabs(m[i] - want_m[i / 7][i % 7]) < 1e-12);
	c_NE(posture, dq, inertia, 0.73, com, found);
	franka_coriolis(dynamics, &load, posture, dq, want);
	for (int i = 0; i < 7; i++)
		assert_true(fabs(found[i] - want[i]) < 1e-12);
	g_NE(posture, franka_earth_m_s2, 0.73, com, found);
	franka_gravity(dynamics, &load, franka_earth_m_s2, posture, want);
	for (int i = 0; i < 7; i++)
		assert_true(fabs(found[i] - want[i]) < 1e-12);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void the_urdf_has_what_libfranka_asks_for(void **state)
{
	(void)state;
	static char text[FRANKA_URDF_BYTES_MAX + 1];
	size_t n = franka_urdf(&franka_dynamics_fr3, robot_model_find("fr3_5.9"), text);

	assert_true(n > 2000 && n < FRANKA_URDF_BYTES_MAX - 1);
	assert_int_equal(strlen(text), n);
	assert_int_equal(count(text, "<link name="), 10);
	assert_int_equal(count(text, "<joint name="), 9);
	assert_int_equal(count(text, "<inertial>"), 7);
	assert_int_equal(count(text, "effort=\""), 7);
	assert_int_equal(count(text, "<position_based_velocity_limits velocity_offset=\""), 7);
	assert_int_equal(count(text, "finger"), 0);
	assert_non_null(strstr(text, "lower=\"-2.9007\" upper=\"2.9007\" velocity=\"2.62\" effort=\"87\""));
	assert_non_null(strstr(text, "<link name=\"link8\"/>"));
}

int main(void)
{
#define LIBRARY_TESTS \
	cmocka_unit_test(all_thirty_names_are_there), cmocka_unit_test(poses_are_a_real_arms), \
	cmocka_unit_test(jacobians_are_the_poses_derivatives), cmocka_unit_test(dynamics_are_those_of_the_simulated_arm)
	const struct CMUnitTest panda[] = { LIBRARY_TESTS }, fr3[] = { LIBRARY_TESTS };
	const struct CMUnitTest texts[] = { cmocka_unit_test(the_urdf_has_what_libfranka_asks_for) };
	int failed = cmocka_run_group_tests(panda, load_panda, unload_library);

	failed += cmocka_run_group_tests(fr3, load_fr3, unload_library);
	return failed + cmocka_run_group_tests(texts, NULL, NULL);
}
