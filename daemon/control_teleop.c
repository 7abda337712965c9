/* control_teleop.c - see control_teleop.h. Who may drive is decided in stage/teleop.c, how the arm moves in stage/teleop_motion.c. */
#include "daemon/control_teleop.h"

#include "daemon/control_mode.h"
#include "daemon/control_watch.h"

static const double mismatch_most_rad = 0.8; /* messages.md section 5 */
static const double ms_per_ns = 1e-6;
static const int64_t told_again_ns = 1000000000; /* refusals of one device */

static const struct teleop_input *driver_of(const struct control *c)
{
	return &c->inputs.teleop[c->teleop.device];
}

static void add_found(struct reasons *r, const struct reasons *found, uint64_t bits)
{
	for (uint32_t i = REASON_FIRST; i < REASON_COUNT; i++)
		if (found->bits & bits & REASON_BIT(i))
			reasons_add(r, (enum reason)i, found->subject[i], found->value[i], found->limit[i]);
}

/* Adds what stands in the way of the arm's every motion, and of these reasons those that are about it. */
static void add_standing(struct reasons *r, const struct control *c, uint64_t about_arm, uint32_t arm)
{
	uint64_t always = control_motion_stops(c, arm) | (c->shutdown ? REASON_BIT(REASON_SHUTDOWN) : 0);

	add_found(r, &c->arm[arm].standing, always | about_arm);
	add_found(r, &c->standing, always);
}

/* What keeps the device from driving its arm, all at once, with the numbers of its sentences. */
static struct reasons obstacles(const struct control *c, const struct teleop_input *in)
{
	const uint64_t models = REASON_BIT(REASON_KINEMATICS_POSITION) | REASON_BIT(REASON_KINEMATICS_ROTATION);
	const uint64_t unseeded = REASON_BIT(REASON_ARM_DETACHED) | REASON_BIT(REASON_STATE_ABSENT) | REASON_BIT(REASON_STATE_STALE) |
			REASON_BIT(REASON_ARM_OFFLINE) | REASON_BIT(REASON_ARM_IDLE) | REASON_BIT(REASON_ARM_GUIDING) |
			REASON_BIT(REASON_ARM_USER_STOPPED) | REASON_BIT(REASON_STILL_MOVING);
	bool seeded = c->safety[in->arm].seeded;
	struct reasons r = { 0 };

	if (in->edge_ns <= c->stop_ns + c->setup.period_ns)
		reasons_add(&r, REASON_OPERATOR_STOP, 0, 0.0, 0.0);
	add_standing(&r, c, models | (seeded ? 0 : unseeded), in->arm);
	if (!seeded) {
		if (!r.bits)
			reasons_add(&r, REASON_STILL_MOVING, in->arm, 0.0, 0.0);
		return r;
	}
	double apart = teleop_mismatch_rad(in, &c->setup.arm[in->arm], &c->safety[in->arm]);

	if (!(apart <= mismatch_most_rad))
		reasons_add(&r, REASON_TELEOP_MISMATCH, in->arm, apart, mismatch_most_rad);
	return r;
}

static void begin(struct control *c, uint32_t device)
{
	const struct teleop_input *in = &c->inputs.teleop[device];

	if (c->mode == MODE_TELEOP)
		control_tell_intervention(c, REASON_TELEOP_OVERTAKEN, c->teleop.start.arm, 0.0, 0.0);
	else
		c->back_to_auto = c->setup.teleop_resumes && (c->mode == MODE_AUTO || c->mode == MODE_RETURN);
	teleop_take(&c->teleop, c->inputs.teleop, device);
	arbiter_stop(&c->arbiter);
	arbiter_forget(&c->arbiter, in->arm);
	c->taken_over_ns = c->now_ns;
	control_mode_set(c, MODE_TELEOP, REASON_TAKEN_OVER, in->arm, 0.0, 0.0);
	trajectory_release(&c->trajectory, in->arm); /* the other arms brake along the path */
	control_new_epoch(c);
	teleop_motion_start(&c->hand, &c->setup, in->arm, in, &c->safety[in->arm]);
	control_event_of_device(c, EVENT_TAKEOVER, REASON_TAKEN_OVER, in->arm, device, 0.0, 0.0);
}

/* One device's refusals are told once a second at most. */
static void tell_refused(struct control *c, uint32_t device, enum reason why, uint32_t subject, double value, double limit)
{
	if (c->now_ns - c->teleop_refused_ns[device] < told_again_ns)
		return;
	c->teleop_refused_ns[device] = c->now_ns;
	control_event_of_device(c, EVENT_REFUSED, why, subject, device, value, limit);
}

/* Who reaches for a dead-man wants the arms to do something else than what they do: if it cannot be what the person wants, they stop.
 * Another person goes on. */
