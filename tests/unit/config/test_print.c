/* test_print.c - what config_print writes reads back to the same bits; and the files in config/ are good. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/load.h" /* before cmocka.h, which makes fail() a macro */

#include <cmocka.h>

/* Prints to a file and reads that back, without what belongs together (defaults alone have no robot). */
static void print_and_load(const struct config *c, struct config *back)
{
	char path[] = "/tmp/dreamvla_config_XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	struct errbuf e = { "" };
	struct yaml_tree tree;

	assert_non_null(f);
	assert_int_equal(config_print(c, f), 0);
	fclose(f);
	config_defaults(back);
	if (yaml_tree_read(&tree, path, &e) != 0 || config_load(back, path, &tree, &e) != 0)
		fail_msg("%s", e.text);
	yaml_tree_free(&tree);
	unlink(path);
}

static void same_scope(struct key_scope scope, const void *a, const void *b)
{
	char text_a[KEY_VALUE_BYTES], text_b[KEY_VALUE_BYTES];

	for (uint32_t i = 0; i < scope.n; i++) {
		key_value_text(&scope.key[i], a, text_a);
		key_value_text(&scope.key[i], b, text_b);
		if (strcmp(text_a, text_b) != 0)
			fail_msg("%s: %s became %s", scope.key[i].name, text_a, text_b);
	}
}

/* By text for a readable failure, then by bits: both structs began as zeroes, so padding and unused room agree. */
static void same(const struct config *a, const struct config *b)
{
	struct config x = *a, y = *b;

	same_scope(key_scope_global, a, b);
	assert_int_equal(a->n_cameras, b->n_cameras);
	assert_int_equal(a->n_robots, b->n_robots);
	for (uint32_t i = 0; i < a->n_cameras; i++)
		same_scope(key_scope_camera, &a->camera[i], &b->camera[i]);
	for (uint32_t i = 0; i < a->n_robots; i++)
		same_scope(key_scope_robot, &a->robot[i], &b->robot[i]);
	memset(x.path, 0, sizeof x.path);
	memset(y.path, 0, sizeof y.path);
	assert_memory_equal(&x, &y, sizeof x);
}

static void test_defaults(void **state)
{
	struct config c, back;

	(void)state;
	config_defaults(&c);
	print_and_load(&c, &back);
	same(&c, &back);
}

static void has_every_key(const char *text, struct key_scope scope)
{
	char line[KEY_NAME_BYTES + KEY_VALUE_BYTES];

	for (uint32_t i = 0; i < scope.n; i++) {
		const char *dot = strrchr(scope.key[i].name, '.');

		snprintf(line, sizeof line, "%s: ", dot ? dot + 1 : scope.key[i].name);
		if (!strstr(text, line))
			fail_msg("%s is not printed", scope.key[i].name);
	}
}

/* A new user prints the defaults, which have no camera and no robot, and must find their keys all the same. */
static void test_defaults_show_every_key(void **state)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	struct config c;

	(void)state;
	config_defaults(&c);
	assert_int_equal(config_print(&c, f), 0);
	fclose(f);
	has_every_key(text, key_scope_global);
	assert_non_null(strstr(text, "cameras: {}\n#   NAME:\n#     # frames older than this are stale\n"));
	has_every_key(strstr(text, "cameras: {}"), key_scope_camera);
	assert_non_null(strstr(text, "\n#   - name: \"arm\"\n"));
	has_every_key(strstr(text, "robots: []"), key_scope_robot);
	free(text);
}

/* ---- every key at something else than its default -------------------------------------------------------------------- */

static void change(const struct key *key, void *object, uint32_t seed)
{
	static const char hard[] = "\"q\" \\ \t\n\r# : {x} [y] \x01\x7f \xc2\x85\xe2\x80\xa8\xef\xbb\xbf caf\xc3\xa9 \xf0\x9f\xa4\x96 ' %";
	static const char *const name[] = { "null", "on", "5", "-", "a_B-9" };
	struct config_names *names = (void *)((uint8_t *)object + key->offset);
	struct config_reals *reals = (void *)((uint8_t *)object + key->offset);
	uint32_t n_choices = 1;

	switch (key->type) {
	case KEY_BOOL:
		*(bool *)names = !*(bool *)names;
		break;
	case KEY_INT:
		*(int32_t *)names = (int32_t)(*(int32_t *)names == key->high ? key->low : key->high);
		break;
	case KEY_REAL:
		*(double *)names = key->low + (key->high - key->low) / (3.0 + seed);
		break;
	case KEY_TEXT:
	case KEY_PATH:
		snprintf((char *)names, CONFIG_TEXT_BYTES, "/%u %s ", seed, hard);
		break;
	case KEY_CHOICE:
		for (const char *c = key->names; *c; c++)
			n_choices += *c == '|';
		*(int32_t *)names = (*(int32_t *)names + 1 + (int32_t)(seed % (n_choices - 1))) % (int32_t)n_choices;
		break;
	case KEY_NAMES:
		names->n = CONFIG_NAMES_MAX;
		for (uint32_t i = 0; i < names->n; i++)
			strcpy(names->name[i], name[(i + seed) % 5]);
		break;
	case KEY_REALS:
		memset(reals, 0, sizeof *reals);
		reals->n = CONFIG_REALS_MAX;
		for (uint32_t i = 0; i < reals->n; i++)
			reals->value[i] = key->low + (key->high - key->low) * i / (63.0 + seed);
		break;
	}
}

