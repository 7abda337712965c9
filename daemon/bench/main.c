/* main.c - dreamvla-bench: the command line. One table row per sub-command. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bench/bench_control.h"
#include "daemon/bench/bench_costs.h"
#include "daemon/bench/bench_demo.h"
#include "daemon/bench/bench_film.h"
#include "daemon/bench/bench_gpu.h"
#include "daemon/bench/bench_hogs.h"
#include "daemon/bench/bench_look.h"
#include "daemon/bench/bench_piper.h"
#include "daemon/bench/bench_policy.h"
#include "daemon/bench/bench_profile.h"
#include "daemon/bench/bench_show.h"
#include "daemon/sys/error.h"

enum { THREADS_MAX = 64 };

static const struct sub_command {
	const char *name, *help;
	double seconds; /* unless --seconds says otherwise */
	int (*run)(const struct bench_options *o);
	uint32_t arguments; /* that it may have */
	const char *config; /* unless --config says otherwise; NULL: of the robot */
} commands[] = {
	{ "demo", "run the main job in the simulated bench and judge it", 20, bench_demo },
	{ "show", "three sentences carried out by the demo policy, one changed on the way, a person in between; judged, and made a film of", 1, bench_show, 0,
		"config/demo-pick.yaml" },
	{ "control", "control loop beside cyclictest, take-over, cost of a tick, latencies, allocations; 2 to 3 minutes in all", 30, bench_control },
	{ "allocations", "heap allocations of the control and policy threads in AUTO", 10, bench_allocations },
	{ "costs", "what trace and recording cost control and policy, off and on in turns; 12 times the seconds and a minute or two", 10, bench_costs },
	{ "policy", "load a checkpoint, time a chunk beside its matrix products alone", 1, bench_policy },
	{ "gpu", "a chunk of Dream-VLA-7B with random weights on the GPU: every decoder, and an autoregressive one, beside their floors", 2, bench_gpu },
	{ "piper", "how a simulated PiPER follows targets streamed at 50, 100 and 200 Hz, planned and in high-follow; on virtual time", 4, bench_piper },
	{ "run", "DIR: run the simulated bench, with load and faults if wanted, and make a report of it in a new folder", 20, bench_profile, 1 },
	{ "report", "FILE.mcap DIR: a page, a trace for ui.perfetto.dev and a summary of a recording, in a new folder", 1, bench_report, 2 },
	{ "film", "FILE.mcap FILE.html: a recording with pictures as a page that a browser plays", 1, bench_film, 2 },
	{ "compare", "A B: what the reports in two folders have in common and what not; exit status 1 when B is worse", 1, bench_compare, 2 },
};

