/* bench_control.c - see bench_control.h. */
#include "daemon/bench/bench_control.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bench/bench_allocations.h"
#include "daemon/bench/bench_cyclictest.h"
#include "daemon/bench/bench_numbers.h"
#include "daemon/bench/bench_pad.h"
#include "daemon/bench/bench_run.h"
#include "daemon/bench/bench_session.h"
#include "daemon/bench/bench_takeover.h"
#include "daemon/bench/bench_tick.h"
#include "daemon/sys/clock.h"

enum { READY_MS = 120000, AUTO_MS = 60000, CONTROL_MS = 30000, CYCLICTEST_END_MS = 10000, WARM_UP_S = 3, ALLOCATIONS_S = 10 };

/* What is aimed at: the 99th percentiles of both sides of a hand-over, us. */
#define OVERHEAD_P99_AIM_US 1000.0
#define FIRST_TARGET_SLACK_US 500.0
/* Below this share of the time the numbers with the policy running mean little. */
#define AUTO_SHARE_MIN 0.95

/* Control loop and cyclictest side by side. */
struct beside {
	struct thread_scheduling scheduling;
	struct spread_us control, floor;
	struct spread_us interval; /* between targets at the first arm */
	struct demo_numbers run;
};

struct control_results {
	struct beside running, stopped;
	struct takeovers takeovers;
	struct ticks ticks;
	bool counted;
	struct allocations allocations;
	uint64_t in_control, in_policy[ALLOCATION_KINDS], chunks; /* allocations by thread */
};

/* ---- measuring --------------------------------------------------------------------------------------------------- */

/* A session in AUTO. */
static int open_session(struct session **out, const struct bench_options *o, const char *count_malloc, struct errbuf *e)
{
	struct session_options so = { .programs = o->programs, .config = o->config, .count_malloc = count_malloc };
	int rc = session_start(out, &so, e);

	if (rc == 0)
		rc = session_wait_ready(*out, READY_MS, e);
	if (rc == 0)
		rc = session_enter_auto(*out, o->instruction, AUTO_MS, e);
	return rc;
}

static int close_session(struct session *s, int rc, struct errbuf *e)
{
	struct errbuf stop = { 0 };
	int bad = session_stop(s, rc < 0 && rc != -EINTR, &stop);

	if (rc < 0 || bad == 0)
		return rc;
	return fail(e, -EPROTO, "%s", stop.text);
}

/* The scheduling that the control thread really has, as soon as there is one. */
static int wait_for_control(struct session *s, struct thread_scheduling *out, struct errbuf *e)
{
	int64_t until_ns = clock_monotonic_ns() + CONTROL_MS * NS_PER_MS;
	int rc = 0;

	while (rc >= 0 && clock_monotonic_ns() < until_ns) {
		*out = process_thread_scheduling(process_find(&s->group, "dreamvlad")->pid, "control");
		if (out->found)
			return 0;
		rc = session_step(s, 1, e);
	}
	return rc < 0 ? rc : fail(e, -ESRCH, "dreamvlad has no thread called control");
}

/* A person's device talks all the while; the policy runs or not. */
static int run_under_load(struct session *s, const struct bench_options *o, double seconds, bool policy_runs, struct run *r,
		struct errbuf *e)
{
	struct pad pad;
	int rc = session_wait_ready(s, READY_MS, e);

	if (rc == 0 && policy_runs)
		rc = session_enter_auto(s, o->instruction, AUTO_MS, e);
	if (rc < 0 || (rc = pad_open(&pad, s, e)) < 0)
		return rc;
	rc = pad_stream_start(&pad, e);
	if (rc == 0)
		rc = run_begin(r, s, e);
	if (rc == 0)
		rc = run_until(r, r->from_ns + (int64_t)(seconds * 1e9), e);
	pad_close(&pad);
	return rc;
}

/* cyclictest begins and ends with the control thread's own measurement: both see the same machine, start-up included. */
static int measure_beside(struct session *s, const struct bench_options *o, double seconds, bool policy_runs, struct beside *b,
		struct errbuf *e)
{
	struct process_group g;
	struct errbuf ignored;
	struct percentiles p = { 0 };
	struct run r;
	int rc = wait_for_control(s, &b->scheduling, e);

