/* fuzz_piper_session.c - the PiPER driver's session against arbitrary frames, losses, requests, commands and times. Behind it is something
 * that answers as an arm does, without its physics, so that inputs get far in little time. The first byte says where it begins: not connected, or holding the arm. Then pieces: a byte that says what (its
 * low four bits) and how long it is (the others), and so many bytes. Whatever comes, only the operator's newest request switches, stops
 * or resumes, no target is out of range or far from the one before, and a leader is not spoken to. Built by run.sh with libFuzzer, and
 * with replay.c as one of the tests. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/model/model.h"
#include "robots/piper/session.h"
#include "tests/fuzz/fuzz.h"

enum { FRAME, ARM_FRAME, RUN, ERROR, COMMAND, NEAR_COMMAND, ASK, BUS, CODE, ARM_FAULT, LOSE, GRIPPER, JUMP, CONTROL, MUTE, MOVE };
enum { CONNECT_MS = 400, ENABLE_MS = 400, STEPS_MAX = 4000, ALL = 0x3F };

/* It goes to every target at once. */
struct stand_in {
	const char *firmware;
	uint8_t control, move, state, enabled, deaf, bits[PIPER_JOINTS], over_limit, lost;
	int32_t mdeg[PIPER_JOINTS];
	bool leads, corrupt, grips;
	int32_t opening_um;
	uint8_t grip_errors;
};

/* One place to copy from: an arm that is held, made once. */
struct world {
	struct piper_session session;
	struct stand_in arm;
	struct robot_state state;
	int64_t now_ns;
	int newest_ask;            /* that was obeyed; -1: none */
	int code;
	bool mute;
	uint32_t lose_id, lose;
	bool streams;              /* has held since the newest target */
	double target_rad[PIPER_JOINTS];
	uint64_t generation;       /* of the newest target: another one begins where the arm then stands */
	uint32_t steps;
};

static struct piper_setup setup;
static struct world w, held;
static bool made;

/* ---- what may be said ---- */

static int32_t i32(const uint8_t *b)
{
	return (int32_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
}

static void check_pair(const struct bus_frame *f)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t j = 2 * (f->id - PIPER_CONTROL_BASE - 5) + i;
		double rad = piper_rad_from_mdeg(i32(f->data + 4 * i)), most_rad = 1.25 * setup.model.dq_max_rad_s[j] * 2 / setup.rate_hz + 2e-5;

		fuzz_require(rad >= setup.model.q_min_rad[j] - 1e-5 && rad <= setup.model.q_max_rad[j] + 1e-5);
		fuzz_require(!w.streams || fabs(rad - w.target_rad[j]) <= most_rad || w.session.phase != PIPER_HOLDS ||
				(w.session.generation != w.generation && fabs(rad - piper_rad_from_mdeg(w.arm.mdeg[j])) <= most_rad));
		w.target_rad[j] = rad;
	}
}

static void check_frame(const struct bus_frame *f)
{
	fuzz_require(piper_frame_danger(f) == PIPER_ORDINARY && f->length == 8);
	fuzz_require(w.session.open && w.session.phase != PIPER_LEADS && w.session.phase != PIPER_LISTENS && w.session.phase != PIPER_CLOSED);
	if (f->id == 0x150)
		fuzz_require(w.newest_ask == (f->data[0] == PIPER_STOP_NOW ? PIPER_ASK_EMERGENCY_STOP : PIPER_ASK_RESUME) && f->data[0] <= 2);
	else if (f->id == 0x471)
		fuzz_require(w.newest_ask == (f->data[1] == PIPER_ENABLE_MOTOR ? PIPER_ASK_ENABLE : PIPER_ASK_DISABLE) && f->data[0] <= PIPER_JOINTS);
	else if (f->id >= 0x155 && f->id <= 0x157)
		check_pair(f);
	else
		fuzz_require(f->id == 0x151 || f->id == 0x159 || f->id == 0x472 || f->id == 0x477 || f->id == 0x4AF);
	if (f->id == 0x159)
		fuzz_require(i32(f->data) >= 0 && i32(f->data) <= 70000 && f->data[7] == 0);
}

