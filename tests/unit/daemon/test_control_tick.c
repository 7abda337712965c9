/* test_control_tick.c - modes and faults of the control path, on virtual time through struct links. */
#include "tests/unit/daemon/control_bench.h"

/* ---- scenarios --------------------------------------------------------------------------------------------------- */

static void chunks_move_the_arm(void **state)
{
	struct bench *b = bench_moving();
	double y0 = tcp_y(b);

	(void)state;
	run_ms(b, 2000);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_true(fabs((tcp_y(b) - y0) / 2.0 - 0.1) < 0.005); /* 0.1 m/s were asked for */
	assert_true(b->report.chunks_adopted > 10);
	assert_true(b->report.clamps == 0);
	assert_true(b->gripper_seen && (b->gripper_m == 0.0 || b->gripper_m == 0.08));
	assert_true(b->real_targets >= 700);
	free(b);
}

/* The chunk of the pre-flight has waited for an operator: its latency would be that person's. */
static void only_chunks_that_nobody_waited_for_are_measured(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start_in(b, COMMAND_MODE_AUTO, 10);
	assert_int_equal(b->report.chunks_adopted, 1);
	assert_true(b->policy_targets > 0 && b->measured_targets == 0);
	run_ms(b, 1000);
	assert_true(b->report.chunks_adopted > 3);
	assert_int_equal(b->measured_targets, b->report.chunks_adopted - 1);
	free(b);
}

static void the_first_target_is_where_the_arm_is(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start(b);
	run_ms(b, 100);
	assert_true(b->real_targets >= 15);
	assert_memory_equal(b->report.q_sent_rad[0], b->setup.arm[0].home_rad, sizeof b->setup.arm[0].home_rad);
	assert_true(b->fastest_rad_s == 0.0);
	free(b);
}

static void preflight_names_everything_missing(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->cameras_run = false;
	b->inputs.instruction_id = 0;
	bench_start(b);
	run_ms(b, 100);
	b->inputs.arm[0].attached = false;
	run_ms(b, 20);
	struct control_answer a = ask_kind(b, COMMAND_MODE_AUTO);

	assert_false(a.ok);
	assert_int_equal(a.missing, REASON_BIT(REASON_CAMERA_ABSENT) | REASON_BIT(REASON_NO_INSTRUCTION) | REASON_BIT(REASON_NO_CHUNK) |
			REASON_BIT(REASON_ARM_DETACHED));
	assert_int_equal(b->report.mode, MODE_READY);
	assert_true(b->report.wants_attach && b->report.attach_ticket == 1 && !b->report.clear_stop);
	free(b);
}

static void a_stop_in_motion_ends_in_hold(void **state)
{
	struct bench *b = bench_moving();
	uint32_t epoch = b->report.epoch;

	(void)state;
	double y0 = tcp_y(b), x0 = b->report.ee_sent[0].p_m[0];

	assert_true(ask_kind(b, COMMAND_STOP).ok);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
	assert_true(b->report.epoch > epoch);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_true(tcp_y(b) > y0 && tcp_y(b) < y0 + 0.06);               /* along its path, */
	assert_true(fabs(b->report.ee_sent[0].p_m[0] - x0) < 0.001);      /* not aside */
	double y1 = tcp_y(b);

	run_ms(b, 3000); /* chunks keep coming; nothing resumes by itself */
	assert_true(tcp_y(b) == y1);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1000);
	assert_true(tcp_y(b) > y1 + 0.03);
	free(b);
}

static void a_lost_chunk_brakes_then_holds(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->policy_runs = false;
	run_ms(b, 1200);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO); /* brakes inside AUTO */
	assert_true(b->report.standing);
	assert_int_equal(b->report.driver, TARGET_HOLD);
	run_ms(b, 1200);
	expect_mode(b, MODE_HOLD, REASON_CHUNK_STARVED);
	free(b);
}

