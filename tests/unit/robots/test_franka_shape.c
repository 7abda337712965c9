/* test_franka_shape.c - whatever is wished of the joints, what leaves keeps range, velocity, acceleration and jerk as the robot differentiates
 * them, also across rows of missed commands, however dense; is always a number; closes in on a wish that stands and ends on it exactly. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/franka/shape.h"

#include <cmocka.h> /* last: it defines fail() */

static const double dt_s = 1e-3;
static uint32_t rng;

static uint32_t draw(void)
{
	rng = rng * 1664525u + 1013904223u;
	return rng >> 8;
}

static double between(double low, double high)
{
	return low + (high - low) * (draw() % 1000001) * 1e-6;
}

/* The robot's side: its bookkeeping in float64, checked without slack. */
struct arm {
	const struct robot_model *model;
	double q[7], v[7], a[7];
	double low[7], high[7];    /* the joints' range, and where the arm began */
};

/* The FR3's bound on the speed towards a joint's limit. */
static double velocity_limit(const struct robot_model *m, int i, double q, double v)
{
	double left = v > 0 ? m->q_max_rad[i] - q : q - m->q_min_rad[i];

	if (!(m->dq_decel_rad_s2[i] > 0))
		return m->dq_max_rad_s[i];
	return fmin(m->dq_max_rad_s[i], fmax(0, sqrt(fmax(0, 2 * m->dq_decel_rad_s2[i] * left)) - m->dq_offset_rad_s[i]));
}

static void use(struct arm *r, const double *q)
{
	for (int i = 0; i < 7; i++) {
		const struct robot_model *m = r->model;
		double v = (q[i] - r->q[i]) / dt_s, a = (v - r->v[i]) / dt_s, j = (a - r->a[i]) / dt_s;
		double limit = velocity_limit(m, i, r->q[i], v) + 1e-6; /* 0 at a limit, where rounding is left */

		assert_true(isfinite(q[i]));
		if (!(fabs(v) <= limit))
			fail_msg("%s joint %d at %g: velocity %g, limit %g", m->name, i + 1, r->q[i], v, limit);
		if (!(fabs(a) <= m->ddq_max_rad_s2[i]))
			fail_msg("%s joint %d: acceleration %g, limit %g", m->name, i + 1, a, m->ddq_max_rad_s2[i]);
		if (!(fabs(j) <= m->dddq_max_rad_s3[i]))
			fail_msg("%s joint %d: jerk %g, limit %g", m->name, i + 1, j, m->dddq_max_rad_s3[i]);
		if (!(q[i] <= r->high[i] && q[i] >= r->low[i]))
			fail_msg("%s joint %d: at %.9f leaves its range %.9f..%.9f to %.9f: v %g a %g", m->name, i + 1, r->q[i], r->low[i], r->high[i], q[i], v, a);
		r->q[i] = q[i];
		r->v[i] = v;
		r->a[i] = a;
	}
}

static void miss(struct arm *r)
{
	for (int i = 0; i < 7; i++) {
		r->v[i] += r->a[i] * dt_s;
		r->q[i] += r->v[i] * dt_s;
	}
}

/* As a state says it. */
static void say(const struct arm *r, uint32_t version, struct fci_state *out)
{
	*out = (struct fci_state){ 0 };
	for (int i = 0; i < 7; i++) {
		out->q_d[i] = version >= 10 ? (double)(float)r->q[i] : r->q[i];
		out->dq_d[i] = version >= 10 ? (double)(float)r->v[i] : r->v[i];
		out->ddq_d[i] = version >= 10 ? (double)(float)r->a[i] : r->a[i];
	}
}

static void begin_at(struct arm *r, struct franka_shape *s, uint32_t version, double low_pass_hz, const double *from)
{
	struct fci_state state;

	franka_shape_init(s, version, low_pass_hz);
	*r = (struct arm){ .model = s->model };
	memcpy(r->q, from, sizeof r->q);
	for (int i = 0; i < 7; i++) { /* float32 states are off by half of 2.4e-7 at 4 rad */
		r->low[i] = fmin(s->model->q_min_rad[i] - 1e-9, from[i] - 1.3e-7);
		r->high[i] = fmax(s->model->q_max_rad[i] + 1e-9, from[i] + 1.3e-7);
	}
	say(r, version, &state);
	franka_shape_begin(s, &state);
}

