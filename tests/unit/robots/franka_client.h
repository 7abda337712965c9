/* franka_client.h - a client of the simulated Franka on virtual time, for its unit tests: each command answers the newest state.
 * Included after cmocka.h. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_FRANKA_CLIENT_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_FRANKA_CLIENT_H

#include <math.h>
#include <string.h>

#include "robots/sim/franka/robot.h"

#define HALF_PI 1.57079632679489662
static const double ready[7] = { 0, -HALF_PI / 2, 0, -1.5 * HALF_PI, 0, HALF_PI, HALF_PI / 2 };

static struct franka_robot robot;
static struct fci_state seen;

static inline void step(const struct fci_motion *command)
{
	if (command)
		franka_robot_offer(&robot, command);
	franka_robot_step(&robot);
	franka_robot_state(&robot, &seen);
}

static inline void begin_at(uint32_t version, const double *q_rad)
{
	franka_robot_init(&robot, q_rad);
	franka_robot_connect(&robot, version);
	step(NULL);
}

static inline void begin(uint32_t version)
{
	begin_at(version, ready);
}

static inline enum fci_status ask_move(uint32_t controller, uint32_t generator)
{
	struct fci_move m = { controller, generator, { 10.0, 3.12, 6.28 }, { 10.0, 3.12, 6.28 } };
	uint8_t payload[sizeof m];

	memcpy(payload, &m, sizeof m);
	return franka_robot_request(&robot, FCI_MOVE, payload);
}

static inline void start_move(uint32_t controller, uint32_t generator)
{
	assert_int_equal(ask_move(controller, generator), FCI_STATUS_MOTION_STARTED);
	step(NULL);
	assert_int_equal(seen.robot_mode, FCI_MODE_MOVE);
	assert_int_equal(seen.generator_mode, generator + 1);
	assert_int_equal(seen.controller_mode, controller);
}

static inline struct fci_motion hold(void)
{
	struct fci_motion m = { .message_id = seen.message_id };

	memcpy(m.q_c, seen.q_d, sizeof m.q_c);
	memcpy(m.O_T_EE_c, seen.O_T_EE_c, sizeof m.O_T_EE_c);
	return m;
}

static inline void expect_end(enum fci_status want)
{
	enum fci_status status;

	assert_true(franka_robot_take_end(&robot, &status));
	assert_int_equal(status, want);
	assert_false(franka_robot_take_end(&robot, &status));
}

/* Quintic from 0 to 1 over T. */
static inline double quintic(double t, double length)
{
	double s = fmin(fmax(t / length, 0.0), 1.0);

	return s * s * s * (10.0 - 15.0 * s + 6.0 * s * s);
}

/* The state's numbers, not its booleans, are numbers. */
static inline void expect_numbers(void)
{
	for (int i = 0; i < 7; i++)
		assert_true(fabs(seen.q[i]) < 5.0 && isfinite(seen.dq[i]) && isfinite(seen.tau_J[i]));
	for (int i = 0; i < 16; i++)
		assert_true(isfinite(seen.O_T_EE[i]) && isfinite(seen.O_T_EE_d[i]));
}

static inline double quintic_rate(double t, double length)
{
	double s = fmin(fmax(t / length, 0.0), 1.0);

	return 30.0 * s * s * (1.0 - s) * (1.0 - s) / length;
}

#endif
