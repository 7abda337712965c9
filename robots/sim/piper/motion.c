/* motion.c - what moves and stops the simulated PiPER: modes, targets, enabling, emergency stop. See arm.h. */
#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/sim/piper/parts.h"

enum { ALL = (1u << PIPER_JOINTS) - 1, TRACK_PAUSE = 1, TRACK_GO = 2, TRACK_CLEAR = 3, TRACK_CLEAR_ALL = 4, TRACK_END = 6, TRACK_TRANSFER = 7 };
enum { TRAJECTORY_ACK = 0x50, CUT_MS = 727 };

/* ---- power and stop ---- */

static void cut(struct piper_arm *a)
{
	a->enabled = 0;
	a->deaf = ALL;
	a->fingers.enabled = false;
}

void piper_arm_wait_for_cut(struct piper_arm *a)
{
	if (a->cut_ms > 0 && --a->cut_ms == 0)
		cut(a);
}

static void resume(struct piper_arm *a)
{
	a->cut_ms = a->enabled || a->fingers.enabled ? CUT_MS : 0;
	if (a->cut_ms == 0)
		cut(a);
	a->stopped = a->paused = false;
	a->fingers.errors = 0;
	memset(a->joint_errors, 0, sizeof a->joint_errors);
	a->communication_errors = 0;
	a->state = PIPER_ARM_NORMAL;
	a->over_limit = 0;
	a->control = PIPER_STANDBY;
	a->move = PIPER_MOVE_P;
	a->follow = PIPER_FOLLOW_PLANNED;
	a->arc_points = 0;
	piper_arm_rest_plan(a);
}

static void obey_track(struct piper_arm *a, const struct piper_stop *s)
{
	struct piper_message ack = { .kind = PIPER_ACK, .ack = { .id_low = TRAJECTORY_ACK, .point = s->point, .package = PIPER_PACKAGE_OK } };

	if (s->track == TRACK_PAUSE)
		a->paused = true;
	if (s->track == TRACK_GO)
		a->paused = false;
	if (s->track == TRACK_CLEAR || s->track == TRACK_CLEAR_ALL || s->track == TRACK_END)
		piper_arm_brake(a);
	if (s->track == TRACK_TRANSFER)
		piper_arm_reply(a, &ack);
}

static void obey_stop(struct piper_arm *a, const struct piper_stop *s)
{
	if (s->emergency == PIPER_STOP_NOW)
		piper_arm_emergency_stop(a);
	else if (s->emergency == PIPER_STOP_RESUME)
		resume(a);
	else
		obey_track(a, s);
}

static void obey_enable(struct piper_arm *a, const struct piper_enable *e)
{
	bool all = e->motor == PIPER_ALL_JOINTS || e->motor == PIPER_ALL_MOTORS;
	uint8_t which = (uint8_t)(all ? ALL : 1u << (e->motor - 1)), hears = which & (uint8_t)~a->deaf;

	a->deaf &= (uint8_t)~which;
	if (a->stopped)
		return;
	if (e->action == PIPER_DISABLE_MOTOR)
		a->enabled &= (uint8_t)~which;
	else
		a->enabled |= hears;
	/* Either of the two: some arms take 7 for the gripper's motor, others for all of them. */
	if (all)
		a->fingers.enabled = e->action == PIPER_ENABLE_MOTOR && hears != 0;
}

/* ---- modes ---- */

static bool mode_known(const struct piper_arm *a, uint8_t move)
{
	switch (move) {
	case PIPER_MOVE_M: return !piper_version_at_least(&a->version, 1, 8, 8);
	case PIPER_MOVE_M_8: return piper_version_at_least(&a->version, 1, 8, 8);
	case PIPER_MOVE_CPV: return false;
	default: return true;
	}
}

static void start_arc(struct piper_arm *a)
{
	const uint32_t whole = 1u << PIPER_ARC_START | 1u << PIPER_ARC_MIDDLE | 1u << PIPER_ARC_END;

	if (a->move != PIPER_MOVE_C || a->arc_points != whole || a->enabled != ALL || a->control != PIPER_CAN)
		return;
	a->arc_points = 0;
	a->counters.targets++;
	piper_path_arc(&a->path, &a->arc[PIPER_ARC_START], &a->arc[PIPER_ARC_MIDDLE], &a->arc[PIPER_ARC_END]);
}

static void change_motion(struct piper_arm *a, uint8_t move, uint8_t follow)
{
	if (move == a->move && follow == a->follow)
		return;
	piper_arm_rest_plan(a);
	memset(a->mit, 0, sizeof a->mit);
	a->move = move;
	a->follow = follow;
	a->arc_points = 0;
}

