/* describe_output.h - how --describe shows a description: for people, for programs, and as the beginning of a configuration. */
#ifndef DREAMVLA_POLICY_INFER_DESCRIBE_OUTPUT_H
#define DREAMVLA_POLICY_INFER_DESCRIBE_OUTPUT_H

#include <stdbool.h>

#include "policy/describe.h"

/* What cannot be read from a checkpoint; dreamvlad refuses each key that still has it. */
#define DESCRIBE_FILL_IN "FILL_IN"

/* The decoder to write a configuration for: the first that runs (and is the wanted one), those with head files before those without.
 * With --heads only of that folder; else those without head files are out while any head file is broken. False: there is none. */
bool describe_choose(const struct description *d, const char *decoder, const struct describe_heads **heads,
		const struct describe_run **run);

/* All print on standard output. decoder: the one asked for, or NULL. JSON: bytes that are no UTF-8 become U+FFFD; -EIO: it is not
 * whole. Thread: main. Allocates: JSON only. */
void describe_print_text(const struct description *d);
void describe_print_yaml(const struct description *d, const char *decoder);
MUST_CHECK int describe_print_json(const struct description *d, const char *decoder, struct errbuf *e);

#endif
