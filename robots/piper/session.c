/* session.c - see session.h: which phase it is. */
#include "robots/piper/session.h"

#include <errno.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/piper/session_parts.h"

static const int64_t OTHERS_NS = NS_PER_S;             /* so long after another host's last command nothing is sent */
static const int64_t OPENING_NS = 500 * NS_PER_MS;     /* so long a bus that was just opened may be silent */
static const int64_t GROUPS_NS = 500 * NS_PER_MS;      /* so long motors are waited for; then their silence is an error */
static const int64_t PAUSE_NS = 20 * NS_PER_MS, STOP_KEPT_NS = 10 * NS_PER_S, WAVER_NS = 100 * NS_PER_MS;
static const int64_t IDLE_STEP_NS = 10 * NS_PER_MS;
/* Further outside its range than any stop of a PiPER's (piper_control's hard limits): the zeros are lost. */
static const double NO_ARM_RAD = 0.5;

struct verdict {
	enum piper_phase phase;
	enum piper_trouble trouble;
};

const char *piper_phase_name(enum piper_phase phase)
{
	static const char *const names[PIPER_PHASES] = { "closed", "listens", "asks", "refuses", "leads", "stops", "emergency",
		"resumes", "errors",
		"teaches", "off", "enables", "disables", "holds" };

	return phase < PIPER_PHASES ? names[phase] : "unknown";
}

void piper_session_init(struct piper_session *s, const struct piper_setup *setup)
{
	*s = (struct piper_session){ .setup = setup, .phase = PIPER_CLOSED, .trouble = PIPER_TROUBLE_CONNECTING,
		.closed = PIPER_TROUBLE_CONNECTING };
	piper_feedback_init(&s->feedback, setup->feedback_base, setup->control_base);
}

/* Another arm may be there, or the same after a loss of power. */
static void forget(struct piper_session *s)
{
	piper_feedback_forget(&s->feedback);
	s->alive = s->heard = s->motors_in_mrad = s->differs = s->differing = false;
	s->gate = (struct piper_gate){ .begun = false };
	s->compared = 0;
	s->leapt = false;
	s->stop_sent = false; /* statuses are counted from nothing again */
	piper_session_fail(s, PIPER_TROUBLE_NONE);
	s->stream = (struct piper_stream){ .has_target = false };
	piper_grip_begin(&s->grip);
}

/* ---- the bus ---- */

/* A stop that nobody can have heard for so long is not said long after. */
static void drop_old_stop(struct piper_session *s)
{
	if (s->stop && s->stop_begun && s->now_ns - s->stop_heard_ns >= STOP_KEPT_NS)
		s->stop = false;
}

void piper_session_opened(struct piper_session *s, int64_t now_ns)
{
	s->open = true;
	s->opened_ns = s->now_ns = now_ns;
	drop_old_stop(s);
	s->failures = 0;
	s->feedback.bus_off = false;
	s->feedback.no_ack = (struct piper_news){ .count = 0 };
	forget(s);
}

static enum piper_trouble why_closed(int code)
{
	switch (code) {
	case -EAFNOSUPPORT: return PIPER_TROUBLE_NO_CAN;
	case -ENODEV: return PIPER_TROUBLE_NO_INTERFACE;
	case -ENETDOWN: return PIPER_TROUBLE_INTERFACE_DOWN;
	case -EMEDIUMTYPE: return PIPER_TROUBLE_BIT_RATE;
	case -ENOENT: return PIPER_TROUBLE_NAME_UNKNOWN;
	case -EHOSTUNREACH:
	case -ENETUNREACH: return PIPER_TROUBLE_UNREACHABLE;
	case -ECONNREFUSED: return PIPER_TROUBLE_NO_SERVER;
	case -EACCES: return PIPER_TROUBLE_SERVER_REFUSES;
	case -EPROTO:
	case -ETIMEDOUT: return PIPER_TROUBLE_SERVER_SILENT;
	case -EINVAL: return PIPER_TROUBLE_ADDRESS_VOID;
	case 0: return PIPER_TROUBLE_CONNECTING;
	default: return PIPER_TROUBLE_CONNECTION_LOST;
	}
}

