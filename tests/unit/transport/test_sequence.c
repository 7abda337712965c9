/* test_sequence.c - who publishes a topic, what counts as a topic, and when a message was true. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "transport/sequence.h"
#include "transport/stamp.h"
#include "transport/topic.h"

#include <cmocka.h> /* last: it defines fail() */

static const int64_t ms = 1000000;

static void duplicates_and_older_ones_are_dropped(void **state)
{
	struct sequence s = { .known = false };

	(void)state;
	assert_int_equal(sequence_check(&s, 1, 10, 1000 * ms), SEQUENCE_NEW);
	assert_int_equal(sequence_check(&s, 1, 10, 1001 * ms), SEQUENCE_OLD);
	assert_int_equal(sequence_check(&s, 1, 9, 1002 * ms), SEQUENCE_OLD);
	assert_int_equal(sequence_check(&s, 1, 15, 1003 * ms), SEQUENCE_NEW);
	assert_int_equal(sequence_check(&s, 1, 11, 1004 * ms), SEQUENCE_OLD);
	assert_int_equal(s.accepted, 2);
	assert_int_equal(s.duplicates, 3);
}

static void the_first_publisher_keeps_the_topic(void **state)
{
	struct sequence s = { .known = false };

	(void)state;
	assert_int_equal(sequence_check(&s, 1, 10, 1000 * ms), SEQUENCE_NEW);
	for (int64_t t = 1001; t < 3000; t += 100) {
		assert_int_equal(sequence_check(&s, 2, (uint64_t)t, t * ms), SEQUENCE_FOREIGN);
		assert_int_equal(sequence_check(&s, 1, (uint64_t)t, t * ms), SEQUENCE_NEW);
	}
	assert_int_equal(s.foreign, 20);
	assert_int_equal(s.restarts, 0);
}

static void a_restart_is_believed_after_silence(void **state)
{
	struct sequence s = { .known = false };

	(void)state;
	assert_int_equal(sequence_check(&s, 1, 100, 1000 * ms), SEQUENCE_NEW);
	assert_int_equal(sequence_check(&s, 2, 1, 1499 * ms), SEQUENCE_FOREIGN);
	assert_int_equal(sequence_check(&s, 2, 2, 1500 * ms), SEQUENCE_RESTART);
	assert_int_equal(sequence_check(&s, 2, 3, 1501 * ms), SEQUENCE_NEW);
	assert_int_equal(sequence_check(&s, 1, 101, 1502 * ms), SEQUENCE_FOREIGN); /* the old one came back too late */
	assert_int_equal(s.restarts, 1);
	assert_int_equal(s.from, 2);
}

/* Old messages of the known publisher do not keep a silent topic occupied. */
static void duplicates_do_not_break_the_silence(void **state)
{
	struct sequence s = { .known = false };

	(void)state;
	assert_int_equal(sequence_check(&s, 1, 100, 1000 * ms), SEQUENCE_NEW);
	assert_int_equal(sequence_check(&s, 1, 100, 1400 * ms), SEQUENCE_OLD);
	assert_int_equal(sequence_check(&s, 2, 1, 1500 * ms), SEQUENCE_RESTART);
}

static bool split(const char *text, struct topic *out)
{
	return topic_split((const uint8_t *)text, strlen(text), out);
}

static void topics_split_at_the_slash(void **state)
{
	struct topic t;

	(void)state;
	assert_true(split("camera/wrist_2", &t));
	assert_string_equal(t.kind, "camera");
	assert_string_equal(t.name, "wrist_2");
	assert_true(split("instruction", &t));
	assert_string_equal(t.kind, "instruction");
	assert_string_equal(t.name, "");
}

static void odd_topics_are_none(void **state)
{
	static const char *const odd[] = { "", "/", "camera/", "/top", "camera/a/b", "camera/a b", "camera/\xc3\xbc", "camera/%n",
		"camera/a23456789012345678901234567890123", "a23456789012345678901234567890123/x" };
	struct topic t;

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
		assert_false(split(odd[i], &t));
	assert_false(topic_split((const uint8_t *)"camera/a\0b", 10, &t));
}

static void a_prefix_is_not_the_topic(void **state)
{
	(void)state;
	assert_true(topic_is((const uint8_t *)"camera/a", 8, "camera/a"));
	assert_false(topic_is((const uint8_t *)"camera/ab", 9, "camera/a"));
	assert_false(topic_is((const uint8_t *)"camera/", 7, "camera/a"));
}

static void stamps_become_monotonic(void **state)
{
	const int64_t offset_ns = INT64_C(1700000000000000000);
	struct errbuf e;
	int64_t t = 0;

	(void)state;
	assert_int_equal(stamp_to_monotonic(900 * ms, 1000 * ms, 0, &t, &e), 0);
	assert_true(t == 900 * ms);
	assert_int_equal(stamp_to_monotonic(offset_ns + 900 * ms, 1000 * ms, offset_ns, &t, &e), 0);
	assert_true(t == 900 * ms);
	assert_true(stamp_from_arrival(1000 * ms, 30 * ms) == 970 * ms);
}

static void stamps_of_the_future_are_void(void **state)
{
	struct errbuf e;
	int64_t t = 7;

	(void)state;
	assert_int_equal(stamp_to_monotonic(1005 * ms, 1000 * ms, 0, &t, &e), 0);
	t = 7;
	assert_int_equal(stamp_to_monotonic(1005 * ms + 1, 1000 * ms, 0, &t, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "stamp_ns"));
	assert_int_equal(stamp_to_monotonic(INT64_MAX, 1000 * ms, 0, &t, &e), -EBADMSG);
	assert_int_equal(stamp_to_monotonic(INT64_MAX, 1000 * ms, INT64_MIN, &t, &e), -EBADMSG);
	assert_int_equal(stamp_to_monotonic(INT64_MIN, 1000 * ms, INT64_C(1700000000000000000), &t, &e), -EBADMSG);
	assert_int_equal(stamp_to_monotonic(-1, 1000 * ms, 0, &t, &e), -EBADMSG);
	assert_true(t == 7);
}

static void targets_are_due_within_half_a_second(void **state)
{
	struct errbuf e;
	int64_t t = 0;

	(void)state;
	assert_int_equal(stamp_due_to_monotonic(1500 * ms, 1000 * ms, 0, &t, &e), 0);
	assert_true(t == 1500 * ms);
	assert_int_equal(stamp_due_to_monotonic(1500 * ms + 1, 1000 * ms, 0, &t, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "t_ns"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates_and_older_ones_are_dropped),
		cmocka_unit_test(the_first_publisher_keeps_the_topic),
		cmocka_unit_test(a_restart_is_believed_after_silence),
		cmocka_unit_test(duplicates_do_not_break_the_silence),
		cmocka_unit_test(topics_split_at_the_slash),
		cmocka_unit_test(odd_topics_are_none),
		cmocka_unit_test(a_prefix_is_not_the_topic),
		cmocka_unit_test(stamps_become_monotonic),
		cmocka_unit_test(stamps_of_the_future_are_void),
		cmocka_unit_test(targets_are_due_within_half_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
