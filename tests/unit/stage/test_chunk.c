/* test_chunk.c - which chunks may run, the record of sent motion, grippers, what actions mean, splines. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/chunk_buffer.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/spline.h"
#include "daemon/stage/waypoints.h"
#include "robots/model/model.h"

#define MS INT64_C(1000000)

static struct action_chunk good_chunk(void)
{
	return (struct action_chunk){ .id = 1, .epoch = 3, .instruction_id = 2, .t_obs_ns = 100, .n_steps = 8, .action_dim = 7 };
}

static void only_chunks_of_now_may_run(void **state)
{
	const struct chunk_rules rules = { .epoch = 3, .instruction_id = 2, .action_dim = 7, .after_ns = 100 };
	struct chunk_rules later = rules;
	struct action_chunk c = good_chunk();

	(void)state;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_GOOD);
	c.epoch = 2;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_OTHER_EPOCH);
	c = good_chunk();
	c.instruction_id = 1;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_OTHER_INSTRUCTION);
	c = good_chunk();
	c.t_obs_ns = 99;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_TOO_EARLY);
	c = good_chunk();
	later.oldest_ns = 101;
	assert_int_equal(chunk_judge(&c, &later), CHUNK_OLD);
	c.n_steps = 0;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_WRONG_SHAPE);
	c.n_steps = CHUNK_STEPS_MAX + 1;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_WRONG_SHAPE);
	c = good_chunk();
	c.action_dim = 8;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_WRONG_SHAPE);
	static const double bad[] = { NAN, INFINITY, -INFINITY, 1e30 };

	for (int i = 0; i < 4; i++) {
		c = good_chunk();
		c.action[7][6] = bad[i];
		assert_int_equal(chunk_judge(&c, &rules), CHUNK_NOT_FINITE);
	}
}

static void the_usual_latency_forgets_what_hung(void **state)
{
	struct latencies l = { 0 };

	(void)state;
	assert_int_equal(latency_usual_ns(&l), 0);
	latency_push(&l, 10);
	assert_int_equal(latency_usual_ns(&l), 10);
	latency_push(&l, 5000); /* one that hung, */
	assert_int_equal(latency_usual_ns(&l), 10);
	for (int64_t i = 0; i < LATENCIES; i++)
		latency_push(&l, 20 - i);
	assert_int_equal(latency_usual_ns(&l), 18);
	latency_push(&l, 5000);
	assert_int_equal(latency_usual_ns(&l), 18);
	for (int i = 0; i < 3; i++) /* and what has become slow for good */
		latency_push(&l, 5000);
	assert_int_equal(latency_usual_ns(&l), 5000);
}

static void no_instruction_runs_nothing(void **state)
{
	const struct chunk_rules rules = { .epoch = 3, .instruction_id = 0, .action_dim = 7 };
	struct action_chunk c = good_chunk();

	(void)state;
	c.instruction_id = 0;
	assert_int_equal(chunk_judge(&c, &rules), CHUNK_OTHER_INSTRUCTION);
}

static void sent_motion_is_remembered(void **state)
{
	struct past *p = calloc(1, sizeof *p);
	struct past_entry e;

	(void)state;
	assert_non_null(p);
	assert_false(past_at(p, 0, &e));
	for (int i = 0; i < 10000; i++) /* 10 s at 1 kHz: the record keeps the last 5 */
		past_push(p, &(struct past_entry){ .t_ns = (int64_t)i * MS, .path_s = i * 0.0005, .q_rad = { { i * 0.001 } } });
	assert_true(past_at(p, (int64_t)9000 * MS + MS / 2, &e));
	assert_true(fabs(e.path_s - 4.50025) < 1e-9 && fabs(e.q_rad[0][0] - 9.0005) < 1e-9);
	assert_true(past_at(p, (int64_t)9999 * MS, &e) && e.q_rad[0][0] == 9.999); /* the newest is never left out */
	assert_true(past_at(p, (int64_t)20000 * MS, &e) && e.q_rad[0][0] == 9.999);
	assert_true(past_at(p, 0, &e));
	assert_true(e.q_rad[0][0] > 4.0 && e.q_rad[0][0] < 5.5);
	free(p);
}

static void binary_grippers_decide_once(void **state)
{
	const struct gripper_setup s = { .binary = true, .open_is_high = true, .threshold = 0.5, .hysteresis = 0.2, .dwell_ns = 300 * MS };
	struct gripper g = { 0 };
	double m;

	(void)state;
	assert_false(gripper_step(&g, &s, NAN, 0.08, 0, &m));
	assert_true(gripper_step(&g, &s, 0.55, 0.08, 0, &m) && m == 0.08);
	assert_true(gripper_step(&g, &s, 0.45, 0.08, 1000 * MS, &m) && m == 0.08); /* within the hysteresis */
	assert_true(gripper_step(&g, &s, 0.39, 0.08, 1010 * MS, &m) && m == 0.0);
	assert_true(gripper_step(&g, &s, 1.00, 0.08, 1200 * MS, &m) && m == 0.0); /* dwell */
	assert_true(gripper_step(&g, &s, NAN, 0.08, 1300 * MS, &m) && m == 0.0);
	assert_true(gripper_step(&g, &s, 1.00, 0.08, 1400 * MS, &m) && m == 0.08);
}

