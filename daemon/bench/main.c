/* main.c - dreamvla-bench: the command line. One table row per sub-command. */
#include <errno.h>
#include <stddef.h>
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
#include "daemon/sys/options.h"

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

struct arguments {
	struct bench_options o;
	bool help;
};

static int take_robot(const char *text, void *at, struct errbuf *e)
{
	return bench_robot_find(text, at, e);
}

#define AT(member) offsetof(struct arguments, member)

static const struct option_row ROWS[] = {
	{ "programs", OPTION_TEXT, AT(o.programs) },
	{ "config", OPTION_TEXT, AT(o.config) },
	{ "instruction", OPTION_TEXT, AT(o.instruction) },
	{ "count-malloc", OPTION_TEXT, AT(o.count_malloc) },
	{ "model", OPTION_TEXT, AT(o.model) },
	{ "precision", OPTION_TEXT, AT(o.precision) },
	{ "torch", OPTION_TEXT, AT(o.torch) },
	{ "frames", OPTION_TEXT, AT(o.frames) },
	{ "from", OPTION_TEXT, AT(o.from) },
	{ "until", OPTION_TEXT, AT(o.until) },
	{ "film", OPTION_TEXT, AT(o.film) },
	{ "robot", OPTION_BY_HAND, AT(o.robot), .take = take_robot },
	{ "seconds", OPTION_NUMBER, AT(o.seconds), 1, 3600 },
	{ "threshold", OPTION_NUMBER, AT(o.threshold_percent), 0, 1e6 },
	{ "drop-frames", OPTION_NUMBER, AT(o.drop_percent), 0, 100 },
	{ "delay-frames", OPTION_NUMBER, AT(o.delay_ms), 0, 10000 },
	{ "policy-latency", OPTION_WHOLE, AT(o.policy_latency_ms), 0, 10000 },
	{ "hogs", OPTION_WHOLE, AT(o.hogs), 0, HOGS_MAX },
	{ "threads", OPTION_WHOLE, AT(o.threads), 1, THREADS_MAX },
	{ "seed", OPTION_WHOLE, AT(o.seed), 0, UINT32_MAX },
	{ "attach", OPTION_FLAG, AT(o.attach) },
	{ "json", OPTION_FLAG, AT(o.json) },
	{ "help", OPTION_FLAG, AT(help) },
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

static int parse(int argc, char **argv, const struct sub_command *c, struct arguments *a, struct errbuf *e)
{
	uint64_t seen;
	int rest = argc, rc = options_take_some(ROWS, sizeof ROWS / sizeof *ROWS, "dreamvla-bench", argc, argv, a, &seen, &rest, e);

	if (rc < 0 || a->help)
		return rc;
	for (; rest < argc && a->o.n_arguments < c->arguments; rest++)
		a->o.argument[a->o.n_arguments++] = argv[rest];
	if (rest < argc)
		return fail(e, -EINVAL, "%s: not an option; dreamvla-bench --help lists them", argv[rest]);
	if ((a->o.from || a->o.until) && c->run != bench_report)
		return fail(e, -EINVAL, "--from and --until are for report");
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

static int no_command(const char *found)
{
	bool help = found && strcmp(found, "--help") == 0;

	if (found && !help)
		fprintf(stderr, "dreamvla-bench: found '%.64s', want one of these commands\n", found);
	print_help(help ? stdout : stderr);
	return help ? EXIT_SUCCESS : 2;
}

static int run(const struct sub_command *c, struct bench_options *o)
{
	char library[4096], whole[4096];

	fill_in(o, c, library, sizeof library);
	/* The loader takes LD_PRELOAD from the folder it is started in only when it is a path. */
	if (o->count_malloc && realpath(o->count_malloc, whole))
		o->count_malloc = whole;
	return c->run(o);
}

int main(int argc, char **argv)
{
	struct arguments a = { .o = { .instruction = "pick up the red block", .threshold_percent = 10, .seed = 1000000 } };
	const struct sub_command *c = argc > 1 ? find_command(argv[1]) : NULL;
	struct errbuf e = { 0 };

	if (!c)
		return no_command(argv[1]);
	a.o.seconds = c->seconds;
	if (parse(argc - 1, argv + 1, c, &a, &e) < 0) {
		fprintf(stderr, "dreamvla-bench %s: %s\n", c->name, e.text);
		return 2;
	}
	if (a.help) {
		print_help(stdout);
		return EXIT_SUCCESS;
	}
	return run(c, &a.o);
}
