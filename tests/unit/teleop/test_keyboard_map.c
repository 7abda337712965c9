/* test_keyboard_map.c - presses and releases of a keyboard -> twist, dead-man, gripper. */
#include "robots/teleop/keyboard_map.h"
#include "tests/unit/teleop/input_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

static const struct hand_options OPTIONS = { .deadman = KEY_SPACE, .open = KEY_T, .close = KEY_G, .frame = KEY_B, .slow = KEY_LEFTSHIFT,
	.linear_max_m_s = 0.1, .angular_max_rad_s = 0.5, .gripper_max_m = 0.08 };

struct bench {
	struct input_facts facts;
	struct keyboard_map map;
	struct device_wish wish;
	int64_t now_ns;
};

static void begin(struct bench *b)
{
	struct errbuf e;

	*b = (struct bench){ .now_ns = 1000 * MS };
	make_keyboard(&b->facts);
	assert_int_equal(keyboard_map_init(&b->map, &OPTIONS, &e), 0);
	keyboard_map_begin(&b->map, &b->facts);
	keyboard_map_read(&b->map, b->now_ns, &b->wish);
}

static void key(struct bench *b, int code, int value)
{
	struct input_event ev = event_of(EV_KEY, code, value);

	keyboard_map_take(&b->map, &ev);
}

static const struct device_wish *after(struct bench *b, int64_t ms)
{
	for (int64_t left = ms; left >= 0; left -= 10) {
		b->now_ns += (left < 10 ? left : 10) * MS;
		keyboard_map_read(&b->map, b->now_ns, &b->wish);
	}
	return &b->wish;
}

static void assert_still(const struct device_wish *w)
{
	for (int i = 0; i < 6; i++)
		assert_near(w->value[i], 0.0, 0.0);
}

static void test_keys_without_the_dead_man_move_nothing(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	key(&b, KEY_W, 1);
	assert_false(after(&b, 500)->deadman);
	assert_still(&b.wish);
}

static void test_every_key_moves_its_own_direction(void **state)
{
	static const struct { int code, moves; double sign; } keys[] = {
		{ KEY_W, 0, 1 }, { KEY_S, 0, -1 }, { KEY_A, 1, 1 }, { KEY_D, 1, -1 }, { KEY_R, 2, 1 }, { KEY_F, 2, -1 },
		{ KEY_U, 3, 1 }, { KEY_O, 3, -1 }, { KEY_I, 4, 1 }, { KEY_K, 4, -1 }, { KEY_J, 5, 1 }, { KEY_L, 5, -1 },
	};

	(void)state;
	for (unsigned int k = 0; k < sizeof keys / sizeof *keys; k++) {
		struct bench b;

		begin(&b);
		key(&b, KEY_SPACE, 1);
		assert_true(after(&b, 0)->deadman);
		key(&b, keys[k].code, 1);
		after(&b, 500);
		for (int i = 0; i < 6; i++)
			assert_near(b.wish.value[i], i == keys[k].moves ? keys[k].sign * (i < 3 ? 0.1 : 0.5) : 0.0, 1e-9);
		key(&b, KEY_SPACE, 0);
		assert_still(after(&b, 0));
	}
}

static void test_speed_rises_over_time_and_ends_at_once(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	key(&b, KEY_SPACE, 1);
	after(&b, 0);
	key(&b, KEY_W, 1);
	double before = 0.0;

	for (int i = 0; i < 30; i++) {
		b.now_ns += 10 * MS;
		keyboard_map_read(&b.map, b.now_ns, &b.wish);
		assert_true(b.wish.value[0] > before && b.wish.value[0] - before < 0.1 / 29);
		before = b.wish.value[0];
	}
	assert_near(before, 0.1, 1e-6);
	key(&b, KEY_W, 0);
	assert_still(after(&b, 0));
	key(&b, KEY_S, 1);
	assert_true(after(&b, 10)->value[0] < 0.0);
}

static void test_opposite_keys_cancel_and_turn_around_through_zero(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	key(&b, KEY_SPACE, 1);
	after(&b, 0);
	key(&b, KEY_W, 1);
	after(&b, 500);
	key(&b, KEY_S, 1);
	assert_still(after(&b, 0));
	key(&b, KEY_W, 0);
	after(&b, 10);
	assert_true(b.wish.value[0] < 0.0 && b.wish.value[0] > -0.02);
}

