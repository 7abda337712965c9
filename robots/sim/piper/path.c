/* path.c - see path.h. */
#include "robots/sim/piper/path.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

static const double ms_s = 1e-3;
static const double shortest_m = 1e-6, shortest_rad = 1e-6;

static double dot(const double a[3], const double b[3])
{
	return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void difference(const double a[3], const double b[3], double out[3])
{
	for (int i = 0; i < 3; i++)
		out[i] = a[i] - b[i];
}

void piper_path_line(struct piper_path *p, const struct pose *from, const struct pose *to)
{
	double way[6];

	pose_difference(from, to, way);
	*p = (struct piper_path){ .active = true, .from = *from, .to = *to, .length_m = vec3_norm(way) };
	memcpy(p->turn_rad, way + 3, sizeof p->turn_rad);
}

/* Centre of the circle through 0, u and v: ((|u|^2 v - |v|^2 u) x (u x v)) / (2 |u x v|^2). */
static bool circle(const double u[3], const double v[3], double centre[3], double axis[3])
{
	double a[3], uu = dot(u, u), vv = dot(v, v);

	vec3_cross(u, v, axis);
	double n2 = dot(axis, axis);

	if (n2 < shortest_m * shortest_m * fmax(uu, vv))
		return false;
	for (int i = 0; i < 3; i++)
		a[i] = uu * v[i] - vv * u[i];
	vec3_cross(a, axis, centre);
	for (int i = 0; i < 3; i++) {
		centre[i] /= 2.0 * n2;
		axis[i] /= sqrt(n2);
	}
	return true;
}

void piper_path_arc(struct piper_path *p, const struct pose *from, const struct pose *middle, const struct pose *to)
{
	double u[3], v[3], centre[3], axis[3], side[3], last[3], first[3];

	piper_path_line(p, from, to);
	difference(middle->p_m, from->p_m, u);
	difference(to->p_m, from->p_m, v);
	if (!circle(u, v, centre, axis))
		return;
	for (int i = 0; i < 3; i++) {
		first[i] = -centre[i];
		last[i] = v[i] - centre[i];
		p->centre_m[i] = from->p_m[i] + centre[i];
	}
	memcpy(p->axis, axis, sizeof p->axis);
	vec3_cross(axis, first, side);
	p->angle_rad = atan2(dot(last, side), dot(last, first)); /* |side| = |first| */
	if (p->angle_rad <= 0.0)
		p->angle_rad += 2.0 * M_PI;
	p->length_m = p->angle_rad * vec3_norm(first);
}

static void place(const struct piper_path *p, struct pose *out)
{
	double turn[3], q[4], arm[3];

	for (int i = 0; i < 3; i++) {
		turn[i] = p->s * p->turn_rad[i];
		out->p_m[i] = p->from.p_m[i] + p->s * (p->to.p_m[i] - p->from.p_m[i]);
	}
	quat_from_rotvec(turn, q);
	quat_multiply(q, p->from.q_xyzw, out->q_xyzw);
	if (p->angle_rad == 0.0)
		return;
	for (int i = 0; i < 3; i++)
		turn[i] = p->s * p->angle_rad * p->axis[i];
	difference(p->from.p_m, p->centre_m, arm);
	quat_from_rotvec(turn, q);
	quat_rotate(q, arm, arm);
	for (int i = 0; i < 3; i++)
		out->p_m[i] = p->centre_m[i] + arm[i];
}

void piper_path_step(struct piper_path *p, const struct piper_path_limits *l, struct pose *out)
{
	double length = fmax(p->length_m, shortest_m), turn = fmax(vec3_norm(p->turn_rad), shortest_rad);
	double v = fmin(l->v_m_s / length, l->w_rad_s / turn), a = fmin(l->a_m_s2 / length, l->alpha_rad_s2 / turn);
	double left = fmax(1.0 - p->s, 0.0), wish = fmin(v, sqrt(2.0 * a * left));

	p->rate_1_s = fmin(p->rate_1_s + a * ms_s, wish);
	p->s += p->rate_1_s * ms_s;
	/* The root brings it ever slower to the end; within a few of its last steps it is there. */
	if (1.0 - p->s < 2.0 * a * ms_s * ms_s) {
		p->s = 1.0;
		p->active = false;
	}
	place(p, out);
}