static void check_state(uint64_t generation)
{
	fuzz_require(w.state.generation >= generation);
	fuzz_require((w.state.mode != ARM_READY || w.session.phase == PIPER_HOLDS) && (!w.state.engaged || w.session.phase == PIPER_HOLDS));
	fuzz_require(w.state.trouble < PIPER_TROUBLES && (w.state.mode == ARM_READY || w.state.trouble != PIPER_TROUBLE_NONE));
	for (int j = 0; j < PIPER_JOINTS; j++)
		fuzz_require(isfinite(w.state.q_rad[j]) && isfinite(w.state.dq_rad_s[j]) && isfinite(w.state.tau_nm[j]) && isfinite(w.state.q_d_rad[j]));
}

/* ---- time ---- */

static void deliver(const struct bus_frame *f)
{
	if (w.mute)
		return;
	if (w.lose > 0 && f->id == w.lose_id)
		w.lose--;
	else
		piper_session_take(&w.session, &(struct bus_event){ .t_ns = w.now_ns, .frame = *f });
}

/* ---- the stand-in ---- */

static void tell(const struct piper_message *m)
{
	struct bus_frame f;

	fuzz_require(piper_put(&w.session.feedback.dialect, m, &f));
	deliver(&f);
}

static void tell_firmware(void)
{
	struct piper_message m = { .kind = PIPER_FIRMWARE };

	memcpy(m.firmware.text + 4, w.arm.firmware, 4); /* as in a real answer it lies across two frames */
	tell(&m);
	memcpy(m.firmware.text, w.arm.firmware + 4, 4);
	memcpy(m.firmware.text + 4, "2509", 4);
	tell(&m);
}

static void tell_limits(const struct piper_limit_query *q)
{
	const struct robot_model *model = &setup.model;
	struct piper_message m = { .kind = PIPER_ACCELERATION, .acceleration = { q->joint, w.arm.corrupt ? 65535 : 500 } };

	if (q->what == PIPER_QUERY_LIMITS)
		m = (struct piper_message){ .kind = PIPER_LIMITS, .limits = { q->joint, -1, -1, 65535 } };
	if (q->what == PIPER_QUERY_LIMITS && !w.arm.corrupt)
		m.limits = (struct piper_limits){ q->joint, (int16_t)lround(model->q_max_rad[q->joint - 1] * 573), (int16_t)lround(model->q_min_rad[q->joint - 1] * 573), 3000 };
	tell(&m);
}

static void obey_stop(uint8_t what)
{
	w.arm.state = what == PIPER_STOP_NOW ? PIPER_ARM_EMERGENCY_STOP : PIPER_ARM_NORMAL;
	if (what != PIPER_STOP_RESUME)
		return;
	w.arm.enabled = w.arm.lost = 0;
	w.arm.control = PIPER_STANDBY;
	memset(w.arm.bits, 0, sizeof w.arm.bits);
}

static void obey_enable(const struct piper_enable *e)
{
	uint8_t bit = (uint8_t)(1u << (e->motor - 1));

	if (e->action == PIPER_DISABLE_MOTOR)
		w.arm.enabled &= (uint8_t)~bit;
	else
		w.arm.enabled |= bit & (uint8_t)~w.arm.deaf;
	w.arm.deaf &= (uint8_t)~bit;
}

