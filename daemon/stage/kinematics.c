/* kinematics.c - forward kinematics from modified Denavit-Hartenberg rows (Craig, Introduction to Robotics, 3.4), the
 * geometric Jacobian, and damped least squares. */
#include "daemon/stage/kinematics.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

struct frame {
	double r[3][3], p[3];
};

static const struct frame frame_identity = { .r = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } } };

/* f = f * Rot_x(alpha) Trans_x(a) Rot_z(theta + offset) Trans_z(d). */
static void frame_advance(struct frame *f, const struct dh_row *row, double theta_rad)
{
	double c = cos(theta_rad + row->offset_rad), s = sin(theta_rad + row->offset_rad);
	double ca = cos(row->alpha_rad), sa = sin(row->alpha_rad);
	double t[3][3] = { { c, -s, 0.0 }, { s * ca, c * ca, -sa }, { s * sa, c * sa, ca } };
	double d[3] = { row->a_m, -row->d_m * sa, row->d_m * ca };
	struct frame n = { .p = { f->p[0], f->p[1], f->p[2] } };

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++) {
			n.p[i] += f->r[i][k] * d[k];
			for (int j = 0; j < 3; j++)
				n.r[i][j] += f->r[i][k] * t[k][j];
		}
	*f = n;
}

/* out[i] = frame i + 1 of Craig's count; out[dof] = flange. */
static void frames(const struct robot_model *m, const double *q_rad, struct frame out[DOF_MAX + 1])
{
	struct frame f = frame_identity;

	for (uint32_t i = 0; i < m->dof; i++) {
		frame_advance(&f, &m->dh[i], q_rad[i]);
		out[i] = f;
	}
	frame_advance(&f, &m->flange, 0.0);
	out[m->dof] = f;
}

static void frame_to_pose(const struct frame *f, struct pose *out)
{
	memcpy(out->p_m, f->p, sizeof out->p_m);
	quat_from_matrix(f->r, out->q_xyzw);
}

void kinematics_forward(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct pose *out)
{
	struct frame f[DOF_MAX + 1];
	struct pose flange;

	frames(m, q_rad, f);
	frame_to_pose(&f[m->dof], &flange);
	pose_multiply(&flange, tcp, out);
}

static void jacobian(const struct robot_model *m, const struct frame f[DOF_MAX + 1], const struct pose *tcp, double j[6][DOF_MAX])
{
	memset(j, 0, 6 * sizeof j[0]);
	for (uint32_t i = 0; i < m->dof; i++) {
		double axis[3] = { f[i].r[0][2], f[i].r[1][2], f[i].r[2][2] };
		double arm[3] = { tcp->p_m[0] - f[i].p[0], tcp->p_m[1] - f[i].p[1], tcp->p_m[2] - f[i].p[2] };
		double v[3];

		vec3_cross(axis, arm, v);
		for (int k = 0; k < 3; k++) {
			j[k][i] = v[k];
			j[3 + k][i] = axis[k];
		}
	}
}

void kinematics_jacobian(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct pose *out,
		double j[6][DOF_MAX])
{
	struct frame f[DOF_MAX + 1];
	struct pose flange;

	frames(m, q_rad, f);
	frame_to_pose(&f[m->dof], &flange);
	pose_multiply(&flange, tcp, out);
	jacobian(m, f, out, j);
}

/* Centre of ball k in the base frame. */
static void point_place(const struct frame f[DOF_MAX + 1], const struct link_point *point, double out[3])
{
	const struct frame *at = &f[point->frame - 1];

	for (int i = 0; i < 3; i++)
		out[i] = at->p[i] + at->r[i][0] * point->p_m[0] + at->r[i][1] * point->p_m[1] + at->r[i][2] * point->p_m[2];
}

static void heights(const struct robot_model *m, const struct frame f[DOF_MAX + 1], const struct pose *tcp, struct heights *out)
{
	double p[3];

	for (uint32_t k = 0; k < m->n_points; k++) {
		point_place(f, &m->point[k], p);
		out->z_m[k] = p[2] - m->point[k].radius_m;
	}
	out->z_m[m->n_points] = tcp->p_m[2];
	out->n = m->n_points + 1;
}

void kinematics_heights(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct heights *out)
{
	struct frame f[DOF_MAX + 1];
	struct pose flange, ee;

	frames(m, q_rad, f);
	frame_to_pose(&f[m->dof], &flange);
	pose_multiply(&flange, tcp, &ee);
	heights(m, f, &ee, out);
}

void kinematics_whole(const struct robot_model *m, const struct pose *tcp, const double *q_rad, struct pose *out, double j[6][DOF_MAX],
		struct heights *low)
{
	struct frame f[DOF_MAX + 1];
	struct pose flange;

	frames(m, q_rad, f);
	frame_to_pose(&f[m->dof], &flange);
	pose_multiply(&flange, tcp, out);
	jacobian(m, f, out, j);
	heights(m, f, out, low);
}

/* z of axis x arm, for the joints that move the point. */
static void height_gradient(const struct frame f[DOF_MAX + 1], const double p[3], uint32_t joints, double *out)
{
	for (uint32_t i = 0; i < DOF_MAX; i++)
		out[i] = i < joints ? f[i].r[0][2] * (p[1] - f[i].p[1]) - f[i].r[1][2] * (p[0] - f[i].p[0]) : 0.0;
}