	if (rc < 0 || (rc = process_group_init(&g, e)) < 0)
		return rc;
	rc = cyclictest_start(&g, &b->scheduling, NS_PER_S / s->config.control_rate_hz, e);
	if (rc == 0)
		rc = run_under_load(s, o, seconds, policy_runs, &r, e);
	if (rc == 0)
		rc = cyclictest_finish(&g, CYCLICTEST_END_MS, &p, e);
	process_group_stop(&g, 1000, &ignored);
	process_group_remove_files(&g);
	if (rc < 0)
		return rc;
	run_numbers(&r, &b->run);
	b->control = b->run.late;
	b->interval = b->run.arm[0].interval;
	b->floor = (struct spread_us){ (double)p.p50_ns / 1e3, (double)p.p99_ns / 1e3, (double)p.p999_ns / 1e3, (double)p.max_ns / 1e3 };
	return 0;
}

static int lateness(const struct bench_options *o, double seconds, bool policy_runs, struct beside *b, struct errbuf *e)
{
	struct session *s = NULL;
	struct session_options so = { .programs = o->programs, .config = o->config };

	fprintf(stderr, "control loop beside cyclictest, policy %s, a device streaming, %.0f s\n", policy_runs ? "running" : "stopped", seconds);
	int rc = session_start(&s, &so, e);

	if (rc == 0)
		rc = measure_beside(s, o, seconds, policy_runs, b, e);
	return close_session(s, rc, e);
}

static int takeovers(const struct bench_options *o, double seconds, struct takeovers *t, struct errbuf *e)
{
	struct session *s = NULL;

	fprintf(stderr, "take-overs by a person's device, %.0f s\n", seconds);
	int rc = open_session(&s, o, NULL, e);

	if (rc == 0)
		rc = takeovers_measure(s, seconds, t, e);
	return close_session(s, rc, e);
}

/* Between the end of warm-up and the end of the run. */
static int count_allocations(struct session *s, double seconds, struct control_results *c, struct errbuf *e)
{
	char path[PROCESS_PATH_BYTES + 16];
	struct run warm, r;
	int rc = run_begin(&warm, s, e);

	if (rc == 0)
		rc = run_until(&warm, warm.from_ns + WARM_UP_S * NS_PER_S, e);
	if (rc == 0)
		rc = run_begin(&r, s, e);
	if (rc == 0)
		rc = run_until(&r, r.from_ns + (int64_t)(seconds * 1e9), e);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof path, "%s/allocations", s->group.folder);
	rc = allocations_read(&c->allocations, path, r.from_ns, clock_monotonic_ns(), e);
	c->chunks = r.newest.chunks - r.first.chunks;
	for (enum allocation_kind k = 0; k < ALLOCATION_KINDS; k++) {
		c->in_control += allocations_of_thread(&c->allocations, "control", k);
		c->in_policy[k] = allocations_of_thread(&c->allocations, "policy", k);
	}
	c->counted = rc == 0;
	return rc;
}

