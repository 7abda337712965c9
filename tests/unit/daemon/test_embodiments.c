/* test_embodiments.c - from a configuration file to the state vector and the motion: messages.md section 7 end to end, one folder
 * of embodiments/ per embodiment. The expected numbers were computed without our code; embodiments/make_expected.py says how. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/setup.h"
#include "daemon/stage/chunk_buffer.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/waypoints.h"
#include "policy/statistics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ARMS = 2, STEPS = 8, DIM = 16 };

struct embodiment {
	const char *folder;
	uint32_t n_arms, n_steps, action_dim, state_dim;
	bool joints;
	/* in */
	double q_rad[ARMS][DOF_MAX], gripper_m[ARMS], normalised[STEPS][DIM];
	/* out; way: joint angles, or position and quaternion, from the start on */
	double state[DIM], state_normalised[DIM], action[STEPS][DIM], way[ARMS][STEPS + 1][DOF_MAX], opening_m[ARMS][STEPS];
};

#include "tests/unit/daemon/embodiments_expected.h"

enum { N_EMBODIMENTS = sizeof embodiments / sizeof embodiments[0] };

/* Everything that daemon and policy make of one bench.yaml, as they make it. */
struct bench {
	struct config config;
	struct control_setup setup;
	struct statistics statistics;
	struct proprio_setup proprio;
	struct arm_state state[ARMS_MAX];
};

static struct policy_info info_of(const struct statistics *s, const struct config *c)
{
	return (struct policy_info){ .action_chunk = (uint32_t)c->policy_action_chunk, .action_dim = s->action.dim,
		.state_dim = s->proprio.dim, .needs_state = true, .state_low = s->proprio.low, .state_high = s->proprio.high,
		.state_mean = s->proprio.has_mean ? s->proprio.mean : NULL, .unnorm_key = s->key };
}

static void must(int rc, const struct errbuf *e)
{
	if (rc != 0)
		fail_msg("%s", e->text);
}

static void bench_read(struct bench *b, const struct embodiment *m)
{
	struct errbuf e = { "" };
	struct policy_setup p;
	char path[256];

	snprintf(path, sizeof path, "tests/unit/daemon/embodiments/%s/bench.yaml", m->folder);
	must(config_read(&b->config, path, &e), &e);
	must(setup_control(&b->setup, &b->config, &e), &e);
	setup_policy(&p, &b->config);
	must(statistics_read(&b->statistics, p.options.model, p.options.unnorm_key, (enum statistics_kind)p.options.normalisation, &e), &e);
	struct policy_info info = info_of(&b->statistics, &b->config);

	must(setup_check_policy(&b->setup, &b->config, &info, &e), &e);
	must(setup_proprio(&b->proprio, &b->setup, &b->config, &info, &e), &e);
	assert_int_equal(b->setup.n_arms, m->n_arms);
	assert_int_equal(b->setup.action_dim, m->action_dim);
	assert_int_equal(b->proprio.total, m->state_dim);
	for (uint32_t a = 0; a < m->n_arms; a++) {
		b->state[a] = (struct arm_state){ .present = true, .has_q = true, .has_gripper = true, .gripper_m = m->gripper_m[a] };
		memcpy(b->state[a].q_rad, m->q_rad[a], sizeof m->q_rad[a]);
		kinematics_forward(&b->setup.arm[a].model, &b->setup.arm[a].tcp, m->q_rad[a], &b->state[a].ee);
	}
}

static void expect(const struct embodiment *m, const char *what, uint32_t at, double found, double wanted, double tolerance)
{
	if (!(fabs(found - wanted) <= tolerance))
		fail_msg("%s: %s[%u] is %.9g, want %.9g", m->folder, what, at, found, wanted);
}

