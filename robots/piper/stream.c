/* stream.c - the targets of a PiPER: the mode and six joints, setup->rate_hz times a second. See session.h.
 *
 * Every target is within the joints' range and near the one before: neither planned motion nor high-follow shall be given a step,
 * whatever the threads between here and control do. */
#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "robots/piper/session_parts.h"

static const double FIRST_RAD = 0.02;          /* from where it is held: messages.md, the first target */
static const double FAST = 1.5;                /* of the model's speed: no command goes further in its time */
/* That time: two periods of control, to a stall of a host. */
static const int64_t LEAP_MIN_NS = 10 * NS_PER_MS, LEAP_MAX_NS = 100 * NS_PER_MS;
static const double CATCH_UP = 1.25;           /* of the model's speed: what is sent goes no faster */
static const double RANGE_TOLERANCE_RAD = 1e-4; /* a target's rounding; the target itself is brought inside */
#define CONTROL_NS (5 * NS_PER_MS)             /* control's period, as the driver's table says */
static const int64_t FAILING_NS = 50 * NS_PER_MS, ANEW_NS = 100 * NS_PER_MS;

int64_t piper_stream_period_ns(const struct piper_session *s)
{
	return NS_PER_S / (s->setup->rate_hz ? s->setup->rate_hz : 1);
}

static double clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

void piper_stream_begin(struct piper_session *s)
{
	struct piper_stream *t = &s->stream;
	double q_rad[PIPER_JOINTS];

	piper_feedback_q(&s->feedback, q_rad);
	*t = (struct piper_stream){ .due_ns = s->now_ns, .target_ns = s->now_ns, .has_target = true, .anew_ns = t->anew_ns };
	for (int j = 0; j < PIPER_JOINTS; j++)
		t->target_rad[j] = t->before_rad[j] = clamp(q_rad[j], s->q_min_rad[j], s->q_max_rad[j]);
}

/* ---- commands ---- */

/* Written so that NaN is void. */
static bool in_range(const struct piper_session *s, const double q_rad[PIPER_JOINTS])
{
	for (int j = 0; j < PIPER_JOINTS; j++)
		if (!(q_rad[j] >= s->q_min_rad[j] - RANGE_TOLERANCE_RAD && q_rad[j] <= s->q_max_rad[j] + RANGE_TOLERANCE_RAD))
			return false;
	return true;
}

static bool leaps(const struct piper_session *s, const double q_rad[PIPER_JOINTS], int64_t now_ns)
{
	const struct piper_stream *t = &s->stream;
	const double *from_rad = t->has_command ? t->command_rad : t->target_rad;
	int64_t time_ns = now_ns - t->command_ns;

	time_ns = time_ns < LEAP_MIN_NS ? LEAP_MIN_NS : time_ns > LEAP_MAX_NS ? LEAP_MAX_NS : time_ns;
	for (int j = 0; j < PIPER_JOINTS; j++) {
		double most_rad = t->has_command ? FAST * s->setup->model.dq_max_rad_s[j] * (double)time_ns * 1e-9 : FIRST_RAD;

		if (!(fabs(q_rad[j] - from_rad[j]) <= most_rad))
			return true;
	}
	return false;
}

/* Control begins anew where the arm is held; its commands that are under way meanwhile are no new reason. */
static void begin_anew(struct piper_session *s, int64_t now_ns)
{
	s->counters.leaps++;
	s->stream.has_command = false;
	if (now_ns - s->stream.anew_ns < ANEW_NS)
		return;
	s->stream.anew_ns = now_ns;
	s->generation++;
}

void piper_session_command(struct piper_session *s, const struct robot_command *c, int64_t now_ns)
{
	struct piper_stream *t = &s->stream;

	if (s->phase != PIPER_HOLDS || !c->hold || !piper_session_engaged(s, now_ns)) {
		t->has_command = t->refused = false;
		return;
	}
	piper_grip_command(&s->grip, c);
	t->refused = !in_range(s, c->q_rad);
	if (t->refused) {
		s->counters.void_commands++;
		return;
	}
	if (leaps(s, c->q_rad, now_ns)) {
		begin_anew(s, now_ns);
		return;
	}
	t->has_command = true;
	t->commands++;
	t->command_ns = now_ns;
	t->command_mark = c->mark;
	memcpy(t->command_rad, c->q_rad, sizeof t->command_rad);
}

/* ---- targets ---- */

void piper_stream_say_mode(const struct piper_session *s, struct piper_outbox *out)
{
	const struct piper_message m = { .kind = PIPER_MODE, .mode = { .control = PIPER_CAN, .move = PIPER_MOVE_J,
		.speed_percent = (uint8_t)s->setup->speed_percent,
		.follow = s->setup->follow == PIPER_FOLLOW_CHOICE_HIGH ? PIPER_FOLLOW_MIT : PIPER_FOLLOW_PLANNED } };

	(void)!piper_session_say(s, out, &m);
}

