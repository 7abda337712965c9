/* tensor.h - a tensor of a checkpoint as it lies in a mapped file. */
#ifndef DREAMVLA_POLICY_TENSOR_H
#define DREAMVLA_POLICY_TENSOR_H

#include <stdint.h>

#include "daemon/sys/error.h"

enum { TENSOR_RANK_MAX = 6 };

enum tensor_type { TENSOR_BF16, TENSOR_F16, TENSOR_F32, TENSOR_TYPE_COUNT };

/* One tensor, row-major and contiguous, little-endian. `name` and `data` live as long as the file they come from;
 * `data` is aligned to its element at least. */
struct tensor {
	const char *name;
	enum tensor_type type;
	uint32_t rank;
	uint64_t shape[TENSOR_RANK_MAX];
	const void *data;
};

/* Bytes of one element (2, 2, 4), and the name of the type as safetensors spells it.
 * Thread: any. Allocates: no. Blocks: no. */
uint32_t tensor_type_bytes(enum tensor_type type);
const char *tensor_type_name(enum tensor_type type);

/* Bytes of shape[rank] elements. -EOVERFLOW: more than 2^63 - 1. Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int tensor_bytes(enum tensor_type type, uint32_t rank, const uint64_t *shape, uint64_t *n_bytes);

/* 0 when the tensor has exactly this shape[rank]; else -EINVAL naming path, tensor, expected and found shape and type.
 * Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int tensor_check_shape(const struct tensor *t, const char *path, uint32_t rank, const uint64_t *shape,
		struct errbuf *e);

#endif
