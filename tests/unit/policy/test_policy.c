/* test_policy.c - whole inferences on the golden checkpoint, what is refused, and that nothing of ours allocates while inferring. */
#include "policy/head/action_tokens.h"

#include "tests/unit/policy/scene.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>

static struct policy_result again;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
#endif

/* -- allocations of our own code ------------------------------------------------------------------------------------------------ */

#ifdef COUNTS_ALLOCATIONS
/* glibc's own names of what is interposed here. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *at, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
/* The linker's names of where this program's own code lies; libraries (oneDNN, libjpeg-turbo) lie elsewhere. */
extern const char __executable_start, etext;

static _Atomic uint32_t own_allocations, all_allocations;

static void count_allocation(const void *caller)
{
	atomic_fetch_add(&all_allocations, 1u);
	if ((const char *)caller >= &__executable_start && (const char *)caller < &etext)
		atomic_fetch_add(&own_allocations, 1u);
}

void *malloc(size_t n)
{
	count_allocation(__builtin_return_address(0));
	return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	count_allocation(__builtin_return_address(0));
	return __libc_calloc(count, n);
}

void *realloc(void *at, size_t n)
{
	count_allocation(__builtin_return_address(0));
	return __libc_realloc(at, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	count_allocation(__builtin_return_address(0));
	return __libc_memalign(align, n);
}
#endif

/* -- golden cases --------------------------------------------------------------------------------------------------------------- */

static void check_golden(const char *name, const char *decoder, enum policy_precision precision, double share)
{
	struct golden_case g = case_open(name);
	struct policy_options options = usual_options(decoder);
	uint32_t equal = 0;
	int64_t token[VALUES];
	float action[VALUES], normalised[VALUES];

	options.precision = precision;
	struct policy *p = make(&options);

	memcpy(token, case_tensor(&g, "action.tokens"), sizeof token);
	memcpy(action, case_tensor(&g, "actions"), sizeof action);
	memcpy(normalised, case_tensor(&g, "actions.normalised"), sizeof normalised);
	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	for (uint32_t i = 0; i < VALUES; i++) {
		if (result.token[i] != token[i])
			continue;
		equal++;
		assert_true(fabs(result.normalised[i] - (double)normalised[i]) <= 5e-5);
		assert_true(fabs(result.action[i] - (double)action[i]) <= 5e-5 * (fabs((double)action[i]) + 1.0));
	}
	assert_true(equal >= share * VALUES);
	assert_true(result.times.total_ns >= result.times.vision_ns + result.times.decoder_ns);
	assert_true(result.times.vision_ns > 0 && result.times.decoder_ns > 0);
	assert_true(result.times.resize_ns > 0 && result.times.patches_ns > 0);
	assert_true(result.times.preprocess_ns >= result.times.resize_ns + result.times.patches_ns);
	policy_destroy(p);
	case_close(&g);
}

static void discrete_gives_the_golden_actions(void **state)
{
	(void)state;
	check_golden("discrete", "discrete", POLICY_FP32, 1.0);
	check_golden("discrete", "discrete", POLICY_BF16, 0.92);
}

static void discrete_diffusion_gives_the_golden_actions(void **state)
{
	(void)state;
	check_golden("discrete_diffusion.1", "discrete_diffusion", POLICY_FP32, 1.0);
}

static void the_same_twice(void **state)
{
	struct policy_options options = usual_options("discrete");
	struct policy *p = make(&options);

	(void)state;
	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	assert_int_equal(policy_set_instruction(p, "another one", &e), 0);
	assert_int_equal(policy_infer(p, &scene.observation, &again, NULL, &e), 0);
	assert_int_not_equal(memcmp(again.token, result.token, VALUES * sizeof *result.token), 0);
	assert_int_equal(policy_set_instruction(p, scene.instruction, &e), 0);
	assert_int_equal(policy_infer(p, &scene.observation, &again, NULL, &e), 0);
	assert_memory_equal(again.token, result.token, VALUES * sizeof *result.token);
	assert_memory_equal(again.action, result.action, VALUES * sizeof *result.action);
	policy_destroy(p);
}

/* What create and the first inference told of their progress. */
struct told {
	uint32_t n, n_warming, n_reading;
	double share, share_warming;
};

static void listen_to(void *context, const char *what, double share)
{
	struct told *t = context;
	bool warming = !strcmp(what, "warming up");
	double *before = warming ? &t->share_warming : &t->share;

	assert_true(share >= *before && share <= 1.0);
	*before = share;
	t->n++;
	t->n_warming += warming;
	t->n_reading += !strcmp(what, "reading weights");
}

static void the_first_inference_tells_its_progress(void **state)
{
	struct told told = { 0 };
	struct policy_options options = usual_options("discrete_diffusion");

	(void)state;
	options.steps = 2; /* the second forward finds everything warm */
	options.progress = listen_to;
	options.progress_context = &told;
	struct policy *p = make(&options);

	assert_true(told.n >= 4 && told.n_warming == 0 && told.share == 1.0);
	assert_int_equal(policy_infer(p, &(struct policy_observation){ 0 }, &result, NULL, &e), -EINVAL);
	assert_int_equal(told.n_warming, 0);
	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	assert_int_equal(told.n_warming, 2 + 3); /* blocks and layers */
	assert_true(told.share_warming == 1.0);
	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	assert_int_equal(told.n_warming, 2 + 3);
	policy_destroy(p);
}

static void lazy_weights_are_not_read_ahead_of_an_inference(void **state)
{
	struct told eager = { 0 }, lazy = { 0 };
	struct policy_options options = usual_options("discrete");

	(void)state;
	options.progress = listen_to;
	options.progress_context = &eager;
	struct policy *p = make(&options);

	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	policy_destroy(p);
	options.lazy_weights = true;
	options.progress_context = &lazy;
	p = make(&options);
	assert_true(eager.n_reading > 0 && lazy.n_reading == 0);
	assert_int_equal(policy_infer(p, &scene.observation, &again, NULL, &e), 0);
	assert_memory_equal(again.action, result.action, VALUES * sizeof *result.action);
	policy_destroy(p);
}

static void info_describes_the_checkpoint(void **state)
{
	struct policy_options options = usual_options("discrete");
	struct policy *p = make(&options);
	const struct policy_info *info = policy_info(p);

	(void)state;
	assert_int_equal(info->action_chunk, CHUNK);
	assert_int_equal(info->action_dim, DIM);
	assert_int_equal(info->state_dim, STATE_DIM);
	assert_true(info->needs_state);
	assert_true(info->weight_bytes > 0 && info->arena_bytes > 0);
	assert_string_equal(info->decoder, "discrete");
	assert_string_equal(info->backend, "cpu");
	assert_string_equal(info->unnorm_key, "libero_spatial_no_noops");
	for (uint32_t i = 0; i < STATE_DIM; i++)
		assert_true(info->state_low[i] <= info->state_high[i]);
	policy_destroy(p);
}

/* -- tokens --------------------------------------------------------------------------------------------------------------------- */

static void a_token_that_is_no_action_means_lost(void **state)
{
	static const struct { int32_t token; bool lost; } cases[] = { { 511, true }, { 512, false }, { 767, false }, { 768, true },
		{ 0, true }, { -1, true } };
	struct head_options o = { .n_actions = 2, .token_count = 768, .action_bins = 256 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		result.token[0] = 650;
		result.token[1] = cases[i].token;
		action_tokens_decode(&o, &result);
		assert_int_equal(result.lost, cases[i].lost);
		if (!cases[i].lost)
			continue;
		assert_int_equal(result.lost_position, 1);
		assert_int_equal(result.lost_token, cases[i].token);
	}
}

static void the_action_vocabulary_is_never_lost(void **state)
{
	struct policy_options options = usual_options("discrete");

	(void)state;
	options.action_vocabulary_only = true;
	struct policy *p = make(&options);

	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	assert_false(result.lost);
	for (uint32_t i = 0; i < VALUES; i++)
		assert_in_range(result.token[i], 512, 767); /* <|action_0|> to <|action_255|> of this checkpoint */
	policy_destroy(p);
}

static void wrong_committed_tokens_are_refused(void **state)
{
	static const int32_t wrong[] = { -1, 0, 511, 768, 896 };
	int32_t committed[VALUES + 1];
	struct policy_options options = usual_options("discrete_diffusion");
	struct policy_observation o = scene.observation;
	struct policy *p = make(&options);

	(void)state;
	for (size_t i = 0; i <= VALUES; i++)
		committed[i] = 650;
	o.committed = committed;
	o.n_committed = VALUES + 1;
	assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -EINVAL);
	assert_names(&e, "57 ids, want at most 56");
	o.n_committed = 2;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char words[64];

		committed[1] = wrong[i];
		snprintf(words, sizeof words, "id 1 is %d, which is no action|512 to 767", wrong[i]);
		assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -EINVAL);
		assert_names(&e, words);
	}
	policy_destroy(p);
	options = usual_options("discrete");
	p = make(&options);
	assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "discrete_diffusion"));
	policy_destroy(p);
}

