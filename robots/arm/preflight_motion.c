#include "robots/arm/preflight_motion.h"

#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"

static const int64_t CONNECT_NS = 8 * NS_PER_S;     /* a robot that is there answers within one */
static const int64_t READY_NS = 3 * NS_PER_S;       /* of one that is connected: what is in its way does not pass by itself */
static const int64_t BEGIN_NS = 5 * NS_PER_S;
static const int64_t SETTLE_NS = 500 * NS_PER_MS;   /* a Franka's rate is that of the last 100 ms */
static const int64_t END_NS = 3 * NS_PER_S;
static const int64_t REASON_NS = 200 * NS_PER_MS;   /* in which what went wrong shows */
static const double STILL_RAD_S = 0.02;

void preflight_motion_init(struct preflight_motion *m, uint32_t dof, int64_t measure_ns)
{
	*m = (struct preflight_motion){ .dof = dof, .measure_ns = measure_ns, .rate_min = 1 };
}

static void enter(struct preflight_motion *m, enum preflight_phase phase, int64_t now_ns)
{
	m->phase = phase;
	m->since_ns = now_ns;
}

static void give_up(struct preflight_motion *m, enum preflight_phase phase, int64_t now_ns)
{
	m->failed = true;
	enter(m, phase, now_ns);
}

static bool is_still(const struct preflight_motion *m)
{
	for (uint32_t j = 0; j < m->dof; j++)
		if (!(fabs(m->state.dq_rad_s[j]) <= STILL_RAD_S))
			return false;
	return true;
}

static void note_rate(struct preflight_motion *m)
{
	const struct robot_state *s = &m->state;

	if (!s->has_success_rate)
		return;
	m->rate_min = fmin(m->rate_min, s->success_rate);
	m->rate_max = fmax(m->rate_max, s->success_rate);
	m->rate_sum += s->success_rate;
	m->n_rates++;
}

/* The arm's motion has ended by itself, or never began. */
static void judge(struct preflight_motion *m, int64_t now_ns, bool stop)
{
	int64_t for_ns = now_ns - m->since_ns;
	bool ready = m->state.mode == ARM_READY;

	switch (m->phase) {
	case PREFLIGHT_WAITS:
		if (m->state.mode == ARM_DISCONNECTED)
			m->connected_ns = now_ns;
		if (stop || for_ns > CONNECT_NS || now_ns - m->connected_ns > READY_NS)
			give_up(m, PREFLIGHT_OVER, now_ns);
		else if (ready && is_still(m))
			enter(m, PREFLIGHT_BEGINS, now_ns);
		break;
	case PREFLIGHT_BEGINS:
		if (stop || !ready || for_ns > BEGIN_NS)
			give_up(m, PREFLIGHT_ENDS, now_ns);
		else if (m->state.engaged)
			enter(m, PREFLIGHT_SETTLES, now_ns);
		break;
	case PREFLIGHT_SETTLES:
	case PREFLIGHT_MEASURES:
		if (stop || !ready || !m->state.engaged)
			give_up(m, PREFLIGHT_ENDS, now_ns);
		else if (for_ns >= (m->phase == PREFLIGHT_SETTLES ? SETTLE_NS : m->measure_ns))
			enter(m, m->phase + 1, now_ns);
		break;
	case PREFLIGHT_ENDS:
		if ((!m->state.engaged && for_ns >= (m->failed ? REASON_NS : 0)) || for_ns > END_NS)
			enter(m, PREFLIGHT_OVER, now_ns);
		break;
	case PREFLIGHT_OVER:
		break;
	}
}

void preflight_motion_step(struct preflight_motion *m, const struct robot_state *s, int64_t now_ns, bool stop, struct robot_command *out)
{
	if (!m->since_ns)
		m->since_ns = m->connected_ns = now_ns;
	if (!m->failed || s->mode != ARM_READY) /* what went wrong may show in a later state than that it did */
		m->state = *s;
	m->state.engaged = s->engaged;
	judge(m, now_ns, stop);
	if (m->phase == PREFLIGHT_MEASURES)
		note_rate(m);
	if (!m->held)
		memcpy(m->hold_rad, s->has_q_d ? s->q_d_rad : s->q_rad, sizeof m->hold_rad);
	m->held = s->engaged;
	*out = (struct robot_command){ .hold = m->phase != PREFLIGHT_WAITS && m->phase != PREFLIGHT_OVER };
	out->engage = out->hold && m->phase != PREFLIGHT_ENDS;
	memcpy(out->q_rad, m->hold_rad, sizeof out->q_rad);
}
