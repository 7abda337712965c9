/* test_safety.c - targets follow feasible setpoints closely, start where the arm is, stop for nonsense. Adversaries:
 * test_safety_property.c; the arm's check: test_safety_check.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/safety.h"
#include "robots/model/model.h"

enum { PERIOD_NS = 5000000 };

static struct arm_setup make_arm(void)
{
	struct arm_setup a = { .tcp = pose_identity, .limit_scale = 0.5, .gripper_max_m = 0.08, .box_min_m = { 0.1, -0.6, 0.05 },
		.box_max_m = { 0.8, 0.6, 0.9 }, .floor_m = 0.02 };

	a.model = *robot_model_find("panda");
	memcpy(a.home_rad, a.model.home_rad, sizeof a.home_rad);
	return a;
}

static void seeded(struct safety *s, const struct arm_setup *arm)
{
	safety_init(s, arm, PERIOD_NS);
	assert_true(safety_seed(s, arm->home_rad));
}

static struct safety_stamp at(int64_t k)
{
	return (struct safety_stamp){ .arm = 1, .t_ns = (k + 2) * PERIOD_NS, .tick_ns = k * PERIOD_NS, .valid_for_ns = 20, .epoch = 9 };
}

/* A setpoint t seconds into 0.1 rad of smooth steps. */
static struct setpoint swing(const struct arm_setup *arm, double t)
{
	const double w = 3.14159, size = 0.1;
	struct setpoint p = { .active = true, .source = TARGET_POLICY, .chunk = 5, .step = 2 };

	double turn = fmod(t, 8.0); /* four seconds of smooth steps forth, then the same back */
	double from = turn < 4.0 ? turn : 8.0 - turn, sign = turn < 4.0 ? 1.0 : -1.0;
	double x = size * (from - sin(w * from) / w), v = sign * size * (1 - cos(w * from)), a = size * w * sin(w * from);

	for (uint32_t i = 0; i < 7; i++) {
		p.q_rad[i] = arm->home_rad[i] + x;
		p.dq_rad_s[i] = v;
		p.ddq_rad_s2[i] = a;
	}
	return p;
}

static void the_first_target_is_the_seed(void **state)
{
	struct arm_setup arm = make_arm();
	struct driver_target t;
	struct safety s;

	(void)state;
	safety_init(&s, &arm, PERIOD_NS);
	safety_step(&s, &(struct setpoint){ .active = true }, &(struct safety_stamp){ 0 }, &t);
	assert_false(t.valid); /* nothing before a seed */
	seeded(&s, &arm);
	struct safety_stamp stamp = at(0);

	assert_int_equal(safety_step(&s, &(struct setpoint){ 0 }, &stamp, &t), 0);
	assert_true(t.valid && t.arm == 1 && t.epoch == 9 && t.source == TARGET_HOLD && t.t_ns == 2 * PERIOD_NS);
	assert_memory_equal(t.q_rad, arm.home_rad, sizeof t.q_rad);
	for (int i = 0; i < 7; i++)
		assert_true(t.dq_rad_s[i] == 0.0);
	assert_false(t.has_gripper);
	double bad[DOF_MAX] = { 0, NAN };

	assert_false(safety_seed(&s, bad));
	safety_step(&s, &(struct setpoint){ 0 }, &stamp, &t);
	assert_false(t.valid);
}

static void feasible_setpoints_are_followed_closely(void **state)
{
	static const int64_t periods_ns[] = { 20000000, 5000000, 1000000 };

	(void)state;
	for (int r = 0; r < 3; r++) {
		struct arm_setup arm = make_arm();
		struct driver_target t;
		struct safety s;
		double worst = 0.0, worst_v = 0.0;

		safety_init(&s, &arm, periods_ns[r]);
		assert_true(safety_seed(&s, arm.home_rad));
		for (int64_t k = 1; k < 10000000000 / periods_ns[r]; k++) {
			struct setpoint p = swing(&arm, (double)(k * periods_ns[r]) * 1e-9);
			struct safety_stamp stamp = at(k);

			assert_int_equal(safety_step(&s, &p, &stamp, &t), 0);
			for (int i = 0; i < 7; i++) {
				worst = fmax(worst, fabs(t.q_rad[i] - p.q_rad[i]));
				worst_v = fmax(worst_v, fabs(t.dq_rad_s[i] - p.dq_rad_s[i]));
			}
		}
		assert_true(worst < 1e-4 && worst_v < 2e-3);
	}
}

