#include "robots/arm/arm.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/kinematics.h"

static const double GRIPPER_TOLERANCE_M = 0.001;
static const double LIMIT_TOLERANCE = 1e-6; /* of a share of a limit: rounding */
static const int64_t PAUSE_NS = 500000;         /* less is no pause but a late tick */
static const int64_t LEFT_ALONE_NS = 100000000; /* five times what a Franka waits for packets before it stops by itself */
static const int64_t HELD_OFF_NS = 500000000;   /* so long motors may still say that they are on */
static const double MOVING_RAD_S = 1e-4;    /* commanded; slower counts as standing */

void arm_init(struct arm *a, const struct arm_setup *setup, const struct robot_driver *driver)
{
	memset(a, 0, sizeof *a);
	a->setup = setup;
	a->driver = driver;
	a->enabled = true;
	a->phase = ARM_OUT;
	safety_check_init(&a->check, setup);
}

static bool commanded_still(const struct arm *a)
{
	for (uint32_t j = 0; j < a->setup->model.dof; j++)
		if (!(fabs(a->commanded.dq_rad_s[j]) <= MOVING_RAD_S))
			return false;
	return true;
}

static enum arm_mode mode_of(const struct arm *a)
{
	if (a->measured.mode != ARM_READY)
		return a->measured.mode;
	if (!a->enabled)
		return ARM_IDLE;
	return a->phase == ARM_BRAKES || (a->phase == ARM_PLAYS && !commanded_still(a)) ? ARM_MOVING : ARM_READY;
}

/* ---- coming to rest ---------------------------------------------------------------------------------------------- */

/* The next target counts as a first one. */
static void begin_brake(struct arm *a)
{
	safety_check_restart(&a->check);
	if (a->phase != ARM_PLAYS)
		return;
	brake_begin(&a->brake, &a->setup->model, &a->commanded);
	a->phase = ARM_BRAKES;
}

static void release(struct arm *a, enum arm_loss_why why)
{
	if (a->accepted_from)
		a->loss = (struct arm_loss){ a->loss.count + 1, a->accepted_from, why, a->measured.mode };
	a->accepted_from = 0;
}

