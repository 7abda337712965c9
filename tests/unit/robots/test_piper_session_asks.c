/* test_piper_session_asks.c - what a PiPER's session says that it would not do is what it does not do, in every phase: whoever answers an
 * operator goes by it. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

/* Asked for in a copy, so that nothing comes of it here. */
static bool obeys(enum piper_ask what)
{
	struct piper_session copy = session;

	return piper_session_ask(&copy, what);
}

static bool is_void(enum robot_ask what)
{
	return state.void_asks >> what & 1;
}

static void enable_is(bool void_, enum piper_phase phase)
{
	assert_int_equal(session.phase, phase);
	assert_int_equal(is_void(ROBOT_ENABLE), void_);
	assert_int_equal(obeys(PIPER_ASK_ENABLE), !void_);
	assert_int_equal(is_void(ROBOT_DISABLE), !obeys(PIPER_ASK_DISABLE));
}

static void run_to(enum piper_phase phase)
{
	for (int i = 0; i < 2000 && session.phase != phase; i++)
		run(1);
	assert_int_equal(session.phase, phase);
}

static void nothing_is_taken_before_the_arm_is_known(void **unused)
{
	(void)unused;
	set_up("S-V1.8-9");
	run(1);
	enable_is(true, PIPER_CLOSED);
	assert_true(is_void(ROBOT_DISABLE) && is_void(ROBOT_RECOVER));
	open_bus();
	run(1);
	enable_is(true, PIPER_LISTENS);
	assert_true(is_void(ROBOT_DISABLE) && is_void(ROBOT_RECOVER));
	run_to(PIPER_ASKS);
	enable_is(true, PIPER_ASKS);
	assert_false(is_void(ROBOT_DISABLE));
	assert_false(state.limp && !obeys(PIPER_ASK_DISABLE));
	run_to(PIPER_OFF);
	enable_is(false, PIPER_OFF);
	assert_true(state.limp && is_void(ROBOT_RECOVER)); /* motors that are off have nothing to recover from */
}

static void what_is_under_way_is_not_void(void **unused)
{
	(void)unused;
	connect_arm("S-V1.8-9");
	ask(PIPER_ASK_ENABLE);
	run_to(PIPER_ENABLES);
	assert_false(is_void(ROBOT_ENABLE) || is_void(ROBOT_DISABLE));
	assert_true(is_void(ROBOT_RECOVER));
	run_to(PIPER_HOLDS);
	enable_is(false, PIPER_HOLDS);
	assert_false(state.limp);
	ask(PIPER_ASK_DISABLE);
	bus.lose_said_id = 0x471;
	bus.lose_said = 1000;
	run_to(PIPER_DISABLES);
	enable_is(true, PIPER_DISABLES);
	assert_false(state.limp);
	run(11000);
	assert_trouble("not_disabled");
	assert_false(is_void(ROBOT_RECOVER) || is_void(ROBOT_ENABLE) || state.limp);
}

static void a_stopped_arm_is_recovered_first(void **unused)
{
	(void)unused;
	hold_arm("S-V1.8-9");
	ask(PIPER_ASK_EMERGENCY_STOP);
	run_to(PIPER_EMERGENCY);
	enable_is(true, PIPER_EMERGENCY);
	assert_false(is_void(ROBOT_RECOVER) || state.limp);
	ask(PIPER_ASK_RESUME);
	run_to(PIPER_RESUMES);
	enable_is(true, PIPER_RESUMES);
	assert_true(is_void(ROBOT_RECOVER)); /* it would take longer only */
}

static void a_motor_that_is_lost_is_recovered_from(void **unused)
{
	struct bus_frame f = { .id = 0x471, .length = 8, .data = { 3, PIPER_DISABLE_MOTOR } };

	(void)unused;
	hold_arm("S-V1.8-9");
	piper_arm_take(&arm, &f);
	run_to(PIPER_OFF);
	run(100);
	assert_trouble("motor_lost");
	assert_false(is_void(ROBOT_RECOVER) || is_void(ROBOT_ENABLE) || is_void(ROBOT_DISABLE) || state.limp);
}

static void another_one_leads(void **unused)
{
	struct bus_frame f = { .id = 0x151, .length = 8, .data = { 1, 1, 50 } };

	(void)unused;
	hold_arm("S-V1.8-9");
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .frame = f });
	run_to(PIPER_LEADS);
	enable_is(true, PIPER_LEADS);
	assert_true(is_void(ROBOT_DISABLE) && is_void(ROBOT_RECOVER));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_taken_before_the_arm_is_known),
		cmocka_unit_test(what_is_under_way_is_not_void),
		cmocka_unit_test(a_stopped_arm_is_recovered_first),
		cmocka_unit_test(a_motor_that_is_lost_is_recovered_from),
		cmocka_unit_test(another_one_leads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
