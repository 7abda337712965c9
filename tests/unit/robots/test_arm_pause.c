/* test_arm_pause.c - dreamvla-arm is held up in motion (a hung process, a machine that stands still): what it commands goes on from
 * where it ended, whatever the time that was lost. Virtual time; dreamvlad goes on sending all the while. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "robots/arm/arm.h"
#include "robots/model/model.h"

#include <cmocka.h> /* last: it defines fail() */

enum { LEAD_MS = 60, STREAM_MS = 5, ON_THE_WAY_MAX = 64 };
static const int64_t MS = 1000000;
static const uint64_t ME = 77;

struct bench {
	struct arm_setup setup;
	struct arm arm;
	struct robot_state robot;
	struct robot_command command;
	int64_t start_ns, now_ns;
	int64_t sent_ms;            /* of the newest target */
	struct arm_target way[ON_THE_WAY_MAX]; /* sent, not taken yet */
	uint32_t n_way;
	double speed_rad_s;         /* of joint 1 */
	double step_peak_rad, v_change_peak_rad_s;
	double before_rad, before_rad_s;
};

/* Joint 1 from rest to its speed within half a second and on; t in s. */
static void path(const struct bench *b, double t, double *q, double *v)
{
	double u = t < 0 ? 0 : fmin(t / 0.5, 1);

	*v = b->speed_rad_s * u * u * (3 - 2 * u);
	*q = b->speed_rad_s * 0.5 * (u * u * u - u * u * u * u / 2) + b->speed_rad_s * fmax(t - 0.5, 0);
}

static void stream(struct bench *b)
{
	for (int64_t ms = (b->now_ns - b->start_ns) / MS; b->sent_ms + STREAM_MS <= ms; ) {
		b->sent_ms += STREAM_MS;
		struct arm_target *t = &b->way[b->n_way++];

		assert_true(b->n_way <= ON_THE_WAY_MAX);
		*t = (struct arm_target){ .from = ME, .seq = (uint64_t)(b->sent_ms / STREAM_MS) + 1,
			.arrival_ns = b->start_ns + b->sent_ms * MS,
			.target = { .valid = true, .t_ns = b->start_ns + (b->sent_ms + LEAD_MS) * MS, .valid_for_ns = 100 * MS } };
		memcpy(t->target.q_rad, b->setup.model.home_rad, sizeof t->target.q_rad);
		double away, speed;

		path(b, (double)b->sent_ms * 1e-3, &away, &speed);
		t->target.q_rad[0] += away;
		t->target.dq_rad_s[0] = speed;
	}
}

static void tick_after(struct bench *b, int ms)
{
	b->now_ns += ms * MS;
	b->robot.stamp_ns = b->now_ns;
	memcpy(b->robot.q_rad, b->command.q_rad, sizeof b->robot.q_rad);
	memset(b->robot.dq_rad_s, 0, sizeof b->robot.dq_rad_s);
	stream(b);
	for (uint32_t i = 0; i < b->n_way; i++)
		arm_take_target(&b->arm, &b->way[i], b->now_ns);
	b->n_way = 0;
	arm_tick(&b->arm, &b->robot, b->now_ns, &b->command);
	assert_true(b->command.hold);
	double step = b->command.q_rad[0] - b->before_rad, change = b->command.dq_rad_s[0] - b->before_rad_s;

	b->step_peak_rad = fmax(b->step_peak_rad, fabs(step));
	b->v_change_peak_rad_s = fmax(b->v_change_peak_rad_s, fabs(change));
	b->before_rad = b->command.q_rad[0];
	b->before_rad_s = b->command.dq_rad_s[0];
}

static void run(struct bench *b, int ms)
{
	while (ms--)
		tick_after(b, 1);
}

