/* safety.c - setpoints in, driver targets out, within every limit whatever comes in. See safety.h and axis.h.
 *
 * Two layers. Each joint grants as much of the wished jerk as leaves it admissible (axis_step). Then the arm as a whole grants
 * as much of the joints' motion as leaves the arm's braking motion inside workspace, floor and TCP speed: because the present
 * state's braking motion was found inside at the last step, granting nothing (braking) is always possible. */
#include "daemon/stage/safety.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

/* Kept from workspace and floor, because braking motions are looked at in a few places only. */
static const double boundary_m = 0.002;
/* Of velocity and acceleration, kept for rounding and for the arm's own differences. */
static const double reserve = 0.99;
/* Of joint limits, because a braking motion ends on them to within rounding. */
static const double reserve_rad = 1e-6;
/* Of TCP speeds, for the same reason as boundary_m. */
static const double speed_reserve = 0.94;
/* FR3: added to the velocity offset, because braking motions are looked at in a few places only. */
static const double offset_reserve_rad_s = 0.03;

static double clamp(double x, double low, double high)
{
	return fmin(fmax(x, low), high);
}

/* Samples of the control rate show a ramp of acceleration only if it takes some periods; and 20 ms spare the gears. */
static double jerk_limit(const struct robot_model *m, double scale, uint32_t i, double dt_s)
{
	double ramp_s = fmax(0.02, 3.0 * dt_s);

	return fmin(scale * m->dddq_max_rad_s3[i], scale * m->ddq_max_rad_s2[i] / ramp_s);
}

void safety_init(struct safety *s, const struct arm_setup *arm, int64_t period_ns)
{
	const struct robot_model *m = &arm->model;
	double scale = clamp(arm->limit_scale, 0.0, 1.0) * reserve;

	*s = (struct safety){ .arm = arm, .dt_s = (double)period_ns * 1e-9 };
	for (uint32_t i = 0; i < m->dof; i++)
		s->limits[i] = (struct axis_limits){
			.q_min = m->q_min_rad[i] + reserve_rad,
			.q_max = m->q_max_rad[i] - reserve_rad,
			.v_min = -scale * m->dq_max_rad_s[i],
			.v_max = scale * m->dq_max_rad_s[i],
			.a_max = scale * m->ddq_max_rad_s2[i],
			.j_max = jerk_limit(m, scale, i, s->dt_s),
			.offset = m->dq_offset_rad_s[i] + offset_reserve_rad_s,
			.decel = m->dq_decel_rad_s2[i],
		};
}

/* ---- workspace and floor --------------------------------------------------------------------------------------- */

/* Lowest z of the links. */
static double lowest_m(const struct robot_model *m, const double *q_rad)
{
	double point[LINK_POINTS_MAX][3], low = INFINITY;
	uint32_t n = kinematics_link_points(m, q_rad, point);

	for (uint32_t i = 0; i < n; i++)
		low = fmin(low, point[i][2]);
	return low;
}

/* The configured boundary, or where the arm stood outside it; comes in with the arm and never goes out again. */
static void boundary_follow(struct safety *s, const double *q_rad, bool start)
{
	const struct arm_setup *arm = s->arm;

	for (int k = 0; k < 3; k++) {
		double low = s->ee.p_m[k], high = s->ee.p_m[k];

		if (!start) {
			low = fmax(low, s->box_min_m[k]);
			high = fmin(high, s->box_max_m[k]);
		}
		s->box_min_m[k] = fmin(arm->box_min_m[k] + boundary_m, low);
		s->box_max_m[k] = fmax(arm->box_max_m[k] - boundary_m, high);
	}
	double low = lowest_m(&arm->model, q_rad);

	s->floor_m = fmin(arm->floor_m + boundary_m, start ? low : fmax(low, s->floor_m));
	for (uint32_t i = 0; i < arm->model.dof; i++) {
		struct axis_limits *l = &s->limits[i];

		l->q_min = fmin(arm->model.q_min_rad[i] + reserve_rad, start ? q_rad[i] : fmax(l->q_min, q_rad[i]));
		l->q_max = fmax(arm->model.q_max_rad[i] - reserve_rad, start ? q_rad[i] : fmin(l->q_max, q_rad[i]));
	}
}

