/* bench_compare.c - see bench_compare.h. */
#include "daemon/bench/bench_compare.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };
static const double floor_us = 50; /* a scheduler's ordinary noise: nobody chases it */

static const struct {
	const char *key;
	double values;              /* from so many on it counts */
} percentiles[] = { { "p50_us", 1 }, { "p99_us", 100 }, { "p999_us", 1000 }, { "max_us", INFINITY } };

/* What two numbers come to. `sign` 1: more is worse; -1: less is. */
struct judgement {
	double threshold_percent, floor;
	int sign;
	bool counts;
};

static void add_row(struct comparison *c, const char *group, const char *key, double a, double b, const struct judgement *j)
{
	struct compare_row *r = &c->row[c->n];
	double worse_percent;

	if (c->n == COMPARE_ROWS_MAX)
		return;
	c->n++;
	snprintf(r->name, sizeof r->name, "%s%s%s", group, *group ? "." : "", key);
	r->a = a;
	r->b = b;
	r->percent = a > 0 ? 100 * (b / a - 1) : b > 0 ? INFINITY : 0;
	worse_percent = j->sign * r->percent;
	r->verdict = !j->counts ? COMPARE_SHOWN : fabs(b - a) < j->floor || fabs(r->percent) <= j->threshold_percent ? COMPARE_SAME
			: worse_percent > 0 ? COMPARE_WORSE : COMPARE_BETTER;
	c->worse += r->verdict == COMPARE_WORSE;
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void add_spread(struct comparison *c, const char *name, const json_t *a, const json_t *b, double threshold_percent)
{
	double n = fmin(number(a, "n"), number(b, "n"));
	struct judgement j = { threshold_percent, 0, 1, true };

	if (number(a, "n") > 0 && number(b, "n") <= 0) {
		/* It has not become infinitely fast: it does not happen any more. */
		j.sign = -1;
		add_row(c, name, "n", number(a, "n"), 0, &j);
		return;
	}
	j.floor = floor_us;
	for (size_t i = 0; n > 0 && i < sizeof percentiles / sizeof *percentiles; i++) {
		j.counts = n >= percentiles[i].values;
		add_row(c, name, percentiles[i].key, number(a, percentiles[i].key), number(b, percentiles[i].key), &j);
	}
}

/* A stage that a does not have. */
static void add_new_stages(struct comparison *c, const json_t *stages, const json_t *others)
{
	struct json_t *all = (json_t *)(uintptr_t)others;
	const struct judgement shown = { .sign = 1 };

	for (void *at = json_object_iter(all); at; at = json_object_iter_next(all, at))
		if (number(json_object_get(stages, json_object_iter_key(at)), "n") <= 0)
			add_row(c, json_object_iter_key(at), "n", 0, number(json_object_iter_value(at), "n"), &shown);
}

/* ---- what is unlike ------------------------------------------------------------------------------------------------- */

static void add_unlike(struct comparison *c, const char *what, const char *a, const char *b)
{
	struct compare_unlike *u = &c->unlike[c->n_unlike];

	if (c->n_unlike == COMPARE_UNLIKE_MAX || strcmp(a, b) == 0)
		return;
	c->n_unlike++;
	snprintf(u->what, sizeof u->what, "%s", what);
	snprintf(u->a, sizeof u->a, "%s", *a ? a : "(not said)");
	snprintf(u->b, sizeof u->b, "%s", *b ? b : "(not said)");
}

static const char *note_of(const json_t *summary, const char *name)
{
	const char *text = json_string_value(json_object_get(json_object_get(summary, "notes"), name));

	return text ? text : "";
}

/* Most of the time was spent in it. */
static const char *main_mode(const json_t *summary)
{
	struct json_t *modes = json_object_get(summary, "modes_s");
	const char *most = "";
	double most_s = 0;

	for (void *at = json_object_iter(modes); at; at = json_object_iter_next(modes, at)) {
		if (json_number_value(json_object_iter_value(at)) <= most_s)
			continue;
		most_s = json_number_value(json_object_iter_value(at));
		most = json_object_iter_key(at);
	}
	return most;
}

static void compare_lengths(struct comparison *c, double a_s, double b_s)
{
	char a[COMPARE_VALUE_BYTES], b[COMPARE_VALUE_BYTES];

	if (fabs(a_s - b_s) <= 0.2 * fmax(a_s, b_s))
		return;
	snprintf(a, sizeof a, "%.1f s", a_s);
	snprintf(b, sizeof b, "%.1f s", b_s);
	add_unlike(c, "length", a, b);
}

static void find_unlike(struct comparison *c, const json_t *a, const json_t *b)
{
	static const char *const notes[] = { "robot", "driver", "control rate", "checkpoint", "decoder", "steps", "backend", "precision", "execution", "faults",
		"pictures", "cpu", "processors", "kernel", "governor", "isolcpus", "dreamvlad", "recording was cut", "damaged in the recording" };

	for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
		add_unlike(c, notes[i], note_of(a, notes[i]), note_of(b, notes[i]));
	add_unlike(c, "mode most of the time", main_mode(a), main_mode(b));
	compare_lengths(c, number(a, "seconds"), number(b, "seconds"));
}

/* ---- comparing ------------------------------------------------------------------------------------------------------ */

static double auto_percent(const json_t *summary)
{
	return 100 * number(json_object_get(summary, "modes_s"), "AUTO") / fmax(number(summary, "seconds"), 1e-9);
}

/* The machine's floor: not dreamvlad's to be better or worse at. */
static void add_cyclictest(struct comparison *c, const json_t *a, const json_t *b)
{
	const struct judgement shown = { .sign = 1 };

	for (size_t i = 0; a && b && i < sizeof percentiles / sizeof *percentiles; i++)
		add_row(c, "cyclictest", percentiles[i].key, number(a, percentiles[i].key), number(b, percentiles[i].key), &shown);
}

/* As they are: what they mean depends on the length and on the faults. */
static void add_counts(struct comparison *c, const json_t *a, const json_t *b)
{
	struct json_t *all = (json_t *)(uintptr_t)a;
	const struct judgement shown = { .sign = 1 };

	for (void *at = json_object_iter(all); at; at = json_object_iter_next(all, at)) {
		const char *key = json_object_iter_key(at);

		if (number(a, key) > 0 || number(b, key) > 0)
			add_row(c, "counts", key, number(a, key), number(b, key), &shown);
	}
}

static bool is_summary(const json_t *s)
{
	const char *format = json_string_value(json_object_get(s, "format"));

	return format && strcmp(format, "dreamvla-bench summary") == 0 && json_is_object(json_object_get(s, "stages"))
			&& json_integer_value(json_object_get(s, "version")) == 1;
}

int compare_summaries(struct comparison *c, const json_t *a, const json_t *b, double threshold_percent, struct errbuf *e)
{
	const json_t *stages = json_object_get(a, "stages"), *others = json_object_get(b, "stages");
	const struct judgement less = { threshold_percent, 0, -1, true };
	struct json_t *all = (json_t *)(uintptr_t)stages;

	*c = (struct comparison){ 0 };
	if (!is_summary(a) || !is_summary(b))
		return fail(e, -EBADMSG, "the %s one is no summary of dreamvla-bench, or of another version", is_summary(a) ? "second" : "first");
	for (void *at = json_object_iter(all); at; at = json_object_iter_next(all, at))
		add_spread(c, json_object_iter_key(at), json_object_iter_value(at), json_object_get(others, json_object_iter_key(at)), threshold_percent);
	add_new_stages(c, stages, others);
	add_spread(c, "whole_way", json_object_get(a, "whole_way"), json_object_get(b, "whole_way"), threshold_percent);
	add_spread(c, "lateness", json_object_get(a, "lateness"), json_object_get(b, "lateness"), threshold_percent);
	add_cyclictest(c, json_object_get(a, "cyclictest"), json_object_get(b, "cyclictest"));
	add_row(c, "", "chunks_per_s", number(a, "chunks_per_s"), number(b, "chunks_per_s"), &less);
	add_row(c, "", "time_in_AUTO_percent", auto_percent(a), auto_percent(b), &less);
	add_counts(c, json_object_get(a, "counts"), json_object_get(b, "counts"));
	find_unlike(c, a, b);
	return 0;
}

/* ---- showing -------------------------------------------------------------------------------------------------------- */

static const char *const verdicts[] = { [COMPARE_SAME] = "", [COMPARE_BETTER] = "better", [COMPARE_WORSE] = "WORSE", [COMPARE_SHOWN] = "(not judged)" };

/* The row of a stage that A has not: its number of values. */
static bool is_new(const struct compare_row *r)
{
	size_t n = strlen(r->name);

	return n > 2 && strcmp(r->name + n - 2, ".n") == 0 && r->a <= 0;
}

void compare_print(FILE *out, const struct comparison *c, double threshold_percent)
{
	for (uint32_t i = 0; i < c->n_unlike; i++)
		fprintf(out, "%sunlike: %s: A %s, B %s\n", i == 0 ? "The two runs are not alike; what differs below may come from that.\n" : "",
				c->unlike[i].what, c->unlike[i].a, c->unlike[i].b);
	fprintf(out, "%-36s %12s %12s %9s\n", "", "A", "B", "change");
	for (uint32_t i = 0; i < c->n; i++) {
		const struct compare_row *r = &c->row[i];

		if (isfinite(r->percent))
			fprintf(out, "%-36s %12.1f %12.1f %+8.1f%% %s\n", r->name, r->a, r->b, r->percent, verdicts[r->verdict]);
		else
			fprintf(out, "%-36s %12.1f %12.1f %9s %s\n", r->name, r->a, r->b, is_new(r) ? "only in B" : "from 0", verdicts[r->verdict]);
	}
	if (c->worse > 0)
		fprintf(out, "%u of %u are more than %g %% worse\n", c->worse, c->n, threshold_percent);
	else
		fprintf(out, "nothing is more than %g %% worse\n", threshold_percent);
}

json_t *compare_json(const struct comparison *c, double threshold_percent)
{
	static const char *const names[] = { "same", "better", "worse", "shown" };
	json_t *rows = json_array(), *unlike = json_array();

	for (uint32_t i = 0; unlike && i < c->n_unlike; i++)
		json_array_append_new(unlike, json_pack("{s:s, s:s, s:s}", "what", c->unlike[i].what, "a", c->unlike[i].a, "b", c->unlike[i].b));

	for (uint32_t i = 0; rows && i < c->n; i++) {
		const struct compare_row *r = &c->row[i];

		json_array_append_new(rows, json_pack("{s:s, s:f, s:f, s:o, s:s}", "name", r->name, "a", r->a, "b", r->b, "percent",
				isfinite(r->percent) ? json_real(r->percent) : json_null(), "verdict", names[r->verdict]));
	}
	return json_pack("{s:f, s:i, s:o, s:o}", "threshold_percent", threshold_percent, "worse", (int)c->worse, "rows", rows, "unlike", unlike);
}

int compare_load(json_t **out, const char *path, struct errbuf *e)
{
	char file[PATH_BYTES];
	json_error_t why;
	struct stat s;

	if (stat(path, &s) < 0)
		return fail(e, -errno, "%s: %s; want a folder that dreamvla-bench run or report has made", path, strerror(errno));
	if ((size_t)snprintf(file, sizeof file, "%s%s", path, S_ISDIR(s.st_mode) ? "/summary.json" : "") >= sizeof file)
		return fail(e, -ENAMETOOLONG, "%.200s...: the path is too long", path);
	*out = json_load_file(file, 0, &why);
	return *out ? 0 : fail(e, -EBADMSG, "%s:%d: %s", file, why.line, why.text);
}
