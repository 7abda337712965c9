/* main.c - dreamvla-teleop: command line only. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "daemon/sys/log.h"
#include "daemon/sys/options.h"
#include "robots/setup/arm_setup.h"
#include "robots/teleop/evdev.h"
#include "robots/teleop/teleop_process.h"
#include "transport/topic.h"

#define DEFAULT_CONFIG "/etc/dreamvla/dreamvla.yaml"

static const char USAGE[] =
	"dreamvla-teleop - lets a person drive an arm: publishes teleop/<device> to dreamvlad, from the machine where the device is plugged in\n"
	"\n"
	"  dreamvla-teleop --device KIND [options]         dreamvla-teleop --list\n"
	"\n"
	"While the dead-man is held the arm does what the device says, and stands where it says nothing. Released, lost or unplugged: it\n"
	"stops and holds. After a loss the dead-man has to be released and pressed again.\n"
	"Take a device with a cable for a dead-man: one without keeps its last state, pressed, until the radio link is given up for lost.\n"
	"\n"
	"  --device KIND       gamepad, keyboard, leader or piper-leader; see below\n"
	"  --evdev FILE        /dev/input/event* or /dev/input/by-id/*; without it the only one that fits\n"
	"  --list              the input devices of this machine\n"
	"  --grab              nobody else gets the device's events\n"
	"  --deadman-key NAME  another dead-man: a code's name as KEY_SPACE or BTN_TR\n"
	"  --frame base|tcp    directions at the beginning (base)\n"
	"  --linear-max V      fastest, m/s (0.1); dreamvlad's teleop.tcp_v_max_m_s bounds it too\n"
	"  --angular-max W     fastest, rad/s (0.5)\n"
	"  --dead-band S       share of a stick's way in which nothing moves, 0..0.5 (0.1); widened to what the device says of itself\n"
	"  --state, --topic, --bus, --deadman-evdev, --deadman-gripper: of leaders, see below\n"
	"\n"
	"  --name DEVICE       publishes teleop/DEVICE (the kind)\n"
	"  --arm NAME          which of the robots; may be left out when there is one\n"
	"  --rate HZ           messages per second, 50 to 100 (100)\n"
	"  --config FILE       dreamvlad's: its sockets, keys, clock and arms; without it " DEFAULT_CONFIG ",\n"
	"                      and where there is none, the default addresses\n"
	"  --operators ADDRESS, --status ADDRESS   dreamvlad's sockets, seen from here (tcp://bench:7412, tcp://bench:7415)\n"
	"  --clock monotonic|realtime              of the stamps: realtime, synchronised, where dreamvlad runs on another machine\n"
	"  --key FILE, --server-key FILE           our own CURVE secret key and dreamvlad's public key\n"
	"  --json              one JSON object per line, 10 Hz and at every change, instead of the live line\n"
	"  --help\n"
	"\n"
	"Exit code: 0 ended by a person or SIGTERM, 1 failed, 2 used wrongly.\n";

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Everything as given; NULL and 0: not given. */
struct arguments {
	const char *device, *config, *name, *arm, *operators, *status, *clock, *key, *server_key, *frame;
	const char *evdev, *deadman_key, *deadman_evdev, *state, *topic, *bus;
	double rate, linear_max, angular_max, dead_band, deadman_gripper;
	bool grab, json, list, help;
};

#define AT(member) offsetof(struct arguments, member)

