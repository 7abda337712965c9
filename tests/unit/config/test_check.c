/* test_check.c - what config_check refuses: keys that are each right but do not fit together. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/address.h"
#include "config/config.h"
#include "config/keys.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

static void add_robot(struct config *c, const char *name, const char *control)
{
	struct config_robot *r = &c->robot[c->n_robots++];

	key_set_presets(key_scope_robot, r);
	strcpy(r->name, name);
	strcpy(r->model, "panda");
	strcpy(r->control, control);
}

static void add_camera(struct config *c, const char *name)
{
	struct config_camera *camera = &c->camera[c->n_cameras++];

	key_set_presets(key_scope_camera, camera);
	strcpy(camera->name, name);
	strcpy(c->policy_cameras.name[c->policy_cameras.n++], name);
}

static struct config good(void)
{
	struct config c;

	config_defaults(&c);
	strcpy(c.policy_model, "/model");
	c.policy_action_space = 0; /* ee_delta */
	add_camera(&c, "wrist");
	add_robot(&c, "arm", "tcp://127.0.0.1:7421");
	return c;
}

static void accepts(const struct config *c)
{
	struct errbuf e = { "" };

	if (config_check(c, &e) != 0)
		fail_msg("%s", e.text);
}

/* The error must begin with the key to change, and hold the other part. */
static void refuses(const struct config *c, const char *key, const char *part)
{
	struct errbuf e = { "" };

	assert_int_equal(config_check(c, &e), -EINVAL);
	if (strncmp(e.text, key, strlen(key)) != 0 || e.text[strlen(key)] != ':' || !strstr(e.text, part))
		fail_msg("want \"%s: ...%s...\" in: %s", key, part, e.text);
}

static void test_good(void **state)
{
	struct config c = good();

	(void)state;
	accepts(&c);
}

static void test_defaults_alone(void **state)
{
	struct config c;

	(void)state;
	config_defaults(&c);
	refuses(&c, "policy.model", "not given");
}

static void test_policy_cameras(void **state)
{
	struct config c = good();

	(void)state;
	strcpy(c.policy_cameras.name[0], "left");
	refuses(&c, "policy.cameras", "left is not configured");
	c = good();
	c.policy_cameras.n = 0;
	refuses(&c, "policy.cameras", "found 0, want the names of 1 to 4");
	for (uint32_t i = 0; i < 5; i++)
		strcpy(c.policy_cameras.name[c.policy_cameras.n++], "wrist");
	refuses(&c, "policy.cameras", "found 5");
	c.policy_cameras.n = 2;
	refuses(&c, "policy.cameras", "wrist stands there twice");
}

static void test_policy(void **state)
{
	struct config c = good();

	(void)state;
	strcpy(c.policy_proprio.name[c.policy_proprio.n++], "ee_pos");
	strcpy(c.policy_proprio.name[c.policy_proprio.n++], "zero");
	accepts(&c);
	strcpy(c.policy_proprio.name[c.policy_proprio.n++], "joints");
	refuses(&c, "policy.proprio", "found joints, allowed ee_pos, ee_rotvec");
	c = good();
	c.policy_action_scale.n = 33;
	refuses(&c, "policy.action_scale", "found 33 numbers, allowed at most 32");
	c = good();
	c.policy_delta_reference = 2;
	accepts(&c);
	c.policy_action_space = 3;
	refuses(&c, "policy.delta_reference", "ee_delta");
	c.policy_delta_reference = 1; /* measured, which an absolute action has no use for */
	refuses(&c, "policy.delta_reference", "measured needs an action space of deltas");
	c.policy_action_space = 0;
	accepts(&c);
	c = good();
	c.robot[0].output = 1;
	accepts(&c);
	for (c.policy_action_space = 2; c.policy_action_space < 4; c.policy_action_space++)
		refuses(&c, "robots[0].output", "want output: joint");
	c = good();
	c.policy_gripper_kind = 2;
	accepts(&c);
	c.policy_gripper_action_open = c.policy_gripper_action_closed;
	refuses(&c, "policy.gripper.action_open", "two different values");
	c = good();
	strcpy(c.policy_question, "What now?");
	refuses(&c, "policy.question", "exactly one {}");
	strcpy(c.policy_question, "{} and {}?");
	refuses(&c, "policy.question", "exactly one {}");
	c = good();
	strcpy(c.log_level, "loud");
	refuses(&c, "log.level", "debug, info, warning, error");
}