/* -- what is refused ------------------------------------------------------------------------------------------------------------ */

static void refuse(struct policy *p, const struct policy_observation *o, const char *word)
{
	assert_int_equal(policy_infer(p, o, &result, NULL, &e), -EINVAL);
	if (!strstr(e.text, word))
		fail_msg("'%s' does not say '%s'", e.text, word);
}

static void wrong_observations_are_refused_and_leave_no_trace(void **state)
{
	struct policy_options options = usual_options("discrete");
	struct policy *p = make(&options);
	struct policy_picture large[CAMERAS] = { scene.picture[0], { 257, 10, scene.picture[1].rgb } };
	double not_finite[STATE_DIM];

	(void)state;
	assert_int_equal(policy_infer(p, &scene.observation, &again, NULL, &e), 0);
	memcpy(not_finite, scene.state, sizeof not_finite);
	not_finite[3] = NAN;
	refuse(p, &(struct policy_observation){ .picture = scene.picture, .n_pictures = 1, .state = scene.state }, "1 pictures, want 2");
	refuse(p, &(struct policy_observation){ .picture = scene.picture, .n_pictures = 2 }, "state of 8");
	refuse(p, &(struct policy_observation){ .picture = scene.picture, .n_pictures = 2, .state = not_finite }, "3");
	not_finite[3] = INFINITY;
	refuse(p, &(struct policy_observation){ .picture = scene.picture, .n_pictures = 2, .state = not_finite }, "3");
	refuse(p, &(struct policy_observation){ .picture = large, .n_pictures = 2, .state = scene.state }, "picture 1");
	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	assert_memory_equal(again.action, result.action, VALUES * sizeof *result.action);
	policy_destroy(p);
}

