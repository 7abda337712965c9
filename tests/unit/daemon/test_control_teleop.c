/* test_control_teleop.c - people take over, let go, fall silent and hand back, on virtual time with every target judged. */
#include "teleop_bench.h"

static void from_every_mode_in_one_period(void **state)
{
	static const enum command_kind before[] = { COMMAND_NONE, COMMAND_MODE_HOLD, COMMAND_MODE_AUTO, COMMAND_MODE_SHADOW, COMMAND_HOME };

	(void)state;
	for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
		struct bench *b = bench_standing();

		if (before[i] == COMMAND_HOME)
			assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
		if (before[i] != COMMAND_NONE)
			assert_true(ask_kind(b, before[i]).ok);
		run_ms(b, 300);
		press(b, 0, false);
		run_ms(b, 5);
		uint64_t driven = b->teleop_targets;

		press(b, 0, true);
		run_ms(b, 5);
		expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
		assert_int_equal(b->teleop_targets, driven + 1);
		assert_int_equal(b->report.driver, TARGET_TELEOP);
		assert_int_equal(b->events[EVENT_TAKEOVER][REASON_TAKEN_OVER], 1);
		free(b);
	}
}

/* The arm stops for the person, and moves only as the person says; limits are judged all the way. */
static void a_take_over_in_motion_stops_under_the_hand(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	take_over(b, 0, 0.0);
	run_ms(b, 500);
	double y = tcp_y(b);

	run_ms(b, 1000);
	assert_true(fabs(tcp_y(b) - y) < 1e-4);
	b->inputs.teleop[0].value[1] = -0.1;
	run_ms(b, 1000);
	assert_true(fabs(tcp_y(b) - y + 0.1) < 0.02);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	free(b);
}

static void a_release_ends_in_hold_and_a_held_dead_man_takes_nothing(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	take_over(b, 0, 0.1);
	run_ms(b, 500);
	press(b, 0, false);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_DEADMAN_RELEASED);
	assert_int_equal(b->events[EVENT_INTERVENTION][REASON_DEADMAN_RELEASED], 1);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	take_over(b, 0, 0.1);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	run_ms(b, 1000); /* still pressed */
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
	assert_true(b->report.standing);
	free(b);
}

static void silence_ends_in_hold(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 0, 0.1);
	run_ms(b, 300);
	b->teleop_talks[0] = false;
	run_ms(b, 90);
	assert_int_equal(b->report.mode, MODE_TELEOP);
	run_ms(b, 20);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_LOST);
	b->teleop_talks[0] = true; /* it speaks again, still pressed */
	run_ms(b, 1000);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_LOST);
	assert_true(b->report.standing);
	free(b);
}

static void back_to_the_policy_with_a_chunk_of_its_own(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.teleop_resumes = true;
	bench_start_in(b, COMMAND_MODE_AUTO, 700);
	take_over(b, 0, 0.15);
	run_ms(b, 700);
	uint64_t adopted = b->report.chunks_adopted, policy = b->policy_targets;

	press(b, 0, false);
	run_ms(b, 5);
	expect_mode(b, MODE_RETURN, REASON_HANDING_BACK);
	assert_int_equal(b->report.chunks_adopted, adopted);
	run_ms(b, 150); /* no chunk observed before the arms stood can be there yet */
	assert_int_equal(b->policy_targets, policy);
	run_ms(b, 1500);
	expect_mode(b, MODE_AUTO, REASON_HANDED_BACK);
	assert_true(b->report.chunks_adopted > adopted && b->policy_targets > policy);
	free(b);
}

/* Only what a person interrupted goes on by itself, and only when nothing is missing. */
static void no_return_without_auto_before_and_none_without_a_policy(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.teleop_resumes = true;
	bench_start(b);
	run_ms(b, 500);
	take_over(b, 0, 0.1);
	press(b, 0, false);
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_DEADMAN_RELEASED);
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 300);
	take_over(b, 0, 0.1);
	b->policy_runs = false;
	press(b, 0, false);
	run_ms(b, 800);
	assert_int_equal(b->report.mode, MODE_RETURN);
	run_ms(b, 1500);
	expect_mode(b, MODE_HOLD, REASON_CHUNK_STARVED);
	free(b);
}

