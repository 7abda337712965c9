/* test_observation.c - sets of frames, frozen cameras, states at a time, state vectors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/observation.h"
#include "robots/model/model.h"

#define MS INT64_C(1000000)

static void push_ms(struct frame_history *h, int64_t stamp_ms)
{
	frame_history_push(h, stamp_ms * MS, (stamp_ms + 10) * MS);
}

static void newest_set_within_skew(void **state)
{
	struct frame_history h[2] = { { 0 }, { 0 } };
	struct frame_set s;

	(void)state;
	assert_false(frame_set_pick(h, 2, 50 * MS, &s) || s.skewed); /* nothing yet */
	push_ms(&h[0], 100);
	assert_false(frame_set_pick(h, 2, 50 * MS, &s) || s.skewed);
	push_ms(&h[1], 90);
	push_ms(&h[0], 133);
	assert_true(frame_set_pick(h, 2, 50 * MS, &s));
	assert_int_equal(s.t_obs_ns, 90 * MS);
	assert_int_equal(s.ready_ns, 143 * MS);
	assert_int_equal(s.slot[0], 1);
	push_ms(&h[0], 166); /* too new for the other's 90: the older one still fits */
	assert_true(frame_set_pick(h, 2, 50 * MS, &s));
	assert_int_equal(s.slot[0], 1);
	assert_true(frame_set_pick(h, 2, 5 * MS, &s) == false && s.skewed);
}

static void one_camera_and_none(void **state)
{
	struct frame_history h = { 0 };
	struct frame_set s;

	(void)state;
	for (int i = 0; i < 20; i++)
		push_ms(&h, 10 * i);
	assert_true(frame_set_pick(&h, 1, 1, &s));
	assert_int_equal(s.t_obs_ns, 190 * MS);
	assert_int_equal(s.slot[0], 19 % FRAME_HISTORY);
	assert_false(frame_set_pick(&h, 0, 1, &s));
}

static void frozen_cameras_are_noticed(void **state)
{
	struct frozen_watch w = { 0 };
	uint8_t a[100] = { 1 }, b[100] = { 1 };

	(void)state;
	b[97] = 2;
	assert_true(frame_hash(a, 100) != frame_hash(b, 100) && frame_hash(a, 100) != frame_hash(a, 99));
	for (int i = 0; i < 9; i++)
		assert_false(frozen_watch_step(&w, 5, i, 10));
	assert_true(frozen_watch_step(&w, 5, 9, 10));
	assert_false(frozen_watch_step(&w, 6, 10, 10)); /* one new picture, and it lives */
	for (int i = 0; i < 8; i++)
		assert_false(frozen_watch_step(&w, (uint64_t)i + 100, 10, 10)); /* new bytes, but the stamp stands still */
	assert_true(frozen_watch_step(&w, 200, 10, 10));
}

static struct arm_state state_at(int64_t ms, double q)
{
	struct arm_state s = { .present = true, .has_q = true, .has_gripper = true, .from = 1, .stamp_ns = ms * MS, .gripper_m = q / 10 };

	s.q_rad[0] = q;
	s.ee.p_m[0] = q;
	quat_from_rotvec((double[3]){ 0, 0, q }, s.ee.q_xyzw);
	return s;
}

