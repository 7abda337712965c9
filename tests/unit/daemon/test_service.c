/* test_service.c - the watchdog is fed only while control ticks advance, and reasons become sentences.
 * In real time: a socket. */
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
#include <sys/socket.h>
#include <sys/un.h>
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

/* A service manager of our own: an abstract socket of this process. */
static int listen_as_manager(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int n = snprintf(to.sun_path, sizeof to.sun_path, "@dreamvla-test-service-%d", (int)getpid());

	setenv("NOTIFY_SOCKET", to.sun_path, 1);
	to.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)), 0);
	return fd;
}

static const char *heard(int fd)
{
	static char text[512];
	ssize_t n = recv(fd, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void something_new_is_told_at_once(void **state)
{
	struct service_load l = { 0 };
	int fd = listen_as_manager();

	(void)state;
	service_loading(&l, "loading", 0.25, 1000000000);
	assert_string_equal(heard(fd), "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=loading (25 %)");
	service_loading(&l, "loading", 0.5, 1999999999);
	assert_string_equal(heard(fd), "");
	service_loading(&l, "warming up", 0.0, 1999999999);
	assert_string_equal(heard(fd), "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=warming up (0 %)");
	service_loading(&l, "warming up", 0.1, 2999999999);
	assert_string_equal(heard(fd), "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=warming up (10 %)");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
}

static void silence_gets_its_time_but_not_for_ever(void **state)
{
	struct service_load l = { 0 };
	int64_t second = 1000000000, begin = 5 * second, last = begin;
	int fd = listen_as_manager();

	(void)state;
	for (int64_t now = begin; now < begin + 3600 * second; now += second)
		if (service_waiting(&l, now)) {
			assert_string_equal(heard(fd), "EXTEND_TIMEOUT_USEC=60000000");
			assert_true(now - last < 30 * second); /* well before the minute is over */
			last = now;
		}
	assert_int_equal(last, begin + 1800 * second);
	close(fd);
	unsetenv("NOTIFY_SOCKET");
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
	reason_sentence(&s, &(struct reason_case){ REASON_CAMERA_STALE, 1, 250.0, 200.0, NULL }, text, sizeof text);
	assert_string_equal(text, "camera wrist: newest frame is 250 ms old (limit 200 ms)");
	reason_sentence(&s, &(struct reason_case){ REASON_CAMERA_STALE, 1, 10990.4, 200.0, NULL }, text, sizeof text);
	assert_string_equal(text, "camera wrist: newest frame is 11.0 s old (limit 200 ms)");
	reason_sentence(&s, &(struct reason_case){ REASON_TARGET_REFUSED, 0, 123456.0, 0.0, NULL }, text, sizeof text);
	assert_string_equal(text, "arm left: refused target 123456");
	reason_sentence(&s, &(struct reason_case){ REASON_TRACKING_ERROR, 0, 0.31234, 0.3, NULL }, text, sizeof text);
	assert_string_equal(text, "arm left: commanded and measured joints differ by 0.3123 rad (limit 0.3 rad)");
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_DETACHED, 1, 0.0, 0.0, NULL }, text, sizeof text);
	assert_string_equal(text, "arm right: not attached; `dreamvlactl reset` attaches it once it is ready");
	reason_sentence(&s, &(struct reason_case){ REASON_TARGET_REFUSED, 0, 123456789.0, 0.0, NULL }, text, sizeof text);
	assert_string_equal(text, "arm left: refused target 123456789");
	reason_sentence(&s, &(struct reason_case){ REASON_CAMERA_STALE, 1, 250.04, 200.0, NULL }, text, sizeof text);
	assert_non_null(strstr(text, "250 ms"));
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_DETACHED, 7, 0.0, 0.0, NULL }, text, sizeof text);
	assert_string_equal(text, "arm ?: not attached; `dreamvlactl reset` attaches it once it is ready");
}

/* What the arm says of itself is more than its mode: which error it was, and what mends it. */
static void sentences_say_what_the_arm_says(void **state)
{
	const struct arm_words reflex = { 2, { "joint_reflex", "reflex" }, "reflex", "its remedy" };
	const struct arm_words locked = { 1, { "locked" }, "locked", "unlock the joints in Desk" };
	struct control_setup s = two_of_each();
	char text[256];

	(void)state;
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_REFLEX, 0, 0, 0, &reflex }, text, sizeof text);
	assert_string_equal(text, "arm left: reflex (joint_reflex): the arm stopped itself; clear the way, `dreamvlactl recover`, then reset");
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_REFLEX, 0, 0, 0, NULL }, text, sizeof text);
	assert_string_equal(text, "arm left: reflex: the arm stopped itself; clear the way, `dreamvlactl recover`, then reset");
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_IDLE, 1, 0, 0, &locked }, text, sizeof text);
	assert_string_equal(text, "arm right: idle: unlock the joints in Desk");
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_IDLE, 1, 0, 0, NULL }, text, sizeof text);
	assert_string_equal(text, "arm right: idle: enable it, `dreamvlactl enable`");
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_ESTOP, 0, 0, 0, &locked }, text, sizeof text);
	assert_string_equal(text, "arm left: emergency stop: unlock the joints in Desk");
	reason_sentence(&s, &(struct reason_case){ REASON_ARM_ESTOP, 0, 0, 0, NULL }, text, sizeof text);
	assert_string_equal(text, "arm left: emergency stop: release it where it is pressed, `dreamvlactl recover`, then reset");
	reason_sentence(&s, &(struct reason_case){ REASON_CAMERA_ABSENT, 0, 0, 0, &reflex }, text, sizeof text);
	assert_null(strstr(text, "reflex"));
}

static void long_sentences_are_cut(void **state)
{
	const struct arm_words words = { 3, { "joint_reflex", "power_limit_violation", "reflex" }, "reflex", "a remedy" };
	struct control_setup s = two_of_each();
	char text[16];

	(void)state;
	for (uint32_t r = 0; r <= REASON_COUNT; r++)
		for (size_t n = 1; n <= sizeof text; n++) {
			memset(text, 'x', sizeof text);
			reason_sentence(&s, &(struct reason_case){ r, 0, 1e300, -1e-300, r & 1 ? &words : NULL }, text, n);
			assert_true(strlen(text) < n);
		}
}

static void only_sentences_that_name_an_arm_are_about_one(void **state)
{
	(void)state;
	assert_true(reason_is_about_arm(REASON_ARM_DETACHED));
	assert_false(reason_is_about_arm(REASON_CAMERA_STALE));
	assert_false(reason_is_about_arm(REASON_OPERATOR_STOP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_sentences_that_name_an_arm_are_about_one),
		cmocka_unit_test(nobody_watches_without_systemd),
		cmocka_unit_test(pings_at_half_the_period_while_ticks_advance),
		cmocka_unit_test(something_new_is_told_at_once),
		cmocka_unit_test(silence_gets_its_time_but_not_for_ever),
		cmocka_unit_test(sentences_name_what_they_are_about),
		cmocka_unit_test(sentences_say_what_the_arm_says),
		cmocka_unit_test(long_sentences_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
