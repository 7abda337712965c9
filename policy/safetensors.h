/* safetensors.h - one safetensors file: its header, read and checked.
 *
 * Format (README of the safetensors project): 8 bytes little-endian length of the header, the header as JSON
 * { name: { "dtype", "shape", "data_offsets": [first, end] } }, then the data without holes. */
#ifndef DREAMVLA_POLICY_SAFETENSORS_H
#define DREAMVLA_POLICY_SAFETENSORS_H

#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/mapping.h"
#include "policy/tensor.h"

/* The tensors of a mapped file, pointing into it; the names are the caller's to free (safetensors_free). 0; -EINVAL:
 * truncated, overlapping, misaligned or otherwise contradictory; -ENOTSUP: a type other than BF16, F16 and F32.
 * Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int safetensors_parse(
		const struct mapping *file, struct tensor **tensors, uint32_t *n_tensors, struct errbuf *e);

/* Accepts NULL. */
void safetensors_free(struct tensor *tensors, uint32_t n_tensors);

#endif
