/* ctl_arm.c - what an operator asks of one arm, at the arm's own door: recover, enable, disable, home-gripper. The arm answers at once;
 * what becomes of it shows in its state, which is watched for a while. */
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "daemon/sys/clock.h"
#include "transport/message/message.h"

#define WATCH_PERIOD_NS (100 * NS_PER_MS)
#define SETTLE_NS (2 * NS_PER_S) /* so long a state that is no success has to last before it is believed */
#define REST_NS (1500 * NS_PER_MS)

static const double FINGERS_M = 0.001; /* less is no motion of theirs */

enum verdict { VERDICT_WAIT, VERDICT_DONE, VERDICT_FAILED };

/* What an arm says, at one moment. */
struct sight {
	struct message_state state;
	bool brakes;           /* it stands without power */
	bool limp;             /* no motor of it has power */
};

/* What was seen of the gripper since it was asked. */
struct fingers {
	bool seen, moved;
	bool failed_before;    /* their homing had failed when it was asked for, and nothing else was said since */
	int64_t asked_ns;
	double widest_m, rest_m;
	int64_t rest_ns;       /* since when it is at rest_m */
};

/* One of the commands. */
struct deed {
	const char *command;   /* on the wire */
	const char *warning;   /* what a person has to agree to, after "Arm NAME is MODE. It "; NULL: nothing */
	bool confirms;         /* the arm wants to hear that a person has agreed, or --yes has */
	bool is_of_arm;        /* another mode of the arm says what became of it */
	int64_t patience_ns;
	enum verdict (*judge)(const struct sight *s, const struct fingers *f, int64_t now_ns);
	const char *done;      /* said at the end */
	bool drives;           /* it takes targets then */
};

static bool is_ready(const struct message_state *s)
{
	return s->state.mode == ARM_READY || s->state.mode == ARM_MOVING;
}

static enum verdict judge_ready(const struct sight *s, const struct fingers *f, int64_t now_ns)
{
	(void)f;
	(void)now_ns;
	return is_ready(&s->state) ? VERDICT_DONE : VERDICT_WAIT;
}

/* Motors that are still being switched off hold the arm: whoever holds it too may not let go yet. */
static enum verdict judge_disabled(const struct sight *s, const struct fingers *f, int64_t now_ns)
{
	(void)f;
	(void)now_ns;
	return (s->brakes ? !is_ready(&s->state) : s->limp) ? VERDICT_DONE : VERDICT_WAIT;
}

static bool has_homing_failed(const struct message_state *s)
{
	return strcmp(s->words.trouble, "hand_homing_failed") == 0;
}

static void watch_fingers(struct fingers *f, const struct message_state *s, int64_t now_ns)
{
	double m = s->state.gripper_m;

	f->failed_before = f->failed_before && has_homing_failed(s);
	if (!s->state.has_gripper)
		return;
	if (!f->seen || m > f->rest_m + FINGERS_M || m < f->rest_m - FINGERS_M) {
		f->moved = f->seen;
		f->rest_m = m;
		f->rest_ns = now_ns;
	}
	f->widest_m = f->seen && f->widest_m > m ? f->widest_m : m;
	f->seen = true;
}

/* Homing closes the fingers, and ends with them at rest as wide as they go; no message says that it has ended well. */
static enum verdict judge_homed(const struct sight *sight, const struct fingers *f, int64_t now_ns)
{
	const struct message_state *s = &sight->state;

	if (has_homing_failed(s) && (!f->failed_before || now_ns - f->asked_ns > SETTLE_NS))
		return VERDICT_FAILED;
	bool rests = f->moved && now_ns - f->rest_ns >= REST_NS && f->rest_m >= f->widest_m - FINGERS_M;

	return rests && s->state.has_gripper && strcmp(s->words.trouble, "hand_not_homed") != 0 ? VERDICT_DONE : VERDICT_WAIT;
}

static const struct deed recover = {
	.command = "recover",
	.warning = "will let go of its error and hold itself again where it stands. Is the way free, and nobody at the arm?",
	.confirms = true,
	.is_of_arm = true,
	.patience_ns = 35 * NS_PER_S, /* a Franka's recovery takes up to 30 s */
	.judge = judge_ready,
	.drives = true,
};

/* An arm whose errors end with its power, which it may cut some time after it has heard that: it falls then, and is switched on again by
 * `enable`. */
