/* test_piper_session_even.c - control's commands and a PiPER's targets come from two threads, each with a clock of its own: whatever their
 * phases, the arm is sent an even motion. With the simulated arm, on virtual time. */
#include "robots/piper/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/robots/piper_session_bench.h"

/* Commands 5 ms of motion apart that come up to 2 ms late, whenever targets are due: those are 5, 10 or 20 ms of motion apart, each of
 * them. */
static void streams_evenly(uint32_t rate_hz, int64_t phase_ms)
{
	static const int64_t late_ms[] = { 0, 2, 1, 2, 2, 0, 2, 0, 0, 2, 1, 0 };
	const int64_t commands = 300, settled = 100, lates = sizeof late_ms / sizeof *late_ms;
	struct robot_command c = { .hold = true };
	uint32_t count, even = 0;
	double before;

	hold_arm("S-V1.8-9");
	setup.rate_hz = rate_hz;
	control.drives = false;
	memcpy(c.q_rad, state.q_d_rad, sizeof c.q_rad);
	run((uint32_t)(20 + phase_ms));
	for (int64_t ms = 0, k = 0; k < commands; ms++) {
		count = said.count[0x157];
		before = said.target_rad[0];
		if (ms == 5 * k + late_ms[k % lates]) {
			piper_session_command(&session, &c, now_ns + MS);
			c.q_rad[0] += 0.5 * 5e-3;
			k++;
		}
		run(1);
		if (k <= settled || said.count[0x157] == count)
			continue;
		assert_true(fabs(said.target_rad[0] - before - 0.5 / rate_hz) < 2e-5);
		even++;
	}
	assert_in_range(even, (commands - settled) * rate_hz / 200 - 1, (commands - settled) * rate_hz / 200 + 1);
}

static void targets_are_equal_times_apart(void **unused)
{
	static const uint32_t rates_hz[] = { 50, 100, 200 };

	(void)unused;
	for (size_t r = 0; r < sizeof rates_hz / sizeof *rates_hz; r++)
		for (int64_t phase_ms = 0; phase_ms < 20; phase_ms++)
			streams_evenly(rates_hz[r], phase_ms);
}

/* Two arms on one bus, or a bit that flickers: nothing is sent, so control does not play on, and a person is told. */
static void a_status_that_wavers_engages_nobody(void **unused)
{
	const struct bus_frame other = { .id = 0x2A1, .length = 8, .data = { 1, 2, 1 } };

	(void)unused;
	raise_arm("S-V1.8-9");
	memcpy(control.goal_rad, (const double[6]){ 1.7, 1.0, -1.2, 0.3, 0.5, -0.7 }, sizeof control.goal_rad);
	for (int i = 0; i < 1500; i++) {
		run(1);
		if (i % 5 == 4)
			piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .frame = other });
		assert_true(!control.command.hold || fabs(control.command.q_rad[0] - session.stream.target_rad[0]) < 0.08);
	}
	assert_false(state.engaged);
	assert_trouble("unsteady");
	forget_said();
	run(2500);
	assert_true(state.engaged);
	assert_trouble("");
	assert_true(said.step_max_rad <= 0.0105);
	assert_true(fabs(state.q_rad[0] - 1.7) < 0.02);
}

/* It is not switched on at some later time, when nobody expects it any more. */
static void a_status_that_wavers_lets_nothing_be_enabled(void **unused)
{
	const struct bus_frame other = { .id = 0x2A1, .length = 8, .data = { 0, 2, 1 } };

	(void)unused;
	connect_arm("S-V1.8-9");
	for (int i = 0; i < 1000; i++) {
		run(1);
		if (i % 5 == 4)
			piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .frame = other });
		if (i == 500)
			ask(PIPER_ASK_ENABLE);
	}
	assert_trouble("unsteady");
	run(1000);
	assert_int_equal(said.count[0x471], 0);
	assert_trouble("motors_off");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_equal_times_apart),
		cmocka_unit_test(a_status_that_wavers_engages_nobody),
		cmocka_unit_test(a_status_that_wavers_lets_nothing_be_enabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
