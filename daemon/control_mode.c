/* control_mode.c - see control_mode.h. What may follow what is decided by the table in stage/mode.c. */
#include "daemon/control_mode.h"

#include <math.h>

#include "daemon/control_watch.h"

static const double speed_least = 0.05, speed_most = 1.0; /* messages.md section 6 */

bool control_runs_policy(const struct control *c)
{
	return c->mode == MODE_AUTO || c->mode == MODE_SHADOW;
}

static void push(struct control *c, const struct control_event *e)
{
	int slot = queue_claim(&c->links->event_queue);

	if (slot < 0)
		return;
	c->links->event[slot] = *e;
	queue_publish(&c->links->event_queue);
}

void control_event(struct control *c, enum control_event_kind kind, enum reason reason, uint32_t subject, double value, double limit)
{
	control_event_of_device(c, kind, reason, subject, TELEOP_DEVICES_MAX, value, limit);
}

void control_event_of_device(struct control *c, enum control_event_kind kind, enum reason reason, uint32_t subject, uint32_t device,
		double value, double limit)
{
	push(c, &(struct control_event){ c->now_ns, kind, c->mode, c->mode, reason, subject, value, limit, device, c->teleop.start.arm,
			  c->taken_over_ns });
}

void control_new_epoch(struct control *c)
{
	c->epoch++;
	c->after_ns = c->now_ns;
}

static void leave_policy(struct control *c)
{
	control_new_epoch(c);
	if (c->mode == MODE_SHADOW)
		trajectory_drop(&c->trajectory); /* nothing of it ever moved an arm */
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		safety_forget(&c->shadow[i]);
}

void control_tell_intervention(struct control *c, enum reason why, uint32_t subject, double value, double limit)
{
	control_event_of_device(c, EVENT_INTERVENTION, why, subject, c->teleop.device, value, limit);
}

static void leave_teleop(struct control *c)
{
	teleop_let_go(&c->teleop);
	control_new_epoch(c);
	c->idle_since_ns = c->now_ns;
}

static void enter_policy(struct control *c)
{
	c->policy_since_ns = c->idle_since_ns = c->now_ns;
	c->hindered_since_ns = 0;
	trajectory_drop(&c->trajectory); /* the arms stand: a path of before that still brakes is not to be taken up again */
	trajectory_resume_grippers(&c->trajectory, c->safety, c->now_ns);
	c->chunk_new = c->chunk != NULL; /* the pre-flight's chunk is the first one to run */
}

void control_mode_set(struct control *c, enum mode next, enum reason reason, uint32_t subject, double value, double limit)
{
	enum mode previous = c->mode;
	bool ran = control_runs_policy(c);

	if (ran && next != previous)
		leave_policy(c);
	c->mode = next;
	if (control_runs_policy(c) && next != previous)
		enter_policy(c);
	if (previous == MODE_TELEOP && next != previous) {
		control_tell_intervention(c, reason, subject, value, limit);
		leave_teleop(c);
	}
	c->reason = reason;
	c->reason_subject = subject;
	c->reason_value = value;
	c->reason_limit = limit;
	if (next != previous)
		push(c, &(struct control_event){ .t_ns = c->now_ns, .kind = EVENT_MODE, .mode = next, .previous = previous, .reason = reason,
				  .arm = subject, .value = value, .limit = limit, .device = TELEOP_DEVICES_MAX });
}

/* The worst of `bits`; its sentence is about what `of` found. */
static void mode_set_for(struct control *c, enum mode next, uint64_t bits, const struct reasons *of)
{
	enum reason r = reasons_worst(bits);

	control_mode_set(c, next, r, of->subject[r], of->value[r], of->limit[r]);
}

void control_hold(struct control *c, enum reason reason, uint32_t subject, double value, double limit)
{
	struct mode_result m = mode_step(c->mode, ON_HOLD_REASON, 0, 0);

	if (m.granted)
		control_mode_set(c, m.next, reason, subject, value, limit);
}

/* -> those that have just come up. */
static uint64_t fault_events(struct control *c, const struct reasons *of, uint64_t *known)
{
	uint64_t faults = of->bits & reason_mask(SEVERITY_FAULT), fresh = faults & ~*known;

	for (uint32_t r = REASON_FIRST; r < REASON_COUNT; r++)
		if (fresh & REASON_BIT(r))
			control_event(c, EVENT_FAULT, (enum reason)r, of->subject[r], of->value[r], of->limit[r]);
	*known = faults;
	return fresh;
}

static uint64_t tell_faults(struct control *c)
{
	uint64_t fresh = fault_events(c, &c->latched, &c->known_faults);

	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		fresh |= fault_events(c, &c->arm[i].standing, &c->arm[i].known_faults);
	return fresh;
}

