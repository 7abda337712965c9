/* bench_tick.c - see bench_tick.h. */
#include "daemon/bench/bench_tick.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "daemon/control_state.h"
#include "daemon/control_tick.h"
#include "daemon/control_trace.h"
#include "daemon/setup.h"
#include "daemon/stage/kinematics.h"
#include "daemon/sys/clock.h"
#include "transport/message/message.h"

enum { SETTLE_TICKS = 200, TICKS = 1000, PASSES = 5, CHUNK_STEPS = 8, ARM_ACTIONS = 7, DELAY_MAX = 64,
	PAIRS = 20000, TAPE_BYTES = 1 << 20 };
#define CHUNK_PERIOD_NS (400 * NS_PER_MS)
#define OBSERVED_NS (100 * NS_PER_MS) /* a chunk's observation lies so far back */
#define SWAY_RAD_S 3.0                /* the motion asked for goes to and fro */

/* Control, and a world that does what it is told after the play-out. */
struct world_of_numbers {
	struct control control;
	struct links links;
	struct stats *stats;         /* of what is written */
	struct control_setup setup;
	struct inputs inputs;
	struct control_report report;
	struct policy_hint hint;
	struct driver_target way[ARMS_MAX][DELAY_MAX];
	uint32_t at, delay;
	int64_t now_ns, chunk_ns;
	uint64_t chunks;
	uint32_t ticket;
};

/* The configuration's first robot, once or twice, with deltas of its hand. */
static void make_setup(struct control_setup *s, uint32_t n_arms)
{
	s->n_arms = n_arms;
	s->action_space = ACTION_EE_DELTA;
	s->rotation = ROTATION_ROTVEC;
	s->delta_reference = DELTA_COMMANDED;
	s->action_dim = n_arms * ARM_ACTIONS;
	for (uint32_t i = 0; i < ACTION_DIM_MAX; i++)
		s->action_scale[i] = 1.0;
	for (uint32_t i = n_arms; i-- > 0;) {
		s->arm[i] = s->arm[0];
		s->arm[i].action_first = i * ARM_ACTIONS;
		s->arm[i].action_count = ARM_ACTIONS;
		s->arm[i].has_gripper = true;
	}
}

static void place_arm(struct world_of_numbers *w, uint32_t i)
{
	struct arm_state *s = &w->inputs.arm[i];

	s->present = s->has_q = s->attached = s->has_gripper = true;
	s->mode = ARM_READY;
	s->from = 1;
	memcpy(s->q_rad, w->setup.arm[i].home_rad, sizeof s->q_rad);
	memcpy(s->q_d_rad, s->q_rad, sizeof s->q_d_rad);
}

static void make_world(struct world_of_numbers *w, const struct control_setup *setup, uint32_t n_arms)
{
	memset(w, 0, sizeof *w);
	w->setup = *setup;
	make_setup(&w->setup, n_arms);
	w->now_ns = 1000 * w->setup.period_ns;
	w->delay = (uint32_t)(w->setup.arm[0].playout_ns / w->setup.period_ns);
	w->delay = w->delay < DELAY_MAX ? w->delay : DELAY_MAX - 1;
	w->inputs.instruction_id = 1;
	for (uint32_t i = 0; i < n_arms; i++)
		place_arm(w, i);
	links_init(&w->links);
	control_init(&w->control, &w->setup, &w->links);
}

/* ---- before a tick ------------------------------------------------------------------------------------------------ */

static double sway(const struct world_of_numbers *w)
{
	return sin(SWAY_RAD_S * (double)w->now_ns * 1e-9);
}

static void publish_inputs(struct world_of_numbers *w)
{
	struct teleop_input *t = &w->inputs.teleop[0];

	for (uint32_t i = 0; i < w->setup.n_arms; i++) {
		struct arm_state *s = &w->inputs.arm[i];

		s->stamp_ns = s->arrival_ns = w->now_ns;
		kinematics_forward(&w->setup.arm[i].model, &w->setup.arm[i].tcp, s->q_rad, &s->ee);
	}
	for (uint32_t i = 0; i < w->setup.n_cameras; i++)
		w->inputs.camera[i] = (struct camera_status){ .present = true, .stamp_ns = w->now_ns, .arrival_ns = w->now_ns };
	t->stamp_ns = t->arrival_ns = w->now_ns;
	t->value[1] = 0.05 * sway(w);
	t->value[5] = 0.1 * sway(w);
	w->links.inputs[w->links.inputs_box.writing] = w->inputs;
	latest_publish(&w->links.inputs_box);
}

