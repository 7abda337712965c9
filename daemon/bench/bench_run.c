/* bench_run.c - see bench_run.h. */
#include "daemon/bench/bench_run.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bench/bench_arm.h"
#include "daemon/bench/bench_stolen.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"

enum { STEP_MS = 200, BEGIN_TRIES = 10, ANSWER_BYTES = 32768 };

static const struct { const char *name; size_t at; } counters[] = {
	{ "frames", offsetof(struct run_counters, frames) },
	{ "chunks_adopted", offsetof(struct run_counters, chunks) },
	{ "chunks_rejected", offsetof(struct run_counters, rejected) },
	{ "targets", offsetof(struct run_counters, targets) },
	{ "clamps", offsetof(struct run_counters, clamps) },
	{ "ticks", offsetof(struct run_counters, ticks) },
	{ "ticks_auto", offsetof(struct run_counters, ticks_auto) },
};

static int read_counters(struct run_counters *c, const struct message_status *m, struct errbuf *e)
{
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		if (!session_counter(m, counters[i].name, (uint64_t *)((char *)c + counters[i].at)))
			return fail(e, -EPROTO, "dreamvlad's status has no counter called %s", counters[i].name);
	c->overruns = m->overruns;
	return 0;
}

static int ask_arms(struct run *r, struct errbuf *e)
{
	struct session *s = r->session;
	uint8_t answer[ANSWER_BYTES];
	struct errbuf why = { 0 };

	for (uint32_t i = 0; i < s->config.n_robots; i++) {
		size_t n;
		int rc = session_ask(s, s->config.robot[i].control, "status", answer, sizeof answer, &n, &why);

		if (rc < 0 || (rc = arm_status_decode(&r->arm_newest[i], bench_robot_driver(s->robot), answer, n, &why)) < 0)
			return fail(e, rc, "arm %s: %.900s", s->config.robot[i].name, why.text);
	}
	return 0;
}

static int ask_pipers(struct run *r, struct errbuf *e)
{
	struct session *s = r->session;
	struct errbuf why = { 0 };
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->config.n_robots; i++) {
		rc = session_ask_piper(s, i, &r->arm_newest[i].piper, &why);
		if (rc < 0)
			return fail(e, rc, "the simulated PiPER of arm %s: %.900s", s->config.robot[i].name, why.text);
	}
	return rc;
}

static int ask_robot(struct run *r, struct errbuf *e)
{
	struct errbuf why = { 0 };

	if (bench_robot_is_piper(r->session->robot))
		return ask_pipers(r, e);
	int rc = r->session->robot == BENCH_ROBOT_FRANKA_FCI ? session_ask_robot(r->session, &r->fci_newest, &why) : 0;

	return rc < 0 ? fail(e, rc, "the simulated Franka: %.900s", why.text) : 0;
}

/* status.faults also holds what ends AUTO in HOLD; only faults are of interest here. */
static bool is_fault(const char *name)
{
	for (uint32_t i = 0; i < REASON_COUNT; i++)
		if (strcmp(reason_name(i), name) == 0)
			return reason_severity(i) == SEVERITY_FAULT;
	return true;
}

static void remember_faults(struct run *r, const struct message_status *m)
{
	for (uint32_t i = 0; i < m->n_faults; i++) {
		uint32_t k = 0;

		while (k < r->n_faults && strcmp(r->fault[k], m->fault[i]) != 0)
			k++;
		if (k == r->n_faults && k < STATUS_FAULTS_MAX && is_fault(m->fault[i]))
			memcpy(r->fault[r->n_faults++], m->fault[i], sizeof r->fault[0]);
	}
}

int run_begin(struct run *r, struct session *s, struct errbuf *e)
{
	int rc = 0;

	*r = (struct run){ .session = s };
	for (int i = 0; rc == 0 && i < BEGIN_TRIES; i++)
		rc = session_step(s, STEP_MS, e);
	if (rc == 0)
		rc = fail(e, -ETIMEDOUT, "dreamvlad sends no status any more");
	if (rc < 0 || (rc = read_counters(&r->first, &s->status, e)) < 0 || (rc = ask_arms(r, e)) < 0 || (rc = ask_robot(r, e)) < 0)
		return rc;
	memcpy(r->arm_first, r->arm_newest, sizeof r->arm_first);
	r->fci_first = r->fci_newest;
	r->newest = r->first;
	r->first_stamp_ns = r->stamp_ns = s->status.head.stamp_ns;
	r->from_ns = s->status_ns;
	r->stolen_s = stolen_s();
	return 0;
}

