/* test_quantise.c - actions to tokens: exactly the inverse of the way from tokens to actions, for every id there is. */
#include "policy/policy.h"
#include "policy/quantise.h"

#include "tests/unit/policy/fixture.h"

#include <errno.h>
#include <math.h>

enum { COUNT = 700, BINS = 256, LOWEST = COUNT - BINS };

static const struct action_tokens ids = { COUNT, BINS };
static const struct statistics_range range = { .dim = 4, .low = { -0.7, 0.001, 5.0, 2.0 }, .high = { 0.3, 0.0011, 5.0, 3.0 },
	.masked = { true, true, true, false } };
static struct errbuf e;

/* What the decoders make of it. */
static void decode(const int32_t *token, double *action)
{
	struct head_options o = { .n_actions = 4, .token_count = COUNT, .action_bins = BINS };
	static struct policy_result r;

	memcpy(r.token, token, 4 * sizeof *token);
	action_tokens_decode(&o, &r);
	statistics_unnormalise_action(&range, r.normalised, 1, action);
}

static void every_id_comes_back(void **state)
{
	(void)state;
	for (int32_t id = LOWEST; id < COUNT; id++) {
		int32_t given[4] = { id, id, id, id }, found[4];
		double action[4], meant[4];

		decode(given, action);
		assert_int_equal(quantise_actions(&ids, &range, action, NULL, found, meant, &e), 0);
		for (int i = 0; i < 4; i++) {
			assert_true(meant[i] == action[i] || i == 2); /* to the last bit */
			if (i != 2) /* the lowest id means the same as the next one */
				assert_int_equal(found[i], id == LOWEST ? LOWEST + 1 : id);
		}
		assert_int_equal(quantise_actions(&ids, &range, action, given, found, meant, &e), 0);
		assert_memory_equal(found, given, sizeof given);
		assert_memory_equal(meant, action, sizeof action);
	}
}

static void in_between_the_nearest_is_taken(void **state)
{
	const double width = 2.0 / (BINS - 1);

	(void)state;
	for (int32_t id = LOWEST + 1; id < COUNT; id++) {
		double value = action_tokens_value(&ids, id);

		assert_int_equal(action_tokens_nearest(&ids, value + 0.499 * width), id);
		assert_int_equal(action_tokens_nearest(&ids, value - 0.499 * width), id);
	}
	assert_int_equal(action_tokens_nearest(&ids, 1e300), LOWEST + 1);
	assert_int_equal(action_tokens_nearest(&ids, -1e300), COUNT - 1);
}

