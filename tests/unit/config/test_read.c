/* test_read.c - what config_read refuses, and in which words: file, line, key, found, allowed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

/* The least that passes every check; 10 lines, so that appended text starts at line 11. */
#define LEAST \
	"policy:\n" \
	"  model: /model\n" \
	"  cameras: [wrist]\n" \
	"  action_space: ee_delta\n" \
	"cameras:\n" \
	"  wrist:\n" \
	"    max_age_ms: 150\n" \
	"robots:\n" \
	"  - name: arm\n" \
	"    model: panda\n"

static int read_bytes(struct config *c, const char *text, size_t n, struct errbuf *e)
{
	char path[] = "/tmp/dreamvla_config_XXXXXX";
	int fd = mkstemp(path);
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
	e->text[0] = 0;
	rc = config_read(c, path, e);
	unlink(path);
	return rc;
}

static int read_text(struct config *c, const char *text, struct errbuf *e)
{
	return read_bytes(c, text, strlen(text), e);
}

/* The error must hold ":LINE: " and every part. */
static void refuses(const char *text, int line, const char *first, const char *second)
{
	struct config c, before;
	struct errbuf e;
	char where[16];

	memset(&c, 0x5a, sizeof c);
	before = c;
	assert_int_equal(read_text(&c, text, &e), -EINVAL);
	assert_memory_equal(&c, &before, sizeof c);
	snprintf(where, sizeof where, ":%d: ", line);
	if (!strstr(e.text, where) || !strstr(e.text, first) || !strstr(e.text, second))
		fail_msg("want \"%s\", \"%s\", \"%s\" in: %s", where, first, second, e.text);
}

/* All at once, lists and cameras too; but not what only contains the word, or is quoted. */
static void test_open_questions(void **state)
{
	struct config c;
	struct errbuf e;
	char many[8192] = "", *end = many;

	(void)state;
	assert_int_equal(read_text(&c, "policy:\n  action_hz: FILL_IN\n  unnorm_key: FILL_IN_2\n  action_scale: [FILL_IN]\n  heads: \"FILL_IN\"\n"
				       "cameras:\n  <FILL_IN>:\n    rotate_180: FILL_IN\nrobots:\n  - name: FILL_IN\n", &e), -EINVAL);
	assert_non_null(strstr(e.text, ": 5 values are still FILL_IN: line 2: policy.action_hz, line 4: policy.action_scale, "
			"line 7: cameras.<FILL_IN>, line 8: cameras.<FILL_IN>.rotate_180, line 10: robots[0].name"));
	for (int i = 0; i < 100; i++)
		end += sprintf(end, "a_rather_long_name_of_no_key_%d: FILL_IN\n", i);
	assert_int_equal(read_text(&c, many, &e), -EINVAL);
	assert_non_null(strstr(e.text, ": 100 values are still FILL_IN: line 1: a_rather_long_name_of_no_key_0, line 2:"));
	assert_string_equal(e.text + strlen(e.text) - strlen(", and more"), ", and more");
}

static void test_least(void **state)
{
	struct config c;
	struct errbuf e;

	(void)state;
	assert_int_equal(read_text(&c, LEAST, &e), 0);
	assert_string_equal(c.policy_model, "/model");
	assert_int_equal(c.control_rate_hz, 200);
	assert_int_equal(c.policy_threads, 0);
	assert_int_equal(c.n_cameras, 1);
	assert_string_equal(c.camera[0].name, "wrist");
	assert_int_equal(c.camera[0].max_age_ms, 150);
	assert_int_equal(c.camera[0].resize_height, 224);
	assert_int_equal(c.n_robots, 1);
	assert_string_equal(c.robot[0].model, "panda");
	assert_int_equal(c.robot[0].tcp.n, 7);
	assert_true(c.robot[0].tcp.value[6] == 1);
	assert_int_equal(c.policy_action_space, 0);
	assert_true(strncmp(c.path, "/tmp/dreamvla_config_", 21) == 0);
}

