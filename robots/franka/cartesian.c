#include "robots/franka/cartesian.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double DIFFERENCE_MAX_M = 1e-3, DIFFERENCE_MAX_RAD = 5e-3;
/* Angle of joint 4 at which the elbow points neither way (libfranka 0.9.2, as a fact). */
static const double ELBOW_FLIP_RAD = -0.467002423653011;

static const double dt_s = 1e-3;
/* What float32 joints and poses make of an arm of 1 m: no difference of kinematics, and no more than 0.5 m/s^2 and 500 m/s^3 at the start. */
static const double ROUNDING = 1e-6;
static const struct franka_cartesian_limits panda = { { 1.7, 13, 6500 }, { 2.5, 25, 12500 }, { 2.175, 10, 5000 } };
/* The elbow's speed: libfranka's limiter from 0.10 on has 1.5, the documentation 2.62. */
static const struct franka_cartesian_limits fr3 = { { 3.0, 9, 4500 }, { 2.5, 17, 8500 }, { 1.5, 10, 5000 } };

void franka_cartesian_init(struct franka_cartesian *c, uint32_t version, const struct robot_model *m, const struct pose *tcp)
{
	*c = (struct franka_cartesian){ .limits = version >= 6 ? fr3 : panda, .model = m, .tcp = *tcp, .turn_xyzw = { 0, 0, 0, 1 } };
}

static void robot_pose(const struct fci_state *s, struct pose *out)
{
	const double *t = s->O_T_EE_c;
	const double rotation[3][3] = { { t[0], t[4], t[8] }, { t[1], t[5], t[9] }, { t[2], t[6], t[10] } };

	memcpy(out->p_m, t + 12, sizeof out->p_m);
	quat_from_matrix(rotation, out->q_xyzw);
	quat_normalise(out->q_xyzw, out->q_xyzw);
}

/* The model's, as the robot sees it. */
static void pose_of(const struct franka_cartesian *c, const double *q_rad, struct pose *out)
{
	kinematics_forward(c->model, &c->tcp, q_rad, out);
	for (int i = 0; i < 3; i++)
		out->p_m[i] += c->shift_m[i];
	quat_multiply(c->turn_xyzw, out->q_xyzw, out->q_xyzw);
	quat_normalise(out->q_xyzw, out->q_xyzw);
}

bool franka_cartesian_begin(struct franka_cartesian *c, const struct fci_state *s)
{
	struct pose model, robot;
	double difference[6];

	robot_pose(s, &robot);
	kinematics_forward(c->model, &c->tcp, s->q_d, &model);
	pose_difference(&model, &robot, difference);
	if (vec3_norm(difference) <= ROUNDING && vec3_norm(difference + 3) <= ROUNDING)
		memset(difference, 0, sizeof difference);
	memcpy(c->shift_m, difference, sizeof c->shift_m);
	quat_from_rotvec(difference + 3, c->turn_xyzw);
	/* Where they stand: what a state says of a motion that has not begun is not documented. */
	c->last = (struct fci_state){ .elbow_c = { s->q_d[2] } };
	memcpy(c->last.O_T_EE_c, s->O_T_EE_c, sizeof s->O_T_EE_c);
	return vec3_norm(difference) <= DIFFERENCE_MAX_M && vec3_norm(difference + 3) <= DIFFERENCE_MAX_RAD;
}

void franka_cartesian_see(struct franka_cartesian *c, const struct fci_state *s)
{
	c->last = *s;
}

/* Speed, acceleration and jerk of three numbers that change together, each as the length of its vector. */
static double load(const double *v, const double *v_last, const double *a_last, const double limit[3])
{
	double a[3], j[3];

	for (int i = 0; i < 3; i++) {
		a[i] = (v[i] - v_last[i]) / dt_s;
		j[i] = (a[i] - a_last[i]) / dt_s;
	}
	return fmax(vec3_norm(v) / limit[0], fmax(vec3_norm(a) / limit[1], vec3_norm(j) / limit[2]));
}

double franka_cartesian_load(const struct franka_cartesian *c, const double *q_rad)
{
	struct pose from, to;
	double twist[6];
	const double elbow[3] = { (q_rad[2] - c->last.elbow_c[0]) / dt_s }, rate[3] = { c->last.delbow_c[0] },
			change[3] = { c->last.ddelbow_c[0] };

	robot_pose(&c->last, &from);
	pose_of(c, q_rad, &to);
	pose_difference(&from, &to, twist);
	for (int i = 0; i < 6; i++)
		twist[i] /= dt_s;
	double moved = load(twist, c->last.O_dP_EE_c, c->last.O_ddP_EE_c, c->limits.translation);
	double turned = load(twist + 3, c->last.O_dP_EE_c + 3, c->last.O_ddP_EE_c + 3, c->limits.rotation);

	return fmax(fmax(moved, turned), load(elbow, rate, change, c->limits.elbow));
}

static void put_pose(const struct pose *p, double t[16])
{
	double r[3][3];

	quat_to_matrix(p->q_xyzw, r);
	for (int column = 0; column < 3; column++)
		for (int row = 0; row < 3; row++)
			t[4 * column + row] = r[row][column];
	memcpy(t + 12, p->p_m, sizeof p->p_m);
	t[15] = 1;
}

void franka_cartesian_put(const struct franka_cartesian *c, const double *q_rad, struct fci_motion *out)
{
	struct pose p;

	pose_of(c, q_rad, &p);
	put_pose(&p, out->O_T_EE_c);
	out->elbow_c[0] = q_rad[2];
	out->elbow_c[1] = q_rad[3] > ELBOW_FLIP_RAD ? 1 : -1;
	out->valid_elbow = 1;
}
