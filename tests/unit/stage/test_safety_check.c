/* test_safety_check.c - the arm's check accepts everything that safety_step makes, whatever is lost on the way, and refuses what
 * breaks a limit: at once when it is much, as it adds up when it is little. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/safety.h"
#include "robots/model/model.h"
#include "tests/unit/share.h"

#include <cmocka.h> /* last: it defines fail() */

enum { PERIOD_NS = 5000000 };

static uint64_t seed = 88172645463325252u;

static double uniform(double low, double high)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return low + (high - low) * (double)(seed >> 11) / 9007199254740992.0;
}

static struct arm_setup make_arm(const char *model, double scale)
{
	struct arm_setup a = { .tcp = pose_identity, .limit_scale = scale, .gripper_max_m = 0.08,
		.box_min_m = { -0.6, -0.6, 0.05 }, .box_max_m = { 0.8, 0.6, 0.9 }, .floor_m = 0.02 };

	a.model = *robot_model_find(model);
	a.tcp.p_m[2] = 0.1;
	memcpy(a.home_rad, a.model.home_rad, sizeof a.home_rad);
	return a;
}

/* ---- what dreamvlad sends ------------------------------------------------------------------------------------------ */

/* A new wish now and then: far away, near, beyond the range, a velocity, or none at all. */
static void wish(const struct arm_setup *arm, const struct safety *s, struct setpoint *w)
{
	double kind = uniform(0.0, 6.0), far = kind < 2.0 ? 4.0 : 0.3;

	*w = (struct setpoint){ .active = kind < 5.0, .source = TARGET_POLICY };
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		w->q_rad[i] = kind < 1.0 ? uniform(-far, far) : s->joint[i].q + uniform(-far, far);
		w->dq_rad_s[i] = kind > 3.0 ? uniform(-3.0, 3.0) : 0.0;
	}
}

static void send_motion(const struct arm_setup *arm, const double *start_rad, uint32_t rate_hz, uint32_t steps)
{
	int64_t period_ns = 1000000000 / rate_hz;
	uint32_t lost = 0;
	struct setpoint w = { 0 };
	struct driver_target t;
	struct safety_check c;
	struct safety s;

	safety_init(&s, arm, period_ns);
	assert_true(safety_seed(&s, start_rad));
	safety_check_init(&c, arm);
	for (uint32_t k = 0; k < steps; k++) {
		if (k > 0 && uniform(0.0, 1.0) < 4.0 / rate_hz) /* a motion begins with a target that stands */
			wish(arm, &s, &w);
		struct safety_stamp stamp = { .t_ns = (k + 1) * period_ns };

		safety_step(&s, &w, &stamp, &t);
		if (k > 0 && lost < 3 && uniform(0.0, 1.0) < 0.1 * (1 + 3 * lost)) {
			lost++;
			continue;
		}
		lost = 0;
		struct safety_finding f = safety_check_target(&c, &t, start_rad);

		if (f.exceeded || f.refused)
			fprintf(stderr, "%s %u Hz step %u: mask %x joint %u %g limit %g change %g\n", arm->model.name, rate_hz, k,
					f.exceeded, f.joint, f.value, f.limit, f.change_rad);
		assert_int_equal(f.exceeded, 0);
		assert_false(f.refused);
		for (uint32_t i = 0; i < arm->model.dof; i++) /* the follower is on the stream: nothing adds up */
			assert_true(!c.apart[i] && fabs(c.allowed[i].q - t.q_rad[i]) < 1e-8);
		assert_true(c.tcp_lag_m == 0.0);
	}
}

/* The arm hears of a motion from its target number `lost` on, by when it moves: however near and slow that is, what follows is either
 * refused at once or accepted to its end. A refusal later on would brake an arm at speed for nothing. */
