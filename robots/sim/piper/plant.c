/* plant.c - see plant.h. */
#include "robots/sim/piper/plant.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"

static const double dt_s = PIPER_PERIOD_S;
static const double servo_rad_s = 100.0;
static const double motor_rad_s = 3.1416; /* 30 rpm */
static const double earth_m_s2 = 9.80665;
static const double armature_kg_m2 = 0.1;
static const double table_m = 0.0;

/* Shoulder, upper arm and elbow have the large motors. */
struct joint_parts {
	double damped_nm_s, unpowered_nm_s; /* viscous */
	double friction_nm;                 /* Coulomb */
	double motor_nm;
};
static const struct joint_parts joint_parts[PIPER_JOINTS] = {
	{ 40.0, 4.0, 0.5, 30.0 }, { 40.0, 4.0, 0.5, 30.0 }, { 40.0, 4.0, 0.5, 30.0 },
	{ 6.0, 0.8, 0.9, 10.0 }, { 6.0, 0.8, 0.9, 10.0 }, { 6.0, 0.8, 0.9, 10.0 },
};

/* Ends of the joints: what the maker says each can turn. */
static const double end_deg[PIPER_JOINTS][2] = { { -150, 150 }, { 0, 180 }, { -170, 0 }, { -100, 100 }, { -70, 70 }, { -120, 120 } };
static const double rad_per_deg = 0.0174532925199432958;

/* Of every link, in the frame after its joint; the last one carries the gripper. */
struct mass {
	double kg, at_m[3];
};
static const struct mass mass[PIPER_JOINTS] = {
	{ 0.71, { 0.0, 0.0, 0.0 } }, { 1.16, { 0.1425, 0.0, 0.0 } }, { 0.5, { -0.011, -0.125, 0.0 } },
	{ 0.38, { 0.0, 0.0, 0.0 } }, { 0.383, { 0.0, 0.0, 0.0 } }, { 0.507, { 0.0, 0.0, 0.07 } },
};

struct load {
	double gravity_nm[PIPER_JOINTS]; /* that the motors must give to hold the arm */
	double inertia_kg_m2[PIPER_JOINTS];
};

void piper_plant_init(struct piper_plant *p, const struct robot_model *m)
{
	*p = (struct piper_plant){ .model = m };
}

static void place_masses(const struct pose link[DOF_MAX + 1], double at_m[PIPER_JOINTS][3])
{
	for (int i = 0; i < PIPER_JOINTS; i++) {
		quat_rotate(link[i].q_xyzw, mass[i].at_m, at_m[i]);
		for (int k = 0; k < 3; k++)
			at_m[i][k] += link[i].p_m[k];
	}
}

/* Gravity: the slope of the potential energy. Both sums are over what the joint carries. */
static void weigh(const struct piper_plant *p, struct load *out)
{
	const double z[3] = { 0.0, 0.0, 1.0 };
	struct pose link[DOF_MAX + 1];
	double at_m[PIPER_JOINTS][3];

	kinematics_link_poses(p->model, p->q_rad, link);
	place_masses(link, at_m);
	for (int j = 0; j < PIPER_JOINTS; j++) {
		double axis[3];

		quat_rotate(link[j].q_xyzw, z, axis);
		out->gravity_nm[j] = 0.0;
		out->inertia_kg_m2[j] = armature_kg_m2;
		for (int i = j; i < PIPER_JOINTS; i++) {
			double arm[3] = { at_m[i][0] - link[j].p_m[0], at_m[i][1] - link[j].p_m[1], at_m[i][2] - link[j].p_m[2] }, sweep[3];

			vec3_cross(axis, arm, sweep);
			out->gravity_nm[j] += mass[i].kg * earth_m_s2 * sweep[2];
			out->inertia_kg_m2[j] += mass[i].kg * (sweep[0] * sweep[0] + sweep[1] * sweep[1] + sweep[2] * sweep[2]);
		}
	}
}

static double clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

/* Exact solution of e'' = -w^2 e - 2 w e' for the difference from the plan. */
static void follow(struct piper_plant *p, int j, const struct piper_drive *d, double gravity_nm)
{
	double decay = exp(-servo_rad_s * dt_s);
	double apart = p->q_rad[j] - (d->q_rad - d->dq_rad_s * dt_s), rate = p->dq_rad_s[j] - (d->dq_rad_s - d->ddq_rad_s2 * dt_s);
	double a = rate + servo_rad_s * apart, before_rad = p->q_rad[j], reach_rad = motor_rad_s * dt_s;
	double moved_rad = d->q_rad + (apart + a * dt_s) * decay - before_rad;

	p->q_rad[j] = before_rad + clamp(moved_rad, -reach_rad, reach_rad);
	p->dq_rad_s[j] = clamp(d->dq_rad_s + (rate - servo_rad_s * a * dt_s) * decay, -motor_rad_s, motor_rad_s);
	p->tau_nm[j] = gravity_nm;
}

