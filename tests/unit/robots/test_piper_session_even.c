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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_equal_times_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
