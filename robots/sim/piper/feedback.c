/* feedback.c - what the simulated PiPER says of itself, at its rates. See arm.h. */
#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/sim/piper/parts.h"

/* 200 and 40 Hz; not all in one millisecond, which holds 7 to 9 frames. */
enum { FAST_PERIOD_MS = 5, SLOW_PERIOD_MS = 25, STATUS_PHASE = 0, MOTOR_PHASE = 2, POSITION_PHASE = 3, SLOW_PHASE = 4, LEADER_SPEED_PERCENT = 100 };
/* Nm per A, by the SDK. */
static const double motor_nm_a[PIPER_JOINTS] = { 1.18125, 1.18125, 1.18125, 0.95844, 0.95844, 0.95844 };
enum { BUS_DV = 240, DRIVER_C = 31, MOTOR_C = 30, IDLE_MA = 40 };

static void append(struct piper_frames *out, const struct piper_dialect *d, const struct piper_message *m)
{
	if (out->n < PIPER_FRAMES_MAX && piper_put(d, m, &out->frame[out->n]))
		out->n++;
}

void piper_arm_send(struct piper_arm *a, const struct piper_message *m)
{
	append(&a->out, &a->dialect, m);
}

void piper_arm_reply(struct piper_arm *a, const struct piper_message *m)
{
	append(&a->answers, &a->dialect, m);
}

static int32_t mdeg(double rad)
{
	int32_t raw = 0;

	(void)!piper_mdeg_from_rad(rad, &raw);
	return raw;
}

static int32_t um(double m)
{
	int32_t raw = 0;

	(void)!piper_um_from_m(m, &raw);
	return raw;
}

static double clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

/* Joints in error stand for what the driver's own bits do not say. */
static uint8_t arm_state(const struct piper_arm *a)
{
	uint8_t bits = 0;

	for (int j = 0; j < PIPER_JOINTS; j++)
		bits |= a->joint_errors[j];
	if (a->stopped)
		return PIPER_ARM_EMERGENCY_STOP;
	if (a->communication_errors)
		return PIPER_ARM_JOINT_COMMUNICATION;
	if (bits & PIPER_MOTOR_COLLISION)
		return PIPER_ARM_COLLISION;
	return bits ? PIPER_ARM_JOINT_STATE : a->state;
}

static void send_status(struct piper_arm *a)
{
	const struct piper_message m = { .kind = PIPER_STATUS, .status = { .control = a->control, .state = arm_state(a), .move = a->move,
		.motion = a->under_way ? PIPER_MOTION_UNDER_WAY : PIPER_MOTION_REACHED, .over_limit = a->over_limit,
		.communication_error = a->communication_errors } };

	piper_arm_send(a, &m);
}

static void send_triple(struct piper_arm *a, enum piper_kind kind, const int32_t raw[6])
{
	for (uint32_t i = 0; i < 3; i++) {
		const struct piper_message m = { .kind = kind, .index = i, .pair = { { raw[2 * i], raw[2 * i + 1] } } };

		piper_arm_send(a, &m);
	}
}

static void joints_raw(const struct piper_arm *a, int32_t raw[6])
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		raw[j] = mdeg(piper_arm_wire_rad(a, j));
}

static void send_pose(struct piper_arm *a)
{
	double q_rad[PIPER_JOINTS], rpy[3];
	struct pose flange;
	int32_t raw[6];

	for (int j = 0; j < PIPER_JOINTS; j++)
		q_rad[j] = piper_arm_wire_rad(a, j);
	kinematics_forward(a->model, &pose_identity, q_rad, &flange);
	quat_to_rpy(flange.q_xyzw, rpy);
	for (int i = 0; i < 3; i++) {
		raw[i] = um(flange.p_m[i]);
		raw[3 + i] = mdeg(rpy[i]);
	}
	send_triple(a, PIPER_POSE, raw);
}

static void send_joints(struct piper_arm *a)
{
	int32_t raw[6];

	joints_raw(a, raw);
	send_triple(a, PIPER_JOINT_ANGLES, raw);
}

/* Before it knows its range the gripper says nothing of use. */
static void send_gripper(struct piper_arm *a)
{
	const struct piper_fingers *f = &a->fingers;
	struct piper_message m = { .kind = PIPER_GRIPPER };

	if (a->flash.gripper_setup.range_mm != 0) {
		bool pushes = f->enabled && f->blocked && f->command_m < f->opening_m;

		m.gripper.opening_um = um(f->opening_m - f->zero_m);
		m.gripper.effort_mnm = (int16_t)(pushes ? -(int)clamp(f->effort_mnm, 0, 5000) : 0);
		m.gripper.bits = (uint8_t)(f->errors | (f->enabled ? PIPER_GRIPPER_ENABLED : 0) | (f->homed ? PIPER_GRIPPER_HOMED : 0));
	}
	piper_arm_send(a, &m);
}