/* Friction holds what is still against what it can hold, and brakes what moves. */
static double rub(double torque_nm, double friction_nm, double dq_rad_s, double inertia_kg_m2)
{
	double stop_nm = -dq_rad_s * inertia_kg_m2 / dt_s - torque_nm;

	return torque_nm + clamp(stop_nm, -friction_nm, friction_nm);
}

/* Position and velocity terms are implicit, so that no gain makes the integration unstable. */
static void push(struct piper_plant *p, int j, const struct piper_drive *d, double gravity_nm, double inertia_kg_m2)
{
	const struct joint_parts *parts = &joint_parts[j];
	double dq = p->dq_rad_s[j];
	double wish_nm = d->kp_nm_rad * (d->q_rad - p->q_rad[j]) + d->kd_nm_s_rad * (d->dq_rad_s - dq) + d->t_nm;
	double soft = fabs(wish_nm) < parts->motor_nm ? (d->kd_nm_s_rad + d->kp_nm_rad * dt_s) * dt_s / inertia_kg_m2 : 0.0;

	p->tau_nm[j] = clamp(wish_nm, -parts->motor_nm, parts->motor_nm);
	double net_nm = rub(p->tau_nm[j] - gravity_nm, parts->friction_nm, dq, inertia_kg_m2);

	p->dq_rad_s[j] = clamp(dq + net_nm * dt_s / inertia_kg_m2 / fmax(1.0 + soft, 0.1), -motor_rad_s, motor_rad_s);
	p->q_rad[j] += p->dq_rad_s[j] * dt_s;
}

static void drive_joint(struct piper_plant *p, int j, const struct piper_drive *d, const struct load *load)
{
	const double viscous = d->kind == PIPER_DRIVE_DAMPED ? joint_parts[j].damped_nm_s : joint_parts[j].unpowered_nm_s;
	const struct piper_drive loose = { .kind = PIPER_DRIVE_IMPEDANCE, .kd_nm_s_rad = viscous };

	switch (d->kind) {
	case PIPER_DRIVE_FOLLOW: follow(p, j, d, load->gravity_nm[j]); return;
	case PIPER_DRIVE_IMPEDANCE: push(p, j, d, load->gravity_nm[j], load->inertia_kg_m2[j]); return;
	case PIPER_DRIVE_OFF:
	case PIPER_DRIVE_DAMPED: push(p, j, &loose, load->gravity_nm[j], load->inertia_kg_m2[j]); return;
	}
}

static double lowest_m(const struct piper_plant *p)
{
	struct heights h;
	double low = INFINITY;

	kinematics_heights(p->model, &pose_identity, p->q_rad, &h);
	for (uint32_t i = 0; i < h.n; i++)
		low = fmin(low, h.z_m[i]);
	return low;
}

static void stop_at_ends(struct piper_plant *p)
{
	for (int j = 0; j < PIPER_JOINTS; j++) {
		double q = clamp(p->q_rad[j], end_deg[j][0] * rad_per_deg, end_deg[j][1] * rad_per_deg);

		if (q != p->q_rad[j])
			p->dq_rad_s[j] = 0.0;
		p->q_rad[j] = q;
	}
}

/* What falls lies on the table; what is driven is stopped by nothing. */
static void land(struct piper_plant *p, const struct piper_drive *drive, const double *before_rad, double before_m)
{
	double now_m = lowest_m(p);

	if (now_m >= table_m || now_m >= before_m)
		return;
	for (int j = 0; j < PIPER_JOINTS; j++) {
		if (drive[j].kind == PIPER_DRIVE_FOLLOW)
			continue;
		p->q_rad[j] = before_rad[j];
		p->dq_rad_s[j] = 0.0;
	}
}

void piper_plant_step(struct piper_plant *p, const struct piper_drive drive[PIPER_JOINTS])
{
	double before_rad[PIPER_JOINTS], before_m = lowest_m(p);
	struct load load;

	memcpy(before_rad, p->q_rad, sizeof before_rad);
	weigh(p, &load);
	for (int j = 0; j < PIPER_JOINTS; j++)
		drive_joint(p, j, &drive[j], &load);
	stop_at_ends(p);
	land(p, drive, before_rad, before_m);
}
