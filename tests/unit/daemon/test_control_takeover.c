/* test_control_takeover.c - taps of a dead-man, who has priority, and what a recording learns of an intervention. */
#include "teleop_bench.h"

/* What the take-over's latency is measured from. */
static void a_persons_targets_say_when_the_edge_came(void **state)
{
	struct bench *b = bench_moving();
	int64_t edge_ns;

	(void)state;
	take_over(b, 0, 0.05);
	edge_ns = b->inputs.teleop[0].edge_ns;
	run_ms(b, 50);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	assert_true(b->teleop_targets > 0 && b->queue[0][0].source == TARGET_TELEOP);
	assert_true(edge_ns > 0 && b->queue[0][0].edge_ns == edge_ns);
	free(b);
}

static void a_tap_stops_auto(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->inputs.teleop[0].value[1] = 0.25;
	tap(b, 0);
	assert_int_equal(b->events[EVENT_TAKEOVER][REASON_TAKEN_OVER], 1);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_DEADMAN_RELEASED);
	assert_int_equal(b->events[EVENT_INTERVENTION][REASON_DEADMAN_RELEASED], 1);
	assert_int_equal(b->teleop_targets, 0); /* a hand that is not there moves nothing */
	run_ms(b, 1000);
	assert_true(b->report.standing);
	free(b);
}

/* What follows does not depend on whether a tick lay between press and release. */
static void a_tap_does_what_a_short_press_does(void **state)
{
	(void)state;
	for (int resumes = 0; resumes < 2; resumes++)
		for (int ticks = 0; ticks < 3; ticks++) {
			struct bench *b = bench_new();

			b->setup.teleop_resumes = resumes;
			bench_start_in(b, COMMAND_MODE_AUTO, 1000);
			press(b, 0, false);
			run_ms(b, 5);
			press(b, 0, true);
			run_ms(b, 5 * ticks);
			press(b, 0, false);
			run_ms(b, 10);
			expect_mode(b, resumes ? MODE_RETURN : MODE_HOLD, resumes ? REASON_HANDING_BACK : REASON_DEADMAN_RELEASED);
			assert_int_equal(b->events[EVENT_TAKEOVER][REASON_TAKEN_OVER], 1);
			free(b);
		}
}

static void a_tap_needs_what_every_take_over_needs(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	tap(b, 0);
	assert_int_equal(b->report.mode, MODE_READY);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_ARM_DETACHED], 1);
	free(b);
}

static void two_taps_are_not_three(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	for (int k = 0; k < 2; k++) {
		tap(b, 0);
		run_ms(b, 500);
	}
	assert_int_equal(b->events[EVENT_TAKEOVER][REASON_TAKEN_OVER], 2);
	assert_int_equal(b->report.mode, MODE_HOLD);
	free(b);
}

static void who_is_outranked_is_told_who_drives(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 1, 0.0);
	take_over(b, 3, 0.1);
	assert_int_equal(b->report.device, 1);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_TELEOP_OUTRANKED], 1);
	assert_int_equal(b->newest[EVENT_REFUSED].device, 3);
	assert_true(b->newest[EVENT_REFUSED].value == 1.0);
	tap(b, 3); /* told once a second */
	assert_int_equal(b->events[EVENT_REFUSED][REASON_TELEOP_OUTRANKED], 1);
	press(b, 1, false);
	run_ms(b, 1000); /* nobody who waits takes it by itself */
	expect_mode(b, MODE_HOLD, REASON_DEADMAN_RELEASED);
	take_over(b, 3, 0.0);
	assert_int_equal(b->report.device, 3);
	free(b);
}

/* Of two who press at once, one drives and the other one hears of it. */
static void at_the_same_moment_the_first_in_the_list_drives(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	press(b, 2, false);
	press(b, 5, false);
	run_ms(b, 5);
	press(b, 5, true);
	press(b, 2, true);
	run_ms(b, 5);
	assert_int_equal(b->report.device, 2);
	assert_int_equal(b->newest[EVENT_REFUSED].device, 5);
	assert_true(b->newest[EVENT_REFUSED].value == 2.0);
	press(b, 5, false);
	run_ms(b, 500);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	free(b);
}

static void auto_is_refused_while_any_dead_man_is_pressed(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	press(b, 7, true);
	run_ms(b, 50);
	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_DEADMAN_PRESSED));
	assert_int_equal(ask_kind(b, COMMAND_MODE_SHADOW).missing, REASON_BIT(REASON_DEADMAN_PRESSED));
	press(b, 7, false);
	run_ms(b, 50);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	free(b);
}

/* ---- interventions ---- */

enum how { BY_RELEASE, BY_SILENCE, BY_STOP, BY_HOLD, BY_CHANGE, BY_OTHER_DEVICE, BY_FAULT, BY_HOW_COUNT };

