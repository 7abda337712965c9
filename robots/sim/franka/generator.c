/* generator.c - see generator.h. */
#include "robots/sim/franka/generator.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"
#include "daemon/stage/kinematics.h"
#include "robots/model/model.h"

static const double dt_s = FRANKA_PERIOD_S;
static const double slack = 1.01;
static const double start_tolerance_rad = 1e-3, start_tolerance_m = 1e-3, start_tolerance_turn_rad = 5e-3;
/* An ordinary posture has 0.08. From where on a robot refuses to start is not documented. */
static const double singular_manipulability = 1e-3;
/* Angle of joint 4 at which the elbow points neither way (libfranka 0.9.2, as a fact). */
static const double elbow_flip_rad = -0.467002423653011;

extern const struct robot_model robot_model_panda, robot_model_fr3, robot_model_fr3_5_9;

/* FR3 before system 5.9: what libfranka 0.11 to 0.17 limits speeds by, up to 0.008 rad wider than the documented limits (as a fact). A
 * client that limits itself with them must pass. */
static const double fr3_velocity_min_rad[FRANKA_DOF] = { -2.7501, -1.7918, -2.9065, -3.0481, -2.8101, 0.54092, -3.0196 };
static const double fr3_velocity_max_rad[FRANKA_DOF] = { 2.7501, 1.7918, 2.9065, -0.1458, 2.8101, 4.5205, 3.0196 };

#define FR3_LIMITS .translation = { 3.0, 9.0, 4500.0 }, .rotation = { 2.5, 17.0, 8500.0 }, .elbow = { 2.62, 10.0, 5000.0 }, \
	.torque_rate_nm_s = 1000.0

static const struct franka_limits panda = { .model = &robot_model_panda, .translation = { 1.7, 13.0, 6500.0 },
	.rotation = { 2.5, 25.0, 12500.0 }, .elbow = { 2.175, 10.0, 5000.0 }, .torque_rate_nm_s = 1000.0,
	.q_velocity_min_rad = robot_model_panda.q_min_rad, .q_velocity_max_rad = robot_model_panda.q_max_rad };
static const struct franka_limits fr3 = { .model = &robot_model_fr3, FR3_LIMITS,
	.q_velocity_min_rad = fr3_velocity_min_rad, .q_velocity_max_rad = fr3_velocity_max_rad };
static const struct franka_limits fr3_9 = { .model = &robot_model_fr3, FR3_LIMITS, .position_errors_are_joint_errors = true,
	.q_velocity_min_rad = fr3_velocity_min_rad, .q_velocity_max_rad = fr3_velocity_max_rad };
static const struct franka_limits fr3_10 = { .model = &robot_model_fr3_5_9, FR3_LIMITS, .position_errors_are_joint_errors = true,
	.q_velocity_min_rad = robot_model_fr3_5_9.q_min_rad, .q_velocity_max_rad = robot_model_fr3_5_9.q_max_rad };

const struct franka_limits *franka_limits_of(uint32_t version)
{
	if (version >= 10)
		return &fr3_10;
	if (version == 9)
		return &fr3_9;
	return version >= 6 ? &fr3 : &panda;
}

double franka_elbow_sign(double q4_rad)
{
	if (q4_rad > elbow_flip_rad)
		return 1.0;
	return q4_rad < elbow_flip_rad ? -1.0 : 0.0;
}

/* ---- poses --------------------------------------------------------------------------------------------------------------- */

static bool unit(double a, double b, double c)
{
	return fabs(sqrt(a * a + b * b + c * c) - 1.0) <= 1e-5; /* NaN: false */
}

/* Columns at right angles, and no mirror image. */
static bool right_handed(const double t[16])
{
	double third[3];

	vec3_cross(t, t + 4, third);
	for (int i = 0; i < 3; i++)
		if (!(fabs(third[i] - t[8 + i]) <= 1e-4))
			return false;
	return true;
}