static void states_are_interpolated(void **state)
{
	struct state_history *h = calloc(1, sizeof *h);
	struct arm_state s;
	double r[3];

	(void)state;
	assert_non_null(h);
	assert_false(state_history_at(h, 0, MS, &s));
	for (int i = 0; i < 3000; i++) {
		s = state_at(i, i * 0.001);
		state_history_push(h, &s);
	}
	s = state_at(2500, 99.0); /* older than the newest: not kept */
	state_history_push(h, &s);
	assert_true(state_history_at(h, 2500 * MS + MS / 2, MS, &s));
	quat_to_rotvec(s.ee.q_xyzw, r);
	assert_true(fabs(s.q_rad[0] - 2.5005) < 1e-9 && fabs(s.ee.p_m[0] - 2.5005) < 1e-9 && fabs(r[2] - 2.5005) < 1e-9);
	assert_true(fabs(s.gripper_m - 0.25005) < 1e-9 && s.stamp_ns == 2500 * MS + MS / 2);
	assert_false(state_history_at(h, 1900 * MS, MS, &s)); /* more than a second ago */
	assert_true(state_history_at(h, 3000 * MS, 20 * MS, &s));
	assert_true(s.stamp_ns == 2999 * (int64_t)MS);
	assert_false(state_history_at(h, 3030 * (int64_t)MS, 20 * MS, &s));
	s = state_at(10, 1.0); /* a restarted driver begins again */
	s.from = 2;
	state_history_push(h, &s);
	assert_true(state_history_at(h, 10 * MS, MS, &s) && s.q_rad[0] == 1.0);
	assert_false(state_history_at(h, 9 * MS, MS, &s));
	free(h);
}

static void state_vectors_follow_their_layout(void **state)
{
	const enum proprio_item items[] = { PROPRIO_EE_POS, PROPRIO_EE_ROTVEC, PROPRIO_Q, PROPRIO_GRIPPER_FINGERS, PROPRIO_GRIPPER_OPEN,
		PROPRIO_ZERO, PROPRIO_EE_QUAT, PROPRIO_GRIPPER_M };
	struct arm_setup arm = { .gripper_max_m = 0.08 };
	struct arm_state s = state_at(0, 0.5);
	double mean[32] = { 0 }, out[32];

	(void)state;
	arm.model = *robot_model_find("piper");
	quat_from_rotvec((double[3]){ 3.12, 0, 0 }, s.ee.q_xyzw);
	s.gripper_m = 0.06;
	mean[3] = -3.1; /* the statistics look at it from the other side */
	assert_int_equal(proprio_build(items, 8, &arm, &s, NULL, mean, out, 32), 3 + 3 + 6 + 2 + 1 + 1 + 4 + 1);
	assert_true(out[0] == 0.5 && fabs(out[3] - (3.12 - 2.0 * 3.14159265358979)) < 1e-9 && out[6] == 0.5);
	assert_true(out[12] == 0.03 && out[13] == -0.03 && fabs(out[14] - 0.75) < 1e-12 && out[15] == 0.0);
	assert_true(fabs(out[19] - s.ee.q_xyzw[3]) < 1e-15 && out[20] == 0.06);
	assert_int_equal(proprio_build(items, 8, &arm, &s, NULL, NULL, out, 7), 6); /* what does not fit is left out */
	assert_true(fabs(out[3] - 3.12) < 1e-12);
	assert_string_equal(proprio_item_name(PROPRIO_GRIPPER_FINGERS), "gripper_fingers");
	assert_null(proprio_item_name(PROPRIO_COUNT));
}

static void what_is_settled_leads_somewhere(void **state)
{
	const enum proprio_item items[] = { PROPRIO_GRIPPER_M, PROPRIO_COMMITTED_POS, PROPRIO_COMMITTED_ROTVEC };
	const struct proprio_lead lead = { { 0.01, -0.02, 0.03 }, { 0.1, 0.2, -0.3 } };
	const double want[7] = { 0.06, 0.01, -0.02, 0.03, 0.1, 0.2, -0.3 };
	struct arm_setup arm = { .gripper_max_m = 0.08 };
	struct arm_state s = state_at(0, 0.5);
	double out[7];

	(void)state;
	s.gripper_m = 0.06;
	assert_true(proprio_needs_lead(items, 3) && !proprio_needs_lead(items, 1));
	assert_int_equal(proprio_build(items, 3, &arm, &s, &lead, NULL, out, 7), 7);
	assert_memory_equal(out, want, sizeof want);
	assert_int_equal(proprio_build(items, 3, &arm, &s, NULL, NULL, out, 7), 7);
	for (int i = 1; i < 7; i++)
		assert_true(out[i] == 0.0);
}