static bool obey_mode(struct piper_arm *a, const struct piper_mode *m)
{
	uint8_t move = m->move == PIPER_MOVE_UNCHANGED ? a->move : m->move, follow = m->follow == PIPER_FOLLOW_VOID ? a->follow : m->follow;
	bool leaves_mit = a->follow == PIPER_FOLLOW_MIT && follow != PIPER_FOLLOW_MIT;

	if (a->stopped || (m->control != PIPER_STANDBY && m->control != PIPER_CAN) || !mode_known(a, move))
		return false;
	if (leaves_mit && !piper_version_at_least(&a->version, 1, 8, 5))
		return false;
	change_motion(a, move, follow);
	if (m->mount != PIPER_MOUNT_KEEP)
		a->mount = m->mount;
	a->speed_percent = m->speed_percent;
	if (m->control == PIPER_STANDBY && a->control != PIPER_STANDBY)
		piper_arm_brake(a);
	a->control = m->control;
	start_arc(a);
	return true;
}

/* ---- targets ---- */

static bool may_move(const struct piper_arm *a)
{
	return a->control == PIPER_CAN && !a->stopped && !piper_arm_has_errors(a);
}

/* The limits are whole tenths of a degree. */
static bool within(const struct piper_limits *l, int32_t mdeg)
{
	return mdeg >= l->min_ddeg * 100 && mdeg <= l->max_ddeg * 100;
}

static uint8_t pair_over_limit(const struct piper_arm *a, const struct piper_message *m)
{
	uint8_t over = 0;

	for (uint32_t i = 0; i < 2; i++) {
		uint32_t j = 2 * m->index + i;

		if (!within(&a->flash.limits[j], m->pair.value[i]))
			over |= (uint8_t)(1u << j);
	}
	return over;
}

static bool obey_joint_target(struct piper_arm *a, const struct piper_message *m)
{
	uint8_t over = pair_over_limit(a, m), pair = (uint8_t)(3u << 2 * m->index);

	if (!may_move(a) || a->move != PIPER_MOVE_J || !(a->enabled & pair))
		return false;
	a->over_limit = (uint8_t)((a->over_limit & ~pair) | over);
	a->state = a->over_limit ? PIPER_ARM_TARGET_LIMIT : PIPER_ARM_NORMAL;
	if (over)
		return false;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t j = 2 * m->index + i;

		if (a->enabled >> j & 1)
			piper_plan_aim(&a->plan, (int)j, piper_rad_from_mdeg(m->pair.value[i]) + a->flash.zero_rad[j]);
	}
	return true;
}

static void pose_from_raw(const int32_t raw[6], struct pose *out)
{
	double rpy[3];

	for (int i = 0; i < 3; i++) {
		out->p_m[i] = piper_m_from_um(raw[i]);
		rpy[i] = piper_rad_from_mdeg(raw[3 + i]);
	}
	quat_from_rpy(rpy, out->q_xyzw);
}

static bool solve(struct piper_arm *a, const struct pose *goal, double *q_rad)
{
	const struct piper_reach reach = piper_arm_reach(a);

	for (int j = 0; j < PIPER_JOINTS; j++)
		q_rad[j] = piper_arm_wire_rad(a, j);
	if (!piper_reach_pose(&reach, goal, q_rad)) {
		a->state = PIPER_ARM_NO_SOLUTION;
		return false;
	}
	a->state = PIPER_ARM_NORMAL;
	a->over_limit = 0;
	return true;
}

static bool go_to_pose(struct piper_arm *a, const struct pose *goal)
{
	double q_rad[PIPER_JOINTS];

	if (!solve(a, goal, q_rad))
		return false;
	a->solved = true;
	memcpy(a->solved_rad, q_rad, sizeof a->solved_rad);
	for (int j = 0; j < PIPER_JOINTS; j++)
		piper_plan_aim(&a->plan, j, q_rad[j] + a->flash.zero_rad[j]);
	return true;
}

static bool go_straight(struct piper_arm *a, const struct pose *goal)
{
	double q_rad[PIPER_JOINTS], now_rad[PIPER_JOINTS];
	struct pose from;

	if (!solve(a, goal, q_rad))
		return false;
	piper_arm_rest_plan(a);
	for (int j = 0; j < PIPER_JOINTS; j++)
		now_rad[j] = piper_arm_wire_rad(a, j);
	kinematics_forward(a->model, &pose_identity, now_rad, &from);
	piper_path_line(&a->path, &from, goal);
	return true;
}

/* X Y, Z RX, RY RZ: the third makes it a target. */
static bool obey_pose_target(struct piper_arm *a, const struct piper_message *m)
{
	struct pose goal;

	a->pose_raw[2 * m->index] = m->pair.value[0];
	a->pose_raw[2 * m->index + 1] = m->pair.value[1];
	if (m->index < 2 || a->move == PIPER_MOVE_C)
		return true;
	if (!may_move(a) || a->enabled != ALL || (a->move != PIPER_MOVE_P && a->move != PIPER_MOVE_L))
		return false;
	pose_from_raw(a->pose_raw, &goal);
	bool found = a->move == PIPER_MOVE_P ? go_to_pose(a, &goal) : go_straight(a, &goal);

	a->counters.targets += found;
	return found;
}

