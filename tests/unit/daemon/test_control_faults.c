/* test_control_faults.c - what ends AUTO when several things go wrong at once, what the pre-flight names, what ends FAULT, and what
 * a fault of one of two arms leaves possible. */
#include "teleop_bench.h"
#include "tests/unit/share.h"

/* ---- things that go wrong ------------------------------------------------------------------------------------------- */

static void spoil_arm(struct bench *b, uint32_t arm, enum reason what)
{
	struct arm_state *s = &b->inputs.arm[arm];

	s->mode = what == REASON_ARM_ESTOP ? ARM_ESTOP : what == REASON_ARM_REFLEX ? ARM_REFLEX :
			what == REASON_ARM_DISCONNECTED ? ARM_DISCONNECTED : s->mode;
	s->from += what == REASON_ARM_RESTARTED;
	s->stamp_ns -= what == REASON_STATE_LOST || what == REASON_STATE_VOID || what == REASON_STATE_LATE ? 51 * MS : 0;
	s->arrival_ns = what == REASON_STATE_LOST || what == REASON_STATE_VOID ? s->stamp_ns : s->arrival_ns;
	b->inputs.state_void_ns[arm] = what == REASON_STATE_VOID ? b->now_ns : 0;
	s->q_rad[3] += what == REASON_STATE_NOT_FINITE ? NAN : what == REASON_TRACKING_ERROR ? 0.11 : 0.0;
	s->has_errors |= what == REASON_ARM_ERRORS;
	s->attached &= what != REASON_ARM_LET_GO;
	s->stopped |= what == REASON_ARM_STOPPED;
}

static void spoil_rest(struct bench *b, enum reason what)
{
	struct camera_status *camera = &b->inputs.camera[0];

	camera->present &= what != REASON_CAMERA_ABSENT;
	camera->stamp_ns -= what == REASON_CAMERA_STALE ? 200 * MS : 0;
	camera->frozen |= what == REASON_CAMERA_FROZEN;
	b->inputs.cameras_skewed |= what == REASON_CAMERA_SKEWED;
	b->inputs.clock_stepped |= what == REASON_CLOCK_STEPPED;
	b->policy.health = what == REASON_POLICY_BROKEN ? POLICY_BROKEN : what == REASON_POLICY_GONE ? POLICY_GONE : b->policy.health;
}

static enum reason wrong[ARMS_MAX]; /* by arm; what is about no arm may stand at any */

static void spoil(struct bench *b)
{
	for (uint32_t i = 0; i < b->setup.n_arms; i++) {
		spoil_arm(b, i, wrong[i]);
		spoil_rest(b, wrong[i]);
	}
}

static void set_wrong(struct bench *b, enum reason first, enum reason second)
{
	wrong[0] = first;
	wrong[1] = second;
	b->meddle = spoil;
}

static void all_is_well_again(struct bench *b)
{
	b->meddle = NULL;
	for (uint32_t i = 0; i < b->setup.n_arms; i++) {
		struct arm_state *s = &b->inputs.arm[i];

		s->attached = true;
		s->has_errors = s->stopped = false;
		s->mode = ARM_READY;
	}
	b->inputs.camera[0].frozen = b->inputs.cameras_skewed = b->inputs.clock_stepped = false;
	b->policy.health = POLICY_WARM;
}

static struct bench *two_in(enum command_kind mode, bool fault_stops_arm)
{
	struct bench *b = bench_two_arms();

	b->setup.fault_stops_arm = fault_stops_arm;
	bench_start(b);
	run_ms(b, 500);
	if (mode != COMMAND_NONE)
		assert_true(ask_kind(b, mode).ok);
	run_ms(b, 300);
	return b;
}

/* ---- several at once ------------------------------------------------------------------------------------------------- */

static const enum reason every_wrong[] = { REASON_ARM_ESTOP, REASON_ARM_REFLEX, REASON_ARM_RESTARTED, REASON_STATE_LOST, REASON_STATE_VOID,
	REASON_STATE_LATE, REASON_STATE_NOT_FINITE,
	REASON_TRACKING_ERROR, REASON_ARM_DISCONNECTED, REASON_ARM_ERRORS, REASON_ARM_LET_GO, REASON_ARM_STOPPED, REASON_CLOCK_STEPPED,
	REASON_CAMERA_ABSENT, REASON_CAMERA_STALE, REASON_CAMERA_FROZEN, REASON_CAMERA_SKEWED, REASON_POLICY_BROKEN };
