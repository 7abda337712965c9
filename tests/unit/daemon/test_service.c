/* test_service.c - the watchdog is fed only while control ticks advance, and reasons become sentences. */
#include "daemon/reason_text.h"
#include "daemon/service.h"
#include "daemon/stage/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void nobody_watches_without_systemd(void **state)
{
	struct watchdog w;

	(void)state;
	unsetenv("WATCHDOG_USEC");
	watchdog_init(&w);
	assert_false(watchdog_due(&w, 5, 1000));
}

static void pings_at_half_the_period_while_ticks_advance(void **state)
{
	struct watchdog w;

	(void)state;
	setenv("WATCHDOG_USEC", "2000", 1);
	unsetenv("WATCHDOG_PID");
	watchdog_init(&w);
	assert_int_equal(w.period_ns, 1000000);
	assert_true(watchdog_due(&w, 1, 5000000));
	assert_false(watchdog_due(&w, 2, 5999999));
	assert_true(watchdog_due(&w, 2, 6000000));
	assert_false(watchdog_due(&w, 2, 9000000)); /* the control loop hangs */
	assert_true(watchdog_due(&w, 3, 9000000));
}

static struct control_setup two_of_each(void)
{
	struct control_setup s = { .n_arms = 2, .n_cameras = 2 };

	strcpy(s.arm[0].name, "left");
	strcpy(s.arm[1].name, "right");
	strcpy(s.camera_name[0], "top");
	strcpy(s.camera_name[1], "wrist");
	return s;
}

static void sentences_name_what_they_are_about(void **state)
{
	struct control_setup s = two_of_each();
	char text[256];

	(void)state;
	reason_sentence(&s, REASON_CAMERA_STALE, 1, 250.0, 200.0, text, sizeof text);
	assert_string_equal(text, "camera wrist: newest frame is 250 ms old (limit 200 ms)");
	reason_sentence(&s, REASON_ARM_DETACHED, 1, 0.0, 0.0, text, sizeof text);
	assert_string_equal(text, "arm right: not attached");
	reason_sentence(&s, REASON_ARM_DETACHED, 7, 0.0, 0.0, text, sizeof text);
	assert_string_equal(text, "arm ?: not attached");
}

static void long_sentences_are_cut(void **state)
{
	struct control_setup s = two_of_each();
	char text[16];

	(void)state;
	for (uint32_t r = 0; r <= REASON_COUNT; r++)
		for (size_t n = 1; n <= sizeof text; n++) {
			memset(text, 'x', sizeof text);
			reason_sentence(&s, r, 0, 1e300, -1e-300, text, n);
			assert_true(strlen(text) < n);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_watches_without_systemd),
		cmocka_unit_test(pings_at_half_the_period_while_ticks_advance),
		cmocka_unit_test(sentences_name_what_they_are_about),
		cmocka_unit_test(long_sentences_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