static void a_late_chunk_goes_on(void **state)
{
	struct bench *b = bench_moving();
	double y0;

	(void)state;
	b->latency_ns = 700 * MS; /* nearly a chunk's length */
	run_ms(b, 3000);
	y0 = tcp_y(b);
	run_ms(b, 1000);
	assert_true(tcp_y(b) > y0 + 0.02);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	free(b);
}

static void a_stale_camera_holds(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->cameras_run = false;
	run_ms(b, 300);
	expect_mode(b, MODE_HOLD, REASON_CAMERA_STALE);
	assert_true(b->report.reason_value > 200.0 && b->report.reason_limit == 200.0);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	free(b);
}

static void frozen_and_skewed_cameras_hold(void **state)
{
	(void)state;
	for (int skewed = 0; skewed < 2; skewed++) {
		struct bench *b = bench_moving();

		b->cameras_run = false;
		b->inputs.camera[0].frozen = !skewed;
		b->inputs.cameras_skewed = skewed;
		run_ms(b, 50);
		expect_mode(b, MODE_HOLD, skewed ? REASON_CAMERA_SKEWED : REASON_CAMERA_FROZEN);
		free(b);
	}
}

static void a_lost_state_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->state_runs = false;
	run_ms(b, 100);
	expect_mode(b, MODE_FAULT, REASON_STATE_LOST);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_false(ask_kind(b, COMMAND_MODE_AUTO).ok);
	assert_false(ask_kind(b, COMMAND_RESET).ok); /* the cause is still there */
	b->state_runs = true;
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_STATE_LOST);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_RESET);
	assert_int_equal(b->faults_seen, 1);
	free(b);
}

/* Even in the very tick in which it is old: its way here took some milliseconds, as every one's does. */
static void silence_is_told_from_states_that_come_late(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		struct bench *b = bench_moving();

		b->state_runs = false;
		for (int k = 0; k < 20 && b->report.mode == MODE_AUTO; k++) {
			b->inputs.arm[0].arrival_ns = late ? b->now_ns : b->inputs.arm[0].stamp_ns + 4 * MS;
			run_ms(b, 5);
		}
		expect_mode(b, MODE_FAULT, late ? REASON_STATE_LATE : REASON_STATE_LOST);
		free(b);
	}
}

/* A pause of dreamvlad looks to it as if every arm had fallen silent. */
static void a_pause_of_its_own_is_no_ones_silence(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->state_runs = false;
	b->now_ns += 100 * MS;
	run_ms(b, 5);
	expect_mode(b, MODE_FAULT, REASON_STATE_UNHEARD);
	for (int k = 0; k < 10; k++) { /* what had waited is taken bit by bit */
		b->inputs.arm[0].stamp_ns = b->now_ns - (60 - k) * MS;
		b->inputs.arm[0].arrival_ns = b->now_ns;
		run_ms(b, 5);
	}
	expect_mode(b, MODE_FAULT, REASON_STATE_UNHEARD);
	free(b);
}

static void a_reflex_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->inputs.arm[0].mode = ARM_REFLEX;
	b->inputs.arm[0].attached = false;
	uint64_t sent = b->real_targets;

	run_ms(b, 500);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	assert_int_equal(b->real_targets, sent); /* who is not attached gets nothing */
	b->inputs.arm[0].mode = ARM_READY;
	b->q[0][3] += 0.1; /* somebody pushed it meanwhile */
	run_ms(b, 50);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	assert_true(b->report.wants_attach && b->report.clear_stop);
	b->inputs.arm[0].attached = true;
	run_ms(b, 100);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_RESET);
	assert_true(b->real_targets > sent);
	assert_memory_equal(b->report.q_sent_rad[0], b->q[0], sizeof b->q[0]); /* seeded where it is */
	free(b);
}

static void a_restarted_arm_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->arm_from = 78;
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_ARM_RESTARTED);
	free(b);
}

static void the_arms_own_stop_holds(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->inputs.arm[0].stopped = true;
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	expect_mode(b, MODE_HOLD, REASON_ARM_STOPPED);
	free(b);
}

