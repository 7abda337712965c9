/* piper_bench.h - a host of the simulated PiPER on virtual time, for its unit tests. It speaks in bytes, as they stand in the protocol's
 * descriptions and in frames taken from the maker's SDK, and knows nothing of our codec. Included after cmocka.h. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_PIPER_BENCH_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_PIPER_BENCH_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "robots/model/model.h"
#include "robots/sim/piper/arm.h"

#define DEG 0.0174532925199432958
enum { FIRMWARE_BYTES = 88, ALL_ENABLED = 0x3F };

static struct piper_arm arm;
static struct {
	uint32_t count[0x800];
	uint8_t last[0x800][8];
	uint64_t at_ms[0x800];             /* when the newest came */
	uint8_t firmware[FIRMWARE_BYTES];
	uint32_t firmware_frames, most_in_ms;
} heard;

static inline void forget(void)
{
	memset(&heard, 0, sizeof heard);
}

static inline void hear(const struct bus_frame *f)
{
	assert_true(f->id < 0x800 && f->length == 8 && f->flags == 0);
	heard.count[f->id]++;
	heard.at_ms[f->id] = arm.now_ms;
	memcpy(heard.last[f->id], f->data, 8);
	if (f->id == 0x4AF && heard.firmware_frames < FIRMWARE_BYTES / 8)
		memcpy(heard.firmware + 8 * heard.firmware_frames++, f->data, 8);
}

static inline void run(uint32_t ms)
{
	for (; ms > 0; ms--) {
		piper_arm_step(&arm);
		if (arm.out.n > heard.most_in_ms)
			heard.most_in_ms = arm.out.n;
		for (uint32_t i = 0; i < arm.out.n; i++)
			hear(&arm.out.frame[i]);
	}
}

static inline void begin(const char *firmware)
{
	struct piper_version v;

	assert_true(piper_arm_firmware(firmware, &v));
	assert_true(piper_arm_init(&arm, &(struct piper_arm_options){ .model = robot_model_find(piper_arm_model_name(&v)), .firmware = firmware }));
	forget();
	run(50);
}

/* "155 00 00 2c c3 00 00 2c c3" */
static inline void say(const char *text)
{
	struct bus_frame f = { .id = 0 };
	char *at;

	f.id = (uint32_t)strtoul(text, &at, 16);
	while (f.length < 8 && *at)
		f.data[f.length++] = (uint8_t)strtoul(at, &at, 16);
	piper_arm_take(&arm, &f);
}

static inline void put_i32(uint8_t *at, int32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)((uint32_t)v >> (24 - 8 * i));
}

static inline void say_pair(uint32_t id, int32_t first, int32_t second)
{
	struct bus_frame f = { .id = id, .length = 8 };

	put_i32(f.data, first);
	put_i32(f.data + 4, second);
	piper_arm_take(&arm, &f);
}

/* Three frames of a joint or pose target. */
static inline void say_six(uint32_t id, const int32_t v[6])
{
	for (uint32_t i = 0; i < 3; i++)
		say_pair(id + i, v[2 * i], v[2 * i + 1]);
}

static inline int32_t heard_i32(uint32_t id, int at)
{
	const uint8_t *b = heard.last[id] + at;

	return (int32_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
}

static inline int heard_i16(uint32_t id, int at)
{
	return (int16_t)(uint16_t)(heard.last[id][at] << 8 | heard.last[id][at + 1]);
}

/* Joint j, counted from 0, in 0.001 degrees. */
static inline int32_t joint(int j)
{
	return heard_i32(0x2A5 + (uint32_t)j / 2, j % 2 * 4);
}

/* X Y Z RX RY RZ in 0.001 mm and 0.001 degrees. */
static inline int32_t pose(int i)
{
	return heard_i32(0x2A2 + (uint32_t)i / 2, i % 2 * 4);
}

static inline uint8_t enabled_bits(void)
{
	uint8_t bits = 0;

	for (uint32_t j = 0; j < 6; j++)
		bits |= (uint8_t)((heard.last[0x261 + j][5] >> 6 & 1) << j);
	return bits;
}

static inline int status_byte(int i)
{
	return heard.last[0x2A1][i];
}

static inline void enable(void)
{
	say("471 07 02 00 00 00 00 00 00");
	run(30);
	assert_int_equal(enabled_bits(), ALL_ENABLED);
}

/* Enabled, CAN control, that mode. */
static inline void ready(const char *firmware, const char *mode)
{
	begin(firmware);
	enable();
	say(mode);
	run(10);
	assert_int_equal(status_byte(0), 1);
}

#define MOVE_P "151 01 00 64 00 00 00 00 00"
#define MOVE_J "151 01 01 64 00 00 00 00 00"
#define MOVE_L "151 01 02 64 00 00 00 00 00"
#define MOVE_C "151 01 03 64 00 00 00 00 00"
#define FAST_J "151 01 01 64 ad 00 00 00 00"
#define STANDBY "151 00 00 00 00 00 00 00 00"

static const int32_t posture[6] = { 10000, 60000, -70000, 20000, 30000, -40000 };

static inline void assert_at(const int32_t want[6], int32_t within)
{
	for (int j = 0; j < 6; j++)
		assert_in_range(labs((long)joint(j) - want[j]), 0, within);
}

/* To `posture`, at rest there. */
static inline void go_up(void)
{
	say(MOVE_J);
	say_six(0x155, posture);
	run(4000);
	assert_at(posture, 1);
}

#endif
