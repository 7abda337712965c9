/* stand.c - the world of a scenario: makes all of dreamvlad and its arms, and runs them millisecond by millisecond. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/setup.h"
#include "daemon/stage/reason.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/eventfd.h"
#include "tests/scenario/scenario.h"
#include "tests/scenario/virtual.h"

/* When each thread runs within a millisecond: as if it took its time. */
static const int64_t IO_AT_NS = 50000, ARM_IO_AT_NS = 200000, ARM_AT_NS = 500000, STATE_AT_NS = 600000, PEERS_AT_NS = 700000,
	IO_AGAIN_AT_NS = 800000, POLICY_AT_NS = 900000;
static const int64_t IO_POLL_NS = 10 * NS_PER_MS, POLICY_POLL_NS = 100 * NS_PER_MS;
/* After a pause as long as this targets are first ones again: whatever the arm did meanwhile was its own. */
static const int64_t PAUSE_NS = 45 * NS_PER_MS;
/* messages.md section 5: a first target lies so near to what the arm is commanded to be. */
static const double START_RAD = 0.02;
/* In a mode with a lower speed limit the arms first have to brake. */
static const int64_t SETTLE_NS = 500 * NS_PER_MS;
enum { FAILURES_SHOWN = 8 };

static double seconds(const struct stand *s)
{
	return (double)(clock_monotonic_ns() - s->begin_ns) * 1e-9;
}

void stand_fail(struct stand *s, const char *format, ...)
{
	va_list args;

	if (s->failures++ >= FAILURES_SHOWN)
		return;
	fprintf(s->out, "%s: at %.4f s: ", s->scenario->path, seconds(s));
	va_start(args, format);
	vfprintf(s->out, format, args);
	va_end(args);
	fputc('\n', s->out);
}

bool stand_ended(const struct stand *s)
{
	return s->now_ns - s->begin_ns >= s->scenario->end_ns;
}

/* ---- what is held against the limits ------------------------------------------------------------------------------- */

static void judge_found(void *context, enum stream_kind kind, uint32_t arm, enum quantity q, uint32_t joint, double value, double limit)
{
	struct stand *s = context;

	stand_fail(s, "%s %s, joint %u: %s %.6g %s, limit %.6g", kind == STREAM_TARGETS ? "target of" : "command of", s->setup.arm[arm].name,
			joint + 1, quantity_name(q), value, quantity_unit(q), limit);
}

static void span_found(void *context, const struct record_span *span, const char *what)
{
	stand_fail(context, "span %s of chunk %" PRIu64 ", observation %" PRIu64 ", %u: want %s", trace_stage_name((enum trace_stage)span->stage),
			span->chunk, span->observation, (unsigned)span->index, what);
}

static double apart_rad(const double *a, const double *b)
{
	double most = 0.0;

	for (uint32_t j = 0; j < DOF_MAX; j++)
		most = fmax(most, fabs(a[j] - b[j]));
	return most;
}

static const struct stand_tick *tick_of(const struct stand *s, uint32_t arm, int64_t t_ns)
{
	int64_t made_ns = t_ns - s->setup.arm[arm].playout_ns;

	for (uint32_t back = 1; back < TICKS_KEPT && back <= s->n_ticks; back++)
		if (s->tick[(s->n_ticks - back) % TICKS_KEPT].t_ns <= made_ns)
			return &s->tick[(s->n_ticks - back) % TICKS_KEPT];
	return &s->tick[s->n_ticks % TICKS_KEPT];
}

/* A target of the policy must come from a chunk whose inference began after the newest hand-over. */
static void check_source(struct stand *s, uint32_t arm, const struct driver_target *t)
{
	const struct stand_tick *then = tick_of(s, arm, t->t_ns);
	enum mode mode = then->mode;

	if (t->epoch < s->epoch_sent[arm])
		stand_fail(s, "target of %s: epoch %u after %u", s->setup.arm[arm].name, t->epoch, s->epoch_sent[arm]);
	s->epoch_sent[arm] = t->epoch;
	if (t->source == TARGET_TELEOP && mode != MODE_TELEOP)
		stand_fail(s, "target of %s: of a person, the mode is %s", s->setup.arm[arm].name, mode_name(mode));
	if (t->source != TARGET_POLICY)
		return;
	if (mode != MODE_AUTO && then->t_ns - then->handed_over_ns > 2 * NS_PER_S)
		stand_fail(s, "target of %s: of the policy, 2 s after the mode became %s", s->setup.arm[arm].name, mode_name(mode));
	if (mode == MODE_AUTO && s->chunk_begin_ns[t->chunk % CHUNKS_KEPT] < then->handed_over_ns)
		stand_fail(s, "target of %s: chunk %" PRIu64 " was inferred %.3f s before the hand-over", s->setup.arm[arm].name, t->chunk,
				(double)(then->handed_over_ns - s->chunk_begin_ns[t->chunk % CHUNKS_KEPT]) * 1e-9);
}

