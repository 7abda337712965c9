#include "daemon/trial/command.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/options.h"
#include "daemon/trial/episodes.h"
#include "daemon/trial/score.h"

static const char USAGE[] =
	"dreamvla-sim --evaluate, --expert - the tasks of the demo policy on virtual time: the simulated world, and dreamvlad's own control\n"
	"and safety in front of it\n"
	"\n"
	"  dreamvla-sim --evaluate N --config FILE [options]          how often a policy succeeds in N episodes\n"
	"  dreamvla-sim --expert N --config FILE --out DIR [options]  what N episodes look like and what the expert would do, to train a policy;\n"
	"                                                             with --policy DIR in the states that this one gets into (DAgger)\n"
	"\n"
	"  --config FILE        the bench, e.g. config/demo-pick.yaml\n"
	"  --seed S             of the first episode, the others follow (default 1000000 for --evaluate, 1 for --expert, whose seeds stay below\n"
	"                       1000000: no policy is judged in a world that it was trained in)\n"
	"  --policy DIR|expert  checkpoint that drives (default: policy.model for --evaluate, expert for --expert)\n"
	"  --task TASK          pick: \"pick up the <colour> block\" (default); put: \"put the <colour> block on the <colour> pad\"\n"
	"  --mode METHOD        sync, async, ensemble or inpaint (default: execution.method)\n"
	"  --steps K            diffusion steps, 1 to 50 (default: policy.steps)\n"
	"  --latency-ms MS      each inference lasts so long, 0 to 10000 (default 0): all of it, whatever it takes on this machine,\n"
	"  --jitter-ms MS       and up to so much longer, evenly spread, 0 to 10000 (default 0)\n"
	"  --camera-late-ms MS  frames are so old when they arrive, 0 to 500 (default 0)\n"
	"  --drop SHARE         of the frames is lost, 0 to 0.9 (default 0)\n"
	"  --take-over          a person takes the arm over in each episode, from 2 s to 4 s, pushes it aside and up, lets go and asks for AUTO again;\n"
	"                       the task may last so much longer\n"
	"  --clumsy SHARE       of the expert's chunks goes wrong, so that the way back is seen, 0 to 1 (default 0; 0.3 for --expert)\n"
	"  --out DIR            where the episodes go: safetensors files, policy/train/README.md has their format\n"
	"  --json               the result as JSON, with one entry for each seed\n"
	"  --help\n"
	"\n"
	"Time to success and jerk are those of the successes. A seed that the arm was not let drive in, or in which it was stopped, is no success.\n";

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, N_MAX = 1000000, EVALUATION_SEED = 1000000 };

static const char *const METHOD[] = {
	[EXECUTE_SYNC] = "sync",
	[EXECUTE_ASYNC] = "async",
	[EXECUTE_ENSEMBLE] = "ensemble",
	[EXECUTE_INPAINT] = "inpaint",
};

/* Zeroed but for these: not given. */
struct arguments {
	uint32_t evaluate, expert; /* how many */
	uint64_t seed;             /* NO_SEED */
	const char *config, *policy, *out;
	int mode;                  /* enum execution_method; -1 */
	bool put;                  /* --task put */
	uint32_t steps;
	double latency_ms, jitter_ms, camera_late_ms, drop;
	double clumsy;             /* -1 */
	bool take_over, json, help;
};

static const uint64_t NO_SEED = UINT64_MAX; /* none that can be given */

static int take_mode(const char *text, void *at, struct errbuf *e)
{
	for (int i = EXECUTE_SYNC; i <= EXECUTE_INPAINT; i++)
		if (strcmp(text, METHOD[i]) == 0) {
			*(int *)at = i;
			return 0;
		}
	return fail(e, -EINVAL, "--mode: found %s, want sync, async, ensemble or inpaint", text);
}

static int take_task(const char *text, void *at, struct errbuf *e)
{
	*(bool *)at = strcmp(text, "put") == 0;
	return *(bool *)at || strcmp(text, "pick") == 0 ? 0 : fail(e, -EINVAL, "--task: found %s, want pick or put", text);
}

#define AT(member) offsetof(struct arguments, member)