static void test_values(void **state)
{
	struct config c;
	struct errbuf e;

	(void)state;
	assert_int_equal(read_text(&c,
					 LEAST "    home: [0, -0.785, 0.0, -2.356e0, +0.5, 1.571, 0.785]\n"
					       "control: {rate_hz: 500, realtime: off, cpu: -1}\n"
					       "policy_free: 1\n",
					 &e),
			-EINVAL);
	assert_int_equal(read_text(&c,
					 LEAST "    home: [0, -0.785, 0.0, -2.356e0, +0.5, 1.571, 0.785]\n"
					       "control: {rate_hz: 500, realtime: off, cpu: -1}\n"
					       "log: {level: \"warning\"}\n"
					       "teleop:\n"
					       "sockets:\n"
					       "  status: 'ipc:///tmp/status'\n"
					       "  insecure: true\n",
					 &e),
			0);
	assert_int_equal(c.control_rate_hz, 500);
	assert_int_equal(c.control_realtime, 2);
	assert_int_equal(c.control_cpu, -1);
	assert_true(c.sockets_insecure);
	assert_string_equal(c.log_level, "warning");
	assert_string_equal(c.sockets_status, "ipc:///tmp/status");
	assert_int_equal(c.robot[0].home.n, 7);
	assert_true(c.robot[0].home.value[3] == -2.356);
	assert_true(c.robot[0].home.value[4] == 0.5);
}

static void test_ranges(void **state)
{
	(void)state;
	refuses(LEAST "control:\n  rate_hz: 5000\n", 12, "control.rate_hz: found 5000, allowed 50..1000 Hz", "");
	refuses(LEAST "control:\n  rate_hz: 49\n", 12, "control.rate_hz: found 49", "50..1000 Hz");
	refuses(LEAST "control: {rate_hz: 99999999999999999999}\n", 11, "control.rate_hz", "50..1000 Hz");
	refuses(LEAST "speed: {default: 1.01}\n", 11, "speed.default: found 1.01", "0.05..1");
	refuses(LEAST "speed: {default: 1e400}\n", 11, "speed.default: found 1e400", "0.05..1");
	refuses(LEAST "    tcp: [0, 0, 0, 0, 0, 0, 11]\n", 11, "robots[0].tcp: entry 7: found 11", "-10..10");
	refuses("cameras: {wrist: {center_crop: 1.5}}\n", 1, "cameras.wrist.center_crop: found 1.5", "0..1");
}

static void test_not_finite(void **state)
{
	(void)state;
	refuses(LEAST "speed: {default: nan}\n", 11, "speed.default: found nan", "a number, 0.05..1");
	refuses(LEAST "speed: {default: .NaN}\n", 11, "speed.default: found .NaN", "a number, 0.05..1");
	refuses(LEAST "speed: {default: .inf}\n", 11, "speed.default: found .inf", "a number");
	refuses(LEAST "speed: {default: -inf}\n", 11, "speed.default: found -inf", "a number");
	refuses(LEAST "    home: [0, nan]\n", 11, "robots[0].home: entry 2: found nan", "-10..10 rad");
}

static void test_types(void **state)
{
	(void)state;
	refuses(LEAST "control: {rate_hz: fast}\n", 11, "control.rate_hz: found fast", "a whole number, 50..1000 Hz");
	refuses(LEAST "control: {rate_hz: \"200\"}\n", 11, "control.rate_hz: found the text \"200\"", "a whole number");
	refuses(LEAST "control: {rate_hz: 200.5}\n", 11, "control.rate_hz: found 200.5", "a whole number");
	refuses(LEAST "control: {rate_hz: 200 Hz}\n", 11, "control.rate_hz: found 200 Hz", "a whole number");
	refuses(LEAST "control: {rate_hz: 0xc8}\n", 11, "control.rate_hz: found 0xc8", "a whole number");
	refuses(LEAST "control: {rate_hz: }\n", 11, "control.rate_hz: found nothing", "a whole number");
	refuses(LEAST "control: {rate_hz: [200]}\n", 11, "control.rate_hz: found a list", "a whole number");
	refuses(LEAST "control: {rate_hz: {a: 1}}\n", 11, "control.rate_hz: found a section", "a whole number");
	refuses(LEAST "control: {rate_hz: -}\n", 11, "control.rate_hz: found -", "a whole number");
	refuses(LEAST "control: {rate_hz: 2-0}\n", 11, "control.rate_hz: found 2-0", "a whole number");
	refuses(LEAST "speed: {default: 1.2.3}\n", 11, "speed.default: found 1.2.3", "a number");
	refuses(LEAST "speed: {default: e}\n", 11, "speed.default: found e", "a number");
	refuses(LEAST "sockets: {insecure: yes}\n", 11, "sockets.insecure: found yes", "true or false");
	refuses(LEAST "control: {realtime: maybe}\n", 11, "control.realtime: found maybe", "one of prefer, required, off");
	refuses(LEAST "control: {realtime: prefer|required}\n", 11, "control.realtime", "one of prefer, required, off");
	refuses(LEAST "control: {realtime: pref}\n", 11, "control.realtime: found pref", "one of prefer, required, off");
	refuses(LEAST "sockets: {curve_secret: }\n", 11, "sockets.curve_secret: found nothing", "write \"\"");
	refuses(LEAST "sockets: {curve_secret: ~}\n", 11, "sockets.curve_secret: found nothing", "write \"\"");
	refuses(LEAST "    tcp: 1\n", 11, "robots[0].tcp: found 1", "a list of at most 64 numbers");
	refuses(LEAST "    tcp: [1, [2]]\n", 11, "robots[0].tcp: found a list with a list", "single values");
	refuses(LEAST "    tcp: [[1], 2]\n", 11, "robots[0].tcp: found a list with a list", "single values");
	refuses(LEAST "    tcp: [{a: 1}]\n", 11, "robots[0].tcp: found a list with a list or section", "single values");
	refuses("policy:\n  cameras: [\"left eye\"]\n", 2, "policy.cameras: entry 1: found \"left eye\"", "letters, digits, _ and -");
	refuses("policy: {cameras: [\"\"]}\n", 1, "policy.cameras: entry 1: found \"\"", "letters");
}