static const struct option options[] = {
	{ "programs", required_argument, NULL, 'p' }, { "config", required_argument, NULL, 'c' },
	{ "seconds", required_argument, NULL, 's' },  { "instruction", required_argument, NULL, 'i' },
	{ "count-malloc", required_argument, NULL, 'm' }, { "json", no_argument, NULL, 'j' },
	{ "model", required_argument, NULL, 'o' },    { "precision", required_argument, NULL, 'r' },
	{ "threads", required_argument, NULL, 't' },  { "robot", required_argument, NULL, 'b' },
	{ "torch", required_argument, NULL, 'y' },
	{ "threshold", required_argument, NULL, 'd' }, { "hogs", required_argument, NULL, 'g' },
	{ "policy-latency", required_argument, NULL, 'l' }, { "drop-frames", required_argument, NULL, 'f' },
	{ "delay-frames", required_argument, NULL, 'z' }, { "attach", no_argument, NULL, 'a' },
	{ "frames", required_argument, NULL, 'e' },   { "from", required_argument, NULL, 'n' },
	{ "until", required_argument, NULL, 'u' },    { "film", required_argument, NULL, 'v' },
	{ "seed", required_argument, NULL, 'k' },	  { "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: dreamvla-bench COMMAND [options]\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(out, "  %-13s %s (%.0f s)\n", commands[i].name, commands[i].help, commands[i].seconds);
	fprintf(out, "\n"
		"  --programs DIR      where dreamvlad, dreamvla-arm and dreamvla-sim lie (default: PATH)\n"
		"  --config FILE       default config/demo.yaml (of the source tree), or demo-pick.yaml (show), demo-piper.yaml, demo-piper-pair.yaml beside it\n"
		"  --seconds S         how long to measure, 1 to 3600. control: the policy running, then half of it stopped, then the take-overs;\n"
		"                      its other parts take more than a minute whatever S is, under load twice that\n"
		"  --robot NAME        demo, run: sim (default), franka-fci: the same arm behind Franka's control interface at 1 kHz, driven as a Franka is,\n"
		"                      piper: a PiPER on a CAN bus over TCP, driven as one is, or piper-pair: two of them from one policy\n"
		"  --instruction TEXT  default \"pick up the red block\"\n"
		"  --count-malloc FILE default DIR/tests/preload/count_malloc.so, if it is there\n"
		"  --model DIR         policy: the checkpoint; --precision fp32 (default) or bf16; --threads N (default: one per processor)\n"
		"  --torch PYTHON      gpu: time PyTorch beside it, with this Python, which has torch and transformers (--seconds: for each row)\n"
		"  --policy-latency MS run: every inference takes so much longer; --drop-frames PERCENT: so many are lost on their way;\n"
		"                      --delay-frames MS: each comes later by up to that; --hogs N: so many processes want all processor time\n"
		"  --frames FILE.mcap  run: the cameras show the pictures of this recording, again and again, instead of the simulated bench\n"
		"  --attach            run: look at the dreamvlad that runs with --config, as it is, instead of starting one (it needs record.dir)\n"
		"  --from TIME, --until TIME  report: only what happened then, as 14:32:07 or \"2026-11-23 14:32:07\", by this machine's clock and time zone\n"
		"  --threshold PERCENT compare: so much worse is too much (default 10)\n"
		"  --film FILE.html    show: the film (default demo.html, beside the programs); --seed N: another table (default 1000000)\n"
		"  --json              print the result as JSON\n");
}

static const struct sub_command *find_command(const char *name)
{
	for (size_t i = 0; name && i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int parse_number(const char *option, const char *text, double low, double high, double *out, struct errbuf *e)
{
	char *end;
	double v = strtod(text, &end);

	if (*text == 0 || *end != 0 || !(v >= low && v <= high))
		return fail(e, -EINVAL, "%s: found '%s', want a number from %g to %g", option, text, low, high);
	*out = v;
	return 0;
}

static int parse_whole(const char *option, const char *text, int low, int high, int *out, struct errbuf *e)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == 0 || *end != 0 || n < low || n > high)
		return fail(e, -EINVAL, "%s: found '%s', want a whole number from %d to %d", option, text, low, high);
	*out = (int)n;
	return 0;
}

/* Of what takes a number. */
static int parse_value(int option, struct bench_options *o, struct errbuf *e)
{
	int n = 0, rc = 0;

	switch (option) {
	case 'd': return parse_number("--threshold", optarg, 0, 1e6, &o->threshold_percent, e);
	case 'f': return parse_number("--drop-frames", optarg, 0, 100, &o->drop_percent, e);
	case 'z': return parse_number("--delay-frames", optarg, 0, 10000, &o->delay_ms, e);
	case 's': return parse_number("--seconds", optarg, 1, 3600, &o->seconds, e);
	case 'k': return parse_whole("--seed", optarg, 0, INT_MAX, &o->seed, e);
	case 'l': return parse_whole("--policy-latency", optarg, 0, 10000, &o->policy_latency_ms, e);
	case 'g':
		rc = parse_whole("--hogs", optarg, 0, HOGS_MAX, &n, e);
		o->hogs = (uint32_t)n;
		return rc;
	default:
		rc = parse_whole("--threads", optarg, 1, THREADS_MAX, &n, e);
		o->threads = (uint32_t)n;
		return rc;
	}
}

/* 0, 1 when help was asked for and given, or -EINVAL. */
static int parse(int argc, char **argv, uint32_t allowed, struct bench_options *o, struct errbuf *e)
{
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'p': o->programs = optarg; break;
		case 'c': o->config = optarg; break;
		case 'i': o->instruction = optarg; break;
		case 'm': o->count_malloc = optarg; break;
		case 'a': o->attach = true; break;
		case 'j': o->json = true; break;
		case 'o': o->model = optarg; break;
		case 'r': o->precision = optarg; break;
		case 'y': o->torch = optarg; break;
		case 'e': o->frames = optarg; break;
		case 'v': o->film = optarg; break;
		case 'n': o->from = optarg; break;
		case 'u': o->until = optarg; break;
		case 'b':
			if (bench_robot_find(optarg, &o->robot, e) < 0)
				return -EINVAL;
			break;
		case 'd': case 'f': case 'g': case 'k': case 'l': case 's': case 't': case 'z':
			if (parse_value(option, o, e) < 0)
				return -EINVAL;
			break;
		case 'h': print_help(stdout); return 1;
		default: return fail(e, -EINVAL, "see dreamvla-bench --help");
		}
	}
	for (; optind < argc && o->n_arguments < allowed; optind++)
		o->argument[o->n_arguments++] = argv[optind];
	if (optind < argc)
		return fail(e, -EINVAL, "found '%s', want only options; see dreamvla-bench --help", argv[optind]);
	return 0;
}

/* Finds what was not named. `library` must live as long as *o. */
static void fill_in(struct bench_options *o, const struct sub_command *c, char *library, size_t capacity)
{
	if (!o->config)
		o->config = c->config ? c->config : bench_robot_config(o->robot);
	snprintf(library, capacity, "%s/tests/preload/count_malloc.so", o->programs ? o->programs : ".");
	if (!o->count_malloc && access(library, R_OK) == 0)
		o->count_malloc = library;
}

int main(int argc, char **argv)
{
	struct bench_options o = { .instruction = "pick up the red block", .threshold_percent = 10, .seed = 1000000 };
	const struct sub_command *c = argc > 1 ? find_command(argv[1]) : NULL;
	char library[4096], whole[4096];
	struct errbuf e = { 0 };

	if (!c) {
		bool help = argc > 1 && strcmp(argv[1], "--help") == 0;

		if (argc > 1 && !help)
			fprintf(stderr, "dreamvla-bench: found '%.64s', want one of these commands\n", argv[1]);
		print_help(help ? stdout : stderr);
		return help ? EXIT_SUCCESS : 2;
	}
	o.seconds = c->seconds;
	int rc = parse(argc - 1, argv + 1, c->arguments, &o, &e);

	if (rc < 0) {
		fprintf(stderr, "dreamvla-bench %s: %s\n", c->name, e.text);
		return 2;
	}
	if (rc > 0)
		return EXIT_SUCCESS;
	if ((o.from || o.until) && c->run != bench_report) {
		fprintf(stderr, "dreamvla-bench %s: --from and --until are for report\n", c->name);
		return 2;
	}
	fill_in(&o, c, library, sizeof library);
	/* The loader takes LD_PRELOAD from the folder it is started in only when it is a path. */
	if (o.count_malloc && realpath(o.count_malloc, whole))
		o.count_malloc = whole;
	return c->run(&o);
}