static enum verdict judge_let_go(const struct sight *s, const struct fingers *f, int64_t now_ns)
{
	const char *trouble = s->state.words.trouble;

	(void)f;
	(void)now_ns;
	return s->limp && s->state.state.mode == ARM_IDLE && strcmp(trouble, "resuming") != 0 && strcmp(trouble, "not_resumed") != 0 ?
			VERDICT_DONE : VERDICT_WAIT;
}

static const struct deed recover_unbraked = {
	.command = "recover",
	.warning = "has no brakes: its power is cut for that, and it FALLS. Do you HOLD it, and is everybody else away from it?",
	.confirms = true,
	.is_of_arm = true,
	.patience_ns = 8 * NS_PER_S, /* a PiPER gives up after 6 s */
	.judge = judge_let_go,
	.done = "it is off until `dreamvlactl enable`",
};

static const struct deed enable = { .command = "enable", .is_of_arm = true, .patience_ns = 12 * NS_PER_S, .judge = judge_ready,
	.drives = true };

static const struct deed disable = {
	.command = "disable",
	.warning = "will be switched off: one without brakes DROPS. Is it held, or does it rest on something?",
	.confirms = true,
	.patience_ns = 12 * NS_PER_S, /* a PiPER gives up after 10 s */
	.judge = judge_disabled,
	.done = "it takes no targets before `dreamvlactl enable`",
};

static const struct deed home_gripper = {
	.command = "home_gripper",
	.warning = "will close its gripper, open it all the way, and let go of what it holds. Is it empty, and are all fingers out of it?",
	.patience_ns = 35 * NS_PER_S, /* the driver gives up after 30 s, and then says so */
	.judge = judge_homed,
	.done = "the gripper knows its range, and is open",
};

/* ---- which arm --------------------------------------------------------------------------------------------------- */

uint32_t ctl_learn_arms(const struct ctl *ctl, struct ctl_door door[ARMS_MAX])
{
	struct message_status s;
	struct ctl_answer a;
	struct map_builder request;
	uint8_t bytes[64];
	struct errbuf e;

	request_begin(&request, bytes, sizeof bytes, "status");
	if (ctl_ask(ctl, &ctl->daemon, &request, CTL_STOP_TIMEOUT_MS, &a, &e) < 0 || !a.reply.ok ||
			message_status_decode_reply(&s, a.bytes, a.n, &e) < 0)
		return 0;
	for (uint32_t i = 0; i < s.n_arms; i++) {
		snprintf(door[i].name, sizeof door[i].name, "%.*s", CONFIG_NAME_BYTES - 1, ctl_clean(s.arm[i].name));
		snprintf(door[i].remedy, sizeof door[i].remedy, "its address is dreamvlad's; --config FILE names another");
		strcpy(door[i].program, "dreamvla-arm");
		ctl_set_address(&door[i], s.arm[i].control, ctl->daemon.address);
	}
	return s.n_arms;
}

/* The arms of the configuration, else those that dreamvlad knows, else the default address. */
static uint32_t known_arms(const struct ctl *ctl, struct ctl_door door[ARMS_MAX])
{
	uint32_t n = ctl->knows_arms ? 0 : ctl_learn_arms(ctl, door);

	_Static_assert((int)CONFIG_ROBOTS_MAX <= (int)ARMS_MAX, "a place for every configured arm");
	if (n > 0)
		return n;
	memcpy(door, ctl->arm, ctl->n_arms * sizeof *door);
	return ctl->n_arms;
}

/* NULL: none, or it is not clear which; said already. */
static const struct ctl_door *choose(const struct ctl *ctl, const char *name, struct ctl_door door[ARMS_MAX])
{
	uint32_t n = known_arms(ctl, door);
	char names[ARMS_MAX * (CONFIG_NAME_BYTES + 1)] = "";
	size_t used = 0;

	if (!name && n == 1)
		return &door[0];
	for (uint32_t i = 0; i < n; i++) {
		if (name && strcmp(door[i].name, name) == 0)
			return &door[i];
		if (used < sizeof names)
			used += (size_t)snprintf(names + used, sizeof names - used, " %.31s", door[i].name);
	}
	if (n == 0)
		ctl_fail(ctl, "no arm is known: dreamvlad does not answer at %s, and no --config FILE names the arms", ctl->daemon.address);
	else
		ctl_fail(ctl, "%s%s: want one of the arms:%s", name ? "no arm is called " : "which arm?", name ? name : "", names);
	return NULL;
}

