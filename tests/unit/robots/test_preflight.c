/* test_preflight.c - what keeps a machine from being fit, and the motion that is measured. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/arm/preflight.h"
#include "robots/arm/preflight_motion.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

/* ---- the verdict --------------------------------------------------------------------------------------------------------- */

static struct preflight_facts good(void)
{
	return (struct preflight_facts){ .measured = true, .realtime = true, .seconds = 10, .states = 10000, .success_min = 1, .success_avg = 1,
		.success_max = 1, .answer_p50_us = 10, .answer_p99_us = 40, .answer_max_us = 80,
		.host = { .realtime_kernel = true, .locks_memory = true, .network = "eth0" } };
}

static const struct preflight_finding *find(const struct preflight_verdict *v, const char *name)
{
	for (uint32_t i = 0; i < v->n; i++)
		if (strcmp(v->finding[i].name, name) == 0)
			return &v->finding[i];
	return NULL;
}

static void is_fit(const struct preflight_facts *f)
{
	struct preflight_verdict v;

	preflight_judge(f, &v);
	if (!v.fit || v.n != 0)
		fail_msg("%u findings, first: %s", v.n, v.finding[0].found);
}

/* Exactly one thing is wrong, and it says what was found and the command that mends it. */
static void is_wrong(const struct preflight_facts *f, const char *name, bool keeps, const char *found, const char *remedy)
{
	const struct preflight_finding *x;
	struct preflight_verdict v;

	preflight_judge(f, &v);
	x = find(&v, name);
	if (!x || v.n != 1)
		fail_msg("%s not among the %u findings alone: %s", name, v.n, v.n ? v.finding[0].name : "");
	assert_int_equal(x->keeps, keeps);
	assert_int_equal(v.fit, !keeps);
	if (!strstr(x->found, found) || !strstr(x->remedy, remedy))
		fail_msg("want \"%s\" and \"%s\" in: %s: %s", found, remedy, x->found, x->remedy);
}

static void a_good_machine(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	is_fit(&f);
	f.missed = 100;
	f.longest_row = 9;
	f.success_avg = 0.95;
	f.answer_p99_us = 300;
	is_fit(&f);
}

static void states_that_do_not_come(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.missed = f.longest_row = 10;
	is_wrong(&f, "states_missed", true, "10 in a row", "one cable");
	f.missed = 205;
	f.longest_row = 1;
	is_wrong(&f, "states_missed", true, "205 of 10205 states did not come", "ping");
	f.states = f.missed = f.longest_row = 0; /* nobody there: no word of cables */
	f.measured = false;
	struct preflight_verdict v;

	preflight_judge(&f, &v);
	assert_false(v.fit);
	assert_int_equal(v.n, 1);
	assert_string_equal(v.finding[0].name, "not_measured");
	f.measured = true;
	is_wrong(&f, "not_measured", true, "did not run to the end", "test again");
}

static void commands_that_come_late(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.success_avg = 0.9499;
	f.success_min = 0.5;
	is_wrong(&f, "commands_late", true, "0.95 of the commands came in time, 0.5 at the least", "network card");
	f.success_avg = NAN;
	is_wrong(&f, "commands_late", true, "nan", "network card");
	f = good();
	f.answer_p99_us = 301;
	is_wrong(&f, "answers_slow", true, "301 us", "isolcpus");
	f.answer_p99_us = NAN;
	is_wrong(&f, "answers_slow", true, "nan", "isolcpus");
}

static void what_may_not_be_missing(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.realtime = false;
	is_wrong(&f, "not_realtime", true, "not permitted", "rtprio 98");
	f.realtime_off = true;
	is_wrong(&f, "not_realtime", true, "control.realtime is off", "control.realtime: prefer");
	f = good();
	f.host.locks_memory = false;
	is_wrong(&f, "memory_not_locked", true, "cannot be locked", "memlock unlimited");
	f = good();
	f.host.wireless = true;
	is_wrong(&f, "wireless", true, "eth0", "cable");
	f = good();
	f.measured = false;
	is_wrong(&f, "not_measured", true, "did not run to the end", "test again");
}

/* A machine that holds its times without them is fit today. */
static void what_is_only_advice(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	strcpy(f.host.governor, "powersave");
	is_wrong(&f, "governor", false, "powersave", "cpupower frequency-set -g performance");
	f = good();
	f.host.realtime_kernel = false;
	is_wrong(&f, "kernel", false, "PREEMPT_RT", "linux-image-rt");
}

static void everything_at_once(void **state)
{
	struct preflight_facts f = { .states = 90, .missed = 10, .longest_row = 10, .host = { .wireless = true, .network = "wlan0", .governor = "powersave" } };
	struct preflight_verdict v;

	(void)state;
	preflight_judge(&f, &v);
	assert_false(v.fit);
	assert_int_equal(v.n, 7);
	assert_true(v.finding[0].keeps && !v.finding[v.n - 1].keeps);
	assert_null(find(&v, "commands_late")); /* of a motion that did not run nothing is known */
}

/* ---- the motion ------------------------------------------------------------------------------------------------------------ */

struct bench {
	struct preflight_motion m;
	struct robot_state s;
	struct robot_command c;
	int64_t now_ns;
};

static void begin(struct bench *b)
{
	*b = (struct bench){ .now_ns = NS_PER_S, .s = { .mode = ARM_DISCONNECTED } };
	preflight_motion_init(&b->m, 7, 2 * NS_PER_S);
}

