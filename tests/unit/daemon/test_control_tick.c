/* test_control_tick.c - whole scenarios of the control path on virtual time, through the links that io and policy use.
 *
 * The arm is a perfect one: it is where its targets told it to be at their time. Every scenario is judged by finite differences
 * of the targets that came out: position, velocity, acceleration and jerk within the model's limits, no jump anywhere. */
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
	double spoil;            /* NaN: put into actions */
	int64_t latency_ns;
	/* judge */
	uint32_t trail_n[ARMS_MAX];
	double trail[ARMS_MAX][4][DOF_MAX];
	int64_t trail_ns[ARMS_MAX];
	uint64_t real_targets, shadow_targets, policy_targets;
	double fastest_rad_s;
	uint32_t ticket, faults_seen, last_fault;
	double gripper_m;
	bool gripper_seen;
};

static struct bench *bench_new(void)
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
	b->now_ns = 1000000 * (int64_t)PERIOD_NS;
	b->latency_ns = LATENCY_MS * (int64_t)MS;
	b->speed_m_s[1] = 0.1;
	b->inputs.instruction_id = 1;
	for (uint32_t i = 0; i < ARMS_MAX; i++)
		memcpy(b->q[i], a->home_rad, sizeof b->q[i]);
	return b;
}

static void bench_start(struct bench *b)
{
	latest_init(&b->links.inputs_box);
	latest_init(&b->links.chunk_box);
	latest_init(&b->links.policy_box);
	latest_init(&b->links.report_box);
	latest_init(&b->links.hint_box);
	queue_init(&b->links.command_queue, COMMAND_RING);
	queue_init(&b->links.target_queue, TARGET_RING);
	queue_init(&b->links.event_queue, EVENT_RING);
	control_init(&b->control, &b->setup, &b->links);
	for (uint32_t i = 0; i < b->setup.n_arms; i++) {
		struct arm_state *s = &b->inputs.arm[i];

		s->present = s->has_q = s->attached = s->has_gripper = true;
		s->mode = ARM_READY;
	}
}

/* ---- the world around control ------------------------------------------------------------------------------------ */

static void world_publish(struct bench *b)
{
	for (uint32_t i = 0; i < b->setup.n_arms && b->state_runs; i++) {
		struct arm_state *s = &b->inputs.arm[i];

		if (b->taken_ns[i] < b->now_ns - PERIOD_NS) /* without targets the arm brakes by itself */
			for (uint32_t j = 0; j < DOF_MAX; j++)
				b->dq[i][j] *= 0.8;
		s->from = b->arm_from;
		s->stamp_ns = s->arrival_ns = b->now_ns;
		memcpy(s->q_rad, b->q[i], sizeof s->q_rad);
		memcpy(s->q_d_rad, b->q[i], sizeof s->q_d_rad);
		memcpy(s->dq_rad_s, b->dq[i], sizeof s->dq_rad_s);
		kinematics_forward(&b->setup.arm[i].model, &b->setup.arm[i].tcp, s->q_rad, &s->ee);
	}
	for (uint32_t i = 0; i < b->setup.n_cameras && b->cameras_run; i++)
		b->inputs.camera[i] = (struct camera_status){ .present = true, .stamp_ns = b->now_ns - 20 * MS, .arrival_ns = b->now_ns };
	b->links.inputs[b->links.inputs_box.writing] = b->inputs;
	latest_publish(&b->links.inputs_box);
}

static void policy_answer(struct bench *b)
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
		c->action[k][5] = 0.01;
		c->action[k][6] = b->chunks % 4 < 2 ? 1.0 : 0.0;
	}
	c->action[3][0] += b->spoil;
	memcpy(c->arm, b->inputs.arm, sizeof c->arm);
	latest_publish(&b->links.chunk_box);
	b->observed_ns = 0;
}

