/* keys.c - see keys.h: the table, and finding rows in it. */
#include "config/keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BOOL(key, field, preset, help) { key, KEY_BOOL, offsetof(struct OWNER, field), "", 0, 0, #preset, "", help },
#define INT(key, field, unit, low, high, preset, help) \
	{ key, KEY_INT, offsetof(struct OWNER, field), unit, low, high, #preset, "", help },
#define REAL(key, field, unit, low, high, preset, help) \
	{ key, KEY_REAL, offsetof(struct OWNER, field), unit, low, high, #preset, "", help },
#define TEXT(key, field, preset, help) { key, KEY_TEXT, offsetof(struct OWNER, field), "", 0, 0, preset, "", help },
#define PATH(key, field, preset, help) { key, KEY_PATH, offsetof(struct OWNER, field), "", 0, 0, preset, "", help },
#define CHOICE(key, field, names, preset, help) \
	{ key, KEY_CHOICE, offsetof(struct OWNER, field), "", 0, 0, preset, names, help },
#define NAMES(key, field, preset, help) { key, KEY_NAMES, offsetof(struct OWNER, field), "", 0, 0, preset, "", help },
#define REALS(key, field, unit, low, high, preset, help) \
	{ key, KEY_REALS, offsetof(struct OWNER, field), unit, low, high, preset, "", help },

#define OWNER config
#define SCOPE_GLOBAL 1
static const struct key global_keys[] = {
#include "config/keys.def"
};
#undef SCOPE_GLOBAL
#undef OWNER

#define OWNER config_camera
#define SCOPE_CAMERA 1
static const struct key camera_keys[] = {
#include "config/keys.def"
};
#undef SCOPE_CAMERA
#undef OWNER

#define OWNER config_robot
#define SCOPE_ROBOT 1
static const struct key robot_keys[] = {
#include "config/keys.def"
};
#undef SCOPE_ROBOT
#undef OWNER

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

const struct key_scope key_scope_global = { global_keys, COUNT(global_keys) };
const struct key_scope key_scope_camera = { camera_keys, COUNT(camera_keys) };
const struct key_scope key_scope_robot = { robot_keys, COUNT(robot_keys) };

const struct key *key_find(struct key_scope scope, const char *name)
{
	for (uint32_t i = 0; i < scope.n; i++)
		if (strcmp(scope.key[i].name, name) == 0)
			return scope.key + i;
	return NULL;
}

bool key_is_section(struct key_scope scope, const char *name)
{
	size_t n = strlen(name);

	for (uint32_t i = 0; i < scope.n; i++)
		if (strncmp(scope.key[i].name, name, n) == 0 && scope.key[i].name[n] == '.')
			return true;
	return false;
}

/* Splits a default such as "[0.15, -0.6, 0.02]" into its numbers: the only place where YAML is not libyaml's, and only our
 * own table comes here. The pieces lie in `room`. */
static void split_preset(const char *preset, struct key_value *value, char *room)
{
	char *rest = NULL;

	strcpy(room, preset + 1);
	room[strcspn(room, "]")] = 0;
	value->is_list = true;
	for (char *piece = strtok_r(room, ", ", &rest); piece; piece = strtok_r(NULL, ", ", &rest))
		value->scalar[value->n++] = (struct key_scalar){ .text = piece };
}

void key_set_presets(struct key_scope scope, void *object)
{
	for (uint32_t i = 0; i < scope.n; i++) {
		const struct key *key = &scope.key[i];
		struct key_value value = { .n = 1, .scalar[0] = { .text = key->preset } };
		struct errbuf e = { "" };
		char room[256];
		int rc;

		value.scalar[0].quoted = key->type == KEY_TEXT || key->type == KEY_PATH;
		if (key->type == KEY_NAMES || key->type == KEY_REALS) {
			value = (struct key_value){ 0 };
			assert(strlen(key->preset) < sizeof room && key->preset[0] == '[');
			split_preset(key->preset, &value, room);
		}
		rc = key_set(key, object, &value, &e);
		assert(rc == 0 && "a default of keys.def is outside its own range");
		(void)rc;
	}
}

/* Levenshtein's distance by rows of the dynamic programme (Wagner and Fischer 1974). */
static uint32_t edit_distance(const char *a, const char *b)
{
	uint32_t row[KEY_NAME_BYTES + 1];
	size_t n = strlen(b);

	if (n > KEY_NAME_BYTES)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= n; j++)
		row[j] = j;
	for (uint32_t i = 0; a[i]; i++) {
		uint32_t diagonal = row[0];

		row[0] = i + 1;
		for (uint32_t j = 0; j < n; j++) {
			uint32_t best = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j + 1] = diagonal + 1 < best ? diagonal + 1 : best;
		}
	}
	return row[n];
}

static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

/* The right key in the wrong section counts as one slip. */
static uint32_t slips(const char *typed, const char *known)
{
	if (strcmp(last_part(typed), last_part(known)) == 0)
		return 1;
	return edit_distance(typed, known);
}

void key_nearest(struct key_scope scope, const char *name, char out[KEY_NAME_BYTES])
{
	/* A third of the letters wrong is another word, not a typo. */
	uint32_t best = (uint32_t)strlen(name) / 3 + 2;

	out[0] = 0;
	for (uint32_t i = 0; i < scope.n; i++) {
		char known[KEY_NAME_BYTES];
		char *dot = known;

		snprintf(known, sizeof known, "%s", scope.key[i].name);
		while (dot) {
			uint32_t found = slips(name, known);

			if (found < best) {
				best = found;
				memcpy(out, known, sizeof known);
			}
			dot = strrchr(known, '.'); /* the sections above count as well */
			if (dot)
				*dot = 0;
		}
	}
}

bool key_is_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n = strlen(text);

	return n > 0 && n < CONFIG_NAME_BYTES && strspn(text, letters) == n;
}
