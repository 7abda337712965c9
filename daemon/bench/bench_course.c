/* bench_course.c - see bench_course.h. */
#include "daemon/bench/bench_course.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"

#define LOOK_NS (100 * NS_PER_MS)
#define PAD_NS (20 * NS_PER_MS)
#define SHOW_NS (2 * NS_PER_S)          /* what was done, before the next sentence */
#define CHANGE_NS (8 * NS_PER_S)        /* at most until the arm, with an empty hand, has moved so far that the sentence changes */
#define CHANGE_M 0.15
#define INTERRUPT_NS (1200 * NS_PER_MS) /* the policy drives, before the person does */
#define CONNECT_NS NS_PER_S
#define TAKEOVER_NS NS_PER_S
#define VERDICT_NS (15 * NS_PER_S)      /* the world's own limit is 12 s; it says so */
#define LOWER_NS (4 * NS_PER_S)
#define OPEN_NS (700 * NS_PER_MS)
#define RAISE_NS (1500 * NS_PER_MS)
#define LET_GO_NS (300 * NS_PER_MS)
#define AUTO_NS (60 * NS_PER_S)
#define RETRY_NS (200 * NS_PER_MS)
enum { STEP_MS = 50, HOME_MS = 30000, TRIES = 2, ANSWER_BYTES = 32768 };
static const double lower_m_s = -0.08, raise_m_s = 0.12, lowest_m = 0.028, open_m = 0.08;

/* What is said, and instead once the arm moves; whether a person takes over. */
static const struct { const char *colour, *instead; bool person; } plan[DEMO_SENTENCES] = {
	{ "red", NULL, false }, { "green", "blue", false }, { "yellow", NULL, true },
};

/* ---- looking ----------------------------------------------------------------------------------------------------------------- */

static int look_at_arm(struct course *c, struct errbuf *e)
{
	struct session *s = c->session;
	uint8_t answer[ANSWER_BYTES];
	size_t n;
	int rc = session_ask(s, s->config.robot[0].control, "status", answer, sizeof answer, &n, e);

	return rc < 0 ? rc : message_state_decode_reply(&c->arm, answer, n, e);
}

static void show(struct course *c)
{
	view_show(&c->view, &(struct view_now){ .status = &c->session->status, .arm = &c->arm.state, .world = &c->world, .sentence = c->sentence,
			.chunks = c->run.newest.chunks - c->run.first.chunks });
}

/* Some milliseconds of all that goes on. */
static int step(struct course *c, struct errbuf *e)
{
	int rc = c->pad_is_open ? pad_step(&c->pad, clock_monotonic_ns() + PAD_NS, e) : 0;

	if (rc >= 0)
		rc = session_step(c->session, c->pad_is_open ? 0 : STEP_MS, e);
	if (rc == 1 && c->runs)
		rc = run_take(&c->run, e);
	if (rc < 0 || clock_monotonic_ns() < c->look_ns)
		return rc < 0 ? rc : 0;
	c->look_ns = clock_monotonic_ns() + LOOK_NS;
	if ((rc = world_ask(c->session, &c->world, e)) == 0 && (rc = look_at_arm(c, e)) == 0)
		show(c);
	return rc;
}

/* Until something is so, or its time is over: 1, 0 or -errno. `is` NULL: for that time. */
static int wait_for(struct course *c, int64_t patience_ns, bool (*is)(const struct course *c, const void *what), const void *what, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + patience_ns;

	while (clock_monotonic_ns() < until_ns) {
		int rc = step(c, e);

		if (rc < 0)
			return rc;
		if (is && is(c, what))
			return 1;
	}
	return 0;
}

static int pause_for(struct course *c, int64_t pause_ns, struct errbuf *e)
{
	return wait_for(c, pause_ns, NULL, NULL, e);
}

/* ---- telling ----------------------------------------------------------------------------------------------------------------- */