/* One arm's trouble stops all arms, or with fault_stops_arm itself. */
uint64_t control_motion_stops(const struct control *c, uint32_t arm)
{
	const uint64_t own = reason_mask(SEVERITY_FAULT) | REASON_BIT(REASON_ARM_STOPPED), clock = REASON_BIT(REASON_CLOCK_STEPPED);
	const struct reasons *found = c->setup.fault_stops_arm ? &c->arm[arm].standing : &c->standing;

	return (found->bits & own) | (c->latched.bits & own) | (c->standing.bits & clock);
}

/* Faults that leave no arm to be driven: FAULT. Else they stop their arm and the policy: HOLD. */
static bool faults_are_everywhere(const struct control *c)
{
	const uint64_t faults = reason_mask(SEVERITY_FAULT);
	bool every = true;

	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		every = every && (c->arm[i].standing.bits & faults);
	return (c->standing.bits & faults) && (every || !c->setup.fault_stops_arm || (c->latched.bits & faults));
}

/* A fault that stops its arm only changes no mode in which nothing is driven, but is what keeps AUTO away from now on. */
static void follow_faults(struct control *c, uint64_t fresh)
{
	uint64_t faults = c->standing.bits & reason_mask(SEVERITY_FAULT);
	struct mode_result m = mode_step(c->mode, ON_FAULT_REASON, 0, 0);

	if (faults_are_everywhere(c) && m.granted && (c->mode != MODE_FAULT || reasons_worst(faults) < c->reason))
		mode_set_for(c, m.next, faults, &c->standing);
	else if (fresh && (c->mode == MODE_HOLD || c->mode == MODE_READY))
		mode_set_for(c, c->mode, faults, &c->standing);
}

static void follow_holds(struct control *c)
{
	uint64_t holds = c->standing.bits & (reason_mask(SEVERITY_HOLD) | reason_mask(SEVERITY_FAULT));
	const struct reasons *of = &c->standing;

	if (c->mode == MODE_TELEOP) { /* a person needs neither camera nor policy */
		uint32_t arm = c->teleop.start.arm;

		holds &= control_motion_stops(c, arm) | REASON_BIT(REASON_SHUTDOWN);
		of = (c->arm[arm].standing.bits & REASON_BIT(reasons_worst(holds))) ? &c->arm[arm].standing : of;
	}
	if (holds && (control_runs_policy(c) || c->mode == MODE_TELEOP || c->mode == MODE_RETURN))
		mode_set_for(c, mode_step(c->mode, ON_HOLD_REASON, 0, 0).next, holds, of);
}

void control_follow_reasons(struct control *c)
{
	uint64_t fresh = tell_faults(c);

	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		if (control_motion_stops(c, i))
			arbiter_stop_arm(&c->arbiter, i);
	if (c->mode == MODE_BOOT && c->has_inputs && c->policy.health != POLICY_LOADING)
		control_mode_set(c, mode_step(c->mode, ON_STARTED, 0, 0).next, REASON_NONE, 0, 0.0, 0.0);
	follow_faults(c, fresh);
	follow_holds(c);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static uint64_t refuse(enum reason r)
{
	return REASON_BIT(r);
}

static void wish_attach(struct control *c, bool clear_stop)
{
	c->report.attach_ticket++;
	c->report.wants_attach = true;
	c->report.clear_stop = clear_stop;
}

static uint64_t change_mode(struct control *c, enum mode_event event, enum reason why)
{
	struct mode_result m = mode_step(c->mode, event, c->standing.bits, 0);
	uint64_t detached = c->standing.bits & REASON_BIT(REASON_ARM_DETACHED);

	if (detached && (event == ON_AUTO || event == ON_SHADOW)) {
		if (control_runs_policy(c) || c->mode == MODE_RETURN) /* attached, the arm would be driven at once */
			return detached;
		wish_attach(c, false);
	}
	if (!m.granted)
		return m.missing;
	if (event == ON_AUTO || event == ON_SHADOW)
		arbiter_stop(&c->arbiter);
	if (m.next != MODE_FAULT && (m.next != c->mode || event == ON_HOLD || event == ON_STOP))
		control_mode_set(c, m.next, why, 0, 0.0, 0.0);
	return 0;
}

/* A late tick sees edges and stops of after its nominal time; a reset's wish to clear the arms' stops ends with a newer stop. */
static uint64_t stop(struct control *c, const struct command *cmd, enum mode_event event, enum reason why)
{
	c->stop_ns = cmd->received_ns > c->now_ns ? cmd->received_ns : c->now_ns;
	if (c->report.clear_stop)
		wish_attach(c, false);
	arbiter_stop(&c->arbiter);
	return change_mode(c, event, why);
}

/* Faults that lie in the past are forgotten here; those that are still there keep FAULT. */
static uint64_t reset(struct control *c)
{
	struct mode_result m = mode_step(c->mode, ON_RESET, 0, c->causes);

	if (!m.granted)
		return m.missing;
	wish_attach(c, true);
	c->latched = (struct reasons){ 0 };
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		c->arm[i].driven = c->safety[i].seeded;
		c->arm[i].refusals = 0;
		c->arm[i].latched = (struct reasons){ 0 };
	}
	if (c->mode == MODE_FAULT || reason_severity(c->reason) == SEVERITY_FAULT) /* HOLD may be because of one, see fault_stops_arm */
		control_mode_set(c, m.next, REASON_OPERATOR_RESET, 0, 0.0, 0.0);
	return 0;
}

