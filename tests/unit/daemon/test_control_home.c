/* test_control_home.c - the operators' own motions, home and jog: what ends them, and what is told about them. */
#include "tests/unit/daemon/control_bench.h"

/* Two arms in HOLD, both half a radian away from home and on their way there. */
static struct bench *bench_homing(void)
{
	struct bench *b = bench_two_arms();

	b->q[0][0] += 0.5;
	b->q[1][0] -= 0.5;
	bench_start(b);
	run_ms(b, 500);
	ask_kind(b, COMMAND_MODE_HOLD);
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	run_ms(b, 600);
	assert_int_equal(b->report.driver, TARGET_HOME);
	assert_false(b->report.standing);
	return b;
}

static double from_home(const struct bench *b, uint32_t arm)
{
	return fabs(b->report.q_sent_rad[arm][0] - b->setup.arm[arm].home_rad[0]);
}

/* ---- what ends a motion ------------------------------------------------------------------------------------------- */

static void tracking_error(struct bench *b, bool on)
{
	b->state_runs = !on;
	b->inputs.arm[0].q_rad[2] += on ? 0.15 : 0.0;
}

static void state_lost(struct bench *b, bool on)
{
	b->state_runs = !on;
}

static void arm_errors(struct bench *b, bool on)
{
	b->inputs.arm[0].has_errors = on;
}

static void second_arm_estop(struct bench *b, bool on)
{
	b->inputs.arm[1].mode = on ? ARM_ESTOP : ARM_READY;
	b->inputs.arm[1].attached = !on;
}

static void second_arm_stopped(struct bench *b, bool on)
{
	b->inputs.arm[1].stopped = on;
	b->inputs.arm[1].attached = !on;
}

static void clock_stepped(struct bench *b, bool on)
{
	b->inputs.clock_stepped = on;
}

static const struct trouble {
	void (*happens)(struct bench *b, bool on);
	enum mode mode;
} troubles[] = {
	{ tracking_error, MODE_FAULT },
	{ state_lost, MODE_FAULT },
	{ arm_errors, MODE_FAULT },
	{ second_arm_estop, MODE_FAULT },
	{ second_arm_stopped, MODE_HOLD },
	{ clock_stepped, MODE_HOLD },
};

/* The judge holds the deceleration against the limits. */
static void ends_home(const struct trouble *t)
{
	struct bench *b = bench_homing();

	t->happens(b, true);
	run_ms(b, 600);
	assert_int_equal(b->report.mode, t->mode);
	assert_true(b->report.standing);
	assert_int_equal(b->report.driver, TARGET_HOLD);
	double left = from_home(b, 0);

	assert_true(left > 0.1);
	t->happens(b, false);
	run_ms(b, 20);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	run_ms(b, 3000);
	assert_int_equal(b->report.mode, MODE_HOLD);
	assert_true(from_home(b, 0) == left && from_home(b, 1) > 0.1); /* nothing goes on by itself */
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	run_ms(b, 5000);
	assert_true(from_home(b, 0) < 1e-4 && from_home(b, 1) < 1e-4);
	free(b);
}

static void every_fault_ends_home(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++)
		ends_home(&troubles[i]);
}

static void a_fault_ends_a_jog(void **state)
{
	struct command jog = { .kind = COMMAND_JOG, .arm = 0, .delta = { .v_m_s = { 0.0, 0.0, 0.01 } } };
	struct bench *b = bench_two_arms();

	(void)state;
	bench_start(b);
	run_ms(b, 500);
	ask_kind(b, COMMAND_MODE_HOLD);
	double z0 = b->report.ee_sent[0].p_m[2];

	assert_true(ask(b, jog).ok);
	run_ms(b, 60);
	second_arm_estop(b, true);
	run_ms(b, 1000);
	assert_int_equal(b->report.mode, MODE_FAULT);
	assert_true(b->report.standing);
	assert_true(b->report.ee_sent[0].p_m[2] < z0 + 0.008);
	free(b);
}

static void what_ends_a_motion_refuses_the_next(void **state)
{
	struct bench *b = bench_homing();

	(void)state;
	clock_stepped(b, true);
	run_ms(b, 600);
	assert_true(b->report.standing);
	assert_int_equal(ask_kind(b, COMMAND_HOME).missing, REASON_BIT(REASON_CLOCK_STEPPED));
	clock_stepped(b, false);
	second_arm_stopped(b, true);
	run_ms(b, 50);
	assert_int_equal(ask(b, (struct command){ .kind = COMMAND_HOME, .arm = 0 }).missing, REASON_BIT(REASON_ARM_STOPPED));
	free(b);
}

/* ---- what is told about them -------------------------------------------------------------------------------------- */