static int allocations(const struct bench_options *o, double seconds, struct control_results *c, struct errbuf *e)
{
	struct session *s = NULL;

	fprintf(stderr, "heap allocations in AUTO, %.0f s after %d s of warm-up\n", seconds, WARM_UP_S);
	int rc = open_session(&s, o, o->count_malloc, e);

	if (rc == 0)
		rc = count_allocations(s, seconds, c, e);
	return close_session(s, rc, e);
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

static const char *mark(bool reached)
{
	return reached ? "ok" : "MISSED";
}

static void print_ratio(const char *what, const struct spread_us *a, const struct spread_us *b)
{
	printf("  %-34s p50 %9.2f   p99 %9.2f   p99.9 %9.2f   max %9.2f\n", what, a->p50 / b->p50, a->p99 / b->p99, a->p999 / b->p999,
			a->max / b->max);
}

static struct spread_us beyond_period(const struct beside *b)
{
	double period_us = 1e6 / b->run.rate_wanted_hz;

	return (struct spread_us){ fmax(b->interval.p50 - period_us, 0), fmax(b->interval.p99 - period_us, 0),
		fmax(b->interval.p999 - period_us, 0), fmax(b->interval.max - period_us, 0) };
}

static void print_beside(const char *what, const struct beside *b)
{
	const struct thread_scheduling *s = &b->scheduling;

	printf("%s: %s priority %d, cpu %d, %.0f Hz, %.2f Hz achieved, %" PRIu64 " periods skipped\n", what,
			s->policy == SCHED_FIFO ? "SCHED_FIFO" : "NOT real-time,", s->priority, s->cpu, b->run.rate_wanted_hz,
			b->run.rate_hz, b->run.overruns);
	printf("  %-34s %.1f %%, %" PRIu64 " chunks\n", "share of time in AUTO", 100 * b->run.auto_share, b->run.chunks);
	printf("  %-34s %.2f s\n", "processor time stolen by the host", b->run.stolen_s);
	spread_print(stdout, "cyclictest (the floor)", &b->floor);
	spread_print(stdout, "control loop, since its start", &b->control);
	print_ratio("ratio", &b->control, &b->floor);
	struct spread_us beyond = beyond_period(b);

	spread_print(stdout, "interval between targets at the arm", &b->interval);
	spread_print(stdout, "... beyond the period", &beyond);
	print_ratio("... ratio to cyclictest", &beyond, &b->floor);
}

static const struct status_stage *stage_of(const struct demo_numbers *n, const char *name)
{
	static const struct status_stage none = { .p50_us = -1, .p99_us = -1, .max_us = -1 };

	for (uint32_t i = 0; i < n->n_stages; i++)
		if (strcmp(n->stage[i].name, name) == 0)
			return &n->stage[i];
	return &none;
}

static bool within(const struct status_stage *s, double aim_us)
{
	return s->n > 0 && s->p99_us <= aim_us;
}

static double first_target_aim_us(const struct demo_numbers *n)
{
	return 1e6 / n->rate_wanted_hz + FIRST_TARGET_SLACK_US;
}

static void print_latency(const char *what, const struct status_stage *s, double aim_us)
{
	printf("  %-34s p50 %9.1f   p99 %9.1f   max %9.1f us of %" PRIu64 "; aim: p99 <= %.0f us: %s\n", what, s->p50_us, s->p99_us,
			s->max_us, s->n, aim_us, mark(within(s, aim_us)));
}

static double per_chunk(const struct control_results *c, enum allocation_kind kind)
{
	return c->chunks > 0 ? (double)c->in_policy[kind] / (double)c->chunks : 0.0;
}

static void print_allocations(const struct control_results *c)
{
	printf("heap allocations after warm-up, %.1f s in AUTO, %" PRIu64 " chunks\n",
			(double)(c->allocations.to_ns - c->allocations.from_ns) / 1e9, c->chunks);
	printf("  %-34s %" PRIu64 "; aim 0: %s\n", "control thread", c->in_control, mark(c->in_control == 0));
	printf("  %-34s %" PRIu64 "; aim 0: %s\n", "policy thread, our own", c->in_policy[ALLOCATION_OURS],
			mark(c->in_policy[ALLOCATION_OURS] == 0));
	printf("  %-34s %.1f per chunk; aim 0: %s (not by us, and allowed by our tests)\n", "policy thread, in oneDNN and OpenMP",
			per_chunk(c, ALLOCATION_ONEDNN), mark(c->in_policy[ALLOCATION_ONEDNN] == 0));
	printf("  %-34s %.1f per chunk; no aim\n", "policy thread, in libturbojpeg", per_chunk(c, ALLOCATION_JPEG));
	for (uint32_t i = 0; i < c->allocations.n; i++) {
		const struct allocation_row *r = &c->allocations.row[i];

		printf("    %-16s %-28s %8" PRIu64 " allocations %12" PRIu64 " bytes\n", r->name, r->library, r->count, r->bytes);
	}
}

static bool representative(const struct control_results *c)
{
	return c->running.run.auto_share >= AUTO_SHARE_MIN;
}

static void print_results(const struct control_results *c)
{
	const struct demo_numbers *n = &c->running.run;

	if (!representative(c))
		printf("NOT REPRESENTATIVE: with the policy running AUTO did not hold; is this machine busy with something else?\n");
	print_beside("policy running", &c->running);
	print_beside("policy stopped", &c->stopped);
	takeovers_print(stdout, &c->takeovers);
	ticks_print(stdout, &c->ticks);
	printf("around a chunk's hand-over\n");
	print_latency("frame to chunk, without computing", stage_of(n, "overhead"), OVERHEAD_P99_AIM_US);
	print_latency("chunk to first target on the wire", stage_of(n, "first_target"), first_target_aim_us(n));
	if (c->counted)
		print_allocations(c);
	else
		printf("heap allocations: not measured, there is no preload library (make preload; --count-malloc FILE)\n");
}

static json_t *beside_json(const struct beside *b)
{
	return json_pack("{s:b, s:i, s:i, s:f, s:f, s:I, s:o, s:o, s:o}", "realtime", b->scheduling.policy == SCHED_FIFO, "priority",
			b->scheduling.priority, "cpu", b->scheduling.cpu, "auto_share", b->run.auto_share, "rate_hz", b->run.rate_hz, "overruns",
			(json_int_t)b->run.overruns, "cyclictest", spread_json(&b->floor), "control", spread_json(&b->control), "interval",
			spread_json(&b->interval));
}

static json_t *latency_json(const struct status_stage *s, double aim_us)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:b}", "n", (json_int_t)s->n, "p50_us", s->p50_us, "p99_us", s->p99_us,
			"max_us", s->max_us, "aim_p99_us", aim_us, "reached", within(s, aim_us));
}