static void test_everything_changed(void **state)
{
	struct config c, preset, back;

	(void)state;
	config_defaults(&c);
	preset = c;
	for (uint32_t i = 0; i < key_scope_global.n; i++) {
		char was[KEY_VALUE_BYTES], is[KEY_VALUE_BYTES];

		change(&key_scope_global.key[i], &c, i);
		key_value_text(&key_scope_global.key[i], &preset, was);
		key_value_text(&key_scope_global.key[i], &c, is);
		assert_string_not_equal(was, is);
	}
	for (; c.n_cameras < CONFIG_CAMERAS_MAX; c.n_cameras++) {
		struct config_camera *camera = &c.camera[c.n_cameras];

		key_set_presets(key_scope_camera, camera);
		snprintf(camera->name, sizeof camera->name, "camera-%u", c.n_cameras);
		for (uint32_t i = 0; i < key_scope_camera.n; i++)
			change(&key_scope_camera.key[i], camera, c.n_cameras);
	}
	for (; c.n_robots < CONFIG_ROBOTS_MAX; c.n_robots++) {
		struct config_robot *robot = &c.robot[c.n_robots];

		key_set_presets(key_scope_robot, robot);
		for (uint32_t i = 0; i < key_scope_robot.n; i++)
			change(&key_scope_robot.key[i], robot, c.n_robots);
	}
	print_and_load(&c, &back);
	same(&c, &back);
}

static void test_longest_text(void **state)
{
	struct config c, back;

	(void)state;
	config_defaults(&c);
	memset(c.policy_system, 1, CONFIG_TEXT_BYTES - 1);
	memset(c.policy_question, '\\', CONFIG_TEXT_BYTES - 1);
	print_and_load(&c, &back);
	same(&c, &back);
}

/* ---- the files users start from --------------------------------------------------------------------------------------- */

static void check_file(const char *path)
{
	struct config c, back;
	struct errbuf e = { "" };

	if (config_read(&c, path, &e) != 0)
		fail_msg("%s", e.text);
	print_and_load(&c, &back);
	same(&c, &back);
}

static void test_files(void **state)
{
	DIR *folder = opendir("config");
	struct dirent *entry;
	uint32_t n = 0;
	char path[512];

	(void)state;
	assert_non_null(folder); /* tests run in the repository's root */
	while ((entry = readdir(folder))) {
		const char *end = strrchr(entry->d_name, '.');

		if (!end || strcmp(end, ".yaml") != 0)
			continue;
		snprintf(path, sizeof path, "config/%s", entry->d_name);
		check_file(path);
		n++;
	}
	closedir(folder);
	assert_true(n >= 3);
}

static void test_demo(void **state)
{
	struct config c;
	struct errbuf e = { "" };

	(void)state;
	assert_int_equal(config_read(&c, "config/demo.yaml", &e), 0);
	assert_int_equal(access(c.policy_model, R_OK), 0);
	assert_int_equal(access(c.policy_heads, R_OK), 0);
	assert_int_equal(c.policy_cameras.n, 2);
	assert_string_equal(c.policy_cameras.name[0], "overhead");
	assert_string_equal(c.policy_cameras.name[1], "wrist");
	assert_string_equal(c.robot[0].name, "arm");
	assert_string_equal(c.robot[0].model, "panda");
}

/* ---- the flat list ------------------------------------------------------------------------------------------------------ */

struct seen {
	uint32_t n;
	bool rate, camera, robot, text;
};

static void see(void *context, const char *key, const char *value)
{
	struct seen *s = context;

	s->n++;
	s->rate = s->rate || (strcmp(key, "control.rate_hz") == 0 && strcmp(value, "200") == 0);
	s->camera = s->camera || (strcmp(key, "cameras.wrist.center_crop") == 0 && strcmp(value, "0.9") == 0);
	s->robot = s->robot || (strcmp(key, "robots[0].model") == 0 && strcmp(value, "\"panda\"") == 0);
	s->text = s->text || (strcmp(key, "execution.method") == 0 && strcmp(value, "async") == 0);
}

static void test_visit(void **state)
{
	struct seen s = { 0 };
	struct errbuf e = { "" };
	struct config c;

	(void)state;
	assert_int_equal(config_read(&c, "config/demo.yaml", &e), 0);
	config_visit(&c, see, &s);
	assert_int_equal(s.n, key_scope_global.n + 2 * key_scope_camera.n + key_scope_robot.n);
	assert_true(s.rate && s.camera && s.robot && s.text);
}

static void take_action_hz(void *context, const char *key, const char *value)
{
	if (strcmp(key, "policy.action_hz") == 0)
		snprintf(context, 32, "%s", value);
}

/* As people write them: 1e+01 reads back just as well. */
static void test_numbers_without_exponent(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 10.0, "10" }, { 200.0, "200" }, { 12.5, "12.5" }, { 0.1, "0.1" }, { 1.0 / 3.0, "0.3333333333333333" } };
	char text[32];
	struct config c;

	(void)state;
	config_defaults(&c);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		c.policy_action_hz = cases[i].value;
		config_visit(&c, take_action_hz, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_unwritable(void **state)
{
	struct config c;
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	config_defaults(&c);
	assert_int_equal(config_print(&c, full), -EIO);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_defaults_show_every_key),
		cmocka_unit_test(test_everything_changed),
		cmocka_unit_test(test_longest_text),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_demo),
		cmocka_unit_test(test_visit),
		cmocka_unit_test(test_numbers_without_exponent),
		cmocka_unit_test(test_unwritable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
