/* noise_file.h - noise for one inference from a safetensors file, so that another program's run can be repeated. */
#ifndef DREAMVLA_POLICY_INFER_NOISE_FILE_H
#define DREAMVLA_POLICY_INFER_NOISE_FILE_H

#include <stdint.h>

#include "daemon/sys/error.h"

/* Tensor "noise" [chunk][dim], F64 or F32, of the file -> out [chunk * dim]. Other tensors may be of any kind. 0; -ENOENT: no such
 * file; -EINVAL: no safetensors file, no such tensor, another shape or type, a value that is not finite. The text names file, tensor,
 * expected and found. Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int noise_file_read(const char *path, uint32_t chunk, uint32_t dim, double *out, struct errbuf *e);

#endif
