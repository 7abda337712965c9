/* settings.c - see settings.h. SetFilters (protocol 5 alone) is not among them: it sets the filter of the robot's own controller together
 * with those of the motions, and what Franka delivers for that is not published. */
#include "robots/franka/settings.h"

#include <math.h>
#include <string.h>

#include "daemon/stage/geometry.h"

_Static_assert(sizeof(struct fci_move) <= FCI_REQUEST_BYTES_MAX, "room for a Move");

_Static_assert((int)FRANKA_JOINT_IMPEDANCE == (int)FCI_CONTROL_JOINT_IMPEDANCE &&
		(int)FRANKA_CARTESIAN_IMPEDANCE == (int)FCI_CONTROL_CARTESIAN_IMPEDANCE, "the wire's numbers");

/* float32 and the rounding of a robot's own calibration; what is farther off is no rotation. */
static const double frame_tolerance = 1e-3, frame_reach_m = 2.0;

static const struct {
	enum fci_command command;
	const char *source;
} settings[FRANKA_SETTINGS] = {
	{ FCI_SET_COLLISION_BEHAVIOR, "robots[].franka.collision_torque_nm and collision_force" },
	{ FCI_SET_JOINT_IMPEDANCE, "robots[].franka.joint_impedance_nm_rad" },
	{ FCI_SET_CARTESIAN_IMPEDANCE, "robots[].franka.cartesian_impedance" },
	{ FCI_SET_NE_TO_EE, "robots[].tcp" },
	{ FCI_SET_EE_TO_K, "its stiffness frame, which becomes the TCP" },
	{ FCI_SET_LOAD, "robots[].franka.load.*" },
};

enum fci_command franka_setting_command(uint32_t i)
{
	return settings[i].command;
}

const char *franka_setting_source(uint32_t i)
{
	return settings[i].source;
}

/* ---- frames ------------------------------------------------------------------------------------------------------------------ */

