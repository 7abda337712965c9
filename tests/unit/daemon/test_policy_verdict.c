/* test_policy_verdict.c - what control hears after an inference: of a failure, of answers that are no chunk, of a state out of range. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "daemon/policy_verdict.h"

#include <cmocka.h>

static const double LOW[2] = { 0, -1 }, HIGH[2] = { 1, 1 };
static const struct policy_info INFO = { .action_chunk = 2, .action_dim = 2, .state_low = LOW, .state_high = HIGH };

static void test_failures(void **state)
{
	static const struct { int rc; enum policy_health want; } cases[] = {
		{ -EINVAL, POLICY_WARM }, { -ENODEV, POLICY_GONE }, { -EIO, POLICY_BROKEN }, { -ENOMEM, POLICY_BROKEN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct policy_status s = { .health = POLICY_WARM };

		policy_verdict_failed(&s, cases[i].rc);
		assert_int_equal(s.health, cases[i].want);
	}
}

static void refused(const struct policy_result *r, bool lost, const char *text)
{
	struct policy_status s = { .health = POLICY_BROKEN, .lost = !lost };
	struct errbuf why = { "" };

	assert_false(policy_verdict_good(&s, &INFO, r, &why));
	assert_int_equal(s.health, POLICY_WARM);
	assert_int_equal(s.lost, lost);
	assert_string_equal(why.text, text);
}

static void test_answers(void **state)
{
	static struct policy_result r;
	struct policy_status s = { .health = POLICY_BROKEN, .lost = true };
	struct errbuf why;

	(void)state;
	r = (struct policy_result){ .action = { 0, 1, 2, 3, NAN } }; /* the fifth is of no action */
	assert_true(policy_verdict_good(&s, &INFO, &r, &why));
	assert_true(s.health == POLICY_WARM && !s.lost);
	r.action[3] = INFINITY;
	refused(&r, false, "chunk rejected: an action is not finite");
	r = (struct policy_result){ .lost = true, .lost_token = 5, .lost_position = 3 };
	refused(&r, true, "lost, its best token is no action: token 5 at action position 3");
	r.lost_token = -1;
	refused(&r, true, "lost: its answer is not a number");
}

static void test_state(void **state)
{
	static struct config c;
	struct policy_status s = { 0 };
	const double inside[2] = { 0.5, 1.4 }, outside[2] = { 0.5, 2.5 };

	(void)state;
	config_defaults(&c); /* refuse, with a margin of 0.5 */
	assert_int_equal(policy_verdict_state(&s, &c, &INFO, inside, 2), -1);
	assert_false(s.state_out_of_range);
	assert_int_equal(policy_verdict_state(&s, &c, &INFO, outside, 2), 1);
	assert_true(s.state_out_of_range && s.state_dim_out == 1);
	c.policy_state_range = 1; /* warn */
	assert_int_equal(policy_verdict_state(&s, &c, &INFO, outside, 2), 1);
	assert_true(!s.state_out_of_range && s.state_dim_out == 1);
	c.policy_state_range = 2; /* off */
	assert_int_equal(policy_verdict_state(&s, &c, &INFO, outside, 2), -1);
	assert_true(!s.state_out_of_range && s.state_dim_out == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