bool franka_pose_take(const double t[16], struct pose *out)
{
	const double r[3][3] = { { t[0], t[4], t[8] }, { t[1], t[5], t[9] }, { t[2], t[6], t[10] } };

	if (!(t[3] == 0.0 && t[7] == 0.0 && t[11] == 0.0 && t[15] == 1.0))
		return false;
	for (int i = 0; i < 3; i++)
		if (!unit(r[i][0], r[i][1], r[i][2]) || !unit(r[0][i], r[1][i], r[2][i]) || !(fabs(t[12 + i]) < 1e3))
			return false;
	if (!right_handed(t))
		return false;
	memcpy(out->p_m, t + 12, sizeof out->p_m);
	quat_from_matrix(r, out->q_xyzw);
	return true;
}

void franka_pose_put(const struct pose *p, double t[16])
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

static void find_pose(struct franka_generator *g)
{
	kinematics_forward(g->limits->model, &g->flange_to_ee, g->d.q_rad, &g->d.pose);
	g->d.elbow[0] = g->d.q_rad[2];
	g->d.elbow[1] = franka_elbow_sign(g->d.q_rad[3]);
}

/* ---- checks -------------------------------------------------------------------------------------------------------------- */

static void err(struct franka_generator *g, enum fci_error e)
{
	g->errors |= UINT64_C(1) << e;
}

/* What a set of values exceeds; the errors' names differ by who asked for the motion. */
struct names {
	enum fci_error velocity, acceleration, jerk;
};

static const struct names joint_names = { FCI_ERROR_joint_motion_generator_velocity_limits_violation,
	FCI_ERROR_joint_motion_generator_velocity_discontinuity, FCI_ERROR_joint_motion_generator_acceleration_discontinuity };
static const struct names cartesian_joint_names = { FCI_ERROR_cartesian_motion_generator_joint_velocity_limits_violation,
	FCI_ERROR_cartesian_motion_generator_joint_velocity_discontinuity,
	FCI_ERROR_cartesian_motion_generator_joint_acceleration_discontinuity };
static const struct names cartesian_names = { FCI_ERROR_cartesian_motion_generator_velocity_limits_violation,
	FCI_ERROR_cartesian_motion_generator_velocity_discontinuity, FCI_ERROR_cartesian_motion_generator_acceleration_discontinuity };

static void check(struct franka_generator *g, const struct names *n, const double found[3], const double limit[3])
{
	if (!(found[0] <= slack * limit[0]))
		err(g, n->velocity);
	if (!(found[1] <= slack * limit[1]))
		err(g, n->acceleration);
	if (!(found[2] <= slack * limit[2]))
		err(g, n->jerk);
}

/* The FR3's bound on the speed towards a joint limit; elsewhere the ceiling. */
static double velocity_limit(const struct franka_limits *l, int i, double q_rad, double v_rad_s)
{
	const struct robot_model *m = l->model;
	double left = v_rad_s > 0.0 ? l->q_velocity_max_rad[i] - q_rad : q_rad - l->q_velocity_min_rad[i];

	if (!(m->dq_decel_rad_s2[i] > 0.0))
		return m->dq_max_rad_s[i];
	return fmin(m->dq_max_rad_s[i], fmax(0.0, sqrt(fmax(0.0, 2.0 * m->dq_decel_rad_s2[i] * left)) - m->dq_offset_rad_s[i]));
}

/* An arm that is beyond a limit already (pushed there, or left there by a client of another generation) may come back. */
static void check_position(struct franka_generator *g, int i, double v_rad_s, bool cartesian)
{
	const struct robot_model *m = g->limits->model;
	double q_rad = g->d.q_rad[i] + v_rad_s * dt_s;
	bool beyond = (q_rad > m->q_max_rad[i] && v_rad_s > 0.0) || (q_rad < m->q_min_rad[i] && v_rad_s < 0.0);

	if (!beyond)
		return;
	if (g->limits->position_errors_are_joint_errors)
		err(g, FCI_ERROR_joint_position_limits_violation);
	else
		err(g, cartesian ? FCI_ERROR_cartesian_motion_generator_joint_position_limits_violation
				: FCI_ERROR_joint_motion_generator_position_limits_violation);
}

