/* settings.c - what the simulated PiPER is asked and told to remember: limits, parameters, its firmware's name. See arm.h. */
#include <math.h>
#include <string.h>

#include "robots/sim/piper/parts.h"

/* Real arms take 25 to 30 ms; the SDK loses an answer that comes within 5. */
static const uint32_t firmware_delay_ms = 25;
enum { FIRMWARE_FRAMES_MS = 4, ACCELERATION_MAX_RAW = 500 };

static const struct piper_limits joint_limits[PIPER_JOINTS] = {
	{ 1, 1500, -1500, 3000 }, { 2, 1800, 0, 3000 }, { 3, 0, -1700, 3000 },
	{ 4, 1000, -1000, 3000 }, { 5, 700, -700, 3000 }, { 6, 1200, -1200, 3000 },
};
/* What the SDK's example sets; what the arm is delivered with is unknown. */
static const struct piper_end_limits end_limits = { 500, 130, 800, 200 };

static void restore_joint_limits(struct piper_flash *f)
{
	memcpy(f->limits, joint_limits, sizeof f->limits);
	for (int j = 0; j < PIPER_JOINTS; j++)
		f->acceleration_raw[j] = ACCELERATION_MAX_RAW;
}

void piper_arm_default_flash(struct piper_flash *f)
{
	*f = (struct piper_flash){ .end_limits = end_limits, .gripper_setup = { 100, 70, 1 }, .linkage = { .role = PIPER_LINKAGE_FOLLOWER } };
	memset(f->collision.level, 1, sizeof f->collision.level);
	restore_joint_limits(f);
}

static void acknowledge(struct piper_arm *a, uint8_t id_low, bool zero_set)
{
	const struct piper_message m = { .kind = PIPER_ACK, .ack = { .id_low = id_low, .zero_set = zero_set } };

	piper_arm_reply(a, &m);
}

/* ---- joints ---- */

static void answer_limits(struct piper_arm *a, const struct piper_limit_query *q)
{
	struct piper_message m = { .kind = PIPER_LIMITS };

	if (q->what == PIPER_QUERY_LIMITS) {
		m.limits = a->flash.limits[q->joint - 1];
		if (a->limits_corrupted)
			m.limits = (struct piper_limits){ q->joint, -1, -1, 65535 };
	} else {
		m.kind = PIPER_ACCELERATION;
		m.acceleration = (struct piper_acceleration){ q->joint, a->limits_corrupted ? 65535 : a->flash.acceleration_raw[q->joint - 1] };
	}
	piper_arm_reply(a, &m);
}

static void set_limits(struct piper_arm *a, const struct piper_limits *l)
{
	struct piper_limits *own = &a->flash.limits[l->joint - 1];

	if (l->max_ddeg != PIPER_KEEP)
		own->max_ddeg = l->max_ddeg;
	if (l->min_ddeg != PIPER_KEEP)
		own->min_ddeg = l->min_ddeg;
	if (l->speed_raw != PIPER_KEEP)
		own->speed_raw = l->speed_raw;
	acknowledge(a, 0x74, false);
}

static void set_joint(struct piper_arm *a, const struct piper_joint_set *s)
{
	bool zeroes = s->zero == PIPER_CONFIRM;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		if (s->joint != PIPER_ALL_JOINTS && s->joint != j + 1)
			continue;
		if (zeroes)
			a->flash.zero_rad[j] = a->plant.q_rad[j];
		if (s->apply_acceleration == PIPER_CONFIRM && s->acceleration_raw <= ACCELERATION_MAX_RAW)
			a->flash.acceleration_raw[j] = s->acceleration_raw;
		if (s->clear_error == PIPER_CONFIRM)
			piper_arm_fail_joint(a, (uint32_t)j, 0, false);
	}
	acknowledge(a, 0x75, zeroes);
}

/* ---- parameters ---- */

static void answer_parameter(struct piper_arm *a, uint8_t query)
{
	struct piper_message m = { .kind = PIPER_NONE };

	switch (query) {
	case PIPER_QUERY_END_LIMITS: m.kind = PIPER_END_LIMITS; m.end_limits = a->flash.end_limits; break;
	case PIPER_QUERY_COLLISION: m.kind = PIPER_COLLISION; m.levels = a->flash.collision; break;
	case PIPER_QUERY_GRIPPER_SETUP: m.kind = PIPER_GRIPPER_SETUP; m.gripper_setup = a->flash.gripper_setup; break;
	case PIPER_QUERY_ASSISTANCE: m.kind = PIPER_ASSISTANCE; m.levels = a->flash.assistance; break;
	case PIPER_QUERY_TRAJECTORY: acknowledge(a, 0x77, false); return;
	default: return;
	}
	piper_arm_reply(a, &m);
}

