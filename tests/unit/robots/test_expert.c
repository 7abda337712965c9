/* test_expert.c - the scripted expert on numbers alone: its steps, and what it does where it should not have come. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/model/model.h"
#include "robots/sim/task/expert.h"

#include <cmocka.h> /* last: it defines fail() */

enum { GRIPPER = 6, TURN = 5, CHUNK = 32 };

/* Above a block at (0.5, 0), a little beside it. */
static struct expert_view make_view(double off_m, double height_m)
{
	return (struct expert_view){ .tip_m = { 0.5 + off_m, 0, height_m }, .gripper_m = 0.08, .gripper_max_m = 0.08, .block_m = { 0.5, 0, 0 } };
}

static void test_steps_are_bounded_and_shrink(void **state)
{
	double before = 1, action[EXPERT_ACTION_DIM];

	(void)state;
	for (int mm = 200; mm >= 6; mm -= 2) {
		struct expert_view v = make_view(mm * 1e-3, 0.2);

		v.hand_yaw_rad = 0.3;
		expert_act(&v, action);
		assert_true(action[0] < 0 && fabs(action[1]) < 1e-12);
		assert_true(hypot(action[0], action[1]) <= EXPERT_STEP_M + 1e-12 && fabs(action[2]) <= EXPERT_STEP_M + 1e-12);
		assert_true(fabs(action[TURN]) <= EXPERT_TURN_RAD && action[TURN] < 0);
		assert_true(-action[0] <= before + 1e-12 && -action[0] <= 0.6 * mm * 1e-3 + 1e-12);
		before = -action[0];
	}
	assert_true(before < 0.004);
}

/* The block looks the same from four sides: never more than an eighth of a turn. */
static void test_turns_the_short_way(void **state)
{
	double action[EXPERT_ACTION_DIM];
	struct expert_view v = make_view(0, 0.2);

	(void)state;
	v.block_yaw_rad = 1.5; /* 90 degrees less 0.07 */
	expert_act(&v, action);
	assert_true(action[TURN] < 0 && action[TURN] > -0.07);
}

static void test_a_chunk_ends_with_the_block_up(void **state)
{
	double action[CHUNK][EXPERT_ACTION_DIM], up = 0, least = 1;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct expert_view v = make_view(0.03 * i, 0.48);

		v.block_yaw_rad = 0.1 * i;
		expert_chunk(&v, 0.2, 0, CHUNK, action);
		assert_true(action[0][GRIPPER] == 1 && action[CHUNK - 1][GRIPPER] == 0);
		up = 0;
		for (int k = 0; k < CHUNK; k++)
			up += action[k][2];
		assert_true(action[CHUNK - 1][2] >= 0);
		least = fmin(least, up);
	}
	assert_true(least < 0); /* it went down more than up again: to the table and back */
}

/* A chunk from a later state of the same plan is the rest of that plan. */
static void test_it_remembers_nothing(void **state)
{
	double whole[CHUNK][EXPERT_ACTION_DIM], rest[CHUNK][EXPERT_ACTION_DIM];
	struct expert_view v = make_view(0.2, 0.4);

	(void)state;
	expert_chunk(&v, 0.2, 0, CHUNK, whole);
	for (int i = 0; i < 3; i++)
		v.tip_m[i] += whole[0][i];
	v.hand_yaw_rad += whole[0][TURN];
	expert_chunk(&v, 0.2, 0, CHUNK - 1, rest);
	for (int k = 0; k < CHUNK - 1; k++)
		for (int i = 0; i < EXPERT_ACTION_DIM; i++)
			assert_true(fabs(rest[k][i] - whole[k + 1][i]) < 1e-9);
}

static void test_recovers(void **state)
{
	double action[EXPERT_ACTION_DIM];
	struct expert_view other = make_view(0.1, 0.2), missed = make_view(0, 0.022), beside = make_view(0.1, 0.022);

	(void)state;
	other.holds_other = true; /* the wrong one: down with it, then let go */
	other.gripper_m = 0.05;
	expert_act(&other, action);
	assert_true(action[GRIPPER] == 0 && action[0] == 0 && action[2] == -EXPERT_STEP_M);
	other.tip_m[2] = 0.025;
	expert_act(&other, action);
	assert_true(action[GRIPPER] == 1 && action[0] == 0 && action[2] == 0);

	missed.gripper_m = 0.0; /* closed on nothing: open, and up */
	expert_act(&missed, action);
	assert_true(action[GRIPPER] == 1 && action[2] > 0);

	expert_act(&beside, action); /* low beside it: first up, so as to push nothing */
	assert_true(action[0] == 0 && action[2] == EXPERT_STEP_M);
}

/* With the block in the hand, and the pad off to one side. */
static struct expert_view make_carrying(double off_m, double lift_m)
{
	return (struct expert_view){ .tip_m = { 0.5, 0, 0.022 + lift_m }, .gripper_m = 0.05, .gripper_max_m = 0.08, .block_m = { 0.5, 0, lift_m },
		.holds_named = true, .put = true, .pad_m = { 0.5, off_m } };
}

