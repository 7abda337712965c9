/* joints.c - whether a PiPER's joint angles can be believed: they are in its range, agree with its motors', and do not leap. See session.h. */
#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/piper/session_parts.h"

/* Motors tell their positions in milliradians, at another moment than joints: 3 rad/s for SAME_NS, and room. */
static const double DIFFER_RAD = 0.1;
static const double LEAP_RAD = 0.1, LEAP_RAD_S = 5.0; /* nothing turns faster (URDF) */
static const int64_t LEAPT_NS = 100 * NS_PER_MS;
enum { WHOLE_RAD_MAX = 4 };
static const int64_t DIFFER_NS = 100 * NS_PER_MS, SAME_NS = 20 * NS_PER_MS;

/* Written so that NaN is outside. */
bool piper_joints_within(const struct piper_session *s, double beyond_rad)
{
	double q_rad[PIPER_JOINTS];

	piper_feedback_q(&s->feedback, q_rad);
	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!(q_rad[j] >= s->q_min_rad[j] - beyond_rad && q_rad[j] <= s->q_max_rad[j] + beyond_rad))
			return false;
	return true;
}

bool piper_session_inside(const struct piper_session *s)
{
	return piper_joints_within(s, PIPER_OUTSIDE_RAD);
}

static bool same_moment(const struct piper_news *a, const struct piper_news *b)
{
	return a->count > 0 && b->count > 0 && a->t_ns - b->t_ns <= SAME_NS && b->t_ns - a->t_ns <= SAME_NS;
}

/* No joint turns so far in that time: somebody has set its zero, or the arm has lost it. What the arm was told before means another place
 * now. Once they have been where they are for LEAPT_NS, it is held there. */
static void mind_leaps(struct piper_session *s, const double q_rad[PIPER_JOINTS], bool first)
{
	int64_t t_ns = s->feedback.joints.news.t_ns;
	double most_rad = LEAP_RAD + LEAP_RAD_S * (double)(t_ns - s->joints_ns) * 1e-9;

	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!first && !(fabs(q_rad[j] - s->joints_rad[j]) <= most_rad)) {
			s->leapt = true;
			s->leapt_ns = s->now_ns;
		}
	s->joints_ns = t_ns;
	memcpy(s->joints_rad, q_rad, sizeof s->joints_rad);
	if (!s->leapt || s->now_ns - s->leapt_ns < LEAPT_NS)
		return;
	s->leapt = false;
	if (s->phase != PIPER_HOLDS)
		return;
	s->generation++;
	piper_stream_begin(s);
}

/* Joints against their motors, where those tell milliradians and not, as one document has it, whole radians. Only joints that are new, and
 * only against what their motors said then: those of a frame that got lost are old, not wrong. */
void piper_joints_judge(struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;
	double q_rad[PIPER_JOINTS];
	bool differ = false;

	if (f->joints.news.count == s->compared)
		return;
	piper_feedback_q(f, q_rad);
	mind_leaps(s, q_rad, s->compared == 0);
	s->compared = f->joints.news.count;
	for (int j = 0; j < PIPER_JOINTS; j++) {
		int32_t raw = f->fast[j].position_mrad;

		s->motors_in_mrad |= raw > WHOLE_RAD_MAX || raw < -WHOLE_RAD_MAX;
		differ |= same_moment(&f->joints.news, &f->fast_news[j]) && !(fabs(q_rad[j] - raw * 1e-3) <= DIFFER_RAD);
	}
	differ &= s->motors_in_mrad;
	if (differ && !s->differing)
		s->differing_ns = s->now_ns;
	s->differing = differ;
	s->differs |= differ && s->now_ns - s->differing_ns >= DIFFER_NS;
}
