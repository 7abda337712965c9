/* piper_session_bench.h - the driver's session and the simulated PiPER on one bus, in virtual milliseconds, with a control thread that
 * behaves as arm.c does: it begins where the arm is held. Everything that the session sends is judged as it goes by. Included after
 * cmocka.h. */
#ifndef DREAMVLA_TESTS_UNIT_ROBOTS_PIPER_SESSION_BENCH_H
#define DREAMVLA_TESTS_UNIT_ROBOTS_PIPER_SESSION_BENCH_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robots/model/model.h"
#include "robots/piper/session.h"
#include "robots/sim/piper/arm.h"

#define MS INT64_C(1000000)
#define DEG 0.0174532925199432958
enum { CONTROL_MS = 5, STEP_MS = 1 };

static struct piper_setup setup;
static struct piper_session session;
static struct piper_arm arm;
static int64_t now_ns;
static struct robot_state state;           /* as it was reported last */

/* What the session said. */
static struct {
	uint32_t count[0x800], frames;
	uint8_t last[0x800][8];
	int64_t at_ns[0x800];
	bool asked[PIPER_ASK_RESUME + 1];
	uint32_t outbox[PIPER_OUTBOX_MAX]; /* ids of the newest that was not empty */
	double target_rad[6], step_max_rad;
	bool has_target;
} said;

/* The bus: what gets lost on it. */
static struct {
	int code;                          /* of every frame that is sent */
	uint32_t sent_max;                 /* frames that go out before that; of each outbox */
	bool arm_deaf, arm_mute;           /* everything is lost, either way */
	uint32_t lose_id, lose;            /* so many of the arm's frames of that id */
	uint32_t lose_said_id, lose_said;  /* of ours */
	bool off;                          /* no steps of the arm: it has no power */
} bus;

/* Control: goes to goal_rad where the arm is ready, at speed_rad_s. */
static struct {
	bool drives, begun;
	uint64_t generation;
	struct robot_command command;
	double goal_rad[6], speed_rad_s;
	bool has_gripper;
	double gripper_m;
} control;

static const double raised[6] = { 0.2, 1.0, -1.2, 0.3, 0.5, -0.7 };

/* ---- what may be said ---- */

