/* main.c - dreamvla-arm: command line only. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "daemon/sys/log.h"
#include "robots/arm/arm_process.h"
#include "robots/driver.h"
#include "robots/sim/world_wire.h"

static const char USAGE[] =
	"dreamvla-arm - drives one arm: plays out dreamvlad's targets within the arm's own limits, publishes its state\n"
	"\n"
	"  dreamvla-arm --config FILE [--arm NAME] --driver NAME [options]\n"
	"\n"
	"  --config FILE     the same as dreamvlad's: robots[], sockets.targets, sockets.states, control.realtime\n"
	"  --arm NAME        which of the robots; may be left out when there is one\n"
	"  --driver NAME     one of those below\n"
	"  --world ADDRESS   driver sim: the world's socket (default " WORLD_ADDRESS_DEFAULT ")\n"
	"  --help\n"
	"\n"
	"Drivers, and what each needs:\n";

static const struct option OPTIONS[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "arm", required_argument, NULL, 'a' },
	{ "driver", required_argument, NULL, 'd' },
	{ "world", required_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct arguments {
	struct arm_process_options process;
	const char *config;
	bool help;
};

static int take_option(struct arguments *a, int option, struct errbuf *e)
{
	switch (option) {
	case 'c': a->config = optarg; return 0;
	case 'a': a->process.arm = optarg; return 0;
	case 'd': a->process.driver = optarg; return 0;
	case 'w': a->process.world = optarg; return 0;
	case 'h': a->help = true; return 0;
	default: return fail(e, -EINVAL, "dreamvla-arm --help lists the options");
	}
}

static int parse(struct arguments *a, int argc, char **argv, struct errbuf *e)
{
	int option, rc = 0;

	while (rc == 0 && (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
		rc = take_option(a, option, e);
	if (rc == 0 && optind < argc)
		rc = fail(e, -EINVAL, "%s: not an option; dreamvla-arm --help lists them", argv[optind]);
	if (rc == 0 && !a->help && (!a->config || !a->process.driver))
		rc = fail(e, -EINVAL, "--%s is missing; dreamvla-arm --help lists the options", a->config ? "driver" : "config");
	return rc;
}

static int run(struct arguments *a, struct errbuf *e)
{
	config_defaults(&a->process.config);
	int rc = config_read(&a->process.config, a->config, e);
	if (rc == 0)
		rc = log_set_level(a->process.config.log_level, e);
	if (rc < 0 || (rc = log_start(e)) < 0)
		return rc;
	rc = arm_process_run(&a->process, e);
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

	a.process.world = WORLD_ADDRESS_DEFAULT;
	int rc = parse(&a, argc, argv, &e);
	if (rc == 0 && a.help) {
		print_help();
		return 0;
	}
	int failed = rc < 0 ? EXIT_USAGE : EXIT_FAILED;
	if (rc == 0)
		rc = run(&a, &e);
	if (rc < 0)
		fprintf(stderr, "dreamvla-arm: %s\n", e.text);
	return rc < 0 ? failed : 0;
}
