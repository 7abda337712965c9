/* test_control_motion.c - motion of the control path, on virtual time through struct links: speed, instructions, shadow, home,
 * sync, gaps, two arms, and everything at once. */
#include "tests/unit/daemon/control_bench.h"
#include "tests/unit/share.h"

/* ---- scenarios --------------------------------------------------------------------------------------------------- */

static void speed_scales_path_time(void **state)
{
	struct bench *b = bench_moving();
	double y0;

	(void)state;
	assert_false(ask(b, (struct command){ .kind = COMMAND_SPEED, .value = NAN }).ok);
	assert_false(ask(b, (struct command){ .kind = COMMAND_SPEED, .value = 1.5 }).ok);
	assert_true(ask(b, (struct command){ .kind = COMMAND_SPEED, .value = 0.25 }).ok);
	run_ms(b, 1500);
	y0 = tcp_y(b);
	run_ms(b, 2000);
	assert_true(fabs((tcp_y(b) - y0) / 2.0 - 0.025) < 0.003);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	free(b);
}

static void an_old_instruction_plays_for_a_while(void **state)
{
	struct bench *b = bench_moving();
	uint64_t adopted;

	(void)state;
	b->policy_runs = false;
	run_ms(b, 200);
	adopted = b->report.chunks_adopted;
	b->latency_ns = 600 * MS;
	b->observed_ns = b->now_ns; /* this one sees the old instruction still, */
	b->observed_instruction = 1;
	b->inputs.instruction_id = 2;
	run_ms(b, 900);
	assert_int_equal(b->report.chunks_adopted, adopted); /* and is never run */
	assert_true(b->report.standing);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	b->policy_runs = true;
	b->latency_ns = 150 * MS;
	run_ms(b, 500);
	assert_false(b->report.standing);
	assert_true(b->report.chunks_adopted > adopted);
	free(b);
}

static void a_chunk_of_an_old_epoch_is_never_run(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->policy_runs = false;
	b->latency_ns = 400 * MS;
	b->observed_ns = b->now_ns;
	b->observed_epoch = b->report.epoch;
	ask_kind(b, COMMAND_MODE_HOLD);
	run_ms(b, 350);
	assert_int_equal(b->report.mode, MODE_HOLD);
	run_ms(b, 300); /* it arrives; it is no first chunk either */
	struct control_answer a = ask_kind(b, COMMAND_MODE_AUTO);

	assert_false(a.ok);
	assert_int_equal(a.missing, REASON_BIT(REASON_NO_CHUNK));
	free(b);
}

static void shadow_leaves_the_arm_alone(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start_in(b, COMMAND_MODE_SHADOW, 2000);
	expect_mode(b, MODE_SHADOW, REASON_OPERATOR_SHADOW);
	assert_true(b->shadow_targets > 300);
	assert_true(b->fastest_rad_s == 0.0);
	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_THROUGH_HOLD));
	assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
	run_ms(b, 500); /* a first chunk of the new epoch */
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	free(b);
}

static void home_and_jog_only_from_hold(void **state)
{
	struct bench *b = bench_moving();
	struct command jog = { .kind = COMMAND_JOG, .arm = 0, .delta = { .v_m_s = { 0.0, 0.0, 0.01 } } };

	(void)state;
	assert_int_equal(ask_kind(b, COMMAND_HOME).missing, REASON_BIT(REASON_WRONG_MODE));
	ask_kind(b, COMMAND_STOP);
	run_ms(b, 1000);
	double z0 = b->report.ee_sent[0].p_m[2];

	assert_true(ask(b, jog).ok);
	run_ms(b, 2000);
	assert_true(fabs(b->report.ee_sent[0].p_m[2] - z0 - 0.01) < 2e-4);
	jog.delta.v_m_s[2] = 0.011;
	assert_int_equal(ask(b, jog).missing, REASON_BIT(REASON_BAD_VALUE));
	b->fastest_rad_s = 0.0;
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	run_ms(b, 100);
	assert_int_equal(b->report.driver, TARGET_HOME);
	assert_int_equal(b->report.mode, MODE_HOLD);
	run_ms(b, 8000);
	for (int i = 0; i < 7; i++)
		assert_true(fabs(b->report.q_sent_rad[0][i] - b->setup.arm[0].home_rad[i]) < 1e-4);
	assert_true(b->fastest_rad_s < 0.2 * 0.5 * 2.61);
	assert_int_equal(b->report.driver, TARGET_HOLD);
	free(b);
}

