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

/* The gripper as the dead-man: how it stands after a gap was pressed while nobody looked. */
static void take_deadman(struct leader_map *l, bool gap)
{
	double limit_m = l->deadman_gripper_m + (l->deadman.pressed ? hysteresis_m : 0.0);
	bool squeezed = l->newest.has_gripper && l->newest.gripper_m < limit_m;

	if (!(l->deadman_gripper_m > 0.0) && gap)
		deadman_forget(&l->deadman);
	else if (l->deadman_gripper_m > 0.0 && gap)
		deadman_begin(&l->deadman, squeezed);
	else if (l->deadman_gripper_m > 0.0)
		deadman_take(&l->deadman, squeezed);
}

static int fits(const struct leader_map *l, uint32_t n, bool has_gripper, struct errbuf *e)
{
	if (l->dof != 0 && n != l->dof)
		return fail(e, -EBADMSG, "the leader has %u joints, the arm to drive %u", n, l->dof);
	if (l->deadman_gripper_m > 0.0 && !has_gripper)
		return fail(e, -EBADMSG, "--deadman-gripper: the leader has no gripper");
	return 0;
}

int leader_map_hear(struct leader_map *l, const struct leader_stand *s, bool anew, int64_t now_ns, struct errbuf *e)
{
	bool gap = anew || now_ns - l->newest.stamp_ns > SILENT_NS;
	int rc = fits(l, s->n, s->has_gripper, e);

	if (rc < 0)
		return rc;
	l->heard = true;
	l->newest = *s;
	take_deadman(l, gap);
	return 0;
}

int leader_map_take(struct leader_map *l, const struct message_state *m, int64_t stamp_ns, int64_t now_ns, struct errbuf *e)
{
	struct leader_stand s = { .stamp_ns = stamp_ns, .n = m->dof, .has_gripper = m->state.has_gripper, .gripper_m = m->state.gripper_m };
	int rc;

	if (!m->state.has_q || m->dof == 0 || m->dof > DOF_MAX)
		return fail(e, -EBADMSG, "the leader is %s and says no joints", arm_mode_name(m->state.mode));
	if ((rc = fits(l, m->dof, m->state.has_gripper, e)) < 0)
		return rc;
	enum sequence_verdict verdict = sequence_check(&l->sequence, m->head.from, m->head.seq, now_ns);

	if (verdict == SEQUENCE_OLD)
		return fail(e, -EBADMSG, "seq: %" PRIu64 " came after %" PRIu64, m->head.seq, l->sequence.seq);
	if (verdict == SEQUENCE_FOREIGN)
		return fail(e, -EBADMSG, "from: a second publisher sends states of the leader, %016" PRIx64, m->head.from);
	memcpy(s.q_rad, m->state.q_rad, sizeof s.q_rad);
	return leader_map_hear(l, &s, verdict == SEQUENCE_RESTART, now_ns, e);
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
	const struct leader_stand *s = &l->newest;
	bool silent = !(now_ns - s->stamp_ns <= SILENT_NS);

	if (!l->heard)
		return false;
	if (silent)
		deadman_forget(&l->deadman);
	*out = (struct device_wish){ .deadman = deadman_read(&l->deadman) && !silent, .lost = deadman_lost(&l->deadman), .kind = TELEOP_JOINT,
		.n_values = s->n,
		.has_gripper = s->has_gripper && !(l->deadman_gripper_m > 0.0), .gripper_m = s->gripper_m };
	memcpy(out->value, s->q_rad, sizeof out->value < sizeof s->q_rad ? sizeof out->value : sizeof s->q_rad);
	if (silent)
		snprintf(out->note, sizeof out->note, "the leader is silent since %.1f s", (double)(now_ns - s->stamp_ns) * 1e-9);
	else if (deadman_stuck(&l->deadman))
		strcpy(out->note, "the dead-man is held, but was never seen released: let it go, then press it again");
	return true;
}
