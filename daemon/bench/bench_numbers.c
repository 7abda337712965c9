/* bench_numbers.c - see bench_numbers.h. */
#include "daemon/bench/bench_numbers.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- judging ---------------------------------------------------------------------------------------------------- */

static double share_percent(const struct demo_numbers *n)
{
	return 100 * n->auto_share;
}

static double chunks(const struct demo_numbers *n)
{
	return (double)n->chunks;
}

/* The arm that moved least: every one has to. */
static double path(const struct demo_numbers *n)
{
	double least = n->n_arms > 0 ? n->arm[0].path_m : NAN;

	for (uint32_t i = 1; i < n->n_arms; i++)
		least = n->arm[i].path_m < least ? n->arm[i].path_m : least;
	return least;
}

static double rate_error_percent(const struct demo_numbers *n)
{
	return 100 * (n->rate_hz / n->rate_wanted_hz - 1);
}

/* Of the arm that got the smallest share of the targets that were due. */
static double obeyed_percent(const struct demo_numbers *n)
{
	double due = n->rate_wanted_hz * n->seconds, least = n->n_arms > 0 ? INFINITY : NAN;

	for (uint32_t i = 0; i < n->n_arms; i++)
		least = fmin(least, 100 * (double)n->arm[i].obeyed / due);
	return least;
}

static double limits_exceeded(const struct demo_numbers *n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n->n_arms; i++)
		sum += n->arm[i].limits_exceeded;
	return n->n_arms > 0 ? (double)sum : NAN;
}

/* ms; the arm lets go of a daemon that is silent for 500 ms (messages.md section 5). */
static double longest_pause_ms(const struct demo_numbers *n)
{
	double longest = n->n_arms > 0 ? 0 : NAN;

	for (uint32_t i = 0; i < n->n_arms; i++)
		longest = fmax(longest, n->arm[i].interval.max / 1e3);
	return longest;
}

static double reflexes(const struct demo_numbers *n)
{
	return (double)n->fci.reflexes;
}

static double violations(const struct demo_numbers *n)
{
	return (double)n->fci.violations;
}

/* The share of the targets that its driver is to send, of the arm that is furthest from all of them. */
static double streamed_percent(const struct demo_numbers *n)
{
	double worst = NAN;

	for (uint32_t i = 0; i < n->n_arms; i++) {
		double percent = 100 * (double)n->arm[i].piper.pairs / (3 * n->arm[i].piper_wanted_hz * n->seconds);

		worst = i > 0 && fabs(worst - 100) > fabs(percent - 100) ? worst : percent;
	}
	return worst;
}

static double forbidden_frames(const struct demo_numbers *n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n->n_arms; i++)
		sum += n->arm[i].piper.unknown + n->arm[i].piper.never + n->arm[i].piper.maintenance;
	return n->n_arms > 0 ? (double)sum : NAN;
}

static double ignored_frames(const struct demo_numbers *n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n->n_arms; i++)
		sum += n->arm[i].piper.ignored;
	return n->n_arms > 0 ? (double)sum : NAN;
}

/* Of those that were due: one for each execution.steps actions. */
static double chunks_percent(const struct demo_numbers *n)
{
	return 100 * (double)n->chunks / n->chunks_due;
}

static double sentences_done(const struct demo_numbers *n)
{
	double sum = 0;

	for (uint32_t i = 0; i < DEMO_SENTENCES; i++)
		sum += n->sentence[i].done;
	return sum;
}

static double takeover_ms(const struct demo_numbers *n)
{
	return n->takeover_ms;
}

enum whose { ANYONES, FRANKAS, PIPERS, WANDERERS, SENTENCES };

/* Meant for a run of DEMO_SECONDS. With the length of the run, down to a shorter one, `grows` what is wanted. A short run cannot
 * tell a rate that is 1 % off from a single pause of PAUSE_S, so it allows `paused` values that (1.7 % of 6 s, 0.5 % of 20 s). */
