/* test_task.c - the world for tasks: who holds a block is judged by where things are, a held block moves with the hand and falls,
 * and the task is done by the named block alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"
#include "robots/sim/push.h"
#include "robots/sim/renderer.h"
#include "robots/sim/task/expert.h"
#include "robots/sim/task/pads.h"
#include "robots/sim/task/task.h"

#include <cmocka.h> /* last: it defines fail() */

static const int64_t MS = 1000000;
static const struct pose TCP = { { 0, 0, EXPERT_TCP_M }, { 0, 0, -0.3826834323650898, 0.9238795325112867 } };

static struct world make_world(uint64_t seed)
{
	struct world w;

	world_init(&w, &(struct world_options){ .seed = seed, .model = robot_model_find("panda"), .task = true });
	return w;
}

static void put(struct world *w, int i, double x, double y, double yaw)
{
	w->block[i].x_m = x;
	w->block[i].y_m = y;
	w->block[i].yaw_rad = yaw;
}

/* The red block in front of the arm, the others out of the way. */
static struct world make_lane(void)
{
	struct world w = make_world(1);

	put(&w, 0, 0.50, 0, 0);
	put(&w, 1, 0.80, 0.5, 0);
	put(&w, 2, 0.80, -0.5, 0);
	put(&w, 3, 0.20, 0.5, 0);
	return w;
}

/* Joints for the tips at (x, y, z), turned by yaw from home, and tilted. */
static void reach(double *q, double x, double y, double z, double yaw, double tilt)
{
	const struct robot_model *m = robot_model_find("panda");
	struct pose home, goal = { .p_m = { x, y, z } };
	double turn[4], lean[4], both[4];

	kinematics_forward(m, &TCP, m->home_rad, &home);
	quat_from_rotvec((double[3]){ 0, 0, yaw }, turn);
	quat_from_rotvec((double[3]){ 0, tilt, 0 }, lean);
	quat_multiply(turn, home.q_xyzw, both);
	quat_multiply(lean, both, goal.q_xyzw);
	for (int i = 0; i < 300; i++)
		(void)ik_step(m, &TCP, &goal, 0.1, q);
}

static void jump(struct world *w, double x, double y, double z, double yaw, double tilt)
{
	memcpy(w->q_rad, w->model->home_rad, sizeof w->q_rad);
	reach(w->q_rad, x, y, z, yaw, tilt);
	memcpy(w->q_command_rad, w->q_rad, sizeof w->q_rad);
	memset(w->dq_rad_s, 0, sizeof w->dq_rad_s);
}

static void fingers(struct world *w, double opening_m, int ms)
{
	struct world_command c = { .valid = true, .has_gripper = true, .gripper_m = opening_m };

	memcpy(c.q_rad, w->q_command_rad, sizeof c.q_rad);
	for (int i = 0; i < ms; i++)
		world_step(w, &c, MS);
}

/* Tips from height a to b. */
static void lift(struct world *w, double a, double b)
{
	struct world_command c = { .valid = true };

	memcpy(c.q_rad, w->q_rad, sizeof c.q_rad);
	for (int i = 1; i <= 500; i++) {
		if (i % 10 == 0)
			reach(c.q_rad, 0.50, 0, a + (b - a) * i / 500, 0, 0);
		world_step(w, &c, MS);
	}
}

static void test_closing_lifting_opening(void **state)
{
	struct world w = make_lane();
	struct task t = { .words.colour = BLOCK_RED };

	(void)state;
	jump(&w, 0.502, 0.001, 0.022, 0, 0);
	fingers(&w, 0.08, 50);
	assert_false(w.grip.holds);
	fingers(&w, 0, 600);
	assert_true(w.grip.holds && w.grip.block == 0);
	assert_true(fabs(w.gripper_m - 0.05) < 0.004);
	lift(&w, 0.022, 0.062);
	assert_true(fabs(w.block[0].lift_m - 0.04) < 0.002);
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	lift(&w, 0.062, 0.082);
	assert_int_equal(task_judge(&t, &w), TASK_DONE);
	fingers(&w, 0.08, 300);
	assert_false(w.grip.holds);
	assert_true(w.block[0].lift_m == 0 && w.block[0].fall_m_s == 0);
	assert_true(fabs(w.block[0].x_m - 0.50) < 0.01);
}

