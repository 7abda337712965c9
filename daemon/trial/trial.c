#include "daemon/trial/trial.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trial/trial_parts.h"

static const int64_t BEGIN_NS = 1000 * NS_PER_S, STATE_NS = 5 * NS_PER_MS, ASK_NS = 50 * NS_PER_MS, START_NS = 5 * NS_PER_S;
static const uint64_t US = 1;

/* The arm's motors are the world's; nobody asks it for anything but motion. */
static const struct robot_driver DRIVER = { .name = "trial", .period_ns = NS_PER_MS, .has_brakes = true };

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static int check_config(const struct config *c, const struct control_setup *s, struct errbuf *e)
{
	const char *problem = control_setup_problem(s);

	if (problem)
		return fail(e, -EINVAL, "%s: %s", c->path, problem);
	if (s->n_arms != 1 || !s->arm[0].has_gripper)
		return fail(e, -EINVAL, "%s: robots: %u arms: want one, with a gripper (policy.gripper.kind): one stands on the simulated table", c->path, s->n_arms);
	if (s->arm[0].output != OUTPUT_JOINT)
		return fail(e, -EINVAL, "%s: robots[0].output: pose: want joint, which the simulated arm takes", c->path);
	return 0;
}

int trial_create(struct trial **out, const struct trial_options *o, struct errbuf *e)
{
	struct trial *t = calloc(1, sizeof *t);
	int rc = t ? 0 : fail(e, -ENOMEM, "trial: out of memory");

	if (rc == 0) {
		t->options = *o;
		rc = setup_control(&t->setup, o->config, e);
	}
	if (rc < 0 || (rc = check_config(o->config, &t->setup, e)) < 0 || (rc = trial_eyes_open(t, e)) < 0 || (rc = trial_mind_open(t, e)) < 0) {
		trial_destroy(t);
		return rc;
	}
	*out = t;
	return 0;
}

void trial_destroy(struct trial *t)
{
	if (!t)
		return;
	trial_mind_close(t);
	trial_eyes_close(t);
	free(t);
}

/* ---- the arm -------------------------------------------------------------------------------------------------------- */

static void tick_arm(struct trial *t)
{
	const struct world *w = &t->world;
	struct robot_state s = { .mode = ARM_READY, .generation = t->episode, .stamp_ns = t->now_ns, .engaged = true, .has_gripper = true,
		.gripper_m = w->gripper_m };
	struct robot_command c;

	memcpy(s.q_rad, w->q_rad, sizeof s.q_rad);
	memcpy(s.dq_rad_s, w->dq_rad_s, sizeof s.dq_rad_s);
	arm_tick(&t->arm, &s, t->now_ns, &c);
	t->command = (struct world_command){ .valid = c.hold, .has_gripper = c.has_gripper, .gripper_m = c.gripper_m };
	memcpy(t->command.q_rad, c.q_rad, sizeof c.q_rad);
	world_step(&t->world, &t->command, NS_PER_MS);
}

/* As it travels through state/<arm> and io. */
static void tell_state(struct trial *t)
{
	struct arm_state *s = &t->inputs.arm[0];
	struct arm_report r;

	arm_get_report(&t->arm, &r);
	*s = (struct arm_state){ .present = true, .has_gripper = r.has_gripper, .has_q = r.connected, .stopped = r.stopped,
		.attached = r.accepted_from == US, .mode = r.mode, .from = US, .seq = s->seq + 1, .accepted_from = r.accepted_from,
		.refused_seq = r.refusal.seq, .ack_seq = r.ack_seq, .ack_t_ns = r.ack_t_ns, .stamp_ns = r.stamp_ns, .arrival_ns = t->now_ns,
		.ee = r.ee, .gripper_m = r.gripper_m };
	memcpy(s->q_rad, r.q_rad, sizeof s->q_rad);
	memcpy(s->dq_rad_s, r.dq_rad_s, sizeof s->dq_rad_s);
	memcpy(s->q_d_rad, r.q_d_rad, sizeof s->q_d_rad);
	state_history_push(&t->states, s);
}

/* ---- control -------------------------------------------------------------------------------------------------------- */

static void send_target(struct trial *t, const struct driver_target *target)
{
	if (target->valid && !target->shadow)
		arm_take_target(&t->arm, &(struct arm_target){ .from = US, .seq = ++t->target_seq, .arrival_ns = t->now_ns, .target = *target }, t->now_ns);
}

static void send_targets(struct trial *t)
{
	struct links *l = &t->links;

	for (int slot = queue_front(&l->target_queue); slot >= 0; slot = queue_front(&l->target_queue)) {
		for (uint32_t i = 0; i < l->target[slot].n; i++)
			send_target(t, &l->target[slot].target[i]);
		queue_release(&l->target_queue);
	}
	while (queue_front(&l->event_queue) >= 0) /* nobody reads them */
		queue_release(&l->event_queue);
}

static void tick_control(struct trial *t)
{
	struct links *l = &t->links;

	l->inputs[l->inputs_box.writing] = t->inputs;
	latest_publish(&l->inputs_box);
	control_tick(&t->control, t->now_ns);
	send_targets(t);
}

/* Third differences of the commanded TCP, while the policy drives. */
static void feel_jerk(struct trial *t)
{
	const double *p = t->control.report.ee_sent[0].p_m, dt_s = (double)t->setup.period_ns * 1e-9;
	double(*was)[3] = t->jerk.p_m;

	memmove(was[1], was[0], 3 * sizeof was[0]);
	memcpy(was[0], p, sizeof was[0]);
	if (++t->jerk.n < 4)
		return;
	for (int i = 0; i < 3; i++) {
		double j = (was[0][i] - 3 * was[1][i] + 3 * was[2][i] - was[3][i]) / (dt_s * dt_s * dt_s);

		t->jerk.square_sum += j * j;
	}
	t->jerk.counted++;
}