/* Into the recording and onto the screen. */
PRINTF_LIKE(3, 4) static int mark(struct course *c, struct errbuf *e, const char *format, ...)
{
	struct session *s = c->session;
	uint8_t request[REQUEST_BYTES_MAX], answer[ANSWER_BYTES];
	struct map_builder b;
	char text[VIEW_LINE_BYTES];
	size_t n;
	va_list a;

	va_start(a, format);
	vsnprintf(text, sizeof text, format, a);
	va_end(a);
	view_say(&c->view, text);
	request_begin(&b, request, sizeof request, "record");
	map_add_text(&b, "action", "mark");
	map_add_text(&b, "label", text);
	return session_call(s, s->config.sockets_control, &b, request, answer, sizeof answer, &n, e);
}

static void policy_begins(struct course *c)
{
	c->policy_since_ns = clock_monotonic_ns();
}

static void policy_ends(struct course *c)
{
	if (c->policy_since_ns)
		c->policy_s += (double)(clock_monotonic_ns() - c->policy_since_ns) / 1e9;
	c->policy_since_ns = 0;
}

static void write_sentence(const char *colour, char out[VIEW_LINE_BYTES])
{
	snprintf(out, VIEW_LINE_BYTES, "pick up the %s block", colour);
}

static int say(struct course *c, const char *colour, struct errbuf *e)
{
	char text[VIEW_LINE_BYTES];
	int rc = world_name(c->session, colour, e);

	write_sentence(colour, text);
	return rc < 0 ? rc : session_tell(c->session, "instruction", "text", text, e);
}

/* What dreamvlad refuses now it may grant soon: at the start the arm is attached and the first chunk computed. */
static int ask_until_granted(struct course *c, const char *command, const char *key, const char *text, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + AUTO_NS;
	struct errbuf why;
	int rc;

	while ((rc = session_tell(c->session, command, key, text, &why)) < 0 && clock_monotonic_ns() < until_ns)
		if ((rc = pause_for(c, RETRY_NS, e)) < 0)
			return rc;
	return rc == 0 ? 0 : fail(e, -ETIMEDOUT, "%s %s was not granted in time; missing last: %.700s", command, text, why.text);
}

/* AUTO with that sentence, and the world's clock for it starts. */
static int hand_to_policy(struct course *c, const char *colour, struct errbuf *e)
{
	char text[VIEW_LINE_BYTES];

	write_sentence(colour, text);
	int rc = ask_until_granted(c, "instruction", "text", text, e);

	if (rc == 0)
		rc = ask_until_granted(c, "mode", "mode", "auto", e);
	if (rc == 0)
		policy_begins(c);
	return rc == 0 ? world_name(c->session, colour, e) : rc;
}

/* ---- a person ---------------------------------------------------------------------------------------------------------------- */

static int press(struct course *c, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + TAKEOVER_NS;
	int rc = 0;

	policy_ends(c);
	c->pad.message.deadman = true;
	pad_send(&c->pad);
	const int64_t sent_ns = c->pad.sent_ns;

	while (rc >= 0 && clock_monotonic_ns() < until_ns) {
		rc = pad_step(&c->pad, until_ns, e);
		if (rc != 1 || c->pad.target.target.source != TARGET_TELEOP)
			continue;
		c->takeover_ms = fmax(c->takeover_ms, (double)(c->pad.target_ns - sent_ns) / 1e6);
		return 0;
	}
	return rc < 0 ? rc : fail(e, -ETIMEDOUT, "the person's take-over has had no effect");
}

static void move_hand(struct course *c, double up_m_s)
{
	memset(c->pad.message.value, 0, sizeof c->pad.message.value);
	c->pad.message.value[2] = up_m_s;
}

static bool is_low(const struct course *c, const void *unused)
{
	(void)unused;
	return c->arm.state.ee.p_m[2] <= lowest_m;
}

