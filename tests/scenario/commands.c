/* commands.c - what a scenario can do at a time, and what it can expect. */
#include <math.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/virtual.h"

static int64_t from_ms(const struct arg *a)
{
	return (int64_t)(a->number * (double)NS_PER_MS);
}

/* ---- the operator --------------------------------------------------------------------------------------------------- */

static void ask_mode(struct stand *s, const struct arg *a)
{
	peers_ask(s, s->operator_door, "mode", "mode", a[0].text, 0.0);
}

static void ask_plain(struct stand *s, const struct arg *a)
{
	peers_ask(s, s->operator_door, a[0].text, NULL, NULL, 0.0);
}

static void ask_speed(struct stand *s, const struct arg *a)
{
	peers_ask(s, s->operator_door, "speed", "scale", NULL, a[0].number);
}

static void ask_jog(struct stand *s, const struct arg *a)
{
	peers_ask_jog(s, (double[6]){ a[0].number, a[1].number, a[2].number });
}

static void instruct(struct stand *s, const struct arg *a)
{
	peers_instruct(s, a[0].text);
}

/* ---- cameras ---------------------------------------------------------------------------------------------------------- */

static void camera_switch(struct stand *s, const struct arg *a)
{
	struct stand_camera *c = &s->camera[a[0].index];

	switch (a[1].text[0]) {
	case 'f': c->frozen = true; break; /* freeze */
	case 't': c->frozen = false; break; /* thaw */
	case 'o': c->on = a[1].text[1] == 'n'; break; /* on, off */
	case 'r': /* restart */
		c->from = virtual_random_u64() | 1;
		c->seq = 0;
		break;
	case 'd': c->second = true; break; /* double */
	default: c->second = false; break; /* single */
	}
}

static void camera_every(struct stand *s, const struct arg *a)
{
	s->camera[a[0].index].period_ns = a[1].number < 1.0 ? NS_PER_MS : from_ms(&a[1]);
}

static void camera_late(struct stand *s, const struct arg *a)
{
	s->camera[a[0].index].late_ns = from_ms(&a[1]);
}

/* ---- arms ------------------------------------------------------------------------------------------------------------- */

static void arm_ask(struct stand *s, const struct arg *a)
{
	peers_ask(s, s->arm_door[a[0].index], a[1].text, NULL, NULL, 0.0);
}

static void arm_mode_set(struct stand *s, const struct arg *a)
{
	static const struct {
		const char *name;
		enum arm_mode mode;
	} modes[] = { { "reflex", ARM_REFLEX }, { "guiding", ARM_GUIDING }, { "user_stopped", ARM_USER_STOPPED }, { "estop", ARM_ESTOP },
		{ "disconnected", ARM_DISCONNECTED }, { "idle", ARM_IDLE }, { "ready", ARM_READY } };

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(modes[i].name, a[1].text) == 0)
			s->arm[a[0].index].plant.mode = modes[i].mode;
}

static void arm_guide(struct stand *s, const struct arg *a)
{
	s->arm[a[0].index].plant.guided_rad_s = a[1].number;
}

static void arm_kill(struct stand *s, const struct arg *a)
{
	stand_arm_stop(s, a[0].index);
	s->arm[a[0].index].down_until_ns = s->now_ns + from_ms(&a[1]);
}

static void arm_replug(struct stand *s, const struct arg *a)
{
	s->arm[a[0].index].plant.generation++;
}

static void arm_jump(struct stand *s, const struct arg *a)
{
	s->arm[a[0].index].plant.measured_off_rad = a[1].number;
}

static void arm_taken(struct stand *s, const struct arg *a)
{
	peers_ask_attach(s, a[0].index);
}

static void rogue(struct stand *s, const struct arg *a)
{
	s->rogue = strcmp(a[0].text, "on") == 0;
}

/* ---- the policy --------------------------------------------------------------------------------------------------------- */

static void policy_latency(struct stand *s, const struct arg *a)
{
	s->script.latency_ns = from_ms(&a[0]);
}

static void policy_jitter(struct stand *s, const struct arg *a)
{
	s->script.jitter_ns = from_ms(&a[0]);
}

static void policy_hang(struct stand *s, const struct arg *a)
{
	s->script.hang_ns = from_ms(&a[0]);
}

static void policy_wrong(struct stand *s, const struct arg *a)
{
	uint32_t n = (uint32_t)a[1].number;

	switch (a[0].text[1]) {
	case 'a': s->script.nan = n; break;
	case 'o': s->script.lost = n; break;
	default: s->script.refuse = n; break;
	}
}