/* Whatever a rounding or a caller may have left, no frame is out of range. */
static int32_t mdeg(const struct piper_session *s, int j)
{
	int32_t raw = 0;

	(void)!piper_mdeg_from_rad(clamp(s->stream.target_rad[j], s->q_min_rad[j], s->q_max_rad[j]), &raw);
	return raw;
}

void piper_stream_say_target(const struct piper_session *s, struct piper_outbox *out)
{
	for (int i = 0; i < 3; i++) {
		const struct piper_message m = { .kind = PIPER_JOINT_TARGET, .index = (uint32_t)i,
			.pair = { { mdeg(s, 2 * i), mdeg(s, 2 * i + 1) } } };

		(void)!piper_session_say(s, out, &m);
	}
}

static void advance(struct piper_session *s)
{
	struct piper_stream *t = &s->stream;
	int64_t period_ns = piper_stream_period_ns(s), time_ns = s->now_ns - t->target_ns;
	bool clamped = false;

	time_ns = time_ns < period_ns ? period_ns : time_ns > 2 * period_ns ? 2 * period_ns : time_ns;
	memcpy(t->before_rad, t->target_rad, sizeof t->before_rad);
	for (int j = 0; j < PIPER_JOINTS && t->has_command; j++) {
		double most_rad = CATCH_UP * s->setup->model.dq_max_rad_s[j] * (double)time_ns * 1e-9;
		double way_rad = clamp(t->command_rad[j], s->q_min_rad[j], s->q_max_rad[j]) - t->target_rad[j];

		clamped |= fabs(way_rad) > most_rad;
		t->target_rad[j] += clamp(way_rad, -most_rad, most_rad);
	}
	s->counters.clamped += clamped;
}

static void speak_gripper(struct piper_session *s, struct piper_outbox *out)
{
	struct piper_message m = { .kind = PIPER_GRIPPER_TARGET };

	if (piper_grip_speak(&s->grip, s->setup, &s->feedback, s->now_ns, &m.gripper_target))
		(void)!piper_session_say(s, out, &m);
}

bool piper_session_follows(const struct piper_session *s)
{
	const struct piper_status *status = &s->feedback.status;
	bool mit = status->move == PIPER_MOVE_M || status->move == PIPER_MOVE_M_8;

	return status->control == PIPER_CAN && (status->move == PIPER_MOVE_J || (mit && s->setup->follow == PIPER_FOLLOW_CHOICE_HIGH));
}

bool piper_session_engaged(const struct piper_session *s, int64_t now_ns)
{
	const struct piper_feedback *f = &s->feedback;

	return s->phase == PIPER_HOLDS && piper_news_fresh(&f->joints.news, now_ns, PIPER_STALE_NS) &&
			piper_news_fresh(&f->status_news, now_ns, PIPER_STALE_NS) && now_ns - s->stream.target_ns <= PIPER_STALE_NS &&
			!s->leapt && piper_session_follows(s) && !(s->failures > 0 && now_ns - s->failing_ns >= FAILING_NS);
}

/* What has to be heard before anything is said: the arm is there, and under our control. The mode is ours to say. */
static bool may_stream(const struct piper_session *s)
{
	const struct piper_feedback *f = &s->feedback;

	return piper_news_fresh(&f->joints.news, s->now_ns, PIPER_STALE_NS) && piper_news_fresh(&f->status_news, s->now_ns, PIPER_STALE_NS) &&
			f->status.control == PIPER_CAN && piper_session_steady(s) && !s->leapt;
}

/* Control's period and this one are clocks of two threads. Where both strike at once, one target would be one command after the last and
 * the next three, and the arm be sent speeds that nobody wants: so commands are counted, and the time counts when none come. */
static bool has_its_command(const struct piper_session *s)
{
	const struct piper_stream *t = &s->stream;

	return t->has_command && t->commands * CONTROL_NS >= piper_stream_period_ns(s);
}

int64_t piper_stream_due_ns(const struct piper_session *s)
{
	const struct piper_stream *t = &s->stream;
	int64_t none_ns = t->command_ns + 2 * CONTROL_NS;

	if (has_its_command(s))
		return t->command_ns;
	return t->has_command && none_ns > t->due_ns ? none_ns : t->due_ns;
}

void piper_stream_speak(struct piper_session *s, struct piper_outbox *out)
{
	struct piper_stream *t = &s->stream;
	int64_t period_ns = piper_stream_period_ns(s);

	if (s->now_ns < piper_stream_due_ns(s))
		return;
	t->due_ns = !has_its_command(s) && s->now_ns - t->due_ns < period_ns ? t->due_ns + period_ns : s->now_ns + period_ns;
	t->commands = 0;
	if (!may_stream(s))
		return;
	advance(s);
	piper_stream_say_mode(s, out);
	piper_stream_say_target(s, out);
	speak_gripper(s, out);
	t->sending = true;
	t->target_mark = t->has_command ? t->command_mark : 0;
	t->target_ns = s->now_ns;
}
