/* control_bench.h - a bench for control_tick on virtual time: an arm, cameras and a policy made of numbers, and a judge that
 * holds every target against the limits by finite differences. Used by the test_control_*.c of this folder. */
#ifndef DREAMVLA_TESTS_UNIT_DAEMON_CONTROL_BENCH_H
#define DREAMVLA_TESTS_UNIT_DAEMON_CONTROL_BENCH_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/control_tick.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

enum { PERIOD_NS = 5000000, MS = 1000000, CHUNK = 8, ARM_DELAY = 2, LATENCY_MS = 150 };

struct bench {
	struct control control;
	struct links links;
	struct control_setup setup;
	int64_t now_ns;
	struct inputs inputs;
	struct control_report report;
	struct policy_hint hint;
	/* world */
	bool cameras_run, state_runs, policy_runs;
	uint64_t arm_from;
	double q[ARMS_MAX][DOF_MAX], dq[ARMS_MAX][DOF_MAX];
	struct driver_target queue[ARMS_MAX][ARM_DELAY + 2];
	int64_t taken_ns[ARMS_MAX];
	/* policy */
	uint64_t chunks;
	int64_t observed_ns;     /* 0: no inference is running */
	uint32_t observed_epoch, observed_instruction;
	double speed_m_s[3];     /* what its actions ask for */
	double turn_rad_s[3];    /* the same, besides a little about z */
	bool constant_gripper;   /* its gripper's value is gripper_action; else it changes from chunk to chunk */
	double gripper_action;
	double spoil;            /* NaN: put into actions */
	int64_t latency_ns;
	/* judge */
	uint32_t trail_n[ARMS_MAX];
	double trail[ARMS_MAX][4][DOF_MAX];
	int64_t trail_ns[ARMS_MAX];
	uint64_t real_targets, shadow_targets, policy_targets, measured_targets; /* measured: the first of a chunk */
	double fastest_rad_s;
	uint32_t ticket, faults_seen, last_fault;
	uint32_t events[EVENT_LIMIT + 1][REASON_COUNT];
	double wrong_tcp_m;      /* the arm's pose is off by so much */
	double gripper_m;
	bool gripper_seen;
	uint64_t teleop_targets, marked_targets[ARMS_MAX]; /* marked: as an intervention's */
	enum mode told_mode;     /* by the events so far */
	struct control_event newest[EVENT_LIMIT + 1]; /* of each kind */
	void (*meddle)(struct bench *b); /* NULL, or spoils the inputs of every period, arms' states included */
	struct policy_status policy; /* what the policy thread says; POLICY_WARM from the beginning */
	double elbow_rad;        /* of an arm that gets poses: so much of its null space is its own choice */
	bool teleop_talks[TELEOP_DEVICES_MAX]; /* devices that repeat their newest message every period */
};

static inline struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof *b);
	struct control_setup *s = &b->setup;
	struct arm_setup *a = &s->arm[0];

	assert_non_null(b);
	s->period_ns = PERIOD_NS;
	s->n_arms = 1;
	s->n_cameras = 1;
	s->camera_max_age_ns[0] = 200 * MS;
	s->state_max_age_ns = 50 * MS;
	s->action_space = ACTION_EE_DELTA;
	for (int i = 0; i < ACTION_DIM_MAX; i++)
		s->action_scale[i] = 1.0;
	s->action_dim = 7;
	s->action_dt_ns = 100 * MS;
	s->gripper = (struct gripper_setup){ .binary = true, .open_is_high = true, .threshold = 0.5, .hysteresis = 0.1, .dwell_ns = 300 * MS };
	s->method = EXECUTE_ASYNC;
	s->blend_ns = 200 * MS;
	s->starve_ns = 1000 * MS;
	s->old_instruction_ns = 400 * MS;
	s->speed_default = 1.0;
	s->valid_for_ns = 20 * MS;
	s->teleop_timeout_ns = 100 * MS;
	s->teleop_v_max_m_s = 0.25;
	s->teleop_w_max_rad_s = 1.0;
	strcpy(a->name, "left");
	a->model = *robot_model_find("panda");
	a->tcp = pose_identity;
	a->tcp.p_m[2] = 0.1034;
	a->action_count = 7;
	a->has_gripper = true;
	a->gripper_max_m = 0.08;
	memcpy(a->home_rad, a->model.home_rad, sizeof a->home_rad);
	a->playout_ns = ARM_DELAY * PERIOD_NS;
	memcpy(a->box_min_m, (double[3]){ 0.15, -0.6, 0.02 }, sizeof a->box_min_m);
	memcpy(a->box_max_m, (double[3]){ 0.8, 0.6, 0.9 }, sizeof a->box_max_m);
	a->limit_scale = 0.5;
	a->tracking_error_rad = 0.1;
	b->cameras_run = b->state_runs = b->policy_runs = true;
	b->arm_from = 77;
	b->policy.health = POLICY_WARM;
	b->now_ns = 1000000 * (int64_t)PERIOD_NS;
	b->latency_ns = LATENCY_MS * (int64_t)MS;
	b->speed_m_s[1] = 0.1;
	b->inputs.instruction_id = 1;
	for (uint32_t i = 0; i < ARMS_MAX; i++)
		memcpy(b->q[i], a->home_rad, sizeof b->q[i]);
	return b;
}