static void world_infer(struct bench *b)
{
	if (latest_refresh(&b->links.hint_box))
		b->hint = b->links.hint[b->links.hint_box.reading];
	b->links.policy[b->links.policy_box.writing] = (struct policy_status){ .health = POLICY_WARM, .chunks = b->chunks };
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

static void judge(struct bench *b, const struct driver_target *t)
{
	const struct arm_setup *arm = &b->setup.arm[t->arm];
	double(*trail)[DOF_MAX] = b->trail[t->arm], dt = PERIOD_NS * 1e-9;
	uint32_t n = ++b->trail_n[t->arm];

	if (n > 1 && t->t_ns != b->trail_ns[t->arm] + PERIOD_NS)
		b->trail_n[t->arm] = n = 1; /* a pause: differences start again */
	b->trail_ns[t->arm] = t->t_ns;
	memmove(trail[1], trail[0], 3 * sizeof trail[0]);
	memcpy(trail[0], t->q_rad, sizeof trail[0]);
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

static void world_take(struct bench *b, const struct driver_target *t)
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

static void world_collect(struct bench *b)
{
	struct links *l = &b->links;

	for (int slot = queue_front(&l->target_queue); slot >= 0; slot = queue_front(&l->target_queue)) {
		for (uint32_t i = 0; i < l->target[slot].n; i++)
			world_take(b, &l->target[slot].target[i]);
		queue_release(&l->target_queue);
	}
	for (int slot = queue_front(&l->event_queue); slot >= 0; slot = queue_front(&l->event_queue)) {
		if (l->event[slot].kind == EVENT_FAULT) {
			b->faults_seen++;
			b->last_fault = l->event[slot].reason;
		}
		queue_release(&l->event_queue);
	}
	if (latest_refresh(&l->report_box))
		b->report = l->report[l->report_box.reading];
}

static void run_ms(struct bench *b, int64_t ms)
{
	for (int64_t end_ns = b->now_ns + ms * MS; b->now_ns < end_ns; b->now_ns += PERIOD_NS) {
		world_publish(b);
		world_infer(b);
		control_tick(&b->control, b->now_ns);
		world_collect(b);
	}
}

static struct control_answer ask(struct bench *b, struct command cmd)
{
	int slot = queue_claim(&b->links.command_queue);

	assert_true(slot >= 0);
	cmd.ticket = ++b->ticket;
	b->links.command[slot] = cmd;
	queue_publish(&b->links.command_queue);
	run_ms(b, 5);
	assert_int_equal(b->report.answer.ticket, b->ticket);
	return b->report.recent[b->ticket % ANSWERS_RECENT];
}

static struct control_answer ask_kind(struct bench *b, enum command_kind kind)
{
	return ask(b, (struct command){ .kind = kind, .arm = ALL_ARMS });
}

/* A bench in AUTO and in motion. */
static struct bench *bench_moving(void)
{
	struct bench *b = bench_new();

	bench_start(b);
	run_ms(b, 500);
	assert_int_equal(b->report.mode, MODE_READY);
	assert_int_equal(b->report.faults, 0);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1500);
	assert_int_equal(b->report.mode, MODE_AUTO);
	assert_false(b->report.standing);
	return b;
}

static void expect_mode(const struct bench *b, enum mode mode, enum reason reason)
{
	assert_string_equal(reason_name(b->report.reason), reason_name(reason));
	assert_int_equal(b->report.mode, mode);
}

static double tcp_y(const struct bench *b)
{
	return b->report.ee_sent[0].p_m[1];
}

/* ---- scenarios --------------------------------------------------------------------------------------------------- */

static void chunks_move_the_arm(void **state)
{
	struct bench *b = bench_moving();
	double y0 = tcp_y(b);

	(void)state;
	run_ms(b, 2000);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_true(fabs((tcp_y(b) - y0) / 2.0 - 0.1) < 0.005); /* 0.1 m/s were asked for */
	assert_true(b->report.chunks_adopted > 10);
	assert_true(b->report.clamps == 0);
	assert_true(b->gripper_seen && (b->gripper_m == 0.0 || b->gripper_m == 0.08));
	assert_true(b->real_targets >= 700);
	free(b);
}

static void the_first_target_is_where_the_arm_is(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start(b);
	run_ms(b, 100);
	assert_true(b->real_targets >= 15);
	assert_memory_equal(b->report.q_sent_rad[0], b->setup.arm[0].home_rad, sizeof b->setup.arm[0].home_rad);
	assert_true(b->fastest_rad_s == 0.0);
	free(b);
}

static void preflight_names_everything_missing(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->cameras_run = false;
	b->inputs.instruction_id = 0;
	bench_start(b);
	run_ms(b, 100);
	b->inputs.arm[0].attached = false;
	run_ms(b, 20);
	struct control_answer a = ask_kind(b, COMMAND_MODE_AUTO);

	assert_false(a.ok);
	assert_int_equal(a.missing, REASON_BIT(REASON_CAMERA_ABSENT) | REASON_BIT(REASON_NO_INSTRUCTION) | REASON_BIT(REASON_NO_CHUNK) |
			REASON_BIT(REASON_ARM_DETACHED));
	assert_int_equal(b->report.mode, MODE_READY);
	assert_true(b->report.wants_attach && b->report.attach_ticket == 1 && !b->report.clear_stop);
	free(b);
}

static void a_stop_in_motion_ends_in_hold(void **state)
{
	struct bench *b = bench_moving();
	uint32_t epoch = b->report.epoch;

	(void)state;
	double y0 = tcp_y(b), x0 = b->report.ee_sent[0].p_m[0];

	assert_true(ask_kind(b, COMMAND_STOP).ok);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
	assert_true(b->report.epoch > epoch);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_true(tcp_y(b) > y0 && tcp_y(b) < y0 + 0.06);               /* along its path, */
	assert_true(fabs(b->report.ee_sent[0].p_m[0] - x0) < 0.001);      /* not aside */
	double y1 = tcp_y(b);

	run_ms(b, 3000); /* chunks keep coming; nothing resumes by itself */
	assert_true(tcp_y(b) == y1);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_STOP);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1000);
	assert_true(tcp_y(b) > y1 + 0.03);
	free(b);
}

