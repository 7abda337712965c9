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
#include "daemon/stage/safety_edge.h"

/* Of velocity, kept for rounding and for the arm's own differences. */
static const double reserve = 0.99;
/* Of acceleration and jerk: a period in which the jerk changes is no cubic, but the arm plays one, which bends a few percent more; and
 * what it fades out after a start or a pause comes on top. */
static const double bend_reserve = 0.94;
/* Of joint limits: the arm knows the beginning of a braking motion from samples only, and finds its end up to that far off. */
static const double reserve_rad = 2e-3;
/* Of TCP speeds, because braking motions are looked at in a few places only. */
static const double speed_reserve = 0.94;
/* FR3: added to the velocity offset, because braking motions are looked at in a few places only. */
static const double offset_reserve_rad_s = 0.03;

/* 1 of the margin of the floor. */
static const double floor_far_m = 0.2;

static double clamp(double x, double low, double high)
{
	return fmin(fmax(x, low), high);
}

/* NaN is larger than any number. */
static double larger(double a, double b)
{
	return a > b || isnan(a) ? a : b;
}

/* Samples of the control rate show a ramp of acceleration only if it takes some periods; and 20 ms spare the gears. */
static double jerk_limit(const struct robot_model *m, double scale, uint32_t i, double dt_s)
{
	double ramp_s = fmax(0.02, 3.0 * dt_s);

	return fmin(scale * m->dddq_max_rad_s3[i], scale * m->ddq_max_rad_s2[i] / ramp_s);
}