static void publish_chunk(struct world_of_numbers *w)
{
	struct action_chunk *c = &w->links.chunk[w->links.chunk_box.writing];

	memset(c, 0, sizeof *c);
	c->id = ++w->chunks;
	c->epoch = w->hint.epoch;
	c->instruction_id = w->inputs.instruction_id;
	c->t_obs_ns = c->frame_stamp_ns = c->received_ns = w->now_ns - OBSERVED_NS;
	c->handed_over_ns = w->now_ns;
	c->inference_ns = OBSERVED_NS;
	c->n_steps = CHUNK_STEPS;
	c->action_dim = w->setup.action_dim;
	for (uint32_t k = 0; k < CHUNK_STEPS; k++)
		for (uint32_t i = 0; i < w->setup.n_arms; i++) {
			c->action[k][i * ARM_ACTIONS + 1] = 0.01 * sway(w);
			c->action[k][i * ARM_ACTIONS + 5] = 0.02 * sway(w);
		}
	memcpy(c->arm, w->inputs.arm, sizeof c->arm);
	latest_publish(&w->links.chunk_box);
	w->chunk_ns = w->now_ns;
}

static void follow(struct world_of_numbers *w, const struct driver_target *t)
{
	struct driver_target *due = &w->way[t->arm][(w->at + 1) % (w->delay + 1)];

	w->way[t->arm][w->at % (w->delay + 1)] = *t;
	if (!due->valid)
		return;
	memcpy(w->inputs.arm[t->arm].q_rad, due->q_rad, sizeof due->q_rad);
	memcpy(w->inputs.arm[t->arm].q_d_rad, due->q_rad, sizeof due->q_rad);
	memcpy(w->inputs.arm[t->arm].dq_rad_s, due->dq_rad_s, sizeof due->dq_rad_s);
}

static void collect(struct world_of_numbers *w)
{
	struct links *l = &w->links;

	for (int slot; (slot = queue_front(&l->target_queue)) >= 0; queue_release(&l->target_queue))
		for (uint32_t i = 0; i < l->target[slot].n; i++)
			if (l->target[slot].target[i].valid && !l->target[slot].target[i].shadow)
				follow(w, &l->target[slot].target[i]);
	w->at++;
	while (queue_front(&l->event_queue) >= 0)
		queue_release(&l->event_queue);
	if (latest_refresh(&l->report_box))
		w->report = l->report[l->report_box.reading];
	if (latest_refresh(&l->hint_box))
		w->hint = l->hint[l->hint_box.reading];
}

static void prepare(void *world)
{
	struct world_of_numbers *w = world;

	collect(w);
	w->now_ns += w->setup.period_ns;
	publish_inputs(w);
	w->links.policy[w->links.policy_box.writing] = (struct policy_status){ .health = POLICY_WARM, .chunks = w->chunks };
	latest_publish(&w->links.policy_box);
	if (w->now_ns - w->chunk_ns >= CHUNK_PERIOD_NS && w->now_ns - OBSERVED_NS >= w->hint.wants_after_ns)
		publish_chunk(w);
}

static void step(void *world)
{
	struct world_of_numbers *w = world;

	control_tick(&w->control, w->now_ns);
}

static void run(struct world_of_numbers *w, uint32_t ticks)
{
	for (uint32_t i = 0; i < ticks; i++) {
		prepare(w);
		step(w);
	}
	collect(w);
}

/* ---- into a mode -------------------------------------------------------------------------------------------------- */

static void command(struct world_of_numbers *w, enum command_kind kind)
{
	int slot = queue_claim(&w->links.command_queue);

	if (slot < 0)
		return;
	w->links.command[slot] = (struct command){ .kind = kind, .ticket = ++w->ticket, .arm = ALL_ARMS };
	queue_publish(&w->links.command_queue);
}

static void press(struct world_of_numbers *w)
{
	struct teleop_input *t = &w->inputs.teleop[0];

	t->present = true;
	t->from = 2;
	t->kind = TELEOP_TWIST;
	run(w, 2);
	t->deadman = true;
	t->edges++;
	t->edge_ns = w->now_ns + w->setup.period_ns;
}

static int enter(struct world_of_numbers *w, enum mode mode, struct errbuf *e)
{
	run(w, SETTLE_TICKS);
	if (mode == MODE_TELEOP)
		press(w);
	else
		command(w, mode == MODE_AUTO ? COMMAND_MODE_AUTO : COMMAND_MODE_HOLD);
	run(w, SETTLE_TICKS);
	return w->report.mode == mode ? 0 : fail(e, -EPROTO, "control does not come into %s but into %s, reason %u", mode_name(mode),
			mode_name(w->report.mode), w->report.reason);
}

