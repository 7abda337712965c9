/* safety_edge.c - see safety_edge.h. */
#include "daemon/stage/safety_edge.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

/* 1/s. Towards an edge d away the arm moves at a third of this times d at most: 67 mm/s at 10 mm. */
static const double softness = 20.0;
/* For the derivative of a gradient along the motion. */
static const double probe_s = 1e-4;
/* What a setpoint is beyond an edge by this is worth telling. */
static const double beyond_m = 1e-5;
static const double least_gradient = 1e-3; /* m/rad: an edge that the joints hardly move cannot be kept by moving them */
enum { ROUNDS = 3 };

typedef double gradients[SAFETY_EDGES][DOF_MAX];

void edge_init(struct safety *s)
{
	const struct robot_model *m = &s->arm->model;
	double rest = hypot(m->flange.a_m, m->flange.d_m), tool = vec3_norm(s->arm->tcp.p_m);

	for (uint32_t k = 0; k < m->n_points; k++)
		tool = fmax(tool, vec3_norm(m->point[k].p_m));
	rest += tool;
	for (uint32_t i = m->dof; i-- > 0;) {
		s->reach_m[i] = rest;
		rest += hypot(m->dh[i].a_m, m->dh[i].d_m);
	}
}

void edge_look(const struct safety *s, const struct axis *joint, struct edge_view *out)
{
	double q[DOF_MAX] = { 0 }, t[6] = { 0 }, j[6][DOF_MAX];
	struct heights low;

	for (uint32_t i = 0; i < s->arm->model.dof; i++)
		q[i] = joint[i].q;
	kinematics_whole(&s->arm->model, &s->arm->tcp, q, &out->ee, j, &low);
	for (int r = 0; r < 6; r++)
		for (uint32_t i = 0; i < s->arm->model.dof; i++)
			t[r] += j[r][i] * joint[i].v;
	memcpy(out->twist.v_m_s, t, sizeof out->twist.v_m_s);
	memcpy(out->twist.w_rad_s, t + 3, sizeof out->twist.w_rad_s);
	for (int k = 0; k < 3; k++) {
		out->inside_m[2 * k] = out->ee.p_m[k] - s->box_min_m[k];
		out->inside_m[2 * k + 1] = s->box_max_m[k] - out->ee.p_m[k];
	}
	for (uint32_t k = 0; k < low.n; k++)
		out->inside_m[SAFETY_FACES + k] = low.z_m[k] - s->floor_m[k];
	out->n = SAFETY_FACES + low.n;
}

uint32_t safety_edges(const struct arm_setup *arm, const double *q_rad, double outside_m[SAFETY_EDGES])
{
	struct heights low;
	struct pose ee;

	kinematics_forward(&arm->model, &arm->tcp, q_rad, &ee);
	kinematics_heights(&arm->model, &arm->tcp, q_rad, &low);
	for (int k = 0; k < 3; k++) {
		outside_m[2 * k] = arm->box_min_m[k] - ee.p_m[k];
		outside_m[2 * k + 1] = ee.p_m[k] - arm->box_max_m[k];
	}
	for (uint32_t k = 0; k < low.n; k++)
		outside_m[SAFETY_FACES + k] = arm->floor_m - low.z_m[k];
	return SAFETY_FACES + low.n;
}

void edge_follow(struct safety *s, const struct edge_view *view, bool start)
{
	const struct arm_setup *arm = s->arm;

	for (int k = 0; k < 3; k++) {
		double p = view->ee.p_m[k];

		s->box_min_m[k] = fmin(arm->box_min_m[k] + EDGE_KEPT_M, start ? p : fmax(p, s->box_min_m[k]));
		s->box_max_m[k] = fmax(arm->box_max_m[k] - EDGE_KEPT_M, start ? p : fmin(p, s->box_max_m[k]));
	}
	for (uint32_t k = SAFETY_FACES; k < view->n; k++) {
		double *floor_m = &s->floor_m[k - SAFETY_FACES], z = view->inside_m[k] + *floor_m;

		*floor_m = fmin(arm->floor_m + EDGE_KEPT_M, start ? z : fmax(z, *floor_m));
	}
}

