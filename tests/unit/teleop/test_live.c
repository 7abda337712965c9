/* test_live.c - what the person at the device reads: refusals and notes before numbers, nothing that drives a terminal. */
#include "robots/teleop/live.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

struct bench {
	struct watch watch;
	struct device_wish wish;
	struct live_view view;
	int64_t now_ns;
	char text[LIVE_TEXT_BYTES];
};

static void begin(struct bench *b)
{
	memset(b, 0, sizeof *b);
	b->now_ns = 10000 * MS;
	b->watch.heard_ns = b->now_ns - 100 * MS;
	strcpy(b->watch.said.mode, "TELEOP");
	strcpy(b->watch.said.driver, "teleop/pad");
	strcpy(b->watch.said.reason, "a person has taken over");
	b->wish = (struct device_wish){ .deadman = true, .kind = TELEOP_TWIST, .n_values = 6, .value = { 0.05 } };
	b->view = (struct live_view){ .topic = "teleop/pad", .present = true, .away = "it is unplugged", .wish = &b->wish, .watch = &b->watch };
}

static const char *line(struct bench *b, bool values)
{
	live_text(b->text, &b->view, values, b->now_ns);
	return b->text;
}

static void test_who_drives_and_what_is_asked(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	assert_non_null(strstr(line(&b, true), "TELEOP, you drive | dead-man HELD, base |  +50"));
	assert_null(strstr(line(&b, false), "mm/s"));
	strcpy(b.watch.said.driver, "policy");
	b.wish.deadman = false;
	b.wish.frame = FRAME_TCP;
	assert_non_null(strstr(line(&b, true), "driver policy | dead-man released, tcp"));
	b.view.present = false;
	assert_non_null(strstr(line(&b, true), "it is unplugged"));
	assert_null(strstr(b.text, "dead-man"));
}

static void test_a_dreamvlad_that_was_silent_is_not_believed(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	b.now_ns += 2000 * MS;
	assert_non_null(strstr(line(&b, true), "dreamvlad is not heard"));
	assert_null(strstr(b.text, "TELEOP"));
}

static void test_a_refusal_comes_before_the_numbers_and_goes_after_a_while(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	strcpy(b.watch.refused, "an operator's stop");
	b.watch.refused_ns = b.now_ns - 1000 * MS;
	assert_non_null(strstr(line(&b, true), "REFUSED: an operator's stop"));
	assert_true(strstr(b.text, "REFUSED") < strstr(b.text, "mm/s"));
	b.watch.refused_ns = b.now_ns - 6000 * MS;
	assert_null(strstr(line(&b, true), "REFUSED"));
}

static void test_texts_of_peers_do_not_drive_the_terminal(void **state)
{
	struct bench b;

	(void)state;
	begin(&b);
	strcpy(b.watch.said.reason, "\033[2J\nthe end\r");
	memset(b.watch.said.mode, 'M', sizeof b.watch.said.mode - 1);
	memset(b.wish.note, 'n', sizeof b.wish.note - 1);
	memset(b.watch.refused, 'r', sizeof b.watch.refused - 1);
	line(&b, true);
	for (const char *c = b.text; *c; c++)
		assert_true((unsigned char)*c >= ' ');
}

static void test_how_far_a_leader_is_from_the_arm(void **state)
{
	uint32_t joint = 0;
	struct bench b;

	(void)state;
	begin(&b);
	b.wish = (struct device_wish){ .kind = TELEOP_JOINT, .n_values = 7, .value = { 0.1, 0.0, -0.9 } };
	assert_true(watch_apart_rad(&b.watch, &b.wish, b.now_ns, &joint) < 0.0); /* the arm was not heard */
	b.watch.n_joints = 7;
	b.watch.joints_ns = b.now_ns - 100 * MS;
	assert_true(fabs(watch_apart_rad(&b.watch, &b.wish, b.now_ns, &joint) - 0.9) < 1e-12);
	assert_int_equal(joint, 3);
	assert_non_null(strstr(line(&b, true), "joint 3 is too far"));
	b.watch.q_rad[2] = -0.2;
	assert_null(strstr(line(&b, true), "too far"));
	assert_non_null(strstr(b.text, "0.70 rad apart"));
	b.watch.n_joints = 6;
	assert_true(watch_apart_rad(&b.watch, &b.wish, b.now_ns, &joint) < 0.0);
	b.watch.n_joints = 7;
	assert_true(watch_apart_rad(&b.watch, &b.wish, b.now_ns + 2000 * MS, &joint) < 0.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_drives_and_what_is_asked),
		cmocka_unit_test(test_a_dreamvlad_that_was_silent_is_not_believed),
		cmocka_unit_test(test_a_refusal_comes_before_the_numbers_and_goes_after_a_while),
		cmocka_unit_test(test_texts_of_peers_do_not_drive_the_terminal),
		cmocka_unit_test(test_how_far_a_leader_is_from_the_arm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
