/* test_teleop_motion.c - motion by hand: as the person says, within every limit. Who may drive: test_teleop.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/teleop_motion.h"
#include "robots/model/model.h"

#include <cmocka.h>

enum { MS = 1000000, PERIOD_NS = 5000000 };

struct hand {
	struct control_setup setup;
	struct safety sent;
	struct teleop_motion motion;
	struct teleop_input in;
	int64_t due_ns;
	double fastest_m_s, fastest_rad_s;
	double trail[4][DOF_MAX];
	int n;
};

static void hand_init(struct hand *h)
{
	struct arm_setup *a = &h->setup.arm[0];

	*h = (struct hand){ .setup = { .period_ns = PERIOD_NS, .n_arms = 1, .teleop_v_max_m_s = 0.25, .teleop_w_max_rad_s = 1.0 } };
	a->model = *robot_model_find("panda");
	a->tcp = pose_identity;
	a->tcp.p_m[2] = 0.1034;
	a->has_gripper = true;
	a->gripper_max_m = 0.08;
	memcpy(a->home_rad, a->model.home_rad, sizeof a->home_rad);
	memcpy(a->box_min_m, (double[3]){ 0.15, -0.6, 0.02 }, sizeof a->box_min_m);
	memcpy(a->box_max_m, (double[3]){ 0.8, 0.6, 0.9 }, sizeof a->box_max_m);
	a->limit_scale = 0.5;
	safety_init(&h->sent, a, PERIOD_NS);
	assert_true(safety_seed(&h->sent, a->home_rad));
}

static void hold_limits(struct hand *h, const struct driver_target *t)
{
	const struct robot_model *m = &h->setup.arm[0].model;
	double dt = PERIOD_NS * 1e-9, (*q)[DOF_MAX] = h->trail;

	memmove(q[1], q[0], 3 * sizeof q[0]);
	memcpy(q[0], t->q_rad, sizeof q[0]);
	for (uint32_t i = 0; i < m->dof && h->n >= 3; i++) {
		assert_true(fabs(q[0][i] - q[1][i]) / dt <= 0.5 * m->dq_max_rad_s[i]);
		assert_true(fabs(q[0][i] - 2 * q[1][i] + q[2][i]) / dt / dt <= 0.5 * m->ddq_max_rad_s2[i] + 1e-9);
		assert_true(fabs(q[0][i] - 3 * q[1][i] + 3 * q[2][i] - q[3][i]) / dt / dt / dt <= 0.5 * m->dddq_max_rad_s3[i]);
	}
	h->n++;
	h->fastest_m_s = fmax(h->fastest_m_s, vec3_norm(t->twist.v_m_s));
	h->fastest_rad_s = fmax(h->fastest_rad_s, vec3_norm(t->twist.w_rad_s));
}

static struct driver_target run(struct hand *h, int ms)
{
	struct driver_target t = { 0 };

	for (int k = 0; k < ms / 5; k++) {
		struct setpoint s;

		teleop_motion_step(&h->motion, &h->in, &h->sent, 1.0, &s);
		h->due_ns += PERIOD_NS;
		safety_step(&h->sent, &s, &(struct safety_stamp){ .t_ns = h->due_ns }, &t);
		hold_limits(h, &t);
	}
	return t;
}

static void twist(struct hand *h, double vx, double vz, double wz)
{
	h->in = (struct teleop_input){ .kind = TELEOP_TWIST, .deadman = true };
	h->in.value[0] = vx;
	h->in.value[2] = vz;
	h->in.value[5] = wz;
}

static void start(struct hand *h)
{
	teleop_motion_start(&h->motion, &h->setup, 0, &h->in, &h->sent);
}

static void a_twist_moves_the_tcp_as_it_says(void **state)
{
	struct hand h;

	(void)state;
	hand_init(&h);
	twist(&h, 0.0, 0.1, 0.0);
	start(&h);
	double from = h.sent.ee.p_m[2];

	run(&h, 500);
	assert_true(fabs(h.sent.ee.p_m[2] - from - 0.05) < 0.02);
	double after = h.sent.ee.p_m[2];

	run(&h, 200);
	assert_true(fabs(h.sent.ee.p_m[2] - after - 0.02) < 0.002);
	twist(&h, 0.0, 0.0, 0.0);
	run(&h, 500);
	assert_true(safety_standing(&h.sent));
}

static void speed_stays_at_the_limit_whatever_is_asked(void **state)
{
	struct hand h;

	(void)state;
	hand_init(&h);
	twist(&h, 50.0, 30.0, 90.0);
	start(&h);
	run(&h, 600);
	twist(&h, -50.0, 1e9, -90.0);
	run(&h, 600);
	twist(&h, NAN, 0.1, INFINITY);
	run(&h, 1000);
	assert_true(safety_standing(&h.sent));
	assert_true(h.fastest_m_s <= 0.25 && h.fastest_m_s > 0.2);
	assert_true(h.fastest_rad_s <= 1.05 && h.fastest_rad_s > 0.8);
}

static void against_the_edge_it_waits_and_turns_back_at_once(void **state)
{
	struct hand h;

	(void)state;
	hand_init(&h);
	twist(&h, 0.0, -0.2, 0.0);
	start(&h);
	run(&h, 8000);
	double low = h.sent.ee.p_m[2];

	assert_true(low >= 0.02 && low < 0.06);
	twist(&h, 0.0, 0.2, 0.0);
	run(&h, 600);
	assert_true(h.sent.ee.p_m[2] > low + 0.02);
}

/* How often the TCP's acceleration changes its sign in so many seconds; what is too small to feel does not count. */
static int shakes(struct hand *h, int ms)
{
	double before[2][3] = { { 0 } }, last[3] = { 0 };
	int n = 0;

	for (int k = 0; k < ms / 5; k++) {
		run(h, 5);
		for (int i = 0; i < 3; i++) {
			double p = h->sent.ee.p_m[i], a = (p - 2 * before[0][i] + before[1][i]) / (PERIOD_NS * 1e-9) / (PERIOD_NS * 1e-9);

			before[1][i] = before[0][i];
			before[0][i] = p;
			if (k < 2 || fabs(a) < 0.02)
				continue;
			n += a * last[i] < 0.0;
			last[i] = a;
		}
	}
	return n;
}

