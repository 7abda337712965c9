/* main.c - dreamvlactl: the operator's command line. Options, where the doors are, and one command.
 * Exit codes: 0 done, 1 refused or failed, 2 used wrongly. `stop` ends with 0 only when every door has taken it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "daemon/ctl/ctl.h"
#include "daemon/sys/clock.h"

#define WAIT_DEFAULT_NS (2 * NS_PER_S)
#define DEFAULT_CONFIG "/etc/dreamvla/dreamvla.yaml"

enum { WAIT_MAX_S = 60 };

struct options {
	const char *config, *address;
	struct ctl ctl;
};

static void print_help(void)
{
	const struct ctl_command *c;
	char call[64];

	printf("usage: dreamvlactl [--config FILE | --address ADDRESS] [--json] COMMAND\n\nThe operator's command line of dreamvlad.\n\n");
	for (uint32_t i = 0; (c = ctl_command_at(i)); i++) {
		snprintf(call, sizeof call, "%s %s", c->name, c->arguments);
		printf("  %-24s %s\n", call, c->help);
	}
	printf("\n"
	       "ARM is the arm's name; it may be left out when there is one. emergency-stop without it means all of them.\n"
	       "\n"
	       "  --config FILE            where the doors are, from the bench's configuration; without it " DEFAULT_CONFIG
	       ",\n"
	       "                           and where there is none, the default addresses\n"
	       "  --address ADDRESS        dreamvlad's control socket alone; `stop` asks it for the arms' own, and knocks there too\n"
	       "  --json                   print the whole answer as JSON\n"
	       "  --wait S                 of mode and home: how many seconds to ask again while the first chunk is being computed, an arm\n"
	       "                           comes to a stop or attaches (default 2; 0: ask once)\n"
	       "  --key FILE               our own CURVE secret key, for sockets that ask for one; default: the configuration's\n"
	       "  --server-key FILE        the CURVE public key of the other side\n"
	       "\n"
	       "Exit code: 0 done, 1 refused or failed (doctor: something is bad), 2 used wrongly. stop, emergency-stop: 0 only when every door has taken it; they are sent\n"
	       "whatever else is wrong with the call.\n");
}

static int usage(const char *what, const char *which)
{
	fprintf(stderr, "dreamvlactl: %s%s; see dreamvlactl --help\n", what, which);
	return CTL_USAGE;
}

/* ---- where the doors are ------------------------------------------------------------------------------------------ */

static void set_daemon(struct ctl *ctl, const char *address)
{
	strcpy(ctl->daemon.name, "dreamvlad");
	strcpy(ctl->daemon.program, "dreamvlad");
	strcpy(ctl->daemon.remedy, "systemctl status dreamvlad, or by hand: build/release/dreamvlad --config FILE");
	ctl_set_address(&ctl->daemon, address, NULL);
}

static void add_arm(struct ctl *ctl, const struct config_robot *robot)
{
	struct ctl_door *door = &ctl->arm[ctl->n_arms++];

	snprintf(door->name, sizeof door->name, "%.*s", CONFIG_NAME_BYTES - 1, robot->name);
	snprintf(door->remedy, sizeof door->remedy, "systemctl status dreamvla-arm@%.*s", CONFIG_NAME_BYTES - 1, robot->name);
	strcpy(door->program, "dreamvla-arm");
	ctl_set_address(door, robot->control, NULL);
}

/* The addresses that keys.def gives: one arm. */
static void set_defaults(struct ctl *ctl)
{
	struct config_robot robot;
	struct config c;

	config_defaults(&c);
	config_robot_defaults(&robot);
	set_daemon(ctl, c.sockets_control);
	strcpy(ctl->daemon.remedy, "build/release/dreamvlad --config FILE; this is the default address (neither --config nor " DEFAULT_CONFIG ")");
	add_arm(ctl, &robot);
}

static int take_config(struct ctl *ctl, const char *path)
{
	struct config c;
	struct errbuf e = { "" };
	int rc = config_read(&c, path, &e);

	if (rc < 0) {
		fprintf(stderr, "dreamvlactl: %s\n", e.text);
		return rc;
	}
	set_daemon(ctl, c.sockets_control);
	if (!ctl->key && c.sockets_curve_secret[0]) {
		memcpy(ctl->config_key, c.sockets_curve_secret, sizeof ctl->config_key);
		ctl->key = ctl->config_key;
	}
	for (uint32_t i = 0; i < c.n_robots; i++)
		add_arm(ctl, &c.robot[i]);
	return 0;
}

/* A broken configuration must not keep anyone from a stop: it then goes to the default addresses, and fails in the end. */
static int find_doors(struct options *o, bool stopping)
{
	const char *config = o->config;

	if (!config && !o->address && access(DEFAULT_CONFIG, F_OK) == 0)
		config = DEFAULT_CONFIG;
	o->ctl.knows_arms = config && take_config(&o->ctl, config) == 0;
	if (config && !o->ctl.knows_arms && !stopping)
		return CTL_FAILED;
	o->ctl.config_file = o->ctl.knows_arms ? config : NULL;
	o->ctl.lost = config && !o->ctl.knows_arms;
	if (o->ctl.lost)
		fprintf(stderr, "dreamvlactl: knocking at %s instead\n", o->address ? o->address : "the default addresses");
	if (o->address)
		set_daemon(&o->ctl, o->address);
	else if (!o->ctl.knows_arms)
		set_defaults(&o->ctl);
	return CTL_OK;
}

