/* test_franka_setup.c - what the configuration says of a Franka, as the driver gets it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "robots/franka/setup.h"
#include "robots/setup/arm_setup.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

struct bench {
	struct config config;
	struct arm_setup arm;
	struct robot_driver_options options;
};

static void make(struct bench *b, const char *model, const char *address)
{
	struct errbuf e = { "" };

	config_defaults(&b->config);
	b->config.n_robots = 2;
	config_robot_defaults(&b->config.robot[0]);
	config_robot_defaults(&b->config.robot[1]);
	struct config_robot *r = &b->config.robot[1];
	strcpy(r->name, "left");
	strcpy(r->model, model);
	strcpy(r->address, address);
	if (arm_setup_make(&b->arm, &b->config, r, &e) != 0)
		fail_msg("%s", e.text);
	b->options = (struct robot_driver_options){ .setup = &b->arm, .config = r, .robot = 1 };
}

static void takes(struct bench *b, struct franka_setup *s)
{
	struct errbuf e = { "" };

	if (franka_setup_make(s, &b->options, &e) != 0)
		fail_msg("%s", e.text);
}

static void test_defaults(void **state)
{
	static const double torque[7] = { 20, 20, 18, 18, 16, 14, 12 }, force[6] = { 20, 20, 20, 25, 25, 25 };
	static const double joint[7] = { 3000, 3000, 3000, 2500, 2500, 2000, 2000 }, cartesian[6] = { 3000, 3000, 3000, 300, 300, 300 };
	struct franka_setup s, preset;
	struct bench b;

	(void)state;
	make(&b, "panda", "172.16.0.2");
	takes(&b, &s);
	assert_string_equal(s.arm, "left");
	assert_string_equal(s.model, "panda");
	assert_string_equal(s.address, "172.16.0.2");
	assert_int_equal(s.generator, OUTPUT_JOINT);
	assert_int_equal(s.controller, FRANKA_JOINT_IMPEDANCE);
	assert_memory_equal(s.nominal.upper_torque_nm, torque, sizeof torque);
	assert_memory_equal(s.acceleration.lower_torque_nm, torque, sizeof torque);
	assert_memory_equal(s.nominal.upper_force_n, force, sizeof force);
	assert_memory_equal(s.joint_impedance_nm_rad, joint, sizeof joint);
	assert_memory_equal(s.cartesian_impedance, cartesian, sizeof cartesian);
	assert_true(s.low_pass_hz == 1000 && s.load_kg == 0 && s.hand.enabled && s.hand.force_n == 40 && s.hand.speed_m_s == 0.1);
	franka_setup_defaults(&preset);
	memcpy(preset.arm, s.arm, sizeof preset.arm);
	memcpy(preset.model, s.model, sizeof preset.model);
	memcpy(preset.address, s.address, sizeof preset.address);
	assert_memory_equal(&preset.nominal, &s.nominal, sizeof s.nominal);
	assert_memory_equal(&preset.hand, &s.hand, sizeof s.hand);
}

static void test_values(void **state)
{
	static const double inertia[6] = { 1e-3, 2e-3, 3e-3, 1e-4, 2e-4, 3e-4 };
	static const double columns[9] = { 1e-3, 1e-4, 2e-4, 1e-4, 2e-3, 3e-4, 2e-4, 3e-4, 3e-3 };
	struct config_robot *r;
	struct franka_setup s;
	struct bench b;

	(void)state;
	make(&b, "fr3_5.9", "robot.local");
	r = &b.config.robot[1];
	r->output = 1;
	r->tcp.value[2] = 0.1034;
	r->franka_load_mass_kg = 0.5;
	r->franka_load_center_m.value[2] = 0.05;
	memcpy(r->franka_load_inertia_kg_m2.value, inertia, sizeof inertia);
	r->franka_collision_torque_nm.value[6] = 33;
	r->franka_collision_force.value[5] = 44;
	r->franka_controller = 1;
	r->franka_low_pass_hz = 150;
	r->franka_hand_use = false;
	r->franka_hand_force_n = 60;
	r->franka_hand_speed_m_s = 0.02;
	struct errbuf e = { "" };
	assert_int_equal(arm_setup_make(&b.arm, &b.config, r, &e), 0);
	takes(&b, &s);
	assert_int_equal(s.generator, OUTPUT_POSE);
	assert_int_equal(s.controller, FRANKA_CARTESIAN_IMPEDANCE);
	assert_true(s.tcp.p_m[2] == 0.1034 && s.load_kg == 0.5 && s.load_com_m[2] == 0.05 && s.low_pass_hz == 150);
	assert_memory_equal(s.load_inertia_kg_m2, columns, sizeof columns);
	assert_true(s.nominal.upper_torque_nm[6] == 33 && s.acceleration.upper_torque_nm[6] == 33 && s.nominal.lower_force_n[5] == 44);
	assert_true(!s.hand.enabled && s.hand.force_n == 60 && s.hand.speed_m_s == 0.02);
}

static void refuses(const char *model, const char *address, const char *key, const char *remedy)
{
	struct errbuf e = { "" };
	struct franka_setup s;
	struct bench b;

	make(&b, model, address);
	assert_int_equal(franka_setup_make(&s, &b.options, &e), -EINVAL);
	if (strncmp(e.text, key, strlen(key)) != 0 || !strstr(e.text, remedy))
		fail_msg("want \"%s\" and \"%s\" in: %s", key, remedy, e.text);
}

static void test_refused(void **state)
{
	(void)state;
	refuses("panda", "", "robots[1].address: not given", "IP address");
	refuses("piper", "172.16.0.2", "robots[1].model: found piper", "want panda, fr3, or fr3_5.9");
	refuses("piper", "", "robots[1].model: found piper", "the driver of that arm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
