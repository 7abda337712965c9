/* arm.c - see arm.h: time, power, and what drives the joints. */
#include "robots/sim/piper/arm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "robots/sim/piper/parts.h"

static const double ms_s = 1e-3;
static const double fingers_m_s = 0.1;       /* opening; both fingers at 50 mm/s each */
static const double path_joint_rad_s = 3.0;  /* lines and arcs go slower where a joint would have to go faster */
static const uint32_t motion_lag_ms = 200;
static const double standing_rad_s = 0.01;
enum { PATH_TRIALS = 8 };

bool piper_arm_firmware(const char *text, struct piper_version *out)
{
	char tail;

	if (strlen(text) != PIPER_FIRMWARE_TEXT_BYTES - 1)
		return false;
	return sscanf(text, "S-V%1u.%1u-%1u%c", &out->major, &out->minor, &out->patch, &tail) == 3 && piper_version_at_least(out, 1, 5, 2);
}

const char *piper_arm_model_name(const struct piper_version *v)
{
	return piper_version_at_least(v, 1, 6, 3) ? "piper" : "piper_1.6-2";
}

/* ---- power ---- */

static uint16_t moved(uint32_t base, uint8_t offset)
{
	return (uint16_t)(base + (offset == 0x10 || offset == 0x20 ? offset : 0));
}

static void switch_on(struct piper_arm *a)
{
	const struct piper_linkage *l = &a->flash.linkage;

	a->leader = l->role == PIPER_LINKAGE_LEADER;
	a->dialect = piper_dialect_of(&a->version);
	a->dialect.feedback_base = moved(PIPER_FEEDBACK_BASE, l->feedback_offset);
	a->dialect.control_base = moved(PIPER_CONTROL_BASE, l->control_offset);
	a->target_base = moved(PIPER_CONTROL_BASE, l->target_offset);
	a->control = a->leader ? PIPER_LEADER : PIPER_STANDBY;
	a->fingers.homed = a->flash.gripper_setup.range_mm != 0;
	a->mount = PIPER_MOUNT_UPRIGHT;
	piper_arm_rest_plan(a);
}

bool piper_arm_init(struct piper_arm *a, const struct piper_arm_options *o)
{
	*a = (struct piper_arm){ .model = o->model };
	if (!piper_arm_firmware(o->firmware, &a->version))
		return false;
	memcpy(a->firmware, o->firmware, sizeof a->firmware);
	piper_arm_default_flash(&a->flash);
	piper_plant_init(&a->plant, o->model);
	switch_on(a);
	return true;
}

void piper_arm_power_cycle(struct piper_arm *a)
{
	struct piper_arm on = { .model = a->model, .version = a->version, .flash = a->flash, .now_ms = a->now_ms, .plant = a->plant };

	memcpy(on.firmware, a->firmware, sizeof on.firmware);
	on.fingers = (struct piper_fingers){ .opening_m = a->fingers.opening_m, .command_m = a->fingers.opening_m, .zero_m = a->fingers.zero_m,
		.blocked = a->fingers.blocked };
	on.limits_corrupted = a->limits_corrupted;
	on.counters = a->counters;
	*a = on;
	switch_on(a);
}

/* ---- shared ---- */

double piper_arm_wire_rad(const struct piper_arm *a, int j)
{
	return a->plant.q_rad[j] - a->flash.zero_rad[j];
}

bool piper_arm_has_errors(const struct piper_arm *a)
{
	uint8_t bits = a->communication_errors;

	for (int j = 0; j < PIPER_JOINTS; j++)
		bits |= a->joint_errors[j];
	return bits != 0;
}

struct piper_plan_limits piper_arm_plan_limits(const struct piper_arm *a, double share)
{
	struct piper_plan_limits l;

	for (int j = 0; j < PIPER_JOINTS; j++) {
		l.v_rad_s[j] = share * a->flash.limits[j].speed_raw * 1e-3;
		l.a_rad_s2[j] = fmax(a->flash.acceleration_raw[j] * 1e-2, 0.01);
	}
	return l;
}

struct piper_path_limits piper_arm_path_limits(const struct piper_arm *a)
{
	const struct piper_end_limits *e = &a->flash.end_limits;
	double share = a->speed_percent / 100.0;