void kinematics_height_gradients(const struct robot_model *m, const struct pose *tcp, const double *q_rad,
		double out[HEIGHTS_MAX][DOF_MAX])
{
	struct frame f[DOF_MAX + 1];
	struct pose flange, ee;
	double p[3];

	frames(m, q_rad, f);
	for (uint32_t k = 0; k < m->n_points; k++) {
		uint32_t joints = m->point[k].frame < m->dof ? m->point[k].frame : m->dof;

		point_place(f, &m->point[k], p);
		height_gradient(f, p, joints, out[k]);
	}
	frame_to_pose(&f[m->dof], &flange);
	pose_multiply(&flange, tcp, &ee);
	height_gradient(f, ee.p_m, m->dof, out[m->n_points]);
}

void kinematics_link_poses(const struct robot_model *m, const double *q_rad, struct pose out[DOF_MAX + 1])
{
	struct frame f[DOF_MAX + 1];

	frames(m, q_rad, f);
	for (uint32_t i = 0; i <= m->dof; i++)
		frame_to_pose(&f[i], &out[i]);
}

/* k->factor = lower Cholesky factor of J J' + damping I; returns sqrt(det). */
static double factorise(struct ik *k, double damping)
{
	double(*l)[6] = k->factor;
	double root = 1.0;

	for (int r = 0; r < 6; r++)
		for (int c = 0; c <= r; c++) {
			double sum = r == c ? damping : 0.0;

			for (uint32_t i = 0; i < k->dof; i++)
				sum += k->j[r][i] * k->j[c][i];
			for (int i = 0; i < c; i++)
				sum -= l[r][i] * l[c][i];
			if (r == c) {
				l[r][r] = sqrt(fmax(sum, 1e-18));
				root *= l[r][r];
			} else {
				l[r][c] = sum / l[c][c];
			}
		}
	return root;
}

void ik_prepare(struct ik *k, const struct robot_model *m, const struct pose *tcp, const double *q_rad)
{
	/* A Panda's manipulability is about 0.08 in ordinary postures; well below it damping sets in. */
	const double ordinary = 0.02, least = 1e-7, most = 1e-2;

	*k = (struct ik){ .dof = m->dof };
	kinematics_jacobian(m, tcp, q_rad, &k->tcp, k->j);
	k->manipulability = factorise(k, 0.0);
	double near = fmax(0.0, 1.0 - k->manipulability / ordinary);

	factorise(k, least + most * near * near);
}

void ik_prepare_damped(struct ik *k, const struct robot_model *m, const struct pose *tcp, const double *q_rad, double damping)
{
	*k = (struct ik){ .dof = m->dof };
	kinematics_jacobian(m, tcp, q_rad, &k->tcp, k->j);
	k->manipulability = factorise(k, 0.0);
	factorise(k, damping);
}

void ik_solve(const struct ik *k, const double twist[6], double *dq)
{
	double y[6];

	for (int r = 0; r < 6; r++) {
		y[r] = twist[r];
		for (int c = 0; c < r; c++)
			y[r] -= k->factor[r][c] * y[c];
		y[r] /= k->factor[r][r];
	}
	for (int r = 5; r >= 0; r--) {
		for (int c = r + 1; c < 6; c++)
			y[r] -= k->factor[c][r] * y[c];
		y[r] /= k->factor[r][r];
	}
	for (uint32_t i = 0; i < k->dof; i++) {
		dq[i] = 0.0;
		for (int r = 0; r < 6; r++)
			dq[i] += k->j[r][i] * y[r];
	}
}

void ik_null_space(const struct ik *k, const double *wish, double *dq)
{
	double twist[6] = { 0 }, moved[DOF_MAX];

	for (int r = 0; r < 6; r++)
		for (uint32_t i = 0; i < k->dof; i++)
			twist[r] += k->j[r][i] * wish[i];
	ik_solve(k, twist, moved);
	for (uint32_t i = 0; i < k->dof; i++)
		dq[i] = k->dof > 6 ? wish[i] - moved[i] : 0.0;
}

void ik_posture_wish(const struct robot_model *m, const double *home_rad, const double *q_rad, double *dq)
{
	const double to_home = 0.5, from_limit = 3.0, zone_rad = 0.3; /* 1/s, 1/s, rad */

	for (uint32_t i = 0; i < m->dof; i++) {
		double below = fmax(0.0, m->q_min_rad[i] + zone_rad - q_rad[i]);
		double above = fmax(0.0, q_rad[i] - (m->q_max_rad[i] - zone_rad));

		dq[i] = to_home * (home_rad[i] - q_rad[i]) + from_limit * (below - above);
	}
}

struct ik_error ik_step(const struct robot_model *m, const struct pose *tcp, const struct pose *goal, double max_step_rad,
		double *q_rad)
{
	const double margin_rad = 1e-3;
	double missing[6], dq[DOF_MAX], largest = 0.0;
	struct ik k;

	ik_prepare(&k, m, tcp, q_rad);
	pose_difference(&k.tcp, goal, missing);
	ik_solve(&k, missing, dq);
	for (uint32_t i = 0; i < m->dof; i++)
		largest = fmax(largest, fabs(dq[i]));
	double scale = largest > max_step_rad ? max_step_rad / largest : 1.0;

	for (uint32_t i = 0; i < m->dof; i++) {
		double low = fmin(q_rad[i], m->q_min_rad[i] + margin_rad);
		double high = fmax(q_rad[i], m->q_max_rad[i] - margin_rad);

		q_rad[i] = fmin(fmax(q_rad[i] + scale * dq[i], low), high);
	}
	return (struct ik_error){ vec3_norm(missing), vec3_norm(missing + 3) };
}
