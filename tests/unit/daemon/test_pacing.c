/* test_pacing.c - which observations are inferred: early enough, not too often, at once where it matters. */
#include "daemon/pacing.h"

#include "daemon/sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S NS_PER_S
#define MS NS_PER_MS

static const struct control_setup setup = { .method = EXECUTE_ASYNC, .execution_steps = 4, .action_dt_ns = 100 * MS };
static const struct policy_hint in_auto = { .mode = MODE_AUTO, .epoch = 3 };

static struct observation seen_at(int64_t t_ns)
{
	return (struct observation){ .t_obs_ns = t_ns, .ready_ns = t_ns, .instruction_id = 1 };
}

static void good_inference(struct pacing *p, int64_t t_obs_ns, int64_t latency_ns)
{
	struct observation o = seen_at(t_obs_ns);

	pacing_begin(p, &o, t_obs_ns);
	pacing_end(p, &o, 3, t_obs_ns + latency_ns);
}

static bool wants(const struct pacing *p, const struct policy_hint *hint, int64_t t_ns)
{
	struct observation o = seen_at(t_ns);

	return pacing_wants(p, hint, &o, t_ns);
}

static void without_instruction_never(void **state)
{
	struct observation o = { .t_obs_ns = S };
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	assert_false(pacing_wants(&p, &in_auto, &o, S));
	assert_true(wants(&p, &in_auto, S));
}

static void only_where_a_chunk_can_be_used(void **state)
{
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	for (uint32_t m = 0; m < MODE_COUNT; m++) {
		struct policy_hint hint = { .mode = (enum mode)m, .wants_chunk = m == MODE_RETURN };
		bool usable = m == MODE_READY || m == MODE_AUTO || m == MODE_SHADOW || m == MODE_HOLD || m == MODE_RETURN;

		assert_int_equal(wants(&p, &hint, S), usable);
	}
}

static void older_than_the_hand_over_is_useless(void **state)
{
	struct policy_hint hint = { .mode = MODE_AUTO, .wants_after_ns = 2 * S };
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	assert_false(wants(&p, &hint, 2 * S - 1));
	assert_true(wants(&p, &hint, 2 * S));
}

static void begins_a_latency_before_the_steps_end(void **state)
{
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	good_inference(&p, 10 * S, 150 * MS);
	assert_false(wants(&p, &in_auto, 10 * S + 249 * MS));
	assert_true(wants(&p, &in_auto, 10 * S + 250 * MS)); /* 4 x 100 ms - 150 ms */
}

static void latency_is_the_ninetieth_percentile_of_the_last(void **state)
{
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	assert_int_equal(pacing_latency_ns(&p), 0);
	for (int i = 0; i < 100; i++)
		good_inference(&p, i * S, 900 * MS); /* long ago: forgotten */
	for (int i = 1; i <= PACING_WINDOW; i++)
		good_inference(&p, (100 + i) * S, i * MS);
	assert_in_range(pacing_latency_ns(&p), 27 * MS, 29 * MS);
}

static void new_instruction_and_new_epoch_at_once(void **state)
{
	struct policy_hint later = { .mode = MODE_AUTO, .epoch = 4 };
	struct observation o = seen_at(10 * S + 10 * MS);
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	good_inference(&p, 10 * S, 5 * MS);
	assert_false(pacing_wants(&p, &in_auto, &o, o.t_obs_ns));
	assert_true(pacing_wants(&p, &later, &o, o.t_obs_ns));
	o.instruction_id = 2;
	assert_true(pacing_wants(&p, &in_auto, &o, o.t_obs_ns));
}

static void standing_twice_a_second(void **state)
{
	struct policy_hint ready = { .mode = MODE_READY };
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	good_inference(&p, 10 * S, 50 * MS);
	assert_false(wants(&p, &ready, 10 * S + 499 * MS));
	assert_true(wants(&p, &ready, 10 * S + 500 * MS));
}

static void failed_inference_is_tried_again_but_not_in_a_rush_when_standing(void **state)
{
	struct policy_hint hold = { .mode = MODE_HOLD };
	struct observation o = seen_at(10 * S);
	struct pacing p;

	(void)state;
	pacing_init(&p, &setup);
	pacing_begin(&p, &o, 10 * S);
	assert_true(wants(&p, &in_auto, 10 * S + 33 * MS));
	assert_false(wants(&p, &hold, 10 * S + 33 * MS));
	assert_true(wants(&p, &hold, 10 * S + 500 * MS));
}

static void sync_waits_for_control(void **state)
{
	struct control_setup sync = setup;
	struct policy_hint asks = { .mode = MODE_AUTO, .epoch = 3, .wants_chunk = true };
	struct pacing p;

	(void)state;
	sync.method = EXECUTE_SYNC;
	pacing_init(&p, &sync);
	good_inference(&p, 10 * S, 50 * MS);
	assert_false(wants(&p, &in_auto, 20 * S));
	assert_true(wants(&p, &asks, 20 * S));
}

static void an_ensemble_wants_every_chunk_it_can_get(void **state)
{
	struct control_setup ensemble = setup;
	struct policy_hint between = { .mode = MODE_AUTO, .epoch = 3, .wants_after_ns = 2 * S };
	struct pacing p;

	(void)state;
	ensemble.method = EXECUTE_ENSEMBLE;
	pacing_init(&p, &ensemble);
	good_inference(&p, S, 50 * MS);
	assert_true(wants(&p, &in_auto, S + 51 * MS));
	assert_false(wants(&p, &between, S + 51 * MS)); /* from before a hand-over */
	between = (struct policy_hint){ .mode = MODE_HOLD, .epoch = 3 };
	assert_false(wants(&p, &between, S + 51 * MS)); /* nobody executes it */
	pacing_init(&p, &setup);
	good_inference(&p, S, 50 * MS);
	assert_false(wants(&p, &in_auto, S + 51 * MS)); /* async waits */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_instruction_never),
		cmocka_unit_test(only_where_a_chunk_can_be_used),
		cmocka_unit_test(older_than_the_hand_over_is_useless),
		cmocka_unit_test(begins_a_latency_before_the_steps_end),
		cmocka_unit_test(latency_is_the_ninetieth_percentile_of_the_last),
		cmocka_unit_test(new_instruction_and_new_epoch_at_once),
		cmocka_unit_test(standing_twice_a_second),
		cmocka_unit_test(failed_inference_is_tried_again_but_not_in_a_rush_when_standing),
		cmocka_unit_test(sync_waits_for_control),
		cmocka_unit_test(an_ensemble_wants_every_chunk_it_can_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