static void rpy_takes_the_branch_of_the_mean(void **state)
{
	const enum proprio_item item = PROPRIO_EE_RPY;
	struct arm_setup arm = { 0 };
	struct arm_state s = { 0 };
	const double mean[3] = { -3.0, 0, 0 };
	double out[3];

	(void)state;
	quat_from_rpy((double[3]){ 3.1, 0.2, -0.1 }, s.ee.q_xyzw);
	assert_int_equal(proprio_build(&item, 1, &arm, &s, NULL, mean, out, 3), 3);
	assert_true(fabs(out[0] - (3.1 - 2.0 * 3.14159265358979)) < 1e-9 && fabs(out[1] - 0.2) < 1e-9);
}

static void quaternions_take_the_sign_of_the_mean(void **state)
{
	const enum proprio_item item = PROPRIO_EE_QUAT;
	struct arm_setup arm = { 0 };
	struct arm_state s = { .ee.q_xyzw = { 0.6006, 0, 0, -0.8008 } }; /* as far from norm 1 as a message may be */
	double out[4];

	(void)state;
	proprio_build(&item, 1, &arm, &s, NULL, NULL, out, 4); /* without statistics: w >= 0 */
	assert_true(fabs(out[0] + 0.6) < 1e-12 && fabs(out[3] - 0.8) < 1e-12);
	proprio_build(&item, 1, &arm, &s, NULL, (double[]){ 0.1, 0, 0, 0.9 }, out, 4);
	assert_true(fabs(out[0] + 0.6) < 1e-12); /* 0.06 - 0.72 < 0: turned */
	proprio_build(&item, 1, &arm, &s, NULL, (double[]){ 0.9, 0, 0, 0.1 }, out, 4);
	assert_true(fabs(out[0] - 0.6) < 1e-12 && fabs(out[3] + 0.8) < 1e-12);
}

/* A turn by pi about x with a wobble of +-0.2 rad about it crosses pi twice a round. Steps of 0.01 rad must stay steps of about
 * 0.01 in each form, for a mean on either side; the principal value (no mean) jumps, by construction. */
static void a_tool_that_points_down_wobbles_without_a_jump(void **state)
{
	static const struct {
		enum proprio_item item;
		double near[4];
		bool given, jumps;
	} cases[] = {
		{ PROPRIO_EE_ROTVEC, { 3.0, 0, 0 }, true, false },
		{ PROPRIO_EE_ROTVEC, { -3.0, 0, 0 }, true, false },
		{ PROPRIO_EE_ROTVEC, { 0 }, false, true },
		{ PROPRIO_EE_RPY, { 3.0, 0, 0 }, true, false },
		{ PROPRIO_EE_RPY, { -3.0, 0, 0 }, true, false },
		{ PROPRIO_EE_RPY, { 0 }, false, true },
		{ PROPRIO_EE_QUAT, { 1, 0, 0, 0 }, true, false },
		{ PROPRIO_EE_QUAT, { -1, 0, 0, 0 }, true, false },
		{ PROPRIO_EE_QUAT, { 0 }, false, true },
	};
	struct arm_setup arm = { 0 };

	(void)state;
	for (uint32_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		double last[4] = { 0 }, out[4] = { 0 }, jump = 0.0;
		uint32_t n = proprio_item_size(cases[c].item, 0);

		for (int i = 0; i <= 630; i++) {
			double t = 0.01 * i, wobble[4], down[4];
			struct arm_state s = { 0 };

			quat_from_rotvec((double[3]){ 0.2 * cos(t), 0.2 * sin(t), 0.1 * sin(2 * t) }, wobble);
			quat_from_rotvec((double[3]){ M_PI, 0, 0 }, down);
			quat_multiply(wobble, down, s.ee.q_xyzw);
			for (int k = 0; k < 4 && i % 3 == 0; k++) /* drivers may turn the sign as they like */
				s.ee.q_xyzw[k] = -s.ee.q_xyzw[k];
			assert_int_equal(proprio_build(&cases[c].item, 1, &arm, &s, NULL, cases[c].given ? cases[c].near : NULL, out, 4), n);
			for (uint32_t k = 0; k < n && i > 0; k++)
				jump = fmax(jump, fabs(out[k] - last[k]));
			memcpy(last, out, sizeof last);
		}
		assert_true(cases[c].jumps ? jump > 1.0 : jump < 0.02);
		assert_true(!cases[c].given || cases[c].near[0] * out[0] > 0.0);
	}
}

