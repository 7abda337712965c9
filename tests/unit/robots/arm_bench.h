/* arm_bench.h - arm.c on virtual time at 1 kHz: a Panda that follows its commands exactly, and a watch on what is commanded. Used by
 * the test_arm*.c of this folder. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_ARM_BENCH_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_ARM_BENCH_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/arm/arm.h"
#include "robots/arm/arm_text.h"
#include "robots/model/model.h"

#include <cmocka.h> /* last: it defines fail() */

static const int64_t MS = 1000000;
static const uint64_t ME = 77;

struct bench {
	struct arm_setup setup;
	struct arm arm;
	struct robot_state robot;
	struct robot_command command;
	int64_t now_ns;
	uint64_t seq;
	struct robot_command last;  /* one period earlier */
	double a_rad_s2[DOF_MAX];   /* mean over the last period */
	bool braked;                /* or coasted, one period earlier */
	double jerk_first_peak, jerk_peak; /* share of the limit, as a brake or coast begins and later in it */
	double jump_peak_rad;       /* beyond what the velocity explains */
};

/* What is commanded must be one motion: position follows from velocity at all times, and a brake that starts from a smooth
 * stream keeps the jerk limit from its first period on. */
static inline void watch_motion(struct bench *b)
{
	const struct robot_model *m = &b->setup.model;
	bool coasts = !playout_newest(&b->arm.playout) && b->arm.playout.from.t_ns < b->now_ns, brakes = b->arm.phase != ARM_PLAYS || coasts;

	for (uint32_t j = 0; j < m->dof && b->last.hold && b->command.hold; j++) {
		double v = b->command.dq_rad_s[j], v0 = b->last.dq_rad_s[j], a = (v - v0) / 1e-3;
		double step = b->command.q_rad[j] - b->last.q_rad[j] - (v + v0) / 2 * 1e-3;

		b->jump_peak_rad = fmax(b->jump_peak_rad, fabs(step));
		double *peak = b->braked ? &b->jerk_peak : &b->jerk_first_peak;
		if (brakes)
			*peak = fmax(*peak, fabs(a - b->a_rad_s2[j]) / 1e-3 / m->dddq_max_rad_s3[j]);
		b->a_rad_s2[j] = a;
	}
	if (!b->command.hold)
		memset(b->a_rad_s2, 0, sizeof b->a_rad_s2);
	b->last = b->command;
	b->braked = brakes;
}

static inline void tick(struct bench *b)
{
	b->now_ns += MS;
	b->robot.stamp_ns = b->now_ns;
	if (b->command.hold) {
		memcpy(b->robot.q_rad, b->command.q_rad, sizeof b->robot.q_rad);
		memcpy(b->robot.dq_rad_s, b->command.dq_rad_s, sizeof b->robot.dq_rad_s);
	}
	arm_tick(&b->arm, &b->robot, b->now_ns, &b->command);
	watch_motion(b);
}

static inline void ticks(struct bench *b, int n)
{
	while (n--)
		tick(b);
}

static inline void make_bench(struct bench *b, const struct robot_driver *driver)
{
	memset(b, 0, sizeof *b);
	b->setup = (struct arm_setup){ .name = "arm", .model = *robot_model_find("panda"), .tcp = { .q_xyzw = { 0, 0, 0, 1 } },
		.gripper_max_m = 0.08, .box_min_m = { -1, -1, 0.05 }, .box_max_m = { 1, 1, 1.5 }, .floor_m = 0, .limit_scale = 1 };
	b->now_ns = 1000 * MS;
	b->robot = (struct robot_state){ .mode = ARM_READY, .engaged = true, .generation = 1, .has_gripper = true, .gripper_m = 0.08 };
	memcpy(b->robot.q_rad, b->setup.model.home_rad, sizeof b->robot.q_rad);
	arm_init(&b->arm, &b->setup, driver);
	tick(b);
}