static inline int32_t said_i32(uint32_t id, int at)
{
	const uint8_t *b = said.last[id] + at;

	return (int32_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
}

static inline void judge_target(uint32_t base)
{
	for (uint32_t j = 0; j < 6; j++) {
		int32_t mdeg = said_i32(base + 5 + j / 2, j % 2 * 4);
		double rad = mdeg * 1e-3 * DEG, step = fabs(rad - said.target_rad[j]);

		assert_true(rad >= setup.model.q_min_rad[j] - 1e-5 && rad <= setup.model.q_max_rad[j] + 1e-5);
		if (said.has_target && step > said.step_max_rad)
			said.step_max_rad = step;
		said.target_rad[j] = rad;
	}
	said.has_target = true;
}

/* Only an operator switches, stops and resumes; nothing else but questions and targets is ever said. */
static inline void judge_frame(const struct bus_frame *f)
{
	uint32_t base = setup.control_base;

	assert_true(f->id < 0x800 && f->flags == 0 && f->length == 8);
	assert_int_equal(piper_frame_danger(f), PIPER_ORDINARY);
	said.count[f->id]++;
	said.frames++;
	said.at_ns[f->id] = now_ns;
	memcpy(said.last[f->id], f->data, 8);
	if (f->id == base)
		assert_true(said.asked[f->data[0] == 1 ? PIPER_ASK_EMERGENCY_STOP : PIPER_ASK_RESUME] && (f->data[0] == 1 || f->data[0] == 2));
	else if (f->id == 0x471)
		assert_true(f->data[0] >= 1 && f->data[0] <= 6 && said.asked[f->data[1] == 2 ? PIPER_ASK_ENABLE : PIPER_ASK_DISABLE]);
	else if (f->id == base + 7)
		judge_target(base);
	else
		assert_true((f->id >= base + 1 && f->id <= base + 9) || f->id == 0x472 || f->id == 0x477 || f->id == 0x4AF);
}

static inline void forget_said(void)
{
	uint32_t asked[PIPER_ASK_RESUME + 1];

	for (int i = 0; i <= PIPER_ASK_RESUME; i++)
		asked[i] = said.asked[i];
	memset(&said, 0, sizeof said);
	for (int i = 0; i <= PIPER_ASK_RESUME; i++)
		said.asked[i] = asked[i];
}

/* ---- a millisecond ---- */

static inline void deliver(const struct bus_frame *f)
{
	if (bus.arm_mute)
		return;
	if (bus.lose > 0 && f->id == bus.lose_id) {
		bus.lose--;
		return;
	}
	piper_session_take(&session, &(struct bus_event){ .t_ns = now_ns, .frame = *f });
}

static inline void send_all(const struct piper_outbox *out)
{
	int code = 0;

	assert_true(out->n <= PIPER_OUTBOX_MAX);
	for (uint32_t i = 0; i < out->n; i++)
		said.outbox[i] = out->frame[i].id;
	for (uint32_t i = 0; i < out->n && code == 0; i++) {
		code = i >= bus.sent_max ? bus.code : 0;
		if (code < 0)
			break;
		judge_frame(&out->frame[i]);
		if (bus.lose_said > 0 && out->frame[i].id == bus.lose_said_id)
			bus.lose_said--;
		else if (!bus.arm_deaf && !bus.off)
			piper_arm_take(&arm, &out->frame[i]);
	}
	if (out->n > 0)
		piper_session_sent(&session, code);
}

static inline void begin_command(void)
{
	control.begun = true;
	control.generation = state.generation;
	control.command = (struct robot_command){ .hold = true };
	memcpy(control.command.q_rad, state.has_q_d ? state.q_d_rad : state.q_rad, sizeof control.command.q_rad);
}

static inline void tick_control(void)
{
	if (!control.drives)
		return;
	if (state.mode != ARM_READY) {
		control.begun = false;
		control.command = (struct robot_command){ .hold = false };
	} else if (!control.begun || control.generation != state.generation || !state.engaged) {
		begin_command();
	} else {
		double most = control.speed_rad_s * CONTROL_MS * 1e-3;

		for (int j = 0; j < 6; j++)
			control.command.q_rad[j] += fmin(fmax(control.goal_rad[j] - control.command.q_rad[j], -most), most);
	}
	control.command.has_gripper = control.command.hold && control.has_gripper;
	control.command.gripper_m = control.gripper_m;
	piper_session_command(&session, &control.command, now_ns);
}

static inline void run(uint32_t ms)
{
	struct piper_outbox out;

	for (; ms > 0; ms--) {
		now_ns += STEP_MS * MS;
		if (!bus.off) {
			piper_arm_step(&arm);
			for (uint32_t i = 0; i < arm.out.n; i++)
				deliver(&arm.out.frame[i]);
		}
		if (now_ns / MS % CONTROL_MS == 0)
			tick_control();
		piper_session_step(&session, now_ns, &out);
		send_all(&out);
		piper_session_report(&session, now_ns, &state);
	}
}

/* ---- beginning ---- */

static inline void ask(enum piper_ask what)
{
	said.asked[what] = true;
	(void)piper_session_ask(&session, what);
}

static inline void set_up(const char *firmware)
{
	struct piper_version v;

	assert_true(piper_arm_firmware(firmware, &v));
	memset(&said, 0, sizeof said);
	memset(&control, 0, sizeof control);
	bus = (__typeof__(bus)){ .code = 0 };
	control.speed_rad_s = 1.0;
	now_ns = 1000 * MS;
	piper_setup_defaults(&setup);
	setup.model = *robot_model_find(piper_arm_model_name(&v));
	assert_true(piper_arm_init(&arm, &(struct piper_arm_options){ .model = robot_model_find(setup.model.name), .firmware = firmware }));
	piper_session_init(&session, &setup);
}

static inline void open_bus(void)
{
	piper_session_opened(&session, now_ns);
}

/* Heard and asked, motors off. */
static inline void connect_arm(const char *firmware)
{
	set_up(firmware);
	open_bus();
	run(500);
	assert_int_equal(session.phase, PIPER_OFF);
	assert_int_equal(state.mode, ARM_IDLE);
	assert_int_equal(state.trouble, PIPER_TROUBLE_MOTORS_OFF);
}

/* Enabled by the operator and held, control driving. */
static inline void hold_arm(const char *firmware)
{
	connect_arm(firmware);
	control.drives = true;
	memcpy(control.goal_rad, state.q_rad, sizeof control.goal_rad);
	ask(PIPER_ASK_ENABLE);
	run(500);
	assert_int_equal(session.phase, PIPER_HOLDS);
	assert_int_equal(state.mode, ARM_READY);
	assert_true(state.engaged);
}

static inline void go(const double goal_rad[6], uint32_t ms)
{
	memcpy(control.goal_rad, goal_rad, sizeof control.goal_rad);
	run(ms);
}

static inline double distance_rad(const double goal_rad[6])
{
	double most = 0;

	for (int j = 0; j < 6; j++)
		most = fmax(most, fabs(state.q_rad[j] - goal_rad[j]));
	return most;
}

/* As it is held, somewhere up. */
static inline void raise_arm(const char *firmware)
{
	hold_arm(firmware);
	go(raised, 2500);
	assert_true(distance_rad(raised) < 0.005);
	forget_said();
}

static inline bool reports(const char *error)
{
	for (uint32_t i = 0; i < 64; i++)
		if (state.errors >> i & 1 && strcmp(piper_error_name(i), error) == 0)
			return true;
	return false;
}

#define assert_trouble(word) assert_string_equal(piper_trouble(state.trouble)->name, word)

#endif