/* ---- asking and watching ----------------------------------------------------------------------------------------- */

/* What the arm does not say of its power stays. */
static int look(const struct ctl *ctl, const struct ctl_door *door, struct sight *s, struct errbuf *e)
{
	struct map_builder request;
	struct ctl_answer a;
	uint8_t bytes[64];

	request_begin(&request, bytes, sizeof bytes, "status");
	int rc = ctl_ask(ctl, door, &request, CTL_TIMEOUT_MS, &a, e);
	if (rc < 0)
		return rc;
	(void)reply_bool(a.bytes, a.n, "brakes", &s->brakes);
	(void)reply_bool(a.bytes, a.n, "limp", &s->limp);
	return message_state_decode_reply(&s->state, a.bytes, a.n, e);
}

/* "reflex (joint_reflex)" */
static void words_of(struct message_state *s, char *out, size_t capacity)
{
	size_t n = (size_t)snprintf(out, capacity, "%s", arm_mode_name(s->state.mode)), first = n;

	for (uint32_t i = 0; i < s->words.n_errors && n < capacity; i++)
		if (strcmp(s->words.error[i], arm_mode_name(s->state.mode)) != 0)
			n += (size_t)snprintf(out + n, capacity - n, "%s%s", n > first ? ", " : " (", ctl_clean(s->words.error[i]));
	if (s->words.n_errors == 0 && s->words.trouble[0] && n < capacity)
		n += (size_t)snprintf(out + n, capacity - n, " (%s", ctl_clean(s->words.trouble));
	if (n > first && n < capacity)
		snprintf(out + n, capacity - n, ")");
}

static bool is_confirmed(const struct deed *d, const struct ctl_door *door, struct message_state *s)
{
	char line[16], words[MESSAGE_TEXT_BYTES];

	words_of(s, words, sizeof words);
	fprintf(stderr, "Arm %s is %s. It %s [y/N] ", door->name, words, d->warning);
	return fgets(line, sizeof line, stdin) && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0);
}

/* 0, or an exit code. */
static int ask(const struct ctl *ctl, const struct deed *d, const struct ctl_door *door)
{
	struct map_builder request;
	struct ctl_answer a;
	struct errbuf e = { "" };
	uint8_t bytes[64];

	request_begin(&request, bytes, sizeof bytes, d->command);
	if (d->confirms)
		map_add_bool(&request, "confirm", true);
	if (ctl_ask(ctl, door, &request, CTL_TIMEOUT_MS, &a, &e) < 0)
		return ctl_fail(ctl, "%s", e.text);
	return a.reply.ok ? CTL_OK : ctl_report(ctl, &a);
}

static void tell_change(const struct ctl *ctl, struct message_state *s, char before[MESSAGE_TEXT_BYTES])
{
	char words[MESSAGE_TEXT_BYTES];

	words_of(s, words, sizeof words);
	if (!ctl->json && strcmp(words, before) != 0)
		printf("%s\n", words);
	fflush(stdout);
	memcpy(before, words, sizeof words);
}

/* The arm says that it could not do what it was asked for. */
static bool says_so(const struct message_state *s)
{
	static const char *const words[] = { "recovery_refused", "not_enabled", "not_disabled", "not_resumed" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(s->words.trouble, words[i]) == 0)
			return true;
	return false;
}

/* What the arm said before it was asked is believed after SETTLE_NS only. */
static bool has_failed(const struct message_state *first, const struct message_state *s, int64_t time_ns)
{
	return says_so(s) && (strcmp(s->words.trouble, first->words.trouble) != 0 || time_ns > SETTLE_NS);
}

/* Not what was wished for, and not on its way there: in another such mode for SETTLE_NS. */
static bool is_hopeless(const struct deed *d, const struct message_state *s, int64_t since_ns, int64_t now_ns)
{
	if (!d->is_of_arm)
		return false;
	return s->state.mode != ARM_REFLEX && s->state.mode != ARM_ESTOP && s->state.mode != ARM_IDLE && !is_ready(s) &&
			now_ns - since_ns > SETTLE_NS;
}