static bool join_motion(const struct arm_setup *arm, uint32_t rate_hz, uint32_t lost)
{
	int64_t period_ns = 1000000000 / rate_hz;
	struct setpoint w = { .active = true, .source = TARGET_POLICY };
	struct driver_target t;
	struct safety_check c;
	struct safety s;

	safety_init(&s, arm, period_ns);
	assert_true(safety_seed(&s, arm->home_rad));
	safety_check_init(&c, arm);
	for (uint32_t i = 0; i < arm->model.dof; i++)
		w.q_rad[i] = arm->home_rad[i] + (i % 2 ? -0.5 : 0.5);
	for (uint32_t k = 0; k < lost + rate_hz / 3; k++) {
		struct safety_stamp stamp = { .t_ns = (k + 1) * period_ns };

		safety_step(&s, &w, &stamp, &t);
		if (k < lost)
			continue;
		struct safety_finding f = safety_check_target(&c, &t, arm->home_rad);

		if (k == lost && f.refused)
			return false;
		if (f.exceeded)
			fprintf(stderr, "%s %u Hz, begun at %u, step %u: mask %x joint %u %g limit %g\n", arm->model.name, rate_hz, lost, k, f.exceeded,
					f.joint, f.value, f.limit);
		assert_int_equal(f.exceeded, 0);
	}
	return true;
}

static const char *const model_names[] = { "panda", "fr3", "fr3_5.9", "piper" };
static const uint32_t rates_hz[] = { 50, 200, 1000 };

static void everything_that_safety_makes_is_accepted(void **state)
{
	(void)state;
	for (uint32_t m = 0; m < 4; m++)
		for (uint32_t r = 0; r < 3; r++)
			for (uint32_t k = 0; k < 3; k++) {
				struct arm_setup arm = make_arm(model_names[m], (double[]){ 0.1, 0.5, 1.0 }[k]);

				arm.tcp_v_max_m_s = k == 1 ? 0.25 : 0.0;
				send_motion(&arm, arm.home_rad, rates_hz[r], ROUNDS(rates_hz[r] < 100 ? 3000 : 5000));
			}
}

static void a_motion_is_joined_at_its_beginning_or_not_at_all(void **state)
{
	uint32_t joined = 0;

	(void)state;
	for (size_t m = 0; m < sizeof model_names / sizeof *model_names; m++)
		for (size_t r = 0; r < sizeof rates_hz / sizeof *rates_hz; r++) {
			struct arm_setup arm = make_arm(model_names[m], 1.0);

			for (uint32_t lost = 0; lost < 40; lost++)
				joined += join_motion(&arm, rates_hz[r], lost);
		}
	assert_true(joined > 50 && joined < 400);
}

static void an_arm_beyond_its_range_is_let_in(void **state)
{
	(void)state;
	for (uint32_t r = 0; r < 3; r++) {
		struct arm_setup arm = make_arm("panda", 0.5);
		double q[DOF_MAX];

		memcpy(q, arm.home_rad, sizeof q);
		q[3] = arm.model.q_max_rad[3] + 0.01;
		send_motion(&arm, q, rates_hz[r], 10 * rates_hz[r]);
	}
}

/* Drives up out of a box and a floor that begin above the arm, and then tries to go down again without safety.c's leave. */
static void an_arm_below_its_workspace_is_let_in(void **state)
{
	struct arm_setup arm = make_arm("panda", 0.5);
	struct setpoint w = { .active = true, .source = TARGET_HOME };
	struct safety_finding f = { 0 };
	struct driver_target t;
	struct safety_check c;
	struct safety s;

	(void)state;
	arm.box_min_m[2] = 0.6;
	arm.floor_m = 0.45;
	safety_init(&s, &arm, PERIOD_NS);
	assert_true(safety_seed(&s, arm.home_rad));
	safety_check_init(&c, &arm);
	memcpy(w.q_rad, arm.home_rad, sizeof w.q_rad);
	w.q_rad[1] -= 0.6;
	w.q_rad[3] += 0.4;
	for (int k = 0; k < 3000; k++) {
		struct safety_stamp stamp = { .t_ns = (k + 1) * (int64_t)PERIOD_NS };

		safety_step(&s, &w, &stamp, &t);
		assert_int_equal(safety_check_target(&c, &t, arm.home_rad).exceeded, 0);
	}
	for (int k = 0; k < 3000 && !f.refused; k++) {
		double v = 0.2 * fmin(k * 0.005, 1.0);

		t.t_ns += PERIOD_NS;
		t.q_rad[1] += v * 0.005;
		t.dq_rad_s[1] = v;
		f = safety_check_target(&c, &t, arm.home_rad);
	}
	assert_true(f.refused && (f.exceeded & (LIMIT_WORKSPACE | LIMIT_FLOOR)) && f.value < 0.001 && f.limit == 0.0);
}