static bool grips(double x, double y, double z, double yaw, double tilt)
{
	struct world w = make_lane();

	jump(&w, x, y, z, yaw, tilt);
	fingers(&w, 0, 800);
	return w.grip.holds;
}

static void test_who_is_held(void **state)
{
	(void)state;
	assert_true(grips(0.50, 0, 0.022, 0, 0));
	assert_true(grips(0.50, 0.010, 0.022, 0, 0));  /* the fingers push it to their middle */
	assert_true(grips(0.50, 0, 0.022, 0.15, 0));
	assert_false(grips(0.50, 0, 0.060, 0, 0));     /* above it */
	assert_false(grips(0.52, 0, 0.022, 0, 0));     /* at its corners */
	assert_false(grips(0.50, 0, 0.022, 0, 0.4));   /* askew */
	assert_false(grips(0.50, 0.3, 0.022, 0, 0));   /* elsewhere */
}

static void test_a_plain_world_lifts_nothing(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, &(struct world_options){ .seed = 1, .model = robot_model_find("panda") });
	put(&w, 0, 0.50, 0, 0);
	jump(&w, 0.50, 0, 0.022, 0, 0);
	fingers(&w, 0, 600);
	assert_false(w.grip.holds || w.look.varied);
}

/* What the hand held when the sentence came counts for nothing until it has been let go. */
static void test_a_full_hand(void **state)
{
	struct world w = make_lane();
	struct task t;

	(void)state;
	jump(&w, 0.50, 0, 0.022, 0, 0);
	fingers(&w, 0, 600);
	lift(&w, 0.022, 0.082);
	enum block_colour held = w.block[w.grip.block].colour;

	task_begin(&t, &w, &(struct task_words){ .colour = held == BLOCK_BLUE ? BLOCK_RED : BLOCK_BLUE });
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	w.grip.holds = false;
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	w.grip.holds = true;
	assert_int_equal(task_judge(&t, &w), TASK_WRONG_BLOCK);
	task_begin(&t, &w, &(struct task_words){ .colour = held });
	assert_int_equal(task_judge(&t, &w), TASK_DONE);
}

static void test_another_block_is_wrong(void **state)
{
	struct world w = make_lane();
	struct task t = { .words.colour = BLOCK_BLUE };

	(void)state;
	jump(&w, 0.50, 0, 0.022, 0, 0);
	fingers(&w, 0, 600);
	lift(&w, 0.022, 0.082);
	assert_int_equal(task_judge(&t, &w), TASK_WRONG_BLOCK);
	w.grip.holds = false;
	assert_int_equal(task_judge(&t, &w), TASK_WRONG_BLOCK); /* it stays so */
}

static void test_twelve_seconds(void **state)
{
	struct world w = make_world(3);
	struct task t;

	(void)state;
	task_begin(&t, &w, &(struct task_words){ .colour = BLOCK_GREEN });
	w.t_ns += TASK_PICK_LIMIT_NS;
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	w.t_ns += MS;
	assert_int_equal(task_judge(&t, &w), TASK_TOO_LATE);
}

static void test_a_pause_is_added(void **state)
{
	struct world w = make_world(3);
	struct task t;

	(void)state;
	task_begin(&t, &w, &(struct task_words){ .colour = BLOCK_GREEN });
	task_pause(&t, 2 * MS);
	task_pause(&t, MS);
	w.t_ns += TASK_PICK_LIMIT_NS + 3 * MS;
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	w.t_ns += MS;
	assert_int_equal(task_judge(&t, &w), TASK_TOO_LATE);
	assert_int_equal(t.took_ns, TASK_PICK_LIMIT_NS + 4 * MS);
}