static double tcp_speed_limit(const struct arm_setup *arm)
{
	double v = arm->model.tcp_v_max_m_s * clamp(arm->limit_scale, 0.0, 1.0);

	return arm->tcp_v_max_m_s > 0.0 ? fmin(arm->tcp_v_max_m_s, v) : v;
}

static void tcp_motion(const struct arm_setup *arm, const double *q_rad, const double *dq_rad_s, struct pose *ee, struct twist *twist)
{
	double j[6][DOF_MAX], t[6] = { 0 };

	kinematics_jacobian(&arm->model, &arm->tcp, q_rad, ee, j);
	for (int r = 0; r < 6; r++)
		for (uint32_t i = 0; i < arm->model.dof; i++)
			t[r] += j[r][i] * dq_rad_s[i];
	memcpy(twist->v_m_s, t, sizeof twist->v_m_s);
	memcpy(twist->w_rad_s, t + 3, sizeof twist->w_rad_s);
}

static uint32_t state_exceeds(const struct safety *s, const struct axis *joint)
{
	const double rounding = 1e-9;
	double q[DOF_MAX] = { 0 }, dq[DOF_MAX] = { 0 };
	struct twist twist;
	struct pose ee;
	uint32_t mask = 0;

	for (uint32_t i = 0; i < s->arm->model.dof; i++) {
		q[i] = joint[i].q;
		dq[i] = joint[i].v;
	}
	tcp_motion(s->arm, q, dq, &ee, &twist);
	for (int k = 0; k < 3; k++)
		if (!(ee.p_m[k] >= s->box_min_m[k] - rounding && ee.p_m[k] <= s->box_max_m[k] + rounding))
			mask |= LIMIT_WORKSPACE;
	if (!(lowest_m(&s->arm->model, q) >= s->floor_m - rounding))
		mask |= LIMIT_FLOOR;
	if (!(vec3_norm(twist.v_m_s) <= speed_reserve * s->tcp_v_max_m_s) ||
			!(vec3_norm(twist.w_rad_s) <= speed_reserve * s->tcp_w_max_rad_s))
		mask |= LIMIT_TCP_SPEED;
	return mask;
}

/* Looks along the braking motion of the whole arm; dense at its start, where it is fastest. */
static uint32_t braking_exceeds(const struct safety *s, const struct axis *joint)
{
	static const double place[] = { 0.0, 1.0 / 16, 1.0 / 8, 1.0 / 4, 3.0 / 8, 1.0 / 2, 3.0 / 4, 1.0 };
	double longest_s = 0.0;
	uint32_t mask = 0;

	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		longest_s = fmax(longest_s, axis_brake_time_s(&joint[i], &s->limits[i]));
	for (size_t k = 0; k < sizeof place / sizeof place[0] && !mask; k++) {
		struct axis at[DOF_MAX];

		for (uint32_t i = 0; i < s->arm->model.dof; i++)
			at[i] = axis_brake(&joint[i], &s->limits[i], place[k] * longest_s);
		mask |= state_exceeds(s, at);
	}
	return mask;
}

static bool joints_admissible(const struct safety *s, const struct axis *joint)
{
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		if (!axis_admissible(&joint[i], &s->limits[i]))
			return false;
	return true;
}

