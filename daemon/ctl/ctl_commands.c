/* ctl_commands.c - the table of commands, and those that are one request. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "daemon/sys/clock.h"
#include "transport/message/message.h"
#include "transport/wire.h"

enum { INSTRUCTION_BYTES_MAX = 1024 }; /* messages.md section 5 */

int ctl_tell_done(const struct ctl *ctl, const struct ctl_answer *a, const char *done)
{
	char mode[32];
	int code = ctl_report(ctl, a);

	if (code != CTL_OK || ctl->json)
		return code;
	if (reply_text(a->bytes, a->n, "mode", mode, sizeof mode))
		printf("%s; mode %s\n", done, ctl_clean(mode));
	else
		printf("%s\n", done);
	return CTL_OK;
}

static int tell(const struct ctl *ctl, struct map_builder *request, const char *done)
{
	struct ctl_answer a;
	struct errbuf e = { "" };

	if (ctl_ask(ctl, &ctl->daemon, request, CTL_TIMEOUT_MS, &a, &e) < 0)
		return ctl_fail(ctl, "%s", e.text);
	return ctl_tell_done(ctl, &a, done);
}

static int run_instruction(const struct ctl *ctl, int n, char **argument)
{
	struct map_builder request;
	uint8_t bytes[REQUEST_BYTES_MAX];
	size_t length = strlen(argument[0]);

	(void)n;
	if (length == 0 || length > INSTRUCTION_BYTES_MAX) {
		ctl_fail(ctl, "instruction: found %zu bytes, allowed 1 to %d", length, INSTRUCTION_BYTES_MAX);
		return CTL_USAGE;
	}
	if (wire_utf8_prefix(argument[0], length) != length) {
		ctl_fail(ctl, "instruction: is not UTF-8 text");
		return CTL_USAGE;
	}
	request_begin(&request, bytes, sizeof bytes, "instruction");
	map_add_text(&request, "text", argument[0]);
	return tell(ctl, &request, "instruction set");
}

static int run_reset(const struct ctl *ctl, int n, char **argument)
{
	struct map_builder request;
	uint8_t bytes[64];

	(void)n;
	(void)argument;
	request_begin(&request, bytes, sizeof bytes, "reset");
	return tell(ctl, &request, "reset; nothing moves before `dreamvlactl mode auto`");
}

static int run_speed(const struct ctl *ctl, int n, char **argument)
{
	struct map_builder request;
	uint8_t bytes[64];
	char *end;
	double scale = strtod(argument[0], &end);

	(void)n;
	if (end == argument[0] || *end != 0 || !(scale >= 0.05 && scale <= 1.0)) {
		ctl_fail(ctl, "speed: found %s, allowed a number, 0.05..1", argument[0]);
		return CTL_USAGE;
	}
	request_begin(&request, bytes, sizeof bytes, "speed");
	map_add_real(&request, "scale", scale);
	return tell(ctl, &request, "speed set");
}

/* Only a clear yes moves the arm; the end of standard input is a no. */
static bool is_confirmed(const char *who)
{
	char line[16];

	fprintf(stderr, "%s will move to the home posture, joint by joint, WITHOUT avoiding obstacles. Is the way free? [y/N] ", who);
	return fgets(line, sizeof line, stdin) && (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0);
}

static int run_home(const struct ctl *ctl, int n, char **argument)
{
	struct ctl_answer a;
	struct errbuf e = { "" };
	char mode[32];

	/* Nobody has to look at the way for what would be refused anyway, and a later change of the mode finds nothing sent. */
	if (!ctl->yes && !ctl_mode_is(ctl, mode_name(MODE_HOLD), mode) && mode[0])
		return ctl_fail(ctl, "home: only from HOLD, the mode is %s: `dreamvlactl mode hold` first", mode);
	if (!ctl->yes && !is_confirmed(n > 0 ? argument[0] : "Every arm"))
		return ctl_fail(ctl, "home: not confirmed, nothing was sent");
	if (ctl_ask_patiently(ctl, "home", "arm", n > 0 ? argument[0] : NULL, &a, &e) < 0)
		return ctl_fail(ctl, "%s", e.text);
	return ctl_tell_done(ctl, &a, "homing; `dreamvlactl stop` ends it");
}

struct instant {
	int64_t monotonic_ns, realtime_ns;
};

static struct instant now(void)
{
	return (struct instant){ clock_monotonic_ns(), clock_realtime_ns() };
}

/* Offset by the usual symmetric estimate (RFC 5905, section 8). Which clock the bench runs on (`clock`) shows in the answer: the
 * two lie years apart. */
static void print_ping(const struct ctl *ctl, struct instant start, struct instant end, int64_t recv_ns, int64_t send_ns)
{
	double monotonic_ms = ((double)(recv_ns - start.monotonic_ns) + (double)(send_ns - end.monotonic_ns)) / 2e6;
	double realtime_ms = ((double)(recv_ns - start.realtime_ns) + (double)(send_ns - end.realtime_ns)) / 2e6;
	bool realtime = fabs(realtime_ms) < fabs(monotonic_ms);

	printf("%s answered in %.2f ms, its %s clock is %+.3f ms from ours\n", ctl->daemon.address,
			(double)(end.monotonic_ns - start.monotonic_ns) / 1e6, realtime ? "realtime" : "monotonic",
			realtime ? realtime_ms : monotonic_ms);
}

