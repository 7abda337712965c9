/* test_gamepad_map.c - events of a gamepad -> twist, dead-man, gripper. Every test begins with what must not move the arm. */
#include "robots/teleop/gamepad_map.h"
#include "tests/unit/teleop/input_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct hand_options OPTIONS = { .deadman = BTN_TR, .open = BTN_EAST, .close = BTN_SOUTH, .frame = BTN_START, .slow = BTN_TL,
	.linear_max_m_s = 0.1, .angular_max_rad_s = 0.5, .gripper_max_m = 0.08 };

struct bench {
	struct input_facts facts;
	struct gamepad_map map;
	struct device_wish wish;
};

static void take(struct bench *b, int type, int code, int value)
{
	struct input_event ev = event_of(type, code, value);

	gamepad_map_take(&b->map, &ev);
}

static const struct device_wish *look(struct bench *b)
{
	gamepad_map_read(&b->map, &b->wish);
	return &b->wish;
}

static const struct device_wish *press(struct bench *b, int code, int value)
{
	take(b, EV_KEY, code, value);
	return look(b);
}

static const struct device_wish *tilt(struct bench *b, int code, int value)
{
	take(b, EV_ABS, code, value);
	return look(b);
}

static void begin(struct bench *b)
{
	struct errbuf e;

	make_gamepad(&b->facts);
	assert_int_equal(gamepad_map_init(&b->map, &OPTIONS, 0.1, &e), 0);
	gamepad_map_begin(&b->map, &b->facts);
}

static void assert_still(const struct device_wish *w)
{
	for (int i = 0; i < 6; i++)
		assert_near(w->value[i], 0.0, 0.0);
}

/* -> which of the six moves, and nothing else does. */
static int only_mover(const struct device_wish *w)
{
	int found = -1;

	for (int i = 0; i < 6; i++) {
		if (w->value[i] == 0.0)
			continue;
		assert_int_equal(found, -1);
		found = i;
	}
	assert_true(found >= 0);
	return found;
}

static void test_nothing_moves_without_the_dead_man(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	assert_false(tilt(&b, ABS_Y, -32768)->deadman);
	assert_still(&b.wish);
	assert_false(b.wish.has_gripper);
	assert_int_equal(b.wish.kind, TELEOP_TWIST);
	assert_int_equal(b.wish.n_values, 6);
}

static void test_every_axis_moves_its_own_direction(void **state)
{
	static const struct { int code, value, moves; double sign; } ways[] = {
		{ ABS_Y, -32768, 0, 1 }, { ABS_Y, 32767, 0, -1 }, { ABS_X, -32768, 1, 1 }, { ABS_X, 32767, 1, -1 },
		{ ABS_RY, -32768, 2, 1 }, { ABS_RY, 32767, 2, -1 }, { ABS_RX, -32768, 5, 1 }, { ABS_RX, 32767, 5, -1 },
		{ ABS_HAT0Y, -1, 4, 1 }, { ABS_HAT0Y, 1, 4, -1 }, { ABS_HAT0X, 1, 3, 1 }, { ABS_HAT0X, -1, 3, -1 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof ways / sizeof *ways; i++) {
		double most = ways[i].moves < 3 ? 0.1 : 0.5;
		struct bench b;

		begin(&b);
		assert_true(press(&b, BTN_TR, 1)->deadman);
		assert_still(&b.wish);
		tilt(&b, ways[i].code, ways[i].value);
		assert_int_equal(only_mover(&b.wish), ways[i].moves);
		assert_near(b.wish.value[ways[i].moves], ways[i].sign * most, 1e-9);
		assert_false(press(&b, BTN_TR, 0)->deadman);
		assert_still(&b.wish);
	}
}

static void test_a_corner_is_no_faster_than_a_side(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_TR, 1);
	take(&b, EV_ABS, ABS_X, -32768);
	take(&b, EV_ABS, ABS_RY, -32768);
	tilt(&b, ABS_Y, -32768);
	assert_near(sqrt(3) * b.wish.value[0], 0.1, 1e-9);
	assert_near(b.wish.value[1], b.wish.value[0], 1e-12);
	assert_near(b.wish.value[2], b.wish.value[0], 1e-12);
}

static void test_slow_is_a_quarter(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_TR, 1);
	press(&b, BTN_TL, 1);
	assert_near(tilt(&b, ABS_Y, -32768)->value[0], 0.025, 1e-9);
	assert_near(press(&b, BTN_TL, 0)->value[0], 0.1, 1e-9);
}

/* Taking over always works; the stick that was deflected does not. */
static void test_a_stick_deflected_at_the_take_over_moves_nothing_until_it_was_at_rest(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	tilt(&b, ABS_Y, -32768);
	assert_true(press(&b, BTN_TR, 1)->deadman);
	assert_still(&b.wish);
	assert_non_null(strstr(b.wish.note, "left stick"));
	assert_still(tilt(&b, ABS_Y, -20000));
	assert_int_equal((only_mover(tilt(&b, ABS_X, -20000))), 1);
	tilt(&b, ABS_X, 0);
	tilt(&b, ABS_Y, 10);
	assert_string_equal(b.wish.note, "");
	assert_int_equal(only_mover(tilt(&b, ABS_Y, -20000)), 0);
}

