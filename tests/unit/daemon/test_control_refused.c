/* test_control_refused.c - who reaches for a dead-man in vain has stopped the arms all the same; what a stop, a pause, a shutdown and
 * a fault of one arm leave behind for whoever presses next. */
#include "teleop_bench.h"

/* A leader arm that is further away than a take-over allows. */
static void far_leader(struct bench *b, uint32_t device)
{
	struct teleop_input *in = &b->inputs.teleop[device];

	press(b, device, false);
	in->kind = TELEOP_JOINT;
	memcpy(in->value, b->q[0], sizeof in->value);
	in->value[1] += 0.9;
	run_ms(b, 5);
}

/* As press(), and it stays a leader. */
static void press_leader(struct bench *b, uint32_t device, bool pressed)
{
	press(b, device, pressed);
	b->inputs.teleop[device].kind = TELEOP_JOINT;
}

static void expect_at_rest(struct bench *b, double within_m)
{
	double y = tcp_y(b);

	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_true(fabs(tcp_y(b) - y) < within_m);
	y = tcp_y(b);
	run_ms(b, 3000);
	assert_true(fabs(tcp_y(b) - y) < 1e-6);
}

static void a_refused_leader_stops_the_policy_and_keeps_it_away(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->setup.teleop_resumes = true;
	far_leader(b, 3);
	assert_int_equal(b->report.mode, MODE_AUTO); /* nobody has pressed yet */
	press_leader(b, 3, true);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_MISMATCH);
	assert_true(fabs(b->report.reason_value - 0.9) < 0.05);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_TELEOP_MISMATCH], 1);
	expect_at_rest(b, 0.05);
	press_leader(b, 3, false);
	run_ms(b, 1000);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_MISMATCH);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	free(b);
}

static void a_refused_tap_stops_it_too(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	far_leader(b, 3);
	press_leader(b, 3, true);
	press_leader(b, 3, false);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_MISMATCH);
	free(b);
}

/* The arm is seeded anew 50 ms later: the policy does not begin again under the person's hand. */
static void a_press_while_the_arm_brakes_from_a_pause(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	press(b, 0, false);
	run_ms(b, 5);
	b->now_ns += 60 * MS;
	run_ms(b, 5);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_UNDERRUN], 1);
	assert_int_equal(b->report.mode, MODE_AUTO);
	press(b, 0, true);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_STILL_MOVING);
	expect_at_rest(b, 0.02);
	assert_int_equal(b->report.mode, MODE_HOLD);
	free(b);
}

static void a_press_in_vain_ends_the_way_home(void **state)
{
	(void)state;
	for (int edge = 0; edge < 2; edge++) {
		struct bench *b = bench_standing();

		assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
		assert_true(ask(b, (struct command){ .kind = COMMAND_JOG, .delta.v_m_s = { 0.0, 0.01, 0.0 } }).ok);
		run_ms(b, 1500);
		assert_true(ask_kind(b, COMMAND_HOME).ok);
		run_ms(b, 50);
		assert_int_equal(b->report.driver, TARGET_HOME);
		far_leader(b, 3);
		if (edge)
			press_leader(b, 3, true);
		else /* the link comes back with the dead-man held */
			b->inputs.teleop[3].deadman = true;
		run_ms(b, 500);
		assert_int_equal(b->report.mode, MODE_HOLD);
		assert_int_equal(b->events[EVENT_HOME][REASON_HOME_INTERRUPTED], 1);
		assert_int_equal(b->events[EVENT_HOME][REASON_HOME_REACHED], 0);
		free(b);
	}
}

static struct bench *bench_returning(void)
{
	struct bench *b = bench_new();

	b->setup.teleop_resumes = true;
	bench_start_in(b, COMMAND_MODE_AUTO, 1000);
	take_over(b, 0, 0.1);
	run_ms(b, 300);
	press(b, 0, false);
	run_ms(b, 20);
	expect_mode(b, MODE_RETURN, REASON_HANDING_BACK);
	return b;
}

static void a_press_in_vain_ends_the_way_back_to_the_policy(void **state)
{
	struct bench *b = bench_returning();

	(void)state;
	far_leader(b, 3);
	press_leader(b, 3, true);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_MISMATCH);
	press_leader(b, 3, false);
	run_ms(b, 3000);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_MISMATCH);
	free(b);
}

