/* config_check.c - what belongs together: every error begins with the key to change. Whether files exist and what a model
 * or checkpoint demands is found out by those who open them. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "config/address.h"
#include "config/config.h"
#include "config/keys.h"

enum { DECODER_DISCRETE_DIFFUSION = 1, SPACE_EE_DELTA = 0, SPACE_EE_ABSOLUTE = 1, SPACE_JOINT_DELTA = 2, SPACE_JOINT_ABSOLUTE = 3,
	METHOD_INPAINT = 3, OUTPUT_POSES = 1,
	REFERENCE_MEASURED = 1, REFERENCE_OSC = 2, GRIPPER_NONE = 0, GRIPPER_CONTINUOUS = 2 };
enum { ACTION_DIMS_MAX = 32, EE_ACTION_DIMS = 6, PROPRIO_KINDS = 11 };

/* ---- every key by itself: for configurations that were made in code ---------------------------------------------- */

static int check_keys(struct key_scope scope, const void *object, const char *place, struct errbuf *e)
{
	struct errbuf why = { "" };

	for (uint32_t i = 0; i < scope.n; i++) {
		int rc = key_check(&scope.key[i], object, &why);

		if (rc < 0)
			return fail(e, rc, "%s%s: %.800s", place, scope.key[i].name, why.text);
	}
	return 0;
}

static int check_ranges(const struct config *c, struct errbuf *e)
{
	char place[CONFIG_NAME_BYTES + 16];
	int rc;

	if (c->n_cameras > CONFIG_CAMERAS_MAX || c->n_robots > CONFIG_ROBOTS_MAX)
		return fail(e, -EINVAL, "cameras: found %u, and %u robots, allowed at most %d and %d", c->n_cameras, c->n_robots,
				CONFIG_CAMERAS_MAX, CONFIG_ROBOTS_MAX);
	rc = check_keys(key_scope_global, c, "", e);
	for (uint32_t i = 0; i < c->n_cameras && rc == 0; i++) {
		if (!memchr(c->camera[i].name, 0, CONFIG_NAME_BYTES) || !key_is_name(c->camera[i].name))
			return fail(e, -EINVAL, "cameras: camera %u has no name of letters, digits, _ and -", i + 1);
		snprintf(place, sizeof place, "cameras.%s.", c->camera[i].name);
		rc = check_keys(key_scope_camera, &c->camera[i], place, e);
	}
	for (uint32_t i = 0; i < c->n_robots && rc == 0; i++) {
		snprintf(place, sizeof place, "robots[%u].", i);
		rc = check_keys(key_scope_robot, &c->robot[i], place, e);
	}
	return rc;
}

/* ---- sockets ------------------------------------------------------------------------------------------------------ */

struct door {
	char key[32];
	struct address address;
	const char *text;
	bool bound; /* by dreamvlad; an arm's door is only connected to */
};

enum { SOCKETS = 6, DOORS_MAX = SOCKETS + CONFIG_ROBOTS_MAX };

static int add_door(struct door *doors, uint32_t *n, const char *key, const char *text, bool bound, struct errbuf *e)
{
	struct door *d = &doors[*n];
	struct errbuf why = { "" };
	int rc = address_parse(&d->address, text, &why);

	snprintf(d->key, sizeof d->key, "%s", key);
	d->text = text;
	d->bound = bound;
	if (rc < 0)
		return fail(e, rc, "%s: %.800s", key, why.text);
	for (uint32_t i = 0; i < *n; i++)
		if (address_collides(&d->address, &doors[i].address))
			return fail(e, -EINVAL, "%s: %s is taken by %s (%s); give each its own", key, text, doors[i].key,
					doors[i].text);
	(*n)++;
	return 0;
}

static int check_door(const struct config *c, const struct door *d, struct errbuf *e)
{
	bool keys = c->sockets_curve_secret[0] && c->sockets_curve_clients[0];

	if (!d->bound && (d->address.wildcard || (d->address.tcp && d->address.port == 0)))
		return fail(e, -EINVAL, "%s: found %s, want the arm's own host and port", d->key, d->text);
	if (d->bound && d->address.tcp && !d->address.loopback && !keys && !c->sockets_insecure)
		return fail(e, -EINVAL,
				"%s: %s can be reached from other machines without keys; bind to 127.0.0.1 or ipc://, or set "
				"sockets.curve_secret and sockets.curve_clients, or (on a network where everyone may move the "
				"arm) sockets.insecure: true",
				d->key, d->text);
	return 0;
}