static void wrong_instructions_leave_the_previous_one(void **state)
{
	struct policy_options options = usual_options("discrete");
	struct policy *p = NULL;
	char text[1026];

	(void)state;
	assert_int_equal(policy_create(&p, &options, &e), 0);
	refuse(p, &scene.observation, "instruction");
	assert_int_equal(policy_set_instruction(p, scene.instruction, &e), 0);
	assert_int_equal(policy_infer(p, &scene.observation, &again, NULL, &e), 0);
	memset(text, 'x', 1025);
	text[1025] = '\0';
	assert_int_equal(policy_set_instruction(p, text, &e), -EINVAL);
	assert_int_equal(policy_set_instruction(p, "", &e), -EINVAL);
	assert_int_equal(policy_set_instruction(p, "lift \xff", &e), -EINVAL);
	assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
	assert_memory_equal(again.action, result.action, VALUES * sizeof *result.action);
	policy_destroy(p);
}

static void refuse_options(struct policy_options options, int code, const char *word)
{
	struct policy *p = NULL;

	assert_int_equal(policy_create(&p, &options, &e), code);
	assert_null(p);
	if (!strstr(e.text, word))
		fail_msg("'%s' does not say '%s'", e.text, word);
}

static void wrong_options_are_refused(void **state)
{
	struct policy_options o = usual_options("autoregressive");

	(void)state;
	refuse_options(o, -EINVAL, "there are: discrete, discrete_diffusion, l1_regression, flow_matching, diffusion");
	o = usual_options("discrete");
	o.backend = "abacus";
	refuse_options(o, -EINVAL, "there are: cpu");
	o = usual_options("discrete");
	o.steps = 2;
	refuse_options(o, -EINVAL, "exactly 1");
	o.steps = 0;
	refuse_options(o, -EINVAL, "steps");
	o = usual_options("discrete");
	o.top_k = 5;
	refuse_options(o, -EINVAL, "decoder discrete: top_k 5");
	o.top_k = 0;
	o.algorithm = POLICY_ENTROPY;
	refuse_options(o, -EINVAL, "algorithm entropy, but");
	refuse_options(o, -EINVAL, "--algorithm");
	o = usual_options("discrete");
	o.action_chunk = 0;
	refuse_options(o, -EINVAL, "chunk");
	o.action_chunk = POLICY_CHUNK_MAX + 1;
	refuse_options(o, -EINVAL, "chunk of 65 steps, want 1 to 64");
	o = usual_options("discrete");
	o.n_pictures = POLICY_PICTURES_MAX + 1;
	refuse_options(o, -EINVAL, "pictures");
	o = usual_options("discrete");
	o.max_picture_width = 100000;
	refuse_options(o, -EINVAL, "100000");
	o = usual_options("discrete");
	o.unnorm_key = "no_such_key";
	refuse_options(o, -ENOENT, "libero_spatial_no_noops");
	o = usual_options("discrete");
	o.model = "tests/golden/checkpoints/nothing";
	refuse_options(o, -ENOENT, "nothing");
	o = usual_options("discrete");
	o.heads = "tests/golden/checkpoints/nothing";
	refuse_options(o, -ENOTDIR, "nothing");
}

