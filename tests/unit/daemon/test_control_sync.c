/* test_control_sync.c - execution.method sync, and how old an observation may be: instructions, hung inferences, honest slow ones. */
#include "tests/unit/daemon/control_bench.h"

static const int64_t second_ns = 1000000000;

static struct bench *bench_sync(void)
{
	struct bench *b = bench_new();

	b->setup.method = EXECUTE_SYNC;
	b->setup.execution_steps = CHUNK;
	return b;
}

static struct bench *bench_sync_moving(void)
{
	struct bench *b = bench_sync();

	bench_start_in(b, COMMAND_MODE_AUTO, 300);
	assert_false(b->report.standing);
	return b;
}

/* The old instruction plays a little longer, the arm brakes where it is, and the new one takes over from there. */
static void a_new_instruction_in_mid_chunk_goes_on(void **state)
{
	struct bench *b = bench_sync_moving();
	uint64_t adopted = b->report.chunks_adopted;

	(void)state;
	b->inputs.instruction_id = 2;
	run_ms(b, 2000);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_true(b->report.chunks_adopted > adopted);
	assert_int_equal(b->control.trajectory.instruction_id, 2);
	run_ms(b, 4000);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_true(b->report.chunks_adopted > adopted + 2);
	free(b);
}

/* The bound follows what was usual before the one that hung, and its chunk is never run. */
static void a_hung_inference_starves_sync(void **state)
{
	struct bench *b = bench_sync_moving();

	(void)state;
	b->latency_ns = 20 * second_ns;
	run_ms(b, 5000);
	expect_mode(b, MODE_HOLD, REASON_CHUNK_STARVED);
	assert_true(b->report.reason_limit > 1000.0 && b->report.reason_limit < 2000.0);
	uint64_t adopted = b->report.chunks_adopted;

	run_ms(b, 20000);
	assert_true(b->report.standing && b->report.chunks_adopted == adopted);
	free(b);
}

static void a_hung_inference_is_no_first_chunk(void **state)
{
	struct bench *b = bench_sync();

	(void)state;
	bench_start(b);
	run_ms(b, 1000);
	b->latency_ns = 20 * second_ns;
	for (uint64_t before = b->chunks; b->chunks == before;)
		run_ms(b, 5);
	run_ms(b, 5);
	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_NO_CHUNK));
	b->latency_ns = LATENCY_MS * MS;
	run_ms(b, 25000);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	free(b);
}

static void an_honest_slow_policy_runs_in_sync(void **state)
{
	struct bench *b = bench_sync();

	(void)state;
	b->latency_ns = 10 * second_ns;
	bench_start(b);
	run_ms(b, 27000); /* the first one began before the arm was there */
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 60000);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_true(b->report.chunks_adopted >= 4);
	free(b);
}

/* Chunks of eight seconds: the motion goes on, but not by what the cameras saw four seconds ago. */
static void a_hung_inference_is_dropped_in_async(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.action_dt_ns = 1000 * MS;
	bench_start(b);
	run_ms(b, 2000);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1000);
	b->latency_ns = 4 * second_ns;
	uint64_t adopted = b->report.chunks_adopted;

	run_ms(b, 4500);
	assert_int_equal(b->events[EVENT_CHUNK_DROPPED][REASON_CHUNK_OLD], 1);
	assert_int_equal(b->report.chunks_adopted, adopted);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_false(b->report.standing);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_instruction_in_mid_chunk_goes_on),
		cmocka_unit_test(a_hung_inference_starves_sync),
		cmocka_unit_test(a_hung_inference_is_no_first_chunk),
		cmocka_unit_test(an_honest_slow_policy_runs_in_sync),
		cmocka_unit_test(a_hung_inference_is_dropped_in_async),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