static int check_sockets(const struct config *c, struct errbuf *e)
{
	const struct { const char *key, *text; } bound[SOCKETS] = {
		{ "sockets.cameras", c->sockets_cameras },
		{ "sockets.operators", c->sockets_operators },
		{ "sockets.states", c->sockets_states },
		{ "sockets.targets", c->sockets_targets },
		{ "sockets.status", c->sockets_status },
		{ "sockets.control", c->sockets_control },
	};
	struct door door[DOORS_MAX];
	uint32_t n = 0;
	char key[32];
	int rc = 0;

	if (!c->sockets_curve_secret[0] != !c->sockets_curve_clients[0])
		return fail(e, -EINVAL, "sockets.curve_%s: missing; keys need both the server's secret and the list of clients",
				c->sockets_curve_secret[0] ? "clients" : "secret");
	for (uint32_t i = 0; i < SOCKETS && rc == 0; i++)
		rc = add_door(door, &n, bound[i].key, bound[i].text, true, e);
	for (uint32_t i = 0; i < c->n_robots && rc == 0; i++) {
		snprintf(key, sizeof key, "robots[%u].control", i);
		rc = add_door(door, &n, key, c->robot[i].control, false, e);
	}
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = check_door(c, &door[i], e);
	return rc;
}

/* ---- cameras and policy ------------------------------------------------------------------------------------------- */

static bool has_camera(const struct config *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_cameras; i++)
		if (strcmp(c->camera[i].name, name) == 0)
			return true;
	return false;
}

static int check_policy_cameras(const struct config *c, struct errbuf *e)
{
	const struct config_names *names = &c->policy_cameras;

	if (names->n == 0 || names->n > CONFIG_CAMERAS_MAX)
		return fail(e, -EINVAL, "policy.cameras: found %u, want the names of 1 to %d cameras in the order of the prompt",
				names->n, CONFIG_CAMERAS_MAX);
	for (uint32_t i = 0; i < names->n; i++) {
		if (!has_camera(c, names->name[i]))
			return fail(e, -EINVAL, "policy.cameras: %s is not configured; add a section \"%s:\" under \"cameras:\"",
					names->name[i], names->name[i]);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(names->name[i], names->name[j]) == 0)
				return fail(e, -EINVAL, "policy.cameras: %s stands there twice", names->name[i]);
	}
	return 0;
}

static int check_proprio(const struct config *c, struct errbuf *e)
{
	static const char known[PROPRIO_KINDS][CONFIG_NAME_BYTES] = { "ee_pos", "ee_rotvec", "ee_rpy", "ee_quat", "q", "gripper_m",
		"gripper_fingers", "gripper_open", "committed_pos", "committed_rotvec", "zero" };

	for (uint32_t i = 0; i < c->policy_proprio.n; i++) {
		bool found = false;

		for (uint32_t k = 0; k < PROPRIO_KINDS; k++)
			found = found || strcmp(c->policy_proprio.name[i], known[k]) == 0;
		if (!found)
			return fail(e, -EINVAL,
					"policy.proprio: found %s, allowed ee_pos, ee_rotvec, ee_rpy, ee_quat, q, gripper_m, "
					"gripper_fingers, gripper_open, committed_pos, committed_rotvec, zero",
					c->policy_proprio.name[i]);
	}
	return 0;
}

static int check_gripper(const struct config *c, struct errbuf *e)
{
	if (c->policy_gripper_kind == GRIPPER_CONTINUOUS && c->policy_gripper_action_open == c->policy_gripper_action_closed)
		return fail(e, -EINVAL,
				"policy.gripper.action_open: found %g, the same as policy.gripper.action_closed; a continuous "
				"gripper needs two different values",
				c->policy_gripper_action_open);
	return 0;
}

static int check_question(const struct config *c, struct errbuf *e)
{
	const char *hole = strstr(c->policy_question, "{}");

	if (!hole || strstr(hole + 2, "{}"))
		return fail(e, -EINVAL, "policy.question: found \"%.200s\", want exactly one {} where the instruction goes",
				c->policy_question);
	return 0;
}

static bool is_absolute(const struct config *c)
{
	return c->policy_action_space == SPACE_EE_ABSOLUTE || c->policy_action_space == SPACE_JOINT_ABSOLUTE;
}

