/* yaml_reader.c - see yaml_reader.h. Built on libyaml's events, because they carry lines and nothing grows with them. */
#include "config/yaml_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Everything between the first event and the last. */
struct building {
	const char *path;
	struct yaml_tree *tree;
	struct yaml_node *open[YAML_DEPTH_MAX]; /* maps and lists that are not closed yet */
	uint32_t depth;
	const char *key; /* read, its value not yet; NULL: none */
	uint32_t key_line;
	uint32_t documents;
	struct errbuf *e;
};

PRINTF_LIKE(3, 4)
static int refuse(const struct building *b, const yaml_event_t *event, const char *format, ...)
{
	char what[ERRBUF_BYTES / 2];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	return fail(b->e, -EINVAL, "%s:%zu: %s", b->path, event->start_mark.line + 1, what);
}

static const char *keep_text(struct yaml_tree *tree, const char *text, size_t bytes)
{
	char *kept = tree->pool + tree->pool_used;

	if (bytes + 1 > tree->pool_bytes - tree->pool_used)
		return NULL;
	memcpy(kept, text, bytes);
	kept[bytes] = 0;
	tree->pool_used += bytes + 1;
	return kept;
}

static const struct yaml_node *same_key(const struct yaml_tree *tree, const struct yaml_node *map, const char *key)
{
	for (uint32_t i = 1; i < tree->n; i++)
		if (tree->node[i].parent == map && strcmp(tree->node[i].key, key) == 0)
			return &tree->node[i];
	return NULL;
}

/* A scalar where a map wants a key. */
static int take_key(struct building *b, const yaml_event_t *event, const char *text)
{
	const struct yaml_node *twin = same_key(b->tree, b->open[b->depth - 1], text);

	if (strcmp(text, "<<") == 0)
		return refuse(b, event, "merge keys (<<) are not allowed; write the keys out");
	if (text[0] == 0)
		return refuse(b, event, "a key is empty");
	if (strchr(text, '.'))
		return refuse(b, event, "key \"%.100s\": a key has no dot; write \"a.b: 1\" as a section \"a:\" with \"b: 1\" indented below",
				text);
	if (twin)
		return refuse(b, event, "%s: given twice, first in line %u", text, twin->line);
	b->key = text;
	b->key_line = (uint32_t)event->start_mark.line + 1;
	return 0;
}

static bool wants_key(const struct building *b)
{
	return b->depth > 0 && b->open[b->depth - 1]->kind == YAML_IS_MAP && !b->key;
}

static int add_node(struct building *b, const yaml_event_t *event, enum yaml_kind kind, struct yaml_node **out)
{
	struct yaml_tree *tree = b->tree;
	struct yaml_node *parent = b->depth > 0 ? b->open[b->depth - 1] : NULL;

	if (tree->n == YAML_NODES_MAX)
		return refuse(b, event, "more than %d keys and values", YAML_NODES_MAX);
	if (!parent && kind != YAML_IS_MAP)
		return refuse(b, event, "found %s, want a map of keys (\"control:\", \"policy:\", ...)",
				kind == YAML_IS_LIST ? "a list" : "a single value");
	*out = &tree->node[tree->n++];
	**out = (struct yaml_node){ .kind = kind, .key = b->key, .index = parent ? parent->n : 0, .parent = parent,
		.line = b->key ? b->key_line : (uint32_t)event->start_mark.line + 1 };
	if (parent)
		parent->n++;
	b->key = NULL;
	return 0;
}

