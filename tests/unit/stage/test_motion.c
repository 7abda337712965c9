/* test_motion.c - the running motion as the policy asks it: how many actions will have begun, where the arm was and will be, and what
 * the gripper was told. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/motion.h"
#include "robots/model/model.h"

#define MS INT64_C(1000000)
enum { STEPS = 8, SPACING_MS = 5 };

/* A joint path of 8 actions of 100 ms from path time 1 s on, run at `rate` until now, 10 s. */
struct rig {
	struct control_setup setup;
	struct running_motion motion;
	struct past past;
};

static const int64_t now_ns = 10000 * MS;

/* 1 s of record: standing at 1 s until the path began, then running to clock_s. */
static struct rig *rig_new(double rate, double clock_s)
{
	struct rig *r = calloc(1, sizeof *r);
	struct running_motion *m = &r->motion;

	assert_non_null(r);
	r->setup = (struct control_setup){ .n_arms = 1, .action_space = ACTION_JOINT_DELTA, .action_dim = 8, .action_dt_ns = 100 * MS,
		.gripper = { .binary = true, .open_is_high = true, .threshold = 0.5, .hysteresis = 0.2, .action_closed = -1.0, .action_open = 3.0 } };
	r->setup.arm[0].model = *robot_model_find("panda");
	r->setup.arm[0].tcp = pose_identity;
	r->setup.arm[0].has_gripper = true;
	r->setup.arm[0].gripper_max_m = 0.08;
	*m = (struct running_motion){ .runs = true, .chunk = 3, .n_steps = STEPS, .clock_s = clock_s, .clock_rate = rate, .due_ns = now_ns, .rate = rate,
		.until_ns = INT64_MAX, .rate_cap = 1.0, .end_s = 1.8, .times = { .start_s = 1.0, .clock_s = clock_s, .rate = 1.0 } };
	m->path[0].dim = 7;
	m->path[0].joints = true;
	m->path[0].spline = (struct spline){ .n = STEPS + 1, .dim = 7, .step_s = 0.1 };
	for (int i = 0; i <= STEPS; i++)
		m->path[0].spline.x[i][0] = 0.1 * i; /* 1 rad per second of path time */
	spline_finish(&m->path[0].spline);
	m->path[0].follow = (struct follow){ .dim = 7, .joints = true, .catch_up = { 0.2 }, .gain_1_s = 20.0, .ramp_s = 0.02 };
	for (int k = 0; k < 7; k++) {
		m->path[0].follow.a_max[k] = 100.0;
		m->path[0].follow.load[k][k] = 0.75 / 100.0;
	}
	m->path[0].now[0] = (struct axis){ clock_s - 1.0, 1.0, 0.0 };
	for (int i = 0; i <= 1000 / SPACING_MS; i++) {
		int64_t ago_ms = 1000 - i * SPACING_MS;
		double path_s = fmax(clock_s - rate * (double)ago_ms * 1e-3, 1.0);

		m->sent[m->n_sent++] = (struct past_entry){ .t_ns = now_ns - ago_ms * MS, .path_s = path_s, .q_rad = { { path_s - 1.0 + 0.001 } },
			.gripper_m = { path_s < 1.2 ? 0.08 : 0.0 } };
	}
	for (uint32_t i = 0; i < m->n_sent; i++)
		past_push(&r->past, &m->sent[i]);
	return r;
}

static struct motion_grid grid(const struct rig *r, int64_t t_obs_ms, int64_t arrival_ms)
{
	struct motion_grid g = { 0 };

	assert_true(motion_lay_grid(&r->setup, &r->motion, &r->past, now_ns + t_obs_ms * MS, now_ns + arrival_ms * MS, &g));
	return g;
}

static void expect_begun(struct rig *r, int64_t t_obs_ms, int64_t arrival_ms, double start_s, uint32_t begun)
{
	struct motion_grid g = grid(r, t_obs_ms, arrival_ms);

	assert_true(fabs(g.start_s - start_s) < 1e-6);
	assert_int_equal(g.begun, begun);
}

