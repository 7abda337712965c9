/* test_safety_property.c - setpoints that nobody should send, by the million: whatever comes in, what goes out keeps every limit.
 *
 * Limits are judged from outside: by finite differences of the sent positions, and by kinematics of this file's own, against the
 * model's numbers times limit_scale. safety.c keeps 1 % in reserve, which is more than differences of exact samples need.
 * Every run draws a model, a rate, limits, speeds, a tool, a workspace, a floor and a posture to start from, inside or outside.
 * SAFETY_PROPERTY_STEPS=N: so many setpoints (default 60,000); SAFETY_PROPERTY_SEED=N: another sequence. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/safety.h"
#include "robots/model/model.h"

#include <cmocka.h> /* last: it defines fail() */

static uint64_t seed = 88172645463325252u;
static uint64_t last_seed; /* of the newest run: SAFETY_PROPERTY_SEED repeats it */

static double uniform(double low, double high)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return low + (high - low) * (double)(seed >> 11) / 9007199254740992.0;
}

static bool chance(double p)
{
	return uniform(0.0, 1.0) < p;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- kinematics of our own ------------------------------------------------------------------------------------------- */

struct matrix {
	double m[3][4];
};

static struct matrix times(const struct matrix *a, const struct matrix *b)
{
	struct matrix c;

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 4; k++)
			c.m[i][k] = a->m[i][0] * b->m[0][k] + a->m[i][1] * b->m[1][k] + a->m[i][2] * b->m[2][k] + (k == 3 ? a->m[i][3] : 0.0);
	return c;
}

/* Row as Franka's documentation prints it. */
static struct matrix row_matrix(const struct dh_row *r, double theta)
{
	double c = cos(theta), s = sin(theta), ca = cos(r->alpha_rad), sa = sin(r->alpha_rad);

	return (struct matrix){ { { c, -s, 0, r->a_m }, { s * ca, c * ca, -sa, -r->d_m * sa }, { s * sa, c * sa, ca, r->d_m * ca } } };
}

/* Where the TCP is, and how low each ball of the surface and the TCP reach. */
struct whereabouts {
	double tcp[3];
	uint32_t n;
	double low[LINK_POINTS_MAX + 1];
};

static void find(const struct arm_setup *arm, const double *q, struct whereabouts *w)
{
	const struct robot_model *m = &arm->model;
	struct matrix at = { { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } } };

	w->n = 0;
	for (uint32_t i = 0; i <= m->dof; i++) {
		struct matrix row = i < m->dof ? row_matrix(&m->dh[i], q[i] + m->dh[i].offset_rad) : row_matrix(&m->flange, 0.0);

		at = times(&at, &row);
		for (uint32_t k = 0; k < m->n_points; k++) {
			const double *p = m->point[k].p_m;

			if (m->point[k].frame == i + 1)
				w->low[w->n++] = at.m[2][0] * p[0] + at.m[2][1] * p[1] + at.m[2][2] * p[2] + at.m[2][3] - m->point[k].radius_m;
		}
	}
	for (int k = 0; k < 3; k++)
		w->tcp[k] = at.m[k][0] * arm->tcp.p_m[0] + at.m[k][1] * arm->tcp.p_m[1] + at.m[k][2] * arm->tcp.p_m[2] + at.m[k][3];
	w->low[w->n++] = w->tcp[2];
	assert_int_equal(w->n, m->n_points + 1);
}

/* ---- the judge ------------------------------------------------------------------------------------------------------- */

struct judge {
	const struct arm_setup *arm;
	double dt_s;
	double q[4][DOF_MAX];           /* the last four sent, newest first */
	double q_low[DOF_MAX], q_high[DOF_MAX]; /* the range, or where the joint stood outside it */
	double beyond[6 + LINK_POINTS_MAX + 1]; /* how far outside each edge the start was */
	double allowed_m_s;             /* the cap, or the one before when it came down */
	double lowered_s;               /* since then */
	double tightest;                /* least distance from an edge that began inside */
	struct whereabouts at;
};