/* -- what inferring costs ------------------------------------------------------------------------------------------------------- */

static void nothing_of_ours_allocates_after_create(void **state)
{
	(void)state;
#ifdef COUNTS_ALLOCATIONS
	static const char *const decoder[] = { "discrete", "discrete_diffusion", "l1_regression", "flow_matching", "diffusion" };
	char text[1025];

	memset(text, '\xc3', 1024); /* 512 times e with an accent: the most tokens that an instruction can become */
	for (uint32_t i = 1; i < 1024; i += 2)
		text[i] = '\xa9';
	text[1024] = '\0';
	for (uint32_t i = 0; i < sizeof decoder / sizeof *decoder; i++) {
		struct policy_options options = usual_options(decoder[i]);

		options.picture[0] = options.picture[1] = (struct policy_picture_steps){ .rotate_180 = true, .jpeg_round_trip = true,
			.resize_height = 168, .resize_width = 224, .center_crop = 0.9 };
		uint32_t before = atomic_load(&own_allocations);
		struct policy *p = make(&options);
		uint32_t own = atomic_load(&own_allocations), all = atomic_load(&all_allocations);

		assert_true(own > before); /* create does allocate, and is seen to */
		for (uint32_t k = 0; k < 3; k++) {
			assert_int_equal(policy_set_instruction(p, k == 1 ? text : scene.instruction, &e), 0);
			assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
		}
		assert_int_equal(atomic_load(&own_allocations), own);
		assert_true(atomic_load(&all_allocations) > all); /* libjpeg-turbo and oneDNN */
		policy_destroy(p);
	}
#else
	skip(); /* the sanitizer interposes the allocator itself */
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(discrete_gives_the_golden_actions),
		cmocka_unit_test(discrete_diffusion_gives_the_golden_actions),
		cmocka_unit_test(the_same_twice),
		cmocka_unit_test(the_first_inference_tells_its_progress),
		cmocka_unit_test(lazy_weights_are_not_read_ahead_of_an_inference),
		cmocka_unit_test(info_describes_the_checkpoint),
		cmocka_unit_test(a_token_that_is_no_action_means_lost),
		cmocka_unit_test(the_action_vocabulary_is_never_lost),
		cmocka_unit_test(wrong_committed_tokens_are_refused),
		cmocka_unit_test(wrong_observations_are_refused_and_leave_no_trace),
		cmocka_unit_test(wrong_instructions_leave_the_previous_one),
		cmocka_unit_test(wrong_options_are_refused),
		cmocka_unit_test(nothing_of_ours_allocates_after_create),
	};

	return cmocka_run_group_tests(tests, open_scene, close_scene);
}
