#include "robots/arm/preflight_run.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/rt.h"
#include "robots/arm/arm_choose.h"
#include "robots/arm/arm_text.h"
#include "robots/arm/preflight.h"
#include "robots/arm/preflight_host.h"
#include "robots/arm/preflight_motion.h"

enum { LOOK_NS = 100000000, LOOKS_PER_LINE = 10 };

/* The driver's figures at one moment. */
struct figures {
	int64_t t_ns;
	uint32_t n;
	struct robot_number number[ROBOT_NUMBERS_MAX];
};

struct run {
	const struct preflight_options *o;
	struct arm_choice choice;
	void *robot;
	bool realtime;
	pthread_t thread;
	struct preflight_motion motion; /* the thread's, until it has ended */
	_Atomic int phase;         /* thread -> main: motion.phase */
	_Atomic uint32_t trouble;
	_Atomic bool stop;         /* main -> thread */
	struct figures first, last; /* when measuring began, and ended */
};

/* ---- the thread -------------------------------------------------------------------------------------------------------- */

static void *run_loop(void *argument)
{
	struct run *r = argument;
	const struct robot_driver *d = r->choice.driver;
	int64_t due_ns = clock_monotonic_ns() + d->period_ns;
	struct robot_command command;
	struct robot_state state;

	while (r->motion.phase != PREFLIGHT_OVER) {
		int64_t tick_ns = d->wait(r->robot, due_ns);

		d->read(r->robot, tick_ns, &state);
		enum preflight_phase before = r->motion.phase;

		preflight_motion_step(&r->motion, &state, tick_ns, atomic_load_explicit(&r->stop, memory_order_relaxed), &command);
		if (r->motion.phase == PREFLIGHT_MEASURES && before != PREFLIGHT_MEASURES && d->count_anew)
			d->count_anew(r->robot);
		d->write(r->robot, &command);
		atomic_store_explicit(&r->trouble, state.trouble, memory_order_relaxed);
		atomic_store_explicit(&r->phase, (int)r->motion.phase, memory_order_release);
		due_ns = tick_ns + d->period_ns;
	}
	return NULL;
}

/* ---- watching it ------------------------------------------------------------------------------------------------------- */

static void take_figures(const struct run *r, struct figures *f)
{
	f->t_ns = clock_monotonic_ns();
	f->n = r->choice.driver->numbers(r->robot, f->number);
}

static double figure(const struct figures *f, const char *name)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (strcmp(f->number[i].name, name) == 0)
			return f->number[i].value;
	return NAN;
}

static uint64_t counted(const struct run *r, const char *name)
{
	double n = figure(&r->last, name) - figure(&r->first, name);

	return n > 0 ? (uint64_t)n : 0; /* NaN too */
}

/* Only words that are news, and never of what keeps nothing from moving. */
static void tell_progress(const struct run *r, int phase, uint32_t *said_trouble, uint32_t looks)
{
	const struct robot_driver *d = r->choice.driver;
	uint32_t trouble = atomic_load_explicit(&r->trouble, memory_order_relaxed);
	const struct robot_trouble *t = d->trouble && trouble ? d->trouble(trouble) : NULL;

	if (phase == PREFLIGHT_WAITS && t && trouble != *said_trouble)
		fprintf(stderr, "  waiting: %s: %s\n", t->name, t->remedy);
	*said_trouble = trouble;
	if (phase == PREFLIGHT_MEASURES && looks % LOOKS_PER_LINE == 0)
		fprintf(stderr, "  %2u s: %" PRIu64 " states, %" PRIu64 " missed\n", looks / LOOKS_PER_LINE, counted(r, "states"),
				counted(r, "states_missed"));
}

static void watch(struct run *r, const sigset_t *signals)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	uint32_t trouble = 0, looks = 0;
	int phase = PREFLIGHT_WAITS;

	while (phase != PREFLIGHT_OVER) {
		if (sigtimedwait(signals, NULL, &pause) > 0)
			atomic_store(&r->stop, true);
		phase = atomic_load_explicit(&r->phase, memory_order_acquire);
		if (phase < PREFLIGHT_MEASURES)
			take_figures(r, &r->first);
		if (phase <= PREFLIGHT_MEASURES || looks == 0)
			take_figures(r, &r->last);
		looks += phase == PREFLIGHT_MEASURES;
		tell_progress(r, phase, &trouble, looks);
	}
}

/* ---- what came of it --------------------------------------------------------------------------------------------------- */