static void test_lengths(void **state)
{
	char text[4096] = LEAST "log: {level: ";
	size_t n = strlen(text);

	(void)state;
	memset(text + n, 'a', 256);
	strcpy(text + n + 256, "}\n");
	refuses(text, 11, "log.level: found a text of 256 bytes", "allowed at most 255");
	strcpy(text, "policy:\n  cameras: [a");
	for (int i = 0; i < 16; i++)
		strcat(text, ", a");
	strcat(text, "]\n");
	refuses(text, 2, "policy.cameras: found 17 names", "allowed at most 16");
	strcpy(text, "policy:\n  action_scale: [1");
	for (int i = 0; i < 64; i++)
		strcat(text, ", 1");
	strcat(text, "]\n");
	refuses(text, 2, "policy.action_scale: found 65 numbers", "allowed at most 64");
	refuses("policy: {cameras: [abcdefghijklmnopqrstuvwxyz_012345]}\n", 1, "policy.cameras: entry 1", "1 to 31");
}

static void test_unknown_keys(void **state)
{
	(void)state;
	refuses(LEAST "control:\n  rate_hx: 200\n", 12, "control.rate_hx: unknown key", "did you mean control.rate_hz?");
	refuses(LEAST "contrl:\n  rate_hz: 200\n", 11, "contrl: unknown key", "did you mean control?");
	refuses(LEAST "control:\n  blend_ms: 200\n", 12, "control.blend_ms", "did you mean execution.blend_ms?");
	refuses(LEAST "policy_gripper: 1\n", 11, "policy_gripper: unknown key", "did you mean policy.gripper?");
	refuses("policy:\n  gripper:\n    kinds: binary\n", 3, "policy.gripper.kinds", "did you mean policy.gripper.kind?");
	refuses(LEAST "    modle: panda\n", 11, "robots[0].modle", "did you mean robots[0].model?");
	refuses("cameras:\n  left:\n    stamp: none\n", 3, "cameras.left.stamp", "did you mean cameras.left.stamps?");
	refuses(LEAST "zzzzzzzzzz: 1\n", 11, "zzzzzzzzzz: unknown key", "--print-config");
	refuses(LEAST "control.rate_hz: 200\n", 11, "a key has no dot", "indented below");
}

static void test_sections(void **state)
{
	(void)state;
	refuses(LEAST "control: 5\n", 11, "control: found 5, allowed a section with rate_hz, realtime", "");
	refuses(LEAST "control: [1]\n", 11, "control: found a list, allowed a section", "");
	refuses("cameras: 1\n", 1, "cameras: found 1", "one section per camera");
	refuses("cameras: [left]\n", 1, "cameras: found a list", "one section per camera");
	refuses("cameras: {left: 3}\n", 1, "cameras.left: found 3", "a section");
	refuses("cameras: {left eye: {}}\n", 1, "cameras.left eye", "letters, digits, _ and -");
	refuses("cameras: {a: , b: , c: , d: , e: }\n", 1, "cameras.e: more than 4 cameras", "");
	refuses("robots: {name: arm}\n", 1, "robots: found a section", "a list with one section per robot");
	refuses("robots: [arm]\n", 1, "robots[0]: found arm", "- name: arm");
	refuses("robots:\n- {}\n- {}\n- {}\n- {}\n- {}\n", 6, "robots[4]: more than 4 robots", "");
	refuses("- 1\n", 1, "found a list, want a map", "");
	refuses("hello\n", 1, "found a single value, want a map", "");
}

