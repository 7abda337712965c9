/* robot_state.c - every number of a state; see robot.h. */
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/sim/franka/robot.h"

/* Stiffness of the gears between motor and joint, from public simulations of this arm; only `theta` shows it. */
static const double gear_nm_rad = 1e4;

/* Desired, of whatever moves the joints. */
static void put_twist(const struct franka_generator *g, double out[6])
{
	double j[6][DOF_MAX];
	struct pose tcp;

	kinematics_jacobian(g->limits->model, &g->flange_to_ee, g->d.q_rad, &tcp, j);
	for (int r = 0; r < 6; r++)
		for (int i = 0; i < FRANKA_DOF; i++)
			out[r] += j[r][i] * g->d.dq_rad_s[i];
}

static void put_poses(const struct franka_robot *r, struct fci_state *s)
{
	const struct franka_generator *g = &r->generator;
	struct pose measured;

	kinematics_forward(g->limits->model, &g->flange_to_ee, r->plant.q_rad, &measured);
	franka_pose_put(&measured, s->O_T_EE);
	franka_pose_put(&g->d.pose, s->O_T_EE_d);
	/* Always valid: clients filter their first command against it. */
	franka_pose_put(&g->d.pose, s->O_T_EE_c);
	franka_pose_put(&g->flange_to_ee, s->F_T_EE);
	memcpy(s->F_T_NE, r->settings.f_t_ne, sizeof s->F_T_NE);
	memcpy(s->NE_T_EE, r->settings.ne_t_ee, sizeof s->NE_T_EE);
	memcpy(s->EE_T_K, r->settings.ee_t_k, sizeof s->EE_T_K);
	put_twist(g, s->O_dP_EE_d);
	memcpy(s->O_dP_EE_c, g->d.twist, sizeof s->O_dP_EE_c);
	memcpy(s->O_ddP_EE_c, g->d.acceleration, sizeof s->O_ddP_EE_c);
	s->elbow[0] = r->plant.q_rad[2];
	s->elbow[1] = franka_elbow_sign(r->plant.q_rad[3]);
	memcpy(s->elbow_d, g->d.elbow, sizeof s->elbow_d);
	memcpy(s->elbow_c, g->d.elbow, sizeof s->elbow_c);
	s->delbow_c[0] = g->d.elbow_rate;
	s->ddelbow_c[0] = g->d.elbow_acceleration;
}

static void put_joints(const struct franka_robot *r, struct fci_state *s)
{
	const struct franka_desired *d = &r->generator.d;

	memcpy(s->q, r->plant.q_rad, sizeof s->q);
	memcpy(s->dq, r->plant.dq_rad_s, sizeof s->dq);
	memcpy(s->q_d, d->q_rad, sizeof s->q_d);
	memcpy(s->dq_d, d->dq_rad_s, sizeof s->dq_d);
	memcpy(s->ddq_d, d->ddq_rad_s2, sizeof s->ddq_d);
	memcpy(s->tau_J_d, d->tau_nm, sizeof s->tau_J_d);
	memcpy(s->tau_J, r->plant.tau_nm, sizeof s->tau_J);
	memcpy(s->dtau_J, r->plant.dtau_nm_s, sizeof s->dtau_J);
	memcpy(s->dtheta, r->plant.dq_rad_s, sizeof s->dtheta);
	for (int i = 0; i < FRANKA_DOF; i++)
		s->theta[i] = s->q[i] + s->tau_J[i] / gear_nm_rad;
}

static void put_masses(const struct franka_robot *r, struct fci_state *s)
{
	const struct fci_load *l = &r->settings.load;

	s->m_ee[0] = 0.73;
	s->I_ee[0] = 0.001;
	s->I_ee[4] = 0.0025;
	s->I_ee[8] = 0.0017;
	s->F_x_Cee[0] = -0.01;
	s->F_x_Cee[2] = 0.03;
	s->m_load[0] = l->mass;
	memcpy(s->I_load, l->i_load, sizeof s->I_load);
	memcpy(s->F_x_Cload, l->f_x_cload, sizeof s->F_x_Cload);
	s->O_ddP_O[2] = -9.81;
}

static double success_rate(const struct franka_robot *r)
{
	uint32_t hits = 0;

	for (uint32_t i = 0; i < r->n_watched; i++)
		hits += r->hit[i];
	return r->moving && r->n_watched > 0 ? (double)hits / r->n_watched : 0.0;
}

void franka_robot_state(const struct franka_robot *r, struct fci_state *out)
{
	*out = (struct fci_state){
		.message_id = r->message_id,
		.generator_mode = r->moving ? r->generator.generator : FCI_GENERATOR_IDLE,
		.controller_mode = r->moving ? r->controller : FCI_CONTROL_OTHER,
		.robot_mode = (uint8_t)r->mode,
		.success_rate = success_rate(r),
	};
	put_poses(r, out);
	put_joints(r, out);
	put_masses(r, out);
	for (int i = 0; i < FCI_ERRORS; i++) {
		out->errors[i] = r->errors >> i & 1;
		out->reflex_reason[i] = r->reflex_reason >> i & 1;
	}
}