static const struct option_row ROWS[] = {
	{ "evaluate", OPTION_WHOLE, AT(evaluate), 1, N_MAX },
	{ "expert", OPTION_WHOLE, AT(expert), 1, N_MAX },
	{ "config", OPTION_TEXT, AT(config) },
	{ "seed", OPTION_SEED, AT(seed), .low = N_MAX },
	{ "policy", OPTION_TEXT, AT(policy) },
	{ "mode", OPTION_BY_HAND, AT(mode), .take = take_mode },
	{ "task", OPTION_BY_HAND, AT(put), .take = take_task },
	{ "steps", OPTION_WHOLE, AT(steps), 1, 50 },
	{ "latency-ms", OPTION_NUMBER, AT(latency_ms), 0, 10000 },
	{ "jitter-ms", OPTION_NUMBER, AT(jitter_ms), 0, 10000 },
	{ "camera-late-ms", OPTION_NUMBER, AT(camera_late_ms), 0, 500 },
	{ "drop", OPTION_NUMBER, AT(drop), 0, 0.9 },
	{ "clumsy", OPTION_NUMBER, AT(clumsy), 0, 1 },
	{ "take-over", OPTION_FLAG, AT(take_over) },
	{ "out", OPTION_TEXT, AT(out) },
	{ "json", OPTION_FLAG, AT(json) },
	{ "help", OPTION_FLAG, AT(help) },
};

enum { ROW_COUNT = sizeof ROWS / sizeof *ROWS };

/* ---- what is asked for ---------------------------------------------------------------------------------------------- */

static bool expert_drives(const struct arguments *a)
{
	return a->policy ? strcmp(a->policy, "expert") == 0 : a->expert > 0;
}

static int check(const struct arguments *a, struct errbuf *e)
{
	if (a->evaluate && a->expert)
		return fail(e, -EINVAL, "--evaluate and --expert: want one of them");
	if (!a->config)
		return fail(e, -EINVAL, "which bench? give --config FILE, e.g. config/demo-pick.yaml");
	if (a->expert && !a->out)
		return fail(e, -EINVAL, "--expert: where to? give --out DIR");
	if (a->evaluate && a->out)
		return fail(e, -EINVAL, "--out %s: --evaluate writes no episodes; --expert does", a->out);
	if (a->expert && a->take_over)
		return fail(e, -EINVAL, "--take-over: --evaluate has a person in it; what the expert would do is nothing that a person does");
	if (a->clumsy >= 0 && !expert_drives(a))
		return fail(e, -EINVAL, "--clumsy: it is the expert that can be clumsy, and a checkpoint drives");
	if (a->expert && a->seed + a->expert > EVALUATION_SEED)
		return fail(e, -EINVAL, "--seed %llu and %u episodes: seeds from %d on are for --evaluate", (unsigned long long)a->seed, a->expert,
				EVALUATION_SEED);
	return 0;
}

static int parse(struct arguments *a, int argc, char **argv, struct errbuf *e)
{
	uint64_t seen;
	int rc = options_take(ROWS, ROW_COUNT, "dreamvla-sim --evaluate 1", argc, argv, a, &seen, e);

	if (a->seed == NO_SEED)
		a->seed = a->evaluate ? EVALUATION_SEED : 1;
	return rc < 0 || a->help ? rc : check(a, e);
}

/* ---- to the bench --------------------------------------------------------------------------------------------------- */

static int choose(struct config *c, const struct arguments *a, struct errbuf *e)
{
	int rc = config_read(c, a->config, e);

	if (rc < 0)
		return rc;
	if (a->mode >= 0)
		c->execution_method = a->mode;
	if (a->policy && strlen(a->policy) >= sizeof c->policy_model)
		return fail(e, -ENAMETOOLONG, "--policy: the path is too long");
	if (a->policy)
		strcpy(c->policy_model, a->policy);
	if (a->steps > 0)
		c->policy_steps = (int32_t)a->steps;
	return config_check(c, e);
}

static struct trial_options trial_options(const struct arguments *a, const struct config *c)
{
	double clumsy = a->clumsy >= 0 ? a->clumsy : a->expert ? 0.3 : 0;

	return (struct trial_options){ .config = c, .put = a->put, .expert = expert_drives(a), .clumsiness = clumsy, .drop = a->drop, .take_over = a->take_over,
		.latency_ns = (int64_t)(a->latency_ms * 1e6), .jitter_ns = (int64_t)(a->jitter_ms * 1e6),
		.camera_late_ns = (int64_t)(a->camera_late_ms * 1e6) };
}