static int check_policy(const struct config *c, struct errbuf *e)
{
	int rc;

	if (!c->policy_model[0])
		return fail(e, -EINVAL, "policy.model: not given; name the folder of the checkpoint");
	if (c->policy_action_scale.n > ACTION_DIMS_MAX)
		return fail(e, -EINVAL, "policy.action_scale: found %u numbers, allowed at most %d", c->policy_action_scale.n,
				ACTION_DIMS_MAX);
	if (c->policy_delta_reference == REFERENCE_OSC && c->policy_action_space != SPACE_EE_DELTA)
		return fail(e, -EINVAL, "policy.delta_reference: osc needs policy.action_space: ee_delta");
	if (c->policy_delta_reference == REFERENCE_MEASURED && is_absolute(c))
		return fail(e, -EINVAL, "policy.delta_reference: measured needs an action space of deltas; absolute actions are added "
				"to nothing (leave the key out)");
	rc = check_policy_cameras(c, e);
	if (rc == 0)
		rc = check_proprio(c, e);
	if (rc == 0)
		rc = check_gripper(c, e);
	if (rc == 0)
		rc = check_question(c, e);
	return rc;
}

static int refuse_inpaint(const struct config *c, struct errbuf *e)
{
	char decoder[KEY_VALUE_BYTES];

	key_value_text(key_find(key_scope_global, "policy.decoder"), c, decoder);
	return fail(e, -EINVAL,
			"execution.method: inpaint needs policy.decoder: discrete_diffusion, which can continue given actions; found "
			"%.40s: use async or ensemble with it",
			decoder);
}

static int check_execution(const struct config *c, struct errbuf *e)
{
	if (c->execution_method == METHOD_INPAINT && c->policy_decoder != DECODER_DISCRETE_DIFFUSION)
		return refuse_inpaint(c, e);
	if (c->execution_steps > c->policy_action_chunk)
		return fail(e, -EINVAL, "execution.steps: found %d, allowed at most policy.action_chunk, which is %d",
				c->execution_steps, c->policy_action_chunk);
	return 0;
}

static int check_teleop(const struct config *c, struct errbuf *e)
{
	const struct config_names *d = &c->teleop_devices;

	if (d->n > CONFIG_DEVICES_MAX)
		return fail(e, -EINVAL, "teleop.devices: found %u names, want at most %d", d->n, CONFIG_DEVICES_MAX);
	for (uint32_t i = 0; i < d->n; i++)
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(d->name[i], d->name[k]) == 0)
				return fail(e, -EINVAL, "teleop.devices[%u]: '%s' is there twice", i, d->name[i]);
	return 0;
}

static int check_cameras(const struct config *c, struct errbuf *e)
{
	for (uint32_t i = 0; i < c->n_cameras; i++) {
		const struct config_camera *camera = &c->camera[i];

		if (!camera->resize_height != !camera->resize_width)
			return fail(e, -EINVAL, "cameras.%s.resize_height: found %d x %d (height x width); give both, or 0 for both",
					camera->name, camera->resize_height, camera->resize_width);
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(camera->name, c->camera[j].name) == 0)
				return fail(e, -EINVAL, "cameras.%s: given twice", camera->name);
	}
	return 0;
}

/* ---- robots ------------------------------------------------------------------------------------------------------- */

static int check_tcp(const struct config_robot *r, uint32_t i, struct errbuf *e)
{
	const double unit_tolerance = 1e-3; /* messages.md section 4 */
	double norm = 0;

	if (r->tcp.n != 7)
		return fail(e, -EINVAL, "robots[%u].tcp: found %u numbers, want 7: x, y, z in m and quaternion x, y, z, w", i,
				r->tcp.n);
	for (uint32_t k = 3; k < 7; k++)
		norm += r->tcp.value[k] * r->tcp.value[k];
	norm = sqrt(norm);
	if (!(fabs(norm - 1) <= unit_tolerance))
		return fail(e, -EINVAL, "robots[%u].tcp: the quaternion (numbers 4 to 7) has length %.4g, want 1 within %g", i,
				norm, unit_tolerance);
	return 0;
}

static int check_workspace(const struct config_robot *r, uint32_t i, struct errbuf *e)
{
	if (r->workspace_min.n != 3 || r->workspace_max.n != 3)
		return fail(e, -EINVAL, "robots[%u].workspace_%s: found %u numbers, want 3: x, y, z in m", i,
				r->workspace_min.n != 3 ? "min" : "max",
				r->workspace_min.n != 3 ? r->workspace_min.n : r->workspace_max.n);
	for (uint32_t k = 0; k < 3; k++)
		if (!(r->workspace_min.value[k] < r->workspace_max.value[k]))
			return fail(e, -EINVAL, "robots[%u].workspace_min: %c is %g, want less than that of workspace_max, %g", i,
					"xyz"[k], r->workspace_min.value[k], r->workspace_max.value[k]);
	return 0;
}