static double dot(const double *a, const double *b)
{
	return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static bool near(double value, double wanted, double tolerance)
{
	return fabs(value - wanted) <= tolerance; /* NaN: false */
}

static bool is_rotation(const double t[16])
{
	double z[3];

	for (int i = 0; i < 3; i++)
		for (int k = i; k < 3; k++)
			if (!near(dot(t + 4 * i, t + 4 * k), i == k, frame_tolerance))
				return false;
	vec3_cross(t, t + 4, z);
	return dot(z, t + 8) > 0.0; /* no mirror */
}

static bool is_frame(const double t[16])
{
	for (int i = 0; i < 3; i++)
		if (!near(t[12 + i], 0.0, frame_reach_m) || !near(t[4 * i + 3], 0.0, frame_tolerance))
			return false;
	return is_rotation(t) && near(t[15], 1.0, frame_tolerance);
}

static void take_frame(const double t[16], struct pose *out)
{
	double r[3][3];

	for (int row = 0; row < 3; row++)
		for (int column = 0; column < 3; column++)
			r[row][column] = t[4 * column + row];
	quat_from_matrix((const double (*)[3])r, out->q_xyzw);
	memcpy(out->p_m, t + 12, sizeof out->p_m);
}

static void put_frame(const struct pose *p, double t[16])
{
	double r[3][3];

	quat_to_matrix(p->q_xyzw, r);
	memset(t, 0, 16 * sizeof *t);
	for (int row = 0; row < 3; row++)
		for (int column = 0; column < 3; column++)
			t[4 * column + row] = r[row][column];
	memcpy(t + 12, p->p_m, sizeof p->p_m);
	t[15] = 1.0;
}

static void invert(const struct pose *p, struct pose *out)
{
	double back[3];

	quat_conjugate(p->q_xyzw, out->q_xyzw);
	quat_rotate(out->q_xyzw, p->p_m, back);
	for (int i = 0; i < 3; i++)
		out->p_m[i] = -back[i];
}

bool franka_settings_frame(const double f_t_ne[16], const struct pose *tcp, double ne_t_ee[16])
{
	struct pose nominal, back, tool;

	if (!is_frame(f_t_ne))
		return false;
	take_frame(f_t_ne, &nominal);
	invert(&nominal, &back);
	pose_multiply(&back, tcp, &tool);
	quat_normalise(tool.q_xyzw, tool.q_xyzw);
	put_frame(&tool, ne_t_ee);
	return true;
}

/* ---- payloads ---------------------------------------------------------------------------------------------------------------- */

static size_t put(uint8_t *out, const void *payload, size_t n)
{
	memcpy(out, payload, n);
	return n;
}

static size_t put_collision(const struct franka_setup *s, uint8_t *out)
{
	struct fci_collision_behavior c;

	memcpy(c.lower_torque_acceleration, s->acceleration.lower_torque_nm, sizeof c.lower_torque_acceleration);
	memcpy(c.upper_torque_acceleration, s->acceleration.upper_torque_nm, sizeof c.upper_torque_acceleration);
	memcpy(c.lower_torque, s->nominal.lower_torque_nm, sizeof c.lower_torque);
	memcpy(c.upper_torque, s->nominal.upper_torque_nm, sizeof c.upper_torque);
	memcpy(c.lower_force_acceleration, s->acceleration.lower_force_n, sizeof c.lower_force_acceleration);
	memcpy(c.upper_force_acceleration, s->acceleration.upper_force_n, sizeof c.upper_force_acceleration);
	memcpy(c.lower_force, s->nominal.lower_force_n, sizeof c.lower_force);
	memcpy(c.upper_force, s->nominal.upper_force_n, sizeof c.upper_force);
	return put(out, &c, sizeof c);
}

static size_t put_load(const struct franka_setup *s, uint8_t *out)
{
	struct fci_load l = { .mass = s->load_kg };

	memcpy(l.f_x_cload, s->load_com_m, sizeof l.f_x_cload);
	memcpy(l.i_load, s->load_inertia_kg_m2, sizeof l.i_load);
	return put(out, &l, sizeof l);
}

/* The robot's stiffness frame is its end effector. */
static size_t put_stiffness_frame(uint8_t *out)
{
	double t[16];

	put_frame(&pose_identity, t);
	return put(out, t, sizeof t);
}

size_t franka_setting_put(const struct franka_setup *s, const double ne_t_ee[16], uint32_t i, uint8_t out[FCI_REQUEST_BYTES_MAX])
{
	switch (franka_setting_command(i)) {
	case FCI_SET_COLLISION_BEHAVIOR: return put_collision(s, out);
	case FCI_SET_JOINT_IMPEDANCE: return put(out, s->joint_impedance_nm_rad, sizeof s->joint_impedance_nm_rad);
	case FCI_SET_CARTESIAN_IMPEDANCE: return put(out, s->cartesian_impedance, sizeof s->cartesian_impedance);
	case FCI_SET_NE_TO_EE: return put(out, ne_t_ee, 16 * sizeof *ne_t_ee);
	case FCI_SET_EE_TO_K: return put_stiffness_frame(out);
	default: return put_load(s, out);
	}
}

/* Deviations as every libfranka sends them: in effect none is too large. */
size_t franka_settings_put_move(const struct franka_setup *s, uint32_t version, uint8_t out[FCI_REQUEST_BYTES_MAX])
{
	static const double translation_m = 10.0, rotation_rad = 3.12, elbow_rad = 2.0 * 3.14159265358979323846;
	const struct fci_move m = { .controller = (uint32_t)s->controller,
		.generator = s->generator == OUTPUT_POSE ? FCI_MOVE_CARTESIAN_POSITION : FCI_MOVE_JOINT_POSITION,
		.path_deviation = { translation_m, rotation_rad, elbow_rad }, .goal_deviation = { translation_m, rotation_rad, elbow_rad } };

	return put(out, &m, fci_request_bytes(version, FCI_MOVE) - FCI_HEADER_BYTES);
}
