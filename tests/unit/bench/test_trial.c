/* test_trial.c - the bench on virtual time with the expert as the policy: a test of the world, of control, safety and the arm together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trial/trial.h"

#include <cmocka.h> /* last: it defines fail() */

static struct config config;

static struct trial *open_trial(const struct trial_options *o)
{
	struct trial *t = NULL;
	struct errbuf e;

	if (trial_create(&t, o, &e) < 0)
		fail_msg("%s", e.text);
	return t;
}

static struct trial_result run(struct trial *t, uint64_t seed)
{
	struct errbuf e;

	if (trial_begin(t, seed, &e) < 0)
		fail_msg("%s", e.text);
	while (trial_step(t))
		;
	return trial_result(t);
}

static uint32_t successes(const struct trial_options *o, uint64_t first, uint32_t n)
{
	struct trial *t = open_trial(o);
	uint32_t done = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct trial_result r = run(t, first + i);

		done += r.verdict == TASK_DONE;
		if (r.verdict != TASK_DONE)
			print_message("seed %llu: %s, reason %u, %.2f s\n", (unsigned long long)(first + i), task_verdict_name(r.verdict), r.reason, r.took_s);
	}
	trial_destroy(t);
	return done;
}

static void test_the_expert_succeeds(void **state)
{
	const char *n = getenv("N");

	(void)state;
	uint32_t want = n ? (uint32_t)atoi(n) : 40, found = successes(&(struct trial_options){ .config = &config, .expert = true }, 1000, want);
	print_message("%u of %u\n", found, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_expert_succeeds),
	};
	struct errbuf e;

	config_defaults(&config);
	if (config_read(&config, "config/pick.yaml", &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
