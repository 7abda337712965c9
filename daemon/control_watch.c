/* control_watch.c - what stands in the way, arm by arm, camera by camera; see control_watch.h. */
#include "daemon/control_watch.h"

#include <math.h>

#include "daemon/control_pose.h"
#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double same_m = 0.005, same_rad = 0.02; /* messages.md section 5: kinematics must agree within these */
static const double ms_per_ns = 1e-6;
/* Between two chunks that nobody waits for (READY, HOLD) the policy rests; an observation gets at least so old by that. */
static const int64_t chunk_recent_ns = 2000000000;

bool control_arm_usable(const struct arm_state *s)
{
	return s->present && s->has_q && s->attached && !s->stopped && (s->mode == ARM_READY || s->mode == ARM_MOVING);
}

bool control_standing(const struct control *c)
{
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		if (c->safety[i].seeded && !safety_standing(&c->safety[i]))
			return false;
	return true;
}

/* How old an observation may be when its chunk begins to move the arms. A slow policy (10 s on a processor) is honest, one that
 * hung is not, and both look the same in the one chunk: so its own latency says nothing, but what was usual before it does. Twice
 * that, because a chunk of READY and HOLD may be as old again as the next one takes. Who becomes slow for good is believed after
 * a few dropped chunks. The first chunk ever has nothing before it and counts as usual. */
static int64_t oldest_age_ns(const struct control *c)
{
	int64_t rest_ns = c->setup.starve_ns > chunk_recent_ns ? c->setup.starve_ns : chunk_recent_ns;

	return rest_ns + 2 * c->usual_ns;
}

struct chunk_rules control_chunk_rules(const struct control *c)
{
	return (struct chunk_rules){ c->epoch, c->inputs.instruction_id, c->setup.action_dim, c->after_ns, c->now_ns - oldest_age_ns(c) };
}

bool control_chunk_usable(const struct control *c)
{
	struct chunk_rules rules = control_chunk_rules(c);

	return c->chunk && chunk_judge(c->chunk, &rules) == CHUNK_GOOD;
}

static bool state_finite(const struct arm_state *s, uint32_t dof)
{
	for (uint32_t i = 0; i < dof; i++)
		if (!(fabs(s->q_rad[i]) < 1e3 && fabs(s->q_d_rad[i]) < 1e3 && fabs(s->dq_rad_s[i]) < 1e4))
			return false;
	return true;
}

static void watch_kinematics(const struct arm_setup *arm, const struct arm_state *s, uint32_t i, struct reasons *r)
{
	double apart[6];
	struct pose own;

	kinematics_forward(&arm->model, &arm->tcp, s->q_rad, &own);
	pose_difference(&own, &s->ee, apart);
	if (!(vec3_norm(apart) <= same_m))
		reasons_add(r, REASON_KINEMATICS_POSITION, i, vec3_norm(apart), same_m);
	if (!(vec3_norm(apart + 3) <= same_rad))
		reasons_add(r, REASON_KINEMATICS_ROTATION, i, vec3_norm(apart + 3), same_rad);
	if (safety_posture_check(arm, s->q_rad))
		reasons_add(r, REASON_OUTSIDE_LIMITS, i, 0.0, 0.0);
}

uint64_t control_models_differ(const struct control *c, uint32_t i)
{
	const struct arm_state *s = &c->inputs.arm[i];
	struct reasons r = { 0 };

	if (s->present && s->has_q)
		watch_kinematics(&c->setup.arm[i], s, i, &r);
	return r.bits & (REASON_BIT(REASON_KINEMATICS_POSITION) | REASON_BIT(REASON_KINEMATICS_ROTATION));
}

static void watch_joints(const struct control *c, const struct arm_state *s, uint32_t i, struct reasons *r)
{
	const struct arm_setup *arm = &c->setup.arm[i];
	double apart = 0.0;

	if (!s->has_q)
		return;
	if (!state_finite(s, arm->model.dof)) {
		reasons_add(r, REASON_STATE_NOT_FINITE, i, 0.0, 0.0);
		return;
	}
	for (uint32_t j = 0; j < arm->model.dof; j++)
		apart = fmax(apart, fabs(s->q_d_rad[j] - s->q_rad[j]));
	if (c->safety[i].seeded && !(apart <= arm->tracking_error_rad))
		reasons_add(r, REASON_TRACKING_ERROR, i, apart, arm->tracking_error_rad);
	watch_kinematics(arm, s, i, r);
	control_watch_posture(c, i, r);
}

static void watch_mode(const struct control *c, const struct arm_state *s, uint32_t i, struct reasons *r)
{
	static const struct {
		enum reason driven, other;
	} by_mode[ARM_MODE_COUNT] = {
		[ARM_DISCONNECTED] = { REASON_ARM_DISCONNECTED, REASON_ARM_OFFLINE },
		[ARM_IDLE] = { REASON_ARM_IDLE, REASON_ARM_IDLE },
		[ARM_GUIDING] = { REASON_ARM_GUIDING, REASON_ARM_GUIDING },
		[ARM_USER_STOPPED] = { REASON_ARM_USER_STOPPED, REASON_ARM_USER_STOPPED },
		[ARM_REFLEX] = { REASON_ARM_REFLEX, REASON_ARM_REFLEX },
		[ARM_ESTOP] = { REASON_ARM_ESTOP, REASON_ARM_ESTOP },
	};
	bool driven = c->arm[i].driven;
	enum reason found = s->mode < ARM_MODE_COUNT ? (driven ? by_mode[s->mode].driven : by_mode[s->mode].other) : REASON_ARM_IDLE;

	if (found != REASON_NONE)
		reasons_add(r, found, i, 0.0, 0.0);
	if (driven && s->has_errors)
		reasons_add(r, REASON_ARM_ERRORS, i, 0.0, 0.0);
	if (s->stopped)
		reasons_add(r, REASON_ARM_STOPPED, i, 0.0, 0.0);
	if (!s->attached)
		reasons_add(r, REASON_ARM_DETACHED, i, 0.0, 0.0);
}