/* ---- joints -------------------------------------------------------------------------------------------------------------- */

/* Desired joints for a velocity over this period. */
static void advance_joint(struct franka_desired *d, int i, double v)
{
	d->ddq_rad_s2[i] = (v - d->dq_rad_s[i]) / dt_s;
	d->dq_rad_s[i] = v;
	d->q_rad[i] += v * dt_s;
}

static void check_joint(struct franka_generator *g, int i, double v, bool cartesian)
{
	const struct robot_model *m = g->limits->model;
	double a = (v - g->d.dq_rad_s[i]) / dt_s;
	const double found[3] = { fabs(v), fabs(a), fabs(a - g->d.ddq_rad_s2[i]) / dt_s };
	/* At the very edge of a limit the bound is zero; 1 mrad/s is nothing there. */
	const double limit[3] = { velocity_limit(g->limits, i, g->d.q_rad[i], v) + 1e-3, m->ddq_max_rad_s2[i], m->dddq_max_rad_s3[i] };

	check(g, cartesian ? &cartesian_joint_names : &joint_names, found, limit);
	check_position(g, i, v, cartesian);
}

static void use_joint_velocities(struct franka_generator *g, const double *dq_rad_s, bool cartesian)
{
	for (int i = 0; i < FRANKA_DOF; i++)
		check_joint(g, i, dq_rad_s[i], cartesian);
	for (int i = 0; i < FRANKA_DOF && !g->errors; i++)
		advance_joint(&g->d, i, dq_rad_s[i]);
}

static void use_joint_positions(struct franka_generator *g, const double *q_rad)
{
	double dq[FRANKA_DOF];

	for (int i = 0; i < FRANKA_DOF; i++) {
		dq[i] = (q_rad[i] - g->d.q_rad[i]) / dt_s;
		if (!g->started && !(fabs(q_rad[i] - g->d.q_rad[i]) <= start_tolerance_rad))
			err(g, FCI_ERROR_joint_position_motion_generator_start_pose_invalid);
	}
	if (!g->errors)
		use_joint_velocities(g, dq, false);
}

/* ---- the end effector ---------------------------------------------------------------------------------------------------- */

/* One step of Newton's method towards the pose; returns how far it was, in m and rad together. Next to no damping: what an arm can
 * just still do near a singular posture must not be bent into something else. */
static double refine(const struct franka_generator *g, const struct pose *goal, const double *elbow, double *q)
{
	const double damping = 1e-12, wish[DOF_MAX] = { [2] = 1.0 };
	double missing[6], dq[DOF_MAX], slide[DOF_MAX] = { 0 };
	struct ik k;

	ik_prepare_damped(&k, g->limits->model, &g->flange_to_ee, q, damping);
	pose_difference(&k.tcp, goal, missing);
	ik_solve(&k, missing, dq);
	if (elbow)
		ik_null_space(&k, wish, slide);
	double turn = elbow && slide[2] > 1e-3 ? (elbow[0] - q[2] - dq[2]) / slide[2] : 0.0;

	for (int i = 0; i < FRANKA_DOF; i++)
		q[i] += dq[i] + slide[i] * turn;
	return vec3_norm(missing) + vec3_norm(missing + 3);
}

/* Joints of the pose near q; with an elbow joint 3 is given, without one the joints move as little as they can. */
static bool find_joints(const struct franka_generator *g, const struct pose *goal, const double *elbow, double *q)
{
	enum { ITERATIONS = 12 };

	for (int n = 0; n < ITERATIONS; n++) {
		double apart = refine(g, goal, elbow, q);

		if (!isfinite(apart))
			return false;
		if (apart < 1e-12)
			break;
	}
	struct pose found;
	double missing[6];

	kinematics_forward(g->limits->model, &g->flange_to_ee, q, &found);
	pose_difference(&found, goal, missing);
	return vec3_norm(missing) < 1e-6 && vec3_norm(missing + 3) < 1e-6;
}

