/* setup.c - see setup.h. */
#include "robots/franka/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/stage/geometry.h"

_Static_assert((int)FRANKA_ADDRESS_BYTES >= (int)CONFIG_TEXT_BYTES, "every address of a configuration fits");

static void copy(double *out, const struct config_reals *list, uint32_t n)
{
	memcpy(out, list->value, n * sizeof *out);
}

/* Equal lower and upper thresholds: nobody here asks about contacts, only collisions count. Equal ones for even and changing speed too,
 * since a policy's motion is never even for long. */
static void take_thresholds(struct franka_setup *s, const struct config_robot *r)
{
	copy(s->nominal.lower_torque_nm, &r->franka_collision_torque_nm, 7);
	copy(s->nominal.upper_torque_nm, &r->franka_collision_torque_nm, 7);
	copy(s->nominal.lower_force_n, &r->franka_collision_force, 6);
	copy(s->nominal.upper_force_n, &r->franka_collision_force, 6);
	s->acceleration = s->nominal;
}

static void take_load(struct franka_setup *s, const struct config_robot *r)
{
	const double *v = r->franka_load_inertia_kg_m2.value; /* xx, yy, zz, xy, xz, yz */
	const double inertia[9] = { v[0], v[3], v[4], v[3], v[1], v[5], v[4], v[5], v[2] };

	s->load_kg = r->franka_load_mass_kg;
	copy(s->load_com_m, &r->franka_load_center_m, 3);
	memcpy(s->load_inertia_kg_m2, inertia, sizeof inertia);
}

/* A grasp is one whatever the width at which the fingers meet something. */
static void take_hand(struct franka_setup *s, const struct config_robot *r)
{
	const double any_width_m = 0.08; /* the whole stroke of the Franka Hand */

	s->hand = (struct franka_hand_setup){ .enabled = r->franka_hand_use, .speed_m_s = r->franka_hand_speed_m_s,
		.force_n = r->franka_hand_force_n, .epsilon_inner_m = any_width_m, .epsilon_outer_m = any_width_m };
}

static void take_keys(struct franka_setup *s, const struct config_robot *r)
{
	s->controller = (enum franka_controller)r->franka_controller;
	copy(s->joint_impedance_nm_rad, &r->franka_joint_impedance_nm_rad, 7);
	copy(s->cartesian_impedance, &r->franka_cartesian_impedance, 6);
	s->low_pass_hz = r->franka_low_pass_hz;
	take_thresholds(s, r);
	take_load(s, r);
	take_hand(s, r);
}

void franka_setup_defaults(struct franka_setup *s)
{
	struct config_robot r;

	config_robot_defaults(&r);
	*s = (struct franka_setup){ .generator = OUTPUT_JOINT, .tcp = pose_identity };
	take_keys(s, &r);
}

static bool is_franka(const char *model)
{
	return strcmp(model, "panda") == 0 || strcmp(model, "fr3") == 0 || strcmp(model, "fr3_5.9") == 0;
}

int franka_setup_make(struct franka_setup *s, const struct robot_driver_options *o, struct errbuf *e)
{
	const struct arm_setup *a = o->setup;

	if (!is_franka(a->model.name))
		return fail(e, -EINVAL, "robots[%u].model: found %s, which --driver franka does not drive: want panda, fr3, or fr3_5.9 (system "
				"5.9 and newer), or the driver of that arm", o->robot, a->model.name);
	if (!o->config->address[0])
		return fail(e, -EINVAL, "robots[%u].address: not given: want the robot's host or IP address, the one that Desk is opened at "
				"(or --driver sim for a simulated arm)", o->robot);
	*s = (struct franka_setup){ .generator = a->output, .tcp = a->tcp };
	snprintf(s->arm, sizeof s->arm, "%s", a->name);
	snprintf(s->model, sizeof s->model, "%s", a->model.name);
	snprintf(s->address, sizeof s->address, "%s", o->config->address);
	take_keys(s, o->config);
	return 0;
}