static const struct option_row ROWS[] = {
	{ "device", OPTION_TEXT, AT(device) },
	{ "config", OPTION_TEXT, AT(config) },
	{ "name", OPTION_TEXT, AT(name) },
	{ "arm", OPTION_TEXT, AT(arm) },
	{ "operators", OPTION_TEXT, AT(operators) },
	{ "status", OPTION_TEXT, AT(status) },
	{ "clock", OPTION_TEXT, AT(clock) },
	{ "key", OPTION_TEXT, AT(key) },
	{ "server-key", OPTION_TEXT, AT(server_key) },
	{ "frame", OPTION_TEXT, AT(frame), .kinds = "gamepad keyboard" },
	{ "evdev", OPTION_TEXT, AT(evdev), .kinds = "gamepad keyboard" },
	{ "deadman-key", OPTION_TEXT, AT(deadman_key) },
	{ "deadman-evdev", OPTION_TEXT, AT(deadman_evdev), .kinds = "leader piper-leader" },
	{ "deadman-gripper", OPTION_NUMBER, AT(deadman_gripper), 0.001, 0.2, .kinds = "leader piper-leader" },
	{ "state", OPTION_TEXT, AT(state), .kinds = "leader" },
	{ "topic", OPTION_TEXT, AT(topic), .kinds = "leader" },
	{ "bus", OPTION_TEXT, AT(bus), .kinds = "piper-leader" },
	{ "rate", OPTION_NUMBER, AT(rate), 50, 100 },
	{ "linear-max", OPTION_NUMBER, AT(linear_max), 0.001, 1, .kinds = "gamepad keyboard" },
	{ "angular-max", OPTION_NUMBER, AT(angular_max), 0.001, 3, .kinds = "gamepad keyboard" },
	{ "dead-band", OPTION_NUMBER, AT(dead_band), 0, 0.5, .kinds = "gamepad" },
	{ "grab", OPTION_FLAG, AT(grab) },
	{ "json", OPTION_FLAG, AT(json) },
	{ "list", OPTION_FLAG, AT(list) },
	{ "help", OPTION_FLAG, AT(help) },
};

enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

struct program {
	struct arguments given;
	struct config config;
	struct arm_setup arm;
	struct teleop_process_options process;
	uint64_t seen;                 /* bit i: row i was given */
};

/* ---- options ----------------------------------------------------------------------------------------------------------------------- */

/* One of the two words, false for none. */
static int take_choice(bool *second, const char *option, const char *text, const char *a, const char *b, struct errbuf *e)
{
	if (text && strcmp(text, a) != 0 && strcmp(text, b) != 0)
		return fail(e, -EINVAL, "%s: found %s, want %s or %s", option, text, a, b);
	if (text)
		*second = strcmp(text, b) == 0;
	return 0;
}

/* Whether it is one of these words. */
static bool is_among(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += n)
		if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

static int check_kind(struct program *p, struct errbuf *e)
{
	const struct arguments *a = &p->given;

	if (!a->device)
		return fail(e, -EINVAL, "--device is missing, want gamepad, keyboard, leader or piper-leader; see dreamvla-teleop --help");
	p->process.kind = teleop_device_find(a->device);
	if (!p->process.kind)
		return fail(e, -EINVAL, "--device: found %s, want gamepad, keyboard, leader or piper-leader", a->device);
	for (int i = 0; i < ROW_COUNT; i++)
		if (p->seen >> i & 1 && ROWS[i].kinds && !is_among(ROWS[i].kinds, a->device))
			return fail(e, -EINVAL, "--%s does not belong to --device %s, but to: %s", ROWS[i].name, a->device, ROWS[i].kinds);
	if (!a->key != !a->server_key)
		return fail(e, -EINVAL, "--key and --server-key belong together");
	return 0;
}

static int check_name(struct program *p, struct errbuf *e)
{
	const char *name = p->given.name ? p->given.name : p->given.device;
	char topic[64];
	struct topic parts;

	snprintf(topic, sizeof topic, "teleop/%.50s", name);
	if (!topic_split((const uint8_t *)topic, strlen(topic), &parts) || !parts.name[0])
		return fail(e, -EINVAL, "--name: found %s, want 1 to 31 letters, digits, _ and -", name);
	p->process.name = name;
	return 0;
}

/* ---- the configuration ------------------------------------------------------------------------------------------------------------- */

static int read_config(struct program *p, struct errbuf *e)
{
	const char *path = p->given.config;
	bool usual = !path && access(DEFAULT_CONFIG, F_OK) == 0;

	config_defaults(&p->config);
	if (path || usual)
		return config_read(&p->config, path ? path : DEFAULT_CONFIG, e);
	return 0;
}

