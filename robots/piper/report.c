/* report.c - what a PiPER's session tells of the arm. See session.h. */
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/piper/session_parts.h"

static const int64_t MODE_NS = NS_PER_S;
/* Motor torque per current, Nm/A (piper_sdk). Up to S-V1.8-2 joints 1-3 tell a quarter of it (piper_sdk issue 104). */
static const double MOTOR_NM_A[PIPER_JOINTS] = { 1.18125, 1.18125, 1.18125, 0.95844, 0.95844, 0.95844 };

static enum arm_mode mode_of(enum piper_phase phase)
{
	switch (phase) {
	case PIPER_CLOSED:
	case PIPER_LISTENS: return ARM_DISCONNECTED;
	case PIPER_STOPS:
	case PIPER_EMERGENCY: return ARM_ESTOP;
	case PIPER_ERRORS: return ARM_REFLEX;
	case PIPER_TEACHES: return ARM_GUIDING;
	case PIPER_HOLDS: return ARM_READY;
	default: return ARM_IDLE;
	}
}

/* Of an arm that is ready: what a person should know all the same. */
static enum piper_trouble lesser_trouble(const struct piper_session *s, int64_t now_ns)
{
	if (s->failures > 0)
		return PIPER_TROUBLE_BUS_FULL;
	if (s->leapt)
		return PIPER_TROUBLE_BAD_FEEDBACK;
	if (piper_session_stale(s, now_ns))
		return s->feedback.bus_off ? PIPER_TROUBLE_BUS_OFF : PIPER_TROUBLE_UNHEARD;
	if (!piper_session_follows(s) && now_ns - s->phase_ns >= MODE_NS)
		return PIPER_TROUBLE_OTHER_CONTROL;
	if (s->stream.refused || s->feedback.status.state == PIPER_ARM_TARGET_LIMIT)
		return PIPER_TROUBLE_TARGET_REFUSED;
	if (s->gate.warning != PIPER_TROUBLE_NONE)
		return s->gate.warning;
	return piper_grip_trouble(&s->grip, s->setup, &s->feedback, now_ns);
}

static void report_motors(const struct piper_session *s, int64_t now_ns, struct robot_state *out)
{
	const struct piper_feedback *f = &s->feedback;
	bool quarter = f->has_version && !piper_version_at_least(&f->version, 1, 8, 3);

	out->has_tau = f->has_version;
	for (int j = 0; j < PIPER_JOINTS; j++) {
		bool fresh = piper_news_fresh(&f->fast_news[j], now_ns, PIPER_SILENT_NS);

		out->dq_rad_s[j] = fresh ? f->fast[j].speed_mrad_s * 1e-3 : 0;
		out->tau_nm[j] = f->fast[j].current_ma * 1e-3 * MOTOR_NM_A[j] * (quarter && j < 3 ? 4 : 1);
		out->has_tau = out->has_tau && fresh;
	}
}

void piper_session_report(const struct piper_session *s, int64_t now_ns, struct robot_state *out)
{
	const struct piper_feedback *f = &s->feedback;
	bool alive = s->open && piper_news_fresh(&f->joints.news, now_ns, PIPER_SILENT_NS) &&
			piper_news_fresh(&f->status_news, now_ns, PIPER_SILENT_NS);

	*out = (struct robot_state){ .mode = mode_of(s->phase), .generation = s->generation, .trouble = (uint32_t)s->trouble,
		.void_asks = piper_session_void_asks(s) };
	if (!alive || s->phase <= PIPER_LISTENS) {
		out->mode = ARM_DISCONNECTED;
		out->trouble = (uint32_t)(s->trouble != PIPER_TROUBLE_NONE ? s->trouble : PIPER_TROUBLE_SILENT);
		return;
	}
	out->stamp_ns = f->joints.news.t_ns;
	out->engaged = piper_session_engaged(s, now_ns);
	out->limp = piper_motors_off(f) == PIPER_ALL;
	piper_feedback_q(f, out->q_rad);
	report_motors(s, now_ns, out);
	out->errors = piper_errors_of(f, s->setup->has_gripper);
	out->has_gripper = piper_grip_opening(s->setup, f, now_ns, &out->gripper_m);
	if (s->phase != PIPER_HOLDS)
		return;
	out->trouble = (uint32_t)lesser_trouble(s, now_ns);
	out->has_q_d = s->stream.has_target;
	memcpy(out->q_d_rad, s->stream.target_rad, sizeof s->stream.target_rad);
}