static int check_list(const char *key, const struct config_reals *list, uint32_t want, const char *what, uint32_t i, struct errbuf *e)
{
	if (list->n == want)
		return 0;
	return fail(e, -EINVAL, "robots[%u].franka.%s: found %u numbers, want %u: %s", i, key, list->n, want, what);
}

static int check_franka_lists(const struct config_robot *r, uint32_t i, struct errbuf *e)
{
	const struct {
		const char *key;
		const struct config_reals *list;
		uint32_t n;
		const char *what;
	} lists[] = {
		{ "joint_impedance_nm_rad", &r->franka_joint_impedance_nm_rad, 7, "one per joint" },
		{ "cartesian_impedance", &r->franka_cartesian_impedance, 6, "along x, y, z in N/m and about them in Nm/rad" },
		{ "collision_torque_nm", &r->franka_collision_torque_nm, 7, "one per joint" },
		{ "collision_force", &r->franka_collision_force, 6, "along x, y, z in N and about them in Nm" },
		{ "load.center_m", &r->franka_load_center_m, 3, "x, y, z in m" },
		{ "load.inertia_kg_m2", &r->franka_load_inertia_kg_m2, 6, "xx, yy, zz, xy, xz, yz" },
	};
	int rc = 0;

	for (uint32_t k = 0; k < sizeof lists / sizeof *lists && rc == 0; k++)
		rc = check_list(lists[k].key, lists[k].list, lists[k].n, lists[k].what, i, e);
	return rc;
}

/* The two halves of the list have other units, and so other ranges: those of Franka's setCartesianImpedance. */
static int check_franka_impedance(const struct config_robot *r, uint32_t i, struct errbuf *e)
{
	for (uint32_t k = 0; k < 6; k++) {
		double value = r->franka_cartesian_impedance.value[k], low = k < 3 ? 10 : 1, high = k < 3 ? 3000 : 300;

		if (!(value >= low && value <= high))
			return fail(e, -EINVAL, "robots[%u].franka.cartesian_impedance: entry %u: found %g, allowed %g..%g %s", i, k + 1, value,
					low, high, k < 3 ? "N/m" : "Nm/rad");
	}
	return 0;
}

/* An inertia that a body can have: positive semi-definite, and no moment larger than the two others together. The arm compensates
 * gravity and acceleration with it, so that a slip of the pen is a shove. */
static bool is_inertia(const double v[6])
{
	const double xx = v[0], yy = v[1], zz = v[2], xy = v[3], xz = v[4], yz = v[5], rounding = 1e-12;
	double determinant = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz);

	return xx >= 0 && yy >= 0 && zz >= 0 && xx * yy - xy * xy >= -rounding && xx * zz - xz * xz >= -rounding &&
			yy * zz - yz * yz >= -rounding && determinant >= -rounding && xx <= yy + zz + rounding &&
			yy <= xx + zz + rounding && zz <= xx + yy + rounding;
}

static int check_franka_load(const struct config_robot *r, uint32_t i, struct errbuf *e)
{
	const double *inertia = r->franka_load_inertia_kg_m2.value;

	if (!is_inertia(inertia))
		return fail(e, -EINVAL, "robots[%u].franka.load.inertia_kg_m2: no body has the moments %g, %g, %g and products %g, %g, %g; want xx, "
				"yy, zz, xy, xz, yz about the centre of mass, or zeros for a small load", i, inertia[0], inertia[1], inertia[2],
				inertia[3], inertia[4], inertia[5]);
	for (uint32_t k = 0; k < 6; k++)
		if (inertia[k] != 0 && !(r->franka_load_mass_kg > 0))
			return fail(e, -EINVAL, "robots[%u].franka.load.mass_kg: found 0, but load.inertia_kg_m2 is given: want its mass", i);
	return 0;
}

/* Also where the driver is another one: a wrong number does not become right by waiting for the real arm. */
static int check_franka(const struct config_robot *r, uint32_t i, struct errbuf *e)
{
	int rc = check_franka_lists(r, i, e);

	if (rc == 0)
		rc = check_franka_impedance(r, i, e);
	return rc == 0 ? check_franka_load(r, i, e) : rc;
}

