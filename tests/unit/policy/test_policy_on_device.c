/* test_policy_on_device.c - a policy on backend cuda-host: what was captured at warm-up, run again, against a policy that captures nothing. */
#include "tests/unit/policy/scene.h"

#include "tests/cuda_host/cuda_host.h"

static struct policy_result again;
static struct policy_picture shown[CAMERAS];

static struct policy_options device_options(const char *decoder)
{
	struct policy_options o = usual_options(decoder);

	o.backend = "cuda-host";
	o.precision = POLICY_BF16;
	o.steps = strcmp(decoder, "diffusion") ? 1 : 2;
	return o;
}

enum { TEXT_BYTES = 129 };

/* An instruction of so many bytes, of words that the vocabulary has and of others. */
static const char *instruction_of(uint32_t n_bytes)
{
	static const char words[] = "pick up the black bowl, qxz jjk; ";
	static char text[TEXT_BYTES];

	for (uint32_t i = 0; i < n_bytes; i++)
		text[i] = words[i % (sizeof words - 1)];
	text[n_bytes] = '\0';
	return text;
}

/* Pictures that change from call to call, and with them all that lies in device memory. */
static void look_elsewhere(uint32_t seed)
{
	static uint8_t rgb[CAMERAS][SIDE * SIDE * 3];

	for (uint32_t i = 0; i < CAMERAS; i++) {
		for (uint32_t k = 0; k < sizeof rgb[i]; k++)
			rgb[i][k] = (uint8_t)(((const uint8_t *)scene.picture[i].rgb)[k] + (seed ? k / (seed + i) : 0));
		shown[i] = (struct policy_picture){ SIDE, SIDE, rgb[i] };
	}
}

static void infer(struct policy *p, const char *text, struct policy_result *out)
{
	static const double noise[VALUES] = { 0.5, -0.25, 1.0 };
	struct policy_observation o = scene.observation;

	o.picture = shown;
	o.noise = policy_info(p)->from_noise ? noise : NULL;
	if (policy_set_instruction(p, text, &e) < 0 || policy_infer(p, &o, out, NULL, &e) < 0)
		fail_msg("%s", e.text);
}

static void warm_up(struct policy *p, const char *text)
{
	static const double noise[VALUES];
	struct policy_observation o = scene.observation;

	o.noise = policy_info(p)->from_noise ? noise : NULL;
	if (policy_set_instruction(p, text, &e) < 0 || policy_warm_up(p, &o, false, &result, &e) < 0)
		fail_msg("%s", e.text);
}

static void expect_same_actions(const struct policy_info *info)
{
	assert_memory_equal(result.action, again.action, VALUES * sizeof *result.action);
	if (info->chooses_tokens)
		assert_memory_equal(result.token, again.token, VALUES * sizeof *result.token);
}

/* Against a policy that captures nothing and has seen nothing before, to the last bit: another picture each time, other noise than at warm-up; the length that was
 * warmed up, another one with as many rows, and one that was never captured. */
static void check_decoder(const char *decoder, uint32_t n_calls)
{
	static const struct { uint32_t bytes, replays; } call[] = { { 7, 2 }, { 10, 2 }, { 100, 1 } };
	struct policy_options options = device_options(decoder);
	struct policy *warm = make(&options);

	warm_up(warm, instruction_of(call[0].bytes));
	assert_true(n_calls <= sizeof call / sizeof *call);
	for (uint32_t k = 0; k < n_calls; k++) {
		struct policy *fresh = make(&options);

		look_elsewhere(k + 1);
		infer(fresh, instruction_of(call[k].bytes), &again);
		uint32_t replays = cuda_host_counts()->replays;

		infer(warm, instruction_of(call[k].bytes), &result);
		assert_int_equal(cuda_host_counts()->replays, replays + call[k].replays);
		expect_same_actions(policy_info(fresh));
		policy_destroy(fresh);
	}
	policy_destroy(warm);
}

static void what_was_captured_does_what_it_stands_for(void **state)
{
	(void)state;
	check_decoder("discrete", 3);
	check_decoder("flow_matching", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_captured_does_what_it_stands_for),
	};

	return cmocka_run_group_tests(tests, open_scene, close_scene);
}