/* Grants the arm as much of wish[] (against brake[]) as its braking motion allows. Returns the mask of what stood in the way. */
static uint32_t arm_grant(const struct safety *s, const struct axis *brake, const struct axis *wish, struct axis *out)
{
	enum { HALVINGS = 6 };
	uint32_t mask = braking_exceeds(s, wish), n = s->arm->model.dof;
	double good = 0.0, bad = 1.0;
	struct axis tried[DOF_MAX];

	memcpy(out, mask ? brake : wish, n * sizeof *out);
	for (int h = 0; h < HALVINGS && mask; h++) {
		double share = (good + bad) / 2.0;

		for (uint32_t i = 0; i < n; i++) {
			tried[i].q = brake[i].q + share * (wish[i].q - brake[i].q);
			tried[i].v = brake[i].v + share * (wish[i].v - brake[i].v);
			tried[i].a = brake[i].a + share * (wish[i].a - brake[i].a);
		}
		if (joints_admissible(s, tried) && !braking_exceeds(s, tried)) {
			good = share;
			memcpy(out, tried, n * sizeof *out);
		} else {
			bad = share;
		}
	}
	return mask;
}

/* ---- making targets -------------------------------------------------------------------------------------------- */

static bool setpoint_finite(const struct setpoint *w, uint32_t dof)
{
	for (uint32_t i = 0; i < dof; i++)
		if (!(fabs(w->q_rad[i]) < 1e3 && fabs(w->dq_rad_s[i]) < 1e4 && fabs(w->ddq_rad_s2[i]) < 1e6))
			return false;
	return true;
}

static uint32_t joints_step(struct safety *s, const struct setpoint *want, bool brake_only)
{
	struct axis brake[DOF_MAX], wish[DOF_MAX], granted[DOF_MAX];
	uint32_t mask = 0, n = s->arm->model.dof;

	for (uint32_t i = 0; i < n; i++) {
		const struct axis_limits *l = &s->limits[i];
		struct axis reference = { want->q_rad[i], want->dq_rad_s[i], want->ddq_rad_s2[i] };

		brake[i] = axis_brake(&s->joint[i], l, s->dt_s);
		wish[i] = brake[i];
		if (brake_only)
			continue;
		wish[i] = s->joint[i];
		if (axis_step(&wish[i], l, axis_track(&s->joint[i], &reference, l, s->dt_s), s->dt_s) < 1.0)
			mask |= LIMIT_JOINT;
	}
	if (brake_only)
		memcpy(granted, brake, sizeof granted);
	else
		mask |= arm_grant(s, brake, wish, granted);
	for (uint32_t i = 0; i < n; i++) {
		double jerk = fabs(granted[i].a - s->joint[i].a) / s->dt_s;

		s->margin_jerk = fmin(s->margin_jerk, 1.0 - jerk / s->limits[i].j_max);
		s->joint[i] = granted[i];
	}
	return mask;
}

static void margins_take(struct safety *s)
{
	for (uint32_t i = 0; i < s->arm->model.dof; i++) {
		const struct axis_limits *l = &s->limits[i];
		const struct axis *j = &s->joint[i];
		double half = (l->q_max - l->q_min) / 2.0;

		s->margin_position = fmin(s->margin_position, fmin(j->q - l->q_min, l->q_max - j->q) / half);
		s->margin_velocity = fmin(s->margin_velocity, 1.0 - fabs(j->v) / l->v_max);
		s->margin_acceleration = fmin(s->margin_acceleration, 1.0 - fabs(j->a) / l->a_max);
	}
	s->margin_position = fmax(0.0, s->margin_position);
	s->margin_velocity = fmax(0.0, s->margin_velocity);
	s->margin_acceleration = fmax(0.0, s->margin_acceleration);
	s->margin_jerk = fmax(0.0, s->margin_jerk);
}

bool safety_seed(struct safety *s, const double *q_d_rad)
{
	struct twist still;
	const double zero[DOF_MAX] = { 0 };

	s->seeded = false;
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		if (!(fabs(q_d_rad[i]) < 1e3))
			return false;
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		s->joint[i] = (struct axis){ .q = q_d_rad[i] };
	tcp_motion(s->arm, q_d_rad, zero, &s->ee, &still);
	boundary_follow(s, q_d_rad, true);
	s->seeded = true;
	return true;
}

void safety_forget(struct safety *s)
{
	s->seeded = false;
}