static void show_progress(const struct run *r, bool last)
{
	const struct message_status *m = &r->session->status;
	bool terminal = isatty(2);

	fprintf(stderr, "%s%5.1f s  %-6s  %llu chunks  %.1f Hz  %s%s", terminal ? "\r\033[K" : "",
			(double)(clock_monotonic_ns() - r->from_ns) / 1e9, m->mode,
			(unsigned long long)(r->newest.chunks - r->first.chunks), m->rate_hz,
			strcmp(m->mode, "AUTO") == 0 ? "" : m->reason, terminal && !last ? "" : "\n");
}

int run_take(struct run *r, struct errbuf *e)
{
	const struct message_status *m = &r->session->status;

	r->stamp_ns = m->head.stamp_ns;
	remember_faults(r, m);
	int rc = read_counters(&r->newest, m, e);

	if (rc == 0)
		rc = ask_arms(r, e);
	return rc < 0 ? rc : ask_robot(r, e);
}

int run_until(struct run *r, int64_t until_ns, struct errbuf *e)
{
	int64_t show_ns = 0;
	int rc = 0;

	while (rc >= 0 && clock_monotonic_ns() < until_ns) {
		rc = session_step(r->session, STEP_MS, e);
		if (rc == 1)
			rc = run_take(r, e);
		if (clock_monotonic_ns() >= show_ns) {
			show_ns = clock_monotonic_ns() + NS_PER_S;
			show_progress(r, false);
		}
	}
	show_progress(r, true);
	return rc < 0 ? rc : 0;
}

static double piper_rate_hz(const struct config_robot *r)
{
	static const double rate_hz[] = { 50, 100, 200 }; /* as config/keys.def names them */

	return rate_hz[r->piper_rate_hz];
}

static void arm_difference(const struct run *r, uint32_t i, struct arm_numbers *a)
{
	const struct arm_numbers *first = &r->arm_first[i];

	*a = r->arm_newest[i];
	memcpy(a->name, r->session->config.robot[i].name, sizeof a->name - 1);
	a->name[sizeof a->name - 1] = 0;
	a->obeyed -= first->obeyed;
	a->refused -= first->refused;
	a->limits_exceeded -= first->limits_exceeded;
	a->underruns -= first->underruns;
	a->path_m -= first->path_m;
	a->piper_wanted_hz = piper_rate_hz(&r->session->config.robot[i]);
	piper_numbers_since(&first->piper, &a->piper);
	for (uint32_t k = 0; k < HISTOGRAM_ROWS; k++)
		a->late_row[k] -= first->late_row[k];
}

static void robot_difference(const struct run *r, struct fci_numbers *f)
{
	const struct fci_numbers *first = &r->fci_first;

	*f = r->fci_newest;
	f->motions -= first->motions;
	f->reflexes -= first->reflexes;
	f->violations -= first->violations;
	f->commands -= first->commands;
	f->missed -= first->missed;
	f->late -= first->late;
	f->stood_still_ms -= first->stood_still_ms;
}

void run_numbers(const struct run *r, struct demo_numbers *n)
{
	const struct message_status *m = &r->session->status;
	int64_t passed_ns = r->stamp_ns - r->first_stamp_ns;
	double seconds = (double)passed_ns / 1e9, due = seconds * r->session->config.control_rate_hz;

	/* A control thread that stands still is not in AUTO: the share is of the ticks that were due. */
	*n = (struct demo_numbers){
		.seconds = seconds,
		.rate_wanted_hz = r->session->config.control_rate_hz,
		.rate_hz = passed_ns > 0 ? (double)(r->newest.ticks - r->first.ticks) / seconds : 0,
		.auto_share = passed_ns > 0 ? (double)(r->newest.ticks_auto - r->first.ticks_auto) / due : 0,
		.frames = r->newest.frames - r->first.frames,
		.chunks = r->newest.chunks - r->first.chunks,
		.rejected = r->newest.rejected - r->first.rejected,
		.targets = r->newest.targets - r->first.targets,
		.clamps = r->newest.clamps - r->first.clamps,
		.overruns = r->newest.overruns - r->first.overruns,
		.stolen_s = stolen_s() - r->stolen_s,
		.late = { m->late_p50_us, m->late_p99_us, m->late_p999_us, m->late_max_us },
		.n_stages = m->n_stages,
		.n_arms = r->session->config.n_robots,
		.n_faults = r->n_faults,
		.has_fci = r->session->robot == BENCH_ROBOT_FRANKA_FCI,
		.has_piper = bench_robot_is_piper(r->session->robot),
	};
	robot_difference(r, &n->fci);
	memcpy(n->stage, m->stage, sizeof n->stage);
	memcpy(n->fault, r->fault, sizeof n->fault);
	for (uint32_t i = 0; i < n->n_arms; i++)
		arm_difference(r, i, &n->arm[i]);
}