static void obey(const struct bus_frame *f)
{
	struct piper_message m;

	fuzz_require(piper_get(&w.session.feedback.dialect, f, &m));
	switch (m.kind) {
	case PIPER_FIRMWARE_QUERY: tell_firmware(); return;
	case PIPER_LIMIT_QUERY: tell_limits(&m.limit_query); return;
	case PIPER_PARAMETER: tell(&(struct piper_message){ .kind = PIPER_GRIPPER_SETUP, .gripper_setup = { 100, 70, 1 } }); return;
	case PIPER_STOP: obey_stop(m.stop.emergency); return;
	case PIPER_ENABLE: obey_enable(&m.enable); return;
	case PIPER_MODE:
		w.arm.control = m.mode.control;
		w.arm.move = m.mode.move;
		return;
	case PIPER_JOINT_TARGET:
		if (w.arm.control == PIPER_CAN && w.arm.enabled == ALL && w.arm.state == PIPER_ARM_NORMAL)
			memcpy(w.arm.mdeg + 2 * m.index, m.pair.value, sizeof m.pair.value);
		return;
	case PIPER_GRIPPER_TARGET:
		w.arm.grips = m.gripper_target.bits & PIPER_GRIPPER_ENABLE;
		w.arm.opening_um = w.arm.grips ? m.gripper_target.opening_um : w.arm.opening_um;
		w.arm.grip_errors = m.gripper_target.bits & PIPER_GRIPPER_CLEAR ? 0 : w.arm.grip_errors;
		return;
	default: return;
	}
}

static void tell_motors(uint32_t ms)
{
	for (uint32_t j = 0; j < PIPER_JOINTS; j++) {
		if (w.arm.lost >> j & 1)
			continue;
		tell(&(struct piper_message){ .kind = PIPER_MOTOR_FAST, .index = j, .fast = { 0, 100, (int32_t)lround(w.arm.mdeg[j] * 0.01745329) } });
		if (ms % 25 == 0)
			tell(&(struct piper_message){ .kind = PIPER_MOTOR_SLOW, .index = j, .slow = { .bus_dv = 240,
				.bits = (uint8_t)(w.arm.bits[j] | (w.arm.enabled >> j & 1 ? PIPER_MOTOR_ENABLED : 0)) } });
	}
}

static void tell_joints(enum piper_kind kind)
{
	for (uint32_t i = 0; i < 3; i++)
		tell(&(struct piper_message){ .kind = kind, .index = i, .pair = { { w.arm.mdeg[2 * i], w.arm.mdeg[2 * i + 1] } } });
}

static void tell_all(void)
{
	uint32_t ms = (uint32_t)(w.now_ns / NS_PER_MS);

	if (ms % 5 != 0)
		return;
	tell_motors(ms);
	tell_joints(w.arm.leads ? PIPER_JOINT_TARGET : PIPER_JOINT_ANGLES);
	if (w.arm.leads)
		return;
	tell(&(struct piper_message){ .kind = PIPER_STATUS, .status = { .control = w.arm.control, .state = w.arm.state, .move = w.arm.move,
		.over_limit = w.arm.over_limit, .communication_error = w.arm.lost } });
	tell(&(struct piper_message){ .kind = PIPER_GRIPPER, .gripper = { .opening_um = w.arm.opening_um,
		.bits = (uint8_t)(w.arm.grip_errors | (w.arm.grips ? PIPER_GRIPPER_ENABLED : 0)) } });
}

/* ---- a millisecond ---- */

static void send_all(const struct piper_outbox *out)
{
	fuzz_require(out->n <= PIPER_OUTBOX_MAX);
	for (uint32_t i = 0; i < out->n; i++) {
		check_frame(&out->frame[i]);
		if (w.code == 0)
			obey(&out->frame[i]);
	}
	if (out->n > 0)
		piper_session_sent(&w.session, w.code);
}

static void step(void)
{
	uint64_t generation = w.state.generation, targets = w.session.counters.targets;
	struct piper_outbox out;

	if (++w.steps > STEPS_MAX)
		return;
	piper_session_step(&w.session, w.now_ns, &out);
	send_all(&out);
	w.generation = w.session.counters.targets > targets ? w.session.generation : w.generation;
	/* What did not go out may be followed by a target as far from the one before that. */
	w.streams = w.session.phase == PIPER_HOLDS && (w.streams || w.session.counters.targets > targets) && w.code == 0;
	piper_session_report(&w.session, w.now_ns, &w.state);
	fuzz_require(piper_session_next_ns(&w.session) > w.now_ns);
	check_state(generation);
}

