/* test_trial.c - the bench on virtual time with the expert as the policy: a test of the world, of control, safety and the arm together. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trial/score.h"
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

static void test_the_expert_succeeds(void **state)
{
	struct trial *t = open_trial(&(struct trial_options){ .config = &config, .expert = true });

	(void)state;
	for (uint64_t seed = 1000; seed < 1006; seed++) { /* of 500 seeds: tests/system/test_expert.sh */
		struct trial_result r = run(t, seed);

		if (r.verdict != TASK_DONE)
			fail_msg("seed %llu: %s, reason %u, %.2f s", (unsigned long long)seed, task_verdict_name(r.verdict), r.reason, r.took_s);
		assert_true(r.took_s > 2 && r.took_s < 8 && r.chunks > 4 && r.jerk_m_s3 > 0.1);
	}
	trial_destroy(t);
}

/* Clumsy, slow, and with eyes that lose frames; the same seed is the same episode to the last bit, whatever came before it. */
static void test_the_same_seed_is_the_same_episode(void **state)
{
	struct trial_options o = { .config = &config, .expert = true, .clumsiness = 0.3, .latency_ns = 300000000, .drop = 0.1,
		.camera_late_ns = 80000000 };
	struct trial *a = open_trial(&o), *b = open_trial(&o);
	struct trial_result first = run(a, 5), again;

	(void)state;
	run(b, 6);
	again = run(b, 5);
	assert_true(first.verdict == again.verdict && first.took_s == again.took_s && first.jerk_m_s3 == again.jerk_m_s3);
	assert_memory_equal(trial_world(a)->q_rad, trial_world(b)->q_rad, sizeof trial_world(a)->q_rad);
	trial_destroy(a);
	trial_destroy(b);
}

/* Without frames nothing moves for long, and the verdict is not a success. */
static void test_no_frames_no_motion(void **state)
{
	struct trial *t = open_trial(&(struct trial_options){ .config = &config, .expert = true, .camera_late_ns = 500000000 });
	struct errbuf e;

	(void)state;
	assert_int_equal(trial_begin(t, 1, &e), -EIO); /* older than cameras.*.max_age_ms */
	assert_non_null(strstr(e.text, "CAMERA"));
	assert_true(trial_result(t).reason != 0 && trial_result(t).verdict == TASK_RUNS);
	trial_destroy(t);
}

static void test_another_speed_of_thought_takes_longer(void **state)
{
	struct trial_options o = { .config = &config, .expert = true, .latency_ns = 400000000 };
	static struct config sync;
	struct trial *t;

	(void)state;
	sync = config;
	sync.execution_method = 0;
	o.config = &sync;
	t = open_trial(&o);
	struct trial_result slow = run(t, 1000);

	trial_destroy(t);
	o.latency_ns = 0;
	t = open_trial(&o);
	struct trial_result fast = run(t, 1000);

	trial_destroy(t);
	assert_true(slow.verdict == TASK_DONE && fast.verdict == TASK_DONE);
	assert_true(slow.took_s > fast.took_s + 1);
}

/* The person drives for two seconds, and the arm is where it was pushed to; the policy does the task all the same. */
static void test_a_person_takes_over(void **state)
{
	struct trial *t = open_trial(&(struct trial_options){ .config = &config, .expert = true, .take_over = true });
	struct trial *alone = open_trial(&(struct trial_options){ .config = &config, .expert = true });
	struct errbuf e;

	(void)state;
	assert_true(trial_begin(t, 1000, &e) == 0 && trial_begin(alone, 1000, &e) == 0);
	for (int ms = 0; ms < 4000; ms++) {
		if (ms == 1990)
			assert_memory_equal(trial_world(t)->q_rad, trial_world(alone)->q_rad, sizeof trial_world(t)->q_rad);
		assert_true(trial_step(t));
		(void)trial_step(alone);
	}
	struct frame pushed = world_hand(trial_world(t)), other = world_hand(trial_world(alone));

	assert_true(fabs(pushed.p.y - other.p.y) > 0.03);
	while (trial_step(t))
		;
	struct trial_result r = trial_result(t);

	assert_int_equal(r.verdict, TASK_DONE);
	assert_true(r.taken_over_s > 2 && r.taken_over_s < 4 && r.took_s > r.taken_over_s + 2);
	trial_destroy(t);
	trial_destroy(alone);
}