static json_t *count_json(uint64_t n)
{
	return json_pack("{s:I, s:i, s:b}", "count", (json_int_t)n, "aim", 0, "reached", n == 0);
}

static json_t *allocations_json(const struct control_results *c)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < c->allocations.n; i++) {
		const struct allocation_row *r = &c->allocations.row[i];

		json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:I, s:I}", "thread", r->name, "library", r->library, "kind",
				allocation_kind_name(allocation_kind_of(r->library)), "count", (json_int_t)r->count, "bytes",
				(json_int_t)r->bytes));
	}
	return json_pack("{s:f, s:I, s:o, s:o, s:o, s:o, s:o}", "seconds",
			(double)(c->allocations.to_ns - c->allocations.from_ns) / 1e9, "chunks", (json_int_t)c->chunks, "control",
			count_json(c->in_control), "policy_ours", count_json(c->in_policy[ALLOCATION_OURS]), "policy_onednn",
			count_json(c->in_policy[ALLOCATION_ONEDNN]), "policy_libturbojpeg",
			json_pack("{s:I}", "count", (json_int_t)c->in_policy[ALLOCATION_JPEG]), "rows", rows);
}

static void print_json(json_t *j)
{
	if (j)
		json_dumpf(j, stdout, JSON_INDENT(2)), putchar('\n');
	json_decref(j);
}

static json_t *results_json(const struct control_results *c)
{
	const struct demo_numbers *n = &c->running.run;

	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "representative", representative(c), "policy_running",
			beside_json(&c->running), "policy_stopped", beside_json(&c->stopped), "takeover", takeovers_json(&c->takeovers), "tick",
			ticks_json(&c->ticks), "overhead", latency_json(stage_of(n, "overhead"), OVERHEAD_P99_AIM_US), "first_target",
			latency_json(stage_of(n, "first_target"), first_target_aim_us(n)), "allocations",
			c->counted ? allocations_json(c) : json_null());
}

/* ---- sub-commands ------------------------------------------------------------------------------------------------ */

static int finish(int rc, const struct errbuf *e)
{
	fflush(stdout);
	if (rc == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "dreamvla-bench: %s\n", e->text);
	return EXIT_FAILURE;
}

int bench_control(const struct bench_options *o)
{
	struct control_results *c = calloc(1, sizeof *c);
	struct errbuf e = { 0 };
	int rc = c ? 0 : fail(&e, -ENOMEM, "out of memory");

	session_hold_signals();
	if (rc == 0)
		rc = ticks_measure(&c->ticks, o->config, &e);
	if (rc == 0)
		rc = lateness(o, o->seconds, true, &c->running, &e);
	if (rc == 0)
		rc = lateness(o, o->seconds / 2, false, &c->stopped, &e);
	if (rc == 0)
		rc = takeovers(o, o->seconds, &c->takeovers, &e);
	if (rc == 0 && o->count_malloc)
		rc = allocations(o, ALLOCATIONS_S, c, &e);
	if (rc == 0 && o->json)
		print_json(results_json(c));
	else if (rc == 0)
		print_results(c);
	free(c);
	return finish(rc, &e);
}

int bench_allocations(const struct bench_options *o)
{
	struct control_results *c = calloc(1, sizeof *c);
	struct errbuf e = { 0 };
	int rc = !c ? fail(&e, -ENOMEM, "out of memory")
		: !o->count_malloc ? fail(&e, -ENOENT, "there is no preload library (make preload; --count-malloc FILE)") : 0;

	session_hold_signals();
	if (rc == 0)
		rc = allocations(o, o->seconds, c, &e);
	if (rc == 0 && o->json)
		print_json(allocations_json(c));
	else if (rc == 0)
		print_allocations(c);
	if (rc == 0 && (c->in_control > 0 || c->in_policy[ALLOCATION_OURS] > 0 || c->chunks == 0))
		rc = fail(&e, -EPROTO, "found %" PRIu64 " allocations in control, %" PRIu64 " of our own in policy, %" PRIu64
				" chunks; want 0, 0 and some", c->in_control, c->in_policy[ALLOCATION_OURS], c->chunks);
	free(c);
	return finish(rc, &e);
}