static void begin(struct arm *r, struct franka_shape *s, uint32_t version, double low_pass_hz)
{
	begin_at(r, s, version, low_pass_hz, franka_shape_model(version)->home_rad);
}

/* Wishes of a hostile source: steps within and beyond the joints' range, ramps, noise, nonsense. */
struct wish {
	double q[7], v[7];
	int kind, left;
};

static void wish_on(struct wish *w, const struct arm *r)
{
	static const double nonsense[] = { NAN, INFINITY, -INFINITY, 1e300, -1e18 };

	if (w->left-- <= 0) {
		w->kind = (int)(draw() % 7);
		w->left = 1 + (int)(draw() % 700);
		for (int i = 0; i < 7; i++) {
			w->q[i] = w->kind == 1 ? r->q[i] : between(r->model->q_min_rad[i] - 0.5, r->model->q_max_rad[i] + 0.5);
			w->v[i] = w->kind == 0 ? 0 : between(-3, 3);
		}
	}
	for (int i = 0; i < 7; i++) {
		if (w->kind == 1 || w->kind == 2) /* a ramp, from here or elsewhere */
			w->q[i] += w->v[i] * dt_s;
		else if (w->kind == 3) /* noise about here */
			w->q[i] = r->q[i] + between(-1e-3, 1e-3);
		else if (w->kind == 4) /* a small step, taken back and forth */
			w->q[i] += draw() % 20 ? 0 : between(-0.05, 0.05);
		else if (w->kind == 5 && draw() % 3 == 0)
			w->q[i] = nonsense[draw() % 5];
		else if (w->kind == 6) /* velocities that are none of its own */
			w->v[i] = draw() % 50 ? w->v[i] : draw() % 2 ? nonsense[draw() % 5] : between(-100, 100);
	}
}

/* How many commands arrive until the next row is lost: mostly one to three, and how long that row is: mostly the longest that a robot bears. */
static int next_pause(void)
{
	return 1 + (int)(draw() % (draw() % 3 ? 3 : 200));
}

static int next_row(void)
{
	return draw() % 2 ? 19 : 1 + (int)(draw() % 19);
}

static void go_on(struct arm *r, struct franka_shape *s, bool misses, int ms)
{
	struct wish w = { .left = 0 };
	int row = 0, pause = 1;

	for (int i = 0; i < ms; i++) {
		struct fci_state state;
		double q[7];

		wish_on(&w, r);
		franka_shape_step(s, w.q, w.v, q);
		if (row > 0) {
			miss(r);
			row--;
		} else {
			use(r, q);
			row = misses && --pause == 0 ? next_row() : 0;
			pause = row ? next_pause() : pause;
		}
		say(r, s->version, &state);
		franka_shape_see(s, &state, 1);
	}
}

static void survive(uint32_t version, double low_pass_hz, bool misses, int ms)
{
	struct arm r;
	struct franka_shape s;

	begin(&r, &s, version, low_pass_hz);
	go_on(&r, &s, misses, ms);
}

static void hostile_wishes(void **state)
{
	(void)state;
	rng = 1;
	for (uint32_t version = 5; version <= 10; version++)
		survive(version, version % 2 ? 1000 : 100, false, 40000);
}

static void hostile_wishes_and_misses(void **state)
{
	(void)state;
	rng = 2;
	for (uint32_t version = 5; version <= 10; version++)
		survive(version, version % 2 ? 100 : 1000, true, 40000);
}

/* From anywhere, with rows that are lost from the first command on: what is known of a robot that speaks float32 is off by most,
 * and of joint 6 beyond 4 rad by twice that. */
static void misses_from_the_first(void **state)
{
	(void)state;
	static const double end_rad = 0.04; /* no speed at all is allowed at the very end, where float32 is off by more than that */

	rng = 4;
	for (int i = 0; i < 1000; i++) {
		uint32_t version = i % 4 ? 10 : 5 + (uint32_t)(i / 4) % 5;
		const struct robot_model *m = franka_shape_model(version);
		struct arm r;
		struct franka_shape s;
		double from[7];

		for (int j = 0; j < 7; j++)
			from[j] = between(j == 5 && version == 10 ? 4 : m->q_min_rad[j] + end_rad, m->q_max_rad[j] - end_rad);
		begin_at(&r, &s, version, 1000, from);
		go_on(&r, &s, true, 120);
	}
}