static void end_by(struct bench *b, enum how how)
{
	switch (how) {
	case BY_RELEASE:
		press(b, 1, false);
		break;
	case BY_SILENCE:
		b->teleop_talks[1] = false;
		run_ms(b, 100);
		break;
	case BY_STOP:
		assert_true(ask_kind(b, COMMAND_STOP).ok);
		break;
	case BY_HOLD:
		assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
		break;
	case BY_CHANGE:
		b->inputs.teleop[1].from++;
		break;
	case BY_OTHER_DEVICE:
		press(b, 0, false);
		run_ms(b, 5);
		press(b, 0, true);
		break;
	case BY_FAULT:
	case BY_HOW_COUNT:
		b->inputs.arm[1].mode = ARM_REFLEX;
	}
	run_ms(b, 5);
}

static void its_end_says_who_drove_what_since_when_and_why_no_longer(void **state)
{
	static const enum reason why[BY_HOW_COUNT] = { REASON_DEADMAN_RELEASED, REASON_TELEOP_LOST, REASON_OPERATOR_STOP, REASON_OPERATOR_HOLD,
		REASON_TELEOP_CHANGED, REASON_TELEOP_OVERTAKEN, REASON_ARM_REFLEX };

	(void)state;
	for (int how = 0; how < BY_HOW_COUNT; how++) {
		struct bench *b = bench_two_arms();
		const struct control_event *began = &b->newest[EVENT_TAKEOVER], *ended = &b->newest[EVENT_INTERVENTION];

		bench_start(b);
		run_ms(b, 500);
		b->inputs.teleop[1].arm = 1;
		take_over(b, 1, 0.0);
		int64_t since_ns = began->t_ns;

		assert_true(began->device == 1 && began->driven == 1 && began->since_ns == since_ns && began->reason == REASON_TAKEN_OVER);
		run_ms(b, 300);
		assert_int_equal(b->events[EVENT_INTERVENTION][why[how]], 0);
		end_by(b, (enum how)how);
		assert_string_equal(reason_name(ended->reason), reason_name(why[how]));
		assert_true(ended->device == 1 && ended->driven == 1 && ended->since_ns == since_ns);
		assert_true(ended->t_ns - since_ns >= 300 * MS && ended->t_ns <= b->now_ns);
		run_ms(b, 300);
		assert_int_equal(b->events[EVENT_INTERVENTION][why[how]], 1);
		free(b);
	}
}

/* While a person drives one arm, no arm does what the policy wants: all targets are marked. RETURN is nobody's demonstration. */
static void targets_are_marked_from_the_first_to_the_last(void **state)
{
	struct bench *b = bench_two_arms();

	(void)state;
	b->setup.teleop_resumes = true;
	bench_start_in(b, COMMAND_MODE_AUTO, 1000);
	assert_int_equal(b->marked_targets[0] + b->marked_targets[1], 0);
	take_over(b, 0, 0.1);
	run_ms(b, 295);
	assert_int_equal(b->marked_targets[0], 60); /* one per period and arm */
	assert_int_equal(b->marked_targets[1], 60);
	press(b, 0, false);
	run_ms(b, 100);
	assert_int_equal(b->report.mode, MODE_RETURN);
	run_ms(b, 2000);
	assert_int_equal(b->report.mode, MODE_AUTO);
	assert_int_equal(b->marked_targets[0], 60);
	assert_int_equal(b->marked_targets[1], 60);
	free(b);
}

/* ---- gripper ---- */

/* A value within the hysteresis decides nothing: the gripper stays as the person left it. */
static void the_policys_gripper_goes_on_from_the_persons(void **state)
{
	(void)state;
	for (int open = 0; open < 2; open++) {
		struct bench *b = bench_new();

		b->setup.teleop_resumes = true;
		b->gripper_action = 0.5; /* the threshold itself */
		b->constant_gripper = true;
		bench_start_in(b, COMMAND_MODE_AUTO, 700);
		press(b, 0, false);
		b->inputs.teleop[0].has_gripper = true;
		b->inputs.teleop[0].gripper_m = open ? 0.0 : 0.08;
		run_ms(b, 5);
		press(b, 0, true);
		run_ms(b, 50);
		b->inputs.teleop[0].gripper_m = open ? 0.08 : 0.0;
		run_ms(b, 500);
		assert_true(b->gripper_m == (open ? 0.08 : 0.0));
		press(b, 0, false);
		run_ms(b, 3000);
		assert_int_equal(b->report.mode, MODE_AUTO);
		assert_true(b->gripper_m == (open ? 0.08 : 0.0));
		b->gripper_action = open ? 0.4 : 0.6;
		run_ms(b, 3000);
		assert_true(b->gripper_m == (open ? 0.0 : 0.08));
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_persons_targets_say_when_the_edge_came),
		cmocka_unit_test(a_tap_stops_auto),
		cmocka_unit_test(a_tap_does_what_a_short_press_does),
		cmocka_unit_test(a_tap_needs_what_every_take_over_needs),
		cmocka_unit_test(two_taps_are_not_three),
		cmocka_unit_test(who_is_outranked_is_told_who_drives),
		cmocka_unit_test(at_the_same_moment_the_first_in_the_list_drives),
		cmocka_unit_test(auto_is_refused_while_any_dead_man_is_pressed),
		cmocka_unit_test(its_end_says_who_drove_what_since_when_and_why_no_longer),
		cmocka_unit_test(targets_are_marked_from_the_first_to_the_last),
		cmocka_unit_test(the_policys_gripper_goes_on_from_the_persons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