static enum mode settled_mode(const struct stand *s, uint32_t arm, const struct driver_target *t)
{
	const struct stand_tick *then = tick_of(s, arm, t->t_ns);

	return then->t_ns - then->mode_since_ns >= SETTLE_NS ? then->mode : MODE_COUNT;
}

static void check_target(struct stand *s, uint32_t arm, const struct driver_target *t)
{
	struct judge_stream *stream = &s->judge.stream[STREAM_TARGETS][arm];
	const double *commanded = s->arm[arm].loop.arm.commanded.q_rad;
	double tcp[3], r[3][3];

	if (t->t_ns - stream->t_ns > PAUSE_NS)
		judge_restart(&s->judge, STREAM_TARGETS, arm);
	if (tick_of(s, arm, t->t_ns)->t_ns == s->control.arm[arm].seeded_ns && apart_rad(t->q_rad, commanded) > START_RAD)
		stand_fail(s, "target of %s: the first after attach, %.4f rad from the arm", s->setup.arm[arm].name,
				apart_rad(t->q_rad, commanded));
	judge_take(&s->judge, STREAM_TARGETS, arm, t->t_ns, t->q_rad, t->dq_rad_s, settled_mode(s, arm, t));
	check_source(s, arm, t);
	if (t->chunk > 0)
		spans_executed(&s->spans, arm, t->chunk);
	s->targets++;
	if (!s->record)
		return;
	judge_tcp(&s->setup.arm[arm], t->q_rad, tcp, r);
	record_sample(&s->record->sent[arm], t->t_ns, t->q_rad, tcp);
}

/* Everything that dreamvlad publishes passes here on its way. */
static void see_message(void *context, const struct endpoint_message *m)
{
	struct stand *s = context;
	struct message_target t;
	struct errbuf e;

	for (uint32_t i = 0; i < s->setup.n_arms; i++) {
		char topic[NAME_BYTES + 8];
		size_t n = (size_t)snprintf(topic, sizeof topic, "target/%s", s->setup.arm[i].name);

		if (m->bytes[0] != n || memcmp(m->part[0], topic, n) != 0)
			continue;
		if (message_target_decode(&t, m->part[1], m->bytes[1], &e) < 0) {
			stand_fail(s, "%s", e.text);
			return;
		}
		t.target.t_ns -= s->io->clock_offset_ns;
		check_target(s, i, &t.target);
	}
}

static void check_command(struct stand *s, uint32_t i)
{
	struct plant *p = &s->arm[i].plant;
	double tcp[3], r[3][3];

	if (p->judged != p->generation) /* a controller that starts anew has forgotten its motion */
		judge_restart(&s->judge, STREAM_COMMANDS, i);
	p->judged = p->generation;
	if (p->hold && s->judge.stream[STREAM_COMMANDS][i].n == 0 && apart_rad(p->command.q_rad, p->world.q_rad) > START_RAD)
		stand_fail(s, "command of %s: a first one, %.4f rad from the arm", s->setup.arm[i].name,
				apart_rad(p->command.q_rad, p->world.q_rad));
	if (p->hold && p->mode == ARM_READY)
		judge_take(&s->judge, STREAM_COMMANDS, i, s->now_ns, p->command.q_rad, NULL, s->control.mode);
	else
		judge_restart(&s->judge, STREAM_COMMANDS, i);
	if (!s->record)
		return;
	judge_tcp(&s->setup.arm[i], p->world.q_rad, tcp, r);
	record_sample(&s->record->plant[i], s->now_ns, p->world.q_rad, tcp);
}

/* ---- what the modes do --------------------------------------------------------------------------------------------- */

static void see_mode(struct stand *s)
{
	const struct control *c = &s->control;
	char text[96];

	record_driver(s->record, s->now_ns, c->report.driver);
	if (record_mode(s->record, s->now_ns, c->mode)) {
		snprintf(text, sizeof text, "%s: %s", mode_name(c->mode), reason_name(c->reason));
		record_mark(s->record, s->now_ns, text);
	}
	if (c->mode == s->mode_seen)
		return;
	if (s->trace)
		fprintf(s->out, "%9.4f mode %s -> %s, %s\n", seconds(s), mode_name(s->mode_seen), mode_name(c->mode), reason_name(c->reason));
	if (c->mode == MODE_HOLD || c->mode == MODE_FAULT || c->mode == MODE_RETURN || c->mode == MODE_TELEOP)
		s->handed_over_ns = s->now_ns;
	s->stopping_ns = c->mode == MODE_HOLD || c->mode == MODE_FAULT || c->mode == MODE_RETURN ? s->now_ns : 0;
	s->mode_seen = c->mode;
	s->mode_since_ns = s->now_ns;
}

