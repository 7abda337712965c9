/* test_policy_on_device.c - a policy on backend cuda-host: what it takes and makes at start, and nothing in the loop. */
#include "tests/unit/policy/scene.h"

#include "tests/cuda_host/cuda_host.h"

static const char *const decoders[] = { "discrete", "discrete_diffusion", "l1_regression", "flow_matching", "diffusion" };

static struct policy_options device_options(const char *decoder)
{
	struct policy_options o = usual_options(decoder);

	o.backend = "cuda-host";
	o.precision = POLICY_BF16;
	o.steps = strcmp(decoder, "diffusion") ? 1 : 2;
	return o;
}

/* Every weight was announced: one that was not would take memory when an operation meets it. */
static void an_inference_takes_no_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
		struct policy_options options = device_options(decoders[i]);
		struct policy *p = make(&options);
		uint32_t before = cuda_host_counts()->takes;

		assert_int_equal(policy_infer(p, &scene.observation, &result, NULL, &e), 0);
		assert_int_equal(cuda_host_counts()->takes, before);
		policy_destroy(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_inference_takes_no_memory),
	};

	return cmocka_run_group_tests(tests, open_scene, close_scene);
}