double edge_widened_m(const struct safety *s, uint32_t k)
{
	const struct arm_setup *arm = s->arm;

	if (k >= SAFETY_FACES)
		return arm->floor_m + EDGE_KEPT_M - s->floor_m[k - SAFETY_FACES];
	return k % 2 == 0 ? arm->box_min_m[k / 2] + EDGE_KEPT_M - s->box_min_m[k / 2] : s->box_max_m[k / 2] - arm->box_max_m[k / 2] + EDGE_KEPT_M;
}

/* The second derivative of a point of a chain of revolute joints is at most sum L_i |a_i| + sum_ik L_max(i,k) |v_i v_k| (with L the
 * distance from a joint to the furthest point after it), and a curve leaves its chord by at most gap^2 / 8 times that. */
double edge_bend_m(const struct safety *s, const struct axis *from, const struct axis *to, double gap_s)
{
	double v[DOF_MAX], bend = 0.0;

	for (uint32_t i = 0; i < s->arm->model.dof; i++) {
		double a = fmax(fabs(from[i].a), fabs(to[i].a)) + s->limits[i].j_max * gap_s / 2.0;

		a = fmin(a, fmax(s->limits[i].a_max, fabs(from[i].a)));
		v[i] = fmax(fabs(from[i].v), fabs(to[i].v)) + a * gap_s / 2.0;
		bend += s->reach_m[i] * a;
		for (uint32_t k = 0; k < i; k++)
			bend += 2.0 * s->reach_m[i] * v[i] * v[k];
		bend += s->reach_m[i] * v[i] * v[i];
	}
	return bend * gap_s * gap_s / 8.0;
}

/* ---- in front of an edge ------------------------------------------------------------------------------------------- */

static double along(const double *gradient, const double *x, uint32_t n)
{
	double sum = 0.0;

	for (uint32_t i = 0; i < n; i++)
		sum += gradient[i] * x[i];
	return sum;
}

/* How every distance from an edge grows with every joint. */
static void edge_gradients(const struct safety *s, const double *q_rad, gradients g)
{
	const struct robot_model *m = &s->arm->model;
	double j[6][DOF_MAX], low[HEIGHTS_MAX][DOF_MAX];
	struct pose ee;

	kinematics_jacobian(m, &s->arm->tcp, q_rad, &ee, j);
	kinematics_height_gradients(m, &s->arm->tcp, q_rad, low);
	for (int k = 0; k < 3; k++)
		for (uint32_t i = 0; i < DOF_MAX; i++) {
			g[2 * k][i] = j[k][i];
			g[2 * k + 1][i] = -j[k][i];
		}
	memcpy(g + SAFETY_FACES, low, (m->n_points + 1) * sizeof low[0]);
}

/* x += as much of the gradient as makes gradient * x at least `least`. */
static void raise(const double *gradient, uint32_t n, double least, double *x)
{
	double size = along(gradient, gradient, n), missing = least - along(gradient, x, n);

	if (!(missing > 0.0) || !(size > least_gradient * least_gradient))
		return;
	for (uint32_t i = 0; i < n; i++)
		x[i] += gradient[i] * missing / size;
}

static bool near_an_edge(const struct edge_view *view, double within_m)
{
	for (uint32_t k = 0; k < view->n; k++)
		if (!(view->inside_m[k] > within_m))
			return true;
	return false;
}