static int run_ping(const struct ctl *ctl, int n, char **argument)
{
	struct instant start = now(), end;
	int64_t recv_ns, send_ns, echo_ns;
	struct map_builder request;
	struct ctl_answer a;
	uint8_t bytes[64];
	int code;

	(void)n;
	(void)argument;
	request_begin(&request, bytes, sizeof bytes, "ping");
	map_add_i64(&request, "t_ns", start.monotonic_ns);
	code = ctl_ask_daemon(ctl, &request, &a);
	end = now();
	if (code != CTL_OK || ctl->json)
		return code;
	if (!reply_i64(a.bytes, a.n, "t_ns", &echo_ns) || echo_ns != start.monotonic_ns ||
			!reply_i64(a.bytes, a.n, "recv_ns", &recv_ns) || !reply_i64(a.bytes, a.n, "send_ns", &send_ns))
		return ctl_fail(ctl, "%s: the answer to ping lacks t_ns, recv_ns or send_ns", ctl->daemon.address);
	print_ping(ctl, start, end, recv_ns, send_ns);
	return CTL_OK;
}

static void print_key(void *context, struct wire_text key, const struct wire_value *value)
{
	char name[256], text[4096];

	(void)context;
	if (value->kind != WIRE_TEXT)
		return; /* `ok` */
	wire_text_copy(key, name, sizeof name);
	wire_text_copy(value->text, text, sizeof text);
	printf("%s: %s\n", ctl_clean(name), ctl_clean(text));
}

static int run_config(const struct ctl *ctl, int n, char **argument)
{
	struct map_builder request;
	struct ctl_answer a;
	uint8_t bytes[64];
	int code;

	(void)n;
	(void)argument;
	request_begin(&request, bytes, sizeof bytes, "config");
	code = ctl_ask_daemon(ctl, &request, &a);
	if (code == CTL_OK && !ctl->json)
		reply_visit(a.bytes, a.n, print_key, NULL);
	return code;
}

static const struct ctl_command commands[] = {
	{ .name = "status", .arguments = "[--watch]", .help = "what the runtime does, and why (--watch: again and again)",
		.takes_watch = true, .run = ctl_run_status },
	{ .name = "mode", .arguments = "auto|hold|shadow", .n_min = 1, .n_max = 1, .takes_wait = true, .run = ctl_run_mode,
		.help = "auto: the policy drives; hold: stop and hold; shadow: compute without moving" },
	{ .name = "instruction", .arguments = "TEXT", .help = "what the robot shall do (one argument: put it in quotes)", .n_min = 1,
		.n_max = 1, .too_many = "one argument: put the instruction in quotes", .run = run_instruction },
	{ .name = "stop", .arguments = "", .help = "controlled stop, at dreamvlad's and at every arm's own door at once; each arm latches it until `reset`",
		.stops = true, .run = ctl_run_stop },
	{ .name = "emergency-stop", .arguments = "[ARM]", .n_max = 1, .stops = true, .run = ctl_run_emergency_stop,
		.help = "the arms' own emergency stop: one without brakes SINKS; `recover` ends it, and lets it FALL" },
	{ .name = "reset", .arguments = "", .help = "from FAULT to HOLD when the cause is gone; clears the arms' latched stops",
		.run = run_reset },
	{ .name = "speed", .arguments = "SCALE", .help = "scale of every motion's speed, 0.05 to 1", .n_min = 1, .n_max = 1,
		.run = run_speed },
	{ .name = "home", .arguments = "[ARM] [--yes]", .help = "slowly to the home posture, from HOLD; asks first (--yes: does not)",
		.n_max = 1, .takes_yes = true, .takes_wait = true, .run = run_home },
	{ .name = "teleop", .arguments = "[ARM]", .help = "small steps of the arm by the keys of this terminal, from HOLD; shows who drives and how fast, also while a device drives",
		.n_max = 1, .run = ctl_run_teleop },
	{ .name = "recover", .arguments = "[ARM] [--yes]", .help = "after a reflex or an emergency stop: clears the arm's error, at its own door; asks first (--yes: does not)",
		.n_max = 1, .takes_yes = true, .run = ctl_run_recover },
	{ .name = "enable", .arguments = "[ARM]", .help = "the arm is switched on where it can be, and takes targets again", .n_max = 1, .run = ctl_run_enable },
	{ .name = "disable", .arguments = "[ARM] [--yes]", .help = "the arm takes no targets, and is switched off where it can be; asks first",
		.n_max = 1, .takes_yes = true, .run = ctl_run_disable },
	{ .name = "home-gripper", .arguments = "[ARM] [--yes]",
		.help = "the gripper closes and opens all the way, to find its range; it drops what it holds; asks first",
		.n_max = 1, .takes_yes = true, .run = ctl_run_home_gripper },
	{ .name = "doctor", .arguments = "", .help = "the usual causes of lateness: which of them this machine has, and what mends each", .run = ctl_run_doctor },
	{ .name = "record", .arguments = "start|stop|mark [LABEL]", .n_min = 1, .n_max = 2, .too_many = "one label: put it in quotes", .run = ctl_run_record,
		.help = "what cameras, arms, people and policy do, into a file in record.dir; mark: a label at this moment" },
	{ .name = "ping", .arguments = "", .help = "does dreamvlad answer, how fast, and how far apart the clocks are", .run = run_ping },
	{ .name = "config", .arguments = "", .help = "the configuration that is in effect", .run = run_config },
};

const struct ctl_command *ctl_command_at(uint32_t i)
{
	return i < sizeof commands / sizeof commands[0] ? &commands[i] : NULL;
}

const struct ctl_command *ctl_command_find(const char *name)
{
	for (uint32_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}
