/* test_follow.c - the motion that is sent turns to the newest path as soon as the arm can: not against it from a stand, and out of
 * motion no farther than braking takes; no value is made of one that is not finite. */
#include "tests/unit/stage/trajectory_rig.h"

/* Chunks for this speed in x and y, each adopted `late_ms` after its observation and kept for `every_ms`; returns the farthest x. */
static double run_chunks(struct rig *r, double x_m_s, double y_m_s, int64_t late_ms, int64_t every_ms, int n)
{
	double farthest = -INFINITY;

	for (int i = 0; i < n; i++) {
		struct action_chunk c = chunk_at(r, r->now_ns, 0.1 * x_m_s, 0.1 * y_m_s);

		for (int64_t gone = 0; gone < every_ms; gone += 5) {
			if (gone == late_ms)
				assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
			rig_run(r, 5, 1.0);
			farthest = fmax(farthest, r->safety.ee.p_m[0]);
		}
	}
	return farthest;
}

static const int64_t lateness_ms[] = { 0, 50, 200 };

static void from_a_stand_nothing_goes_the_wrong_way(void **state)
{
	(void)state;
	for (int k = 0; k < 3; k++) {
		struct rig *r = rig_new(ACTION_EE_DELTA);

		rig_run(r, 100, 1.0);
		run_chunks(r, 0.0, 0.0, lateness_ms[k], 300, 3); /* its clock runs, the arm stands */
		double x0 = r->safety.ee.p_m[0], y0 = r->safety.ee.p_m[1];

		assert_true(run_chunks(r, -0.15, 0.15, lateness_ms[k], 300, 6) - x0 < 1e-3);
		assert_true(r->safety.ee.p_m[0] - x0 < -0.15 && r->safety.ee.p_m[1] - y0 > 0.15);
		rig_expect_limits(r);
		free(r);
	}
}

static void out_of_motion_it_turns_within_its_braking_distance(void **state)
{
	static const double speed[] = { 0.05, 0.15, 0.25 };

	(void)state;
	for (int k = 0; k < 9; k++) {
		struct rig *r = rig_new(ACTION_EE_DELTA);
		int64_t late_ms = lateness_ms[k / 3];
		double v = speed[k % 3], ramp_s = 0.1;

		rig_run(r, 100, 1.0);
		run_chunks(r, v, 0.0, late_ms, 300, 3);
		struct action_chunk c = chunk_at(r, r->now_ns, -0.1 * v, 0.0);

		rig_run(r, late_ms, 1.0);
		assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
		double x0 = r->safety.ee.p_m[0], a_m_s2 = r->trajectory.arm[0].follow.a_max[0];

		assert_true(a_m_s2 > 0.5 && a_m_s2 < 20.0);
		double way_m = fmax(run_chunks(r, -v, 0.0, late_ms, 250, 6) - x0, 0.0);

		/* the speed goes on while the acceleration builds up, and up to the next observation the chunk before counts */
		assert_true(way_m < v * v / (2.0 * a_m_s2) + v * ramp_s + 1e-3);
		assert_true(r->safety.ee.p_m[0] < x0 - 0.5 * v); /* and then it goes there */
		rig_expect_limits(r);
		free(r);
	}
}

/* Stretched as far as it goes, and asked to go on with every chunk: it does not swing. */
static void beyond_its_reach_it_is_quiet(void **state)
{
	static const double up[] = { 0.0, 0.12 };

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct rig *r = rig_new(ACTION_EE_DELTA);

		rig_run(r, 100, 1.0);
		run_chunks(r, 0.15, up[k], 100, 250, 28);
		r->effort = 0.0;
		double x0 = r->safety.ee.p_m[0];

		run_chunks(r, 0.15, up[k], 100, 250, 12);
		assert_true(r->effort < 0.5); /* of the joints' acceleration */
		assert_true(fabs(r->safety.ee.p_m[0] - x0) < 0.03);
		run_chunks(r, -0.15, 0.0, 100, 250, 16);
		assert_true(r->safety.ee.p_m[0] < x0 - 0.1); /* and comes back when asked */
		rig_expect_limits(r);
		free(r);
	}
}

static void what_is_not_finite_stays_so(void **state)
{
	static const struct axis bad[] = { { NAN, 0, 0 }, { 0, NAN, 0 }, { 0, 0, INFINITY } };
	struct follow f = { .dim = 7, .joints = true, .catch_up = { 0.1 }, .gain_1_s = 20.0 };
	struct arm_setup arm = { .limit_scale = 0.5 };

	(void)state;
	arm.model = *robot_model_find("panda");
	follow_reach(&f, &arm, NULL);
	for (int k = 0; k < 3; k++) {
		struct axis path[SPLINE_DIM_MAX] = { { 0 } }, now[SPLINE_DIM_MAX] = { { 0 } };

		path[3] = bad[k];
		follow_step(&f, path, 0.005, now);
		assert_true(isnan(now[3].q) && isnan(now[3].v));
	}
}

/* A change of path within one period is nothing to the motion but a wish: it stays within acceleration and jerk, and arrives. */
static void any_jump_of_the_path_is_followed_smoothly(void **state)
{
	struct follow f = { .dim = 7, .joints = true, .catch_up = { 0.3 }, .gain_1_s = 20.0 };
	struct arm_setup arm = { .limit_scale = 0.5 };
	struct axis now[SPLINE_DIM_MAX] = { { 0 } };

	(void)state;
	arm.model = *robot_model_find("panda");
	follow_reach(&f, &arm, NULL);
	for (int i = 0; i < 20; i++)
		for (int n = 0; n < (i == 19 ? 1000 : 10 + 7 * i); n++) {
			struct axis path[SPLINE_DIM_MAX] = { { 0 } }, before[SPLINE_DIM_MAX];

			memcpy(before, now, sizeof before);
			for (int c = 0; c < 7; c++)
				path[c] = (struct axis){ 0.3 * sin(i * (c + 1)), 0.0, 0.0 };
			follow_step(&f, path, 0.005, now);
			for (int c = 0; c < 7; c++) {
				double most = arm.limit_scale * arm.model.ddq_max_rad_s2[c];

				assert_true(fabs(now[c].a) <= 0.76 * most);
				assert_true(fabs(now[c].a - before[c].a) / 0.005 <= 0.76 * most / f.ramp_s);
				assert_true(fabs(now[c].q - before[c].q - 0.005 * before[c].v) <= 0.005 * 0.005 * most);
				assert_true(n < 990 || fabs(now[c].q - path[c].q) < 1e-6);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_a_stand_nothing_goes_the_wrong_way),
		cmocka_unit_test(out_of_motion_it_turns_within_its_braking_distance),
		cmocka_unit_test(beyond_its_reach_it_is_quiet),
		cmocka_unit_test(what_is_not_finite_stays_so),
		cmocka_unit_test(any_jump_of_the_path_is_followed_smoothly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