/* Down to the table if something is held, the fingers open, and up. */
static int put_down(struct course *c, struct errbuf *e)
{
	int rc = 0;

	if (*c->world.held) {
		move_hand(c, lower_m_s);
		rc = wait_for(c, LOWER_NS, is_low, NULL, e);
	}
	move_hand(c, 0);
	if (rc >= 0 && (rc = pause_for(c, LET_GO_NS, e)) == 0) {
		c->pad.message.gripper_m = open_m;
		rc = pause_for(c, OPEN_NS, e);
	}
	move_hand(c, raise_m_s);
	if (rc >= 0)
		rc = pause_for(c, RAISE_NS, e);
	move_hand(c, 0);
	return rc < 0 ? rc : pause_for(c, LET_GO_NS, e);
}

/* A person's device on the real interface; its dead-man is released. */
static int connect_pad(struct course *c, struct errbuf *e)
{
	int rc = pad_open(&c->pad, c->session, e);

	c->pad_is_open = rc == 0;
	return rc < 0 ? rc : pause_for(c, CONNECT_NS, e);
}

static void disconnect_pad(struct course *c)
{
	if (c->pad_is_open)
		pad_close(&c->pad);
	c->pad_is_open = false;
}

/* Out of whatever drives the arm. Ends in HOLD. */
static int person_helps(struct course *c, struct errbuf *e)
{
	int rc;

	c->pad.message.has_gripper = true;
	c->pad.message.gripper_m = c->arm.state.gripper_m;
	if ((rc = press(c, e)) == 0
			&& (rc = mark(c, e, "a person takes over: the arm is theirs after %.1f ms", c->takeover_ms)) == 0
			&& (rc = put_down(c, e)) == 0) {
		c->pad.message.deadman = false;
		rc = pause_for(c, LET_GO_NS, e);
	}
	disconnect_pad(c);
	return rc;
}

/* ---- sentences --------------------------------------------------------------------------------------------------------------- */

static bool is_on_its_way(const struct course *c, const void *from)
{
	const double *at = c->arm.state.ee.p_m, *was = from;

	return !*c->world.held && hypot(hypot(at[0] - was[0], at[1] - was[1]), at[2] - was[2]) >= CHANGE_M;
}

/* The verdict of the sentence that the world was told last. */
static bool is_judged(const struct course *c, const void *colour)
{
	return strcmp(c->world.colour, colour) == 0 && strcmp(c->world.verdict, "runs") != 0;
}

static bool has_left_auto(const struct course *c, const void *colour)
{
	return is_judged(c, colour) || strcmp(c->session->status.mode, "AUTO") != 0;
}

/* Whatever ends AUTO before the verdict does so with its reason, and an operator goes on. */
static int await_verdict(struct course *c, const char *colour, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + VERDICT_NS;
	int rc = pause_for(c, LOOK_NS, e);

	while (rc >= 0 && !is_judged(c, colour) && clock_monotonic_ns() < until_ns) {
		rc = wait_for(c, until_ns - clock_monotonic_ns(), has_left_auto, colour, e);
		if (rc == 1 && !is_judged(c, colour) && (rc = mark(c, e, "AUTO has ended: %.80s", c->session->status.reason)) == 0)
			rc = session_set_mode(c->session, "auto", &(struct errbuf){ 0 }) == 0 ? pause_for(c, NS_PER_S, e) : pause_for(c, LOOK_NS, e);
	}
	return rc < 0 ? rc : 0;
}

static int take_verdict(struct course *c, uint32_t i, const char *colour, struct errbuf *e)
{
	struct demo_sentence *s = &c->sentence[i];
	int rc = await_verdict(c, colour, e);

	if (rc < 0)
		return rc;
	s->tries++;
	s->done = strcmp(c->world.verdict, "done") == 0;
	s->took_s = c->world.took_s;
	snprintf(s->verdict, sizeof s->verdict, "%s", s->done ? "yes" : c->world.verdict);
	return mark(c, e, "picked up the %s block: %s, %.1f s", colour, s->done ? "yes" : "no", s->took_s);
}

