/* config_print.c - the configuration as YAML that documents itself, and as a flat list. Walks the table of keys.def, so a
 * new row appears here by itself. */
#include <errno.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"

enum { INDENT = 2 };

/* Where the rows of a scope go. */
struct page {
	FILE *out;
	const char *lead; /* what every line begins with: "# " makes examples of them */
	int indent;
	bool in_list;     /* the first key carries the dash */
};

/* Opens the sections of `name` that `previous` did not have open, and returns the name's last part with its depth. */
static const char *open_sections(const struct page *p, const char *name, const char *previous, int *depth)
{
	bool same = true;

	*depth = 0;
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(name, '.')) {
		size_t n = (size_t)(dot - name);

		same = same && previous && strncmp(previous, name, n + 1) == 0;
		if (!same)
			fprintf(p->out, "%s%s%*s%.*s:\n", *depth == 0 ? "\n" : "", p->lead, p->indent + *depth * INDENT, "", (int)n, name);
		else
			previous += n + 1;
		name = dot + 1;
		(*depth)++;
	}
	return name;
}

static void print_help(const struct page *p, const struct key *key, int at)
{
	char allowed[256];

	key_allowed_text(key, allowed, sizeof allowed);
	fprintf(p->out, "%s%*s# %s\n%s%*s# [%s; default: %s]\n", p->lead, at, "", key->help, p->lead, at, "", allowed,
			key->preset[0] ? key->preset : "\"\"");
}

static void print_scope(const struct page *p, struct key_scope scope, const void *object)
{
	char value[KEY_VALUE_BYTES];
	const char *previous = NULL;

	for (uint32_t i = 0; i < scope.n; i++) {
		const struct key *key = &scope.key[i];
		bool dash = p->in_list && i == 0;
		int depth, at;
		const char *name = open_sections(p, key->name, previous, &depth);

		at = p->indent + depth * INDENT;
		print_help(p, key, at);
		key_value_text(key, object, value);
		fprintf(p->out, "%s%*s%s%s: %s\n", p->lead, dash ? at - INDENT : at, "", dash ? "- " : "", name, value);
		previous = key->name;
	}
}

/* Without any camera one is shown as a comment, so that its keys are never hidden. */
static void print_cameras(const struct config *c, FILE *out)
{
	struct page page = { .out = out, .lead = c->n_cameras ? "" : "# ", .indent = 2 * INDENT };
	struct config_camera example = { .name = "NAME" };
	uint32_t n = c->n_cameras ? c->n_cameras : 1;

	key_set_presets(key_scope_camera, &example);
	fprintf(out, "\n# one section per camera; the name is that of its topic, camera/<name>\ncameras:%s\n", c->n_cameras ? "" : " {}");
	for (uint32_t i = 0; i < n; i++) {
		const struct config_camera *camera = c->n_cameras ? &c->camera[i] : &example;

		fprintf(out, "%s%*s%s:\n", page.lead, INDENT, "", camera->name);
		print_scope(&page, key_scope_camera, camera);
	}
}

static void print_robots(const struct config *c, FILE *out)
{
	struct page page = { .out = out, .lead = c->n_robots ? "" : "# ", .indent = 2 * INDENT, .in_list = true };
	struct config_robot example;
	uint32_t n = c->n_robots ? c->n_robots : 1;

	config_robot_defaults(&example);
	fprintf(out, "\n# the arms, in the order of the action's dimensions\nrobots:%s\n", c->n_robots ? "" : " []");
	for (uint32_t i = 0; i < n; i++)
		print_scope(&page, key_scope_robot, c->n_robots ? &c->robot[i] : &example);
}

int config_print(const struct config *c, FILE *out)
{
	struct page page = { .out = out, .lead = "" };

	fprintf(out, "# dreamvlad's whole configuration: every key with its meaning, what is allowed, and its default.\n");
	print_scope(&page, key_scope_global, c);
	print_cameras(c, out);
	print_robots(c, out);
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