static void a_lost_chunk_brakes_then_holds(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->policy_runs = false;
	run_ms(b, 1200);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO); /* brakes inside AUTO */
	assert_true(b->report.standing);
	assert_int_equal(b->report.driver, TARGET_HOLD);
	run_ms(b, 1200);
	expect_mode(b, MODE_HOLD, REASON_CHUNK_STARVED);
	free(b);
}

static void a_late_chunk_goes_on(void **state)
{
	struct bench *b = bench_moving();
	double y0;

	(void)state;
	b->latency_ns = 700 * MS; /* nearly a chunk's length */
	run_ms(b, 3000);
	y0 = tcp_y(b);
	run_ms(b, 1000);
	assert_true(tcp_y(b) > y0 + 0.02);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	free(b);
}

static void a_stale_camera_holds(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->cameras_run = false;
	run_ms(b, 300);
	expect_mode(b, MODE_HOLD, REASON_CAMERA_STALE);
	assert_true(b->report.reason_value > 200.0 && b->report.reason_limit == 200.0);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	free(b);
}

static void frozen_and_skewed_cameras_hold(void **state)
{
	(void)state;
	for (int skewed = 0; skewed < 2; skewed++) {
		struct bench *b = bench_moving();

		b->cameras_run = false;
		b->inputs.camera[0].frozen = !skewed;
		b->inputs.cameras_skewed = skewed;
		run_ms(b, 50);
		expect_mode(b, MODE_HOLD, skewed ? REASON_CAMERA_SKEWED : REASON_CAMERA_FROZEN);
		free(b);
	}
}

static void a_lost_state_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->state_runs = false;
	run_ms(b, 100);
	expect_mode(b, MODE_FAULT, REASON_STATE_LOST);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_false(ask_kind(b, COMMAND_MODE_AUTO).ok);
	assert_false(ask_kind(b, COMMAND_RESET).ok); /* the cause is still there */
	b->state_runs = true;
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_STATE_LOST);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_RESET);
	assert_int_equal(b->faults_seen, 1);
	free(b);
}