/* Tags the pose before it. */
static bool obey_arc_point(struct piper_arm *a, const struct piper_arc_point *p)
{
	if (!may_move(a) || a->move != PIPER_MOVE_C || p->point == PIPER_ARC_VOID)
		return false;
	pose_from_raw(a->pose_raw, &a->arc[p->point]);
	a->arc_points |= 1u << p->point;
	return true;
}

/* The driver's law is in the motor's own sense, so that turned signs turn the whole command. */
static bool obey_mit(struct piper_arm *a, const struct piper_message *m)
{
	uint32_t j = m->index;
	bool turned = !piper_version_at_least(&a->version, 1, 7, 3) && (j == 0 || j == 1 || j == 3 || j == 5);
	double scale = j < 3 && !piper_version_at_least(&a->version, 1, 8, 3) ? 4.0 : 1.0, sign = turned ? -1.0 : 1.0;

	if (!may_move(a) || !piper_arm_mit_mode(a) || !(a->enabled >> j & 1))
		return false;
	a->mit[j] = (struct piper_drive){ .kind = PIPER_DRIVE_IMPEDANCE, .q_rad = sign * m->mit.p_rad + a->flash.zero_rad[j],
		.dq_rad_s = sign * m->mit.v_rad_s, .kp_nm_rad = scale * m->mit.kp, .kd_nm_s_rad = scale * m->mit.kd,
		.t_nm = scale * sign * m->mit.t_nm };
	return true;
}

/* ---- gripper ---- */

static bool obey_gripper(struct piper_arm *a, const struct piper_gripper_target *g)
{
	const struct piper_message zeroed = { .kind = PIPER_ACK, .ack = { .id_low = 0x75, .zero_set = 1 } };
	struct piper_fingers *f = &a->fingers;
	double stroke_m = a->flash.gripper_setup.range_mm * 1e-3;

	if (a->stopped || g->bits & PIPER_GRIPPER_ANGLE)
		return false;
	if (g->bits & PIPER_GRIPPER_CLEAR)
		f->errors = 0;
	f->enabled = g->bits & PIPER_GRIPPER_ENABLE;
	f->effort_mnm = g->effort_mnm;
	if (g->zero == PIPER_CONFIRM && g->bits == 0) {
		f->zero_m = f->opening_m;
		f->homed = true;
		piper_arm_reply(a, &zeroed);
	}
	f->command_m = f->enabled ? fmin(fmax(piper_m_from_um(g->opening_um), 0.0), stroke_m) + f->zero_m : f->opening_m;
	return true;
}

/* 1 0 0: as a leader moves; 1 1 1 and 1 0 1: to the zeros, a follower with the latter only. */
static bool obey_home(struct piper_arm *a, const struct piper_leader_home *h)
{
	if (!piper_version_at_least(&a->version, 1, 7, 4) || !h->byte[2] || !(a->leader || !h->byte[1]) ||
			!(a->leader || (a->enabled == ALL && !a->stopped && !piper_arm_has_errors(a))))
		return false;
	for (int j = 0; j < PIPER_JOINTS; j++)
		piper_plan_aim(&a->plan, j, a->flash.zero_rad[j]);
	return true;
}

static bool obey_motion(struct piper_arm *a, const struct piper_message *m)
{
	bool good;

	switch (m->kind) {
	case PIPER_MODE: return obey_mode(a, &m->mode);
	case PIPER_POSE_TARGET: return obey_pose_target(a, m);
	case PIPER_ARC_POINT: return obey_arc_point(a, &m->arc);
	case PIPER_GRIPPER_TARGET: return obey_gripper(a, &m->gripper_target);
	case PIPER_JOINT_TARGET:
	case PIPER_MIT:
		good = m->kind == PIPER_MIT ? obey_mit(a, m) : obey_joint_target(a, m);
		a->counters.targets += good;
		return good;
	default: return false;
	}
}

bool piper_arm_obey(struct piper_arm *a, const struct piper_message *m)
{
	switch (m->kind) {
	case PIPER_LEADER_HOME:
		a->counters.ignored += !obey_home(a, &m->leader_home);
		return true;
	case PIPER_STOP:
	case PIPER_ENABLE:
		if (a->leader)
			a->counters.ignored++;
		else if (m->kind == PIPER_STOP)
			obey_stop(a, &m->stop);
		else
			obey_enable(a, &m->enable);
		return true;
	case PIPER_MODE:
	case PIPER_POSE_TARGET:
	case PIPER_JOINT_TARGET:
	case PIPER_ARC_POINT:
	case PIPER_GRIPPER_TARGET:
	case PIPER_MIT:
	case PIPER_CPV:
		a->counters.ignored += a->leader || !obey_motion(a, m);
		return true;
	default: return false;
	}
}
