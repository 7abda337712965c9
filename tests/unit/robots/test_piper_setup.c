/* test_piper_setup.c - what the configuration says of a PiPER, as the driver gets it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "robots/piper/setup.h"
#include "robots/piper/trouble.h"
#include "robots/setup/arm_setup.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

struct bench {
	struct config config;
	struct arm_setup arm;
	struct robot_driver_options options;
};

static void set_up(struct bench *b)
{
	struct config_robot *r = &b->config.robot[1];
	struct errbuf e = { "" };

	if (arm_setup_make(&b->arm, &b->config, r, &e) != 0)
		fail_msg("%s", e.text);
	b->options = (struct robot_driver_options){ .setup = &b->arm, .config = r, .robot = 1 };
}

static void make(struct bench *b, const char *model, const char *address)
{
	config_defaults(&b->config);
	b->config.n_robots = 2;
	config_robot_defaults(&b->config.robot[0]);
	config_robot_defaults(&b->config.robot[1]);
	strcpy(b->config.robot[1].name, "left");
	strcpy(b->config.robot[1].model, model);
	strcpy(b->config.robot[1].address, address);
	set_up(b);
}

static void takes(struct bench *b, struct piper_setup *s)
{
	struct errbuf e = { "" };

	if (piper_setup_make(s, &b->options, &e) != 0)
		fail_msg("%s", e.text);
}

static void refuses(struct bench *b, const char *key, const char *remedy)
{
	struct errbuf e = { "" };
	struct piper_setup s;

	assert_int_equal(piper_setup_make(&s, &b->options, &e), -EINVAL);
	if (strncmp(e.text, key, strlen(key)) != 0 || !strstr(e.text, remedy))
		fail_msg("want \"%s\" and \"%s\" in: %s", key, remedy, e.text);
}

static void test_refusals(void **state)
{
	static const char *const no_bus[] = { "can0/x", "/dev/ttyACM0", "socketcand://..", "socketcand://127.0.0.1", "can0/can1", "127.0.0.1",
		"socketcand://127.0.0.1:0/can0" };
	static const double no_stroke[] = { 0.11, 0.08, 0.0701, 0.05 };
	struct bench b;

	(void)state;
	make(&b, "panda", "can0");
	refuses(&b, "robots[1].model", "piper_1.6-2");
	make(&b, "piper", "");
	refuses(&b, "robots[1].address", "socketcand://HOST:PORT");
	for (size_t i = 0; i < sizeof no_bus / sizeof *no_bus; i++) {
		char found[80];

		snprintf(found, sizeof found, "robots[1].address: CAN bus: found \"%s\", allowed ", no_bus[i]);
		make(&b, "piper", no_bus[i]);
		refuses(&b, found, strstr(no_bus[i], ":0") ? "1..65535" : "socketcand://HOST:PORT");
	}
	make(&b, "piper", "can0");
	for (size_t i = 0; i < sizeof no_stroke / sizeof *no_stroke; i++) {
		b.config.robot[1].gripper_max_m = no_stroke[i];
		set_up(&b);
		refuses(&b, "robots[1].gripper_max_m: found 0.", "0.07 or 0.1");
	}
	b.config.robot[1].piper_gripper_use = false; /* whatever is at its flange is no PiPER's then */
	struct piper_setup s;
	takes(&b, &s);
	assert_false(s.has_gripper);
}