static void cameras_do_not_matter_to_a_person_but_stops_do(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 0, 0.05);
	b->cameras_run = b->policy_runs = false;
	run_ms(b, 2000);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	b->inputs.arm[0].stopped = true;
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_ARM_STOPPED);
	free(b);
}

static void a_fault_ends_it_and_keeps_people_away_until_the_reset(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 0, 0.1);
	b->inputs.arm[0].mode = ARM_REFLEX;
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	take_over(b, 0, 0.1);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	assert_int_equal(b->events[EVENT_INTERVENTION][REASON_ARM_REFLEX], 1);
	b->inputs.arm[0].mode = ARM_READY;
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	run_ms(b, 500); /* still pressed: no edge */
	assert_int_equal(b->report.mode, MODE_HOLD);
	take_over(b, 0, 0.1);
	assert_int_equal(b->report.mode, MODE_TELEOP);
	free(b);
}

static void auto_waits_until_the_dead_man_is_released(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	press(b, 0, true); /* held since before we started: drives nothing, but somebody holds it */
	run_ms(b, 50);
	assert_int_equal(b->report.mode, MODE_READY);
	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_DEADMAN_PRESSED));
	take_over(b, 0, 0.0);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).missing & REASON_BIT(REASON_TELEOP_DRIVES));
	assert_int_equal(b->report.mode, MODE_TELEOP);
	free(b);
}

static void a_stop_wins_against_an_edge_of_its_time(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct bench *b = bench_moving();

		press(b, 0, false);
		run_ms(b, 5);
		if (order == 0)
			press(b, 0, true);
		assert_true(ask_kind(b, COMMAND_STOP).ok);
		if (order == 1) { /* came before the stop, seen after it */
			press(b, 0, true);
			b->inputs.teleop[0].edge_ns = b->now_ns - PERIOD_NS;
		}
		run_ms(b, 500);
		expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
		assert_int_equal(b->events[EVENT_REFUSED][REASON_OPERATOR_STOP], 1);
		take_over(b, 0, 0.0);
		assert_int_equal(b->report.mode, MODE_TELEOP);
		free(b);
	}
}

static void an_arm_whose_model_is_another_cannot_be_taken(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	b->wrong_tcp_m = 0.02;
	run_ms(b, 50);
	take_over(b, 0, 0.1);
	assert_int_equal(b->report.mode, MODE_READY);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_KINEMATICS_POSITION], 1);
	free(b);
}

static void an_arm_that_is_not_attached_cannot_be_taken(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	take_over(b, 0, 0.1);
	assert_int_equal(b->report.mode, MODE_READY);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_ARM_DETACHED], 1);
	free(b);
}

static void a_far_leader_arm_is_refused_and_a_jump_ends_it(void **state)
{
	struct bench *b = bench_standing();
	struct teleop_input *in = &b->inputs.teleop[3];

	(void)state;
	press(b, 3, false);
	in->kind = TELEOP_JOINT;
	memcpy(in->value, b->q[0], sizeof in->value);
	in->value[1] += 0.81;
	run_ms(b, 5);
	in->edges++;
	in->edge_ns = b->now_ns;
	in->deadman = true;
	run_ms(b, 5);
	assert_int_equal(b->report.mode, MODE_READY);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_TELEOP_MISMATCH], 1);
	in->value[1] -= 0.11;
	in->edges++;
	run_ms(b, 500);
	assert_int_equal(b->report.mode, MODE_TELEOP);
	in->value[0] += 1.0;
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_TELEOP_JUMPED);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	free(b);
}

static void one_of_two_arms_is_driven_and_the_other_holds(void **state)
{
	struct bench *b = bench_two_arms();

	(void)state;
	bench_start_in(b, COMMAND_MODE_AUTO, 1000);
	b->inputs.teleop[0].arm = 1;
	take_over(b, 0, 0.0);
	run_ms(b, 600);
	double first = b->report.ee_sent[0].p_m[1], second = b->report.ee_sent[1].p_m[1];

	b->inputs.teleop[0].value[1] = 0.1;
	run_ms(b, 800);
	assert_true(fabs(b->report.ee_sent[0].p_m[1] - first) < 1e-4);
	assert_true(b->report.ee_sent[1].p_m[1] > second + 0.05);
	free(b);
}

