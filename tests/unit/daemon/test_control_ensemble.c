/* test_control_ensemble.c - execution.method ensemble through the whole control path, on virtual time with latencies of every
 * length: limits and continuity (the bench's judge), and that nothing from before a hand-over or an instruction speaks again. */
#include "tests/unit/daemon/control_bench.h"

static uint32_t dice;

static double uniform(double low, double high)
{
	dice = dice * 1664525u + 1013904223u;
	return low + (high - low) * (dice >> 8) / 16777216.0;
}

static struct bench *bench_ensemble(double m)
{
	struct bench *b = bench_new();

	b->setup.method = EXECUTE_ENSEMBLE;
	b->setup.ensemble_m = m;
	b->latency_ns = 50 * (int64_t)MS;
	bench_start(b);
	run_ms(b, 500);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	return b;
}

static void it_moves_as_fast_as_its_chunks_say(void **state)
{
	struct bench *b = bench_ensemble(0.1);

	(void)state;
	run_ms(b, 1500);
	double y0 = tcp_y(b);

	run_ms(b, 2000);
	assert_true(fabs((tcp_y(b) - y0) / 2.0 - 0.1) < 2e-3);
	assert_true(b->control.trajectory.ensemble.n > 5);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	free(b);
}

/* Chunks change their minds all the time, and come early, late, or not at all. */
static void random_latencies_and_disagreement_keep_every_limit(void **state)
{
	static const double decay[] = { 0.0, 0.1, 2.0 };

	(void)state;
	for (uint32_t k = 0; k < 3; k++) {
		struct bench *b = bench_ensemble(decay[k]);
		uint64_t adopted = b->report.chunks_adopted;

		dice = 17 + k;
		for (int i = 0; i < 250; i++) {
			b->latency_ns = (int64_t)(uniform(5.0, uniform(0.0, 1.0) < 0.1 ? 700.0 : 200.0) * MS);
			for (int c = 0; c < 3; c++)
				b->speed_m_s[c] = uniform(-0.15, 0.15) - (c == 1 ? 0.1 * tcp_y(b) : 0.0);
			run_ms(b, (int64_t)uniform(20.0, 400.0));
			if (b->report.mode != MODE_AUTO) { /* it ran against an edge for a second, or starved: both are holds */
				assert_int_equal(b->report.mode, MODE_HOLD);
				run_ms(b, 1500);
				ask_kind(b, COMMAND_HOME);
				run_ms(b, 9000);
				assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
			}
		}
		assert_true(b->report.chunks_adopted > adopted + 200);
		free(b);
	}
}

static void it_brakes_when_chunks_run_out(void **state)
{
	struct bench *b = bench_ensemble(0.1);

	(void)state;
	run_ms(b, 1500);
	b->policy_runs = false;
	run_ms(b, 1400); /* eight steps of 0.1 s and braking */
	assert_true(b->report.standing);
	assert_int_equal(b->report.mode, MODE_AUTO);
	b->policy_runs = true;
	run_ms(b, 500);
	assert_int_equal(b->report.mode, MODE_AUTO);
	assert_false(b->report.standing);
	b->policy_runs = false;
	run_ms(b, 2500);
	expect_mode(b, MODE_HOLD, REASON_CHUNK_STARVED);
	free(b);
}

static void a_hold_silences_every_chunk(void **state)
{
	struct bench *b = bench_ensemble(0.0);

	(void)state;
	run_ms(b, 1500);
	ask_kind(b, COMMAND_MODE_HOLD);
	run_ms(b, 1500);
	assert_int_equal(b->control.trajectory.ensemble.n, 0);
	b->speed_m_s[1] = -0.1;
	run_ms(b, 200); /* chunks of HOLD say the other way by now */
	double y0 = tcp_y(b);

	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 300);
	assert_true(tcp_y(b) <= y0 + 1e-6);
	run_ms(b, 1000);
	assert_true(tcp_y(b) < y0 - 0.05);
	free(b);
}

static void a_new_instruction_silences_those_of_the_old_one(void **state)
{
	struct bench *b = bench_ensemble(0.0);

	(void)state;
	run_ms(b, 1500);
	assert_true(b->control.trajectory.ensemble.n > 3);
	b->inputs.instruction_id = 2;
	b->speed_m_s[1] = -0.1;
	while (b->control.trajectory.instruction_id != 2)
		run_ms(b, 5);
	assert_int_equal(b->control.trajectory.ensemble.n, 1);
	run_ms(b, 500);
	double y0 = tcp_y(b);

	run_ms(b, 1000);
	assert_true(fabs(tcp_y(b) - y0 + 0.1) < 5e-3); /* nobody speaks for the old way */
	free(b);
}

static void a_chunk_that_is_not_finite_never_speaks(void **state)
{
	struct bench *b = bench_ensemble(0.1);

	(void)state;
	run_ms(b, 1000);
	b->spoil = NAN;
	run_ms(b, 100);
	expect_mode(b, MODE_FAULT, REASON_CHUNK_NOT_FINITE);
	run_ms(b, 1500);
	assert_true(b->report.standing);
	assert_int_equal(b->control.trajectory.ensemble.n, 0);
	b->spoil = 0.0;
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1000);
	assert_int_equal(b->report.mode, MODE_AUTO);
	for (uint32_t i = 0; i < b->control.trajectory.n_steps; i++)
		assert_true(isfinite(b->control.trajectory.arm[0].spline.x[i][0]));
	free(b);
}

/* The gripper is never between: chunks that say open and closed do not make it half open. */
static void a_binary_gripper_is_open_or_closed(void **state)
{
	struct bench *b = bench_ensemble(0.0);
	uint32_t open = 0, closed = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		run_ms(b, 5);
		if (i % 300 == 0)
			b->speed_m_s[1] = -b->speed_m_s[1];
		if (!b->gripper_seen)
			continue;
		assert_true(b->gripper_m == 0.0 || b->gripper_m == 0.08);
		open += b->gripper_m > 0.0;
		closed += b->gripper_m == 0.0;
	}
	assert_true(open > 100 && closed > 100);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_moves_as_fast_as_its_chunks_say),
		cmocka_unit_test(random_latencies_and_disagreement_keep_every_limit),
		cmocka_unit_test(it_brakes_when_chunks_run_out),
		cmocka_unit_test(a_hold_silences_every_chunk),
		cmocka_unit_test(a_new_instruction_silences_those_of_the_old_one),
		cmocka_unit_test(a_chunk_that_is_not_finite_never_speaks),
		cmocka_unit_test(a_binary_gripper_is_open_or_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