static inline void bench_start(struct bench *b)
{
	links_init(&b->links);
	control_init(&b->control, &b->setup, &b->links);
	for (uint32_t i = 0; i < b->setup.n_arms; i++) {
		struct arm_state *s = &b->inputs.arm[i];

		s->present = s->has_q = s->attached = s->has_gripper = true;
		s->mode = ARM_READY;
	}
}

/* ---- the world around control ------------------------------------------------------------------------------------ */

/* An arm that gets poses and has another elbow for them: so far along its null space, solved exactly. */
static inline void world_other_elbow(const struct bench *b, const struct arm_setup *arm, double *q_rad)
{
	double along[DOF_MAX], wish[DOF_MAX] = { [2] = 1.0 };
	struct pose at;
	struct ik k;

	if (b->elbow_rad == 0.0)
		return;
	kinematics_forward(&arm->model, &arm->tcp, q_rad, &at);
	for (int n = 0; n < 100; n++) {
		ik_prepare(&k, &arm->model, &arm->tcp, q_rad);
		ik_null_space(&k, wish, along);
		for (uint32_t i = 0; i < arm->model.dof; i++)
			q_rad[i] += b->elbow_rad / 100 * along[i];
	}
	for (int n = 0; n < 10; n++)
		(void)ik_step(&arm->model, &arm->tcp, &at, 0.1, q_rad);
}

static inline void world_publish(struct bench *b)
{
	for (uint32_t i = 0; i < b->setup.n_arms && b->state_runs; i++) {
		struct arm_state *s = &b->inputs.arm[i];

		if (b->taken_ns[i] < b->now_ns - PERIOD_NS) /* without targets the arm brakes by itself */
			for (uint32_t j = 0; j < DOF_MAX; j++)
				b->dq[i][j] *= 0.8;
		s->from = b->arm_from;
		s->stamp_ns = s->arrival_ns = b->now_ns;
		memcpy(s->q_rad, b->q[i], sizeof s->q_rad);
		world_other_elbow(b, &b->setup.arm[i], s->q_rad);
		memcpy(s->q_d_rad, s->q_rad, sizeof s->q_d_rad);
		memcpy(s->dq_rad_s, b->dq[i], sizeof s->dq_rad_s);
		kinematics_forward(&b->setup.arm[i].model, &b->setup.arm[i].tcp, s->q_rad, &s->ee);
		s->ee.p_m[2] += b->wrong_tcp_m;
	}
	for (uint32_t i = 0; i < b->setup.n_cameras && b->cameras_run; i++)
		b->inputs.camera[i] = (struct camera_status){ .present = true, .stamp_ns = b->now_ns - 20 * MS, .arrival_ns = b->now_ns };
	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX; i++)
		if (b->teleop_talks[i])
			b->inputs.teleop[i].stamp_ns = b->inputs.teleop[i].arrival_ns = b->now_ns;
	if (b->meddle)
		b->meddle(b);
	b->links.inputs[b->links.inputs_box.writing] = b->inputs;
	latest_publish(&b->links.inputs_box);
}