/* Which arm, how wide its gripper opens, how many joints it has; without a configuration dreamvlad alone knows. */
static int find_arm(struct program *p, struct errbuf *e)
{
	static const double gripper_m = 0.08; /* the widest of the models; dreamvlad bounds it to the arm's own */
	const struct config_robot *robot;
	int rc;

	p->process.arm = p->given.arm;
	p->process.device.gripper_max_m = gripper_m;
	if (p->config.n_robots == 0)
		return 0;
	robot = arm_setup_find(&p->config, p->given.arm, e);
	if (!robot)
		return -EINVAL;
	if ((rc = arm_setup_make(&p->arm, &p->config, robot, e)) < 0)
		return rc;
	p->process.arm = robot->name;
	p->process.door = robot->control;
	p->process.device.gripper_max_m = p->arm.gripper_max_m;
	p->process.device.dof = p->arm.model.dof;
	return 0;
}

static void set_sockets(struct program *p)
{
	const struct arguments *a = &p->given;
	struct teleop_process_options *o = &p->process;

	o->operators = a->operators ? a->operators : p->config.sockets_operators;
	o->status = a->status ? a->status : p->config.sockets_status;
	o->device.curve_secret = a->key ? a->key : p->config.sockets_curve_secret;
	o->device.curve_clients = p->config.sockets_curve_clients;
	o->device.insecure = p->config.sockets_insecure;
	o->curve_server = a->server_key;
}

static int set_device(struct program *p, struct errbuf *e)
{
	const struct arguments *a = &p->given;
	struct device_options *d = &p->process.device;
	bool tcp = false;
	int rc = take_choice(&tcp, "--frame", a->frame, "base", "tcp", e);

	d->frame = tcp ? FRAME_TCP : FRAME_BASE;
	d->evdev = a->evdev;
	d->grab = a->grab;
	d->deadman_key = a->deadman_key;
	d->deadman_evdev = a->deadman_evdev;
	d->deadman_gripper_m = a->deadman_gripper;
	d->state = a->state;
	d->topic = a->topic;
	d->bus = a->bus;
	d->linear_max_m_s = a->linear_max;
	d->angular_max_rad_s = a->angular_max;
	d->dead_band = a->dead_band;
	return rc;
}

static int check_arguments(struct program *p, struct errbuf *e)
{
	int rc = check_kind(p, e);

	if (rc < 0 || (rc = check_name(p, e)) < 0 || (rc = set_device(p, e)) < 0)
		return rc;
	p->process.rate_hz = p->given.rate;
	p->process.json = p->given.json;
	return take_choice(&p->process.realtime_clock, "--clock", p->given.clock, "monotonic", "realtime", e);
}

static int run(struct program *p, struct errbuf *e)
{
	int rc = read_config(p, e);

	if (rc < 0 || (rc = find_arm(p, e)) < 0)
		return rc;
	set_sockets(p);
	if (!p->given.clock)
		p->process.realtime_clock = p->config.clock != 0;
	return teleop_process_run(&p->process, e);
}

static int print_help(void)
{
	fputs(USAGE, stdout);
	for (uint32_t i = 0; teleop_device_at(i); i++)
		printf("\n  --device %s\n%s", teleop_device_at(i)->name, teleop_device_at(i)->help);
	return 0;
}

int main(int argc, char **argv)
{
	static struct program p = { .given = { .rate = 100, .linear_max = 0.1, .angular_max = 0.5, .dead_band = 0.1 } }; /* large for a stack */
	struct errbuf e = { "" };
	int rc = options_take(ROWS, ROW_COUNT, "dreamvla-teleop", argc, argv, &p.given, &p.seen, &e), failed = EXIT_USAGE;

	if (rc == 0 && p.given.help)
		return print_help();
	if (rc == 0 && !p.given.list)
		rc = check_arguments(&p, &e);
	if (rc == 0) {
		failed = EXIT_FAILED;
		rc = p.given.list ? evdev_list(stdout, &e) : run(&p, &e);
	}
	if (rc < 0)
		fprintf(stderr, "dreamvla-teleop: %s\n", e.text);
	return rc < 0 ? failed : 0;
}
