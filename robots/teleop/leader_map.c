/* leader_map.c - see leader_map.h. */
#include "robots/teleop/leader_map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"

static const int64_t SILENT_NS = 100 * NS_PER_MS;
static const double hysteresis_m = 0.005; /* of the gripper as a dead-man */

void leader_map_init(struct leader_map *l, uint32_t dof, double deadman_gripper_m)
{
	*l = (struct leader_map){ .dof = dof, .deadman_gripper_m = deadman_gripper_m };
}

static void keep_joints(struct leader_map *l, const struct message_state *m, int64_t stamp_ns)
{
	l->heard = true;
	l->stamp_ns = stamp_ns;
	l->n = m->dof;
	memcpy(l->q_rad, m->state.q_rad, sizeof l->q_rad);
	l->has_gripper = m->state.has_gripper;
	l->gripper_m = m->state.gripper_m;
}

/* The gripper as the dead-man: how it stands after a gap was pressed while nobody looked. */
static void take_deadman(struct leader_map *l, bool gap)
{
	double limit_m = l->deadman_gripper_m + (l->deadman.pressed ? hysteresis_m : 0.0);
	bool squeezed = l->has_gripper && l->gripper_m < limit_m;

	if (!(l->deadman_gripper_m > 0.0) && gap)
		deadman_forget(&l->deadman);
	else if (l->deadman_gripper_m > 0.0 && gap)
		deadman_begin(&l->deadman, squeezed);
	else if (l->deadman_gripper_m > 0.0)
		deadman_take(&l->deadman, squeezed);
}

int leader_map_take(struct leader_map *l, const struct message_state *m, int64_t stamp_ns, int64_t now_ns, struct errbuf *e)
{
	if (!m->state.has_q || m->dof == 0 || m->dof > DOF_MAX)
		return fail(e, -EBADMSG, "the leader is %s and says no joints", arm_mode_name(m->state.mode));
	if (l->dof != 0 && m->dof != l->dof)
		return fail(e, -EBADMSG, "the leader has %u joints, the arm to drive %u", m->dof, l->dof);
	if (l->deadman_gripper_m > 0.0 && !m->state.has_gripper)
		return fail(e, -EBADMSG, "--deadman-gripper: the leader has no gripper");
	enum sequence_verdict verdict = sequence_check(&l->sequence, m->head.from, m->head.seq, now_ns);

	if (verdict == SEQUENCE_OLD)
		return fail(e, -EBADMSG, "seq: %" PRIu64 " came after %" PRIu64, m->head.seq, l->sequence.seq);
	if (verdict == SEQUENCE_FOREIGN)
		return fail(e, -EBADMSG, "from: a second publisher sends states of the leader, %016" PRIx64, m->head.from);
	bool gap = now_ns - l->stamp_ns > SILENT_NS || verdict == SEQUENCE_RESTART;

	keep_joints(l, m, stamp_ns);
	take_deadman(l, gap);
	return 0;
}

void leader_map_press(struct leader_map *l, bool pressed)
{
	deadman_take(&l->deadman, pressed);
}

void leader_map_begin_deadman(struct leader_map *l, bool pressed)
{
	deadman_begin(&l->deadman, pressed);
}

void leader_map_forget_deadman(struct leader_map *l)
{
	deadman_forget(&l->deadman);
}

/* Its gripper as a dead-man says nothing about the follower's. */
bool leader_map_read(struct leader_map *l, int64_t now_ns, struct device_wish *out)
{
	bool silent = !(now_ns - l->stamp_ns <= SILENT_NS);

	if (!l->heard)
		return false;
	if (silent)
		deadman_forget(&l->deadman);
	*out = (struct device_wish){ .deadman = deadman_read(&l->deadman) && !silent, .lost = deadman_lost(&l->deadman), .kind = TELEOP_JOINT,
		.n_values = l->n,
		.has_gripper = l->has_gripper && !(l->deadman_gripper_m > 0.0), .gripper_m = l->gripper_m };
	memcpy(out->value, l->q_rad, sizeof out->value < sizeof l->q_rad ? sizeof out->value : sizeof l->q_rad);
	if (silent)
		snprintf(out->note, sizeof out->note, "the leader is silent since %.1f s", (double)(now_ns - l->stamp_ns) * 1e-9);
	else if (deadman_stuck(&l->deadman))
		strcpy(out->note, "the dead-man is held, but was never seen released: let it go, then press it again");
	return true;
}
