/* metadata_pairs.h - keys and values of one metadata record, kept until it is written. Thread: the owner's. */
#ifndef DREAMVLA_DAEMON_RECORD_METADATA_PAIRS_H
#define DREAMVLA_DAEMON_RECORD_METADATA_PAIRS_H

#include <stddef.h>

#include "daemon/record/mcap_writer.h"

enum { METADATA_PAIRS_MAX = 520, METADATA_TEXT_BYTES = 256 << 10 };

/* Zeroed: none yet. */
struct metadata_pairs {
	struct mcap_pair pair[METADATA_PAIRS_MAX];
	char text[METADATA_TEXT_BYTES];
	size_t n, used;
};

/* Copies both into `pairs`, a struct metadata_pairs (a visitor's context); beyond its room keys and values are left out. Allocates: no. */
void metadata_pairs_add(void *pairs, const char *key, const char *value);

#endif
