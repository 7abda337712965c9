/* main.c - dreamvla-arm: command line only. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "daemon/sys/log.h"
#include "daemon/sys/options.h"
#include "robots/arm/arm_alone.h"
#include "robots/arm/arm_process.h"
#include "robots/arm/preflight_run.h"
#include "robots/driver.h"
#include "robots/piper/maintenance_run.h"
#include "robots/setup/arm_setup.h"
#include "robots/sim/world_wire.h"

static const char USAGE[] =
	"dreamvla-arm - drives one arm: plays out dreamvlad's targets within the arm's own limits, publishes its state\n"
	"\n"
	"  dreamvla-arm --config FILE [--arm NAME] --driver NAME [options]\n"
	"  dreamvla-arm --config FILE [--arm NAME] --driver NAME --preflight [--seconds N] [--json]\n"
	"  dreamvla-arm --config FILE [--arm NAME] --driver piper --maintenance WHAT [--yes]\n"
	"\n"
	"  --config FILE     the same as dreamvlad's: robots[], sockets.targets, sockets.states, control.realtime\n"
	"  --arm NAME        which of the robots; may be left out when there is one\n"
	"  --driver NAME     one of those below\n"
	"  --world ADDRESS   driver sim: the world's socket (default " WORLD_ADDRESS_DEFAULT ")\n"
	"  --preflight       driver franka: test instead of driving: holds the arm still, measures, and says whether this machine is fit (exit code 0) or\n"
	"                    not (1), with what mends it; needs no dreamvlad\n"
	"  --seconds N       preflight: how long to measure, 1 to 600 (default 10)\n"
	"  --json            preflight: the result as JSON\n"
	"  --maintenance WHAT  driver piper, with no dreamvla-arm running for it: changes one thing in the arm for good, reads it back, and ends:\n"
	"                    leader or follower (motors off; counts from the arm's next start on, for which this waits), gripper=70 or\n"
	"                    gripper=100 (the stroke in mm; motors off), collision=0 to collision=8 (all joints; 0 is no protection), or\n"
	"                    clear-errors (of the joints). Says first what is there, and wants a yes\n"
	"  --yes             maintenance: the yes\n"
	"  --help\n"
	"\n"
	"Drivers, and what each needs:\n";

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct arguments {
	struct arm_process_options process;
	const char *config;
	bool help, preflight, maintenance, yes;
	struct preflight_options test;
	struct piper_wish wish;
};

static int take_maintenance(const char *text, void *at, struct errbuf *e)
{
	return piper_wish_parse(at, text, e);
}

#define AT(member) offsetof(struct arguments, member)

enum { ROW_SECONDS, ROW_JSON, ROW_MAINTENANCE, ROW_FIRST };

static const struct option_row ROWS[] = {
	[ROW_SECONDS] = { "seconds", OPTION_NUMBER, AT(test.seconds), 1, PREFLIGHT_SECONDS_MAX },
	[ROW_JSON] = { "json", OPTION_FLAG, AT(test.json) },
	[ROW_MAINTENANCE] = { "maintenance", OPTION_BY_HAND, AT(wish), .take = take_maintenance },
	[ROW_FIRST] = { "config", OPTION_TEXT, AT(config) },
	{ "arm", OPTION_TEXT, AT(process.arm) },
	{ "driver", OPTION_TEXT, AT(process.driver) },
	{ "world", OPTION_TEXT, AT(process.world) },
	{ "preflight", OPTION_FLAG, AT(preflight) },
	{ "yes", OPTION_FLAG, AT(yes) },
	{ "help", OPTION_FLAG, AT(help) },
};

static int check_maintenance(const struct arguments *a, struct errbuf *e)
{
	if (a->yes && !a->maintenance)
		return fail(e, -EINVAL, "--yes belongs to --maintenance");
	if (a->maintenance && a->preflight)
		return fail(e, -EINVAL, "--preflight and --maintenance: want one of them");
	if (a->maintenance && strcmp(a->process.driver, "piper") != 0)
		return fail(e, -EINVAL, "--maintenance belongs to --driver piper, found --driver %s", a->process.driver);
	return 0;
}

static int check(const struct arguments *a, bool only_preflight, struct errbuf *e)
{
	if (!a->config || !a->process.driver)
		return fail(e, -EINVAL, "--%s is missing; dreamvla-arm --help lists the options", a->config ? "driver" : "config");
	if (only_preflight && !a->preflight)
		return fail(e, -EINVAL, "--seconds and --json belong to --preflight");
	int rc = check_maintenance(a, e);

	return rc < 0 || !a->preflight ? rc : preflight_check(a->process.driver, e);
}

static int parse(struct arguments *a, int argc, char **argv, struct errbuf *e)
{
	const uint64_t of_preflight = UINT64_C(1) << ROW_SECONDS | UINT64_C(1) << ROW_JSON;
	uint64_t seen;
	int rc = options_take(ROWS, sizeof ROWS / sizeof *ROWS, "dreamvla-arm", argc, argv, a, &seen, e);

	a->maintenance = seen & UINT64_C(1) << ROW_MAINTENANCE;
	return rc < 0 || a->help ? rc : check(a, seen & of_preflight, e);
}

static int test(struct arguments *a, bool *fit, struct errbuf *e)
{
	a->test.config = &a->process.config;
	a->test.arm = a->process.arm;
	a->test.driver = a->process.driver;
	return preflight_run(&a->test, fit, e);
}

static int maintain_alone(const struct arguments *a, const struct config_robot *robot, const struct piper_setup *setup, struct errbuf *e)
{
	struct arm_alone alone;
	int rc = arm_alone_begin(&alone, &a->process.config, robot, e);

	if (rc == 0)
		rc = piper_maintenance_run(&(struct piper_maintenance_options){ setup, a->wish, a->yes }, e);
	arm_alone_end(&alone);
	return rc;
}

static int maintain(const struct arguments *a, struct errbuf *e)
{
	const struct config *c = &a->process.config;
	const struct config_robot *robot = arm_setup_find(c, a->process.arm, e);
	struct piper_setup setup;
	struct arm_setup arm;
	int rc = robot ? arm_setup_make(&arm, c, robot, e) : -EINVAL;

	if (rc == 0)
		rc = piper_setup_make(&setup, &(struct robot_driver_options){ .setup = &arm, .config = robot, .robot = (uint32_t)(robot - c->robot) }, e);
	return rc < 0 ? rc : maintain_alone(a, robot, &setup, e);
}

static int run(struct arguments *a, bool *fit, struct errbuf *e)
{
	config_defaults(&a->process.config);
	int rc = config_read(&a->process.config, a->config, e);
	if (rc == 0)
		rc = log_set_level(a->process.config.log_level, e);
	if (rc < 0 || (rc = log_start(e)) < 0)
		return rc;
	rc = a->maintenance ? maintain(a, e) : a->preflight ? test(a, fit, e) : arm_process_run(&a->process, e);
	log_stop();
	return rc;
}

static void print_help(void)
{
	const struct robot_driver *d;

	fputs(USAGE, stdout);
	for (uint32_t i = 0; (d = robot_driver_at(i)); i++)
		printf("  %-17s %s\n", d->name, d->needs);
}

int main(int argc, char **argv)
{
	static struct arguments a; /* a configuration is large for a stack */
	struct errbuf e = { "" };
	bool fit = true;

	a.test.seconds = 10;
	a.process.world = WORLD_ADDRESS_DEFAULT;
	int rc = parse(&a, argc, argv, &e);
	if (rc == 0 && a.help) {
		print_help();
		return 0;
	}
	int failed = rc < 0 ? EXIT_USAGE : EXIT_FAILED;
	if (rc == 0)
		rc = run(&a, &fit, &e);
	if (rc < 0)
		fprintf(stderr, "dreamvla-arm: %s\n", e.text);
	return rc < 0 ? failed : fit ? 0 : EXIT_FAILED;
}
