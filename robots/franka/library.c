/* library.c - the model library that a Franka serves its clients, built once for each of FRANKA_DYNAMICS (franka_dynamics_panda, _fr3): poses, Jacobians and dynamics under the names that libfranka looks
 * up (libfranka 0.9.2, model_library.h, as facts). Built as a shared object of its own, for the client's machine.
 *
 * Poses and Jacobians are column-major, Jacobians 6 x 7 with the linear rows first. J1 to J7 are the joints, J8 is the flange, J9 the
 * end effector: the flange turned and moved by F_T_EE. O_: in the base frame; Ji_: in the body's own. I_total is about the centre of
 * mass F_x_Ctotal of what the flange carries. Thread: any. Allocates: no. */
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/franka/dynamics.h"

enum { FLANGE = 8, END_EFFECTOR = 9 };

static void pose_from_columns(const double t[16], struct pose *out)
{
	const double r[3][3] = { { t[0], t[4], t[8] }, { t[1], t[5], t[9] }, { t[2], t[6], t[10] } };

	memcpy(out->p_m, t + 12, sizeof out->p_m);
	quat_from_matrix(r, out->q_xyzw);
}

static void pose_to_columns(const struct pose *p, double t[16])
{
	double r[3][3];

	quat_to_matrix(p->q_xyzw, r);
	memset(t, 0, 16 * sizeof *t);
	for (int i = 0; i < 3; i++) {
		t[12 + i] = p->p_m[i];
		for (int j = 0; j < 3; j++)
			t[4 * j + i] = r[i][j];
	}
	t[15] = 1.0;
}

/* Poses of joints 1 to 7, the flange, and the end effector. */
static void bodies(const double *q, const double *f_t_ee, struct pose out[END_EFFECTOR])
{
	struct pose tool = pose_identity;

	kinematics_link_poses(FRANKA_DYNAMICS.model, q, out);
	if (f_t_ee)
		pose_from_columns(f_t_ee, &tool);
	pose_multiply(&out[FLANGE - 1], &tool, &out[END_EFFECTOR - 1]);
}

static void body_pose(int body, const double *q, const double *f_t_ee, double *t)
{
	struct pose p[END_EFFECTOR];

	bodies(q, f_t_ee, p);
	pose_to_columns(&p[body - 1], t);
}

/* How a body moves with one joint, seen from the base or from itself. */
static void column(const struct pose *joint, const struct pose *body, bool own_frame, double out[6])
{
	double z[3] = { 0, 0, 1 }, apart[3], back[4];

	quat_rotate(joint->q_xyzw, z, z);
	for (int i = 0; i < 3; i++)
		apart[i] = body->p_m[i] - joint->p_m[i];
	vec3_cross(z, apart, out);
	memcpy(out + 3, z, sizeof z);
	if (!own_frame)
		return;
	quat_conjugate(body->q_xyzw, back);
	quat_rotate(back, out, out);
	quat_rotate(back, out + 3, out + 3);
}

static void body_jacobian(int body, bool own_frame, const double *q, const double *f_t_ee, double *j)
{
	struct pose p[END_EFFECTOR];

	bodies(q, f_t_ee, p);
	memset(j, 0, 42 * sizeof *j);
	for (int i = 0; i < FRANKA_DOF && i < body; i++)
		column(&p[i], &p[body - 1], own_frame, j + 6 * i);
}

#define POSE(body) \
	void O_T_J##body(const double *q, double *t); \
	void O_T_J##body(const double *q, double *t) \
	{ \
		body_pose(body, q, NULL, t); \
	}
#define JACOBIANS(body) \
	void O_J_J##body(const double *q, double *j); \
	void O_J_J##body(const double *q, double *j) \
	{ \
		body_jacobian(body, false, q, NULL, j); \
	} \
	void Ji_J_J##body(const double *q, double *j); \
	void Ji_J_J##body(const double *q, double *j) \
	{ \
		body_jacobian(body, true, q, NULL, j); \
	}

POSE(1)
POSE(2)
POSE(3)
POSE(4)
POSE(5)
POSE(6)
POSE(7)
POSE(8)
JACOBIANS(2)
JACOBIANS(3)
JACOBIANS(4)
JACOBIANS(5)
JACOBIANS(6)
JACOBIANS(7)
JACOBIANS(8)

void O_T_J9(const double *q, const double *f_t_ee, double *t);
void O_T_J9(const double *q, const double *f_t_ee, double *t)
{
	body_pose(END_EFFECTOR, q, f_t_ee, t);
}

void O_J_J9(const double *q, const double *f_t_ee, double *j);
void O_J_J9(const double *q, const double *f_t_ee, double *j)
{
	body_jacobian(END_EFFECTOR, false, q, f_t_ee, j);
}

void Ji_J_J9(const double *q, const double *f_t_ee, double *j);
void Ji_J_J9(const double *q, const double *f_t_ee, double *j)
{
	body_jacobian(END_EFFECTOR, true, q, f_t_ee, j);
}

/* The first joint's Jacobians are the same in every posture: its frame turns about its own axis, which is the base's. */
static const double any_posture[FRANKA_DOF];

void O_J_J1(double *j);
void O_J_J1(double *j)
{
	body_jacobian(1, false, any_posture, NULL, j);
}

void Ji_J_J1(double *j);
void Ji_J_J1(double *j)
{
	body_jacobian(1, true, any_posture, NULL, j);
}

static struct franka_body carried(const double *i_total, double m_total, const double *f_x_ctotal)
{
	return (struct franka_body){ m_total, { f_x_ctotal[0], f_x_ctotal[1], f_x_ctotal[2] },
		{ i_total[0], i_total[4], i_total[8], i_total[3], i_total[6], i_total[7] } };
}

void M_NE(const double *q, const double *i_total, double m_total, const double *f_x_ctotal, double *m);
void M_NE(const double *q, const double *i_total, double m_total, const double *f_x_ctotal, double *m)
{
	struct franka_body load = carried(i_total, m_total, f_x_ctotal);
	double rows[FRANKA_DOF][FRANKA_DOF];

	franka_mass(&FRANKA_DYNAMICS, &load, q, rows);
	memcpy(m, rows, sizeof rows); /* symmetric */
}

void c_NE(const double *q, const double *dq, const double *i_total, double m_total, const double *f_x_ctotal, double *c);
void c_NE(const double *q, const double *dq, const double *i_total, double m_total, const double *f_x_ctotal, double *c)
{
	struct franka_body load = carried(i_total, m_total, f_x_ctotal);

	franka_coriolis(&FRANKA_DYNAMICS, &load, q, dq, c);
}

void g_NE(const double *q, const double *g_earth, double m_total, const double *f_x_ctotal, double *g);
void g_NE(const double *q, const double *g_earth, double m_total, const double *f_x_ctotal, double *g)
{
	static const double no_inertia[9]; /* gravity does not ask for it */
	struct franka_body load = carried(no_inertia, m_total, f_x_ctotal);

	franka_gravity(&FRANKA_DYNAMICS, &load, g_earth, q, g);
}