enum { WRONGS = sizeof every_wrong / sizeof every_wrong[0] };

/* Rows of reason.def stand in the order of severity. */
static enum reason worse(enum reason a, enum reason b)
{
	return a < b ? a : b;
}

static bool is_fault(enum reason r)
{
	return reason_severity(r) == SEVERITY_FAULT;
}

static void check_pair(enum reason first, enum reason second, bool fault_stops_arm)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, fault_stops_arm);
	enum reason worst = worse(first, second);
	bool fault = fault_stops_arm ? is_fault(first) && is_fault(second) : is_fault(worst);

	set_wrong(b, first, second);
	run_ms(b, 5);
	if (worst == REASON_POLICY_BROKEN) /* the policy's word comes after the inputs */
		run_ms(b, 5);
	expect_mode(b, fault ? MODE_FAULT : MODE_HOLD, worst);
	assert_true(b->report.faults & REASON_BIT(worst));
	assert_int_equal(b->newest[EVENT_MODE].reason, worst);
	assert_true(!is_fault(worst) || b->events[EVENT_FAULT][worst] >= 1);
	run_ms(b, 100);
	expect_mode(b, fault ? MODE_FAULT : MODE_HOLD, worst);
	free(b);
}

static void the_worst_of_every_two_decides(void **state)
{
	(void)state;
	for (int i = 0; i < WRONGS; i++)
		for (int n = 0; n < ROUNDS(WRONGS); n++) {
			enum reason other = every_wrong[(i + n) % WRONGS];

			check_pair(every_wrong[i], other, false);
			check_pair(every_wrong[i], other, true);
		}
}

/* In FAULT the worse reason is shown, whichever came first. */
static void a_worse_one_that_comes_later_is_shown(void **state)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, false);

	(void)state;
	set_wrong(b, REASON_CAMERA_FROZEN, REASON_NONE);
	run_ms(b, 50);
	expect_mode(b, MODE_HOLD, REASON_CAMERA_FROZEN);
	set_wrong(b, REASON_CAMERA_FROZEN, REASON_ARM_ERRORS);
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_ARM_ERRORS);
	set_wrong(b, REASON_ARM_REFLEX, REASON_ARM_ERRORS);
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	set_wrong(b, REASON_ARM_REFLEX, REASON_ARM_DISCONNECTED);
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	free(b);
}

/* ---- the pre-flight --------------------------------------------------------------------------------------------------- */

static void everything_that_is_missing_is_named_at_once(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->state_runs = b->cameras_run = b->policy_runs = false;
	b->inputs.instruction_id = 0;
	b->inputs.cameras_skewed = b->inputs.clock_stepped = true;
	b->policy.lost = b->policy.state_out_of_range = true;
	bench_start(b);
	b->inputs.arm[0] = (struct arm_state){ 0 };
	press(b, 4, true);
	run_ms(b, 100);
	const uint64_t missing = REASON_BIT(REASON_STATE_ABSENT) | REASON_BIT(REASON_CAMERA_ABSENT) | REASON_BIT(REASON_CAMERA_SKEWED) |
			REASON_BIT(REASON_CLOCK_STEPPED) | REASON_BIT(REASON_POLICY_LOST) | REASON_BIT(REASON_STATE_OUT_OF_RANGE) |
			REASON_BIT(REASON_NO_INSTRUCTION) | REASON_BIT(REASON_NO_CHUNK) | REASON_BIT(REASON_DEADMAN_PRESSED);

	assert_true(ask_kind(b, COMMAND_MODE_AUTO).missing == missing);
	assert_true(ask_kind(b, COMMAND_MODE_SHADOW).missing == missing);
	assert_int_equal(b->report.mode, MODE_READY);
	free(b);
}