static int take_scalar(struct building *b, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t bytes = event->data.scalar.length;
	struct yaml_node *node;
	const char *text;
	int rc;

	if (event->data.scalar.anchor)
		return refuse(b, event, "anchors (&%.50s) are not allowed", event->data.scalar.anchor);
	if (event->data.scalar.tag)
		return refuse(b, event, "tags (%.50s) are not allowed", event->data.scalar.tag);
	if (memchr(value, 0, bytes))
		return refuse(b, event, "a text holds a zero byte");
	text = keep_text(b->tree, value, bytes);
	if (!text)
		return refuse(b, event, "the texts are too long");
	if (wants_key(b))
		return take_key(b, event, text);
	if (b->depth == 0 && bytes == 0)
		return 0; /* a document with nothing but "---" or comments */
	rc = add_node(b, event, YAML_IS_SCALAR, &node);
	if (rc < 0)
		return rc;
	node->text = text;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int open_collection(struct building *b, const yaml_event_t *event, enum yaml_kind kind, const yaml_char_t *anchor,
		const yaml_char_t *tag)
{
	struct yaml_node *node;
	int rc;

	if (anchor)
		return refuse(b, event, "anchors (&%.50s) are not allowed", anchor);
	if (tag)
		return refuse(b, event, "tags (%.50s) are not allowed", tag);
	if (wants_key(b))
		return refuse(b, event, "a key must be a plain word");
	if (b->depth == YAML_DEPTH_MAX)
		return refuse(b, event, "nested deeper than %d levels", YAML_DEPTH_MAX);
	rc = add_node(b, event, kind, &node);
	if (rc < 0)
		return rc;
	b->open[b->depth++] = node;
	return 0;
}

static int take_event(struct building *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++ > 0)
			return refuse(b, event, "a second document (---) is not allowed");
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(b, event, "aliases (*%.50s) are not allowed; write the value out", event->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		return take_scalar(b, event);
	case YAML_MAPPING_START_EVENT:
		return open_collection(b, event, YAML_IS_MAP, event->data.mapping_start.anchor,
				event->data.mapping_start.tag);
	case YAML_SEQUENCE_START_EVENT:
		return open_collection(b, event, YAML_IS_LIST, event->data.sequence_start.anchor,
				event->data.sequence_start.tag);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

static int refuse_syntax(const struct building *b, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return fail(b->e, -ENOMEM, "%s: out of memory", b->path);
	if (parser->error == YAML_READER_ERROR)
		return fail(b->e, -EINVAL, "%s: byte %zu: %s; the file must be UTF-8 text", b->path, parser->problem_offset,
				parser->problem);
	return fail(b->e, -EINVAL, "%s:%zu: bad YAML: %s%s%s", b->path, parser->problem_mark.line + 1, parser->problem,
			parser->context ? ", " : "", parser->context ? parser->context : "");
}

static int parse_bytes(struct building *b, const uint8_t *bytes, size_t n)
{
	yaml_parser_t parser;
	yaml_event_t event;
	bool more = true;
	int rc = 0;

	if (!yaml_parser_initialize(&parser))
		return fail(b->e, -ENOMEM, "%s: out of memory", b->path);
	yaml_parser_set_input_string(&parser, bytes, n);
	while (rc == 0 && more) {
		if (!yaml_parser_parse(&parser, &event)) {
			rc = refuse_syntax(b, &parser);
			break;
		}
		more = event.type != YAML_STREAM_END_EVENT;
		rc = take_event(b, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return rc;
}

static int read_bytes(const char *path, uint8_t *bytes, size_t *n, struct errbuf *e)
{
	FILE *f = fopen(path, "re");
	int rc = 0;

	if (!f)
		return fail(e, -errno, "%s: %s", path, strerror(errno));
	*n = fread(bytes, 1, YAML_FILE_BYTES_MAX + 1, f);
	if (ferror(f))
		rc = fail(e, -EIO, "%s: cannot be read: %s", path, strerror(errno));
	else if (*n > YAML_FILE_BYTES_MAX)
		rc = fail(e, -EINVAL, "%s: larger than %d kB", path, YAML_FILE_BYTES_MAX / 1024);
	fclose(f);
	return rc;
}

/* An empty file has no node at all. */
static void ensure_root(struct yaml_tree *tree)
{
	if (tree->n == 0)
		tree->node[tree->n++] = (struct yaml_node){ .kind = YAML_IS_MAP, .line = 1 };
}

int yaml_tree_read(struct yaml_tree *tree, const char *path, struct errbuf *e)
{
	struct building b = { .path = path, .tree = tree, .e = e };
	uint8_t *bytes = malloc(YAML_FILE_BYTES_MAX + 1);
	size_t n = 0;
	int rc;

	*tree = (struct yaml_tree){ 0 };
	/* An escape of two bytes (\L) may become three; every scalar gets a zero. */
	tree->pool_bytes = 2 * YAML_FILE_BYTES_MAX + 2 * YAML_NODES_MAX;
	tree->pool = malloc(tree->pool_bytes);
	tree->node = calloc(YAML_NODES_MAX, sizeof tree->node[0]);
	if (!bytes || !tree->pool || !tree->node)
		rc = fail(e, -ENOMEM, "%s: out of memory", path);
	else
		rc = read_bytes(path, bytes, &n, e);
	if (rc == 0)
		rc = parse_bytes(&b, bytes, n);
	if (rc == 0)
		ensure_root(tree);
	else
		yaml_tree_free(tree);
	free(bytes);
	return rc;
}

void yaml_tree_free(struct yaml_tree *tree)
{
	free(tree->node);
	free(tree->pool);
	*tree = (struct yaml_tree){ 0 };
}

void yaml_node_path(const struct yaml_node *node, const struct yaml_node *above, char *out, size_t bytes)
{
	const struct yaml_node *way[YAML_DEPTH_MAX + 1] = { NULL };
	uint32_t n = 0;
	size_t used = 0;

	for (; node && node != above; node = node->parent)
		way[n++] = node;
	out[0] = 0;
	while (n-- > 0 && used < bytes) {
		int wrote;

		if (way[n]->key)
			wrote = snprintf(out + used, bytes - used, "%s%s", used > 0 ? "." : "", way[n]->key);
		else if (way[n]->parent)
			wrote = snprintf(out + used, bytes - used, "[%u]", way[n]->index);
		else
			wrote = 0;
		used += wrote > 0 ? (size_t)wrote : 0;
	}
}