static void outside(const struct arm_setup *arm, const struct whereabouts *w, double *out)
{
	for (int k = 0; k < 3; k++) {
		out[2 * k] = arm->box_min_m[k] - w->tcp[k];
		out[2 * k + 1] = w->tcp[k] - arm->box_max_m[k];
	}
	for (uint32_t k = 0; k < w->n; k++)
		out[6 + k] = arm->floor_m - w->low[k];
}

static void judge_start(struct judge *j, const struct arm_setup *arm, double dt_s, const double *q)
{
	*j = (struct judge){ .arm = arm, .dt_s = dt_s, .tightest = INFINITY };
	for (int k = 0; k < 4; k++)
		memcpy(j->q[k], q, sizeof j->q[k]);
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		j->q_low[i] = fmin(arm->model.q_min_rad[i], q[i]);
		j->q_high[i] = fmax(arm->model.q_max_rad[i], q[i]);
	}
	find(arm, q, &j->at);
	outside(arm, &j->at, j->beyond);
	for (uint32_t k = 0; k < 6 + j->at.n; k++)
		j->beyond[k] = fmax(0.0, j->beyond[k]);
}

static void judge_joint(const struct judge *j, uint32_t i)
{
	const struct robot_model *m = &j->arm->model;
	const double dt = j->dt_s, scale = j->arm->limit_scale, rounding = 1e-15; /* of doubles near 1, before division by dt^n */
	double q0 = j->q[0][i], q1 = j->q[1][i], q2 = j->q[2][i], q3 = j->q[3][i];
	double v = (q0 - q1) / dt, a = (q0 - 2 * q1 + q2) / dt / dt, jerk = (q0 - 3 * q1 + 3 * q2 - q3) / dt / dt / dt;

	assert_true(q0 >= j->q_low[i] - 1e-8 && q0 <= j->q_high[i] + 1e-8);
	assert_true(fabs(v) <= scale * m->dq_max_rad_s[i] + 4 * rounding / dt);
	assert_true(fabs(a) <= scale * m->ddq_max_rad_s2[i] + 8 * rounding / dt / dt);
	assert_true(fabs(jerk) <= scale * m->dddq_max_rad_s3[i] + 16 * rounding / dt / dt / dt);
	if (!(m->dq_decel_rad_s2[i] > 0.0))
		return;
	/* At the interval's start; the mean velocity of an interval is the velocity somewhere in it. */
	double room = v > 0 ? j->q_high[i] - q1 : q1 - j->q_low[i];
	double bound = fmax(0.0, sqrt(fmax(0.0, 2.0 * m->dq_decel_rad_s2[i] * room)) - m->dq_offset_rad_s[i]);

	assert_true(fabs(v) <= bound + 1e-6);
}

static void judge_place(struct judge *j)
{
	double out[6 + LINK_POINTS_MAX + 1];

	outside(j->arm, &j->at, out);
	for (uint32_t k = 0; k < 6 + j->at.n; k++) {
		assert_true(out[k] <= j->beyond[k] + (j->beyond[k] > 0.0 ? 1e-4 : 1e-8));
		if (out[k] <= -0.002)
			j->beyond[k] = 0.0; /* inside for good */
		if (j->beyond[k] == 0.0)
			j->tightest = fmin(j->tightest, -out[k]);
	}
}

/* A lowered cap holds once the arm had the time for it (four seconds, or when safety.c no longer says that it is held back by it);
 * until then the TCP is no faster than it was allowed to be before. */
static void judge_speed(struct judge *j, const struct whereabouts *before, double cap_m_s, uint32_t mask)
{
	double d[3] = { j->at.tcp[0] - before->tcp[0], j->at.tcp[1] - before->tcp[1], j->at.tcp[2] - before->tcp[2] };
	double speed = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) / j->dt_s;

	j->lowered_s = cap_m_s >= j->allowed_m_s ? 0.0 : j->lowered_s + j->dt_s;
	if (j->lowered_s == 0.0 || j->lowered_s > 4.0 || !(mask & LIMIT_TCP_SPEED))
		j->allowed_m_s = cap_m_s;
	assert_true(speed <= j->allowed_m_s);
}

