/* test_trajectory.c - chunks become smooth paths: no jump at a splice, what has passed is skipped, run-out and stop by the clock. */
#include "tests/unit/stage/trajectory_rig.h"

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

/* Whoever reads targets goes by their source: it is the policy's from the first one to where the path is braked for its end. */
static void what_moves_along_is_the_policys(void **state)
{
	struct rig *r = rig_new(ACTION_EE_DELTA);
	struct action_chunk c;

	(void)state;
	rig_run(r, 500, 1.0);
	c = chunk_at(r, r->now_ns, 0.0, 0.01);
	assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
	for (int k = 0; k < 100; k++) {
		rig_run(r, 5, 1.0);
		assert_int_equal(r->want[0].source, TARGET_POLICY);
	}
	double speed = r->trajectory.clock.v;

	for (int k = 0; k < 200 && r->want[0].source == TARGET_POLICY; k++)
		rig_run(r, 5, 1.0);
	assert_true(r->trajectory.clock.v < speed && r->trajectory.clock.v > 0.9); /* from the beginning of the braking on */
	rig_run(r, 100, 1.0);
	assert_int_equal(r->want[0].source, TARGET_HOLD);
	assert_false(trajectory_ran_out(&r->trajectory));
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

/* Where the TCP ends after eight steps of `step` along one axis; the arm was observed `measured` rad off at its first joint. */
static void end_of(enum action_space space, enum delta_reference reference, enum delta_frame frame, double step, double measured_rad,
		struct pose *start, struct pose *end, double *q0_rad)
{
	struct rig *r = rig_new(space);
	struct action_chunk c;
	double q[DOF_MAX];

	r->setup.delta_reference = reference;
	r->setup.delta_frame = frame;
	for (int k = 0; k < 3 && reference == DELTA_OSC; k++)
		r->setup.action_scale[k] = 0.05;
	r->setup.action_dt_ns = reference == DELTA_OSC ? 50 * MS : 100 * MS;
	rig_run(r, 100, 1.0);
	memcpy(q, r->setup.arm[0].home_rad, sizeof q);
	q[0] += reference == DELTA_MEASURED ? measured_rad : 0.0;
	kinematics_forward(&r->setup.arm[0].model, &r->setup.arm[0].tcp, q, start);
	c = chunk_at(r, r->now_ns, 0.0, 0.0);
	for (int i = 0; i < STEPS; i++) {
		if (space == ACTION_JOINT_ABSOLUTE)
			memcpy(c.action[i], q, sizeof q);
		c.action[i][0] = step;
	}
	c.arm[0].has_q = true;
	memcpy(c.arm[0].q_rad, q, sizeof q);
	assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
	rig_run(r, 6000, 1.0);
	*end = r->safety.ee;
	*q0_rad = r->safety.joint[0].q - q[0];
	rig_expect_limits(r);
	free(r);
}

static void deltas_add_to_what_they_refer_to_in_either_frame(void **state)
{
	/* osc: what the soft controller makes of eight full actions (test_chunk.c), m */
	const double soft_m = (6.2996013 + 11.8089636 + 12.9665835 + 13.2098211 + 13.2609299 + 13.2716688 + 13.2739252 + 13.2743994) * 1e-3;

	(void)state;
	for (int f = FRAME_BASE; f <= FRAME_TCP; f++)
		for (int ref = DELTA_COMMANDED; ref <= DELTA_OSC; ref++) {
			double way[3] = { ref == DELTA_OSC ? soft_m : STEPS * 0.01, 0.0, 0.0 }, q0;
			struct pose start, end;

			end_of(ACTION_EE_DELTA, (enum delta_reference)ref, (enum delta_frame)f, ref == DELTA_OSC ? 1.0 : 0.01, 0.03, &start, &end, &q0);
			if (f == FRAME_TCP)
				quat_rotate(start.q_xyzw, way, way);
			for (int k = 0; k < 3; k++)
				assert_true(fabs(end.p_m[k] - start.p_m[k] - way[k]) < 1e-4);
		}
}

static void joints_know_no_frame_and_absolute_ones_no_reference(void **state)
{
	struct pose start, end;
	double q0;

	(void)state;
	for (int f = FRAME_BASE; f <= FRAME_TCP; f++)
		for (int ref = DELTA_COMMANDED; ref <= DELTA_MEASURED; ref++) {
			end_of(ACTION_JOINT_DELTA, (enum delta_reference)ref, (enum delta_frame)f, 0.02, 0.03, &start, &end, &q0);
			assert_true(fabs(q0 - STEPS * 0.02) < 1e-4);
			end_of(ACTION_JOINT_ABSOLUTE, (enum delta_reference)ref, (enum delta_frame)f, 0.1, 0.0, &start, &end, &q0);
			assert_true(fabs(q0 - 0.1) < 1e-4);
		}
}

/* 3 to 50 actions per second, played at 1 kHz: the judge sees positions, velocities, accelerations and jerks. */
static void any_action_rate_is_smooth_at_1_khz(void **state)
{
	static const int64_t dt_ms[] = { 333, 100, 20 };
	static const enum action_space spaces[] = { ACTION_EE_DELTA, ACTION_JOINT_DELTA };

	(void)state;
	for (int k = 0; k < 6; k++) {
		struct rig *r = rig_new(spaces[k % 2]);
		double step = 0.05 * (double)dt_ms[k / 2] * 1e-3;

		r->setup.period_ns = MS;
		safety_init(&r->safety, &r->setup.arm[0], MS);
		assert_true(safety_seed(&r->safety, r->setup.arm[0].home_rad));
		r->setup.action_dt_ns = dt_ms[k / 2] * MS;
		rig_run(r, 50, 1.0);
		for (int n = 0; n < 8; n++) {
			struct action_chunk c = chunk_at(r, r->now_ns, n % 4 < 2 ? step : -step, (n + 1) % 4 < 2 ? step : -step);

			for (int i = 0; i < STEPS; i++) /* and a turn that changes its mind */
				c.action[i][5] = (i + n) % 3 ? 4.0 * step : -4.0 * step;
			assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
			rig_run(r, 3 * dt_ms[k / 2], 1.0);
		}
		rig_run(r, 500, 0.0);
		assert_true(safety_standing(&r->safety));
		rig_expect_limits(r);
		assert_true(r->lag_rad < 5e-3);
		free(r);
	}
}

static void expect_forward(struct rig *r, int ms, double rate, const char *when, int slowed_ms)
{
	for (int k = 0; k < ms; k += 5) {
		double before_s = r->trajectory.clock.q;

		rig_run(r, 5, rate);
		if (r->trajectory.clock.v < -1e-9 || r->trajectory.clock.q < before_s - 1e-9)
			fail_msg("%s after %d ms, %d ms later: rate %.3g", when, slowed_ms, k, r->trajectory.clock.v);
	}
}

/* Wherever it is stopped, however hard it slows down already; and where it is to go on in the middle of a stop, along its path or a new one's. */
static void the_clock_never_turns_back(void **state)
{
	(void)state;
	for (int k = 0; k < 3 * 41; k++) {
		struct rig *r = rig_new(ACTION_EE_DELTA);
		struct action_chunk c;
		int slowed_ms = k / 3 * 10;

		rig_run(r, 500, 1.0);
		c = chunk_at(r, r->now_ns, 0.0, 0.01);
		assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
		rig_run(r, 400, 1.0);
		expect_forward(r, slowed_ms, k % 3 ? 0.0 : 0.02, "slowed", slowed_ms);
		if (k % 3 == 2) {
			c = chunk_at(r, r->now_ns, 0.0, 0.002);
			assert_true(trajectory_adopt(&r->trajectory, &c, &r->past, &r->safety, false));
		}
		if (k % 3)
			expect_forward(r, 300, 1.0, k % 3 == 1 ? "resumed" : "a new chunk", slowed_ms);
		expect_forward(r, 1000, 0.0, "stopped", slowed_ms);
		assert_true(trajectory_standing(&r->trajectory));
		rig_expect_limits(r);
		free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_never_turns_back),
		cmocka_unit_test(standing_arms_skip_nothing),
		cmocka_unit_test(what_moves_along_is_the_policys),
		cmocka_unit_test(moving_arms_skip_what_has_passed),
		cmocka_unit_test(splices_do_not_jump),
		cmocka_unit_test(a_stop_keeps_to_the_path),
		cmocka_unit_test(impossible_chunks_are_slowed_down_as_a_whole),
		cmocka_unit_test(without_a_chunk_nothing_is_wanted),
		cmocka_unit_test(deltas_add_to_what_they_refer_to_in_either_frame),
		cmocka_unit_test(joints_know_no_frame_and_absolute_ones_no_reference),
		cmocka_unit_test(any_action_rate_is_smooth_at_1_khz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