static void take_facts(const struct run *r, struct preflight_facts *f)
{
	const struct preflight_motion *m = &r->motion;
	double row = figure(&r->last, "states_missed_longest_row");

	*f = (struct preflight_facts){ .measured = !m->failed && m->n_rates > 0, .realtime = r->realtime,
		.realtime_off = r->o->config->control_realtime == RT_OFF, .seconds = (double)(r->last.t_ns - r->first.t_ns) * 1e-9,
		.states = counted(r, "states"), .missed = counted(r, "states_missed"),
		.success_min = m->n_rates ? m->rate_min : 0, .success_max = m->rate_max,
		.success_avg = m->n_rates ? m->rate_sum / (double)m->n_rates : 0,
		.answer_p50_us = figure(&r->last, "answer_p50_us"), .answer_p99_us = figure(&r->last, "answer_p99_us"),
		.answer_max_us = figure(&r->last, "answer_max_us"), .late_p50_us = figure(&r->last, "state_late_p50_us"),
		.late_p99_us = figure(&r->last, "state_late_p99_us"), .late_max_us = figure(&r->last, "state_late_max_us") };
	f->longest_row = row < (double)f->missed ? (uint64_t)fmax(row, 0) : f->missed;
	preflight_host_read(&f->host, r->choice.robot->address);
}

/* Why the motion did not run, as the arm says it; "" when it did. */
static void failure_text(const struct run *r, char *out, size_t capacity)
{
	const struct robot_state *s = &r->motion.state;
	struct arm_words w;
	size_t n;

	out[0] = '\0';
	if (!r->motion.failed)
		return;
	arm_words_text(&(struct arm_report){ .mode = s->mode, .errors = s->errors, .trouble = s->trouble }, r->choice.driver, &w);
	n = (size_t)snprintf(out, capacity, "%s; the arm is %s", atomic_load(&r->stop) ? "interrupted" : "the motion that holds it still did not run",
			arm_mode_name(s->mode));
	for (uint32_t i = 0; i < w.n_errors && n < capacity; i++)
		n += (size_t)snprintf(out + n, capacity - n, ", %s", w.error[i]);
	if (w.n_errors > 0 && w.remedy[0] && n < capacity)
		snprintf(out + n, capacity - n, ": %s", w.remedy);
}

static void print_figures(const struct preflight_facts *f)
{
	printf("states       %" PRIu64 " received in %.2f s, %" PRIu64 " missed, at most %" PRIu64 " in a row\n", f->states, f->seconds, f->missed,
			f->longest_row);
	printf("success rate min %.2f, average %.3f, max %.2f (commands in time, as the robot counts them)\n", f->success_min, f->success_avg,
			f->success_max);
	printf("answers      p50 %.0f us, p99 %.0f us, max %.0f us after their state\n", f->answer_p50_us, f->answer_p99_us, f->answer_max_us);
	printf("states late  p50 %.0f us, p99 %.0f us, max %.0f us by the robot's time\n", f->late_p50_us, f->late_p99_us, f->late_max_us);
}

static void print_words(const struct run *r, const struct preflight_facts *f, const struct preflight_verdict *v, const char *failure)
{
	if (f->measured)
		print_figures(f);
	printf("machine      thread %s, kernel %s, governor %s, network %s\n", f->realtime ? "SCHED_FIFO" : "ordinary",
			f->host.realtime_kernel ? "PREEMPT_RT" : "not PREEMPT_RT", f->host.governor[0] ? f->host.governor : "-",
			f->host.network[0] ? f->host.network : "?");
	if (failure[0])
		printf("arm          %s\n", failure);
	for (uint32_t i = 0; i < v->n; i++)
		printf("%-12s %s\n%-12s %s\n", v->finding[i].keeps ? "NOT FIT" : "advice", v->finding[i].found, "", v->finding[i].remedy);
	printf("%s: this machine %s drive arm %s\n", v->fit ? "FIT" : "NOT FIT", v->fit ? "can" : "should not", r->choice.setup.name);
}

/* A text as JSON has it; ours are UTF-8. */
static void print_text(const char *key, const char *text)
{
	printf("\"%s\": \"", key);
	for (; *text; text++)
		if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned)*text);
		else
			printf("%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	printf("\"");
}

static void print_number(const char *key, double value)
{
	if (isfinite(value))
		printf("\"%s\": %.6g, ", key, value);
	else
		printf("\"%s\": null, ", key);
}