static void a_reflex_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->inputs.arm[0].mode = ARM_REFLEX;
	b->inputs.arm[0].attached = false;
	uint64_t sent = b->real_targets;

	run_ms(b, 500);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	assert_int_equal(b->real_targets, sent); /* who is not attached gets nothing */
	b->inputs.arm[0].mode = ARM_READY;
	b->q[0][3] += 0.1; /* somebody pushed it meanwhile */
	run_ms(b, 50);
	assert_true(ask_kind(b, COMMAND_RESET).ok);
	assert_true(b->report.wants_attach && b->report.clear_stop);
	b->inputs.arm[0].attached = true;
	run_ms(b, 100);
	expect_mode(b, MODE_HOLD, REASON_OPERATOR_RESET);
	assert_true(b->real_targets > sent);
	assert_memory_equal(b->report.q_sent_rad[0], b->q[0], sizeof b->q[0]); /* seeded where it is */
	free(b);
}

static void a_restarted_arm_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->arm_from = 78;
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	expect_mode(b, MODE_FAULT, REASON_ARM_RESTARTED);
	free(b);
}

static void the_arms_own_stop_holds(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->inputs.arm[0].stopped = true;
	b->inputs.arm[0].attached = false;
	run_ms(b, 50);
	expect_mode(b, MODE_HOLD, REASON_ARM_STOPPED);
	free(b);
}

static void the_most_severe_reason_wins(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->cameras_run = false;
	b->inputs.camera[0].frozen = true;
	b->inputs.arm[0].mode = ARM_ESTOP;
	b->inputs.arm[0].has_errors = true;
	run_ms(b, 10);
	expect_mode(b, MODE_FAULT, REASON_ARM_ESTOP);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	expect_mode(b, MODE_FAULT, REASON_ARM_ESTOP); /* stop in FAULT stays FAULT */
	free(b);
}

static void a_chunk_with_nan_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->spoil = NAN;
	run_ms(b, 500);
	expect_mode(b, MODE_FAULT, REASON_CHUNK_NOT_FINITE);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	free(b);
}

static void a_nan_state_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->state_runs = false;
	b->inputs.arm[0].q_rad[2] = NAN;
	run_ms(b, 10);
	expect_mode(b, MODE_FAULT, REASON_STATE_NOT_FINITE);
	free(b);
}

static void a_tracking_error_is_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->state_runs = false;
	b->inputs.arm[0].q_rad[2] += 0.15;
	run_ms(b, 10);
	expect_mode(b, MODE_FAULT, REASON_TRACKING_ERROR);
	assert_true(fabs(b->report.reason_value - 0.15) < 1e-6);
	free(b);
}

static void speed_scales_path_time(void **state)
{
	struct bench *b = bench_moving();
	double y0;

	(void)state;
	assert_false(ask(b, (struct command){ .kind = COMMAND_SPEED, .value = NAN }).ok);
	assert_false(ask(b, (struct command){ .kind = COMMAND_SPEED, .value = 1.5 }).ok);
	assert_true(ask(b, (struct command){ .kind = COMMAND_SPEED, .value = 0.25 }).ok);
	run_ms(b, 1500);
	y0 = tcp_y(b);
	run_ms(b, 2000);
	assert_true(fabs((tcp_y(b) - y0) / 2.0 - 0.025) < 0.003);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	free(b);
}

static void an_old_instruction_plays_for_a_while(void **state)
{
	struct bench *b = bench_moving();
	uint64_t adopted;

	(void)state;
	b->policy_runs = false;
	run_ms(b, 200);
	adopted = b->report.chunks_adopted;
	b->latency_ns = 600 * MS;
	b->observed_ns = b->now_ns; /* this one sees the old instruction still, */
	b->observed_instruction = 1;
	b->inputs.instruction_id = 2;
	run_ms(b, 900);
	assert_int_equal(b->report.chunks_adopted, adopted); /* and is never run */
	assert_true(b->report.standing);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	b->policy_runs = true;
	b->latency_ns = 150 * MS;
	run_ms(b, 500);
	assert_false(b->report.standing);
	assert_true(b->report.chunks_adopted > adopted);
	free(b);
}