static void test_yaml_refused(void **state)
{
	(void)state;
	refuses(LEAST "speed: &s {default: 1}\n", 11, "anchors (&s) are not allowed", "");
	refuses(LEAST "speed: {default: &s 1}\n", 11, "anchors (&s) are not allowed", "");
	refuses(LEAST "speed: *s\n", 11, "aliases (*s) are not allowed", "");
	refuses(LEAST "speed:\n  <<: {default: 1}\n", 12, "merge keys (<<) are not allowed", "");
	refuses(LEAST "speed: {default: !!int 1}\n", 11, "tags (tag:yaml.org,2002:int) are not allowed", "");
	refuses(LEAST "speed: !x {default: 1}\n", 11, "tags (!x) are not allowed", "");
	refuses(LEAST "speed: {default: 1, default: 1}\n", 11, "default: given twice", "line 11");
	refuses(LEAST "policy:\n  model: b\n", 11, "policy: given twice", "first in line 1");
	refuses(LEAST "? {a: 1}\n: 2\n", 11, "a key must be a plain word", "");
	refuses(LEAST "\"\": 2\n", 11, "a key is empty", "");
	refuses(LEAST "---\nspeed: {default: 1}\n", 11, "a second document", "");
	refuses("a: [[[[[[[[1]]]]]]]]\n", 1, "nested deeper than 8 levels", "");
	refuses(LEAST "log: {level: \"a\\0b\"}\n", 11, "zero byte", "");
}

static void test_bad_syntax(void **state)
{
	struct config c;
	struct errbuf e;

	(void)state;
	refuses(LEAST "speed: {default: 1\n", 12, "bad YAML: ", "while parsing a flow mapping");
	refuses(LEAST "speed:\n\tdefault: 1\n", 12, "bad YAML: found character that cannot start any token", "");
	refuses(LEAST "speed: 1\n  default: 1\n", 12, "bad YAML: mapping values are not allowed", "");
	refuses(LEAST "a: \"\\ud800\"\n", 11, "bad YAML: found invalid Unicode character escape code", "");
	assert_int_equal(read_bytes(&c, "a: \xff\n", 5, &e), -EINVAL);
	assert_non_null(strstr(e.text, "must be UTF-8"));
	assert_int_equal(read_bytes(&c, "a: \0 b\n", 7, &e), -EINVAL);
	assert_non_null(strstr(e.text, "control characters are not allowed"));
}

static void test_bounds(void **state)
{
	size_t n = 300 * 1024;
	char *text = malloc(n);
	struct config c;
	struct errbuf e;

	(void)state;
	memset(text, '#', n);
	assert_int_equal(read_bytes(&c, text, n, &e), -EINVAL);
	assert_non_null(strstr(e.text, "larger than 256 kB"));
	for (size_t i = 0; i + 4 <= 40000; i += 4)
		memcpy(text + i, "- 1\n", 4);
	assert_int_equal(read_bytes(&c, text, 40000, &e), -EINVAL);
	memcpy(text, "a:\n\n", 4);
	assert_int_equal(read_bytes(&c, text, 40000, &e), -EINVAL);
	assert_non_null(strstr(e.text, "more than 4096 keys and values"));
	memset(text, '[', 100000);
	assert_int_equal(read_bytes(&c, text, 100000, &e), -EINVAL);
	free(text);
}