static void check_stop(struct stand *s)
{
	const struct control_report *r = &s->control.report;

	if (s->stopping_ns == 0 || s->scenario->limits.stop_ns == 0)
		return;
	if (r->standing || r->driver == TARGET_HOME) {
		s->stopping_ns = 0;
	} else if (s->now_ns - s->stopping_ns > s->scenario->limits.stop_ns) {
		stand_fail(s, "targets still move %.3f s after the mode became %s", (double)(s->now_ns - s->stopping_ns) * 1e-9,
				mode_name(s->control.mode));
		s->stopping_ns = 0;
	}
}

/* ---- lines of the file --------------------------------------------------------------------------------------------- */

static const char *state_text(const struct stand *s, char out[160])
{
	snprintf(out, 160, "mode %s, reason %s, driver %s, %s", mode_name(s->control.mode), reason_name(s->control.reason),
			scenario_driver_name(s->control.report.driver), s->control.report.standing ? "standing" : "moving");
	return out;
}

static void line_failed(struct stand *s, const struct script_line *l)
{
	char found[160];

	stand_fail(s, "line %u: %s: found %s", l->number, l->text, state_text(s, found));
}

static bool follow_line(struct stand *s, const struct script_line *l, bool due)
{
	bool true_now;

	if (l->row->act) {
		if (!due)
			return false;
		if (s->trace)
			fprintf(s->out, "%9.4f %s\n", seconds(s), l->text);
		record_mark(s->record, s->now_ns, l->text);
		l->row->act(s, l->arg);
		return true;
	}
	true_now = (due || l->when != WHEN_AT) && l->row->holds(s, l->arg);
	if (l->when == WHEN_BY)
		s->met |= true_now;
	bool bad = l->when == WHEN_UNTIL ? !true_now : due && !(l->when == WHEN_BY ? s->met : true_now);

	if (bad)
		line_failed(s, l);
	if (!due && !bad && !(l->when == WHEN_BY && s->met))
		return false;
	s->met = false;
	return true;
}

static void follow_lines(struct stand *s)
{
	while (s->next_line < s->scenario->n_lines) {
		const struct script_line *l = &s->scenario->line[s->next_line];

		if (!follow_line(s, l, s->now_ns - s->begin_ns >= l->t_ns))
			return;
		s->next_line++;
	}
}

/* ---- one millisecond ----------------------------------------------------------------------------------------------- */

static void wake_io(struct stand *s, bool always)
{
	const struct io *io = s->io;
	bool ready = virtual_net_ready(io->cameras) || virtual_net_ready(io->operators) || virtual_net_ready(io->states) ||
			virtual_net_ready(io->control);

	for (uint32_t i = 0; i < s->setup.n_arms; i++)
		ready |= virtual_net_ready(io->arm[i].door);
	if (s->now_ns < s->io_stalled_until_ns || (!always && !ready && s->now_ns - s->io_wake_ns < IO_POLL_NS))
		return;
	s->io_wake_ns = s->now_ns;
	io_wake(s->io);
}

static void step_control(struct stand *s)
{
	if ((s->now_ns - s->begin_ns) % s->setup.period_ns != 0 || s->now_ns < s->control_stalled_until_ns)
		return;
	control_tick(&s->control, s->now_ns);
	see_mode(s);
	s->tick[s->n_ticks++ % TICKS_KEPT] = (struct stand_tick){ s->now_ns, s->control.mode, s->mode_since_ns, s->handed_over_ns };
	check_stop(s);
	virtual_time_set(s->now_ns + IO_AT_NS);
	wake_io(s, true);
}

static void step_arms(struct stand *s)
{
	for (uint32_t i = 0; i < s->setup.n_arms; i++) {
		struct stand_arm *a = &s->arm[i];

		if (!a->up && a->down_until_ns > 0 && s->now_ns >= a->down_until_ns)
			stand_arm_start(s, i);
		if (a->up && s->now_ns >= a->stalled_until_ns) {
			virtual_time_set(s->now_ns + ARM_IO_AT_NS);
			arm_io_step(&a->io);
		}
	}
	virtual_time_set(s->now_ns + ARM_AT_NS);
	for (uint32_t i = 0; i < s->setup.n_arms; i++) {
		struct stand_arm *a = &s->arm[i];

		if (a->up && s->now_ns >= a->stalled_until_ns)
			arm_loop_tick(&a->loop, s->now_ns + ARM_AT_NS);
		plant_step(&a->plant, NS_PER_MS);
		if (a->up && s->now_ns >= a->stalled_until_ns)
			check_command(s, i);
	}
	virtual_time_set(s->now_ns + STATE_AT_NS);
	for (uint32_t i = 0; i < s->setup.n_arms; i++)
		if (s->arm[i].up && s->now_ns >= s->arm[i].stalled_until_ns)
			arm_io_step(&s->arm[i].io);
}

