/* test_compute.c - the list of compute backends. What they compute is tests/conform's matter. */
#include "policy/compute/compute.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h> /* last: its macro fail() would hide ours */

static void backends_are_found_by_the_names_they_are_listed_with(void **state)
{
	struct errbuf e;
	uint32_t n = 0;

	(void)state;
	for (const struct compute_backend *ops; (ops = compute_backend_at(n)); n++)
		assert_ptr_equal(compute_backend_find(ops->name, &e), ops);
	assert_true(n > 0);
	assert_null(compute_backend_at(n + 1));
}

static void unknown_backend_lists_those_there_are(void **state)
{
	struct errbuf e;

	(void)state;
	assert_null(compute_backend_find("tpu", &e));
	assert_non_null(strstr(e.text, "tpu"));
	assert_non_null(strstr(e.text, "cpu"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backends_are_found_by_the_names_they_are_listed_with),
		cmocka_unit_test(unknown_backend_lists_those_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