/* After a sentence that came to nothing: the hand is opened, the arm goes home, and the policy is told once more. */
static int try_again(struct course *c, uint32_t i, const char *colour, struct errbuf *e)
{
	int rc = connect_pad(c, e);

	if (rc == 0)
		rc = person_helps(c, e);
	if (rc == 0 && (rc = mark(c, e, "sentence %u once more, from home", i + 1)) == 0)
		rc = session_wake_arms(c->session, HOME_MS, e);
	if (rc == 0 && (rc = hand_to_policy(c, colour, e)) == 0)
		rc = take_verdict(c, i, colour, e);
	return rc;
}

/* The sentence becomes another one while the arm moves for it. */
static int change(struct course *c, uint32_t i, struct errbuf *e)
{
	double from[3];

	memcpy(from, c->arm.state.ee.p_m, sizeof from);
	int rc = wait_for(c, CHANGE_NS, is_on_its_way, from, e);

	snprintf(c->sentence[i].text, sizeof c->sentence[i].text, "%u: \"%s block\", while moving: \"%s\"", i + 1, plan[i].colour, plan[i].instead);
	if (rc >= 0 && (rc = say(c, plan[i].instead, e)) == 0)
		rc = mark(c, e, "sentence %u is changed on the way: pick up the %s block", i + 1, plan[i].instead);
	return rc;
}

static int interrupt(struct course *c, const char *colour, struct errbuf *e)
{
	int rc = pause_for(c, INTERRUPT_NS, e);

	if (rc == 0)
		rc = person_helps(c, e);
	if (rc == 0 && (rc = mark(c, e, "the person hands back to the policy")) == 0)
		rc = hand_to_policy(c, colour, e);
	return rc;
}

static int carry_out(struct course *c, uint32_t i, struct errbuf *e)
{
	const char *colour = plan[i].colour;
	struct demo_sentence *s = &c->sentence[i];

	snprintf(s->text, sizeof s->text, "%u: pick up the %s block", i + 1, colour);
	snprintf(s->verdict, sizeof s->verdict, "...");
	int rc = plan[i].person ? connect_pad(c, e) : 0;

	if (rc == 0)
		rc = mark(c, e, "sentence %u: pick up the %s block", i + 1, colour);

	if (rc == 0 && i > 0) /* the first one came with AUTO */
		rc = say(c, colour, e);
	if (rc == 0 && plan[i].instead) {
		rc = change(c, i, e);
		colour = plan[i].instead;
	}
	if (rc == 0 && plan[i].person)
		rc = interrupt(c, colour, e);
	if (rc == 0)
		rc = take_verdict(c, i, colour, e);
	while (rc == 0 && !s->done && s->tries < TRIES)
		rc = try_again(c, i, colour, e);
	return rc < 0 ? rc : pause_for(c, SHOW_NS, e);
}

int course_run(struct course *c, struct session *s, FILE *out, struct errbuf *e)
{
	*c = (struct course){ .session = s };
	view_begin(&c->view, out);
	int rc = hand_to_policy(c, plan[0].colour, e);

	if (rc == 0)
		rc = run_begin(&c->run, s, e);
	c->runs = rc == 0;
	for (uint32_t i = 0; rc == 0 && i < DEMO_SENTENCES; i++)
		rc = carry_out(c, i, e);
	policy_ends(c);
	disconnect_pad(c);
	view_end(&c->view);
	return rc;
}

void course_numbers(const struct course *c, struct demo_numbers *n)
{
	const struct config *f = &c->session->config;
	int64_t per_chunk = f->execution_steps > 0 ? f->execution_steps : f->policy_action_chunk / 2;

	if (!c->runs)
		return;
	run_numbers(&c->run, n);
	n->has_sentences = true;
	memcpy(n->sentence, c->sentence, sizeof n->sentence);
	n->policy_s = c->policy_s;
	n->takeover_ms = c->takeover_ms > 0 ? c->takeover_ms : NAN;
	n->chunks_due = c->policy_s * f->policy_action_hz / (double)per_chunk;
	/* Of its own turns, not of the person's and the operator's. */
	n->auto_share = n->auto_share * n->seconds / c->policy_s;
}