static void nonsense_brakes(void **state)
{
	struct arm_setup arm = make_arm();
	struct driver_target t;
	struct safety s;

	(void)state;
	seeded(&s, &arm);
	for (int64_t k = 0; k < 600; k++) {
		struct setpoint p = swing(&arm, (double)k * PERIOD_NS * 1e-9);
		struct safety_stamp stamp = at(k);

		safety_step(&s, &p, &stamp, &t);
	}
	assert_false(safety_standing(&s));
	for (int64_t k = 600; k < 800; k++) {
		struct setpoint p = swing(&arm, (double)k * PERIOD_NS * 1e-9);
		struct safety_stamp stamp = at(k);

		p.dq_rad_s[3] = NAN;
		assert_true(safety_step(&s, &p, &stamp, &t) & LIMIT_NOT_FINITE);
		assert_int_equal(t.source, TARGET_HOLD);
	}
	assert_true(safety_standing(&s));
}

static void an_arm_outside_may_only_come_in(void **state)
{
	struct arm_setup arm = make_arm();
	struct driver_target t;
	struct safety s;
	double lowest = INFINITY;

	(void)state;
	arm.box_min_m[2] = 0.6; /* the arm stands 0.1 m below */
	safety_init(&s, &arm, PERIOD_NS);
	assert_true(safety_seed(&s, arm.home_rad));
	double z0 = s.ee.p_m[2];

	assert_true(safety_posture_check(&arm, arm.home_rad) == LIMIT_WORKSPACE);
	for (int64_t k = 0; k < 3000; k++) {
		struct setpoint p = { .active = true, .source = TARGET_HOME };
		struct safety_stamp stamp = at(k);

		memcpy(p.q_rad, arm.home_rad, sizeof p.q_rad);
		p.q_rad[1] += k < 1000 ? 0.5 : -0.6; /* further out, then in */
		p.q_rad[3] += k < 1000 ? -0.3 : 0.4;
		safety_step(&s, &p, &stamp, &t);
		lowest = fmin(lowest, t.ee.p_m[2]);
	}
	assert_true(lowest > z0 - 1e-6);
	assert_true(t.ee.p_m[2] > 0.6);
}

static void grippers_are_clamped_and_nan_is_ignored(void **state)
{
	struct arm_setup arm = make_arm();
	struct driver_target t;
	struct safety s;
	struct setpoint p = { .has_gripper = true, .gripper_m = 0.5 };
	struct safety_stamp stamp = at(0);

	(void)state;
	seeded(&s, &arm);
	safety_step(&s, &p, &stamp, &t);
	assert_true(t.has_gripper && t.gripper_m == 0.08);
	p.gripper_m = NAN;
	safety_step(&s, &p, &stamp, &t);
	assert_false(t.has_gripper);
}

/* Every number of a set-up, spoilt: such an arm is never driven. */
static void a_setup_that_is_not_finite_moves_nothing(void **state)
{
	static const double bad[] = { NAN, INFINITY, -INFINITY };

	(void)state;
	for (int which = 0; which < 14; which++)
		for (int b = 0; b < 3; b++) {
			struct arm_setup arm = make_arm();
			double *const number[] = { &arm.floor_m, &arm.limit_scale, &arm.tcp_v_max_m_s, &arm.gripper_max_m, &arm.box_min_m[1],
				&arm.box_max_m[2], &arm.tcp.p_m[0], &arm.tcp.q_xyzw[3], &arm.model.q_min_rad[3], &arm.model.q_max_rad[6],
				&arm.model.dq_max_rad_s[0], &arm.model.ddq_max_rad_s2[2], &arm.model.dddq_max_rad_s3[5], &arm.model.tcp_w_max_rad_s };
			struct safety s;

			*number[which] = bad[b];
			safety_init(&s, &arm, PERIOD_NS);
			assert_false(safety_seed(&s, arm.home_rad));
		}
}