static void an_interrupted_arm_asks_for_a_new_edge(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 0, 0.1);
	run_ms(b, 300);
	b->now_ns += 60 * MS; /* the daemon itself paused */
	run_ms(b, 5);
	expect_mode(b, MODE_HOLD, REASON_ARM_PAUSED);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	free(b);
}

static void a_pressed_device_of_higher_priority_takes_the_arm_over(void **state)
{
	struct bench *b = bench_standing();

	(void)state;
	take_over(b, 1, 0.1);
	run_ms(b, 300);
	take_over(b, 0, 0.0);
	assert_int_equal(b->report.device, 0);
	press(b, 1, false);
	run_ms(b, 500);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	assert_int_equal(b->events[EVENT_TAKEOVER][REASON_TAKEN_OVER], 2);
	assert_int_equal(b->events[EVENT_INTERVENTION][REASON_TELEOP_OVERTAKEN], 1);
	free(b);
}

static double any(uint64_t *seed, double low, double high)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
	return low + (high - low) * (double)(*seed >> 11) / 9007199254740992.0;
}

/* Some device says something else: mostly sane, at times absurd. */
static void babble(struct bench *b, uint64_t *seed)
{
	uint32_t device = (uint32_t)any(seed, 0.0, 3.0);
	struct teleop_input *in = &b->inputs.teleop[device];
	bool pressed = any(seed, 0.0, 1.0) < 0.7;

	say_deadman(b, in, pressed);
	if (!pressed && any(seed, 0.0, 1.0) < 0.3) { /* tapped in between */
		in->edges++;
		in->releases++;
		in->edge_ns = b->now_ns;
	}
	in->from = any(seed, 0.0, 1.0) < 0.02 ? in->from + 1 : in->from;
	in->arm = any(seed, 0.0, 1.0) < 0.05 ? 1 - in->arm : in->arm;
	if (any(seed, 0.0, 1.0) < 0.1)
		in->kind = (enum teleop_kind)any(seed, 0.0, 3.0);
	in->frame = any(seed, 0.0, 1.0) < 0.5 ? FRAME_BASE : FRAME_TCP;
	for (uint32_t i = 0; i < TELEOP_VALUES_MAX; i++)
		in->value[i] = in->kind == TELEOP_JOINT ? b->q[in->arm][i] + any(seed, -0.3, 0.3) : any(seed, -0.5, 0.5);
	if (in->kind == TELEOP_POSE)
		quat_normalise(in->value + 3, in->value + 3);
	if (any(seed, 0.0, 1.0) < 0.02)
		in->value[device] = any(seed, 0.0, 1.0) < 0.5 ? 1e300 : -5.0;
	b->teleop_talks[device] = any(seed, 0.0, 1.0) < 0.95;
}

/* Every target of both arms is judged against the limits by the bench; what people do only shows in the modes passed through. */
static void whatever_people_do_no_limit_is_exceeded(void **state)
{
	struct bench *b = bench_two_arms();
	uint64_t seed = 20261122;
	uint32_t modes = 0;

	(void)state;
	b->setup.teleop_resumes = true;
	bench_start(b);
	run_ms(b, 500);
	for (int k = 0; k < 6000; k++) {
		if (k % 150 == 0) { /* a break, so that AUTO may be what they interrupt */
			for (uint32_t i = 0; i < 3; i++)
				press(b, i, false);
			run_ms(b, 1500);
			(void)ask_kind(b, COMMAND_MODE_AUTO);
			run_ms(b, 500);
		}
		if (any(&seed, 0.0, 1.0) < 0.5)
			babble(b, &seed);
		run_ms(b, (int64_t)any(&seed, 1.0, 8.0) * 5);
		modes |= 1u << b->report.mode;
		assert_true(b->report.mode != MODE_FAULT);
	}
	assert_true(modes & 1u << MODE_TELEOP && modes & 1u << MODE_RETURN && modes & 1u << MODE_AUTO);
	assert_true(b->events[EVENT_TAKEOVER][REASON_TAKEN_OVER] > 50);
	assert_true(b->fastest_rad_s > 0.3);
	free(b);
}