/* ---- measuring ---------------------------------------------------------------------------------------------------- */

/* Of the same ticks over and over: the world is exact, so that each has a cost of its own, which the least of several times shows. */
struct costs {
	struct world_of_numbers begin;
	double us[TICKS];
	uint64_t instructions[TICKS];
	uint32_t by_time[TICKS];    /* indices, the cheapest first */
};

static void time_ticks(struct world_of_numbers *w, struct costs *c)
{
	for (uint32_t pass = 0; pass < PASSES; pass++) {
		*w = c->begin;
		for (uint32_t i = 0; i < TICKS; i++) {
			prepare(w);
			int64_t begin_ns = clock_monotonic_ns();

			step(w);
			double us = (double)(clock_monotonic_ns() - begin_ns) / 1e3;

			c->us[i] = pass == 0 ? us : fmin(c->us[i], us);
		}
		collect(w);
	}
}

static int by_time(const void *a, const void *b, void *costs)
{
	const struct costs *c = costs;
	double x = c->us[*(const uint32_t *)a], y = c->us[*(const uint32_t *)b];

	return (x > y) - (x < y);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t instructions_at(struct world_of_numbers *w, const struct costs *c, const struct instructions *by, uint32_t tick)
{
	*w = c->begin;
	run(w, tick);
	prepare(w);
	return instructions_of(by, step, w);
}

/* Single steps are for two of them: the median by time, and the longest. */
static void count_ticks(struct world_of_numbers *w, struct costs *c, const struct instructions *by, struct tick_row *row)
{
	if (by->slow) {
		row->n = 2;
		row->p50 = instructions_at(w, c, by, c->by_time[TICKS / 2]);
		row->max = instructions_at(w, c, by, c->by_time[TICKS - 1]);
		return;
	}
	*w = c->begin;
	for (uint32_t i = 0; i < TICKS; i++) {
		prepare(w);
		c->instructions[i] = instructions_of(by, step, w);
	}
	qsort(c->instructions, TICKS, sizeof *c->instructions, ascending);
	row->n = TICKS;
	row->p50 = c->instructions[TICKS / 2];
	row->max = c->instructions[TICKS - 1];
}

static int measure_row(struct world_of_numbers *w, struct costs *c, const struct instructions *by, struct tick_row *row, struct errbuf *e)
{
	int rc = enter(w, row->mode, e);

	if (rc < 0)
		return rc;
	c->begin = *w;
	time_ticks(w, c);
	if (w->report.mode != row->mode)
		return fail(e, -EPROTO, "control has left %s for %s, reason %u", mode_name(row->mode), mode_name(w->report.mode), w->report.reason);
	for (uint32_t i = 0; i < TICKS; i++)
		c->by_time[i] = i;
	qsort_r(c->by_time, TICKS, sizeof *c->by_time, by_time, c);
	row->p50_us = c->us[c->by_time[TICKS / 2]];
	row->p99_us = c->us[c->by_time[TICKS * 99 / 100]];
	row->max_us = c->us[c->by_time[TICKS - 1]];
	count_ticks(w, c, by, row);
	return 0;
}

static int read_setup(struct control_setup *s, const char *file, struct errbuf *e)
{
	struct config *c = calloc(1, sizeof *c);
	int rc = c ? config_read(c, file, e) : fail(e, -ENOMEM, "out of memory");

	if (rc == 0)
		rc = setup_control(s, c, e);
	free(c);
	return rc;
}

static int measure_rows(struct ticks *t, const struct control_setup *setup, const struct instructions *by, struct errbuf *e)
{
	static const enum mode modes[] = { MODE_HOLD, MODE_AUTO, MODE_TELEOP };
	struct world_of_numbers *w = calloc(1, sizeof *w);
	struct costs *c = calloc(1, sizeof *c);
	int rc = w && c ? 0 : fail(e, -ENOMEM, "out of memory");

	for (uint32_t i = 0; rc == 0 && i < TICK_ROWS; i++) {
		struct tick_row *row = &t->row[i];

		row->n_arms = 1 + i / (TICK_ROWS / 2);
		row->mode = modes[i % (TICK_ROWS / 2)];
		fprintf(stderr, "one control tick, %s, %" PRIu32 " arm%s\n", mode_name(row->mode), row->n_arms, row->n_arms > 1 ? "s" : "");
		make_world(w, setup, row->n_arms);
		rc = measure_row(w, c, by, row, e);
	}
	free(c);
	free(w);
	return rc;
}

int ticks_measure(struct ticks *t, const char *config, struct errbuf *e)
{
	struct instructions by;
	struct control_setup setup;
	int rc = read_setup(&setup, config, e);

	*t = (struct ticks){ 0 };
	if (rc < 0 || (rc = instructions_open(&by, e)) < 0)
		return rc;
	t->method = by.method;
	rc = measure_rows(t, &setup, &by, e);
	instructions_close(&by);
	return rc;
}

/* ---- what writing costs ------------------------------------------------------------------------------------------- */

static void prepare_writing(void *world)
{
	struct world_of_numbers *w = world;
	struct tape_record r;

	prepare(w);
	while (tape_front(&w->links.control_tape, &r))
		tape_release(&w->links.control_tape);
}

static void step_writing(void *world)
{
	struct world_of_numbers *w = world;

	control_tick(&w->control, w->now_ns);
	control_trace(w->stats, &w->links.control_tape, w->now_ns, w->now_ns, clock_monotonic_ns());
	control_state_record(&w->control);
}

/* Of two worlds that are the same in all else the tape of one is wanted. */
static int measure_writing(struct world_of_numbers *w[2], const struct control_setup *setup, struct stats *stats, uint8_t *memory,
		struct paired_cost *c, struct errbuf *e)
{
	struct paired_steps s = { .prepare = prepare_writing, .step = step_writing, .context = { w[0], w[1] }, .n = PAIRS };
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		make_world(w[i], setup, 1);
		w[i]->stats = stats;
		tape_init(&w[i]->links.control_tape, memory + i * TAPE_BYTES, TAPE_BYTES);
		rc = enter(w[i], MODE_AUTO, e);
	}
	if (rc < 0)
		return rc;
	tape_want(&w[1]->links.control_tape, ~UINT64_C(0));
	rc = paired_measure(c, &s, e);
	for (int i = 0; i < 2 && rc == 0; i++)
		if (w[i]->report.mode != MODE_AUTO)
			rc = fail(e, -EPROTO, "control has left AUTO for %s, reason %u", mode_name(w[i]->report.mode), w[i]->report.reason);
	return rc;
}