/* Triggers rest at an end of their way: where a device keeps them in place of the right stick, they never count. */
static void test_an_axis_that_rests_at_its_end_never_counts(void **state)
{
	struct bench b;
	struct errbuf e;

	(void)state;
	make_gamepad(&b.facts);
	b.facts.has_axis[ABS_RX] = b.facts.has_axis[ABS_RY] = false;
	assert_int_equal(gamepad_map_init(&b.map, &OPTIONS, 0.1, &e), 0);
	gamepad_map_begin(&b.map, &b.facts);
	assert_true(press(&b, BTN_TR, 1)->deadman);
	assert_still(&b.wish);
	assert_still(tilt(&b, ABS_RZ, 0));
	assert_still(tilt(&b, ABS_RZ, 30));
}

static void test_a_right_stick_on_other_axes(void **state)
{
	struct bench b;
	struct errbuf e;

	(void)state;
	make_gamepad(&b.facts);
	b.facts.has_axis[ABS_RX] = b.facts.has_axis[ABS_RY] = false;
	give_axis(&b.facts, ABS_Z, 0, 255, 128, 0);
	give_axis(&b.facts, ABS_RZ, 0, 255, 128, 0);
	assert_int_equal(gamepad_map_init(&b.map, &OPTIONS, 0.1, &e), 0);
	gamepad_map_begin(&b.map, &b.facts);
	press(&b, BTN_TR, 1);
	assert_near(tilt(&b, ABS_RZ, 0)->value[2], 0.1, 1e-9);
	tilt(&b, ABS_RZ, 128);
	assert_near(tilt(&b, ABS_Z, 0)->value[5], 0.5, 1e-9);
}

static void test_a_cross_of_buttons(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_DPAD_UP, 1);
	press(&b, BTN_TR, 1);
	assert_still(&b.wish);
	press(&b, BTN_DPAD_UP, 0);
	assert_near(press(&b, BTN_DPAD_UP, 1)->value[4], 0.5, 1e-9);
	assert_near(press(&b, BTN_DPAD_DOWN, 1)->value[4], 0.0, 0.0);
	press(&b, BTN_DPAD_UP, 0);
	press(&b, BTN_DPAD_DOWN, 0);
	assert_near(press(&b, BTN_DPAD_LEFT, 1)->value[3], -0.5, 1e-9);
}

static void test_a_dead_man_held_from_before_does_not_count(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	b.facts.key_down[BTN_TR] = true;
	gamepad_map_begin(&b.map, &b.facts); /* plugged in again, with a thumb on it */
	assert_false(look(&b)->deadman);
	assert_non_null(strstr(b.wish.note, "let it go"));
	assert_false(press(&b, BTN_TR, 1)->deadman);
	assert_false(press(&b, BTN_TR, 2)->deadman);
	assert_false(press(&b, BTN_TR, 0)->deadman);
	assert_true(press(&b, BTN_TR, 1)->deadman);
}

/* The kernel dropped events: a release may be among them, even where the switch is down before and after. */
static void test_dropped_events_are_a_release(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_TR, 1);
	tilt(&b, ABS_Y, -32768);
	take(&b, EV_SYN, SYN_DROPPED, 0);
	assert_false(look(&b)->deadman);
	assert_still(&b.wish);
	assert_false(look(&b)->deadman);
	press(&b, BTN_TR, 0);
	assert_true(press(&b, BTN_TR, 1)->deadman);
	assert_still(&b.wish);
}

static void test_a_release_and_a_press_between_two_messages_are_a_release_first(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_TR, 1);
	take(&b, EV_KEY, BTN_TR, 0);
	take(&b, EV_KEY, BTN_TR, 1);
	assert_false(look(&b)->deadman);
	assert_true(look(&b)->deadman);
}

static void test_unknown_events_change_nothing(void **state)
{
	static const int types[] = { EV_SYN, EV_REL, EV_MSC, EV_SW, EV_LED, EV_REP, EV_FF, 0x1e, 0xffff };
	struct device_wish before;
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_TR, 1);
	before = *tilt(&b, ABS_Y, -20000);
	for (unsigned int i = 0; i < sizeof types / sizeof *types; i++)
		for (int code = 0; code < 0x300; code++)
			if (types[i] != EV_SYN || code != SYN_DROPPED)
				take(&b, types[i], code, code % 3 - 1);
	take(&b, EV_KEY, 0xffff, 1);
	take(&b, EV_ABS, 0xffff, 32767);
	take(&b, EV_ABS, ABS_MISC, 32767);
	take(&b, EV_KEY, BTN_TR, 7);
	take(&b, EV_KEY, BTN_TR, -1);
	assert_memory_equal(look(&b)->value, before.value, sizeof before.value);
	assert_true(b.wish.deadman);
}

