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
	double seconds; /* unless --seconds says otherwise; 0: it takes as long as it takes */
	int (*run)(const struct bench_options *o);
	uint32_t arguments; /* that it may have */
	const char *config; /* unless --config says otherwise; NULL: of the robot */
} commands[] = {
	{ "demo", "run the main job in the simulated bench and judge it", 20, bench_demo },
	{ "show", "three sentences carried out by the demo policy, one changed on the way, a person in between; judged, and made a film of", 0, bench_show, 0,
		"config/demo-pick.yaml" },
	{ "control", "control loop beside cyclictest, take-over, cost of a tick, latencies, allocations; 2 to 3 minutes in all", 30, bench_control },
	{ "allocations", "heap allocations of the control and policy threads in AUTO", 10, bench_allocations },
	{ "costs", "what trace and recording cost control and policy, off and on in turns; 12 times the seconds and a minute or two", 10, bench_costs },
	{ "policy", "load a checkpoint, time a chunk beside its matrix products alone", 1, bench_policy },
	{ "gpu", "a chunk of Dream-VLA-7B with random weights on the GPU: every decoder, and an autoregressive one, beside their floors", 2, bench_gpu },
	{ "piper", "how a simulated PiPER follows targets streamed at 50, 100 and 200 Hz, planned and in high-follow; on virtual time", 0, bench_piper },
	{ "run", "DIR: run the simulated bench, with load and faults if wanted, and make a report of it in a new folder", 20, bench_profile, 1 },
	{ "report", "FILE.mcap DIR: a page, a trace for ui.perfetto.dev and a summary of a recording, in a new folder", 0, bench_report, 2 },
	{ "film", "FILE.mcap FILE.html: a recording with pictures as a page that a browser plays", 0, bench_film, 2 },
	{ "compare", "A B: what the reports in two folders have in common and what not; exit status 1 when B is worse", 0, bench_compare, 2 },
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

/* kinds: the commands that look at it; without, it is every one's, or fits where it does nothing. */
static const struct option_row ROWS[] = {
	{ "programs", OPTION_TEXT, AT(o.programs) },
	{ "config", OPTION_TEXT, AT(o.config), .kinds = "demo show control allocations costs run" },
	{ "instruction", OPTION_TEXT, AT(o.instruction), .kinds = "demo control allocations costs policy run" },
	{ "count-malloc", OPTION_TEXT, AT(o.count_malloc) },
	{ "model", OPTION_TEXT, AT(o.model), .kinds = "policy" },
	{ "precision", OPTION_TEXT, AT(o.precision), .kinds = "policy" },
	{ "torch", OPTION_TEXT, AT(o.torch), .kinds = "gpu" },
	{ "frames", OPTION_TEXT, AT(o.frames), .kinds = "run" },
	{ "from", OPTION_TEXT, AT(o.from), .kinds = "report" },
	{ "until", OPTION_TEXT, AT(o.until), .kinds = "report" },
	{ "film", OPTION_TEXT, AT(o.film), .kinds = "show" },
	{ "robot", OPTION_BY_HAND, AT(o.robot), .take = take_robot, .kinds = "demo show run" },
	{ "seconds", OPTION_NUMBER, AT(o.seconds), 1, 3600, .kinds = "demo control allocations costs policy gpu run" },
	{ "threshold", OPTION_NUMBER, AT(o.threshold_percent), 0, 1e6, .kinds = "compare" },
	{ "drop-frames", OPTION_NUMBER, AT(o.drop_percent), 0, 100, .kinds = "run" },
	{ "delay-frames", OPTION_NUMBER, AT(o.delay_ms), 0, 10000, .kinds = "run" },
	{ "policy-latency", OPTION_WHOLE, AT(o.policy_latency_ms), 0, 10000, .kinds = "run" },
	{ "hogs", OPTION_WHOLE, AT(o.hogs), 0, HOGS_MAX, .kinds = "run" },
	{ "threads", OPTION_WHOLE, AT(o.threads), 1, THREADS_MAX, .kinds = "policy" },
	{ "seed", OPTION_WHOLE, AT(o.seed), 0, UINT32_MAX, .kinds = "show" },
	{ "attach", OPTION_FLAG, AT(o.attach), .kinds = "run" },
	{ "json", OPTION_FLAG, AT(o.json) },
	{ "help", OPTION_FLAG, AT(help) },
};

static void print_command(const struct sub_command *c, FILE *out)
{
	fprintf(out, "  %-13s %s", c->name, c->help);
	if (c->seconds > 0)
		fprintf(out, " (%.0f s)", c->seconds);
	fputc('\n', out);
}

static void print_help(FILE *out)
{
	fprintf(out, "usage: dreamvla-bench COMMAND [options]\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		print_command(&commands[i], out);
	fprintf(out, "\n"
		"  --programs DIR      where dreamvlad, dreamvla-arm and dreamvla-sim lie (default: PATH)\n"
		"  --config FILE       default config/demo.yaml (of the source tree), or demo-pick.yaml (show), demo-piper.yaml, demo-piper-pair.yaml beside it\n"
		"  --seconds S         how long to measure, 1 to 3600 (default behind the command's name). control: the policy running, then half of it stopped, then the take-overs;\n"
		"                      its other parts take more than a minute whatever S is, under load twice that\n"
		"  --robot NAME        demo, show, run: sim (default), franka-fci: the same arm behind Franka's control interface at 1 kHz, driven as a Franka is,\n"
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

/* Whoever gives an option that the command does not look at expects something that will not happen. */
static int check_kinds(const struct sub_command *c, uint64_t seen, struct errbuf *e)
{
	for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
		if (seen >> i & 1 && ROWS[i].kinds && !strstr(ROWS[i].kinds, c->name))
			return fail(e, -EINVAL, "--%s does not belong to %s, but to: %s", ROWS[i].name, c->name, ROWS[i].kinds);
	return 0;
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
	return check_kinds(c, seen, e);
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