static void ask_auto(struct trial *t)
{
	int slot = queue_claim(&t->links.command_queue);

	if (slot < 0)
		return;
	t->links.command[slot] = (struct command){ .kind = COMMAND_MODE_AUTO, .received_ns = t->now_ns, .arm = ALL_ARMS };
	queue_publish(&t->links.command_queue);
}

/* ---- an episode ----------------------------------------------------------------------------------------------------- */

static void step(struct trial *t)
{
	t->now_ns += NS_PER_MS;
	trial_hand_step(t);
	if (t->now_ns % ASK_NS == 0 && (t->control.mode == MODE_READY || (t->hand.phase == HAND_GIVES_BACK && t->control.mode == MODE_HOLD)))
		ask_auto(t);
	if (t->now_ns % t->setup.period_ns < NS_PER_MS)
		tick_control(t);
	tick_arm(t);
	if (t->now_ns % STATE_NS < NS_PER_MS)
		tell_state(t);
	trial_eyes_step(t);
	trial_mind_step(t);
}

/* The sentence, as io tells it. */
void trial_say(struct trial *t, const struct task_words *words)
{
	task_begin(&t->task, &t->world, words);
	task_text(words, t->mind.seen.instruction);
	t->inputs.instruction_id = ++t->sentence;
	t->inputs.instruction_ns = t->now_ns;
}

static void build(struct trial *t, uint64_t seed)
{
	struct task_words words;

	t->seed = seed;
	t->episode++;
	t->random = seed ^ UINT64_C(0x747269616c);
	t->now_ns = BEGIN_NS + (int64_t)t->episode * 100 * NS_PER_S; /* nothing of the episode before is young enough to matter */
	t->started = false;
	t->hand = (struct trial_hand){ 0 };
	t->reason = REASON_NONE;
	memset(&t->jerk, 0, sizeof t->jerk);
	memset(&t->states, 0, sizeof t->states);
	memset(&t->inputs, 0, sizeof t->inputs);
	memset(&t->links, 0, sizeof t->links);
	links_init(&t->links);
	control_init(&t->control, &t->setup, &t->links);
	world_init(&t->world, &(struct world_options){ .seed = seed, .model = &t->setup.arm[0].model, .task = true, .pads = t->options.put });
	words = task_draw(&t->world, seed);
	trial_say(t, &words);
	arm_init(&t->arm, &t->setup.arm[0], &DRIVER);
	t->target_seq = 0;
}

static int no_auto(struct trial *t, struct errbuf *e)
{
	t->reason = reasons_worst(t->control.standing.bits);
	return fail(e, -EIO, "trial: seed %llu: no AUTO within %.0f s: %s", (unsigned long long)t->seed, (double)START_NS * 1e-9,
			reason_name(t->reason));
}

int trial_begin(struct trial *t, uint64_t seed, struct errbuf *e)
{
	build(t, seed);
	trial_eyes_begin(t);
	trial_mind_begin(t);
	tick_arm(t);
	struct arm_answer a = arm_take_request(&t->arm, &(struct arm_request){ .ticket = 1, .ask = ARM_ASK_ATTACH, .from = US }, t->now_ns);

	if (a.reply != ARM_REPLY_OK)
		return fail(e, -EBUSY, "trial: the arm would not be attached to (reply %d)", (int)a.reply);
	for (int64_t end_ns = t->now_ns + START_NS; t->control.mode != MODE_AUTO; step(t)) {
		if (t->now_ns > end_ns)
			return no_auto(t, e);
	}
	t->started = true;
	t->began_ns = t->now_ns;
	task_restart(&t->task, &t->world); /* from now on the time counts */
	return 0;
}

bool trial_step(struct trial *t)
{
	step(t);
	if (trial_hand_holds(t)) {
		t->jerk.n = 0;
		task_pause(&t->task, NS_PER_MS);
	} else if (t->control.mode != MODE_AUTO) {
		t->reason = t->control.reason;
	} else if (t->now_ns % t->setup.period_ns < NS_PER_MS) {
		feel_jerk(t);
	}
	task_judge(&t->task, &t->world);
	return t->task.verdict == TASK_RUNS && t->reason == REASON_NONE;
}

struct trial_result trial_result(const struct trial *t)
{
	const struct trial_mind *m = &t->mind;

	return (struct trial_result){
		.verdict = t->task.verdict,
		.words = t->task.words,
		.took_s = (double)t->task.took_ns * 1e-9,
		.taken_over_s = (double)t->task.paused_ns * 1e-9,
		.jerk_m_s3 = t->jerk.counted > 0 ? sqrt(t->jerk.square_sum / t->jerk.counted) : 0,
		.chunks = (uint32_t)m->status.chunks,
		.lost = (uint32_t)m->status.rejected,
		.reason = t->reason,
		.infer_ms = m->inferences > 0 ? (double)m->real_ns * 1e-6 / m->inferences : 0,
	};
}

const char *trial_complaint(const struct trial *t)
{
	return t->mind.complaint.text;
}

const struct world *trial_world(const struct trial *t)
{
	return &t->world;
}

const struct task *trial_task(const struct trial *t)
{
	return &t->task;
}

const struct control_setup *trial_setup(const struct trial *t)
{
	return &t->setup;
}
