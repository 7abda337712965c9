/* test_cuda_lengths.c - a policy on the cuda backend over a device that only counts (card.h): whatever the instruction, its inference finds all
 * that it needs. What is computed is tests/cuda_host's matter. */
#define CUDA_HOST 1
#define HAVE_CUDA_HOST 1 /* in the list of backends, beside cpu alone: backend cuda has the same names */
#undef HAVE_CUDA
#include "policy/compute/compute.c"
#include "policy/compute/cuda/cuda.c"
#include "policy/compute/cuda/joined.c"
#include "policy/compute/cuda/operations.c"
#include "policy/compute/cuda/pieces.c"
#include "policy/compute/cuda/weights.c"

#include "tests/unit/policy/card.h"
#include "tests/unit/policy/scene.h"

enum { TEXT_BYTES = 1025, LENGTH_STEP = 9 };

static const char *const decoders[] = { "discrete", "discrete_diffusion", "l1_regression", "flow_matching", "diffusion" };
static const double noise[VALUES];

static struct policy_options card_options(const char *decoder)
{
	struct policy_options o = usual_options(decoder);

	o.backend = "cuda-host"; /* that of card.h */
	o.precision = POLICY_BF16;
	return o;
}

/* Of so many bytes, most of which are a token of their own. */
static const char *instruction_of(uint32_t n_bytes)
{
	static const char letters[] = "qzjxkvwQZJXKVW0918273645";
	static char text[TEXT_BYTES];

	for (uint32_t i = 0; i < n_bytes; i++)
		text[i] = letters[(i * 7 + i / 5) % (sizeof letters - 1)];
	text[n_bytes] = '\0';
	return text;
}

static struct policy_observation observation_for(const struct policy *p)
{
	struct policy_observation o = scene.observation;

	o.noise = policy_info(p)->from_noise ? noise : NULL;
	return o;
}

static void infer(struct policy *p, const char *text)
{
	struct policy_observation o = observation_for(p);

	if (policy_set_instruction(p, text, &e) < 0 || policy_infer(p, &o, &result, NULL, &e) < 0)
		fail_msg("%s", e.text);
}

static void check_lengths(const char *decoder)
{
	struct policy_options options = card_options(decoder);
	struct policy *p = make(&options);
	struct policy_observation o = observation_for(p);
	uint32_t n = 0, forwards = options.steps;

	if (policy_warm_up(p, &o, true, &result, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(device.guesses, 0); /* for the last length as for the first */
	assert_false(device.measures);
	uint32_t takes = device.takes, plans = device.plans, captures = device.captures, replays = device.replays, largest = 0;

	for (uint32_t bytes = 1; bytes < TEXT_BYTES; bytes += LENGTH_STEP, n++)
		infer(p, instruction_of(bytes));
	infer(p, instruction_of(TEXT_BYTES - 1));
	for (uint32_t i = 0; i < device.plans; i++)
		largest = device.shape[i].m > largest ? device.shape[i].m : largest;
	assert_int_equal(device.takes, takes);
	assert_int_equal(device.plans, plans);
	assert_int_equal(device.captures, captures);
	assert_true(captures > TEXT_BYTES / 32 && largest > TEXT_BYTES + VALUES);
	/* The pictures, and the decoder's forwards, of which a policy that is lost leaves the later ones out. */
	assert_true(device.replays >= replays + 2 * (n + 1) && device.replays <= replays + (1 + forwards) * (n + 1));
	policy_destroy(p);
	assert_int_equal(device.n_taken, 0);
}

static void nothing_is_made_after_the_warm_up_whatever_the_instruction(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++)
		check_lengths(decoders[i]);
}

/* Every weight was announced: one that was not would take memory when an operation meets it. */
static void the_first_inference_takes_no_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
		struct policy_options options = card_options(decoders[i]);
		struct policy *p = make(&options);
		uint32_t before = device.takes;

		infer(p, scene.instruction);
		assert_int_equal(device.takes, before);
		assert_int_equal(device.captures, 0);
		policy_destroy(p);
	}
}

static void ignore(void *context, const char *name, char type, const void *data, const uint64_t *shape, uint32_t rank)
{
	(void)context, (void)name, (void)type, (void)data, (void)shape, (void)rank;
}

/* One instruction's warm-up makes what that one needs, and a tracer sees operations, not a graph. */
static void a_tracer_is_shown_every_operation(void **state)
{
	struct policy_options options = card_options("discrete");
	struct policy *p = make(&options);
	struct policy_observation o = observation_for(p);

	(void)state;
	assert_int_equal(policy_warm_up(p, &o, false, &result, &e), 0);
	assert_int_equal(device.captures, 2);
	uint32_t replays = device.replays, kernels = device.kernels;

	infer(p, scene.instruction);
	assert_int_equal(device.replays, replays + 2);
	uint32_t beside = device.kernels - kernels;

	kernels = device.kernels;
	o = observation_for(p);
	assert_int_equal(policy_infer(p, &o, &result, &(struct policy_tracer){ ignore, NULL }, &e), 0);
	assert_int_equal(device.replays, replays + 2);
	assert_true(device.kernels - kernels > 2 * beside);
	policy_destroy(p);
}

/* Each call of the device fails once within a warm-up: it says so, and gives all back. */
static void a_failure_at_warm_up_is_an_error(void **state)
{
	struct policy_options options = card_options("discrete");
	struct policy *p = make(&options);
	struct policy_observation o = observation_for(p);
	uint32_t first = device.calls;

	(void)state;
	assert_int_equal(policy_warm_up(p, &o, false, &result, &e), 0);
	uint32_t last = device.calls;

	policy_destroy(p);
	for (uint32_t at = first + 1; at <= last; at++) {
		device.fail_at = at;
		device.fail_code = BROKEN;
		p = make(&options);
		o = observation_for(p);
		assert_int_equal(policy_warm_up(p, &o, false, &result, &e), -EIO);
		assert_false(device.capturing);
		policy_destroy(p);
		assert_int_equal(device.n_taken, 0);
	}
	device.fail_at = 0;
}

/* Calls of the device that the second of two instructions takes, of another length and with other pictures' places; fails_first: its
 * first try fails at its first call. */
static uint32_t calls_of_second(bool fails_first)
{
	struct policy_options options = card_options("discrete");
	struct policy *p = make(&options);
	struct policy_observation o = observation_for(p);

	assert_int_equal(policy_warm_up(p, &o, true, &result, &e), 0);
	infer(p, instruction_of(7));
	if (fails_first) {
		assert_int_equal(policy_set_instruction(p, instruction_of(10), &e), 0);
		device.fail_at = device.calls + 1;
		device.fail_code = BROKEN;
		assert_int_equal(policy_infer(p, &o, &result, NULL, &e), -EIO);
		device.fail_at = 0;
	}
	uint32_t before = device.calls;

	infer(p, instruction_of(10));
	before = device.calls - before;
	policy_destroy(p);
	return before;
}

/* What is sent once for a length may not have arrived in an inference that failed: it is sent again. */
static void a_failed_inference_leaves_nothing_believed_to_be_there(void **state)
{
	(void)state;
	uint32_t sound = calls_of_second(false);

	assert_true(calls_of_second(true) >= sound);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_made_after_the_warm_up_whatever_the_instruction),
		cmocka_unit_test(the_first_inference_takes_no_memory),
		cmocka_unit_test(a_tracer_is_shown_every_operation),
		cmocka_unit_test(a_failure_at_warm_up_is_an_error),
		cmocka_unit_test(a_failed_inference_leaves_nothing_believed_to_be_there),
	};

	return cmocka_run_group_tests(tests, open_scene, close_scene);
}
