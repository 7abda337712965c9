/* urdf.c - the arm as text, from its Denavit-Hartenberg rows, limits and masses; see model_files.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "robots/sim/franka/model_files.h"

struct text {
	char *out;
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *form, ...)
{
	va_list arguments;

	va_start(arguments, form);
	int n = vsnprintf(t->out + t->n, FRANKA_URDF_BYTES_MAX - t->n, form, arguments);
	va_end(arguments);
	if (n > 0)
		t->n += (size_t)n < FRANKA_URDF_BYTES_MAX - t->n ? (size_t)n : FRANKA_URDF_BYTES_MAX - t->n - 1;
}

static void say_link(struct text *t, int i, const struct franka_body *b)
{
	const double *c = b->com_m, *m = b->inertia_kg_m2;

	say(t, " <link name=\"link%d\"><inertial><origin xyz=\"%.10g %.10g %.10g\" rpy=\"0 0 0\"/><mass value=\"%.10g\"/>"
			"<inertia ixx=\"%.10g\" iyy=\"%.10g\" izz=\"%.10g\" ixy=\"%.10g\" ixz=\"%.10g\" iyz=\"%.10g\"/></inertial></link>\n",
			i, c[0], c[1], c[2], b->mass_kg, m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d): the joint's origin lies at Trans_x(a) Rot_x(alpha) Trans_z(d). */
static void say_joint(struct text *t, int i, const struct franka_dynamics *d, const struct robot_model *limits)
{
	const struct dh_row *row = &limits->dh[i];

	say(t, " <joint name=\"joint%d\" type=\"revolute\"><parent link=\"link%d\"/><child link=\"link%d\"/>"
			"<origin xyz=\"%.10g %.10g %.10g\" rpy=\"%.17g 0 0\"/><axis xyz=\"0 0 1\"/>\n", i + 1, i, i + 1,
			row->a_m, -row->d_m * sin(row->alpha_rad), row->d_m * cos(row->alpha_rad), row->alpha_rad);
	say(t, "  <limit lower=\"%.10g\" upper=\"%.10g\" velocity=\"%.10g\" effort=\"%.10g\"/>"
			"<position_based_velocity_limits velocity_offset=\"%.10g\" deceleration_limit=\"%.10g\"/></joint>\n",
			limits->q_min_rad[i], limits->q_max_rad[i], limits->dq_max_rad_s[i], d->tau_max_nm[i],
			limits->dq_offset_rad_s[i], limits->dq_decel_rad_s2[i]);
}

size_t franka_urdf(const struct franka_dynamics *d, const struct robot_model *limits, char out[FRANKA_URDF_BYTES_MAX])
{
	struct text t = { out, 0 };

	say(&t, "<?xml version=\"1.0\"?>\n<robot name=\"fr3\">\n <link name=\"base\"/>\n <link name=\"link0\"/>\n");
	for (int i = 0; i < FRANKA_DOF; i++)
		say_link(&t, i + 1, &d->link[i]);
	say(&t, " <link name=\"link8\"/>\n <joint name=\"base_joint\" type=\"fixed\"><parent link=\"base\"/><child link=\"link0\"/></joint>\n");
	for (int i = 0; i < FRANKA_DOF; i++)
		say_joint(&t, i, d, limits);
	say(&t, " <joint name=\"joint8\" type=\"fixed\"><parent link=\"link7\"/><child link=\"link8\"/>"
			"<origin xyz=\"0 0 %.10g\" rpy=\"0 0 0\"/></joint>\n</robot>\n", limits->flange.d_m);
	return t.n;
}