/* ---- first targets ------------------------------------------------------------------------------------------------- */

static struct safety_finding first_at(const struct arm_setup *arm, const double *q_d_rad, uint32_t joint, double away_rad)
{
	struct driver_target t = { .valid = true, .t_ns = PERIOD_NS };
	struct safety_check c;

	memcpy(t.q_rad, q_d_rad, sizeof t.q_rad);
	t.q_rad[joint] += away_rad;
	safety_check_init(&c, arm);
	return safety_check_target(&c, &t, q_d_rad);
}

static void a_start_far_away_is_refused(void **state)
{
	struct arm_setup arm = make_arm("panda", 0.5);
	struct driver_target t = { .valid = true, .t_ns = PERIOD_NS };
	struct safety_check c;
	struct safety_finding f = first_at(&arm, arm.home_rad, 2, 0.021);

	(void)state;
	assert_true(f.refused && f.exceeded == LIMIT_START && f.joint == 2 && f.value > 0.02 && f.limit == 0.02);
	assert_false(first_at(&arm, arm.home_rad, 2, 0.011).refused);
	memcpy(t.q_rad, arm.home_rad, sizeof t.q_rad);
	t.dq_rad_s[4] = 0.1;
	safety_check_init(&c, &arm);
	assert_true(safety_check_target(&c, &t, arm.home_rad).refused);
}

/* Micrometres, but again and again. */
static void nothing_creeps_out_of_a_range(void **state)
{
	struct arm_setup arm = make_arm("panda", 0.5);
	double q[DOF_MAX];

	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		struct safety_check c;

		memcpy(q, arm.home_rad, sizeof q);
		q[0] = sign * (arm.model.q_max_rad[0] + 0.01); /* starting anew goes no further out */
		assert_true(first_at(&arm, q, 0, sign * 5e-7).refused);
		q[0] = sign * arm.model.q_max_rad[0];
		safety_check_init(&c, &arm);
		struct driver_target t = { .valid = true, .t_ns = 1000000000 };

		memcpy(t.q_rad, q, sizeof t.q_rad);
		assert_false(safety_check_target(&c, &t, q).refused);
		t.t_ns += PERIOD_NS;
		t.q_rad[0] += sign * 5e-7; /* rounding */
		assert_false(safety_check_target(&c, &t, q).refused);
		t.t_ns += PERIOD_NS;
		t.q_rad[0] += sign * 1e-6;
		struct safety_finding f = safety_check_target(&c, &t, q);
		assert_true(f.refused && f.exceeded & LIMIT_POSITION && f.worst == LIMIT_POSITION && f.joint == 0);
	}
}

static void a_start_further_outside_is_refused(void **state)
{
	struct arm_setup arm = make_arm("panda", 0.5);
	double q[DOF_MAX];

	(void)state;
	memcpy(q, arm.home_rad, sizeof q);
	q[0] = arm.model.q_max_rad[0] - 0.001;
	struct safety_finding f = first_at(&arm, q, 0, 0.019);

	assert_true(f.refused && f.exceeded == LIMIT_POSITION && f.joint == 0 && f.value > f.limit);
	assert_false(first_at(&arm, q, 0, 0.0005).refused);
	q[0] = arm.model.q_max_rad[0] + 0.01; /* parked outside: inwards only */
	assert_true(first_at(&arm, q, 0, 0.005).refused);
	assert_false(first_at(&arm, q, 0, 0.0).refused);
	assert_false(first_at(&arm, q, 0, -0.015).refused);
	struct pose ee;

	kinematics_forward(&arm.model, &arm.tcp, arm.home_rad, &ee);
	for (int outside = 0; outside < 2; outside++) { /* joint 2 forward: down */
		arm.box_min_m[2] = ee.p_m[2] + (outside ? 0.1 : -0.001);
		f = first_at(&arm, arm.home_rad, 1, 0.015);
		assert_true(f.refused && f.exceeded == LIMIT_WORKSPACE && f.value > f.limit);
		assert_false(first_at(&arm, arm.home_rad, 1, -0.015).refused);
	}
}