/* The drawn latencies are those of the seed, and longer than without. */
static void test_jitter(void **state)
{
	static struct config sync;
	struct trial_options o = { .config = &sync, .expert = true, .latency_ns = 100000000, .jitter_ns = 400000000 };

	(void)state;
	sync = config;
	sync.execution_method = 0;
	struct trial *t = open_trial(&o);
	struct trial_result first = run(t, 1000), again = run(t, 1000);

	trial_destroy(t);
	o.jitter_ns = 0;
	t = open_trial(&o);
	struct trial_result even = run(t, 1000);

	trial_destroy(t);
	assert_true(first.verdict == TASK_DONE && first.took_s == again.took_s && first.took_s > even.took_s);
}

static void refused(const struct config *c, bool expert, const char *word)
{
	struct trial *t = NULL;
	struct errbuf e;

	assert_int_equal(trial_create(&t, &(struct trial_options){ .config = c, .expert = expert }, &e), -EINVAL);
	if (!strstr(e.text, word))
		fail_msg("found \"%s\", want a word of %s", e.text, word);
}

static void test_what_does_not_fit(void **state)
{
	static struct config c;

	(void)state;
	c = config;
	strcpy(c.policy_cameras.name[0], "wrong");
	strcpy(c.camera[0].name, "wrong");
	refused(&c, true, "overhead or wrist");
	c = config;
	c.execution_method = 3;
	refused(&c, true, "inpaint");
	c = config;
	c.policy_rotation = 1;
	refused(&c, true, "policy.rotation");
	c = config;
	c.camera[1].resize_width = 224;
	refused(&c, true, "resize_width");
	c = config;
	c.policy_gripper_kind = 0;
	refused(&c, true, "gripper");
	c = config;
	c.robot[0].output = 1;
	refused(&c, true, "output");
}

/* Against the values of R. G. Newcombe 1998, table I, method 3 (Wilson), and the ends. */
static void test_interval(void **state)
{
	double low, high;

	(void)state;
	score_interval(81, 263, &low, &high);
	assert_true(fabs(low - 0.2553) < 5e-5 && fabs(high - 0.3662) < 5e-5);
	score_interval(15, 148, &low, &high);
	assert_true(fabs(low - 0.0624) < 5e-5 && fabs(high - 0.1605) < 5e-5);
	score_interval(0, 20, &low, &high);
	assert_true(low == 0 && fabs(high - 0.1611) < 5e-5);
	score_interval(29, 29, &low, &high);
	assert_true(fabs(low - 0.8830) < 5e-5 && high == 1);
	score_interval(0, 0, &low, &high);
	assert_true(low == 0 && high == 1);
}

static void test_score(void **state)
{
	double room[3], low, high;
	struct score s = { .took_s = room };

	(void)state;
	score_add(&s, &(struct trial_result){ .verdict = TASK_DONE, .took_s = 5, .jerk_m_s3 = 3, .chunks = 2 });
	score_add(&s, &(struct trial_result){ .verdict = TASK_WRONG_BLOCK, .took_s = 1, .jerk_m_s3 = 4 });
	score_add(&s, &(struct trial_result){ .verdict = TASK_DONE, .took_s = 4 });
	assert_true(s.n == 3 && s.done == 2 && s.wrong_block == 1 && s.too_late == 0 && s.stopped == 0 && s.chunks == 2);
	assert_true(score_median_s(&s) == 4.5 && fabs(score_jerk_m_s3(&s) - sqrt(9.0 / 2)) < 1e-12);
	score_interval(s.done, s.n, &low, &high);
	assert_true(low > 0.2 && high < 0.95);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_expert_succeeds),
		cmocka_unit_test(test_the_same_seed_is_the_same_episode),
		cmocka_unit_test(test_no_frames_no_motion),
		cmocka_unit_test(test_another_speed_of_thought_takes_longer),
		cmocka_unit_test(test_a_person_takes_over),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_score),
	};
	struct errbuf e;

	config_defaults(&config);
	if (config_read(&config, "config/demo-pick.yaml", &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