static void a_chunk_of_an_old_epoch_is_never_run(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->policy_runs = false;
	b->latency_ns = 400 * MS;
	b->observed_ns = b->now_ns;
	b->observed_epoch = b->report.epoch;
	ask_kind(b, COMMAND_MODE_HOLD);
	run_ms(b, 350);
	assert_int_equal(b->report.mode, MODE_HOLD);
	run_ms(b, 300); /* it arrives; it is no first chunk either */
	struct control_answer a = ask_kind(b, COMMAND_MODE_AUTO);

	assert_false(a.ok);
	assert_int_equal(a.missing, REASON_BIT(REASON_NO_CHUNK));
	free(b);
}

static void shadow_leaves_the_arm_alone(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	bench_start(b);
	run_ms(b, 500);
	assert_true(ask_kind(b, COMMAND_MODE_SHADOW).ok);
	run_ms(b, 2000);
	expect_mode(b, MODE_SHADOW, REASON_OPERATOR_SHADOW);
	assert_true(b->shadow_targets > 300);
	assert_true(b->fastest_rad_s == 0.0);
	assert_int_equal(ask_kind(b, COMMAND_MODE_AUTO).missing, REASON_BIT(REASON_THROUGH_HOLD));
	assert_true(ask_kind(b, COMMAND_MODE_HOLD).ok);
	run_ms(b, 500); /* a first chunk of the new epoch */
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	free(b);
}

static void home_and_jog_only_from_hold(void **state)
{
	struct bench *b = bench_moving();
	struct command jog = { .kind = COMMAND_JOG, .arm = 0, .delta = { .v_m_s = { 0.0, 0.0, 0.01 } } };

	(void)state;
	assert_int_equal(ask_kind(b, COMMAND_HOME).missing, REASON_BIT(REASON_WRONG_MODE));
	ask_kind(b, COMMAND_STOP);
	run_ms(b, 1000);
	double z0 = b->report.ee_sent[0].p_m[2];

	assert_true(ask(b, jog).ok);
	run_ms(b, 2000);
	assert_true(fabs(b->report.ee_sent[0].p_m[2] - z0 - 0.01) < 2e-4);
	jog.delta.v_m_s[2] = 0.011;
	assert_int_equal(ask(b, jog).missing, REASON_BIT(REASON_BAD_VALUE));
	b->fastest_rad_s = 0.0;
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	run_ms(b, 100);
	assert_int_equal(b->report.driver, TARGET_HOME);
	assert_int_equal(b->report.mode, MODE_HOLD);
	run_ms(b, 8000);
	for (int i = 0; i < 7; i++)
		assert_true(fabs(b->report.q_sent_rad[0][i] - b->setup.arm[0].home_rad[i]) < 1e-4);
	assert_true(b->fastest_rad_s < 0.2 * 0.5 * 2.61);
	assert_int_equal(b->report.driver, TARGET_HOLD);
	free(b);
}

static void a_stop_interrupts_home(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	run_ms(b, 1500);
	ask_kind(b, COMMAND_STOP);
	run_ms(b, 1000);
	assert_true(ask_kind(b, COMMAND_HOME).ok);
	run_ms(b, 600);
	assert_true(ask_kind(b, COMMAND_STOP).ok);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_true(fabs(b->report.q_sent_rad[0][0] - b->setup.arm[0].home_rad[0]) > 0.01);
	free(b);
}

static void shutdown_stops_and_stands(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	assert_true(ask_kind(b, COMMAND_SHUTDOWN).ok);
	expect_mode(b, MODE_HOLD, REASON_SHUTDOWN);
	run_ms(b, 1000);
	assert_true(b->report.standing);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).missing & REASON_BIT(REASON_SHUTDOWN));
	free(b);
}

static void sync_stops_and_infers(void **state)
{
	struct bench *b = bench_new();
	double y0;

	(void)state;
	b->setup.method = EXECUTE_SYNC;
	b->setup.execution_steps = 4;
	bench_start(b);
	run_ms(b, 500);
	y0 = tcp_y(b);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 8000);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_true(b->report.chunks_adopted >= 5);
	/* Every chunk runs its four steps whole. */
	b->policy_runs = false;
	run_ms(b, 2000);
	assert_true(b->report.standing);
	assert_true(fabs((tcp_y(b) - y0) - 0.04 * (double)b->report.chunks_adopted) < 0.003);
	free(b);
}

