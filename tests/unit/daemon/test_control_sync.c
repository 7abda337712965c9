/* test_control_sync.c - execution.method sync, and how old an observation may be: instructions, hung inferences, honest slow ones. */
#include "tests/unit/daemon/control_bench.h"

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

	bench_start(b);
	run_ms(b, 500);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 300);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_instruction_in_mid_chunk_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
