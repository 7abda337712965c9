/* test_safety_property.c - a million setpoints that nobody should send: whatever comes in, what goes out keeps every limit.
 *
 * Limits are judged from outside, by finite differences of the sent positions, against the model's own numbers times
 * limit_scale; safety.c keeps 1 % in reserve, which is more than differences of exact samples need. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "daemon/stage/safety.h"
#include "robots/model/model.h"

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

enum nuisance { FAR_RANDOM, CHATTER, RAMP_AWAY, SMALL_WALK, NOT_FINITE, HUGE_VELOCITY, ON_OFF, TO_LIMITS, NUISANCES };

static void annoy(enum nuisance kind, uint32_t step, const struct arm_setup *arm, const struct safety *s, struct setpoint *w)
{
	const struct robot_model *m = &arm->model;

	w->active = kind != ON_OFF || (step / 7) % 2;
	w->source = TARGET_POLICY;
	for (uint32_t i = 0; i < m->dof; i++) {
		double sign = step & 1 ? 1.0 : -1.0;

		w->ddq_rad_s2[i] = 0.0;
		w->dq_rad_s[i] = 0.0;
		switch (kind) {
		case FAR_RANDOM:
		case ON_OFF:
			if (step % 40 == 0)
				w->q_rad[i] = uniform(-4.0, 4.0);
			break;
		case CHATTER:
			w->q_rad[i] = s->joint[i].q + sign * uniform(0.0, 1.0);
			w->dq_rad_s[i] = -sign * uniform(0.0, 3.0);
			break;
		case RAMP_AWAY:
			w->q_rad[i] = s->joint[i].q + (i & 1 ? 0.3 : -0.3);
			w->dq_rad_s[i] = i & 1 ? 3.0 : -3.0;
			break;
		case SMALL_WALK:
			w->q_rad[i] += uniform(-0.01, 0.01);
			w->dq_rad_s[i] = uniform(-0.5, 0.5);
			w->ddq_rad_s2[i] = uniform(-20.0, 20.0);
			break;
		case NOT_FINITE:
			w->q_rad[i] = uniform(0, 1) < 0.05 ? NAN : uniform(0, 1) < 0.05 ? INFINITY : w->q_rad[i] + uniform(-0.1, 0.1);
			if (!isfinite(w->q_rad[i]) && step % 3 == 0)
				w->q_rad[i] = s->joint[i].q;
			break;
		case HUGE_VELOCITY:
			w->q_rad[i] = s->joint[i].q;
			w->dq_rad_s[i] = uniform(-1e3, 1e3);
			w->ddq_rad_s2[i] = uniform(-1e5, 1e5);
			break;
		case TO_LIMITS:
			w->q_rad[i] = (step / 300) % 2 ? m->q_max_rad[i] + 0.5 : m->q_min_rad[i] - 0.5;
			break;
		case NUISANCES:
			break;
		}
	}
}

/* Positions of the last four targets; differences of them are the judge. */
struct trail {
	uint32_t n;
	double q[4][DOF_MAX];
};

static void trail_push(struct trail *t, const double *q)
{
	memmove(t->q[1], t->q[0], sizeof t->q - sizeof t->q[0]);
	memcpy(t->q[0], q, sizeof t->q[0]);
	t->n++;
}

/* 1e-6 of a velocity limit and more for higher differences: rounding of doubles near 1, divided by dt up to three times. */
static void judge(const struct trail *t, const struct arm_setup *arm, double dt)
{
	const struct robot_model *m = &arm->model;
	const double rounding = 1e-15;

	for (uint32_t i = 0; i < m->dof; i++) {
		double q0 = t->q[0][i], q1 = t->q[1][i], q2 = t->q[2][i], q3 = t->q[3][i];
		double v = (q0 - q1) / dt, a = (q0 - 2 * q1 + q2) / dt / dt, j = (q0 - 3 * q1 + 3 * q2 - q3) / dt / dt / dt;

		assert_true(q0 >= m->q_min_rad[i] && q0 <= m->q_max_rad[i]);
		assert_true(fabs(v) <= arm->limit_scale * m->dq_max_rad_s[i]);
		assert_true(fabs(a) <= arm->limit_scale * m->ddq_max_rad_s2[i] + 8 * rounding / dt / dt);
		assert_true(fabs(j) <= arm->limit_scale * m->dddq_max_rad_s3[i] + 16 * rounding / dt / dt / dt);
		if (m->dq_decel_rad_s2[i] > 0.0) { /* the bound at the interval's end, where it is met or not by the mean velocity */
			double room = v > 0 ? m->q_max_rad[i] - q1 : q1 - m->q_min_rad[i];
			double bound = fmax(0.0, sqrt(fmax(0.0, 2.0 * m->dq_decel_rad_s2[i] * room)) - m->dq_offset_rad_s[i]);

			assert_true(fabs(v) <= bound + 1e-6);
		}
	}
}

