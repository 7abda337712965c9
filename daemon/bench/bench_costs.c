/* bench_costs.c - see bench_costs.h. dreamvlad is started anew for each block: its histograms then hold that block and nothing else, and a
 * machine that drifts meets both alike. */
#include "daemon/bench/bench_costs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_policy_writing.h"
#include "daemon/bench/bench_process.h"
#include "daemon/bench/bench_run.h"
#include "daemon/bench/bench_session.h"
#include "daemon/bench/bench_tick.h"
#include "daemon/sys/clock.h"

enum { BLOCKS_PER_TURN = 4, BLOCKS = 12, READY_MS = 120000, AUTO_MS = 60000 };

/* The share by which each may rise. */
#define LATE_AIM 0.10
#define PATH_AIM 0.01

/* Off, on, on, off: a drift that is straight hits both alike. */
static bool is_on(uint32_t block)
{
	return block % BLOCKS_PER_TURN == 1 || block % BLOCKS_PER_TURN == 2;
}

/* The policy's path: a chunk's stages from the camera's bytes to its actions. */
static const char *const path_stage[] = { "decode", "resize", "patches", "vision", "decoder", "action_decode", "overhead" };

struct block {
	uint64_t written_bytes;
	double aux_share; /* of one processor */
	struct demo_numbers numbers;
};

struct costs {
	uint32_t n;
	bool on[COSTS_BLOCKS_MAX];
	double late_us[COSTS_BLOCKS_MAX], path_us[COSTS_BLOCKS_MAX];
	uint64_t written_bytes;   /* by the blocks that are on */
	double seconds;           /* of each block */
	int64_t period_ns;
	struct paired_cost tick, pictures; /* what the threads pay for writing by themselves: a tick of control, a chunk of the policy */
	double aux_share[2];      /* of one processor that the aux thread had: off, on; means of the blocks */
	double auto_share;        /* the least of all blocks */
	uint64_t overruns[2];     /* periods skipped: off, on */
	struct cost late, path;
};

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *value, uint32_t n)
{
	qsort(value, n, sizeof *value, ascending);
	return n == 0 ? NAN : n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2.0;
}

/* Of those blocks whose `on` is as wanted, every `every`-th from `first`. */
static double median_of(const double *us, const bool *on, uint32_t n, bool want, uint32_t first, uint32_t every)
{
	double chosen[COSTS_BLOCKS_MAX] = { 0.0 };
	uint32_t seen = 0, k = 0;

	for (uint32_t i = 0; i < n; i++)
		if (on[i] == want && seen++ % every == first)
			chosen[k++] = us[i];
	return median(chosen, k);
}

/* What the comparison makes of blocks that are alike, by turns. */
static double difference(const double *us, const bool *on, uint32_t n, bool want)
{
	double even = median_of(us, on, n, want, 0, 2), odd = median_of(us, on, n, want, 1, 2);

	return fabs(odd - even) / fmin(odd, even);
}

struct cost cost_of(const double *us, const bool *on, uint32_t n, double aim)
{
	struct cost c = { .off_us = median_of(us, on, n, false, 0, 1), .on_us = median_of(us, on, n, true, 0, 1), .aim = aim };

	c.rise = c.on_us / c.off_us - 1.0;
	double off = difference(us, on, n, false), with = difference(us, on, n, true);

	c.resolution = off > with || isnan(off) ? off : with; /* NaN, of too few blocks, stays */
	return c;
}

enum cost_verdict cost_judge(const struct cost *c)
{
	if (c->rise - c->resolution >= c->aim)
		return COST_MISSED;
	return c->resolution < c->aim && c->rise + c->resolution < c->aim ? COST_MET : COST_UNRESOLVED; /* NaN resolves nothing */
}

/* What a thread pays for its own writing, against a share of so many us. */
enum cost_verdict cost_judge_writing(const struct paired_cost *c, double of_us, double aim)
{
	double limit_ns = aim * of_us * 1e3;

	if (c->low_ns >= limit_ns)
		return COST_MISSED;
	return c->high_ns < limit_ns ? COST_MET : COST_UNRESOLVED; /* NaN resolves nothing */
}

/* ---- blocks --------------------------------------------------------------------------------------------------------- */

static double path_us(const struct demo_numbers *n)
{
	double sum = 0.0;

	for (size_t k = 0; k < sizeof path_stage / sizeof *path_stage; k++)
		for (uint32_t i = 0; i < n->n_stages; i++)
			if (strcmp(n->stage[i].name, path_stage[k]) == 0)
				sum += n->stage[i].p50_us;
	return sum;
}

