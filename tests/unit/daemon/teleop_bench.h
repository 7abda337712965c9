/* teleop_bench.h - people at control_bench.h: what their devices say, as io would count it. */
#ifndef DREAMVLA_TESTS_UNIT_DAEMON_TELEOP_BENCH_H
#define DREAMVLA_TESTS_UNIT_DAEMON_TELEOP_BENCH_H

#include "control_bench.h"

/* One message about the dead-man. */
static inline void say_deadman(const struct bench *b, struct teleop_input *in, bool pressed)
{
	in->edge_ns = pressed && in->present && !in->deadman ? b->now_ns : in->edge_ns;
	in->edges += pressed && in->present && !in->deadman;
	in->releases += !pressed && in->deadman;
	in->present = true;
	in->deadman = pressed;
}

/* The device says that its dead-man is (not) pressed, and goes on saying so. */
static inline void press(struct bench *b, uint32_t device, bool pressed)
{
	struct teleop_input *in = &b->inputs.teleop[device];

	say_deadman(b, in, pressed);
	in->from = in->from ? in->from : 100 + device;
	in->kind = TELEOP_TWIST;
	b->teleop_talks[device] = true;
}

/* One edge, and the tick that sees it. */
static inline void take_over(struct bench *b, uint32_t device, double vy)
{
	press(b, device, false);
	run_ms(b, 5);
	press(b, device, true);
	b->inputs.teleop[device].value[1] = vy;
	run_ms(b, 5);
}

static inline struct bench *bench_standing(void)
{
	struct bench *b = bench_new();

	bench_start(b);
	run_ms(b, 500);
	return b;
}

/* Pressed and let go between two ticks. */
static inline void tap(struct bench *b, uint32_t device)
{
	press(b, device, false);
	run_ms(b, 5);
	press(b, device, true);
	press(b, device, false);
	run_ms(b, 5);
}

#endif
