/* test_arm_void.c - void messages are logged once per second for each topic and key, and noise cannot fill the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "robots/arm/arm_void.h"

#include <cmocka.h> /* last: it defines fail() */

static const int64_t MS = 1000000;

static void test_each_key_has_its_own_second(void **state)
{
	struct arm_void_log l = { 0 };

	(void)state;
	assert_true(arm_void_note(&l, 1000 * MS, "target/arm", "q: found 6 numbers, want 7"));
	assert_true(arm_void_note(&l, 1001 * MS, "target/arm", "t_ns: is missing"));
	assert_true(arm_void_note(&l, 1002 * MS, "target/other", "q: found 6 numbers, want 7"));
	assert_false(arm_void_note(&l, 1999 * MS, "target/arm", "q: found 5 numbers, want 7"));
	assert_true(arm_void_note(&l, 2000 * MS, "target/arm", "q: found 5 numbers, want 7"));
	assert_true(arm_void_note(&l, 2001 * MS, "target/arm", "t_ns: is missing"));
}

static void test_noise_counts_as_one(void **state)
{
	struct arm_void_log l = { 0 };
	char text[64];
	int logged = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "byte %d is no map", i);
		logged += arm_void_note(&l, 1000 * MS + i * MS / 2, "target/arm", text);
	}
	assert_int_equal(logged, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key_has_its_own_second),
		cmocka_unit_test(test_noise_counts_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