/* The configuration with recording on or off, in the folder. */
static int write_config(const struct bench_options *o, const char *folder, bool on, char path[PROCESS_PATH_BYTES], struct errbuf *e)
{
	struct config *c = malloc(sizeof *c);
	FILE *f = NULL;
	int rc = c ? config_read(c, o->config, e) : fail(e, -ENOMEM, "out of memory");

	snprintf(path, PROCESS_PATH_BYTES, "%.*s/%s.yaml", PROCESS_PATH_BYTES - 16, folder, on ? "on" : "off");
	if (rc == 0) {
		snprintf(c->record_dir, sizeof c->record_dir, "%.*s", on ? CONFIG_TEXT_BYTES - 1 : 0, folder);
		c->record_at_start = true;
		f = fopen(path, "w");
		rc = f && config_print(c, f) == 0 ? 0 : fail(e, -EIO, "%s: cannot be written", path);
	}
	if (f && fclose(f) != 0 && rc == 0)
		rc = fail(e, -EIO, "%s: cannot be written", path);
	free(c);
	return rc;
}

static int measure(struct session *s, const struct bench_options *o, struct block *b, struct errbuf *e)
{
	struct run r;
	int64_t aux_ns;
	int rc = session_wait_ready(s, READY_MS, e);

	if (rc == 0)
		rc = session_enter_auto(s, o->instruction, AUTO_MS, e);
	if (rc == 0)
		rc = run_begin(&r, s, e);
	aux_ns = process_thread_cpu_ns(process_find(&s->group, "dreamvlad")->pid, "aux");
	if (rc == 0)
		rc = run_until(&r, r.from_ns + (int64_t)(o->seconds * 1e9), e);
	if (rc < 0)
		return rc;
	aux_ns = process_thread_cpu_ns(process_find(&s->group, "dreamvlad")->pid, "aux") - aux_ns;
	b->aux_share = (double)aux_ns / (double)(clock_monotonic_ns() - r.from_ns);
	run_numbers(&r, &b->numbers);
	return b->numbers.chunks > 0 ? 0 : fail(e, -ENODATA, "the policy made no chunk in %.0f s", o->seconds);
}

/* Sizes of the recordings in the folder, which are removed. */
static uint64_t take_recordings(const char *folder)
{
	uint64_t bytes = 0;
	char path[PROCESS_PATH_BYTES + 256];
	struct stat st;
	DIR *dir = opendir(folder);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (!strstr(entry->d_name, ".mcap"))
			continue;
		snprintf(path, sizeof path, "%s/%.255s", folder, entry->d_name);
		bytes += stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
		unlink(path);
	}
	if (dir)
		closedir(dir);
	return bytes;
}

static int run_block(const struct bench_options *o, const char *folder, bool on, struct block *b, struct errbuf *e)
{
	char config[PROCESS_PATH_BYTES];
	struct session_options so = { .programs = o->programs, .config = config };
	struct session *s = NULL;
	struct errbuf stop = { "" };
	int rc = write_config(o, folder, on, config, e), bad = 0;

	if (rc == 0)
		rc = session_start(&s, &so, e);
	if (rc == 0)
		rc = measure(s, o, b, e);
	bad = session_stop(s, rc < 0 && rc != -EINTR, &stop);
	if (rc == 0 && bad)
		rc = fail(e, -EPROTO, "%s", stop.text);
	b->written_bytes = take_recordings(folder);
	if (rc == 0 && (b->written_bytes > 0) != on)
		rc = fail(e, -EPROTO, "recording was %s, and %" PRIu64 " bytes were written", on ? "on" : "off", b->written_bytes);
	return rc;
}

static void take_block(struct costs *c, bool on, const struct block *b)
{
	const struct demo_numbers *n = &b->numbers;

	c->on[c->n] = on;
	c->late_us[c->n] = n->late.p999;
	c->path_us[c->n] = path_us(n);
	c->written_bytes += b->written_bytes;
	c->overruns[on] += n->overruns;
	c->aux_share[on] += b->aux_share / (BLOCKS / 2);
	c->auto_share = c->n == 0 || n->auto_share < c->auto_share ? n->auto_share : c->auto_share;
	c->n++;
}

static int run_blocks(const struct bench_options *o, const char *folder, struct costs *c, struct errbuf *e)
{
	struct block *b = malloc(sizeof *b);
	int rc = b ? 0 : fail(e, -ENOMEM, "out of memory");

	while (rc == 0 && c->n < BLOCKS) {
		bool on = is_on(c->n);

		fprintf(stderr, "block %u of %d: trace and recording %s, %.0f s\n", c->n + 1, BLOCKS, on ? "on" : "off", o->seconds);
		memset(b, 0, sizeof *b);
		rc = run_block(o, folder, on, b, e);
		if (rc == 0)
			take_block(c, on, b);
	}
	free(b);
	return rc;
}

static int measure_all(const struct bench_options *o, struct costs *c, struct errbuf *e)
{
	struct process_group g; /* for its folder */
	int rc = ticks_measure_writing(&c->tick, &c->period_ns, o->config, e);

	if (rc < 0 || (rc = policy_measure_writing(&c->pictures, o->config, e)) < 0 || (rc = process_group_init(&g, e)) < 0)
		return rc;
	rc = run_blocks(o, g.folder, c, e);
	(void)take_recordings(g.folder);
	process_group_remove_files(&g);
	c->seconds = o->seconds;
	c->late = cost_of(c->late_us, c->on, c->n, LATE_AIM);
	c->path = cost_of(c->path_us, c->on, c->n, PATH_AIM);
	return rc;
}