static bool all_finite(const double *x, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

static bool setup_sound(const struct arm_setup *a)
{
	const struct robot_model *m = &a->model;
	const double numbers[] = { a->floor_m, a->limit_scale, a->tcp_v_max_m_s, a->gripper_max_m, m->tcp_v_max_m_s, m->tcp_w_max_rad_s };

	return all_finite(numbers, sizeof numbers / sizeof numbers[0]) && all_finite(a->box_min_m, 3) && all_finite(a->box_max_m, 3) &&
			all_finite(a->tcp.p_m, 3) && all_finite(a->tcp.q_xyzw, 4) && all_finite(m->q_min_rad, m->dof) &&
			all_finite(m->q_max_rad, m->dof) && all_finite(m->dq_max_rad_s, m->dof) && all_finite(m->ddq_max_rad_s2, m->dof) &&
			all_finite(m->dddq_max_rad_s3, m->dof) && all_finite(m->dq_offset_rad_s, m->dof) && all_finite(m->dq_decel_rad_s2, m->dof);
}

void safety_init(struct safety *s, const struct arm_setup *arm, int64_t period_ns)
{
	const struct robot_model *m = &arm->model;
	double full = clamp(arm->limit_scale, 0.0, 1.0), scale = full * reserve;

	*s = (struct safety){ .arm = arm, .dt_s = (double)period_ns * 1e-9, .sound = setup_sound(arm) && period_ns > 0, .over = { 1.0, 1.0 } };
	edge_init(s);
	for (uint32_t i = 0; i < m->dof; i++)
		s->limits[i] = (struct axis_limits){
			.q_min = m->q_min_rad[i] + reserve_rad,
			.q_max = m->q_max_rad[i] - reserve_rad,
			.v_min = -scale * m->dq_max_rad_s[i],
			.v_max = scale * m->dq_max_rad_s[i],
			.a_max = bend_reserve * full * m->ddq_max_rad_s2[i],
			.j_max = jerk_limit(m, bend_reserve * full, i, s->dt_s),
			.offset = m->dq_offset_rad_s[i] + offset_reserve_rad_s,
			.decel = m->dq_decel_rad_s2[i],
		};
}

/* Joint limits, or where the joint stood outside them; they come in with it as far as its braking motion does, and never go out. */
static void ranges_follow(struct safety *s, bool start)
{
	const struct robot_model *m = &s->arm->model;

	for (uint32_t i = 0; i < m->dof; i++) {
		struct axis_limits *l = &s->limits[i];
		double low, high;

		axis_brake_range(&s->joint[i], l, &low, &high);
		l->q_min = fmin(m->q_min_rad[i] + reserve_rad, start ? low : fmax(l->q_min, low));
		l->q_max = fmax(m->q_max_rad[i] - reserve_rad, start ? high : fmin(l->q_max, high));
	}
}

/* ---- braking of the whole arm ------------------------------------------------------------------------------------- */

static double tcp_speed_limit(const struct arm_setup *arm)
{
	double v = arm->model.tcp_v_max_m_s * clamp(arm->limit_scale, 0.0, 1.0);

	return arm->tcp_v_max_m_s > 0.0 ? fmin(arm->tcp_v_max_m_s, v) : v;
}

/* Edges that the arm is beyond. */
static uint32_t view_exceeds(const struct edge_view *view)
{
	const double rounding = 1e-9;
	uint32_t mask = 0;

	for (uint32_t k = 0; k < view->n; k++)
		if (!(view->inside_m[k] >= -rounding))
			mask |= k < SAFETY_FACES ? LIMIT_WORKSPACE : LIMIT_FLOOR;
	return mask;
}

/* Most: the fastest so far, along and around, as shares of what the TCP may have. */
static void speeds_look(const struct safety *s, const struct edge_view *view, double most[2])
{
	most[0] = larger(most[0], vec3_norm(view->twist.v_m_s) / (speed_reserve * s->tcp_v_max_m_s));
	most[1] = larger(most[1], vec3_norm(view->twist.w_rad_s) / (speed_reserve * s->tcp_w_max_rad_s));
}

/* A motion of the arm from its present state to a stand, joint by joint as fast as each can brake. */
struct braking {
	const struct safety *s;
	const struct axis *from;
	double longest_s;
	double t_s;                  /* of the newest look */
	double ahead_m[SAFETY_EDGES]; /* an edge that the arm began outside of comes in with the arm: how far it has by then */
	double bend_m[SAFETY_EDGES]; /* how far the arm may stray between two looks */
	struct axis joint[DOF_MAX];
	struct edge_view view;       /* inside_m: from where the edges are by now */
	double fastest[2];           /* so far, see speeds_look */
};

static void braking_look(const struct braking *b, const struct axis *joint, struct edge_view *view)
{
	edge_look(b->s, joint, view);
	for (uint32_t k = 0; k < view->n; k++)
		view->inside_m[k] -= b->ahead_m[k];
}

static void braking_come_in(struct braking *b)
{
	for (uint32_t k = 0; k < b->view.n; k++) {
		double in_m = clamp(b->view.inside_m[k], 0.0, edge_widened_m(b->s, k) - b->ahead_m[k]);

		b->ahead_m[k] += in_m;
		b->view.inside_m[k] -= in_m;
	}
}

static void braking_start(struct braking *b, const struct safety *s, const struct axis *joint)
{
	const double bend_outside_m = 5e-5; /* half of what the arm's own check forgives */

	*b = (struct braking){ .s = s, .from = joint };
	memcpy(b->joint, joint, s->arm->model.dof * sizeof *joint);
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		b->longest_s = fmax(b->longest_s, axis_brake_time_s(&joint[i], &s->limits[i]));
	edge_look(s, b->joint, &b->view);
	for (uint32_t k = 0; k < b->view.n; k++)
		b->bend_m[k] = edge_widened_m(s, k) > 0.0 ? bend_outside_m : EDGE_KEPT_M;
	braking_come_in(b);
	speeds_look(s, &b->view, b->fastest);
}

/* Edges that something between two looks, which both are inside, might be beyond. */
static uint32_t between_exceeds(const struct braking *b, const struct edge_view *to, double bend_m)
{
	uint32_t mask = 0;

	for (uint32_t k = 0; k < to->n; k++)
		if (!(fmin(b->view.inside_m[k], to->inside_m[k]) - bend_m >= -b->bend_m[k]))
			mask |= k < SAFETY_FACES ? LIMIT_WORKSPACE : LIMIT_FLOOR;
	return mask;
}

/* The next look; as near as it takes to know what lies between. Returns the edges that are, or may be, passed. */
static uint32_t braking_next(struct braking *b)
{
	enum { HALVINGS = 3 };
	double done = b->t_s / b->longest_s, gap_s = b->longest_s / (done < 0.12 ? 32.0 : done < 0.49 ? 16.0 : 8.0);
	uint32_t mask = LIMIT_WORKSPACE;
	struct edge_view view = { .n = 0 };
	struct axis at[DOF_MAX] = { { 0 } };

	gap_s = fmin(gap_s, b->longest_s - b->t_s);
	for (int h = 0; h <= HALVINGS && mask; h++, gap_s /= 2.0) {
		for (uint32_t i = 0; i < b->s->arm->model.dof; i++)
			at[i] = axis_brake(&b->from[i], &b->s->limits[i], b->t_s + gap_s);
		braking_look(b, at, &view);
		mask = view_exceeds(&view);
		if (mask)
			return mask;
		mask = between_exceeds(b, &view, edge_bend_m(b->s, b->joint, at, gap_s));
		if (!mask)
			b->t_s += gap_s;
	}
	b->view = view;
	braking_come_in(b);
	memcpy(b->joint, at, sizeof at);
	speeds_look(b->s, &view, b->fastest);
	return mask;
}

/* Written so that NaN is too fast. */
static bool too_fast(const struct safety *s, const double fastest[2])
{
	return !(fastest[0] <= s->over[0] && fastest[1] <= s->over[1]);
}

/* Edges and speeds that braking from this state does not keep. */
static uint32_t braking_exceeds(const struct safety *s, const struct axis *joint)
{
	enum { LOOKS_MOST = 60 };
	struct braking b;
	int looks = 0;

	braking_start(&b, s, joint);
	uint32_t mask = view_exceeds(&b.view);

	for (; !mask && b.t_s < b.longest_s * (1.0 - 1e-9) && looks < LOOKS_MOST && !too_fast(s, b.fastest); looks++)
		mask |= braking_next(&b);
	if (too_fast(s, b.fastest) || looks == LOOKS_MOST) /* what is not known is not granted */
		mask |= LIMIT_TCP_SPEED;
	return mask;
}

/* How much too fast the TCP gets while braking from here, 1: not. A source that may have less than the last one makes that so. */
static void braking_over(const struct safety *s, const struct axis *joint, double over[2])
{
	enum { PLACES = 16 };
	double longest_s = 0.0;

	over[0] = over[1] = 1.0;

	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		longest_s = fmax(longest_s, axis_brake_time_s(&joint[i], &s->limits[i]));
	for (int k = 0; k <= PLACES; k++) {
		struct axis at[DOF_MAX];
		struct edge_view view;

		for (uint32_t i = 0; i < s->arm->model.dof; i++)
			at[i] = axis_brake(&joint[i], &s->limits[i], longest_s * k / PLACES);
		edge_look(s, at, &view);
		speeds_look(s, &view, over);
	}
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

/* ---- braking that slows the TCP ----------------------------------------------------------------------------------- */

/* One joint's way to a stand in stop_s by a cubic of velocity: jerk now, and whether it keeps the joint's limits. All joints in the
 * same time shrink a velocity of the TCP as a whole; each as fast as it can might take away what held another's part in check. */
static double cubic_jerk(const struct axis *joint, double stop_s, double at_s)
{
	double start = -(6.0 * joint->v + 4.0 * joint->a * stop_s) / (stop_s * stop_s);
	double end = (6.0 * joint->v + 2.0 * joint->a * stop_s) / (stop_s * stop_s);

	return start + (end - start) * at_s / stop_s;
}

static bool cubic_within(const struct axis *joint, const struct axis_limits *l, double stop_s)
{
	double start = cubic_jerk(joint, stop_s, 0.0), end = cubic_jerk(joint, stop_s, stop_s);
	double turn = start * end < 0.0 ? stop_s * start / (start - end) : 0.0; /* where the acceleration is largest */
	double a = joint->a + start * turn / 2.0;

	return fabs(start) <= l->j_max && fabs(end) <= l->j_max && fabs(a) <= l->a_max;
}

static bool cubics_within(const struct safety *s, double stop_s)
{
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		if (!cubic_within(&s->joint[i], &s->limits[i], stop_s))
			return false;
	return true;
}

/* All joints come to a stand together, as soon as that can be; false: not within any reasonable time. */
static bool brake_together(const struct safety *s, struct axis *out)
{
	enum { HALVINGS = 12 };
	double low_s = 2.0 * s->dt_s, high_s = 4.0;

	if (!cubics_within(s, high_s))
		return false;
	for (int h = 0; h < HALVINGS; h++) {
		double middle_s = (low_s + high_s) / 2.0;

		*(cubics_within(s, middle_s) ? &high_s : &low_s) = middle_s;
	}
	for (uint32_t i = 0; i < s->arm->model.dof; i++) {
		out[i] = s->joint[i];
		axis_step(&out[i], &s->limits[i], cubic_jerk(&s->joint[i], high_s, s->dt_s / 2.0), s->dt_s);
	}
	return true;
}

/* ---- making targets -------------------------------------------------------------------------------------------- */

static bool setpoint_finite(const struct setpoint *w, uint32_t dof)
{
	for (uint32_t i = 0; i < dof; i++)
		if (!(fabs(w->q_rad[i]) < 1e3 && fabs(w->dq_rad_s[i]) < 1e4 && fabs(w->ddq_rad_s2[i]) < 1e6))
			return false;
	return w->tcp_v_max_m_s >= 0.0 && w->tcp_w_max_rad_s >= 0.0; /* written so that NaN is none */
}

/* What the joints would do to follow the setpoint, each for itself within its limits, and turned aside in front of edges. */
static uint32_t wish_of(const struct safety *s, const struct setpoint *want, struct axis *wish)
{
	uint32_t mask = 0, n = s->arm->model.dof;
	struct axis reference[DOF_MAX];
	double jerk[DOF_MAX];

	for (uint32_t i = 0; i < n; i++)
		reference[i] = (struct axis){ want->q_rad[i], want->dq_rad_s[i], want->ddq_rad_s2[i] };
	mask |= edge_pull_in(s, reference);
	for (uint32_t i = 0; i < n; i++) {
		const struct axis_limits *l = &s->limits[i];

		jerk[i] = clamp(axis_track(&s->joint[i], &reference[i], l, s->dt_s), -l->j_max, l->j_max);
	}
	edge_soften(s, jerk);
	for (uint32_t i = 0; i < n; i++) {
		const struct axis_limits *l = &s->limits[i];
		double a = s->joint[i].a;

		/* What goes beyond a_max and comes back within the period would be mixed with braking, and beyond it in between. */
		jerk[i] = clamp(jerk[i], (-l->a_max - a) / s->dt_s, (l->a_max - a) / s->dt_s);
		wish[i] = s->joint[i];
		if (axis_step(&wish[i], &s->limits[i], jerk[i], s->dt_s) < 1.0)
			mask |= LIMIT_JOINT;
	}
	return mask;
}

static void joints_take(struct safety *s, const struct axis *granted)
{
	for (uint32_t i = 0; i < s->arm->model.dof; i++) {
		double jerk = fabs(granted[i].a - s->joint[i].a) / s->dt_s;

		s->margin_jerk = fmin(s->margin_jerk, 1.0 - jerk / s->limits[i].j_max);
		s->joint[i] = granted[i];
	}
}

static bool is_over(const struct safety *s)
{
	return s->over[0] > 1.0 || s->over[1] > 1.0;
}

static uint32_t joints_step(struct safety *s, const struct setpoint *want, bool brake_only)
{
	struct axis brake[DOF_MAX] = { { 0 } }, wish[DOF_MAX], granted[DOF_MAX];
	uint32_t mask = 0;

	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		brake[i] = axis_brake(&s->joint[i], &s->limits[i], s->dt_s);
	memcpy(granted, brake, sizeof granted);
	if (is_over(s)) {
		mask = LIMIT_TCP_SPEED;
		if (brake_together(s, wish))
			mask |= arm_grant(s, brake, wish, granted);
	} else if (!brake_only) {
		mask = wish_of(s, want, wish);
		mask |= arm_grant(s, brake, wish, granted);
	}
	joints_take(s, granted);
	return mask;
}

/* Of the boundaries that hold at present. */
static void place_margins_take(struct safety *s, const struct edge_view *view)
{
	s->margin_workspace = s->margin_floor = 1.0;
	for (uint32_t k = 0; k < SAFETY_FACES; k++) {
		double half = (view->inside_m[k] + view->inside_m[k ^ 1u]) / 2.0; /* of both faces of an axis */

		s->margin_workspace = fmin(s->margin_workspace, view->inside_m[k] / half);
	}
	for (uint32_t k = SAFETY_FACES; k < view->n; k++)
		s->margin_floor = fmin(s->margin_floor, view->inside_m[k] / floor_far_m);
	s->margin_workspace = fmax(0.0, s->margin_workspace);
	s->margin_floor = fmax(0.0, s->margin_floor);
	s->margin_tcp_speed = fmax(0.0, 1.0 - fmax(vec3_norm(view->twist.v_m_s) / s->tcp_v_max_m_s, vec3_norm(view->twist.w_rad_s) / s->tcp_w_max_rad_s));
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
	struct edge_view view;

	s->seeded = false;
	if (!s->sound)
		return false;
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		if (!(fabs(q_d_rad[i]) < 1e3))
			return false;
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		s->joint[i] = (struct axis){ .q = q_d_rad[i] };
	edge_look(s, s->joint, &view);
	s->ee = view.ee;
	edge_follow(s, &view, true);
	ranges_follow(s, true);
	s->over[0] = s->over[1] = 1.0;
	s->seeded = true;
	return true;
}

void safety_forget(struct safety *s)
{
	s->seeded = false;
}

static void target_fill(struct safety *s, const struct setpoint *want, bool brake_only, const struct safety_stamp *at,
		const struct edge_view *view, struct driver_target *out)
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
	s->ee = view->ee;
	out->ee = view->ee;
	out->twist = view->twist;
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

/* A source that may have less than the arm has now makes the TCP too fast, until it has slowed down. */
static void speeds_take(struct safety *s, const struct setpoint *want)
{
	double v = narrowed(tcp_speed_limit(s->arm), want->tcp_v_max_m_s), w = narrowed(s->arm->model.tcp_w_max_rad_s, want->tcp_w_max_rad_s);
	bool less = !(v >= s->tcp_v_max_m_s && w >= s->tcp_w_max_rad_s);

	s->tcp_v_max_m_s = v;
	s->tcp_w_max_rad_s = w;
	if (less || is_over(s))
		braking_over(s, s->joint, s->over);
}

uint32_t safety_step(struct safety *s, const struct setpoint *want, const struct safety_stamp *at, struct driver_target *out)
{
	const struct setpoint none = { 0 };
	struct edge_view view;
	uint32_t mask = 0;

	*out = (struct driver_target){ .arm = at->arm };
	if (!s->seeded)
		return 0;
	if (want->active && !setpoint_finite(want, s->arm->model.dof))
		mask |= LIMIT_NOT_FINITE;
	bool brake_only = !want->active || mask;

	speeds_take(s, mask ? &none : want);
	s->margin_position = s->margin_velocity = s->margin_acceleration = s->margin_jerk = 1.0;
	mask |= joints_step(s, want, brake_only);
	margins_take(s);
	edge_look(s, s->joint, &view);
	place_margins_take(s, &view);
	target_fill(s, want, brake_only, at, &view, out);
	edge_follow(s, &view, false);
	ranges_follow(s, false);
	return mask;
}

bool safety_standing(const struct safety *s)
{
	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		if (!(fabs(s->joint[i].v) < 1e-4 && fabs(s->joint[i].a) < 1e-2))
			return false;
	return true;
}

uint32_t safety_posture_check(const struct arm_setup *arm, const double *q_rad)
{
	double outside_m[SAFETY_EDGES];
	uint32_t mask = 0, n = safety_edges(arm, q_rad, outside_m);

	for (uint32_t i = 0; i < arm->model.dof; i++)
		if (!(q_rad[i] >= arm->model.q_min_rad[i] && q_rad[i] <= arm->model.q_max_rad[i]))
			mask |= LIMIT_POSITION;
	for (uint32_t k = 0; k < n; k++)
		if (!(outside_m[k] <= 0.0))
			mask |= k < SAFETY_FACES ? LIMIT_WORKSPACE : LIMIT_FLOOR;
	return mask;
}
