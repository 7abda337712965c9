/* test_cpu_exp.c - the exponential of activations and softmax: how exact it is, its ends, and what is no number. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "policy/compute/cpu/cpu.h"

#include <cmocka.h>

static void test_exact(void **state)
{
	(void)state;
	for (float x = -87.0f; x <= 88.0f; x += 0.00390625f) {
		double want = exp((double)x), off = fabs((double)cpu_exp(x) - want) / want;

		if (!(off < 3e-7))
			fail_msg("exp(%g): off by %g", (double)x, off);
	}
}

/* Beyond its ends it is what it is there; no result is subnormal. */
static void test_ends(void **state)
{
	static const float below[] = { -87.0f, -87.5f, -1000.0f, -3e38f, -INFINITY }, above[] = { 88.0f, 88.5f, 1000.0f, 3e38f, INFINITY };

	(void)state;
	for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
		assert_true(cpu_exp(below[i]) == cpu_exp(-87.0f));
		assert_true(cpu_exp(above[i]) == cpu_exp(88.0f));
	}
	assert_true(isnormal(cpu_exp(-87.0f)) && isfinite(cpu_exp(88.0f)));
	assert_true(cpu_exp(nextafterf(-87.0f, 0.0f)) > cpu_exp(-87.0f) && cpu_exp(nextafterf(88.0f, 0.0f)) < cpu_exp(88.0f));
	assert_true(cpu_exp(0.0f) == 1.0f && cpu_exp(-0.0f) == 1.0f);
}

static void test_no_number(void **state)
{
	(void)state;
	assert_true(isnan(cpu_exp(NAN)) && isnan(cpu_exp(-NAN)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
