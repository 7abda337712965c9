/* load.h - the two halves of config_read, apart so that tests can reach them. Private to config/. */
#ifndef DREAMVLA_CONFIG_LOAD_H
#define DREAMVLA_CONFIG_LOAD_H

#include "config/config.h"
#include "config/yaml_reader.h"

/* Sets from the tree what it names; everything else keeps its value. Checks each key by itself, not what belongs together.
 * Errors as config_read's. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int config_load(struct config *c, const char *path, const struct yaml_tree *tree, struct errbuf *e);

#endif