static void the_edge_of_the_workspace_is_not_crossed(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->speed_m_s[1] = 0.3;
	run_ms(b, 8000);
	assert_true(tcp_y(b) <= 0.6 && tcp_y(b) > 0.5);
	assert_true(b->report.mode == MODE_AUTO || b->report.mode == MODE_HOLD);
	free(b);
}

static void a_short_gap_leaves_no_trace(void **state)
{
	struct bench *b = bench_moving();
	uint64_t overruns = b->report.overruns;

	(void)state;
	for (int i = 0; i < 20; i++) {
		run_ms(b, 100);
		b->now_ns += 2 * PERIOD_NS; /* two periods are skipped */
	}
	assert_int_equal(b->report.overruns, overruns + 38);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_int_equal(b->control.arm[0].unseeded_ns, 0);
	free(b);
}

static void a_long_gap_starts_anew_from_the_arm(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	b->now_ns += 40 * MS;
	run_ms(b, 40);
	assert_int_equal(b->control.safety[0].seeded, false);
	run_ms(b, 1000);
	assert_int_equal(b->control.safety[0].seeded, true);
	expect_mode(b, MODE_AUTO, REASON_OPERATOR_AUTO);
	assert_false(b->report.standing);
	free(b);
}

static void repeated_refusals_are_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		b->inputs.arm[0].refused_seq = i;
		run_ms(b, 410);
	}
	expect_mode(b, MODE_FAULT, REASON_TARGET_REFUSED);
	free(b);
}

static void unread_targets_are_a_fault(void **state)
{
	struct bench *b = bench_moving();

	(void)state;
	for (int i = 0; i < 60; i++) {
		world_publish(b);
		control_tick(&b->control, b->now_ns);
		b->now_ns += PERIOD_NS;
	}
	assert_int_equal(b->control.mode, MODE_FAULT);
	assert_int_equal(b->control.reason, REASON_TARGET_OVERFLOW);
	free(b);
}

static void two_arms_stop_together(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	b->setup.n_arms = 2;
	b->setup.arm[1] = b->setup.arm[0];
	b->setup.arm[1].action_first = 7;
	b->setup.action_dim = 14;
	bench_start(b);
	run_ms(b, 500);
	assert_true(ask_kind(b, COMMAND_MODE_AUTO).ok);
	run_ms(b, 1000);
	b->inputs.arm[1].mode = ARM_REFLEX;
	b->inputs.arm[1].attached = false;
	uint64_t before = b->real_targets;

	run_ms(b, 1000);
	expect_mode(b, MODE_FAULT, REASON_ARM_REFLEX);
	assert_int_equal(b->report.reason_arm, 1);
	assert_int_equal(b->real_targets, before + 200); /* the other one still is told to hold */
	assert_true(b->report.standing);
	free(b);
}

/* ---- everything at once ------------------------------------------------------------------------------------------- */

static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
	dice = dice * 1664525u + 1013904223u;
	return (dice >> 8) % sides;
}

static void something_happens(struct bench *b)
{
	static const enum command_kind kinds[] = { COMMAND_MODE_AUTO, COMMAND_MODE_AUTO, COMMAND_MODE_AUTO, COMMAND_MODE_SHADOW,
		COMMAND_MODE_HOLD, COMMAND_STOP, COMMAND_RESET, COMMAND_RESET, COMMAND_SPEED, COMMAND_HOME, COMMAND_JOG };
	struct arm_state *s = &b->inputs.arm[0];

	bool calm = roll(4) > 0; /* most of the time all is well, so that there is motion to disturb */

	b->cameras_run = calm || roll(3) > 0;
	b->state_runs = calm || roll(5) > 0;
	b->policy_runs = calm || roll(3) > 0;
	b->latency_ns = (50 + roll(800)) * (int64_t)MS;
	b->spoil = !calm && roll(10) == 0 ? NAN : 0.0;
	for (int k = 0; k < 3; k++)
		b->speed_m_s[k] = 0.6 * (roll(1001) / 1000.0 - 0.5);
	s->attached = calm || roll(3) > 0;
	s->mode = !calm && roll(3) == 0 ? (enum arm_mode)roll(ARM_MODE_COUNT) : ARM_MOVING;
	s->refused_seq += !calm && roll(3) == 0;
	b->inputs.instruction_id += roll(15) == 0;
	ask(b, (struct command){ .kind = kinds[roll(11)], .arm = roll(3) ? ALL_ARMS : 0, .value = roll(120) / 100.0,
			.delta = { .v_m_s = { 0, 0, 0.005 } } });
}

