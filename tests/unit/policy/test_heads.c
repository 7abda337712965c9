/* test_heads.c - the decoders that fine-tuning gives a head: their golden actions, their noise, their options. */
#include "tests/unit/policy/scene.h"

#include <errno.h>
#include <math.h>

static struct policy_result again;

/* -- golden actions ------------------------------------------------------------------------------------------------------------- */

static void check_golden(const char *name, const char *decoder, uint32_t steps)
{
	struct golden_case g = case_open(name);
	struct policy_options options = usual_options(decoder);
	struct policy_observation o = scene.observation;
	double noise[VALUES], budget = 5.0 * json_real_value(json_object_get(g.inputs, "fp32_actions_max_difference"));
	float value[VALUES];

	options.steps = steps;
	if (json_object_get(g.header, "noise")) {
		memcpy(value, case_tensor(&g, "noise"), sizeof value);
		for (uint32_t i = 0; i < VALUES; i++)
			noise[i] = (double)value[i];
		o.noise = noise;
	}
	struct policy *p = make(&options);

	memcpy(value, case_tensor(&g, "actions.normalised"), sizeof value);
	assert_int_equal(policy_infer(p, &o, &result, NULL, &e), 0);
	assert_false(result.lost);
	for (uint32_t i = 0; i < VALUES; i++)
		assert_true(fabs(result.normalised[i] - (double)value[i]) <= (budget > 5e-5 ? budget : 5e-5));
	memcpy(value, case_tensor(&g, "actions"), sizeof value);
	for (uint32_t i = 0; i < VALUES; i++)
		assert_true(fabs(result.action[i] - (double)value[i]) <= (budget > 5e-5 ? budget : 5e-5) * 2.0);
	policy_destroy(p);
	case_close(&g);
}

static void regressing_decoders_give_the_golden_actions(void **state)
{
	(void)state;
	check_golden("l1_regression", "l1_regression", 1);
	check_golden("flow_matching.1", "flow_matching", 1);
	check_golden("flow_matching.4", "flow_matching", 4);
	check_golden("diffusion.5", "diffusion", 5);
	check_golden("diffusion.10", "diffusion", 10);
}

/* -- forwards ------------------------------------------------------------------------------------------------------------------- */

struct seen {
	uint32_t vision, estimates, samples, decoder;
};

static void see(void *context, const char *name, char type, const void *data, const uint64_t *shape, uint32_t rank)
{
	struct seen *s = context;

	(void)type, (void)data, (void)shape, (void)rank;
	s->vision += !strcmp(name, "vision.patch_embed");
	s->decoder += !strcmp(name, "decoder.input");
	s->estimates += strstr(name, "step.") && (strstr(name, ".velocity") || strstr(name, ".noise") || strstr(name, ".tokens"));
	s->samples += strstr(name, "step.") && strstr(name, ".x");
}

static void vision_runs_once_whatever_the_steps(void **state)
{
	static const char *const decoder[] = { "discrete_diffusion", "flow_matching", "diffusion" };

	(void)state;
	for (size_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
		struct policy_options options = usual_options(decoder[i]);
		struct seen seen = { 0 };

		options.steps = 4;
		struct policy *p = make(&options);

		assert_int_equal(policy_infer(p, &scene.observation, &result, &(struct policy_tracer){ see, &seen }, &e), 0);
		assert_int_equal(seen.vision, 1);
		assert_int_equal(seen.estimates, 4);
		assert_int_equal(seen.samples, i ? 4 : 0);
		assert_int_equal(seen.decoder, 1); /* of several forwards one is handed out */
		policy_destroy(p);
	}
}

/* -- noise ---------------------------------------------------------------------------------------------------------------------- */

static bool same_actions(const struct policy_result *a, const struct policy_result *b)
{
	return !memcmp(a->action, b->action, VALUES * sizeof *a->action);
}

static void infer(struct policy *p, const double *noise, struct policy_result *r)
{
	struct policy_observation o = scene.observation;

	o.noise = noise;
	assert_int_equal(policy_infer(p, &o, r, NULL, &e), 0);
	assert_false(r->lost);
}

static void a_seed_repeats_its_chunks(void **state)
{
	static const char *const decoder[] = { "flow_matching", "diffusion" };
	static const double zeros[VALUES];

	(void)state;
	for (size_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
		struct policy_options options = usual_options(decoder[i]);
		struct policy *p = make(&options), *twin = make(&options);

		options.seed = 1;
		struct policy *other = make(&options);

		infer(p, NULL, &result);
		infer(other, NULL, &again);
		assert_false(same_actions(&result, &again));
		infer(twin, zeros, &again); /* given noise takes nothing from the stream */
		assert_false(same_actions(&result, &again));
		infer(twin, NULL, &again);
		assert_true(same_actions(&result, &again));
		infer(p, NULL, &result); /* the stream goes on */
		assert_false(same_actions(&result, &again));
		infer(twin, NULL, &again);
		assert_true(same_actions(&result, &again));
		policy_destroy(p);
		policy_destroy(twin);
		policy_destroy(other);
	}
}