#define DEMO_SECONDS 20.0
#define PAUSE_S 0.1
static const struct criterion {
	const char *what, *unit;
	double (*value)(const struct demo_numbers *n);
	double low, high;
	bool grows, paused;
	enum whose whose;
} criteria[DEMO_CRITERIA] = {
	{ "share of time in AUTO", "%", share_percent, 95, 102, false },
	{ "chunks executed", "", chunks, 40, DBL_MAX, true, .whose = WANDERERS },
	{ "chunks executed of those due", "%", chunks_percent, 80, DBL_MAX, .whose = SENTENCES },
	{ "distance moved by the TCP", "m", path, 0.2, DBL_MAX, true },
	{ "control rate missed by", "%", rate_error_percent, -1, 1, false, true },
	{ "targets that the arm obeyed", "%", obeyed_percent, 95, 102, false },
	{ "longest pause between targets", "ms", longest_pause_ms, 0, 500, false },
	{ "limits exceeded at the arm", "", limits_exceeded, 0, 0, false },
	{ "communication constraints violated", "", violations, 0, 0, .whose = FRANKAS },
	{ "motions ended by the robot", "", reflexes, 0, 0, .whose = FRANKAS },
	{ "targets that the PiPER obeyed", "%", streamed_percent, 95, 102, .whose = PIPERS },
	{ "frames that no PiPER may get", "", forbidden_frames, 0, 0, .whose = PIPERS },
	{ "frames that the PiPER ignored", "", ignored_frames, 0, 0, .whose = PIPERS },
	{ "sentences carried out", "", sentences_done, 2, DBL_MAX, .whose = SENTENCES },
	{ "time of a person's take-over", "ms", takeover_ms, 0, 100, .whose = SENTENCES },
};

static bool applies(const struct criterion *c, const struct demo_numbers *n)
{
	const bool is[] = { [ANYONES] = true, [FRANKAS] = n->has_fci, [PIPERS] = n->has_piper, [WANDERERS] = !n->has_sentences,
		[SENTENCES] = n->has_sentences };

	return is[c->whose];
}

void demo_judge(const struct demo_numbers *n, struct demo_verdicts *all)
{
	double share = n->seconds < DEMO_SECONDS ? n->seconds / DEMO_SECONDS : 1;
	double pause_percent = 100 * PAUSE_S / n->seconds;

	*all = (struct demo_verdicts){ 0 };
	for (uint32_t i = 0; i < DEMO_CRITERIA; i++) {
		const struct criterion *c = &criteria[i];
		struct demo_verdict *v = &all->verdict[all->n];

		if (!applies(c, n))
			continue;
		all->n++;
		*v = (struct demo_verdict){ .what = c->what, .unit = c->unit, .value = c->value(n),
			.low = c->grows ? c->low * share : c->paused ? fmin(c->low, -pause_percent) : c->low, .high = c->high };
		v->passed = v->value >= v->low && v->value <= v->high;
		all->failed += !v->passed;
	}
}

/* ---- showing ---------------------------------------------------------------------------------------------------- */

void spread_print(FILE *out, const char *name, const struct spread_us *s)
{
	fprintf(out, "  %-34s p50 %9.1f   p99 %9.1f   p99.9 %9.1f   max %9.1f us\n", name, s->p50, s->p99, s->p999, s->max);
}

static void print_stages(FILE *out, const struct demo_numbers *n)
{
	fprintf(out, "stage latencies\n");
	for (uint32_t i = 0; i < n->n_stages; i++)
		fprintf(out, "  %-34s p50 %9.3f   p99 %9.3f   max   %9.3f ms   (%" PRIu64 ")\n", n->stage[i].name,
				n->stage[i].p50_us / 1e3, n->stage[i].p99_us / 1e3, n->stage[i].max_us / 1e3, n->stage[i].n);
}