/* Pressed against the table's edge, and against the floor, it goes on sideways as it is told, and does not shake. */
static void along_the_edge_it_slides(void **state)
{
	(void)state;
	for (int floor = 0; floor < 2; floor++) {
		struct hand h;

		hand_init(&h);
		h.setup.arm[0].box_min_m[2] = floor ? 0.0 : 0.2;
		h.setup.arm[0].floor_m = floor ? 0.22 : -1.0;
		safety_init(&h.sent, &h.setup.arm[0], PERIOD_NS);
		assert_true(safety_seed(&h.sent, h.setup.arm[0].home_rad));
		twist(&h, 0.0, -0.1, 0.0);
		h.in.value[1] = 0.05;
		start(&h);
		run(&h, 4000);
		double y = h.sent.ee.p_m[1], z = h.sent.ee.p_m[2];

		assert_true(shakes(&h, 1500) <= 3);
		assert_true(fabs(h.sent.ee.p_m[1] - y - 0.075) < 0.005 && fabs(h.sent.ee.p_m[2] - z) < 0.003);
	}
}

static void a_pose_is_reached_and_kept(void **state)
{
	struct hand h;
	double way[6];

	(void)state;
	hand_init(&h);
	h.in = (struct teleop_input){ .kind = TELEOP_POSE, .deadman = true, .value = { 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0 } };
	start(&h); /* what it says then is where its way begins */
	run(&h, 500);
	assert_true(h.fastest_m_s == 0.0);
	memcpy(h.in.value, (double[7]){ 0.35, -0.1, 0.03, 0.0, 0.0, sin(0.2), cos(0.2) }, sizeof h.in.value);
	struct pose from = h.sent.ee, goal = from;

	for (int i = 0; i < 3; i++)
		goal.p_m[i] += h.in.value[i] - (i == 0 ? 0.3 : 0.0);
	quat_multiply(h.in.value + 3, from.q_xyzw, goal.q_xyzw);
	run(&h, 3000);
	pose_difference(&h.sent.ee, &goal, way);
	assert_true(vec3_norm(way) < 5e-4 && vec3_norm(way + 3) < 2e-3);
	assert_true(h.fastest_m_s <= 0.25);
}

static void joints_are_followed_and_far_ones_are_known(void **state)
{
	struct hand h;

	(void)state;
	hand_init(&h);
	h.in = (struct teleop_input){ .kind = TELEOP_JOINT, .deadman = true };
	memcpy(h.in.value, h.setup.arm[0].home_rad, sizeof h.in.value);
	h.in.value[0] += 0.5;
	h.in.value[3] -= 0.2;
	assert_true(fabs(teleop_mismatch_rad(&h.in, &h.setup.arm[0], &h.sent) - 0.5) < 1e-12);
	start(&h);
	run(&h, 6000);
	assert_true(fabs(h.sent.joint[0].q - h.in.value[0]) < 1e-3 && fabs(h.sent.joint[3].q - h.in.value[3]) < 1e-3);
	assert_true(h.fastest_m_s <= 0.25);
	h.in.value[2] = NAN;
	assert_true(isnan(teleop_mismatch_rad(&h.in, &h.setup.arm[0], &h.sent)));
}

