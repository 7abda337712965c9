/* yaml_reader.h - a YAML file as a small tree with line numbers.
 *
 * A strict subset: one document of maps, lists and plain or quoted scalars. What makes a configuration hard to read or
 * to bound is refused by name: anchors, aliases, merge keys, tags, duplicate keys, deep nesting. Knows nothing of what
 * the keys mean. */
#ifndef DREAMVLA_CONFIG_YAML_READER_H
#define DREAMVLA_CONFIG_YAML_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

enum { YAML_FILE_BYTES_MAX = 256 * 1024, YAML_NODES_MAX = 4096, YAML_DEPTH_MAX = 8 };

enum yaml_kind { YAML_IS_SCALAR, YAML_IS_MAP, YAML_IS_LIST };

struct yaml_node {
	enum yaml_kind kind;
	uint32_t line;    /* of its key, or of itself; 1-based */
	const char *key;  /* in its parent map, else NULL */
	const char *text; /* of a scalar, UTF-8, ends with a zero and holds no other */
	bool quoted;      /* "200" is a text, 200 a number */
	uint32_t index;   /* position in its parent */
	uint32_t n;       /* children */
	const struct yaml_node *parent; /* NULL: the root */
};

struct yaml_tree {
	struct yaml_node *node; /* [n] in file order, so that children follow their parent; node[0] is the root, a map */
	uint32_t n;
	char *pool; /* what the nodes' texts point into */
	size_t pool_used, pool_bytes;
};

/* Reads a whole file. An empty one is an empty map. 0, -ENOENT, -errno of the system, or -EINVAL with "path:line: ...".
 * On error nothing is kept. Thread: any. Allocates: yes (yaml_tree_free). Blocks: on disk. */
MUST_CHECK int yaml_tree_read(struct yaml_tree *tree, const char *path, struct errbuf *e);

/* Accepts a zeroed tree. Thread: any. */
void yaml_tree_free(struct yaml_tree *tree);

/* The way from `above` (not itself named) down to the node: policy.gripper.kind, robots[1].name. Cut when too long.
 * Thread: any. Allocates: no. Blocks: no. */
void yaml_node_path(const struct yaml_node *node, const struct yaml_node *above, char *out, size_t bytes);

#endif