static void an_arm_wrong_in_every_way_is_described_at_once(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start(b);
	b->inputs.arm[0].attached = false;
	b->inputs.arm[0].stopped = true;
	b->inputs.arm[0].mode = ARM_IDLE;
	b->wrong_tcp_m = 0.02;
	b->q[0][3] = 0.5; /* bent beyond a joint's limit */
	run_ms(b, 100);
	b->state_runs = false; /* and falls silent */
	run_ms(b, 100);
	const uint64_t missing = REASON_BIT(REASON_ARM_DETACHED) | REASON_BIT(REASON_ARM_STOPPED) | REASON_BIT(REASON_ARM_IDLE) |
			REASON_BIT(REASON_KINEMATICS_POSITION) | REASON_BIT(REASON_OUTSIDE_LIMITS) | REASON_BIT(REASON_STATE_STALE);

	uint64_t found = ask_kind(b, COMMAND_MODE_AUTO).missing & ~REASON_BIT(REASON_NO_CHUNK);

	assert_true(found == missing);
	free(b);
}

/* ---- FAULT --------------------------------------------------------------------------------------------------------------- */

static void nothing_but_a_reset_ends_a_fault(void **state)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, false);

	(void)state;
	set_wrong(b, REASON_ARM_REFLEX, REASON_NONE);
	run_ms(b, 500);
	assert_int_equal(ask_kind(b, COMMAND_RESET).missing, REASON_BIT(REASON_ARM_REFLEX));
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	all_is_well_again(b);
	for (int kind = COMMAND_NONE; kind <= COMMAND_SHUTDOWN; kind++)
		if (kind != COMMAND_RESET && kind != COMMAND_SHUTDOWN)
			(void)ask(b, (struct command){ .kind = (enum command_kind)kind, .arm = ALL_ARMS, .value = 0.5 });
	b->inputs.instruction_id++;
	take_over(b, 0, 0.1);
	tap(b, 1);
	run_ms(b, 5000);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	assert_int_equal(b->teleop_targets, 0);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_RESET);
	free(b);
}

static void shadow_ends_as_auto_does_and_the_arms_have_not_moved(void **state)
{
	(void)state;
	for (int i = 0; i < WRONGS; i++) {
		struct bench *b = two_in(COMMAND_MODE_SHADOW, false);
		bool fault = reason_severity(every_wrong[i]) == SEVERITY_FAULT;

		assert_true(b->shadow_targets > 50);
		set_wrong(b, every_wrong[i], REASON_NONE);
		run_ms(b, 10);
		expect_mode(b, fault ? MODE_FAULT : MODE_HOLD, every_wrong[i]);
		uint64_t shadows = b->shadow_targets;

		run_ms(b, 100);
		assert_int_equal(b->shadow_targets, shadows);
		assert_true(b->fastest_rad_s == 0.0);
		free(b);
	}
}

/* ---- one arm of two -------------------------------------------------------------------------------------------------------- */

static void take_arm(struct bench *b, uint32_t device, uint32_t arm, double vy)
{
	b->inputs.teleop[device].arm = arm;
	take_over(b, device, vy);
}

static void a_fault_of_one_stops_both(void **state)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, false);

	(void)state;
	run_ms(b, 700);
	set_wrong(b, REASON_NONE, REASON_ARM_ERRORS);
	run_ms(b, 1000);
	expect_mode(b, MODE_FAULT, REASON_ARM_ERRORS);
	assert_int_equal(b->report.reason_arm, 1);
	assert_true(b->report.standing);
	take_arm(b, 0, 0, 0.1);
	assert_int_equal(b->report.mode, MODE_FAULT);
	free(b);
}

static void or_its_own_arm_and_the_policy(void **state)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, true);

	(void)state;
	run_ms(b, 700);
	set_wrong(b, REASON_NONE, REASON_ARM_ERRORS);
	run_ms(b, 1000);
	expect_mode(b, MODE_HOLD, REASON_ARM_ERRORS);
	assert_int_equal(b->report.reason_arm, 1);
	assert_int_equal(b->events[EVENT_FAULT][REASON_ARM_ERRORS], 1);
	assert_true(b->report.standing);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).missing & REASON_BIT(REASON_ARM_ERRORS));
	take_arm(b, 0, 1, 0.1);
	assert_int_equal(b->events[EVENT_REFUSED][REASON_ARM_ERRORS], 1);
	press(b, 0, false);
	run_ms(b, 1000);
	double first = b->report.ee_sent[0].p_m[1], second = b->report.ee_sent[1].p_m[1];

	take_arm(b, 0, 0, 0.1);
	run_ms(b, 500);
	expect_mode(b, MODE_TELEOP, REASON_TAKEN_OVER);
	assert_true(b->report.ee_sent[0].p_m[1] > first + 0.02 && fabs(b->report.ee_sent[1].p_m[1] - second) < 1e-4);
	free(b);
}