static void set_parameter(struct piper_arm *a, const struct piper_parameter *p)
{
	answer_parameter(a, p->query);
	if (p->restore == PIPER_RESTORE_END_LIMITS)
		a->flash.end_limits = end_limits;
	if (p->restore == PIPER_RESTORE_JOINT_LIMITS)
		restore_joint_limits(&a->flash);
	if (p->end_stream)
		a->end_stream = p->end_stream == PIPER_END_STREAM_ON;
	if (p->restore || p->end_stream || p->apply_load == PIPER_CONFIRM)
		acknowledge(a, 0x77, false);
}

static void keep_or_set(uint16_t *own, uint16_t wish)
{
	if (wish != PIPER_KEEP)
		*own = wish;
}

static void set_end_limits(struct piper_arm *a, const struct piper_end_limits *e)
{
	struct piper_end_limits *own = &a->flash.end_limits;

	keep_or_set(&own->v_mm_s, e->v_mm_s);
	keep_or_set(&own->w_mrad_s, e->w_mrad_s);
	keep_or_set(&own->a_mm_s2, e->a_mm_s2);
	keep_or_set(&own->alpha_mrad_s2, e->alpha_mrad_s2);
	acknowledge(a, 0x79, false);
}

static void set_gripper(struct piper_arm *a, const struct piper_gripper_setup *s)
{
	a->flash.gripper_setup = *s;
	a->fingers.homed = s->range_mm != 0;
}

/* ---- firmware ---- */

static void ask_firmware(struct piper_arm *a)
{
	if (a->firmware_due_ms == 0) {
		a->firmware_due_ms = a->now_ms + firmware_delay_ms;
		a->firmware_sent = 0;
	}
}

void piper_arm_send_firmware(struct piper_arm *a)
{
	uint8_t bytes[PIPER_FIRMWARE_BYTES] = { 0 };
	struct piper_message m = { .kind = PIPER_FIRMWARE };

	if (a->firmware_due_ms == 0 || a->now_ms < a->firmware_due_ms)
		return;
	memcpy(bytes, "H-V1.2-1", 8);
	memcpy(bytes + 16, "10", 2);
	memcpy(bytes + 32, "ARM_MC", 6);
	memcpy(bytes + 60, a->firmware, PIPER_FIRMWARE_TEXT_BYTES - 1);
	memcpy(bytes + 68, "250925", 6);
	memcpy(bytes + 76, "15", 2);
	for (int i = 0; i < FIRMWARE_FRAMES_MS && a->firmware_sent < PIPER_FIRMWARE_FRAMES; i++, a->firmware_sent++) {
		memcpy(m.firmware.text, bytes + 8 * a->firmware_sent, sizeof m.firmware.text);
		piper_arm_send(a, &m);
	}
	if (a->firmware_sent == PIPER_FIRMWARE_FRAMES)
		a->firmware_due_ms = 0;
}

void piper_arm_answer(struct piper_arm *a, const struct piper_message *m)
{
	switch (m->kind) {
	case PIPER_LIMIT_QUERY: answer_limits(a, &m->limit_query); return;
	case PIPER_LIMITS_SET: set_limits(a, &m->limits); return;
	case PIPER_JOINT_SET: set_joint(a, &m->joint_set); return;
	case PIPER_PARAMETER: set_parameter(a, &m->parameter); return;
	case PIPER_END_LIMITS_SET: set_end_limits(a, &m->end_limits); return;
	case PIPER_COLLISION_SET: a->flash.collision = m->levels; acknowledge(a, 0x7A, false); return;
	case PIPER_ASSISTANCE_SET: a->flash.assistance = m->levels; acknowledge(a, 0x87, false); return;
	case PIPER_GRIPPER_SETUP_SET: set_gripper(a, &m->gripper_setup); return;
	case PIPER_LINKAGE: a->flash.linkage = m->linkage; return;
	case PIPER_FIRMWARE_QUERY: ask_firmware(a); return;
	default: return; /* LEDs, and what arms send */
	}
}