static void test_execution(void **state)
{
	struct config c = good();

	(void)state;
	c.execution_method = 3;
	refuses(&c, "execution.method", "discrete_diffusion");
	c.policy_decoder = 1;
	accepts(&c);
	c.execution_steps = c.policy_action_chunk;
	accepts(&c);
	c.execution_steps++;
	refuses(&c, "execution.steps", "policy.action_chunk, which is 8");
}

static void test_cameras(void **state)
{
	struct config c = good();

	(void)state;
	c.camera[0].resize_width = 0;
	refuses(&c, "cameras.wrist.resize_height", "224 x 0");
	c.camera[0].resize_height = 0;
	accepts(&c);
	c.camera[1] = c.camera[0];
	c.n_cameras = 2;
	refuses(&c, "cameras.wrist", "given twice");
	c.n_cameras = CONFIG_CAMERAS_MAX + 1;
	refuses(&c, "cameras", "at most 4");
}

static void test_robot_names(void **state)
{
	struct config c = good();

	(void)state;
	c.n_robots = 0;
	refuses(&c, "robots", "at least one robot");
	c = good();
	add_robot(&c, "arm", "tcp://127.0.0.1:7422");
	c.robot[1].action_first = 6;
	refuses(&c, "robots[1].name", "arm is the name of robots[0] as well");
	strcpy(c.robot[1].name, "left");
	accepts(&c);
	strcpy(c.robot[1].name, "left arm");
	refuses(&c, "robots[1].name", "letters, digits, _ and -");
	c = good();
	c.robot[0].model[0] = 0;
	refuses(&c, "robots[0].model", "not given");
}

static void test_tcp(void **state)
{
	struct config c = good();

	(void)state;
	c.robot[0].tcp.n = 6;
	refuses(&c, "robots[0].tcp", "found 6 numbers, want 7");
	c.robot[0].tcp.n = 7;
	c.robot[0].tcp.value[3] = 0.1;
	refuses(&c, "robots[0].tcp", "length 1.005, want 1 within 0.001");
	c.robot[0].tcp.value[3] = 0.001;
	accepts(&c);
	c.robot[0].tcp.value[6] = NAN;
	refuses(&c, "robots[0].tcp", "found nan");
	memset(c.robot[0].tcp.value, 0, sizeof c.robot[0].tcp.value);
	refuses(&c, "robots[0].tcp", "length 0");
}

static void test_workspace(void **state)
{
	struct config c = good();

	(void)state;
	c.robot[0].workspace_max.n = 2;
	refuses(&c, "robots[0].workspace_max", "found 2 numbers, want 3");
	c.robot[0].workspace_max.n = 3;
	c.robot[0].workspace_min.value[2] = c.robot[0].workspace_max.value[2];
	refuses(&c, "robots[0].workspace_min", "z is 0.9, want less");
	c.robot[0].workspace_min.value[2] = NAN;
	refuses(&c, "robots[0].workspace_min", "found nan");
}