static void judge_target(struct judge *j, const struct driver_target *t, double cap_m_s, uint32_t mask)
{
	const struct robot_model *m = &j->arm->model;
	struct whereabouts before = j->at;

	assert_true(t->valid);
	memmove(j->q[1], j->q[0], sizeof j->q - sizeof j->q[0]);
	memcpy(j->q[0], t->q_rad, sizeof j->q[0]);
	find(j->arm, t->q_rad, &j->at);
	for (uint32_t i = 0; i < m->dof; i++) {
		assert_true(fabs(t->dq_rad_s[i]) <= j->arm->limit_scale * m->dq_max_rad_s[i]);
		judge_joint(j, i);
	}
	for (int k = 0; k < 3; k++)
		assert_true(fabs(t->ee.p_m[k] - j->at.tcp[k]) < 1e-9);
	judge_place(j);
	judge_speed(j, &before, cap_m_s, mask);
}

/* ---- setpoints ------------------------------------------------------------------------------------------------------- */

enum nuisance { FAR_RANDOM, CHATTER, RAMP_AWAY, SMALL_WALK, NOT_FINITE, HUGE_VELOCITY, ON_OFF, TO_LIMITS, ODD_NUMBERS, STEADY, NUISANCES };

static double odd_number(void)
{
	static const double odd[] = { NAN, INFINITY, -INFINITY, 1e308, -1e308, 1e-310, -1e-310, -0.0, 1e17, 1e4, -1e6 };

	return odd[(size_t)uniform(0.0, sizeof odd / sizeof odd[0])];
}

static void annoy_joint(enum nuisance kind, uint32_t step, uint32_t i, const struct robot_model *m, double q, struct setpoint *w)
{
	double sign = step & 1 ? 1.0 : -1.0;
	bool anew = step % 40 == 0;

	w->ddq_rad_s2[i] = w->dq_rad_s[i] = 0.0;
	switch (kind) {
	case FAR_RANDOM:
	case ON_OFF:
		w->q_rad[i] = anew ? uniform(-4.0, 4.0) : w->q_rad[i];
		break;
	case CHATTER:
		w->q_rad[i] = q + sign * uniform(0.0, 1.0);
		w->dq_rad_s[i] = -sign * uniform(0.0, 3.0);
		break;
	case RAMP_AWAY:
		w->q_rad[i] = q + (i & 1 ? 0.3 : -0.3);
		w->dq_rad_s[i] = i & 1 ? 3.0 : -3.0;
		break;
	case SMALL_WALK:
		w->q_rad[i] = (isfinite(w->q_rad[i]) ? w->q_rad[i] : q) + uniform(-0.01, 0.01);
		w->dq_rad_s[i] = uniform(-0.5, 0.5);
		w->ddq_rad_s2[i] = uniform(-20.0, 20.0);
		break;
	case NOT_FINITE:
		w->q_rad[i] = chance(0.05) ? NAN : chance(0.05) ? INFINITY : isfinite(w->q_rad[i]) ? w->q_rad[i] + uniform(-0.1, 0.1) : q;
		break;
	case HUGE_VELOCITY:
		w->q_rad[i] = q;
		w->dq_rad_s[i] = uniform(-1e3, 1e3);
		w->ddq_rad_s2[i] = uniform(-1e5, 1e5);
		break;
	case TO_LIMITS:
		w->q_rad[i] = (step / 300) % 2 ? m->q_max_rad[i] + 0.5 : m->q_min_rad[i] - 0.5;
		break;
	case ODD_NUMBERS:
		w->q_rad[i] = chance(0.1) ? odd_number() : q + uniform(-0.2, 0.2);
		w->dq_rad_s[i] = chance(0.1) ? odd_number() : 0.0;
		w->ddq_rad_s2[i] = chance(0.1) ? odd_number() : 0.0;
		break;
	case STEADY: /* a smooth swing around where it began, as a good source makes it */
		if (anew && step % 400 == 0)
			w->q_rad[i] = q;
		w->q_rad[i] += 0.004 * cos(0.01 * step + i);
		break;
	case NUISANCES:
		break;
	}
}