bool franka_generator_singular(const struct franka_generator *g)
{
	struct ik k;

	ik_prepare(&k, g->limits->model, &g->flange_to_ee, g->d.q_rad);
	return k.manipulability < singular_manipulability;
}

static double change(const double *now, const double *before)
{
	return vec3_norm((double[3]){ now[0] - before[0], now[1] - before[1], now[2] - before[2] }) / dt_s;
}

/* Speed, acceleration and jerk of translation and rotation, each as the length of its vector. */
static void check_twist(struct franka_generator *g, const double twist[6])
{
	for (int part = 0; part < 6; part += 3) {
		const double *limit = part ? g->limits->rotation : g->limits->translation;
		const double *v = twist + part, *last = g->d.twist + part;
		const double a[3] = { (v[0] - last[0]) / dt_s, (v[1] - last[1]) / dt_s, (v[2] - last[2]) / dt_s };
		const double found[3] = { vec3_norm(v), vec3_norm(a), change(a, g->d.acceleration + part) };

		check(g, &cartesian_names, found, limit);
	}
}

static void check_elbow(struct franka_generator *g, const double elbow[2])
{
	if (!(fabs(elbow[1]) == 1.0) || elbow[1] != franka_elbow_sign(g->d.q_rad[3]))
		err(g, FCI_ERROR_cartesian_motion_generator_elbow_sign_inconsistent);
	if (!g->started && !(fabs(elbow[0] - g->d.elbow[0]) <= start_tolerance_turn_rad))
		err(g, FCI_ERROR_cartesian_motion_generator_start_elbow_invalid);
	double rate = (elbow[0] - g->d.elbow[0]) / dt_s, a = (rate - g->d.elbow_rate) / dt_s;

	if (!(fabs(rate) <= slack * g->limits->elbow[0]) || !(fabs(a) <= slack * g->limits->elbow[1]) ||
			!(fabs(a - g->d.elbow_acceleration) / dt_s <= slack * g->limits->elbow[2]))
		err(g, FCI_ERROR_cartesian_motion_generator_elbow_limit_violation);
}

static void advance_pose(struct franka_desired *d, const struct pose *goal, const double twist[6], const double *elbow)
{
	for (int i = 0; i < 6; i++) {
		d->acceleration[i] = (twist[i] - d->twist[i]) / dt_s;
		d->twist[i] = twist[i];
	}
	d->pose = *goal;
	double now = elbow ? elbow[0] : d->q_rad[2], rate = (now - d->elbow[0]) / dt_s;

	d->elbow_acceleration = (rate - d->elbow_rate) / dt_s;
	d->elbow_rate = rate;
	d->elbow[0] = now;
	d->elbow[1] = franka_elbow_sign(d->q_rad[3]);
}

/* The pose that a twist leads to in one period. */
static void pose_after(const struct pose *from, const double twist[6], struct pose *to)
{
	double turn[4];

	for (int i = 0; i < 3; i++)
		to->p_m[i] = from->p_m[i] + twist[i] * dt_s;
	quat_from_rotvec((double[3]){ twist[3] * dt_s, twist[4] * dt_s, twist[5] * dt_s }, turn);
	quat_multiply(turn, from->q_xyzw, to->q_xyzw);
	quat_normalise(to->q_xyzw, to->q_xyzw);
}

static void use_twist(struct franka_generator *g, const double twist[6], const struct pose *goal, const double *elbow)
{
	double q[FRANKA_DOF], dq[FRANKA_DOF];

	check_twist(g, twist);
	if (elbow)
		check_elbow(g, elbow);
	if (g->errors)
		return;
	memcpy(q, g->d.q_rad, sizeof q);
	if (!find_joints(g, goal, elbow, q)) {
		err(g, FCI_ERROR_cartesian_position_limits_violation);
		return;
	}
	for (int i = 0; i < FRANKA_DOF; i++)
		dq[i] = (q[i] - g->d.q_rad[i]) / dt_s;
	use_joint_velocities(g, dq, true);
	if (!g->errors)
		advance_pose(&g->d, goal, twist, elbow);
}