/* Whose fault it is that the newest state of a driven arm is too old. */
static enum reason why_old(const struct control *c, uint32_t i)
{
	const struct arm_state *s = &c->inputs.arm[i];
	int64_t on_the_way_ns = s->arrival_ns - s->stamp_ns, since_ns = c->now_ns - s->arrival_ns;

	if (c->now_ns - c->last_ns > c->setup.state_max_age_ns)
		return REASON_STATE_UNHEARD;
	if (c->inputs.state_void_ns[i] > s->arrival_ns)
		return REASON_STATE_VOID;
	return on_the_way_ns > since_ns ? REASON_STATE_LATE : REASON_STATE_LOST;
}

static void watch_arm(const struct control *c, uint32_t i, struct reasons *r)
{
	const struct arm_state *s = &c->inputs.arm[i];
	int64_t age_ns = c->now_ns - s->stamp_ns;

	if (!s->present) {
		reasons_add(r, REASON_STATE_ABSENT, i, 0.0, 0.0);
		return;
	}
	if (age_ns > c->setup.state_max_age_ns)
		reasons_add(r, c->arm[i].driven ? why_old(c, i) : REASON_STATE_STALE, i, (double)age_ns * ms_per_ns,
				(double)c->setup.state_max_age_ns * ms_per_ns);
	watch_mode(c, s, i, r);
	watch_joints(c, s, i, r);
	if (c->safety[i].seeded ? !safety_standing(&c->safety[i]) : control_arm_usable(s))
		reasons_add(r, REASON_STILL_MOVING, i, 0.0, 0.0);
}

static void watch_cameras(const struct control *c, struct reasons *r)
{
	for (uint32_t i = 0; i < c->setup.n_cameras; i++) {
		const struct camera_status *s = &c->inputs.camera[i];
		int64_t age_ns = c->now_ns - s->stamp_ns, limit_ns = c->setup.camera_max_age_ns[i];

		if (!s->present)
			reasons_add(r, REASON_CAMERA_ABSENT, i, 0.0, 0.0);
		else if (age_ns > limit_ns)
			reasons_add(r, REASON_CAMERA_STALE, i, (double)age_ns * ms_per_ns, (double)limit_ns * ms_per_ns);
		else if (s->frozen)
			reasons_add(r, REASON_CAMERA_FROZEN, i, 0.0, 0.0);
	}
	if (c->inputs.cameras_skewed)
		reasons_add(r, REASON_CAMERA_SKEWED, 0, 0.0, 0.0);
}

static void watch_policy(const struct control *c, struct reasons *r)
{
	if (c->policy.health == POLICY_LOADING)
		reasons_add(r, REASON_POLICY_LOADING, 0, 0.0, 0.0);
	if (c->policy.health == POLICY_GONE)
		reasons_add(r, REASON_POLICY_GONE, 0, 0.0, 0.0);
	if (c->policy.health == POLICY_BROKEN)
		reasons_add(r, REASON_POLICY_BROKEN, 0, 0.0, 0.0);
	if (c->policy.lost)
		reasons_add(r, REASON_POLICY_LOST, 0, 0.0, 0.0);
	if (c->policy.state_out_of_range)
		reasons_add(r, REASON_STATE_OUT_OF_RANGE, 0, (double)c->policy.state_dim_out, 0.0);
	if (c->inputs.instruction_id == 0)
		reasons_add(r, REASON_NO_INSTRUCTION, 0, 0.0, 0.0);
	if (!control_chunk_usable(c))
		reasons_add(r, REASON_NO_CHUNK, 0, 0.0, 0.0);
}

/* Where a fault stops only its arm, nothing but this latch keeps the policy away until a reset. */
static void latch_faults(struct control_arm *a)
{
	const uint64_t faults = reason_mask(SEVERITY_FAULT) & a->standing.bits;

	for (uint32_t r = REASON_FIRST; r < REASON_COUNT; r++)
		if (faults & REASON_BIT(r))
			reasons_add(&a->latched, (enum reason)r, a->standing.subject[r], a->standing.value[r], a->standing.limit[r]);
}

static void watch_arms(struct control *c)
{
	c->causes = 0;
	for (uint32_t i = 0; i < c->setup.n_arms; i++) {
		struct control_arm *a = &c->arm[i];

		a->standing = (struct reasons){ 0 };
		watch_arm(c, i, &a->standing);
		c->causes |= a->standing.bits & reason_mask(SEVERITY_FAULT);
		if (c->setup.fault_stops_arm && c->mode != MODE_BOOT)
			latch_faults(a);
		reasons_merge(&a->standing, &a->latched);
	}
}

void control_watch(struct control *c)
{
	struct reasons r = { 0 };

	watch_arms(c);
	reasons_merge(&r, &c->latched);
	for (uint32_t i = 0; i < c->setup.n_arms; i++)
		reasons_merge(&r, &c->arm[i].standing);
	watch_cameras(c, &r);
	watch_policy(c, &r);
	if (c->inputs.clock_stepped)
		reasons_add(&r, REASON_CLOCK_STEPPED, 0, 0.0, 0.0);
	if (teleop_pressed(&c->teleop, c->inputs.teleop, c->now_ns))
		reasons_add(&r, REASON_DEADMAN_PRESSED, 0, 0.0, 0.0);
	if (c->shutdown)
		reasons_add(&r, REASON_SHUTDOWN, 0, 0.0, 0.0);
	c->standing = r;
}