/* On a wish that stands: there within the time that limits allow and half as much again and 0.3 s, over by next to nothing, and exactly. */
static void closes_in(uint32_t version, double low_pass_hz, double step)
{
	struct arm r;
	struct franka_shape s;
	struct fci_state state;
	double goal[7], q[7], over = 0;
	static const double stand[7] = { 0 };
	int took_ms = 0;

	begin(&r, &s, version, low_pass_hz);
	for (int i = 0; i < 7; i++)
		goal[i] = r.q[i] + step;
	for (int ms = 0; ms < 4000; ms++) {
		franka_shape_step(&s, goal, stand, q);
		use(&r, q);
		say(&r, version, &state);
		franka_shape_see(&s, &state, 1);
		for (int i = 0; i < 7; i++)
			over = fmax(over, copysign(1, step) * (r.q[i] - goal[i]));
		if (memcmp(r.q, goal, sizeof goal) != 0)
			took_ms = ms;
	}
	assert_memory_equal(r.q, goal, sizeof goal);
	for (int i = 0; i < 7; i++)
		assert_true(r.v[i] == 0 && r.a[i] == 0);
	assert_true(franka_shape_rests(&s));
	if (over > 0.02 * fabs(step) + 1.3e-7 || took_ms > 1500 + 2000 * fabs(step))
		fail_msg("protocol %u, %g Hz, %g rad: over by %g rad, took %d ms", version, low_pass_hz, step, over, took_ms);
}

static void ends_on_the_wish(void **state)
{
	(void)state;
	static const double steps[] = { 1e-8, 1e-6, -1e-4, 2e-3, -0.02, 0.3, -0.5 };

	for (uint32_t version = 5; version <= 10; version++)
		for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
			closes_in(version, 1000, steps[i]);
			closes_in(version, 100, steps[i]);
		}
}

/* A wish that may be sent as it is, is sent as it is. */
static void smooth_wish_is_sent(void **state)
{
	(void)state;
	for (uint32_t version = 5; version <= 10; version++) {
		struct arm r;
		struct franka_shape s;
		struct fci_state st;

		begin(&r, &s, version, 1000);
		for (int ms = 1; ms < 3000; ms++) {
			double t = ms * dt_s, u = fmin(t / 2, 1), x = 0.4 * u * u * u * (10 + u * (-15 + 6 * u)), q[7], v[7], out[7];

			for (int i = 0; i < 7; i++) {
				q[i] = s.model->home_rad[i] + x;
				v[i] = t < 2 ? 0.4 * 30 * u * u * (1 - u) * (1 - u) / 2 : 0;
			}
			franka_shape_step(&s, q, v, out);
			assert_memory_equal(out, q, sizeof out);
			use(&r, out);
			say(&r, version, &st);
			franka_shape_see(&s, &st, 1);
		}
		assert_true(franka_shape_rests(&s));
	}
}

/* An arm that was pushed beyond a limit comes back, and does not go further out. */
static void comes_back(void **state)
{
	(void)state;
	for (uint32_t version = 5; version <= 10; version++) {
		struct arm r;
		struct franka_shape s;
		struct fci_state st;
		static const double stand[7] = { 0 };
		double q[7], goal[7];

		memcpy(goal, franka_shape_model(version)->home_rad, sizeof goal);
		goal[3] = franka_shape_model(version)->q_max_rad[3] + 0.01;
		begin_at(&r, &s, version, 1000, goal);
		for (int ms = 0; ms < 3000; ms++) {
			goal[3] = ms < 1000 ? s.model->q_max_rad[3] + 0.2 : s.model->q_max_rad[3] - 0.3;
			franka_shape_step(&s, goal, stand, q);
			use(&r, q);
			say(&r, version, &st);
			franka_shape_see(&s, &st, 1);
		}
		assert_true(r.q[3] == goal[3]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smooth_wish_is_sent), cmocka_unit_test(ends_on_the_wish), cmocka_unit_test(comes_back),
		cmocka_unit_test(hostile_wishes), cmocka_unit_test(hostile_wishes_and_misses),
		cmocka_unit_test(misses_from_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