/* On what takes more than two seconds, every two. */
static void show_progress(int64_t *shown_ns, int64_t began_ns, uint32_t n, uint32_t of, uint32_t done)
{
	int64_t now_ns = clock_monotonic_ns();

	if (now_ns - *shown_ns < 2 * NS_PER_S)
		return;
	*shown_ns = now_ns;
	fprintf(stderr, "dreamvla-sim: %u of %u episodes, %u successes, %.1f per second\n", n, of, done, n * 1e9 / (double)(now_ns - began_ns));
}

/* ---- --evaluate ----------------------------------------------------------------------------------------------------- */

static void print_text(struct score *s, double low, double high)
{
	printf("%u of %u episodes: %.1f %% (95 %% interval %.1f to %.1f)\n", s->done, s->n, 100.0 * s->done / s->n, 100 * low, 100 * high);
	printf("  wrong block %u, too late %u, stopped %u; inferences without a chunk: %u\n", s->wrong_block, s->too_late, s->stopped, s->lost);
	printf("  time to success %.2f s (median), jerk %.2f m/s^3 (RMS), one inference %.1f ms\n", score_median_s(s), score_jerk_m_s3(s),
			s->infer_ms_sum / s->n);
}

static json_t *list_episodes(const struct trial_result *each, const struct arguments *a)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < a->evaluate; i++)
		json_array_append_new(list, json_pack("{s:I, s:s, s:s?, s:s, s:s, s:f, s:f, s:f}", "seed", (json_int_t)(a->seed + i), "colour",
				block_colour_name(each[i].words.colour), "pad", each[i].words.put ? block_colour_name(each[i].words.pad) : NULL,
				"verdict", each[i].verdict == TASK_RUNS ? "stopped" : task_verdict_name(each[i].verdict),
				"reason", reason_name(each[i].reason), "took_s", each[i].took_s, "taken_over_s", each[i].taken_over_s,
				"jerk_m_s3", each[i].jerk_m_s3));
	return list;
}

static void print_json(struct score *s, const struct trial_result *each, const struct arguments *a, const struct config *c, double low, double high)
{
	json_t *j = json_pack("{s:i, s:i, s:f, s:[f,f], s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:b, s:I, s:o}",
			"episodes", (int)s->n, "successes", (int)s->done, "success", (double)s->done / s->n, "interval_95", low, high,
			"wrong_block", (int)s->wrong_block, "too_late", (int)s->too_late, "stopped", (int)s->stopped, "lost", (int)s->lost,
			"median_s", score_median_s(s), "jerk_rms_m_s3", score_jerk_m_s3(s), "infer_ms", s->infer_ms_sum / s->n,
			"task", a->put ? "put" : "pick",
			"policy", expert_drives(a) ? "expert" : c->policy_model, "mode", METHOD[c->execution_method], "steps", (int)c->policy_steps,
			"latency_ms", a->latency_ms, "jitter_ms", a->jitter_ms, "camera_late_ms", a->camera_late_ms, "drop", a->drop,
			"take_over", (int)a->take_over, "seed", (json_int_t)a->seed, "each", list_episodes(each, a));

	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(j);
}

/* The first of each kind: the others are mostly like it. */
struct told { bool stopped, lost; };

static void explain(struct told *told, const struct trial *t, uint64_t seed)
{
	struct trial_result r = trial_result(t);
	unsigned long long n = seed;

	if (r.verdict == TASK_RUNS && !told->stopped)
		fprintf(stderr, "dreamvla-sim: seed %llu: %s: %s\n", n, r.took_s > 0 ? "the mode left AUTO" : "no AUTO was entered", reason_name(r.reason));
	if (r.lost > 0 && !told->lost)
		fprintf(stderr, "dreamvla-sim: seed %llu: an inference gave no chunk: %s\n", n, trial_complaint(t));
	told->stopped = told->stopped || r.verdict == TASK_RUNS;
	told->lost = told->lost || r.lost > 0;
}

/* A seed that comes to no AUTO is one that was stopped. */
static int run_one(struct trial *t, uint64_t seed, struct trial_result *out, struct errbuf *e)
{
	int rc = trial_begin(t, seed, e);

	while (rc == 0 && trial_step(t))
		;
	*out = trial_result(t);
	return rc == -EIO ? 0 : rc;
}

