/* dynamics.c - see dynamics.h. All vectors are in the base frame. */
#include "robots/franka/dynamics.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

const double franka_earth_m_s2[3] = { 0.0, 0.0, -9.81 };

/* How a link moves: its frame's origin and axes, angular velocity and acceleration, acceleration of the origin. */
struct link_motion {
	double o_m[3], r[3][3], w[3], alpha[3], a[3];
};

static void add(double out[3], const double v[3])
{
	for (int i = 0; i < 3; i++)
		out[i] += v[i];
}

static void add_cross(double out[3], const double a[3], const double b[3])
{
	double c[3];

	vec3_cross(a, b, c);
	add(out, c);
}

/* out += alpha x r + w x (w x r) */
static void add_point_acceleration(double out[3], const struct link_motion *l, const double r[3])
{
	double wr[3];

	add_cross(out, l->alpha, r);
	vec3_cross(l->w, r, wr);
	add_cross(out, l->w, wr);
}

static void turn(const double r[3][3], const double v[3], double out[3])
{
	for (int i = 0; i < 3; i++)
		out[i] = r[i][0] * v[0] + r[i][1] * v[1] + r[i][2] * v[2];
}

/* From one link to the next: its origin lies on the joint's axis and is a point of both. */
static void next_link(const struct link_motion *before, double dq, double ddq, struct link_motion *l)
{
	const double z[3] = { l->r[0][2], l->r[1][2], l->r[2][2] };
	double spin[3] = { z[0] * dq, z[1] * dq, z[2] * dq }, apart[3];

	for (int i = 0; i < 3; i++) {
		apart[i] = l->o_m[i] - before->o_m[i];
		l->w[i] = before->w[i] + spin[i];
		l->alpha[i] = before->alpha[i] + z[i] * ddq;
		l->a[i] = before->a[i];
	}
	add_cross(l->alpha, before->w, spin);
	add_point_acceleration(l->a, before, apart);
}

static void links_move(const struct franka_dynamics *d, const double gravity_m_s2[3], const struct franka_motion *m,
		struct link_motion link[FRANKA_DOF])
{
	struct pose pose[DOF_MAX + 1];
	struct link_motion base = { { 0 }, { { 0 } }, { 0 }, { 0 }, { -gravity_m_s2[0], -gravity_m_s2[1], -gravity_m_s2[2] } };

	kinematics_link_poses(d->model, m->q_rad, pose);
	for (int i = 0; i < FRANKA_DOF; i++) {
		memcpy(link[i].o_m, pose[i].p_m, sizeof link[i].o_m);
		quat_to_matrix(pose[i].q_xyzw, link[i].r);
		next_link(i ? &link[i - 1] : &base, m->dq_rad_s[i], m->ddq_rad_s2[i], &link[i]);
	}
}

/* I v for the inertia of a body turned by r. */
static void inertia_times(const double inertia[6], const double r[3][3], const double v[3], double out[3])
{
	const double (*const t)[3] = r;
	double local[3], product[3];

	for (int i = 0; i < 3; i++)
		local[i] = t[0][i] * v[0] + t[1][i] * v[1] + t[2][i] * v[2];
	product[0] = inertia[0] * local[0] + inertia[3] * local[1] + inertia[4] * local[2];
	product[1] = inertia[3] * local[0] + inertia[1] * local[1] + inertia[5] * local[2];
	product[2] = inertia[4] * local[0] + inertia[5] * local[1] + inertia[2] * local[2];
	turn(r, product, out);
}

/* Adds the force that a body needs, and its moment about the link's origin. */
static void add_body(const struct franka_body *b, const struct link_motion *l, double force[3], double moment[3])
{
	double com[3], a[3] = { l->a[0], l->a[1], l->a[2] }, spin[3], f[3];

	turn(l->r, b->com_m, com);
	add_point_acceleration(a, l, com);
	for (int i = 0; i < 3; i++)
		f[i] = b->mass_kg * a[i];
	add(force, f);
	add_cross(moment, com, f);
	inertia_times(b->inertia_kg_m2, l->r, l->alpha, spin);
	add(moment, spin);
	inertia_times(b->inertia_kg_m2, l->r, l->w, spin);
	add_cross(moment, l->w, spin);
}