static void grippers_of_the_other_polarity_and_continuous_ones(void **state)
{
	const struct gripper_setup closing = { .binary = true, .open_is_high = false, .threshold = 0.0 };
	const struct gripper_setup straight = { .action_closed = 1.0, .action_open = -1.0 };
	const struct gripper_setup senseless = { .action_closed = 1.0, .action_open = 1.0 };
	struct gripper g = { 0 };
	double m;

	(void)state;
	assert_true(gripper_step(&g, &closing, 0.7, 0.08, 0, &m) && m == 0.0);
	assert_true(gripper_step(&g, &closing, -0.7, 0.08, 1, &m) && m == 0.08);
	assert_true(gripper_step(&g, &straight, 0.5, 0.08, 0, &m) && fabs(m - 0.02) < 1e-12);
	assert_true(gripper_step(&g, &straight, -9.0, 0.08, 0, &m) && m == 0.08);
	assert_false(gripper_step(&g, &straight, NAN, 0.08, 0, &m));
	assert_false(gripper_step(&g, &senseless, 1.0, 0.08, 0, &m));
}

/* ---- what actions mean -------------------------------------------------------------------------------------------- */

static struct control_setup setup_for(enum action_space space)
{
	struct control_setup s = { .n_arms = 1, .action_space = space, .action_dim = 7, .action_dt_ns = 100 * MS };

	s.arm[0].model = *robot_model_find("panda");
	s.arm[0].tcp = pose_identity;
	s.arm[0].action_count = 7;
	for (int k = 0; k < 3; k++) {
		s.arm[0].box_min_m[k] = -2.0;
		s.arm[0].box_max_m[k] = 2.0;
	}
	for (int i = 0; i < ACTION_DIM_MAX; i++)
		s.action_scale[i] = 1.0;
	return s;
}

/* Path time runs at half speed, stands for a while in which the arm still settles, and runs again. */
static void path_time_finds_the_sent_motion(void **state)
{
	struct past *p = calloc(1, sizeof *p);
	struct past_entry e;

	(void)state;
	assert_non_null(p);
	assert_false(past_at_path(p, 0.0, &e));
	for (int i = 0; i <= 600; i++) {
		double path_s = i < 200 ? i * 0.0025 : i < 400 ? 0.5 : 0.5 + (i - 400) * 0.0025;
		double q = i < 200 ? i * 0.01 : i < 400 ? 2.0 + (i - 200) * 0.0001 : 2.02 + (i - 400) * 0.01;

		past_push(p, &(struct past_entry){ .t_ns = (int64_t)i * 5 * MS, .path_s = path_s, .q_rad = { { q } }, .gripper_m = { i < 300 ? 0.0 : 0.08 } });
	}
	assert_true(past_at_path(p, 0.25 + 0.00125, &e) && fabs(e.q_rad[0][0] - 1.005) < 1e-6 && e.gripper_m[0] == 0.0);
	assert_true(past_at_path(p, 0.5, &e) && fabs(e.q_rad[0][0] - 2.02) < 1e-9 && e.gripper_m[0] == 0.08); /* as it was last */
	assert_true(past_at_path(p, 0.75, &e) && fabs(e.q_rad[0][0] - 3.02) < 1e-6);
	assert_true(past_at_path(p, 9.0, &e) && e.path_s == 1.0);
	assert_false(past_at_path(p, -1e-9, &e));
	free(p);
}

static void newest_entries_come_in_order(void **state)
{
	struct past *p = calloc(1, sizeof *p);
	struct past_entry out[8];

	(void)state;
	assert_non_null(p);
	assert_int_equal(past_newest(p, 8, out), 0);
	for (int i = 0; i < 2 * PAST_ENTRIES; i++) {
		past_push(p, &(struct past_entry){ .t_ns = (int64_t)i * 5 * MS });
		uint32_t n = past_newest(p, 8, out);

		assert_int_equal(n, i < 7 ? i + 1 : 8);
		for (uint32_t k = 0; k < n; k++)
			assert_int_equal(out[k].t_ns, (int64_t)(i - (int)(n - 1 - k)) * 5 * MS);
	}
	free(p);
}

static struct waypoint_start at_home(void)
{
	struct waypoint_start w = { 0 };

