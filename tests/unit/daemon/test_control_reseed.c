/* test_control_reseed.c - whatever took the arm away in motion, and wherever it was moved meanwhile: the next motion begins where the
 * arm says that it is commanded to be (q_d), at rest. On virtual time; the judge of control_bench.h holds every target to the limits. */
#include "tests/unit/daemon/control_bench.h"

static const struct cause {
	const char *name;
	enum arm_mode mode;
	bool restarts, stopped;
} causes[] = {
	{ "reflex", ARM_REFLEX, false, false },
	{ "guiding", ARM_GUIDING, false, false },
	{ "user stop", ARM_USER_STOPPED, false, false },
	{ "emergency stop", ARM_ESTOP, false, false },
	{ "disabled", ARM_IDLE, false, false },
	{ "driver restarted", ARM_READY, true, false },
	{ "let go of", ARM_READY, false, false },
	{ "stopped at the arm", ARM_READY, false, true },
};

static void take_away(struct bench *b, const struct cause *c)
{
	struct arm_state *s = &b->inputs.arm[0];

	s->mode = c->mode;
	s->attached = false;
	s->stopped = c->stopped;
	b->arm_from += c->restarts;
	run_ms(b, 500);
	assert_true(b->report.mode == MODE_FAULT || b->report.mode == MODE_HOLD);
	uint64_t sent = b->real_targets;

	run_ms(b, 500);
	assert_int_equal(b->real_targets, sent); /* who is not attached gets nothing */
	for (uint32_t j = 0; j < DOF_MAX; j++) { /* somebody moves it by hand */
		b->q[0][j] += j % 2 ? 0.07 : -0.05;
		b->dq[0][j] = 0.0;
	}
	s->mode = ARM_READY;
	run_ms(b, 100);
	assert_int_equal(b->real_targets, sent); /* not by itself */
}

/* As an operator and dreamvla-arm do it; then one period after the other until there is a target. */
static void give_back(struct bench *b)
{
	uint64_t sent = b->real_targets;
	double q_d[DOF_MAX];

	b->inputs.arm[0].stopped = false;
	if (b->report.mode == MODE_FAULT)
		assert_true(ask_kind(b, COMMAND_RESET).ok);
	assert_int_equal(b->report.mode, MODE_HOLD);
	memcpy(q_d, b->q[0], sizeof q_d);
	b->inputs.arm[0].attached = true;
	for (int i = 0; i < 100 && b->real_targets == sent; i++)
		run_ms(b, 5);
	assert_int_equal(b->real_targets, sent + 1);
	assert_memory_equal(b->trail[0][0], q_d, sizeof q_d);
	run_ms(b, 300);
	assert_memory_equal(b->report.q_sent_rad[0], q_d, sizeof q_d); /* and it stays there until somebody asks for more */
	assert_true(b->report.standing);
}

static void the_motion_begins_where_the_arm_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
		struct bench *b = bench_moving();

		print_message("%s\n", causes[i].name);
		take_away(b, &causes[i]);
		give_back(b);
		assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
		run_ms(b, 1500);
		assert_int_equal(b->report.mode, MODE_AUTO);
		assert_false(b->report.standing);
		free(b);
	}
}

/* The arm is still moving when it is given back: nothing begins before it stands. */
static void an_arm_that_still_moves_is_waited_for(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	take_away(b, &causes[0]);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	uint64_t sent = b->real_targets;

	b->inputs.arm[0].attached = true;
	for (int i = 0; i < 60; i++) {
		b->dq[0][0] = 0.2; /* a push of a hand */
		b->q[0][0] += 0.001;
		run_ms(b, 5);
	}
	assert_int_equal(b->real_targets, sent);
	b->dq[0][0] = 0.0;
	run_ms(b, 200);
	assert_true(b->real_targets > sent);
	assert_memory_equal(b->report.q_sent_rad[0], b->q[0], sizeof b->q[0]);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_motion_begins_where_the_arm_is),
		cmocka_unit_test(an_arm_that_still_moves_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
