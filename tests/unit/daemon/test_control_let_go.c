/* test_control_let_go.c - an arm that lets go while its targets pause anyway, after a refusal or a pause of ours, has let go like any
 * other: nobody drives on without a reset. And what an arm that lets go in HOLD or READY leaves as the reason. */
#include "teleop_bench.h"

/* ---- it lets go before it is driven again ---- */

struct way {
	const char *name;
	enum arm_mode mode;
	bool comes_back; /* to `ready` by itself, still without us */
};

static const struct way ways[] = {
	{ "detached", ARM_READY, false },
	{ "disabled", ARM_IDLE, false },
	{ "disabled and enabled", ARM_IDLE, true },
	{ "guided", ARM_GUIDING, false },
	{ "guided and put down", ARM_GUIDING, true },
	{ "user stop", ARM_USER_STOPPED, true },
};
enum { WAYS = sizeof ways / sizeof *ways };

static void refuse_one(struct bench *b, uint32_t arm)
{
	b->inputs.arm[arm].refused_seq++;
	run_ms(b, 5);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_TARGET_REFUSED], 1);
}

static void pause_of_ours(struct bench *b, uint32_t arm)
{
	(void)arm;
	b->now_ns += 60 * MS;
	run_ms(b, 5);
	assert_true(b->events[EVENT_REFUSED][REASON_UNDERRUN] > 0);
}

static void (*const pauses[])(struct bench *b, uint32_t arm) = { refuse_one, pause_of_ours };

static void go_away(struct bench *b, uint32_t arm, const struct way *w)
{
	struct arm_state *s = &b->inputs.arm[arm];

	s->attached = false;
	s->mode = w->mode;
	run_ms(b, 20);
	if (w->comes_back)
		s->mode = ARM_READY;
	run_ms(b, 500);
}

static void expect_let_go(struct bench *b, uint32_t arm)
{
	uint64_t sent;

	expect_mode(b, MODE_FAULT, REASON_ARM_LET_GO);
	assert_int_equal(b->report.reason_arm, arm);
	assert_int_equal(b->events[EVENT_FAULT][REASON_ARM_LET_GO], 1);
	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_FAULT_STANDS));
	b->inputs.arm[arm].mode = ARM_READY;
	b->inputs.arm[arm].attached = true; /* whoever brings it back: nothing goes on */
	run_ms(b, 500);
	sent = b->policy_targets;
	run_ms(b, 1000);
	expect_mode(b, MODE_FAULT, REASON_ARM_LET_GO);
	assert_int_equal(b->policy_targets, sent);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_RESET);
}

static void the_policys_arm_after_a_pause_or_a_refusal(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * WAYS; i++) {
		struct bench *b = bench_moving();

		print_message("%s, %s\n", i % 2 ? "pause" : "refusal", ways[i / 2].name);
		pauses[i % 2](b, 0);
		run_ms(b, 5);
		assert_int_equal(b->report.mode, MODE_AUTO);
		go_away(b, 0, &ways[i / 2]);
		expect_let_go(b, 0);
		free(b);
	}
}

static void in_shadow_too(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start_in(b, COMMAND_MODE_SHADOW, 500);
	refuse_one(b, 0);
	go_away(b, 0, &ways[1]);
	expect_let_go(b, 0);
	free(b);
}

static void on_the_way_back_to_the_policy_too(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.teleop_resumes = true;
	bench_start_in(b, COMMAND_MODE_AUTO, 1000);
	take_over(b, 0, 0.1);
	run_ms(b, 300);
	press(b, 0, false);
	run_ms(b, 5);
	expect_mode(b, MODE_RETURN, REASON_HANDING_BACK);
	refuse_one(b, 0);
	go_away(b, 0, &ways[2]);
	expect_let_go(b, 0);
	free(b);
}

static void two_in(struct bench *b, enum command_kind mode, bool fault_stops_arm)
{
	b->setup.fault_stops_arm = fault_stops_arm;
	bench_start_in(b, mode, 1000);
}

static void while_a_person_drives_the_other_arm(void **state)
{
	struct bench *b = bench_two_arms();

	(void)state;
	two_in(b, COMMAND_MODE_AUTO, false);
	take_over(b, 0, 0.05);
	run_ms(b, 200);
	refuse_one(b, 1);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	go_away(b, 1, &ways[3]);
	expect_mode(b, MODE_FAULT, REASON_ARM_LET_GO);
	assert_int_equal(b->report.reason_arm, 1);
	free(b);
}

static void where_a_fault_stops_its_arm_the_policy_waits_for_the_reset(void **state)
{
	struct bench *b = bench_two_arms();

	(void)state;
	two_in(b, COMMAND_MODE_AUTO, true);
	refuse_one(b, 1);
	go_away(b, 1, &ways[2]);
	expect_mode(b, MODE_HOLD, REASON_ARM_LET_GO);
	assert_int_equal(b->report.reason_arm, 1);
	b->inputs.arm[1].attached = true;
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).missing & REASON_BIT(REASON_ARM_LET_GO));
	free(b);
}