static void let_go(struct arm *a, enum arm_loss_why why)
{
	safety_check_restart(&a->check);
	a->phase = ARM_OUT;
	release(a, why);
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static void refuse(struct arm *a, const struct arm_target *t, enum refusal why)
{
	a->refusal = (struct arm_refusal){ .why = why, .seq = t->seq };
	a->counters.refused++;
	begin_brake(a);
}

/* Neither what is played nor what waits moves. */
static bool stream_stands(const struct arm *a)
{
	const struct playout_sample *newest = playout_newest(&a->playout);

	for (uint32_t j = 0; newest && j < a->setup->model.dof; j++)
		if (!(fabs(newest->dq_rad_s[j]) <= MOVING_RAD_S))
			return false;
	return commanded_still(a);
}

/* Written so that NaN moves. */
static bool target_moves(const struct arm *a, const struct driver_target *d)
{
	bool stands = true;

	for (uint32_t j = 0; d->kind == OUTPUT_JOINT && j < a->setup->model.dof; j++)
		stands = stands && fabs(d->dq_rad_s[j]) <= MOVING_RAD_S;
	for (int i = 0; d->kind == OUTPUT_POSE && i < 3; i++)
		stands = stands && fabs(d->twist.v_m_s[i]) <= MOVING_RAD_S && fabs(d->twist.w_rad_s[i]) <= MOVING_RAD_S;
	return !stands;
}

/* What needs no look at the motion. */
static enum refusal check_form(const struct arm *a, const struct arm_target *t, int64_t now_ns)
{
	const struct driver_target *d = &t->target;

	if (a->stopped)
		return REFUSAL_STOPPED;
	if (a->phase == ARM_BRAKES)
		return REFUSAL_BRAKING;
	if (!a->measured.engaged && target_moves(a, d))
		return REFUSAL_NOT_ENGAGED;
	if (a->phase == ARM_PLAYS && d->kind != a->kind && !stream_stands(a))
		return REFUSAL_KIND;
	if (a->phase == ARM_STANDS ? d->t_ns <= now_ns : d->t_ns - a->check.t_ns > SAFETY_GAP_NS)
		return REFUSAL_DUE;
	if (d->has_gripper && !(d->gripper_m >= -GRIPPER_TOLERANCE_M && d->gripper_m <= a->setup->gripper_max_m + GRIPPER_TOLERANCE_M))
		return REFUSAL_GRIPPER;
	return REFUSAL_NONE;
}

/* The same limits as dreamvlad's, judged by the same safety stage: what it would have to change by more than 0.01 rad is
 * refused with a brake. *joints is the target as it will be played out. */
static bool check_limits(struct arm *a, const struct arm_target *t, struct driver_target *joints)
{
	const struct driver_target *d = &t->target;

	if (d->kind != a->kind)
		safety_check_restart(&a->check);
	*joints = *d;
	struct safety_finding f = d->kind == OUTPUT_POSE ? safety_check_pose_target(&a->poses, &a->check, d, a->commanded.q_rad, joints)
							 : safety_check_target(&a->check, d, a->commanded.q_rad);
	uint32_t first = f.exceeded & (LIMIT_START | LIMIT_START_POSE);

	if (f.exceeded && !first)
		a->counters.limits_exceeded++;
	if (!f.refused)
		return true;
	refuse(a, t, first & LIMIT_START ? REFUSAL_START : first ? REFUSAL_START_POSE : REFUSAL_LIMIT);
	a->refusal.limits = f.exceeded;
	a->refusal.worst = f.worst;
	a->refusal.joint = f.joint;
	a->refusal.value = f.value;
	a->refusal.limit = f.limit;
	return false;
}

/* A late one is counted; the coasting goes on and the next may be in time. */
static void leave_out(struct arm *a, const struct arm_target *t, enum playout_add why)
{
	a->counters.limits_exceeded += why == PLAYOUT_BEYOND;
	if (why != PLAYOUT_LATE)
		refuse(a, t, why == PLAYOUT_FULL ? REFUSAL_FULL : REFUSAL_BEYOND);
	else
		a->counters.late++;
}

static void play(struct arm *a, const struct arm_target *t, const struct driver_target *d, int64_t now_ns)
{
	struct playout_sample s = { .t_ns = d->t_ns, .seq = t->seq, .has_gripper = d->has_gripper, .gripper_m = d->gripper_m };
	enum playout_add added;

	if (!a->measured.engaged) { /* near enough, but the arm cannot follow yet: only that somebody is there counts */
		safety_check_restart(&a->check);
		a->counters.accepted++;
		a->valid_ns = now_ns;
		return;
	}
	memcpy(s.q_rad, d->q_rad, sizeof s.q_rad);
	memcpy(s.dq_rad_s, d->dq_rad_s, sizeof s.dq_rad_s);
	s.mark = sent_mark(&a->sent, t->seq, d->chunk);
	if (a->phase == ARM_STANDS) {
		sent_drop(&a->sent);
		if (!playout_begin(&a->playout, &a->setup->model, now_ns, a->commanded.q_rad, &s)) {
			leave_out(a, t, PLAYOUT_BEYOND);
			return;
		}
		a->phase = ARM_PLAYS;
	} else if ((added = playout_add(&a->playout, &s)) != PLAYOUT_ADDED) {
		leave_out(a, t, added);
		return;
	}
	sent_accept(&a->sent);
	a->kind = t->target.kind;
	a->counters.accepted++;
	a->valid_ns = now_ns;
}

/* Due before what is played or waiting already: it came too late to be of use. */
static bool is_late(const struct arm *a, const struct arm_target *t)
{
	const struct playout_sample *newest = playout_newest(&a->playout);

	return t->arrival_ns > t->target.t_ns + t->target.valid_for_ns ||
			(a->phase == ARM_PLAYS && t->target.t_ns <= (newest ? newest->t_ns : a->playout.now.t_ns));
}

void arm_take_target(struct arm *a, const struct arm_target *t, int64_t now_ns)
{
	if (!a->accepted_from || t->from != a->accepted_from) {
		a->counters.foreign++;
		return;
	}
	if (t->seq <= a->last_seq) {
		a->counters.old++;
		return;
	}
	a->last_seq = t->seq;
	if (t->target.t_ns > now_ns + ARM_AHEAD_NS || is_late(a, t)) {
		a->counters.late++;
		return;
	}
	enum refusal why = check_form(a, t, now_ns);
	struct driver_target joints;

	if (why != REFUSAL_NONE)
		refuse(a, t, why);
	else if (check_limits(a, t, &joints))
		play(a, t, &joints, now_ns);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static enum arm_reply attach(struct arm *a, const struct arm_request *r, int64_t now_ns)
{
	if (a->phase == ARM_OUT)
		return ARM_REPLY_NOT_READY;
	if (a->stopped && !r->clear_stop)
		return ARM_REPLY_STOPPED;
	if (a->accepted_from && a->accepted_from != r->from && !r->takeover)
		return ARM_REPLY_TAKEN;
	a->stopped = false;
	if (a->accepted_from != r->from) {
		begin_brake(a); /* a take-over stops the arm first */
		release(a, LOSS_TAKEN_OVER);
		a->accepted_from = r->from;
		a->last_seq = 0;
		sent_begin(&a->sent);
	}
	a->valid_ns = now_ns;
	return ARM_REPLY_OK;
}

static enum arm_reply detach(struct arm *a, const struct arm_request *r)
{
	if (!a->accepted_from || a->accepted_from != r->from)
		return ARM_REPLY_NOT_ATTACHED;
	begin_brake(a);
	release(a, LOSS_DETACHED);
	return ARM_REPLY_OK;
}

static bool is_void(const struct arm *a, enum robot_ask ask)
{
	return a->measured.void_asks >> ask & 1;
}

/* Where the motors have a switch of their own, one that is not reached stays on. */
static enum arm_reply disable(struct arm *a, const struct arm_request *r)
{
	if (a->driver->disable && (a->measured.mode == ARM_DISCONNECTED || is_void(a, ROBOT_DISABLE)))
		return ARM_REPLY_NOT_NOW;
	if (mode_of(a) == ARM_MOVING)
		return ARM_REPLY_MOVING;
	if (!a->driver->has_brakes && !r->confirm)
		return ARM_REPLY_CONFIRM;
	a->enabled = a->enable = false;
	a->disable = a->driver->disable != NULL;
	let_go(a, LOSS_DISABLED);
	return ARM_REPLY_OK;
}

/* Where the motors have a switch of their own, what stopped the arm has to be ended first. */
static enum arm_reply enable(struct arm *a)
{
	enum arm_mode mode = a->measured.mode;

	if (a->driver->enable && ((mode != ARM_IDLE && mode != ARM_READY) || is_void(a, ROBOT_ENABLE)))
		return ARM_REPLY_NOT_NOW;
	a->enabled = true;
	a->enable = a->driver->enable != NULL;
	a->disable = false;
	return ARM_REPLY_OK;
}

static enum arm_reply recover(struct arm *a, const struct arm_request *r)
{
	if (a->measured.mode != ARM_REFLEX && !(a->driver->recovers >> a->measured.mode & 1))
		return ARM_REPLY_NO_ERROR;
	if (!a->driver->recover)
		return ARM_REPLY_NO_RECOVERY;
	if (is_void(a, ROBOT_RECOVER))
		return ARM_REPLY_NOT_NOW;
	if (!a->driver->has_brakes && !r->confirm)
		return ARM_REPLY_CONFIRM;
	a->recover = true;
	return ARM_REPLY_OK;
}

static enum arm_reply stop(struct arm *a)
{
	a->stopped = a->stop_homing = true;
	a->home_gripper = false;
	begin_brake(a);
	return ARM_REPLY_OK;
}

/* An arm that has none stops as well as it can. */
static enum arm_reply emergency_stop(struct arm *a)
{
	(void)stop(a);
	if (!a->driver->emergency_stop)
		return ARM_REPLY_NO_EMERGENCY_STOP;
	a->emergency_stop = true;
	a->enable = a->disable = a->recover = false;
	return ARM_REPLY_OK;
}

/* Nobody has stopped it, and nobody's hands are at it as far as it knows. */
static bool is_free(const struct robot_state *s)
{
	return s->mode == ARM_READY || s->mode == ARM_IDLE;
}

static enum arm_reply home_gripper(struct arm *a)
{
	if (!a->driver->homes_gripper || !a->driver->home_gripper)
		return ARM_REPLY_NO_HOMING;
	if (mode_of(a) == ARM_MOVING)
		return ARM_REPLY_MOVING;
	if (!is_free(&a->measured))
		return ARM_REPLY_NOT_READY;
	if (!a->measured.has_gripper)
		return ARM_REPLY_NO_GRIPPER;
	a->home_gripper = true;
	return ARM_REPLY_OK;
}

static bool take(bool *asked)
{
	bool was = *asked;

	*asked = false;
	return was;
}

bool arm_take_recover(struct arm *a)
{
	return take(&a->recover);
}

bool arm_take_home_gripper(struct arm *a)
{
	return take(&a->home_gripper);
}

bool arm_take_stop_homing(struct arm *a)
{
	return take(&a->stop_homing);
}

bool arm_take_enable(struct arm *a)
{
	return take(&a->enable);
}

bool arm_take_disable(struct arm *a)
{
	return take(&a->disable);
}

bool arm_take_emergency_stop(struct arm *a)
{
	return take(&a->emergency_stop);
}

static enum arm_reply obey(struct arm *a, const struct arm_request *r, int64_t now_ns)
{
	switch (r->ask) {
	case ARM_ASK_ATTACH:
		return attach(a, r, now_ns);
	case ARM_ASK_DETACH:
		return detach(a, r);
	case ARM_ASK_SHUTDOWN:
		release(a, LOSS_SHUTDOWN);
		return stop(a);
	case ARM_ASK_STOP:
		return stop(a);
	case ARM_ASK_EMERGENCY_STOP:
		return emergency_stop(a);
	case ARM_ASK_ENABLE:
		return enable(a);
	case ARM_ASK_DISABLE:
		return disable(a, r);
	case ARM_ASK_RECOVER:
		return recover(a, r);
	case ARM_ASK_HOME_GRIPPER:
		return home_gripper(a);
	}
	return ARM_REPLY_NOT_READY;
}

struct arm_answer arm_take_request(struct arm *a, const struct arm_request *r, int64_t now_ns)
{
	enum arm_reply reply = obey(a, r, now_ns);

	return (struct arm_answer){ r->ticket, reply, mode_of(a), a->accepted_from, a->measured.trouble };
}

/* ---- the tick ---------------------------------------------------------------------------------------------------- */

static void measure(struct arm *a, const struct robot_state *measured)
{
	struct pose ee;

	a->stop_homing |= is_free(&a->measured) && !is_free(measured);
	a->measured = *measured;
	sent_take(&a->sent, measured->sent.mark, measured->sent.t_ns);
	if (measured->mode == ARM_DISCONNECTED) {
		a->has_ee = false;
		return;
	}
	kinematics_forward(&a->setup->model, &a->setup->tcp, measured->q_rad, &ee);
	if (a->has_ee)
		a->counters.tcp_path_m += hypot(hypot(ee.p_m[0] - a->ee.p_m[0], ee.p_m[1] - a->ee.p_m[1]), ee.p_m[2] - a->ee.p_m[2]);
	a->ee = ee;
	a->has_ee = true;
}

static enum arm_loss_why why_lost(const struct arm *a)
{
	if (a->measured.mode == ARM_DISCONNECTED)
		return LOSS_DISCONNECTED;
	return a->measured.mode == ARM_READY ? LOSS_RESTARTED : LOSS_MODE;
}

/* What is commanded next starts where the arm's own controller holds it. */
static void seed(struct arm *a, int64_t now_ns)
{
	const double *q_rad = a->measured.has_q_d ? a->measured.q_d_rad : a->measured.q_rad;

	memset(&a->commanded, 0, sizeof a->commanded);
	memcpy(a->commanded.q_rad, q_rad, sizeof a->commanded.q_rad);
	a->commanded.t_ns = now_ns;
	a->before = a->commanded;
}

/* The arm's motion has not begun, or has ended under our hands: the arm is where its own controller holds it. */
static void wait_for_motion(struct arm *a, int64_t now_ns)
{
	if (a->phase != ARM_STANDS) {
		a->counters.underruns++;
		safety_check_restart(&a->check);
		a->phase = ARM_STANDS;
	}
	seed(a, now_ns);
}

/* Whether the arm is ours to command; losing or regaining it starts anew from where it is. */
static void follow_arm(struct arm *a, int64_t now_ns)
{
	bool ours = a->enabled && a->measured.mode == ARM_READY;

	if (a->phase != ARM_OUT && (!ours || a->measured.generation != a->generation))
		let_go(a, why_lost(a));
	if (a->phase != ARM_OUT) {
		if (!a->measured.engaged)
			wait_for_motion(a, now_ns);
		return;
	}
	seed(a, now_ns);
	if (!ours)
		return;
	a->phase = ARM_STANDS;
	if (a->measured.generation != a->generation)
		a->counters.reconnects++;
	a->generation = a->measured.generation;
}

static void reach(void *context, const struct playout_sample *s)
{
	struct arm *a = context;

	a->ack_seq = s->seq;
	a->ack_t_ns = s->t_ns;
	if (s->has_gripper)
		a->gripper_m = fmin(fmax(s->gripper_m, 0), a->setup->gripper_max_m);
	a->has_gripper |= s->has_gripper;
}

/* This process was held up for longer than the arm goes on by itself: what it commands goes on from where it ended, as if the time had
 * not been; what is left behind is faded out. An arm that got no command for LEFT_ALONE_NS stands where it was commanded last. */
static void go_on(struct arm *a, int64_t now_ns, int64_t lost_ns)
{
	a->brake.t_ns += lost_ns; /* in use or not */
	a->commanded.t_ns += lost_ns;
	if (lost_ns < LEFT_ALONE_NS)
		return;
	safety_check_restart(&a->check);
	memset(a->commanded.dq_rad_s, 0, sizeof a->commanded.dq_rad_s);
	memset(a->commanded.ddq_rad_s2, 0, sizeof a->commanded.ddq_rad_s2);
	a->commanded.t_ns = now_ns;
	a->counters.held_up += a->phase == ARM_PLAYS;
	a->counters.underruns += a->phase == ARM_PLAYS;
	a->phase = ARM_STANDS;
}

/* False: there is nothing to play, or too far away after a pause. */
static bool play_on(struct arm *a, int64_t now_ns, bool paused)
{
	if (playout_step(&a->playout, now_ns, reach, a) == PLAYOUT_EMPTY || (paused && !playout_bridge(&a->playout, a->commanded.q_rad)))
		return false;
	a->commanded = a->playout.now;
	return true;
}

static void move(struct arm *a, int64_t now_ns)
{
	int64_t lost_ns = now_ns - a->commanded.t_ns - a->driver->period_ns;
	bool paused = a->phase != ARM_STANDS && lost_ns > PAUSE_NS && lost_ns > a->driver->coast_ns;

	if (paused)
		go_on(a, now_ns, lost_ns);
	if (a->phase == ARM_PLAYS) {
		if (play_on(a, now_ns, paused))
			return;
		a->counters.held_up += paused;
		a->counters.underruns++;
		begin_brake(a);
	}
	if (a->phase == ARM_BRAKES && !brake_step(&a->brake, now_ns, &a->commanded))
		a->phase = ARM_STANDS;
	a->commanded.t_ns = now_ns;
}

/* Looks at what is about to be commanded, against the model's own limits. */
static void watch_limits(struct arm *a)
{
	const struct robot_model *m = &a->setup->model;
	double dt_s = (double)(a->commanded.t_ns - a->before.t_ns) * 1e-9;
	struct arm_counters *c = &a->counters;
	bool beyond = false;

	for (uint32_t j = 0; j < m->dof && dt_s > 0; j++) {
		double q = a->commanded.q_rad[j], v = a->commanded.dq_rad_s[j], step = q - a->before.q_rad[j];
		double velocity = fmax(fabs(v), fabs(step) / dt_s) / m->dq_max_rad_s[j];
		double acceleration = fabs(v - a->before.dq_rad_s[j]) / dt_s / m->ddq_max_rad_s2[j];
		bool inwards = q < m->q_min_rad[j] ? step >= 0 : step <= 0;

		c->q_d_step_max_rad = fmax(c->q_d_step_max_rad, fabs(step));
		c->velocity_peak = fmax(c->velocity_peak, velocity);
		c->acceleration_peak = fmax(c->acceleration_peak, acceleration);
		beyond |= !(velocity <= 1 + LIMIT_TOLERANCE) || !(acceleration <= 1 + LIMIT_TOLERANCE);
		beyond |= !(q >= m->q_min_rad[j] && q <= m->q_max_rad[j]) && !inwards;
	}
	c->limits_exceeded += beyond;
}

/* Ready, and only our word keeps it from being driven: its motors were to be switched off. */
static void watch_power(struct arm *a, int64_t now_ns)
{
	if (a->enabled || !a->driver->disable || a->measured.mode != ARM_READY)
		a->not_held_ns = now_ns;
	a->held_off = now_ns - a->not_held_ns > HELD_OFF_NS;
}

void arm_tick(struct arm *a, const struct robot_state *measured, int64_t now_ns, struct robot_command *out)
{
	measure(a, measured);
	watch_power(a, now_ns);
	follow_arm(a, now_ns);
	if (a->accepted_from && now_ns - a->valid_ns > ARM_SILENCE_NS)
		release(a, LOSS_SILENCE);
	*out = (struct robot_command){ .hold = a->phase != ARM_OUT };
	if (!out->hold)
		return;
	a->before = a->commanded;
	move(a, now_ns);
	watch_limits(a);
	out->engage = a->accepted_from != 0 || a->phase != ARM_STANDS;
	memcpy(out->q_rad, a->commanded.q_rad, sizeof out->q_rad);
	memcpy(out->dq_rad_s, a->commanded.dq_rad_s, sizeof out->dq_rad_s);
	out->has_gripper = a->has_gripper;
	out->gripper_m = a->gripper_m;
	out->mark = a->phase == ARM_PLAYS ? a->playout.mark : 0;
}

void arm_get_report(const struct arm *a, struct arm_report *out)
{
	*out = (struct arm_report){ .stamp_ns = a->measured.stamp_ns, .mode = mode_of(a),
		.connected = a->measured.mode != ARM_DISCONNECTED, .ee = a->ee,
		.has_tau = a->measured.has_tau, .has_success_rate = a->measured.has_success_rate, .success_rate = a->measured.success_rate,
		.errors = a->measured.errors, .trouble = a->measured.trouble,
		.held_off = a->held_off, .limp = a->measured.limp && a->measured.mode != ARM_DISCONNECTED,
		.has_gripper = a->measured.has_gripper && a->measured.mode != ARM_DISCONNECTED, .gripper_m = a->measured.gripper_m,
		.ack_seq = a->ack_seq, .ack_t_ns = a->ack_t_ns, .accepted_from = a->accepted_from, .sent = a->sent.now, .stopped = a->stopped,
		.refusal = a->refusal, .loss = a->loss, .counters = a->counters };
	memcpy(out->q_rad, a->measured.q_rad, sizeof out->q_rad);
	memcpy(out->dq_rad_s, a->measured.dq_rad_s, sizeof out->dq_rad_s);
	memcpy(out->tau_nm, a->measured.tau_nm, sizeof out->tau_nm);
	memcpy(out->q_d_rad, a->commanded.q_rad, sizeof out->q_d_rad);
}
