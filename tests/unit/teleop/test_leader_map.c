/* test_leader_map.c - a leader's states and a dead-man -> joints; whatever is stale, foreign or of another arm presses nothing. */
#include "robots/teleop/leader_map.h"
#include "tests/unit/teleop/input_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

struct bench {
	struct leader_map map;
	struct message_state m;
	struct device_wish wish;
	struct errbuf e;
	int64_t now_ns;
};

static void begin(struct bench *b, double deadman_gripper_m)
{
	*b = (struct bench){ .now_ns = 1000 * MS };
	b->m.head = (struct message_head){ .from = 7, .seq = 0 };
	b->m.dof = 7;
	b->m.state.has_q = b->m.state.has_gripper = true;
	b->m.state.gripper_m = 0.06;
	b->m.state.mode = ARM_GUIDING;
	for (int i = 0; i < 7; i++)
		b->m.state.q_rad[i] = 0.1 * i;
	leader_map_init(&b->map, 7, deadman_gripper_m);
}

static int hear(struct bench *b)
{
	b->now_ns += 5 * MS;
	b->m.head.seq++;
	return leader_map_take(&b->map, &b->m, b->now_ns - MS, b->now_ns, &b->e);
}

static bool held(struct bench *b)
{
	assert_true(leader_map_read(&b->map, b->now_ns, &b->wish));
	return b->wish.deadman;
}

/* The leader speaks, and a person presses the dead-man. */
static void take_in_hand(struct bench *b)
{
	leader_map_press(&b->map, false);
	assert_int_equal(hear(b), 0);
	leader_map_press(&b->map, true);
	assert_true(held(b));
}

static void test_joints_and_gripper_pass_through(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.0);
	assert_false(leader_map_read(&b.map, b.now_ns, &b.wish));
	assert_int_equal(hear(&b), 0);
	leader_map_press(&b.map, false);
	leader_map_press(&b.map, true);
	assert_true(held(&b));
	assert_int_equal(b.wish.kind, TELEOP_JOINT);
	assert_int_equal(b.wish.n_values, 7);
	for (int i = 0; i < 7; i++)
		assert_near(b.wish.value[i], 0.1 * i, 0.0);
	assert_true(b.wish.has_gripper);
	assert_near(b.wish.gripper_m, 0.06, 0.0);
}

static void test_silence_releases_and_asks_for_a_new_press(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.0);
	take_in_hand(&b);
	b.now_ns += 98 * MS;
	assert_true(held(&b));
	b.now_ns += 3 * MS;
	assert_false(held(&b));
	assert_non_null(strstr(b.wish.note, "silent"));
	assert_true(b.wish.lost); /* nobody let go */
	assert_int_equal(hear(&b), 0);
	assert_false(held(&b));
	assert_non_null(strstr(b.wish.note, "let it go"));
	leader_map_press(&b.map, false);
	leader_map_press(&b.map, true);
	(void)held(&b);
	assert_true(held(&b));
	leader_map_press(&b.map, false);
	assert_false(held(&b));
	assert_false(b.wish.lost); /* the person did */
}

/* Silence that nobody has looked at in between is silence all the same. */
static void test_a_gap_between_two_states_asks_for_a_new_press(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.0);
	take_in_hand(&b);
	b.now_ns += 200 * MS;
	assert_int_equal(hear(&b), 0);
	assert_false(held(&b));
}

static void test_old_states_are_stale_however_regularly_they_come(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.0);
	leader_map_press(&b.map, false);
	for (int i = 0; i < 10; i++) {
		b.now_ns += 5 * MS;
		b.m.head.seq++;
		assert_int_equal(leader_map_take(&b.map, &b.m, b.now_ns - 150 * MS, b.now_ns, &b.e), 0);
		leader_map_press(&b.map, true);
		assert_false(held(&b));
	}
}

static void test_states_that_are_not_the_leaders_are_refused(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.0);
	assert_int_equal(hear(&b), 0);
	b.m.head.from = 8;
	b.m.state.q_rad[0] = 3.0;
	assert_true(hear(&b) < 0);
	assert_non_null(strstr(b.e.text, "second publisher"));
	b.m.head.from = 7;
	b.m.head.seq = 0;
	assert_true(hear(&b) < 0);
	assert_non_null(strstr(b.e.text, "seq"));
	b.m.head.seq = 100;
	b.m.dof = 6;
	assert_true(hear(&b) < 0);
	assert_non_null(strstr(b.e.text, "6 joints"));
	b.m.dof = 7;
	b.m.state.has_q = false;
	assert_true(hear(&b) < 0);
	(void)held(&b);
	assert_near(b.wish.value[0], 0.0, 0.0);
}

static void test_a_leader_that_was_started_anew_asks_for_a_new_press(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.0);
	take_in_hand(&b);
	b.now_ns += 600 * MS;
	b.m.head = (struct message_head){ .from = 99 };
	assert_int_equal(hear(&b), 0);
	assert_false(held(&b));
}

static void test_the_gripper_as_a_dead_man(void **state)
{
	static const double opening_m[] = { 0.06, 0.021, 0.019, 0.022, 0.0249, 0.0251, 0.022, 0.010 };
	static const bool held_then[] = { false, false, true, true, true, false, false, true };
	struct bench b;

	(void)state;
	begin(&b, 0.02);
	for (unsigned int i = 0; i < sizeof held_then; i++) {
		b.m.state.gripper_m = opening_m[i];
		assert_int_equal(hear(&b), 0);
		assert_int_equal(held(&b), held_then[i]);
		assert_false(b.wish.has_gripper);
	}
	b.m.state.has_gripper = false;
	assert_true(hear(&b) < 0);
}

static void test_a_gripper_closed_at_the_beginning_is_no_press(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.02);
	b.m.state.gripper_m = 0.0;
	assert_int_equal(hear(&b), 0);
	assert_false(held(&b));
	b.m.state.gripper_m = 0.05;
	assert_int_equal(hear(&b), 0);
	assert_false(held(&b));
	b.m.state.gripper_m = 0.0;
	assert_int_equal(hear(&b), 0);
	assert_true(held(&b));
}

static void test_a_lost_pedal_is_a_loss_and_no_release(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, 0.0);
	take_in_hand(&b);
	leader_map_forget_deadman(&b.map); /* its events were lost */
	assert_false(held(&b));
	assert_true(b.wish.lost);
	assert_false(held(&b));
	assert_false(b.wish.lost); /* told once */
	leader_map_press(&b.map, false);
	leader_map_press(&b.map, true);
	(void)held(&b);
	assert_true(held(&b));
	leader_map_begin_deadman(&b.map, true); /* plugged in again, with a foot on it */
	leader_map_press(&b.map, true);
	assert_false(held(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joints_and_gripper_pass_through),
		cmocka_unit_test(test_silence_releases_and_asks_for_a_new_press),
		cmocka_unit_test(test_a_gap_between_two_states_asks_for_a_new_press),
		cmocka_unit_test(test_old_states_are_stale_however_regularly_they_come),
		cmocka_unit_test(test_states_that_are_not_the_leaders_are_refused),
		cmocka_unit_test(test_a_leader_that_was_started_anew_asks_for_a_new_press),
		cmocka_unit_test(test_the_gripper_as_a_dead_man),
		cmocka_unit_test(test_a_gripper_closed_at_the_beginning_is_no_press),
		cmocka_unit_test(test_a_lost_pedal_is_a_loss_and_no_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