static void a_refusal_alone_is_none(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	refuse_one(b, 0);
	run_ms(b, 1000);
	assert_int_equal(b->report.mode, MODE_AUTO);
	assert_int_equal(b->report.faults & reason_mask(SEVERITY_FAULT), 0);
	assert_int_equal(b->events[EVENT_ATTACH][REASON_ARM_DETACHED], 0);
	assert_false(b->report.standing);
	free(b);
}

/* A second lock: should nothing have noticed, a request for what is already the mode attaches nobody. */
static void auto_asked_for_in_auto_attaches_nobody(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	refuse_one(b, 0);
	b->control.arm[0].unseeded_why = REASON_ARM_DETACHED; /* as if it had been told */
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	assert_int_equal(b->report.mode, MODE_AUTO);
	uint32_t wish = b->report.attach_ticket;

	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_ARM_DETACHED));
	assert_int_equal(b->report.attach_ticket, wish);
	free(b);
}

/* ---- in HOLD and READY ---- */

static void bench_resting(struct bench *b, enum mode mode)
{
	bench_start(b);
	run_ms(b, 500);
	if (mode == MODE_HOLD)
		assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
	run_ms(b, 100);
}

static void an_arm_that_lets_go_is_the_reason(void **state)
{
	static const enum mode at[] = { MODE_READY, MODE_HOLD };

	(void)state;
	for (int i = 0; i < 2 * WAYS; i++) {
		struct bench *b = bench_new();

		bench_resting(b, at[i % 2]);
		go_away(b, 0, &ways[i / 2]);
		expect_mode(b, at[i % 2], REASON_ARM_DETACHED);
		assert_int_equal(b->report.reason_arm, 0);
		b->inputs.arm[0].mode = ARM_READY;
		b->inputs.arm[0].attached = true; /* by reset or by mode auto: then it is no reason any more */
		run_ms(b, 200);
		expect_mode(b, at[i % 2], REASON_ATTACHED);
		free(b);
	}
}

static void also_while_its_targets_pause(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_resting(b, MODE_HOLD);
	refuse_one(b, 0);
	go_away(b, 0, &ways[2]);
	expect_mode(b, MODE_HOLD, REASON_ARM_DETACHED);
	assert_int_equal(b->events[EVENT_ATTACH][REASON_ARM_DETACHED], 1);
	free(b);
}

/* A stop at the arm is told for as long as it is latched; a shutdown lets go of the arms itself. */
static void a_better_reason_stays(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_resting(b, MODE_READY);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	b->inputs.arm[0].stopped = true;
	go_away(b, 0, &ways[0]);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
	assert_true(b->report.faults & REASON_BIT(REASON_ARM_STOPPED));
	free(b);
	b = bench_new();
	bench_resting(b, MODE_READY);
	assert_true(ask_kind(b, COMMAND_SHUTDOWN).ok);
	go_away(b, 0, &ways[0]);
	expect_mode(b, MODE_HOLD, REASON_SHUTDOWN);
	free(b);
}

/* With fault_stops: arm, HOLD may be because of a fault of another arm: only a reset ends that. */
static void a_fault_stays_the_reason(void **state)
{
	struct bench *b = bench_two_arms();

	(void)state;
	two_in(b, COMMAND_MODE_AUTO, true);
	b->inputs.arm[1].mode = ARM_REFLEX;
	b->inputs.arm[1].attached = false;
	run_ms(b, 500);
	expect_mode(b, MODE_HOLD, REASON_ARM_REFLEX);
	go_away(b, 0, &ways[1]);
	expect_mode(b, MODE_HOLD, REASON_ARM_REFLEX);
	b->inputs.arm[0].mode = b->inputs.arm[1].mode = ARM_READY;
	b->inputs.arm[0].attached = b->inputs.arm[1].attached = true;
	run_ms(b, 500);
	expect_mode(b, MODE_HOLD, REASON_ARM_REFLEX);
	free(b);
}

/* ---- an arm that its driver has lost ---- */

static void a_lost_arm_is_told_before_the_errors_that_come_with_it(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->inputs.arm[0].mode = ARM_DISCONNECTED;
	b->inputs.arm[0].attached = b->inputs.arm[0].has_q = false;
	b->inputs.arm[0].has_errors = true;
	run_ms(b, 100);
	expect_mode(b, MODE_FAULT, REASON_ARM_DISCONNECTED);
	assert_true(b->report.faults & REASON_BIT(REASON_ARM_ERRORS));
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policys_arm_after_a_pause_or_a_refusal),
		cmocka_unit_test(in_shadow_too),
		cmocka_unit_test(on_the_way_back_to_the_policy_too),
		cmocka_unit_test(while_a_person_drives_the_other_arm),
		cmocka_unit_test(where_a_fault_stops_its_arm_the_policy_waits_for_the_reset),
		cmocka_unit_test(a_refusal_alone_is_none),
		cmocka_unit_test(auto_asked_for_in_auto_attaches_nobody),
		cmocka_unit_test(an_arm_that_lets_go_is_the_reason),
		cmocka_unit_test(also_while_its_targets_pause),
		cmocka_unit_test(a_better_reason_stays),
		cmocka_unit_test(a_fault_stays_the_reason),
		cmocka_unit_test(a_lost_arm_is_told_before_the_errors_that_come_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
