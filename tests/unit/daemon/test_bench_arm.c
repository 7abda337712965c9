/* test_bench_arm.c - an arm's answer to `status`, whole and with keys missing or of another type; a status's counters. */
#include "daemon/bench/bench_arm.h"

#include <errno.h>
#include <string.h>

#include "daemon/bench/bench_session.h"
#include "transport/message/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const keys[] = { "targets_accepted", "targets_refused", "limits_exceeded", "underruns", "interval_p50_us",
	"interval_p99_us", "interval_p999_us", "interval_max_us", "tcp_path_m", "velocity_peak",
	"acceleration_peak", "late_p50_us", "late_p99_us", "late_p999_us", "late_max_us", "late_rows" };
enum { KEYS = sizeof keys / sizeof *keys };

/* 1, 2, 3, ... under the keys in their order; `without` is left out, `text` is a text instead. */
static size_t build(uint8_t *out, size_t capacity, int without, int text)
{
	const double position[3] = { 0.5, -0.25, 1 }, rows[HISTOGRAM_ROWS] = { 1, 2, [HISTOGRAM_ROWS - 1] = 7 };
	struct map_builder b;
	struct errbuf e;
	size_t n;

	reply_ok(&b, out, capacity);
	map_add_text(&b, "mode", "ready");
	map_add_reals(&b, "ee_pos", position, 3);
	for (int i = 0; i < KEYS; i++) {
		if (i == text)
			map_add_text(&b, keys[i], "many");
		else if (i != without && i < 4)
			map_add_u64(&b, keys[i], (uint64_t)i + 1);
		else if (i != without && strcmp(keys[i], "late_rows") == 0)
			map_add_reals(&b, keys[i], rows, HISTOGRAM_ROWS);
		else if (i != without)
			map_add_real(&b, keys[i], i + 1.5);
	}
	map_add_text(&b, "trouble", "motors_off");
	map_add_text(&b, "lab_version", "nine"); /* a text is none */
	map_add_real(&b, "lab_x", 2.5);
	map_add_u64(&b, "labx", 1);
	map_add_u64(&b, "lab_", 1);
	map_add_u64(&b, "lab_missed", 3);
	assert_int_equal(map_finish(&b, &n, &e), 0);
	return n;
}

static void test_whole_status(void **state)
{
	uint8_t bytes[1024];
	struct arm_numbers a = { .name = "left" };
	struct errbuf e = { 0 };

	(void)state;
	assert_int_equal(arm_status_decode(&a, "lab", bytes, build(bytes, sizeof bytes, -1, -1), &e), 0);
	assert_int_equal(a.obeyed, 1);
	assert_int_equal(a.refused, 2);
	assert_int_equal(a.limits_exceeded, 3);
	assert_int_equal(a.underruns, 4);
	assert_true(a.interval.p50 == 5.5 && a.interval.max == 8.5);
	assert_string_equal(a.name, "left");
	assert_true(a.path_m == 9.5 && a.velocity_peak == 10.5 && a.acceleration_peak == 11.5);
	assert_true(a.late.p50 == 12.5 && a.late.max == 15.5);
	assert_true(a.late_row[1] == 2 && a.late_row[HISTOGRAM_ROWS - 1] == 7);
	assert_string_equal(a.mode, "ready");
	assert_string_equal(a.trouble, "motors_off");
	assert_int_equal(a.n_own, 2);
	assert_string_equal(a.own[0].name, "lab_x");
	assert_true(a.own[0].value == 2.5);
	assert_string_equal(a.own[1].name, "lab_missed");
	assert_true(a.own[1].value == 3);
}

static void test_what_is_wrong_is_named(void **state)
{
	uint8_t bytes[1024];
	struct arm_numbers a = { 0 };
	struct errbuf e = { 0 };

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(arm_status_decode(&a, "lab", bytes, build(bytes, sizeof bytes, i, -1), &e), -EBADMSG);
		assert_non_null(strstr(e.text, keys[i]));
		assert_int_equal(arm_status_decode(&a, "lab", bytes, build(bytes, sizeof bytes, -1, i), &e), -EBADMSG);
		assert_non_null(strstr(e.text, keys[i]));
	}
}

static void test_truncated_status(void **state)
{
	uint8_t bytes[1024];
	struct arm_numbers a = { 0 };
	struct errbuf e = { 0 };
	size_t n = build(bytes, sizeof bytes, -1, -1);

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(arm_status_decode(&a, "lab", bytes, i, &e), -EBADMSG);
}

static void test_counters_by_name(void **state)
{
	static struct message_status m = { .n_counters = 2, .counter = { { "frames", 3 }, { "ticks", 9 } } };
	uint64_t value = 0;

	(void)state;
	assert_true(session_counter(&m, "ticks", &value));
	assert_int_equal(value, 9);
	assert_false(session_counter(&m, "chunks", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_status),
		cmocka_unit_test(test_what_is_wrong_is_named),
		cmocka_unit_test(test_truncated_status),
		cmocka_unit_test(test_counters_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