/* What was said stays while it means the motion, and no longer; what is no action never does. */
static void a_preferred_id_is_kept_while_it_is_true(void **state)
{
	const double width = 2.0 / (BINS - 1), value = action_tokens_value(&ids, 600);
	const struct { double apart; int32_t prefer; bool kept; } rows[] = {
		{ 0.0, 600, true }, { 0.74, 600, true }, { -0.74, 600, true }, { 0.76, 600, false }, { -0.76, 600, false },
		{ 0.0, LOWEST - 1, false }, { 0.0, COUNT, false }, { 0.0, -1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		double action[4] = { 0.0, 0.0, 5.0, value + rows[i].apart * width }, meant[4];
		int32_t prefer[4] = { 600, 600, 600, rows[i].prefer }, found[4];

		assert_int_equal(quantise_actions(&ids, &range, action, prefer, found, meant, &e), 0);
		assert_int_equal(found[3] == rows[i].prefer, rows[i].kept);
		assert_true(found[3] >= LOWEST && found[3] < COUNT);
		assert_true(fabs(meant[3] - action[3]) <= width * 1.001);
	}
}

static void beyond_the_range_the_end_is_said_and_kept(void **state)
{
	double action[4] = { 50.0, -50.0, 5.0, 1.0 }, meant[4];
	int32_t prefer[4] = { LOWEST, COUNT - 1, 600, LOWEST }, found[4];

	(void)state;
	assert_int_equal(quantise_actions(&ids, &range, action, prefer, found, meant, &e), 0);
	assert_memory_equal(found, prefer, sizeof found);
	assert_int_equal(quantise_actions(&ids, &range, action, NULL, found, meant, &e), 0);
	assert_int_equal(found[0], LOWEST + 1);
	assert_int_equal(found[1], COUNT - 1);
}

/* The smallest noise would choose among all ids of a dimension that has a single value: what was said says it as well as any. */
static void a_constant_dimension_keeps_what_was_said(void **state)
{
	double action[4] = { 0.0, 0.001, 5.3, 0.0 }, meant[4];
	int32_t prefer[4] = { 600, 600, 555, 600 }, found[4];

	(void)state;
	assert_int_equal(quantise_actions(&ids, &range, action, prefer, found, meant, &e), 0);
	assert_int_equal(found[2], 555);
	assert_true(fabs(meant[2] - 5.0) < 1e-6);
}

static void no_number_is_refused(void **state)
{
	static const double bad[] = { NAN, INFINITY, -INFINITY };

	(void)state;
	for (int i = 0; i < 3; i++) {
		double action[4] = { 0.0, 0.0, bad[i], 0.0 }, meant[4] = { 9.0, 9.0, 9.0, 9.0 };
		int32_t found[4] = { 1, 1, 1, 1 };

		assert_int_equal(quantise_actions(&ids, &range, action, NULL, found, meant, &e), -EINVAL);
		assert_non_null(strstr(e.text, "action 2"));
		assert_true(found[0] == 1 && meant[0] == 9.0);
	}
}

static int create(struct policy **out, const char *decoder, const char *heads)
{
	struct policy_options o = { .model = CHECKPOINT, .heads = heads, .decoder = decoder, .backend = "cpu", .steps = 1,
		.action_chunk = 8, .unnorm_key = "libero_spatial_no_noops", .n_pictures = 2, .lazy_weights = true };

	return policy_create(out, &o, &e);
}

static void a_checkpoint_says_its_own_actions_again(void **state)
{
	struct policy *p;
	int32_t found[32];
	double action[32] = { 0.0 }, meant[32];

	(void)state;
	assert_int_equal(create(&p, "discrete_diffusion", CHECKPOINT "/heads/discrete_diffusion"), 0);
	for (int k = 0; k < 200; k++) {
		double again[32];
		int32_t twice[32];

		for (uint32_t i = 0; i < policy_info(p)->action_dim; i++)
			action[i] = sin(k + 3.0 * i);
		assert_int_equal(policy_quantise(p, action, NULL, found, meant, &e), 0);
		assert_int_equal(policy_quantise(p, meant, NULL, twice, again, &e), 0);
		assert_memory_equal(found, twice, policy_info(p)->action_dim * sizeof *found);
		assert_memory_equal(meant, again, policy_info(p)->action_dim * sizeof *meant);
	}
	policy_destroy(p);
}

static void decoders_without_tokens_say_none(void **state)
{
	struct policy *p;
	double action[32] = { 0.0 };
	int32_t found[32];

	(void)state;
	assert_int_equal(create(&p, "l1_regression", CHECKPOINT "/heads/l1_regression"), 0);
	assert_int_equal(policy_quantise(p, action, NULL, found, action, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "l1_regression"));
	policy_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_comes_back),
		cmocka_unit_test(in_between_the_nearest_is_taken),
		cmocka_unit_test(a_preferred_id_is_kept_while_it_is_true),
		cmocka_unit_test(beyond_the_range_the_end_is_said_and_kept),
		cmocka_unit_test(a_constant_dimension_keeps_what_was_said),
		cmocka_unit_test(no_number_is_refused),
		cmocka_unit_test(a_checkpoint_says_its_own_actions_again),
		cmocka_unit_test(decoders_without_tokens_say_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
