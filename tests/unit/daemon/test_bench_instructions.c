/* test_bench_instructions.c - what is counted is what was executed: each round of a loop adds the same, nothing adds nothing. */
#include "daemon/bench/bench_instructions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* What a sanitizer adds to each access of memory is executed too. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROUND_MOST = 100, CALL_MOST = 500 };
#else
enum { ROUND_MOST = 10, CALL_MOST = 50 };
#endif

/* Not on the stack: there a sanitizer that watches for use after return begins each call with work of varying length. */
static volatile uint32_t left;

static void loop(void *rounds)
{
	for (left = *(uint32_t *)rounds; left > 0; left--)
		;
}

static uint64_t cost_of(const struct instructions *c, uint32_t rounds)
{
	return instructions_of(c, loop, &rounds);
}

static void every_round_counts_the_same(void **state)
{
	struct instructions c;
	struct errbuf e = { 0 };

	(void)state;
	if (instructions_open(&c, &e) < 0) {
		print_message("%s\n", e.text);
		skip();
	}
	uint64_t none = cost_of(&c, 0), hundred = cost_of(&c, 100), thousand = cost_of(&c, 1000);

	assert_true(hundred >= none + 200 && hundred <= none + 100 * ROUND_MOST); /* at least a subtraction and a jump */
	/* The processor's counter may add an interrupt's return now and then. */
	assert_true(thousand - none >= 10 * (hundred - none) - 20 && thousand - none <= 10 * (hundred - none) + 20);
	assert_true(none < CALL_MOST);
	instructions_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_round_counts_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