/* After a gap in the link there is no edge, but somebody holds a dead-man. */
static void a_dead_man_held_without_an_edge_stops_the_policy(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	press(b, 5, true);
	run_ms(b, 5);
	assert_int_equal(b->inputs.teleop[5].edges, 0);
	expect_mode(b, MODE_HOLD, REASON_DEADMAN_PRESSED);
	free(b);
	b = bench_returning();
	press(b, 5, true);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_DEADMAN_PRESSED);
	free(b);
}

/* The way back is not lost by a button that bounces: its newest edge is looked at before its level. */
static void a_new_press_on_the_way_back_takes_over_again(void **state)
{
	struct bench *b = bench_returning();

	(void)state;
	take_over(b, 0, 0.0);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	press(b, 0, false);
	press(b, 0, true);
	run_ms(b, 10);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	press(b, 0, false);
	run_ms(b, 5);
	expect_mode(b, MODE_RETURN, REASON_HANDING_BACK);
	free(b);
}

static void nobody_in_vain_stops_another_person(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 4, 0.05);
	far_leader(b, 3); /* of higher priority */
	press_leader(b, 3, true);
	press(b, 6, true);
	run_ms(b, 500);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	assert_int_equal(b->report.device, 4);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_TELEOP_MISMATCH], 1);
	free(b);
}

static void a_dead_man_that_nobody_hears_any_more_stops_nothing(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	far_leader(b, 3);
	b->teleop_talks[3] = false;
	run_ms(b, 200);
	b->inputs.teleop[3].edges++;
	b->inputs.teleop[3].deadman = true;
	run_ms(b, 500);
	assert_int_equal(b->report.mode, MODE_AUTO);
	free(b);
}

static void home_and_jog_wait_until_the_dead_man_is_released(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
	press(b, 2, true);
	run_ms(b, 5);
	assert_int_equal(ask_kind(b, COMMAND_HOME).missing, REASON_BIT(REASON_DEADMAN_PRESSED));
	assert_int_equal(ask(b, (struct command){ .kind = COMMAND_JOG, .delta.v_m_s = { 0.0, 0.01, 0.0 } }).missing,
			REASON_BIT(REASON_DEADMAN_PRESSED));
	press(b, 2, false);
	run_ms(b, 5);
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	free(b);
}

/* ---- why it was interrupted ---- */

static void a_pause_of_ours_and_a_refusal_of_the_arm_are_told_apart(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 0, 0.1);
	run_ms(b, 300);
	b->now_ns += 60 * MS;
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_ARM_PAUSED);
	assert_true(b->report.reason_value == 65.0 && b->report.reason_limit == 18.0);
	run_ms(b, 1000);
	take_over(b, 0, 0.1);
	run_ms(b, 300);
	b->inputs.arm[0].refused_seq = 42;
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_DRIVE_REFUSED);
	assert_true(b->report.reason_value == 42.0);
	free(b);
}

/* ---- after a stop ---- */

/* The tick is late by two periods: the stop and the edge before it both came after its nominal time. */
static void a_stop_wins_in_a_late_tick(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	press(b, 0, false);
	run_ms(b, 5);
	press(b, 0, true);
	b->inputs.teleop[0].edge_ns = b->now_ns + 11 * MS;
	tell(b, (struct command){ .kind = COMMAND_STOP, .received_ns = b->now_ns + 12 * MS });
	run_ms(b, 500);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
	assert_int_equal(b->events[EVENT_TAKEOVER][REASON_TAKEN_OVER], 0);
	free(b);
}

static void a_stop_ends_the_resets_wish_to_clear_the_arms_stop(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	b->inputs.arm[0].stopped = true;
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	uint32_t wish = b->report.attach_ticket;

	assert_true(b->report.wants_attach && b->report.clear_stop);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	assert_int_equal(b->report.attach_ticket, wish + 1);
	assert_false(b->report.clear_stop);
	assert_true(ask_kind(b, COMMAND_STOP).ok); /* without a wish there is nothing to end */
	assert_int_equal(b->report.attach_ticket, wish + 1);
	free(b);
}

static void nobody_takes_over_while_it_shuts_down(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	assert_true(ask_kind(b, COMMAND_SHUTDOWN).ok);
	run_ms(b, 100);
	take_over(b, 0, 0.1);
	assert_int_equal(b->report.mode, MODE_HOLD);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_SHUTDOWN], 1);
	free(b);
}