static uint64_t set_speed(struct control *c, double scale)
{
	if (!(scale >= speed_least && scale <= speed_most))
		return refuse(REASON_BAD_VALUE);
	c->speed_wish = scale;
	return 0;
}

/* What keeps one arm from an operator's small motion. */
static uint64_t arm_not_free(const struct control *c, uint32_t i)
{
	if (!c->safety[i].seeded)
		return refuse(c->inputs.arm[i].present ? REASON_ARM_DETACHED : REASON_STATE_ABSENT);
	return safety_standing(&c->safety[i]) && !c->arbiter.line[i].active ? 0 : refuse(REASON_STILL_MOVING);
}

static void home(struct control *c, uint32_t i)
{
	arbiter_home(&c->arbiter, i, &c->safety[i]);
	c->arm[i].homing = true;
	control_event(c, EVENT_HOME, REASON_HOME_STARTED, i, 0.0, 0.0);
}

static uint64_t move(struct control *c, const struct command *cmd)
{
	uint64_t missing = c->standing.bits & REASON_BIT(REASON_DEADMAN_PRESSED);

	if (c->mode != MODE_HOLD || c->shutdown)
		return refuse(REASON_WRONG_MODE);
	if (cmd->arm != ALL_ARMS && cmd->arm >= c->setup.n_arms)
		return refuse(REASON_BAD_VALUE);
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		if (cmd->arm == ALL_ARMS || cmd->arm == i)
			missing |= control_motion_stops(c, i) | arm_not_free(c, i) | control_models_differ(c, i);
	for (uint32_t i = 0; i < c->setup.n_arms && !missing; i++) {
		if (cmd->arm != ALL_ARMS && cmd->arm != i)
			continue;
		trajectory_release(&c->trajectory, i); /* another arm may still brake along it */
		if (cmd->kind == COMMAND_HOME)
			home(c, i);
		else if (!arbiter_jog(&c->arbiter, i, &c->safety[i], &cmd->delta))
			missing |= refuse(REASON_BAD_VALUE);
	}
	control_new_epoch(c);
	return missing;
}

static uint64_t shut_down(struct control *c, const struct command *cmd)
{
	c->shutdown = true;
	return stop(c, cmd, ON_STOP, REASON_SHUTDOWN);
}

static uint64_t carry_out(struct control *c, const struct command *cmd)
{
	switch (cmd->kind) {
	case COMMAND_NONE:
		return 0;
	case COMMAND_MODE_AUTO:
		return change_mode(c, ON_AUTO, REASON_OPERATOR_AUTO);
	case COMMAND_MODE_SHADOW:
		return change_mode(c, ON_SHADOW, REASON_OPERATOR_SHADOW);
	case COMMAND_MODE_HOLD:
		return stop(c, cmd, ON_HOLD, REASON_OPERATOR_HOLD);
	case COMMAND_STOP:
		return stop(c, cmd, ON_STOP, REASON_OPERATOR_STOP);
	case COMMAND_RESET:
		return reset(c);
	case COMMAND_SPEED:
		return set_speed(c, cmd->value);
	case COMMAND_HOME:
	case COMMAND_JOG:
		return move(c, cmd);
	case COMMAND_SHUTDOWN:
		return shut_down(c, cmd);
	}
	return refuse(REASON_BAD_VALUE);
}

void control_obey(struct control *c)
{
	struct queue *q = &c->links->command_queue;

	c->n_obeyed = 0;
	for (int slot = queue_front(q); slot >= 0 && c->n_obeyed < COMMAND_RING; slot = queue_front(q)) {
		struct command cmd = c->links->command[slot];

		queue_release(q);
		c->obeyed[c->n_obeyed++] = cmd;
		uint64_t missing = carry_out(c, &cmd);

		if (cmd.ticket == 0)
			continue;
		c->report.answer = (struct control_answer){ cmd.ticket, missing == 0, c->mode, missing };
		c->report.recent[cmd.ticket % ANSWERS_RECENT] = c->report.answer;
	}
}