/* In even motion, after a second. */
static void make_moving(struct bench *b, double speed_rad_s)
{
	memset(b, 0, sizeof *b);
	b->setup = (struct arm_setup){ .name = "arm", .model = *robot_model_find("panda"), .tcp = { .q_xyzw = { 0, 0, 0, 1 } },
		.box_min_m = { -1, -1, 0.05 }, .box_max_m = { 1, 1, 1.5 }, .limit_scale = 1 };
	b->speed_rad_s = speed_rad_s;
	b->start_ns = b->now_ns = 1000 * MS;
	b->robot = (struct robot_state){ .mode = ARM_READY, .engaged = true, .generation = 1 };
	memcpy(b->robot.q_rad, b->setup.model.home_rad, sizeof b->robot.q_rad);
	memcpy(b->command.q_rad, b->setup.model.home_rad, sizeof b->command.q_rad);
	arm_init(&b->arm, &b->setup, robot_driver_find("sim"));
	arm_tick(&b->arm, &b->robot, b->now_ns, &b->command);
	b->before_rad = b->command.q_rad[0];
	struct arm_request attach = { .ask = ARM_ASK_ATTACH, .from = ME };

	assert_int_equal(arm_take_request(&b->arm, &attach, b->now_ns).reply, ARM_REPLY_OK);
	run(b, 1000);
	assert_int_equal(b->arm.phase, ARM_PLAYS);
	assert_int_equal(b->arm.counters.refused, 0);
	assert_true(b->before_rad_s > 0.99 * speed_rad_s);
	b->step_peak_rad = b->v_change_peak_rad_s = 0;
}

static void no_jump(const struct bench *b)
{
	const struct robot_model *m = &b->setup.model;

	assert_true(b->step_peak_rad <= 1.5 * b->speed_rad_s * 1e-3); /* 1.5: catching up */
	assert_true(b->v_change_peak_rad_s <= m->ddq_max_rad_s2[0] * 1e-3);
	assert_int_equal(b->arm.counters.limits_exceeded, 0);
}

static void short_pauses_are_made_up_for_smoothly(void **state)
{
	(void)state;
	for (int pause = 2; pause <= 50; pause += 4) {
		struct bench b;

		make_moving(&b, 0.3);
		uint64_t accepted = b.arm.counters.accepted;

		tick_after(&b, pause);
		run(&b, 1100);
		no_jump(&b);
		assert_int_equal(b.arm.counters.refused, 0);
		assert_int_equal(b.arm.counters.underruns, 0);
		assert_true(b.arm.counters.accepted >= accepted + 1100 / STREAM_MS);
		double q, v;

		path(&b, (double)(b.now_ns - b.start_ns) * 1e-9 - LEAD_MS * 1e-3, &q, &v);
		assert_true(fabs(b.before_rad - b.setup.model.home_rad[0] - q) < 1e-6); /* where it should be by now */
	}
}

/* More than what may be made up for: it brakes and stands, and the stream has to start anew at q_d. */
static void what_is_too_much_is_braked(void **state)
{
	(void)state;
	for (int pause = 30; pause <= 100; pause += 10) {
		struct bench b;

		make_moving(&b, 1.0);
		double at = b.before_rad;

		tick_after(&b, pause);
		run(&b, 500);
		no_jump(&b);
		assert_int_equal(b.arm.phase, ARM_STANDS);
		assert_true(b.before_rad >= at && b.before_rad - at < 1.0 * 1.0 / 2 / 7.5 * 1.5);
		assert_true(b.arm.counters.refused > 0);
		assert_true(b.arm.accepted_from == 0 || b.arm.counters.underruns == 1);
		assert_int_equal(b.arm.counters.held_up, b.arm.counters.underruns);
	}
}

/* An arm without commands for so long stands by itself. */
static void long_pauses_end_where_it_was_commanded_last(void **state)
{
	(void)state;
	for (int pause = 101; pause <= 290; pause += 27) {
		struct bench b;

		make_moving(&b, 0.3);
		double at = b.before_rad;

		tick_after(&b, pause);
		assert_true(b.before_rad == at && b.before_rad_s == 0);
		b.v_change_peak_rad_s = 0; /* that it stands is what it finds */
		run(&b, 500);
		no_jump(&b);
		assert_true(b.before_rad == at);
		assert_int_equal(b.arm.phase, ARM_STANDS);
	}
}

static void a_pause_while_braking(void **state)
{
	(void)state;
	for (int pause = 2; pause <= 100; pause += 14) {
		struct bench b;
		struct arm_request stop = { .ask = ARM_ASK_STOP };

		make_moving(&b, 1.0);
		(void)arm_take_request(&b.arm, &stop, b.now_ns);
		run(&b, 20);
		tick_after(&b, pause);
		run(&b, 300);
		no_jump(&b);
		assert_int_equal(b.arm.phase, ARM_STANDS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_pauses_are_made_up_for_smoothly),
		cmocka_unit_test(what_is_too_much_is_braked),
		cmocka_unit_test(long_pauses_end_where_it_was_commanded_last),
		cmocka_unit_test(a_pause_while_braking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
