/* test_arena.c - measuring and placing agree, and what does not fit is an error. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "daemon/sys/arena.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

static void placing_repeats_measuring(void **state)
{
	static const size_t count[] = { 3, 0, 1000, 7 };
	struct arena a = { 0 };
	struct errbuf e;
	uint8_t *previous_end = NULL;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_null(arena_take(&a, count[i], 12));
	assert_int_equal(arena_reserve(&a, "test", &e), 0);
	for (int i = 0; i < 4; i++) {
		uint8_t *at = arena_take(&a, count[i], 12);

		assert_non_null(at);
		assert_int_equal((uintptr_t)at % ARENA_ALIGN_BYTES, 0);
		assert_true(at >= previous_end);
		for (size_t k = 0; k < count[i] * 12; k++)
			assert_int_equal(at[k], 0);
		memset(at, 0xff, count[i] * 12);
		previous_end = at + count[i] * 12;
	}
	assert_true(previous_end <= a.base + a.size);
	arena_freeze(&a);
	arena_finish(&a);
	assert_null(a.base);
}

static void overflow_is_an_error_not_a_wrap(void **state)
{
	static const size_t request[][2] = { { SIZE_MAX / 2, 4 }, { SIZE_MAX, 1 }, { SIZE_MAX - 100, 1 } };
	struct errbuf e;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct arena a = { 0 };

		assert_null(arena_take(&a, 100, 1));
		assert_null(arena_take(&a, request[i][0], request[i][1]));
		assert_int_equal(arena_reserve(&a, "pictures", &e), -ENOMEM);
		assert_non_null(strstr(e.text, "pictures"));
		arena_finish(&a);
	}
}

static void an_empty_arena_is_fine(void **state)
{
	struct arena a = { 0 };
	struct errbuf e;

	(void)state;
	assert_int_equal(arena_reserve(&a, "test", &e), 0);
	arena_freeze(&a);
	arena_finish(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placing_repeats_measuring),
		cmocka_unit_test(overflow_is_an_error_not_a_wrap),
		cmocka_unit_test(an_empty_arena_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