static void stop_all_but_people(struct control *c, enum reason why, uint32_t subject, double value, double limit)
{
	if (c->mode == MODE_TELEOP)
		return;
	arbiter_stop(&c->arbiter);
	control_hold(c, why, subject, value, limit);
}

static void take_over(struct control *c, uint32_t device)
{
	const struct teleop_input *in = &c->inputs.teleop[device];
	struct reasons why = obstacles(c, in);
	struct mode_result m = mode_step(c->mode, ON_TAKEOVER, why.bits, 0);

	if (m.granted) {
		begin(c, device);
		return;
	}
	enum reason worst = m.missing & why.bits ? reasons_worst(why.bits) : (enum reason)m.refusal;

	tell_refused(c, device, worst, why.subject[worst], why.value[worst], why.limit[worst]);
	stop_all_but_people(c, worst, why.subject[worst], why.value[worst], why.limit[worst]);
}

/* Who presses in vain is told which device has priority. */
static void tell_outranked(struct control *c, const struct teleop_change *change)
{
	for (uint32_t i = 0; i < TELEOP_DEVICES_MAX; i++)
		if (change->outranked & 1u << i)
			tell_refused(c, i, REASON_TELEOP_OUTRANKED, c->inputs.teleop[i].arm, (double)change->device, 0.0);
}

static void end(struct control *c, enum mode_event event, enum reason reason, double value, double limit)
{
	struct mode_result m = mode_step(c->mode, event, 0, 0);

	control_mode_set(c, m.next, reason, c->teleop.start.arm, value, limit);
}

static void released(struct control *c)
{
	end(c, c->back_to_auto ? ON_RELEASE_BACK : ON_RELEASE, c->back_to_auto ? REASON_HANDING_BACK : REASON_DEADMAN_RELEASED, 0.0, 0.0);
}

static enum reason paused_by(const struct control_arm *a)
{
	return a->unseeded_why == REASON_TARGET_REFUSED ? REASON_DRIVE_REFUSED : REASON_ARM_PAUSED;
}

/* What the person's device may not do while it drives, and the arm that stopped taking targets. */
static void watch_drive(struct control *c)
{
	const struct teleop_input *in = driver_of(c);
	const struct safety *sent = &c->safety[in->arm];
	const struct control_arm *a = &c->arm[in->arm];

	if (c->mode != MODE_TELEOP)
		return;
	double apart = teleop_mismatch_rad(in, &c->setup.arm[in->arm], sent);

	if (!sent->seeded)
		end(c, ON_TELEOP_LOST, paused_by(a), a->unseeded_value, a->unseeded_limit);
	else if (!(apart <= mismatch_most_rad))
		end(c, ON_TELEOP_LOST, REASON_TELEOP_JUMPED, apart, mismatch_most_rad);
}

/* The policy goes on when the arms stand and it has a chunk for where they stand. */
static void hand_back(struct control *c)
{
	struct mode_result m = mode_step(c->mode, ON_HANDED_BACK, c->standing.bits, 0);

	if (m.granted)
		control_mode_set(c, m.next, REASON_HANDED_BACK, 0, 0.0, 0.0);
}

void control_follow_teleop(struct control *c)
{
	struct teleop_change change = teleop_watch(&c->teleop, c->inputs.teleop, c->now_ns);
	double limit_ms = (double)c->teleop.timeout_ns * ms_per_ns;

	if (change.event == TELEOP_RELEASED)
		released(c);
	else if (change.event == TELEOP_LOST && change.silent_ns > 0)
		end(c, ON_TELEOP_LOST, REASON_TELEOP_LOST, (double)change.silent_ns * ms_per_ns, limit_ms);
	else if (change.event == TELEOP_LOST)
		end(c, ON_TELEOP_LOST, REASON_TELEOP_CHANGED, 0.0, 0.0);
	else if (change.event == TELEOP_EDGE)
		take_over(c, change.device);
	else if (c->standing.bits & REASON_BIT(REASON_DEADMAN_PRESSED)) /* without an edge, as after a gap in the link */
		stop_all_but_people(c, REASON_DEADMAN_PRESSED, 0, 0.0, 0.0);
	tell_outranked(c, &change);
	watch_drive(c);
	if (change.event != TELEOP_RELEASED) /* what was usable under the hand is so no more: the next look tells */
		hand_back(c);
}

void control_steer(struct control *c, struct setpoint chosen[ARMS_MAX])
{
	const struct teleop_input *in = driver_of(c);

	if (c->mode != MODE_TELEOP)
		return;
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		if (i == in->arm && in->deadman)
			teleop_motion_step(&c->hand, in, &c->safety[i], c->speed, &chosen[i]);
		else if (i == in->arm) /* its dead-man was only tapped */
			chosen[i] = (struct setpoint){ 0 };
	}
}
