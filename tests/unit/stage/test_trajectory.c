/* test_trajectory.c - chunks become smooth paths: no jump at a splice, what has passed is skipped, run-out and stop by the clock. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/trajectory.h"
#include "robots/model/model.h"

#define MS INT64_C(1000000)
enum { PERIOD_NS = 5000000, STEPS = 8 };

/* Trajectory and safety as control_tick couples them, one arm. */
struct rig {
	struct control_setup setup;
	struct trajectory trajectory;
	struct safety safety;
	struct past past;
	struct setpoint want[ARMS_MAX];
	struct driver_target target;
	int64_t now_ns;
	double lag_rad, effort, last_dq[DOF_MAX];
	uint32_t clamps;
};

static struct rig *rig_new(enum action_space space)
{
	struct rig *r = calloc(1, sizeof *r);
	struct arm_setup *a = &r->setup.arm[0];

	assert_non_null(r);
	r->setup = (struct control_setup){ .period_ns = PERIOD_NS, .n_arms = 1, .action_space = space, .action_dim = 7,
		.action_dt_ns = 100 * MS, .method = EXECUTE_ASYNC, .blend_ns = 200 * MS };
	for (int i = 0; i < ACTION_DIM_MAX; i++)
		r->setup.action_scale[i] = 1.0;
	a->model = *robot_model_find("panda");
	a->tcp = pose_identity;
	a->action_count = 7;
	a->limit_scale = 0.5;
	memcpy(a->home_rad, a->model.home_rad, sizeof a->home_rad);
	for (int k = 0; k < 3; k++) {
		a->box_min_m[k] = -2.0;
		a->box_max_m[k] = 2.0;
	}
	a->floor_m = -2.0;
	trajectory_init(&r->trajectory, &r->setup);
	safety_init(&r->safety, a, PERIOD_NS);
	assert_true(safety_seed(&r->safety, a->home_rad));
	r->now_ns = 1000 * MS;
	return r;
}

static void rig_run(struct rig *r, int64_t ms, double rate)
{
	for (int64_t end = r->now_ns + ms * MS; r->now_ns < end;) {
		struct past_entry e;

		r->now_ns += PERIOD_NS;
		trajectory_step(&r->trajectory, rate, r->now_ns, r->want);
		struct safety_stamp at = { .t_ns = r->now_ns };

		r->clamps += safety_step(&r->safety, &r->want[0], &at, &r->target) != 0;
		e = (struct past_entry){ .t_ns = r->now_ns, .path_s = r->trajectory.clock.q };
		for (uint32_t i = 0; i < 7; i++) {
			e.q_rad[0][i] = r->safety.joint[i].q;
			if (r->want[0].active)
				r->lag_rad = fmax(r->lag_rad, fabs(r->want[0].q_rad[i] - r->target.q_rad[i]));
			double a = fabs(r->target.dq_rad_s[i] - r->last_dq[i]) / (PERIOD_NS * 1e-9);

			r->effort = fmax(r->effort, a / (r->setup.arm[0].limit_scale * r->setup.arm[0].model.ddq_max_rad_s2[i]));
			r->last_dq[i] = r->target.dq_rad_s[i];
		}
		past_push(&r->past, &e);
	}
}

static struct action_chunk chunk_at(const struct rig *r, int64_t t_obs_ns, double x, double y)
{
	struct action_chunk c = { .id = 1, .epoch = 1, .instruction_id = 1, .t_obs_ns = t_obs_ns, .n_steps = STEPS,
		.action_dim = r->setup.action_dim };

	for (int i = 0; i < STEPS; i++) {
		c.action[i][0] = x;
		c.action[i][1] = y;
	}
	return c;
}

static void standing_arms_skip_nothing(void **state)
{
	struct rig *r = rig_new(ACTION_EE_DELTA);
	struct action_chunk c;
	double y0;

	(void)state;
	rig_run(r, 500, 1.0);
	y0 = r->safety.ee.p_m[1];
	c = chunk_at(r, r->now_ns - 400 * MS, 0.0, 0.01); /* observed long ago, but nothing has moved since */
	assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
	assert_int_equal(trajectory_current_step(&r->trajectory), 0);
	rig_run(r, 3000, 1.0);
	assert_true(fabs(r->safety.ee.p_m[1] - y0 - STEPS * 0.01) < 1e-4);
	assert_true(trajectory_ran_out(&r->trajectory) && trajectory_standing(&r->trajectory));
	assert_int_equal(r->want[0].source, TARGET_HOLD);
	assert_true(r->lag_rad < 1e-3 && r->clamps == 0);
	free(r);
}