static void test_missing_file(void **state)
{
	struct config c;
	struct errbuf e;
	char path[400];

	(void)state;
	assert_int_equal(config_read(&c, "/nonexistent/bench.yaml", &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/bench.yaml: No such file"));
	assert_int_equal(config_read(&c, "/tmp", &e), -EIO);
	assert_non_null(strstr(e.text, "Is a directory"));
	memset(path, 'a', sizeof path - 1);
	path[sizeof path - 1] = 0;
	assert_int_equal(config_read(&c, path, &e), -EINVAL);
}

static void test_empty_file(void **state)
{
	struct config c;
	struct errbuf e;

	(void)state;
	assert_int_equal(read_text(&c, "", &e), -EINVAL);
	assert_non_null(strstr(e.text, "policy.model: not given"));
	assert_int_equal(read_text(&c, "---\n# nothing\n", &e), -EINVAL);
	assert_non_null(strstr(e.text, "policy.model: not given"));
}

static void test_relative_paths(void **state)
{
	char folder[] = "/tmp/dreamvla_config_XXXXXX", path[64], want[64], text[512];
	struct config c;
	struct errbuf e;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/bench.yaml", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	snprintf(text, sizeof text, "%s", LEAST);
	memcpy(strstr(text, "/model"), "models", 6);
	fputs(text, f);
	fclose(f);
	assert_int_equal(config_read(&c, path, &e), 0);
	snprintf(want, sizeof want, "%s/models", folder);
	assert_string_equal(c.policy_model, want);
	assert_string_equal(c.policy_heads, "");
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(config_read(&c, "bench.yaml", &e), 0);
	assert_string_equal(c.policy_model, want);
	assert_int_equal(chdir("/"), 0);
	unlink(path);
	rmdir(folder);
}

/* Every prefix of a good file, and every single byte turned, ends in 0 or a clear refusal; sanitizers watch. */
static void test_damaged(void **state)
{
	static const char whole[] = LEAST "control: {rate_hz: 100, realtime: off}\nlog: {level: \"inf\\u006f\"}\n";
	char text[sizeof whole];
	struct config c;
	struct errbuf e;

	(void)state;
	for (size_t n = 0; n < sizeof whole; n += 3) {
		int rc = read_bytes(&c, whole, n, &e);

		assert_true(rc == 0 || (rc == -EINVAL && e.text[0]));
	}
	for (size_t i = 0; i + 1 < sizeof whole; i++) {
		int rc;

		memcpy(text, whole, sizeof whole);
		text[i] = (char)(text[i] ^ (1 << (i % 8)));
		rc = read_bytes(&c, text, sizeof whole - 1, &e);
		assert_true(rc == 0 || (rc == -EINVAL && e.text[0]));
	}
}

/* A section, and a section in it, inside an entry of a list. */
static void test_sections_of_a_robot(void **state)
{
	struct config c;
	struct errbuf e = { "" };

	(void)state;
	if (read_text(&c, LEAST "    address: 172.16.0.2\n    franka:\n      low_pass_hz: 50\n      load: {mass_kg: 0.5}\n", &e) != 0)
		fail_msg("%s", e.text);
	assert_string_equal(c.robot[0].address, "172.16.0.2");
	assert_true(c.robot[0].franka_low_pass_hz == 50);
	assert_true(c.robot[0].franka_load_mass_kg == 0.5);
	assert_true(c.robot[0].franka_hand_use);
	assert_int_equal(c.robot[0].franka_collision_torque_nm.n, 7);
	refuses(LEAST "    franka: {low_pass_hz: 5}\n", 11, "robots[0].franka.low_pass_hz: found 5", "10..1000 Hz");
	refuses(LEAST "    franka:\n      load:\n        mass_kg: 3.5\n", 13, "robots[0].franka.load.mass_kg: found 3.5", "0..3 kg");
	refuses(LEAST "    franka:\n      load:\n        mass: 1\n", 13, "robots[0].franka.load.mass", "did you mean robots[0].franka.load.mass_kg?");
	refuses(LEAST "    low_pass_hz: 50\n", 11, "robots[0].low_pass_hz", "did you mean robots[0].franka.low_pass_hz?");
	refuses(LEAST "    franka: 172.16.0.2\n", 11, "robots[0].franka: found 172.16.0.2", "a section with controller, joint_impedance_nm_rad");
	refuses(LEAST "    franka: {hand: true}\n", 11, "robots[0].franka.hand: found true", "a section with use, force_n");
	refuses(LEAST "    franka:\n      joint_impedance_nm_rad: [1, 2]\n", 12, "robots[0].franka.joint_impedance_nm_rad: found 2 numbers", "want 7");
	refuses(LEAST "    franka:\n      load: {center_m: [0, 0, 0.6]}\n", 12, "center_m: entry 3: found 0.6", "-0.5..0.5 m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_of_a_robot),
		cmocka_unit_test(test_open_questions),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_yaml_refused),
		cmocka_unit_test(test_bad_syntax),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_empty_file),
		cmocka_unit_test(test_relative_paths),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