static void grippers_are_needed_by_their_items(void **state)
{
	const enum proprio_item with[] = { PROPRIO_Q, PROPRIO_GRIPPER_FINGERS }, without[] = { PROPRIO_Q, PROPRIO_ZERO };

	(void)state;
	assert_true(proprio_needs_gripper(with, 2));
	assert_false(proprio_needs_gripper(without, 2));
	assert_false(proprio_needs_gripper(with, 1));
	assert_true(proprio_needs_gripper((enum proprio_item[]){ PROPRIO_GRIPPER_M }, 1));
	assert_true(proprio_needs_gripper((enum proprio_item[]){ PROPRIO_GRIPPER_OPEN }, 1));
}

static const struct state_range unit = { 3, (const double[]){ 0, 0, 5 }, (const double[]){ 1, 10, 5 }, 0.5 };

/* The edge is low - margin (high - low), itself still inside. */
static void states_are_in_range_up_to_their_margin(void **state)
{
	const struct state_range none = { 3, NULL, NULL, 0.5 };

	(void)state;
	assert_int_equal(state_range_find(&unit, (double[]){ -0.5, 15, 5 }), -1);
	assert_int_equal(state_range_find(&unit, (double[]){ 1.5, -5, 5 }), -1);
	assert_int_equal(state_range_find(&unit, (double[]){ -0.501, 15, 5 }), 0);
	assert_int_equal(state_range_find(&unit, (double[]){ 0, 15.01, 5 }), 1);
	assert_int_equal(state_range_find(&unit, (double[]){ 0, NAN, 5 }), 1);
	assert_int_equal(state_range_find(&unit, (double[]){ 0, 0, -77 }), -1); /* no width: says nothing */
	assert_int_equal(state_range_find(&none, (double[]){ 0, NAN, 5 }), -1);
}

/* `warn` used to log with every observation. */
static void changes_of_range_are_said_once(void **state)
{
	struct range_watch w = { 0 };
	uint32_t lines = 0;

	(void)state;
	assert_false(range_watch_step(&w, -1, 0));
	assert_true(range_watch_step(&w, 2, 10 * MS));
	for (int i = 0; i < 1000; i++)
		assert_false(range_watch_step(&w, 2, (20 + 100 * i) * MS));
	assert_true(range_watch_step(&w, -1, 200000 * MS));
	for (int i = 0; i < 1000; i++) /* to and fro at the edge for 10 s */
		lines += range_watch_step(&w, i % 2 ? -1 : 2, (200001 + 10 * i) * MS);
	assert_int_equal(lines, 9);
	assert_true(range_watch_step(&w, w.said == 0 ? 2 : -1, 300000 * MS)); /* what was kept back is said later */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_set_within_skew),
		cmocka_unit_test(one_camera_and_none),
		cmocka_unit_test(frozen_cameras_are_noticed),
		cmocka_unit_test(states_are_interpolated),
		cmocka_unit_test(state_vectors_follow_their_layout),
		cmocka_unit_test(what_is_settled_leads_somewhere),
		cmocka_unit_test(rpy_takes_the_branch_of_the_mean),
		cmocka_unit_test(quaternions_take_the_sign_of_the_mean),
		cmocka_unit_test(a_tool_that_points_down_wobbles_without_a_jump),
		cmocka_unit_test(grippers_are_needed_by_their_items),
		cmocka_unit_test(states_are_in_range_up_to_their_margin),
		cmocka_unit_test(changes_of_range_are_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
