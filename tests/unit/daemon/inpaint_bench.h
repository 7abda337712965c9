/* inpaint_bench.h - a policy of numbers beside control_bench.h, and its side of the hand-over: how test_control_inpaint.c makes one. */
#ifndef DREAMVLA_TESTS_UNIT_DAEMON_INPAINT_BENCH_H
#define DREAMVLA_TESTS_UNIT_DAEMON_INPAINT_BENCH_H

#include "daemon/pacing.h"
#include "daemon/policy_commit.h"
#include "policy/quantise.h"

#include "tests/unit/daemon/control_bench.h"

#define CHECKPOINT "tests/golden/checkpoints/two_cameras"

enum { DIM = 7, SEEN_MS = 20, EPOCHS = 4096 };

/* The policy and its side of the hand-over. */
struct mind {
	struct bench *b;
	struct policy *policy;
	struct policy_commit *commit, *stranger; /* stranger: remembers none of the chunks */
	struct pacing pacing;
	struct policy_result result;
	struct statistics statistics;
	struct action_tokens ids;
	bool busy, steady;           /* steady: never changes its mind */
	struct observation o;
	uint32_t epoch, n_committed;
	int64_t answer_ns;
	int64_t latency_low_ms, latency_high_ms;
	double stride;               /* of the random wish per action, as a share of its dimension's range */
	bool gripper_high;
	/* judged */
	uint32_t epoch_of[EPOCHS];   /* by chunk id */
	uint64_t chunk_seen;
	uint32_t splices, committed, longest, given, rounded;
	double led_m;               /* the longest way of settled actions */
	double offset_sum, offset_most; /* m or rad, of the fade at a splice */
};

static uint64_t seed = 20261122;

/* -1..1 (xorshift64*, Vigna 2016). */
static double random_sign(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (double)(int64_t)(seed * 0x2545f4914f6cdd1dULL) / 9.223372036854775808e18;
}

static struct policy *shared; /* only its tokens and statistics are asked for */

static int make_policy(void **state)
{
	struct policy_options o = { .model = CHECKPOINT, .heads = CHECKPOINT "/heads/discrete_diffusion", .decoder = "discrete_diffusion",
		.backend = "cpu", .steps = 1, .action_chunk = CHUNK, .unnorm_key = "libero_spatial_no_noops", .n_pictures = 2, .lazy_weights = true };
	struct errbuf e = { "" };

	(void)state;
	if (policy_create(&shared, &o, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(policy_info(shared)->action_dim, DIM);
	return 0;
}

static int destroy_policy(void **state)
{
	(void)state;
	policy_destroy(shared);
	return 0;
}

/* Absolute actions are to lie inside the statistics' range, in which 0.2 and -0.2 are for every dimension. */
static void scale_absolute(struct control_setup *s)
{
	struct arm_setup *a = &s->arm[0];
	double at[DIM] = { 0 };
	struct pose tcp;

	kinematics_forward(&a->model, &a->tcp, a->home_rad, &tcp);
	memcpy(at, s->action_space == ACTION_JOINT_ABSOLUTE ? a->home_rad : tcp.p_m, 3 * sizeof *at);
	if (s->action_space == ACTION_JOINT_ABSOLUTE)
		memcpy(at, a->home_rad, sizeof at);
	else
		quat_to_rotvec(tcp.q_xyzw, at + 3);
	for (int k = 0; k < DIM; k++)
		s->action_scale[k] = fabs(at[k]) > 0.1 ? at[k] / 0.2 : 1.0;
	if (s->action_space == ACTION_EE_ABSOLUTE)
		s->action_scale[6] = 1.0;
}

/* How the checkpoint reads its ids, found without policy_quantise's help but for the highest of them. */
static void learn_ids(struct mind *m)
{
	double low[DIM], meant[DIM];
	int32_t token[DIM];
	struct errbuf e;

	for (int k = 0; k < DIM; k++)
		low[k] = -1e6;
	assert_int_equal(policy_quantise(m->policy, low, NULL, token, meant, &e), 0);
	m->ids = (struct action_tokens){ (uint32_t)token[0] + 1, 256 };
	assert_int_equal(statistics_read(&m->statistics, CHECKPOINT, "libero_spatial_no_noops", STATISTICS_AUTO, &e), 0);
}

static struct mind *mind_new(enum action_space space, enum delta_reference reference)
{
	struct mind *m = calloc(1, sizeof *m);
	struct bench *b = bench_new();
	struct control_setup *s = &b->setup;

	assert_non_null(m);
	m->b = b;
	s->method = EXECUTE_INPAINT;
	s->action_space = space;
	s->delta_reference = reference;
	s->execution_steps = CHUNK / 2;
	bool joints = action_is_joints(s);

	s->arm[0].has_gripper = !joints;
	for (int k = 0; k < DIM; k++)
		s->action_scale[k] = k == 6 && !joints ? 1.0 : reference == DELTA_OSC ? 0.05 : k < 3 || joints ? 0.02 : 0.03;
	if (space == ACTION_EE_ABSOLUTE || space == ACTION_JOINT_ABSOLUTE)
		scale_absolute(s);
	m->stride = space == ACTION_EE_ABSOLUTE || space == ACTION_JOINT_ABSOLUTE ? 0.01 : 0.6;
	m->latency_low_ms = 100;
	m->latency_high_ms = 260;
	m->policy = shared;
	learn_ids(m);
	b->policy_runs = false; /* not the bench's */
	return m;
}

static void mind_start(struct mind *m)
{
	struct errbuf e;

	bench_start(m->b);
	pacing_init(&m->pacing, &m->b->setup);
	assert_int_equal(policy_commit_create(&m->commit, &m->b->setup, m->policy, &e), 0);
	assert_int_equal(policy_commit_create(&m->stranger, &m->b->setup, m->policy, &e), 0);
}

static void mind_free(struct mind *m)
{
	policy_commit_destroy(m->commit);
	policy_commit_destroy(m->stranger);
	free(m->b);
	free(m);
}

#endif
