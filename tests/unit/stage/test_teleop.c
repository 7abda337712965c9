/* test_teleop.c - who may drive: edges, freshness, priority. Motion by hand: test_teleop_motion.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "daemon/stage/teleop.h"

#include <cmocka.h>

enum { MS = 1000000 };

struct devices {
	struct teleop t;
	struct teleop_input in[TELEOP_DEVICES_MAX];
	int64_t now_ns;
};

static struct devices devices(void)
{
	struct devices d = { .now_ns = 1000 * (int64_t)MS };

	teleop_init(&d.t, 100 * MS);
	return d;
}

/* A message as io would count it. */
static void say(struct devices *d, uint32_t device, bool pressed)
{
	struct teleop_input *in = &d->in[device];

	in->edges += pressed && in->present && !in->deadman;
	in->releases += !pressed && in->deadman;
	in->present = true;
	in->from = in->from ? in->from : 7 + device;
	in->deadman = pressed;
	in->stamp_ns = in->arrival_ns = d->now_ns;
}

static enum teleop_event look(struct devices *d)
{
	struct teleop_change c = teleop_watch(&d->t, d->in, d->now_ns);

	if (c.event == TELEOP_EDGE)
		teleop_take(&d->t, d->in, c.device);
	return c.event;
}

static struct devices driving(uint32_t device)
{
	struct devices d = devices();

	say(&d, device, false);
	assert_int_equal(look(&d), TELEOP_NOTHING);
	say(&d, device, true);
	assert_int_equal(look(&d), TELEOP_EDGE);
	assert_true(d.t.driving && d.t.device == device);
	return d;
}

static void a_dead_man_that_was_never_released_takes_nothing(void **state)
{
	struct devices d = devices();

	(void)state;
	say(&d, 0, true);
	assert_int_equal(look(&d), TELEOP_NOTHING);
	assert_false(d.t.driving);
}

static void an_edge_that_was_not_used_is_void(void **state)
{
	struct devices d = devices();

	(void)state;
	say(&d, 0, false);
	say(&d, 0, true);
	assert_int_equal(teleop_watch(&d.t, d.in, d.now_ns).event, TELEOP_EDGE); /* refused: nobody takes */
	assert_int_equal(look(&d), TELEOP_NOTHING);
	say(&d, 0, true);
	assert_int_equal(look(&d), TELEOP_NOTHING);
	say(&d, 0, false);
	say(&d, 0, true);
	assert_int_equal(look(&d), TELEOP_EDGE);
}

static void an_old_edge_is_void_by_stamp_and_by_arrival(void **state)
{
	(void)state;
	for (int old_stamp = 0; old_stamp < 2; old_stamp++) {
		struct devices d = devices();

		say(&d, 0, false);
		assert_int_equal(look(&d), TELEOP_NOTHING);
		say(&d, 0, true);
		if (old_stamp)
			d.in[0].stamp_ns -= 101 * MS;
		else
			d.in[0].arrival_ns -= 101 * MS;
		assert_int_equal(look(&d), TELEOP_NOTHING);
		say(&d, 0, true); /* fresh again, and pressed as before */
		assert_int_equal(look(&d), TELEOP_NOTHING);
	}
}

static void a_tap_between_two_looks_is_an_edge_then_a_release(void **state)
{
	struct devices d = devices();

	(void)state;
	say(&d, 0, false);
	say(&d, 0, true);
	say(&d, 0, false);
	assert_int_equal(look(&d), TELEOP_EDGE);
	assert_int_equal(look(&d), TELEOP_RELEASED);
	assert_int_equal(look(&d), TELEOP_NOTHING);
}

static void release_and_press_between_two_looks_is_a_release(void **state)
{
	struct devices d = driving(0);

	(void)state;
	say(&d, 0, false);
	say(&d, 0, true);
	assert_int_equal(look(&d), TELEOP_RELEASED);
	assert_int_equal(look(&d), TELEOP_EDGE); /* which came after it */
}

static void silence_loses_by_stamp_and_by_arrival(void **state)
{
	(void)state;
	for (int old_stamp = 0; old_stamp < 2; old_stamp++) {
		struct devices d = driving(0);

		d.now_ns += 100 * MS;
		assert_int_equal(look(&d), TELEOP_NOTHING);
		d.now_ns += 1;
		if (old_stamp)
			d.in[0].arrival_ns = d.now_ns;
		assert_int_equal(look(&d), TELEOP_LOST);
		assert_false(d.t.driving);
		say(&d, 0, true); /* still held: no edge */
		assert_int_equal(look(&d), TELEOP_NOTHING);
	}
}

static void another_publisher_arm_or_kind_loses(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		struct devices d = driving(0);

		d.in[0].from += what == 0;
		d.in[0].arm += what == 1;
		d.in[0].kind = what == 2 ? TELEOP_JOINT : TELEOP_TWIST;
		assert_int_equal(look(&d), TELEOP_LOST);
	}
}

static void only_a_device_of_higher_priority_takes_from_the_driver(void **state)
{
	struct devices d = driving(1);

	(void)state;
	say(&d, 2, false);
	say(&d, 2, true);
	struct teleop_change outranked = teleop_watch(&d.t, d.in, d.now_ns);

	assert_true(outranked.event == TELEOP_NOTHING && outranked.device == 1 && outranked.outranked == 1u << 2);
	assert_int_equal(teleop_watch(&d.t, d.in, d.now_ns).outranked, 0); /* said once */
	say(&d, 0, false);
	say(&d, 0, true);
	assert_int_equal(look(&d), TELEOP_EDGE);
	assert_int_equal(d.t.device, 0);
	say(&d, 1, false); /* its end means nothing any more */
	assert_int_equal(look(&d), TELEOP_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_man_that_was_never_released_takes_nothing),
		cmocka_unit_test(an_edge_that_was_not_used_is_void),
		cmocka_unit_test(an_old_edge_is_void_by_stamp_and_by_arrival),
		cmocka_unit_test(a_tap_between_two_looks_is_an_edge_then_a_release),
		cmocka_unit_test(release_and_press_between_two_looks_is_a_release),
		cmocka_unit_test(silence_loses_by_stamp_and_by_arrival),
		cmocka_unit_test(another_publisher_arm_or_kind_loses),
		cmocka_unit_test(only_a_device_of_higher_priority_takes_from_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