void piper_session_closed(struct piper_session *s, int code, int64_t now_ns)
{
	s->open = false;
	s->closed = why_closed(code);
	s->now_ns = now_ns;
	forget(s);
	s->phase = PIPER_CLOSED;
	s->phase_ns = now_ns;
	s->trouble = s->closed;
}

void piper_session_take(struct piper_session *s, const struct bus_event *e)
{
	piper_feedback_take(&s->feedback, e);
}

bool piper_session_say(const struct piper_session *s, struct piper_outbox *out, const struct piper_message *m)
{
	if (out->n >= PIPER_OUTBOX_MAX || !piper_put(&s->feedback.dialect, m, &out->frame[out->n]))
		return false;
	out->n++;
	return true;
}

/* What did not go out is no target that the arm is held to. */
void piper_session_sent(struct piper_session *s, int code)
{
	if (code < 0) {
		s->counters.send_failures++;
		if (s->failures++ == 0)
			s->failing_ns = s->now_ns;
		if (s->stream.sending)
			memcpy(s->stream.target_rad, s->stream.before_rad, sizeof s->stream.target_rad);
	} else {
		s->failures = 0;
		s->counters.targets += s->stream.sending;
	}
	s->stream.sending = false;
}

/* ---- requests ---- */

static bool is_heard(const struct piper_session *s)
{
	return s->phase > PIPER_LEADS || s->phase == PIPER_ASKS || s->phase == PIPER_REFUSES;
}

static bool begin_job(struct piper_session *s, enum piper_job_kind kind)
{
	piper_session_fail(s, PIPER_TROUBLE_NONE);
	s->stop = false;
	s->job.kind = kind;
	return true;
}

static bool ask_stop(struct piper_session *s)
{
	piper_session_fail(s, PIPER_TROUBLE_NONE);
	s->stop = true;
	s->stop_begun = s->stop_sent = false;
	return true;
}

static bool ask_enable(struct piper_session *s)
{
	if (s->phase == PIPER_OFF)
		return begin_job(s, PIPER_JOB_ENABLE);
	if (s->phase == PIPER_HOLDS)
		piper_grip_enable(&s->grip);
	return s->phase == PIPER_HOLDS;
}

/* What the arm stopped for is ended by a resume alone, which cuts its power: motors that it holds in a stop do not obey. */
static bool may_disable(const struct piper_session *s)
{
	return is_heard(s) && !(s->phase >= PIPER_STOPS && s->phase <= PIPER_ERRORS);
}

static bool obey(struct piper_session *s, enum piper_ask ask)
{
	switch (ask) {
	case PIPER_ASK_ENABLE: return ask_enable(s);
	case PIPER_ASK_DISABLE: return may_disable(s) && begin_job(s, PIPER_JOB_DISABLE);
	case PIPER_ASK_RESUME: return is_heard(s) && begin_job(s, PIPER_JOB_RESUME);
	case PIPER_ASK_EMERGENCY_STOP: return ask_stop(s);
	}
	return false;
}

/* Motors that did not do what they were told are rid of their power by a resume. */
static bool may_recover(const struct piper_session *s)
{
	if (s->phase == PIPER_OFF)
		return s->trouble == PIPER_TROUBLE_MOTOR_LOST || s->trouble == PIPER_TROUBLE_NOT_RESUMED ||
				s->trouble == PIPER_TROUBLE_NOT_ENABLED || s->trouble == PIPER_TROUBLE_NOT_DISABLED;
	return s->phase == PIPER_STOPS || s->phase == PIPER_EMERGENCY || s->phase == PIPER_ERRORS || s->phase == PIPER_TEACHES;
}

/* What is under way already is not void. */
uint32_t piper_session_void_asks(const struct piper_session *s)
{
	bool may_enable = s->phase == PIPER_OFF || s->phase == PIPER_ENABLES || s->phase == PIPER_HOLDS;

	return (uint32_t)!may_enable << ROBOT_ENABLE | (uint32_t)!may_disable(s) << ROBOT_DISABLE | (uint32_t)!may_recover(s) << ROBOT_RECOVER;
}

