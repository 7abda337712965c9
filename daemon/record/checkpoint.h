/* checkpoint.h - a quick fingerprint of the files that a policy was made from, so that a replay can say that it has others.
 *
 * Of every file in policy.model and policy.heads: its size, and a CRC-32 of all of it up to 16 MB; beyond that of its first and last 64 kB
 * and of 4 kB at 128 places between. Another training, precision or format changes it; in a large file a few bytes changed by hand may not. */
#ifndef DREAMVLA_DAEMON_RECORD_CHECKPOINT_H
#define DREAMVLA_DAEMON_RECORD_CHECKPOINT_H

#include "config/config.h"

#define CHECKPOINT_METADATA "dreamvla.weights"

/* Calls back for each file, in the order of their names: "model/NAME" or "heads/NAME", and "BYTES bytes, crc32 SUM", or why it cannot be
 * read; at last "files", and how many. Folders and hidden files are none. Thread: any. Allocates: yes, nothing stays. Blocks: on disk, for
 * some 130 small reads a file. */
void checkpoint_visit(const struct config *c, void (*visit)(void *context, const char *key, const char *value), void *context);

#endif