static void policy_breaks(struct stand *s, const struct arg *a)
{
	s->script.broken = strcmp(a[0].text, "breaks") == 0;
}

static void policy_noise(struct stand *s, const struct arg *a)
{
	s->script.noise_m = a[0].number;
}

/* ---- people's devices --------------------------------------------------------------------------------------------------- */

static struct stand_device *device_of(struct stand *s, const struct arg *a)
{
	s->device[a[0].index].on = true;
	return &s->device[a[0].index];
}

static void device_press(struct stand *s, const struct arg *a)
{
	struct stand_device *d = device_of(s, a);

	d->deadman = a[1].text[0] == 'p';
	d->next_ns = s->now_ns;
}

static void device_switch(struct stand *s, const struct arg *a)
{
	struct stand_device *d = device_of(s, a);

	if (strcmp(a[1].text, "silent") == 0)
		d->on = false;
	else if (strcmp(a[1].text, "restart") == 0)
		*d = (struct stand_device){ .from = virtual_random_u64() | 1, .on = true, .has_arm = d->has_arm, .arm = d->arm, .deadman = d->deadman };
	else if (strcmp(a[1].text, "doubled") == 0 || strcmp(a[1].text, "single") == 0)
		d->second = a[1].text[0] == 'd';
	else if (strcmp(a[1].text, "garbage") == 0 || strcmp(a[1].text, "clean") == 0)
		d->garbage = a[1].text[0] == 'g';
}

static void device_twist(struct stand *s, const struct arg *a)
{
	struct stand_device *d = device_of(s, a);

	d->follows = false;
	for (uint32_t i = 0; i < 6; i++)
		d->twist[i] = a[1 + i].number;
}

static void device_leads(struct stand *s, const struct arg *a)
{
	struct stand_device *d = device_of(s, a);

	d->follows = true;
	d->offset_rad = a[1].number;
}

static void device_ahead(struct stand *s, const struct arg *a)
{
	device_of(s, a)->ahead_ns = (int64_t)(a[1].number * (double)NS_PER_MS);
}

static void device_arm(struct stand *s, const struct arg *a)
{
	struct stand_device *d = device_of(s, a);

	d->has_arm = true;
	d->arm = a[1].index;
}

static void device_gripper(struct stand *s, const struct arg *a)
{
	struct stand_device *d = device_of(s, a);

	d->has_gripper = true;
	d->gripper_m = a[1].number;
}

/* ---- wires, threads, clock ---------------------------------------------------------------------------------------------- */

/* door/ARM is the address of the arm's control socket, control that of dreamvlad's. */
static struct wire *wire_of(struct stand *s, const char *name)
{
	static struct wire none;
	struct wire *w = NULL;

	for (uint32_t i = 0; i < s->setup.n_arms && strncmp(name, "door/", 5) == 0; i++)
		if (strcmp(name + 5, s->setup.arm[i].name) == 0)
			w = virtual_wire(s->config.robot[i].control);
	if (!w)
		w = virtual_wire(strcmp(name, "control") == 0 ? s->config.sockets_control : name);
	if (!w)
		stand_fail(s, "wire %s: found one more, allowed: %d", name, WIRES_MAX);
	return w ? w : &none;
}

static void wire_cut(struct stand *s, const struct arg *a)
{
	wire_of(s, a[0].text)->cut = a[1].text[0] == 'c';
}

static void wire_delay(struct stand *s, const struct arg *a)
{
	struct wire *w = wire_of(s, a[0].text);

	w->delay_ns = from_ms(&a[1]);
	w->jitter_ns = from_ms(&a[2]);
}

static void wire_share(struct stand *s, const struct arg *a)
{
	struct wire *w = wire_of(s, a[0].text);

	switch (a[1].text[0]) {
	case 'l': w->lose = a[2].number; break;
	case 'd': w->duplicate = a[2].number; break;
	default: w->reorder = a[2].number; break;
	}
}

static void stall(struct stand *s, const struct arg *a)
{
	int64_t until_ns = s->now_ns + from_ms(&a[1]);
	bool all = strcmp(a[0].text, "machine") == 0;

	if (all || strcmp(a[0].text, "control") == 0)
		s->control_stalled_until_ns = until_ns;
	if (all || strcmp(a[0].text, "io") == 0)
		s->io_stalled_until_ns = until_ns;
	for (uint32_t i = 0; i < s->setup.n_arms && (all || strcmp(a[0].text, "arms") == 0); i++)
		s->arm[i].stalled_until_ns = until_ns;
}