static void home_tells_its_start_and_end(void **state)
{
	struct bench *b = bench_homing();
	const uint32_t *told = b->events[EVENT_HOME];

	(void)state;
	assert_int_equal(told[REASON_HOME_STARTED], 2);
	assert_int_equal(told[REASON_HOME_REACHED], 0);
	run_ms(b, 5000);
	assert_int_equal(told[REASON_HOME_REACHED], 2);
	assert_true(ask(b, (struct command){ .kind = COMMAND_HOME, .arm = 1 }).ok); /* it is there already */
	run_ms(b, 1000);
	assert_int_equal(told[REASON_HOME_STARTED], 3);
	assert_int_equal(told[REASON_HOME_REACHED], 3);
	assert_int_equal(told[REASON_HOME_INTERRUPTED], 0);
	free(b);
}

/* What ends at home, or before it, is the plan: of an arm that is silent nobody knows. */
static void home_of_a_silent_arm_tells_no_place(void **state)
{
	struct bench *b = bench_homing();
	const uint32_t *told = b->events[EVENT_HOME];

	(void)state;
	state_lost(b, true);
	run_ms(b, 1000);
	assert_int_equal(told[REASON_HOME_UNSEEN], 2);
	assert_int_equal(told[REASON_HOME_REACHED] + told[REASON_HOME_INTERRUPTED], 0);
	free(b);
}

static void a_jog_is_told_from_home(void **state)
{
	struct command jog = { .kind = COMMAND_JOG, .arm = 0, .delta = { .v_m_s = { 0.0, 0.0, 0.01 } } };
	struct bench *b = bench_homing();

	(void)state;
	assert_false(b->report.jogging);
	run_ms(b, 5000);
	assert_int_equal(b->report.driver, TARGET_HOLD);
	assert_true(ask(b, jog).ok);
	run_ms(b, 60);
	assert_int_equal(b->report.driver, TARGET_HOME);
	assert_true(b->report.jogging);
	run_ms(b, 2000);
	assert_false(b->report.jogging);
	free(b);
}

static void home_tells_that_it_was_interrupted(void **state)
{
	struct bench *b = bench_homing();
	const uint32_t *told = b->events[EVENT_HOME];

	(void)state;
	b->inputs.arm[1].attached = false; /* taken over by another */
	run_ms(b, 50);
	assert_int_equal(told[REASON_HOME_INTERRUPTED], 1);
	ask_kind(b, COMMAND_STOP);
	assert_int_equal(told[REASON_HOME_INTERRUPTED], 1); /* the other one still brakes */
	run_ms(b, 1000);
	assert_int_equal(told[REASON_HOME_INTERRUPTED], 2);
	assert_int_equal(told[REASON_HOME_REACHED], 0);
	free(b);
}

/* The line goes on behind the edge, the arm does not. */
static void home_beyond_the_workspace_ends_at_its_edge(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.arm[0].home_rad[0] = 1.2;
	b->setup.arm[0].box_max_m[1] = 0.3;
	bench_start(b);
	run_ms(b, 500);
	ask_kind(b, COMMAND_MODE_HOLD);
	for (uint32_t times = 1; times <= 2; times++) {
		assert_true(ask_kind(b, COMMAND_HOME).ok);
		run_ms(b, 12000);
		assert_true(b->report.standing);
		assert_true(tcp_y(b) > 0.2 && tcp_y(b) <= 0.3);
		assert_int_equal(b->events[EVENT_HOME][REASON_HOME_INTERRUPTED], times);
		assert_int_equal(b->events[EVENT_LIMIT][REASON_LIMITED], times); /* once for each time, however often it touches */
		assert_true(b->report.clamps > 10);
	}
	free(b);
}

static void one_home_at_a_time(void **state)
{
	struct command jog = { .kind = COMMAND_JOG, .arm = 0, .delta = { .v_m_s = { 0.0, 0.0, 0.01 } } };
	struct bench *b = bench_two_arms();

	(void)state;
	bench_start(b);
	run_ms(b, 500);
	ask_kind(b, COMMAND_MODE_HOLD);
	jog.ticket = 100;
	tell(b, jog); /* both in one tick: the first one has not moved anything yet */
	assert_int_equal(ask_kind(b, COMMAND_HOME).missing, REASON_BIT(REASON_STILL_MOVING));
	assert_true(b->report.recent[100 % ANSWERS_RECENT].ok);
	assert_int_equal(b->events[EVENT_HOME][REASON_HOME_STARTED], 0);
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_ends_home),
		cmocka_unit_test(a_fault_ends_a_jog),
		cmocka_unit_test(what_ends_a_motion_refuses_the_next),
		cmocka_unit_test(home_tells_its_start_and_end),
		cmocka_unit_test(home_of_a_silent_arm_tells_no_place),
		cmocka_unit_test(a_jog_is_told_from_home),
		cmocka_unit_test(home_tells_that_it_was_interrupted),
		cmocka_unit_test(home_beyond_the_workspace_ends_at_its_edge),
		cmocka_unit_test(one_home_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