static void run(uint32_t ms)
{
	for (; ms > 0 && w.steps < STEPS_MAX; ms--) {
		w.now_ns += NS_PER_MS;
		tell_all();
		step();
	}
}

static void ask(enum piper_ask what)
{
	if (piper_session_ask(&w.session, what))
		w.newest_ask = (int)what;
}

static void begin(const char *firmware)
{
	w = (struct world){ .now_ns = NS_PER_S, .newest_ask = -1, .arm = { .firmware = firmware, .mdeg = { 10000, 60000, -70000 } } };
	piper_session_init(&w.session, &setup);
}

static void make(void)
{
	setup = (struct piper_setup){ .model = *robot_model_find("piper"), .feedback_base = PIPER_FEEDBACK_BASE, .control_base = PIPER_CONTROL_BASE,
		.rate_hz = 100, .speed_percent = 100, .has_gripper = true, .gripper_max_m = 0.07, .gripper_range_mm = 70, .gripper_effort_nm = 1 };
	begin("S-V1.8-9");
	piper_session_opened(&w.session, w.now_ns);
	run(CONNECT_MS);
	ask(PIPER_ASK_ENABLE);
	run(ENABLE_MS);
	fuzz_require(w.state.mode == ARM_READY);
	w.steps = 0;
	held = w;
	made = true;
}

/* ---- pieces ---- */

static uint8_t byte(const uint8_t *data, size_t n, size_t at)
{
	return at < n ? data[at] : 0;
}

static struct bus_frame frame_at(const uint8_t *data, size_t n, uint32_t id)
{
	struct bus_frame f = { .id = id, .length = 8 };

	if (n > 0)
		memcpy(f.data, data, n < 8 ? n : 8);
	return f;
}

/* The ids that an arm uses, by one byte. */
static uint32_t arm_id(uint8_t b)
{
	static const uint16_t blocks[] = { 0x2A0, 0x250, 0x260, 0x470, 0x480, 0x150, 0x4A0, 0x2A0 };

	return blocks[b >> 4 & 7] + (b & 15u);
}

static void command(const uint8_t *data, size_t n)
{
	struct robot_command c = { .hold = true };
	size_t bytes = sizeof c.q_rad < n ? sizeof c.q_rad : n;

	if (bytes > 0)
		memcpy(c.q_rad, data, bytes);
	piper_session_command(&w.session, &c, w.now_ns);
}

static void near_command(const uint8_t *data, size_t n)
{
	struct robot_command c = { .hold = n > 0 };

	for (size_t j = 0; j < PIPER_JOINTS; j++)
		c.q_rad[j] = w.state.q_d_rad[j] + ((int)byte(data, n, j) - 128) * 1e-4;
	c.has_gripper = n > PIPER_JOINTS;
	c.gripper_m = byte(data, n, PIPER_JOINTS) * 4e-4 - 0.01;
	piper_session_command(&w.session, &c, w.now_ns);
}

static void lose_power(void)
{
	obey_stop(PIPER_STOP_RESUME);
	w.arm.grips = false;
	w.arm.move = 0;
}

static void fail_arm(const uint8_t *data, size_t n)
{
	uint8_t what = byte(data, n, 0), value = byte(data, n, 1), bit = (uint8_t)(1u << value % PIPER_JOINTS);

	switch (what & 7) {
	case 0:
		w.arm.bits[value % PIPER_JOINTS] = byte(data, n, 2) & (uint8_t)~PIPER_MOTOR_ENABLED;
		w.arm.lost = what >> 3 & 1 ? w.arm.lost | bit : w.arm.lost & (uint8_t)~bit;
		return;
	case 1: w.arm.state = value & 15; return;
	case 2: lose_power(); return;
	case 3: w.arm.enabled = value & ALL; return;
	case 4: w.arm.grip_errors = value & ALL; return;
	case 5: w.arm.corrupt = value & 1; return;
	case 6: w.arm.leads = value & 1; return;
	case 7: w.arm.deaf = value & ALL; return;
	}
}