/* Until the deed is done, fails, or takes too long; *s is the newest state, and e says why there is no newer one. */
static enum verdict watch(const struct ctl *ctl, const struct deed *d, const struct ctl_door *door, const struct message_state *first,
		struct sight *sight, struct errbuf *e)
{
	int64_t begun_ns = clock_monotonic_ns(), since_ns = begun_ns, now_ns = begun_ns;
	enum arm_mode mode = first->state.mode;
	struct fingers fingers = { .failed_before = has_homing_failed(first), .asked_ns = begun_ns };
	struct message_state *s = &sight->state;
	char said[MESSAGE_TEXT_BYTES] = "";

	watch_fingers(&fingers, first, now_ns);
	for (; now_ns - begun_ns < d->patience_ns; now_ns = clock_monotonic_ns()) {
		clock_sleep_until(now_ns + WATCH_PERIOD_NS);
		if (look(ctl, door, sight, e) < 0)
			continue;
		e->text[0] = '\0';
		tell_change(ctl, s, said);
		if (s->state.mode != mode)
			since_ns = now_ns;
		mode = s->state.mode;
		watch_fingers(&fingers, s, now_ns);
		enum verdict v = d->judge(sight, &fingers, now_ns);
		if (has_failed(first, s, now_ns - begun_ns) || is_hopeless(d, s, since_ns, now_ns))
			return VERDICT_FAILED;
		if (v != VERDICT_WAIT)
			return v;
	}
	return VERDICT_WAIT;
}

static const char *who_drives(const struct message_state *s)
{
	return s->state.accepted_from ? "somebody is attached to it: `dreamvlactl status` says what it does" :
			"where `dreamvlactl status` says that it is not attached, `dreamvlactl reset` attaches it; nothing moves before `dreamvlactl mode auto`";
}

static int tell_end(const struct ctl *ctl, const struct deed *d, const struct ctl_door *door, enum verdict v, struct message_state *s)
{
	char words[MESSAGE_TEXT_BYTES];

	words_of(s, words, sizeof words);
	if (ctl->json && v == VERDICT_DONE)
		return ctl_json_print(ctl, json_pack("{s:b, s:s, s:s}", "ok", 1, "arm", door->name, "mode", arm_mode_name(s->state.mode)));
	if (v != VERDICT_DONE)
		return ctl_fail(ctl, "%s: arm %s %s: it is %s%s%s", d->command, door->name,
				v == VERDICT_FAILED ? "did not get there" : "took too long", words, s->words.remedy[0] ? ": " : "",
				ctl_clean(s->words.remedy));
	printf("arm %s: done; %s\n", door->name, d->drives ? who_drives(s) : d->done);
	return CTL_OK;
}

static int run(const struct ctl *ctl, const struct deed *d, const char *name)
{
	struct ctl_door doors[ARMS_MAX];
	const struct ctl_door *door = choose(ctl, name, doors);
	struct message_state first;
	struct sight s = { .brakes = true };
	struct errbuf e = { "" };

	if (!door)
		return CTL_FAILED;
	if (look(ctl, door, &s, &e) < 0)
		return ctl_fail(ctl, "%s", e.text);
	bool mends = d == &recover;

	if (mends && !s.brakes)
		d = &recover_unbraked;
	first = s.state;
	if (mends && !ctl->yes && is_ready(&first)) /* nobody has to be frightened for nothing */
		return ctl_fail(ctl, "%s: arm %s is %s: there is nothing to recover from, nothing was sent", d->command, door->name,
				arm_mode_name(first.state.mode));
	if (d->warning && !ctl->yes && !is_confirmed(d, door, &s.state))
		return ctl_fail(ctl, "%s: not confirmed, nothing was sent", d->command);
	int code = ask(ctl, d, door);
	if (code != CTL_OK)
		return code;
	enum verdict v = watch(ctl, d, door, &first, &s, &e);
	return e.text[0] ? ctl_fail(ctl, "%s: %s", d->command, e.text) : tell_end(ctl, d, door, v, &s.state);
}

int ctl_run_recover(const struct ctl *ctl, int n, char **argument)
{
	return run(ctl, &recover, n > 0 ? argument[0] : NULL);
}

int ctl_run_enable(const struct ctl *ctl, int n, char **argument)
{
	return run(ctl, &enable, n > 0 ? argument[0] : NULL);
}

int ctl_run_disable(const struct ctl *ctl, int n, char **argument)
{
	return run(ctl, &disable, n > 0 ? argument[0] : NULL);
}

int ctl_run_home_gripper(const struct ctl *ctl, int n, char **argument)
{
	return run(ctl, &home_gripper, n > 0 ? argument[0] : NULL);
}
