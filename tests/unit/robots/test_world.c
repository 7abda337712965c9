/* test_world.c - the world's step: deterministic, blocks slide away and stay, bad commands change nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"
#include "robots/sim/world.h"

#include <cmocka.h> /* last: it defines fail() */

static const int64_t MS = 1000000;
/* Flange to the point between the finger tips, turned like the Franka Hand. */
static const struct pose TCP = { { 0, 0, 0.1034 }, { 0, 0, -0.3826834323650898, 0.9238795325112867 } };

static struct world make_world(uint64_t seed)
{
	struct world w;

	world_init(&w, &(struct world_options){ .seed = seed, .model = robot_model_find("panda") });
	return w;
}

/* Joint angles with the TCP at (x, y, z), pointing down. */
static void reach(const double p[3], double *q)
{
	const struct robot_model *m = robot_model_find("panda");
	struct pose goal;

	memcpy(q, m->home_rad, sizeof m->home_rad);
	kinematics_forward(m, &TCP, q, &goal);
	memcpy(goal.p_m, p, sizeof goal.p_m);
	for (int i = 0; i < 300; i++)
		(void)ik_step(m, &TCP, &goal, 0.1, q);
	kinematics_forward(m, &TCP, q, &goal);
	for (int i = 0; i < 3; i++)
		assert_true(fabs(goal.p_m[i] - p[i]) < 1e-4);
}

/* Moves the TCP along the line from a to b in `ms` steps. */
static void sweep(struct world *w, const double a[3], const double b[3], int ms)
{
	struct world_command c = { .valid = true };

	for (int i = 0; i <= ms; i++) {
		double p[3], u = (double)i / ms;

		for (int k = 0; k < 3; k++)
			p[k] = a[k] + u * (b[k] - a[k]);
		if (i % 10 == 0)
			reach(p, c.q_rad);
		world_step(w, &c, MS);
	}
}

static void put_block(struct world *w, int i, double x, double y)
{
	w->block[i].x_m = x;
	w->block[i].y_m = y;
	w->block[i].yaw_rad = 0;
}

/* One block in front of the hand, the others out of the way. */
static struct world make_lane(void)
{
	struct world w = make_world(1);

	put_block(&w, 0, 0.50, 0.0);
	put_block(&w, 1, 0.80, 0.5);
	put_block(&w, 2, 0.80, -0.5);
	put_block(&w, 3, 0.20, 0.5);
	w.gripper_m = w.gripper_command_m = 0;
	return w;
}

static void test_same_seed_same_bytes(void **state)
{
	struct world a = make_world(7), b = make_world(7), c = make_world(8);
	struct world_command command = { .valid = true };

	(void)state;
	assert_memory_equal(&a, &b, sizeof a);
	assert_true(a.block[0].x_m != c.block[0].x_m);
	for (int i = 0; i < 3000; i++) {
		memcpy(command.q_rad, a.model->home_rad, sizeof command.q_rad);
		command.q_rad[1] += 0.9 * sin(i * 1e-3);
		command.q_rad[3] -= 0.3 * sin(i * 2e-3);
		world_step(&a, &command, MS);
		world_step(&b, &command, MS);
	}
	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(a.t_ns, 3000 * MS);
}

static void test_blocks_start_apart_on_the_table(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct world w = make_world(seed);

		for (int i = 0; i < WORLD_BLOCKS; i++) {
			assert_true(w.block[i].x_m > 0.3 && w.block[i].x_m < 0.75 && fabs(w.block[i].y_m) < 0.3);
			for (int k = 0; k < i; k++)
				assert_true(hypot(w.block[i].x_m - w.block[k].x_m, w.block[i].y_m - w.block[k].y_m) > 0.0999);
		}
	}
}

static void test_joints_follow_and_stop(void **state)
{
	struct world w = make_world(1);
	struct world_command c = { .valid = true, .has_gripper = true, .gripper_m = 0.02 };

	(void)state;
	memcpy(c.q_rad, w.model->home_rad, sizeof c.q_rad);
	c.q_rad[0] = 0.05;
	world_step(&w, &c, MS);
	assert_true(w.q_rad[0] > 0 && w.q_rad[0] < 0.05);
	assert_true(w.dq_rad_s[0] > 0);
	c.valid = false; /* silence: the last command holds */
	for (int i = 0; i < 700; i++)
		world_step(&w, &c, MS);
	assert_true(fabs(w.q_rad[0] - 0.05) < 1e-9 && fabs(w.dq_rad_s[0]) < 1e-9);
	assert_true(fabs(w.gripper_m - 0.02) < 1e-9);
}