static void test_franka(void **state)
{
	static const struct {
		const char *key, *want;
		size_t at;
	} list[] = {
		{ "robots[0].franka.joint_impedance_nm_rad", "want 7: one per joint", offsetof(struct config_robot, franka_joint_impedance_nm_rad) },
		{ "robots[0].franka.cartesian_impedance", "want 6", offsetof(struct config_robot, franka_cartesian_impedance) },
		{ "robots[0].franka.collision_torque_nm", "want 7: one per joint", offsetof(struct config_robot, franka_collision_torque_nm) },
		{ "robots[0].franka.collision_force", "want 6", offsetof(struct config_robot, franka_collision_force) },
		{ "robots[0].franka.load.center_m", "want 3: x, y, z in m", offsetof(struct config_robot, franka_load_center_m) },
		{ "robots[0].franka.load.inertia_kg_m2", "want 6: xx, yy", offsetof(struct config_robot, franka_load_inertia_kg_m2) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		struct config c = good();
		struct config_reals *reals = (void *)((uint8_t *)&c.robot[0] + list[i].at);

		reals->n--;
		refuses(&c, list[i].key, list[i].want);
		reals->n += 2;
		reals->value[reals->n - 1] = reals->value[0];
		refuses(&c, list[i].key, list[i].want);
		reals->n--;
		accepts(&c);
	}
}

static void test_franka_impedance(void **state)
{
	struct config c = good();
	double *value = c.robot[0].franka_cartesian_impedance.value;

	(void)state;
	value[0] = 10;
	value[3] = 1;
	accepts(&c);
	value[1] = 9.9;
	refuses(&c, "robots[0].franka.cartesian_impedance", "entry 2: found 9.9, allowed 10..3000 N/m");
	value[1] = 10;
	value[5] = 301;
	refuses(&c, "robots[0].franka.cartesian_impedance", "entry 6: found 301, allowed 1..300 Nm/rad");
}

/* A body's moments are never negative, and none is larger than the other two together. */
static void test_franka_load(void **state)
{
	static const double wrong[][6] = { { -0.001, 0.001, 0.001, 0, 0, 0 }, { 0.003, 0.001, 0.001, 0, 0, 0 }, { 0.001, 0.001, 0.001, 0.002, 0, 0 },
		{ 0.001, 0.001, 0.001, 0, 0, -0.002 }, { 0, 0, 0, 0, 0.0001, 0 }, { 0.001, 0.001, 0.001, 0.0009, 0.0009, -0.0009 } };
	static const double right[][6] = { { 0.001, 0.0025, 0.0017, 0, 0, 0 }, { 0.001, 0.001, 0, 0, 0, 0 }, { 0.002, 0.002, 0.002, 0.0005, -0.0005, 0.0005 } };

	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		struct config c = good();

		c.robot[0].franka_load_mass_kg = 0.4;
		memcpy(c.robot[0].franka_load_inertia_kg_m2.value, right[i], sizeof right[i]);
		accepts(&c);
		c.robot[0].franka_load_mass_kg = 0;
		refuses(&c, "robots[0].franka.load.mass_kg", "found 0, but load.inertia_kg_m2 is given");
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct config c = good();

		c.robot[0].franka_load_mass_kg = 0.4;
		memcpy(c.robot[0].franka_load_inertia_kg_m2.value, wrong[i], sizeof wrong[i]);
		refuses(&c, "robots[0].franka.load.inertia_kg_m2", "no body has the moments");
	}
}

static void test_action_slices(void **state)
{
	struct config c = good();

	(void)state;
	add_robot(&c, "left", "tcp://127.0.0.1:7422");
	refuses(&c, "robots[1].action_first", "0..5 overlap 0..5 of robots[0]");
	c.policy_gripper_kind = 1;
	c.robot[1].action_first = 6;
	refuses(&c, "robots[1].action_first", "6..12 overlap 0..6 of robots[0]");
	c.robot[1].action_first = 7;
	accepts(&c);
	c.robot[1].action_first = 26;
	refuses(&c, "robots[1].action_first", "26 + 7 dimensions end after 32");
	c.policy_action_space = 3; /* joint_absolute: dimensions depend on the models */
	c.robot[1].action_first = 7;
	refuses(&c, "robots[0].action_dims", "several robots");
	c.robot[0].action_dims = c.robot[1].action_dims = 7;
	accepts(&c);
	c.n_robots = 1;
	c.robot[0].action_dims = 0;
	accepts(&c);
}

static void test_addresses(void **state)
{
	struct config c = good();

	(void)state;
	strcpy(c.sockets_cameras, "udp://127.0.0.1:7411");
	refuses(&c, "sockets.cameras", "allowed tcp://HOST:PORT or ipc://PATH");
	strcpy(c.sockets_cameras, "tcp://127.0.0.1:7412");
	refuses(&c, "sockets.operators", "tcp://127.0.0.1:7412 is taken by sockets.cameras");
	strcpy(c.sockets_cameras, "ipc:///run/dreamvla/cameras");
	accepts(&c);
	strcpy(c.sockets_states, c.sockets_cameras);
	refuses(&c, "sockets.states", "taken by sockets.cameras");
	c = good();
	strcpy(c.robot[0].control, c.sockets_control);
	refuses(&c, "robots[0].control", "taken by sockets.control");
	strcpy(c.robot[0].control, "tcp://*:7421");
	refuses(&c, "robots[0].control", "the arm's own host and port");
	strcpy(c.robot[0].control, "tcp://127.0.0.1:0");
	refuses(&c, "robots[0].control", "the arm's own host and port");
	strcpy(c.robot[0].control, "tcp://arm.example:7421");
	accepts(&c);
	strcpy(c.robot[0].control, "");
	refuses(&c, "robots[0].control", "found \"\"");
}

