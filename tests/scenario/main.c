/* main.c - runs scenarios, draws them, or makes random ones for hours of virtual time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/scenario/scenario.h"
#include "tests/scenario/virtual.h"

struct options {
	const char *plot, *keep;
	bool trace;
	double soak_hours;
	uint64_t seed;
};

struct score {
	uint32_t passed, failed;
	double virtual_s, real_s;
};

static double real_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void usage(FILE *out)
{
	fputs("usage: scenario [--plot OUT.svg] [--trace] FILE.scn...\n"
	      "       scenario --soak HOURS [--seed N] [--keep FOLDER]\n"
	      "       scenario --words\n"
	      "  --plot   draw the run (one FILE)\n"
	      "  --trace  say what happens, and how near to its limits everything came\n"
	      "  --soak   random faults for so many hours of virtual time; what fails is written to FOLDER (.) as a scenario\n"
	      "  --words  every line that a file may hold\n", out);
}

static void show_rows(const char *before, const struct command_row *rows)
{
	for (const struct command_row *r = rows; r->pattern; r++)
		printf("%s%s\n        %s\n", before, r->pattern, r->help);
}

static int show_words(void)
{
	puts("title TEXT\nset KEY VALUE\n        a key of the configuration; of a part: cameras.NAME.KEY, robots.NAME.KEY");
	show_rows("", setup_rows);
	show_rows("at T s ", command_rows);
	show_rows("at|by|until T s expect ", expect_rows);
	puts("end T s");
	return 0;
}

static int draw(const struct options *o, const struct scenario *s, const struct record *r)
{
	struct control_setup setup;
	struct errbuf e;

	if (setup_control(&setup, &s->config, &e) < 0 || plot_write(o->plot, r, s, &setup, &e) < 0) {
		fprintf(stderr, "scenario: %s\n", e.text);
		return -EIO;
	}
	return 0;
}

static bool run_file(const struct options *o, const char *path, struct score *score)
{
	struct record *r = o->plot ? calloc(1, sizeof *r) : NULL;
	struct scenario *s;
	struct errbuf e;
	double began = real_s();
	uint32_t failures = 1;

	if (scenario_read(&s, path, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		record_free(r);
		return false;
	}
	failures = stand_run(s, r, o->trace, stdout);
	double took = real_s() - began;

	score->virtual_s += (double)s->end_ns * 1e-9;
	score->real_s += took;
	printf("%-4s %s: %s (%.0f s in %.2f s)\n", failures ? "FAIL" : "ok", s->name, s->title, (double)s->end_ns * 1e-9, took);
	if (r && draw(o, s, r) < 0)
		failures++;
	record_free(r);
	scenario_free(s);
	return failures == 0;
}

static void show_score(const struct score *s)
{
	printf("%u passed, %u failed; %.0f s of virtual time in %.1f s, %.0f times as fast as real\n", s->passed, s->failed, s->virtual_s,
			s->real_s, s->real_s > 0.0 ? s->virtual_s / s->real_s : 0.0);
}

/* ---- soak ----------------------------------------------------------------------------------------------------------- */

/* One random scenario; its file stays when it fails. */
static bool soak_one(const struct options *o, uint64_t seed, double seconds, struct score *score)
{
	struct options quiet = *o;
	char path[512];
	FILE *out;
	bool good;

	quiet.plot = NULL;
	snprintf(path, sizeof path, "%s/soak_%llu.scn", o->keep, (unsigned long long)seed);
	out = fopen(path, "w");
	if (!out) {
		fprintf(stderr, "scenario: %s: %s\n", path, strerror(errno));
		return false;
	}
	soak_write(out, seed, seconds);
	fclose(out);
	good = run_file(&quiet, path, score);
	if (good)
		unlink(path);
	fflush(stdout);
	return good;
}

static int soak(const struct options *o)
{
	static const double SECONDS = 120.0;
	struct score score = { 0 };

	for (uint64_t i = 0; score.virtual_s < o->soak_hours * 3600.0; i++) {
		bool good = soak_one(o, o->seed + i, SECONDS, &score);

		score.passed += good;
		score.failed += !good;
		if (score.virtual_s == 0.0)
			return 1; /* a file that could not even be read */
	}
	show_score(&score);
	return score.failed > 0;
}

static int run_files(const struct options *o, char **path)
{
	struct score score = { 0 };

	if (o->plot && path[0] && path[1]) {
		fputs("scenario: --plot: found several files, allowed: one\n", stderr);
		return 2;
	}
	for (; *path; path++) {
		bool good = run_file(o, *path, &score);

		score.passed += good;
		score.failed += !good;
	}
	show_score(&score);
	return score.failed > 0 || score.passed == 0;
}

static bool take_options(struct options *o, char **argv, int *i)
{
	for (*i = 1; argv[*i] && strncmp(argv[*i], "--", 2) == 0; ++*i) {
		const char *name = argv[*i];

		if (strcmp(name, "--trace") == 0)
			o->trace = true;
		else if (!argv[*i + 1])
			return false;
		else if (strcmp(name, "--plot") == 0)
			o->plot = argv[++*i];
		else if (strcmp(name, "--keep") == 0)
			o->keep = argv[++*i];
		else if (strcmp(name, "--soak") == 0)
			o->soak_hours = strtod(argv[++*i], NULL);
		else if (strcmp(name, "--seed") == 0)
			o->seed = strtoull(argv[++*i], NULL, 10);
		else
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .keep = ".", .seed = 1 };
	int i;

	if (argc == 2 && strcmp(argv[1], "--words") == 0)
		return show_words();
	if (!take_options(&o, argv, &i) || (!argv[i] && !(o.soak_hours > 0.0))) {
		usage(stderr);
		return 2;
	}
	virtual_log_show(o.trace);
	return o.soak_hours > 0.0 ? soak(&o) : run_files(&o, argv + i);
}
