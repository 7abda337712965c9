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
	run(300);
	assert_int_equal(session.phase, PIPER_OFF);
	assert_trouble("motors_off");
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
	ask(PIPER_ASK_RESUME);
	run(1000);
	assert_false(arm.stopped);
	assert_trouble("motors_off");
	raise_arm("S-V1.8-9");
	ask(PIPER_ASK_EMERGENCY_STOP);
	run(200);
	bus.lose_said_id = 0x150;
	bus.lose_said = UINT32_MAX;
	ask(PIPER_ASK_RESUME);
	run(3500);
	assert_int_equal(state.mode, ARM_ESTOP);
	assert_trouble("not_resumed");
	forget_said();
	run(1000);
	assert_int_equal(said.frames, 0);
	bus.lose_said = 0;
	ask(PIPER_ASK_RESUME);
	run(500);
	assert_trouble("motors_off");
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
		cmocka_unit_test(resume_overrides_a_stop_and_a_stop_a_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