static void step(struct bench *b, int n, bool stop)
{
	for (int i = 0; i < n; i++) {
		b->now_ns += NS_PER_MS;
		preflight_motion_step(&b->m, &b->s, b->now_ns, stop, &b->c);
	}
}

static void ready(struct bench *b)
{
	b->s = (struct robot_state){ .mode = ARM_READY, .has_q_d = true, .q_d_rad = { 0.1, 0.2 }, .q_rad = { 0.11, 0.19 } };
}

static void runs(struct bench *b)
{
	b->s.engaged = b->s.has_success_rate = true;
	b->s.success_rate = 1;
}

static void holds_still_and_ends(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	step(&b, 100, false);
	assert_int_equal(b.m.phase, PREFLIGHT_WAITS);
	assert_false(b.c.hold || b.c.engage);
	ready(&b);
	step(&b, 1, false);
	assert_true(b.c.hold && b.c.engage);
	runs(&b);
	b.s.q_d_rad[0] = 0.3; /* somebody moved it in the meantime: it is held where the motion begins */
	step(&b, 1, false);
	assert_true(b.c.q_rad[0] == 0.3 && b.c.q_rad[1] == 0.2);
	b.s.q_d_rad[0] = 0.3 + 1e-7;
	step(&b, 2499, false);
	assert_int_equal(b.m.phase, PREFLIGHT_MEASURES);
	assert_true(b.c.q_rad[0] == 0.3 && b.c.dq_rad_s[0] == 0);
	step(&b, 2, false);
	assert_int_equal(b.m.phase, PREFLIGHT_ENDS);
	assert_true(b.c.hold && !b.c.engage);
	b.s.engaged = false;
	step(&b, 1, false);
	assert_int_equal(b.m.phase, PREFLIGHT_OVER);
	assert_false(b.c.hold || b.m.failed);
	assert_true(b.m.n_rates >= 2000 && b.m.rate_min == 1 && b.m.rate_max == 1 && b.m.rate_sum == (double)b.m.n_rates);
}

static void rates_while_it_settles_do_not_count(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	ready(&b);
	step(&b, 1, false);
	runs(&b);
	b.s.success_rate = 0.1;
	step(&b, 400, false);
	b.s.success_rate = 0.9;
	step(&b, 1000, false);
	assert_int_equal(b.m.phase, PREFLIGHT_MEASURES);
	assert_true(b.m.rate_min == 0.9 && b.m.n_rates > 500);
}

static void never_ready(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	b.s = (struct robot_state){ .mode = ARM_USER_STOPPED, .trouble = 3 };
	step(&b, 3002, false);
	assert_int_equal(b.m.phase, PREFLIGHT_OVER);
	assert_true(b.m.failed && b.m.state.trouble == 3);
	begin(&b);
	step(&b, 7000, false); /* connecting may take its time, and longer than what a connected one is given */
	assert_int_equal(b.m.phase, PREFLIGHT_WAITS);
	step(&b, 1002, false);
	assert_true(b.m.failed);
	begin(&b);
	ready(&b);
	b.s.dq_rad_s[6] = 0.1; /* it moves: not ours to begin with */
	step(&b, 3002, false);
	assert_true(b.m.failed && !b.c.engage);
	begin(&b);
	ready(&b);
	b.s.dq_rad_s[6] = NAN;
	step(&b, 3002, false);
	assert_true(b.m.failed && !b.c.engage);
}

static void never_begins(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	ready(&b);
	step(&b, 5210, false);
	assert_int_equal(b.m.phase, PREFLIGHT_OVER);
	assert_true(b.m.failed);
}

/* A motion that the robot ends; what ended it may show later than that it ended. */
static void ends_early(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	ready(&b);
	step(&b, 1, false);
	runs(&b);
	step(&b, 1000, false);
	b.s.engaged = false;
	step(&b, 1, false);
	assert_int_equal(b.m.phase, PREFLIGHT_ENDS);
	assert_true(b.m.failed && !b.c.engage);
	b.s.mode = ARM_REFLEX;
	b.s.errors = 1u << 25;
	step(&b, 1, false);
	b.s = (struct robot_state){ .mode = ARM_READY };
	step(&b, 200, false);
	assert_int_equal(b.m.phase, PREFLIGHT_OVER);
	assert_true(b.m.state.errors == 1u << 25);
}

static void interrupted(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	ready(&b);
	step(&b, 1, false);
	runs(&b);
	step(&b, 1000, false);
	step(&b, 1, true);
	assert_int_equal(b.m.phase, PREFLIGHT_ENDS);
	assert_true(b.m.failed && b.c.hold && !b.c.engage);
	step(&b, 4000, true); /* an arm that does not end it is not waited for */
	assert_int_equal(b.m.phase, PREFLIGHT_OVER);
	begin(&b);
	step(&b, 1, true);
	assert_int_equal(b.m.phase, PREFLIGHT_OVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_machine),
		cmocka_unit_test(states_that_do_not_come),
		cmocka_unit_test(commands_that_come_late),
		cmocka_unit_test(what_may_not_be_missing),
		cmocka_unit_test(what_is_only_advice),
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(holds_still_and_ends),
		cmocka_unit_test(rates_while_it_settles_do_not_count),
		cmocka_unit_test(never_ready),
		cmocka_unit_test(never_begins),
		cmocka_unit_test(ends_early),
		cmocka_unit_test(interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