/* A slow and gentle arm unless somebody wants another. */
static void test_defaults(void **state)
{
	struct piper_setup s, preset;
	struct bench b;

	(void)state;
	make(&b, "piper", "can0");
	takes(&b, &s);
	assert_string_equal(s.arm, "left");
	assert_string_equal(s.address, "can0");
	assert_string_equal(s.model.name, "piper");
	assert_true(s.feedback_base == 0x2A0 && s.control_base == 0x150);
	assert_int_equal(s.follow, PIPER_FOLLOW_CHOICE_PLANNED);
	assert_true(s.has_gripper && s.gripper_max_m == 0.07 && s.gripper_range_mm == 70 && s.gripper_effort_nm == 1);
	assert_true(s.rate_hz == 50 || s.rate_hz == 100 || s.rate_hz == 200);
	piper_setup_defaults(&preset);
	memcpy(preset.arm, s.arm, sizeof preset.arm);
	memcpy(preset.address, s.address, sizeof preset.address);
	assert_memory_equal(&preset.model, &s.model, sizeof s.model);
	assert_true(preset.rate_hz == s.rate_hz && preset.speed_percent == s.speed_percent && preset.follow == s.follow &&
			preset.gripper_range_mm == s.gripper_range_mm && preset.gripper_effort_nm == s.gripper_effort_nm &&
			preset.feedback_base == s.feedback_base && preset.control_base == s.control_base && preset.has_gripper);
}

static void test_values(void **state)
{
	static const uint32_t rate_hz[] = { 50, 100, 200 }, feedback[] = { 0x2A0, 0x2B0, 0x2C0, 0x3A0 }, control[] = { 0x150, 0x160, 0x170 };
	struct config_robot *r;
	struct piper_setup s;
	struct bench b;

	(void)state;
	make(&b, "piper_1.6-2", "socketcand://127.0.0.1:29536/can1");
	r = &b.config.robot[1];
	r->gripper_max_m = 0.1;
	r->piper_speed_percent = 33;
	r->piper_follow = 1;
	r->piper_gripper_effort_nm = 2.5;
	for (int i = 0; i < 4; i++) {
		r->piper_rate_hz = i % 3;
		r->piper_feedback_base = i;
		r->piper_control_base = i % 3;
		set_up(&b);
		takes(&b, &s);
		assert_true(s.rate_hz == rate_hz[i % 3] && s.feedback_base == feedback[i] && s.control_base == control[i % 3]);
	}
	assert_string_equal(s.model.name, "piper_1.6-2");
	assert_string_equal(s.address, "socketcand://127.0.0.1:29536/can1");
	assert_true(s.speed_percent == 33 && s.follow == PIPER_FOLLOW_CHOICE_HIGH && s.gripper_effort_nm == 2.5);
	assert_true(s.gripper_range_mm == 100 && s.gripper_max_m == 0.1);
}

/* Texts of the file, not fields set in code: the index of a name is what setup.c looks up. */
static void test_names_in_a_file(void **state)
{
	static const char text[] = "policy:\n  model: /tmp\n  cameras: [front]\ncameras:\n  front: {}\nrobots:\n  - name: left\n    model: piper\n    address: can0\n    piper:\n      rate_hz: 200\n"
			"      follow: high_follow\n      feedback_base: 0x3A0\n      control_base: 0x170\n";
	char path[] = "/tmp/dreamvla_piper_XXXXXX";
	struct errbuf e = { "" };
	struct piper_setup s;
	struct bench b;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	config_defaults(&b.config);
	int rc = config_read(&b.config, path, &e);
	unlink(path);
	if (rc < 0)
		fail_msg("%s", e.text);
	assert_int_equal(arm_setup_make(&b.arm, &b.config, &b.config.robot[0], &e), 0);
	b.options = (struct robot_driver_options){ .setup = &b.arm, .config = &b.config.robot[0] };
	takes(&b, &s);
	assert_true(s.rate_hz == 200 && s.follow == PIPER_FOLLOW_CHOICE_HIGH && s.feedback_base == 0x3A0 && s.control_base == 0x170);
}

static void test_troubles(void **state)
{
	(void)state;
	assert_string_equal(piper_trouble(PIPER_TROUBLE_NONE)->name, "");
	for (uint32_t i = 1; i < PIPER_TROUBLES; i++) {
		const struct robot_trouble *t = piper_trouble(i);

		assert_true(strlen(t->name) > 0 && !strchr(t->name, ' ') && strlen(t->remedy) > 20);
		for (uint32_t k = 1; k < i; k++)
			assert_string_not_equal(t->name, piper_trouble(k)->name);
	}
	assert_string_equal(piper_trouble(PIPER_TROUBLES)->name, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_names_in_a_file),
		cmocka_unit_test(test_troubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