static inline struct arm_answer ask(struct bench *b, enum arm_ask what, uint64_t from, bool takeover, bool clear_stop)
{
	return arm_take_request(&b->arm, &(struct arm_request){ .ticket = 9, .ask = what, .from = from, .takeover = takeover,
			.clear_stop = clear_stop }, b->now_ns);
}

static inline struct arm_report report(const struct bench *b)
{
	struct arm_report r;

	arm_get_report(&b->arm, &r);
	return r;
}

static inline bool stands(const struct bench *b)
{
	return b->arm.phase == ARM_OUT || b->arm.phase == ARM_STANDS;
}

/* A target due `lead_ms` from now, at home plus `away` on every joint. */
static inline struct arm_target target_at(struct bench *b, int lead_ms, double away, double speed)
{
	struct arm_target t = { .from = ME, .seq = ++b->seq, .arrival_ns = b->now_ns,
		.target = { .valid = true, .t_ns = b->now_ns + lead_ms * MS, .valid_for_ns = 20 * MS } };

	for (uint32_t j = 0; j < b->setup.model.dof; j++) {
		t.target.q_rad[j] = b->setup.model.home_rad[j] + away;
		t.target.dq_rad_s[j] = speed;
	}
	return t;
}

static inline void send(struct bench *b, struct arm_target t)
{
	arm_take_target(&b->arm, &t, b->now_ns);
}

static inline void make_attached(struct bench *b)
{
	make_bench(b, robot_driver_find("sim"));
	assert_int_equal(ask(b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
}

static inline void refused(struct bench *b, struct arm_target t, enum refusal why)
{
	uint64_t before = report(b).counters.refused;
	char text[256];

	send(b, t);
	struct arm_report r = report(b);
	assert_int_equal(r.counters.refused, before + 1);
	assert_int_equal(r.refusal.why, why);
	assert_true(r.refusal.seq == t.seq);
	arm_refusal_text(&r.refusal, text, sizeof text);
	assert_true(strlen(text) > 20);
}

/* The arm comes to rest within its limits and stays there. */
static inline void comes_to_rest(struct bench *b)
{
	int n = 0;

	while (!stands(b) && n++ < 1000)
		tick(b);
	assert_true(n < 1000);
	for (uint32_t j = 0; j < b->setup.model.dof; j++)
		assert_true(b->command.dq_rad_s[j] == 0);
	assert_int_equal(report(b).mode, ARM_READY);
	assert_true(report(b).counters.velocity_peak <= 1 && report(b).counters.acceleration_peak <= 1);
}

/* Attached; another model than the Panda, with a tool, at a share of its limits. */
static inline void make_bench_of(struct bench *b, const char *model, double scale)
{
	make_bench(b, robot_driver_find("sim"));
	b->setup.model = *robot_model_find(model);
	b->setup.limit_scale = scale;
	b->setup.tcp.p_m[2] = 0.1;
	memcpy(b->setup.home_rad, b->setup.model.home_rad, sizeof b->setup.home_rad);
	memcpy(b->robot.q_rad, b->setup.model.home_rad, sizeof b->robot.q_rad);
	b->command.hold = b->last.hold = false;
	arm_init(&b->arm, &b->setup, robot_driver_find("sim"));
	tick(b);
	assert_int_equal(ask(b, ARM_ASK_ATTACH, ME, false, false).reply, ARM_REPLY_OK);
}

static inline uint32_t random_u32(uint32_t *r)
{
	*r = *r * 1664525u + 1013904223u;
	return *r >> 8;
}

static inline double strange(uint32_t *r)
{
	static const double VALUE[] = { 0, 0.001, -0.01, 0.02, 0.5, -3, 1e9, -1e300, 1e-300 };
	uint32_t k = random_u32(r) % 12;

	return k < 9 ? VALUE[k] : k == 9 ? NAN : k == 10 ? INFINITY : 0;
}

#endif