/* A held block pushes others out of its way and stays between the fingers. */
static void test_held_block_pushes(void **state)
{
	struct world w = make_lane();
	struct world_command c = { .valid = true };

	(void)state;
	put(&w, 1, 0.59, 0, 0);
	jump(&w, 0.50, 0, 0.022, 0, 0);
	fingers(&w, 0, 600);
	assert_true(w.grip.holds);
	memcpy(c.q_rad, w.q_rad, sizeof c.q_rad);
	for (int i = 1; i <= 500; i++) {
		if (i % 10 == 0)
			reach(c.q_rad, 0.50 + 0.08 * i / 500, 0, 0.022, 0, 0);
		world_step(&w, &c, MS);
	}
	assert_true(w.grip.holds && fabs(w.block[0].x_m - 0.58) < 0.003);
	assert_true(w.block[1].x_m > 0.58 + 1.9 * WORLD_BLOCK_HALF);
}

static void test_colours_and_looks_vary(void **state)
{
	uint32_t seen[WORLD_BLOCKS] = { 0 };
	double low = 9, high = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct world w = make_world(seed);
		struct task_words words;
		char text[TASK_TEXT_BYTES];

		words = task_draw(&w, seed);
		seen[words.colour]++;
		task_text(&words, text);
		assert_non_null(strstr(text, block_colour_name(words.colour)));
		assert_false(words.put);
		assert_true(w.look.n_coasters <= WORLD_COASTERS);
		low = fmin(low, w.look.gain[1]);
		high = fmax(high, w.look.gain[1]);
	}
	for (int i = 0; i < WORLD_BLOCKS; i++)
		assert_true(seen[i] > 70 && seen[i] < 130);
	assert_true(low > 0.78 && low < 0.86 && high > 1.06 && high < 1.17);
}

static struct world make_padded(uint64_t seed)
{
	struct world w;

	world_init(&w, &(struct world_options){ .seed = seed, .model = robot_model_find("panda"), .task = true, .pads = true });
	return w;
}

/* No block stands on one or over its edge, they do not overlap, and the blocks are those of the world without pads. */
static void test_pads_lie_clear(void **state)
{
	uint32_t seen[WORLD_BLOCKS] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		struct world w = make_padded(seed), bare = make_world(seed);

		assert_int_equal(w.n_pads, WORLD_PADS);
		assert_true(w.pad[0].colour != w.pad[1].colour);
		assert_true(fmax(fabs(w.pad[0].x_m - w.pad[1].x_m), fabs(w.pad[0].y_m - w.pad[1].y_m)) > 2 * WORLD_PAD_HALF);
		assert_memory_equal(w.block, bare.block, sizeof w.block);
		for (uint32_t i = 0; i < WORLD_PADS; i++) {
			seen[w.pad[i].colour]++;
			for (uint32_t k = 0; k < WORLD_BLOCKS; k++) {
				double rx = push_half_width(w.block[k].yaw_rad, 1, 0), ry = push_half_width(w.block[k].yaw_rad, 0, 1);
				double dx = fabs(w.block[k].x_m - w.pad[i].x_m), dy = fabs(w.block[k].y_m - w.pad[i].y_m);

				assert_true(dx > WORLD_PAD_HALF + rx || dy > WORLD_PAD_HALF + ry);
			}
		}
	}
	for (int i = 0; i < WORLD_BLOCKS; i++)
		assert_true(seen[i] > 850 && seen[i] < 1150);
}

static void test_what_pads_are_for(void **state)
{
	struct world w = make_padded(9);
	struct task_words words = task_draw(&w, 9);
	char text[TASK_TEXT_BYTES], want[TASK_TEXT_BYTES];

	(void)state;
	assert_true(words.put && pads_find(&w, words.pad));
	task_text(&words, text);
	snprintf(want, sizeof want, "put the %s block on the %s pad", block_colour_name(words.colour), block_colour_name(words.pad));
	assert_string_equal(text, want);
}

static void hold_up(struct world *w, uint32_t block, double lift_m)
{
	w->grip = (struct world_grip){ .holds = true, .block = block };
	w->block[block].lift_m = lift_m;
}

static void let_go_at(struct world *w, uint32_t block, double x, double y)
{
	w->grip.holds = false;
	put(w, (int)block, x, y, 0);
	w->block[block].lift_m = 0;
}