static void noise_that_is_none_is_refused(void **state)
{
	struct policy_options options = usual_options("flow_matching");
	struct policy_observation o = scene.observation;
	struct policy *p = make(&options);
	double noise[VALUES] = { 0.0 };

	(void)state;
	o.noise = noise;
	noise[VALUES - 1] = NAN;
	assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -EINVAL);
	assert_names(&e, "value 55 of 56|nan");
	noise[VALUES - 1] = -INFINITY;
	assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -EINVAL);
	noise[VALUES - 1] = 0.0;
	assert_int_equal(policy_infer(p, &o, &result, NULL, &e), 0);
	policy_destroy(p);
	options = usual_options("l1_regression");
	p = make(&options);
	assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -ENOTSUP);
	assert_names(&e, "l1_regression|flow_matching and diffusion");
	policy_destroy(p);
}

/* -- options -------------------------------------------------------------------------------------------------------------------- */

static void steps_a_decoder_cannot_take_are_refused(void **state)
{
	static const struct { const char *decoder; uint32_t steps; const char *words; } wrong[] = {
		{ "discrete", 0, "decoder discrete: 0 steps|exactly 1" }, { "discrete", 2, "decoder discrete: 2 steps|exactly 1|policy.steps" },
		{ "l1_regression", 4, "decoder l1_regression: 4 steps|exactly 1|flow_matching" },
		{ "discrete_diffusion", 0, "decoder discrete_diffusion: 0 steps|1 to 50" },
		{ "discrete_diffusion", 51, "decoder discrete_diffusion: 51 steps|1 to 50|--steps" },
		{ "flow_matching", 0, "decoder flow_matching: 0 steps|1 to 50|policy.steps" },
		{ "flow_matching", 1000000, "decoder flow_matching: 1000000 steps|1 to 50|policy.steps" },
		{ "diffusion", 0, "decoder diffusion: 0 steps|2 to 50|--steps" }, { "diffusion", 1, "decoder diffusion: 1 steps|2 to 50" },
		{ "diffusion", 51, "decoder diffusion: 51 steps|2 to 50|divisor of 50, as 10" },
	};
	static const struct { const char *decoder; uint32_t steps; } right[] = { { "diffusion", 2 }, { "diffusion", 50 },
		{ "diffusion", 33 }, { "flow_matching", 50 }, { "discrete_diffusion", 50 } };

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct policy_options options = usual_options(wrong[i].decoder);

		options.steps = wrong[i].steps;
		refuse_create(&options, -EINVAL, wrong[i].words);
	}
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		struct policy_options options = usual_options(right[i].decoder);

		options.steps = right[i].steps;
		policy_destroy(make(&options));
	}
}

static void a_schedule_that_begins_late_is_warned_of(void **state)
{
	static const struct { uint32_t steps; const char *time; } late[] = { { 2, "time 25" }, { 4, "time 36" }, { 33, "time 32" } };
	static const uint32_t good[] = { 5, 10, 25, 50 };
	struct policy_options options = usual_options("diffusion");
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
		options.steps = late[i].steps;
		create_and_listen(&options, text, sizeof text);
		assert_non_null(strstr(text, late[i].time));
		assert_non_null(strstr(text, "policy.steps"));
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		options.steps = good[i];
		create_and_listen(&options, text, sizeof text);
		assert_string_equal(text, "");
	}
}

static void a_seed_without_noise_is_refused(void **state)
{
	static const char *const decoder[] = { "discrete", "discrete_diffusion", "l1_regression" };

	(void)state;
	for (size_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
		struct policy_options options = usual_options(decoder[i]);

		options.seed = 7;
		refuse_create(&options, -EINVAL, "seed 7|flow_matching and diffusion|policy.seed|--seed");
		assert_names(&e, decoder[i]);
	}
}

static void options_without_effect_are_refused(void **state)
{
	static const char *const decoder[] = { "l1_regression", "flow_matching", "diffusion" };

	(void)state;
	for (size_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
		struct policy_options options = usual_options(decoder[i]);
		struct policy_observation o = scene.observation;
		struct policy *p = make(&options);

		o.committed = (const int32_t[]){ 600 };
		o.n_committed = 1;
		assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -ENOTSUP);
		assert_names(&e, "committed|discrete_diffusion");
		assert_false(policy_info(p)->chooses_tokens);
		assert_int_equal(policy_info(p)->from_noise, i > 0);
		policy_destroy(p);
		options.top_k = 5;
		refuse_create(&options, -EINVAL, "top_k 5|chooses no tokens|discrete_diffusion");
		options.top_k = 0;
		options.algorithm = POLICY_ENTROPY;
		refuse_create(&options, -EINVAL, "algorithm|chooses no tokens|discrete_diffusion");
		options.algorithm = POLICY_MASKGIT_PLUS;
		options.action_vocabulary_only = true;
		refuse_create(&options, -EINVAL, "chooses no tokens|full");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regressing_decoders_give_the_golden_actions),
		cmocka_unit_test(vision_runs_once_whatever_the_steps),
		cmocka_unit_test(a_seed_repeats_its_chunks),
		cmocka_unit_test(noise_that_is_none_is_refused),
		cmocka_unit_test(steps_a_decoder_cannot_take_are_refused),
		cmocka_unit_test(a_schedule_that_begins_late_is_warned_of),
		cmocka_unit_test(a_seed_without_noise_is_refused),
		cmocka_unit_test(options_without_effect_are_refused),
	};

	return cmocka_run_group_tests(tests, open_scene, close_scene);
}