int ticks_measure_writing(struct paired_cost *c, int64_t *period_ns, const char *config, struct errbuf *e)
{
	struct world_of_numbers *w[2] = { calloc(1, sizeof **w), calloc(1, sizeof **w) };
	struct stats *stats = calloc(1, sizeof *stats);
	uint8_t *memory = aligned_alloc(TAPE_ALIGN_BYTES, 2 * TAPE_BYTES);
	struct control_setup setup;
	int rc = w[0] && w[1] && stats && memory ? read_setup(&setup, config, e) : fail(e, -ENOMEM, "out of memory");

	if (rc == 0) {
		memset(memory, 0, 2 * TAPE_BYTES);
		*period_ns = setup.period_ns;
		rc = measure_writing(w, &setup, stats, memory, c, e);
	}
	free(memory);
	free(stats);
	free(w[1]);
	free(w[0]);
	return rc;
}

/* ---- showing ------------------------------------------------------------------------------------------------------ */

void ticks_print(FILE *out, const struct ticks *t)
{
	fprintf(out, "one control tick, %d different ones a row: instructions by %s; time: the least of %d runs of the same tick\n", TICKS,
			t->method, PASSES);
	for (uint32_t i = 0; i < TICK_ROWS; i++) {
		const struct tick_row *r = &t->row[i];

		fprintf(out, "  %-8s %" PRIu32 " arm%s  instructions p50 %8" PRIu64 "   max %8" PRIu64 " (counted %4" PRIu32
				")   time p50 %6.1f   p99 %6.1f   max %7.1f us\n", mode_name(r->mode), r->n_arms, r->n_arms > 1 ? "s" : " ",
				r->p50, r->max, r->n, r->p50_us, r->p99_us, r->max_us);
	}
}

json_t *ticks_json(const struct ticks *t)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < TICK_ROWS; i++) {
		const struct tick_row *r = &t->row[i];

		json_array_append_new(rows, json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "mode", mode_name(r->mode), "arms",
				(json_int_t)r->n_arms, "ticks", (json_int_t)r->n, "instructions_p50", (json_int_t)r->p50, "instructions_max",
				(json_int_t)r->max, "p50_us", r->p50_us, "p99_us", r->p99_us, "max_us", r->max_us));
	}
	return json_pack("{s:s, s:o}", "method", t->method, "rows", rows);
}