/* Up, then down on that pad and let go: nothing less. */
static void test_putting(void **state)
{
	struct world w = make_padded(9);
	const struct world_pad *goal = &w.pad[0], *other = &w.pad[1];
	struct task t;

	(void)state;
	task_begin(&t, &w, &(struct task_words){ true, BLOCK_BLUE, goal->colour });
	put(&w, BLOCK_BLUE, goal->x_m, goal->y_m, 0);
	assert_int_equal(task_judge(&t, &w), TASK_RUNS); /* pushed there */
	hold_up(&w, BLOCK_BLUE, 0.06);
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	w.block[BLOCK_BLUE].lift_m = 0;
	assert_int_equal(task_judge(&t, &w), TASK_RUNS); /* still held */
	let_go_at(&w, BLOCK_BLUE, other->x_m, other->y_m);
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	let_go_at(&w, BLOCK_BLUE, goal->x_m, goal->y_m + WORLD_PAD_HALF + 0.001);
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	w.block[BLOCK_BLUE].y_m = goal->y_m;
	w.block[BLOCK_BLUE].lift_m = 0.001;
	assert_int_equal(task_judge(&t, &w), TASK_RUNS); /* falling */
	let_go_at(&w, BLOCK_BLUE, goal->x_m, goal->y_m + WORLD_PAD_HALF - 0.001);
	assert_int_equal(task_judge(&t, &w), TASK_DONE);
}

static void test_putting_the_wrong_one_or_never(void **state)
{
	struct world w = make_padded(9);
	struct task t;

	(void)state;
	task_begin(&t, &w, &(struct task_words){ true, BLOCK_BLUE, w.pad[0].colour });
	w.t_ns += TASK_PUT_LIMIT_NS;
	assert_int_equal(task_judge(&t, &w), TASK_RUNS);
	w.t_ns += MS;
	assert_int_equal(task_judge(&t, &w), TASK_TOO_LATE);
	task_restart(&t, &w);
	hold_up(&w, BLOCK_RED, 0.06);
	assert_int_equal(task_judge(&t, &w), TASK_WRONG_BLOCK);
}

/* The same seed gives the same picture, another one another, and a plain world's is as it always was (test_renderer). */
static void test_pictures(void **state)
{
	enum { SIDE = 112, BYTES = 3 * SIDE * SIDE };
	static uint8_t a[BYTES], b[BYTES];
	struct world one = make_world(5), two = make_world(5);
	struct renderer *r = NULL;
	struct errbuf e;

	(void)state;
	assert_int_equal(renderer_create(&r, SIDE, SIDE, &e), 0);
	renderer_draw(r, &one, SIM_CAMERA_OVERHEAD, a);
	renderer_draw(r, &two, SIM_CAMERA_OVERHEAD, b);
	assert_memory_equal(a, b, BYTES);
	two.look.gain[0] *= 0.9;
	renderer_draw(r, &two, SIM_CAMERA_OVERHEAD, b);
	assert_memory_not_equal(a, b, BYTES);
	two = make_padded(5);
	renderer_draw(r, &two, SIM_CAMERA_OVERHEAD, b);
	assert_memory_not_equal(a, b, BYTES);
	one.block[0].lift_m = 0.1;
	renderer_draw(r, &one, SIM_CAMERA_OVERHEAD, b);
	assert_memory_not_equal(a, b, BYTES);
	renderer_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closing_lifting_opening),
		cmocka_unit_test(test_who_is_held),
		cmocka_unit_test(test_a_plain_world_lifts_nothing),
		cmocka_unit_test(test_a_full_hand),
		cmocka_unit_test(test_another_block_is_wrong),
		cmocka_unit_test(test_twelve_seconds),
		cmocka_unit_test(test_a_pause_is_added),
		cmocka_unit_test(test_held_block_pushes),
		cmocka_unit_test(test_colours_and_looks_vary),
		cmocka_unit_test(test_pads_lie_clear),
		cmocka_unit_test(test_what_pads_are_for),
		cmocka_unit_test(test_putting),
		cmocka_unit_test(test_putting_the_wrong_one_or_never),
		cmocka_unit_test(test_pictures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