static void no_small_motion_with_another_model_than_the_arms(void **state)
{
	struct bench *b = bench_moving();
	struct command jog = { .kind = COMMAND_JOG, .arm = 0, .delta = { .v_m_s = { 0.0, 0.0, 0.01 } } };

	(void)state;
	ask_kind(b, COMMAND_STOP);
	run_ms(b, 1000);
	double z0 = b->report.ee_sent[0].p_m[2];

	b->wrong_tcp_m = 0.02;
	run_ms(b, 10);
	assert_int_equal(ask(b, jog).missing, REASON_BIT(REASON_KINEMATICS_POSITION));
	assert_int_equal(ask_kind(b, COMMAND_HOME).missing, REASON_BIT(REASON_KINEMATICS_POSITION));
	run_ms(b, 1000);
	assert_true(b->report.ee_sent[0].p_m[2] == z0 && b->report.standing);
	b->wrong_tcp_m = 0.0;
	run_ms(b, 10);
	assert_true(ask(b, jog).ok);
	free(b);
}

static void a_stop_interrupts_home(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	run_ms(b, 1500);
	ask_kind(b, COMMAND_STOP);
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	run_ms(b, 600);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_true(fabs(b->report.q_sent_rad[0][0] - b->setup.arm[0].home_rad[0]) > 0.01);
	free(b);
}

static void shutdown_stops_and_stands(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	assert_true(ask_kind(b, COMMAND_SHUTDOWN).ok);
	expect_mode(b, MODE_HOLD, REASON_SHUTDOWN);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).missing & REASON_BIT(REASON_SHUTDOWN));
	free(b);
}

static void sync_stops_and_infers(void **state)
{
	struct bench *b = bench_new();
	double y0;

	(void)state;
	b->setup.method = EXECUTE_SYNC;
	b->setup.execution_steps = 4;
	bench_start(b);
	run_ms(b, 500);
	y0 = tcp_y(b);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 8000);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_true(b->report.chunks_adopted >= 5);
	/* Every chunk runs its four steps whole. */
	b->policy_runs = false;
	run_ms(b, 2000);
	assert_true(b->report.standing);
	assert_true(fabs((tcp_y(b) - y0) - 0.04 * (double)b->report.chunks_adopted) < 0.003);
	free(b);
}

static void the_edge_of_the_workspace_is_not_crossed(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->speed_m_s[1] = 0.3;
	run_ms(b, 8000);
	assert_true(tcp_y(b) <= 0.6 && tcp_y(b) > 0.5);
	assert_true(b->report.mode == MODE_AUTO || b->report.mode == MODE_HOLD);
	free(b);
}

/* Against the edge, into a corner, beyond reach: wherever the arm has got to, a stop stands within a second. */
static void a_stop_at_the_edge_stands(void **state)
{
	static const double way[][3] = { { 0.0, 0.3, 0.0 }, { 0.3, 0.0, 0.0 }, { 0.2, 0.2, -0.3 }, { -0.3, 0.1, 0.0 }, { 0.1, -0.2, 0.3 } };

	(void)state;
	for (size_t k = 0; k < sizeof way / sizeof way[0]; k++) {
		for (int64_t after_ms = 500; after_ms <= 6500; after_ms += 1500) {
			struct bench *b = bench_moving();

			memcpy(b->speed_m_s, way[k], sizeof b->speed_m_s);
			run_ms(b, after_ms);
			ask_kind(b, COMMAND_STOP);
			run_ms(b, 1000);
			assert_true(b->report.standing);
			assert_int_equal(b->report.mode, MODE_HOLD);
			free(b);
		}
	}
}

/* Sync infers only when the arm stands, so it must come to a stand at an edge too. */
static void sync_goes_on_at_the_edge(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.method = EXECUTE_SYNC;
	b->speed_m_s[1] = 0.3;
	bench_start_in(b, COMMAND_MODE_AUTO, 12000);
	uint64_t adopted = b->report.chunks_adopted;

	run_ms(b, 4000);
	assert_true(b->report.mode == MODE_HOLD || b->report.chunks_adopted > adopted);
	free(b);
}

static void a_short_gap_leaves_no_trace(void **state)
{
	struct bench *b = bench_moving();
	uint64_t overruns = b->report.overruns;

	(void)state;
	for (int i = 0; i < 20; i++) {
		run_ms(b, 100);
		b->now_ns += 2 * PERIOD_NS; /* two periods are skipped */
	}
	assert_int_equal(b->report.overruns, overruns + 38);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_int_equal(b->control.arm[0].unseeded_ns, 0);
	free(b);
}