static void actions_begun_are_counted_in_path_time(void **state)
{
	struct rig *r = rig_new(1.0, 1.3), *slow = rig_new(0.25, 1.3);

	(void)state;
	expect_begun(r, -50, 100, 1.25, 2);   /* 1.25 to 1.4: one and a half */
	expect_begun(r, -50, 149, 1.25, 2);
	expect_begun(r, -50, 155, 1.25, 3);
	expect_begun(r, -50, 0, 1.25, 1);     /* what was sent since has been sent */
	expect_begun(r, -50, -40, 1.25, 1);   /* however early the chunk is expected */
	expect_begun(r, 0, 0, 1.3, 0);
	expect_begun(slow, -50, 100, 1.2875, 1); /* a quarter of the way */
	expect_begun(slow, -50, 560, 1.2875, 2);
	free(r);
	free(slow);
}

static void standing_arms_have_begun_nothing(void **state)
{
	struct rig *r = rig_new(1.0, 1.05), *ended = rig_new(0.0, 1.8);

	(void)state;
	expect_begun(r, -500, 10, 1.0, 1);    /* seen long before the motion began: only its 60 ms count */
	expect_begun(ended, -50, 2000, 1.8, 0);
	free(r);
	free(ended);
}

static void beyond_the_path_nothing_is_begun(void **state)
{
	struct rig *r = rig_new(1.0, 1.5);

	(void)state;
	expect_begun(r, 0, 5000, 1.5, 3);
	expect_begun(r, -50, 5000, 1.45, 3);  /* of the fourth the path has only half */
	r->motion.until_ns = now_ns + 80 * MS; /* the instruction is old by then */
	expect_begun(r, 0, 5000, 1.5, 1);
	r->motion.until_ns = now_ns - 80 * MS;
	expect_begun(r, -60, 5000, 1.44, 1);
	free(r);
}

static void a_clock_that_speeds_up_is_foreseen(void **state)
{
	struct rig *r = rig_new(0.2, 1.3);

	(void)state;
	r->motion.rate = 1.0;
	expect_begun(r, 0, 290, 1.3, 3);
	r->motion.rate_cap = 0.5;
	expect_begun(r, 0, 290, 1.3, 2);
	r->motion.rate = 0.0; /* it will stand, but not before it has braked */
	expect_begun(r, 0, 290, 1.3, 1);
	free(r);
}

static void no_number_begins_nothing(void **state)
{
	struct rig *r = rig_new(1.0, 1.3);

	(void)state;
	r->motion.end_s = NAN;
	assert_in_range(grid(r, -50, 300).begun, 0, CHUNK_STEPS_MAX);
	r->motion.clock_rate = r->motion.rate = NAN;
	assert_in_range(grid(r, -50, 300).begun, 0, CHUNK_STEPS_MAX);
	free(r);
}

static void an_observation_before_the_record_is_refused(void **state)
{
	struct rig *r = rig_new(1.0, 1.3);
	struct motion_grid g;

	(void)state;
	assert_false(motion_lay_grid(&r->setup, &r->motion, &r->past, now_ns - 1001 * MS, now_ns, &g));
	assert_true(motion_lay_grid(&r->setup, &r->motion, &r->past, now_ns - 1000 * MS, now_ns, &g));
	r->motion.n_sent = 0;
	assert_false(motion_lay_grid(&r->setup, &r->motion, &r->past, now_ns - 10 * MS, now_ns, &g));
	free(r);
}