	memcpy(w.q_rad, robot_model_find("panda")->home_rad, sizeof w.q_rad);
	return w;
}

static void deltas_accumulate(void **state)
{
	struct control_setup s = setup_for(ACTION_EE_DELTA);
	struct waypoint_start w = at_home();
	struct action_chunk c = good_chunk();
	struct spline p = { 0 };
	double first[4];

	(void)state;
	s.action_scale[0] = 0.05;
	for (int i = 0; i < 8; i++) {
		c.action[i][0] = 0.5;
		c.action[i][5] = 0.1;
	}
	waypoints_build(&s, 0, &c, 8, &w, &p, first);
	assert_int_equal(p.n, 9);
	assert_true(fabs(p.x[8][0] - p.x[0][0] - 8 * 0.025) < 1e-12 && fabs(p.x[8][5] - 0.8) < 1e-9);
	s.delta_frame = FRAME_TCP; /* the tool points down: its x stays x, its z turns the other way */
	waypoints_build(&s, 0, &c, 1, &w, &p, first);
	assert_true(fabs(p.x[1][5] + 0.1) < 1e-9);
	s.arm[0].box_max_m[0] = p.x[0][0] + 0.02; /* the path is bent along the wall, not through it */
	s.delta_frame = FRAME_BASE;
	waypoints_build(&s, 0, &c, 8, &w, &p, first);
	assert_true(p.x[8][0] < s.arm[0].box_max_m[0] && p.x[8][0] > p.x[0][0]);
}

static void rpy_deltas_and_absolute_poses(void **state)
{
	struct control_setup s = setup_for(ACTION_EE_DELTA);
	struct waypoint_start w = at_home();
	struct action_chunk c = good_chunk();
	struct spline p = { 0 };
	double first[4], q[4], r[3];
	struct pose home;

	(void)state;
	s.rotation = ROTATION_RPY;
	memcpy(&c.action[0][3], (double[3]){ 0.2, 0.3, -0.4 }, 3 * sizeof(double));
	waypoints_build(&s, 0, &c, 1, &w, &p, first);
	quat_from_rpy((double[3]){ 0.2, 0.3, -0.4 }, q);
	quat_to_rotvec(q, r);
	for (int k = 0; k < 3; k++)
		assert_true(fabs(p.x[1][3 + k] - r[k]) < 1e-9);
	s.action_space = ACTION_EE_ABSOLUTE;
	s.rotation = ROTATION_ROTVEC;
	kinematics_forward(&s.arm[0].model, &pose_identity, w.q_rad, &home);
	for (int i = 0; i < 8; i++) {
		memcpy(c.action[i], home.p_m, sizeof home.p_m);
		quat_to_rotvec(home.q_xyzw, &c.action[i][3]);
		c.action[i][2] += 0.01 * i;
		double other_side = 1.0 - 2.0 * 3.14159265358979324 / vec3_norm(&c.action[i][3]);

		for (int k = 3; k < 6 && i % 2; k++) /* the same rotation, written from the other side of pi */
			c.action[i][k] *= other_side;
	}
	waypoints_build(&s, 0, &c, 8, &w, &p, first);
	for (int i = 1; i <= 8; i++) {
		assert_true(fabs(p.x[i][2] - p.x[0][2] - 0.01 * (i - 1)) < 1e-9);
		assert_true(vec3_norm(p.x[i] + 3) < 1e-6);
	}
}

/* Ten full actions, then four of nothing: 6.3 mm (63 mrad) in the first 50 ms, 13.3 mm per step in steady motion (messages.md
 * section 7), and then it coasts. Expected: the controller's differential equation, integrated by scipy's solve_ivp (follow_softly
 * of tests/unit/daemon/embodiments/make_expected.py). LIBERO's own simulation (robosuite 1.4.1, whose arm has no unit mass) moves
 * 5.5 mm along y at first and 13.2 mm in the end. */
static const double soft_step[14] = { 6.2996013, 11.8089636, 12.9665835, 13.2098211, 13.2609299, 13.2716688, 13.2739252, 13.2743994,
	13.2744990, 13.2745199, 6.9749231, 1.4655617, 0.3079419, 0.0647043 };