static void send_solution(struct piper_arm *a)
{
	int32_t raw[6];

	if (!a->solved || !piper_version_at_least(&a->version, 1, 8, 8))
		return;
	for (int j = 0; j < PIPER_JOINTS; j++)
		raw[j] = mdeg(a->solved_rad[j]);
	send_triple(a, PIPER_IK_ANGLES, raw);
}

static bool silent(const struct piper_arm *a, uint32_t joint)
{
	return a->communication_errors >> joint & 1;
}

static void send_motors_fast(struct piper_arm *a)
{
	for (uint32_t j = 0; j < PIPER_JOINTS; j++) {
		bool quarter = j < 3 && !piper_version_at_least(&a->version, 1, 8, 3);
		double ma = a->plant.tau_nm[j] / motor_nm_a[j] / (quarter ? 4.0 : 1.0) * 1e3;
		const struct piper_message m = { .kind = PIPER_MOTOR_FAST, .index = j, .fast = {
			.speed_mrad_s = (int16_t)lround(clamp(a->plant.dq_rad_s[j] * 1e3, -32768.0, 32767.0)),
			.current_ma = (int16_t)lround(clamp(ma, -32768.0, 32767.0)), .position_mrad = (int32_t)lround(piper_arm_wire_rad(a, (int)j) * 1e3) } };

		if (!silent(a, j))
			piper_arm_send(a, &m);
	}
}

/* The small joints' bus current is always 0 (piper_sdk). */
static void send_motors_slow(struct piper_arm *a)
{
	for (uint32_t j = 0; j < PIPER_JOINTS; j++) {
		double watts = fabs(a->plant.tau_nm[j] * a->plant.dq_rad_s[j]);
		uint8_t enabled = a->enabled >> j & 1 ? PIPER_MOTOR_ENABLED : 0;
		const struct piper_message m = { .kind = PIPER_MOTOR_SLOW, .index = j, .slow = { .bus_dv = BUS_DV, .driver_c = DRIVER_C,
			.motor_c = MOTOR_C, .bits = (uint8_t)(a->joint_errors[j] | enabled),
			.bus_ma = (uint16_t)(j < 3 ? lround(clamp(IDLE_MA + watts / (BUS_DV * 0.1) * 1e3, 0.0, 65535.0)) : 0) } };

		if (!silent(a, j))
			piper_arm_send(a, &m);
	}
}

static void send_end_stream(struct piper_arm *a)
{
	for (uint32_t j = 0; a->end_stream && j < PIPER_JOINTS; j++) {
		const struct piper_message m = { .kind = PIPER_JOINT_END_LIMITS, .index = j };

		piper_arm_send(a, &m);
	}
}

/* As a host would: a follower obeys what its leader sends. */
static void lead(struct piper_arm *a)
{
	struct piper_dialect others = a->dialect;
	struct piper_message m = { .kind = PIPER_MODE, .mode = { .control = PIPER_CAN, .move = PIPER_MOVE_J, .speed_percent = LEADER_SPEED_PERCENT } };
	int32_t raw[6];

	others.control_base = a->target_base;
	append(&a->out, &others, &m);
	joints_raw(a, raw);
	for (uint32_t i = 0; i < 3; i++) {
		m = (struct piper_message){ .kind = PIPER_JOINT_TARGET, .index = i, .pair = { { raw[2 * i], raw[2 * i + 1] } } };
		append(&a->out, &others, &m);
	}
	m = (struct piper_message){ .kind = PIPER_GRIPPER_TARGET, .gripper_target = { .opening_um = um(a->fingers.opening_m - a->fingers.zero_m),
		.effort_mnm = 1000, .bits = PIPER_GRIPPER_ENABLE } };
	append(&a->out, &others, &m);
}

static void speak(struct piper_arm *a, uint32_t phase)
{
	switch (phase) {
	case STATUS_PHASE:
		send_status(a);
		send_pose(a);
		send_joints(a);
		send_gripper(a);
		return;
	case POSITION_PHASE: send_solution(a); return;
	default: return;
	}
}

void piper_arm_feed_back(struct piper_arm *a)
{
	uint32_t phase = (uint32_t)(a->now_ms % FAST_PERIOD_MS);

	if (a->external_silent) {
		a->out.n = 0;
		return;
	}
	piper_arm_send_firmware(a);
	if (!a->leader)
		speak(a, phase);
	else if (phase == STATUS_PHASE)
		lead(a);
	if (phase == MOTOR_PHASE)
		send_motors_fast(a);
	if (a->now_ms % SLOW_PERIOD_MS == SLOW_PHASE)
		send_motors_slow(a);
	if (a->now_ms % SLOW_PERIOD_MS == SLOW_PHASE + FAST_PERIOD_MS)
		send_end_stream(a);
}