uint32_t edge_pull_in(const struct safety *s, struct axis *reference)
{
	uint32_t mask = 0, n = s->arm->model.dof;
	double q[DOF_MAX] = { 0 }, v[DOF_MAX] = { 0 }, a[DOF_MAX] = { 0 };
	struct edge_view view;
	gradients g;

	edge_look(s, reference, &view);
	for (int round = 0; round < ROUNDS && near_an_edge(&view, 0.0); round++) {
		double step[DOF_MAX] = { 0 };

		for (uint32_t i = 0; i < n; i++) {
			q[i] = reference[i].q;
			v[i] = reference[i].v;
			a[i] = reference[i].a;
		}
		edge_gradients(s, q, g);
		for (uint32_t k = 0; k < view.n; k++) {
			if (view.inside_m[k] > 0.0)
				continue;
			mask |= view.inside_m[k] > -beyond_m ? 0u : k < SAFETY_FACES ? LIMIT_WORKSPACE : LIMIT_FLOOR;
			raise(g[k], n, -view.inside_m[k], step);
			raise(g[k], n, 0.0, v);
			raise(g[k], n, 0.0, a);
		}
		for (uint32_t i = 0; i < n; i++)
			reference[i] = (struct axis){ q[i] + step[i], v[i], a[i] };
		edge_look(s, reference, &view);
	}
	return mask;
}

/* Further away no edge asks anything of a motion like this; the same bounds as in edge_bend_m. */
static double far_m(const struct safety *s, const double *jerk)
{
	double v = 0.0, a = 0.0, j = 0.0, turning = 0.0;

	for (uint32_t i = 0; i < s->arm->model.dof; i++) {
		v += s->reach_m[i] * fabs(s->joint[i].v);
		a += s->reach_m[i] * fabs(s->joint[i].a);
		j += s->reach_m[i] * fabs(jerk[i]);
		turning += fabs(s->joint[i].v);
	}
	return (3.0 * (v + (a + turning * v) / softness) + j / (softness * softness)) / softness;
}

/* The distance d of each edge is let shrink like a triple pole at most: d''' + 3 k d'' + 3 k^2 d' + k^3 d >= 0. */
void edge_soften(const struct safety *s, double *jerk)
{
	uint32_t n = s->arm->model.dof;
	double q[DOF_MAX] = { 0 }, v[DOF_MAX] = { 0 }, a[DOF_MAX] = { 0 }, ahead[DOF_MAX] = { 0 };
	struct edge_view view;
	gradients g, later;

	edge_look(s, s->joint, &view);
	if (!near_an_edge(&view, far_m(s, jerk)))
		return;
	for (uint32_t i = 0; i < n; i++) {
		q[i] = s->joint[i].q;
		v[i] = s->joint[i].v;
		a[i] = s->joint[i].a;
		ahead[i] = q[i] + probe_s * v[i];
	}
	edge_gradients(s, q, g);
	edge_gradients(s, ahead, later);
	for (int round = 0; round < ROUNDS; round++)
		for (uint32_t k = 0; k < view.n; k++) {
			double speed = along(g[k], v, n), bend = (along(later[k], v, n) - speed) / probe_s;
			double least = -softness * (3.0 * (along(g[k], a, n) + bend) + softness * (3.0 * speed + softness * view.inside_m[k]));

			raise(g[k], n, least, jerk);
		}
}

void edge_slow(const struct safety *s, const struct axis *joint, double rate, double kept_m, double *speed)
{
	uint32_t n = s->arm->model.dof;
	double q[DOF_MAX] = { 0 };
	struct edge_view view;
	gradients g;

	edge_look(s, joint, &view);
	for (uint32_t i = 0; i < n; i++)
		q[i] = joint[i].q;
	edge_gradients(s, q, g);
	for (int round = 0; round < ROUNDS; round++)
		for (uint32_t k = 0; k < view.n; k++)
			raise(g[k], n, -rate * (k < SAFETY_FACES ? fmax(0.0, view.inside_m[k]) : view.inside_m[k] - kept_m), speed);
}

double edge_hand_above_m(const struct safety *s, const struct axis *joint)
{
	const struct robot_model *m = &s->arm->model;
	struct edge_view view;

	edge_look(s, joint, &view);
	double least = view.inside_m[SAFETY_FACES + m->n_points]; /* the TCP */

	for (uint32_t k = 0; k < m->n_points; k++)
		if (m->point[k].frame >= m->dof)
			least = fmin(least, view.inside_m[SAFETY_FACES + k]);
	return least;
}
