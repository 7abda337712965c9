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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resume),
		cmocka_unit_test(a_resume_that_gets_lost),
		cmocka_unit_test(a_resume_that_was_heard_is_waited_for),
		cmocka_unit_test(resume_overrides_a_stop_and_a_stop_a_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