bool piper_session_ask(struct piper_session *s, enum piper_ask ask)
{
	bool obeyed = obey(s, ask);

	s->counters.void_asks += !obeyed;
	return obeyed;
}

/* ---- which phase ---- */

bool piper_session_steady(const struct piper_session *s)
{
	const struct piper_status *a = &s->feedback.status, *b = &s->feedback.status_before;

	return s->feedback.status_news.count >= 2 && a->control == b->control && a->state == b->state &&
			a->communication_error == b->communication_error;
}

static bool all_groups(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;

	for (int j = 0; j < PIPER_JOINTS; j++)
		if (f->fast_news[j].count < 1 || f->slow_news[j].count < 2)
			return false;
	return true;
}

static enum piper_trouble why_silent(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;

	if (f->bus_off)
		return PIPER_TROUBLE_BUS_OFF;
	if (piper_news_fresh(&f->no_ack, s->now_ns, OTHERS_NS) || s->failures > 0)
		return PIPER_TROUBLE_BUS_FULL;
	if (piper_news_fresh(&f->odd_status_news, s->now_ns, PIPER_SILENT_NS))
		return PIPER_TROUBLE_ODD_STATUS;
	return s->now_ns - s->opened_ns < OPENING_NS ? PIPER_TROUBLE_CONNECTING : PIPER_TROUBLE_SILENT;
}

static bool is_alive(const struct piper_session *s)
{
	return piper_news_fresh(&s->feedback.joints.news, s->now_ns, PIPER_SILENT_NS) &&
			piper_news_fresh(&s->feedback.status_news, s->now_ns, PIPER_SILENT_NS);
}

static struct verdict judge_motors(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;
	uint8_t on = piper_motors_on(f), off = piper_motors_off(f);
	bool stays = s->phase == PIPER_HOLDS && off == 0;

	if (s->failed != PIPER_TROUBLE_NONE)
		return (struct verdict){ PIPER_OFF, s->failed };
	if ((on == PIPER_ALL || stays) && f->status.control == PIPER_CAN)
		return stays || piper_session_inside(s) ? (struct verdict){ PIPER_HOLDS, PIPER_TROUBLE_NONE } :
				(struct verdict){ PIPER_OFF, PIPER_TROUBLE_OUTSIDE_LIMITS };
	if (off != 0)
		return (struct verdict){ PIPER_OFF, off == PIPER_ALL ? PIPER_TROUBLE_MOTORS_OFF : PIPER_TROUBLE_MOTOR_LOST };
	return (struct verdict){ PIPER_OFF, f->status.control == PIPER_STANDBY || f->status.control == PIPER_CAN ? PIPER_TROUBLE_STANDBY :
			PIPER_TROUBLE_OTHER_CONTROL };
}

static bool is_taught(const struct piper_status *s)
{
	return s->control == PIPER_TEACH || s->state == PIPER_ARM_TEACH_RECORD || s->state == PIPER_ARM_TEACH_EXECUTE ||
			s->state == PIPER_ARM_TEACH_PAUSE;
}