/* ---- the other arm, the other chunk ---- */

static void a_take_over_ends_the_other_arms_way_home(void **state)
{
	struct bench *b = bench_two_arms();

	(void)state;
	b->q[0][0] += 0.4;
	bench_start(b);
	run_ms(b, 500);
	assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	run_ms(b, 300);
	assert_int_equal(b->report.driver, TARGET_HOME);
	b->inputs.teleop[0].arm = 1;
	take_over(b, 0, 0.0);
	run_ms(b, 5000);
	assert_int_equal(b->report.mode, MODE_TELEOP);
	assert_true(safety_standing(&b->control.safety[0]));
	assert_true(b->report.q_sent_rad[0][0] - b->setup.arm[0].home_rad[0] > 0.1);
	press(b, 0, false);
	run_ms(b, 2000);
	assert_true(b->report.q_sent_rad[0][0] - b->setup.arm[0].home_rad[0] > 0.1);
	free(b);
}

/* The arm stands under the hand, so that the chunk's observation is none of before a motion: but it is the person's turn's. */
static void a_chunk_of_while_a_person_held_the_arm_is_not_the_one_to_go_on_with(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.teleop_resumes = true;
	bench_start_in(b, COMMAND_MODE_AUTO, 700);
	take_over(b, 0, 0.0);
	run_ms(b, 3000);
	uint32_t epoch = b->report.epoch;

	press(b, 0, false);
	run_ms(b, 5);
	assert_true(b->report.epoch > epoch);
	run_ms(b, LATENCY_MS - 40);
	expect_mode(b, MODE_RETURN, REASON_HANDING_BACK);
	run_ms(b, 1000);
	expect_mode(b, MODE_AUTO, REASON_HANDED_BACK);
	free(b);
}

/* ---- fault_stops: arm ---- */

static void a_fault_of_one_arm_is_the_reason_also_where_nothing_was_driven(void **state)
{
	static const enum mode before[] = { MODE_READY, MODE_HOLD };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct bench *b = bench_two_arms();

		b->setup.fault_stops_arm = true;
		bench_start(b);
		run_ms(b, 500);
		if (before[i] == MODE_HOLD)
			assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
		b->inputs.arm[1].mode = ARM_REFLEX;
		run_ms(b, 50);
		expect_mode(b, before[i], REASON_ARM_REFLEX);
		assert_int_equal(b->report.reason_arm, 1);
		b->inputs.arm[1].mode = ARM_READY;
		run_ms(b, 1000);
		assert_true(ask_kind(b, COMMAND_RESET).ok);
		run_ms(b, 500);
		expect_mode(b, before[i], REASON_OPERATOR_RESET);
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_leader_stops_the_policy_and_keeps_it_away),
		cmocka_unit_test(a_refused_tap_stops_it_too),
		cmocka_unit_test(a_press_while_the_arm_brakes_from_a_pause),
		cmocka_unit_test(a_press_in_vain_ends_the_way_home),
		cmocka_unit_test(a_press_in_vain_ends_the_way_back_to_the_policy),
		cmocka_unit_test(a_dead_man_held_without_an_edge_stops_the_policy),
		cmocka_unit_test(a_new_press_on_the_way_back_takes_over_again),
		cmocka_unit_test(nobody_in_vain_stops_another_person),
		cmocka_unit_test(a_dead_man_that_nobody_hears_any_more_stops_nothing),
		cmocka_unit_test(home_and_jog_wait_until_the_dead_man_is_released),
		cmocka_unit_test(a_pause_of_ours_and_a_refusal_of_the_arm_are_told_apart),
		cmocka_unit_test(a_stop_wins_in_a_late_tick),
		cmocka_unit_test(a_stop_ends_the_resets_wish_to_clear_the_arms_stop),
		cmocka_unit_test(nobody_takes_over_while_it_shuts_down),
		cmocka_unit_test(a_take_over_ends_the_other_arms_way_home),
		cmocka_unit_test(a_chunk_of_while_a_person_held_the_arm_is_not_the_one_to_go_on_with),
		cmocka_unit_test(a_fault_of_one_arm_is_the_reason_also_where_nothing_was_driven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