/* Take-over while the policy moves the arm faster than a person may: no jump, and slow soon. */
static void a_take_over_in_motion_is_no_jump(void **state)
{
	struct hand h;
	struct driver_target t = { 0 };

	(void)state;
	hand_init(&h);
	for (int k = 0; k < 100; k++) {
		struct setpoint s = { .active = true, .source = TARGET_POLICY };

		memcpy(s.q_rad, h.setup.arm[0].home_rad, sizeof s.q_rad);
		s.q_rad[0] += 1.0;
		h.due_ns += PERIOD_NS;
		safety_step(&h.sent, &s, &(struct safety_stamp){ .t_ns = h.due_ns }, &t);
		hold_limits(&h, &t);
	}
	assert_true(vec3_norm(t.twist.v_m_s) > 0.27);
	twist(&h, 0.0, 0.0, 0.0);
	start(&h);
	t = run(&h, 200);
	assert_true(vec3_norm(t.twist.v_m_s) < 0.25);
	run(&h, 1000);
	assert_true(safety_standing(&h.sent));
}

/* The policy moves the arm when a device with a pose takes over: the arm stops, stands there, and only then follows. */
static void a_pose_take_over_in_motion_stops_first(void **state)
{
	struct driver_target t = { 0 };
	struct hand h;

	(void)state;
	hand_init(&h);
	for (int k = 0; k < 100; k++) {
		struct setpoint s = { .active = true, .source = TARGET_POLICY };

		memcpy(s.q_rad, h.setup.arm[0].home_rad, sizeof s.q_rad);
		s.q_rad[0] += 1.0;
		h.due_ns += PERIOD_NS;
		safety_step(&h.sent, &s, &(struct safety_stamp){ .t_ns = h.due_ns }, &t);
		hold_limits(&h, &t);
	}
	h.in = (struct teleop_input){ .kind = TELEOP_POSE, .deadman = true, .value = { 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0 } };
	start(&h);
	double furthest = 0.0, from = h.sent.joint[0].q;

	for (int k = 0; k < 200; k++) {
		run(&h, 5);
		furthest = fmax(furthest, h.sent.joint[0].q - from);
	}
	double back_m = 0.31 * (furthest - (h.sent.joint[0].q - from)); /* the TCP is 0.31 m from the first joint's axis */

	print_message("%.1f mm on, %.2f mm back\n", 310.0 * furthest, 1e3 * back_m);
	assert_true(back_m < 5e-4);
	assert_true(safety_standing(&h.sent));
	struct pose stood = h.sent.ee;

	h.in.value[2] += 0.05;
	run(&h, 2000);
	assert_true(fabs(h.sent.ee.p_m[2] - stood.p_m[2] - 0.05) < 1e-3 && fabs(h.sent.ee.p_m[1] - stood.p_m[1]) < 1e-3);
}

static void piper_init(struct hand *h)
{
	struct arm_setup *a = &h->setup.arm[0];

	hand_init(h);
	a->model = *robot_model_find("piper");
	a->tcp.p_m[2] = 0.145;
	memcpy(a->home_rad, a->model.home_rad, sizeof a->home_rad);
	memcpy(a->box_min_m, (double[3]){ 0.10, -0.35, 0.02 }, sizeof a->box_min_m);
	memcpy(a->box_max_m, (double[3]){ 0.55, 0.35, 0.50 }, sizeof a->box_max_m);
	a->floor_m = 0.02;
	a->limit_scale = 0.3;
	a->tcp_v_max_m_s = 0.4;
	safety_init(&h->sent, a, PERIOD_NS);
	assert_true(safety_seed(&h->sent, a->home_rad));
}

static double any(uint64_t *seed, double low, double high)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
	return low + (high - low) * (double)(*seed >> 11) / 9007199254740992.0;
}

/* A PiPER stands near a singular posture at home and has little jerk to spare: wherever a stick has led it, it follows not much
 * faster than it is told, and comes to a stand when told nothing. */
static void a_piper_stands_when_the_stick_is_let_go(void **state)
{
	uint64_t seed = 7;
	struct hand h;

	(void)state;
	for (int k = 0; k < 40; k++) {
		double size = k % 2 ? 0.02 : 0.2;

		piper_init(&h);
		twist(&h, 0.0, 0.0, 0.0);
		start(&h);
		for (int leg = 0; leg < 6; leg++) {
			for (int i = 0; i < 6; i++)
				h.in.value[i] = i < 3 ? any(&seed, -size, size) : k % 2 ? 0.0 : any(&seed, -0.5, 0.5);
			run(&h, (int)any(&seed, 1000.0, 3000.0));
		}
		assert_true(h.fastest_m_s <= (k % 2 ? 1.3 * sqrt(3.0) * size + 0.06 : 0.25));
		memset(h.in.value, 0, sizeof h.in.value);
		run(&h, 1500); /* 0.3 of its acceleration, joint by joint */
		assert_true(safety_standing(&h.sent));
	}
}

