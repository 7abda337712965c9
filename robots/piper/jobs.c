/* jobs.c - what an operator asks of a PiPER: motors on and off, emergency stop, and what ends one. See session.h. Frames that switch,
 * stop or resume are sent from here and nowhere else, each again and again until the arm says that it was heard. */
#include "daemon/sys/clock.h"
#include "robots/piper/session_parts.h"

static const int64_t AGAIN_NS = 100 * NS_PER_MS, SWITCH_MAX_NS = 10 * NS_PER_S;
/* A resume that was heard takes the power 0.73 s later, and one more meanwhile begins that anew (measured: piper_control, pull request 87). */
static const int64_t RESUME_AGAIN_NS = 200 * NS_PER_MS, CUT_MAX_NS = 2 * NS_PER_S, RESUME_MAX_NS = 6 * NS_PER_S;
static const int64_t STOP_SOON_NS = 20 * NS_PER_MS, STOP_HASTE_NS = 200 * NS_PER_MS; /* so often, for so long; then every AGAIN_NS */

void piper_session_fail(struct piper_session *s, enum piper_trouble why)
{
	s->failed = why;
	s->job = (struct piper_job){ .kind = PIPER_JOB_NONE };
}

static void finish(struct piper_session *s)
{
	piper_session_fail(s, PIPER_TROUBLE_NONE);
}

/* Whether something is to be sent now: at once, and again after again_ns. */
static bool due(struct piper_session *s, int64_t again_ns)
{
	struct piper_job *j = &s->job;

	if (j->sent && s->now_ns - j->sent_ns < again_ns)
		return false;
	j->sent = true;
	j->sent_ns = s->now_ns;
	return true;
}

/* Motors one by one: 7 would switch the gripper's too on some arms. */
static void say_motors(const struct piper_session *s, struct piper_outbox *out, uint8_t which, uint8_t action)
{
	for (uint8_t j = 0; j < PIPER_JOINTS; j++) {
		const struct piper_message m = { .kind = PIPER_ENABLE, .enable = { (uint8_t)(j + 1), action } };

		if (which >> j & 1)
			(void)!piper_session_say(s, out, &m);
	}
}

/* ---- on ---- */

/* Under control, in the mode that was asked for, by a status that came after that. */
static bool taken(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;

	return s->job.takes && f->status_news.count > s->job.statuses + 1 && piper_session_follows(s) && piper_session_steady(s);
}

/* The target before the mode, so that no older one counts, and behind it, for arms that take targets only in the mode they are for. */
static void take_control(struct piper_session *s, struct piper_outbox *out)
{
	bool first = !s->job.takes;

	if (s->leapt || !piper_news_fresh(&s->feedback.joints.news, s->now_ns, PIPER_STALE_NS))
		return;
	if (first) {
		s->job.takes = true;
		s->job.sent = false;
		s->job.statuses = s->feedback.status_news.count;
	}
	if (!due(s, AGAIN_NS))
		return;
	piper_stream_begin(s);
	piper_stream_say_target(s, out);
	piper_stream_say_mode(s, out);
	piper_stream_say_target(s, out);
}

/* The stream's next target is a period away, the arm's commands begin where it was taken. */
static void enabled(struct piper_session *s)
{
	finish(s);
	piper_grip_enable(&s->grip);
}

/* Still under CAN control, as after a disable: no older target may count when the power comes. */
static void switch_on(struct piper_session *s, struct piper_outbox *out, uint8_t which)
{
	if (!due(s, AGAIN_NS))
		return;
	if (s->feedback.status.control == PIPER_CAN) {
		piper_stream_begin(s);
		piper_stream_say_target(s, out);
	}
	say_motors(s, out, which, PIPER_ENABLE_MOTOR);
}

static void speak_enable(struct piper_session *s, struct piper_outbox *out)
{
	uint8_t on = piper_motors_on(&s->feedback);

	if (!piper_session_inside(s))
		piper_session_fail(s, PIPER_TROUBLE_OUTSIDE_LIMITS);
	else if (s->now_ns - s->job.begun_ns >= SWITCH_MAX_NS)
		piper_session_fail(s, PIPER_TROUBLE_NOT_ENABLED);
	else if (on != PIPER_ALL) {
		s->job.takes = false;
		switch_on(s, out, (uint8_t)~on);
	} else if (taken(s))
		enabled(s);
	else
		take_control(s, out);
}

/* ---- off ---- */

static void speak_disable(struct piper_session *s, struct piper_outbox *out)
{
	uint8_t off = piper_motors_off(&s->feedback);
	struct piper_message gripper = { .kind = PIPER_GRIPPER_TARGET };

	if (off == PIPER_ALL) {
		finish(s);
		return;
	}
	if (s->now_ns - s->job.begun_ns >= SWITCH_MAX_NS) {
		piper_session_fail(s, PIPER_TROUBLE_NOT_DISABLED);
		return;
	}
	if (!due(s, AGAIN_NS))
		return;
	say_motors(s, out, (uint8_t)~off, PIPER_DISABLE_MOTOR);
	if (!s->setup->has_gripper)
		return;
	gripper.gripper_target = piper_grip_off(s->setup, &s->feedback);
	(void)!piper_session_say(s, out, &gripper);
}

/* ---- stop and resume ---- */

/* The mode is standby and no stop, by two statuses that came after it was asked for. */
static bool resume_heard(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;

	return s->job.sent && f->status_news.count > s->job.statuses + 1 && f->status.state != PIPER_ARM_EMERGENCY_STOP &&
			f->status.control == PIPER_STANDBY && piper_session_steady(s);
}

static void speak_resume(struct piper_session *s, struct piper_outbox *out)
{
	const struct piper_message m = { .kind = PIPER_STOP, .stop = { .emergency = PIPER_STOP_RESUME } };

	bool standby = resume_heard(s);

	s->job.heard |= standby;
	if (standby && piper_motors_off(&s->feedback) == PIPER_ALL) {
		s->differs = false;
		finish(s);
		return;
	}
	if (s->now_ns - s->job.begun_ns >= RESUME_MAX_NS) {
		piper_session_fail(s, PIPER_TROUBLE_NOT_RESUMED);
		return;
	}
	if (!s->job.sent)
		s->job.statuses = s->feedback.status_news.count;
	if (due(s, s->job.heard ? CUT_MAX_NS : RESUME_AGAIN_NS))
		(void)!piper_session_say(s, out, &m);
}

void piper_job_speak(struct piper_session *s, struct piper_outbox *out)
{
	switch (s->job.kind) {
	case PIPER_JOB_ENABLE: speak_enable(s, out); return;
	case PIPER_JOB_DISABLE: speak_disable(s, out); return;
	case PIPER_JOB_RESUME: speak_resume(s, out); return;
	case PIPER_JOB_NONE: return;
	}
}

void piper_stop_speak(struct piper_session *s, struct piper_outbox *out)
{
	const struct piper_message m = { .kind = PIPER_STOP, .stop = { .emergency = PIPER_STOP_NOW } };
	bool haste = s->now_ns - s->stop_ns < STOP_HASTE_NS;

	if (s->stop_sent && s->now_ns - s->stop_sent_ns < (haste ? STOP_SOON_NS : AGAIN_NS))
		return;
	if (!s->stop_sent)
		s->stop_statuses = s->feedback.status_news.count;
	s->stop_sent = true;
	s->stop_sent_ns = s->now_ns;
	(void)!piper_session_say(s, out, &m);
}