/* How far the arm's TCP gets from the straight line that it was on, until it stands. */
static double strays_m(struct bench *b, uint32_t arm)
{
	struct pose from = b->report.ee_sent[arm];
	double way[3], most = 0.0, off[3];
	struct twist t = b->control.target[arm].twist;
	double speed = vec3_norm(t.v_m_s), length = 0.0;

	assert_true(speed > 0.05);
	for (int i = 0; i < 400; i++) {
		run_ms(b, 5);
		for (int k = 0; k < 3; k++)
			way[k] = b->report.ee_sent[arm].p_m[k] - from.p_m[k];
		vec3_cross(way, t.v_m_s, off);
		most = fmax(most, vec3_norm(off) / speed);
		length = vec3_norm(way);
	}
	assert_true(length > 0.005);
	return most;
}

static struct bench *two_arms_moving(void)
{
	struct bench *b = bench_two_arms();

	memcpy(b->speed_m_s, (double[3]){ 0.0, 0.2, -0.15 }, sizeof b->speed_m_s);
	b->setup.arm[0].limit_scale = b->setup.arm[1].limit_scale = 0.3;
	bench_start_in(b, COMMAND_MODE_AUTO, 900);
	return b;
}

static void the_other_arm_brakes_along_its_path(void **state)
{
	struct bench *b = two_arms_moving();

	(void)state;
	b->inputs.teleop[0].arm = 1;
	take_over(b, 0, 0.0);
	assert_true(strays_m(b, 0) < 5e-4);
	assert_true(safety_standing(&b->control.safety[0]));
	free(b);
	b = two_arms_moving(); /* the other arm is lost */
	b->inputs.arm[1].attached = false;
	run_ms(b, 5);
	assert_true(strays_m(b, 0) < 5e-4);
	assert_true(safety_standing(&b->control.safety[0]));
	free(b);
}

/* A person takes one arm after the other while the path still brakes: neither goes back to it. */
static void nobody_goes_back_to_the_path(void **state)
{
	struct bench *b = two_arms_moving();

	(void)state;
	b->inputs.teleop[1].arm = 1;
	take_over(b, 1, 0.1);
	run_ms(b, 100);
	b->inputs.teleop[0].arm = 0; /* of higher priority */
	take_over(b, 0, 0.0);
	assert_int_equal(b->report.device, 0);
	run_ms(b, 1000);
	double y[2] = { b->report.ee_sent[0].p_m[1], b->report.ee_sent[1].p_m[1] };

	run_ms(b, 2000);
	assert_true(fabs(b->report.ee_sent[1].p_m[1] - y[1]) < 1e-3);
	assert_true(fabs(b->report.ee_sent[0].p_m[1] - y[0]) < 1e-3);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_every_mode_in_one_period),
		cmocka_unit_test(a_take_over_in_motion_stops_under_the_hand),
		cmocka_unit_test(a_release_ends_in_hold_and_a_held_dead_man_takes_nothing),
		cmocka_unit_test(silence_ends_in_hold),
		cmocka_unit_test(back_to_the_policy_with_a_chunk_of_its_own),
		cmocka_unit_test(no_return_without_auto_before_and_none_without_a_policy),
		cmocka_unit_test(cameras_do_not_matter_to_a_person_but_stops_do),
		cmocka_unit_test(a_fault_ends_it_and_keeps_people_away_until_the_reset),
		cmocka_unit_test(auto_waits_until_the_dead_man_is_released),
		cmocka_unit_test(a_stop_wins_against_an_edge_of_its_time),
		cmocka_unit_test(an_arm_whose_model_is_another_cannot_be_taken),
		cmocka_unit_test(an_arm_that_is_not_attached_cannot_be_taken),
		cmocka_unit_test(a_far_leader_arm_is_refused_and_a_jump_ends_it),
		cmocka_unit_test(one_of_two_arms_is_driven_and_the_other_holds),
		cmocka_unit_test(the_other_arm_brakes_along_its_path),
		cmocka_unit_test(nobody_goes_back_to_the_path),
		cmocka_unit_test(an_interrupted_arm_asks_for_a_new_edge),
		cmocka_unit_test(a_pressed_device_of_higher_priority_takes_the_arm_over),
		cmocka_unit_test(whatever_people_do_no_limit_is_exceeded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