static void the_gripper_acts_once_it_was_moved(void **state)
{
	struct hand h;

	(void)state;
	hand_init(&h);
	twist(&h, 0.0, 0.0, 0.0);
	h.in.has_gripper = true;
	h.in.gripper_m = 0.03;
	start(&h);
	assert_false(run(&h, 50).has_gripper);
	h.in.gripper_m = 0.0349;
	assert_false(run(&h, 50).has_gripper);
	h.in.gripper_m = 0.0351;
	struct driver_target t = run(&h, 5);

	assert_true(t.has_gripper && fabs(t.gripper_m - 0.0351) < 1e-9);
	h.in.gripper_m = 0.03;
	assert_true(run(&h, 5).has_gripper);
}

/* ---- gripper ------------------------------------------------------------------------------------------------------------- */

struct trigger {
	struct hand h;
	double opening_m;
	int turns;
	double direction;
};

/* So many periods with the trigger there, trembling by the amplitude; counts how often the gripper turns round. */
static void squeeze(struct trigger *t, double wish_m, double trembling_m, int ms)
{
	for (int k = 0; k < ms / 5; k++) {
		t->h.in.gripper_m = wish_m + (k % 2 ? trembling_m : -trembling_m);
		struct driver_target out = run(&t->h, 5);

		if (!out.has_gripper)
			continue;
		double way = out.gripper_m - t->opening_m;

		if (way != 0.0) {
			t->turns += way * t->direction < 0.0;
			t->direction = way;
		}
		t->opening_m = out.gripper_m;
	}
}

static void trigger_init(struct trigger *t)
{
	*t = (struct trigger){ .opening_m = 0.08 };
	hand_init(&t->h);
	t->h.setup.teleop_gripper_hysteresis_m = 0.004;
	t->h.setup.teleop_gripper_dwell_ns = 200 * MS;
	twist(&t->h, 0.0, 0.0, 0.0);
	t->h.in.has_gripper = true;
	t->h.in.gripper_m = 0.08;
	start(&t->h);
}

static void a_trembling_trigger_does_not_make_it_chatter(void **state)
{
	struct trigger t;

	(void)state;
	trigger_init(&t);
	for (double wish = 0.08; wish > 0.03; wish -= 0.001)
		squeeze(&t, wish, 0.0019, 50);
	squeeze(&t, 0.03, 0.0019, 2000);
	assert_int_equal(t.turns, 0);
	assert_true(fabs(t.opening_m - 0.0281) < 1e-9); /* follows, as far as it ever was asked to */
	squeeze(&t, 0.05, 0.0, 50);
	assert_true(t.turns == 1 && fabs(t.opening_m - 0.05) < 1e-9); /* a wish is a wish */
}

static void it_stays_for_the_dwell_and_goes_where_it_is_asked_to(void **state)
{
	struct trigger t;

	(void)state;
	trigger_init(&t);
	squeeze(&t, 0.04, 0.02, 2000); /* between 0.02 and 0.06 every period */
	assert_true(t.turns >= 5 && t.turns <= 10);
	squeeze(&t, 0.0, 0.0, 250);
	assert_true(t.opening_m == 0.0);
	squeeze(&t, 0.2, 0.0, 250); /* further than it can */
	assert_true(t.opening_m == 0.08);
	t.h.in.has_gripper = false;
	assert_false(run(&t.h, 5).has_gripper); /* unchanged */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_twist_moves_the_tcp_as_it_says),
		cmocka_unit_test(speed_stays_at_the_limit_whatever_is_asked),
		cmocka_unit_test(against_the_edge_it_waits_and_turns_back_at_once),
		cmocka_unit_test(along_the_edge_it_slides),
		cmocka_unit_test(a_pose_is_reached_and_kept),
		cmocka_unit_test(joints_are_followed_and_far_ones_are_known),
		cmocka_unit_test(a_take_over_in_motion_is_no_jump),
		cmocka_unit_test(a_pose_take_over_in_motion_stops_first),
		cmocka_unit_test(a_piper_stands_when_the_stick_is_let_go),
		cmocka_unit_test(the_gripper_acts_once_it_was_moved),
		cmocka_unit_test(a_trembling_trigger_does_not_make_it_chatter),
		cmocka_unit_test(it_stays_for_the_dwell_and_goes_where_it_is_asked_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