static void move_joint(const uint8_t *data, size_t n)
{
	w.arm.mdeg[byte(data, n, 0) % PIPER_JOINTS] += (int8_t)byte(data, n, 1) * 256;
}

static void gripper(const uint8_t *data, size_t n)
{
	struct robot_command c = { .hold = true, .has_gripper = true };

	memcpy(c.q_rad, w.state.q_d_rad, sizeof c.q_rad);
	if (n >= sizeof c.gripper_m)
		memcpy(&c.gripper_m, data, sizeof c.gripper_m);
	piper_session_command(&w.session, &c, w.now_ns);
}

static void change_bus(const uint8_t *data, size_t n)
{
	static const int codes[] = { 0, -ENETDOWN, -ENODEV, -ECONNRESET, -EPROTO, -EMEDIUMTYPE, -ENOENT, -ENOMEM };

	if (w.session.open)
		piper_session_closed(&w.session, codes[byte(data, n, 0) % 6], w.now_ns);
	else
		piper_session_opened(&w.session, w.now_ns);
}

static void take_piece(uint32_t what, const uint8_t *data, size_t n)
{
	struct bus_frame f = frame_at(data + (n > 0), n > 0 ? n - 1 : 0, arm_id(byte(data, n, 0)));

	switch (what) {
	case FRAME:
		f = frame_at(data + (n < 3 ? n : 3), n < 3 ? 0 : n - 3, (uint32_t)byte(data, n, 0) << 8 | byte(data, n, 1));
		f.flags = byte(data, n, 2) & 3;
		f.length = byte(data, n, 2) >> 2 & 15;
		deliver(&f);
		return;
	case ARM_FRAME: deliver(&f); return;
	case RUN: run(n > 0 ? data[0] : 1); return;
	case ERROR:
		piper_session_take(&w.session, &(struct bus_event){ .t_ns = w.now_ns, .error = (enum bus_error)(1 + byte(data, n, 0) % (BUS_ERROR_COUNT - 1)) });
		return;
	case COMMAND: command(data, n); return;
	case NEAR_COMMAND: near_command(data, n); return;
	case ASK: ask((enum piper_ask)(byte(data, n, 0) & 3)); return;
	case BUS: change_bus(data, n); return;
	case CODE: w.code = byte(data, n, 0) & 1 ? -ENOBUFS : 0; return;
	case ARM_FAULT: fail_arm(data, n); return;
	case LOSE: w.lose_id = arm_id(byte(data, n, 0)); w.lose = byte(data, n, 1); return;
	case GRIPPER: gripper(data, n); return;
	case JUMP: w.now_ns += (int64_t)byte(data, n, 0) * 20 * NS_PER_MS; return;
	case CONTROL: w.arm.control = byte(data, n, 0) & 7; return;
	case MUTE: w.mute = !w.mute; return;
	case MOVE: move_joint(data, n); return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	if (!made)
		make();
	if (data[0] & 1)
		w = held;
	else
		begin(data[0] & 2 ? "S-V1.8-2" : data[0] & 4 ? "S-V1.5-8" : "S-V1.8-9");
	for (size_t at = 1; at < n && w.steps < STEPS_MAX;) {
		uint32_t what = data[at] & 15;
		size_t length = data[at++] >> 4;

		length = length < n - at ? length : n - at;
		take_piece(what, data + at, length);
		at += length;
		w.now_ns += NS_PER_MS;
		step();
	}
	return 0;
}