static void test_bad_commands(void **state)
{
	struct world w = make_world(1);
	struct world_command c = { .valid = true };

	(void)state;
	memcpy(c.q_rad, w.model->home_rad, sizeof c.q_rad);
	c.q_rad[2] = NAN;
	world_step(&w, &c, MS);
	assert_memory_equal(w.q_command_rad, w.model->home_rad, sizeof w.q_command_rad);
	c.q_rad[2] = 1e9;
	c.has_gripper = true;
	c.gripper_m = -INFINITY;
	world_step(&w, &c, MS);
	assert_true(w.q_command_rad[2] == w.model->q_max_rad[2]);
	assert_true(w.gripper_command_m == w.model->gripper_max_m);
}

static void test_block_is_pushed(void **state)
{
	struct world w = make_lane(), before = w;
	const double a[3] = { 0.42, 0, 0.03 }, b[3] = { 0.60, 0, 0.03 };

	(void)state;
	w.q_rad[0] = 0; /* no push on the way down: jump there */
	reach(a, w.q_rad);
	memcpy(w.q_command_rad, w.q_rad, sizeof w.q_rad);
	sweep(&w, a, b, 900);
	/* Pushed by the front of the fingers: 1 cm of finger and half a block ahead of the TCP. */
	assert_true(fabs(w.block[0].x_m - (0.60 + 0.010 + WORLD_BLOCK_HALF)) < 0.006);
	assert_true(fabs(w.block[0].y_m) < 0.02);
	for (int i = 1; i < WORLD_BLOCKS; i++)
		assert_memory_equal(&w.block[i], &before.block[i], sizeof w.block[i]);
}

static void test_push_off_centre_turns(void **state)
{
	struct world w = make_lane();
	const double a[3] = { 0.42, 0.033, 0.03 }, b[3] = { 0.52, 0.033, 0.03 };

	(void)state;
	reach(a, w.q_rad);
	memcpy(w.q_command_rad, w.q_rad, sizeof w.q_rad);
	sweep(&w, a, b, 500);
	assert_true(w.block[0].yaw_rad < -0.05); /* pushed at its left side: turns clockwise */
}

static void test_blocks_push_blocks_and_stay_on_the_table(void **state)
{
	struct world w = make_lane();
	const double a[3] = { 0.42, 0, 0.03 }, b[3] = { 0.78, 0, 0.03 };

	(void)state;
	put_block(&w, 1, 0.60, 0.0);
	put_block(&w, 2, 0.66, 0.0);
	reach(a, w.q_rad);
	memcpy(w.q_command_rad, w.q_rad, sizeof w.q_rad);
	sweep(&w, a, b, 1500);
	for (int i = 0; i < WORLD_BLOCKS; i++) {
		assert_true(w.block[i].x_m <= WORLD_TABLE_X_MAX - 0.99 * WORLD_BLOCK_HALF);
		for (int k = 0; k < i; k++) /* squares of side 0.05 do not overlap when their centres are so far apart */
			assert_true(hypot(w.block[i].x_m - w.block[k].x_m, w.block[i].y_m - w.block[k].y_m) > 0.047);
	}
	assert_true(w.block[1].x_m > 0.70);
}

static void test_gripper_stops_at_a_block(void **state)
{
	struct world w = make_lane();
	struct world_command c = { .valid = true, .has_gripper = true, .gripper_m = 0 };
	const double a[3] = { 0.50, 0, 0.025 };

	(void)state;
	w.gripper_m = w.gripper_command_m = 0.08;
	reach(a, w.q_rad);
	memcpy(w.q_command_rad, w.q_rad, sizeof w.q_rad);
	memcpy(c.q_rad, w.q_rad, sizeof c.q_rad);
	for (int i = 0; i < 1500; i++)
		world_step(&w, &c, MS);
	assert_true(fabs(w.gripper_m - 2 * WORLD_BLOCK_HALF) < 0.004);
	assert_true(fabs(w.block[0].y_m) < 0.005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed_same_bytes),
		cmocka_unit_test(test_blocks_start_apart_on_the_table),
		cmocka_unit_test(test_joints_follow_and_stop),
		cmocka_unit_test(test_bad_commands),
		cmocka_unit_test(test_block_is_pushed),
		cmocka_unit_test(test_push_off_centre_turns),
		cmocka_unit_test(test_blocks_push_blocks_and_stay_on_the_table),
		cmocka_unit_test(test_gripper_stops_at_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
