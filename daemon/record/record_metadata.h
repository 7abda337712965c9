/* record_metadata.h - what a recording says of its own beginnings besides keys and values: the configuration as a file that can be read
 * again, and the checkpoint's fingerprint (checkpoint.h). */
#ifndef DREAMVLA_DAEMON_RECORD_RECORD_METADATA_H
#define DREAMVLA_DAEMON_RECORD_RECORD_METADATA_H

#include "config/config.h"
#include "daemon/record/mcap_writer.h"
#include "daemon/sys/error.h"

/* Metadata record and key of the configuration's text (YAML). */
#define CONFIG_FILE_METADATA "dreamvla.config.yaml"
#define CONFIG_FILE_KEY "text"

struct record_metadata;

/* Looks at the checkpoint now, when it is loaded: whatever lies in its place when a later file begins is not what was recorded. No file has to
 * wait for it either. *out may have to be destroyed after an error too. -ENOMEM. Thread: start-up. Allocates: yes. Blocks: on disk. */
MUST_CHECK int record_metadata_create(struct record_metadata **out, const struct config *c, struct errbuf *e);
void record_metadata_destroy(struct record_metadata *m); /* accepts NULL */

/* The configuration with whole paths. Thread: any. */
const struct config *record_metadata_of(const struct record_metadata *m);

/* Adds both. Thread: aux. Allocates: no. Blocks: on disk. */
MUST_CHECK int record_metadata_add(struct mcap_writer *w, const struct record_metadata *m, struct errbuf *e);

/* policy.model and policy.heads as they are called from everywhere; what is not there stays as it is. Thread: start-up. Allocates: nothing
 * stays. Blocks: on disk. */
void record_metadata_absolute(struct config *c);

/* The configuration that a recording holds, read and checked as if it were a file. model, heads: NULL, or in place of
 * policy.model and policy.heads. -ENODATA: it holds none; -errno and -EBADMSG as mcap_reader_open; -EINVAL as config_read.
 * Thread: start-up. Allocates: yes, nothing stays. Blocks: on disk. */
MUST_CHECK int record_metadata_config(struct config *c, const char *recording, const char *model, const char *heads, struct errbuf *e);

#endif