/* ---- showing -------------------------------------------------------------------------------------------------------- */

static const char *const verdict_name[] = { [COST_MET] = "met", [COST_MISSED] = "MISSED", [COST_UNRESOLVED] = "not resolved" };

static void print_cost(const char *what, const struct cost *c)
{
	printf("%s\n  off %10.1f us   on %10.1f us   rise %+6.2f %%   aim < %.0f %%: %s\n", what, c->off_us, c->on_us, 100 * c->rise,
			100 * c->aim, verdict_name[cost_judge(c)]);
	printf("  this run resolves %.2f %% (off against off, or on against on)\n", 100 * c->resolution);
}

static void print_writing(const char *what, const struct paired_cost *w, const struct cost *of)
{
	printf("%s\n", what);
	paired_print(stdout, w);
	printf("  that is %+.3f %% of the %.1f us above; aim < %.0f %%: %s\n", w->more_ns / 1e1 / of->off_us, of->off_us, 100 * of->aim,
			verdict_name[cost_judge_writing(w, of->off_us, of->aim)]);
}

static void print_costs(const struct costs *c)
{
	printf("trace and recording off and on in turns, %u blocks of %.0f s, medians of the blocks\n", c->n, c->seconds);
	print_cost("control lateness, p99.9 of each block, start-up included", &c->late);
	print_writing("what a control tick takes by itself, off and on in pairs", &c->tick, &c->late);
	printf("  and %.3f %% of the period of %.1f ms\n", 100.0 * c->tick.more_ns / (double)c->period_ns, (double)c->period_ns / 1e6);
	print_cost("policy path, sum of its stages' p50 (read to 1 %)", &c->path);
	print_writing("what one chunk's writing takes by itself: frames, observation, chunk and spans, off and on in pairs", &c->pictures, &c->path);
	printf("aux thread: %.2f %% of one processor off, %.2f %% on, at ordinary priority: where the policy's threads take all processors but control's, "
			"it is theirs that it takes\n", 100 * c->aux_share[0], 100 * c->aux_share[1]);
	printf("periods skipped: off %" PRIu64 ", on %" PRIu64 "; least share of time in AUTO %.1f %%; %.1f MB written\n", c->overruns[0],
			c->overruns[1], 100 * c->auto_share, (double)c->written_bytes / 1e6);
}

static json_t *cost_json(const struct cost *c, const struct paired_cost *w)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:s, s:o, s:s}", "off_us", c->off_us, "on_us", c->on_us, "rise", c->rise, "resolution",
			c->resolution, "aim", c->aim, "verdict", verdict_name[cost_judge(c)], "writing", paired_json(w), "writing_verdict",
			verdict_name[cost_judge_writing(w, c->off_us, c->aim)]);
}

static void print_json(const struct costs *c)
{
	json_t *blocks = json_array(), *j;

	for (uint32_t i = 0; i < c->n; i++)
		json_array_append_new(blocks, json_pack("{s:b, s:f, s:f}", "on", c->on[i], "late_p999_us", c->late_us[i], "path_us", c->path_us[i]));
	j = json_pack("{s:f, s:f, s:f, s:o, s:o, s:I, s:I, s:I, s:f, s:o}", "block_seconds", c->seconds, "aux_share_off", c->aux_share[0],
			"aux_share_on", c->aux_share[1], "late_p999", cost_json(&c->late, &c->tick), "path",
			cost_json(&c->path, &c->pictures), "overruns_off", (json_int_t)c->overruns[0], "overruns_on", (json_int_t)c->overruns[1],
			"written_bytes", (json_int_t)c->written_bytes, "auto_share", c->auto_share, "blocks", blocks);
	if (j)
		json_dumpf(j, stdout, JSON_INDENT(2)), putchar('\n');
	json_decref(j);
}

static bool is_missed(const struct cost *c, const struct paired_cost *w)
{
	return cost_judge(c) == COST_MISSED || cost_judge_writing(w, c->off_us, c->aim) == COST_MISSED;
}

int bench_costs(const struct bench_options *o)
{
	struct costs c = { 0 };
	struct errbuf e = { "" };
	int rc;

	session_hold_signals();
	rc = measure_all(o, &c, &e);
	if (rc < 0)
		fprintf(stderr, "dreamvla-bench: %s\n", e.text);
	else if (o->json)
		print_json(&c);
	else
		print_costs(&c);
	fflush(stdout);
	return rc < 0 || is_missed(&c.late, &c.tick) || is_missed(&c.path, &c.pictures) ? EXIT_FAILURE : EXIT_SUCCESS;
}
