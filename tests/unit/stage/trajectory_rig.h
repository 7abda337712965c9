/* trajectory_rig.h - trajectory and safety of one arm as control_tick couples them, on virtual time. Used by the tests of this folder. */
#ifndef DREAMVLA_TESTS_UNIT_STAGE_TRAJECTORY_RIG_H
#define DREAMVLA_TESTS_UNIT_STAGE_TRAJECTORY_RIG_H

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
	uint32_t trail_n;
	double trail[4][DOF_MAX]; /* newest sent joints first */
	double used[3];        /* of the limits of velocity, acceleration and jerk, by differences of what was sent: the most so far */
};

static inline struct rig *rig_new(enum action_space space)
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

/* A jump of position, velocity or acceleration shows in the differences as far more than 1. */
static inline void rig_judge(struct rig *r)
{
	const struct arm_setup *arm = &r->setup.arm[0];
	const struct robot_model *m = &arm->model;
	double(*q)[DOF_MAX] = r->trail, dt = (double)r->setup.period_ns * 1e-9;

	memmove(q[1], q[0], 3 * sizeof q[0]);
	memcpy(q[0], r->target.q_rad, sizeof q[0]);
	r->trail_n++;
	for (uint32_t i = 0; i < m->dof && r->trail_n >= 4; i++) {
		double v = (q[0][i] - q[1][i]) / dt, a = (q[0][i] - 2 * q[1][i] + q[2][i]) / dt / dt;
		double j = (q[0][i] - 3 * q[1][i] + 3 * q[2][i] - q[3][i]) / dt / dt / dt;

		assert_true(q[0][i] >= m->q_min_rad[i] && q[0][i] <= m->q_max_rad[i]);
		r->used[0] = fmax(r->used[0], fabs(v) / (arm->limit_scale * m->dq_max_rad_s[i]));
		r->used[1] = fmax(r->used[1], fabs(a) / (arm->limit_scale * m->ddq_max_rad_s2[i]));
		r->used[2] = fmax(r->used[2], fabs(j) / (arm->limit_scale * m->dddq_max_rad_s3[i]));
	}
}

static inline void rig_expect_limits(const struct rig *r)
{
	for (int k = 0; k < 3; k++)
		assert_true(r->used[k] <= 1.0);
}

static inline void rig_run(struct rig *r, int64_t ms, double rate)
{
	for (int64_t end = r->now_ns + ms * MS; r->now_ns < end;) {
		struct past_entry e;

		r->now_ns += r->setup.period_ns;
		/* as control does: what the posture cannot do stops the path */
		double short_of = fmin(fmax((r->trajectory.arm[0].shortfall - 0.15) / 0.45, 0.0), 1.0);

		trajectory_step(&r->trajectory, rate * (1.0 - short_of), r->now_ns, r->want);
		struct safety_stamp at = { .t_ns = r->now_ns };

		r->clamps += safety_step(&r->safety, &r->want[0], &at, &r->target) != 0;
		e = (struct past_entry){ .t_ns = r->now_ns, .path_s = r->trajectory.clock.q };
		for (uint32_t i = 0; i < 7; i++) {
			e.q_rad[0][i] = r->safety.joint[i].q;
			if (r->want[0].active)
				r->lag_rad = fmax(r->lag_rad, fabs(r->want[0].q_rad[i] - r->target.q_rad[i]));
			double a = fabs(r->target.dq_rad_s[i] - r->last_dq[i]) / ((double)r->setup.period_ns * 1e-9);

			r->effort = fmax(r->effort, a / (r->setup.arm[0].limit_scale * r->setup.arm[0].model.ddq_max_rad_s2[i]));
			r->last_dq[i] = r->target.dq_rad_s[i];
		}
		past_push(&r->past, &e);
		rig_judge(r);
	}
}

static inline struct action_chunk chunk_at(const struct rig *r, int64_t t_obs_ns, double x, double y)
{
	struct action_chunk c = { .id = 1, .epoch = 1, .instruction_id = 1, .t_obs_ns = t_obs_ns, .n_steps = STEPS,
		.action_dim = r->setup.action_dim };

	for (uint32_t i = 0; i < STEPS; i++) {
		c.action[i][0] = x;
		c.action[i][1] = y;
	}
	return c;
}

#endif