/* Of an arm that is heard and not disturbed, from the worst on. */
static struct verdict judge_arm(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;
	enum piper_trouble error = piper_errors_stop(f, s->now_ns);

	if (s->job.kind == PIPER_JOB_RESUME)
		return (struct verdict){ PIPER_RESUMES, PIPER_TROUBLE_RESUMING };
	if (s->job.kind == PIPER_JOB_DISABLE && !(f->status.state == PIPER_ARM_EMERGENCY_STOP && piper_session_steady(s)))
		return (struct verdict){ PIPER_DISABLES, PIPER_TROUBLE_DISABLING };
	if (f->status.state == PIPER_ARM_EMERGENCY_STOP)
		return (struct verdict){ PIPER_EMERGENCY, s->failed != PIPER_TROUBLE_NONE ? s->failed : PIPER_TROUBLE_EMERGENCY_STOP };
	if (error != PIPER_TROUBLE_NONE)
		return (struct verdict){ PIPER_ERRORS, error };
	if (s->differs)
		return (struct verdict){ PIPER_ERRORS, PIPER_TROUBLE_JOINTS_DIFFER };
	if (!piper_joints_within(s, NO_ARM_RAD))
		return (struct verdict){ PIPER_ERRORS, PIPER_TROUBLE_BAD_FEEDBACK };
	if (is_taught(&f->status))
		return (struct verdict){ PIPER_TEACHES, PIPER_TROUBLE_TEACHING };
	if (s->gate.refusal != PIPER_TROUBLE_NONE)
		return (struct verdict){ PIPER_REFUSES, s->gate.refusal };
	if (!s->gate.open)
		return (struct verdict){ PIPER_ASKS, PIPER_TROUBLE_ASKING };
	if (s->job.kind == PIPER_JOB_ENABLE)
		return (struct verdict){ PIPER_ENABLES, PIPER_TROUBLE_ENABLING };
	return judge_motors(s);
}

static bool wavers(const struct piper_session *s)
{
	return s->now_ns - s->steady_ns >= WAVER_NS;
}

/* Its newest two statuses contradict each other: one is not believed before the next. Those that go on so may tell of several errors by
 * turns; nothing is moved meanwhile. */
static struct verdict judge_wavering(const struct piper_session *s)
{
	struct verdict v = judge_arm(s);

	if (!wavers(s))
		return (struct verdict){ s->phase, s->trouble };
	if (v.phase == PIPER_HOLDS || v.phase == PIPER_ENABLES || v.phase == PIPER_OFF)
		v = (struct verdict){ PIPER_OFF, PIPER_TROUBLE_UNSTEADY };
	return v;
}

static struct verdict judge(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;
	bool alive = is_alive(s), led = alive && f->status.control == PIPER_LEADER;
	bool others = piper_news_fresh(&f->others, s->now_ns, OTHERS_NS);

	if (!s->open)
		return (struct verdict){ PIPER_CLOSED, s->closed };
	if (s->stop)
		return (struct verdict){ PIPER_STOPS, PIPER_TROUBLE_STOPPING };
	if (led || others)
		return (struct verdict){ PIPER_LEADS, led || !alive ? PIPER_TROUBLE_LEADER : PIPER_TROUBLE_OTHER_HOST };
	if (!alive || !s->heard)
		return (struct verdict){ PIPER_LISTENS, alive ? PIPER_TROUBLE_CONNECTING : why_silent(s) };
	/* What is asked for in order that the arm has no power waits for no status. */
	bool steady = piper_session_steady(s) || s->job.kind == PIPER_JOB_RESUME || s->job.kind == PIPER_JOB_DISABLE;

	return steady ? judge_arm(s) : judge_wavering(s);
}

/* ---- a step ---- */

static void hear(struct piper_session *s)
{
	bool alive = s->open && is_alive(s);

	if (alive && !s->alive)
		s->alive_ns = s->steady_ns = s->now_ns;
	if (piper_session_steady(s))
		s->steady_ns = s->now_ns;
	s->alive = alive;
	if (!alive)
		return;
	if (!s->heard && (all_groups(s) || s->now_ns - s->alive_ns >= GROUPS_NS)) {
		s->heard = true;
		s->generation++;
		s->counters.connects++;
	}
	if (!s->heard)
		return;
	piper_gate_judge(s);
	piper_joints_judge(s);
	if (wavers(s) && s->job.kind == PIPER_JOB_ENABLE)
		piper_session_fail(s, PIPER_TROUBLE_NONE); /* who knows when it would be */
}

/* Counted from the first step on, whatever keeps it from being done: nobody expects it long after. */
static void begin_asked(struct piper_session *s)
{
	if (s->job.kind != PIPER_JOB_NONE && !s->job.begun) {
		s->job.begun = true;
		s->job.begun_ns = s->now_ns;
	}
	if (s->stop && !s->stop_begun) {
		s->stop_begun = true;
		s->stop_ns = s->stop_heard_ns = s->now_ns;
	}
}

