/* describe_parts.h - the parts of a description, each in a file of its own; used by describe.c alone.
 *
 * All return 0 or -ENOMEM: what is wrong with the checkpoint goes into the description. Thread: any. Allocate: yes. Block: on disk. */
#ifndef DREAMVLA_POLICY_DESCRIBE_PARTS_H
#define DREAMVLA_POLICY_DESCRIBE_PARTS_H

#include "policy/describe.h"

/* A copy of the error's text becomes the problem. -ENOMEM. */
MUST_CHECK int describe_note(char **problem, const struct errbuf *why, struct errbuf *e);

MUST_CHECK int describe_weights_read(struct describe_weights *w, const char *model, struct errbuf *e);
MUST_CHECK int describe_statistics_read(struct description *d, struct errbuf *e);

/* Needs everything else in d. */
MUST_CHECK int describe_heads_read(struct description *d, const char *heads, struct errbuf *e);

#endif