static void home_is_open_to_the_other_arm_only(void **state)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, true);

	(void)state;
	run_ms(b, 700);
	set_wrong(b, REASON_ARM_ERRORS, REASON_NONE);
	run_ms(b, 1000);
	assert_int_equal(ask_kind(b, COMMAND_HOME).missing, REASON_BIT(REASON_ARM_ERRORS));
	assert_int_equal(ask(b, (struct command){ .kind = COMMAND_HOME, .arm = 0 }).missing, REASON_BIT(REASON_ARM_ERRORS));
	assert_true(ask(b, (struct command){ .kind = COMMAND_HOME, .arm = 1 }).ok);
	run_ms(b, 20000);
	assert_int_equal(b->events[EVENT_HOME][REASON_HOME_REACHED], 1);
	assert_int_equal(b->report.mode, MODE_HOLD);
	free(b);
}

/* What went away by itself is no reason to trust the arm again. */
static void the_policy_waits_for_the_reset_all_the_same(void **state)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, true);

	(void)state;
	set_wrong(b, REASON_ARM_ERRORS, REASON_NONE);
	run_ms(b, 500);
	assert_int_equal(ask_kind(b, COMMAND_RESET).missing, REASON_BIT(REASON_ARM_ERRORS));
	all_is_well_again(b);
	run_ms(b, 2000);
	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_ARM_ERRORS));
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_RESET);
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	free(b);
}

static void a_person_goes_on_unless_it_is_the_driven_arm(void **state)
{
	static const enum reason of_arm[] = { REASON_ARM_ERRORS, REASON_ARM_REFLEX, REASON_ARM_STOPPED, REASON_STATE_LOST };

	(void)state;
	for (uint32_t i = 0; i < sizeof of_arm / sizeof of_arm[0]; i++)
		for (uint32_t arm = 0; arm < 2; arm++) {
			struct bench *b = two_in(COMMAND_NONE, true);

			take_arm(b, 0, 1, 0.05);
			run_ms(b, 200);
			set_wrong(b, arm == 0 ? of_arm[i] : REASON_NONE, arm == 1 ? of_arm[i] : REASON_NONE);
			run_ms(b, 500);
			expect_mode(b, arm == 1 ? MODE_HOLD : MODE_TELEOP, arm == 1 ? of_arm[i] : REASON_TAKEN_OVER);
			assert_true(arm == 0 || b->report.reason_arm == 1);
			free(b);
		}
}

static void faults_of_all_arms_or_of_none_are_faults_as_ever(void **state)
{
	struct bench *b = two_in(COMMAND_MODE_AUTO, true), *one = bench_new();

	(void)state;
	set_wrong(b, REASON_ARM_ERRORS, REASON_ARM_REFLEX);
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	free(b);
	b = two_in(COMMAND_MODE_AUTO, true);
	b->spoil = NAN;
	run_ms(b, 1000);
	expect_mode(b, MODE_FAULT, REASON_CHUNK_NOT_FINITE);
	free(b);
	one->setup.fault_stops_arm = true;
	bench_start(one);
	run_ms(one, 500);
	set_wrong(one, REASON_ARM_ERRORS, REASON_NONE);
	run_ms(one, 50);
	expect_mode(one, MODE_FAULT, REASON_ARM_ERRORS);
	free(one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worst_of_every_two_decides),
		cmocka_unit_test(a_worse_one_that_comes_later_is_shown),
		cmocka_unit_test(everything_that_is_missing_is_named_at_once),
		cmocka_unit_test(an_arm_wrong_in_every_way_is_described_at_once),
		cmocka_unit_test(nothing_but_a_reset_ends_a_fault),
		cmocka_unit_test(shadow_ends_as_auto_does_and_the_arms_have_not_moved),
		cmocka_unit_test(a_fault_of_one_stops_both),
		cmocka_unit_test(or_its_own_arm_and_the_policy),
		cmocka_unit_test(home_is_open_to_the_other_arm_only),
		cmocka_unit_test(the_policy_waits_for_the_reset_all_the_same),
		cmocka_unit_test(a_person_goes_on_unless_it_is_the_driven_arm),
		cmocka_unit_test(faults_of_all_arms_or_of_none_are_faults_as_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
