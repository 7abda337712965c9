/* control_arm.c - see control_arm.h. */
#include "daemon/control_arm.h"

#include <math.h>

#include "daemon/control_mode.h"
#include "daemon/control_pose.h"
#include "daemon/control_watch.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

/* A driver coasts 10 ms beyond its last target (messages.md section 5); the rest is for the way there. */
static const int64_t coast_ns = 8000000;
/* Refusals that were on their way when a motion started anew say nothing about the new one. */
static const int64_t refusal_grace_ns = 100000000;
static const int64_t refusal_forget_ns = 2000000000;
static const uint32_t refusals_most = 3;
/* An arm that let go brakes first: so long nothing is seeded, and never while it still moves. */
static const int64_t settle_ns = 50000000;
static const double still_rad_s = 0.05;
static const double at_home_rad = 0.001, at_home_m = 0.001;

static void let_go(struct control *c, uint32_t i, enum reason why, double value, double limit)
{
	safety_forget(&c->safety[i]);
	safety_forget(&c->shadow[i]);
	trajectory_release(&c->trajectory, i); /* the other arms brake along the path */
	arbiter_forget(&c->arbiter, i);
	control_new_epoch(c);
	c->arm[i].unseeded_ns = c->now_ns;
	c->arm[i].unseeded_why = why;
	c->arm[i].unseeded_value = value;
	c->arm[i].unseeded_limit = limit;
}

/* Its targets pause after a refusal or an underrun: it is to take them again by itself once it stands. */
static bool is_paused(const struct control *c, uint32_t i)
{
	const struct control_arm *a = &c->arm[i];

	return !c->safety[i].seeded && (a->unseeded_why == REASON_TARGET_REFUSED || a->unseeded_why == REASON_UNDERRUN);
}

/* Where nothing is driven the mode stays, and its reason tells what keeps AUTO away from now on. A fault and a shutdown tell more. */
static void tell_in_rest(struct control *c, uint32_t i, enum reason why)
{
	bool rests = c->mode == MODE_HOLD || c->mode == MODE_READY;

	if (rests && !c->shutdown && reason_severity(c->reason) != SEVERITY_FAULT)
		control_mode_set(c, c->mode, why, i, 0.0, 0.0);
}

/* The arm takes no more targets. In AUTO and SHADOW that is a fault unless its own latched stop says why (a hold). */
static void lost(struct control *c, uint32_t i, const struct arm_state *s)
{
	let_go(c, i, REASON_ARM_DETACHED, 0.0, 0.0);
	control_event(c, EVENT_ATTACH, REASON_ARM_DETACHED, i, 0.0, 0.0);
	if (s->stopped || s->mode == ARM_DISCONNECTED)
		return;
	if (control_runs_policy(c) || c->mode == MODE_TELEOP || c->mode == MODE_RETURN) {
		reasons_add(&c->arm[i].latched, REASON_ARM_LET_GO, i, 0.0, 0.0);
	} else if (s->mode != ARM_REFLEX && s->mode != ARM_ESTOP) {
		c->arm[i].driven = false;
		tell_in_rest(c, i, REASON_ARM_DETACHED);
	}
}

static bool may_seed(const struct control *c, uint32_t i, const struct arm_state *s)
{
	for (uint32_t j = 0; j < c->setup.arm[i].model.dof; j++)
		if (!(fabs(s->dq_rad_s[j]) < still_rad_s)) /* written so that NaN moves */
			return false;
	return c->now_ns - s->stamp_ns <= c->setup.state_max_age_ns &&
			(c->arm[i].unseeded_ns == 0 || s->stamp_ns - c->arm[i].unseeded_ns >= settle_ns);
}

static void seed(struct control *c, uint32_t i, const struct arm_state *s, enum reason why, double value)
{
	if (!safety_seed(&c->safety[i], s->q_d_rad))
		return;
	trajectory_drop(&c->trajectory);
	arbiter_forget(&c->arbiter, i);
	control_new_epoch(c);
	c->arm[i].driven = true;
	c->arm[i].driven_from = s->from;
	c->arm[i].seeded_ns = c->now_ns;
	c->arm[i].refused_seq = s->refused_seq;
	control_event(c, EVENT_ATTACH, why, i, value, 0.0);
	if (c->reason == REASON_ARM_DETACHED && c->reason_subject == i)
		tell_in_rest(c, i, why);
}