/* Rows that nothing fell into are left out at both ends. */
static void print_rows(FILE *out, const char *name, const double row[HISTOGRAM_ROWS])
{
	uint32_t first = 0, last = HISTOGRAM_ROWS;

	while (first < last && row[first] == 0)
		first++;
	while (last > first && row[last - 1] == 0)
		last--;
	for (uint32_t i = first; i < last; i++)
		fprintf(out, "  %-34s %s %9.1f us %10.0f\n", i == first ? name : "", i == HISTOGRAM_ROWS - 1 ? "from " : "below",
				1.024 * (double)(1u << (i == HISTOGRAM_ROWS - 1 ? i - 1 : i)), row[i]);
}

static void print_arms(FILE *out, const struct demo_numbers *n)
{
	for (uint32_t i = 0; i < n->n_arms; i++) {
		const struct arm_numbers *a = &n->arm[i];

		fprintf(out, "arm %s\n", a->name);
		spread_print(out, "interval between targets", &a->interval);
		spread_print(out, "lateness of its loop", &a->late);
		print_rows(out, "its periods by lateness", a->late_row);
		fprintf(out, "  %-34s %" PRIu64 ", %" PRIu64 " refused, %" PRIu64 " underruns\n", "targets obeyed", a->obeyed,
				a->refused, a->underruns);
		fprintf(out, "  %-34s %" PRIu64 "; largest share of a limit: velocity %.2f, acceleration %.2f\n", "limits exceeded",
				a->limits_exceeded, a->velocity_peak, a->acceleration_peak);
		fprintf(out, "  %-34s %.3f m\n", "distance moved by the TCP", a->path_m);
		for (uint32_t k = 0; k < a->n_own; k++)
			fprintf(out, "  %-34s %.6g\n", a->own[k].name, a->own[k].value);
	}
}

static void print_fci(FILE *out, const struct fci_numbers *f)
{
	uint64_t periods = f->commands + f->missed;

	fprintf(out, "Franka control interface, as the robot saw it\n  %-34s %" PRIu64 " of %" PRIu64 " periods (%.3f %%)\n", "commands in time",
			f->commands, periods, periods ? 100 * (double)f->commands / (double)periods : 0);
	fprintf(out, "  %-34s %" PRIu64 ", longest row %" PRIu64 "; %" PRIu64 " came for another period\n", "periods without a command", f->missed,
			f->longest_row, f->late);
	fprintf(out, "  %-34s %" PRIu64 " begun, %" PRIu64 " ended by the robot, %" PRIu64 " of them communication_constraints_violation\n",
			"motions", f->motions, f->reflexes, f->violations);
	fprintf(out, "  %-34s %" PRIu64 " ms\n", "not run by this machine for", f->stood_still_ms);
}

static void print_piper(FILE *out, const struct arm_numbers *a, double seconds)
{
	const struct piper_numbers *p = &a->piper;

	fprintf(out, "PiPER %s, as the robot saw it\n  %-34s %.2f Hz of %.0f Hz\n", a->name, "targets obeyed", (double)p->pairs / 3 / seconds,
			a->piper_wanted_hz);
	fprintf(out, "  %-34s %" PRIu64 "; %" PRIu64 " unknown, %" PRIu64 " that nobody may send, %" PRIu64 " of maintenance\n", "frames ignored",
			p->ignored, p->unknown, p->never, p->maintenance);
	fprintf(out, "  %-34s %" PRIu64 " ms\n", "not run by this machine for", p->stood_still_ms);
}

static void print_sentences(FILE *out, const struct demo_numbers *n)
{
	fprintf(out, "sentences, as the simulated world judged them\n");
	for (uint32_t i = 0; i < DEMO_SENTENCES; i++) {
		const struct demo_sentence *s = &n->sentence[i];

		if (*s->text)
			fprintf(out, "  %-34s %s, %.1f s%s\n", s->text, s->verdict, s->took_s, s->tries > 1 ? " (second try, from home)" : "");
	}
	fprintf(out, "  %-34s %.1f s\n  %-34s %.1f ms\n", "time that was the policy's", n->policy_s, "a person's take-over", n->takeover_ms);
}