static inline void policy_answer(struct bench *b)
{
	struct action_chunk *c = &b->links.chunk[b->links.chunk_box.writing];

	memset(c, 0, sizeof *c);
	c->id = ++b->chunks;
	c->epoch = b->observed_epoch;
	c->instruction_id = b->observed_instruction;
	c->t_obs_ns = c->frame_stamp_ns = c->received_ns = b->observed_ns;
	c->handed_over_ns = b->now_ns;
	c->inference_ns = b->latency_ns;
	c->n_steps = CHUNK;
	c->action_dim = b->setup.action_dim;
	for (uint32_t k = 0; k < CHUNK; k++) {
		for (uint32_t i = 0; i < 3; i++)
			c->action[k][i] = b->speed_m_s[i] * 0.1;
		for (uint32_t i = 0; i < 3; i++)
			c->action[k][3 + i] = b->turn_rad_s[i] * 0.1;
		c->action[k][5] += 0.01;
		c->action[k][6] = b->constant_gripper ? b->gripper_action : b->chunks % 4 < 2 ? 1.0 : 0.0;
	}
	c->action[3][0] += b->spoil;
	memcpy(c->arm, b->inputs.arm, sizeof c->arm);
	latest_publish(&b->links.chunk_box);
	b->observed_ns = 0;
}

static inline void world_infer(struct bench *b)
{
	if (latest_refresh(&b->links.hint_box))
		b->hint = b->links.hint[b->links.hint_box.reading];
	b->policy.chunks = b->chunks;
	b->links.policy[b->links.policy_box.writing] = b->policy;
	latest_publish(&b->links.policy_box);
	if (b->observed_ns > 0 && b->now_ns - b->observed_ns >= b->latency_ns)
		policy_answer(b);
	int64_t seen_ns = b->now_ns - 20 * MS;

	if (b->observed_ns == 0 && b->policy_runs && b->inputs.instruction_id > 0 && seen_ns >= b->hint.wants_after_ns) {
		b->observed_ns = seen_ns;
		b->observed_epoch = b->hint.epoch;
		b->observed_instruction = b->inputs.instruction_id;
	}
}

static inline void judge(struct bench *b, const struct driver_target *t)
{
	const struct arm_setup *arm = &b->setup.arm[t->arm];
	double(*trail)[DOF_MAX] = b->trail[t->arm], dt = PERIOD_NS * 1e-9;
	uint32_t n = ++b->trail_n[t->arm];

	if (n > 1 && t->t_ns != b->trail_ns[t->arm] + PERIOD_NS)
		b->trail_n[t->arm] = n = 1; /* a pause: differences start again */
	b->trail_ns[t->arm] = t->t_ns;
	memmove(trail[1], trail[0], 3 * sizeof trail[0]);
	memcpy(trail[0], t->q_rad, sizeof trail[0]);
	if (t->kind == OUTPUT_POSE)
		return; /* its joints are the plan's, which may start anew from the arm's */
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		double *q[4] = { &trail[0][i], &trail[1][i], &trail[2][i], &trail[3][i] };
		double v = (*q[0] - *q[1]) / dt, a = (*q[0] - 2 * *q[1] + *q[2]) / dt / dt;
		double j = (*q[0] - 3 * *q[1] + 3 * *q[2] - *q[3]) / dt / dt / dt;

		assert_true(*q[0] >= arm->model.q_min_rad[i] && *q[0] <= arm->model.q_max_rad[i]);
		if (n < 4)
			continue;
		assert_true(fabs(v) <= 0.5 * arm->model.dq_max_rad_s[i]);
		assert_true(fabs(a) <= 0.5 * arm->model.ddq_max_rad_s2[i] + 1e-9);
		assert_true(fabs(j) <= 0.5 * arm->model.dddq_max_rad_s3[i]);
		b->fastest_rad_s = fmax(b->fastest_rad_s, fabs(v));
	}
}

static inline void world_take(struct bench *b, const struct driver_target *t)
{
	if (t->shadow) {
		b->shadow_targets++;
		return;
	}
	if (!t->valid)
		return;
	judge(b, t);
	b->taken_ns[t->arm] = b->now_ns;
	b->real_targets++;
	b->policy_targets += t->source == TARGET_POLICY;
	b->measured_targets += t->first_of_chunk;
	b->teleop_targets += t->source == TARGET_TELEOP;
	b->marked_targets[t->arm] += t->intervention;
	if (t->has_gripper) {
		b->gripper_seen = true;
		b->gripper_m = t->gripper_m;
	}
	struct driver_target *q = b->queue[t->arm];

	memmove(q + 1, q, ARM_DELAY * sizeof *q);
	q[0] = *t;
	if (b->trail_n[t->arm] > ARM_DELAY) { /* the arm is where the target due now says */
		memcpy(b->q[t->arm], q[ARM_DELAY].q_rad, sizeof b->q[0]);
		memcpy(b->dq[t->arm], q[ARM_DELAY].dq_rad_s, sizeof b->dq[0]);
	}
}