static void the_most_severe_reason_wins(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->cameras_run = false;
	b->inputs.camera[0].frozen = true;
	b->inputs.arm[0].mode = ARM_ESTOP;
	b->inputs.arm[0].has_errors = true;
	run_ms(b, 10);
	expect_mode(b, MODE_FAULT, REASON_ARM_ESTOP);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	expect_mode(b, MODE_FAULT, REASON_ARM_ESTOP); /* stop in FAULT stays FAULT */
	free(b);
}

static void a_chunk_with_nan_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->spoil = NAN;
	run_ms(b, 500);
	expect_mode(b, MODE_FAULT, REASON_CHUNK_NOT_FINITE);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	free(b);
}

static void a_nan_state_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->state_runs = false;
	b->inputs.arm[0].q_rad[2] = NAN;
	run_ms(b, 10);
	expect_mode(b, MODE_FAULT, REASON_STATE_NOT_FINITE);
	free(b);
}

/* Whichever joint it is, and whatever its neighbours say. */
static void a_nan_in_one_joint_hinders(void **state)
{
	struct bench *b = bench_new();
	struct spline *path = &b->control.trajectory.arm[0].spline;

	(void)state;
	b->setup.action_space = ACTION_JOINT_DELTA;
	b->setup.arm[0].action_count = b->setup.action_dim = 8;
	b->setup.action_scale[6] = 0.01;
	bench_start_in(b, COMMAND_MODE_AUTO, 200);
	assert_true(b->control.hindrance == 0.0);
	b->policy_runs = false;
	for (uint32_t k = 0; k < path->n; k++)
		path->x[k][2] = NAN;
	run_ms(b, 5);
	assert_true(b->control.hindrance == 1.0);
	run_ms(b, 5);
	expect_mode(b, MODE_FAULT, REASON_TARGET_NOT_FINITE);
	free(b);
}

static void a_nan_velocity_seeds_nothing(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->dq[0][2] = NAN;
	bench_start(b);
	run_ms(b, 200);
	assert_false(b->control.safety[0].seeded);
	assert_int_equal(b->real_targets, 0);
	free(b);
}

static void a_tracking_error_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->state_runs = false;
	b->inputs.arm[0].q_rad[2] += 0.15;
	run_ms(b, 10);
	expect_mode(b, MODE_FAULT, REASON_TRACKING_ERROR);
	assert_true(fabs(b->report.reason_value - 0.15) < 1e-6);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_move_the_arm),
		cmocka_unit_test(only_chunks_that_nobody_waited_for_are_measured),
		cmocka_unit_test(the_first_target_is_where_the_arm_is),
		cmocka_unit_test(preflight_names_everything_missing),
		cmocka_unit_test(a_stop_in_motion_ends_in_hold),
		cmocka_unit_test(a_lost_chunk_brakes_then_holds),
		cmocka_unit_test(a_late_chunk_goes_on),
		cmocka_unit_test(a_stale_camera_holds),
		cmocka_unit_test(frozen_and_skewed_cameras_hold),
		cmocka_unit_test(a_lost_state_is_a_fault),
		cmocka_unit_test(silence_is_told_from_states_that_come_late),
		cmocka_unit_test(a_pause_of_its_own_is_no_ones_silence),
		cmocka_unit_test(a_reflex_is_a_fault),
		cmocka_unit_test(a_restarted_arm_is_a_fault),
		cmocka_unit_test(the_arms_own_stop_holds),
		cmocka_unit_test(the_most_severe_reason_wins),
		cmocka_unit_test(a_chunk_with_nan_is_a_fault),
		cmocka_unit_test(a_nan_state_is_a_fault),
		cmocka_unit_test(a_nan_in_one_joint_hinders),
		cmocka_unit_test(a_nan_velocity_seeds_nothing),
		cmocka_unit_test(a_tracking_error_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