/* Not while an inference lasts: that is this thread's. */
static void step_policy(struct stand *s)
{
	int64_t begin_ns = s->now_ns + POLICY_AT_NS;
	uint64_t before = s->runner.status.chunks;

	if (s->inferring || (!virtual_event_taken(s->links->observation_eventfd) && s->now_ns - s->policy_tick_ns < POLICY_POLL_NS))
		return;
	s->policy_tick_ns = s->now_ns;
	virtual_time_set(begin_ns);
	policy_tick(&s->runner);
	if (s->runner.status.chunks > before)
		s->chunk_begin_ns[s->runner.status.chunks % CHUNKS_KEPT] = begin_ns;
}

void stand_step(struct stand *s)
{
	s->now_ns += NS_PER_MS;
	virtual_time_set(s->now_ns);
	follow_lines(s);
	step_control(s);
	step_arms(s);
	virtual_time_set(s->now_ns + PEERS_AT_NS);
	peers_step(s);
	virtual_time_set(s->now_ns + IO_AGAIN_AT_NS);
	wake_io(s, false);
	step_policy(s);
	spans_take(&s->spans, s->links, clock_monotonic_ns());
}

/* ---- making it ----------------------------------------------------------------------------------------------------- */

void stand_arm_start(struct stand *s, uint32_t i)
{
	struct stand_arm *a = &s->arm[i];
	struct errbuf e;

	memset(&a->links, 0, sizeof a->links);
	memset(&a->loop, 0, sizeof a->loop);
	queue_init(&a->links.target_queue, ARM_TARGET_RING);
	queue_init(&a->links.request_queue, ARM_REQUEST_RING);
	queue_init(&a->links.answer_queue, ARM_REQUEST_RING);
	latest_init(&a->links.report_box);
	a->links.answer_fd = eventfd_open(&e);
	arm_init(&a->loop.arm, &a->setup, &plant_driver);
	a->loop.driver = &plant_driver;
	a->loop.robot = &a->plant;
	a->loop.links = &a->links;
	struct arm_io_options o = { .config = &s->config, .robot = &s->config.robot[i], .setup = &a->setup, .driver = &plant_driver,
		.links = &a->links };

	if (a->links.answer_fd < 0 || arm_io_init(&a->io, &o, &e) < 0)
		stand_fail(s, "%s", e.text);
	a->up = true;
	a->down_until_ns = 0;
	judge_restart(&s->judge, STREAM_COMMANDS, i);
}

/* As if its process were killed: the motors hold their last command. */
void stand_arm_stop(struct stand *s, uint32_t i)
{
	struct stand_arm *a = &s->arm[i];

	if (!a->up)
		return;
	arm_io_finish(&a->io);
	close(a->links.answer_fd);
	a->up = false;
}

static int make_daemon(struct stand *s, struct errbuf *e)
{
	int rc;

	s->runtime.config = s->scenario->config;
	if ((rc = runtime_init(&s->runtime, e)) < 0)
		return rc;
	s->config = s->runtime.config;
	s->setup = s->runtime.setup;
	s->links = s->runtime.links;
	tape_want(&s->links->io_tape, RECORD_BIT(SPAN));
	tape_want(&s->links->policy_tape, RECORD_BIT(SPAN));
	s->spans = (struct spans){ .found = span_found, .context = s, .n_cameras = s->setup.n_cameras, .n_arms = s->setup.n_arms };
	judge_init(&s->judge, &s->setup, &s->scenario->limits);
	s->judge.found = judge_found;
	s->judge.context = s;
	if ((rc = io_create(&s->io, &s->config, &s->setup, s->links, s->runtime.stats, NULL, e)) < 0)
		return rc;
	control_init(&s->control, &s->setup, s->links);
	s->script = (struct policy_script){ .stand = s, .latency_ns = 100 * NS_PER_MS };
	policy_script_use(&s->script);
	return policy_runner_init(&s->runner, &s->config, &s->setup, s->links, s->runtime.stats, e);
}