static void judge_place(const struct arm_setup *arm, const double *q)
{
	double point[LINK_POINTS_MAX][3];
	uint32_t n = kinematics_link_points(&arm->model, q, point);
	struct pose ee;

	kinematics_forward(&arm->model, &arm->tcp, q, &ee);
	for (int k = 0; k < 3; k++)
		assert_true(ee.p_m[k] >= arm->box_min_m[k] && ee.p_m[k] <= arm->box_max_m[k]);
	for (uint32_t i = 0; i < n; i++)
		assert_true(point[i][2] >= arm->floor_m);
}

static double speed_between(const struct arm_setup *arm, const double *q0, const double *q1, double dt)
{
	struct pose a, b;

	kinematics_forward(&arm->model, &arm->tcp, q0, &a);
	kinematics_forward(&arm->model, &arm->tcp, q1, &b);
	return vec3_norm((double[3]){ a.p_m[0] - b.p_m[0], a.p_m[1] - b.p_m[1], a.p_m[2] - b.p_m[2] }) / dt;
}

static void annoy_for(const char *model, uint32_t rate_hz, double scale, enum nuisance kind, uint32_t steps)
{
	struct arm_setup arm = make_arm(model, scale);
	struct safety s;
	struct setpoint w = { 0 };
	struct trail t = { 0 };
	struct driver_target out;
	double dt = 1.0 / rate_hz, limit_m_s = scale * arm.model.tcp_v_max_m_s;

	safety_init(&s, &arm, 1000000000 / rate_hz);
	assert_true(safety_seed(&s, arm.home_rad));
	memcpy(w.q_rad, arm.home_rad, sizeof w.q_rad);
	for (int i = 0; i < 4; i++)
		trail_push(&t, arm.home_rad);
	for (uint32_t k = 0; k < steps; k++) {
		annoy(kind, k, &arm, &s, &w);
		safety_step(&s, &w, &(struct safety_stamp){ 0 }, &out);
		assert_true(out.valid);
		trail_push(&t, out.q_rad);
		judge(&t, &arm, dt);
		judge_place(&arm, out.q_rad);
		assert_true(speed_between(&arm, t.q[0], t.q[1], dt) <= limit_m_s);
		if (k % 1000 == 999) { /* and it can always be stopped */
			struct safety copy = s;
			struct setpoint still = { 0 };

			for (uint32_t n = 0; n < 3 * rate_hz && !safety_standing(&copy); n++)
				safety_step(&copy, &still, &(struct safety_stamp){ 0 }, &out);
			assert_true(safety_standing(&copy));
			judge_place(&arm, out.q_rad);
		}
	}
}

static const char *const model_names[] = { "panda", "fr3", "fr3_5.9", "piper" };
static const uint32_t rates_hz[] = { 50, 200, 1000 };

static void nothing_breaks_a_limit(void **state)
{
	(void)state;
	for (uint32_t m = 0; m < 4; m++)
		for (uint32_t r = 0; r < 3; r++)
			for (uint32_t k = 0; k < NUISANCES; k++) {
				annoy_for(model_names[m], rates_hz[r], 0.5, (enum nuisance)k, 8000);
				annoy_for(model_names[m], rates_hz[r], 1.0, (enum nuisance)k, 2500);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_breaks_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