static void annoy(enum nuisance kind, uint32_t step, const struct robot_model *m, const struct judge *j, struct setpoint *w)
{
	static const double speeds[] = { 0.0, 0.02, 0.1, 0.25, 0.6, 5.0 };

	w->active = kind != ON_OFF || (step / 7) % 2;
	w->source = TARGET_POLICY;
	for (uint32_t i = 0; i < m->dof; i++)
		annoy_joint(kind, step, i, m, j->q[0][i], w);
	if (!(w->tcp_v_max_m_s >= 0.0) || !(w->tcp_w_max_rad_s >= 0.0) || chance(0.01)) {
		w->tcp_v_max_m_s = speeds[(size_t)uniform(0.0, 6.0)];
		w->tcp_w_max_rad_s = chance(0.5) ? 0.0 : uniform(0.1, 3.0);
	}
	if (kind == ODD_NUMBERS && chance(0.02))
		w->tcp_v_max_m_s = odd_number();
	w->has_gripper = chance(0.5);
	w->gripper_m = chance(0.1) ? odd_number() : uniform(-0.1, 0.2);
}

static bool is_nonsense(const struct setpoint *w, uint32_t dof)
{
	for (uint32_t i = 0; i < dof; i++)
		if (!isfinite(w->q_rad[i]) || !isfinite(w->dq_rad_s[i]) || !isfinite(w->ddq_rad_s2[i]))
			return true;
	return !(w->tcp_v_max_m_s >= 0.0) || !(w->tcp_w_max_rad_s >= 0.0);
}

/* The fastest that this setpoint lets the TCP be: nonsense brakes, and says nothing about speed. */
static double cap_of(const struct arm_setup *arm, const struct setpoint *w)
{
	double cap = arm->limit_scale * arm->model.tcp_v_max_m_s;
	bool odd = w->active && is_nonsense(w, arm->model.dof);

	cap = arm->tcp_v_max_m_s > 0.0 ? fmin(cap, arm->tcp_v_max_m_s) : cap;
	for (uint32_t i = 0; i < arm->model.dof && w->active; i++) /* finite, and beyond what safety.c takes for a number */
		odd = odd || fabs(w->q_rad[i]) >= 1e3 || fabs(w->dq_rad_s[i]) >= 1e4 || fabs(w->ddq_rad_s2[i]) >= 1e6;
	return !odd && w->tcp_v_max_m_s > 0.0 ? fmin(cap, w->tcp_v_max_m_s) : cap;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------ */

/* Any arm somewhere in any workspace; sometimes outside of it. */
static void draw_arm(struct arm_setup *arm, double *q)
{
	static const char *const names[] = { "panda", "fr3", "fr3_5.9", "piper", "piper_1.6-2" };
	struct whereabouts w;
	double lowest = INFINITY;

	*arm = (struct arm_setup){ .limit_scale = chance(0.3) ? 1.0 : uniform(0.05, 1.0), .gripper_max_m = 0.08, .tcp.q_xyzw[3] = 1.0 };
	arm->model = *robot_model_find(names[(size_t)uniform(0.0, 5.0)]);
	arm->tcp_v_max_m_s = chance(0.5) ? 0.0 : uniform(0.05, 1.5);
	for (int k = 0; k < 3; k++)
		arm->tcp.p_m[k] = chance(0.3) ? 0.0 : uniform(k < 2 ? -0.05 : 0.0, k < 2 ? 0.05 : 0.2);
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		const struct robot_model *m = &arm->model;

		q[i] = chance(0.5) ? m->home_rad[i] : uniform(m->q_min_rad[i], m->q_max_rad[i]);
		if (chance(0.02))
			q[i] = chance(0.5) ? m->q_min_rad[i] - uniform(0.0, 0.02) : m->q_max_rad[i] + uniform(0.0, 0.02);
	}
	find(arm, q, &w);
	for (uint32_t k = 0; k < w.n; k++)
		lowest = fmin(lowest, w.low[k]);
	for (int k = 0; k < 3; k++) {
		arm->box_min_m[k] = w.tcp[k] - (chance(0.05) ? -0.1 : uniform(0.005, 0.5));
		arm->box_max_m[k] = fmax(arm->box_min_m[k] + 0.02, w.tcp[k] + (chance(0.05) ? -0.1 : uniform(0.005, 0.5)));
	}
	arm->floor_m = lowest - (chance(0.1) ? -0.1 : uniform(0.003, 0.3));
}

