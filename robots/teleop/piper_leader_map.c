/* piper_leader_map.c - see piper_leader_map.h. */
#include "robots/teleop/piper_leader_map.h"

#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"

/* The three frames come back to back (0.4 ms); more than a period between them, and they are of two. */
static const int64_t TRIPLE_NS = 5 * NS_PER_MS, COMPANY_NS = NS_PER_S, GRIPPER_NS = 100 * NS_PER_MS;
/* Its widest joint goes from 0 to 180 degrees; beyond that with a margin for zeros that are off, no PiPER stands there. */
static const int32_t mdeg_max = 190000;
static const double gripper_max_m = 0.2;
/* Five times what the arm's own motors do, and what they do in 50 ms: nobody's hand is faster. */
static const double leap_rad_s = 15.0, leap_rad = 0.15;

void piper_leader_map_init(struct piper_leader_map *m)
{
	*m = (struct piper_leader_map){ .dialect = { .feedback_base = PIPER_FEEDBACK_BASE, .control_base = PIPER_CONTROL_BASE } };
}

/* Where 0x470 has moved the ids of an arm's feedback. 0x3A0, the other base that was seen, is no follower's for sure: leaders were seen to
 * say 0x3Ax. */
static const struct piper_dialect moved[] = { { .feedback_base = PIPER_FEEDBACK_BASE + 0x10, .control_base = PIPER_CONTROL_BASE },
	{ .feedback_base = PIPER_FEEDBACK_BASE + 0x20, .control_base = PIPER_CONTROL_BASE } };
enum { MOVED = sizeof moved / sizeof *moved };

static uint32_t add_filters(const struct piper_dialect *d, enum piper_kind kind, struct bus_filter *out)
{
	struct bus_filter some[PIPER_KIND_FRAMES_MAX];
	uint32_t n = piper_kind_filters(d, kind, some);

	memcpy(out, some, n * sizeof *some);
	return n;
}

void piper_leader_filters(struct bus_filter out[PIPER_LEADER_FILTERS])
{
	static const enum piper_kind kind[] = { PIPER_MODE, PIPER_JOINT_TARGET, PIPER_GRIPPER_TARGET, PIPER_JOINT_ANGLES };
	static const struct piper_dialect d = { .feedback_base = PIPER_FEEDBACK_BASE, .control_base = PIPER_CONTROL_BASE };
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof kind / sizeof *kind; i++)
		n += add_filters(&d, kind[i], out + n);
	for (size_t i = 0; i < MOVED; i++)
		n += add_filters(&moved[i], PIPER_JOINT_ANGLES, out + n);
}

static void tear(struct piper_leader_map *m)
{
	m->torn += m->due > 0;
	m->due = 0;
}

/* ---- three frames --------------------------------------------------------------------------------------------------------------------- */

static bool leaps(const struct leader_stand *from, const struct leader_stand *to)
{
	double reach_rad = fmax(leap_rad, leap_rad_s * (double)(to->stamp_ns - from->stamp_ns) * 1e-9);

	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!(fabs(to->q_rad[j] - from->q_rad[j]) <= reach_rad))
			return true;
	return false;
}

/* A leap that the next one confirms is believed: as another leader's. */
static enum piper_leader_news judge(struct piper_leader_map *m, const struct leader_stand *s)
{
	bool known = !m->speaks || !leaps(&m->newest, s), confirmed = !known && m->leapt && !leaps(&m->leap, s);

	m->leapt = !known && !confirmed;
	m->leaps += m->leapt;
	if (m->leapt) {
		m->leap = *s;
		return PIPER_LEADER_NOTHING;
	}
	m->speaks = true;
	m->newest = *s;
	return known ? PIPER_LEADER_STANDS : PIPER_LEADER_LEAPT;
}

static enum piper_leader_news complete(struct piper_leader_map *m, int64_t t_ns, struct leader_stand *out)
{
	struct leader_stand s = { .stamp_ns = t_ns, .n = PIPER_JOINTS, .gripper_m = m->gripper_m,
		.has_gripper = m->has_gripper && t_ns - m->gripper_ns <= GRIPPER_NS };

	for (int j = 0; j < PIPER_JOINTS; j++) {
		if (m->mdeg[j] < -mdeg_max || m->mdeg[j] > mdeg_max) {
			m->odd++;
			return PIPER_LEADER_NOTHING;
		}
		s.q_rad[j] = piper_rad_from_mdeg(m->mdeg[j]);
	}
	*out = s;
	return judge(m, &s);
}

static enum piper_leader_news take_joints(struct piper_leader_map *m, const struct piper_message *p, int64_t t_ns, struct leader_stand *out)
{
	if (p->index != m->due || (p->index > 0 && t_ns - m->first_ns > TRIPLE_NS)) {
		m->torn += m->due == 0; /* one without its first */
		tear(m);
		return PIPER_LEADER_NOTHING;
	}
	if (p->index == 0)
		m->first_ns = t_ns;
	memcpy(m->mdeg + 2 * p->index, p->pair.value, sizeof p->pair.value);
	m->due = (p->index + 1) % 3;
	return m->due == 0 ? complete(m, t_ns, out) : PIPER_LEADER_NOTHING;
}

/* ---- the others ----------------------------------------------------------------------------------------------------------------------- */

static void take_gripper(struct piper_leader_map *m, const struct piper_gripper_target *g, int64_t t_ns)
{
	double opening_m = piper_m_from_um(g->opening_um);

	if (g->bits & PIPER_GRIPPER_ANGLE || opening_m > gripper_max_m || opening_m < -gripper_max_m) {
		m->odd++;
		return;
	}
	m->has_gripper = true;
	m->gripper_ns = t_ns;
	m->gripper_m = fmax(opening_m, 0.0); /* closed is a little below zero where its zero is off */
}

static bool is_moved_follower(const struct bus_frame *f)
{
	struct piper_message p;

	for (size_t i = 0; i < MOVED; i++)
		if (piper_get(&moved[i], f, &p) && p.kind == PIPER_JOINT_ANGLES)
			return true;
	return false;
}

enum piper_leader_news piper_leader_take(struct piper_leader_map *m, const struct bus_event *ev, struct leader_stand *out)
{
	struct piper_message p;

	if (ev->error != BUS_ERROR_NONE) {
		tear(m);
		return PIPER_LEADER_NOTHING;
	}
	if (!piper_get(&m->dialect, &ev->frame, &p)) {
		if (is_moved_follower(&ev->frame))
			m->obeys_ns = ev->t_ns;
		else
			m->odd++;
		return PIPER_LEADER_NOTHING;
	}
	switch (p.kind) {
	case PIPER_JOINT_TARGET: return take_joints(m, &p, ev->t_ns, out);
	case PIPER_MODE: tear(m); break;
	case PIPER_GRIPPER_TARGET: take_gripper(m, &p.gripper_target, ev->t_ns); break;
	case PIPER_JOINT_ANGLES: m->obeys_ns = ev->t_ns; break;
	default: break;
	}
	return PIPER_LEADER_NOTHING;
}

bool piper_leader_has_company(const struct piper_leader_map *m, int64_t now_ns)
{
	return m->obeys_ns != 0 && now_ns - m->obeys_ns < COMPANY_NS;
}
