/* test_piper_session_resume.c - what ends an emergency stop or an error of a PiPER: its power is cut and it falls. With the simulated arm,
 * on virtual time. */
#include "robots/piper/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

static void resume(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(200);
	ask(PIPER_ASK_RESUME);
	run(2);
	assert_trouble("resuming");
	assert_int_equal(state.mode, ARM_IDLE);
	run(700);
	assert_trouble("resuming"); /* standby since long, and power is on */
	assert_int_equal(arm.enabled, 0x3F);
	run(100);
	assert_int_equal(session.phase, PIPER_OFF);
	assert_trouble("motors_off");
	assert_int_equal(arm.enabled, 0);
	assert_int_equal(said.last[0x150][0], 2);
	assert_int_equal(said.count[0x150], 2); /* one stop, one resume */
	run(500);
	assert_int_equal(state.mode, ARM_IDLE);
	ask(PIPER_ASK_ENABLE);
	run(700);
	assert_int_equal(state.mode, ARM_READY);
	assert_int_equal(session.counters.void_asks, 0);
}

static void a_resume_that_gets_lost(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(200);
	bus.lose_said_id = 0x150;
	bus.lose_said = 3;
	forget_said();
	ask(PIPER_ASK_RESUME);
	run(1500);
	assert_false(arm.stopped);
	assert_trouble("motors_off");
	assert_int_equal(said.count[0x150], 4);
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(200);
	bus.lose_said_id = 0x150;
	bus.lose_said = UINT32_MAX;
	ask(PIPER_ASK_RESUME);
	run(5900);
	assert_trouble("resuming");
	run(200);
	assert_int_equal(state.mode, ARM_ESTOP);
	assert_trouble("not_resumed");
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0);
	bus.lose_said = 0;
	ask(PIPER_ASK_RESUME);
	run(1000);
	assert_trouble("motors_off");
}

/* One more while its motors are still being cut would have the arm begin that anew: it would stay up, and fall when nobody expects it. */
static void a_resume_that_was_heard_is_waited_for(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(200);
	forget_said();
	ask(PIPER_ASK_RESUME);
	for (int ms = 0; ms < 1300; ms++) {
		run(1);
		if (arm.cut_ms > 0 && arm.cut_ms < 600)
			arm.cut_ms = 600; /* slower than it was ever seen */
		assert_trouble("resuming");
	}
	assert_int_equal(said.count[0x150], 1);
	run(700);
	assert_trouble("motors_off");
	assert_int_equal(said.count[0x150], 1);
	hold_arm("S-V1.8-9"); /* a power that stays on is tried to be cut until six seconds have passed, not for ever */
	forget_said();
	ask(PIPER_ASK_RESUME);
	for (int ms = 0; ms < 6100; ms++) {
		run(1);
		arm.cut_ms = arm.cut_ms > 0 ? 600 : 0;
	}
	assert_int_equal(state.mode, ARM_IDLE);
	assert_trouble("not_resumed");
	assert_int_equal(said.count[0x150], 3);
}

static void resume_overrides_a_stop_and_a_stop_a_resume(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_said_id = 0x150;
	bus.lose_said = 2;
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(10);
	said.asked[PIPER_ASK_EMERGENCY_STOP] = false; /* not once more */
	ask(PIPER_ASK_RESUME);
	run(1000);
	assert_trouble("motors_off");
	assert_false(arm.stopped);
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_RESUME);
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(500);
	assert_true(arm.stopped);
	assert_int_equal(arm.enabled, 0x3F);
}

/* It would take the way out of the stop away for as long as motors that do not obey are waited for. */
static void disable_leads_out_of_no_stop_and_no_error(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(200);
	forget_said();
	ask(PIPER_ASK_DISABLE);
	assert_true(state.void_asks >> ROBOT_DISABLE & 1);
	run(200);
	assert_int_equal(session.counters.void_asks, 1);
	assert_int_equal(state.mode, ARM_ESTOP);
	assert_trouble("emergency_stop");
	assert_int_equal(said.frames, 0);
	ask(PIPER_ASK_RESUME);
	run(2);
	ask(PIPER_ASK_DISABLE); /* nor does it take the resume's place */
	run(1000);
	assert_int_equal(session.counters.void_asks, 2);
	assert_int_equal(said.count[0x471], 0);
	assert_trouble("motors_off");
	raise_arm("S-V1.8-9");
	bus.lose_said_id = 0x150;
	bus.lose_said = 15;
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(30);
	ask(PIPER_ASK_DISABLE); /* the stop that the arm has not heard goes on being said */
	run(1500);
	assert_int_equal(session.phase, PIPER_EMERGENCY);
	raise_arm("S-V1.8-9");
	piper_arm_fail_joint(&arm, 2, PIPER_MOTOR_HOT, false);
	assert_false(state.void_asks >> ROBOT_DISABLE & 1);
	run(300);
	assert_true(state.void_asks >> ROBOT_DISABLE & 1);
	ask(PIPER_ASK_DISABLE);
	run(300);
	assert_int_equal(state.mode, ARM_REFLEX);
	assert_int_equal(said.count[0x471], 0);
}

static void a_stop_at_the_arm_ends_a_disable(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.lose_said_id = 0x471;
	bus.lose_said = UINT32_MAX;
	ask(PIPER_ASK_DISABLE);
	run(200);
	assert_int_equal(session.phase, PIPER_DISABLES);
	piper_arm_emergency_stop(&arm);
	run(200);
	assert_int_equal(state.mode, ARM_ESTOP);
	assert_trouble("emergency_stop");
	bus.lose_said = 0;
	forget_said();
	said.asked[PIPER_ASK_DISABLE] = false;
	ask(PIPER_ASK_RESUME);
	run(1000);
	assert_trouble("motors_off");
	assert_int_equal(said.count[0x471], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resume),
		cmocka_unit_test(a_resume_that_gets_lost),
		cmocka_unit_test(a_resume_that_was_heard_is_waited_for),
		cmocka_unit_test(resume_overrides_a_stop_and_a_stop_a_resume),
		cmocka_unit_test(disable_leads_out_of_no_stop_and_no_error),
		cmocka_unit_test(a_stop_at_the_arm_ends_a_disable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
