/* test_piper_session_bus.c - a PiPER that is held while its bus fails: feedback that stops or is torn, silence, a bus that takes nothing,
 * that is off, that is opened anew. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

/* ---- feedback that stops ---- */

static void stale_feedback_stops_targets(void **unused)
{
	static const uint32_t ids[] = { 0x2A1, 0x2A6 };

	(void)unused;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		raise_arm("S-V1.8-9");
		go((const double[6]){ 1.2, 1.0, -1.2, 0.3, 0.5, -0.7 }, 300);
		bus.lose_id = ids[i];
		bus.lose = 30; /* 150 ms */
		run(60);
		forget_said();
		run(80);
		assert_int_equal(said.count[0x157], 0);
		assert_int_equal(state.mode, ARM_READY);
		assert_false(state.engaged);
		assert_trouble("unheard");
		run(200);
		assert_true(state.engaged);
		assert_true(said.count[0x157] > 10);
		assert_true(said.step_max_rad <= 0.0105);
		assert_int_equal(session.counters.stale, 1);
		assert_trouble("");
		assert_int_equal(session.counters.leaps, 0);
		run(1500);
		assert_true(fabs(state.q_rad[0] - 1.2) < 0.01);
	}
}

static void silence_is_no_connection(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	bus.arm_mute = true;
	run(190);
	assert_int_equal(state.mode, ARM_READY);
	run(30);
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	assert_trouble("silent");
	forget_said();
	run(5000);
	assert_int_equal(said.frames, 0);
	bus.arm_mute = false;
	run(500);
	assert_int_equal(state.mode, ARM_READY); /* it held itself, and is taken over */
	assert_int_equal(state.generation, 2);
	assert_int_equal(said.count[0x471], 0);
	assert_true(said.count[0x4AF] > 0 && said.count[0x472] >= 12); /* it may be another arm by now */
	assert_true(distance_rad(raised) < 0.005);
}

static void torn_joints_are_not_used(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	go((const double[6]){ -1.2, 1.0, -1.2, 0.3, 0.5, -0.7 }, 300);
	for (int i = 0; i < 50; i++) {
		double before = state.q_rad[0];

		bus.lose_id = 0x2A5 + (uint32_t)i % 3;
		bus.lose = 1;
		run(20);
		assert_true(fabs(state.q_rad[0] - before) < 0.05);
	}
	assert_true(session.feedback.counters.torn >= 50);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(state.engaged);
}

static void a_new_bus_begins_anew(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	piper_session_closed(&session, -ENETDOWN, now_ns);
	run(100);
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	assert_trouble("interface_down");
	open_bus();
	run(500);
	assert_int_equal(state.mode, ARM_READY);
	assert_int_equal(state.generation, 2);
	assert_true(distance_rad(raised) < 0.005);
}

/* ---- a bus that takes nothing ---- */

static void what_did_not_go_out_is_no_target(void **unused)
{
	(void)unused;
	for (uint32_t sent = 0; sent < 4; sent++) {
		raise_arm("S-V1.8-9");
		bus.code = -ENOBUFS;
		bus.sent_max = sent;
		go((const double[6]){ 0.5, 1.0, -1.2, 0.3, 0.5, -0.7 }, 40);
		assert_true(session.counters.send_failures > 0);
		assert_true(fabs(state.q_d_rad[0] - raised[0]) < 1e-9);
		assert_trouble("bus_full");
		run(200);
		assert_false(state.engaged);
		assert_in_range(session.counters.send_failures, 5, 13); /* every 20 ms, not in every step */
		bus.code = 0;
		run(1000);
		assert_true(state.engaged);
		assert_trouble("");
		assert_true(fabs(state.q_rad[0] - 0.5) < 0.01);
		assert_true(said.step_max_rad <= 0.0105);
		assert_int_equal(session.counters.leaps, 0);
	}
}

static void bus_off_is_waited_for(void **unused)
{
	(void)unused;
	raise_arm("S-V1.8-9");
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .error = BUS_ERROR_OFF });
	bus.arm_mute = bus.arm_deaf = true;
	forget_said();
	run(150);
	assert_int_equal(said.frames, 0);
	run(500);
	assert_trouble("bus_off");
	assert_int_equal(state.mode, ARM_DISCONNECTED);
	bus.arm_mute = bus.arm_deaf = false;
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .error = BUS_ERROR_RESTARTED });
	run(500);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(distance_rad(raised) < 0.005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stale_feedback_stops_targets),
		cmocka_unit_test(silence_is_no_connection),
		cmocka_unit_test(torn_joints_are_not_used),
		cmocka_unit_test(a_new_bus_begins_anew),
		cmocka_unit_test(what_did_not_go_out_is_no_target),
		cmocka_unit_test(bus_off_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