static void test_autorepeat_is_no_press(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	key(&b, KEY_SPACE, 2);
	key(&b, KEY_W, 2);
	assert_false(after(&b, 100)->deadman);
	assert_still(&b.wish);
	key(&b, KEY_SPACE, 1);
	key(&b, KEY_W, 2);
	assert_true(after(&b, 500)->deadman);
	assert_still(&b.wish);
	key(&b, KEY_SPACE, 2);
	assert_true(after(&b, 0)->deadman);
}

/* Unplugged with keys down, or a key that hangs. */
static void test_keys_that_are_down_at_the_beginning_or_the_take_over_do_not_count(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	b.facts.key_down[KEY_W] = b.facts.key_down[KEY_SPACE] = true;
	keyboard_map_begin(&b.map, &b.facts);
	assert_false(after(&b, 100)->deadman);
	key(&b, KEY_SPACE, 0);
	key(&b, KEY_SPACE, 1);
	after(&b, 0);
	assert_true(after(&b, 500)->deadman);
	assert_still(&b.wish);
	key(&b, KEY_W, 0);
	key(&b, KEY_W, 1);
	assert_near(after(&b, 500)->value[0], 0.1, 1e-9);
	key(&b, KEY_SPACE, 0);
	after(&b, 0);
	key(&b, KEY_SPACE, 1);
	after(&b, 500);
	assert_still(&b.wish);
}

static void test_dropped_events_are_a_release(void **state)
{
	struct input_event dropped = event_of(EV_SYN, SYN_DROPPED, 0);
	struct bench b;

	(void)state;
	begin(&b);
	key(&b, KEY_SPACE, 1);
	key(&b, KEY_W, 1);
	after(&b, 0);
	keyboard_map_take(&b.map, &dropped);
	assert_false(after(&b, 200)->deadman);
	assert_still(&b.wish);
}

/* Neither a pause of the program nor a clock that goes back makes a jump. */
static void test_time_that_stands_jumps_or_goes_back(void **state)
{
	static const int64_t steps_ms[] = { 0, -1, -100000, 3600000, INT64_MIN / MS / 4 };

	(void)state;
	for (unsigned int k = 0; k < sizeof steps_ms / sizeof *steps_ms; k++) {
		struct bench b;

		begin(&b);
		key(&b, KEY_SPACE, 1);
		after(&b, 0);
		key(&b, KEY_W, 1);
		keyboard_map_read(&b.map, b.now_ns + steps_ms[k] * MS, &b.wish);
		assert_true(b.wish.value[0] >= 0.0 && b.wish.value[0] <= 0.1 * 0.05 / 0.3 + 1e-9);
	}
}

static void test_gripper_frame_and_slow(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	key(&b, KEY_SPACE, 1);
	after(&b, 0);
	key(&b, KEY_G, 1);
	assert_near(after(&b, 0)->gripper_m, 0.0, 0.0);
	key(&b, KEY_T, 1);
	assert_near(after(&b, 0)->gripper_m, 0.08, 0.0);
	key(&b, KEY_B, 1);
	assert_int_equal(after(&b, 0)->frame, FRAME_TCP);
	key(&b, KEY_LEFTSHIFT, 1);
	key(&b, KEY_W, 1);
	assert_near(after(&b, 500)->value[0], 0.025, 1e-9);
}

static void test_what_is_no_keyboard_is_told_by_what_it_is(void **state)
{
	struct input_facts f;
	struct errbuf e;

	(void)state;
	make_gamepad(&f);
	assert_true(keyboard_map_fits(&f, KEY_SPACE, &e) < 0);
	assert_non_null(strstr(e.text, "a gamepad"));
	make_keyboard(&f);
	assert_int_equal(keyboard_map_fits(&f, KEY_SPACE, &e), 0);
	assert_true(keyboard_map_fits(&f, BTN_TR, &e) < 0);
	assert_non_null(strstr(e.text, "--deadman-key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_without_the_dead_man_move_nothing),
		cmocka_unit_test(test_every_key_moves_its_own_direction),
		cmocka_unit_test(test_speed_rises_over_time_and_ends_at_once),
		cmocka_unit_test(test_opposite_keys_cancel_and_turn_around_through_zero),
		cmocka_unit_test(test_autorepeat_is_no_press),
		cmocka_unit_test(test_keys_that_are_down_at_the_beginning_or_the_take_over_do_not_count),
		cmocka_unit_test(test_dropped_events_are_a_release),
		cmocka_unit_test(test_time_that_stands_jumps_or_goes_back),
		cmocka_unit_test(test_gripper_frame_and_slow),
		cmocka_unit_test(test_what_is_no_keyboard_is_told_by_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
