/* bench_look.c - see bench_look.h. */
#include "daemon/bench/bench_look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/bench/bench_compare.h"
#include "daemon/bench/bench_recording.h"
#include "daemon/bench/bench_report.h"

enum { BAR = 30, LINE_BYTES = 256, EXIT_USAGE = 2 };

void bench_show_progress(const char *what, double share)
{
	char bar[BAR + 1];

	if (!isatty(2))
		return;
	for (int i = 0; i < BAR; i++)
		bar[i] = i < share * BAR ? '#' : '.';
	bar[BAR] = 0;
	fprintf(stderr, "\r\033[K[%s] %3.0f %%  %s%s", bar, 100 * share, what, share >= 1 ? "\n" : "");
}

/* ---- the machine -------------------------------------------------------------------------------------------------------- */

static void read_line(const char *path, char out[LINE_BYTES])
{
	FILE *f = fopen(path, "r");

	*out = 0;
	if (f && !fgets(out, LINE_BYTES, f))
		*out = 0;
	if (f)
		fclose(f);
	out[strcspn(out, "\n")] = 0;
}

static void find_cpu(char out[LINE_BYTES])
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[LINE_BYTES];

	*out = 0;
	while (f && !*out && fgets(line, sizeof line, f)) {
		const char *value = strchr(line, ':');

		line[strcspn(line, "\n")] = 0;
		if (value && strncmp(line, "model name", strlen("model name")) == 0)
			snprintf(out, LINE_BYTES, "%s", value + strspn(value, ": "));
	}
	if (f)
		fclose(f);
}

static void note(struct bench_trace *t, const char *name, const char *value)
{
	trace_set_note(t, name, *value ? value : "unknown");
}

void bench_note_host(struct bench_trace *t)
{
	char line[LINE_BYTES];
	struct utsname u;

	find_cpu(line);
	note(t, "cpu", line);
	snprintf(line, sizeof line, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	note(t, "processors", line);
	if (uname(&u) == 0) {
		snprintf(line, sizeof line, "%.60s %.100s (%.60s)", u.release, u.version, u.machine);
		note(t, "kernel", line);
	}
	read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", line);
	note(t, "governor", line);
	read_line("/sys/devices/system/cpu/isolated", line);
	trace_set_note(t, "isolcpus", *line ? line : "none");
}

/* ---- commands ----------------------------------------------------------------------------------------------------------- */

static int wrong_use(const char *command, const char *want)
{
	fprintf(stderr, "dreamvla-bench %s: want %s; see dreamvla-bench --help\n", command, want);
	return EXIT_USAGE;
}

static void show_reading(void *context, double share)
{
	(void)context;
	bench_show_progress("reading the recording", share < 1 ? share : 0.99);
}

int bench_report(const struct bench_options *o)
{
	struct bench_trace t = { 0 };
	struct errbuf e = { 0 };

	if (o->n_arguments != 2)
		return wrong_use("report", "FILE.mcap and a folder for the report");
	const struct recording_options how = { .path = o->argument[0], .from = o->from, .until = o->until, .progress = show_reading };
	int rc = recording_read(&t, &how, &e);

	if (rc == 0 && (rc = report_make_folder(o->argument[1], &e)) == 0)
		rc = report_write(o->argument[1], &t, &e);
	trace_free(&t);
	if (rc < 0) {
		fprintf(stderr, "%sdreamvla-bench report: %s\n", isatty(2) ? "\r\033[K" : "", e.text);
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
	}
	bench_show_progress("done", 1);
	printf("%s/report.html\n", o->argument[1]);
	return EXIT_SUCCESS;
}

static void print_comparison(const struct bench_options *o, const struct comparison *c)
{
	json_t *j = o->json ? compare_json(c, o->threshold_percent) : NULL;

	if (j)
		json_dumpf(j, stdout, JSON_INDENT(2)), putchar('\n');
	else
		compare_print(stdout, c, o->threshold_percent);
	json_decref(j);
}

int bench_compare(const struct bench_options *o)
{
	json_t *a = NULL, *b = NULL;
	struct comparison c = { 0 };
	struct errbuf e = { 0 };
	int rc;

	if (o->n_arguments != 2)
		return wrong_use("compare", "two folders, each of a report");
	rc = compare_load(&a, o->argument[0], &e);
	if (rc == 0)
		rc = compare_load(&b, o->argument[1], &e);
	if (rc == 0)
		rc = compare_summaries(&c, a, b, o->threshold_percent, &e);
	json_decref(a);
	json_decref(b);
	if (rc < 0) {
		fprintf(stderr, "dreamvla-bench compare: %s\n", e.text);
		return EXIT_USAGE;
	}
	print_comparison(o, &c);
	return c.worse > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