/* ---- later targets ------------------------------------------------------------------------------------------------- */

static struct safety_finding after_start(struct driver_target *t, void (*spoil)(struct driver_target *))
{
	static struct arm_setup arm;
	struct safety_check c;

	arm = make_arm("panda", 0.5);
	*t = (struct driver_target){ .valid = true, .t_ns = PERIOD_NS };
	memcpy(t->q_rad, arm.home_rad, sizeof t->q_rad);
	safety_check_init(&c, &arm);
	assert_false(safety_check_target(&c, t, arm.home_rad).refused);
	t->t_ns += PERIOD_NS;
	spoil(t);
	return safety_check_target(&c, t, arm.home_rad);
}

static void jump(struct driver_target *t)
{
	t->q_rad[1] += 0.05;
}

static void small_step(struct driver_target *t)
{
	t->q_rad[1] += 0.0005; /* 20 rad/s^2 and more, but little to change: counted, not refused */
}

static void not_finite(struct driver_target *t)
{
	t->q_rad[6] = NAN;
}

static void back_in_time(struct driver_target *t)
{
	t->t_ns = 0;
}

static void false_velocity(struct driver_target *t)
{
	t->dq_rad_s[0] = 8.0;
}

static void bad_targets_are_named(void **state)
{
	struct driver_target t;
	struct safety_finding f = after_start(&t, jump);

	(void)state;
	assert_true(f.refused && (f.exceeded & LIMIT_VELOCITY) && f.joint == 1 && f.change_rad > 0.01);
	f = after_start(&t, small_step);
	assert_true(!f.refused && (f.exceeded & (LIMIT_ACCELERATION | LIMIT_JERK)));
	f = after_start(&t, not_finite);
	assert_true(f.refused && f.exceeded == LIMIT_NOT_FINITE);
	f = after_start(&t, back_in_time);
	assert_true(f.refused);
	f = after_start(&t, false_velocity);
	assert_true(f.refused && (f.exceeded & LIMIT_VELOCITY));
}

/* Joint 1 speeds up with a_rad_s2 to v_rad_s and goes on. The finding that refuses it, or the last one; *gone_rad: how far the
 * target was from where limits would have allowed. */
static struct safety_finding speed_up(const struct arm_setup *arm, double a_rad_s2, double v_rad_s, int n, double *gone_rad)
{
	struct safety_finding f = { 0 };
	double q = arm->home_rad[0] - 1.5, v = 0.0, dt = PERIOD_NS * 1e-9, home[DOF_MAX];
	struct safety_check c;

	memcpy(home, arm->home_rad, sizeof home);
	home[0] = q;
	safety_check_init(&c, arm);
	*gone_rad = 0.0;
	for (int k = 0; k < n && !f.refused; k++) {
		struct driver_target t = { .valid = true, .t_ns = (k + 1) * (int64_t)PERIOD_NS };
		double next = k ? fmin(v + a_rad_s2 * dt, v_rad_s) : 0.0;

		q += (v + next) / 2.0 * dt;
		v = next;
		memcpy(t.q_rad, arm->home_rad, sizeof t.q_rad);
		t.q_rad[0] = q;
		t.dq_rad_s[0] = v;
		f = safety_check_target(&c, &t, home);
		*gone_rad = q - home[0];
	}
	return f;
}

static void small_excesses_add_up(void **state)
{
	struct arm_setup arm = make_arm("panda", 0.5);
	double v = 0.5 * arm.model.dq_max_rad_s[0], a = 0.5 * arm.model.ddq_max_rad_s2[0], gone;

	(void)state;
	assert_false(speed_up(&arm, 0.3 * a, 0.9 * v, 300, &gone).refused);
	struct safety_finding f = speed_up(&arm, 0.3 * a, 1.1 * v, 300, &gone); /* 0.5 mrad too much per target */

	assert_true(f.refused && (f.exceeded & LIMIT_VELOCITY) && f.change_rad > 0.01 && f.joint == 0 && f.worst == LIMIT_JOINT);
	f = speed_up(&arm, 2.0 * a, 0.9 * v, 300, &gone); /* 0.2 mrad per target */
	assert_true(f.refused && (f.exceeded & LIMIT_ACCELERATION) && f.change_rad > 0.01 && gone < 0.05);
	arm = make_arm("panda", 0.1);
	f = speed_up(&arm, 10.0, 1.9, 300, &gone);
	assert_true(f.refused && gone < 0.03);
}