/* The sent motion was 1 mrad off the path: limits, a blend. */
static void what_was_sent_then_what_is_planned(void **state)
{
	struct rig *r = rig_new(1.0, 1.3);
	struct action_point at;

	(void)state;
	motion_point(&r->setup, &r->motion, &r->past, 0, 1.25, &at);
	assert_true(fabs(at.q_rad[0] - 0.251) < 1e-6);
	motion_point(&r->setup, &r->motion, &r->past, 0, 1.35, &at);
	assert_true(fabs(at.q_rad[0] - 0.35) < 1e-9);
	r->motion.path[0].offset[0].q = 0.1;
	r->motion.path[0].now[0].q += 0.1; /* planned is what the blend makes of it */
	motion_point(&r->setup, &r->motion, &r->past, 0, 1.301, &at);
	assert_true(fabs(at.q_rad[0] - 0.401) < 1e-3);
	motion_point(&r->setup, &r->motion, &r->past, 0, 1.5, &at);
	assert_true(at.q_rad[0] > 0.51 && at.q_rad[0] < 0.59);
	double end_rad;

	motion_point(&r->setup, &r->motion, &r->past, 0, 1.8, &at);
	end_rad = at.q_rad[0];
	motion_point(&r->setup, &r->motion, &r->past, 0, 99.0, &at); /* the path stands at its end */
	assert_true(at.q_rad[0] == end_rad && fabs(end_rad - 0.8) < 0.05);
	free(r);
}

static void steps_are_those_of_the_running_chunk(void **state)
{
	struct rig *r = rig_new(1.0, 1.3);

	(void)state;
	assert_int_equal(motion_step(&r->setup, &r->motion, 1.05), 0);
	assert_int_equal(motion_step(&r->setup, &r->motion, 1.25), 2);
	assert_int_equal(motion_step(&r->setup, &r->motion, 0.3), 0);
	assert_int_equal(motion_step(&r->setup, &r->motion, 7.0), STEPS - 1);
	free(r);
}

static double gripper(const struct rig *r, double path_s, double own)
{
	return motion_gripper(&r->setup, &r->motion, &r->past, 0, path_s, own);
}

static void a_binary_gripper_is_said_as_it_was_sent(void **state)
{
	struct rig *r = rig_new(1.0, 1.3);

	(void)state; /* open before 1.2, closed from there on */
	assert_true(gripper(r, 1.1, 0.9) == 0.9);
	assert_true(fabs(gripper(r, 1.1, 0.1) - 0.9) < 1e-12); /* it said closed, but dwell kept it open */
	assert_true(gripper(r, 1.25, 0.1) == 0.1);
	assert_true(fabs(gripper(r, 1.25, 0.9) - 0.1) < 1e-12);
	assert_true(gripper(r, 1.25, 0.55) == 0.55 && gripper(r, 1.1, 0.45) == 0.45); /* hysteresis: either */
	assert_true(gripper(r, 1.31, 0.9) == 0.9); /* not sent yet */
	r->setup.gripper.open_is_high = false;
	assert_true(gripper(r, 1.25, 0.9) == 0.9);
	assert_true(fabs(gripper(r, 1.1, 0.9) - 0.1) < 1e-12);
	free(r);
}

static void a_continuous_gripper_is_said_as_it_was_sent(void **state)
{
	struct rig *r = rig_new(1.0, 1.3);

	(void)state;
	r->setup.gripper.binary = false;
	assert_true(fabs(gripper(r, 1.1, 0.0) - 3.0) < 1e-12);
	assert_true(fabs(gripper(r, 1.25, 0.0) + 1.0) < 1e-12);
	for (uint32_t i = 0; i < r->past.n; i++)
		r->past.entry[i].gripper_m[0] = NAN; /* never told anything */
	assert_true(gripper(r, 1.1, 0.25) == 0.25);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_begun_are_counted_in_path_time),
		cmocka_unit_test(standing_arms_have_begun_nothing),
		cmocka_unit_test(beyond_the_path_nothing_is_begun),
		cmocka_unit_test(a_clock_that_speeds_up_is_foreseen),
		cmocka_unit_test(no_number_begins_nothing),
		cmocka_unit_test(an_observation_before_the_record_is_refused),
		cmocka_unit_test(what_was_sent_then_what_is_planned),
		cmocka_unit_test(steps_are_those_of_the_running_chunk),
		cmocka_unit_test(a_binary_gripper_is_said_as_it_was_sent),
		cmocka_unit_test(a_continuous_gripper_is_said_as_it_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
