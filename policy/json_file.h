/* json_file.h - JSON files of a checkpoint: reading them, and taking checked values out of them.
 *
 * Every error names file and key, what was found and what is allowed. Only for start-up: jansson allocates. */
#ifndef DREAMVLA_POLICY_JSON_FILE_H
#define DREAMVLA_POLICY_JSON_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"

/* Reads <directory>/<name>, whose top level must be an object without repeated keys; `path` receives the path for later
 * messages (PATH_BYTES of mapping.h). The caller owns *out (json_decref). -ENOENT, -EINVAL (line and column in the
 * text). Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int json_file_read(json_t **out, char *path, const char *directory, const char *name, struct errbuf *e);

/* The same for text in memory; `what` stands for the path in messages. */
MUST_CHECK int json_text_read(json_t **out, const char *what, const char *text, size_t n_bytes, struct errbuf *e);

/* An integer low..high under `key`. -EINVAL. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int json_take_integer(const json_t *object, const char *path, const char *key, int64_t low, int64_t high,
		int64_t *out, struct errbuf *e);

/* A finite number low..high under `key`. -EINVAL. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int json_take_number(const json_t *object, const char *path, const char *key, double low, double high,
		double *out, struct errbuf *e);

/* A member that is an object; NULL (and the error) when it is missing or something else. */
MUST_CHECK int json_take_object(
		const json_t *object, const char *path, const char *key, const json_t **out, struct errbuf *e);

/* "absent", "null", "a string"...: for messages. */
const char *json_kind(const json_t *value);

#endif
