/* config.h - the configuration as one plain struct, declared from keys.def.
 *
 * Reading, checking and printing work on the table of keys.def; nobody else parses YAML. */
#ifndef DREAMVLA_CONFIG_CONFIG_H
#define DREAMVLA_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/sys/error.h"

enum { CONFIG_TEXT_BYTES = 256, CONFIG_NAME_BYTES = 32, CONFIG_NAMES_MAX = 16, CONFIG_DEVICES_MAX = 8, CONFIG_REALS_MAX = 64,
	CONFIG_CAMERAS_MAX = 4, CONFIG_ROBOTS_MAX = 4 };

struct config_names {
	uint32_t n;
	char name[CONFIG_NAMES_MAX][CONFIG_NAME_BYTES];
};

struct config_reals {
	uint32_t n;
	double value[CONFIG_REALS_MAX];
};

#define BOOL(key, field, preset, help) bool field;
#define INT(key, field, unit, low, high, preset, help) int32_t field;
#define REAL(key, field, unit, low, high, preset, help) double field;
#define TEXT(key, field, preset, help) char field[CONFIG_TEXT_BYTES];
#define PATH(key, field, preset, help) char field[CONFIG_TEXT_BYTES];
#define CHOICE(key, field, names, preset, help) int32_t field;
#define NAMES(key, field, preset, help) struct config_names field;
#define REALS(key, field, unit, low, high, preset, help) struct config_reals field;

#define SCOPE_CAMERA 1
struct config_camera {
	char name[CONFIG_NAME_BYTES];
#include "config/keys.def"
};
#undef SCOPE_CAMERA

#define SCOPE_ROBOT 1
struct config_robot {
#include "config/keys.def"
};
#undef SCOPE_ROBOT

#define SCOPE_GLOBAL 1
struct config {
#include "config/keys.def"
	uint32_t n_cameras; /* cameras.<name> sections, in file order */
	struct config_camera camera[CONFIG_CAMERAS_MAX];
	uint32_t n_robots;  /* entries of the list robots */
	struct config_robot robot[CONFIG_ROBOTS_MAX];
	char path[CONFIG_TEXT_BYTES]; /* the file it was read from */
};
#undef SCOPE_GLOBAL

#undef BOOL
#undef INT
#undef REAL
#undef TEXT
#undef PATH
#undef CHOICE
#undef NAMES
#undef REALS

/* Every key at its default; no cameras, no robots. Allocates: no. Blocks: no. */
void config_defaults(struct config *c);

/* The same for one entry of `robots`. */
void config_robot_defaults(struct config_robot *r);

/* Reads a YAML file over the defaults and checks it whole: types, ranges, unknown keys (with the nearest known one),
 * duplicate keys, and what belongs together (policy.cameras name configured cameras, lists have the right length, ...).
 * Relative paths in the file (policy.model, keys) are resolved against its folder. 0, -ENOENT or -EINVAL; the error says
 * file:line: key: found, allowed. On error *c is untouched. Allocates: yes, nothing stays. Blocks: on disk. */
MUST_CHECK int config_read(struct config *c, const char *path, struct errbuf *e);

/* Checks a whole configuration (also called by config_read; for configurations made in code). */
MUST_CHECK int config_check(const struct config *c, struct errbuf *e);

/* Writes valid YAML that config_read reads back to the same struct: every key, its help, unit, range and default as comments.
 * 0 or -EIO. */
MUST_CHECK int config_print(const struct config *c, FILE *out);

/* The same as one flat list of key = value pairs, for the control request `config`: calls back once per key with the key's
 * full name (cameras.wrist.max_age_ms, robots[0].name) and its value as YAML text. */
void config_visit(const struct config *c, void (*visit)(void *context, const char *key, const char *value), void *context);

#endif