static void target_fill(struct safety *s, const struct setpoint *want, bool brake_only, const struct safety_stamp *at,
		struct driver_target *out)
{
	const double *p = s->ee.p_m;
	double before[3] = { p[0], p[1], p[2] };

	*out = (struct driver_target){
		.valid = true,
		.arm = at->arm,
		.t_ns = at->t_ns,
		.tick_ns = at->tick_ns,
		.kind = s->arm->output,
		.source = want->active && brake_only ? TARGET_HOLD : want->source, /* a source may ask for nothing but a stop */
		.valid_for_ns = at->valid_for_ns,
		.epoch = at->epoch,
		.chunk = want->chunk,
		.step = want->step,
		.frame_stamp_ns = want->frame_stamp_ns,
	};
	for (uint32_t i = 0; i < s->arm->model.dof; i++) {
		out->q_rad[i] = s->joint[i].q;
		out->dq_rad_s[i] = s->joint[i].v;
	}
	tcp_motion(s->arm, out->q_rad, out->dq_rad_s, &s->ee, &out->twist);
	out->ee = s->ee;
	s->tcp_path_m += vec3_norm((double[3]){ p[0] - before[0], p[1] - before[1], p[2] - before[2] });
	if (want->has_gripper && isfinite(want->gripper_m)) {
		s->gripper_m = clamp(want->gripper_m, 0.0, s->arm->gripper_max_m);
		s->has_gripper = true;
		out->has_gripper = true;
		out->gripper_m = s->gripper_m;
	}
}

/* What a source may have of the arm's limit; 0: all of it. */
static double narrowed(double limit, double share)
{
	return share > 0.0 ? fmin(limit, share) : limit;
}

uint32_t safety_step(struct safety *s, const struct setpoint *want, const struct safety_stamp *at, struct driver_target *out)
{
	uint32_t mask = 0;

	*out = (struct driver_target){ .arm = at->arm };
	if (!s->seeded)
		return 0;
	if (want->active && !setpoint_finite(want, s->arm->model.dof))
		mask |= LIMIT_NOT_FINITE;
	bool brake_only = !want->active || mask;

	s->tcp_v_max_m_s = narrowed(tcp_speed_limit(s->arm), want->tcp_v_max_m_s);
	s->tcp_w_max_rad_s = narrowed(s->arm->model.tcp_w_max_rad_s, want->tcp_w_max_rad_s);
	s->margin_position = s->margin_velocity = s->margin_acceleration = s->margin_jerk = 1.0;
	mask |= joints_step(s, want, brake_only);
	margins_take(s);
	target_fill(s, want, brake_only, at, out);
	boundary_follow(s, out->q_rad, false);
	return mask;
}

bool safety_standing(const struct safety *s)
{
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		if (!(fabs(s->joint[i].v) < 1e-4 && fabs(s->joint[i].a) < 1e-2))
			return false;
	return true;
}

/* How far q is outside workspace or floor; 0 inside. */
static double outside_m(const struct arm_setup *arm, const double *q_rad, uint32_t *mask)
{
	double out = 0.0, under = arm->floor_m - lowest_m(&arm->model, q_rad);
	struct pose ee;

	kinematics_forward(&arm->model, &arm->tcp, q_rad, &ee);
	for (int k = 0; k < 3; k++)
		out = fmax(out, fmax(arm->box_min_m[k] - ee.p_m[k], ee.p_m[k] - arm->box_max_m[k]));
	if (!(out <= 0.0))
		*mask |= LIMIT_WORKSPACE;
	if (!(under <= 0.0))
		*mask |= LIMIT_FLOOR;
	return fmax(out, fmax(under, 0.0));
}

uint32_t safety_posture_check(const struct arm_setup *arm, const double *q_rad)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < arm->model.dof; i++)
		if (!(q_rad[i] >= arm->model.q_min_rad[i] && q_rad[i] <= arm->model.q_max_rad[i]))
			mask |= LIMIT_POSITION;
	outside_m(arm, q_rad, &mask);
	return mask;
}
