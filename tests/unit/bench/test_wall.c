/* test_wall.c - times of day as people write them, within a recording; in a time zone with a summer time. */
#include "daemon/bench/bench_wall.h"
#include "daemon/sys/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

/* 2026-11-23 14:30:00.5 in Berlin is 13:30 UTC. */
#define FIRST_NS (INT64_C(1795440600) * NS_PER_S + NS_PER_S / 2)

static int find(enum wall_end end, const char *text, int64_t seconds, int64_t *out_ns, struct errbuf *e)
{
	const struct wall_range range = { "bench.mcap", FIRST_NS, FIRST_NS + seconds * NS_PER_S };

	return wall_find(out_ns, end, text, &range, e);
}

static void times_as_people_write_them(void **state)
{
	static const struct { const char *text; int64_t after_ns; } good[] = { { "14:32:07", 127 * NS_PER_S }, { "14:32:07.25", 127 * NS_PER_S + 250 * NS_PER_MS },
		{ "2026-11-23 14:32:07", 127 * NS_PER_S }, { "2026-11-23T14:32:07.000000001", 127 * NS_PER_S + 1 }, { "14:30:00", 0 }, { "14:00:00", -1800 * NS_PER_S } };
	int64_t t_ns;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(find(WALL_FROM, good[i].text, 600, &t_ns, NULL), 0);
		assert_int_equal(t_ns, FIRST_NS - NS_PER_S / 2 + good[i].after_ns);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = { "", "14", "14:32", "14:32:07 ", "14:32:07.", "14:32:07.1234567890", "14:32:60", "25:00:00", "14:32:07Z", "tomorrow",
		"2026-11-23", "2026-13-23 14:32:07", "-1:00:00" };
	struct errbuf e;
	int64_t t_ns;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(find(WALL_UNTIL, bad[i], 600, &t_ns, &e), -EINVAL);
		assert_non_null(strstr(e.text, "--until: found '"));
		assert_non_null(strstr(e.text, "bench.mcap holds 2026-11-23 14:30:00 to 2026-11-23 14:40:00"));
	}
}

/* One end may lie outside: then all up to there is meant. */
static void only_what_has_nothing_in_it_is_refused(void **state)
{
	struct errbuf e;
	int64_t t_ns;

	(void)state;
	assert_int_equal(find(WALL_FROM, "14:40:02", 600, &t_ns, &e), -EINVAL);
	assert_non_null(strstr(e.text, "--from: found '14:40:02', want a time before its end"));
	assert_int_equal(find(WALL_FROM, "2026-11-24 14:32:07", 600, &t_ns, &e), -EINVAL);
	assert_int_equal(find(WALL_UNTIL, "14:29:59", 600, &t_ns, &e), -EINVAL);
	assert_int_equal(find(WALL_UNTIL, "15:00:00", 600, &t_ns, &e), 0);
	assert_int_equal(find(WALL_UNTIL, "2026-11-24 00:00:00", 600, &t_ns, &e), 0);
}

static void a_recording_goes_on_over_midnight(void **state)
{
	int64_t t_ns;

	(void)state;
	assert_int_equal(find(WALL_FROM, "00:10:00", 12 * 3600, &t_ns, NULL), 0);
	assert_int_equal(t_ns, FIRST_NS - NS_PER_S / 2 + (9 * 3600 + 40 * 60) * NS_PER_S);
	assert_int_equal(find(WALL_FROM, "14:29:00", 12 * 3600, &t_ns, NULL), 0); /* not tomorrow's: that lies behind the end */
	assert_int_equal(t_ns, FIRST_NS - NS_PER_S / 2 - 60 * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_as_people_write_them),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(only_what_has_nothing_in_it_is_refused),
		cmocka_unit_test(a_recording_goes_on_over_midnight),
	};

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