/* Every number of a setpoint, spoilt while it moves: it brakes; and a posture that is not finite is outside. */
static void no_number_of_a_setpoint_gets_through(void **state)
{
	static const double bad[] = { NAN, INFINITY, -INFINITY, 1e308 };
	struct arm_setup arm = make_arm();
	struct driver_target t;
	struct safety s;

	(void)state;
	seeded(&s, &arm);
	for (int which = 0; which < 23; which++)
		for (int b = 0; b < 4; b++) {
			struct setpoint p = swing(&arm, 1.0);
			struct safety_stamp stamp = at(0);
			double *n = which < 7 ? &p.q_rad[which] : which < 14 ? &p.dq_rad_s[which - 7] : which < 21 ? &p.ddq_rad_s2[which - 14]
					: which == 21 ? &p.tcp_v_max_m_s : &p.tcp_w_max_rad_s;

			*n = which >= 21 && b == 3 ? -1.0 : bad[b];
			bool speed_without_bound = which >= 21 && b == 1;

			assert_int_equal(!speed_without_bound, (safety_step(&s, &p, &stamp, &t) & LIMIT_NOT_FINITE) != 0);
			for (uint32_t i = 0; i < 7; i++)
				assert_true(isfinite(t.q_rad[i]) && isfinite(t.dq_rad_s[i]));
		}
	for (int which = 0; which < 7; which++) {
		double q[DOF_MAX];

		memcpy(q, arm.home_rad, sizeof q);
		q[which] = NAN;
		assert_true(safety_posture_check(&arm, q) & LIMIT_POSITION);
		assert_true(which == 0 || which == 6 || safety_posture_check(&arm, q) & (LIMIT_FLOOR | LIMIT_WORKSPACE));
	}
}

/* One link below the floor may come up; the others, which are above it, may not go down as far. */
static void a_link_outside_gives_the_others_no_leave(void **state)
{
	struct arm_setup arm = make_arm();
	struct driver_target t;
	struct heights h;
	struct safety s;
	double q[DOF_MAX] = { 0 };

	(void)state;
	arm.box_min_m[2] = -1.0;
	kinematics_heights(&arm.model, &arm.tcp, arm.home_rad, &h);
	double lowest = INFINITY;

	for (uint32_t k = 0; k < h.n; k++)
		lowest = fmin(lowest, h.z_m[k]);
	arm.floor_m = lowest + 0.05; /* fingers stand 5 cm below it, elbow and forearm far above */
	seeded(&s, &arm);
	for (int64_t k = 0; k < 4000; k++) {
		struct setpoint p = { .active = true, .source = TARGET_POLICY };
		struct safety_stamp stamp = at(k);

		memcpy(p.q_rad, arm.home_rad, sizeof p.q_rad);
		p.q_rad[1] += 1.8; /* lays the upper arm down, and holds the hand up */
		p.q_rad[3] += 1.2;
		safety_step(&s, &p, &stamp, &t);
		struct heights now;

		memcpy(q, t.q_rad, sizeof q);
		kinematics_heights(&arm.model, &arm.tcp, q, &now);
		for (uint32_t i = 0; i < now.n; i++)
			assert_true(now.z_m[i] >= fmin(h.z_m[i], arm.floor_m) - 1e-4);
	}
}

/* Moving steadily when the source may have half of it: no faster on the way down. */
static void a_lowered_speed_only_slows(void **state)
{
	struct arm_setup arm = make_arm();
	struct driver_target t;
	struct safety s;
	double speed = 0.0, fastest = 0.0;

	(void)state;
	seeded(&s, &arm);
	for (int64_t k = 0; k < 500; k++) {
		struct setpoint p = { .active = true, .source = TARGET_POLICY, .tcp_v_max_m_s = k < 200 ? 0.0 : 0.05 };
		struct safety_stamp stamp = at(k);

		memcpy(p.q_rad, arm.home_rad, sizeof p.q_rad);
		for (int i = 0; i < 7; i++) {
			p.q_rad[i] += (i & 1 ? 0.15 : -0.25) * (double)k * 0.005;
			p.dq_rad_s[i] = i & 1 ? 0.15 : -0.25;
		}
		safety_step(&s, &p, &stamp, &t);
		if (k == 199)
			speed = vec3_norm(t.twist.v_m_s);
		if (k > 199)
			fastest = fmax(fastest, vec3_norm(t.twist.v_m_s));
	}
	assert_true(speed > 0.08);
	assert_true(fastest <= speed * 1.001);
	assert_true(vec3_norm(t.twist.v_m_s) <= 0.05 && vec3_norm(t.twist.v_m_s) > 0.03); /* and goes on */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_target_is_the_seed),
		cmocka_unit_test(feasible_setpoints_are_followed_closely),
		cmocka_unit_test(nonsense_brakes),
		cmocka_unit_test(an_arm_outside_may_only_come_in),
		cmocka_unit_test(a_setup_that_is_not_finite_moves_nothing),
		cmocka_unit_test(no_number_of_a_setpoint_gets_through),
		cmocka_unit_test(a_link_outside_gives_the_others_no_leave),
		cmocka_unit_test(a_lowered_speed_only_slows),
		cmocka_unit_test(grippers_are_clamped_and_nan_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