static void clock_jump(struct stand *s, const struct arg *a)
{
	(void)s;
	virtual_time_step_realtime((int64_t)(a[0].number * (double)NS_PER_MS));
}

const struct command_row command_rows[] = {
	{ "mode auto|hold|shadow", ask_mode, .help = "an operator's request to dreamvlad" },
	{ "stop|reset|home|status", ask_plain, .help = "the same" },
	{ "speed <share>", ask_speed, .help = "the same" },
	{ "jog <number> <number> <number>", ask_jog, .help = "the same, of the first arm: x, y, z in m" },
	{ "instruction <motion>", instruct, .help = "a message on the operators' socket" },
	{ "camera <camera> freeze|thaw|on|off|restart|doubled|single", camera_switch, .help = "freeze: the same bytes again and again; restart: a new `from`; doubled: a second publisher of its topic" },
	{ "camera <camera> late <ms>", camera_late, .help = "age of its frames on arrival" },
	{ "camera <camera> every <ms>", camera_every, .help = "between two of its frames (33)" },
	{ "arm <arm> stop|enable|disable|recover", arm_ask, .help = "a request at the arm's own door" },
	{ "arm <arm> reflex|guiding|user_stopped|estop|disconnected|idle|ready", arm_mode_set, .help = "the mode that its motors report; in guiding a hand moves it" },
	{ "arm <arm> guided <number>", arm_guide, .help = "how fast the hand moves joint 1 while it guides, rad/s" },
	{ "arm <arm> killed <ms>", arm_kill, .help = "its process dies and is started again so long after" },
	{ "arm <arm> replugged", arm_replug, .help = "its controller has restarted" },
	{ "arm <arm> measures <number>", arm_jump, .help = "joint 1 is measured so many rad beside where it is" },
	{ "arm <arm> taken", arm_taken, .help = "another dreamvlad attaches with takeover" },
	{ "rogue on|off", rogue, .help = "somebody else sends targets to every arm" },
	{ "policy latency <ms>", policy_latency, .help = "how long an inference takes (100)" },
	{ "policy jitter <ms>", policy_jitter, .help = "up to so much longer, at random (0)" },
	{ "policy hangs <ms>", policy_hang, .help = "the next inference takes so much longer" },
	{ "policy nan|lost|refuses <count>", policy_wrong, .help = "so many answers are not finite, end in a token that is no action, or are errors of the input" },
	{ "policy breaks|mended", policy_breaks, .help = "it cannot compute any more" },
	{ "policy noise <number>", policy_noise, .help = "each chunk leads so many m beside the path at most (0)" },
	{ "teleop <device> press|release", device_press, .help = "the dead-man" },
	{ "teleop <device> talk|silent|restart|doubled|single|garbage|clean", device_switch, .help = "restart: a new `from`; doubled: a second publisher of its topic; garbage: a few bytes of each message are wrong" },
	{ "teleop <device> twist <number> <number> <number> <number> <number> <number>", device_twist, .help = "m/s and rad/s" },
	{ "teleop <device> leads <number>", device_leads, .help = "kind joint: the arm's home posture, every joint so many rad further" },
	{ "teleop <device> ahead <number>", device_ahead, .help = "its stamps are so many ms ahead of its clock (or behind: -)" },
	{ "teleop <device> arm <arm>", device_arm, .help = "which arm it is for" },
	{ "teleop <device> gripper <number>", device_gripper, .help = "m" },
	{ "wire <word> cut|mended", wire_cut, .help = "messages whose topic begins with <word> (state/left, target/, ...); door/ARM: requests at the arm, control: at dreamvlad" },
	{ "wire <word> delay <ms> <ms>", wire_delay, .help = "and up to so much longer, at random" },
	{ "wire <word> lose|duplicate|reorder <share>", wire_share, .help = "of its messages, at random; a reordered or doubled one comes up to 50 ms later" },
	{ "stall control|io|arms|machine <ms>", stall, .help = "the thread, or all of them, does not run for so long" },
	{ "clock jumps <number>", clock_jump, .help = "the realtime clock, by ms" },
	{ NULL, .help = "" },
};

/* ---- what can be expected ----------------------------------------------------------------------------------------------- */

static bool in_mode(const struct stand *s, const struct arg *a)
{
	return s->control.mode == a[0].index;
}