	return (struct piper_path_limits){ share * e->v_mm_s * 1e-3, share * e->w_mrad_s * 1e-3, fmax(e->a_mm_s2 * 1e-3, 1e-3),
		fmax(e->alpha_mrad_s2 * 1e-3, 1e-3) };
}

struct piper_reach piper_arm_reach(const struct piper_arm *a)
{
	struct piper_reach r = { .model = a->model };

	for (int j = 0; j < PIPER_JOINTS; j++) {
		r.low_rad[j] = piper_rad_from_mdeg(a->flash.limits[j].min_ddeg * 100);
		r.high_rad[j] = piper_rad_from_mdeg(a->flash.limits[j].max_ddeg * 100);
	}
	return r;
}

void piper_arm_rest_plan(struct piper_arm *a)
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		piper_plan_rest(&a->plan, j, a->plant.q_rad[j]);
	a->path.active = false;
}

void piper_arm_brake(struct piper_arm *a)
{
	const struct piper_plan_limits l = piper_arm_plan_limits(a, 1.0);

	if (piper_arm_fast_mode(a) || piper_arm_mit_mode(a))
		piper_arm_rest_plan(a);
	a->path.active = false;
	piper_plan_brake(&a->plan, &l);
}

bool piper_arm_mit_mode(const struct piper_arm *a)
{
	return a->follow == PIPER_FOLLOW_MIT && (a->move == PIPER_MOVE_M || a->move == PIPER_MOVE_M_8);
}

bool piper_arm_fast_mode(const struct piper_arm *a)
{
	return a->follow == PIPER_FOLLOW_MIT && a->move == PIPER_MOVE_J;
}

/* ---- a millisecond ---- */

/* The next pose of a line or an arc, slower where a joint could not follow: near singular postures. false: not at any speed. */
static bool walk_on(struct piper_arm *a, double q_rad[PIPER_JOINTS])
{
	const struct piper_reach reach = piper_arm_reach(a);
	struct piper_path_limits limits = piper_arm_path_limits(a);
	struct pose next;

	for (int i = 0; i < PATH_TRIALS; i++) {
		struct piper_path path = a->path;

		piper_path_step(&path, &limits, &next);
		if (piper_reach_near(&reach, &next, path_joint_rad_s * ms_s, q_rad)) {
			a->path = path;
			return true;
		}
		limits.v_m_s *= 0.5;
		limits.w_rad_s *= 0.5;
	}
	return false;
}

/* The plan is where the next pose wants the joints. */
static void walk(struct piper_arm *a)
{
	double q_rad[PIPER_JOINTS];

	for (int j = 0; j < PIPER_JOINTS; j++)
		q_rad[j] = a->plan.q_rad[j] - a->flash.zero_rad[j];
	if (!walk_on(a, q_rad)) {
		a->state = PIPER_ARM_SINGULARITY;
		piper_arm_rest_plan(a);
		return;
	}
	for (int j = 0; j < PIPER_JOINTS; j++) {
		double q = q_rad[j] + a->flash.zero_rad[j], dq_rad_s = (q - a->plan.q_rad[j]) / ms_s;

		piper_plan_rest(&a->plan, j, q);
		a->plan.dq_rad_s[j] = a->path.active ? dq_rad_s : 0.0;
	}
}

static void plan(struct piper_arm *a)
{
	const struct piper_plan_limits l = piper_arm_plan_limits(a, a->leader ? 0.3 : a->speed_percent / 100.0);

	if (a->stopped || a->paused)
		return;
	if (a->path.active)
		walk(a);
	else if (!piper_arm_fast_mode(a))
		piper_plan_step(&a->plan, &l);
}

static struct piper_drive drive_of(const struct piper_arm *a, int j)
{
	struct piper_drive planned = { .kind = PIPER_DRIVE_FOLLOW, .q_rad = a->plan.q_rad[j], .dq_rad_s = a->plan.dq_rad_s[j],
		.ddq_rad_s2 = a->plan.ddq_rad_s2[j] };