/* Every change of the mode is told, once, and has a reason. */
static inline void world_hear(struct bench *b, const struct control_event *e)
{
	b->events[e->kind][e->reason]++;
	b->newest[e->kind] = *e;
	if (e->kind == EVENT_FAULT) {
		b->faults_seen++;
		b->last_fault = e->reason;
	}
	if (e->kind != EVENT_MODE)
		return;
	assert_true(e->previous == b->told_mode && e->mode != e->previous);
	assert_true(e->reason != REASON_NONE || e->mode == MODE_READY);
	b->told_mode = e->mode;
}

static inline void world_collect(struct bench *b)
{
	struct links *l = &b->links;

	for (int slot = queue_front(&l->target_queue); slot >= 0; slot = queue_front(&l->target_queue)) {
		for (uint32_t i = 0; i < l->target[slot].n; i++)
			world_take(b, &l->target[slot].target[i]);
		queue_release(&l->target_queue);
	}
	for (int slot = queue_front(&l->event_queue); slot >= 0; slot = queue_front(&l->event_queue)) {
		world_hear(b, &l->event[slot]);
		queue_release(&l->event_queue);
	}
	if (latest_refresh(&l->report_box))
		b->report = l->report[l->report_box.reading];
	assert_int_equal(b->report.mode, b->told_mode);
}

static inline void run_ms(struct bench *b, int64_t ms)
{
	for (int64_t end_ns = b->now_ns + ms * MS; b->now_ns < end_ns; b->now_ns += PERIOD_NS) {
		world_publish(b);
		world_infer(b);
		control_tick(&b->control, b->now_ns);
		world_collect(b);
	}
}

static inline void tell(struct bench *b, struct command cmd)
{
	int slot = queue_claim(&b->links.command_queue);

	assert_true(slot >= 0);
	b->links.command[slot] = cmd;
	queue_publish(&b->links.command_queue);
}

static inline struct control_answer ask(struct bench *b, struct command cmd)
{
	cmd.ticket = ++b->ticket;
	tell(b, cmd);
	run_ms(b, 5);
	assert_int_equal(b->report.answer.ticket, b->ticket);
	return b->report.recent[b->ticket % ANSWERS_RECENT];
}

static inline struct control_answer ask_kind(struct bench *b, enum command_kind kind)
{
	return ask(b, (struct command){ .kind = kind, .arm = ALL_ARMS });
}

/* A bench with two equal arms, not started. */
static inline struct bench *bench_two_arms(void)
{
	struct bench *b = bench_new();

	b->setup.n_arms = 2;
	b->setup.arm[1] = b->setup.arm[0];
	b->setup.arm[1].action_first = 7;
	b->setup.action_dim = 14;
	return b;
}

/* A bench in AUTO and in motion. */
/* Ready, with nothing in the way; then the mode is asked for, and runs for so long. */
static inline void bench_start_in(struct bench *b, enum command_kind mode, int ms)
{
	bench_start(b);
	run_ms(b, 500);
	assert_int_equal(b->report.mode, MODE_READY);
	assert_int_equal(b->report.faults, 0);
	assert_true(ask_kind(b, mode).ok);
	run_ms(b, ms);
}

static inline struct bench *bench_moving(void)
{
	struct bench *b = bench_new();

	bench_start_in(b, COMMAND_MODE_AUTO, 1500);
	assert_int_equal(b->report.mode, MODE_AUTO);
	assert_false(b->report.standing);
	return b;
}

static inline void expect_mode(const struct bench *b, enum mode mode, enum reason reason)
{
	assert_string_equal(reason_name(b->report.reason), reason_name(reason));
	assert_int_equal(b->report.mode, mode);
}

static inline double tcp_y(const struct bench *b)
{
	return b->report.ee_sent[0].p_m[1];
}


#endif
