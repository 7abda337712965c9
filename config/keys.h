/* keys.h - the table that keys.def makes, and what one row can do: set its field from text, and say its field as text.
 *
 * Private to config/. A value comes as a list of scalars from anywhere: the YAML file or a row's own default. */
#ifndef DREAMVLA_CONFIG_KEYS_H
#define DREAMVLA_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/sys/error.h"

enum key_type { KEY_BOOL, KEY_INT, KEY_REAL, KEY_TEXT, KEY_PATH, KEY_CHOICE, KEY_NAMES, KEY_REALS };

struct key {
	const char *name;   /* within its scope: control.rate_hz, max_age_ms */
	enum key_type type;
	size_t offset;      /* of the field in struct config, config_camera or config_robot */
	const char *unit;   /* "" when it has none */
	double low, high;   /* of numbers */
	const char *preset; /* the default as YAML text */
	const char *names;  /* KEY_CHOICE: "a|b|c" */
	const char *help;
};

struct key_scope {
	const struct key *key;
	uint32_t n;
};

extern const struct key_scope key_scope_global, key_scope_camera, key_scope_robot;

/* Longest YAML text of a value: CONFIG_REALS_MAX numbers of 24 characters, or 255 bytes of escapes. */
enum { KEY_VALUE_BYTES = 2048, KEY_NAME_BYTES = 128 };

struct key_scalar {
	const char *text;
	bool quoted;
};

struct key_value {
	bool is_list;
	uint32_t n; /* entries found; only the first CONFIG_REALS_MAX are in `scalar` */
	struct key_scalar scalar[CONFIG_REALS_MAX];
};

/* The row of that name, or NULL. All functions here: thread any, allocate no, block no. */
const struct key *key_find(struct key_scope scope, const char *name);

/* Sets the field in *object. -EINVAL: "found X, allowed Y"; the field is then untouched. */
MUST_CHECK int key_set(const struct key *key, void *object, const struct key_value *value, struct errbuf *e);

/* The same for a field that was set in code. -EINVAL: "found X, allowed Y". */
MUST_CHECK int key_check(const struct key *key, const void *object, struct errbuf *e);

/* Sets every field of the scope to its default. */
void key_set_presets(struct key_scope scope, void *object);

/* The field's value as YAML that key_set takes back to the same bits. */
void key_value_text(const struct key *key, const void *object, char out[KEY_VALUE_BYTES]);

/* What the key takes: "a whole number, 50..1000 Hz", "one of a, b, c". */
void key_allowed_text(const struct key *key, char *out, size_t bytes);

/* True when rows of the scope begin with `name` and a dot. */
bool key_is_section(struct key_scope scope, const char *name);

/* The known key or section of the scope nearest to a mistyped name, or "" when nothing is near. */
void key_nearest(struct key_scope scope, const char *name, char out[KEY_NAME_BYTES]);

/* 1 to CONFIG_NAME_BYTES - 1 letters, digits, _ or -. */
bool key_is_name(const char *text);

#endif