/* The judge looks at every target; nothing else is asserted here. */
static void whatever_happens_targets_keep_every_limit(void **state)
{
	uint64_t policy_targets = 0, shadow_targets = 0;

	(void)state;
	for (uint32_t start = 1; start < 7; start++) {
		struct bench *b = bench_new();

		dice = start;
		if (start % 2)
			b->setup.method = EXECUTE_SYNC;
		bench_start(b);
		for (int i = 0; i < 300; i++) {
			run_ms(b, 20 + roll(600));
			something_happens(b);
			b->now_ns += roll(20) == 0 ? roll(10) * (int64_t)PERIOD_NS : 0;
		}
		policy_targets += b->policy_targets;
		shadow_targets += b->shadow_targets;
		free(b);
	}
	assert_true(policy_targets > 10000 && shadow_targets > 1000);
}

static void setups_that_cannot_run_are_named(void **state)
{
	struct bench *b = bench_new();

	(void)state;
	assert_null(control_setup_problem(&b->setup));
	b->setup.method = EXECUTE_INPAINT;
	assert_non_null(strstr(control_setup_problem(&b->setup), "inpaint"));
	b->setup.method = EXECUTE_ENSEMBLE;
	assert_non_null(strstr(control_setup_problem(&b->setup), "ensemble"));
	b->setup.method = EXECUTE_ASYNC;
	b->setup.action_dim = 6;
	assert_non_null(strstr(control_setup_problem(&b->setup), "action_dims"));
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_move_the_arm),
		cmocka_unit_test(the_first_target_is_where_the_arm_is),
		cmocka_unit_test(preflight_names_everything_missing),
		cmocka_unit_test(a_stop_in_motion_ends_in_hold),
		cmocka_unit_test(a_lost_chunk_brakes_then_holds),
		cmocka_unit_test(a_late_chunk_goes_on),
		cmocka_unit_test(a_stale_camera_holds),
		cmocka_unit_test(frozen_and_skewed_cameras_hold),
		cmocka_unit_test(a_lost_state_is_a_fault),
		cmocka_unit_test(a_reflex_is_a_fault),
		cmocka_unit_test(a_restarted_arm_is_a_fault),
		cmocka_unit_test(the_arms_own_stop_holds),
		cmocka_unit_test(the_most_severe_reason_wins),
		cmocka_unit_test(a_chunk_with_nan_is_a_fault),
		cmocka_unit_test(a_nan_state_is_a_fault),
		cmocka_unit_test(a_tracking_error_is_a_fault),
		cmocka_unit_test(speed_scales_path_time),
		cmocka_unit_test(an_old_instruction_plays_for_a_while),
		cmocka_unit_test(a_chunk_of_an_old_epoch_is_never_run),
		cmocka_unit_test(shadow_leaves_the_arm_alone),
		cmocka_unit_test(home_and_jog_only_from_hold),
		cmocka_unit_test(a_stop_interrupts_home),
		cmocka_unit_test(shutdown_stops_and_stands),
		cmocka_unit_test(sync_stops_and_infers),
		cmocka_unit_test(the_edge_of_the_workspace_is_not_crossed),
		cmocka_unit_test(a_short_gap_leaves_no_trace),
		cmocka_unit_test(a_long_gap_starts_anew_from_the_arm),
		cmocka_unit_test(repeated_refusals_are_a_fault),
		cmocka_unit_test(unread_targets_are_a_fault),
		cmocka_unit_test(two_arms_stop_together),
		cmocka_unit_test(whatever_happens_targets_keep_every_limit),
		cmocka_unit_test(setups_that_cannot_run_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
