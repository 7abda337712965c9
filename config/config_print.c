/* config_print.c - the configuration as YAML that documents itself, and as a flat list. Walks the table of keys.def, so a
 * new row appears here by itself. */
#include <errno.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"

enum { INDENT = 2 };

/* Opens the sections of `name` that `previous` did not have open, and returns the name's last part with its depth. */
static const char *open_sections(FILE *out, const char *name, const char *previous, int indent, int *depth)
{
	bool same = true;

	*depth = 0;
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(name, '.')) {
		size_t n = (size_t)(dot - name);

		same = same && previous && strncmp(previous, name, n + 1) == 0;
		if (!same)
			fprintf(out, "%s%*s%.*s:\n", *depth == 0 ? "\n" : "", indent + *depth * INDENT, "", (int)n, name);
		else
			previous += n + 1;
		name = dot + 1;
		(*depth)++;
	}
	return name;
}

static void print_help(FILE *out, const struct key *key, int indent)
{
	char allowed[256];

	key_allowed_text(key, allowed, sizeof allowed);
	fprintf(out, "%*s# %s\n%*s# [%s; default: %s]\n", indent, "", key->help, indent, "", allowed,
			key->preset[0] ? key->preset : "\"\"");
}

/* In a list, the first key carries the dash. */
static void print_scope(FILE *out, struct key_scope scope, const void *object, int indent, bool in_list)
{
	char value[KEY_VALUE_BYTES];
	const char *previous = NULL;

	for (uint32_t i = 0; i < scope.n; i++) {
		const struct key *key = &scope.key[i];
		int depth, at;
		const char *name = open_sections(out, key->name, previous, indent, &depth);

		at = indent + depth * INDENT;
		print_help(out, key, at);
		key_value_text(key, object, value);
		if (in_list && i == 0)
			fprintf(out, "%*s- %s: %s\n", at - INDENT, "", name, value);
		else
			fprintf(out, "%*s%s: %s\n", at, "", name, value);
		previous = key->name;
	}
}

int config_print(const struct config *c, FILE *out)
{
	fprintf(out, "# dreamvlad's whole configuration: every key with its meaning, what is allowed, and its default.\n");
	print_scope(out, key_scope_global, c, 0, false);
	fprintf(out, "\n# one section per camera; the name is that of its topic, camera/<name>\ncameras:%s\n",
			c->n_cameras ? "" : " {}");
	for (uint32_t i = 0; i < c->n_cameras; i++) {
		fprintf(out, "%*s%s:\n", INDENT, "", c->camera[i].name);
		print_scope(out, key_scope_camera, &c->camera[i], 2 * INDENT, false);
	}
	fprintf(out, "\n# the arms, in the order of the action's dimensions\nrobots:%s\n", c->n_robots ? "" : " []");
	for (uint32_t i = 0; i < c->n_robots; i++)
		print_scope(out, key_scope_robot, &c->robot[i], 2 * INDENT, true);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

typedef void visitor(void *context, const char *key, const char *value);

static void visit_scope(struct key_scope scope, const void *object, const char *place, visitor *visit, void *context)
{
	char name[CONFIG_NAME_BYTES + KEY_NAME_BYTES + 16], value[KEY_VALUE_BYTES];

	for (uint32_t i = 0; i < scope.n; i++) {
		snprintf(name, sizeof name, "%s%s", place, scope.key[i].name);
		key_value_text(&scope.key[i], object, value);
		visit(context, name, value);
	}
}

void config_visit(const struct config *c, visitor *visit, void *context)
{
	char place[CONFIG_NAME_BYTES + 16];

	visit_scope(key_scope_global, c, "", visit, context);
	for (uint32_t i = 0; i < c->n_cameras; i++) {
		snprintf(place, sizeof place, "cameras.%s.", c->camera[i].name);
		visit_scope(key_scope_camera, &c->camera[i], place, visit, context);
	}
	for (uint32_t i = 0; i < c->n_robots; i++) {
		snprintf(place, sizeof place, "robots[%u].", i);
		visit_scope(key_scope_robot, &c->robot[i], place, visit, context);
	}
}