static void test_open_doors(void **state)
{
	struct config c = good();

	(void)state;
	strcpy(c.sockets_control, "tcp://*:7416");
	refuses(&c, "sockets.control", "sockets.insecure: true");
	strcpy(c.sockets_control, "tcp://192.168.1.5:7416");
	refuses(&c, "sockets.control", "sockets.curve_secret");
	c.sockets_insecure = true;
	accepts(&c);
	c.sockets_insecure = false;
	strcpy(c.sockets_curve_secret, "/etc/dreamvla/secret");
	refuses(&c, "sockets.curve_clients", "missing");
	strcpy(c.sockets_curve_clients, "/etc/dreamvla/clients");
	accepts(&c);
	c.sockets_curve_secret[0] = 0;
	refuses(&c, "sockets.curve_secret", "missing");
}

static void test_address_parse(void **state)
{
	static const char *const bad[] = { "", "tcp://", "tcp://:1", "tcp://a", "tcp://a:", "tcp://a:65536", "tcp://a:-1", "tcp://a:1x",
		"tcp://a b:1", "tcp://eth0;a:1", "ipc://", "inproc://a", "TCP://a:1" };
	struct address a, b;
	struct errbuf e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(address_parse(&a, bad[i], &e), -EINVAL);
	assert_int_equal(address_parse(&a, "tcp://[::1]:65535", &e), 0);
	assert_true(a.tcp && a.loopback && a.port == 65535);
	assert_int_equal(address_parse(&a, "tcp://*:*", &e), 0);
	assert_true(a.wildcard && !a.loopback && a.port == 0);
	assert_false(address_collides(&a, &a));
	assert_int_equal(address_parse(&a, "tcp://0.0.0.0:7411", &e), 0);
	assert_int_equal(address_parse(&b, "tcp://127.0.0.1:7411", &e), 0);
	assert_true(b.loopback && !b.wildcard);
	assert_int_equal(address_parse(&b, "tcp://127.example.org:7411", &e), 0);
	assert_false(b.loopback);
	assert_int_equal(address_parse(&b, "tcp://127.0.0.1:7411", &e), 0);
	assert_true(address_collides(&a, &b));
	assert_int_equal(address_parse(&a, "tcp://127.0.0.2:7411", &e), 0);
	assert_false(address_collides(&a, &b));
}

/* A configuration made in code is held to the same ranges as a file. */
static void test_made_in_code(void **state)
{
	struct config c = good();

	(void)state;
	c.control_rate_hz = 5000;
	refuses(&c, "control.rate_hz", "found 5000, allowed 50..1000 Hz");
	c = good();
	c.speed_default = NAN;
	refuses(&c, "speed.default", "found nan, allowed 0.05..1");
	c = good();
	c.policy_backend = 7;
	refuses(&c, "policy.backend", "one of cpu, cuda");
	c = good();
	c.robot[0].home.n = CONFIG_REALS_MAX + 1;
	refuses(&c, "robots[0].home", "at most 64");
	c = good();
	c.policy_proprio.n = CONFIG_NAMES_MAX + 1;
	refuses(&c, "policy.proprio", "at most 16");
	c = good();
	memset(c.policy_system, 'a', sizeof c.policy_system);
	refuses(&c, "policy.system", "a text without end");
	c = good();
	c.camera[0].center_crop = -1;
	refuses(&c, "cameras.wrist.center_crop", "0..1");
}

/* config_read gives the line of the key that config_check names. */
static void test_lines(void **state)
{
	static const char text[] = "policy:\n  model: /m\n  cameras: [wrist]\n  action_space: ee_delta\ncameras: {wrist: {}}\n"
				   "execution:\n  method: inpaint\nrobots:\n- model: panda\n  tcp: [0, 0]\n";
	char path[] = "/tmp/dreamvla_config_XXXXXX", want[64];
	int fd = mkstemp(path);
	struct config c;
	struct errbuf e;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
	close(fd);
	assert_int_equal(config_read(&c, path, &e), -EINVAL);
	snprintf(want, sizeof want, "%s:7: execution.method: inpaint needs", path);
	assert_memory_equal(e.text, want, strlen(want));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_defaults_alone),
		cmocka_unit_test(test_policy_cameras),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_execution),
		cmocka_unit_test(test_cameras),
		cmocka_unit_test(test_robot_names),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_workspace),
		cmocka_unit_test(test_franka),
		cmocka_unit_test(test_franka_impedance),
		cmocka_unit_test(test_franka_load),
		cmocka_unit_test(test_action_slices),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_open_doors),
		cmocka_unit_test(test_address_parse),
		cmocka_unit_test(test_made_in_code),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