static void use_pose(struct franka_generator *g, const struct fci_motion *c)
{
	struct pose goal;
	double difference[6], twist[6];

	if (!franka_pose_take(c->O_T_EE_c, &goal)) {
		err(g, FCI_ERROR_cartesian_position_motion_generator_invalid_frame_flag);
		return;
	}
	pose_difference(&g->d.pose, &goal, difference);
	for (int i = 0; i < 6; i++)
		twist[i] = difference[i] / dt_s;
	if (!g->started && !(vec3_norm(difference) <= start_tolerance_m && vec3_norm(difference + 3) <= start_tolerance_turn_rad))
		err(g, FCI_ERROR_cartesian_position_motion_generator_start_pose_invalid);
	if (!g->errors)
		use_twist(g, twist, &goal, c->valid_elbow ? c->elbow_c : NULL);
}

static void use_cartesian_velocity(struct franka_generator *g, const struct fci_motion *c)
{
	struct pose goal;

	pose_after(&g->d.pose, c->O_dP_EE_c, &goal);
	use_twist(g, c->O_dP_EE_c, &goal, c->valid_elbow ? c->elbow_c : NULL);
}

/* ---- torques --------------------------------------------------------------------------------------------------------------- */

static void use_torques(struct franka_generator *g, const double *tau_nm)
{
	for (int i = 0; i < FRANKA_DOF; i++) {
		if (!(fabs(tau_nm[i] - g->d.tau_nm[i]) / dt_s <= slack * g->limits->torque_rate_nm_s))
			err(g, FCI_ERROR_controller_torque_discontinuity);
		if (!(fabs(tau_nm[i]) <= franka_dynamics_panda.tau_max_nm[i])) /* the FR3's are the same */
			err(g, FCI_ERROR_tau_J_range_violation);
	}
	if (!g->errors)
		memcpy(g->d.tau_nm, tau_nm, sizeof g->d.tau_nm);
}

/* ---- a period ---------------------------------------------------------------------------------------------------------------- */

void franka_generator_start(struct franka_generator *g, uint8_t generator, bool torques)
{
	g->generator = generator;
	g->torques = torques;
	g->started = false;
	g->errors = 0;
	memset(g->d.dq_rad_s, 0, sizeof g->d.dq_rad_s);
	memset(g->d.ddq_rad_s2, 0, sizeof g->d.ddq_rad_s2);
	memset(g->d.twist, 0, sizeof g->d.twist);
	memset(g->d.acceleration, 0, sizeof g->d.acceleration);
	memset(g->d.tau_nm, 0, sizeof g->d.tau_nm);
	g->d.elbow_rate = g->d.elbow_acceleration = 0.0;
	find_pose(g);
}

static void use_command(struct franka_generator *g, const struct fci_motion *c)
{
	switch (g->generator) {
	case FCI_GENERATOR_JOINT_POSITION: use_joint_positions(g, c->q_c); break;
	case FCI_GENERATOR_JOINT_VELOCITY: use_joint_velocities(g, c->dq_c, false); break;
	case FCI_GENERATOR_CARTESIAN_POSITION: use_pose(g, c); break;
	case FCI_GENERATOR_CARTESIAN_VELOCITY: use_cartesian_velocity(g, c); break;
	default: break;
	}
	if (g->torques && !g->errors)
		use_torques(g, c->tau_J_d);
	g->started = true;
}

static void extrapolate_joints(struct franka_generator *g)
{
	for (int i = 0; i < FRANKA_DOF; i++) {
		g->d.dq_rad_s[i] += g->d.ddq_rad_s2[i] * dt_s;
		g->d.q_rad[i] += g->d.dq_rad_s[i] * dt_s;
	}
}