static void test_gripper_moves_by_its_buttons_while_the_dead_man_is_held(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_SOUTH, 1);
	press(&b, BTN_SOUTH, 0);
	press(&b, BTN_TR, 1);
	assert_true(b.wish.has_gripper);
	double start = b.wish.gripper_m;

	assert_near(press(&b, BTN_SOUTH, 1)->gripper_m, 0.0, 0.0);
	assert_true(start >= 0.005);
	assert_near(press(&b, BTN_EAST, 1)->gripper_m, 0.08, 0.0);
	assert_true(0.08 - start >= 0.005);
	press(&b, BTN_TR, 0);
	press(&b, BTN_TR, 1);
	assert_near(b.wish.gripper_m, start, 0.0); /* so that either button acts again */
}

static void test_the_frame_changes_by_a_button_and_never_under_a_deflected_stick(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	press(&b, BTN_TR, 1);
	tilt(&b, ABS_Y, -32768);
	press(&b, BTN_START, 1);
	assert_int_equal(b.wish.frame, FRAME_TCP);
	assert_still(&b.wish);
	press(&b, BTN_START, 0);
	assert_int_equal(b.wish.frame, FRAME_TCP);
	tilt(&b, ABS_Y, 0);
	assert_int_equal(only_mover(tilt(&b, ABS_Y, -32768)), 0);
	assert_int_equal(press(&b, BTN_START, 1)->frame, FRAME_BASE);
}

static void test_scales_that_are_none_are_refused(void **state)
{
	static const double scales[] = { NAN, INFINITY, -0.1, 1e9 };
	struct gamepad_map map;
	struct errbuf e;

	(void)state;
	for (unsigned int i = 0; i < sizeof scales / sizeof *scales; i++) {
		struct hand_options o = OPTIONS;

		o.linear_max_m_s = scales[i];
		assert_true(gamepad_map_init(&map, &o, 0.1, &e) < 0);
		o = OPTIONS;
		o.angular_max_rad_s = scales[i];
		assert_true(gamepad_map_init(&map, &o, 0.1, &e) < 0);
		o = OPTIONS;
		o.gripper_max_m = scales[i];
		assert_true(gamepad_map_init(&map, &o, 0.1, &e) < 0);
		assert_true(gamepad_map_init(&map, &OPTIONS, scales[i], &e) < 0);
	}
}

static void test_what_is_no_gamepad_is_told_by_what_it_is(void **state)
{
	struct input_facts f;
	struct errbuf e;

	(void)state;
	make_keyboard(&f);
	assert_true(gamepad_map_fits(&f, BTN_TR, &e) < 0);
	assert_non_null(strstr(e.text, "a keyboard"));
	memset(&f, 0, sizeof f);
	assert_true(gamepad_map_fits(&f, BTN_TR, &e) < 0);
	give_axis(&f, ABS_X, 0, 1, 0, 0);
	give_axis(&f, ABS_Y, 0, 1, 0, 0);
	assert_true(gamepad_map_fits(&f, BTN_TR, &e) < 0);
	assert_non_null(strstr(e.text, "motion sensor"));
	make_gamepad(&f);
	assert_int_equal(gamepad_map_fits(&f, BTN_TR, &e), 0);
	f.has_key[BTN_TR] = false;
	assert_true(gamepad_map_fits(&f, BTN_TR, &e) < 0);
	assert_non_null(strstr(e.text, "--deadman-key"));
}

static void test_axes_without_a_range_leave_the_others(void **state)
{
	struct bench b;
	struct errbuf e;

	(void)state;
	make_gamepad(&b.facts);
	give_axis(&b.facts, ABS_Y, 7, 7, 7, 0);
	assert_int_equal(gamepad_map_init(&b.map, &OPTIONS, 0.1, &e), 0);
	gamepad_map_begin(&b.map, &b.facts);
	press(&b, BTN_TR, 1);
	assert_still(tilt(&b, ABS_Y, 32767));
	assert_int_equal(only_mover(tilt(&b, ABS_X, 32767)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_moves_without_the_dead_man),
		cmocka_unit_test(test_every_axis_moves_its_own_direction),
		cmocka_unit_test(test_a_corner_is_no_faster_than_a_side),
		cmocka_unit_test(test_slow_is_a_quarter),
		cmocka_unit_test(test_a_stick_deflected_at_the_take_over_moves_nothing_until_it_was_at_rest),
		cmocka_unit_test(test_an_axis_that_rests_at_its_end_never_counts),
		cmocka_unit_test(test_a_right_stick_on_other_axes),
		cmocka_unit_test(test_a_cross_of_buttons),
		cmocka_unit_test(test_a_dead_man_held_from_before_does_not_count),
		cmocka_unit_test(test_dropped_events_are_a_release),
		cmocka_unit_test(test_a_release_and_a_press_between_two_messages_are_a_release_first),
		cmocka_unit_test(test_unknown_events_change_nothing),
		cmocka_unit_test(test_gripper_moves_by_its_buttons_while_the_dead_man_is_held),
		cmocka_unit_test(test_the_frame_changes_by_a_button_and_never_under_a_deflected_stick),
		cmocka_unit_test(test_scales_that_are_none_are_refused),
		cmocka_unit_test(test_what_is_no_gamepad_is_told_by_what_it_is),
		cmocka_unit_test(test_axes_without_a_range_leave_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
