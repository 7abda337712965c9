/* safetensors_write.h - writes a safetensors file: what dreamvla-infer --dump leaves behind.
 *
 * Tensors are copied as they come and written at the end, because the file's header precedes the data. Not for the
 * running daemon: it allocates with every tensor. */
#ifndef DREAMVLA_POLICY_SAFETENSORS_WRITE_H
#define DREAMVLA_POLICY_SAFETENSORS_WRITE_H

#include <stdint.h>

#include "daemon/sys/error.h"

struct safetensors_writer;

/* -ENOMEM. Thread: any. Allocates: yes. Blocks: no. */
MUST_CHECK int safetensors_writer_create(struct safetensors_writer **out, struct errbuf *e);

/* Accepts NULL. What was not saved is lost. */
void safetensors_writer_destroy(struct safetensors_writer *w);

/* Copies data[shape[0]]...[shape[rank-1]]; type as in struct policy_tracer: 'f' float, 'i' int64, 'u' uint8.
 * -EINVAL: an unknown type, a rank above TENSOR_RANK_MAX, or a name that was used before; -ENOMEM.
 * Thread: any, one at a time. Allocates: yes. Blocks: no. */
MUST_CHECK int safetensors_writer_add(struct safetensors_writer *w, const char *name, char type, const void *data,
		const uint64_t *shape, uint32_t rank, struct errbuf *e);

/* Writes all tensors to `path`, replacing what was there. -errno, with the path in the text.
 * Thread: any, one at a time. Allocates: yes. Blocks: on disk. */
MUST_CHECK int safetensors_writer_save(const struct safetensors_writer *w, const char *path, struct errbuf *e);

#endif
