/* weights.h - the checkpoint's tensors, mapped read-only from safetensors files and never copied.
 *
 * Reads model.safetensors, or model.safetensors.index.json and its shards (format: the safetensors README: 8-byte
 * little-endian header length, JSON header, tensor bytes). Everything is checked when the files are opened, so that a
 * tensor found later can be used without further checks. Knows nothing of the network that uses the tensors. */
#ifndef DREAMVLA_POLICY_WEIGHTS_H
#define DREAMVLA_POLICY_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sys/error.h"
#include "policy/tensor.h"

struct weights;

/* Tensors from elsewhere than files: for measurements of a network that no checkpoint is at hand for. take: as weights_find; what it gives
 * lives as long as the context. */
struct weights_supply {
	int (*take)(void *context, const char *name, uint32_t rank, const uint64_t *shape, struct tensor *out, struct errbuf *e);
	void *context;
	uint64_t values;            /* that it will give for a checkpoint, all tensors together */
};

/* Weights that come from a supply, which must outlive them; weights_has knows none of them. Thread: any. Allocates: yes. Blocks: no. */
MUST_CHECK int weights_open_supply(struct weights **out, const struct weights_supply *supply, struct errbuf *e);

/* Maps and checks every file of the checkpoint directory. 0; -ENOENT: no weights, or a shard is missing; -EINVAL:
 * truncated or contradictory; -ENOTSUP: a tensor type other than BF16, F16 and F32; -errno of the system calls.
 * The text names file, tensor, what was found and what was expected.
 * Thread: any. Allocates: yes. Blocks: on disk. */
MUST_CHECK int weights_open(struct weights **out, const char *directory, struct errbuf *e);

/* Reads all files into memory, in the order in which they lie on disk, so that the first inference need not; report (may be NULL) is told
 * the share that is done. Nothing is pinned. When less memory is available than the files take
 * (available_memory.h), only warns (log.h): reading them would
 * drive out what was read first. -EIO: a file cannot be read. Thread: any. Allocates: yes. Blocks: on disk, for as long as one reading of
 * the files takes. */
MUST_CHECK int weights_load(const struct weights *w, void (*report)(void *context, double share), void *context, struct errbuf *e);

/* Brings bytes of a tensor into memory before they are read for the last time, and asks for those behind them; for a backend that keeps its
 * own copy. Bytes of no file of the checkpoint are taken to be there. -EIO: cannot be read. Thread: any. Allocates: no. Blocks: on disk. */
MUST_CHECK int weights_fetch(const struct weights *w, const void *from, uint64_t n_bytes, struct errbuf *e);

/* Unmaps; accepts NULL. Thread: any, when nobody uses a tensor any more. */
void weights_close(struct weights *w);

/* The tensor of exactly this name and shape[rank]. -ENOENT: there is none; -EINVAL: another shape (the text names file,
 * tensor, expected and found shape). Thread: any. Allocates: no. Blocks: no. */
MUST_CHECK int weights_find(const struct weights *w, const char *name, uint32_t rank, const uint64_t *shape,
		struct tensor *out, struct errbuf *e);

/* Thread: any. Allocates: no. Blocks: no. */
bool weights_has(const struct weights *w, const char *name);

/* Sum of all tensors' bytes. Thread: any. Allocates: no. Blocks: no. */
uint64_t weights_bytes(const struct weights *w);

/* How many values all tensors have. Thread: any. Allocates: no. Blocks: no. */
uint64_t weights_values(const struct weights *w);

#endif