static void print_verdicts(FILE *out, const struct demo_verdicts *all)
{
	for (uint32_t i = 0; i < all->n; i++) {
		const struct demo_verdict *v = &all->verdict[i];

		if (v->passed)
			continue;
		fprintf(out, "FAIL  %s: %.4g%s%s, ", v->what, v->value, *v->unit ? " " : "", v->unit);
		if (v->low == v->high)
			fprintf(out, "want %.4g\n", v->low);
		else if (v->high < DBL_MAX)
			fprintf(out, "want %.4g to %.4g\n", v->low, v->high);
		else
			fprintf(out, "want at least %.4g\n", v->low);
	}
	if (all->failed == 0)
		fprintf(out, "all %u criteria met\n", all->n);
}

void demo_print(FILE *out, const struct demo_numbers *n, const struct demo_verdicts *v)
{
	fprintf(out, "run of %.1f s\n", n->seconds);
	fprintf(out, "  %-34s %" PRIu64 "\n", "frames received", n->frames);
	fprintf(out, "  %-34s %" PRIu64 ", %" PRIu64 " rejected\n", "chunks executed", n->chunks, n->rejected);
	fprintf(out, "  %-34s %" PRIu64 "\n", "targets sent", n->targets);
	fprintf(out, "  %-34s %.1f %%\n", "share of time in AUTO", 100 * n->auto_share);
	fprintf(out, "  %-34s %" PRIu64 "\n", "clamps at limits", n->clamps);
	fprintf(out, "  %-34s %" PRIu32, "faults", n->n_faults);
	for (uint32_t i = 0; i < n->n_faults; i++)
		fprintf(out, "%s%s", i == 0 ? ": " : ", ", n->fault[i]);
	fprintf(out, "\ncontrol loop\n  %-34s %.2f Hz of %.0f Hz, %" PRIu64 " periods skipped\n", "rate achieved", n->rate_hz,
			n->rate_wanted_hz, n->overruns);
	spread_print(out, "lateness", &n->late);
	fprintf(out, "  %-34s %.2f s\n", "processor time stolen by the host", n->stolen_s);
	print_stages(out, n);
	print_arms(out, n);
	if (n->has_fci)
		print_fci(out, &n->fci);
	for (uint32_t i = 0; n->has_piper && i < n->n_arms; i++)
		print_piper(out, &n->arm[i], n->seconds);
	if (n->has_sentences)
		print_sentences(out, n);
	print_verdicts(out, v);
}

json_t *spread_json(const struct spread_us *s)
{
	return json_pack("{s:f, s:f, s:f, s:f}", "p50_us", s->p50, "p99_us", s->p99, "p99.9_us", s->p999, "max_us", s->max);
}

static json_t *stages_json(const struct demo_numbers *n)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < n->n_stages; i++)
		json_object_set_new(all, n->stage[i].name, json_pack("{s:I, s:f, s:f, s:f}", "n", (json_int_t)n->stage[i].n,
				"p50_us", n->stage[i].p50_us, "p99_us", n->stage[i].p99_us, "max_us", n->stage[i].max_us));
	return all;
}

static json_t *rows_json(const double row[HISTOGRAM_ROWS])
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < HISTOGRAM_ROWS; i++)
		json_array_append_new(all, json_integer((json_int_t)row[i]));
	return all;
}

static json_t *own_json(const struct arm_numbers *a)
{
	json_t *all = json_object();

	for (uint32_t k = 0; k < a->n_own; k++)
		json_object_set_new(all, a->own[k].name, json_real(a->own[k].value));
	return all;
}