/* How many action dimensions the robot takes; 0: as many as its model has joints, which is not known here. */
static uint32_t action_dims(const struct config *c, const struct config_robot *r)
{
	if (r->action_dims > 0)
		return (uint32_t)r->action_dims;
	if (c->policy_action_space != SPACE_EE_DELTA && c->policy_action_space != SPACE_EE_ABSOLUTE)
		return 0;
	return EE_ACTION_DIMS + (c->policy_gripper_kind != GRIPPER_NONE);
}

static int check_slice(const struct config *c, uint32_t i, struct errbuf *e)
{
	const struct config_robot *r = &c->robot[i];
	uint32_t first = (uint32_t)r->action_first, n = action_dims(c, r);

	if (first + n > ACTION_DIMS_MAX)
		return fail(e, -EINVAL, "robots[%u].action_first: %u + %u dimensions end after %d", i, first, n, ACTION_DIMS_MAX);
	if (n == 0 && c->n_robots > 1)
		return fail(e, -EINVAL, "robots[%u].action_dims: must be given when several robots share joint actions", i);
	for (uint32_t j = 0; j < i; j++) {
		uint32_t other = (uint32_t)c->robot[j].action_first, m = action_dims(c, &c->robot[j]);

		if (first < other + m && other < first + n)
			return fail(e, -EINVAL,
					"robots[%u].action_first: dimensions %u..%u overlap %u..%u of robots[%u]; every "
					"dimension is one robot's",
					i, first, first + n - 1, other, other + m - 1, j);
	}
	return 0;
}

/* Seven joint angles are not seen in a pose: the arm's own inverse kinematics would choose them. */
static int check_output(const struct config *c, uint32_t i, struct errbuf *e)
{
	bool poses = c->robot[i].output == OUTPUT_POSES;
	bool joints = c->policy_action_space == SPACE_JOINT_DELTA || c->policy_action_space == SPACE_JOINT_ABSOLUTE;

	if (poses && joints)
		return fail(e, -EINVAL, "robots[%u].output: pose, but the actions are joints (policy.action_space), which the arm's own "
				"inverse kinematics would choose anew: want output: joint", i);
	return 0;
}

static int check_robot_names(const struct config *c, uint32_t i, struct errbuf *e)
{
	const struct config_robot *r = &c->robot[i];

	if (!key_is_name(r->name))
		return fail(e, -EINVAL, "robots[%u].name: found \"%.100s\", allowed 1 to %d letters, digits, _ and -", i, r->name,
				CONFIG_NAME_BYTES - 1);
	if (!r->model[0])
		return fail(e, -EINVAL, "robots[%u].model: not given; want a robot model (panda, fr3, piper, ...)", i);
	for (uint32_t j = 0; j < i; j++)
		if (strcmp(r->name, c->robot[j].name) == 0)
			return fail(e, -EINVAL, "robots[%u].name: %s is the name of robots[%u] as well; names are unique", i,
					r->name, j);
	return 0;
}

static int check_robots(const struct config *c, struct errbuf *e)
{
	int rc = 0;

	if (c->n_robots == 0)
		return fail(e, -EINVAL, "robots: empty; want a list with at least one robot (\"- name: arm\", \"  model: panda\")");
	for (uint32_t i = 0; i < c->n_robots && rc == 0; i++) {
		rc = check_robot_names(c, i, e);
		if (rc == 0)
			rc = check_tcp(&c->robot[i], i, e);
		if (rc == 0)
			rc = check_workspace(&c->robot[i], i, e);
		if (rc == 0)
			rc = check_franka(&c->robot[i], i, e);
		if (rc == 0)
			rc = check_slice(c, i, e);
		if (rc == 0)
			rc = check_output(c, i, e);
	}
	return rc;
}

static int check_log(const struct config *c, struct errbuf *e)
{
	static const char known[4][8] = { "debug", "info", "warning", "error" };

	for (uint32_t i = 0; i < 4; i++)
		if (strcmp(c->log_level, known[i]) == 0)
			return 0;
	return fail(e, -EINVAL, "log.level: found \"%.100s\", allowed debug, info, warning, error", c->log_level);
}

int config_check(const struct config *c, struct errbuf *e)
{
	int rc = check_ranges(c, e);

	if (rc == 0)
		rc = check_log(c, e);
	if (rc == 0)
		rc = check_policy(c, e);
	if (rc == 0)
		rc = check_execution(c, e);
	if (rc == 0)
		rc = check_teleop(c, e);
	if (rc == 0)
		rc = check_cameras(c, e);
	if (rc == 0)
		rc = check_robots(c, e);
	if (rc == 0)
		rc = check_sockets(c, e);
	return rc;
}
