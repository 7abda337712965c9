/* load.c - see load.h: every node of the tree finds its row of keys.def, or is refused by line and name. */
#include "config/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"

#define FILL_IN "FILL_IN" /* what `dreamvla-infer --describe` leaves to a person */

enum { PATH_BYTES = 256 };

struct loading {
	struct config *c;
	const char *path;
	struct errbuf *e;
};

PRINTF_LIKE(3, 4)
static int refuse(const struct loading *l, const struct yaml_node *node, const char *format, ...)
{
	char name[PATH_BYTES], what[ERRBUF_BYTES / 2];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	yaml_node_path(node, NULL, name, sizeof name);
	return fail(l->e, -EINVAL, "%s:%u: %s: %s", l->path, node->line, name, what);
}

/* `control:` with nothing below is an empty section. */
static bool is_empty_section(const struct yaml_node *node)
{
	return node->kind == YAML_IS_SCALAR && !node->quoted && node->text[0] == 0;
}

static const char *found_text(const struct yaml_node *node, char *out, size_t bytes)
{
	if (node->kind == YAML_IS_SCALAR)
		snprintf(out, bytes, "%.100s", node->text);
	else
		snprintf(out, bytes, "%s", node->kind == YAML_IS_MAP ? "a section" : "a list");
	return out;
}

static int refuse_unknown(const struct loading *l, const struct yaml_node *node, struct key_scope scope, const char *name,
		const char *place)
{
	char nearest[KEY_NAME_BYTES];

	key_nearest(scope, name, nearest);
	if (nearest[0])
		return refuse(l, node, "unknown key; did you mean %s%s?", place, nearest);
	return refuse(l, node, "unknown key; `dreamvlad --print-config` lists them all");
}

static int refuse_section(const struct loading *l, const struct yaml_node *node, struct key_scope scope, const char *name)
{
	char found[128], keys[256];
	size_t used = 0, n = strlen(name);

	keys[0] = 0;
	for (uint32_t i = 0; i < scope.n && used < sizeof keys; i++)
		if (strncmp(scope.key[i].name, name, n) == 0 && scope.key[i].name[n] == '.')
			used += (size_t)snprintf(keys + used, sizeof keys - used, "%s%s", used > 0 ? ", " : "",
					scope.key[i].name + n + 1);
	return refuse(l, node, "found %s, allowed a section with %s%s", found_text(node, found, sizeof found), keys,
			used >= sizeof keys ? "..." : "");
}

/* A scalar, or the entries of a list of scalars; the entries follow their list in the tree. */
static int take_value(const struct loading *l, const struct yaml_node *node, struct key_value *value)
{
	*value = (struct key_value){ .is_list = node->kind == YAML_IS_LIST, .n = 1 };
	if (node->kind == YAML_IS_SCALAR) {
		value->scalar[0] = (struct key_scalar){ node->text, node->quoted };
		return 0;
	}
	value->n = node->n;
	for (uint32_t i = 0; i < node->n; i++) {
		const struct yaml_node *entry = node + 1 + i;

		if (entry->parent != node || entry->kind != YAML_IS_SCALAR)
			return refuse(l, node, "found a list with a list or section in it, allowed a list of single values");
		if (i < CONFIG_REALS_MAX)
			value->scalar[i] = (struct key_scalar){ entry->text, entry->quoted };
	}
	return 0;
}

static int take_key(const struct loading *l, const struct yaml_node *node, const struct key *key, void *object)
{
	struct key_value value;
	struct errbuf why = { "" };
	char allowed[256];
	int rc;

	if (node->kind == YAML_IS_MAP) {
		key_allowed_text(key, allowed, sizeof allowed);
		return refuse(l, node, "found a section, allowed %s", allowed);
	}
	rc = take_value(l, node, &value);
	if (rc < 0)
		return rc;
	rc = key_set(key, object, &value, &why);
	return rc < 0 ? refuse(l, node, "%.500s", why.text) : 0;
}

/* A node inside a scope: a key, a section of keys, or a mistake. */
static int take_node(const struct loading *l, const struct yaml_node *node, const struct yaml_node *above,
		struct key_scope scope, void *object)
{
	char name[PATH_BYTES], place[PATH_BYTES] = "";
	const struct key *key;

	yaml_node_path(node, above, name, sizeof name);
	key = key_find(scope, name);
	if (key)
		return take_key(l, node, key, object);
	if (key_is_section(scope, name)) {
		if (node->kind == YAML_IS_MAP || is_empty_section(node))
			return 0;
		return refuse_section(l, node, scope, name);
	}
	if (above->parent) {
		yaml_node_path(above, NULL, place, sizeof place);
		strncat(place, ".", sizeof place - strlen(place) - 1);
	}
	return refuse_unknown(l, node, scope, name, place);
}