static void a_long_gap_starts_anew_from_the_arm(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->now_ns += 40 * MS;
	run_ms(b, 40);
	assert_int_equal(b->control.safety[0].seeded, false);
	run_ms(b, 1000);
	assert_int_equal(b->control.safety[0].seeded, true);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_false(b->report.standing);
	free(b);
}

static void repeated_refusals_are_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		b->inputs.arm[0].refused_seq = i;
		run_ms(b, 410);
	}
	expect_mode(b, MODE_FAULT, REASON_TARGET_REFUSED);
	free(b);
}

static void unread_targets_are_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	for (int i = 0; i < 60; i++) {
		world_publish(b);
		control_tick(&b->control, b->now_ns);
		b->now_ns += PERIOD_NS;
	}
	assert_int_equal(b->control.mode, MODE_FAULT);
	assert_int_equal(b->control.reason, REASON_TARGET_OVERFLOW);
	free(b);
}

static void two_arms_stop_together(void **state)
{
	struct bench *b = bench_two_arms();

	(void)state;
	bench_start_in(b, COMMAND_MODE_AUTO, 1000);
	b->inputs.arm[1].mode = ARM_REFLEX;
	b->inputs.arm[1].attached = false;
	uint64_t before = b->real_targets;

	run_ms(b, 1000);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	assert_int_equal(b->report.reason_arm, 1);
	assert_int_equal(b->real_targets, before + 200); /* the other one still is told to hold */
	assert_true(b->report.standing);
	free(b);
}

/* ---- everything at once ------------------------------------------------------------------------------------------- */

static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
	dice = dice * 1664525u + 1013904223u;
	return (dice >> 8) % sides;
}

static void something_happens(struct bench *b)
{
	static const enum command_kind kinds[] = { COMMAND_MODE_AUTO, COMMAND_MODE_AUTO, COMMAND_MODE_AUTO, COMMAND_MODE_SHADOW,
		COMMAND_MODE_HOLD, COMMAND_STOP, COMMAND_RESET, COMMAND_RESET, COMMAND_SPEED, COMMAND_HOME, COMMAND_JOG };
	struct arm_state *s = &b->inputs.arm[0];

	bool calm = roll(4) > 0; /* most of the time all is well, so that there is motion to disturb */

	b->cameras_run = calm || roll(3) > 0;
	b->state_runs = calm || roll(5) > 0;
	b->policy_runs = calm || roll(3) > 0;
	b->latency_ns = (50 + roll(800)) * (int64_t)MS;
	b->spoil = !calm && roll(10) == 0 ? NAN : 0.0;
	for (int k = 0; k < 3; k++)
		b->speed_m_s[k] = 0.6 * (roll(1001) / 1000.0 - 0.5);
	s->attached = calm || roll(3) > 0;
	s->mode = !calm && roll(3) == 0 ? (enum arm_mode)roll(ARM_MODE_COUNT) : ARM_MOVING;
	s->refused_seq += !calm && roll(3) == 0;
	b->inputs.instruction_id += roll(15) == 0;
	ask(b, (struct command){ .kind = kinds[roll(11)], .arm = roll(3) ? ALL_ARMS : 0, .value = roll(120) / 100.0,
			.delta = { .v_m_s = { 0, 0, 0.005 } } });
}

/* The judge looks at every target; nothing else is asserted here. */
static void whatever_happens_targets_keep_every_limit(void **state)
{
	uint64_t policy_targets = 0, shadow_targets = 0;

	(void)state;
	for (uint32_t start = 1; start < 7; start++) {
		struct bench *b = bench_new();

		dice = start;
		b->setup.method = start % 3 == 0 ? EXECUTE_ENSEMBLE : start % 3 == 1 ? EXECUTE_SYNC : EXECUTE_ASYNC;
		bench_start(b);
		for (int i = 0; i < ROUNDS(300); i++) {
			run_ms(b, 20 + roll(600));
			something_happens(b);
			b->now_ns += roll(20) == 0 ? roll(10) * (int64_t)PERIOD_NS : 0;
		}
		policy_targets += b->policy_targets;
		shadow_targets += b->shadow_targets;
		free(b);
	}
	assert_true(policy_targets > ROUNDS(10000) && shadow_targets > ROUNDS(1000));
}

