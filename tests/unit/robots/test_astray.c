/* test_astray.c - given actions that lead elsewhere, and the expert's way on from there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/model/model.h"
#include "robots/sim/task/astray.h"

#include <cmocka.h> /* last: it defines fail() */

enum { GRIPPER = 6, CHUNK = 8, LONG = 32, DRAWS = 2000 };

static const struct expert_view here = { .tip_m = { 0.55, 0.05, 0.16 }, .gripper_m = 0.08, .gripper_max_m = 0.08, .block_m = { 0.5, 0, 0 } };
static const struct expert_view elsewhere = { .tip_m = { 0.55, 0.05, 0.16 }, .gripper_m = 0.08, .gripper_max_m = 0.08, .block_m = { 0.4, 0.2, 0 } };

static void test_how_many_are_given(void **state)
{
	double action[CHUNK][EXPERT_ACTION_DIM];
	uint64_t random = 1;
	int counted[CHUNK] = { 0 };

	(void)state;
	for (int i = 0; i < DRAWS; i++)
		counted[astray_chunk(&here, &elsewhere, &random, 0.2, CHUNK, action)]++; /* 0 would be no prefix, CHUNK no task */
	assert_int_equal(counted[0], 0);
	for (int n = 1; n < CHUNK; n++)
		assert_true(counted[n] > DRAWS / 100 && counted[n] <= counted[1]);
}

/* Whatever is given, the rest is what the expert does from there: another one would say the same. */
static void test_the_rest_is_the_experts(void **state)
{
	double action[CHUNK][EXPERT_ACTION_DIM], again[CHUNK][EXPERT_ACTION_DIM], own[CHUNK][EXPERT_ACTION_DIM];
	uint64_t random = 2;
	int other = 0;

	(void)state;
	expert_chunk(&here, 0.2, 0, CHUNK, own);
	for (int i = 0; i < DRAWS; i++) {
		uint32_t given = astray_chunk(&here, &elsewhere, &random, 0.2, CHUNK, action);

		memset(again, 0, sizeof again);
		memcpy(again, action, given * sizeof *action);
		expert_chunk(&here, 0.2, given, CHUNK, again);
		assert_memory_equal(again, action, sizeof action);
		other += memcmp(own, action, given * sizeof *action) != 0;
		for (uint32_t k = 0; k < CHUNK; k++)
			for (int d = 0; d < 3; d++)
				assert_true(fabs(action[k][d]) <= EXPERT_STEP_M + 1e-12);
	}
	assert_true(other > DRAWS * 0.9);
}

/* Led astray, it comes to the block all the same. */
static void test_it_ends_at_the_block(void **state)
{
	uint64_t random = 3;

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		double action[LONG][EXPERT_ACTION_DIM], at_m[2] = { here.tip_m[0], here.tip_m[1] };
		uint32_t given = astray_chunk(&here, &elsewhere, &random, 0.2, CHUNK, action), k = 0;

		expert_chunk(&here, 0.2, given, LONG, action);
		for (; k < LONG && (k < given || action[k][GRIPPER] > 0.5); k++)
			for (int d = 0; d < 2; d++)
				at_m[d] += action[k][d];
		assert_true(k < LONG); /* the fingers close */
		assert_true(hypot(at_m[0] - here.block_m[0], at_m[1] - here.block_m[1]) < 0.011);
	}
}

/* What is held is not let go by standing still. */
static void test_a_hand_that_holds(void **state)
{
	struct expert_view holds = here;
	double action[CHUNK][EXPERT_ACTION_DIM];
	uint64_t random = 4;
	int still = 0;

	(void)state;
	holds.holds_named = true;
	for (int i = 0; i < DRAWS; i++) {
		uint32_t given = astray_chunk(&holds, &elsewhere, &random, 0.2, CHUNK, action);
		double moved = 0;

		for (uint32_t k = 0; k < given; k++)
			moved += fabs(action[k][0]) + fabs(action[k][1]) + fabs(action[k][2]);
		if (moved > 0)
			continue;
		still++;
		assert_true(action[0][GRIPPER] == 0);
	}
	assert_true(still > DRAWS / 20 && still < DRAWS / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_many_are_given),
		cmocka_unit_test(test_the_rest_is_the_experts),
		cmocka_unit_test(test_it_ends_at_the_block),
		cmocka_unit_test(test_a_hand_that_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