static void the_state_vector_is_as_in_training(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < N_EMBODIMENTS; i++) {
		const struct embodiment *m = &embodiments[i];
		struct errbuf e = { "" };
		double state[STATE_DIM_MAX], normalised[STATE_DIM_MAX];
		struct bench b = { 0 };
		uint32_t at = 0;

		bench_read(&b, m);
		for (uint32_t a = 0; a < m->n_arms; a++)
			at += proprio_build(b.proprio.item, b.proprio.n_items, &b.setup.arm[a], &b.state[a], NULL, b.proprio.near + at, state + at,
					STATE_DIM_MAX - at);
		assert_int_equal(at, m->state_dim);
		must(statistics_normalise_state(&b.statistics.proprio, state, normalised, &e), &e);
		for (uint32_t k = 0; k < m->state_dim; k++) {
			expect(m, "state", k, state[k], m->state[k], 1e-7); /* robosuite's numbers are given to eight digits */
			expect(m, "normalised state", k, normalised[k], m->state_normalised[k], 1e-6);
		}
	}
}

static void take_chunk(const struct bench *b, const struct embodiment *m, struct action_chunk *c)
{
	*c = (struct action_chunk){ .id = 1, .n_steps = m->n_steps, .action_dim = m->action_dim };
	for (uint32_t i = 0; i < m->n_steps; i++) {
		statistics_unnormalise_action(&b->statistics.action, m->normalised[i], 1, c->action[i]);
		for (uint32_t k = 0; k < m->action_dim; k++)
			expect(m, "action", i * m->action_dim + k, c->action[i][k], m->action[i][k], 1e-9);
	}
}

static void expect_joints(const struct bench *b, const struct embodiment *m, uint32_t arm, const struct spline *s)
{
	assert_int_equal(s->dim, b->setup.arm[arm].model.dof);
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t k = 0; k < s->dim; k++)
			expect(m, "joint", i * s->dim + k, s->x[i][k], m->way[arm][i][k], 1e-9);
}

/* osc is exact along and about one axis; about several at once it leaves out how they turn each other. */
static void expect_poses(const struct bench *b, const struct embodiment *m, uint32_t arm, const struct spline *s, const double first[4])
{
	double tolerance_rad = b->setup.delta_reference == DELTA_OSC ? 3e-4 : 1e-8;

	for (uint32_t i = 0; i < s->n; i++) {
		double turn[4], now[4], back[4], apart[3];

		for (uint32_t k = 0; k < 3; k++)
			expect(m, "position", 3 * i + k, s->x[i][k], m->way[arm][i][k], 1e-8);
		quat_from_rotvec(s->x[i] + 3, turn);
		quat_multiply(turn, first, now);
		quat_conjugate(m->way[arm][i] + 3, back);
		quat_multiply(now, back, turn);
		quat_to_rotvec(turn, apart);
		expect(m, "turn off", i, vec3_norm(apart), 0.0, tolerance_rad);
	}
}

static void expect_openings(const struct bench *b, const struct embodiment *m, uint32_t arm, const struct action_chunk *c)
{
	const struct arm_setup *a = &b->setup.arm[arm];
	struct gripper g = { 0 };

	assert_true(a->has_gripper);
	for (uint32_t i = 0; i < m->n_steps; i++) {
		double found, value = c->action[i][a->action_first + a->action_count - 1];

		assert_true(gripper_step(&g, &b->setup.gripper, value, a->gripper_max_m, i * b->setup.action_dt_ns, &found));
		expect(m, "opening", i, found, m->opening_m[arm][i], 1e-9);
	}
}

static void actions_move_as_in_training(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < N_EMBODIMENTS; i++) {
		const struct embodiment *m = &embodiments[i];
		struct action_chunk c;
		struct bench b = { 0 };

		bench_read(&b, m);
		take_chunk(&b, m, &c);
		for (uint32_t a = 0; a < m->n_arms; a++) {
			struct waypoint_start start = { 0 };
			struct spline s = { 0 };
			double first[4];

			memcpy(start.q_rad, m->q_rad[a], sizeof start.q_rad);
			waypoints_build(&b.setup, a, &c, m->n_steps, &start, &s, first);
			assert_int_equal(s.n, m->n_steps + 1);
			if (m->joints)
				expect_joints(&b, m, a, &s);
			else
				expect_poses(&b, m, a, &s, first);
			expect_openings(&b, m, a, &c);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_state_vector_is_as_in_training),
		cmocka_unit_test(actions_move_as_in_training),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