static int add_camera(const struct loading *l, const struct yaml_node *node)
{
	struct config_camera *camera = &l->c->camera[l->c->n_cameras];
	char found[128];

	if (!key_is_name(node->key))
		return refuse(l, node, "a camera's name is 1 to %d letters, digits, _ and -", CONFIG_NAME_BYTES - 1);
	if (node->kind != YAML_IS_MAP && !is_empty_section(node))
		return refuse(l, node, "found %s, allowed a section with the camera's keys",
				found_text(node, found, sizeof found));
	if (l->c->n_cameras == CONFIG_CAMERAS_MAX)
		return refuse(l, node, "more than %d cameras", CONFIG_CAMERAS_MAX);
	*camera = (struct config_camera){ 0 };
	key_set_presets(key_scope_camera, camera);
	strcpy(camera->name, node->key);
	l->c->n_cameras++;
	return 0;
}

static int add_robot(const struct loading *l, const struct yaml_node *node)
{
	char found[128];

	if (node->kind != YAML_IS_MAP)
		return refuse(l, node, "found %s, allowed a section with the robot's keys (\"- name: arm\", ...)",
				found_text(node, found, sizeof found));
	if (l->c->n_robots == CONFIG_ROBOTS_MAX)
		return refuse(l, node, "more than %d robots", CONFIG_ROBOTS_MAX);
	config_robot_defaults(&l->c->robot[l->c->n_robots++]);
	return 0;
}

static int take_cameras(const struct loading *l, const struct yaml_node *node, const struct yaml_node *top,
		const struct yaml_node *entry)
{
	char found[128];

	if (node == entry)
		return add_camera(l, node);
	if (node != top)
		return take_node(l, node, entry, key_scope_camera, &l->c->camera[l->c->n_cameras - 1]);
	if (node->kind == YAML_IS_MAP || is_empty_section(node))
		return 0;
	return refuse(l, node, "found %s, allowed a section with one section per camera (\"wrist:\")",
			found_text(node, found, sizeof found));
}

static int take_robots(const struct loading *l, const struct yaml_node *node, const struct yaml_node *top,
		const struct yaml_node *entry)
{
	char found[128];

	if (node == entry)
		return add_robot(l, node);
	if (node != top)
		return take_node(l, node, entry, key_scope_robot, &l->c->robot[l->c->n_robots - 1]);
	if (node->kind == YAML_IS_LIST || is_empty_section(node))
		return 0;
	return refuse(l, node, "found %s, allowed a list with one section per robot (\"- name: arm\")",
			found_text(node, found, sizeof found));
}

/* Ancestors of the node one and two levels below the root; the node itself may be one of them. */
static void find_ancestors(const struct yaml_node *node, const struct yaml_node **top, const struct yaml_node **entry)
{
	*entry = NULL;
	for (*top = node; (*top)->parent->parent; *top = (*top)->parent)
		*entry = *top;
}

static int take_any(const struct loading *l, const struct yaml_node *node)
{
	const struct yaml_node *top, *entry;

	find_ancestors(node, &top, &entry);
	if (strcmp(top->key, "cameras") == 0)
		return node->key ? take_cameras(l, node, top, entry) : 0;
	if (strcmp(top->key, "robots") == 0)
		return node->key || node == entry ? take_robots(l, node, top, entry) : 0;
	return node->key ? take_node(l, node, top->parent, key_scope_global, l->c) : 0;
}

static bool is_open(const struct yaml_node *node)
{
	return (node->key && strcmp(node->key, "<" FILL_IN ">") == 0) ||
			(node->kind == YAML_IS_SCALAR && !node->quoted && strcmp(node->text, FILL_IN) == 0);
}

/* Names all of them at once: each takes a look into the training's documents. */
static int refuse_open(const char *path, const struct yaml_tree *tree, struct errbuf *e)
{
	char name[PATH_BYTES], list[3 * ERRBUF_BYTES / 4] = "";
	uint32_t n = 0, named = 0;
	size_t used = 0;

	for (uint32_t i = 1; i < tree->n; i++) {
		const struct yaml_node *node = &tree->node[i];

		if (!is_open(node))
			continue;
		n++;
		yaml_node_path(node->key ? node : node->parent, NULL, name, sizeof name);
		if (used + strlen(name) + sizeof ", line 4294967295: " >= sizeof list)
			continue;
		used += (size_t)snprintf(list + used, sizeof list - used, "%sline %u: %s", used > 0 ? ", " : "", node->line, name);
		named++;
	}
	if (n == 0)
		return 0;
	return fail(e, -EINVAL, "%s: %u values are still %s: %s%s", path, n, FILL_IN, list, named < n ? ", and more" : "");
}

int config_load(struct config *c, const char *path, const struct yaml_tree *tree, struct errbuf *e)
{
	struct loading l = { .c = c, .path = path, .e = e };
	int rc = refuse_open(path, tree, e);

	for (uint32_t i = 1; i < tree->n && rc == 0; i++)
		rc = take_any(&l, &tree->node[i]);
	return rc;
}
