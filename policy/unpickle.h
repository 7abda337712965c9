/* unpickle.h - reads the pickle of a dictionary of PyTorch tensors, and nothing else.
 *
 * A pickle is a program for a stack machine (CPython's Lib/pickletools.py describes every opcode). This machine knows
 * the opcodes that torch.save writes for an OrderedDict of tensors; "calling" a global means recording what
 * it describes. Nothing of the file is ever executed. */
#ifndef DREAMVLA_POLICY_UNPICKLE_H
#define DREAMVLA_POLICY_UNPICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/tensor.h"

/* One entry of the dictionary, as the pickle states it; texts are not terminated and lie in the pickle. */
struct pickled_tensor {
	const char *name, *storage; /* storage: name of the member under data/ */
	uint32_t name_bytes, storage_bytes;
	enum tensor_type type;
	const char *unusable;       /* NULL in what unpickle_tensors returns: other types are refused */
	uint64_t n_elements;        /* of the whole storage */
	uint64_t offset;            /* first element within the storage */
	uint32_t rank;
	uint64_t shape[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX];
};

/* The tensors of the top-level dictionary in its order; *out is the caller's to free. `path` is for messages only.
 * 0; -ENOTSUP: an opcode, global or protocol that no tensor dictionary needs (named in the text, with its byte);
 * -EINVAL: truncated, or not a dictionary of tensors. Thread: any. Allocates: yes. Blocks: no. */
MUST_CHECK int unpickle_tensors(struct pickled_tensor **out, uint32_t *n_out, const char *path, const uint8_t *pickle,
		size_t n_bytes, struct errbuf *e);

#endif