void franka_inverse_dynamics(const struct franka_dynamics *d, const struct franka_body *load, const double gravity_m_s2[3],
		const struct franka_motion *m, double tau_nm[FRANKA_DOF])
{
	struct link_motion link[FRANKA_DOF];
	struct franka_body carried = *load; /* in the frame of link 7: the flange lies along its z axis */
	double force[3] = { 0 }, moment[3] = { 0 };

	carried.com_m[2] += d->model->flange.d_m;
	links_move(d, gravity_m_s2, m, link);
	for (int i = FRANKA_DOF - 1; i >= 0; i--) {
		double apart[3] = { 0 };

		for (int k = 0; k < 3 && i + 1 < FRANKA_DOF; k++)
			apart[k] = link[i + 1].o_m[k] - link[i].o_m[k];
		add_cross(moment, apart, force);
		if (i + 1 == FRANKA_DOF)
			add_body(&carried, &link[i], force, moment);
		add_body(&d->link[i], &link[i], force, moment);
		tau_nm[i] = moment[0] * link[i].r[0][2] + moment[1] * link[i].r[1][2] + moment[2] * link[i].r[2][2];
	}
}

void franka_mass(const struct franka_dynamics *d, const struct franka_body *load, const double *q_rad, double m[FRANKA_DOF][FRANKA_DOF])
{
	const double none[3] = { 0 };

	for (int i = 0; i < FRANKA_DOF; i++) {
		struct franka_motion one = { .ddq_rad_s2 = { [0] = 0 } };

		memcpy(one.q_rad, q_rad, sizeof one.q_rad);
		one.ddq_rad_s2[i] = 1.0;
		franka_inverse_dynamics(d, load, none, &one, m[i]);
	}
}

void franka_coriolis(const struct franka_dynamics *d, const struct franka_body *load, const double *q_rad, const double *dq_rad_s,
		double tau_nm[FRANKA_DOF])
{
	const double none[3] = { 0 };
	struct franka_motion m = { { 0 } };

	memcpy(m.q_rad, q_rad, sizeof m.q_rad);
	memcpy(m.dq_rad_s, dq_rad_s, sizeof m.dq_rad_s);
	franka_inverse_dynamics(d, load, none, &m, tau_nm);
}

void franka_gravity(const struct franka_dynamics *d, const struct franka_body *load, const double gravity_m_s2[3], const double *q_rad,
		double tau_nm[FRANKA_DOF])
{
	struct franka_motion m = { { 0 } };

	memcpy(m.q_rad, q_rad, sizeof m.q_rad);
	franka_inverse_dynamics(d, load, gravity_m_s2, &m, tau_nm);
}

/* l l' = m; false for what is not positive definite. */
static bool factor(double m[FRANKA_DOF][FRANKA_DOF], double l[FRANKA_DOF][FRANKA_DOF])
{
	for (int i = 0; i < FRANKA_DOF; i++)
		for (int j = 0; j <= i; j++) {
			double sum = m[i][j];

			for (int k = 0; k < j; k++)
				sum -= l[i][k] * l[j][k];
			if (i == j && !(sum > 0.0))
				return false;
			l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
		}
	return true;
}

bool franka_solve(double m[FRANKA_DOF][FRANKA_DOF], const double b[FRANKA_DOF], double x[FRANKA_DOF])
{
	double l[FRANKA_DOF][FRANKA_DOF], y[FRANKA_DOF];

	if (!factor(m, l))
		return false;
	for (int i = 0; i < FRANKA_DOF; i++) {
		y[i] = b[i];
		for (int k = 0; k < i; k++)
			y[i] -= l[i][k] * y[k];
		y[i] /= l[i][i];
	}
	for (int i = FRANKA_DOF - 1; i >= 0; i--) {
		x[i] = y[i];
		for (int k = i + 1; k < FRANKA_DOF; k++)
			x[i] -= l[k][i] * x[k];
		x[i] /= l[i][i];
	}
	return true;
}