static void refusal(struct control *c, uint32_t i, const struct arm_state *s)
{
	struct control_arm *a = &c->arm[i];

	a->refused_seq = s->refused_seq;
	if (c->now_ns - a->seeded_ns < refusal_grace_ns)
		return;
	a->refusals = c->now_ns - a->refused_ns > refusal_forget_ns ? 1 : a->refusals + 1;
	a->refused_ns = c->now_ns;
	control_event(c, EVENT_REFUSED, REASON_TARGET_REFUSED, i, (double)s->refused_seq, 0.0);
	let_go(c, i, REASON_TARGET_REFUSED, (double)s->refused_seq, 0.0);
	if (a->refusals >= refusals_most)
		reasons_add(&c->arm[i].latched, REASON_TARGET_REFUSED, i, (double)s->refused_seq, 0.0);
}

static void underrun(struct control *c, uint32_t i, double gap_ms, double limit_ms)
{
	control_event(c, EVENT_REFUSED, REASON_UNDERRUN, i, gap_ms, limit_ms);
	let_go(c, i, REASON_UNDERRUN, gap_ms, limit_ms);
}

static void follow_arm(struct control *c, uint32_t i, int64_t gap_ns)
{
	const struct arm_state *s = &c->inputs.arm[i];
	int64_t pause_ns = c->setup.arm[i].playout_ns + coast_ns;

	if (c->arm[i].driven && s->present && s->from != c->arm[i].driven_from)
		reasons_add(&c->arm[i].latched, REASON_ARM_RESTARTED, i, 0.0, 0.0);
	if ((c->safety[i].seeded || is_paused(c, i)) && (!control_arm_usable(s) || s->from != c->arm[i].driven_from)) {
		lost(c, i, s);
	} else if (c->safety[i].seeded && s->refused_seq != c->arm[i].refused_seq) {
		refusal(c, i, s);
	} else if (c->safety[i].seeded && gap_ns > pause_ns) {
		underrun(c, i, (double)gap_ns * 1e-6, (double)pause_ns * 1e-6);
	} else if (!c->safety[i].seeded && control_arm_usable(s) && may_seed(c, i, s)) {
		seed(c, i, s, REASON_ATTACHED, 0.0);
	} else if (control_posture_differs(c, i)) {
		seed(c, i, s, REASON_POSTURE_TAKEN, control_posture(c, i).joint_rad);
	}
}

void control_follow_arms(struct control *c, int64_t gap_ns)
{
	bool all = true;

	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		follow_arm(c, i, gap_ns);
		all = all && c->safety[i].seeded;
	}
	if (all)
		c->report.wants_attach = c->report.clear_stop = false;
}

static double rad_from_home(const struct control *c, uint32_t i)
{
	double most = 0.0;

	for (uint32_t j = 0; j < c->setup.arm[i].model.dof; j++)
		most = fmax(most, fabs(c->safety[i].joint[j].q - c->setup.arm[i].home_rad[j]));
	return most;
}

/* An arm that gets poses may have come home with another elbow. */
static bool tcp_at_home(const struct control *c, uint32_t i)
{
	const struct arm_setup *arm = &c->setup.arm[i];
	struct pose home;
	double apart[6];

	kinematics_forward(&arm->model, &arm->tcp, arm->home_rad, &home);
	pose_difference(&c->safety[i].ee, &home, apart);
	return arm->output == OUTPUT_POSE && vec3_norm(apart) < at_home_m && vec3_norm(apart + 3) < at_home_rad;
}

/* The line may end elsewhere than the arm: a stop, an edge, or an arm that was taken away came between. */
void control_follow_home(struct control *c)
{
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		bool seeded = c->safety[i].seeded, moves = c->arbiter.line[i].active || (seeded && !safety_standing(&c->safety[i]));

		if (!c->arm[i].homing || moves || !control_posture_settled(c, i))
			continue;
		double left = rad_from_home(c, i);
		bool there = seeded && left < at_home_rad, other = seeded && tcp_at_home(c, i);
		int64_t age_ns = c->now_ns - c->inputs.arm[i].stamp_ns;

		c->arm[i].homing = false;
		if (age_ns > c->setup.state_max_age_ns) { /* what stands at home then is the plan */
			control_event(c, EVENT_HOME, REASON_HOME_UNSEEN, i, (double)age_ns * 1e-6, (double)c->setup.state_max_age_ns * 1e-6);
			continue;
		}
		control_event(c, EVENT_HOME, there ? REASON_HOME_REACHED : other ? REASON_HOME_OTHER_POSTURE : REASON_HOME_INTERRUPTED, i, left,
				at_home_rad);
	}
}
