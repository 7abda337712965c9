/* input_bench.h - a gamepad and a keyboard as plain facts, and events for them. */
#ifndef DREAMVLA_TESTS_INPUT_BENCH_H
#define DREAMVLA_TESTS_INPUT_BENCH_H

#include <math.h>
#include <string.h>

#include "robots/teleop/input_facts.h"

/* cmocka's own compares floats. NaN is near nothing. */
#define assert_near(a, b, most) assert_true(fabs((a) - (b)) <= (most))

static inline void give_axis(struct input_facts *f, int code, int low, int high, int value, int flat)
{
	f->has_axis[code] = true;
	f->axis[code] = (struct input_absinfo){ .value = value, .minimum = low, .maximum = high, .fuzz = 16, .flat = flat };
}

/* As the kernel's xpad driver reports one. */
static inline void make_gamepad(struct input_facts *f)
{
	static const int keys[] = { BTN_SOUTH, BTN_EAST, BTN_NORTH, BTN_WEST, BTN_TL, BTN_TR, BTN_SELECT, BTN_START, BTN_MODE };
	static const int sticks[] = { ABS_X, ABS_Y, ABS_RX, ABS_RY };

	memset(f, 0, sizeof *f);
	strcpy(f->name, "Test Pad");
	for (unsigned int i = 0; i < sizeof keys / sizeof *keys; i++)
		f->has_key[keys[i]] = true;
	for (unsigned int i = 0; i < sizeof sticks / sizeof *sticks; i++)
		give_axis(f, sticks[i], -32768, 32767, 0, 128);
	give_axis(f, ABS_Z, 0, 255, 0, 0);
	give_axis(f, ABS_RZ, 0, 255, 0, 0);
	give_axis(f, ABS_HAT0X, -1, 1, 0, 0);
	give_axis(f, ABS_HAT0Y, -1, 1, 0, 0);
}

static inline void make_keyboard(struct input_facts *f)
{
	memset(f, 0, sizeof *f);
	strcpy(f->name, "Test Keyboard");
	for (int code = KEY_ESC; code <= KEY_SPACE; code++)
		f->has_key[code] = true;
}

static inline struct input_event event_of(int type, int code, int value)
{
	return (struct input_event){ .type = (__u16)type, .code = (__u16)code, .value = value };
}

#endif