/* Chunks that contradict each other and come at any time: each alone is slow, and so is the arm, but for catching up with what
 * was missed in a latency. (Offsets once were faded by the
 * clock of the path, which they slowed down in turn; then a policy that asked for 0.27 m/s at most drove the arm at 0.8 m/s.) */
static void contradictions_do_not_add_up_to_speed(void **state)
{
	static const int64_t slowest_ms[] = { 60, 300 };

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct bench *b = bench_moving();
		double asked = 0.1;

		dice = 5;
		for (int i = 0; i < ROUNDS(300); i++) {
			b->latency_ns = (5 + roll((uint32_t)slowest_ms[k])) * (int64_t)MS;
			const double *p = b->report.ee_sent[0].p_m, middle[3] = { 0.4, 0.0, 0.45 };

			for (int c = 0; c < 3; c++) /* back to the middle on the whole */
				b->speed_m_s[c] = 0.3 * (roll(1001) / 1000.0 - 0.5) - 0.3 * (p[c] - middle[c]);
			asked = fmax(asked, vec3_norm(b->speed_m_s));
			for (int64_t left = 4 + roll(76); left > 0; left--) {
				run_ms(b, 5);
				assert_true(vec3_norm(b->control.target[0].twist.v_m_s) <= 1.25 * asked);
			}
		}
		assert_int_equal(b->report.mode, MODE_AUTO);
		free(b);
	}
}

/* One direction, and the operator turns the speed up and down: what a slow path had stored up does not play out in a fast one. */
static void speed_commands_do_not_add_up_to_speed(void **state)
{
	static const int64_t latency_ms[] = { 20, 85, 150 };

	(void)state;
	for (int k = 0; k < 3; k++) {
		struct bench *b = bench_moving();

		b->latency_ns = latency_ms[k] * MS;
		memcpy(b->speed_m_s, (double[3]){ 0.0, 0.1, 0.0 }, sizeof b->speed_m_s);
		for (int i = 0; i < ROUNDS(40); i++) {
			double y = b->report.ee_sent[0].p_m[1];

			b->speed_m_s[1] = y > 0.2 ? -0.1 : y < -0.2 ? 0.1 : b->speed_m_s[1];
			tell(b, (struct command){ .kind = COMMAND_SPEED, .value = i % 2 ? 1.0 : 0.1 });
			for (int left = 300; left > 0; left--) {
				run_ms(b, 5);
				assert_true(vec3_norm(b->control.target[0].twist.v_m_s) <= 0.13);
			}
		}
		assert_int_equal(b->report.mode, MODE_AUTO);
		free(b);
	}
}

static void setups_that_cannot_run_are_named(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	assert_null(control_setup_problem(&b->setup));
	b->setup.method = EXECUTE_ENSEMBLE;
	assert_null(control_setup_problem(&b->setup));
	b->setup.method = EXECUTE_ASYNC;
	b->setup.action_dim = 6;
	assert_non_null(strstr(control_setup_problem(&b->setup), "action_dims"));
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speed_scales_path_time),
		cmocka_unit_test(an_old_instruction_plays_for_a_while),
		cmocka_unit_test(a_chunk_of_an_old_epoch_is_never_run),
		cmocka_unit_test(shadow_leaves_the_arm_alone),
		cmocka_unit_test(home_and_jog_only_from_hold),
		cmocka_unit_test(no_small_motion_with_another_model_than_the_arms),
		cmocka_unit_test(a_stop_interrupts_home),
		cmocka_unit_test(shutdown_stops_and_stands),
		cmocka_unit_test(sync_stops_and_infers),
		cmocka_unit_test(the_edge_of_the_workspace_is_not_crossed),
		cmocka_unit_test(a_stop_at_the_edge_stands),
		cmocka_unit_test(sync_goes_on_at_the_edge),
		cmocka_unit_test(a_short_gap_leaves_no_trace),
		cmocka_unit_test(a_long_gap_starts_anew_from_the_arm),
		cmocka_unit_test(repeated_refusals_are_a_fault),
		cmocka_unit_test(unread_targets_are_a_fault),
		cmocka_unit_test(two_arms_stop_together),
		cmocka_unit_test(whatever_happens_targets_keep_every_limit),
		cmocka_unit_test(contradictions_do_not_add_up_to_speed),
		cmocka_unit_test(speed_commands_do_not_add_up_to_speed),
		cmocka_unit_test(setups_that_cannot_run_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