static void moving_arms_skip_what_has_passed(void **state)
{
	struct rig *r = rig_new(ACTION_EE_DELTA);
	struct action_chunk c;
	double y_obs;

	(void)state;
	rig_run(r, 100, 1.0);
	c = chunk_at(r, r->now_ns, 0.0, 0.01);
	assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
	rig_run(r, 600, 1.0);
	y_obs = r->safety.ee.p_m[1];
	c = chunk_at(r, r->now_ns, 0.0, 0.01);
	rig_run(r, 150, 1.0);
	assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
	assert_int_equal(trajectory_current_step(&r->trajectory), 1);
	rig_run(r, 3000, 1.0);
	assert_true(fabs(r->safety.ee.p_m[1] - y_obs - STEPS * 0.01) < 1e-3); /* what was moved meanwhile counts */
	c = chunk_at(r, r->now_ns - 3100 * MS, 0.0, 0.01);
	assert_false(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false)); /* all of it has passed */
	free(r);
}

static void splices_do_not_jump(void **state)
{
	static const enum action_space spaces[] = { ACTION_EE_DELTA, ACTION_JOINT_DELTA };

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct rig *r = rig_new(spaces[k]);
		double step = spaces[k] == ACTION_EE_DELTA ? 0.006 : 0.02;

		rig_run(r, 100, 1.0);
		for (int n = 0; n < 12; n++) { /* directions change at every chunk, by a right angle */
			struct action_chunk c = chunk_at(r, r->now_ns - 100 * MS, n % 4 < 2 ? step : -step, (n + 1) % 4 < 2 ? step : -step);

			assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
			rig_run(r, 400, 1.0);
		}
		assert_true(r->lag_rad < 2e-3);
		assert_true(r->effort < 0.9); /* of the acceleration limit: nothing had to be clamped */
		assert_int_equal(r->clamps, 0);
		free(r);
	}
}

static void a_stop_keeps_to_the_path(void **state)
{
	struct rig *r = rig_new(ACTION_EE_DELTA);
	struct action_chunk c;
	double x0;

	(void)state;
	rig_run(r, 100, 1.0);
	x0 = r->safety.ee.p_m[0];
	c = chunk_at(r, r->now_ns, 0.0, 0.015);
	assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
	rig_run(r, 500, 1.0);
	double y0 = r->safety.ee.p_m[1];

	rig_run(r, 600, 0.0);
	assert_true(trajectory_standing(&r->trajectory) && safety_standing(&r->safety));
	assert_true(r->safety.ee.p_m[1] > y0 && r->safety.ee.p_m[1] - y0 < 0.05);
	assert_true(fabs(r->safety.ee.p_m[0] - x0) < 5e-4);
	free(r);
}

static void impossible_chunks_are_slowed_down_as_a_whole(void **state)
{
	struct rig *r = rig_new(ACTION_JOINT_DELTA);
	struct action_chunk c;

	(void)state;
	rig_run(r, 100, 1.0);
	c = chunk_at(r, r->now_ns, 0.2, -0.1); /* 2 rad/s from standing in 0.1 s */
	assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
	assert_true(r->trajectory.rate_cap < 1.0);
	double q0 = r->safety.joint[0].q, q1 = r->safety.joint[1].q;

	for (int i = 0; i < 100; i++) { /* the two joints keep their ratio: the path's shape is kept */
		rig_run(r, 50, 1.0);
		double a = r->safety.joint[0].q - q0, b = r->safety.joint[1].q - q1;

		assert_true(fabs(a + 2.0 * b) < 5e-3);
	}
	assert_true(fabs(r->safety.joint[0].q - q0 - STEPS * 0.2) < 1e-3);
	free(r);
}

static void without_a_chunk_nothing_is_wanted(void **state)
{
	struct rig *r = rig_new(ACTION_EE_DELTA);

	(void)state;
	rig_run(r, 50, 1.0);
	assert_false(r->want[0].active);
	assert_true(trajectory_ran_out(&r->trajectory) && trajectory_standing(&r->trajectory));
	assert_int_equal(trajectory_current_step(&r->trajectory), 0);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standing_arms_skip_nothing),
		cmocka_unit_test(moving_arms_skip_what_has_passed),
		cmocka_unit_test(splices_do_not_jump),
		cmocka_unit_test(a_stop_keeps_to_the_path),
		cmocka_unit_test(impossible_chunks_are_slowed_down_as_a_whole),
		cmocka_unit_test(without_a_chunk_nothing_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