static void a_fast_tool_is_refused(void **state)
{
	struct arm_setup arm = make_arm("panda", 1.0);
	struct pose ee;
	double gone;

	(void)state;
	kinematics_forward(&arm.model, &arm.tcp, arm.home_rad, &ee);
	double radius_m = hypot(ee.p_m[0], ee.p_m[1]);

	arm.tcp_v_max_m_s = 0.1;
	assert_int_equal(speed_up(&arm, 2.0, 0.099 / radius_m, 400, &gone).exceeded, 0);
	struct safety_finding f = speed_up(&arm, 2.0, 0.12 / radius_m, 400, &gone);

	assert_true(f.refused && f.exceeded == LIMIT_TCP_SPEED && f.worst == LIMIT_TCP_SPEED && f.value > 0.11 && f.limit == 0.1);
	/* 1.2 times the limit: 0.01 rad is reached 0.01 / (1 - 1.01 / 1.2) = 0.063 rad after the start, which takes 0.04 rad. */
	assert_true(gone > 0.063 && gone < 0.11);
	f = speed_up(&arm, 2.0, 0.12 / radius_m, 40, &gone); /* for a short while: counted */
	assert_true(!f.refused && f.exceeded == LIMIT_TCP_SPEED);
}

static struct safety_finding creep(const struct arm_setup *arm, const double *start_rad, uint32_t joint, double rad_s, int n)
{
	struct safety_finding f = { 0 };
	struct safety_check c;
	double q[DOF_MAX];

	memcpy(q, start_rad, sizeof q);
	safety_check_init(&c, arm);
	for (int k = 0; k < n && !f.refused; k++) {
		struct driver_target t = { .valid = true, .t_ns = (k + 1) * (int64_t)PERIOD_NS };
		double v = rad_s * fmin(k * 0.005, 1.0);

		q[joint] += v * 0.005;
		memcpy(t.q_rad, q, sizeof t.q_rad);
		t.dq_rad_s[joint] = v;
		f = safety_check_target(&c, &t, start_rad);
	}
	return f;
}

static void leaving_the_workspace_is_refused(void **state)
{
	struct arm_setup arm = make_arm("panda", 0.5);

	(void)state;
	arm.box_min_m[2] = 0.35;
	struct safety_finding f = creep(&arm, arm.home_rad, 1, 0.2, 2000);

	assert_true(f.refused && (f.exceeded & LIMIT_WORKSPACE));
	f = creep(&arm, arm.home_rad, 1, 0.01, 20000); /* 20 um per target */
	assert_true(f.refused && (f.exceeded & LIMIT_WORKSPACE));
	double q[DOF_MAX];

	memcpy(q, arm.home_rad, sizeof q);
	q[0] = arm.model.q_max_rad[0];
	f = creep(&arm, q, 0, 1e-4, 100000); /* 0.5 urad per target */
	assert_true(f.refused && (f.exceeded & LIMIT_POSITION));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_safety_makes_is_accepted),
		cmocka_unit_test(a_motion_is_joined_at_its_beginning_or_not_at_all),
		cmocka_unit_test(an_arm_beyond_its_range_is_let_in),
		cmocka_unit_test(an_arm_below_its_workspace_is_let_in),
		cmocka_unit_test(a_start_far_away_is_refused),
		cmocka_unit_test(a_start_further_outside_is_refused),
		cmocka_unit_test(nothing_creeps_out_of_a_range),
		cmocka_unit_test(bad_targets_are_named),
		cmocka_unit_test(small_excesses_add_up),
		cmocka_unit_test(a_fast_tool_is_refused),
		cmocka_unit_test(leaving_the_workspace_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
