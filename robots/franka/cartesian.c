#include "robots/franka/cartesian.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double DIFFERENCE_MAX_M = 1e-3, DIFFERENCE_MAX_RAD = 5e-3;
/* Angle of joint 4 at which the elbow points neither way (libfranka 0.9.2, as a fact). */
static const double ELBOW_FLIP_RAD = -0.467002423653011;

void franka_cartesian_init(struct franka_cartesian *c, const struct robot_model *m, const struct pose *tcp)
{
	*c = (struct franka_cartesian){ .model = m, .tcp = *tcp, .turn_xyzw = { 0, 0, 0, 1 } };
}

bool franka_cartesian_begin(struct franka_cartesian *c, const struct fci_state *s)
{
	const double *t = s->O_T_EE_c;
	const double rotation[3][3] = { { t[0], t[4], t[8] }, { t[1], t[5], t[9] }, { t[2], t[6], t[10] } };
	struct pose model, robot = { .p_m = { t[12], t[13], t[14] } };
	double difference[6];

	quat_from_matrix(rotation, robot.q_xyzw);
	quat_normalise(robot.q_xyzw, robot.q_xyzw);
	kinematics_forward(c->model, &c->tcp, s->q_d, &model);
	pose_difference(&model, &robot, difference);
	memcpy(c->shift_m, difference, sizeof c->shift_m);
	quat_from_rotvec(difference + 3, c->turn_xyzw);
	return vec3_norm(difference) <= DIFFERENCE_MAX_M && vec3_norm(difference + 3) <= DIFFERENCE_MAX_RAD;
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

	kinematics_forward(c->model, &c->tcp, q_rad, &p);
	for (int i = 0; i < 3; i++)
		p.p_m[i] += c->shift_m[i];
	quat_multiply(c->turn_xyzw, p.q_xyzw, p.q_xyzw);
	quat_normalise(p.q_xyzw, p.q_xyzw);
	put_pose(&p, out->O_T_EE_c);
	out->elbow_c[0] = q_rad[2];
	out->elbow_c[1] = q_rad[3] > ELBOW_FLIP_RAD ? 1 : -1;
	out->valid_elbow = 1;
}