/* An arm that nobody can have told for so long is told no more: it would be stopped when it is switched on some day. */
static void confirm_stop(struct piper_session *s)
{
	if (s->alive && s->feedback.status.control != PIPER_LEADER)
		s->stop_heard_ns = s->now_ns;
	drop_old_stop(s);
	if (s->open && s->stop && s->stop_sent && s->feedback.status_news.count > s->stop_statuses &&
			s->feedback.status.state == PIPER_ARM_EMERGENCY_STOP && piper_session_steady(s))
		s->stop = false;
}

/* An arm that was held and is off or in standby without having been asked was switched off, or resumed by somebody else. */
static void leave(struct piper_session *s, enum piper_phase next)
{
	if (s->phase == PIPER_HOLDS && next == PIPER_OFF)
		s->generation++;
	/* What another host has done to the arm since is not undone when it pauses: least of all by letting it fall. */
	if (next == PIPER_LEADS || (s->job.kind == PIPER_JOB_ENABLE && next != PIPER_ENABLES && next != PIPER_OFF) ||
			(s->job.kind == PIPER_JOB_DISABLE && next == PIPER_EMERGENCY))
		piper_session_fail(s, PIPER_TROUBLE_NONE);
	if (next == PIPER_LISTENS || (next == PIPER_LEADS && s->phase != PIPER_LISTENS && !is_alive(s)))
		forget(s);
}

static void enter(struct piper_session *s, const struct verdict *v)
{
	enum piper_phase before = s->phase;

	s->trouble = v->trouble;
	if (v->phase == before)
		return;
	leave(s, v->phase);
	s->phase = v->phase;
	s->phase_ns = s->now_ns;
	if (v->phase != PIPER_HOLDS)
		return;
	if (before != PIPER_ENABLES) {
		piper_stream_begin(s);
		piper_grip_begin(&s->grip);
	}
}

bool piper_session_stale(const struct piper_session *s, int64_t now_ns)
{
	return !(piper_news_fresh(&s->feedback.joints.news, now_ns, PIPER_STALE_NS) &&
			piper_news_fresh(&s->feedback.status_news, now_ns, PIPER_STALE_NS));
}

static void count_stale(struct piper_session *s)
{
	bool stale = s->phase == PIPER_HOLDS && piper_session_stale(s, s->now_ns);

	s->counters.stale += stale && !s->stale;
	s->stale = stale;
}

/* After a failure the bus is given time; a stop waits for nothing. */
static bool may_speak(const struct piper_session *s)
{
	return s->open && !s->feedback.bus_off && (s->failures == 0 || s->stop || s->now_ns - s->spoken_ns >= PAUSE_NS);
}

static void speak(struct piper_session *s, struct piper_outbox *out)
{
	switch (s->phase) {
	case PIPER_STOPS:
		if (s->stop)
			piper_stop_speak(s, out);
		return;
	case PIPER_RESUMES:
	case PIPER_ENABLES:
	case PIPER_DISABLES: piper_job_speak(s, out); return;
	case PIPER_HOLDS: piper_stream_speak(s, out); break;
	default: break;
	}
	if (is_heard(s))
		piper_gate_ask(s, out);
}

void piper_session_step(struct piper_session *s, int64_t now_ns, struct piper_outbox *out)
{
	out->n = 0;
	s->now_ns = now_ns;
	s->stream.sending = false;
	begin_asked(s);
	hear(s);
	confirm_stop(s);
	count_stale(s);
	const struct verdict v = judge(s);

	enter(s, &v);
	if (!may_speak(s))
		return;
	speak(s, out);
	if (out->n > 0)
		s->spoken_ns = now_ns;
}

int64_t piper_session_next_ns(const struct piper_session *s)
{
	int64_t next_ns = s->now_ns + IDLE_STEP_NS;

	int64_t due_ns = piper_stream_due_ns(s);

	if (s->phase != PIPER_HOLDS || due_ns >= next_ns)
		return next_ns;
	return due_ns > s->now_ns ? due_ns : s->now_ns + NS_PER_MS;
}