/* And it can always be stopped. */
static void assert_stops(const struct safety *s, const struct judge *j)
{
	struct safety copy = *s;
	struct judge own = *j;
	struct driver_target t;

	for (double passed_s = 0.0; passed_s < 12.0 && !safety_standing(&copy); passed_s += j->dt_s) {
		uint32_t mask = safety_step(&copy, &(struct setpoint){ 0 }, &(struct safety_stamp){ 0 }, &t);

		judge_target(&own, &t, cap_of(j->arm, &(struct setpoint){ 0 }), mask);
	}
	assert_true(safety_standing(&copy));
}

static uint32_t annoy_one(uint32_t steps, double *tightest)
{
	static const uint32_t rates_hz[] = { 50, 200, 1000 };
	uint32_t rate_hz = rates_hz[(size_t)uniform(0.0, 3.0)], k;
	enum nuisance kind = (enum nuisance)uniform(0.0, NUISANCES);
	double q[DOF_MAX] = { 0 };
	struct setpoint w = { 0 };
	struct driver_target t;
	struct arm_setup arm;
	struct safety_check check;
	struct safety s;
	struct judge j;

	draw_arm(&arm, q);
	safety_check_init(&check, &arm);
	safety_init(&s, &arm, 1000000000 / rate_hz);
	assert_true(safety_seed(&s, q));
	judge_start(&j, &arm, 1.0 / rate_hz, q);
	memcpy(w.q_rad, q, sizeof q);
	for (k = 0; k < steps; k++) {
		if (chance(0.003))
			kind = (enum nuisance)uniform(0.0, NUISANCES);
		annoy(kind, k, &arm.model, &j, &w);
		w.active = w.active && k > 0; /* the first target after a seed stands */
		uint32_t mask = safety_step(&s, &w, &(struct safety_stamp){ .t_ns = (int64_t)(k + 1) * (1000000000 / rate_hz) }, &t);
		struct safety_finding f = safety_check_target(&check, &t, q);

		assert_false(f.refused); /* the arm's own look at it finds nothing either */
		assert_int_equal(f.exceeded, 0);
		if (w.active && is_nonsense(&w, arm.model.dof))
			assert_true(mask & LIMIT_NOT_FINITE);
		judge_target(&j, &t, cap_of(&arm, &w), mask);
		assert_true(!t.has_gripper || (t.gripper_m >= 0.0 && t.gripper_m <= 0.08));
	}
	assert_stops(&s, &j);
	*tightest = fmin(*tightest, j.tightest);
	return k;
}

static int tell_seed(void **state)
{
	(void)state;
	print_message("last run: SAFETY_PROPERTY_SEED=%llu\n", (unsigned long long)last_seed);
	return 0;
}

static void nothing_breaks_a_limit(void **state)
{
	uint64_t wanted = from_environment("SAFETY_PROPERTY_STEPS", 60000), done = 0, runs = 0;
	double tightest = INFINITY;

	(void)state;
	seed = from_environment("SAFETY_PROPERTY_SEED", seed);
	for (; done < wanted; runs++) {
		last_seed = seed;
		done += annoy_one(400, &tightest);
	}
	print_message("%llu setpoints in %llu runs; nearest to an edge %.6f m\n", (unsigned long long)done, (unsigned long long)runs, tightest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_breaks_a_limit, tell_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