static int make_all(struct stand *s, struct errbuf *e)
{
	int rc;

	virtual_time_reset(s->scenario->seed);
	virtual_net_reset();
	s->begin_ns = s->now_ns = clock_monotonic_ns();
	if ((rc = make_daemon(s, e)) < 0)
		return rc;
	virtual_net_watch(see_message, s);
	for (uint32_t i = 0; i < s->setup.n_arms; i++) {
		s->arm[i].setup = s->setup.arm[i];
		plant_init(&s->arm[i].plant, &s->arm[i].setup.model, s->scenario->has_start[i] ? s->scenario->start_rad[i] : s->setup.arm[i].home_rad);
		stand_arm_start(s, i);
	}
	peers_init(s);
	return 0;
}

static void unmake(struct stand *s)
{
	virtual_net_watch(NULL, NULL);
	peers_finish(s);
	for (uint32_t i = 0; i < s->setup.n_arms; i++)
		stand_arm_stop(s, i);
	policy_runner_finish(&s->runner);
	io_destroy(s->io);
	runtime_finish(&s->runtime);
}

/* Histograms and spans tell the same: each stage as often. What is overhead has several spans, and one value. */
static void check_histograms(struct stand *s)
{
	for (int i = 0; i < STAGE_COUNT; i++) {
		uint64_t n = histogram_summary(&s->runtime.stats->stage[i]).n, want = s->spans.n[i == STAGE_OVERHEAD ? STAGE_WAIT : i];

		if (n != want)
			stand_fail(s, "stage %s has %" PRIu64 " values, %" PRIu64 " spans", trace_stage_name((enum trace_stage)i), n, want);
	}
}

static void show_worst(const struct stand *s)
{
	for (uint32_t i = 0; i < s->setup.n_arms; i++)
		for (int k = 0; k < STREAM_KINDS; k++) {
			fprintf(s->out, "%s %s, shares of the limits:", k == STREAM_TARGETS ? "targets of" : "commands of", s->setup.arm[i].name);
			for (int q = 0; q < QUANTITY_COUNT; q++)
				fprintf(s->out, " %s %.3f%s", quantity_name((enum quantity)q), s->judge.stream[k][i].worst[q],
						q + 1 < QUANTITY_COUNT ? "," : "\n");
		}
}

static void show_spans(const struct stand *s)
{
	for (uint32_t i = 0; i < STAGE_COUNT; i++)
		for (uint32_t k = 0; k < s->setup.n_arms; k++)
			fprintf(s->out, "%s%s %s %" PRIu64, i + k > 0 ? ", " : "spans: ", trace_stage_name((enum trace_stage)i), s->setup.arm[k].name,
					s->spans.n_of[i][k]);
	fprintf(s->out, "\n");
}

static void show_counters(const struct stand *s)
{
	const struct control_report *r = &s->control.report;

	fprintf(s->out, "%" PRIu64 " targets, %" PRIu64 " chunks adopted, %" PRIu64 " dropped, %" PRIu64 " overruns, %" PRIu64 " rejected\n",
			s->targets, r->chunks_adopted, r->chunks_dropped, r->overruns, s->runner.status.rejected);
	for (uint32_t i = 0; i < s->setup.n_arms; i++) {
		const struct arm_counters *c = &s->arm[i].loop.arm.counters;

		fprintf(s->out, "%s: %" PRIu64 " accepted, %" PRIu64 " refused, %" PRIu64 " foreign, %" PRIu64 " late, %" PRIu64 " old, %" PRIu64
				" underruns, %" PRIu64 " beyond limits\n", s->setup.arm[i].name, c->accepted, c->refused, c->foreign, c->late, c->old,
				c->underruns, c->limits_exceeded);
	}
}

uint32_t stand_run(const struct scenario *scenario, struct record *record, bool trace, FILE *out)
{
	struct stand *s = calloc(1, sizeof *s);
	uint32_t failures;
	struct errbuf e;

	if (!s) {
		fprintf(out, "%s: out of memory\n", scenario->path);
		return 1;
	}
	*s = (struct stand){ .scenario = scenario, .record = record, .trace = trace, .out = out };
	if (make_all(s, &e) < 0)
		stand_fail(s, "%s", e.text);
	else
		while (!stand_ended(s))
			stand_step(s);
	if (s->targets == 0)
		stand_fail(s, "not one target was sent");
	else
		check_histograms(s);
	if (record) {
		record->begin_ns = s->begin_ns;
		record->end_ns = s->now_ns;
	}
	if (trace) {
		show_worst(s);
		show_spans(s);
		show_counters(s);
	}
	unmake(s);
	failures = s->failures;
	free(s);
	return failures;
}