static void test_puts(void **state)
{
	double action[CHUNK][EXPERT_ACTION_DIM], at_m = 0, up_m = 0;
	struct expert_view low = make_carrying(0.2, 0), high = make_carrying(0.2, 0.1), there = make_carrying(0.004, 0.1),
			down = make_carrying(0.004, 0.003);

	(void)state;
	expert_act(&low, action[0]); /* first up */
	assert_true(action[0][1] == 0 && action[0][2] == EXPERT_STEP_M && action[0][GRIPPER] == 0);
	expert_act(&high, action[0]);
	assert_true(action[0][1] == EXPERT_STEP_M && action[0][GRIPPER] == 0);
	expert_act(&there, action[0]);
	assert_true(action[0][2] < 0 && action[0][GRIPPER] == 0);
	expert_act(&down, action[0]); /* open, without another move */
	assert_true(action[0][1] == 0 && action[0][2] == 0 && action[0][GRIPPER] == 1);
	expert_chunk(&low, 0.2, 0, CHUNK, action);
	for (int k = 0; k < CHUNK && action[k][GRIPPER] == 0; k++)
		at_m += action[k][1];
	for (int k = 0; k < CHUNK; k++)
		up_m += action[k][2];
	assert_true(fabs(at_m - 0.2) < 0.01);
	assert_true(action[CHUNK - 1][GRIPPER] == 1 && up_m > 0.05); /* and away from it */
}

/* From above it goes across first; low, where nothing can be seen of the pad, it lets go where it is. */
static void test_does_not_go_up_again_for_a_little(void **state)
{
	double action[EXPERT_ACTION_DIM];
	struct expert_view high = make_carrying(0.022, 0.1), low = make_carrying(0.022, 0.003), beside = make_carrying(0.03, 0.003);

	(void)state;
	expert_act(&high, action);
	assert_true(action[1] > 0.01 && action[GRIPPER] == 0);
	expert_act(&low, action);
	assert_true(action[1] == 0 && action[2] == 0 && action[GRIPPER] == 1);
	expert_act(&beside, action);
	assert_true(action[1] > 0.01 && action[2] < 0.01 && action[GRIPPER] == 0);
}

/* What stands where it should is left alone. */
static void test_leaves_alone_what_is_done(void **state)
{
	double action[EXPERT_ACTION_DIM];
	struct expert_view v = make_carrying(0.02, 0);

	(void)state;
	v.holds_named = false;
	expert_act(&v, action); /* fingers still around it */
	assert_true(action[2] == 0 && action[GRIPPER] == 1);
	v.gripper_m = 0.08;
	expert_act(&v, action);
	assert_true(action[0] == 0 && action[1] == 0 && action[2] > 0 && action[GRIPPER] == 1);
	v.put = false;
	expert_act(&v, action); /* asked to pick it up, it does */
	assert_true(action[GRIPPER] == 0);
}

static void test_looks_at_the_named_pad(void **state)
{
	struct task_words words = { .put = true };
	struct world w;
	struct expert_view v;

	(void)state;
	world_init(&w, &(struct world_options){ .seed = 4, .model = robot_model_find("panda"), .task = true, .pads = true });
	for (int i = 0; i < WORLD_PADS; i++) {
		words.pad = w.pad[i].colour;
		expert_look(&v, &w, &words);
		assert_true(v.put && v.pad_m[0] == w.pad[i].x_m && v.pad_m[1] == w.pad[i].y_m);
	}
	for (words.pad = 0; words.pad == w.pad[0].colour || words.pad == w.pad[1].colour; words.pad++)
		;
	expert_look(&v, &w, &words);
	assert_false(v.put);
}

static void test_looks_at_the_named_block(void **state)
{
	struct world w;
	struct expert_view v;

	(void)state;
	world_init(&w, &(struct world_options){ .seed = 4, .model = robot_model_find("panda"), .task = true });
	for (int i = 0; i < WORLD_BLOCKS; i++) {
		struct task_words words = { .colour = w.block[i].colour };

		expert_look(&v, &w, &words);
		assert_true(v.block_m[0] == w.block[i].x_m && v.block_yaw_rad == w.block[i].yaw_rad && !v.holds_named && !v.holds_other);
		w.grip = (struct world_grip){ .holds = true, .block = 2 };
		expert_look(&v, &w, &words);
		assert_true(v.holds_named == (i == 2) && v.holds_other == (i != 2));
		w.grip.holds = false;
	}
	assert_true(fabs(v.tip_m[0] - 0.307) < 0.01 && fabs(v.tip_m[1]) < 0.01 && fabs(v.hand_yaw_rad) > 1.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_are_bounded_and_shrink),
		cmocka_unit_test(test_turns_the_short_way),
		cmocka_unit_test(test_a_chunk_ends_with_the_block_up),
		cmocka_unit_test(test_it_remembers_nothing),
		cmocka_unit_test(test_recovers),
		cmocka_unit_test(test_puts),
		cmocka_unit_test(test_does_not_go_up_again_for_a_little),
		cmocka_unit_test(test_leaves_alone_what_is_done),
		cmocka_unit_test(test_looks_at_the_named_block),
		cmocka_unit_test(test_looks_at_the_named_pad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