/* ---- options ------------------------------------------------------------------------------------------------------ */

/* -1: go on; else an exit code. */
static int take_wait(struct ctl *ctl, const char *text)
{
	char *end;
	double wait_s = strtod(text, &end);

	if (end == text || *end != 0 || !(wait_s >= 0.0 && wait_s <= WAIT_MAX_S))
		return usage("--wait: allowed a number of seconds, 0..60; found ", text);
	ctl->waits = true;
	ctl->wait_ns = (int64_t)(wait_s * (double)NS_PER_S);
	return -1;
}

/* -1: go on; else an exit code. */
static int take_option(struct options *o, int option)
{
	switch (option) {
	case 'c':
		o->config = optarg;
		return -1;
	case 'a':
		o->address = optarg;
		return -1;
	case 'j':
		o->ctl.json = true;
		return -1;
	case 'w':
		o->ctl.watch = true;
		return -1;
	case 'y':
		o->ctl.yes = true;
		return -1;
	case 't':
		return take_wait(&o->ctl, optarg);
	case 'k':
		o->ctl.key = optarg;
		return -1;
	case 's':
		o->ctl.server_key = optarg;
		return -1;
	case 'h':
		print_help();
		return CTL_OK;
	default:
		return usage("options are wrong", "");
	}
}

static int take_options(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' }, { "address", required_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' }, { "watch", no_argument, NULL, 'w' },
		{ "yes", no_argument, NULL, 'y' }, { "wait", required_argument, NULL, 't' }, { "key", required_argument, NULL, 'k' },
		{ "server-key", required_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' }, { 0 }
	};
	int option, code = -1;

	/* To the end whatever is wrong: the word `stop` may come last. */
	while (code != CTL_OK && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		int said = take_option(o, option);

		code = said < 0 ? code : said;
	}
	return code;
}

/* Options that are each right. -1: go on; else an exit code. */
static int check_options(struct options *o)
{
	int code = -1;

	if (o->config && o->address)
		code = usage("--config and --address exclude each other", "");
	if (!o->ctl.key != !o->ctl.server_key) {
		code = usage("--key and --server-key belong together", "");
		o->ctl.key = o->ctl.server_key = NULL; /* a stop goes with what the configuration has */
	}
	return code;
}

/* The option that this command does not take, and whose it is; NULL: none. */
static const char *misplaced(const struct ctl *ctl, const struct ctl_command *command)
{
	if (ctl->watch && !command->takes_watch)
		return "--watch belongs to status, want: dreamvlactl ";
	if (ctl->yes && !command->takes_yes)
		return "--yes belongs to home, recover, disable and home-gripper, want: dreamvlactl ";
	return ctl->waits && !command->takes_wait ? "--wait belongs to mode and home, want: dreamvlactl " : NULL;
}

static int check_call(const struct ctl *ctl, const struct ctl_command *command, int n)
{
	const char *wrong = misplaced(ctl, command);
	char want[128];

	snprintf(want, sizeof want, "%s %s", command->name, command->arguments);
	if (n > command->n_max && command->too_many)
		return usage("takes ", command->too_many);
	if (n < command->n_min || n > command->n_max)
		return usage("want: dreamvlactl ", want);
	return wrong ? usage(wrong, want) : -1;
}

static int run(struct options *o, const struct ctl_command *command, int n, char **argument)
{
	int code = find_doors(o, command->stops);

	if (code != CTL_OK)
		return code;
	o->ctl.zmq = zmq_ctx_new();
	if (!o->ctl.zmq)
		return ctl_fail(&o->ctl, "ZeroMQ: %s", zmq_strerror(zmq_errno()));
	code = command->run(&o->ctl, n, argument);
	zmq_ctx_term(o->ctl.zmq);
	return code;
}

/* A wrong call does nothing, but for a stop: that is sent all the same. */
int main(int argc, char **argv)
{
	struct options o = { .ctl = { .wait_ns = WAIT_DEFAULT_NS } };
	int code = take_options(&o, argc, argv), n = argc - optind - 1;
	const struct ctl_command *command = n >= 0 ? ctl_command_find(argv[optind]) : NULL;
	bool stopping = command && command->stops;

	if (code == CTL_OK || (code > 0 && !stopping))
		return code;
	if (n < 0)
		return usage("no command", "");
	if (!command)
		return usage("unknown command ", argv[optind]);
	if (check_options(&o) > 0)
		code = CTL_USAGE;
	if (code < 0)
		code = check_call(&o.ctl, command, n);
	if (code > 0 && !stopping)
		return code;
	if (code > 0)
		fprintf(stderr, "dreamvlactl: stopping all the same\n");
	return run(&o, command, n, argv + optind + 1);
}