static json_t *arms_json(const struct demo_numbers *n)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < n->n_arms; i++) {
		const struct arm_numbers *a = &n->arm[i];

		json_object_set_new(all, a->name, json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:f, s:f, s:f}", "obeyed", (json_int_t)a->obeyed,
				"refused", (json_int_t)a->refused, "limits_exceeded", (json_int_t)a->limits_exceeded,
				"underruns", (json_int_t)a->underruns, "interval", spread_json(&a->interval), "lateness", spread_json(&a->late), "late_rows", rows_json(a->late_row),
				"driver", own_json(a), "path_m", a->path_m,
				"velocity_peak", a->velocity_peak, "acceleration_peak", a->acceleration_peak));
	}
	return all;
}

static json_t *fci_json(const struct fci_numbers *f)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "motions", (json_int_t)f->motions, "reflexes", (json_int_t)f->reflexes,
			"violations", (json_int_t)f->violations, "commands", (json_int_t)f->commands, "missed", (json_int_t)f->missed,
			"late", (json_int_t)f->late, "longest_row", (json_int_t)f->longest_row, "stood_still_ms", (json_int_t)f->stood_still_ms);
}

static json_t *pipers_json(const struct demo_numbers *n)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < n->n_arms; i++) {
		const struct piper_numbers *p = &n->arm[i].piper;

		json_object_set_new(all, n->arm[i].name, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "pairs", (json_int_t)p->pairs, "ignored",
				(json_int_t)p->ignored, "unknown", (json_int_t)p->unknown, "never", (json_int_t)p->never, "maintenance",
				(json_int_t)p->maintenance, "stood_still_ms", (json_int_t)p->stood_still_ms, "wanted_hz", n->arm[i].piper_wanted_hz));
	}
	return all;
}

static json_t *sentences_json(const struct demo_numbers *n)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < DEMO_SENTENCES; i++) {
		const struct demo_sentence *s = &n->sentence[i];

		json_array_append_new(all, json_pack("{s:s, s:s, s:f, s:I, s:b}", "text", s->text, "verdict", s->verdict, "took_s", s->took_s, "tries",
				(json_int_t)s->tries, "done", (int)s->done));
	}
	return json_pack("{s:o, s:f, s:f, s:o}", "sentences", all, "policy_s", n->policy_s, "chunks_due", n->chunks_due, "takeover_ms",
			isnan(n->takeover_ms) ? json_null() : json_real(n->takeover_ms));
}

static json_t *failed_json(const struct demo_verdicts *v)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < v->n; i++)
		if (!v->verdict[i].passed)
			json_array_append_new(all, json_string(v->verdict[i].what));
	return all;
}

json_t *demo_json(const struct demo_numbers *n, const struct demo_verdicts *v)
{
	json_t *faults = json_array();

	for (uint32_t i = 0; i < n->n_faults; i++)
		json_array_append_new(faults, json_string(n->fault[i]));
	json_t *j = json_pack("{s:f, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:f}", "seconds", n->seconds,
			"frames", (json_int_t)n->frames, "chunks", (json_int_t)n->chunks, "rejected", (json_int_t)n->rejected,
			"targets", (json_int_t)n->targets, "auto_share", n->auto_share, "clamps", (json_int_t)n->clamps,
			"overruns", (json_int_t)n->overruns, "rate_hz", n->rate_hz, "rate_wanted_hz", n->rate_wanted_hz,
			"lateness", spread_json(&n->late), "faults", faults, "stages", stages_json(n), "arms", arms_json(n),
			"failed", failed_json(v), "stolen_s", n->stolen_s);

	if (j && n->has_fci)
		json_object_set_new(j, "fci", fci_json(&n->fci));
	if (j && n->has_sentences)
		json_object_set_new(j, "course", sentences_json(n));
	if (j && n->has_piper)
		json_object_set_new(j, "pipers", pipers_json(n));
	return j;
}