	if (a->leader)
		return planned;
	if (!(a->enabled >> j & 1))
		return (struct piper_drive){ .kind = PIPER_DRIVE_OFF };
	if (a->stopped || a->cut_ms > 0)
		return (struct piper_drive){ .kind = PIPER_DRIVE_DAMPED };
	if (piper_arm_mit_mode(a) && a->mit[j].kind == PIPER_DRIVE_IMPEDANCE)
		return a->mit[j];
	if (piper_arm_fast_mode(a))
		planned.q_rad = a->plan.target_rad[j];
	if (piper_arm_fast_mode(a) || a->paused)
		planned.dq_rad_s = planned.ddq_rad_s2 = 0.0;
	return planned;
}

double piper_arm_fingers_goal_m(const struct piper_arm *a)
{
	return a->fingers.enabled && !a->stopped && a->cut_ms == 0 ? a->fingers.command_m : a->fingers.opening_m;
}

static void move_fingers(struct piper_arm *a)
{
	struct piper_fingers *f = &a->fingers;
	double way_m = piper_arm_fingers_goal_m(a) - f->opening_m, reach_m = fingers_m_s * ms_s;

	if (f->blocked && way_m < 0.0)
		return;
	f->opening_m += fmin(fmax(way_m, -reach_m), reach_m);
}

static void tell_motion(struct piper_arm *a)
{
	bool moving = a->path.active || !(piper_plan_still(&a->plan) || piper_arm_fast_mode(a));

	for (int j = 0; j < PIPER_JOINTS; j++)
		moving = moving || fabs(a->plant.dq_rad_s[j]) > standing_rad_s;
	a->differs_ms = moving != a->under_way ? a->differs_ms + 1 : 0;
	if (a->differs_ms >= motion_lag_ms)
		a->under_way = moving;
}

void piper_arm_step(struct piper_arm *a)
{
	struct piper_drive drive[PIPER_JOINTS];

	a->now_ms++;
	piper_arm_wait_for_cut(a);
	plan(a);
	for (int j = 0; j < PIPER_JOINTS; j++) {
		drive[j] = drive_of(a, j);
		/* Whatever moves a joint past the plan: the next plan begins where it then is. */
		if (drive[j].kind != PIPER_DRIVE_FOLLOW)
			piper_plan_rest(&a->plan, j, a->plant.q_rad[j]);
	}
	piper_plant_step(&a->plant, drive);
	move_fingers(a);
	tell_motion(a);
	a->out = a->answers;
	a->answers.n = 0;
	piper_arm_feed_back(a);
}

void piper_arm_take(struct piper_arm *a, const struct bus_frame *f)
{
	enum piper_danger danger = piper_frame_danger(f);
	struct piper_message m;

	a->counters.frames++;
	a->counters.never += danger == PIPER_NEVER;
	a->counters.maintenance += danger == PIPER_MAINTENANCE;
	/* 0x422 silences the arm on the outer bus; it is nobody's to send, and no message of the codec's. */
	if (f->id == 0x422 && !f->flags && f->length == 1)
		a->external_silent = f->data[0] != 0;
	if (!piper_get(&a->dialect, f, &m) || piper_message_oddity(&m))
		a->counters.unknown++;
	else if (!piper_arm_obey(a, &m))
		piper_arm_answer(a, &m);
}

/* ---- on purpose ---- */

void piper_arm_hold_fingers(struct piper_arm *a, bool holds, double opening_m)
{
	a->fingers.blocked = holds;
	if (holds)
		a->fingers.opening_m = opening_m;
}

void piper_arm_lead(struct piper_arm *a, const double q_rad[PIPER_JOINTS])
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		piper_plan_aim(&a->plan, j, q_rad[j]);
}

void piper_arm_emergency_stop(struct piper_arm *a)
{
	a->stopped = true;
	a->path.active = false;
}

void piper_arm_fail_joint(struct piper_arm *a, uint32_t joint, uint8_t bits, bool communication)
{
	uint8_t bit = (uint8_t)(1u << joint);

	a->joint_errors[joint] = (uint8_t)(bits & ~PIPER_MOTOR_ENABLED);
	a->communication_errors = (uint8_t)(communication ? a->communication_errors | bit : a->communication_errors & ~bit);
	if (piper_arm_has_errors(a))
		piper_arm_brake(a);
}