/* Joints that go with a pose which nobody asked for: found, and no faster than the arm can. */
static bool joints_follow(struct franka_generator *g, const struct pose *goal, const double *elbow, double *dq_rad_s)
{
	double q[FRANKA_DOF];

	memcpy(q, g->d.q_rad, sizeof q);
	if (!find_joints(g, goal, elbow, q)) {
		err(g, FCI_ERROR_cartesian_position_limits_violation);
		return false;
	}
	for (int i = 0; i < FRANKA_DOF; i++) {
		dq_rad_s[i] = (q[i] - g->d.q_rad[i]) / dt_s;
		if (!(fabs(dq_rad_s[i]) <= slack * g->limits->model->dq_max_rad_s[i]))
			err(g, FCI_ERROR_cartesian_motion_generator_joint_velocity_limits_violation);
	}
	return g->errors == 0;
}

/* The twist goes on as it changed; the joints follow it. */
static void extrapolate_pose(struct franka_generator *g)
{
	double dq[FRANKA_DOF], twist[6];
	struct pose goal;

	for (int i = 0; i < 6; i++)
		twist[i] = g->d.twist[i] + g->d.acceleration[i] * dt_s;
	pose_after(&g->d.pose, twist, &goal);
	double rate = g->d.elbow_rate + g->d.elbow_acceleration * dt_s;
	const double elbow[2] = { g->d.elbow[0] + rate * dt_s, g->d.elbow[1] };

	if (!joints_follow(g, &goal, elbow, dq))
		return;
	for (int i = 0; i < FRANKA_DOF; i++)
		advance_joint(&g->d, i, dq[i]);
	memcpy(g->d.twist, twist, sizeof twist);
	g->d.pose = goal;
	g->d.elbow_rate = rate;
	g->d.elbow[0] = elbow[0];
}

void franka_generator_step(struct franka_generator *g, const struct fci_motion *command)
{
	bool cartesian = g->generator == FCI_GENERATOR_CARTESIAN_POSITION || g->generator == FCI_GENERATOR_CARTESIAN_VELOCITY;
	bool joints = g->generator == FCI_GENERATOR_JOINT_POSITION || g->generator == FCI_GENERATOR_JOINT_VELOCITY;

	g->errors = 0;
	if (command)
		use_command(g, command);
	else if (cartesian && g->started)
		extrapolate_pose(g);
	else if (joints && g->started)
		extrapolate_joints(g);
	if (joints)
		find_pose(g);
}

/* At the joint's limit is a stop: braking ends there, or where the arm is when it is beyond it already. */
static void brake_joint(struct franka_generator *g, int i)
{
	const struct robot_model *m = g->limits->model;
	double before = g->d.q_rad[i], v = g->d.dq_rad_s[i], most = m->ddq_max_rad_s2[i] * dt_s;

	advance_joint(&g->d, i, fabs(v) > most ? v - copysign(most, v) : 0.0);
	double stop = fmin(fmax(g->d.q_rad[i], fmin(m->q_min_rad[i], before)), fmax(m->q_max_rad[i], before));

	if (stop != g->d.q_rad[i]) {
		g->d.q_rad[i] = stop;
		g->d.dq_rad_s[i] = 0.0;
		g->d.ddq_rad_s2[i] = -v / dt_s;
	}
}

void franka_generator_brake(struct franka_generator *g)
{
	for (int i = 0; i < FRANKA_DOF; i++)
		brake_joint(g, i);
	memset(g->d.tau_nm, 0, sizeof g->d.tau_nm);
	memset(g->d.twist, 0, sizeof g->d.twist);
	memset(g->d.acceleration, 0, sizeof g->d.acceleration);
	g->d.elbow_rate = g->d.elbow_acceleration = 0.0;
	find_pose(g);
}

void franka_generator_seed(struct franka_generator *g, const double *q_rad, const double *dq_rad_s)
{
	memcpy(g->d.q_rad, q_rad, sizeof g->d.q_rad);
	memcpy(g->d.dq_rad_s, dq_rad_s, sizeof g->d.dq_rad_s);
	memset(g->d.ddq_rad_s2, 0, sizeof g->d.ddq_rad_s2);
	find_pose(g);
}