static int run_all(struct trial *t, const struct arguments *a, struct score *s, struct trial_result *each, struct errbuf *e)
{
	int64_t began_ns = clock_monotonic_ns(), shown_ns = began_ns;
	struct told told = { false };
	int rc = 0;

	for (uint32_t i = 0; i < a->evaluate && rc == 0; i++) {
		rc = run_one(t, a->seed + i, &each[i], e);
		score_add(s, &each[i]);
		explain(&told, t, a->seed + i);
		show_progress(&shown_ns, began_ns, i + 1, a->evaluate, s->done);
	}
	return rc;
}

static int evaluate(struct trial *t, const struct arguments *a, const struct config *c, struct errbuf *e)
{
	struct score s = { .took_s = calloc(a->evaluate, sizeof *s.took_s) };
	struct trial_result *each = calloc(a->evaluate, sizeof *each);
	double low, high;
	int rc = s.took_s && each ? run_all(t, a, &s, each, e) : fail(e, -ENOMEM, "out of memory");

	score_interval(s.done, s.n, &low, &high);
	if (rc == 0 && a->json)
		print_json(&s, each, a, c, low, high);
	else if (rc == 0)
		print_text(&s, low, high);
	free(s.took_s);
	free(each);
	return rc;
}

/* ---- --expert ------------------------------------------------------------------------------------------------------- */

static int write_all(struct episodes *s, struct trial *t, const struct arguments *a, struct errbuf *e)
{
	int64_t began_ns = clock_monotonic_ns(), shown_ns = began_ns;
	uint32_t done = 0;
	int rc = 0;

	for (uint32_t i = 0; i < a->expert && rc == 0; i++) {
		rc = episodes_run(s, a->seed + i, e);
		done += trial_result(t).verdict == TASK_DONE;
		show_progress(&shown_ns, began_ns, i + 1, a->expert, done);
	}
	if (rc < 0 || (rc = episodes_flush(s, e)) < 0)
		return rc;
	double took_s = (double)(clock_monotonic_ns() - began_ns) * 1e-9;

	if (a->json)
		printf("{\"episodes\": %u, \"successes\": %u, \"samples\": %llu, \"seconds\": %.2f}\n", a->expert, done,
				(unsigned long long)episodes_samples(s), took_s);
	else
		printf("%u episodes in %s: %llu samples, %u successes; %.1f s, %.1f episodes per second\n", a->expert, a->out,
				(unsigned long long)episodes_samples(s), done, took_s, a->expert / took_s);
	return 0;
}

static int write_episodes(struct trial *t, const struct arguments *a, const struct config *c, struct errbuf *e)
{
	struct episodes *s = NULL;
	int rc = episodes_create(&s, t, c, a->out, e);

	if (rc == 0)
		rc = write_all(s, t, a, e);
	episodes_destroy(s);
	return rc;
}

/* --------------------------------------------------------------------------------------------------------------------- */

static int run(const struct arguments *a, struct errbuf *e)
{
	static struct config c; /* large for a stack */
	struct trial *t = NULL;
	int rc;

	config_defaults(&c);
	if ((rc = choose(&c, a, e)) < 0)
		return rc;
	struct trial_options o = trial_options(a, &c);

	rc = trial_create(&t, &o, e);
	if (rc == 0)
		rc = a->evaluate ? evaluate(t, a, &c, e) : write_episodes(t, a, &c, e);
	trial_destroy(t);
	return rc;
}

bool trial_command_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--evaluate", 10) == 0 || strncmp(argv[i], "--expert", 8) == 0)
			return true;
	return false;
}

int trial_command(int argc, char **argv)
{
	struct arguments a = { .mode = -1, .seed = NO_SEED, .clumsy = -1 };
	struct errbuf e = { "" };
	int rc = parse(&a, argc, argv, &e);

	if (rc == 0 && a.help) {
		fputs(USAGE, stdout);
		return 0;
	}
	int failed = rc < 0 ? EXIT_USAGE : EXIT_FAILED;

	if (rc == 0)
		rc = run(&a, &e);
	if (rc < 0)
		fprintf(stderr, "dreamvla-sim: %s\n", e.text);
	return rc < 0 ? failed : 0;
}
