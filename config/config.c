/* config.c - see config.h: defaults, and reading a file as a whole. */
#include "config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "config/load.h"

void config_defaults(struct config *c)
{
	*c = (struct config){ 0 };
	key_set_presets(key_scope_global, c);
}

void config_robot_defaults(struct config_robot *r)
{
	*r = (struct config_robot){ 0 };
	key_set_presets(key_scope_robot, r);
}

/* The folder of the file, absolute, so that the result means the same from anywhere. */
static int find_folder(const char *path, char folder[PATH_MAX], struct errbuf *e)
{
	char *slash;

	if (!realpath(path, folder))
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	slash = strrchr(folder, '/');
	slash[slash == folder] = 0; /* "/x.yaml" lies in "/" */
	return 0;
}

static int resolve_path(const char *folder, const char *path, const char *name, char *field, struct errbuf *e)
{
	char joined[PATH_MAX + CONFIG_TEXT_BYTES];

	if (field[0] == 0 || field[0] == '/')
		return 0;
	snprintf(joined, sizeof joined, "%s/%s", folder, field);
	if (strlen(joined) >= CONFIG_TEXT_BYTES)
		return fail(e, -EINVAL, "%s: %s: found %s, which is %zu bytes long seen from /, allowed at most %d", path, name,
				field, strlen(joined), CONFIG_TEXT_BYTES - 1);
	strcpy(field, joined);
	return 0;
}

static int resolve_paths(struct config *c, const char *path, struct errbuf *e)
{
	char folder[PATH_MAX];
	int rc = find_folder(path, folder, e);

	for (uint32_t i = 0; i < key_scope_global.n && rc == 0; i++) {
		const struct key *key = &key_scope_global.key[i];

		if (key->type == KEY_PATH)
			rc = resolve_path(folder, path, key->name, (char *)c + key->offset, e);
	}
	return rc;
}

/* Line of the node whose name the text begins with ("robots[1].tcp: ..."), or of the nearest section above; 0: none. */
static uint32_t line_of(const struct yaml_tree *tree, const char *text)
{
	size_t best = 0;
	uint32_t line = 0;

	for (uint32_t i = 1; i < tree->n; i++) {
		char name[KEY_VALUE_BYTES];
		size_t n;

		yaml_node_path(&tree->node[i], NULL, name, sizeof name);
		n = strlen(name);
		if (n > best && strncmp(text, name, n) == 0 && strchr(":.[", text[n])) {
			best = n;
			line = tree->node[i].line;
		}
	}
	return line;
}

static int check_whole(const struct config *c, const char *path, const struct yaml_tree *tree, struct errbuf *e)
{
	struct errbuf why = { "" };
	int rc = config_check(c, &why);
	uint32_t line = rc < 0 ? line_of(tree, why.text) : 0;

	if (rc < 0 && line > 0)
		return fail(e, rc, "%s:%u: %.900s", path, line, why.text);
	if (rc < 0)
		return fail(e, rc, "%s: %.900s", path, why.text);
	return 0;
}

int config_read(struct config *out, const char *path, struct errbuf *e)
{
	struct yaml_tree tree;
	struct config c;
	int rc;

	if (strlen(path) >= sizeof c.path)
		return fail(e, -EINVAL, "%s: the path is longer than %zu bytes", path, sizeof c.path - 1);
	if (strcmp(path, "-") == 0)
		return fail(e, -EINVAL, "-: standard input is not read, because the paths in a configuration start at its folder; give a file");
	rc = yaml_tree_read(&tree, path, e);
	if (rc < 0)
		return rc;
	config_defaults(&c);
	strcpy(c.path, path);
	rc = config_load(&c, path, &tree, e);
	if (rc == 0)
		rc = resolve_paths(&c, path, e);
	if (rc == 0)
		rc = check_whole(&c, path, &tree, e);
	yaml_tree_free(&tree);
	if (rc == 0)
		*out = c;
	return rc;
}