static void print_json(const struct run *r, const struct preflight_facts *f, const struct preflight_verdict *v, const char *failure)
{
	enum { counts = 4 }; /* true whatever came of it */
	const struct { const char *key; double value; } number[] = {
		{ "seconds", f->seconds }, { "states", (double)f->states }, { "states_missed", (double)f->missed },
		{ "states_missed_longest_row", (double)f->longest_row }, { "success_rate_min", f->success_min },
		{ "success_rate_avg", f->success_avg }, { "success_rate_max", f->success_max }, { "answer_p50_us", f->answer_p50_us },
		{ "answer_p99_us", f->answer_p99_us }, { "answer_max_us", f->answer_max_us }, { "state_late_p50_us", f->late_p50_us },
		{ "state_late_p99_us", f->late_p99_us }, { "state_late_max_us", f->late_max_us } };

	printf("{\"fit\": %s, \"measured\": %s, ", v->fit ? "true" : "false", f->measured ? "true" : "false");
	for (size_t i = 0; i < sizeof number / sizeof *number; i++)
		print_number(number[i].key, f->measured || i < counts ? number[i].value : NAN);
	printf("\"realtime\": %s, \"realtime_kernel\": %s, ", f->realtime ? "true" : "false", f->host.realtime_kernel ? "true" : "false");
	print_text("governor", f->host.governor);
	printf(", ");
	print_text("network", f->host.network);
	printf(", ");
	print_text("arm", r->choice.setup.name);
	printf(", ");
	print_text("failure", failure);
	printf(", \"findings\": [");
	for (uint32_t i = 0; i < v->n; i++) {
		printf("%s{\"keeps\": %s, ", i > 0 ? ", " : "", v->finding[i].keeps ? "true" : "false");
		print_text("name", v->finding[i].name);
		printf(", ");
		print_text("found", v->finding[i].found);
		printf(", ");
		print_text("remedy", v->finding[i].remedy);
		printf("}");
	}
	printf("]}\n");
}

/* ---- all of it --------------------------------------------------------------------------------------------------------- */

static int start(struct run *r, struct errbuf *e)
{
	const struct preflight_options *o = r->o;
	const struct config *c = o->config;
	const struct robot_driver *d;
	struct errbuf why = { "" };
	int rc = arm_choose(&r->choice, c, o->arm, o->driver, e);

	if (rc < 0)
		return rc;
	d = r->choice.driver;
	fprintf(stderr, "Preflight of arm %s at %s: for %g s the robot runs a motion that holds it still where it stands. It is not meant to move; stay "
			"clear all the same, with the stop at hand. Nobody else may be connected to it.\n", r->choice.setup.name,
			r->choice.robot->address, o->seconds);
	preflight_motion_init(&r->motion, r->choice.setup.model.dof, (int64_t)(o->seconds * (double)NS_PER_S));
	rc = d->create(&r->robot, &(struct robot_driver_options){ .setup = &r->choice.setup, .config = r->choice.robot,
			.robot = (uint32_t)(r->choice.robot - c->robot), .wish = (enum rt_wish)c->control_realtime,
			.priority = c->control_priority > 1 ? c->control_priority - 1 : 1 }, e);
	if (rc == 0)
		rc = rt_thread_start(&r->thread, &(struct rt_thread_options){ .name = "arm-control", .run = run_loop, .argument = r,
				.wish = c->control_realtime == RT_REQUIRED ? RT_PREFER : (enum rt_wish)c->control_realtime,
				.priority = c->control_priority, .cpu = -1 }, &r->realtime, &why);
	return rc < 0 && why.text[0] ? fail(e, rc, "%.900s", why.text) : rc;
}

static void tell(struct run *r, bool *fit)
{
	struct preflight_verdict v;
	struct preflight_facts f;
	char failure[512];

	take_facts(r, &f);
	preflight_judge(&f, &v);
	failure_text(r, failure, sizeof failure);
	if (r->o->json)
		print_json(r, &f, &v, failure);
	else
		print_words(r, &f, &v, failure);
	fflush(stdout);
	*fit = v.fit;
}

int preflight_check(const char *driver, struct errbuf *e)
{
	const struct robot_driver *d = robot_driver_find(driver);

	if (!d || (d->wait && d->numbers)) /* of one that does not exist the rest says more */
		return 0;
	return fail(e, -EINVAL, "--preflight: driver %s has nothing to be measured: its arm takes commands whenever they come", d->name);
}

int preflight_run(const struct preflight_options *o, bool *fit, struct errbuf *e)
{
	struct run *r = calloc(1, sizeof *r);
	sigset_t signals;

	if (!r)
		return fail(e, -ENOMEM, "out of memory");
	r->o = o;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	int rc = start(r, e);
	if (rc == 0) {
		watch(r, &signals);
		pthread_join(r->thread, NULL);
		tell(r, fit);
	}
	if (r->robot)
		r->choice.driver->destroy(r->robot);
	free(r);
	return rc;
}