static void osc_moves_as_the_controller_did(void **state)
{
	struct control_setup s = setup_for(ACTION_EE_DELTA);
	struct waypoint_start w = at_home();
	struct action_chunk c = good_chunk();
	struct spline p = { 0 };
	double first[4];

	(void)state;
	s.delta_reference = DELTA_OSC;
	s.action_dt_ns = 50 * MS;
	for (int k = 0; k < 6; k++)
		s.action_scale[k] = k < 3 ? 0.05 : 0.5;
	c.n_steps = 14;
	for (int i = 0; i < 10; i++) {
		c.action[i][1] = -1.0;
		c.action[i][5] = i % 2 ? 1.0 : 1.7; /* what goes beyond its input's range the controller cuts off */
	}
	waypoints_build(&s, 0, &c, 14, &w, &p, first);
	for (int i = 0; i < 14; i++) {
		assert_true(fabs(p.x[i][1] - p.x[i + 1][1] - soft_step[i] * 1e-3) < 1e-9);
		assert_true(fabs(p.x[i + 1][5] - p.x[i][5] - soft_step[i] * 1e-2) < 1e-8);
		assert_true(fabs(p.x[i][0] - p.x[0][0]) < 1e-12 && fabs(p.x[i][3]) < 1e-9);
	}
}

/* The arm turned about its first joint when the chunk was observed: without actions it coasts by v t exp(-w t). */
static void osc_goes_on_from_the_motion_at_the_observation(void **state)
{
	struct control_setup s = setup_for(ACTION_EE_DELTA);
	struct waypoint_start w = at_home();
	struct action_chunk c = good_chunk();
	struct spline p = { 0 };
	double first[4];

	(void)state;
	s.delta_reference = DELTA_OSC;
	s.action_dt_ns = 50 * MS;
	w.dq_rad[0] = 0.3;
	waypoints_build(&s, 0, &c, 8, &w, &p, first);
	assert_true(fabs(p.x[1][5] - 0.3 * 0.0271031666) < 1e-8); /* 0.05 exp(-sqrt(150) 0.05) */
	assert_true(fabs(p.x[1][1] - 0.3 * 0.0271031666 * p.x[0][0]) < 1e-8); /* home lies in the plane y = 0 */
}

static void joint_actions_stay_inside_limits(void **state)
{
	struct control_setup s = setup_for(ACTION_JOINT_ABSOLUTE);
	struct waypoint_start w = at_home();
	struct action_chunk c = good_chunk();
	struct spline p = { 0 };
	double first[4];

	(void)state;
	for (int i = 0; i < 8; i++)
		c.action[i][0] = 9.0;
	waypoints_build(&s, 0, &c, 8, &w, &p, first);
	assert_true(p.x[1][0] < s.arm[0].model.q_max_rad[0] && p.x[1][0] > 2.8);
	s.action_space = ACTION_JOINT_DELTA;
	for (int i = 0; i < 8; i++)
		c.action[i][0] = 0.02;
	waypoints_build(&s, 0, &c, 8, &w, &p, first);
	assert_true(fabs(p.x[8][0] - 0.16) < 1e-12 && p.x[8][1] == w.q_rad[1]);
}

/* ---- curves ------------------------------------------------------------------------------------------------------- */

static void splines_pass_their_points_smoothly(void **state)
{
	struct spline s = { .n = 6, .dim = 1, .step_s = 0.1 };
	struct jet a[SPLINE_DIM_MAX], b[SPLINE_DIM_MAX];

	(void)state;
	for (int i = 0; i < 6; i++)
		s.x[i][0] = sin(i);
	spline_finish(&s);
	for (int i = 0; i < 6; i++) {
		spline_at(&s, i * 0.1 - 1e-9, a);
		spline_at(&s, i * 0.1 + 1e-9, b);
		assert_true(fabs(a[0].x - s.x[i][0]) < 1e-7 && fabs(a[0].d1 - b[0].d1) < 1e-5 && fabs(a[0].d2 - b[0].d2) < 1e-4);
	}
	spline_at(&s, 0.73, a);
	spline_at(&s, 0.5, b);
	assert_true(fabs(a[0].x - (b[0].x + 0.23 * b[0].d1)) < 1e-12); /* straight on */
	s.n = 2;
	spline_finish(&s);
	spline_at(&s, 0.05, a);
	assert_true(fabs(a[0].x - (s.x[0][0] + s.x[1][0]) / 2) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_time_finds_the_sent_motion),
		cmocka_unit_test(newest_entries_come_in_order),
		cmocka_unit_test(only_chunks_of_now_may_run),
		cmocka_unit_test(the_usual_latency_forgets_what_hung),
		cmocka_unit_test(no_instruction_runs_nothing),
		cmocka_unit_test(sent_motion_is_remembered),
		cmocka_unit_test(binary_grippers_decide_once),
		cmocka_unit_test(grippers_of_the_other_polarity_and_continuous_ones),
		cmocka_unit_test(deltas_accumulate),
		cmocka_unit_test(rpy_deltas_and_absolute_poses),
		cmocka_unit_test(osc_moves_as_the_controller_did),
		cmocka_unit_test(osc_goes_on_from_the_motion_at_the_observation),
		cmocka_unit_test(joint_actions_stay_inside_limits),
		cmocka_unit_test(splines_pass_their_points_smoothly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