static bool in_mode_because(const struct stand *s, const struct arg *a)
{
	return s->control.mode == a[0].index && s->control.reason == a[1].index;
}

static bool has_fault(const struct stand *s, const struct arg *a)
{
	return s->control.report.faults & REASON_BIT(a[0].index);
}

static bool is_standing(const struct stand *s, const struct arg *a)
{
	return s->control.report.standing == (a[0].text[0] == 's');
}

static bool is_driven_by(const struct stand *s, const struct arg *a)
{
	return s->control.report.driver == a[0].index;
}

static bool is_attached(const struct stand *s, const struct arg *a)
{
	return s->control.safety[a[0].index].seeded == (a[1].text[0] == 'a');
}

static bool answered(const struct stand *s, const struct arg *a)
{
	return s->replies > 0 && s->reply_ok == (a[0].text[0] == 'o');
}

static bool tcp_beyond(const struct stand *s, const struct arg *a)
{
	double p[3], r[3][3], at;

	judge_tcp(&s->setup.arm[a[0].index], s->arm[a[0].index].plant.world.q_rad, p, r);
	at = p[a[1].text[0] - 'x'];
	return a[2].text[0] == 'a' ? at > a[3].number : at < a[3].number;
}

static uint64_t counter_of(const struct stand *s, const char *name)
{
	const struct arm_counters *c = &s->arm[0].loop.arm.counters;
	const struct control_report *r = &s->control.report;

	if (strcmp(name, "overruns") == 0)
		return r->overruns;
	if (strcmp(name, "adopted") == 0)
		return r->chunks_adopted;
	if (strcmp(name, "dropped") == 0)
		return r->chunks_dropped;
	if (strcmp(name, "rejected") == 0)
		return s->runner.status.rejected;
	if (strcmp(name, "refused") == 0)
		return c->refused;
	if (strcmp(name, "foreign") == 0)
		return c->foreign + s->io->counters.foreign;
	if (strcmp(name, "void") == 0)
		return s->io->counters.operators_void + s->io->counters.frames_void + s->io->counters.states_void;
	return s->io->counters.duplicates;
}

static bool counts(const struct stand *s, const struct arg *a)
{
	double n = (double)counter_of(s, a[0].text);

	return a[1].text[0] == 'o' ? n > a[2].number : n == a[2].number;
}

static bool spans_count(const struct stand *s, const struct arg *a)
{
	double n = -1.0;

	for (int i = 0; i < STAGE_COUNT; i++)
		if (strcmp(a[0].text, trace_stage_name((enum trace_stage)i)) == 0)
			n = (double)s->spans.n_of[i][a[1].index];
	return a[2].text[0] == 'o' ? n > a[3].number : n == a[3].number;
}

static bool gripper_is(const struct stand *s, const struct arg *a)
{
	double width_m = s->arm[a[0].index].plant.world.gripper_m;

	return a[1].text[0] == 'o' ? width_m > 0.9 * s->setup.arm[a[0].index].gripper_max_m : width_m < 0.1 * s->setup.arm[a[0].index].gripper_max_m;
}

const struct command_row expect_rows[] = {
	{ "mode <MODE>", .holds = in_mode, .help = "dreamvlad's" },
	{ "mode <MODE> reason <REASON>", .holds = in_mode_because, .help = "and the reason that it shows (daemon/stage/reason.def)" },
	{ "fault <REASON>", .holds = has_fault, .help = "stands in the way now" },
	{ "standing|moving", .holds = is_standing, .help = "the targets of all arms" },
	{ "driver <driver>", .holds = is_driven_by, .help = "who drives" },
	{ "arm <arm> attached|detached", .holds = is_attached, .help = "whether targets are made for it" },
	{ "reply ok|refused", .holds = answered, .help = "the newest answer to an operator" },
	{ "tcp <arm> x|y|z above|below <number>", .holds = tcp_beyond, .help = "where the arm's TCP really is, m" },
	{ "gripper <arm> open|closed", .holds = gripper_is, .help = "what the arm's really is" },
	{ "spans <word> <arm> over|is <count>", .holds = spans_count, .help = "of a stage of the trace (daemon/trace.h) and that arm, so far" },
	{ "counter overruns|adopted|dropped|rejected|refused|foreign|void|duplicates over|is <count>", .holds = counts, .help = "overruns of control, chunks, targets refused by the first arm, messages of second publishers, void and doubled messages" },
	{ NULL, .help = "" },
};
